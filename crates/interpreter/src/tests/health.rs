use super::*;

fn check(api_version: &str, kind: &str, rest: Value, healthy: bool) {
    let object = object(api_version, kind, rest);
    assert_eq!(Interpreter::native().health(&object).now().unwrap(), healthy, "{object:?}");
}

#[test]
fn of_workloads_needs_observed_updated_and_available_replicas() {
    let with = |spec: Value, status: Value| json!({ "metadata": { "generation": 2 }, "spec": spec, "status": status });
    let two = json!({ "replicas": 2 });
    for kind in ["Deployment", "StatefulSet"] {
        for (status, healthy) in [
            (json!({ "observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2 }), true),
            (json!({ "observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2 }), false),
            (json!({ "observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2 }), false),
            (json!({ "observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1 }), false),
            (json!({}), false),
        ] {
            check("apps/v1", kind, with(two.clone(), status), healthy);
        }
    }
    check(
        "apps/v1",
        "ReplicaSet",
        with(two.clone(), json!({ "observedGeneration": 2, "availableReplicas": 2 })),
        true,
    );
    check(
        "apps/v1",
        "ReplicaSet",
        with(two, json!({ "observedGeneration": 2, "availableReplicas": 1 })),
        false,
    );
    let daemon = |updated: i64, available: i64| {
        let status = json!({
            "observedGeneration": 2, "desiredNumberScheduled": 2,
            "updatedNumberScheduled": updated, "numberAvailable": available,
        });
        with(json!({}), status)
    };
    check("apps/v1", "DaemonSet", daemon(2, 2), true);
    check("apps/v1", "DaemonSet", daemon(1, 2), false);
    check("apps/v1", "DaemonSet", daemon(2, 1), false);
}

#[test]
fn of_other_kinds_reads_their_status() {
    let addressed = json!({ "loadBalancer": { "ingress": [{ "hostname": "h" }] } });
    check("v1", "Service", json!({ "spec": { "type": "ClusterIP" } }), true);
    check("v1", "Service", json!({ "spec": { "type": "LoadBalancer" } }), false);
    check("v1", "Service", json!({ "spec": { "type": "LoadBalancer" }, "status": addressed }), true);
    check("networking.k8s.io/v1", "Ingress", json!({ "status": addressed }), true);
    check(
        "networking.k8s.io/v1",
        "Ingress",
        json!({ "status": { "loadBalancer": { "ingress": [{}] } } }),
        false,
    );
    check("v1", "PersistentVolumeClaim", json!({ "status": { "phase": "Bound" } }), true);
    check("v1", "PersistentVolumeClaim", json!({ "status": { "phase": "Pending" } }), false);
    let running = |ready: &str| {
        json!({ "status": { "phase": "Running", "conditions": [
        { "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": ready },
    ] } })
    };
    check("v1", "Pod", running("True"), true);
    check("v1", "Pod", running("False"), false);
    check("v1", "Pod", json!({ "status": { "phase": "Succeeded" } }), true);
    check("v1", "Pod", json!({ "status": { "phase": "Pending" } }), false);
    check(
        "policy/v1",
        "PodDisruptionBudget",
        json!({ "status": { "currentHealthy": 1, "desiredHealthy": 2 } }),
        false,
    );
    check(
        "policy/v1",
        "PodDisruptionBudget",
        json!({ "status": { "currentHealthy": 2, "desiredHealthy": 2 } }),
        true,
    );
    check("batch/v1", "Job", json!({}), true);
    check("v1", "ConfigMap", json!({}), true);
}
