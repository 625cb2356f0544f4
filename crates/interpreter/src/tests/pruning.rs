use super::*;

fn check(api_version: &str, kind: &str, given: Value, expected: Value) {
    let mut pruned = object(api_version, kind, given);
    prune(&mut pruned);
    assert_eq!(pruned, object(api_version, kind, expected.clone()));
    prune(&mut pruned);
    assert_eq!(pruned, object(api_version, kind, expected), "pruning twice is pruning once");
}

#[test]
fn removes_what_the_server_wrote() {
    check(
        "example.io/v1",
        "Anything",
        json!({
            "metadata": {
                "uid": "u", "resourceVersion": "1", "generation": 2, "creationTimestamp": "t",
                "deletionTimestamp": "t", "deletionGracePeriodSeconds": 1, "managedFields": [],
                "selfLink": "/", "ownerReferences": [], "finalizers": ["f"],
                "labels": { "a": "b" }, "annotations": { "deployment.kubernetes.io/revision": "1" },
            },
            "spec": { "x": 1 }, "status": { "y": 2 },
        }),
        json!({
            "metadata": { "labels": { "a": "b" }, "annotations": { "deployment.kubernetes.io/revision": "1" } },
            "spec": { "x": 1 },
        }),
    );
}

#[test]
fn removes_what_the_kinds_controllers_wrote() {
    check(
        "apps/v1",
        "Deployment",
        json!({ "metadata": { "annotations": { "deployment.kubernetes.io/revision": "1" } } }),
        json!({}),
    );
    let job = json!({
        "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": "u" } },
        "template": { "metadata": { "labels": {
            "controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "job-name": "cart",
            "batch.kubernetes.io/job-name": "cart", "app": "x",
        } } },
        "ttlSecondsAfterFinished": 5,
    });
    check(
        "batch/v1",
        "Job",
        json!({ "spec": job }),
        json!({ "spec": {
            "template": { "metadata": { "labels": { "app": "x" } } }, "ttlSecondsAfterFinished": 5,
        } }),
    );
    let mut manual = job;
    manual["manualSelector"] = true.into();
    check("batch/v1", "Job", json!({ "spec": manual }), json!({ "spec": manual }));
    let token = "kubernetes.io/service-account-token";
    check(
        "v1",
        "Secret",
        json!({
            "metadata": { "annotations": { "kubernetes.io/service-account.uid": "u", "kubernetes.io/service-account.name": "n" } },
            "type": token, "data": { "token": "eA==" },
        }),
        json!({ "metadata": { "annotations": { "kubernetes.io/service-account.name": "n" } }, "type": token }),
    );
    check(
        "v1",
        "ServiceAccount",
        json!({ "secrets": [{ "name": "cart-token-abc" }, { "name": "own" }] }),
        json!({ "secrets": [{ "name": "own" }] }),
    );
    check("v1", "ServiceAccount", json!({ "secrets": [{ "name": "cart-token-abc" }] }), json!({}));
    check(
        "v1",
        "Service",
        json!({ "spec": { "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [] } }),
        json!({ "spec": { "ports": [] } }),
    );
    let headless = json!({ "spec": { "clusterIP": "None", "clusterIPs": ["None"] } });
    check("v1", "Service", headless.clone(), headless);
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": "n" } } }),
        json!({}),
    );
}

#[test]
fn for_a_work_also_removes_a_jobs_time_to_live() {
    let mut job = object("batch/v1", "Job", json!({ "spec": { "ttlSecondsAfterFinished": 5 } }));
    prune_for_work(&mut job);
    assert_eq!(job, object("batch/v1", "Job", json!({ "spec": {} })));
}
