//! What a Go server's decoder does with the values of a built-in kind, in one walk: it refuses the
//! wrong types, takes `null` for absent, and forgets the fields it does not know.

use std::fmt;

use machinery::{Quantity, quantity};
use serde_json::{Map, Value};

use super::fields::is_open;
use crate::{Schema, SchemaRef, Type, builtin, format};

/// Why a value does not fit its field, in the words of Go's decoder, which clients know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Field names from the root, innermost first. Lists and maps add nothing.
    fields: Vec<String>,
    /// The struct that holds the innermost field.
    holder: String,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// A value of this JSON type where a value of that Go type is expected.
    Mismatch { found: String, expected: String },
    /// A text that a type with its own reader does not take.
    Text(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Text(text) => f.write_str(text),
            Why::Mismatch { found, expected } if self.fields.is_empty() => {
                write!(f, "json: cannot unmarshal {found} into Go value of type {expected}")
            }
            Why::Mismatch { found, expected } => {
                write!(f, "json: cannot unmarshal {found} into Go struct field {}", self.holder)?;
                self.fields.iter().rev().try_for_each(|field| write!(f, ".{field}"))?;
                write!(f, " of type {expected}")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// Makes an object of a built-in kind what the server keeps: unknown fields go (their paths are
/// returned), `null`s go, quantities given as numbers become text, times become UTC.
///
/// `kind` names the object in refusals.
///
/// # Errors
/// The first value that has the wrong type; the object is then in an unspecified state.
pub fn admit(value: &mut Value, schema: &Schema, kind: &str) -> Result<Vec<String>, Refusal> {
    let mut unknown = Vec::new();
    walk(value, schema, kind, &mut unknown)?;
    Ok(unknown)
}

/// [`admit`] for the `metadata` of an object of any kind; paths and refusals are those of the object.
///
/// # Errors
/// The first value that has the wrong type; the metadata is then in an unspecified state.
pub fn admit_metadata(metadata: &mut Value) -> Result<Vec<String>, Refusal> {
    let schema = builtin::definition(OBJECT_META).expect("the table has ObjectMeta");
    let mut unknown = Vec::new();
    walk(metadata, schema, "ObjectMeta", &mut unknown).map_err(|mut refusal| {
        refusal.fields.push("metadata".into());
        refusal
    })?;
    put_in_front(&mut unknown, 0, "metadata");
    Ok(unknown)
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The texts of all values that have the wrong type; at most one per top-level field.
pub fn type_errors(value: &Value, schema: &Schema, kind: &str) -> Vec<String> {
    let Some(map) = value.as_object() else {
        let refused = walk(&mut value.clone(), schema, kind, &mut Vec::new());
        return refused.err().map(|refusal| refusal.to_string()).into_iter().collect();
    };
    let single = |(key, value): (&String, &Value)| {
        let mut part = Value::Object(Map::from_iter([(key.clone(), value.clone())]));
        walk(&mut part, schema, kind, &mut Vec::new()).err().map(|refusal| refusal.to_string())
    };
    map.iter().filter_map(single).collect()
}

fn walk(value: &mut Value, schema: &Schema, name: &str, unknown: &mut Vec<String>) -> Result<(), Refusal> {
    if schema.int_or_string {
        return int_or_string(value);
    }
    match (schema.ty, &mut *value) {
        (Type::Any, _) => Ok(()),
        (Type::Object, Value::Object(map)) => object(map, schema, name, unknown),
        (Type::Array, Value::Array(items)) => array(items, schema, unknown),
        (Type::String, _) => string(value, schema, name),
        (Type::Integer, Value::Number(number)) if fits(number, schema) => Ok(()),
        (Type::Integer, Value::Number(number)) => {
            Err(mismatch(&format!("number {number}"), go_type(schema, name)))
        }
        (Type::Number, Value::Number(_)) | (Type::Boolean, Value::Bool(_)) => Ok(()),
        (Type::Object, _) if is_open(schema) => Ok(()),
        (Type::Object | Type::Array | Type::Integer | Type::Number | Type::Boolean, _) => {
            Err(mismatch(json_type(value), go_type(schema, name)))
        }
    }
}

fn object(
    map: &mut Map<String, Value>,
    schema: &Schema,
    name: &str,
    unknown: &mut Vec<String>,
) -> Result<(), Refusal> {
    if let Some(values) = &schema.additional_properties {
        for (key, value) in map.iter_mut() {
            let known = unknown.len();
            fill_null(value, values);
            walk(value, values, type_name(values), unknown)?;
            put_in_front(unknown, known, key);
        }
        return Ok(());
    }
    let open = is_open(schema);
    let mut own = Vec::new();
    let mut refusal = None;
    map.retain(|key, value| {
        let Some(field) = schema.properties.get(key) else {
            if !open {
                own.push(key.clone());
            }
            return open;
        };
        if value.is_null() || refusal.is_some() {
            return false;
        }
        let known = unknown.len();
        if let Err(mut found) = walk(value, field, type_name(field), unknown) {
            if found.fields.is_empty() {
                found.holder = name.to_owned();
            }
            found.fields.push(key.clone());
            refusal = Some(found);
        }
        put_in_front(unknown, known, key);
        true
    });
    unknown.append(&mut own);
    refusal.map_or(Ok(()), Err)
}

fn array(items: &mut [Value], schema: &Schema, unknown: &mut Vec<String>) -> Result<(), Refusal> {
    let Some(shape) = &schema.items else {
        return Ok(());
    };
    for (index, item) in items.iter_mut().enumerate() {
        let known = unknown.len();
        fill_null(item, shape);
        walk(item, shape, type_name(shape), unknown)?;
        if unknown.len() > known {
            put_in_front(unknown, known, &format!("[{index}]"));
        }
    }
    Ok(())
}

fn put_in_front(paths: &mut [String], from: usize, step: &str) {
    for path in &mut paths[from..] {
        *path = if path.starts_with('[') { format!("{step}{path}") } else { format!("{step}.{path}") };
    }
}

/// `null` as an entry of a map or list is the type's zero value.
fn fill_null(value: &mut Value, schema: &Schema) {
    if !value.is_null() || schema.int_or_string {
        return;
    }
    *value = match schema.ty {
        Type::Any => return,
        Type::Object => Value::Object(Map::new()),
        Type::Array => Value::Array(Vec::new()),
        Type::String if schema.format.as_deref() == Some("quantity") => "0".into(),
        Type::String if schema.format.as_deref() == Some("date-time") => return,
        Type::String => "".into(),
        Type::Integer | Type::Number => 0.into(),
        Type::Boolean => false.into(),
    };
}

fn string(value: &mut Value, schema: &Schema, name: &str) -> Result<(), Refusal> {
    match (schema.format.as_deref(), &*value) {
        (Some("quantity"), _) => canonical_quantity(value),
        (Some("date-time"), Value::Null) => Ok(()),
        (Some("date-time"), Value::String(text)) => {
            let precise = name == "MicroTime";
            match format::go_time(text, precise) {
                Some(None) => Ok(()),
                Some(Some(normal)) => {
                    *value = normal.into();
                    Ok(())
                }
                None => Err(refused(&time_refusal(text, precise))),
            }
        }
        (Some("date-time"), _) => Err(mismatch_value(value, "string")),
        (Some("byte"), Value::String(text)) => match format::bad_base64_at(text) {
            None => Ok(()),
            Some(at) => Err(refused(&format!("illegal base64 data at input byte {at}"))),
        },
        (_, Value::String(_)) => Ok(()),
        _ => Err(mismatch(json_type(value), go_type(schema, name))),
    }
}

/// Quantities are kept in their canonical form: `0.5` and `"0.5"` become `"500m"`.
fn canonical_quantity(value: &mut Value) -> Result<(), Refusal> {
    let parsed = match &*value {
        Value::String(text) => Quantity::parse(text.trim()),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(quantity::Error::Form),
    };
    *value = parsed.map_err(|error| refused(&error.to_string()))?.to_string().into();
    Ok(())
}

fn time_refusal(text: &str, precise: bool) -> String {
    let layout = if precise { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
    format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\"")
}

fn int_or_string(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::String(_) | Value::Null => Ok(()),
        Value::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => Ok(()),
        Value::Number(number) => {
            let found = format!("number {number}");
            Err(refused(&format!("json: cannot unmarshal {found} into Go value of type int32")))
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(mismatch_value(value, "int32")),
    }
}

/// Types with their own reader do not know the field they are read for.
fn mismatch_value(value: &Value, expected: &str) -> Refusal {
    refused(&format!("json: cannot unmarshal {} into Go value of type {expected}", json_type(value)))
}

fn fits(number: &serde_json::Number, schema: &Schema) -> bool {
    match schema.format.as_deref() {
        Some("int32") => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        _ => number.is_i64(),
    }
}

fn mismatch(found: &str, expected: String) -> Refusal {
    let why = Why::Mismatch { found: found.into(), expected };
    Refusal { fields: Vec::new(), holder: String::new(), why }
}

fn refused(text: &str) -> Refusal {
    Refusal { fields: Vec::new(), holder: String::new(), why: Why::Text(text.into()) }
}

/// The Go name of a referred type: the last part of the definition's name.
fn type_name(schema: &SchemaRef) -> &'static str {
    match schema {
        SchemaRef::Builtin(name) => name.rsplit('.').next().unwrap_or(name),
        SchemaRef::Inline(_) => "",
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// How Go prints the type of a field.
fn go_type(schema: &Schema, name: &str) -> String {
    let of = |schema: &SchemaRef| go_type(schema, type_name(schema));
    match schema.ty {
        Type::Object => match &schema.additional_properties {
            Some(values) => format!("map[string]{}", of(values)),
            None => format!("v1.{name}"),
        },
        Type::Array if schema.items.is_some() => {
            format!("[]{}", schema.items.as_ref().map(of).unwrap_or_default())
        }
        Type::String if schema.format.as_deref() == Some("byte") => "[]uint8".into(),
        Type::String => "string".into(),
        Type::Integer => schema.format.clone().unwrap_or_else(|| "int64".into()),
        Type::Number => "float64".into(),
        Type::Boolean => "bool".into(),
        Type::Any | Type::Array => "interface {}".into(),
    }
}
