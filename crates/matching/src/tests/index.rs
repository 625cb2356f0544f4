//! The index answers as a look at every policy does.

use std::sync::Arc;

use api::Scope;
use api::policy::Policy;
use machinery::Object;
use serde_json::{Value, json};

use super::{policies, policy, web};
use crate::*;

fn by_list(policies: &[Policy], object: &Object) -> Option<Claimant> {
    let (namespaced, cluster): (Vec<_>, Vec<_>) =
        policies.iter().cloned().partition(|p| p.scope == Scope::Namespaced);
    choose_policy(&namespaced, &cluster, object).map(Claimant::of)
}

fn by_index(index: &PolicyIndex, object: &Object) -> Option<Claimant> {
    index.choose(object).map(|policy| Claimant::of(policy))
}

#[test]
fn the_index_chooses_as_the_list_does_for_every_subset() {
    let all = policies(
        "default/a: * | default/b@2: web | default/c: app=web | other/d@9: web | e@3: web | f: Service:web | g: db, *",
    );
    let mut service = Object::new("v1", "Service", "default", "web");
    service.set_label("app", "web");
    let mut db = web();
    db.set("/metadata/name", "db");
    for subset in 0_u32..1 << all.len() {
        let mut index = PolicyIndex::new();
        for policy in &all {
            index.insert(Arc::new(policy.clone()));
        }
        for (i, policy) in all.iter().enumerate() {
            if subset & (1 << i) == 0 {
                index.remove(&Claimant::of(policy));
            }
        }
        let left: Vec<Policy> = index.iter().map(|p| p.as_ref().clone()).collect();
        for object in [&web(), &service, &db] {
            assert_eq!(by_index(&index, object), by_list(&left, object), "subset {subset:b}");
        }
    }
}

/// Numbers that follow from a seed.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn labels(&mut self) -> Value {
        let value = self.one_of(&["1", "2", "3"]);
        let key = self.one_of(&["a", "b", "c"]);
        let expression = |operator: &str, values: &[&str]| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        match self.below(8) {
            0 => json!({}),
            1 => json!({ "matchLabels": { key: value } }),
            2 => json!({ "matchLabels": { "a": value, "b": "1" } }),
            3 => expression("In", &[value]),
            4 => expression("In", &[value, "1"]),
            5 => expression("NotIn", &[value]),
            6 => expression("Exists", &[]),
            _ => expression("DoesNotExist", &[]),
        }
    }

    fn policy(&mut self) -> Policy {
        let namespace = self.one_of(&["", "", "default", "other"]);
        let name = self.one_of(&["p", "q", "r", "s", "t"]);
        let priority = self.one_of(&["", "@1", "@-1", "@2"]);
        let head = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
        let count = 1 + self.below(3);
        let selectors: Vec<&str> = (0..count)
            .map(|_| {
                self.one_of(&["web", "db", "*", "*", "*", "default/*", "other/*", "Service:*", "default/web"])
            })
            .collect();
        let mut policy = policy(&format!("{head}{priority}: {}", selectors.join(", ")));
        for selector in policy.spec.resource_selectors.iter_mut().filter(|s| s.name.is_empty()) {
            if self.below(3) > 0 {
                selector.label_selector = Some(serde_json::from_value(self.labels()).unwrap());
            }
        }
        if self.below(10) == 0 {
            policy.metadata.deletion_timestamp = Some(api::Time::default());
        }
        policy
    }

    fn object(&mut self) -> Object {
        let (version, kind) = if self.below(5) == 0 { ("v1", "Service") } else { ("apps/v1", "Deployment") };
        let mut object = Object::new(
            version,
            kind,
            self.one_of(&["default", "other", ""]),
            self.one_of(&["web", "db", "x"]),
        );
        for key in ["a", "b", "c"] {
            if self.below(2) == 0 {
                object.set_label(key, self.one_of(&["1", "2", "3"]));
            }
        }
        object
    }
}

#[test]
fn the_index_chooses_as_the_list_does_whatever_comes_and_goes() {
    for seed in 0..300 {
        let mut random = Seeded(seed);
        let mut index = PolicyIndex::new();
        for step in 0..40 {
            let policy = random.policy();
            if random.below(4) == 0 {
                index.remove(&Claimant::of(&policy));
            } else {
                index.insert(Arc::new(policy));
            }
            let left: Vec<Policy> = index.iter().map(|p| p.as_ref().clone()).collect();
            let object = random.object();
            assert_eq!(
                by_index(&index, &object),
                by_list(&left, &object),
                "seed {seed} step {step}: {object:?}"
            );
        }
    }
}

#[test]
fn a_changed_policy_leaves_nothing_behind_in_the_index() {
    let mut index = PolicyIndex::new();
    index.insert(Arc::new(policy("a: web, app=web, *")));
    index.insert(Arc::new(policy("a: db")));
    assert!(index.choose(&web()).is_none());
    assert_eq!(index.len(), 1);
    index.remove(&Claimant::of(&policy("a: db")));
    assert!(index.is_empty());
    assert_eq!(format!("{index:?}"), format!("{:?}", PolicyIndex::new()), "no empty groups stay either");
}

#[test]
fn a_policy_is_found_by_its_name() {
    let mut index = PolicyIndex::new();
    index.insert(Arc::new(policy("default/a: web")));
    assert!(index.get(&Claimant::of(&policy("default/a: *"))).is_some());
    assert!(index.get(&Claimant::of(&policy("a: *"))).is_none());
}
