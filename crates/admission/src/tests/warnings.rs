//! Warnings: what is taken and will hardly do what was meant.

use serde_json::{Value, json};

use super::object;
use crate::{may_warn, warnings};

fn said(api_version: &str, kind: &str, spec: Value) -> Vec<String> {
    let object = object(api_version, kind, json!({ "spec": spec }));
    let said = warnings(&object.gvk(), &object);
    assert!(said.is_empty() || may_warn(&object.gvk()));
    said
}

#[track_caller]
fn says(kind: &str, spec: Value, expected: &[&str]) {
    let said = said("policy.karmada.io/v1alpha1", kind, spec);
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
    }
}

fn placed(placement: Value) -> Value {
    json!({ "placement": placement })
}

#[test]
fn selectors_that_say_too_much_or_the_impossible_are_pointed_out() {
    let selector = |more: Value| {
        let mut selector = json!({ "apiVersion": "v1", "kind": "Secret" });
        selector.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "resourceSelectors": [selector] })
    };
    let labels = json!({ "matchLabels": { "a": "b" } });
    for kind in ["PropagationPolicy", "ClusterPropagationPolicy", "OverridePolicy", "ClusterOverridePolicy"] {
        says(kind, selector(json!({ "labelSelector": labels })), &[]);
        says(
            kind,
            selector(json!({ "name": "x", "labelSelector": labels })),
            &["no effect, because the selector has a name"],
        );
        let odd = json!({ "matchExpressions": [{ "key": "a", "operator": "Near" }] });
        says(
            kind,
            selector(json!({ "labelSelector": odd })),
            &["resourceSelectors[0].labelSelector selects nothing"],
        );
    }
}

#[test]
fn placements_that_contradict_themselves_are_pointed_out() {
    let kind = "PropagationPolicy";
    says(kind, placed(json!({ "clusterAffinity": { "clusterNames": ["a"], "exclude": ["b"] } })), &[]);
    says(
        kind,
        placed(json!({ "clusterAffinity": { "clusterNames": ["a"], "exclude": ["a"] } })),
        &["excluding wins"],
    );
    let aggregated = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated", "weightPreference": {} });
    says(kind, placed(json!({ "replicaScheduling": aggregated })), &["weightPreference has no effect"]);
    let duplicated =
        json!({ "replicaSchedulingType": "Duplicated", "replicaDivisionPreference": "Weighted" });
    says(
        kind,
        placed(json!({ "replicaScheduling": duplicated })),
        &["replicaDivisionPreference has no effect"],
    );
    let both = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted", "weightPreference": {
        "dynamicWeight": "AvailableReplicas", "staticWeightList": [{ "targetCluster": {}, "weight": 1 }] } });
    says(
        kind,
        placed(json!({ "replicaScheduling": both })),
        &["staticWeightList has no effect beside dynamicWeight"],
    );
}

#[test]
fn a_spread_that_lets_no_cluster_be_chosen_is_pointed_out() {
    let kind = "PropagationPolicy";
    let by_cluster = |max: i64| json!([{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": max }]);
    says(kind, placed(json!({ "spreadConstraints": by_cluster(2) })), &[]);
    says(kind, placed(json!({ "spreadConstraints": by_cluster(0) })), &["lets no cluster be chosen"]);
    let fixed = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted" });
    says(kind, placed(json!({ "spreadConstraints": by_cluster(0), "replicaScheduling": fixed })), &[]);
    let regions = json!([{ "spreadByField": "cluster" }, { "spreadByField": "region", "maxGroups": 2 }]);
    says(kind, placed(json!({ "spreadConstraints": regions })), &[]);
}

#[test]
fn what_a_closed_gate_keeps_from_acting_is_pointed_out() {
    let kind = "PropagationPolicy";
    says(kind, json!({ "preemption": "Always" }), &["the feature gate PropagationPolicyPreemption is on"]);
    says(kind, json!({ "preemption": "Never" }), &[]);
    let affinity = json!({ "workloadAffinity": { "affinity": { "groupByLabelKey": "a" } } });
    says(kind, placed(affinity), &["the feature gate WorkloadAffinity is on"]);
}

#[test]
fn deprecated_fields_are_pointed_out() {
    says("PropagationPolicy", json!({ "association": true }), &["spec.association is deprecated"]);
    says(
        "PropagationPolicy",
        json!({ "schedulerName": "mine" }),
        &["only a scheduler that runs as \"mine\""],
    );
    says("OverridePolicy", json!({ "targetCluster": {} }), &["use spec.overrideRules"]);
    says("OverridePolicy", json!({ "overrideRules": [{ "overriders": {} }] }), &["changes nothing"]);
    let service = said(
        "networking.karmada.io/v1alpha1",
        "MultiClusterService",
        json!({ "serviceProvisionClusters": ["a"] }),
    );
    assert_eq!(service, ["spec.serviceProvisionClusters is deprecated; use spec.providerClusters"]);
    let cluster = said(
        "cluster.karmada.io/v1alpha1",
        "Cluster",
        json!({ "syncMode": "Push", "zone": "a", "insecureSkipTLSVerification": true }),
    );
    assert_eq!(cluster.len(), 2, "{cluster:?}");
}

#[test]
fn a_script_without_the_function_that_is_called_is_pointed_out() {
    let scripts = |customizations: Value| {
        said(
            "config.karmada.io/v1alpha1",
            "ResourceInterpreterCustomization",
            json!({ "target": { "apiVersion": "a/v1", "kind": "A" }, "customizations": customizations }),
        )
    };
    assert_eq!(
        scripts(json!({ "retention": { "luaScript": "function Retain(d, o) return d end" } })),
        [""; 0]
    );
    let wrong = scripts(json!({ "replicaResource": { "luaScript": "function Replicas(d) return 1 end" } }));
    assert_eq!(
        wrong,
        [
            "spec.customizations.replicaResource does not name the function GetReplicas, which is the one that is called"
        ]
    );
    assert_eq!(scripts(json!({})).len(), 1);
}

#[test]
fn other_kinds_and_unreadable_objects_are_not_warned_of() {
    assert_eq!(said("work.karmada.io/v1alpha1", "Work", json!({})), [""; 0]);
    assert_eq!(said("policy.karmada.io/v1alpha1", "PropagationPolicy", json!(7)), [""; 0]);
}
