//! What a pod and a pod template have in common.

pub(crate) mod default;
pub(crate) mod qos;
pub(crate) mod validate;

use serde_json::Value;

use crate::fields::Read;

/// Names of the containers, joined by commas, as wide tables show them.
pub(crate) fn container_names(pod_spec: &Value) -> String {
    joined(pod_spec, "name")
}

/// Images of the containers, joined by commas.
pub(crate) fn container_images(pod_spec: &Value) -> String {
    joined(pod_spec, "image")
}

fn joined(pod_spec: &Value, field: &str) -> String {
    let texts: Vec<&str> = pod_spec.list("containers").iter().map(|c| c.text(field)).collect();
    texts.join(",")
}
