use super::*;

fn check(object: &Object, expected: Value) {
    let status = Interpreter::native().reflect_status(object).now().unwrap();
    assert_eq!(status.unwrap_or_default(), expected, "{}", object.kind());
}

fn copy(api_version: &str, kind: &str, status: Value) -> Object {
    let metadata = json!({
        "generation": 2, "annotations": { "resourcetemplate.karmada.io/generation": "7" },
    });
    object(api_version, kind, json!({ "metadata": metadata, "status": status }))
}

#[test]
fn carries_counters_and_generations_of_workloads() {
    check(
        &copy(
            "apps/v1",
            "Deployment",
            json!({
                "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 0,
                "unavailableReplicas": 1, "observedGeneration": 2, "conditions": [{ "type": "Available" }],
            }),
        ),
        json!({
            "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "unavailableReplicas": 1,
            "observedGeneration": 2, "generation": 2, "resourceTemplateGeneration": 7,
        }),
    );
    check(
        &copy("apps/v1", "ReplicaSet", json!({ "fullyLabeledReplicas": 1 })),
        json!({ "replicas": 0, "generation": 2, "resourceTemplateGeneration": 7 }),
    );
    check(
        &copy(
            "apps/v1",
            "StatefulSet",
            json!({ "replicas": 1, "observedGeneration": 2, "currentRevision": "r" }),
        ),
        json!({ "replicas": 1, "availableReplicas": 0, "generation": 2, "resourceTemplateGeneration": 7 }),
    );
    check(
        &copy("apps/v1", "DaemonSet", json!({ "desiredNumberScheduled": 3, "numberAvailable": 2 })),
        json!({
            "currentNumberScheduled": 0, "desiredNumberScheduled": 3, "numberMisscheduled": 0,
            "numberReady": 0, "numberAvailable": 2, "generation": 2, "resourceTemplateGeneration": 7,
        }),
    );
}

#[test]
fn of_an_object_without_status_is_nothing() {
    for (api_version, kind) in [("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "ConfigMap")] {
        check(&object(api_version, kind, json!({})), Value::Null);
    }
    check(&deployment(json!({ "status": {} })), Value::Null);
}

#[test]
fn goes_on_without_a_numeric_template_generation() {
    let mut copy = copy("apps/v1", "Deployment", json!({ "replicas": 1 }));
    copy.set_annotation("resourcetemplate.karmada.io/generation", "seven");
    check(&copy, json!({ "replicas": 1, "generation": 2 }));
}

#[test]
fn of_other_kinds_takes_what_matters() {
    let balancer = json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] }, "conditions": [] });
    check(
        &object("v1", "Service", json!({ "spec": { "type": "LoadBalancer" }, "status": balancer })),
        json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } }),
    );
    check(
        &object("v1", "Service", json!({ "spec": { "type": "ClusterIP" }, "status": balancer })),
        Value::Null,
    );
    check(&object("networking.k8s.io/v1", "Ingress", json!({ "status": balancer })), balancer);
    check(
        &object("batch/v1", "Job", json!({ "status": { "active": 1, "failed": 0, "ready": 1 } })),
        json!({ "active": 1 }),
    );
    check(
        &object(
            "policy/v1",
            "PodDisruptionBudget",
            json!({ "status": { "expectedPods": 2, "observedGeneration": 1 } }),
        ),
        json!({ "disruptionsAllowed": 0, "expectedPods": 2, "desiredHealthy": 0, "currentHealthy": 0 }),
    );
    check(
        &object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({ "status": { "currentReplicas": 2, "conditions": [] } }),
        ),
        json!({ "currentReplicas": 2, "desiredReplicas": 0 }),
    );
    check(&object("example.io/v1", "Anything", json!({ "status": { "x": [1] } })), json!({ "x": [1] }));
}
