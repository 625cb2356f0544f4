//! The rules alone, as function calls on one thread: matching a template among many policies, interpreting it
//! natively, in Lua and by a bundled script, and applying overrides.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::Resource as _;
use api::policy::{ClusterPropagationPolicy, Policy, PropagationPolicy};
use interpreter::Interpreter;
use machinery::Object;
use matching::PolicyIndex;
use serde_json::{Value as Json, json};

use crate::report::{Budget, Report, Value, percentile};

/// Calls that a percentile is taken of.
const CALLS: usize = 5_000;

const POLICIES: usize = 10_000;

const LUA: &str = r#"
local kube = require("kube")
function GetReplicas(obj)
  return obj.spec.replicas or 0, kube.accuratePodRequirements(obj.spec.template)
end
function ReviseReplica(obj, replicas)
  obj.spec.replicas = replicas
  return obj
end
function InterpretHealth(obj)
  return obj.status ~= nil and obj.status.readyReplicas == obj.spec.replicas
end
"#;

/// Measures the rules.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let micros = |limit: u64| Budget::AtMost(Value::Time(Duration::from_micros(limit)));
    let index = policies()?;
    // One for each way in which a policy of the mixture selects; those by namespace select nothing here.
    let chosen = |i: usize| 96 * i + [0, 1, 3][i % 3];
    let objects: Vec<Object> = (0..100).map(|i| deployment("apps/v1", "Deployment", chosen(i))).collect();
    row(report, "matching a Deployment among 10,000 policies", micros(20), |i| {
        black_box(index.choose(&objects[i % objects.len()])).is_some()
    });
    let native = Interpreter::native();
    row(report, "interpreting a Deployment (replicas and what they need)", micros(20), |i| {
        matches!(native.replicas(&objects[i % objects.len()]).now(), Ok(Some(_)))
    });
    let custom = Interpreter::with(&[customization("example.org/v1", "Shop")], &[]);
    let shops: Vec<Object> = (0..100).map(|i| deployment("example.org/v1", "Shop", i)).collect();
    row(report, "Lua: GetReplicas", micros(100), |i| {
        matches!(custom.replicas(&shops[i % shops.len()]).now(), Ok(Some(_)))
    });
    row(report, "Lua: ReviseReplica", micros(100), |i| {
        custom.revise_replicas(&shops[i % shops.len()], 3).now().is_ok()
    });
    row(report, "Lua: InterpretHealth", micros(100), |i| {
        custom.health(&shops[i % shops.len()]).now().is_ok()
    });
    let clones: Vec<Object> =
        (0..100).map(|i| deployment("apps.kruise.io/v1alpha1", "CloneSet", i)).collect();
    row(report, "bundled: GetReplicas of a CloneSet", micros(100), |i| {
        matches!(native.replicas(&clones[i % clones.len()]).now(), Ok(Some(_)))
    });
    Ok(())
}

/// The median and the 99th percentile of many calls, each of which must work.
fn row(report: &mut Report, what: &str, budget: Budget, call: impl Fn(usize) -> bool) {
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|i| {
            let start = Instant::now();
            let works = call(i);
            let took = start.elapsed();
            assert!(works, "{what}: call {i} gave no answer");
            took
        })
        .collect();
    report.row(&format!("{what}, p50"), budget, percentile(&mut times, 50));
    report.row(&format!("{what}, p99"), Budget::None, percentile(&mut times, 99));
}

/// A mixture as a large site has it: by name, by label, by namespace, and by expressions.
fn policies() -> Result<PolicyIndex> {
    let mut index = PolicyIndex::new();
    for i in 0..POLICIES {
        let mut selector = match i % 4 {
            0 => json!({ "name": format!("app-{i}") }),
            1 => json!({ "labelSelector": { "matchLabels": { "app": format!("app-{i}") } } }),
            2 => json!({ "namespace": format!("ns-{i}") }),
            _ => json!({ "labelSelector": { "matchExpressions": [
                { "key": "tier", "operator": "NotIn", "values": ["gold"] },
                { "key": "app", "operator": "In", "values": [format!("app-{i}"), format!("db-{i}")] },
            ] } }),
        };
        selector["apiVersion"] = "apps/v1".into();
        selector["kind"] = "Deployment".into();
        let name = format!("policy-{i:05}");
        let mut policy = if i % 2 == 0 {
            Policy::from(PropagationPolicy::named("default", &name))
        } else {
            Policy::from(ClusterPropagationPolicy::named("", &name))
        };
        policy.spec.resource_selectors = serde_json::from_value(json!([selector]))?;
        index.insert(Arc::new(policy));
    }
    Ok(index)
}

fn deployment(api_version: &str, kind: &str, i: usize) -> Object {
    let name = format!("app-{i}");
    let mut object = Object::new(api_version, kind, "default", &name);
    object.set_label("app", &name);
    object.set_label("tier", "silver");
    let container = |name: &str, cpu: &str| -> Json {
        json!({
            "name": name, "image": "registry.example/team/app:1.2.3",
            "env": (0..6).map(|e| json!({ "name": format!("KEY_{e}"), "value": "value" })).collect::<Vec<_>>(),
            "resources": { "requests": { "cpu": cpu, "memory": "256Mi" }, "limits": { "memory": "512Mi" } },
            "volumeMounts": [{ "name": "settings", "mountPath": "/etc/settings" }],
        })
    };
    object.set(
        "/spec",
        json!({
            "replicas": 4, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "containers": [container("app", "500m"), container("sidecar", "50m")],
                    "nodeSelector": { "disk": "ssd" },
                    "tolerations": [{ "key": "dedicated", "operator": "Exists", "effect": "NoSchedule" }],
                    "volumes": [{ "name": "settings", "configMap": { "name": "settings" } }],
                },
            },
        }),
    );
    object.set("/status", json!({ "readyReplicas": 4, "replicas": 4, "observedGeneration": 1 }));
    object
}

fn customization(api_version: &str, kind: &str) -> Object {
    let mut object =
        Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterCustomization", "", "bench");
    let script = || json!({ "luaScript": LUA });
    object.set(
        "/spec",
        json!({
            "target": { "apiVersion": api_version, "kind": kind },
            "customizations": {
                "replicaResource": script(), "replicaRevision": script(), "healthInterpretation": script(),
            },
        }),
    );
    object
}
