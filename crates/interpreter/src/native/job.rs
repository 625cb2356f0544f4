//! One Job status out of the members': a Job is complete when it is complete everywhere.

use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::{Map, Value, json};

use super::aggregate::sum;

/// The condition of a type, when it is True.
fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find(|condition| {
        condition.get("type").and_then(Value::as_str) == Some(kind)
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

/// How a Job ended: the first of its conditions that ends one.
fn end(status: &Value) -> Option<&str> {
    let conditions = status.get("conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find_map(|condition| {
        let kind = condition.get("type").and_then(Value::as_str);
        let is_true = condition.get("status").and_then(Value::as_str) == Some("True");
        kind.filter(|kind| is_true && matches!(*kind, "Complete" | "Failed"))
    })
}

fn time<'a>(status: &'a Value, field: &str) -> Option<&'a str> {
    status.get(field).and_then(Value::as_str)
}

/// A condition of the template. Its times are the latest of the members', so that the same reports give
/// the same status whenever they are summed up.
fn merged(kind: &str, reason: &str, message: &str, statuses: &[&Value]) -> Value {
    let members = || statuses.iter().filter_map(|status| condition(status, kind));
    let mut merged = json!({ "type": kind, "status": "True", "reason": reason, "message": message });
    for field in ["lastProbeTime", "lastTransitionTime"] {
        if let Some(latest) = members().filter_map(|member| time(member, field)).max() {
            merged[field] = latest.into();
        }
    }
    merged
}

/// A finished template is left alone: the statuses of Jobs the members have cleaned up since would
/// otherwise make it unfinished again.
pub(super) fn aggregate(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let old = template.at("/status").cloned().unwrap_or_default();
    if end(&old).is_some() {
        return Ok(());
    }
    let statuses: Vec<&Value> = items.iter().filter_map(|item| item.status.as_ref()).collect();
    let mut status = Map::new();
    for field in ["active", "succeeded", "failed"] {
        match sum(items, field)? {
            0 => {}
            total => drop(status.insert(field.into(), total.into())),
        }
    }
    let is_complete = |status: &&Value| end(status) == Some("Complete");
    let all_complete = !items.is_empty() && statuses.len() == items.len() && statuses.iter().all(is_complete);
    let failed: Vec<&str> = items
        .iter()
        .filter(|item| item.status.as_ref().is_some_and(|s| end(s) == Some("Failed")))
        .map(|item| item.cluster_name.as_str())
        .collect();
    let mut conditions = Vec::new();
    if !failed.is_empty() {
        let message = format!("Job executed failed in member clusters {}", failed.join(","));
        conditions.push(merged("Failed", "JobFailed", &message, &statuses));
    }
    if all_complete {
        if statuses.iter().all(|s| condition(s, "SuccessCriteriaMet").is_some()) {
            let message = "Job completed";
            conditions.push(merged("SuccessCriteriaMet", "CompletionsReached", message, &statuses));
        }
        conditions.push(merged("Complete", "Completed", "Job completed", &statuses));
    }
    if !conditions.is_empty() {
        status.insert("conditions".into(), conditions.into());
    }
    let starts: Vec<&str> = statuses.iter().filter_map(|s| time(s, "startTime")).collect();
    let start = time(&old, "startTime")
        .or_else(|| starts.iter().min().copied().filter(|_| starts.len() == items.len()));
    if let Some(start) = start {
        status.insert("startTime".into(), start.into());
    }
    let ends: Vec<&str> = statuses.iter().filter_map(|s| time(s, "completionTime")).collect();
    if let Some(end) = ends.iter().max().filter(|_| ends.len() == items.len()) {
        status.insert("completionTime".into(), (*end).into());
    }
    template.set("/status", status);
    Ok(())
}

pub(super) fn aggregate_cron_job(
    template: &mut Object,
    items: &[AggregatedStatusItem],
) -> Result<(), String> {
    let statuses = || items.iter().filter_map(|item| item.status.as_ref());
    let mut status = Map::new();
    let active: Vec<Value> =
        statuses().filter_map(|s| s.get("active")?.as_array()).flatten().cloned().collect();
    if !active.is_empty() {
        status.insert("active".into(), active.into());
    }
    for field in ["lastScheduleTime", "lastSuccessfulTime"] {
        if let Some(latest) = statuses().filter_map(|s| time(s, field)).max() {
            status.insert(field.into(), latest.into());
        }
    }
    template.set("/status", status);
    Ok(())
}
