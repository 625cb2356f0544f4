//! What the server adds to what a client sends.

use serde_json::{Value, json};

use super::create;

/// Creates an object and looks at one place of it.
#[track_caller]
fn check(kind: &str, fields: Value, pointer: &str, expected: Value) {
    let object = create(kind, fields);
    assert_eq!(object.at(pointer), Some(&expected), "{pointer} of {:#}", object.value());
}

fn pod(container: Value) -> Value {
    json!({"spec": {"containers": [container]}})
}

#[test]
fn images_that_can_change_are_pulled_each_time() {
    for (image, policy) in [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
        ("nginx:latest@sha256:00", "Always"),
    ] {
        check(
            "Pod",
            pod(json!({"name": "c", "image": image})),
            "/spec/containers/0/imagePullPolicy",
            json!(policy),
        );
    }
}

#[test]
fn pods_get_requests_from_limits_but_templates_do_not() {
    let container = json!({"name": "c", "image": "i", "resources": {"limits": {"cpu": "1000m"}}});
    check("Pod", pod(container.clone()), "/spec/containers/0/resources/requests", json!({"cpu": "1"}));
    let deployment = create("Deployment", json!({"spec": {"template": pod(container)}}));
    assert_eq!(deployment.at("/spec/template/spec/containers/0/resources/requests"), None);
}

#[test]
fn amounts_are_stored_in_canonical_form() {
    let resources = json!({"requests": {"cpu": "0.5", "memory": "1024Ki"}, "limits": {"cpu": 2}});
    let container = json!({"name": "c", "image": "i", "resources": resources});
    let expected = json!({"requests": {"cpu": "500m", "memory": "1Mi"}, "limits": {"cpu": "2"}});
    check("Pod", pod(container), "/spec/containers/0/resources", expected);
    check(
        "ResourceQuota",
        json!({"spec": {"hard": {"pods": "10", "cpu": "1500m"}}}),
        "/spec/hard/cpu",
        json!("1500m"),
    );
}

#[test]
fn new_pods_wait_with_a_quality_of_service() {
    let c = |resources: Value| pod(json!({"name": "c", "image": "i", "resources": resources}));
    for (resources, class) in [
        (json!({}), "BestEffort"),
        (json!({"requests": {"cpu": "0"}}), "BestEffort"),
        (json!({"requests": {"cpu": "1"}}), "Burstable"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable"),
        (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}), "Guaranteed"),
    ] {
        check("Pod", c(resources), "/status", json!({"phase": "Pending", "qosClass": class}));
    }
}

#[test]
fn a_volume_without_source_is_an_empty_directory() {
    let volumes = json!({"spec": {"volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "s"}}]}});
    let expected = json!([
        {"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}},
    ]);
    check("Pod", volumes, "/spec/volumes", expected);
}

#[test]
fn workloads_know_how_to_roll() {
    let rolling =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}});
    check("Deployment", json!({"spec": {}}), "/spec/strategy", rolling);
    let recreate = json!({"type": "Recreate"});
    check("Deployment", json!({"spec": {"strategy": recreate}}), "/spec/strategy", recreate);
    check("DaemonSet", json!({"spec": {}}), "/spec/updateStrategy/rollingUpdate/maxUnavailable", json!(1));
    check("StatefulSet", json!({"spec": {}}), "/spec/podManagementPolicy", json!("OrderedReady"));
}

#[test]
fn jobs_select_their_pods_by_their_own_uid() {
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never"}});
    let job = create("Job", json!({"spec": {"template": template}}));
    let selector = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}});
    assert_eq!(job.at("/spec/selector"), Some(&selector));
    assert_eq!(job.at("/spec/template/metadata/labels/job-name"), Some(&json!("x")));
    assert_eq!(job.at("/spec/template/metadata/labels/a"), Some(&json!("b")));
    assert_eq!(job.at("/spec/completions"), Some(&json!(1)));
    let parallel = create("Job", json!({"spec": {"parallelism": 3}}));
    assert_eq!(parallel.at("/spec/completions"), None, "a work queue has no number of completions");
}

#[test]
fn texts_of_a_secret_become_data() {
    let secret = create("Secret", json!({"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "new"}}));
    assert_eq!(secret.at("/data"), Some(&json!({"a": "bmV3", "b": "eQ=="})));
    assert_eq!(secret.at("/stringData"), None);
    assert_eq!(secret.at("/type"), Some(&json!("Opaque")));
}

#[test]
fn namespaces_start_active_and_held_by_kubernetes() {
    let namespace = create("Namespace", json!({"status": {"phase": "Terminating"}}));
    assert_eq!(namespace.at("/status"), Some(&json!({"phase": "Active"})));
    assert_eq!(namespace.at("/spec/finalizers"), Some(&json!(["kubernetes"])));
    assert_eq!(namespace.label("kubernetes.io/metadata.name"), Some("x"));
}

#[test]
fn services_get_what_their_type_needs() {
    let ports = json!([{"port": 80}]);
    for (ty, needs_ip, node_ports, health) in [
        (json!({"ports": ports}), true, 0, false),
        (json!({"ports": ports, "clusterIP": "None"}), false, 0, false),
        (json!({"ports": ports, "type": "NodePort"}), true, 1, false),
        (json!({"ports": ports, "type": "LoadBalancer"}), true, 1, false),
        (json!({"ports": ports, "type": "LoadBalancer", "externalTrafficPolicy": "Local"}), true, 1, true),
        (
            json!({"ports": ports, "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false}),
            true,
            0,
            false,
        ),
        (json!({"type": "ExternalName", "externalName": "a.b"}), false, 0, false),
    ] {
        let service = create("Service", json!({"spec": ty}));
        assert_eq!(crate::service::needs_cluster_ip(&service), needs_ip, "{ty}");
        assert_eq!(crate::service::ports_without_node_port(&service).len(), node_ports, "{ty}");
        assert_eq!(crate::service::needs_health_check_node_port(&service), health, "{ty}");
    }
}

#[test]
fn other_kinds_fill_in_what_is_left_out() {
    let hpa = json!({"spec": {"maxReplicas": 3}});
    check(
        "autoscaling/v2/HorizontalPodAutoscaler",
        hpa.clone(),
        "/spec/metrics/0/resource/target/averageUtilization",
        json!(80),
    );
    check("autoscaling/v1/HorizontalPodAutoscaler", hpa, "/spec/targetCPUUtilizationPercentage", json!(80));
    check(
        "NetworkPolicy",
        json!({"spec": {"egress": [{}]}}),
        "/spec/policyTypes",
        json!(["Ingress", "Egress"]),
    );
    let binding =
        json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]});
    check("RoleBinding", binding, "/subjects/0/apiGroup", json!("rbac.authorization.k8s.io"));
    let names = json!({"spec": {"group": "a.b", "names": {"kind": "Foo", "plural": "foos"}}});
    check("CustomResourceDefinition", names, "/spec/names/listKind", json!("FooList"));
    let limits = json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}});
    check("LimitRange", limits, "/spec/limits/0/defaultRequest", json!({"cpu": "2"}));
    check("PriorityClass", json!({"value": 1}), "/preemptionPolicy", json!("PreemptLowerPriority"));
}

#[test]
fn null_means_absent_except_where_it_is_shown() {
    let template = json!({"metadata": {"creationTimestamp": null, "labels": {"a": "b"}}, "spec": {"nodeSelector": null}});
    let deployment = create("Deployment", json!({"spec": {"replicas": null, "template": template}}));
    assert_eq!(deployment.at("/spec/replicas"), Some(&json!(1)));
    assert_eq!(deployment.at("/spec/template/metadata"), Some(&json!({"labels": {"a": "b"}})));
    assert_eq!(deployment.at("/spec/template/spec/nodeSelector"), None);
    check("v1/Event", json!({"eventTime": null}), "/eventTime", Value::Null);
    let schema = json!({"openAPIV3Schema": {"properties": {"a": {"default": null}}}});
    let versions = json!({"spec": {"versions": [{"schema": schema}]}});
    check("CustomResourceDefinition", versions, "/spec/versions/0/schema", schema);
    check("ControllerRevision", json!({"data": {"a": null}}), "/data", json!({"a": null}));
}
