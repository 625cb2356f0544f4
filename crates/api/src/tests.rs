//! The types against the wire: round trips, names, and CRDs compared with the checked-in ones.

use std::path::PathBuf;

use machinery::Object;
use serde_json::{Value, json};

use crate::policy::{Policy, PropagationPolicy};
use crate::work::{Binding, ResourceBinding, Work};
use crate::*;

/// Reads JSON as `T` and writes it again: nothing may be lost or made up.
#[track_caller]
fn survives<T: Resource>(spec: Value) {
    let mut object = Object::new(&T::KIND.api_version(), T::KIND.kind, "", "x");
    for (key, value) in spec.as_object().unwrap() {
        object.set(&format!("/{key}"), value.clone());
    }
    let read = T::from_object(&object).unwrap();
    assert_eq!(read.to_object(), object);
}

#[test]
fn objects_survive_being_read_and_written() {
    survives::<PropagationPolicy>(json!({ "spec": {
        "resourceSelectors": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }],
        "placement": {
            "clusterAffinity": { "clusterNames": ["a"], "labelSelector": { "matchLabels": { "a": "b" } } },
            "replicaScheduling": {
                "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
                "weightPreference": { "staticWeightList": [
                    { "targetCluster": { "clusterNames": ["a"] }, "weight": 2 }
                ]},
            },
            "spreadConstraints": [{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 2 }],
            "clusterTolerations": [{ "key": "k", "operator": "Exists", "tolerationSeconds": 0 }],
        },
        "priority": 0, "preemption": "Never", "conflictResolution": "Abort",
        "failover": { "application": { "decisionConditions": { "tolerationSeconds": 300 }, "purgeMode": "Never" } },
        "suspension": { "dispatching": false },
        "schedulePriority": { "priorityClassSource": "KubePriorityClass", "priorityClassName": "high" },
    }}));
    survives::<ResourceBinding>(json!({
        "spec": {
            "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "d", "name": "web", "uid": "1" },
            "replicas": 3,
            "replicaRequirements": { "resourceRequest": { "cpu": "100m" }, "nodeClaim": { "tolerations": [{}] } },
            "clusters": [{ "name": "a", "replicas": 3 }],
            "gracefulEvictionTasks": [{
                "fromCluster": "b", "reason": "TaintUntolerated", "producer": "TaintManager",
                "creationTimestamp": "2024-05-06T07:08:09Z", "suppressDeletion": false, "purgeMode": "Directly",
            }],
            "rescheduleTriggeredAt": "2024-05-06T07:08:09Z",
        },
        "status": { "aggregatedStatus": [{ "clusterName": "a", "applied": true, "health": "Healthy",
            "status": { "any": [1, null, { "thing": true }] } }] },
    }));
    survives::<Work>(json!({ "spec": { "workload": { "manifests": [
        { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" }, "data": { "a": "b" } }
    ]}}}));
    survives::<cluster::Cluster>(json!({
        "spec": {
            "syncMode": "Pull", "zones": ["a"], "insecureSkipTLSVerification": true, "proxyURL": "http://p",
            "resourceModels": [{ "grade": 0, "ranges": [{ "name": "cpu", "min": "0", "max": "1" }] }],
            "taints": [{ "key": "k", "effect": "NoExecute", "timeAdded": "2024-05-06T07:08:09Z" }],
        },
        "status": { "resourceSummary": { "allocatableModelings": [{ "grade": 0, "count": 0 }] } },
    }));
    survives::<config::ResourceInterpreterWebhookConfiguration>(json!({ "webhooks": [{
        "name": "a.b.c", "clientConfig": { "url": "https://x", "caBundle": "YQ==" },
        "interpreterContextVersions": ["v1alpha1"],
    }]}));
    survives::<multicluster::ServiceImport>(json!({ "spec": {
        "type": "ClusterSetIP", "ports": [{ "port": 80 }],
        "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": 1 } },
    }}));
    survives::<multicluster::ServiceExport>(json!({}));
}

#[test]
fn an_override_keeps_its_values_whatever_they_are() {
    survives::<policy::OverridePolicy>(json!({ "spec": { "overrideRules": [{ "overriders": { "plaintext": [
        { "path": "/a", "operator": "add", "value": { "b": [1, "c", false] } },
        { "path": "/a", "operator": "replace", "value": "" },
        { "path": "/a", "operator": "remove" },
    ]}}]}}));
}

#[test]
fn fields_that_go_always_writes_are_always_written() {
    let spec = serde_json::to_value(work::TargetComponent::default()).unwrap();
    assert_eq!(spec, json!({ "name": "", "replicas": 0 }));
    assert_eq!(serde_json::to_value(work::TargetCluster::default()).unwrap(), json!({ "name": "" }));
}

#[test]
fn lists_that_go_writes_as_null_are_empty() {
    let spec: policy::PropagationSpec = serde_json::from_value(json!({ "resourceSelectors": null })).unwrap();
    assert!(spec.resource_selectors.is_empty());
}

#[test]
fn quantities_may_be_numbers_and_times_lose_their_fractions() {
    let quota: policy::FederatedResourceQuotaSpec =
        serde_json::from_value(json!({ "overall": { "cpu": 2, "memory": "4Gi" } })).unwrap();
    assert_eq!(quota.overall["cpu"].as_str(), "2");
    let time: Time = "2024-05-06T09:08:09.75+02:00".parse().unwrap();
    assert_eq!(time.to_string(), "2024-05-06T07:08:09Z");
}

#[test]
fn twins_have_one_view() {
    let crb = work::ClusterResourceBinding::named("", "web-deployment");
    let view = Binding::from_object(&crb.to_object()).unwrap();
    assert_eq!(view.scope, Scope::Cluster);
    assert_eq!(view.to_object(), crb.to_object());
    let policy = Policy::from(PropagationPolicy::named("d", "p"));
    assert_eq!(policy.to_object().kind(), "PropagationPolicy");
    assert_eq!(policy.permanent_id_label(), "propagationpolicy.karmada.io/permanent-id");
}

#[test]
fn bindings_are_converted_both_ways_as_far_as_the_old_version_goes() {
    let old = Object::from_value(json!({
        "apiVersion": "work.karmada.io/v1alpha1", "kind": "ClusterResourceBinding",
        "metadata": { "name": "x", "unknown": true },
        "spec": {
            "resource": {
                "apiVersion": "v1", "kind": "A", "name": "x", "resourceVersion": "7",
                "replicas": 3, "resourcePerReplicas": { "cpu": "1" },
            },
            "clusters": [{ "name": "a", "replicas": 3 }],
        },
        "status": { "aggregatedStatus": [{ "clusterName": "a", "applied": true, "status": { "b": 1 } }] },
    }))
    .unwrap();
    let new = work::convert_binding(&old, "work.karmada.io/v1alpha2").unwrap();
    assert_eq!(
        new.value(),
        &json!({
            "apiVersion": "work.karmada.io/v1alpha2", "kind": "ClusterResourceBinding",
            "metadata": { "name": "x", "unknown": true },
            "spec": {
                "resource": { "apiVersion": "v1", "kind": "A", "name": "x", "resourceVersion": "7" },
                "replicas": 3, "replicaRequirements": { "resourceRequest": { "cpu": "1" } },
                "clusters": [{ "name": "a", "replicas": 3 }],
            },
            "status": { "aggregatedStatus": [{ "clusterName": "a", "applied": true, "status": { "b": 1 } }] },
        })
    );
    assert_eq!(work::convert_binding(&new, "work.karmada.io/v1alpha1").unwrap(), old);
    let mut more = new.clone();
    more.set("/spec/resource/uid", "u");
    more.set("/spec/placement", json!({}));
    assert_eq!(work::convert_binding(&more, "work.karmada.io/v1alpha1").unwrap(), old);
    assert_eq!(work::convert_binding(&new, "work.karmada.io/v1alpha2").unwrap(), new);
    assert!(work::convert_binding(&new, "work.karmada.io/v9").is_err());
    more.set("/spec/replicas", "many");
    assert!(work::convert_binding(&more, "work.karmada.io/v1alpha1").is_err());
}

#[test]
fn a_condition_that_stays_keeps_its_time() {
    let at = |second| Time::from(jiff::Timestamp::from_second(second).unwrap());
    let condition = |status: &str, message: &str, second| Condition {
        type_: "Ready".into(),
        status: status.into(),
        message: message.into(),
        last_transition_time: at(second),
        ..Condition::default()
    };
    let mut conditions = Vec::new();
    assert!(meta::set_condition(&mut conditions, condition("True", "a", 1)));
    assert!(!meta::set_condition(&mut conditions, condition("True", "a", 2)));
    assert!(meta::set_condition(&mut conditions, condition("True", "b", 3)));
    assert_eq!(conditions[0].last_transition_time, at(1));
    assert!(meta::set_condition(&mut conditions, condition("False", "b", 4)));
    assert_eq!(conditions[0].last_transition_time, at(4));
}

#[test]
fn derived_names_are_the_ones_other_programs_look_for() {
    assert_eq!(naming::work("Deployment", "default", "nginx"), "nginx-687f7fb96f");
    assert_eq!(
        naming::work("ClusterRole", "", "System:Foo"),
        format!("system.foo-{}", naming::hash("system.foo-clusterrole"))
    );
    assert_eq!(naming::cluster_of_execution_namespace("karmada-es-m1"), Some("m1"));
    assert_eq!(naming::cluster_of_execution_namespace("karmada-es-"), None);
    assert_eq!(naming::cluster_of_execution_namespace("default"), None);
    assert!(naming::is_reserved_namespace("karmada-es-m1") && !naming::is_reserved_namespace("default"));
}

#[test]
fn every_kind_of_the_table_is_called_once() {
    let mut names: Vec<_> = KINDS.iter().map(Kind::gvr).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), KINDS.len());
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn crds_are_the_checked_in_ones() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for crd in crds() {
        let path = golden(&format!("{}.json", crd.name()));
        let text = serde_json::to_string_pretty(&crd).unwrap() + "\n";
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{} differs from its golden file; UPDATE_EXPECT=1 rewrites it", crd.name());
    }
}

/// Visits every schema node with its path.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), child, visit);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(key) {
            walk(&format!("{path}.{key}"), child, visit);
        }
    }
}

#[test]
fn every_schema_is_structural() {
    const KNOWN: &[&str] = &[
        "type",
        "description",
        "properties",
        "items",
        "additionalProperties",
        "required",
        "enum",
        "default",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "anyOf",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    ];
    for crd in crds() {
        for version in crd.at("/spec/versions").unwrap().as_array().unwrap() {
            walk(crd.name(), &version["schema"]["openAPIV3Schema"], &mut |path, node| {
                let node = node.as_object().unwrap();
                for key in node.keys() {
                    assert!(KNOWN.contains(&key.as_str()), "{path} has {key}");
                }
                let free = node.contains_key("x-kubernetes-preserve-unknown-fields")
                    || node.contains_key("x-kubernetes-int-or-string");
                assert!(free || node.get("type").is_some_and(Value::is_string), "{path} has no type");
                if node.contains_key("anyOf") {
                    assert!(node.contains_key("x-kubernetes-int-or-string"), "{path} has a choice");
                }
            });
        }
    }
}

#[test]
fn required_fields_are_those_without_a_way_of_saying_nothing() {
    let crds = crds();
    let crd = crds.iter().find(|c| c.name() == "propagationpolicies.policy.karmada.io").unwrap();
    let schema = crd.at("/spec/versions/0/schema/openAPIV3Schema").unwrap();
    assert_eq!(schema["required"], json!(["spec"]));
    let spec = &schema["properties"]["spec"];
    assert_eq!(spec["required"], json!(["resourceSelectors"]));
    assert_eq!(spec["properties"]["resourceSelectors"]["minItems"], 1);
    assert_eq!(spec["properties"]["conflictResolution"]["default"], "Abort");
    assert_eq!(spec["properties"]["conflictResolution"]["enum"], json!(["Abort", "Overwrite"]));
    assert_eq!(spec["properties"]["priority"]["default"], 0);
    assert_eq!(spec["properties"]["priority"]["format"], "int32");
}

#[test]
fn only_bindings_are_converted_by_the_webhook() {
    let with = crds_with_conversion(&json!({ "url": "https://localhost/convert" }));
    for crd in &with {
        let converted = crd.str_at("/spec/conversion/strategy") == Some("Webhook");
        assert_eq!(converted, crd.name().contains("resourcebindings"), "{}", crd.name());
    }
    let binding = with.iter().find(|c| c.name().starts_with("resourcebindings")).unwrap();
    assert_eq!(binding.str_at("/spec/versions/0/name"), Some("v1alpha1"));
    assert_eq!(binding.at("/spec/versions/0/storage"), Some(&json!(false)));
    assert_eq!(binding.at("/spec/versions/1/storage"), Some(&json!(true)));
}
