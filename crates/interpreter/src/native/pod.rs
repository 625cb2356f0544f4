//! One status of a Pod or a volume out of the members': the worst phase stands for all.

use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::{Map, Value, json};

fn phase(item: &AggregatedStatusItem) -> Option<&str> {
    item.status.as_ref()?.get("phase")?.as_str()
}

/// The first of `precedence` that some member is in.
fn worst<'a>(phases: &[&str], precedence: &[&'a str]) -> Option<&'a str> {
    precedence.iter().find(|phase| phases.contains(phase)).copied()
}

/// Readiness and state of all members' containers, one after the other. The API insists on the other
/// fields, which mean nothing across clusters.
fn containers(items: &[AggregatedStatusItem], field: &str) -> Vec<Value> {
    let statuses = items.iter().filter_map(|item| item.status.as_ref()?.get(field)?.as_array()).flatten();
    let merged = statuses.map(|status| {
        json!({
            "name": "", "image": "", "imageID": "", "restartCount": 0, "lastState": {},
            "ready": status.get("ready").and_then(Value::as_bool).unwrap_or(false),
            "state": status.get("state").cloned().unwrap_or_else(|| json!({})),
        })
    });
    merged.collect()
}

/// A member that has not reported yet counts as pending.
pub(super) fn aggregate(template: &mut Object, items: &[AggregatedStatusItem]) {
    let mut status = Map::new();
    for field in ["containerStatuses", "initContainerStatuses"] {
        let merged = containers(items, field);
        if !merged.is_empty() {
            status.insert(field.into(), merged.into());
        }
    }
    let phases: Vec<&str> = items
        .iter()
        .filter_map(|item| if item.status.is_some() { phase(item) } else { Some("Pending") })
        .collect();
    if let Some(phase) = worst(&phases, &["Failed", "Pending", "Running", "Succeeded"]) {
        status.insert("phase".into(), phase.into());
    }
    template.set("/status", status);
}

pub(super) fn aggregate_volume(template: &mut Object, items: &[AggregatedStatusItem]) {
    let phases: Vec<&str> = items.iter().filter_map(phase).collect();
    let mut status = Map::new();
    if let Some(phase) = worst(&phases, &["Failed", "Pending", "Available", "Bound", "Released"]) {
        status.insert("phase".into(), phase.into());
    }
    template.set("/status", status);
}

/// Bound everywhere is bound; a claim lost anywhere is lost.
pub(super) fn aggregate_volume_claim(template: &mut Object, items: &[AggregatedStatusItem]) {
    let mut merged = "Bound";
    for phase in items.iter().filter_map(phase) {
        if phase == "Lost" {
            merged = phase;
            break;
        }
        if phase != "Bound" {
            merged = phase;
        }
    }
    template.set("/status", json!({ "phase": merged }));
}
