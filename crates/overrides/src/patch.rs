//! Patches: of the object itself, and of documents inside its text fields.

use api::policy::{FieldOverrider, OverriderOperator, PatchOperation, PlaintextOverrider};
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, RemoveOperation, ReplaceOperation};
use machinery::Object;
use serde_json::Value;

use crate::Problem;

/// Applies all operations of a rule to the object.
pub(crate) fn plaintext(object: &mut Object, operations: &[PlaintextOverrider]) -> Result<(), Problem> {
    for (index, operation) in operations.iter().enumerate() {
        let PlaintextOverrider { path, operator, value } = operation;
        apply(object.value_mut(), index, path, *operator, value.as_ref())?;
        if !object.value().is_object() {
            return Err(failed(index, path, "it would leave no object"));
        }
    }
    Ok(())
}

/// Patches the document inside a text field. YAML comes back as YAML with sorted keys, JSON in one line.
pub(crate) fn edit_field(object: &mut Object, overrider: &FieldOverrider) -> Result<(), Problem> {
    let path = &overrider.field_path;
    let Some(Value::String(text)) = object.value_mut().pointer_mut(path) else {
        return Err(Problem::Missing { wanted: "text", path: path.clone() });
    };
    *text = if !overrider.yaml.is_empty() {
        edit_yaml(text, path, &overrider.yaml)?
    } else if !overrider.json.is_empty() {
        edit_json(text, path, &overrider.json)?
    } else {
        // Karmada does the same; admission refuses such a policy.
        String::new()
    };
    Ok(())
}

fn edit_json(text: &str, path: &str, operations: &[PatchOperation]) -> Result<String, Problem> {
    let problem = |e: serde_json::Error| document(path, "JSON", e.to_string());
    let mut value: Value = serde_json::from_str(text).map_err(problem)?;
    apply_all(&mut value, operations)?;
    serde_json::to_string(&value).map_err(problem)
}

fn edit_yaml(text: &str, path: &str, operations: &[PatchOperation]) -> Result<String, Problem> {
    // Go's YAML reads 0644 as an octal number, and file modes are written like that.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let mut value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|e| document(path, "YAML", e.to_string()))?;
    apply_all(&mut value, operations)?;
    serde_saphyr::to_string_with_options(
        &sorted(value),
        serde_saphyr::ser_options! { compact_list_indent: true },
    )
    .map_err(|e| document(path, "YAML", e.to_string()))
}

/// The keys of every map in order, as Go writes them.
fn sorted(value: Value) -> Value {
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

fn apply_all(value: &mut Value, operations: &[PatchOperation]) -> Result<(), Problem> {
    for (index, PatchOperation { sub_path, operator, value: new }) in operations.iter().enumerate() {
        apply(value, index, sub_path, *operator, new.as_ref())?;
    }
    Ok(())
}

fn apply(
    document: &mut Value,
    index: usize,
    path: &str,
    operator: OverriderOperator,
    value: Option<&Value>,
) -> Result<(), Problem> {
    let pointer = PointerBuf::parse(path).map_err(|_| failed(index, path, "it is not a JSON pointer"))?;
    if pointer.is_root() && operator == OverriderOperator::Remove {
        return Err(failed(index, path, "the whole document cannot be removed"));
    }
    let value = value.cloned().unwrap_or_default();
    let operation = match operator {
        OverriderOperator::Add => json_patch::PatchOperation::Add(AddOperation { path: pointer, value }),
        OverriderOperator::Replace => {
            json_patch::PatchOperation::Replace(ReplaceOperation { path: pointer, value })
        }
        OverriderOperator::Remove => json_patch::PatchOperation::Remove(RemoveOperation { path: pointer }),
    };
    // The caller works on a copy, so nothing need be undone after a failure.
    json_patch::patch_unsafe(document, &[operation]).map_err(|e| failed(index, path, &e.kind.to_string()))
}

fn failed(index: usize, path: &str, reason: &str) -> Problem {
    Problem::Patch { index, path: path.into(), reason: reason.into() }
}

fn document(path: &str, format: &'static str, reason: String) -> Problem {
    Problem::Document { path: path.into(), format, reason }
}
