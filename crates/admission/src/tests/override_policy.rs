//! OverridePolicy and ClusterOverridePolicy.

use machinery::Object;
use serde_json::{Value, json};

use super::{check, mutated, object};
use crate::Operation::{Create, Update};

fn policy(spec: Value) -> Object {
    object("policy.karmada.io/v1alpha1", "OverridePolicy", json!({ "spec": spec }))
}

fn rule(overriders: Value) -> Object {
    policy(json!({ "overrideRules": [{ "overriders": overriders }] }))
}

#[test]
fn selectors_get_the_namespace_of_the_policy() {
    let spec = json!({ "resourceSelectors": [{ "apiVersion": "v1", "kind": "Service" }] });
    for operation in [Create, Update] {
        let changed = mutated(operation, &policy(spec.clone()));
        assert_eq!(changed.str_at("/spec/resourceSelectors/0/namespace"), Some("default"));
    }
    let cluster = object("policy.karmada.io/v1alpha1", "ClusterOverridePolicy", json!({ "spec": spec }));
    assert_eq!(mutated(Create, &cluster), cluster);
}

#[test]
fn selectors_stay_in_the_namespace_of_the_policy() {
    let spec = |ns: &str| json!({ "resourceSelectors": [{ "apiVersion": "v1", "kind": "Service", "namespace": ns }] });
    check(&policy(spec("default")), "");
    check(&policy(spec("other")), "must be the policy's own namespace");
    check(
        &object("policy.karmada.io/v1alpha1", "ClusterOverridePolicy", json!({ "spec": spec("other") })),
        "",
    );
}

#[test]
fn rules_or_the_older_pair_of_fields() {
    let overriders = json!({ "labelsOverrider": [{ "operator": "add", "value": { "a": "b" } }] });
    let rules = json!([{ "overriders": overriders }]);
    check(&policy(json!({ "overrideRules": rules })), "");
    check(&policy(json!({ "overriders": overriders, "targetCluster": { "clusterNames": ["a"] } })), "");
    check(&policy(json!({ "overrideRules": rules, "overriders": overriders })), "cannot be used together");
    check(&policy(json!({ "overrideRules": rules, "targetCluster": {} })), "cannot be used together");
}

#[test]
fn target_clusters_are_selected_by_known_fields() {
    let target = |key: &str, operator: &str| json!({ "fieldSelector": { "matchExpressions": [{ "key": key, "operator": operator, "values": ["a"] }] } });
    let with =
        |target: Value| policy(json!({ "overrideRules": [{ "targetCluster": target, "overriders": {} }] }));
    check(&with(target("region", "In")), "");
    check(
        &with(target("planet", "In")),
        "spec.overrideRules[0].targetCluster.fieldSelector.matchExpressions[0].key",
    );
    check(&with(target("region", "Exists")), "operator: Unsupported value");
    check(&policy(json!({ "targetCluster": target("planet", "In") })), "spec.targetCluster.fieldSelector");
}

#[test]
fn labels_and_annotations_must_be_possible() {
    let labels = |key: &str, value: &str| {
        rule(json!({ "labelsOverrider": [{ "operator": "add", "value": { key: value } }] }))
    };
    check(&labels("a.io/b", "c"), "");
    check(&labels("a b", "c"), "labelsOverrider[0].value: Invalid value: \"a b\"");
    check(&labels("a", "b c"), "labelsOverrider[0].value: Invalid value: \"b c\"");
    let annotations = |key: &str| {
        rule(json!({ "annotationsOverrider": [{ "operator": "add", "value": { key: "any text at all" } }] }))
    };
    check(&annotations("a.io/b"), "");
    check(&annotations("A.io/b"), "");
    check(&annotations("a b"), "annotationsOverrider[0].value: Invalid value: \"a b\"");
    let long = json!({ "a": "x".repeat(256 * 1024) });
    check(&rule(json!({ "annotationsOverrider": [{ "operator": "add", "value": long }] })), "Too long");
}

#[test]
fn paths_are_json_pointers() {
    let image = |path: &str| {
        rule(
            json!({ "imageOverrider": [{ "predicate": { "path": path }, "component": "Tag", "operator": "remove" }] }),
        )
    };
    check(&image("/spec/image"), "");
    check(&image("spec.image"), "imageOverrider[0].predicate.path");
    check(&image(""), "imageOverrider[0].predicate.path");
    let field = |path: &str, sub: &str| {
        rule(
            json!({ "fieldOverrider": [{ "fieldPath": path, "json": [{ "subPath": sub, "operator": "remove" }] }] }),
        )
    };
    check(&field("/data/a", "/b"), "");
    check(&field("/data/a", ""), "");
    check(&field("data", "/b"), "fieldOverrider[0].fieldPath");
    check(&field("/data/a", "b"), "fieldOverrider[0].json[0].subPath");
}

#[test]
fn a_field_is_json_or_yaml() {
    let one = json!([{ "subPath": "/a", "operator": "remove" }]);
    let field = |more: Value| {
        let mut overrider = json!({ "fieldPath": "/data/a" });
        overrider.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule(json!({ "fieldOverrider": [overrider] }))
    };
    check(&field(json!({ "json": one })), "");
    check(&field(json!({ "yaml": one })), "");
    check(&field(json!({ "json": one, "yaml": one })), "exactly one of json and yaml");
    check(&field(json!({})), "exactly one of json and yaml");
}

#[test]
fn operations_have_a_value_unless_they_remove() {
    let operation = |operator: &str, value: Option<Value>| {
        let mut operation = json!({ "subPath": "/a", "operator": operator });
        if let Some(value) = value {
            operation["value"] = value;
        }
        rule(json!({ "fieldOverrider": [{ "fieldPath": "/data/a", "yaml": [operation] }] }))
    };
    check(&operation("add", Some(json!(1))), "");
    check(&operation("replace", Some(json!(""))), "");
    check(&operation("remove", None), "");
    check(&operation("add", None), "yaml[0].value: Required value");
    check(&operation("replace", None), "yaml[0].value: Required value");
    check(&operation("remove", Some(json!(1))), "must be absent for operator remove");
}
