//! How many replicas an object has, what one of them needs, and how to change the number.

use api::work::ReplicaRequirements;
use machinery::Object;
use machinery::pod;
use serde_json::{Map, Value};

use crate::{Error, Operation, Result};

/// Where an object keeps the specification of its pods.
const TEMPLATE_SPEC: &str = "/spec/template/spec";

pub(super) fn of_spec(object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
    let replicas = object.i64_at("/spec/replicas").unwrap_or(0);
    Ok((replicas, requirements(object, TEMPLATE_SPEC)?))
}

/// A Job never runs more pods at once than it still has completions to reach.
pub(super) fn of_job(object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
    let parallelism = object.i64_at("/spec/parallelism").unwrap_or(0);
    let completions = object.i64_at("/spec/completions").unwrap_or(parallelism);
    Ok((parallelism.min(completions), requirements(object, TEMPLATE_SPEC)?))
}

pub(super) fn of_pod(object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
    Ok((1, requirements(object, "/spec")?))
}

/// Only a field that is there is changed: its absence has a meaning of its own.
fn revise(object: &mut Object, pointer: &str, replicas: i64) {
    if object.at(pointer).is_some() {
        object.set(pointer, replicas);
    }
}

pub(super) fn revise_spec(object: &mut Object, replicas: i64) {
    revise(object, "/spec/replicas", replicas);
}

pub(super) fn revise_job(object: &mut Object, replicas: i64) {
    revise(object, "/spec/parallelism", replicas);
}

fn non_empty(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
    })
}

/// What binds a replica to certain nodes, in the wire form of a node claim.
fn node_claim(spec: &Value) -> Option<Value> {
    let affinity = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let parts = [
        ("nodeSelector", spec.get("nodeSelector")),
        ("tolerations", spec.get("tolerations")),
        ("hardNodeAffinity", spec.pointer(affinity)),
    ];
    let claim: Map<String, Value> = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), non_empty(value)?.clone())))
        .collect();
    (!claim.is_empty()).then(|| claim.into())
}

/// Whether a resource takes part in scheduling: the common ones and scalar resources (extended ones,
/// huge pages, attachable volumes).
fn counts(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "ephemeral-storage" | "pods")
        || resource.starts_with("hugepages-")
        || resource.starts_with("attachable-volumes-")
        || (resource.contains('/') && !resource.starts_with("requests.") && !is_native(resource))
}

fn is_native(resource: &str) -> bool {
    resource
        .split_once('/')
        .is_some_and(|(prefix, _)| prefix == "kubernetes.io" || prefix.ends_with(".kubernetes.io"))
}

/// What one replica needs, or nothing when it makes no demands.
fn requirements(object: &Object, pointer: &str) -> Result<Option<ReplicaRequirements>> {
    let Some(spec) = object.at(pointer) else { return Ok(None) };
    let requests: Map<String, Value> = pod::requests(spec)
        .into_iter()
        .filter(|(resource, quantity)| counts(resource) && !quantity.is_zero())
        .map(|(resource, quantity)| (resource, quantity.to_string().into()))
        .collect();
    let mut found = Map::new();
    if let Some(claim) = node_claim(spec) {
        found.insert("nodeClaim".into(), claim);
    }
    if !requests.is_empty() {
        found.insert("resourceRequest".into(), requests.into());
    }
    if found.is_empty() {
        return Ok(None);
    }
    let fail = |error: serde_json::Error| Error::new(Operation::InterpretReplica, object, error.to_string());
    serde_json::from_value(found.into()).map(Some).map_err(fail)
}
