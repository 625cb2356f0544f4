//! The decision as the scheduler would make it now.

use std::collections::{BTreeMap, BTreeSet};

use api::names::annotations;
use api::policy::Placement;
use api::work::{Binding, ResourceBindingStatus, TargetCluster};
use scheduling::{Attempt, Error, Input, Reason, Refusal, Snapshot, needs_scheduling, schedule};

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
    let features = facts::features(binding);
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
        as_recorded: outcome.failure.is_none() && outcome.clusters == recorded,
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
        features: facts::features(binding),
        peers: peers.as_ref(),
        estimate: None,
        after_step: None,
    });
    let (clusters, failure) = match &outcome.result {
        Ok(clusters) => (placed(clusters), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let remedies =
        failure.map(|error| remedies(error, outcome.trace.attempts.last(), binding)).unwrap_or_default();
    Outcome {
        clusters,
        failure: failure.map(ToString::to_string),
        as_recorded: false,
        remedies,
        trace: outcome.trace,
    }
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

/// What would lead to another outcome, by the reasons of refusal; the reason of most clusters first.
fn remedies(error: &Error, attempt: Option<&Attempt>, binding: &Binding) -> Vec<String> {
    if let Error::Unschedulable(_) = error {
        return vec!["free room in the clusters, ask for less per replica, or allow more clusters".into()];
    }
    let Some(attempt) = attempt else { return Vec::new() };
    let mut by_reason: BTreeMap<String, (BTreeSet<&str>, &Refusal)> = BTreeMap::new();
    for (cluster, refusal) in &attempt.refused {
        by_reason.entry(refusal.to_string()).or_insert_with(|| (BTreeSet::new(), refusal)).0.insert(cluster);
    }
    let mut all: Vec<(BTreeSet<&str>, &Refusal)> = by_reason.into_values().collect();
    all.sort_by_key(|(clusters, _)| std::cmp::Reverse(clusters.len()));
    all.into_iter().filter_map(|(clusters, refusal)| remedy(refusal, &some(&clusters), binding)).collect()
}

/// The first names of a set.
fn some(names: &BTreeSet<&str>) -> String {
    let first: Vec<&str> = names.iter().copied().take(3).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn remedy(refusal: &Refusal, clusters: &str, binding: &Binding) -> Option<String> {
    let resource = &binding.spec.resource;
    Some(match refusal {
        Refusal::Deleting => return None,
        Refusal::NoApi => {
            format!("serve {} {} in {clusters}", resource.api_version, resource.kind)
        }
        Refusal::Taint(taint) => {
            format!(
                "tolerate the taint {taint} in the policy's clusterTolerations, or take it off {clusters}"
            )
        }
        Refusal::Affinity => format!("widen the policy's cluster affinity to include {clusters}"),
        Refusal::NoProperty(property) => format!("set spec.{property} of cluster {clusters}"),
        Refusal::Evicting => format!("wait until the eviction from {clusters} has ended"),
        Refusal::ApartFromGroup => {
            format!("place the other workloads of the affinity group in {clusters} as well")
        }
        Refusal::TogetherWithGroup => {
            format!("move the other workloads of the anti-affinity group away from {clusters}")
        }
    })
}
