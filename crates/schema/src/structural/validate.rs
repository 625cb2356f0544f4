//! Whether a custom resource's values are within the limits of its schema.

use std::collections::BTreeMap;

use machinery::Cause;
use serde_json::{Map, Number, Value};

use super::ValueRules;
use crate::{ListType, Schema, SchemaRef, Type, format};

/// Everything that is wrong with a value, in the order of its fields.
///
/// With an `old` value, parts that did not change are not complained about: an object that was valid when
/// it was written stays writable after its definition got stricter. Rules in CEL are not evaluated.
pub fn validate(value: &Value, schema: &Schema, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    node(value, schema, old, &mut String::new(), &mut causes);
    causes
}

fn node(value: &Value, schema: &Schema, old: Option<&Value>, path: &mut String, causes: &mut Vec<Cause>) {
    if old == Some(value) || (value.is_null() && (schema.nullable || is_untyped(schema))) {
        return;
    }
    if !has_type(value, schema) {
        causes.push(wrong_type(value, schema, path));
        return;
    }
    if let Some(text) = value.as_str()
        && let Some(name) = schema.format.as_deref()
        && !format::fits(name, text)
    {
        let detail = format!("{path} in body must be of type {name}: {text:?}");
        causes.push(Cause::type_invalid(path.as_str(), value, &detail));
    }
    if let Some(rules) = &schema.rules {
        limits(value, rules, path, causes);
        logic(value, rules, path, causes);
    }
    match value {
        Value::Object(map) => object(map, schema, old.and_then(Value::as_object), path, causes),
        Value::Array(items) => array(items, schema, old.and_then(Value::as_array), path, causes),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Adds a field to the path while `inside` runs.
fn at_field(path: &mut String, name: &str, inside: impl FnOnce(&mut String)) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(name);
    inside(path);
    path.truncate(length);
}

fn at_index(path: &mut String, index: usize, inside: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(&format!("[{index}]"));
    inside(path);
    path.truncate(length);
}

fn object(
    map: &Map<String, Value>,
    schema: &Schema,
    old: Option<&Map<String, Value>>,
    path: &mut String,
    causes: &mut Vec<Cause>,
) {
    for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
        at_field(path, name, |path| causes.push(Cause::required(path.as_str(), "")));
    }
    if schema.embedded_resource {
        for name in ["apiVersion", "kind"] {
            let empty = map.get(name).is_none_or(|value| value.as_str() == Some(""));
            if empty && !schema.required.iter().any(|required| required == name) {
                at_field(path, name, |path| causes.push(Cause::required(path.as_str(), "must not be empty")));
            }
        }
    }
    for (name, value) in map {
        let old = old.and_then(|old| old.get(name));
        match schema.properties.get(name).or(schema.additional_properties.as_ref()) {
            Some(SchemaRef::Inline(field)) => {
                at_field(path, name, |path| node(value, field, old, path, causes));
            }
            Some(SchemaRef::Builtin(_)) => {
                if let Some(limits) = schema.rules.as_ref().and_then(|rules| rules.metadata.as_ref()) {
                    at_field(path, name, |path| node(value, limits, old, path, causes));
                }
            }
            None => {}
        }
    }
}

fn array(
    items: &[Value],
    schema: &Schema,
    old: Option<&Vec<Value>>,
    path: &mut String,
    causes: &mut Vec<Cause>,
) {
    uniqueness(items, schema, path, causes);
    let Some(SchemaRef::Inline(shape)) = &schema.items else {
        return;
    };
    let is_map = schema.list_type == ListType::Map;
    let old_items: BTreeMap<String, &Value> = match old {
        Some(old) if is_map => old.iter().map(|item| (map_key(item, schema).to_string(), item)).collect(),
        _ => BTreeMap::new(),
    };
    for (index, item) in items.iter().enumerate() {
        let old = if old_items.is_empty() {
            None
        } else {
            old_items.get(&map_key(item, schema).to_string()).copied()
        };
        at_index(path, index, |path| node(item, shape, old, path, causes));
    }
}

/// The key fields of a list item; absent ones have their default.
fn map_key(item: &Value, schema: &Schema) -> Value {
    let defaults = schema.items.as_deref();
    let keys = schema.list_map_keys.iter().filter_map(|key| {
        let default = || defaults?.properties.get(key)?.default.as_ref();
        let value = item.get(key).or_else(default)?;
        Some((key.clone(), value.clone()))
    });
    Value::Object(keys.collect())
}

fn uniqueness(items: &[Value], schema: &Schema, path: &mut String, causes: &mut Vec<Cause>) {
    let key = |item: &Value| match schema.list_type {
        ListType::Map => map_key(item, schema),
        ListType::Set | ListType::Atomic => item.clone(),
    };
    if schema.list_type == ListType::Atomic {
        return;
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let key = key(item);
        let times = seen.entry(key.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            at_index(path, index, |path| causes.push(Cause::duplicate(path.as_str(), &key)));
        }
    }
}

fn is_untyped(schema: &Schema) -> bool {
    schema.ty == Type::Any && !schema.int_or_string
}

fn has_type(value: &Value, schema: &Schema) -> bool {
    if schema.int_or_string {
        return is_whole(value) || value.is_string();
    }
    match schema.ty {
        Type::Any => true,
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Number => value.is_number(),
        Type::Integer => is_whole(value),
    }
}

/// JSON Schema's integers include `1.0`.
fn is_whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64() || number.as_f64().is_some_and(|n| n.fract() == 0.0),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn wrong_type(value: &Value, schema: &Schema, path: &str) -> Cause {
    let wanted = match schema.ty {
        Type::Any => "integer,string",
        Type::Object => "object",
        Type::Array => "array",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_whole(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let detail = format!("{path} in body must be of type {wanted}: {found:?}");
    Cause::type_invalid(path, &found.into(), &detail)
}

fn limits(value: &Value, rules: &ValueRules, path: &str, causes: &mut Vec<Cause>) {
    if !rules.choices.is_empty() && !rules.choices.contains(value) {
        let texts: Vec<String> = rules.choices.iter().map(choice_text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        causes.push(Cause::not_supported(path, value, &texts));
    }
    let mut invalid = |value: &Value, detail: String| {
        causes.push(Cause::invalid(path, value, &format!("{path} in body {detail}")));
    };
    match value {
        Value::Number(number) => numbers(number, rules, |detail| invalid(value, detail)),
        Value::String(text) => {
            if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
                invalid(value, format!("should match '{}'", pattern.as_str()));
            }
            let length = text.chars().count() as u64;
            if let Some(min) = rules.min_length.filter(|min| length < *min) {
                invalid(value, format!("should be at least {min} chars long"));
            }
            if let Some(max) = rules.max_length.filter(|max| length > *max) {
                causes.push(Cause::too_long(path, as_len(max)));
            }
        }
        Value::Array(items) => {
            if let Some(min) = rules.min_items.filter(|min| items.len() < as_len(*min)) {
                invalid(&items.len().into(), format!("should have at least {min} items"));
            }
            if let Some(max) = rules.max_items.filter(|max| items.len() > as_len(*max)) {
                causes.push(Cause::too_many(path, items.len(), as_len(max)));
            }
        }
        Value::Object(map) => {
            if let Some(min) = rules.min_properties.filter(|min| map.len() < as_len(*min)) {
                invalid(&map.len().into(), format!("should have at least {min} properties"));
            }
            if let Some(max) = rules.max_properties.filter(|max| map.len() > as_len(*max)) {
                causes.push(Cause::too_many(path, map.len(), as_len(max)));
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn as_len(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn choice_text(choice: &Value) -> String {
    choice.as_str().map_or_else(|| choice.to_string(), Into::into)
}

fn numbers(number: &Number, rules: &ValueRules, mut invalid: impl FnMut(String)) {
    let number = number.as_f64().unwrap_or_default();
    if let Some(max) = rules.maximum {
        if rules.exclusive_maximum && number >= max {
            invalid(format!("should be less than {max}"));
        } else if number > max {
            invalid(format!("should be less than or equal to {max}"));
        }
    }
    if let Some(min) = rules.minimum {
        if rules.exclusive_minimum && number <= min {
            invalid(format!("should be greater than {min}"));
        } else if number < min {
            invalid(format!("should be greater than or equal to {min}"));
        }
    }
    if let Some(factor) = rules.multiple_of.filter(|factor| *factor > 0.0 && (number / factor).fract() != 0.0)
    {
        invalid(format!("should be a multiple of {factor}"));
    }
}

fn logic(value: &Value, rules: &ValueRules, path: &mut String, causes: &mut Vec<Cause>) {
    let mut errors = |schema: &Schema| {
        let mut found = Vec::new();
        node(value, schema, None, path, &mut found);
        found
    };
    for schema in &rules.all_of {
        causes.append(&mut errors(schema));
    }
    let any = rules.any_of.is_empty() || rules.any_of.iter().any(|schema| errors(schema).is_empty());
    let valid = rules.one_of.iter().filter(|schema| errors(schema).is_empty()).count();
    let not = rules.not.as_ref().is_some_and(|schema| errors(schema).is_empty());
    let mut fail = |detail: &str| {
        let text = format!("{path:?} must {detail}");
        causes.push(Cause::invalid(path.as_str(), &"".into(), &text));
    };
    if !any {
        fail("validate at least one schema (anyOf)");
    }
    match valid {
        _ if rules.one_of.is_empty() => {}
        0 => fail("validate one and only one schema (oneOf). Found none valid"),
        1 => {}
        many => fail(&format!("validate one and only one schema (oneOf). Found {many} valid alternatives")),
    }
    if not {
        fail("not validate the schema (not)");
    }
}
