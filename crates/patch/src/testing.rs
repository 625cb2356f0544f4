//! What the stories of this crate share.

use jiff::Timestamp;
use machinery::{GroupVersionKind, Object};
use schema::{ListType, PatchStrategy, Schema, SchemaRef, Type};
use serde_json::{Map, Value};
use std::sync::Arc;

use crate::managed::Writer;

/// The shape of a built-in kind.
pub(crate) fn builtin(api_version: &str, kind: &str) -> &'static Schema {
    schema::builtin::kind(&GroupVersionKind::from_api_version(api_version, kind)).expect("a built-in kind")
}

/// An object from JSON.
pub(crate) fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

/// A manager that writes `apiVersion: v1` at a second of 2026.
pub(crate) fn writer(manager: &'static str, second: i64) -> Writer<'static> {
    Writer { manager, subresource: "", api_version: "v1", now: at(second) }
}

/// A moment in 2026.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

/// A schema of a custom kind from the words of OpenAPI.
pub(crate) fn custom(value: &Value) -> Schema {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let reference = |value: &Value| SchemaRef::Inline(Arc::new(custom(value)));
    let none = Map::new();
    let properties = value.get("properties").and_then(Value::as_object).unwrap_or(&none);
    Schema {
        ty: match text("type") {
            "object" => Type::Object,
            "array" => Type::Array,
            "string" => Type::String,
            "integer" => Type::Integer,
            "boolean" => Type::Boolean,
            _ => Type::Any,
        },
        properties: properties.iter().map(|(k, v)| (k.clone(), reference(v))).collect(),
        additional_properties: value.get("additionalProperties").map(reference),
        items: value.get("items").map(reference),
        list_type: match text("listType") {
            "map" => ListType::Map,
            "set" => ListType::Set,
            _ => ListType::Atomic,
        },
        list_map_keys: value
            .get("keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|k| k.as_str().map(Into::into))
            .collect(),
        atomic: text("mapType") == "atomic",
        patch_strategy: PatchStrategy {
            merge: text("patchStrategy").contains("merge"),
            retain_keys: text("patchStrategy").contains("retainKeys"),
            replace: text("patchStrategy").contains("replace"),
        },
        patch_merge_key: value.get("mergeKey").and_then(Value::as_str).map(Into::into),
        default: value.get("default").cloned(),
        ..Schema::default()
    }
}
