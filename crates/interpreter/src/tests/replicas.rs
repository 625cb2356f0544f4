use super::*;

fn check(object: &Object, replicas: i64, requirements: Value) {
    let (found, needs) = Interpreter::native().replicas(object).now().unwrap().unwrap();
    assert_eq!(found, replicas, "replicas of {object:?}");
    assert_eq!(needs.map_or(Value::Null, |n| serde_json::to_value(n).unwrap()), requirements);
}

fn container(requests: Value) -> Value {
    json!({ "name": "c", "resources": { "requests": requests } })
}

#[test]
fn come_from_the_specification() {
    for kind in ["Deployment", "ReplicaSet", "StatefulSet"] {
        check(&object("apps/v1", kind, json!({ "spec": { "replicas": 3 } })), 3, Value::Null);
        check(&object("apps/v1", kind, json!({ "spec": {} })), 0, Value::Null);
    }
    check(&object("v1", "Pod", json!({ "spec": {} })), 1, Value::Null);
}

#[test]
fn of_a_job_are_bounded_by_its_completions() {
    for (spec, replicas) in [
        (json!({ "parallelism": 5 }), 5),
        (json!({ "parallelism": 5, "completions": 2 }), 2),
        (json!({ "parallelism": 1, "completions": 2 }), 1),
        (json!({ "completions": 2 }), 0),
    ] {
        check(&object("batch/v1", "Job", json!({ "spec": spec })), replicas, Value::Null);
    }
}

#[test]
fn need_the_larger_of_init_and_main_containers_plus_overhead() {
    let spec = json!({ "replicas": 1, "template": { "spec": {
        "containers": [
            container(json!({ "cpu": "100m", "memory": "1Gi" })),
            { "name": "d", "resources": { "limits": { "cpu": "200m" } } },
        ],
        "initContainers": [container(json!({ "cpu": "1", "nvidia.com/gpu": "0" }))],
        "overhead": { "memory": "1Mi" },
    } } });
    check(
        &deployment(json!({ "spec": spec })),
        1,
        json!({ "resourceRequest": { "cpu": "1", "memory": "1025Mi" } }),
    );
}

#[test]
fn need_certain_nodes() {
    let required = json!({ "nodeSelectorTerms": [{ "matchExpressions": [
        { "key": "gpu", "operator": "Exists" },
    ] }] });
    let spec = json!({
        "nodeSelector": { "disk": "ssd" },
        "tolerations": [],
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } },
    });
    check(
        &deployment(json!({ "spec": { "replicas": 2, "template": { "spec": spec } } })),
        2,
        json!({ "nodeClaim": { "nodeSelector": { "disk": "ssd" }, "hardNodeAffinity": required } }),
    );
}

/// What a pod of one container needs, as JSON.
fn needs(requests: Value) -> Value {
    let spec = json!({ "template": { "spec": { "containers": [container(requests)] } } });
    let (_, needs) =
        Interpreter::native().replicas(&deployment(json!({ "spec": spec }))).now().unwrap().unwrap();
    needs.map_or(Value::Null, |needs| serde_json::to_value(needs.resource_request).unwrap())
}

#[test]
fn need_amounts_in_whole_units_rounded_up() {
    for (requests, expected) in [
        (json!({ "cpu": 1 }), json!({ "cpu": "1" })),
        (json!({ "cpu": "1500m" }), json!({ "cpu": "1500m" })),
        (json!({ "cpu": "100u" }), json!({ "cpu": "1m" })),
        (json!({ "memory": "1.5Gi" }), json!({ "memory": "1536Mi" })),
        (json!({ "memory": "100m" }), json!({ "memory": "1" })),
        (json!({ "memory": "2G" }), json!({ "memory": "1953125Ki" })),
        (json!({ "memory": "1G" }), json!({ "memory": "1G" })),
        (json!({ "hugepages-2Mi": "4Mi" }), json!({ "hugepages-2Mi": "4Mi" })),
        (json!({ "ephemeral-storage": "1Gi", "cpu": 0 }), json!({ "ephemeral-storage": "1Gi" })),
    ] {
        assert_eq!(needs(requests.clone()), expected, "{requests}");
    }
}

#[test]
fn need_only_resources_that_take_part_in_scheduling() {
    for (resource, counts) in [
        ("cpu", true),
        ("pods", true),
        ("nvidia.com/gpu", true),
        ("attachable-volumes-csi-x", true),
        ("kubernetes.io/batch-cpu", true),
        ("storage", false),
        ("requests.nvidia.com/gpu", false),
    ] {
        let expected = if counts { json!({ resource: "2" }) } else { Value::Null };
        assert_eq!(needs(json!({ resource: "2" })), expected, "{resource}");
    }
}

#[test]
fn count_sidecars_like_other_init_containers() {
    let sidecar = json!({ "restartPolicy": "Always", "resources": { "requests": { "cpu": "1" } } });
    let spec = json!({ "template": { "spec": {
        "containers": [container(json!({ "cpu": "2" }))], "initContainers": [sidecar],
    } } });
    check(&deployment(json!({ "spec": spec })), 0, json!({ "resourceRequest": { "cpu": "2" } }));
}

#[test]
fn name_priority_class_and_namespace_under_the_quota_gate() {
    let template = json!({
        "metadata": { "namespace": "other" },
        "spec": { "priorityClassName": "high", "containers": [container(json!({ "cpu": "2" }))] },
    });
    let object = deployment(json!({ "spec": { "replicas": 1, "template": template } }));
    check(&object, 1, json!({ "resourceRequest": { "cpu": "2" } }));
    let gated = Interpreter::native().with_gates(Gates { resource_quota_estimate: true });
    let (_, needs) = gated.replicas(&object).now().unwrap().unwrap();
    assert_eq!(
        serde_json::to_value(needs).unwrap(),
        json!({ "resourceRequest": { "cpu": "2" }, "priorityClassName": "high", "namespace": "other" }),
    );
    let idle = deployment(json!({ "spec": { "template": { "spec": { "priorityClassName": "high" } } } }));
    assert_eq!(gated.replicas(&idle).now().unwrap(), Some((0, None)), "a class alone is no demand");
}

#[test]
fn that_are_malformed_are_an_error_that_names_the_object() {
    let affinity = json!({ "template": { "spec": {
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": 1 } } },
    } } });
    let amount = json!({ "template": { "spec": { "containers": [container(json!({ "cpu": "many" }))] } } });
    for (spec, why) in [
        (affinity, "the nodes it may run on"),
        (amount, "the amount \"many\" of cpu"),
        (json!({ "replicas": "two" }), "spec.replicas is not a whole number"),
    ] {
        let error = Interpreter::native().replicas(&deployment(json!({ "spec": spec }))).now().unwrap_err();
        assert_eq!(error.operation, Operation::InterpretReplica);
        assert_eq!(error.key.to_string(), "shop/cart");
        assert!(error.reason.contains(why), "{error}");
    }
}

#[test]
fn are_revised_only_where_they_are_given() {
    let native = Interpreter::native();
    for (kind, field) in [
        ("apps/v1 Deployment", "replicas"),
        ("apps/v1 ReplicaSet", "replicas"),
        ("apps/v1 StatefulSet", "replicas"),
        ("batch/v1 Job", "parallelism"),
    ] {
        let (api_version, kind) = kind.split_once(' ').unwrap();
        let given = object(api_version, kind, json!({ "spec": { field: 1 } }));
        let revised = native.revise_replicas(&given, 7).now().unwrap();
        assert_eq!(revised.at("/spec").unwrap(), &json!({ field: 7 }), "{kind}");
        let absent = object(api_version, kind, json!({ "spec": {} }));
        assert_eq!(native.revise_replicas(&absent, 7).now().unwrap(), absent, "{kind}");
    }
    let map = object("v1", "ConfigMap", json!({}));
    assert_eq!(native.revise_replicas(&map, 7).now().unwrap(), map);
    assert_eq!(native.replicas(&map).now().unwrap(), None);
}
