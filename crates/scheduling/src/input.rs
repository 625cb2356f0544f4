//! What a decision is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::cluster::Cluster;
use api::work::{ResourceBindingSpec, ResourceBindingStatus};
use estimation::{Capacity, Modeling};

use crate::filter::Plugins;

/// A member cluster, prepared once per change of its Cluster object so that every binding can be
/// compared with it cheaply.
#[derive(Debug, Clone)]
pub struct Member {
    name: Arc<str>,
    cluster: Cluster,
    /// Group, version and kind of everything served, sorted.
    kinds: Vec<(String, String)>,
    capacity: Capacity,
}

impl Member {
    /// Prepares a cluster.
    pub fn new(cluster: Cluster) -> Self {
        let mut kinds: Vec<(String, String)> = cluster
            .status
            .api_enablements
            .iter()
            .flat_map(|e| e.resources.iter().map(|r| (e.group_version.clone(), r.kind.clone())))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self { name: cluster.metadata.name.as_str().into(), kinds, capacity: Capacity::of(&cluster), cluster }
    }

    /// Name of the cluster.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The Cluster object.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What the cluster has left.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Whether the cluster is known to serve a kind.
    pub fn serves(&self, api_version: &str, kind: &str) -> bool {
        self.kinds.binary_search_by(|(v, k)| (v.as_str(), k.as_str()).cmp(&(api_version, kind))).is_ok()
    }
}

/// All member clusters at one time, by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    members: Arc<[Arc<Member>]>,
}

impl Snapshot {
    /// A snapshot of some clusters, in any order. Of namesakes the last one stays.
    pub fn new(members: impl IntoIterator<Item = Arc<Member>>) -> Self {
        let by_name: BTreeMap<Arc<str>, Arc<Member>> =
            members.into_iter().map(|m| (Arc::clone(m.name()), m)).collect();
        Self { members: by_name.into_values().collect() }
    }

    /// The members in name order.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// One member.
    pub fn get(&self, name: &str) -> Option<&Arc<Member>> {
        self.rank(name).map(|rank| &self.members[rank])
    }

    /// Place of a member in name order.
    pub(crate) fn rank(&self, name: &str) -> Option<usize> {
        self.members.binary_search_by(|m| m.name().as_ref().cmp(name)).ok()
    }
}

impl FromIterator<Cluster> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Cluster>>(clusters: I) -> Self {
        Self::new(clusters.into_iter().map(|c| Arc::new(Member::new(c))))
    }
}

/// Switches of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Plugins in use (`--plugins`).
    pub plugins: Plugins,
    /// Whether resource models take part in estimates (gate `CustomizedClusterResourceModeling`).
    pub modeling: Modeling,
    /// Whether workloads with several components are placed as whole sets (gate
    /// `MultiplePodTemplatesScheduling`).
    pub components: bool,
    /// Whether selected clusters without replicas get the workload too
    /// (`--enable-empty-workload-propagation`).
    pub empty_workload_propagation: bool,
}

/// Where the other workloads of this one's groups are (gate `WorkloadAffinity`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// Per other workload of the affinity group that has clusters: its clusters.
    pub affinity: Vec<BTreeSet<String>>,
    /// Clusters of all other workloads of the anti-affinity group.
    pub anti_affinity: BTreeSet<String>,
}

/// How many more replicas (or sets) fit a member according to somebody who knows better than the
/// cluster's own report; nothing for no opinion.
pub type Estimate<'a> = &'a (dyn Fn(&Member) -> Option<i64> + Sync);

/// A step of the pipeline, under the name that metrics know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Refusing clusters.
    Filter,
    /// Estimating room and ordering candidates.
    Score,
    /// Choosing by spread constraints.
    Select,
    /// Assigning replicas.
    AssignReplicas,
}

impl Step {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Filter => "Filter",
            Self::Score => "Score",
            Self::Select => "Select",
            Self::AssignReplicas => "AssignReplicas",
        }
    }
}

/// Everything a decision is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What is to be scheduled, with its placement and its previous result.
    pub spec: &'a ResourceBindingSpec,
    /// When it was scheduled last and with which affinity term.
    pub status: &'a ResourceBindingStatus,
    /// The member clusters.
    pub snapshot: &'a Snapshot,
    /// Switches.
    pub features: Features,
    /// Where the other workloads of the groups are.
    pub peers: Option<&'a Peers>,
    /// Estimates besides the general one; the smallest counts.
    pub estimate: Option<Estimate<'a>>,
    /// Told when a step has ended, so that somebody with a clock can measure it.
    pub after_step: Option<&'a (dyn Fn(Step) + Sync)>,
}

impl Input<'_> {
    /// Whether a fresh start was asked for after the last result.
    pub fn is_fresh(&self) -> bool {
        is_fresh(self.spec, self.status)
    }
}

/// Whether `rescheduleTriggeredAt` is later than the last result.
pub(crate) fn is_fresh(spec: &ResourceBindingSpec, status: &ResourceBindingStatus) -> bool {
    match (spec.reschedule_triggered_at, status.last_scheduled_time) {
        (Some(asked), Some(scheduled)) => asked > scheduled,
        _ => false,
    }
}
