//! Sums up the members' counters in the template's status.
//!
//! A field nobody reports stays out; the status fields that are not summed stay as they are.

use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::Value;

/// A whole number of a member's status; absent and null count 0.
fn number(item: &AggregatedStatusItem, field: &str) -> Result<i64, String> {
    match item.status.as_ref().and_then(|status| status.get(field)) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| {
            format!("the status of cluster {} has no whole number in {field}", item.cluster_name)
        }),
    }
}

/// Adds up a field over all items that have a status.
pub(super) fn sum(items: &[AggregatedStatusItem], field: &str) -> Result<i64, String> {
    items.iter().try_fold(0_i64, |sum, item| Ok(sum.saturating_add(number(item, field)?)))
}

/// The numbers of a status, to be written together or, when none is new, not at all.
struct Counters<'a> {
    template: &'a mut Object,
    items: &'a [AggregatedStatusItem],
    /// Name, new value, and whether the API writes it when it is 0.
    values: Vec<(&'static str, i64, bool)>,
}

impl<'a> Counters<'a> {
    /// Sums up `always` fields, which are written even when they are 0, and `optional` ones.
    fn sums(
        template: &'a mut Object,
        items: &'a [AggregatedStatusItem],
        always: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, String> {
        let mut values = Vec::with_capacity(always.len() + optional.len() + 1);
        for field in always {
            values.push((*field, sum(items, field)?, true));
        }
        for field in optional {
            values.push((*field, sum(items, field)?, false));
        }
        Ok(Self { template, items, values })
    }

    /// The template counts as observed once every member has observed it; until then the old value stays.
    fn with_generation(mut self, is_current: fn(&AggregatedStatusItem, i64) -> bool) -> Self {
        let generation = self.template.generation();
        let observed = if self.items.iter().all(|item| is_current(item, generation)) {
            generation
        } else {
            self.old("observedGeneration")
        };
        self.values.push(("observedGeneration", observed, false));
        self
    }

    fn old(&self, field: &str) -> i64 {
        let status = self.template.at("/status");
        status.and_then(|status| status.get(field)?.as_i64()).unwrap_or(0)
    }

    fn write(self) {
        if self.values.iter().all(|(field, value, _)| self.old(field) == *value) {
            return;
        }
        for (field, value, always) in self.values {
            let pointer = format!("/status/{field}");
            if value == 0 && !always {
                self.template.remove(&pointer);
            } else {
                self.template.set(&pointer, value);
            }
        }
    }
}

fn reported(item: &AggregatedStatusItem, field: &str) -> i64 {
    item.status.as_ref().and_then(|status| status.get(field)?.as_i64()).unwrap_or(0)
}

/// Whether a member reports about the template's latest specification, and has observed it.
fn is_current(item: &AggregatedStatusItem, template_generation: i64) -> bool {
    is_made_from(item, template_generation)
        && reported(item, "observedGeneration") >= reported(item, "generation")
}

/// Whether a member's copy was made from the template's latest specification.
fn is_made_from(item: &AggregatedStatusItem, template_generation: i64) -> bool {
    item.status.is_some() && reported(item, "resourceTemplateGeneration") >= template_generation
}

pub(super) fn deployment(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let fields = ["replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"];
    Counters::sums(template, items, &[], &fields)?.with_generation(is_current).write();
    Ok(())
}

pub(super) fn replica_set(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let optional = ["readyReplicas", "availableReplicas"];
    Counters::sums(template, items, &["replicas"], &optional)?.with_generation(is_current).write();
    Ok(())
}

/// The members' own `observedGeneration` is not reported for this kind, so that the generation of the
/// template a copy was made from decides alone. Karmada compares that with the member's generation.
pub(super) fn stateful_set(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let always = ["replicas", "availableReplicas"];
    let optional = ["readyReplicas", "currentReplicas", "updatedReplicas"];
    Counters::sums(template, items, &always, &optional)?.with_generation(is_made_from).write();
    Ok(())
}

pub(super) fn daemon_set(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let always = ["currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady"];
    let optional = ["updatedNumberScheduled", "numberAvailable", "numberUnavailable"];
    Counters::sums(template, items, &always, &optional)?.with_generation(is_current).write();
    Ok(())
}

/// A disrupted pod's name alone may exist in several members.
pub(super) fn disruption_budget(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    let always = ["disruptionsAllowed", "expectedPods", "desiredHealthy", "currentHealthy"];
    Counters::sums(template, items, &always, &[])?.write();
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
    Ok(())
}

pub(super) fn autoscaler(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    Counters::sums(template, items, &["desiredReplicas"], &["currentReplicas"])?.write();
    Ok(())
}
