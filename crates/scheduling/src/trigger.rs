//! Whether a binding has to be scheduled (again).

use api::policy::{Placement, ReplicaSchedulingType};
use api::work::{ResourceBindingSpec, ResourceBindingStatus};

use crate::input::{Features, Snapshot, is_fresh};

/// Why a binding is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The placement is not the one that was applied last.
    PlacementChanged,
    /// Nobody knows which of the placement's affinity terms is in use.
    AffinityUnknown,
    /// The assigned replicas do not add up to the template's.
    ReplicasChanged,
    /// Somebody asked for a fresh start.
    RescheduleTriggered,
    /// There are no replicas to keep in place, or every cluster gets all of them: new clusters join in.
    AlwaysFollowsClusters,
    /// A cluster of the result is being removed.
    ClusterTerminating,
}

impl Reason {
    /// The kind of scheduling in metrics.
    pub fn schedule_type(self) -> &'static str {
        match self {
            Self::ReplicasChanged => "ScaleSchedule",
            Self::PlacementChanged
            | Self::AffinityUnknown
            | Self::RescheduleTriggered
            | Self::AlwaysFollowsClusters
            | Self::ClusterTerminating => "ReconcileSchedule",
        }
    }
}

/// Says why a binding has to be scheduled; nothing when its result still stands. `applied` is the
/// placement that was applied last, from the annotation, when it is there and can be read.
///
/// Upstream: [`doScheduleBinding`](https://github.com/karmada-io/karmada/blob/master/pkg/scheduler/scheduler.go).
pub fn needs_scheduling(
    spec: &ResourceBindingSpec,
    status: &ResourceBindingStatus,
    applied: Option<&Placement>,
    snapshot: &Snapshot,
    features: &Features,
) -> Option<Reason> {
    let placement = spec.placement.as_ref()?;
    let terminating = |name: &str| snapshot.get(name).is_some_and(|m| m.cluster().metadata.is_deleting());
    if applied.is_none_or(|applied| placement_changed(placement, applied, status)) {
        Some(Reason::PlacementChanged)
    } else if affinity_unknown(placement, status) {
        Some(Reason::AffinityUnknown)
    } else if replicas_changed(spec, placement, features) {
        Some(Reason::ReplicasChanged)
    } else if is_fresh(spec, status) {
        Some(Reason::RescheduleTriggered)
    } else if spec.replicas == 0 || placement.scheduling_type() == ReplicaSchedulingType::Duplicated {
        Some(Reason::AlwaysFollowsClusters)
    } else if spec.clusters.iter().any(|c| terminating(&c.name)) {
        Some(Reason::ClusterTerminating)
    } else {
        None
    }
}

/// Workload affinity is not looked at, as upstream. Of several affinity terms only the one in use
/// matters: terms may come and go around it.
fn placement_changed(placement: &Placement, applied: &Placement, status: &ResourceBindingStatus) -> bool {
    if placement == applied {
        return false;
    }
    if placement.cluster_affinity != applied.cluster_affinity
        || placement.cluster_tolerations != applied.cluster_tolerations
        || placement.spread_constraints != applied.spread_constraints
        || placement.replica_scheduling != applied.replica_scheduling
    {
        return true;
    }
    if placement.cluster_affinities == applied.cluster_affinities {
        return false;
    }
    let observed = &status.scheduler_observing_affinity_name;
    let term = |of: &Placement| of.cluster_affinities.iter().find(|t| t.affinity_name == *observed).cloned();
    match (term(placement), term(applied)) {
        (Some(now), Some(then)) => now != then,
        _ => true,
    }
}

/// The name of the term in use is written after the result; a crash in between loses it.
fn affinity_unknown(placement: &Placement, status: &ResourceBindingStatus) -> bool {
    let terms = &placement.cluster_affinities;
    let observed = &status.scheduler_observing_affinity_name;
    !terms.is_empty() && !terms.iter().any(|term| term.affinity_name == *observed)
}

fn replicas_changed(spec: &ResourceBindingSpec, placement: &Placement, features: &Features) -> bool {
    if placement.replica_scheduling.is_none() {
        return false;
    }
    if features.components && !spec.components.is_empty() && spec.clusters.is_empty() {
        return true;
    }
    match placement.scheduling_type() {
        ReplicaSchedulingType::Duplicated => spec.clusters.iter().any(|c| c.replicas != spec.replicas),
        ReplicaSchedulingType::Divided => spec.assigned_replicas() != i64::from(spec.replicas),
    }
}
