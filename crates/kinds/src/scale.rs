//! The scale of a workload: one number behind one shape, `autoscaling/v1` Scale.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{labels_text, selector_text};
use crate::fields::Read;

/// The Scale of a deployment, replica set, stateful set or replication controller.
pub fn of_workload(workload: &Object) -> Object {
    let selector = workload.value().child(&["spec", "selector"]);
    let selector = if workload.kind() == "ReplicationController" {
        labels_text(selector)
    } else {
        selector_text(selector)
    };
    let replicas = workload.value().child(&["spec"]).int("replicas").unwrap_or(0);
    let current = workload.value().child(&["status"]).int("replicas").unwrap_or(0);
    build(workload, replicas, current, &selector)
}

/// A Scale from its numbers, for custom resources too. Zero replicas are left out of the spec.
pub fn build(parent: &Object, replicas: i64, current: i64, selector: &str) -> Object {
    let mut scale = Object::new("autoscaling/v1", "Scale", parent.namespace(), parent.name());
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = parent.metadata().and_then(|m| m.get(field)) {
            scale.metadata_mut().insert(field.into(), value.clone());
        }
    }
    scale.set("/spec", if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) });
    scale.set("/status", json!({"replicas": current}));
    if !selector.is_empty() {
        scale.set("/status/selector", selector);
    }
    scale
}

/// The replicas a Scale asks for.
pub fn replicas(scale: &Object) -> i64 {
    scale.value().child(&["spec"]).int("replicas").unwrap_or(0)
}

/// Everything wrong with a Scale.
pub fn validate(scale: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    crate::checks::non_negative(&mut causes, "spec.replicas", Some(replicas(scale)));
    causes
}

/// Puts the replicas of a Scale into its workload. A resource version in the Scale goes along, so that the
/// write fails when the workload has changed since.
pub fn apply_to_workload(workload: &mut Object, scale: &Object) {
    workload.set("/spec/replicas", replicas(scale));
    let version = scale.resource_version();
    if !version.is_empty() {
        workload.metadata_mut().insert("resourceVersion".into(), Value::from(version));
    }
}
