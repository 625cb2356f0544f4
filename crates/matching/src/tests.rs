//! Stories of matching. A selector is written `name`, `*`, `app=web`, or `ns/name`; all select Deployments
//! unless a kind stands in front: `Service:name`.

use std::sync::Arc;

use api::cluster::Cluster;
use api::policy::{ClusterAffinity, Override, Policy, PropagationPolicy, ResourceSelector};
use api::{Resource, Scope};
use machinery::Object;
use serde_json::json;

use crate::*;

fn selector(text: &str) -> ResourceSelector {
    let (kind, rest) = text.split_once(':').unwrap_or(("Deployment", text));
    let (namespace, rest) = rest.split_once('/').unwrap_or(("", rest));
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut selector = ResourceSelector {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: namespace.into(),
        ..Default::default()
    };
    match rest.split_once('=') {
        Some((key, value)) => {
            let mut labels = api::LabelSelector::default();
            labels.match_labels.insert(key.into(), value.into());
            selector.label_selector = Some(labels);
        }
        None if rest == "*" => {}
        None => selector.name = rest.into(),
    }
    selector
}

/// `[ns/]name[@priority]: selector, selector`
fn policy(text: &str) -> Policy {
    let (head, selectors) = text.split_once(": ").unwrap();
    let (key, priority) = head.split_once('@').map_or((head, None), |(k, p)| (k, Some(p.parse().unwrap())));
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    let mut policy = Policy::from(PropagationPolicy::named(namespace, name));
    policy.scope = if namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
    policy.spec.priority = priority;
    policy.spec.resource_selectors = selectors.split(", ").map(selector).collect();
    policy
}

fn policies(text: &str) -> Vec<Policy> {
    text.split(" | ").map(policy).collect()
}

/// The Deployment `default/web` with label `app=web`.
fn web() -> Object {
    let mut object = Object::new("apps/v1", "Deployment", "default", "web");
    object.set_label("app", "web");
    object
}

#[test]
fn a_selector_names_an_object_more_or_less_closely() {
    let outcome = |text: &str| match match_selector(&selector(text), &web()) {
        Ok(precision) => format!("{precision:?} {}", precision as u8),
        Err(mismatch) => mismatch.to_string(),
    };
    assert_eq!(outcome("web"), "Name 3");
    assert_eq!(outcome("default/web"), "Name 3");
    assert_eq!(outcome("app=web"), "Labels 2");
    assert_eq!(outcome("*"), "Kind 1");
    assert_eq!(outcome("default/*"), "Kind 1");
    assert_eq!(outcome("other/web"), "namespace differs");
    assert_eq!(outcome("db"), "name differs");
    assert_eq!(outcome("app=db"), "labels differ");
    assert_eq!(outcome("Service:web"), "kind differs");
}

#[test]
fn a_name_makes_the_label_selector_irrelevant() {
    let mut named = selector("app=db");
    named.name = "web".into();
    assert_eq!(match_selector(&named, &web()), Ok(Precision::Name));
    named.name = "db".into();
    named.label_selector = selector("app=web").label_selector;
    assert_eq!(match_selector(&named, &web()), Err(Mismatch::Name));
}

#[test]
fn a_selector_with_another_version_of_the_kind_does_not_match() {
    let mut other = selector("web");
    other.api_version = "apps/v1beta1".into();
    assert_eq!(match_selector(&other, &web()), Err(Mismatch::Kind));
}

#[test]
fn an_empty_label_selector_selects_by_labels_and_takes_all() {
    let mut all = selector("*");
    all.label_selector = Some(api::LabelSelector::default());
    assert_eq!(match_selector(&all, &web()), Ok(Precision::Labels));
}

#[test]
fn label_expressions_follow_kubernetes() {
    let check = |operator: &str, values: &[&str], label: Option<&str>| {
        let selector: api::LabelSelector = serde_json::from_value(json!({
            "matchExpressions": [{ "key": "k", "operator": operator, "values": values }]
        }))
        .unwrap();
        labels_match(&selector, |_| label)
    };
    assert!(check("In", &["a", "b"], Some("b")));
    assert!(!check("In", &["a", "b"], Some("c")));
    assert!(!check("In", &["a"], None));
    assert!(check("NotIn", &["a"], Some("c")));
    assert!(check("NotIn", &["a"], None));
    assert!(!check("NotIn", &["a"], Some("a")));
    assert!(check("Exists", &[], Some("")));
    assert!(!check("Exists", &[], None));
    assert!(check("DoesNotExist", &[], None));
    assert!(!check("DoesNotExist", &[], Some("a")));
    assert!(!check("Near", &["a"], Some("a")), "an unknown operator selects nothing");
}

fn chosen(text: &str) -> String {
    let policies = policies(text);
    best_policy(&policies, &web()).map_or("nobody".into(), |p| p.metadata.name.clone())
}

#[test]
fn explicit_priority_comes_first_then_precision_then_the_smaller_name() {
    assert_eq!(chosen("a: * | b: app=web | c: web"), "c");
    assert_eq!(chosen("a: * | b: app=web"), "b");
    assert_eq!(chosen("a@1: * | b: web"), "a");
    assert_eq!(chosen("a@-1: web | b: *"), "b");
    assert_eq!(chosen("b: web | a: web"), "a");
    assert_eq!(chosen("a: web | b: web"), "a");
    assert_eq!(chosen("a@0: * | b: web"), "b", "no priority is priority 0");
    assert_eq!(chosen("a: db, * | b: app=web"), "b", "the closest selector of a policy counts");
    assert_eq!(chosen("a: db, web | b: app=web"), "a");
    assert_eq!(chosen("a: db"), "nobody");
}

#[test]
fn policies_of_other_namespaces_and_those_being_deleted_do_not_count() {
    assert_eq!(chosen("other/a: web | default/b: *"), "b");
    let mut policies = policies("a: web | b: *");
    policies[0].metadata.deletion_timestamp = Some(api::Time::default());
    assert_eq!(best_policy(&policies, &web()).unwrap().metadata.name, "b");
}

#[test]
fn any_policy_of_the_namespace_beats_every_cluster_policy() {
    let namespaced = policies("default/a@-5: *");
    let cluster = policies("b@100: web");
    assert_eq!(choose_policy(&namespaced, &cluster, &web()).unwrap().metadata.name, "a");
    assert_eq!(choose_policy(&[], &cluster, &web()).unwrap().metadata.name, "b");
    let role = Object::new("v1", "Namespace", "", "web");
    assert!(choose_policy(&policies("default/a: Namespace:web"), &[], &role).is_none());
}

#[test]
fn every_policy_gets_a_reason() {
    let policies = policies("a@1: * | b@1: web | c: db | d: Service:web | other/e: web");
    let choice = explain_policies(&policies, &web());
    let text: Vec<String> =
        choice.verdicts.iter().map(|(p, v)| format!("{}: {v}", p.metadata.name)).collect();
    assert_eq!(
        text,
        [
            "a: outranked (priority 1, by kind)",
            "b: chosen (priority 1, by name)",
            "c: name differs",
            "d: kind differs",
            "e: namespace differs",
        ]
    );
    assert_eq!(choice.chosen.unwrap().metadata.name, "b");
}

#[test]
fn the_index_chooses_as_the_list_does() {
    // Every subset of a set of policies, each object: index and list agree.
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
        let (namespaced, cluster): (Vec<_>, Vec<_>) =
            index.iter().map(|p| p.as_ref().clone()).partition(|p| p.scope == Scope::Namespaced);
        for object in [&web(), &service, &db] {
            let expected = choose_policy(&namespaced, &cluster, object).map(Claimant::of);
            assert_eq!(index.choose(object).map(Claimant::of), expected, "subset {subset:b}");
        }
    }
}

#[test]
fn a_changed_policy_leaves_nothing_behind_in_the_index() {
    let mut index = PolicyIndex::new();
    index.insert(Arc::new(policy("a: web")));
    index.insert(Arc::new(policy("a: db")));
    assert!(index.choose(&web()).is_none());
    assert_eq!(index.len(), 1);
    index.remove(&Claimant::of(&policy("a: db")));
    assert!(index.is_empty());
    assert!(index.candidates(Scope::Cluster, &web()).next().is_none());
}

fn overrides(text: &str) -> Vec<Override> {
    text.split(" | ")
        .map(|one| {
            let (key, selectors) = one.split_once(':').unwrap();
            let (namespace, name) = key.split_once('/').unwrap_or(("", key));
            let mut policy = Override::from(api::policy::OverridePolicy::named(namespace, name));
            policy.spec.resource_selectors =
                selectors.split(", ").map(str::trim).filter(|s| !s.is_empty()).map(selector).collect();
            policy
        })
        .collect()
}

#[test]
fn overrides_apply_from_the_loosest_to_the_closest_then_by_name() {
    let policies = overrides("c: web | b: app=web | a: | d: * | e: db | other/f: web | 0: web");
    let order: Vec<_> =
        selected_overrides(&policies, &web()).iter().map(|p| p.metadata.name.clone()).collect();
    assert_eq!(order, ["a", "d", "b", "0", "c"]);
}

/// A cluster `eu` of provider aws with label `tier=gold`; `place` is `region zone,zone`.
fn cluster(place: &str) -> Cluster {
    let (region, zones) = place.split_once(' ').unwrap_or((place, ""));
    let mut cluster = Cluster::named("", "eu");
    cluster.metadata.labels.insert("tier".into(), "gold".into());
    cluster.spec.provider = "aws".into();
    cluster.spec.region = region.into();
    cluster.spec.zones = zones.split(',').filter(|z| !z.is_empty()).map(Into::into).collect();
    cluster
}

fn affinity(value: serde_json::Value) -> ClusterAffinity {
    serde_json::from_value(value).unwrap()
}

fn field(key: &str, operator: &str, values: &[&str]) -> ClusterAffinity {
    affinity(json!({ "fieldSelector": { "matchExpressions": [
        { "key": key, "operator": operator, "values": values }
    ]}}))
}

#[test]
fn an_affinity_without_conditions_means_every_cluster() {
    assert!(cluster_matches(&ClusterAffinity::default(), &cluster("")));
    assert!(targets_cluster(None, &cluster("")));
    assert!(cluster_matches(&affinity(json!({ "labelSelector": {} })), &cluster("")));
}

#[test]
fn the_exclude_list_wins_over_everything() {
    let both = affinity(json!({ "clusterNames": ["eu"], "exclude": ["eu"] }));
    assert_eq!(cluster_mismatch(&both, &cluster("")), Some(ClusterMismatch::Excluded));
}

#[test]
fn names_and_labels_must_both_fit() {
    let names = affinity(json!({ "clusterNames": ["us", "eu"] }));
    assert!(cluster_matches(&names, &cluster("")));
    let names =
        affinity(json!({ "clusterNames": ["us"], "labelSelector": { "matchLabels": { "tier": "gold" } } }));
    assert_eq!(cluster_mismatch(&names, &cluster("")), Some(ClusterMismatch::NotListed));
    let labels =
        affinity(json!({ "clusterNames": ["eu"], "labelSelector": { "matchLabels": { "tier": "tin" } } }));
    assert_eq!(cluster_mismatch(&labels, &cluster("")), Some(ClusterMismatch::Labels));
}

#[test]
fn provider_and_region_are_compared_like_labels() {
    assert!(cluster_matches(&field("provider", "In", &["aws", "gcp"]), &cluster("")));
    assert!(!cluster_matches(&field("provider", "NotIn", &["aws"]), &cluster("")));
    assert!(!cluster_matches(&field("region", "In", &["west"]), &cluster("")), "no region is in no list");
    assert!(cluster_matches(&field("region", "NotIn", &["west"]), &cluster("")));
    assert!(cluster_matches(&field("region", "Exists", &[]), &cluster("west")));
    assert!(cluster_matches(&field("region", "DoesNotExist", &[]), &cluster("")));
    assert!(!cluster_matches(&field("shape", "In", &["round"]), &cluster("west")));
}

#[test]
fn one_listed_zone_is_enough_and_one_unwanted_zone_too_many() {
    let check = |operator: &str, values: &[&str], place: &str| {
        cluster_matches(&field("zone", operator, values), &cluster(place))
    };
    assert!(check("In", &["a", "b"], "west b,c"));
    assert!(!check("In", &["a"], "west b,c"));
    assert!(!check("In", &["a"], "west"));
    assert!(check("NotIn", &["a"], "west b,c"));
    assert!(!check("NotIn", &["b"], "west b,c"));
    assert!(check("NotIn", &["a"], "west"));
    assert!(check("Exists", &[], "west b"));
    assert!(!check("DoesNotExist", &[], "west b"));
}

#[test]
fn terms_of_both_kinds_are_read_like_affinities() {
    let term: api::policy::ClusterAffinityTerm = serde_json::from_value(json!({
        "affinityName": "first", "clusterNames": ["us"],
        "overflowAffinities": [{ "affinityName": "more", "clusterNames": ["eu"] }],
    }))
    .unwrap();
    assert!(!cluster_matches(&term, &cluster("")));
    assert!(cluster_matches(&term.overflow_affinities[0], &cluster("")));
}
