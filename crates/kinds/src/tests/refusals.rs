//! What the server says no to, in its words.

use serde_json::{Value, json};

use super::{complaint, create, kind};

/// Creates an object and reads the complaint.
#[track_caller]
fn check(name: &str, fields: Value, expected: &str) {
    let object = create(name, fields);
    let causes = (kind(name).rules.validate_create)(&object);
    assert_eq!(complaint(name, &object, causes), expected);
}

fn workload(spec: Value) -> Value {
    let mut fields = json!({"spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }});
    for (key, value) in spec.as_object().unwrap() {
        fields["spec"][key] = value.clone();
    }
    fields
}

#[test]
fn pods_need_containers_with_names_and_images() {
    check("Pod", json!({"spec": {"containers": []}}), "spec.containers: Required value");
    check(
        "Pod",
        json!({"spec": {"containers": [{"name": "c"}, {"name": "c", "image": "i", "ports": [{"containerPort": 99999}]}]}}),
        "[spec.containers[0].image: Required value, spec.containers[1].ports[0].containerPort: Invalid value: \
         99999: must be between 1 and 65535, inclusive, spec.containers[1].name: Duplicate value: \"c\"]",
    );
    let mounts = json!([{"name": "gone", "mountPath": "/x"}]);
    check(
        "Pod",
        json!({"spec": {"containers": [{"name": "c", "image": "i", "volumeMounts": mounts}]}}),
        "spec.containers[0].volumeMounts[0].name: Not found: \"gone\"",
    );
    let resources = json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}});
    check(
        "Pod",
        json!({"spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}}),
        "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
    );
}

#[test]
fn mounts_stay_inside_and_kernel_parameters_have_names() {
    let pod = |mount: Value, sysctls: Value| {
        json!({"spec": {
            "containers": [{"name": "c", "image": "i", "volumeMounts": [mount]}],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "securityContext": {"sysctls": sysctls},
        }})
    };
    let mount = |key: &str, path: &str| json!({"name": "v", "mountPath": "/x", key: path});
    check(
        "Pod",
        pod(mount("subPath", "a/b..c"), json!([{"name": "kernel.shm_rmid-forced", "value": "1"}])),
        "",
    );
    check(
        "Pod",
        pod(mount("subPathExpr", "/$(A)/../b"), json!([])),
        "[spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: \"/$(A)/../b\": must be a relative path, \
         spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: \"/$(A)/../b\": must not contain '..']",
    );
    check(
        "Pod",
        pod(mount("subPath", ""), json!([{"name": "foo-"}, {"name": "a.b"}, {"name": "a.b"}, {}])),
        "[spec.securityContext.sysctls[0].name: Invalid value: \"foo-\": must have at most 253 characters and match \
         regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$, \
         spec.securityContext.sysctls[2].name: Duplicate value: \"a.b\", \
         spec.securityContext.sysctls[3].name: Required value]",
    );
}

#[test]
fn selectors_match_their_templates() {
    for name in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
        check(name, workload(json!({})), "");
        check(
            name,
            workload(json!({"selector": {"matchLabels": {"a": "z"}}})),
            "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`",
        );
    }
    check(
        "Deployment",
        workload(json!({"selector": null})),
        "[spec.selector: Required value, spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` \
         does not match template `labels`]",
    );
    check(
        "Deployment",
        workload(json!({"replicas": -1})),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    );
    let zero = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}});
    check(
        "Deployment",
        workload(zero),
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    );
}

#[test]
fn long_running_workloads_restart_their_pods() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    check(
        "Deployment",
        workload(json!({"template": template})),
        "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
    );
    let job = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    check(
        "Job",
        job,
        "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
    );
}

#[test]
fn config_has_keys_that_can_be_files() {
    check("ConfigMap", json!({"data": {"a.b_c-D": "x"}}), "");
    check(
        "ConfigMap",
        json!({"data": {"k": "x"}, "binaryData": {"k": "eA=="}}),
        "data[k]: Invalid value: \"k\": duplicate of key present in binaryData",
    );
    check("ConfigMap", json!({"data": {"k": "x".repeat(1 << 20)}}), "");
    check(
        "ConfigMap",
        json!({"data": {"k": "x".repeat((1 << 20) + 1)}}),
        "[]: Too long: may not be more than 1048576 bytes",
    );
    check(
        "Secret",
        json!({"type": "kubernetes.io/tls"}),
        "[data[tls.crt]: Required value, data[tls.key]: Required value]",
    );
    check(
        "Secret",
        json!({"type": "kubernetes.io/service-account-token"}),
        "metadata.annotations[kubernetes.io/service-account.name]: Required value",
    );
}

#[test]
fn services_say_what_they_serve() {
    check("Service", json!({"spec": {"ports": []}}), "spec.ports: Required value");
    check("Service", json!({"spec": {"ports": [], "clusterIP": "None"}}), "");
    check(
        "Service",
        json!({"spec": {"ports": [{"port": 80}, {"port": 81, "name": "b"}]}}),
        "spec.ports[0].name: Required value",
    );
    check("Service", json!({"spec": {"type": "ExternalName"}}), "spec.externalName: Required value");
}

#[test]
fn ingress_paths_have_a_type_and_one_backend() {
    let path = |path: Value| json!({"spec": {"rules": [{"http": {"paths": [path]}}]}});
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    check("Ingress", path(json!({"path": "/", "pathType": "Prefix", "backend": backend})), "");
    check(
        "Ingress",
        path(json!({"path": "/", "backend": backend})),
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
    );
    check(
        "Ingress",
        path(json!({"path": "/", "pathType": "Prefix", "backend": {}})),
        "spec.rules[0].http.paths[0].backend: Required value: resource or service backend is required",
    );
}

#[test]
fn roles_grant_resources_or_urls() {
    check(
        "Role",
        json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}),
        "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
    );
    check(
        "ClusterRole",
        json!({"rules": [{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]}),
        "rules[0].verbs: Required value: verbs must contain at least one value",
    );
    check(
        "ClusterRoleBinding",
        json!({"roleRef": {"kind": "Role", "name": "r"}}),
        "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
    );
}

#[test]
fn definitions_are_named_after_their_resource_and_store_one_version() {
    let spec = json!({"spec": {"group": "a.example", "scope": "Cluster", "names": {"plural": "foos", "kind": "Foo"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    check(
        "CustomResourceDefinition",
        spec.clone(),
        "metadata.name: Invalid value: \"x\": must be spec.names.plural+\".\"+spec.group",
    );
    let mut named = spec;
    named["metadata"] = json!({"name": "foos.a.example"});
    check("CustomResourceDefinition", named.clone(), "");
    named["spec"]["group"] = json!("a.k8s.io");
    named["metadata"]["name"] = json!("foos.a.k8s.io");
    let definition = create("CustomResourceDefinition", named);
    let causes = (kind("CustomResourceDefinition").rules.validate_create)(&definition);
    assert_eq!(causes[0].field, "metadata.annotations[api-approved.kubernetes.io]");
}

#[test]
fn webhooks_are_called_over_https() {
    let webhook = json!({"name": "x", "clientConfig": {"url": "http://x"}, "sideEffects": "Some",
        "admissionReviewVersions": ["v1beta9"]});
    check(
        "ValidatingWebhookConfiguration",
        json!({"webhooks": [webhook]}),
        "[webhooks[0].name: Invalid value: \"x\": should be a domain with at least three segments separated by \
         dots, webhooks[0].sideEffects: Unsupported value: \"Some\": supported values: \"None\", \"NoneOnDryRun\", \
         webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired \
         format: https://host[/path], webhooks[0].admissionReviewVersions: Invalid value: [\"v1beta9\"]: must \
         include at least one of v1, v1beta1]",
    );
}

#[test]
fn numbers_stay_in_their_bounds() {
    check(
        "Lease",
        json!({"spec": {"leaseDurationSeconds": 0}}),
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    );
    check(
        "PriorityClass",
        json!({"value": 1_000_000_001}),
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
    );
    let hpa = json!({"spec": {"minReplicas": 3, "maxReplicas": 2, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}});
    check(
        "autoscaling/v2/HorizontalPodAutoscaler",
        hpa,
        "spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`",
    );
    check(
        "CronJob",
        json!({"spec": {"schedule": "* * *", "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}}}),
        "spec.schedule: Invalid value: \"* * *\": expected exactly 5 fields, found 3: [\"*\", \"*\", \"*\"]",
    );
}

#[test]
fn schedules_of_cron_jobs_are_read() {
    for (schedule, good) in [
        ("*/5 * * * *", true),
        ("0 0 1 jan mon-fri", true),
        ("@hourly", true),
        ("0 0 31 12 0-7", true),
        ("60 * * * *", false),
        ("* * 0 * *", false),
        ("*/0 * * * *", false),
        ("", false),
    ] {
        let cron = create("CronJob", json!({"spec": {"schedule": schedule, "jobTemplate": {"spec": {}}}}));
        let causes = (kind("CronJob").rules.validate_create)(&cron);
        assert_eq!(!causes.iter().any(|c| c.field == "spec.schedule"), good, "{schedule:?}");
    }
}

#[test]
fn names_fit_their_kind() {
    for (name, good, bad) in [
        ("ConfigMap", "a.b-c", "A_b"),
        ("Namespace", "a-b", "a.b"),
        ("Service", "1a", "a.b"),
        ("ClusterRole", "system:x", "a/b"),
        ("CronJob", "c", "c123456789c123456789c123456789c123456789c123456789c23"),
        ("IPAddress", "10.0.0.1", "x"),
    ] {
        assert!((kind(name).rules.name)(good).is_empty(), "{name} {good}");
        assert!(!(kind(name).rules.name)(bad).is_empty(), "{name} {bad}");
    }
}
