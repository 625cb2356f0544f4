//! The containers of the kinds that have pods in them.

use api::policy::{AddOrRemove, CommandArgsOverrider};
use machinery::Object;
use serde_json::Value;

use crate::Problem;

/// The containers of an object and where they stand, for the kinds overrides know; none for other kinds. Init
/// containers and CronJobs are left alone, as Karmada does.
///
/// # Errors
/// [`Problem::Missing`] when what stands there is no list.
pub(crate) fn of(object: &mut Object) -> Result<Option<(&'static str, &mut Vec<Value>)>, Problem> {
    let Some(path) = path(object.kind()) else { return Ok(None) };
    match object.value_mut().pointer_mut(path) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(containers)) => Ok(Some((path, containers))),
        Some(_) => {
            let reason = "what is there is no list".into();
            Err(Problem::Missing { wanted: "list of containers", path: path.into(), reason })
        }
    }
}

/// Where a kind has its containers.
fn path(kind: &str) -> Option<&'static str> {
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
    let Some((path, containers)) = of(object)? else { return Ok(()) };
    for (index, container) in containers.iter_mut().enumerate() {
        let Some(container) = container.as_object_mut() else { continue };
        if container.get("name").and_then(Value::as_str) != Some(&overrider.container_name) {
            continue;
        }
        let list = container.entry(field).or_insert(Value::Null);
        if list.is_null() {
            *list = Value::Array(Vec::new());
        }
        let list = list.as_array_mut().ok_or_else(|| Problem::Missing {
            wanted: "list",
            path: format!("{path}/{index}/{field}"),
            reason: "what is there is no list".into(),
        })?;
        match overrider.operator {
            AddOrRemove::Add => list.extend(overrider.value.iter().map(|v| Value::from(v.as_str()))),
            AddOrRemove::Remove => {
                list.retain(|v| v.as_str().is_none_or(|v| !overrider.value.iter().any(|r| r == v)));
            }
        }
    }
    Ok(())
}
