//! Pruning and defaulting: making a custom resource fit its schema's structure.
//!
//! `metadata` of the root and of embedded resources is left alone by both; [`admit_metadata`] is for it.

use serde_json::Value;

use crate::decode::{self, Refusal};
use crate::{Schema, SchemaRef};

/// Makes the `metadata` of the root and of embedded resources what a server keeps: unknown fields go, and
/// their paths are returned.
///
/// # Errors
/// The first value in metadata that has the wrong type; the object is then in an unspecified state.
pub fn admit_metadata(value: &mut Value, schema: &Schema) -> Result<Vec<String>, Refusal> {
    let mut unknown = Vec::new();
    admit_metadata_below(value, schema, &mut unknown)?;
    Ok(unknown)
}

fn admit_metadata_below(
    value: &mut Value,
    schema: &Schema,
    unknown: &mut Vec<String>,
) -> Result<(), Refusal> {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match schema.properties.get(key).or(schema.additional_properties.as_ref()) {
                    Some(SchemaRef::Builtin(_)) => unknown.extend(decode::admit_metadata(value)?),
                    Some(SchemaRef::Inline(field)) => {
                        let known = unknown.len();
                        admit_metadata_below(value, field, unknown)?;
                        put_in_front(unknown, known, key);
                    }
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            let Some(SchemaRef::Inline(shape)) = &schema.items else {
                return Ok(());
            };
            for (index, item) in items.iter_mut().enumerate() {
                let known = unknown.len();
                admit_metadata_below(item, shape, unknown)?;
                if unknown.len() > known {
                    put_in_front(unknown, known, &format!("[{index}]"));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// Removes the fields that the schema does not know and returns their paths, for example `spec.list[0].x`.
/// Below `x-kubernetes-preserve-unknown-fields` nothing is removed, except inside of known fields.
pub fn prune(value: &mut Value, schema: &Schema) -> Vec<String> {
    let mut dropped = Vec::new();
    prune_node(value, schema, &mut dropped);
    dropped
}

fn prune_node(value: &mut Value, schema: &Schema, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let mut own = Vec::new();
            map.retain(|key, value| {
                match schema.properties.get(key).or(schema.additional_properties.as_ref()) {
                    Some(SchemaRef::Inline(field)) => {
                        let known = dropped.len();
                        prune_node(value, field, dropped);
                        put_in_front(dropped, known, key);
                    }
                    Some(SchemaRef::Builtin(_)) => {}
                    None if schema.preserve_unknown => {}
                    None => {
                        own.push(key.clone());
                        return false;
                    }
                }
                true
            });
            dropped.append(&mut own);
        }
        Value::Array(items) => {
            let shape = match &schema.items {
                Some(SchemaRef::Inline(shape)) => shape,
                Some(SchemaRef::Builtin(_)) | None => return,
            };
            for (index, item) in items.iter_mut().enumerate() {
                let known = dropped.len();
                prune_node(item, shape, dropped);
                if dropped.len() > known {
                    put_in_front(dropped, known, &format!("[{index}]"));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn put_in_front(paths: &mut [String], from: usize, step: &str) {
    for path in &mut paths[from..] {
        *path = if path.starts_with('[') { format!("{step}{path}") } else { format!("{step}.{path}") };
    }
}

/// Gives absent fields their defaults, top-down. A `null` where none is allowed counts as absent: it becomes the
/// default, or goes when there is none. Parents are not created for the sake of their children's defaults.
pub fn default(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (name, field) in &schema.properties {
                if let SchemaRef::Inline(field) = field
                    && let Some(default) = &field.default
                    && map.get(name).is_none_or(|value| is_stray_null(value, field))
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            map.retain(|name, value| {
                let field = schema.properties.get(name).or(schema.additional_properties.as_ref());
                let Some(SchemaRef::Inline(field)) = field else {
                    return true;
                };
                if is_stray_null(value, field) {
                    let Some(default) = &field.default else {
                        return false;
                    };
                    *value = default.clone();
                }
                self::default(value, field);
                true
            });
        }
        Value::Array(items) => {
            if let Some(SchemaRef::Inline(shape)) = &schema.items {
                for item in items {
                    if is_stray_null(item, shape)
                        && let Some(default) = &shape.default
                    {
                        *item = default.clone();
                    }
                    self::default(item, shape);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_stray_null(value: &Value, schema: &Schema) -> bool {
    value.is_null() && !schema.nullable
}
