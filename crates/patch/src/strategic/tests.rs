use serde_json::json;

use super::*;
use crate::testing::builtin;

fn patched(kind: (&str, &str), target: &Value, patch: &Value) -> Result<Value, Error> {
    let mut target = target.clone();
    apply(&mut target, patch, builtin(kind.0, kind.1)).map(|()| target)
}

const POD: (&str, &str) = ("v1", "Pod");
const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

/// A pod spec of containers, each `name` or `name=image`.
fn pod(containers: &str) -> Value {
    let container = |text: &str| match text.split_once('=') {
        Some((name, image)) => json!({"name": name, "image": image}),
        None => json!({"name": text}),
    };
    json!({"spec": {"containers": containers.split_whitespace().map(container).collect::<Vec<_>>()}})
}

fn containers(pod: &Value) -> String {
    let items = pod["spec"]["containers"].as_array().unwrap().iter();
    let names: Vec<String> = items
        .map(|c| match c.get("image") {
            Some(image) => format!("{}={}", c["name"].as_str().unwrap(), image.as_str().unwrap()),
            None => c["name"].as_str().unwrap().into(),
        })
        .collect();
    names.join(" ")
}

#[test]
fn items_merge_by_key_and_new_ones_are_added() {
    for (live, patch, result) in [
        ("a=1 b=1", json!([{"name": "b", "image": "2"}]), "a=1 b=2"),
        ("a=1", json!([{"name": "b", "image": "2"}]), "b=2 a=1"),
        ("a=1 b=1", json!([{"name": "a", "$patch": "delete"}]), "b=1"),
        ("a=1 b=1", json!([{"name": "c", "image": "3"}, {"$patch": "replace"}]), "c=3"),
        ("a=1", json!([{"name": "none", "$patch": "delete"}]), "a=1"),
        ("a=1 b=1", json!([{"name": "a", "image": null}]), "a b=1"),
        ("a=1", json!([]), "a=1"),
    ] {
        let result_pod = patched(POD, &pod(live), &json!({"spec": {"containers": patch}})).unwrap();
        assert_eq!(containers(&result_pod), result, "{live} + {patch}");
    }
}

#[test]
fn an_order_list_moves_what_it_names_and_keeps_the_rest_beside_its_neighbours() {
    let order = |names: &[&str]| names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>();
    for (live, changes, names, result) in [
        ("a b c", json!([]), vec!["c", "b", "a"], "c b a"),
        ("a b", json!([{"name": "c", "image": "1"}]), vec!["c", "a", "b"], "c=1 a b"),
        ("a x b", json!([]), vec!["b", "a"], "x b a"),
        ("x a b", json!([]), vec!["a", "b"], "x a b"),
        ("a b x", json!([]), vec!["a", "b"], "a b x"),
        ("a x b", json!([{"name": "n", "image": "1"}]), vec!["a", "n", "b"], "a n=1 x b"),
    ] {
        let patch = json!({"spec": {"containers": changes, "$setElementOrder/containers": order(&names)}});
        let result_pod = patched(POD, &pod(live), &patch).unwrap();
        assert_eq!(containers(&result_pod), result, "{live} + {patch}");
    }
    let only_order = json!({"spec": {"$setElementOrder/containers": order(&["b", "a"])}});
    assert_eq!(containers(&patched(POD, &pod("a b"), &only_order).unwrap()), "b a");
}

#[test]
fn an_order_list_must_know_what_the_patch_sets() {
    let patch = json!({"spec": {
        "containers": [{"name": "a"}, {"name": "b"}],
        "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
    }});
    let error = patched(POD, &pod("a b"), &patch).unwrap_err();
    assert!(matches!(error, Error::OrderMismatch { .. }), "{error}");
    assert_eq!(error.status().code, 500);
}

#[test]
fn maps_merge_unless_they_say_otherwise() {
    let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    for (labels, result) in [
        (json!({"c": "3"}), json!({"a": "1", "b": "2", "c": "3"})),
        (json!({"a": null}), json!({"b": "2"})),
        (json!({"$patch": "replace", "c": "3"}), json!({"c": "3"})),
        (json!({"$patch": "delete"}), json!({})),
        (json!({"$patch": "merge", "a": "9"}), json!({"a": "9", "b": "2"})),
    ] {
        let result_object = patched(POD, &live, &json!({"metadata": {"labels": labels}})).unwrap();
        assert_eq!(result_object["metadata"]["labels"], result, "{labels}");
    }
}

#[test]
fn scalars_are_added_to_a_merged_list_once_and_taken_out_by_name() {
    let live = json!({"metadata": {"finalizers": ["x/a", "x/b"]}});
    for (metadata, result) in [
        (json!({"finalizers": ["x/c", "x/a"]}), json!(["x/c", "x/a", "x/b"])),
        (json!({"$deleteFromPrimitiveList/finalizers": ["x/a"]}), json!(["x/b"])),
        (
            json!({"$deleteFromPrimitiveList/finalizers": ["x/a"], "finalizers": ["x/c"]}),
            json!(["x/c", "x/b"]),
        ),
        (
            json!({"finalizers": ["x/c"], "$setElementOrder/finalizers": ["x/c", "x/b", "x/a"]}),
            json!(["x/c", "x/b", "x/a"]),
        ),
    ] {
        let result_object = patched(POD, &live, &json!({"metadata": metadata})).unwrap();
        assert_eq!(result_object["metadata"]["finalizers"], result, "{metadata}");
    }
}

#[test]
fn retained_keys_switch_the_member_of_a_union() {
    let live = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let result = patched(DEPLOYMENT, &live, &patch).unwrap();
    assert_eq!(result["spec"]["strategy"], json!({"type": "Recreate"}));

    let live = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
    let patch = json!({"spec": {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/p"}}]}});
    let result = patched(POD, &live, &patch).unwrap();
    assert_eq!(result["spec"]["volumes"], json!([{"name": "v", "hostPath": {"path": "/p"}}]));

    let patch = json!({"spec": {"strategy": {"$retainKeys": ["rollingUpdate"], "type": "Recreate"}}});
    let status = patched(DEPLOYMENT, &json!({}), &patch).unwrap_err().status();
    assert_eq!((status.code, status.message.as_str()), (400, "invalid patch format of retainKeys"));
}

#[test]
fn lists_without_a_strategy_and_absent_parents_take_the_patch() {
    let live = json!({"spec": {"tolerations": [{"key": "a"}]}});
    let patch = json!({"spec": {"tolerations": [{"key": "b"}]}});
    assert_eq!(patched(POD, &live, &patch).unwrap(), patch);
    let patch = json!({"spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "$patch": "delete"}]}]}});
    let result = patched(POD, &json!({}), &patch).unwrap();
    assert_eq!(result["spec"]["containers"][0]["env"], json!([{"name": "X", "value": "1"}]));
}

#[test]
fn errors_have_upstreams_words_and_codes() {
    for (patch, code, message) in [
        (
            json!({"spec": {"containers": [{"name": "c", "$patch": "explode"}]}}),
            500,
            "unknown patch type: explode in map: map[$patch:explode name:c]",
        ),
        (
            json!({"spec": {"containers": [{"image": "j"}]}}),
            500,
            "map: map[image:j] does not contain declared merge key: name",
        ),
        (json!({"spec": {"$patch": "huh"}}), 500, "unknown patch type: huh in map: map[$patch:huh]"),
        (
            json!({"metadata": {"finalizers": [["a"]]}}),
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": 1}}),
            400,
            "invalid patch format of primitive list",
        ),
        (json!([]), 400, "error decoding patch: a strategic merge patch must be a JSON object"),
    ] {
        let status = patched(POD, &pod("c=1"), &patch).unwrap_err().status();
        assert_eq!((status.code, status.message.as_str()), (code, message), "{patch}");
    }
    let status =
        patched(POD, &pod("c"), &json!({"spec": {"containers": [{"image": "j"}]}})).unwrap_err().status();
    assert!(status.to_json().get("reason").is_none());
}

#[test]
fn a_patch_applied_twice_changes_nothing_more() {
    let live = json!({
        "metadata": {"labels": {"a": "1"}, "finalizers": ["x/a"]},
        "spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]}, {"name": "b"}]},
    });
    for patch in [
        json!({"metadata": {"labels": {"b": "2"}, "finalizers": ["x/b"]}}),
        json!({"spec": {"containers": [{"name": "c"}, {"name": "a", "env": [{"name": "Y"}]}]}}),
        json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"name": "z"}]}}),
        json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"]}}),
    ] {
        let once = patched(POD, &live, &patch).unwrap();
        assert_eq!(patched(POD, &once, &patch).unwrap(), once, "{patch}");
    }
}
