use serde_json::json;

use super::*;
use crate::compare;
use crate::managed::{entries_of, track_update};
use crate::testing::{builtin, custom, object, writer};

fn config_map(data: &Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}))
}

fn try_apply(
    live: Option<&Object>,
    config: &Object,
    manager: &'static str,
    second: i64,
    on_conflict: OnConflict,
) -> Result<Object, Error> {
    let gvk = config.gvk();
    let api_version = gvk.api_version();
    let who = Writer { api_version: &api_version, ..writer(manager, second) };
    apply(live, config, &who, on_conflict, builtin(&api_version, &gvk.kind), &FieldSet::EMPTY)
}

fn applied(live: Option<&Object>, config: &Object, manager: &'static str, second: i64) -> Object {
    try_apply(live, config, manager, second, OnConflict::Fail).unwrap_or_else(|e| panic!("{e}"))
}

fn updated(live: &Object, new: &Object, manager: &'static str, second: i64) -> Object {
    let mut new = new.clone();
    let gvk = live.gvk();
    let api_version = gvk.api_version();
    let who = Writer { api_version: &api_version, ..writer(manager, second) };
    track_update(Some(live), &mut new, &who, builtin(&api_version, &gvk.kind), &FieldSet::EMPTY);
    new
}

fn owners(object: &Object) -> Vec<String> {
    let operation = |e: &Entry| if e.operation == Operation::Apply { "Apply" } else { "Update" };
    let line =
        |e: &Entry| format!("{} {} @{} {}", e.manager, operation(e), &e.time[17..19], e.fields.to_json());
    entries_of(object).iter().map(line).collect()
}

#[test]
fn an_apply_creates_and_owns_what_it_states() {
    let made = applied(None, &config_map(&json!({"k": "v"})), "one", 1);
    assert_eq!(made.at("/data"), Some(&json!({"k": "v"})));
    assert_eq!(owners(&made), [r#"one Apply @01 {"f:data":{"f:k":{}}}"#]);
    let empty = applied(None, &config_map(&json!({})), "one", 1);
    assert_eq!(owners(&empty), [r#"one Apply @01 {"f:data":{}}"#]);
}

#[test]
fn the_same_again_changes_nothing() {
    let made = applied(None, &config_map(&json!({"k": "v"})), "one", 1);
    assert_eq!(applied(Some(&made), &config_map(&json!({"k": "v"})), "one", 9), made);
}

#[test]
fn the_same_value_is_shared_and_stays_until_the_last_owner_leaves() {
    let made = applied(None, &config_map(&json!({"k": "v"})), "one", 1);
    let shared = applied(Some(&made), &config_map(&json!({"k": "v"})), "two", 2);
    assert_eq!(
        owners(&shared),
        [r#"one Apply @01 {"f:data":{"f:k":{}}}"#, r#"two Apply @02 {"f:data":{"f:k":{}}}"#]
    );
    let nothing = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}));
    let left = applied(Some(&shared), &nothing, "one", 3);
    assert_eq!(left.at("/data"), Some(&json!({"k": "v"})));
    assert_eq!(owners(&left), [r#"two Apply @02 {"f:data":{"f:k":{}}}"#]);
    let gone = applied(Some(&left), &nothing, "two", 4);
    assert_eq!(gone.at("/data"), None);
    assert_eq!(owners(&gone), [""; 0]);
}

#[test]
fn another_value_conflicts_until_it_is_forced() {
    let made = applied(None, &config_map(&json!({"k": "v"})), "one", 1);
    let other = config_map(&json!({"k": "other"}));
    let error = try_apply(Some(&made), &other, "two", 2, OnConflict::Fail).unwrap_err();
    assert_eq!(
        error.status().to_json(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 409, "reason": "Conflict",
            "message": "Apply failed with 1 conflict: conflict with \"one\": .data.k",
            "details": {"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k"}]},
        })
    );
    let forced = try_apply(Some(&made), &other, "two", 2, OnConflict::TakeOver).unwrap();
    assert_eq!(forced.at("/data/k"), Some(&json!("other")));
    assert_eq!(owners(&forced), [r#"two Apply @02 {"f:data":{"f:k":{}}}"#]);
}

fn deployment(replicas: i64, containers: &Value) -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}},
        },
    }))
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let mut live = deployment(0, &json!([{"name": "c", "image": "i"}]));
    let who = Writer { api_version: "apps/v1", ..writer("unknown", 1) };
    track_update(None, &mut live, &who, builtin("apps/v1", "Deployment"), &FieldSet::EMPTY);
    let config = deployment(3, &json!([{"name": "c", "image": "other"}]));
    let status = try_apply(Some(&live), &config, "two", 2, OnConflict::Fail).unwrap_err().status();
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"unknown\" using apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name=\"c\"].image"
    );
    let causes = status.details.unwrap().causes;
    assert_eq!(causes[1].message, "conflict with \"unknown\" using apps/v1");
    assert_eq!(causes[1].field, ".spec.template.spec.containers[name=\"c\"].image");
}

#[test]
fn list_items_come_go_and_keep_their_order() {
    let names = |object: &Object| -> String {
        let items = object.at("/spec/template/spec/containers").unwrap().as_array().unwrap().iter();
        items.map(|c| c["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    let list = |names: &str| {
        Value::Array(names.split_whitespace().map(|n| json!({"name": n, "image": "i"})).collect())
    };
    let made = applied(None, &deployment(1, &list("a b")), "one", 1);
    // A sidecar put in by somebody else stays where it is.
    let mut with_sidecar = made.clone();
    with_sidecar.set("/spec/template/spec/containers", list("a side b"));
    let live = updated(&made, &with_sidecar, "injector", 2);
    for (config, result) in [
        ("a b", "a side b"),
        ("a", "a side"),
        ("b a", "side b a"),
        ("a b c", "a side b c"),
        ("c b", "side c b"),
        ("a c", "a side c"),
        ("side a b", "side a b"),
    ] {
        let live = applied(Some(&live), &deployment(1, &list(config)), "one", 3);
        assert_eq!(names(&live), result, "{config}");
        assert_eq!(applied(Some(&live), &deployment(1, &list(config)), "one", 9), live, "{config} again");
    }
}

#[test]
fn a_default_that_nobody_owns_stays() {
    let made = applied(
        None,
        &deployment(1, &json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}])),
        "one",
        1,
    );
    let mut live = made.clone();
    live.set("/spec/revisionHistoryLimit", 10);
    live.value_mut()["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP".into();
    let config = deployment(1, &json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]));
    assert_eq!(applied(Some(&live), &config, "one", 5), live);
    // The port goes with the defaults in it.
    let without = applied(Some(&live), &deployment(1, &json!([{"name": "c", "image": "i"}])), "one", 6);
    let container = without.at("/spec/template/spec/containers/0").unwrap();
    assert_eq!(container, &json!({"name": "c", "image": "i"}));
    assert_eq!(without.at("/spec/revisionHistoryLimit"), Some(&json!(10)));
}

#[test]
fn a_field_left_out_stays_when_an_updater_changed_it() {
    let made = applied(None, &deployment(1, &json!([{"name": "c", "image": "i"}])), "one", 1);
    let mut scaled = made.clone();
    scaled.set("/spec/replicas", 5);
    let live = updated(&made, &scaled, "autoscaler", 2);
    let mut config = deployment(1, &json!([{"name": "c", "image": "i"}]));
    let error = try_apply(Some(&live), &config, "one", 3, OnConflict::Fail).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"autoscaler\" using apps/v1: .spec.replicas"
    );
    config.remove("/spec/replicas");
    let live = applied(Some(&live), &config, "one", 4);
    assert_eq!(live.at("/spec/replicas"), Some(&json!(5)));
}

#[test]
fn an_item_goes_with_the_last_owner_of_the_item_itself() {
    let two = json!([{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]);
    let made = applied(None, &deployment(1, &two), "one", 1);
    // A field inside it, set by an updater, does not hold the item…
    let mut changed = made.clone();
    changed.value_mut()["spec"]["template"]["spec"]["containers"][1]["image"] = "other".into();
    let live = updated(&made, &changed, "kubectl-set", 2);
    let only_one = deployment(1, &json!([{"name": "c", "image": "i"}]));
    let left = applied(Some(&live), &only_one, "one", 3);
    assert_eq!(left.at("/spec/template/spec/containers"), Some(&json!([{"name": "c", "image": "i"}])));
    assert_eq!(owners(&left).len(), 1);
    // …another applier of the item does, with what that one states.
    let shared = applied(Some(&made), &deployment(1, &json!([{"name": "d"}])), "two", 2);
    let left = applied(Some(&shared), &only_one, "one", 3);
    assert_eq!(
        left.at("/spec/template/spec/containers"),
        Some(&json!([{"name": "c", "image": "i"}, {"name": "d"}]))
    );
}

#[test]
fn what_was_there_before_is_owned_by_before_first_apply() {
    let live = config_map(&json!({"old": "1"}));
    let next = applied(Some(&live), &config_map(&json!({"new": "1"})), "one", 2);
    assert_eq!(next.at("/data"), Some(&json!({"old": "1", "new": "1"})));
    assert_eq!(
        owners(&next),
        [
            r#"one Apply @02 {"f:data":{"f:new":{}}}"#,
            r#"before-first-apply Update @02 {"f:data":{".":{},"f:old":{}}}"#
        ]
    );
    let error =
        try_apply(Some(&live), &config_map(&json!({"old": "2"})), "one", 2, OnConflict::Fail).unwrap_err();
    assert!(
        error.to_string().contains("conflict with \"before-first-apply\" using v1: .data.old"),
        "{error}"
    );
}

#[test]
fn a_configuration_that_does_not_fit_is_refused() {
    let bogus = object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ssa"}, "bogus": {"a": 1}}),
    );
    let twice = deployment(0, &json!([{"name": "c", "image": "a"}, {"name": "c", "image": "b"}]));
    let mut wrong = deployment(0, &json!([]));
    wrong.set("/spec/replicas", "three");
    for (config, message) in [
        (
            bogus,
            "failed to create typed patch object (/ssa; /v1, Kind=ConfigMap): .bogus: field not declared in schema",
        ),
        (
            twice,
            "failed to create typed patch object (/d; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name=\"c\"]",
        ),
        (
            wrong,
            "failed to create typed patch object (/d; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string",
        ),
    ] {
        let status = try_apply(None, &config, "one", 1, OnConflict::TakeOver).unwrap_err().status();
        assert_eq!((status.code, status.message.as_str()), (500, message));
        assert!(status.to_json().get("reason").is_none());
    }
    let mut with_fields = config_map(&json!({}));
    with_fields.set("/metadata/managedFields", json!([{"manager": "x", "operation": "Apply"}]));
    let status = try_apply(None, &with_fields, "one", 1, OnConflict::Fail).unwrap_err().status();
    assert_eq!((status.code, status.message.as_str()), (400, "metadata.managedFields must be nil"));
    let kindless = object(json!({"metadata": {"name": "x"}}));
    let who = writer("one", 1);
    let error = apply(None, &kindless, &who, OnConflict::Fail, builtin("v1", "ConfigMap"), &FieldSet::EMPTY)
        .unwrap_err();
    assert_eq!((error.status().code, error.to_string().as_str()), (400, "invalid object type: /, Kind="));
}

#[test]
fn an_item_without_its_key_is_refused() {
    let schema = custom(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "ports": {"type": "array", "listType": "map", "keys": ["port", "protocol"], "items": {"type": "object", "properties": {
            "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
        }}},
    }}}}));
    let bar = |ports: Value| {
        object(
            json!({"apiVersion": "x/v1", "kind": "Bar", "metadata": {"name": "b"}, "spec": {"ports": ports}}),
        )
    };
    let apply =
        |ports| apply(None, &bar(ports), &writer("one", 1), OnConflict::Fail, &schema, &FieldSet::EMPTY);
    assert_eq!(
        apply(json!([{"port": 1}, {"protocol": "UDP"}])).unwrap_err().to_string(),
        "failed to create typed patch object (/b; x/v1, Kind=Bar): .spec.ports: element 1: associative list with keys has an element that omits key field \"port\" (and doesn't have default value)"
    );
    let error = apply(json!([{"port": 1}, {"port": 1, "protocol": "TCP"}, 7])).unwrap_err().to_string();
    assert!(error.ends_with("errors:\n  .spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]\n  .spec.ports: element 2: associative list with keys may not have non-map elements"), "{error}");
}

#[test]
fn untyped_kinds_merge_maps_and_replace_lists() {
    let schema = Schema::default();
    let bar = |spec: Value| {
        object(json!({"apiVersion": "x/v1", "kind": "Bar", "metadata": {"name": "b"}, "spec": spec}))
    };
    let apply = |live: Option<&Object>, spec: Value, manager| {
        apply(live, &bar(spec), &writer(manager, 1), OnConflict::Fail, &schema, &FieldSet::EMPTY)
    };
    let live = apply(None, json!({"a": {"x": 1}, "l": [1, 2]}), "one").unwrap();
    let live = apply(Some(&live), json!({"a": {"y": 2}}), "two").unwrap();
    assert_eq!(live.at("/spec"), Some(&json!({"a": {"x": 1, "y": 2}, "l": [1, 2]})));
    let error = apply(Some(&live), json!({"l": [1]}), "two").unwrap_err();
    assert_eq!(error.to_string(), "Apply failed with 1 conflict: conflict with \"one\": .spec.l");
}

#[test]
fn sets_and_atomic_maps_follow_the_schema() {
    let schema = custom(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "tags": {"type": "array", "listType": "set", "items": {"type": "string"}},
        "ref": {"type": "object", "mapType": "atomic", "additionalProperties": {"type": "string"}},
    }}}}));
    let bar = |spec: Value| {
        object(json!({"apiVersion": "x/v1", "kind": "Bar", "metadata": {"name": "b"}, "spec": spec}))
    };
    let apply = |live: Option<&Object>, spec: Value, manager| {
        apply(live, &bar(spec), &writer(manager, 1), OnConflict::TakeOver, &schema, &FieldSet::EMPTY).unwrap()
    };
    let live = apply(None, json!({"tags": ["a", "b"], "ref": {"k": "1"}}), "one");
    let live = apply(Some(&live), json!({"tags": ["c"], "ref": {"j": "2"}}), "two");
    assert_eq!(live.at("/spec"), Some(&json!({"tags": ["a", "b", "c"], "ref": {"j": "2"}})));
    let live = apply(Some(&live), json!({"tags": ["b"]}), "one");
    assert_eq!(live.at("/spec/tags"), Some(&json!(["b", "c"])));
    assert_eq!(
        owners(&live),
        [
            r#"one Apply @01 {"f:spec":{"f:tags":{"v:\"b\"":{}}}}"#,
            r#"two Apply @01 {"f:spec":{"f:ref":{},"f:tags":{"v:\"c\"":{}}}}"#,
        ]
    );
}

#[test]
fn kubectl_moves_from_client_side_apply_without_conflicts() {
    let mut live = config_map(&json!({"k": "1"}));
    live.set_annotation(LAST_APPLIED, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"},\"data\":{\"k\":\"1\"}}\n");
    track_update(
        None,
        &mut live,
        &writer("kubectl-client-side-apply", 1),
        builtin("v1", "ConfigMap"),
        &FieldSet::EMPTY,
    );
    let config = config_map(&json!({"k": "2"}));
    assert!(try_apply(Some(&live), &config, "other", 2, OnConflict::Fail).is_err());
    let next = applied(Some(&live), &config, "kubectl", 2);
    assert_eq!(
        next.annotation(LAST_APPLIED),
        Some(
            "{\"apiVersion\":\"v1\",\"data\":{\"k\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}\n"
        )
    );
}

#[test]
fn fields_that_this_endpoint_resets_are_neither_owned_nor_fought_over() {
    let schema = builtin("apps/v1", "Deployment");
    let (main, status) = (FieldSet::of_fields(&["status"]), FieldSet::of_fields(&["spec"]));
    let mut config = deployment(1, &json!([{"name": "c", "image": "i"}]));
    config.set("/status/replicas", 7);
    let live = apply(None, &config, &writer("one", 1), OnConflict::Fail, schema, &main).unwrap();
    assert!(!owners(&live)[0].contains("f:status"), "{:?}", owners(&live));
    let mut reported = live.clone();
    reported.set("/status/replicas", 1);
    let kcm = Writer { subresource: "status", ..writer("kcm", 2) };
    track_update(Some(&live), &mut reported, &kcm, schema, &status);
    assert!(apply(Some(&reported), &config, &writer("one", 3), OnConflict::Fail, schema, &main).is_ok());
    // Through the subresource it is a conflict that names the subresource.
    let through_status = Writer { subresource: "status", ..writer("one", 3) };
    let error =
        apply(Some(&reported), &config, &through_status, OnConflict::Fail, schema, &status).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kcm\" with subresource \"status\" using v1: .status.replicas"
    );
}

#[test]
fn applying_in_another_version_replaces_the_managers_entry() {
    let schema = builtin("v1", "ConfigMap");
    let config = config_map(&json!({"k": "v"}));
    let live = applied(None, &config, "one", 1);
    let other = Writer { api_version: "v2", ..writer("one", 2) };
    let live = apply(Some(&live), &config, &other, OnConflict::Fail, schema, &FieldSet::EMPTY).unwrap();
    assert_eq!(owners(&live).len(), 1);
    assert_eq!(live.str_at("/metadata/managedFields/0/apiVersion"), Some("v2"));
}

#[test]
fn the_servers_metadata_survives_a_manager_that_leaves() {
    let mut config = config_map(&json!({}));
    config.set_label("a", "b");
    let mut live = applied(None, &config, "one", 1);
    live.set("/metadata/uid", "u");
    live.set("/metadata/creationTimestamp", "2026-01-01T00:00:00Z");
    let nothing = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}));
    let left = applied(Some(&live), &nothing, "one", 2);
    assert_eq!(
        left.value(),
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        })
    );
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// A Deployment whose every part may be absent, with lists and maps of at least `shortest` entries.
    fn config(shortest: usize) -> impl Strategy<Value = Object> {
        let container = (
            "[abc]",
            prop::option::of("[12]"),
            prop::option::of(prop::collection::btree_set(80..83_u16, shortest..3)),
        );
        let labels = prop::option::of(prop::collection::btree_map("[xy]", "[12]", shortest..3));
        let finalizers = prop::option::of(prop::collection::btree_set("a/[xy]", shortest..3));
        (labels, finalizers, prop::option::of(1..3_i64), prop::collection::vec(container, 0..4)).prop_map(
            |(labels, finalizers, replicas, containers)| {
                let mut object =
                    object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}));
                if let Some(labels) = labels {
                    object.set("/metadata/labels", json!(labels));
                }
                if let Some(finalizers) = finalizers {
                    object.set("/metadata/finalizers", json!(finalizers));
                }
                if let Some(replicas) = replicas {
                    object.set("/spec/replicas", replicas);
                }
                let mut items: Vec<Value> = Vec::new();
                for (name, image, ports) in containers {
                    if items.iter().any(|i| i["name"] == *name) {
                        continue;
                    }
                    let mut item = json!({"name": name});
                    if let Some(image) = image {
                        item["image"] = image.into();
                    }
                    if let Some(ports) = ports {
                        item["ports"] = ports.iter().map(|p| json!({"containerPort": p})).collect();
                    }
                    items.push(item);
                }
                if !items.is_empty() {
                    object.set("/spec/template/spec/containers", Value::Array(items));
                }
                object
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_applied_is_there_owned_and_settled(steps in prop::collection::vec((config(0), 0..3_usize), 1..6)) {
            let schema = builtin("apps/v1", "Deployment");
            let mut live: Option<Object> = None;
            for (second, (config, who)) in (0..).zip(steps) {
                let manager = ["x", "y", "z"][who];
                let next = try_apply(live.as_ref(), &config, manager, second, OnConflict::TakeOver).unwrap();
                let mut stated = typed::fields_of(config.value(), Node::root(schema));
                managed::strip(&mut stated, &FieldSet::EMPTY);
                // The manager owns exactly what it stated.
                let own = entries_of(&next).into_iter().find(|e| e.manager == manager);
                prop_assert_eq!(own.map(|e| e.fields).unwrap_or_default(), stated.clone());
                // What it stated is there with its values: merging it again changes nothing.
                let again = typed::merge(Some(next.value()), config.value(), Node::root(schema));
                prop_assert_eq!(again.as_ref(), Some(next.value()));
                // Every field of the object has an owner, and every owned field exists.
                let mut present = typed::fields_of(&without_managed_fields(Some(&next)), Node::root(schema));
                managed::strip(&mut present, &FieldSet::EMPTY);
                let mut owned = FieldSet::EMPTY;
                for entry in entries_of(&next) {
                    owned.union_with(&entry.fields);
                }
                prop_assert_eq!(present.difference(&owned).paths(), Vec::<String>::new());
                // A second apply is a no-op, times included.
                let same = try_apply(Some(&next), &config, manager, 50, OnConflict::Fail).unwrap();
                prop_assert_eq!(&same, &next);
                live = Some(next);
            }
        }

        #[test]
        fn no_field_is_without_an_owner_and_no_owner_without_its_fields(
            steps in prop::collection::vec((config(1), 0..3_usize, any::<bool>()), 1..8)
        ) {
            let node = Node::root(builtin("apps/v1", "Deployment"));
            let mut live: Option<Object> = None;
            for (second, (state, who, updates)) in (0..).zip(steps) {
                let manager = ["x", "y", "z"][who];
                let next = match &live {
                    Some(live) if updates => updated(live, &state, manager, second),
                    live => try_apply(live.as_ref(), &state, manager, second, OnConflict::TakeOver).unwrap(),
                };
                let bare = without_managed_fields(Some(&next));
                let mut present = typed::fields_of(&bare, node);
                managed::strip(&mut present, &FieldSet::EMPTY);
                let mut everything = compare::compare(None, Some(&bare), node).changed;
                everything.union_with(&typed::with_structs(&present, node));
                let mut owned = FieldSet::EMPTY;
                for entry in entries_of(&next) {
                    owned.union_with(&entry.fields);
                }
                if !owned.is_empty() {
                    prop_assert_eq!(present.difference(&owned).paths(), Vec::<String>::new(), "{}", next.value());
                }
                prop_assert_eq!(owned.difference(&everything).paths(), Vec::<String>::new(), "{}", next.value());
                live = Some(next);
            }
        }

        #[test]
        fn what_one_manager_applied_is_gone_when_it_applies_nothing(config in config(0)) {
            let made = applied(None, &config, "x", 1);
            let nothing = object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}));
            let left = applied(Some(&made), &nothing, "x", 2);
            prop_assert_eq!(left, nothing);
        }
    }
}
