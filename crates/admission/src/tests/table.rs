//! The table of rules and the configurations made from it.

use std::collections::BTreeSet;

use machinery::{GroupVersionKind, Object};
use serde_json::{Value, json};

use crate::*;

#[test]
fn every_path_leads_to_one_rule() {
    let paths: BTreeSet<_> = WEBHOOKS.iter().map(|w| w.path).collect();
    assert_eq!(paths.len(), WEBHOOKS.len());
    for webhook in WEBHOOKS {
        assert!(std::ptr::eq(by_path(webhook.path).unwrap(), webhook));
        let start = if webhook.phase() == Phase::Mutating { "/mutate-" } else { "/validate-" };
        assert!(webhook.path.starts_with(start), "{}", webhook.path);
    }
    assert!(by_path("/elsewhere").is_none());
}

#[test]
fn a_request_meets_the_rules_of_its_kind_and_operation() {
    let paths = |group: &str, kind: &str, operation| -> Vec<&str> {
        rules_for(&GroupVersionKind::new(group, "v1alpha1", kind), operation).map(|w| w.path).collect()
    };
    let policy = "policy.karmada.io";
    assert_eq!(
        paths(policy, "PropagationPolicy", Operation::Update),
        ["/mutate-propagationpolicy", "/validate-propagationpolicy"]
    );
    assert_eq!(
        paths(policy, "PropagationPolicy", Operation::Delete),
        ["/validate-resourcedeletionprotection"]
    );
    assert_eq!(
        paths("work.karmada.io", "ResourceBinding", Operation::Create),
        ["/mutate-resourcebinding", "/validate-resourcebinding"]
    );
    assert_eq!(paths("work.karmada.io", "ResourceBinding", Operation::Update), ["/validate-resourcebinding"]);
    assert_eq!(paths("example.io", "PropagationPolicy", Operation::Create), [""; 0]);
}

#[test]
fn operations_are_read_as_they_are_written() {
    for operation in [Operation::Create, Operation::Update, Operation::Delete] {
        assert_eq!(Operation::parse(operation.as_str()), Some(operation));
    }
    assert_eq!(Operation::parse("CONNECT"), None);
}

#[test]
fn the_configurations_name_every_rule_once() {
    let configurations = webhook_configurations("Q0E=", "https://localhost:8443/");
    assert_eq!(
        configurations.iter().map(|c| c.name()).collect::<Vec<_>>(),
        ["mutating-config", "validating-config"]
    );
    let mut count = 0;
    for configuration in &configurations {
        let webhooks = configuration.at("/webhooks").unwrap().as_array().unwrap();
        let names: BTreeSet<_> = webhooks.iter().map(|w| w["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), webhooks.len(), "names are unique within a configuration");
        for webhook in webhooks {
            count += 1;
            let url = webhook["clientConfig"]["url"].as_str().unwrap();
            assert!(by_path(url.strip_prefix("https://localhost:8443").unwrap()).is_some(), "{url}");
            assert_eq!(webhook["clientConfig"]["caBundle"], "Q0E=");
            assert_eq!(webhook["failurePolicy"], "Fail");
            assert_eq!(webhook.get("objectSelector").is_some(), url.ends_with("protection"));
        }
    }
    assert_eq!(count, WEBHOOKS.len());
}

#[test]
fn the_switches_follow_the_feature_gates() {
    let gates =
        "MultiplePodTemplatesScheduling=true,CustomizedClusterResourceModeling=false".parse().unwrap();
    let expected = Options {
        allow_no_execute_taint_policy: false,
        customized_cluster_resource_modeling: false,
        multiple_pod_templates_scheduling: true,
        federated_quota_enforcement: false,
    };
    assert_eq!(Options::from(&gates), expected);
}

#[test]
fn every_rule_takes_three_seconds_at_most_and_scripts_ten() {
    for webhook in WEBHOOKS {
        let scripts = webhook.path == "/validate-resourceinterpretercustomization";
        assert_eq!(webhook.timeout_seconds, if scripts { 10 } else { 3 }, "{}", webhook.path);
    }
}

#[test]
fn the_webhooks_of_upstream_have_their_paths_kinds_and_operations() {
    let upstream = [
        ("/mutate-propagationpolicy", "PropagationPolicy", "CU"),
        ("/validate-propagationpolicy", "PropagationPolicy", "CU"),
        ("/mutate-clusterpropagationpolicy", "ClusterPropagationPolicy", "CU"),
        ("/validate-clusterpropagationpolicy", "ClusterPropagationPolicy", "CU"),
        ("/mutate-overridepolicy", "OverridePolicy", "CU"),
        ("/validate-overridepolicy", "OverridePolicy", "CU"),
        ("/validate-clusteroverridepolicy", "ClusterOverridePolicy", "CU"),
        ("/validate-clustertaintpolicy", "ClusterTaintPolicy", "CU"),
        ("/validate-federatedresourcequota", "FederatedResourceQuota", "CU"),
        ("/mutate-resourcebinding", "ResourceBinding", "C"),
        ("/validate-resourcebinding", "ResourceBinding", "CU"),
        ("/mutate-clusterresourcebinding", "ClusterResourceBinding", "C"),
        ("/mutate-work", "Work", "CU"),
        (
            "/validate-resourceinterpreterwebhookconfiguration",
            "ResourceInterpreterWebhookConfiguration",
            "CU",
        ),
        ("/validate-resourceinterpretercustomization", "ResourceInterpreterCustomization", "CU"),
        ("/mutate-federatedhpa", "FederatedHPA", "CU"),
        ("/validate-federatedhpa", "FederatedHPA", "CU"),
        ("/validate-cronfederatedhpa", "CronFederatedHPA", "CU"),
        ("/mutate-multiclusterservice", "MultiClusterService", "CU"),
        ("/validate-multiclusterservice", "MultiClusterService", "CU"),
        ("/validate-multiclusteringress", "MultiClusterIngress", "CU"),
        ("/validate-resourcedeletionprotection", "", "D"),
    ];
    for (path, kind, operations) in upstream {
        let webhook = by_path(path).unwrap();
        assert_eq!(webhook.kind.map_or("", |k| k.kind), kind, "{path}");
        let initials: String = webhook.operations.iter().map(|o| &o.as_str()[..1]).collect();
        assert_eq!(initials, operations, "{path}");
    }
    // Clusters are judged by upstream's aggregated API server; here they are a kind like the others.
    let ours = WEBHOOKS.iter().filter(|w| w.path.ends_with("-cluster")).count();
    assert_eq!(WEBHOOKS.len(), upstream.len() + ours);
    assert_eq!(CONVERT_PATH, "/convert");
}

#[test]
fn a_refusal_reads_like_a_webhooks() {
    let status = Denial::forbidden("no").to_status("work.karmada.io");
    assert_eq!(status.code, 403);
    assert_eq!(status.message, r#"admission webhook "work.karmada.io" denied the request: no"#);
}

/// Every way down into a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(path.clone());
                pointers(child, &path, found);
            }
        }
        Value::Array(items) => {
            for (i, child) in items.iter().enumerate() {
                let path = format!("{at}/{i}");
                found.push(path.clone());
                pointers(child, &path, found);
            }
        }
        _ => {}
    }
}

#[test]
fn nothing_a_user_can_write_makes_a_rule_panic() {
    // Each node of one object with a bit of everything is replaced by each odd value, as every kind.
    let spec = json!({
        "resourceSelectors": [{ "apiVersion": "v1", "kind": "Pod", "labelSelector": { "matchLabels": {} } }],
        "placement": {
            "clusterAffinities": [{ "affinityName": "a", "overflowAffinities": [{ "affinityName": "b" }] }],
            "spreadConstraints": [{ "minGroups": 1 }], "replicaScheduling": {}, "clusterTolerations": [{}],
        },
        "failover": { "application": { "statePreservation": { "rules": [{}] } } },
        "overrideRules": [{ "targetCluster": { "fieldSelector": { "matchExpressions": [{}] } },
            "overriders": { "fieldOverrider": [{ "json": [{}] }] } }],
        "taints": [{ "key": "a", "effect": "NoExecute" }], "syncMode": "Push", "zone": "a",
        "resourceModels": [{ "grade": 0, "ranges": [{ "name": "cpu", "min": "0", "max": "1" }] }],
        "overall": { "cpu": "1" }, "staticAssignments": [{ "hard": { "cpu": "1" } }],
        "resource": {}, "components": [{}], "clusters": [{}], "workload": { "manifests": [{ "kind": "Job" }] },
        "target": {}, "customizations": { "retention": { "luaScript": "" } },
        "types": [], "ports": [{}], "rules": [{ "schedule": "* * * * *" }], "metrics": [{ "type": "Pods" }],
        "behavior": { "scaleUp": { "policies": [{}] } }, "scaleTargetRef": {},
    });
    let odd = [
        json!(null),
        json!(""),
        json!("é x/~"),
        json!(-1),
        json!(1e300),
        json!(true),
        json!([]),
        json!([null]),
        json!({}),
    ];
    let options = Options {
        allow_no_execute_taint_policy: false,
        customized_cluster_resource_modeling: true,
        multiple_pod_templates_scheduling: true,
        federated_quota_enforcement: true,
    };
    let world = World::empty(&options);
    for kind in WEBHOOKS.iter().filter_map(|w| w.kind) {
        let mut base = Object::new(&kind.api_version(), kind.kind, "default", "x");
        base.set("/spec", spec.clone());
        base.set(
            "/webhooks",
            json!([{ "rules": [{ "operations": ["*"] }], "clientConfig": { "url": "https://a" } }]),
        );
        let mut paths = Vec::new();
        pointers(base.value(), "", &mut paths);
        for path in paths.iter().filter(|p| *p != "/kind" && *p != "/apiVersion") {
            for value in &odd {
                let mut object = base.clone();
                *object.value_mut().pointer_mut(path).unwrap() = value.clone();
                let mut source =
                    Source { options: &options, now: jiff::Timestamp::UNIX_EPOCH, ids: &mut || "id".into() };
                for operation in [Operation::Create, Operation::Update] {
                    let mut changed = object.clone();
                    let old = (operation == Operation::Update).then_some(&base);
                    // Taken or refused: either will do.
                    let _ = mutate(&kind.gvk(), operation, "default", &mut changed, old, &mut source);
                    let _ = validate(&kind.gvk(), operation, &changed, old, &world);
                }
            }
        }
    }
}
