//! What `kubectl apply` makes of a file's object and the stored one.

use machinery::Object;
use serde_json::{Map, Value};

/// Where `kubectl apply` keeps what was applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How lists are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lists {
    /// Entries of the same name are one entry, as in most lists of the built-in kinds.
    ByName,
    /// The file's list stands, as for every custom kind.
    Replaced,
}

/// The stored object with what the file says: fields that were applied last and are not in the file go, those
/// that others wrote stay.
pub(crate) fn applied(file: &Object, live: &Object) -> Object {
    let group = file.gvk().group;
    let lists =
        if !group.contains('.') || group.ends_with(".k8s.io") { Lists::ByName } else { Lists::Replaced };
    let last: Option<Value> = live.annotation(LAST_APPLIED).and_then(|text| serde_json::from_str(text).ok());
    let mut wanted = file.clone();
    wanted.fields_mut().remove("status");
    let metadata = wanted.metadata_mut();
    for field in ["creationTimestamp", "resourceVersion", "uid", "generation", "managedFields"] {
        metadata.remove(field);
    }
    // kubectl always writes an annotation, so that the map never goes as a whole.
    metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    let merged = merge(last.as_ref(), wanted.value(), live.value(), lists);
    Object::from_value(merged).unwrap_or(wanted)
}

fn merge(last: Option<&Value>, file: &Value, live: &Value, lists: Lists) -> Value {
    match (file, live) {
        (Value::Object(file), Value::Object(live)) => {
            merge_maps(last.and_then(Value::as_object), file, live, lists).into()
        }
        (Value::Array(file), Value::Array(live)) if lists == Lists::ByName => {
            merge_lists(last.and_then(Value::as_array), file, live)
        }
        _ => file.clone(),
    }
}

fn merge_maps(
    last: Option<&Map<String, Value>>,
    file: &Map<String, Value>,
    live: &Map<String, Value>,
    lists: Lists,
) -> Map<String, Value> {
    let mut merged = live.clone();
    for key in last.into_iter().flat_map(Map::keys).filter(|key| !file.contains_key(*key)) {
        merged.remove(key);
    }
    for (key, wanted) in file {
        if wanted.is_null() {
            merged.remove(key);
            continue;
        }
        let value = match live.get(key) {
            Some(live) => merge(last.and_then(|last| last.get(key)), wanted, live, lists),
            None => wanted.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

fn name(entry: &Value) -> Option<&str> {
    entry.get("name")?.as_str()
}

fn merge_lists(last: Option<&Vec<Value>>, file: &[Value], live: &[Value]) -> Value {
    let all_named = |list: &[Value]| list.iter().all(|entry| name(entry).is_some());
    if file.is_empty() || !all_named(file) || !all_named(live) {
        return file.into();
    }
    let find =
        |list: &[Value], wanted: &Value| list.iter().find(|entry| name(entry) == name(wanted)).cloned();
    let last: &[Value] = last.map_or(&[], Vec::as_slice);
    let mut merged: Vec<Value> = file
        .iter()
        .map(|wanted| match find(live, wanted) {
            Some(live) => merge(find(last, wanted).as_ref(), wanted, &live, Lists::ByName),
            None => wanted.clone(),
        })
        .collect();
    let of_others = live.iter().filter(|entry| find(file, entry).is_none() && find(last, entry).is_none());
    merged.extend(of_others.cloned());
    merged.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(api_version: &str, spec: Value, last: Option<Value>) -> Object {
        let mut object = Object::new(api_version, "K", "shop", "web");
        object.set("/spec", spec);
        if let Some(last) = last {
            object.set_annotation(LAST_APPLIED, &json!({ "spec": last }).to_string());
        }
        object
    }

    #[test]
    fn what_was_applied_before_and_is_gone_from_the_file_goes_and_the_rest_stays() {
        let live = object(
            "apps/v1",
            json!({ "replicas": 5, "paused": true, "strategy": { "type": "X" } }),
            Some(json!({ "paused": true })),
        );
        let applied = applied(&object("apps/v1", json!({ "minReadySeconds": 1 }), None), &live);
        assert_eq!(
            applied.at("/spec").unwrap(),
            &json!({ "replicas": 5, "minReadySeconds": 1, "strategy": { "type": "X" } })
        );
    }

    #[test]
    fn entries_of_built_in_lists_are_merged_by_name_and_custom_lists_replaced() {
        let live = json!({ "list": [{ "name": "a", "image": "1", "filled": 1 }, { "name": "side" }, { "name": "old" }] });
        let last = json!({ "list": [{ "name": "a", "image": "1" }, { "name": "old" }] });
        let file = json!({ "list": [{ "name": "a", "image": "2" }, { "name": "b" }] });
        let spec = |api_version: &str| {
            let live = object(api_version, live.clone(), Some(last.clone()));
            applied(&object(api_version, file.clone(), None), &live).at("/spec/list").unwrap().clone()
        };
        assert_eq!(
            spec("apps/v1"),
            json!([{ "name": "a", "image": "2", "filled": 1 }, { "name": "b" }, { "name": "side" }]),
        );
        assert_eq!(spec("policy.karmada.io/v1alpha1"), file["list"]);
    }

    #[test]
    fn annotations_of_others_stay_when_the_file_has_none() {
        let mut live = object("apps/v1", json!({}), None);
        let last = json!({ "metadata": { "annotations": { "mine": "1" } } });
        live.set_annotation(LAST_APPLIED, &last.to_string());
        live.set_annotation("mine", "1");
        live.set_annotation("propagationpolicy.karmada.io/name", "web");
        let applied = applied(&object("apps/v1", json!({}), None), &live);
        assert_eq!(applied.annotation("propagationpolicy.karmada.io/name"), Some("web"));
        assert_eq!(applied.annotation("mine"), None);
    }

    #[test]
    fn what_the_server_wrote_is_not_asked_for() {
        let mut file = object("v1", json!({}), None);
        file.set("/metadata/creationTimestamp", Value::Null);
        file.set("/status", json!({ "phase": "X" }));
        let mut live = object("v1", json!({}), None);
        live.set("/metadata/creationTimestamp", "2026-01-01T00:00:00Z");
        live.set("/metadata/resourceVersion", "7");
        let applied = applied(&file, &live);
        assert_eq!(applied.creation_timestamp(), "2026-01-01T00:00:00Z");
        assert_eq!(applied.resource_version(), "7");
        assert_eq!(applied.at("/status"), None);
    }
}
