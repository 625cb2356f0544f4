use machinery::Object;
use serde_json::{Value, json};

use super::{Quota, max_replicas, max_sets};
use crate::{Assumed, Component, Request};

/// `cpu=2 memory=4Gi` as a resource list.
fn list(text: &str) -> Value {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    Value::Object(pairs.map(|(name, amount)| (name.to_owned(), json!(amount))).collect())
}

fn object(hard: &str, used: &str) -> Object {
    let mut quota = Object::new("v1", "ResourceQuota", "ns", "quota");
    quota.set("/status", json!({ "hard": list(hard), "used": list(used) }));
    quota
}

fn quota(hard: &str, used: &str) -> Quota {
    Quota::read(&object(hard, used))
}

fn scoped(operator: &str, values: &[&str]) -> Quota {
    let mut quota = object("cpu=4", "cpu=1");
    let scope = json!([{ "scopeName": "PriorityClass", "operator": operator, "values": values }]);
    quota.set("/spec/scopeSelector", json!({ "matchExpressions": scope }));
    Quota::read(&quota)
}

fn component(replicas: i64, request: &str, priority_class: &str) -> Component {
    let request = Request::read(&serde_json::from_value(list(request)).unwrap()).unwrap();
    Component { replicas, request, priority_class: priority_class.into(), ..Component::default() }
}

fn allows(quota: Quota, request: &str) -> Option<i64> {
    max_replicas([&quota], "ns", &component(1, request, ""), &[])
}

fn allows_class(quota: Quota, priority_class: &str) -> Option<i64> {
    max_replicas([&quota], "ns", &component(1, "cpu=1", priority_class), &[])
}

#[test]
fn what_is_left_of_the_hard_limits_bounds_the_replicas() {
    assert_eq!(allows(quota("cpu=10 memory=10Gi", "cpu=4 memory=1Gi"), "cpu=2 memory=1Gi"), Some(3));
    assert_eq!(allows(quota("cpu=1", "cpu=4"), "cpu=1"), Some(0), "more used than allowed leaves nothing");
}

#[test]
fn requests_in_front_of_a_resource_means_the_same() {
    assert_eq!(allows(quota("requests.cpu=4", "requests.cpu=1"), "cpu=1"), Some(3));
    assert_eq!(allows(quota("requests.cpu=4 cpu=2", "requests.cpu=0 cpu=0"), "cpu=1"), Some(4));
    let gpus = quota("requests.nvidia.com/gpu=4", "requests.nvidia.com/gpu=2");
    assert_eq!(allows(gpus, "nvidia.com/gpu=1"), Some(2));
}

#[test]
fn limits_storage_and_counts_say_nothing_about_replicas() {
    let quota = || quota("limits.cpu=1 requests.storage=1 pods=1 count/secrets=1", "limits.cpu=1 pods=1");
    assert_eq!(allows(quota(), "cpu=1"), None);
}

#[test]
fn a_resource_counts_only_when_hard_and_used_both_name_it() {
    assert_eq!(allows(quota("cpu=4", ""), "cpu=1"), None);
    assert_eq!(allows(quota("cpu=4", "cpu=0"), "memory=1"), None, "nothing asked, nothing limited");
    assert_eq!(allows(quota("cpu=4", "cpu=0"), "cpu=0"), None);
}

#[test]
fn the_strictest_quota_of_the_namespace_decides() {
    let quotas = [quota("cpu=10", "cpu=0"), quota("memory=2", "memory=0")];
    assert_eq!(max_replicas(&quotas, "ns", &component(1, "cpu=1 memory=1", ""), &[]), Some(2));
    assert_eq!(max_replicas(&quotas, "other", &component(1, "cpu=1", ""), &[]), None);
    assert_eq!(max_replicas(&quotas, "", &component(1, "cpu=1", ""), &[]), None);
}

#[test]
fn a_scoped_quota_is_for_pods_of_matching_priority_classes() {
    assert_eq!(allows_class(scoped("In", &["high"]), "high"), Some(3));
    assert_eq!(allows_class(scoped("In", &["high"]), "low"), None);
    assert_eq!(allows_class(scoped("NotIn", &["high"]), "low"), Some(3));
    assert_eq!(allows_class(scoped("NotIn", &["high"]), ""), Some(3));
    assert_eq!(allows_class(scoped("NotIn", &["high"]), "high"), None);
    assert_eq!(allows_class(scoped("Exists", &[]), "low"), Some(3));
    assert_eq!(allows_class(scoped("Exists", &[]), ""), None);
    assert_eq!(allows_class(scoped("DoesNotExist", &[]), ""), Some(3));
    assert_eq!(allows_class(scoped("DoesNotExist", &[]), "low"), None);
}

#[test]
fn a_quota_of_another_scope_is_for_nobody() {
    let with = |scope: &str| {
        let mut quota = object("cpu=4", "cpu=1");
        quota.set("/spec/scopes", json!([scope]));
        allows_class(Quota::read(&quota), "high")
    };
    assert_eq!(with("BestEffort"), None);
    assert_eq!(with("Terminating"), None);
    assert_eq!(with("PriorityClass"), Some(3));
}

#[test]
fn assumed_workloads_of_the_namespace_are_deducted_first() {
    let assumed = |namespace: &str, priority_class: &str| {
        vec![Assumed { namespace: namespace.into(), components: vec![component(2, "cpu=1", priority_class)] }]
    };
    let left = |quota: Quota, assumed: &[Assumed]| {
        max_replicas([&quota], "ns", &component(1, "cpu=1", "high"), assumed)
    };
    assert_eq!(left(quota("cpu=4", "cpu=1"), &assumed("ns", "")), Some(1));
    assert_eq!(left(quota("cpu=4", "cpu=1"), &assumed("other", "")), Some(3));
    assert_eq!(left(quota("cpu=4", "cpu=3"), &assumed("ns", "")), Some(0));
    assert_eq!(left(scoped("In", &["high"]), &assumed("ns", "high")), Some(1));
    assert_eq!(left(scoped("In", &["high"]), &assumed("ns", "low")), Some(3));
}

#[test]
fn sets_are_bounded_by_the_sum_of_the_components_a_quota_is_for() {
    let set = [component(1, "cpu=1", "high"), component(2, "cpu=1", "low")];
    assert_eq!(max_sets([&quota("cpu=7", "cpu=0")], "ns", &set, &[]), Some(2));
    assert_eq!(max_sets([&scoped("In", &["high"])], "ns", &set, &[]), Some(3));
    assert_eq!(max_sets([&scoped("In", &["none"])], "ns", &set, &[]), None);
    assert_eq!(max_sets([&quota("cpu=7", "cpu=0")], "", &set, &[]), None);
}
