//! §5: which policies and rules apply, in which order, and what is recorded.

use serde_json::{Value, json};

use super::{cluster, deployment, gives, policy, set_replicas};
use crate::*;

fn rules(n: i64) -> Value {
    json!([{ "overriders": set_replicas(n) }])
}

fn named(name: &str) -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": name }])
}

/// Replicas of the Deployment in `m1`, and the names of the policies applied.
fn outcome(cluster_policies: &[&Override], policies: &[&Override]) -> (i64, Vec<String>) {
    let mut object = deployment();
    let applied =
        apply(&mut object, &cluster("m1"), cluster_policies.iter().copied(), policies.iter().copied())
            .unwrap();
    let names = applied.cluster.iter().chain(&applied.namespaced).map(|a| a.policy_name.clone()).collect();
    (object.i64_at("/spec/replicas").unwrap(), names)
}

#[test]
fn cluster_policies_come_first_and_those_of_the_namespace_have_the_last_word() {
    let cluster_named = policy("a", json!({ "resourceSelectors": named("web"), "overrideRules": rules(2) }));
    let namespaced_all = policy("default/z", json!({ "overrideRules": rules(4) }));
    assert_eq!(outcome(&[&cluster_named], &[&namespaced_all]), (4, vec!["a".into(), "z".into()]));
}

#[test]
fn policies_of_other_namespaces_do_not_apply() {
    let other = policy("other/z", json!({ "overrideRules": rules(5) }));
    assert_eq!(outcome(&[], &[&other]), (1, vec![]));
}

#[test]
fn of_one_kind_the_closer_selector_has_the_last_word() {
    let by_name = policy("a", json!({ "resourceSelectors": named("web"), "overrideRules": rules(2) }));
    let all = policy("b", json!({ "overrideRules": rules(3) }));
    let labelled = policy(
        "c",
        json!({ "overrideRules": rules(4), "resourceSelectors": [
            { "apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": { "matchLabels": { "app": "web" } } },
        ] }),
    );
    assert_eq!(outcome(&[&by_name, &all], &[]).0, 2);
    assert_eq!(outcome(&[&labelled, &all], &[]).0, 4);
    assert_eq!(outcome(&[&labelled, &by_name], &[]).0, 2);
}

#[test]
fn of_equally_close_selectors_the_later_name_has_the_last_word() {
    let a = policy("default/a", json!({ "overrideRules": rules(2) }));
    let b = policy("default/b", json!({ "overrideRules": rules(3) }));
    assert_eq!(outcome(&[], &[&b, &a]).0, 3);
}

#[test]
fn policies_of_the_namespace_are_selected_by_what_cluster_policies_leave() {
    let label = json!({ "labelsOverrider": [{ "operator": "add", "value": { "tier": "gold" } }] });
    let marks = policy("a", json!({ "overrideRules": [{ "overriders": label }] }));
    let gold = policy(
        "default/b",
        json!({ "overrideRules": rules(9), "resourceSelectors": [
            { "apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": { "matchLabels": { "tier": "gold" } } },
        ] }),
    );
    assert_eq!(outcome(&[&marks], &[&gold]).0, 9);
    assert_eq!(outcome(&[], &[&gold]).0, 1);
}

#[test]
fn a_policy_that_does_not_select_the_object_changes_nothing() {
    let elsewhere = policy(
        "default/p",
        json!({ "resourceSelectors": [{ "apiVersion": "v1", "kind": "Service" }], "overrideRules": rules(2) }),
    );
    let mut object = deployment();
    assert!(apply(&mut object, &cluster("m1"), [&elsewhere], [&elsewhere]).unwrap().is_empty());
    assert_eq!(object, deployment());
}

#[test]
fn every_rule_for_the_cluster_applies_in_the_listed_order() {
    let both = policy(
        "default/p",
        json!({ "overrideRules": [{ "overriders": set_replicas(2) }, { "overriders": set_replicas(3) }] }),
    );
    assert_eq!(outcome(&[], &[&both]), (3, vec!["p".into(), "p".into()]));
}

#[test]
fn a_rule_without_target_is_for_every_cluster_and_others_for_those_they_mean() {
    let policy = policy(
        "default/p",
        json!({ "overrideRules": [
            { "targetCluster": { "clusterNames": ["m1"] }, "overriders": set_replicas(2) },
            { "targetCluster": { "clusterNames": ["m2"] }, "overriders": set_replicas(3) },
            { "targetCluster": { "labelSelector": { "matchLabels": { "region": "m3-region" } } }, "overriders": set_replicas(4) },
        ]}),
    );
    for (name, replicas) in [("m1", 2), ("m2", 3), ("m3", 4), ("m4", 1)] {
        let mut object = deployment();
        let applied = apply(&mut object, &cluster(name), [], [&policy]).unwrap();
        assert_eq!(object.i64_at("/spec/replicas"), Some(replicas), "{name}");
        assert_eq!(applied.is_empty(), name == "m4");
    }
}

#[test]
fn the_older_pair_of_fields_is_one_rule() {
    let older = json!({ "targetCluster": { "clusterNames": ["m1"] }, "overriders": set_replicas(2) });
    for (name, replicas) in [("m1", 2), ("m2", 1)] {
        let mut object = deployment();
        apply(&mut object, &cluster(name), [], [&policy("default/p", older.clone())]).unwrap();
        assert_eq!(object.i64_at("/spec/replicas"), Some(replicas));
    }
}

#[test]
fn the_older_pair_of_fields_gives_way_to_rules() {
    let both = policy("default/p", json!({ "overriders": set_replicas(2), "overrideRules": rules(7) }));
    assert_eq!(outcome(&[], &[&both]), (7, vec!["p".into()]));
}

#[test]
fn a_policy_that_changes_nothing_is_recorded_as_applied() {
    let empty = policy("default/p", json!({}));
    assert_eq!(outcome(&[], &[&empty]), (1, vec!["p".into()]));
}

#[test]
fn cluster_scoped_objects_are_changed_by_cluster_policies_only() {
    let mut namespace = Object::new("v1", "Namespace", "", "n");
    let rule = json!({ "overrideRules": [{ "overriders": { "labelsOverrider": [{ "operator": "add", "value": { "a": "b" } }] } }] });
    let applied =
        apply(&mut namespace, &cluster("m1"), [&policy("c", rule.clone())], [&policy("default/p", rule)])
            .unwrap();
    assert_eq!((applied.cluster.len(), applied.namespaced.len()), (1, 0));
}

#[test]
fn inside_a_rule_the_lists_have_a_fixed_order() {
    // Each list writes over what the one before it wrote.
    let image = "/spec/template/spec/containers/0/image";
    let overriders = json!({
        "plaintext": [{ "path": image, "operator": "replace", "value": "last" }],
        "imageOverrider": [{ "component": "Tag", "operator": "replace", "value": "first" }],
    });
    gives(overriders, image, json!("last"));
    let command = "/spec/template/spec/containers/0/command";
    let overriders = json!({
        "plaintext": [{ "path": format!("{command}/0"), "operator": "replace", "value": "last" }],
        "commandOverrider": [{ "containerName": "web", "operator": "add", "value": ["first"] }],
    });
    gives(overriders, command, json!(["last"]));
    // A field overrider finds the annotation that was added before it, and leaves it to plaintext.
    let overriders = json!({
        "plaintext": [{ "path": "/metadata/labels/a", "operator": "remove" }],
        "fieldOverrider": [{ "fieldPath": "/metadata/annotations/doc", "json": [{ "subPath": "/a", "operator": "replace", "value": 2 }] }],
        "annotationsOverrider": [{ "operator": "add", "value": { "doc": "{\"a\":1}" } }],
        "labelsOverrider": [{ "operator": "add", "value": { "a": "1" } }],
    });
    gives(overriders.clone(), "/metadata/annotations/doc", json!("{\"a\":2}"));
    gives(overriders, "/metadata/labels", json!({ "app": "web" }));
}

#[test]
fn what_was_applied_is_recorded_by_policy_name_as_json() {
    let mut object = deployment();
    let one = policy("default/b", json!({ "overrideRules": rules(2) }));
    let two = policy("default/a", json!({ "resourceSelectors": named("web"), "overrideRules": rules(3) }));
    let cluster_policy = policy("c", json!({ "overrideRules": rules(4) }));
    let applied = apply(&mut object, &cluster("m1"), [&cluster_policy], [&one, &two]).unwrap();
    let annotations = applied.annotations();
    let read = |i: usize| serde_json::from_str::<Value>(&annotations[i].1).unwrap();
    assert_eq!(annotations[0].0, "policy.karmada.io/applied-cluster-overrides");
    assert_eq!(read(0), json!([{ "policyName": "c", "overriders": set_replicas(4) }]));
    assert_eq!(annotations[1].0, "policy.karmada.io/applied-overrides");
    assert_eq!(
        read(1),
        json!([
            { "policyName": "a", "overriders": set_replicas(3) },
            { "policyName": "b", "overriders": set_replicas(2) },
        ])
    );
    assert!(Applied::default().annotations().is_empty());
}

#[test]
fn an_error_names_the_policy_the_rule_and_the_item_and_leaves_the_manifest_alone() {
    let bad = json!({ "plaintext": [
        { "path": "/spec/replicas", "operator": "replace", "value": 2 },
        { "path": "/spec/nothing", "operator": "remove" },
    ] });
    let error = |spec: Value, name: &str| {
        let mut object = deployment();
        let policy = policy(name, spec);
        let cluster_policy = self::policy("a", json!({ "overrideRules": rules(4) }));
        let error = apply(&mut object, &cluster("m1"), [&cluster_policy, &policy], [&policy]).unwrap_err();
        assert_eq!(object, deployment());
        error
    };
    let in_rules =
        error(json!({ "overrideRules": [{ "overriders": {} }, { "overriders": bad }] }), "default/p");
    assert_eq!(in_rules.field(), "spec.overrideRules[1].overriders.plaintext[1]");
    assert_eq!(
        (in_rules.kind, in_rules.policy.to_string(), in_rules.rule, in_rules.item),
        ("OverridePolicy", "default/p".into(), Some(1), 1)
    );
    let older = error(json!({ "overriders": bad }), "p");
    assert_eq!(older.to_string(), "cannot apply spec.overriders.plaintext[1] of ClusterOverridePolicy p");
    assert_eq!(older.source.to_string(), r#"the operation at "/spec/nothing" failed: there is no "nothing""#);
}
