use serde_json::json;

use super::*;
use crate::testing::{at, builtin, custom, object, writer};

fn deployment() -> &'static Schema {
    builtin("apps/v1", "Deployment")
}

/// One line per entry: who, how, when, which fields.
fn owners(object: &Object) -> Vec<String> {
    let list = object.at("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let line = |entry: &Value| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        let subresource =
            if text("subresource").is_empty() { String::new() } else { format!("/{}", text("subresource")) };
        let seconds = text("time").get(17..19).unwrap_or("--").to_owned();
        format!("{}{subresource} {} @{seconds} {}", text("manager"), text("operation"), entry["fieldsV1"])
    };
    list.iter().map(line).collect()
}

fn config_map(data: &Value) -> Object {
    object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}, "data": data}),
    )
}

fn write(live: Option<&Object>, new: &Object, manager: &'static str, second: i64) -> Object {
    let mut new = new.clone();
    // What a client that reads, changes and writes back sends.
    if let Some(fields) = live.and_then(|l| l.at("/metadata/managedFields")) {
        new.set("/metadata/managedFields", fields.clone());
    }
    track_update(live, &mut new, &writer(manager, second), builtin("v1", "ConfigMap"), &FieldSet::EMPTY);
    new
}

#[test]
fn the_creator_owns_what_it_sent() {
    let mut new = config_map(&json!({"k": "v"}));
    new.set_label("a", "b");
    new.add_finalizer("x/y");
    let created = write(None, &new, "one", 1);
    assert_eq!(
        owners(&created),
        [
            r#"one Update @01 {"f:data":{".":{},"f:k":{}},"f:metadata":{"f:finalizers":{".":{},"v:\"x/y\"":{}},"f:labels":{".":{},"f:a":{}}}}"#
        ]
    );
}

#[test]
fn structs_that_always_exist_are_not_owned_themselves() {
    let mut new = object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
                {"name": "c", "image": "i", "ports": [{"containerPort": 80}], "resources": {}},
            ]}},
        },
        "status": {"replicas": 3},
    }));
    track_update(None, &mut new, &writer("one", 1), deployment(), &FieldSet::of_fields(&["status"]));
    assert_eq!(
        new.at("/metadata/managedFields/0/fieldsV1").unwrap(),
        &json!({"f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:image": {}, "f:name": {}, "f:resources": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                }}},
            },
        }})
    );
}

#[test]
fn structs_of_custom_kinds_are_owned_themselves() {
    let schema = custom(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
    }}));
    let mut new =
        object(json!({"apiVersion": "x/v1", "kind": "Bar", "metadata": {"name": "b"}, "spec": {"size": 1}}));
    track_update(None, &mut new, &writer("one", 1), &schema, &FieldSet::EMPTY);
    assert_eq!(
        new.at("/metadata/managedFields/0/fieldsV1").unwrap(),
        &json!({"f:spec": {".": {}, "f:size": {}}})
    );
}

#[test]
fn whoever_changes_a_field_takes_it_over() {
    let created = write(None, &config_map(&json!({"a": "1", "b": "1"})), "one", 1);
    let changed = write(Some(&created), &config_map(&json!({"a": "2", "b": "1", "c": "1"})), "two", 2);
    assert_eq!(
        owners(&changed),
        [
            r#"one Update @01 {"f:data":{".":{},"f:b":{}}}"#,
            r#"two Update @02 {"f:data":{"f:a":{},"f:c":{}}}"#
        ]
    );
    // Gone fields leave every entry, and nobody's time moves.
    let fewer = write(Some(&changed), &config_map(&json!({"b": "1"})), "three", 3);
    assert_eq!(owners(&fewer), [r#"one Update @01 {"f:data":{".":{},"f:b":{}}}"#]);
    let none = write(
        Some(&fewer),
        &object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}}),
        ),
        "three",
        4,
    );
    assert_eq!(owners(&none), [""; 0]);
}

#[test]
fn a_write_that_changes_nothing_keeps_everything() {
    let created = write(None, &config_map(&json!({"a": "1"})), "one", 1);
    let mut same = config_map(&json!({"a": "1"}));
    same.set("/metadata/resourceVersion", "7");
    same.set("/metadata/generation", 3);
    for manager in ["one", "two"] {
        let written = write(Some(&created), &same, manager, 9);
        assert_eq!(written.at("/metadata/managedFields"), created.at("/metadata/managedFields"));
        // Also when the client does not send the list.
        let mut written = same.clone();
        track_update(
            Some(&created),
            &mut written,
            &writer(manager, 9),
            builtin("v1", "ConfigMap"),
            &FieldSet::EMPTY,
        );
        assert_eq!(written.at("/metadata/managedFields"), created.at("/metadata/managedFields"));
    }
}

#[test]
fn a_subresource_has_its_own_entry_and_only_its_fields() {
    let mut live = object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}},
    }));
    track_update(None, &mut live, &writer("one", 1), deployment(), &FieldSet::of_fields(&["status"]));
    let mut new = live.clone();
    new.set("/status/replicas", 1);
    new.set("/status/conditions", json!([{"type": "Available", "status": "True"}]));
    let status = Writer { subresource: "status", ..writer("kcm", 2) };
    track_update(Some(&live), &mut new, &status, deployment(), &FieldSet::of_fields(&["spec"]));
    assert_eq!(
        owners(&new)[1],
        r#"kcm/status Update @02 {"f:status":{"f:conditions":{".":{},"k:{\"type\":\"Available\"}":{".":{},"f:status":{},"f:type":{}}},"f:replicas":{}}}"#
    );
}

#[test]
fn a_client_may_rewrite_or_reset_the_list_but_not_through_a_subresource() {
    let live = write(None, &config_map(&json!({"a": "1"})), "kubectl-client-side-apply", 1);
    let mut list = live.at("/metadata/managedFields").unwrap().clone();
    list[0]["manager"] = "kubectl".into();
    list[0]["operation"] = "Apply".into();
    let mut moved = live.clone();
    moved.set("/metadata/managedFields", list.clone());
    let mut through_status = moved.clone();
    let schema = builtin("v1", "ConfigMap");
    track_update(Some(&live), &mut moved, &writer("any", 2), schema, &FieldSet::EMPTY);
    assert_eq!(owners(&moved), [r#"kubectl Apply @01 {"f:data":{".":{},"f:a":{}}}"#]);
    let status = Writer { subresource: "status", ..writer("any", 2) };
    track_update(Some(&live), &mut through_status, &status, schema, &FieldSet::EMPTY);
    assert_eq!(through_status.at("/metadata/managedFields"), live.at("/metadata/managedFields"));

    for reset in [json!([{}]), json!([])] {
        let mut untracked = live.clone();
        untracked.set("/metadata/managedFields", reset);
        track_update(Some(&live), &mut untracked, &writer("any", 2), schema, &FieldSet::EMPTY);
        assert_eq!(owners(&untracked), [""; 0]);
        // From then on updates are not tracked.
        let next = write(Some(&untracked), &config_map(&json!({"a": "2"})), "any", 3);
        assert_eq!(owners(&next), [""; 0]);
    }
    // A malformed list is ignored.
    let mut broken = live.clone();
    broken
        .set("/metadata/managedFields", json!([{"manager": "x", "operation": "Update", "fieldsType": "V7"}]));
    track_update(Some(&live), &mut broken, &writer("any", 2), schema, &FieldSet::EMPTY);
    assert_eq!(broken.at("/metadata/managedFields"), live.at("/metadata/managedFields"));
}

#[test]
fn old_updates_are_merged_when_there_are_too_many() {
    const NAMES: [&str; 13] =
        ["m00", "m01", "m02", "m03", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11", "m12"];
    let mut data = serde_json::Map::new();
    let mut live: Option<Object> = None;
    for (second, name) in (0..).zip(NAMES) {
        data.insert(name.into(), "x".into());
        live = Some(write(live.as_ref(), &config_map(&Value::Object(data.clone())), name, second));
    }
    let owners = owners(&live.unwrap());
    assert_eq!(owners.len(), 10);
    assert_eq!(
        owners[0],
        r#"ancient-changes Update @03 {"f:data":{".":{},"f:m00":{},"f:m01":{},"f:m02":{},"f:m03":{}}}"#
    );
    assert_eq!(owners[9], r#"m12 Update @12 {"f:data":{"f:m12":{}}}"#);
}

#[test]
fn entries_stand_in_kubernetes_order() {
    let mut list: Vec<Entry> = Vec::new();
    for (manager, operation, second) in [
        ("b", Operation::Update, 1),
        ("a", Operation::Update, 1),
        ("z", Operation::Apply, 5),
        ("y", Operation::Apply, 4),
    ] {
        let who = Writer { manager, subresource: "", api_version: "v1", now: at(second) };
        list.push(Entry::new(&who, operation, FieldSet::of_fields(&["data"])));
    }
    let mut holder = config_map(&json!({}));
    store(&mut holder, list);
    let managers: Vec<_> =
        owners(&holder).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(managers, ["y", "z", "a", "b"]);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn data() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-d]", "[12]", 0..4).prop_map(|data| json!(data))
    }

    proptest! {
        #[test]
        fn after_any_writes_every_field_has_one_owner(states in prop::collection::vec((data(), 0..3_usize), 1..8)) {
            let mut live: Option<Object> = None;
            for (second, (data, who)) in (0..).zip(states) {
                let next = write(live.as_ref(), &config_map(&data), ["x", "y", "z"][who], second);
                let entries = entries_of(&next);
                let mut all = FieldSet::EMPTY;
                for entry in &entries {
                    prop_assert!(all.intersection(&entry.fields).is_empty(), "two owners: {:?}", owners(&next));
                    all.union_with(&entry.fields);
                }
                // A list is written while anything is tracked; once nothing was left, tracking stops.
                if live.as_ref().is_none_or(|l| !entries_of(l).is_empty()) {
                    for key in data.as_object().unwrap().keys() {
                        let line = format!(".data.{key}");
                        prop_assert!(all.paths().contains(&line), "nobody owns {line}: {:?}", owners(&next));
                    }
                }
                live = Some(next);
            }
        }
    }
}

/// A built-in object as a client creates it, and what its creator owns.
fn check_create(value: Value, owned: Value) {
    let mut new = object(value);
    let gvk = new.gvk();
    let schema = builtin(&gvk.api_version(), &gvk.kind);
    track_update(None, &mut new, &writer("one", 1), schema, &FieldSet::of_fields(&["status"]));
    assert_eq!(new.at("/metadata/managedFields/0/fieldsV1"), Some(&owned), "{gvk}");
}

#[test]
fn creators_own_what_a_kubernetes_server_says_they_own() {
    check_create(
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "minReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}},
        }),
        json!({"f:spec": {"f:maxReplicas": {}, "f:minReplicas": {}, "f:scaleTargetRef": {"f:apiVersion": {}, "f:kind": {}, "f:name": {}}}}),
    );
    check_create(
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"},
            "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}], "policyTypes": ["Ingress"]},
        }),
        json!({"f:spec": {"f:ingress": {}, "f:policyTypes": {}}}),
    );
    check_create(
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "creationTimestamp": null},
            "spec": {"restartPolicy": "Always", "containers": [{
                "name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
            }]},
        }),
        json!({"f:spec": {"f:restartPolicy": {}, "f:containers": {"k:{\"name\":\"c\"}": {
            ".": {}, "f:name": {}, "f:image": {},
            "f:resources": {".": {}, "f:limits": {".": {}, "f:cpu": {}}},
            "f:env": {".": {}, "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:valueFrom": {".": {}, "f:fieldRef": {}}}},
            "f:livenessProbe": {".": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}}},
        }}}}),
    );
    check_create(
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "labels": {"a": "b"}},
            "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": "web"}]},
            "status": {"loadBalancer": {}},
        }),
        json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:selector": {}, "f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}}},
        }),
    );
}
