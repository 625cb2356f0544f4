//! The rules of object metadata that hold for every kind.

use machinery::{Object, Status};
use serde_json::{Map, Value};

use crate::resource::Resource;

/// Checks the namespace sent against the URL's and fills it in.
pub(crate) fn settle_namespace(
    resource: &Resource,
    namespace: &str,
    object: &mut Object,
) -> Result<(), Status> {
    let wanted = if resource.namespaced { namespace } else { "" };
    let sent = object.namespace();
    if !sent.is_empty() && sent != wanted {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if wanted.is_empty() {
        object.metadata_mut().remove("namespace");
    } else if sent.is_empty() {
        object.metadata_mut().insert("namespace".into(), wanted.into());
    }
    Ok(())
}

/// Checks the name sent against the URL's and fills it in.
pub(crate) fn settle_name(name: &str, object: &mut Object) -> Result<(), Status> {
    let sent = object.name();
    if sent.is_empty() {
        object.metadata_mut().insert("name".into(), name.into());
    } else if sent != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({name})"
        )));
    }
    Ok(())
}

/// Gives a new object its identity.
pub(crate) fn stamp_new(object: &mut Object, uid: String, now: String) {
    let metadata = object.metadata_mut();
    for field in
        ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"]
    {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), uid.into());
    metadata.insert("creationTimestamp".into(), now.into());
    drop_empty(metadata);
}

/// Carries over what an update may not change.
pub(crate) fn carry_over(new: &mut Object, old: &Object) {
    let metadata = new.metadata_mut();
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
        // What the kind makes of it is added afterwards; clients have no say.
        "generation",
    ] {
        match old.metadata().and_then(|m| m.get(field)) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None => metadata.remove(field),
        };
    }
    metadata.remove("selfLink");
    metadata.remove("resourceVersion");
    drop_empty(metadata);
}

/// Whether two states of an object are the same but for the times of their managed fields: admission may turn
/// a change back into what was there, and then nothing is written.
pub(crate) fn differs_in_times_only(new: &Object, old: &Object) -> bool {
    let fields = |object: &Object| -> Vec<Value> {
        let entries = object.at("/metadata/managedFields").and_then(Value::as_array);
        let timeless = |entry: &Value| {
            let mut entry = entry.clone();
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
            entry
        };
        entries.into_iter().flatten().map(timeless).collect()
    };
    if fields(new) != fields(old) {
        return false;
    }
    let (mut new, mut old) = (new.clone(), old.clone());
    for object in [&mut new, &mut old] {
        object.metadata_mut().remove("managedFields");
        object.metadata_mut().remove("resourceVersion");
    }
    new == old
}

/// Absent and empty are the same for these fields; the absent form is kept.
fn drop_empty(metadata: &mut Map<String, Value>) {
    metadata.retain(|name, value| match value {
        Value::Null => false,
        Value::Object(map) => !(map.is_empty() && matches!(name.as_str(), "labels" | "annotations")),
        Value::Array(list) => {
            !(list.is_empty() && matches!(name.as_str(), "finalizers" | "ownerReferences" | "managedFields"))
        }
        Value::String(text) => !(text.is_empty() && name != "name"),
        Value::Bool(_) | Value::Number(_) => true,
    });
}
