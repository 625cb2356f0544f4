//! Strips from an object what only means something in the cluster it was read from.
//!
//! The same pruning runs before a manifest enters a Work and before a member's copy is compared with
//! the manifest, so that what the member's own controllers write is never mistaken for drift.

use machinery::Object;
use serde_json::{Map, Value};

/// Metadata an API server or the member's controllers own.
const SERVER_METADATA: [&str; 10] = [
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
    "finalizers",
];

/// Labels the Job controller puts on a Job's pods under its control plane's uid.
const JOB_UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const JOB_NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

/// Removes what the cluster of origin wrote: server-side metadata, the status, and per kind what its
/// controllers generate.
pub fn prune(object: &mut Object) {
    let metadata = object.metadata_mut();
    for field in SERVER_METADATA {
        metadata.remove(field);
    }
    object.fields_mut().remove("status");
    match object.kind() {
        "Deployment" => {
            object.remove_annotation("deployment.kubernetes.io/revision");
            object.remove_annotation("deployment.kubernetes.io/revision-history");
        }
        "Job" => prune_job(object),
        "Secret" => prune_secret(object),
        "ServiceAccount" => prune_service_account(object),
        "Service" => prune_service(object),
        "PersistentVolumeClaim" => {
            object.remove_annotation("volume.kubernetes.io/selected-node");
        }
        _ => {}
    }
}

/// [`prune()`] plus what must not reach a member: a Job's time to live, since a member that cleans up a
/// finished Job would only be given it again.
pub fn prune_for_work(object: &mut Object) {
    prune(object);
    if object.kind() == "Job" {
        object.remove("/spec/ttlSecondsAfterFinished");
    }
}

/// Removes keys of the map at `pointer`, and the map itself when nothing is left.
fn remove_keys(object: &mut Object, pointer: &str, keys: impl IntoIterator<Item = &'static str>) {
    let Some(map) = object.value_mut().pointer_mut(pointer).and_then(Value::as_object_mut) else { return };
    let before = map.len();
    for key in keys {
        map.remove(key);
    }
    if map.is_empty() && before > 0 {
        object.remove(pointer);
    }
}

fn prune_job(object: &mut Object) {
    if object.at("/spec/manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    remove_keys(object, "/spec/selector/matchLabels", JOB_UID_LABELS);
    if object.at("/spec/selector").and_then(Value::as_object).is_some_and(Map::is_empty) {
        object.remove("/spec/selector");
    }
    remove_keys(object, "/spec/template/metadata/labels", JOB_UID_LABELS.into_iter().chain(JOB_NAME_LABELS));
}

fn prune_secret(object: &mut Object) {
    if object.str_at("/type") == Some("kubernetes.io/service-account-token") {
        object.remove_annotation("kubernetes.io/service-account.uid");
        object.remove("/data");
    }
}

fn prune_service_account(object: &mut Object) {
    let prefix = format!("{}-token-", object.name());
    let Some(secrets) = object.value_mut().get_mut("secrets").and_then(Value::as_array_mut) else { return };
    secrets.retain(|s| !s.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with(&prefix)));
    if secrets.is_empty() {
        object.remove("/secrets");
    }
}

fn prune_service(object: &mut Object) {
    if object.str_at("/spec/clusterIP") != Some("None") {
        object.remove("/spec/clusterIP");
        object.remove("/spec/clusterIPs");
    }
}
