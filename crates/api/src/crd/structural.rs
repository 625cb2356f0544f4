//! From JSON Schema, as derived from the types, to the structural schemas a CRD takes.
//!
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>

use serde_json::{Map, Value, json};

/// Formats a CRD may use; the others that Rust's types bring along mean nothing to Kubernetes.
const FORMATS: &[&str] = &["int32", "int64", "date-time", "byte", "double"];

/// Turns a derived schema into a structural one.
pub(crate) fn structural(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else {
        // `true`: anything.
        return json!({ "x-kubernetes-preserve-unknown-fields": true });
    };
    for key in ["title", "$schema", "default"] {
        schema.remove(key);
    }
    if let Some(default) = schema.remove("x-default") {
        schema.insert("default".into(), default);
    }
    if !schema.contains_key("x-kubernetes-int-or-string") {
        drop_null(&mut schema);
        join_constants(&mut schema);
    }
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        schema.remove("format");
    }
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let text = paragraph(text);
        schema.insert("description".into(), text.into());
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            *property = structural(property.take());
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = schema.get_mut(key) {
            *child = structural(child.take());
        }
    }
    Value::Object(schema)
}

/// Absent is the only way of saying nothing in a CRD: takes `null` out of types, choices and enums.
fn drop_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|t| t != "null");
        let only = types.pop().unwrap_or_default();
        schema.insert("type".into(), only);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|v| !v.is_null());
    }
    if let Some(Value::Array(mut choices)) = schema.remove("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|t| t != "null"));
        if let (Some(Value::Object(only)), true) = (choices.pop(), choices.is_empty()) {
            for (key, value) in only {
                // What is said at the field is closer than what is said at its type.
                schema.entry(key).or_insert(value);
            }
            join_constants(schema);
        }
    }
}

/// Unit variants with a description each come as a choice of constants; a CRD wants one enum.
fn join_constants(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.remove("oneOf") else { return };
    let mut values = Vec::new();
    for choice in choices {
        if let Some(value) = choice.get("const") {
            values.push(value.clone());
        } else if let Some(Value::Array(several)) = choice.get("enum") {
            values.extend(several.iter().cloned());
        }
    }
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), values.into());
}

/// Doc comment lines as one paragraph.
pub(crate) fn paragraph(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The value with the keys of every map in order, whichever order they were put in.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
