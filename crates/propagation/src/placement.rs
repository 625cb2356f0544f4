//! Where a binding's copies are, where they should be, and which of them go.

use std::collections::BTreeSet;

use api::policy::PurgeMode;
use api::work::{ResourceBindingSpec, TargetCluster};

/// A cluster that gets a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name of the cluster.
    pub cluster: String,
    /// Its share of the replicas.
    pub replicas: i32,
}

/// Which Works go and which clusters get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Clusters whose Works are deleted.
    pub orphans: BTreeSet<String>,
    /// Where Works should be, with their share of replicas; nothing when copies have to go first.
    pub targets: Option<Vec<Target>>,
}

/// The clusters in which a binding has, or may keep, a copy: scheduled ones, those of bindings that need
/// it, and those that are being evicted gently.
pub fn existing_clusters(spec: &ResourceBindingSpec) -> BTreeSet<&str> {
    let own = spec.clusters.iter();
    let required = spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters);
    let evicted = spec
        .graceful_eviction_tasks
        .iter()
        .filter(|task| task.purge_mode != Some(PurgeMode::Directly))
        .map(|task| task.from_cluster.as_str());
    own.chain(required).map(|c| c.name.as_str()).chain(evicted).collect()
}

/// Where a copy should be made or kept up to date: scheduled clusters first, then those of bindings that
/// need it. A cluster's own share comes before what others say of it.
pub fn targets(spec: &ResourceBindingSpec) -> Vec<Target> {
    let mut seen = BTreeSet::new();
    let required = spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters);
    let all = spec.clusters.iter().chain(required);
    all.filter(|c| seen.insert(c.name.as_str()))
        .map(|TargetCluster { name, replicas, .. }| Target { cluster: name.clone(), replicas: *replicas })
        .collect()
}

/// Decides which Works go and where Works should be, from the clusters in which there are Works.
///
/// A cluster that is purged directly has to be empty before others are filled.
pub fn decide(spec: &ResourceBindingSpec, work_clusters: &BTreeSet<String>) -> Decision {
    let existing = existing_clusters(spec);
    let orphans: BTreeSet<String> =
        work_clusters.iter().filter(|c| !existing.contains(c.as_str())).cloned().collect();
    let must_go = spec
        .graceful_eviction_tasks
        .iter()
        .filter(|task| task.purge_mode == Some(PurgeMode::Directly))
        .any(|task| work_clusters.contains(&task.from_cluster));
    Decision { orphans, targets: (!must_go).then(|| targets(spec)) }
}
