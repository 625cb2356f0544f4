use super::*;

fn check(api_version: &str, kind: &str, desired: Value, observed: Value, expected: Value) {
    let desired = object(api_version, kind, desired);
    let observed = object(api_version, kind, observed);
    let retained = Interpreter::native().retain(&desired, &observed).now().unwrap();
    assert_eq!(retained, object(api_version, kind, expected));
}

#[test]
fn keeps_replicas_only_when_asked_to() {
    let label = json!({ "labels": { "resourcetemplate.karmada.io/retain-replicas": "true" } });
    check(
        "apps/v1",
        "Deployment",
        json!({ "metadata": label, "spec": { "replicas": 1 } }),
        json!({ "spec": { "replicas": 5 } }),
        json!({ "metadata": label, "spec": { "replicas": 5 } }),
    );
    let plain = json!({ "spec": { "replicas": 1 } });
    check("apps/v1", "Deployment", plain.clone(), json!({ "spec": { "replicas": 5 } }), plain);
    let desired = deployment(json!({ "metadata": label }));
    let error = Interpreter::native().retain(&desired, &deployment(json!({}))).now().unwrap_err();
    assert_eq!(error.operation, Operation::Retain);
}

#[test]
fn keeps_what_the_member_put_into_a_pod() {
    check(
        "v1",
        "Pod",
        json!({ "spec": { "containers": [{ "name": "a" }, { "name": "b", "volumeMounts": [1] }] } }),
        json!({ "spec": {
            "nodeName": "n1", "serviceAccountName": "default", "volumes": ["token"],
            "containers": [{ "name": "b" }, { "name": "a", "volumeMounts": ["token"] }],
        } }),
        json!({ "spec": {
            "nodeName": "n1", "serviceAccountName": "default", "volumes": ["token"],
            "containers": [{ "name": "a", "volumeMounts": ["token"] }, { "name": "b" }],
        } }),
    );
}

#[test]
fn keeps_addresses_but_not_node_ports_of_a_service() {
    check(
        "v1",
        "Service",
        json!({ "spec": { "ports": [{ "port": 80 }] } }),
        json!({ "spec": {
            "clusterIP": "10.0.0.1", "healthCheckNodePort": 30000,
            "ports": [{ "port": 80, "nodePort": 31000 }],
        } }),
        json!({ "spec": {
            "clusterIP": "10.0.0.1", "healthCheckNodePort": 30000, "ports": [{ "port": 80 }],
        } }),
    );
    let desired = json!({ "spec": { "ports": [] } });
    let empty = json!({ "spec": { "clusterIP": "", "healthCheckNodePort": 0 } });
    check("v1", "Service", desired.clone(), empty, desired);
}

#[test]
fn unites_the_secrets_of_a_service_account() {
    check(
        "v1",
        "ServiceAccount",
        json!({ "secrets": [{ "name": "own" }] }),
        json!({ "secrets": [{ "name": "cart-token-1" }, { "name": "own", "namespace": "x" }],
                "imagePullSecrets": [{ "name": "pull" }] }),
        json!({ "secrets": [{ "name": "own" }, { "name": "cart-token-1" }],
                "imagePullSecrets": [{ "name": "pull" }] }),
    );
    // Nothing on either side writes nothing.
    check("v1", "ServiceAccount", json!({}), json!({ "secrets": [] }), json!({}));
}

#[test]
fn keeps_a_service_account_token_and_no_other_secret() {
    let token = "kubernetes.io/service-account-token";
    check(
        "v1",
        "Secret",
        json!({ "type": token }),
        json!({ "type": token, "data": { "token": "eA==" } }),
        json!({ "type": token, "data": { "token": "eA==" } }),
    );
    let opaque = json!({ "type": "Opaque", "data": { "k": "bmV3" } });
    check("v1", "Secret", opaque.clone(), json!({ "data": { "k": "b2xk" } }), opaque);
}

#[test]
fn keeps_bindings_of_volumes_and_labels_of_jobs() {
    check(
        "v1",
        "PersistentVolumeClaim",
        json!({ "spec": {} }),
        json!({ "spec": { "volumeName": "pv-1" } }),
        json!({ "spec": { "volumeName": "pv-1" } }),
    );
    check(
        "v1",
        "PersistentVolume",
        json!({ "spec": {} }),
        json!({ "spec": { "claimRef": { "name": "c" } } }),
        json!({ "spec": { "claimRef": { "name": "c" } } }),
    );
    let generated = json!({
        "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": "u" } },
        "template": { "metadata": { "labels": { "job-name": "cart" } } },
    });
    check(
        "batch/v1",
        "Job",
        json!({ "spec": {} }),
        json!({ "spec": generated }),
        json!({ "spec": generated }),
    );
}
