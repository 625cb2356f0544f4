//! How many replicas of a workload wait in vain for a node.
//!
//! Upstream: [`replica.go`].
//!
//! [`replica.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/estimator/server/replica/replica.go

use jiff::{SignedDuration, Timestamp};
use machinery::Object;
use serde_json::Value;

/// The workload is of a kind whose pods are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kind({kind}) of workload({namespace}/{name}) is not supported")]
pub struct Unsupported {
    /// Kind of the workload.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Counts the pods of a Deployment's current template that have been unschedulable for longer than the
/// threshold; a negative threshold counts as none. Sets and pods of others may be among those given.
///
/// The current ReplicaSet is the one with the Deployment's pod template, the oldest of several. While there is
/// none, nothing waits.
///
/// # Errors
/// When the workload is no Deployment.
pub fn unschedulable_replicas<'a>(
    workload: &Object,
    replica_sets: impl IntoIterator<Item = &'a Object>,
    pods: impl IntoIterator<Item = &'a Object>,
    threshold: SignedDuration,
    now: Timestamp,
) -> Result<i64, Unsupported> {
    if workload.kind() != "Deployment" {
        return Err(Unsupported {
            kind: workload.kind().to_owned(),
            namespace: workload.namespace().to_owned(),
            name: workload.name().to_owned(),
        });
    }
    let template = template(workload);
    let current = replica_sets
        .into_iter()
        .filter(|set| is_owned_by(set, workload) && self::template(set) == template)
        .min_by_key(|set| (set.creation_timestamp(), set.name()));
    let Some(current) = current else { return Ok(0) };
    let threshold = threshold.max(SignedDuration::ZERO);
    let waits = |pod: &&Object| is_owned_by(pod, current) && is_unschedulable(pod, threshold, now);
    let count = pods.into_iter().filter(waits).count();
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

fn is_owned_by(object: &Object, owner: &Object) -> bool {
    object.namespace() == owner.namespace()
        && object.controller_owner().is_some_and(|reference| reference.uid == owner.uid())
}

/// The pod template without the hash that the Deployment's controller puts into its sets.
fn template(of: &Object) -> Value {
    let mut template = of.at("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    drop_empty(&mut template);
    template
}

/// Fields without content are as good as absent: not everybody writes them.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(drop_empty);
            fields.retain(|_, field| !is_empty(field));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_unschedulable(pod: &Object, threshold: SignedDuration, now: Timestamp) -> bool {
    let conditions = pod.at("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        let since = text("lastTransitionTime").parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
        text("type") == "PodScheduled"
            && text("status") == "False"
            && text("reason") == "Unschedulable"
            && since.checked_add(threshold).is_ok_and(|due| due < now)
    })
}

#[cfg(test)]
mod tests;
