//! Sums up the members' counters in the template's status.
//!
//! A field nobody reports stays out; the status fields that are not summed stay as they are.

use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::Value;

/// Adds up a field over all items that have a status; an absent field counts 0.
pub(super) fn sum(items: &[AggregatedStatusItem], field: &str) -> i64 {
    let values = items.iter().filter_map(|item| item.status.as_ref()?.get(field)?.as_i64());
    values.fold(0, i64::saturating_add)
}

/// Sums up `always` fields, and writes `optional` fields when the sum is not 0 or the old one has to go.
fn set_sums(template: &mut Object, items: &[AggregatedStatusItem], always: &[&str], optional: &[&str]) {
    for field in always {
        template.set(&format!("/status/{field}"), sum(items, field));
    }
    for field in optional {
        let pointer = format!("/status/{field}");
        match sum(items, field) {
            0 => drop(template.remove(&pointer)),
            total => template.set(&pointer, total),
        }
    }
}

/// Whether a member reports about the template's latest specification.
fn is_current(item: &AggregatedStatusItem, template_generation: i64) -> bool {
    let Some(status) = &item.status else { return false };
    let number = |field: &str| status.get(field).and_then(Value::as_i64);
    let member_observed = number("observedGeneration").unwrap_or(0) >= number("generation").unwrap_or(0);
    member_observed && number("resourceTemplateGeneration").unwrap_or(0) >= template_generation
}

/// The template counts as observed once every member has observed it; until then the old value stays.
fn set_observed_generation(template: &mut Object, is_observed: bool) {
    let observed = if is_observed {
        template.generation()
    } else {
        template.i64_at("/status/observedGeneration").unwrap_or(0)
    };
    match observed {
        0 => drop(template.remove("/status/observedGeneration")),
        generation => template.set("/status/observedGeneration", generation),
    }
}

fn with_generation(template: &mut Object, items: &[AggregatedStatusItem]) {
    let generation = template.generation();
    let observed = items.iter().all(|item| is_current(item, generation));
    set_observed_generation(template, observed);
}

pub(super) fn deployment(template: &mut Object, items: &[AggregatedStatusItem]) {
    let fields = ["replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"];
    set_sums(template, items, &[], &fields);
    with_generation(template, items);
}

pub(super) fn replica_set(template: &mut Object, items: &[AggregatedStatusItem]) {
    set_sums(template, items, &["replicas"], &["readyReplicas", "availableReplicas"]);
    with_generation(template, items);
}

/// The members' own `observedGeneration` is not reported for this kind, so that the generation of the
/// template a copy was made from decides alone.
pub(super) fn stateful_set(template: &mut Object, items: &[AggregatedStatusItem]) {
    let optional = ["readyReplicas", "currentReplicas", "updatedReplicas"];
    set_sums(template, items, &["replicas", "availableReplicas"], &optional);
    let generation = template.generation();
    let observed = items.iter().all(|item| {
        let made_from = item.status.as_ref().and_then(|s| s.get("resourceTemplateGeneration")?.as_i64());
        made_from.unwrap_or(0) >= generation
    });
    set_observed_generation(template, observed);
}

pub(super) fn daemon_set(template: &mut Object, items: &[AggregatedStatusItem]) {
    let always = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
    let optional = ["updatedNumberScheduled", "numberAvailable", "numberUnavailable"];
    set_sums(template, items, &always, &optional);
    with_generation(template, items);
}

/// A disrupted pod's name alone may exist in several members.
pub(super) fn disruption_budget(template: &mut Object, items: &[AggregatedStatusItem]) {
    let always = ["disruptionsAllowed", "expectedPods", "desiredHealthy", "currentHealthy"];
    set_sums(template, items, &always, &[]);
    let mut disrupted = serde_json::Map::new();
    for item in items {
        let pods = item.status.as_ref().and_then(|s| s.get("disruptedPods")?.as_object());
        for (pod, since) in pods.into_iter().flatten() {
            disrupted.insert(format!("{}/{pod}", item.cluster_name), since.clone());
        }
    }
    if disrupted.is_empty() {
        template.remove("/status/disruptedPods");
    } else {
        template.set("/status/disruptedPods", disrupted);
    }
}

pub(super) fn autoscaler(template: &mut Object, items: &[AggregatedStatusItem]) {
    set_sums(template, items, &["desiredReplicas"], &["currentReplicas"]);
}
