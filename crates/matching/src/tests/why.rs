//! Explanations: which policy governs, and why the others do not.

use api::policy::{Policy, Preemption};
use machinery::Object;

use super::{policies, policy, web};
use crate::*;

fn why(object: &Object, policies: &[Policy]) -> String {
    explain(object, policies, &Facts::default()).to_string()
}

/// The Deployment `web`, claimed by the policy of this name.
fn claimed_by(policy: &str) -> Object {
    let mut object = web();
    match policy.split_once('/') {
        Some((namespace, name)) => {
            object.set_label("propagationpolicy.karmada.io/permanent-id", "id");
            object.set_annotation("propagationpolicy.karmada.io/namespace", namespace);
            object.set_annotation("propagationpolicy.karmada.io/name", name);
        }
        None => {
            object.set_label("clusterpropagationpolicy.karmada.io/permanent-id", "id");
            object.set_annotation("clusterpropagationpolicy.karmada.io/name", policy);
        }
    }
    object
}

#[test]
fn the_policy_that_governs_is_named_and_each_other_one_says_why_not() {
    let text = why(
        &web(),
        &policies(
            "default/a@1: * | default/b@1: web | default/c: db | default/d: Service:web | other/e: web | f@9: web",
        ),
    );
    assert_eq!(
        text,
        "Deployment default/web: PropagationPolicy default/b governs it, before PropagationPolicy default/a: it selects by name, not by kind
  PropagationPolicy default/b: chosen (priority 1, by name)
  PropagationPolicy default/a: outranked, selects by kind, the other by name (priority 1, by kind)
  ClusterPropagationPolicy f: outranked, any PropagationPolicy of the namespace comes first (priority 9, by name)
  PropagationPolicy default/c: does not match, name is web, not db
  PropagationPolicy other/e: does not match, policy is of namespace other, the object of default
  PropagationPolicy default/d: does not match, apiVersion is apps/v1, not v1; kind is Deployment, not Service"
    );
}

#[test]
fn every_way_to_lose_has_its_reason() {
    let summary = |text: &str| explain(&web(), &policies(text), &Facts::default()).summary();
    let chosen = "Deployment default/web: ClusterPropagationPolicy a governs it, ";
    assert_eq!(summary("a: web"), format!("{chosen}the only one that matches"));
    assert_eq!(
        summary("a@2: * | b@1: web"),
        format!("{chosen}before ClusterPropagationPolicy b: its priority is 2, not 1")
    );
    assert_eq!(
        summary("a: * | b: *"),
        format!("{chosen}before ClusterPropagationPolicy b: its name comes first")
    );
    assert_eq!(
        summary("a: app=web | b: *"),
        format!("{chosen}before ClusterPropagationPolicy b: it selects by labels, not by kind")
    );
    assert_eq!(
        summary("default/a: * | b@5: *"),
        "Deployment default/web: PropagationPolicy default/a governs it, before ClusterPropagationPolicy b: a \
         PropagationPolicy comes before every ClusterPropagationPolicy"
    );
}

#[test]
fn when_no_policy_matches_the_nearest_one_says_on_what_it_fails() {
    let nearest = |text: &str| {
        let nearest = explain(&web(), &policies(text), &Facts::default()).nearest.unwrap();
        let failures: Vec<String> = nearest.failures.iter().map(ToString::to_string).collect();
        format!("{} {:?}: {}", nearest.policy.name, nearest.selector, failures.join("; "))
    };
    assert_eq!(nearest("a: Service:web | b: db"), "b Some(0): name is web, not db", "fewer parts");
    assert_eq!(
        nearest("a: db | b: app=db"),
        r#"b Some(0): label app is "web", wanted is app=db"#,
        "a later part"
    );
    assert_eq!(nearest("b: db | a: ui"), "a Some(0): name is web, not ui", "the first name");
    assert_eq!(nearest("a: Service:db, db"), "a Some(1): name is web, not db", "the closest selector");
    assert_eq!(
        nearest("a: Service:web | other/b: *"),
        "b Some(0): policy is of namespace other, the object of default"
    );
    let none = explain(&web(), &[], &Facts::default());
    assert_eq!(none.summary(), "Deployment default/web: there is no policy");
    let mut empty = policy("a: *");
    empty.spec.resource_selectors.clear();
    assert_eq!(
        explain(&web(), &[empty], &Facts::default()).summary(),
        "Deployment default/web: no policy matches; the nearest one is ClusterPropagationPolicy a, which fails on: it \
         has no selector"
    );
}

#[test]
fn the_order_in_which_policies_come_does_not_matter() {
    let mut policies =
        policies("default/a: * | default/b: web | other/c: web | d: db | e: ui | f@3: * | g: Service:*");
    let expected = explain(&web(), &policies, &Facts::default());
    for _ in 0..policies.len() {
        policies.rotate_left(1);
        assert_eq!(explain(&web(), &policies, &Facts::default()), expected);
    }
}

#[test]
fn an_existing_claim_prevails_over_every_policy() {
    let text = why(&claimed_by("z"), &policies("default/a@9: web | z: *"));
    assert_eq!(
        text,
        "Deployment default/web is claimed by ClusterPropagationPolicy z: its claim prevails over every other policy
  ClusterPropagationPolicy z: has claimed it (priority 0, by kind)
  PropagationPolicy default/a: outranked, the claim prevails: its preemption is Never (priority 9, by name)"
    );
}

#[test]
fn a_claim_that_does_not_hold_says_so_and_what_comes_then() {
    let summary =
        |object: &Object, policies: &[Policy]| explain(object, policies, &Facts::default()).summary();
    assert_eq!(
        summary(&claimed_by("default/gone"), &policies("a: *")),
        "Deployment default/web is claimed by PropagationPolicy default/gone: the policy does not exist any more; the \
         claim will be taken off; then ClusterPropagationPolicy a governs it, the only one that matches"
    );
    assert_eq!(
        summary(&claimed_by("b"), &policies("a: * | b: db")),
        "Deployment default/web is claimed by ClusterPropagationPolicy b: the policy does not select it any more; the \
         claim will be taken off; then ClusterPropagationPolicy a governs it, the only one that matches"
    );
    let mut deleting = policies("a: *");
    deleting[0].metadata.deletion_timestamp = Some(api::Time::default());
    assert_eq!(
        why(&claimed_by("a"), &deleting),
        "Deployment default/web is claimed by ClusterPropagationPolicy a: the policy is being deleted and takes the \
         claim off; then there is no policy
  ClusterPropagationPolicy a: is being deleted (priority 0, by kind)"
    );
}

#[test]
fn what_something_else_has_claimed_no_policy_touches() {
    let mut object = claimed_by("a");
    object.set_label("resourcetemplate.karmada.io/claimed-by", "MultiClusterService");
    assert_eq!(
        why(&object, &policies("a: *")),
        "Deployment default/web is governed by MultiClusterService; policies leave it alone
  ClusterPropagationPolicy a: outranked, no policy governs this object (priority 0, by kind)"
    );
}

fn preempting(text: &str) -> Policy {
    let mut policy = policy(text);
    policy.spec.preemption = Some(Preemption::Always);
    policy
}

fn takes(policy: &Policy, owner: &str) -> String {
    match preempts(policy, &super::policy(owner), &web(), PreemptionGate::On) {
        Ok(()) => "takes over".into(),
        Err(refusal) => refusal.to_string(),
    }
}

#[test]
fn a_policy_preempts_by_name_only_and_only_when_it_asks() {
    assert_eq!(takes(&preempting("default/a@1: web"), "default/b: *"), "takes over");
    assert_eq!(takes(&policy("default/a@1: web"), "default/b: *"), "its preemption is Never");
    let unnamed = "none of its selectors names the template, and only names preempt";
    assert_eq!(takes(&preempting("default/a@1: *"), "default/b: *"), unnamed);
    assert_eq!(takes(&preempting("default/a@1: app=web, db"), "default/b: *"), unnamed);
    assert_eq!(
        preempts(&preempting("a@1: web"), &policy("b: *"), &web(), PreemptionGate::Off),
        Err(NoPreemption::GateOff)
    );
}

#[test]
fn a_propagation_policy_preempts_its_like_by_strictly_greater_priority_and_cluster_policies_always() {
    assert_eq!(
        takes(&preempting("default/a@1: web"), "default/b@1: *"),
        "its priority 1 is not greater than 1"
    );
    assert_eq!(takes(&preempting("default/a@2: web"), "default/b@1: *"), "takes over");
    assert_eq!(takes(&preempting("default/a@-3: web"), "b@100: *"), "takes over");
}

#[test]
fn a_cluster_propagation_policy_preempts_only_its_like_and_only_by_strictly_greater_priority() {
    assert_eq!(takes(&preempting("a@1: web"), "b: *"), "takes over");
    assert_eq!(takes(&preempting("a: web"), "b: *"), "its priority 0 is not greater than 0");
    assert_eq!(
        takes(&preempting("a@9: web"), "default/b: *"),
        "a ClusterPropagationPolicy never preempts a PropagationPolicy"
    );
}

#[test]
fn an_explanation_says_who_will_take_over() {
    let facts = Facts { preemption: PreemptionGate::On, ..Facts::default() };
    let policies = [policy("b: *"), preempting("a@1: web"), preempting("c: web")];
    let text = explain(&claimed_by("b"), &policies, &facts).to_string();
    assert_eq!(
        text,
        "Deployment default/web is claimed by ClusterPropagationPolicy b: its claim prevails over every other policy
  ClusterPropagationPolicy b: has claimed it (priority 0, by kind)
  ClusterPropagationPolicy a: will take it over (priority 1, by name)
  ClusterPropagationPolicy c: outranked, the claim prevails: its priority 0 is not greater than 0 (priority 0, by name)"
    );
}

#[test]
fn a_policy_that_waits_for_overrides_says_for_which() {
    let mut policy = policy("default/a: *");
    policy.spec.dependent_overrides = vec!["x".into(), "y".into()];
    let facts = Facts { override_exists: &|_, name| name == "x", ..Facts::default() };
    let text = explain(&web(), &[policy], &facts).to_string();
    assert!(text.ends_with("chosen (priority 0, by kind); waits for override policies y"), "{text}");
}

#[test]
fn an_explanation_is_data_and_comes_back_the_same() {
    let policies = policies("default/a: web | default/b: db, app=db | c@2: * | d: Service:*");
    for object in [web(), claimed_by("c"), claimed_by("default/gone")] {
        let explanation = explain(&object, &policies, &Facts::default());
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(serde_json::from_value::<Explanation>(json).unwrap(), explanation);
    }
    let json = serde_json::to_value(explain(&web(), &policies, &Facts::default())).unwrap();
    assert_eq!(json["governedBy"]["name"], "a");
    assert_eq!(json["policies"][0]["verdict"], "chosen");
    assert_eq!(json["policies"][1]["verdict"], "outranked");
    assert_eq!(json["policies"][1]["loss"]["by"], "scope");
    assert_eq!(json["policies"][2]["selectors"][1]["failures"][0]["part"], "labels");
}

#[test]
fn the_policy_an_explanation_names_is_the_one_the_index_chooses() {
    let all = policies("default/a: app=web | default/b@-1: web | other/c@7: web | d@3: web | e: * | f: db");
    for subset in 0_u32..1 << all.len() {
        let some: Vec<Policy> =
            all.iter().enumerate().filter(|(i, _)| subset & (1 << i) != 0).map(|(_, p)| p.clone()).collect();
        let mut index = PolicyIndex::new();
        some.iter().for_each(|p| index.insert(p.clone().into()));
        let explained = explain(&web(), &some, &Facts::default()).governed_by;
        assert_eq!(explained, index.choose(&web()).map(|p| PolicyRef::from(p.as_ref())), "subset {subset:b}");
    }
}

#[test]
fn half_a_claim_is_none() {
    let mut object = claimed_by("a");
    assert_eq!(claim_of(&object).unwrap().id, "id");
    object.remove_label("clusterpropagationpolicy.karmada.io/permanent-id");
    assert_eq!(claim_of(&object), None);
}
