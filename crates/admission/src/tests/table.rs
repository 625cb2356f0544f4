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
