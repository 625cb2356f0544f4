//! Small readings of objects that several controllers share.

use api::cluster::SyncMode;
use api::names::conditions;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use machinery::Object;
use serde_json::{Map, Value, json};

/// The condition of a type.
pub(crate) fn condition<'a>(object: &'a Object, kind: &str) -> Option<&'a Value> {
    let conditions = object.at("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// `True`, `False` or `Unknown`; nothing when the condition is absent.
pub(crate) fn condition_status<'a>(object: &'a Object, kind: &str) -> Option<&'a str> {
    condition(object, kind)?.get("status")?.as_str()
}

/// Whether a Cluster is ready.
pub(crate) fn is_ready(cluster: &Object) -> bool {
    condition_status(cluster, conditions::READY) == Some("True")
}

/// Whether a Work's manifests are in the member.
pub(crate) fn is_applied(work: &Object) -> bool {
    condition_status(work, conditions::APPLIED) == Some("True")
}

/// Who applies in a Cluster.
pub(crate) fn sync_mode(cluster: &Object) -> SyncMode {
    if cluster.str_at("/spec/syncMode") == Some("Pull") { SyncMode::Pull } else { SyncMode::Push }
}

/// Whether a write failed because the object was not as the informer showed it. A server that lacks the
/// namespace also answers "not found"; a second try on the live object then says so.
pub(crate) fn is_stale(error: &client::Error) -> bool {
    error.is_conflict() || error.is_already_exists() || error.is_not_found()
}

/// A condition to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewCondition {
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// Generation the condition speaks about, when it says so.
    pub(crate) generation: Option<i64>,
}

/// An object's conditions with one of them set, or nothing when it is set already. The transition time moves
/// only with the status.
pub(crate) fn with_condition(object: &Object, new: &NewCondition, now: &str) -> Option<Vec<Value>> {
    let mut all: Vec<Value> =
        object.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    set_condition(&mut all, new, now).then_some(all)
}

/// Sets a condition in a list and says whether that changed anything.
pub(crate) fn set_condition(all: &mut Vec<Value>, new: &NewCondition, now: &str) -> bool {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let position = all.iter().position(|c| text(c, "type") == new.kind);
    let old = position.map(|i| all[i].clone());
    let transition = old
        .as_ref()
        .filter(|old| text(old, "status") == new.status)
        .map(|old| text(old, "lastTransitionTime"))
        .unwrap_or_else(|| now.to_owned());
    let mut condition = json!({
        "type": new.kind, "status": new.status, "reason": new.reason, "message": new.message,
        "lastTransitionTime": transition,
    });
    if let Some(generation) = new.generation {
        condition["observedGeneration"] = generation.into();
    }
    if old.as_ref() == Some(&condition) {
        return false;
    }
    match position {
        Some(i) => all[i] = condition,
        None => all.push(condition),
    }
    true
}

/// Whether two states of a member's object differ in what we may have written.
pub(crate) fn differs_after_pruning(old: &Object, new: &Object) -> bool {
    if old.generation() != 0 && new.generation() != 0 && old.generation() != new.generation() {
        return true;
    }
    pruned(old) != pruned(new)
}

/// A copy without what the cluster of origin wrote.
pub(crate) fn pruned(object: &Object) -> Object {
    // The status is often the larger half; it is not copied only to be thrown away.
    let fields: Map<String, Value> =
        object.fields().iter().filter(|(k, _)| *k != "status").map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut copy = Object::from_value(fields.into()).unwrap_or_default();
    interpreter::prune(&mut copy);
    copy
}

/// Whether everything that `wanted` says is so in `found`. What is empty or null counts as not said, as
/// API servers leave it out or fill it in.
pub(crate) fn covers(found: &Value, wanted: &Value) -> bool {
    uncovered(found, wanted).is_none()
}

/// Where `found` is first not as `wanted` says, as a JSON pointer.
pub(crate) fn uncovered(found: &Value, wanted: &Value) -> Option<String> {
    let here = |differs: bool| differs.then(String::new);
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().find_map(|(key, wanted)| {
            let below = match found.get(key) {
                Some(found) => uncovered(found, wanted),
                None => here(!is_empty(wanted)),
            };
            below.map(|path| format!("/{key}{path}"))
        }),
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => {
            let mut pairs = found.iter().zip(wanted).enumerate();
            pairs.find_map(|(i, (f, w))| uncovered(f, w).map(|path| format!("/{i}{path}")))
        }
        (Value::Null, wanted) => here(!is_empty(wanted)),
        (_, Value::Null) => None,
        (Value::Number(a), Value::Number(b)) => here(a != b && a.as_f64() != b.as_f64()),
        (found, wanted) => here(found != wanted),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The merge patch (RFC 7396) that makes `new` out of `old`; nothing when they are the same.
pub(crate) fn difference(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Some(new.clone()) };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            None => drop(patch.insert(key.clone(), value.clone())),
            Some(known) => {
                if let Some(change) = difference(known, value) {
                    patch.insert(key.clone(), change);
                }
            }
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(patch.into())
}

/// The merge patch that brings one state's labels and annotations to another's, on the version of the first.
pub(crate) fn metadata_patch(old: &Object, new: &Object) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), old.resource_version().into());
    for map in ["labels", "annotations"] {
        let of = |object: &Object| {
            object.metadata().and_then(|m| m.get(map)).cloned().unwrap_or_else(|| json!({}))
        };
        let (before, after) = (of(old), of(new));
        if let Some(change) = difference(&before, &after) {
            metadata.insert(map.into(), change);
        }
    }
    json!({ "metadata": metadata })
}

/// Decodes the base64 text of a Secret's field.
pub(crate) fn base64_text(encoded: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_fills_in_is_no_difference_but_what_it_lacks_is() {
        for (found, wanted, same) in [
            (json!({ "a": 1, "b": 2 }), json!({ "a": 1 }), true),
            (json!({ "a": 1 }), json!({ "a": 1, "c": {} , "d": null, "e": { "f": [] } }), true),
            (json!({ "a": 1 }), json!({ "a": 2 }), false),
            (json!({ "a": 1 }), json!({ "b": 1 }), false),
            (json!([{ "a": 1, "x": 1 }]), json!([{ "a": 1 }]), true),
            (json!([1, 2]), json!([1]), false),
            (json!(1.0), json!(1), true),
        ] {
            assert_eq!(covers(&found, &wanted), same, "{found} covers {wanted}");
        }
    }

    #[test]
    fn a_condition_that_stays_keeps_its_time_and_is_not_written_again() {
        let new = |status: &'static str, message: &str| NewCondition {
            kind: "Ready",
            status,
            reason: "R",
            message: message.into(),
            generation: None,
        };
        let mut all = Vec::new();
        assert!(set_condition(&mut all, &new("True", "m"), "t1"));
        assert!(!set_condition(&mut all, &new("True", "m"), "t2"));
        assert!(set_condition(&mut all, &new("True", "n"), "t3"));
        assert_eq!(all[0]["lastTransitionTime"], "t1");
        assert!(set_condition(&mut all, &new("False", "n"), "t4"));
        assert_eq!(all[0]["lastTransitionTime"], "t4");
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn the_difference_of_two_states_is_what_a_merge_patch_needs() {
        for (old, new, patch) in [
            (json!({ "a": 1 }), json!({ "a": 1 }), None),
            (json!({ "a": 1 }), json!({ "a": 2 }), Some(json!({ "a": 2 }))),
            (json!({ "a": 1, "b": 1 }), json!({ "a": 1 }), Some(json!({ "b": null }))),
            (
                json!({ "a": { "b": 1, "c": 2 } }),
                json!({ "a": { "c": 2, "d": [] } }),
                Some(json!({ "a": { "b": null, "d": [] } })),
            ),
        ] {
            assert_eq!(difference(&old, &new), patch);
        }
    }

    #[test]
    fn a_metadata_patch_holds_what_changed_and_the_version_that_was_seen() {
        let mut old = Object::new("v1", "ConfigMap", "shop", "settings");
        old.set("/metadata/resourceVersion", "7");
        old.set_label("gone", "x");
        old.set_label("stays", "x");
        let mut new = old.clone();
        new.remove_label("gone");
        new.set_annotation("new", "y");
        assert_eq!(
            metadata_patch(&old, &new),
            json!({ "metadata": {
                "resourceVersion": "7", "labels": { "gone": null }, "annotations": { "new": "y" },
            } }),
        );
    }

    #[test]
    fn secrets_are_decoded() {
        assert_eq!(base64_text("aGVsbG8=").as_deref(), Some("hello"));
        assert_eq!(base64_text("aGVsbG8gdw==").as_deref(), Some("hello w"));
        assert_eq!(base64_text("?"), None);
    }
}
