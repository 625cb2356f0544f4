//! §5.3 labelsOverrider and annotationsOverrider.

use machinery::Object;
use serde_json::{Value, json};

use super::{deployment, run};

/// The Deployment after one change of its labels and the same of its annotations, which it has too.
fn after(operator: &str, value: Value) -> (Value, Value) {
    let mut object = deployment();
    object.set("/metadata/annotations", json!({ "app": "web" }));
    let list = json!([{ "operator": operator, "value": value }]);
    let changed = run(&object, json!({ "labelsOverrider": list, "annotationsOverrider": list })).unwrap();
    let at = |pointer| changed.at(pointer).cloned().unwrap_or_default();
    (at("/metadata/labels"), at("/metadata/annotations"))
}

#[track_caller]
fn gives(operator: &str, value: Value, expected: Value) {
    assert_eq!(after(operator, value), (expected.clone(), expected));
}

#[test]
fn add_sets_a_key_whether_it_is_there_or_not() {
    gives("add", json!({ "a": "1" }), json!({ "app": "web", "a": "1" }));
    gives("add", json!({ "app": "db" }), json!({ "app": "db" }));
}

#[test]
fn replace_sets_only_keys_that_are_there() {
    gives("replace", json!({ "app": "db", "b": "2" }), json!({ "app": "db" }));
}

#[test]
fn remove_takes_away_only_keys_that_are_there_whatever_the_value() {
    gives("remove", json!({ "b": "" }), json!({ "app": "web" }));
    gives("remove", json!({ "app": "whatever" }), json!({}));
}

#[test]
fn add_makes_the_map_when_there_is_none() {
    let bare = Object::new("v1", "ConfigMap", "default", "c");
    let overriders = json!({ "annotationsOverrider": [{ "operator": "add", "value": { "a": "1" } }] });
    assert_eq!(run(&bare, overriders).unwrap().annotation("a"), Some("1"));
    for operator in ["replace", "remove"] {
        let overriders = json!({ "annotationsOverrider": [{ "operator": operator, "value": { "a": "1" } }] });
        assert_eq!(run(&bare, overriders).unwrap(), bare);
    }
}

#[test]
fn a_slash_in_a_key_is_part_of_the_key() {
    gives("add", json!({ "a.io/b": "1" }), json!({ "app": "web", "a.io/b": "1" }));
}

#[test]
fn one_after_the_other_sees_the_result_of_the_one_before() {
    let overriders = json!({ "annotationsOverrider": [
        { "operator": "add", "value": { "a": "1", "b": "1" } },
        { "operator": "replace", "value": { "a": "2", "c": "2" } },
        { "operator": "remove", "value": { "b": "" } },
    ]});
    let changed = run(&deployment(), overriders).unwrap();
    assert_eq!(changed.at("/metadata/annotations"), Some(&json!({ "a": "2" })));
}

#[test]
fn removing_undoes_adding() {
    // Whatever key and strings are added, removing the same ones gives the object back, as long as they
    // were not there before.
    for (i, key) in ["a", "a/b", "x.io/a~b", "ü", ""].iter().enumerate() {
        let value = json!({ *key: format!("v{i}") });
        let strings = json!([format!("--only-{i}"), format!("--two-{i}")]);
        let both = |operator: &str| {
            json!({
                "labelsOverrider": [{ "operator": operator, "value": value }],
                "annotationsOverrider": [{ "operator": operator, "value": value }],
                "argsOverrider": [{ "containerName": "web", "operator": operator, "value": strings }],
            })
        };
        let mut object = deployment();
        object.set_annotation("note", "n");
        let added = run(&object, both("add")).unwrap();
        assert_ne!(added, object);
        assert_eq!(run(&added, both("remove")).unwrap(), object, "{key}");
    }
}
