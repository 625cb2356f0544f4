//! Whether an object does its work.

use machinery::Object;
use serde_json::Value;

fn number(object: &Object, pointer: &str) -> i64 {
    object.i64_at(pointer).unwrap_or(0)
}

fn is_observed(object: &Object) -> bool {
    number(object, "/status/observedGeneration") == object.generation()
}

/// Also the rule for StatefulSets: the latest specification is observed, rolled out and available.
pub(super) fn deployment(object: &Object) -> bool {
    let updated = number(object, "/status/updatedReplicas");
    is_observed(object)
        && object.i64_at("/spec/replicas").is_none_or(|wanted| updated >= wanted)
        && number(object, "/status/availableReplicas") >= updated
}

pub(super) fn replica_set(object: &Object) -> bool {
    let available = number(object, "/status/availableReplicas");
    is_observed(object) && object.i64_at("/spec/replicas").is_none_or(|wanted| available >= wanted)
}

pub(super) fn daemon_set(object: &Object) -> bool {
    let updated = number(object, "/status/updatedNumberScheduled");
    is_observed(object)
        && updated >= number(object, "/status/desiredNumberScheduled")
        && number(object, "/status/numberAvailable") >= updated
}

/// A load balancer works once it has an address.
pub(super) fn load_balancer(object: &Object) -> bool {
    let entries = object.at("/status/loadBalancer/ingress").and_then(Value::as_array);
    let has_text = |entry: &Value, key: &str| {
        entry.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    };
    entries.into_iter().flatten().any(|entry| has_text(entry, "ip") || has_text(entry, "hostname"))
}

pub(super) fn service(object: &Object) -> bool {
    object.str_at("/spec/type") != Some("LoadBalancer") || load_balancer(object)
}

pub(super) fn volume_claim(object: &Object) -> bool {
    object.str_at("/status/phase") == Some("Bound")
}

pub(super) fn pod(object: &Object) -> bool {
    match object.str_at("/status/phase") {
        Some("Succeeded") => true,
        Some("Running") => {
            let conditions = object.at("/status/conditions").and_then(Value::as_array);
            conditions.into_iter().flatten().any(|condition| {
                condition.get("type").and_then(Value::as_str) == Some("Ready")
                    && condition.get("status").and_then(Value::as_str) == Some("True")
            })
        }
        _ => false,
    }
}

pub(super) fn disruption_budget(object: &Object) -> bool {
    number(object, "/status/currentHealthy") >= number(object, "/status/desiredHealthy")
}
