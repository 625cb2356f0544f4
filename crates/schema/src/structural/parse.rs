//! From `openAPIV3Schema` to a [`Schema`].

use std::sync::Arc;

use machinery::Cause;
use serde_json::{Map, Value};

use super::check::{self, step};
use super::{Pattern, ValueRules, prune, validate};
use crate::{ListType, Schema, SchemaRef, Type};

/// Definition that `metadata` of the root and of embedded resources has.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Reads an `openAPIV3Schema` that was found at `path`, for example
/// `spec.versions[0].schema.openAPIV3Schema`.
///
/// `apiVersion`, `kind` and `metadata` are known fields of the result's root and of its embedded resources,
/// whether the schema says so or not.
///
/// # Errors
/// Everything that keeps it from being structural, and defaults that do not fit it.
pub fn parse(schema: &Value, path: &str) -> Result<Schema, Vec<Cause>> {
    let mut causes = Vec::new();
    check::structural(schema, path, &mut causes);
    if !causes.is_empty() {
        return Err(causes);
    }
    let parsed = root(schema, path, &mut causes);
    if causes.is_empty() {
        check_defaults(&parsed, path, &mut causes);
    }
    if causes.is_empty() { Ok(parsed) } else { Err(causes) }
}

fn root(schema: &Value, path: &str, causes: &mut Vec<Cause>) -> Schema {
    let mut parsed = node(schema, path, causes);
    add_object_fields(&mut parsed);
    parsed
}

/// Makes `apiVersion`, `kind` and `metadata` known fields. Limits put on the metadata move to the rules.
fn add_object_fields(schema: &mut Schema) {
    for field in ["apiVersion", "kind"] {
        let text = || SchemaRef::Inline(Arc::new(Schema { ty: Type::String, ..Schema::default() }));
        schema.properties.entry(field.into()).or_insert_with(text);
    }
    let declared = schema.properties.insert("metadata".into(), SchemaRef::Builtin(OBJECT_META));
    if let Some(SchemaRef::Inline(limits)) = declared
        && !limits.properties.is_empty()
    {
        let limits = Some(Box::new(Schema::clone(&limits)));
        schema.rules.get_or_insert_default().metadata = limits;
    }
}

fn node(schema: &Value, path: &str, causes: &mut Vec<Cause>) -> Schema {
    let Some(map) = schema.as_object() else {
        return Schema { preserve_unknown: true, ..Schema::default() };
    };
    let is_true = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or_default();
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let child = |value: &Value, path: &str, causes: &mut Vec<Cause>| {
        SchemaRef::Inline(Arc::new(node(value, path, causes)))
    };
    let mut parsed = Schema {
        ty: match text("type") {
            Some("object") => Type::Object,
            Some("array") => Type::Array,
            Some("string") => Type::String,
            Some("integer") => Type::Integer,
            Some("number") => Type::Number,
            Some("boolean") => Type::Boolean,
            _ => Type::Any,
        },
        format: text("format").map(Into::into),
        list_type: match text("x-kubernetes-list-type") {
            Some("set") => ListType::Set,
            Some("map") => ListType::Map,
            _ => ListType::Atomic,
        },
        list_map_keys: texts(map, "x-kubernetes-list-map-keys"),
        atomic: text("x-kubernetes-map-type") == Some("atomic"),
        preserve_unknown: is_true("x-kubernetes-preserve-unknown-fields"),
        int_or_string: is_true("x-kubernetes-int-or-string"),
        embedded_resource: is_true("x-kubernetes-embedded-resource"),
        nullable: is_true("nullable"),
        default: map.get("default").cloned(),
        required: texts(map, "required"),
        ..Schema::default()
    };
    for (name, property) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.properties[{name}]");
        parsed.properties.insert(name.clone(), child(property, &path, causes));
    }
    if let Some(values) = map.get("additionalProperties").filter(|values| **values != Value::Bool(false)) {
        parsed.additional_properties = Some(child(values, &step(path, "additionalProperties"), causes));
    }
    if let Some(items) = map.get("items") {
        parsed.items = Some(child(items, &step(path, "items"), causes));
    }
    parsed.rules = rules(map, path, causes);
    if parsed.embedded_resource {
        add_object_fields(&mut parsed);
    }
    parsed
}

fn texts(map: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = map.get(key).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(Into::into).collect()
}

fn rules(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) -> Option<Box<ValueRules>> {
    const KEYWORDS: [&str; 18] = [
        "maximum",
        "minimum",
        "multipleOf",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "maxProperties",
        "minProperties",
        "enum",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "x-kubernetes-validations",
    ];
    if !KEYWORDS.iter().any(|keyword| map.contains_key(*keyword)) {
        return None;
    }
    let number = |key: &str| map.get(key).and_then(Value::as_f64);
    let count = |key: &str| map.get(key).and_then(Value::as_u64);
    let list = |key: &str| map.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_true = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or_default();
    let pattern = map.get("pattern").and_then(Value::as_str).and_then(|pattern| {
        Pattern::new(pattern)
            .map_err(|error| {
                let detail = format!("must be a valid regular expression, but isn't: {error}");
                causes.push(Cause::invalid(step(path, "pattern"), &pattern.into(), &detail));
            })
            .ok()
    });
    let mut nodes = |key: &str| -> Vec<Schema> {
        let indexed = list(key).iter().enumerate();
        indexed.map(|(index, inner)| node(inner, &format!("{path}.{key}[{index}]"), causes)).collect()
    };
    let (all_of, any_of, one_of) = (nodes("allOf"), nodes("anyOf"), nodes("oneOf"));
    Some(Box::new(ValueRules {
        maximum: number("maximum"),
        exclusive_maximum: is_true("exclusiveMaximum"),
        minimum: number("minimum"),
        exclusive_minimum: is_true("exclusiveMinimum"),
        multiple_of: number("multipleOf"),
        max_length: count("maxLength"),
        min_length: count("minLength"),
        pattern,
        max_items: count("maxItems"),
        min_items: count("minItems"),
        max_properties: count("maxProperties"),
        min_properties: count("minProperties"),
        choices: list("enum").to_vec(),
        all_of,
        any_of,
        one_of,
        not: map.get("not").map(|inner| Box::new(node(inner, &step(path, "not"), causes))),
        metadata: None,
        validations: list("x-kubernetes-validations").to_vec(),
    }))
}

/// A default must survive pruning and be valid.
fn check_defaults(schema: &Schema, path: &str, causes: &mut Vec<Cause>) {
    if let Some(default) = &schema.default {
        let place = step(path, "default");
        let mut pruned = default.clone();
        if !prune(&mut pruned, schema).is_empty() {
            causes.push(Cause::invalid(
                place.as_str(),
                default,
                "must not have fields that the schema does not know",
            ));
        }
        let mut completed = default.clone();
        super::default(&mut completed, schema);
        for mut cause in validate(&completed, schema, None) {
            cause.field = match cause.field.as_str() {
                "" => place.clone(),
                field if field.starts_with('[') => format!("{place}{field}"),
                field => step(&place, field),
            };
            causes.push(cause);
        }
    }
    let mut inner = |reference: &SchemaRef, path: String| {
        if let SchemaRef::Inline(schema) = reference {
            check_defaults(schema, &path, causes);
        }
    };
    for (name, property) in &schema.properties {
        inner(property, format!("{path}.properties[{name}]"));
    }
    if let Some(values) = &schema.additional_properties {
        inner(values, step(path, "additionalProperties"));
    }
    if let Some(items) = &schema.items {
        inner(items, step(path, "items"));
    }
}
