//! A line of the table as OpenAPI v3.

use serde_json::{Map, Value, json};

use super::line::{Node, Shape};

/// A definition as it stands below `components.schemas`.
pub(super) fn definition(node: &Node<'_>) -> Value {
    Value::Object(plain(node))
}

/// A field of a struct: OpenAPI allows nothing beside a `$ref`, so that it is wrapped.
fn property(node: &Node<'_>) -> Value {
    let mut schema = plain(node);
    if let Some(reference) = schema.remove("$ref") {
        schema.insert("allOf".into(), json!([{ "$ref": reference }]));
    }
    Value::Object(schema)
}

fn plain(node: &Node<'_>) -> Map<String, Value> {
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    match &node.shape {
        Shape::Word(word) => word_fields(word, &mut set),
        Shape::Ref(name) => set("$ref", format!("#/components/schemas/{name}").into()),
        Shape::List(items) => {
            set("type", "array".into());
            set("items", Value::Object(plain(items)));
        }
        Shape::Map(values) => {
            set("type", "object".into());
            set("additionalProperties", Value::Object(plain(values)));
        }
        Shape::Struct(fields) => {
            set("type", "object".into());
            let properties = fields.iter().map(|field| (field.name.to_owned(), property(&field.node)));
            set("properties", Value::Object(properties.collect()));
            let required: Vec<&str> =
                fields.iter().filter(|field| field.required).map(|field| field.name).collect();
            if !required.is_empty() {
                set("required", required.into());
            }
        }
    }
    for (key, value) in [
        ("x-kubernetes-list-type", node.list_type),
        ("x-kubernetes-map-type", node.map_type),
        ("x-kubernetes-patch-strategy", node.strategy),
        ("x-kubernetes-patch-merge-key", node.merge_key),
    ] {
        if let Some(value) = value {
            set(key, value.into());
        }
    }
    if !node.list_map_keys.is_empty() {
        set("x-kubernetes-list-map-keys", node.list_map_keys.clone().into());
    }
    if let Some(choices) = &node.choices {
        set("enum", choices.clone());
    }
    if let Some(default) = &node.default {
        set("default", default.clone());
    }
    out
}

fn word_fields(word: &str, set: &mut impl FnMut(&str, Value)) {
    match word {
        "any" => {}
        "quantity" => set("oneOf", json!([{ "type": "string" }, { "type": "number" }])),
        "int-or-string" => {
            set("format", word.into());
            set("oneOf", json!([{ "type": "integer" }, { "type": "string" }]));
        }
        "int32" | "int64" => {
            set("type", "integer".into());
            set("format", word.into());
        }
        "double" => {
            set("type", "number".into());
            set("format", word.into());
        }
        "byte" | "date-time" => {
            set("type", "string".into());
            set("format", word.into());
        }
        _ => set("type", word.into()),
    }
}
