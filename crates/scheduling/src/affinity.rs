//! Which clusters a placement speaks of, and in which order they are filled.

use api::cluster::Cluster;
use api::policy::{ClusterAffinity, ClusterAffinityTerm};
use matching::{Affinity, cluster_matches};

/// Which clusters a scheduling attempt may look at.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    primary: Option<Affinity<'a>>,
    overflow: Vec<Affinity<'a>>,
}

/// Tier of a cluster that no affinity selects; only seen when the affinity filter is switched off.
const NO_TIER: u32 = 1000;

impl<'a> Scope<'a> {
    /// The clusters of a plain affinity, or all of them.
    pub(crate) fn plain(affinity: Option<&'a ClusterAffinity>) -> Self {
        Self { primary: affinity.map(Affinity::from), overflow: Vec::new() }
    }

    /// The clusters of a named term; its overflow terms count for workloads only.
    pub(crate) fn term(term: &'a ClusterAffinityTerm, workload: bool) -> Self {
        let overflow = if workload { term.overflow_affinities.as_slice() } else { &[] };
        Self { primary: Some(term.into()), overflow: overflow.iter().map(Affinity::from).collect() }
    }

    /// Whether there are tiers to fill one after the other.
    pub(crate) fn has_tiers(&self) -> bool {
        !self.overflow.is_empty()
    }

    /// 0 for clusters of the primary affinity, `i + 1` for those of the i-th overflow term, nothing for
    /// clusters that none of them selects.
    pub(crate) fn tier(&self, cluster: &Cluster) -> Option<u32> {
        let Some(primary) = &self.primary else { return Some(0) };
        if cluster_matches(*primary, cluster) {
            return Some(0);
        }
        (1..).zip(&self.overflow).find(|(_, term)| cluster_matches(**term, cluster)).map(|(tier, _)| tier)
    }

    /// The tier to sort by.
    pub(crate) fn order(&self, cluster: &Cluster) -> u32 {
        self.tier(cluster).unwrap_or(NO_TIER)
    }
}
