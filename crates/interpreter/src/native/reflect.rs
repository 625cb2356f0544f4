//! The part of a member object's status that is worth carrying to the control plane.
//!
//! Fields the API leaves out when zero are left out here too; fields it always writes are always
//! written, so that the result reads like the status of the kind itself.

use api::names::annotations::TEMPLATE_GENERATION;
use machinery::Object;
use serde_json::{Map, Value};

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) => false,
    }
}

/// Copies `always` (0 when absent) and the non-zero ones of `optional`.
fn select(status: &Value, always: &[&str], optional: &[&str]) -> Map<String, Value> {
    let mut selected = Map::new();
    for field in always {
        let value = status.get(field).filter(|v| !v.is_null()).cloned();
        selected.insert((*field).into(), value.unwrap_or_else(|| 0.into()));
    }
    for field in optional {
        if let Some(value) = status.get(field).filter(|v| !is_zero(v)) {
            selected.insert((*field).into(), value.clone());
        }
    }
    selected
}

/// Adds the member's generation and the template's, by which the aggregation knows whether a status is
/// about the latest specification. A copy without a numeric annotation simply has none.
fn with_generations(object: &Object, mut status: Map<String, Value>) -> Option<Value> {
    if object.generation() != 0 {
        status.insert("generation".into(), object.generation().into());
    }
    let template = object.annotation(TEMPLATE_GENERATION).and_then(|text| text.parse::<i64>().ok());
    if let Some(generation) = template.filter(|generation| *generation != 0) {
        status.insert("resourceTemplateGeneration".into(), generation.into());
    }
    Some(status.into()).filter(|status| !is_zero(status))
}

pub(super) fn whole(_object: &Object, status: &Value) -> Option<Value> {
    Some(status.clone())
}

pub(super) fn deployment(object: &Object, status: &Value) -> Option<Value> {
    let fields = [
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "observedGeneration",
    ];
    with_generations(object, select(status, &[], &fields))
}

pub(super) fn replica_set(object: &Object, status: &Value) -> Option<Value> {
    let optional = ["readyReplicas", "availableReplicas", "observedGeneration"];
    with_generations(object, select(status, &["replicas"], &optional))
}

/// Karmada leaves `observedGeneration` out for this kind, and so do we.
pub(super) fn stateful_set(object: &Object, status: &Value) -> Option<Value> {
    let optional = ["currentReplicas", "readyReplicas", "updatedReplicas"];
    with_generations(object, select(status, &["replicas", "availableReplicas"], &optional))
}

pub(super) fn daemon_set(object: &Object, status: &Value) -> Option<Value> {
    let always = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
    let optional = ["numberAvailable", "updatedNumberScheduled", "numberUnavailable", "observedGeneration"];
    with_generations(object, select(status, &always, &optional))
}

pub(super) fn job(_object: &Object, status: &Value) -> Option<Value> {
    let fields = ["active", "succeeded", "failed", "conditions", "startTime", "completionTime"];
    Some(select(status, &[], &fields).into())
}

pub(super) fn service(object: &Object, status: &Value) -> Option<Value> {
    if object.str_at("/spec/type") != Some("LoadBalancer") {
        return None;
    }
    let balancer = status.get("loadBalancer").cloned().unwrap_or_else(|| Map::new().into());
    Some(Map::from_iter([("loadBalancer".to_owned(), balancer)]).into())
}

pub(super) fn disruption_budget(_object: &Object, status: &Value) -> Option<Value> {
    let always = ["disruptionsAllowed", "expectedPods", "desiredHealthy", "currentHealthy"];
    Some(select(status, &always, &["disruptedPods"]).into())
}

pub(super) fn autoscaler(_object: &Object, status: &Value) -> Option<Value> {
    Some(select(status, &["desiredReplicas"], &["currentReplicas"]).into())
}
