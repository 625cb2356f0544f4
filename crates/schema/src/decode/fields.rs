//! Fields a schema does not know.

use serde_json::Value;

use crate::Schema;

/// Paths of the fields that `schema` does not know, for example `spec.foo` or `spec.containers[0].imagee`.
pub fn unknown_fields(value: &Value, schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, schema, &mut String::new(), &mut found);
    found
}

fn collect(value: &Value, schema: &Schema, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Object(map) => {
            let mut own = Vec::new();
            for (key, value) in map {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                match schema.field(key) {
                    Some(field) => collect(value, field, path, found),
                    None if is_open(schema) => {}
                    None => own.push(path.clone()),
                }
                path.truncate(length);
            }
            found.append(&mut own);
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else {
                return;
            };
            for (index, value) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                collect(value, schema, path, found);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether fields without a schema are welcome.
pub(super) fn is_open(schema: &Schema) -> bool {
    schema.preserve_unknown || (schema.properties.is_empty() && schema.ty == crate::Type::Any)
}

/// Removes the fields that `schema` does not know.
pub fn drop_unknown(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            let open = is_open(schema);
            map.retain(|key, value| match schema.field(key) {
                Some(field) => {
                    drop_unknown(value, field);
                    true
                }
                None => open,
            });
        }
        Value::Array(items) => {
            if let Some(schema) = &schema.items {
                items.iter_mut().for_each(|item| drop_unknown(item, schema));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
