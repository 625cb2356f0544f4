use super::*;

fn check(object: &Object, expected: &[&str]) {
    let found = Interpreter::native().dependencies(object).now().unwrap();
    let found: Vec<String> =
        found.iter().map(|d| format!("{} {} {}/{}", d.api_version, d.kind, d.namespace, d.name)).collect();
    assert_eq!(found, expected);
}

fn pod_spec() -> Value {
    json!({
        "serviceAccountName": "robot",
        "imagePullSecrets": [{ "name": "pull" }, {}],
        "initContainers": [{ "envFrom": [{ "configMapRef": { "name": "init" } }, { "secretRef": { "name": "s1" } }] }],
        "containers": [{ "env": [
            { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "env" } } },
            { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s2" } } },
            { "name": "C", "value": "plain" },
        ] }],
        "volumes": [
            { "configMap": { "name": "env" } },
            { "secret": { "secretName": "s3" } },
            { "csi": { "nodePublishSecretRef": { "name": "s4" } } },
            { "persistentVolumeClaim": { "claimName": "data" } },
            { "projected": { "sources": [{ "secret": { "name": "s5" } }, { "configMap": { "name": "projected" } }] } },
            { "emptyDir": {} },
        ],
    })
}

const ALL: [&str; 11] = [
    "v1 ConfigMap shop/env",
    "v1 ConfigMap shop/init",
    "v1 ConfigMap shop/projected",
    "v1 Secret shop/pull",
    "v1 Secret shop/s1",
    "v1 Secret shop/s2",
    "v1 Secret shop/s3",
    "v1 Secret shop/s4",
    "v1 Secret shop/s5",
    "v1 ServiceAccount shop/robot",
    "v1 PersistentVolumeClaim shop/data",
];

#[test]
fn of_pods_are_what_their_specification_names() {
    let templated = json!({ "spec": { "template": { "spec": pod_spec() } } });
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "Job"),
    ] {
        check(&object(api_version, kind, templated.clone()), &ALL);
    }
    check(&object("batch/v1", "CronJob", json!({ "spec": { "jobTemplate": templated } })), &ALL);
    check(&object("v1", "Pod", json!({ "spec": pod_spec() })), &ALL);
    check(&object("v1", "Pod", json!({ "spec": { "serviceAccountName": "default" } })), &[]);
}

#[test]
fn of_volumes_are_the_secrets_of_every_kind_of_volume() {
    for (volume, secret) in [
        (json!({ "azureFile": { "secretName": "a" } }), "a"),
        (json!({ "cephfs": { "secretRef": { "name": "b" } } }), "b"),
        (json!({ "cinder": { "secretRef": { "name": "c" } } }), "c"),
        (json!({ "flexVolume": { "secretRef": { "name": "d" } } }), "d"),
        (json!({ "rbd": { "secretRef": { "name": "e" } } }), "e"),
        (json!({ "scaleIO": { "secretRef": { "name": "f" } } }), "f"),
        (json!({ "iscsi": { "secretRef": { "name": "g" } } }), "g"),
        (json!({ "storageos": { "secretRef": { "name": "h" } } }), "h"),
        (json!({ "csi": { "nodePublishSecretRef": { "name": "i" } } }), "i"),
    ] {
        let pod = object("v1", "Pod", json!({ "spec": { "volumes": [volume] } }));
        check(&pod, &[&format!("v1 Secret shop/{secret}")]);
    }
    let ephemeral = json!({ "ephemeral": { "volumeClaimTemplate": { "spec": {} } }, "name": "scratch" });
    check(&object("v1", "Pod", json!({ "spec": { "volumes": [ephemeral] } })), &[]);
}

#[test]
fn of_pods_include_those_of_ephemeral_containers() {
    let container = json!({ "envFrom": [{ "secretRef": { "name": "debug" } }] });
    let pod = object("v1", "Pod", json!({ "spec": { "ephemeralContainers": [container] } }));
    check(&pod, &["v1 Secret shop/debug"]);
}

#[test]
fn of_a_stateful_set_leave_out_its_own_claims() {
    let spec = json!({
        "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
        "template": { "spec": pod_spec() },
    });
    check(&object("apps/v1", "StatefulSet", json!({ "spec": spec })), &ALL[..10]);
}

#[test]
fn of_an_ingress_are_its_secrets_even_when_one_entry_has_none() {
    let tls =
        json!([{ "hosts": ["a"] }, { "secretName": "b" }, { "secretName": "a" }, { "secretName": "b" }]);
    check(
        &object("networking.k8s.io/v1", "Ingress", json!({ "spec": { "tls": tls } })),
        &["v1 Secret shop/a", "v1 Secret shop/b"],
    );
}

#[test]
fn of_a_service_import_are_the_derived_service_and_its_slices() {
    let import = object("multicluster.x-k8s.io/v1alpha1", "ServiceImport", json!({}));
    check(&import, &["v1 Service shop/derived-cart", "discovery.k8s.io/v1 EndpointSlice shop/"]);
    let slices = Interpreter::native().dependencies(&import).now().unwrap().remove(1);
    assert_eq!(
        serde_json::to_value(slices.label_selector).unwrap(),
        json!({ "matchLabels": { "kubernetes.io/service-name": "derived-cart" } }),
    );
}
