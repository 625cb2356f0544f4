//! What should become of one binding. Pure: no I/O, no clock.
//!
//! Upstream: [`pkg/scheduler/scheduler.go`](https://github.com/karmada-io/karmada/blob/master/pkg/scheduler/scheduler.go).

use api::meta::{Condition, Time, condition, set_condition};
use api::names::{annotations, conditions, reasons};
use api::policy::Placement;
use api::work::{Binding, TargetCluster};
use scheduling::{
    Error, Estimate, Features, Input, Outcome, Peers, Reason, Snapshot, Step, Wanted, estimates_wanted,
    needs_scheduling, schedule,
};
use serde_json::{Value, json};

use crate::queue::Verdict;

/// What a decision is made from, besides the binding.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    /// The member clusters.
    pub(crate) snapshot: &'a Snapshot,
    /// Switches.
    pub(crate) features: Features,
    /// Where the other workloads of the groups are.
    pub(crate) peers: Option<&'a Peers>,
    /// What accurate estimators have answered.
    pub(crate) estimate: Option<Estimate<'a>>,
    /// Told when a step of the pipeline has ended.
    pub(crate) after_step: Option<&'a (dyn Fn(Step) + Sync)>,
}

impl<'a> World<'a> {
    /// Only member clusters.
    pub(crate) fn of(snapshot: &'a Snapshot, features: Features) -> Self {
        Self { snapshot, features, peers: None, estimate: None, after_step: None }
    }

    fn input(&self, binding: &'a Binding) -> Input<'a> {
        Input {
            spec: &binding.spec,
            status: &binding.status,
            snapshot: self.snapshot,
            features: self.features,
            peers: self.peers,
            estimate: self.estimate,
            after_step: self.after_step,
        }
    }
}

/// What became of a binding, in the terms of its `Scheduled` condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// A result was found, or the one it has still stands.
    Scheduled,
    /// No cluster fits. With several affinity terms this is tried again, as upstream.
    NoClusterFit { text: String, try_again: bool },
    /// There is not enough room.
    Unschedulable(String),
    /// The API server refused the result because a quota would be exceeded.
    QuotaExceeded(String),
    /// Anything else.
    Failed(String),
}

impl Settlement {
    /// What becomes of the binding's place in the queue.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Scheduled => Verdict::Settled,
            Self::NoClusterFit { try_again: false, .. } => Verdict::Unfit,
            Self::Unschedulable(_) => Verdict::Unschedulable,
            Self::NoClusterFit { .. } | Self::QuotaExceeded(_) | Self::Failed(_) => Verdict::Retry,
        }
    }

    /// Status and reason of the condition.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Scheduled => ("True", reasons::SUCCESS),
            Self::NoClusterFit { .. } => ("False", reasons::NO_CLUSTER_FIT),
            Self::Unschedulable(_) => ("False", reasons::UNSCHEDULABLE),
            Self::QuotaExceeded(_) => ("False", reasons::QUOTA_EXCEEDED),
            Self::Failed(_) => ("False", reasons::SCHEDULER_ERROR),
        }
    }
}

/// What should become of a binding, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    /// Why it was scheduled; nothing when its result still stands.
    pub(crate) reason: Option<Reason>,
    /// The patch that puts the result and the placement it came from into the binding; nothing when
    /// they are there already or must not be touched.
    pub(crate) patch: Option<Value>,
    /// What to say about it.
    pub(crate) settlement: Settlement,
    /// The affinity term in use from now on, when the placement has several and one worked.
    pub(crate) affinity: Option<String>,
    /// The result and how it came about; nothing when it was not scheduled.
    pub(crate) outcome: Option<Outcome>,
}

/// Which clusters' accurate estimators should be asked, and what, before [`decide`]; nothing when their answers
/// would not be looked at.
pub(crate) fn questions(binding: &Binding, world: &World<'_>) -> Option<Wanted> {
    needs(binding, applied_placement(binding).as_ref(), world)?;
    estimates_wanted(&world.input(binding))
}

fn needs(binding: &Binding, applied: Option<&Placement>, world: &World<'_>) -> Option<Reason> {
    needs_scheduling(&binding.spec, &binding.status, applied, world.snapshot, &world.features)
}

/// Decides. Nothing when the binding has no placement and so is not to be scheduled at all.
pub(crate) fn decide(binding: &Binding, world: &World<'_>) -> Option<Decision> {
    let placement = binding.spec.placement.as_ref()?;
    let applied = applied_placement(binding);
    let Some(reason) = needs(binding, applied.as_ref(), world) else {
        return Some(Decision {
            reason: None,
            patch: None,
            settlement: Settlement::Scheduled,
            affinity: None,
            outcome: None,
        });
    };
    let outcome = schedule(&world.input(binding));
    let clusters = clusters(&outcome);
    Some(Decision {
        reason: Some(reason),
        patch: clusters.and_then(|clusters| patch(binding, placement, applied.as_ref(), clusters)),
        settlement: settle(outcome.result.as_ref().err(), placement),
        affinity: outcome.affinity.clone(),
        outcome: Some(outcome),
    })
}

/// The clusters that the binding shall have from now on; nothing when it keeps those it has.
fn clusters(outcome: &Outcome) -> Option<&[TargetCluster]> {
    match &outcome.result {
        Ok(clusters) => Some(clusters),
        // Nothing fits any more: what is there has to go.
        Err(Error::Fit { .. }) => Some(&[]),
        Err(Error::Unschedulable(_) | Error::Other(_)) => None,
    }
}

fn settle(error: Option<&Error>, placement: &Placement) -> Settlement {
    match error {
        None => Settlement::Scheduled,
        Some(error @ Error::Fit { .. }) => Settlement::NoClusterFit {
            text: error.to_string(),
            try_again: !placement.cluster_affinities.is_empty(),
        },
        Some(Error::Unschedulable(text)) => Settlement::Unschedulable(text.clone()),
        Some(Error::Other(text)) => Settlement::Failed(text.clone()),
    }
}

/// The placement that was applied last. One that cannot be read is none: it will be replaced.
fn applied_placement(binding: &Binding) -> Option<Placement> {
    serde_json::from_str(binding.metadata.annotation(annotations::APPLIED_PLACEMENT)?).ok()
}

/// Names the version it was decided on: others write the clusters too, and an eviction must not be undone.
fn patch(
    binding: &Binding,
    placement: &Placement,
    applied: Option<&Placement>,
    clusters: &[TargetCluster],
) -> Option<Value> {
    let same_clusters = by_name(&binding.spec.clusters) == by_name(clusters);
    if same_clusters && applied == Some(placement) {
        return None;
    }
    let mut patch = json!({ "metadata": { "resourceVersion": binding.metadata.resource_version } });
    if applied != Some(placement) {
        let text = serde_json::to_string(placement).unwrap_or_default();
        patch["metadata"]["annotations"] = json!({ annotations::APPLIED_PLACEMENT: text });
    }
    if !same_clusters {
        patch["spec"] =
            json!({ "clusters": if clusters.is_empty() { Value::Null } else { json!(clusters) } });
    }
    Some(patch)
}

/// The order of clusters means nothing, and it changes with how full they are.
fn by_name(clusters: &[TargetCluster]) -> Vec<&TargetCluster> {
    let mut clusters: Vec<&TargetCluster> = clusters.iter().collect();
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    clusters
}

impl Decision {
    /// The patch that makes the status say what was decided; nothing when it says so already. `binding`
    /// is the binding after the result has been written.
    pub(crate) fn status_patch(&self, binding: &Binding, now: Time) -> Option<Value> {
        let mut status = serde_json::Map::new();
        let mut list = binding.status.conditions.clone();
        let condition = self.condition(&list, now);
        if set_condition(&mut list, condition) {
            status.insert("conditions".into(), json!(list));
        }
        if self.settlement == Settlement::Scheduled {
            if binding.status.scheduler_observed_generation != binding.metadata.generation {
                status.insert("schedulerObservedGeneration".into(), binding.metadata.generation.into());
            }
            let observed = &binding.status.scheduler_observing_affinity_name;
            if let Some(affinity) = self.affinity.as_ref().filter(|affinity| *affinity != observed) {
                status.insert("schedulerObservingAffinityName".into(), affinity.as_str().into());
            }
            if let Some(time) = self.scheduled_time(binding, !status.is_empty(), now) {
                status.insert("lastScheduledTime".into(), json!(time));
            }
        }
        if status.is_empty() {
            return None;
        }
        Some(json!({
            "metadata": { "resourceVersion": binding.metadata.resource_version },
            "status": status,
        }))
    }

    /// The time to write as that of the last result. Nothing when the last one still counts: a look
    /// that found nothing to do is no result. Never earlier than the request for a fresh start that this
    /// result answers, or it would be answered again and again.
    fn scheduled_time(&self, binding: &Binding, writes_status: bool, now: Time) -> Option<Time> {
        let asked = binding.spec.reschedule_triggered_at;
        let answered = match (asked, binding.status.last_scheduled_time) {
            (_, None) => return Some(asked.map_or(now, |asked| asked.max(now))),
            (Some(asked), Some(last)) => asked <= last,
            (None, Some(_)) => true,
        };
        let settled_anew = self.reason.is_some() && (self.patch.is_some() || writes_status);
        (!answered || settled_anew).then(|| asked.map_or(now, |asked| asked.max(now)))
    }

    /// The same decision, refused by the API server.
    pub(crate) fn refused(self, settlement: Settlement) -> Self {
        Self { patch: None, affinity: None, settlement, ..self }
    }

    /// The clusters that the binding shall have from now on; nothing when it keeps those it has.
    pub(crate) fn clusters(&self) -> Option<&[TargetCluster]> {
        clusters(self.outcome.as_ref()?)
    }

    fn condition(&self, present: &[Condition], now: Time) -> Condition {
        let (status, reason) = self.settlement.words();
        let standing = condition(present, conditions::SCHEDULED).filter(|c| {
            self.patch.is_none() && c.status == status && c.message.starts_with(message::SUCCESS)
        });
        Condition {
            type_: conditions::SCHEDULED.into(),
            status: status.into(),
            reason: reason.into(),
            // How a result came about is told when it is new. Looking again, with clusters a little fuller,
            // would tell it a little differently, and each time that would be a write.
            message: standing.map_or_else(|| message::condition(self), |c| c.message.clone()),
            last_transition_time: now,
            ..Condition::default()
        }
    }

    /// What to tell users, when there is something to tell: a result that was written, or a failure.
    pub(crate) fn message(&self) -> Option<String> {
        (self.patch.is_some() || self.settlement != Settlement::Scheduled).then(|| message::event(self))
    }
}

mod message;
#[cfg(test)]
mod tests;
