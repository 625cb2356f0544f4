//! §1.3 and §5: selectors, and choosing among policies.

use api::policy::{Override, OverridePolicy};
use api::{LabelSelector, Resource as _};
use machinery::Object;
use serde_json::json;

use super::{policies, policy, selector, web};
use crate::*;

fn outcome(text: &str) -> String {
    match match_selector(&selector(text), &web()) {
        Ok(precision) => format!("{precision:?} {}", precision as u8),
        Err(mismatch) => mismatch.to_string(),
    }
}

#[test]
fn implicit_priority_is_1_for_the_kind_2_for_labels_3_for_the_name() {
    assert_eq!(outcome("web"), "Name 3");
    assert_eq!(outcome("default/web"), "Name 3");
    assert_eq!(outcome("app=web"), "Labels 2");
    assert_eq!(outcome("*"), "Kind 1");
    assert_eq!(outcome("default/*"), "Kind 1");
}

#[test]
fn a_selector_with_another_kind_api_version_namespace_name_or_label_does_not_match() {
    assert_eq!(outcome("Service:web"), "kind differs");
    assert_eq!(outcome("other/web"), "namespace differs");
    assert_eq!(outcome("db"), "name differs");
    assert_eq!(outcome("app=db"), "labels differ");
    let mut other = selector("web");
    other.api_version = "apps/v1beta1".into();
    assert_eq!(match_selector(&other, &web()), Err(Mismatch::ApiVersion));
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
fn an_empty_label_selector_selects_by_labels_and_takes_all() {
    let mut all = selector("*");
    all.label_selector = Some(LabelSelector::default());
    assert_eq!(match_selector(&all, &web()), Ok(Precision::Labels));
}

#[test]
fn every_part_that_does_not_fit_is_named_with_what_it_wants_and_what_is_there() {
    let failures = |text: &str| {
        let failures = selector_failures(&selector(text), &web());
        failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(failures("web"), "");
    assert_eq!(failures("db"), "name is web, not db");
    assert_eq!(failures("other/db"), "namespace is default, not other; name is web, not db");
    assert_eq!(failures("Service:web"), "apiVersion is apps/v1, not v1; kind is Deployment, not Service");
    assert_eq!(failures("app=db"), r#"label app is "web", wanted is app=db"#);
    assert_eq!(failures("tier=gold"), "label tier is missing, wanted is tier=gold");
    let mut many = selector("*");
    many.label_selector =
        serde_json::from_value(json!({ "matchLabels": { "app": "db" }, "matchExpressions": [
        { "key": "app", "operator": "NotIn", "values": ["web", "ui"] },
        { "key": "tier", "operator": "In", "values": ["a", "b"] },
        { "key": "tier", "operator": "Exists" }, { "key": "app", "operator": "DoesNotExist" },
        { "key": "app", "operator": "Exists" },
    ] }))
        .unwrap();
    let wanted: Vec<String> = selector_failures(&many, &web()).into_iter().map(|f| f.wanted).collect();
    assert_eq!(wanted, ["app=db", "app notin (web,ui)", "tier in (a,b)", "tier", "!app"]);
}

#[test]
fn a_selector_matches_exactly_when_nothing_about_it_fails() {
    for text in ["web", "db", "*", "app=web", "app=db", "other/*", "default/app=web", "Service:*"] {
        let selector = selector(text);
        assert_eq!(
            match_selector(&selector, &web()).is_ok(),
            selector_failures(&selector, &web()).is_empty()
        );
    }
}

#[test]
fn label_expressions_follow_kubernetes() {
    let check = |operator: &str, values: &[&str], label: Option<&str>| {
        let selector: LabelSelector = serde_json::from_value(json!({
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
}

#[test]
fn a_label_selector_kubernetes_would_not_take_selects_nothing() {
    let check = |key: &str, operator: &str, values: &[&str], label: Option<&str>| {
        let selector: LabelSelector = serde_json::from_value(json!({
            "matchExpressions": [{ "key": key, "operator": operator, "values": values }]
        }))
        .unwrap();
        labels_match(&selector, |_| label)
    };
    assert!(!check("k", "Near", &["a"], Some("a")));
    assert!(!check("k", "In", &[], Some("a")));
    assert!(!check("k", "NotIn", &[], Some("a")));
    assert!(!check("k", "Exists", &["a"], Some("a")));
    assert!(!check("k", "DoesNotExist", &["a"], None));
    assert!(!check("k", "In", &["a", "no value"], Some("a")));
    assert!(!check("k", "NotIn", &["no value"], Some("a")));
    assert!(!check("no key", "NotIn", &["a"], None));
    assert!(!check("no key", "DoesNotExist", &[], None));
}

fn chosen(text: &str) -> String {
    let policies = policies(text);
    best_policy(&policies, &web()).map_or("nobody".into(), |p| p.metadata.name.clone())
}

#[test]
fn the_implicit_priority_of_a_policy_is_that_of_its_closest_selector() {
    assert_eq!(chosen("a: db, * | b: app=web"), "b");
    assert_eq!(chosen("a: db, web | b: app=web"), "a");
}

#[test]
fn a_policy_none_of_whose_selectors_matches_is_skipped() {
    assert_eq!(chosen("a: db"), "nobody");
    assert_eq!(chosen("a@9: db | b: *"), "b");
    let mut none = policy("a: *");
    none.spec.resource_selectors.clear();
    assert!(best_policy([&none], &web()).is_none());
}

#[test]
fn the_higher_explicit_priority_wins_and_none_is_0() {
    assert_eq!(chosen("a@1: * | b: web"), "a");
    assert_eq!(chosen("a@-1: web | b: *"), "b");
    assert_eq!(chosen("a@0: * | b: web"), "b", "no priority is priority 0");
}

#[test]
fn at_equal_priority_the_higher_implicit_priority_wins() {
    assert_eq!(chosen("a: * | b: app=web | c: web"), "c");
    assert_eq!(chosen("a: * | b: app=web"), "b");
}

#[test]
fn at_equal_priorities_the_smaller_name_wins() {
    assert_eq!(chosen("b: web | a: web"), "a");
    assert_eq!(chosen("a: web | b: web"), "a");
}

#[test]
fn policies_of_other_namespaces_and_those_being_deleted_do_not_count() {
    assert_eq!(chosen("other/a: web | default/b: *"), "b");
    let mut policies = policies("a: web | b: *");
    policies[0].metadata.deletion_timestamp = Some(api::Time::default());
    assert_eq!(best_policy(&policies, &web()).unwrap().metadata.name, "b");
}

#[test]
fn any_policy_of_the_namespace_beats_every_cluster_policy_whatever_the_priorities() {
    let namespaced = policies("default/a@-5: *");
    let cluster = policies("b@100: web");
    assert_eq!(choose_policy(&namespaced, &cluster, &web()).unwrap().metadata.name, "a");
    assert_eq!(choose_policy(&[], &cluster, &web()).unwrap().metadata.name, "b");
}

#[test]
fn cluster_scoped_objects_are_claimed_by_cluster_policies_only() {
    let namespace = Object::new("v1", "Namespace", "", "web");
    let cluster = policies("b: Namespace:web");
    assert!(choose_policy(&policies("default/a: Namespace:web"), &[], &namespace).is_none());
    assert_eq!(choose_policy(&[], &cluster, &namespace).unwrap().metadata.name, "b");
}

#[test]
fn a_policy_waits_for_its_dependent_overrides() {
    let mut policy = policy("default/a: *");
    policy.spec.dependent_overrides = vec!["x".into(), "y".into(), "z".into()];
    assert_eq!(missing_overrides(&policy, |name| name == "y"), ["x", "z"]);
    assert_eq!(missing_overrides(&policy, |_| true), [""; 0]);
}

fn overrides(text: &str) -> Vec<Override> {
    text.split(" | ")
        .map(|one| {
            let (key, selectors) = one.split_once(':').unwrap();
            let (namespace, name) = key.split_once('/').unwrap_or(("", key));
            let mut policy = Override::from(OverridePolicy::named(namespace, name));
            policy.spec.resource_selectors =
                selectors.split(", ").map(str::trim).filter(|s| !s.is_empty()).map(selector).collect();
            policy
        })
        .collect()
}

fn order(text: &str) -> Vec<String> {
    let policies = overrides(text);
    selected_overrides(&policies, &web()).iter().map(|p| p.metadata.name.clone()).collect()
}

#[test]
fn an_override_policy_without_selectors_selects_everything_in_its_reach() {
    assert_eq!(order("a: | other/b: | default/c:"), ["a", "c"]);
}

#[test]
fn an_override_policy_selects_what_any_of_its_selectors_does() {
    assert_eq!(order("a: db, web | b: db | c: Service:web, *"), ["c", "a"]);
}

#[test]
fn overrides_apply_from_all_to_labels_to_name_and_then_by_name() {
    assert_eq!(
        order("c: web | b: app=web | a: | d: * | e: db | other/f: web | 0: web"),
        ["a", "d", "b", "0", "c"]
    );
}
