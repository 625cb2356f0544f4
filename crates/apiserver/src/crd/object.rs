//! The rules of CustomResourceDefinition objects that need their schemas read.

use machinery::{Cause, Object};
use schema::structural;
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The version objects are stored as.
pub(crate) fn storage_version(definition: &Object) -> Option<String> {
    let versions = definition.at("/spec/versions")?.as_array()?;
    versions.iter().find(|v| v.get("storage") == Some(&Value::Bool(true))).map(|v| text(v, "name").to_owned())
}

/// Everything wrong with the schemas of a definition.
pub(crate) fn schema_problems(definition: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let versions = definition.at("/spec/versions").and_then(Value::as_array);
    let versions = versions.map(Vec::as_slice).unwrap_or_default();
    let schemas = || versions.iter().map(|v| v.pointer("/schema/openAPIV3Schema"));
    // One schema for all versions is shown under its old, common name.
    let common = schemas().all(|s| s.is_some() && s == schemas().next().flatten());
    for (at, schema) in schemas().enumerate().take(if common { 1 } else { usize::MAX }) {
        let path = if common {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("spec.versions[{at}].schema.openAPIV3Schema")
        };
        match schema.filter(|s| s.is_object()).map(|s| structural::parse(s, &path)) {
            None => {}
            Some(Err(found)) => causes.extend(found),
            Some(Ok(parsed)) if structural::has_cel_rules(&parsed) => causes.push(Cause::forbidden(
                path,
                "x-kubernetes-validations (CEL rules) are not supported by this server; leave them out",
            )),
            Some(Ok(_)) => {}
        }
    }
    causes
}

/// Status of a condition.
pub(crate) fn condition<'a>(definition: &'a Object, ty: &str) -> Option<&'a str> {
    let conditions = definition.at("/status/conditions")?.as_array()?;
    conditions.iter().find(|c| text(c, "type") == ty).map(|c| text(c, "status"))
}
