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

/// A member that has not reported yet counts as pending. Without members nothing is known.
pub(super) fn aggregate(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    if items.is_empty() {
        return Ok(());
    }
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
    Ok(())
}

pub(super) fn aggregate_volume(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let phases: Vec<&str> = items.iter().filter_map(phase).collect();
    let mut status = Map::new();
    if let Some(phase) = worst(&phases, &["Failed", "Pending", "Available", "Bound", "Released"]) {
        status.insert("phase".into(), phase.into());
    }
    template.set("/status", status);
    Ok(())
}

/// Bound everywhere is bound; a claim lost anywhere is lost; one that has no phase yet is not bound.
pub(super) fn aggregate_volume_claim(
    template: &mut Object,
    items: &[AggregatedStatusItem],
) -> Result<(), String> {
    let mut merged = "Bound";
    for item in items.iter().filter(|item| item.status.is_some()) {
        let phase = phase(item).unwrap_or_default();
        if phase == "Lost" {
            merged = phase;
            break;
        }
        if phase != "Bound" {
            merged = phase;
        }
    }
    let mut status = Map::new();
    if !merged.is_empty() {
        status.insert("phase".into(), merged.into());
    }
    template.set("/status", status);
    Ok(())
}
