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

#[test]
fn that_ask_for_no_known_amount_need_nothing() {
    let spec = json!({ "template": { "spec": { "containers": [container(json!({ "cpu": "many" }))] } } });
    check(&deployment(json!({ "spec": spec })), 0, Value::Null);
    let affinity = json!({ "template": { "spec": {
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": 1 } } },
    } } });
    let error = Interpreter::native().replicas(&deployment(json!({ "spec": affinity }))).now().unwrap_err();
    assert_eq!(error.operation, Operation::InterpretReplica);
    assert_eq!(error.key.to_string(), "shop/cart");
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
