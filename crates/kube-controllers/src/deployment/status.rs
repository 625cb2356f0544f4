//! What a Deployment's status says about its ReplicaSets. Pure.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use machinery::Object;
use serde_json::{Map, Value, json};

use super::rollout::{Bounds, Plan};

/// A status, and when it must be looked at again.
#[derive(Debug, PartialEq)]
pub struct Wanted {
    /// The whole `status`.
    pub status: Value,
    /// When the progress deadline passes.
    pub wake_at: Option<Timestamp>,
}

/// Computes the status from the ReplicaSets as they were read, and the plan that was made.
pub fn decide(deployment: &Object, sets: &[Arc<Object>], plan: &Plan, now: Timestamp) -> Wanted {
    let bounds = Bounds::of(deployment);
    let sum =
        |field: &str| sets.iter().map(|s| s.i64_at(&format!("/status/{field}")).unwrap_or(0)).sum::<i64>();
    let wanted: i64 = sets.iter().map(|s| s.i64_at("/spec/replicas").unwrap_or(1)).sum();
    let new = sets.iter().find(|s| plan.new.as_deref() == Some(s.name()));
    let counts = Counts {
        replicas: sum("replicas"),
        updated: new.map_or(0, |s| s.i64_at("/status/replicas").unwrap_or(0)),
        ready: sum("readyReplicas"),
        available: sum("availableReplicas"),
    };
    let mut status = deployment.at("/status").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut put = |field: &str, count: i64| {
        if count == 0 {
            status.remove(field);
        } else {
            status.insert(field.into(), count.into());
        }
    };
    put("replicas", counts.replicas);
    put("updatedReplicas", counts.updated);
    put("readyReplicas", counts.ready);
    put("availableReplicas", counts.available);
    put("unavailableReplicas", (wanted - counts.available).max(0));
    put("observedGeneration", deployment.generation());
    let before = deployment.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut conditions: Vec<Value> = Vec::new();
    let available = if counts.available >= bounds.replicas - bounds.unavailable {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned())
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".to_owned())
    };
    conditions.push(condition(&before, "Available", &available, false, now));
    let (progress, touched, wake_at) = progress(deployment, bounds.replicas, &counts, plan, &before, now);
    conditions.push(condition(&before, "Progressing", &progress, touched, now));
    conditions.extend(
        before.iter().filter(|c| !matches!(c["type"].as_str(), Some("Available" | "Progressing"))).cloned(),
    );
    status.insert("conditions".into(), conditions.into());
    Wanted { status: Value::Object(status), wake_at }
}

struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

type Text = (&'static str, &'static str, String);

/// The Progressing condition, whether progress was just made, and when the deadline passes.
fn progress(
    deployment: &Object,
    replicas: i64,
    counts: &Counts,
    plan: &Plan,
    before: &[Value],
    now: Timestamp,
) -> (Text, bool, Option<Timestamp>) {
    let name = plan.new.as_deref().or(plan.create.as_ref().map(|n| n.object.name())).unwrap_or_default();
    if deployment.at("/spec/paused") == Some(&Value::Bool(true)) {
        return (("Unknown", "DeploymentPaused", "Deployment is paused".to_owned()), false, None);
    }
    let old = |field: &str| deployment.i64_at(&format!("/status/{field}")).unwrap_or(0);
    let known = before.iter().find(|c| c["type"] == "Progressing");
    let is_complete = plan.create.is_none()
        && plan.changes.iter().all(|c| c.replicas.is_none())
        && counts.updated == replicas
        && counts.replicas == replicas
        && counts.available == replicas;
    if is_complete {
        let text = format!("ReplicaSet {name:?} has successfully progressed.");
        let again =
            known.is_some_and(|c| c["reason"] == "NewReplicaSetAvailable" && c["message"] == text.as_str());
        return (("True", "NewReplicaSetAvailable", text), !again, None);
    }
    if plan.create.is_some() {
        return (("True", "NewReplicaSetCreated", format!("Created new replica set {name:?}")), true, None);
    }
    let moved = counts.updated > old("updatedReplicas")
        || (old("replicas") - old("updatedReplicas")) > (counts.replicas - counts.updated)
        || counts.ready > old("readyReplicas")
        || counts.available > old("availableReplicas");
    let was_done = known
        .is_none_or(|c| matches!(c["reason"].as_str(), Some("NewReplicaSetAvailable" | "DeploymentPaused")));
    if moved || was_done {
        let text = ("True", "ReplicaSetUpdated", format!("ReplicaSet {name:?} is progressing."));
        return (text, true, deadline(deployment, now));
    }
    let since = known
        .and_then(|c| c["lastUpdateTime"].as_str())
        .and_then(machinery::time::parse_rfc3339)
        .unwrap_or(now);
    let late_at = deadline(deployment, since);
    if late_at.is_some_and(|at| at <= now) {
        let text = format!("ReplicaSet {name:?} has timed out progressing.");
        return (("False", "ProgressDeadlineExceeded", text), false, None);
    }
    let kept = known.map_or_else(
        || ("True", "ReplicaSetUpdated", format!("ReplicaSet {name:?} is progressing.")),
        |c| {
            let reason = if c["reason"] == "NewReplicaSetCreated" {
                "NewReplicaSetCreated"
            } else {
                "ReplicaSetUpdated"
            };
            ("True", reason, c["message"].as_str().unwrap_or_default().to_owned())
        },
    );
    (kept, false, late_at)
}

fn deadline(deployment: &Object, since: Timestamp) -> Option<Timestamp> {
    let seconds = deployment.i64_at("/spec/progressDeadlineSeconds").unwrap_or(600);
    since.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// A condition that keeps its times while nothing about it changes.
fn condition(
    before: &[Value],
    ty: &str,
    (status, reason, message): &Text,
    touched: bool,
    now: Timestamp,
) -> Value {
    let now = machinery::time::rfc3339(now);
    let known = before.iter().find(|c| c["type"] == ty);
    let time = |field: &str, keep: bool| match known.and_then(|c| c[field].as_str()).filter(|_| keep) {
        Some(kept) => kept.to_owned(),
        None => now.clone(),
    };
    let same_status = known.is_some_and(|c| c["status"] == *status);
    let same = same_status
        && !touched
        && known.is_some_and(|c| c["reason"] == *reason && c["message"] == message.as_str());
    let mut condition = Map::new();
    condition.insert("type".into(), ty.into());
    condition.insert("status".into(), (*status).into());
    condition.insert("reason".into(), (*reason).into());
    condition.insert("message".into(), json!(message));
    condition.insert("lastUpdateTime".into(), time("lastUpdateTime", same).into());
    condition.insert("lastTransitionTime".into(), time("lastTransitionTime", same_status).into());
    Value::Object(condition)
}
