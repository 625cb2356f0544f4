//! The decision as the scheduler would make it now.

use std::collections::BTreeMap;

use api::names::annotations;
use api::policy::Placement;
use api::work::{Binding, ResourceBindingStatus, TargetCluster};
use scheduling::explain::Attempt;
use scheduling::{Error, Hint, Input, Reason, Snapshot, needs_scheduling, schedule};

use super::explain::and;
use super::explanation::{Decision, Outcome, Placed};
use super::facts::{self, Facts};

/// Clusters and shares in the order of names.
pub(crate) fn placed(clusters: &[TargetCluster]) -> Vec<Placed> {
    let mut placed: Vec<Placed> =
        clusters.iter().map(|c| Placed { cluster: c.name.clone(), replicas: c.replicas }).collect();
    placed.sort();
    placed
}

/// The placement that was applied last.
pub(crate) fn applied_placement(binding: &Binding) -> Option<Placement> {
    serde_json::from_str(binding.metadata.annotation(annotations::APPLIED_PLACEMENT)?).ok()
}

/// Decides as the scheduler would; nothing for bindings that it does not schedule.
pub(crate) fn decision(facts: &Facts) -> Option<Decision> {
    let binding = facts.binding.as_ref()?;
    binding.spec.placement.as_ref()?;
    let snapshot: Snapshot = facts.clusters.iter().cloned().collect();
    let features = facts.features(binding);
    let applied = applied_placement(binding);
    let due = needs_scheduling(&binding.spec, &binding.status, applied.as_ref(), &snapshot, &features);
    let now = run(facts, binding, &snapshot);
    let fresh = (!binding.spec.clusters.is_empty()).then(|| {
        let mut anew = binding.clone();
        anew.spec.clusters.clear();
        anew.status = ResourceBindingStatus::default();
        run(facts, &anew, &snapshot)
    });
    let recorded = placed(&binding.spec.clusters);
    let compared = |outcome: Outcome| Outcome {
        as_recorded: outcome.keeps_recorded || outcome.clusters == recorded,
        ..outcome
    };
    Some(Decision { due: due.map(reason), now: compared(now), fresh: fresh.map(compared) })
}

fn run(facts: &Facts, binding: &Binding, snapshot: &Snapshot) -> Outcome {
    let peers = facts::peers(binding, &facts.neighbours);
    let outcome = schedule(&Input {
        spec: &binding.spec,
        status: &binding.status,
        snapshot,
        features: facts.features(binding),
        peers: peers.as_ref(),
        estimate: None,
        after_step: None,
    });
    let (clusters, failure) = match &outcome.result {
        Ok(clusters) => (placed(clusters), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let steps = outcome.trace.explain();
    let remedies = failure.and_then(|_| steps.attempts.last().map(remedies)).unwrap_or_default();
    let keeps_recorded = failure.is_some_and(|error| !matches!(error, Error::Fit { .. }));
    let failure = failure.map(ToString::to_string);
    Outcome { clusters, failure, keeps_recorded, as_recorded: false, remedies, steps }
}

fn reason(reason: Reason) -> String {
    match reason {
        Reason::PlacementChanged => "the placement has changed since the recorded decision",
        Reason::AffinityUnknown => "it is not recorded which affinity term is in use",
        Reason::ReplicasChanged => "the recorded replicas do not add up to the object's",
        Reason::RescheduleTriggered => "a fresh start was asked for",
        Reason::AlwaysFollowsClusters => "every cluster gets a full copy, so each change of a cluster counts",
        Reason::ClusterTerminating => "a recorded cluster is being removed",
    }
    .into()
}

/// What would lead to another outcome: what is nearest, or everything that stands in the way.
fn remedies(attempt: &Attempt) -> Vec<String> {
    let hint = |hint: &Hint| match hint {
        Hint::OneFilterAway { change, clusters, .. } => of_clusters(change, clusters),
        other => other.to_string(),
    };
    if !attempt.hints.is_empty() {
        return attempt.hints.iter().map(hint).collect();
    }
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for refused in &attempt.refused {
        if let Some(need) = &refused.needs {
            needs.entry(need).or_default().push(refused.cluster.clone());
        }
    }
    let mut needs: Vec<(&str, Vec<String>)> = needs.into_iter().collect();
    needs.sort_by_key(|(_, clusters)| std::cmp::Reverse(clusters.len()));
    needs.iter().map(|(need, clusters)| of_clusters(need, clusters)).collect()
}

/// How many clusters are named.
const NAMES_MAX: usize = 5;

fn of_clusters(change: &str, clusters: &[String]) -> String {
    let mut named: Vec<String> = clusters.iter().take(NAMES_MAX).cloned().collect();
    match clusters.len().saturating_sub(NAMES_MAX) {
        0 => {}
        more => named.push(format!("{more} more")),
    }
    format!("for {}: {change}", and(&named))
}
