//! The containers of the kinds that have pods in them.

use api::policy::{AddOrRemove, CommandArgsOverrider};
use machinery::Object;
use serde_json::Value;

use crate::Problem;

/// The containers of an object, for the kinds overrides know; none for other kinds. Init containers and
/// CronJobs are left alone, as Karmada does.
pub(crate) fn containers_mut(object: &mut Object) -> impl Iterator<Item = (usize, &mut Value)> {
    let path = containers_path(object.kind());
    path.and_then(|path| object.value_mut().pointer_mut(path))
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .enumerate()
}

/// Where a kind has its containers.
pub(crate) fn containers_path(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some("/spec/containers"),
        "ReplicaSet" | "Deployment" | "DaemonSet" | "StatefulSet" | "Job" => {
            Some("/spec/template/spec/containers")
        }
        _ => None,
    }
}

/// Adds strings to the end of `command` or `args`, or removes all equal ones. A list that was not there is
/// there afterwards.
pub(crate) fn edit_list(
    object: &mut Object,
    field: &'static str,
    overrider: &CommandArgsOverrider,
) -> Result<(), Problem> {
    let path = containers_path(object.kind()).unwrap_or_default();
    for (index, container) in containers_mut(object) {
        if container.get("name").and_then(Value::as_str) != Some(&overrider.container_name) {
            continue;
        }
        let missing = || Problem::Missing { wanted: "list", path: format!("{path}/{index}/{field}") };
        let map = container.as_object_mut().ok_or_else(missing)?;
        let list = map.entry(field).or_insert(Value::Null);
        if list.is_null() {
            *list = Value::Array(Vec::new());
        }
        let list = list.as_array_mut().ok_or_else(missing)?;
        match overrider.operator {
            AddOrRemove::Add => list.extend(overrider.value.iter().map(|v| Value::from(v.as_str()))),
            AddOrRemove::Remove => {
                list.retain(|v| v.as_str().is_none_or(|v| !overrider.value.iter().any(|r| r == v)));
            }
        }
    }
    Ok(())
}
