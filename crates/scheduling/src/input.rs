//! What a decision is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use api::cluster::{ApiEnablement, Cluster};
use api::work::{ResourceBindingSpec, ResourceBindingStatus};
use estimation::{Capacity, Modeling, Table};
use machinery::hash::fnv1a_32;

use crate::filter::Plugins;
use crate::topology::Topology;

/// A member cluster, prepared once per change of its Cluster object so that every binding can be
/// compared with it cheaply.
#[derive(Debug, Clone)]
pub struct Member {
    name: Arc<str>,
    cluster: Cluster,
    /// Everything served, sorted.
    kinds: Vec<ServedKind>,
    /// Stands for the list of kinds: most clusters serve the same, and are asked only once then.
    kinds_mark: u64,
    capacity: Capacity,
}

impl Member {
    /// Prepares a cluster.
    pub fn new(cluster: Cluster) -> Self {
        let served = |e: &ApiEnablement| -> Vec<ServedKind> {
            e.resources.iter().map(|r| ServedKind::new(&e.group_version, &r.kind)).collect()
        };
        let mut kinds: Vec<ServedKind> = cluster.status.api_enablements.iter().flat_map(served).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kinds_mark = mark(&kinds);
        let capacity = Capacity::of(&cluster);
        Self { name: cluster.metadata.name.as_str().into(), kinds, kinds_mark, capacity, cluster }
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
        self.serves_kind(&ServedKind::new(api_version, kind))
    }

    pub(crate) fn serves_kind(&self, kind: &ServedKind) -> bool {
        self.kinds.binary_search(kind).is_ok()
    }
}

/// FNV-1a over all the texts, 64 bits wide so that two different lists do not meet.
fn mark(kinds: &[ServedKind]) -> u64 {
    let bytes = kinds.iter().flat_map(|kind| kind.text.bytes().chain(std::iter::once(0)));
    bytes.fold(0xcbf2_9ce4_8422_2325, |mark, byte| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A kind, to be looked up in every cluster: ordered by hash first, because comparing the texts of the
/// hundreds of kinds that a cluster serves takes longer than everything else about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServedKind {
    hash: u32,
    text: String,
}

impl ServedKind {
    pub(crate) fn new(api_version: &str, kind: &str) -> Self {
        let text = format!("{api_version} {kind}");
        Self { hash: fnv1a_32(text.as_bytes()), text }
    }
}

/// All member clusters at one time, by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    world: Arc<World>,
    /// Capacities by rank that stand in for the clusters' own, because something is on its way there;
    /// empty when nothing is.
    overlay: Arc<[Option<Arc<Capacity>>]>,
}

#[derive(Debug, Default)]
struct World {
    members: Vec<Arc<Member>>,
    /// The rest is worked out when it is first asked for: clusters change more often than some of it is
    /// needed.
    topology: OnceLock<Topology>,
    capacities: OnceLock<Table>,
    facts: OnceLock<Vec<Facts>>,
}

/// What every decision asks of every cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Mark of the list of kinds that the cluster serves.
    pub(crate) kinds_mark: u64,
    pub(crate) is_deleting: bool,
    pub(crate) has_taints: bool,
}

impl Snapshot {
    /// A snapshot of some clusters, in any order. Of namesakes the last one stays.
    pub fn new(members: impl IntoIterator<Item = Arc<Member>>) -> Self {
        let by_name: BTreeMap<Arc<str>, Arc<Member>> =
            members.into_iter().map(|m| (Arc::clone(m.name()), m)).collect();
        let world = World { members: by_name.into_values().collect(), ..World::default() };
        Self { world: Arc::new(world), overlay: Arc::default() }
    }

    /// The members in name order.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.world.members
    }

    /// One member.
    pub fn get(&self, name: &str) -> Option<&Arc<Member>> {
        self.rank(name).map(|rank| &self.members()[rank])
    }

    /// What a member has left, without what is on its way there.
    pub fn capacity(&self, name: &str) -> Option<&Capacity> {
        self.rank(name).map(|rank| self.capacity_of(rank))
    }

    pub(crate) fn capacity_of(&self, rank: usize) -> &Capacity {
        match self.overlay.get(rank) {
            Some(Some(capacity)) => capacity,
            Some(None) | None => self.members()[rank].capacity(),
        }
    }

    /// The same clusters with other capacities.
    pub(crate) fn overlaid(&self, overlay: Arc<[Option<Arc<Capacity>>]>) -> Self {
        Self { world: Arc::clone(&self.world), overlay }
    }

    /// Whether both show the same clusters at the same time.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.world, &other.world)
    }

    pub(crate) fn topology(&self) -> &Topology {
        self.world.topology.get_or_init(|| Topology::new(self.members()))
    }

    /// The clusters' own capacities; those of the overlay stand above them.
    pub(crate) fn capacities(&self) -> &Table {
        let capacities = || self.members().iter().map(|member| member.capacity());
        self.world.capacities.get_or_init(|| Table::new(capacities()))
    }

    pub(crate) fn has_overlay(&self, rank: usize) -> bool {
        matches!(self.overlay.get(rank), Some(Some(_)))
    }

    /// By rank.
    pub(crate) fn facts(&self) -> &[Facts] {
        let facts = |member: &Arc<Member>| Facts {
            kinds_mark: member.kinds_mark,
            is_deleting: member.cluster.metadata.is_deleting(),
            has_taints: !member.cluster.spec.taints.is_empty(),
        };
        self.world.facts.get_or_init(|| self.members().iter().map(facts).collect())
    }

    /// Place of a member in name order.
    pub(crate) fn rank(&self, name: &str) -> Option<usize> {
        self.members().binary_search_by(|m| m.name().as_ref().cmp(name)).ok()
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
