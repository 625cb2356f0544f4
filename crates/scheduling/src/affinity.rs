//! Which clusters a placement speaks of, and in which order they are filled.

use api::policy::{ClusterAffinity, ClusterAffinityTerm, StaticClusterWeight};
use matching::{Affinity, cluster_matches};

use crate::input::{Member, Snapshot};

/// A set of clusters by rank, one bit each.
#[derive(Debug, Clone, Default)]
pub(crate) struct RankSet(Vec<u64>);

impl RankSet {
    pub(crate) fn of<'a>(snapshot: &Snapshot, names: impl IntoIterator<Item = &'a String>) -> Self {
        let mut set = Self(vec![0; snapshot.members().len().div_ceil(64)]);
        for rank in names.into_iter().filter_map(|name| snapshot.rank(name)) {
            set.0[rank / 64] |= 1 << (rank % 64);
        }
        set
    }

    pub(crate) fn has(&self, rank: u32) -> bool {
        self.0.get(rank as usize / 64).is_some_and(|word| word & (1 << (rank % 64)) != 0)
    }

    pub(crate) fn retain(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }
}

/// An affinity whose lists of names have been looked up: long lists cost no more per cluster than short
/// ones.
#[derive(Debug, Clone)]
struct Prepared<'a> {
    /// Labels and fields.
    conditions: Affinity<'a>,
    names: Option<RankSet>,
    exclude: Option<RankSet>,
}

impl<'a> Prepared<'a> {
    fn new(affinity: Affinity<'a>, snapshot: &Snapshot) -> Self {
        let set = |names: &[String]| (!names.is_empty()).then(|| RankSet::of(snapshot, names));
        Self {
            names: set(affinity.cluster_names),
            exclude: set(affinity.exclude),
            conditions: Affinity { cluster_names: &[], exclude: &[], ..affinity },
        }
    }

    fn matches(&self, rank: u32, member: &Member) -> bool {
        self.names.as_ref().is_none_or(|names| names.has(rank))
            && !self.exclude.as_ref().is_some_and(|exclude| exclude.has(rank))
            && cluster_matches(self.conditions, member.cluster())
    }
}

/// Which clusters a scheduling attempt may look at.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    primary: Option<Prepared<'a>>,
    overflow: Vec<Prepared<'a>>,
}

/// Tier of a cluster that no affinity selects; only seen when the affinity filter is switched off.
const NO_TIER: u32 = 1000;

impl<'a> Scope<'a> {
    /// The clusters of a plain affinity, or all of them.
    pub(crate) fn plain(affinity: Option<&'a ClusterAffinity>, snapshot: &Snapshot) -> Self {
        Self { primary: affinity.map(|a| Prepared::new(a.into(), snapshot)), overflow: Vec::new() }
    }

    /// The clusters of a named term; its overflow terms count for workloads only.
    pub(crate) fn term(term: &'a ClusterAffinityTerm, workload: bool, snapshot: &Snapshot) -> Self {
        let overflow = if workload { term.overflow_affinities.as_slice() } else { &[] };
        Self {
            primary: Some(Prepared::new(term.into(), snapshot)),
            overflow: overflow.iter().map(|term| Prepared::new(term.into(), snapshot)).collect(),
        }
    }

    /// Whether there are tiers to fill one after the other.
    pub(crate) fn has_tiers(&self) -> bool {
        !self.overflow.is_empty()
    }

    /// 0 for clusters of the primary affinity, `i + 1` for those of the i-th overflow term, nothing for
    /// clusters that none of them selects.
    pub(crate) fn tier(&self, rank: u32, member: &Member) -> Option<u32> {
        let Some(primary) = &self.primary else { return Some(0) };
        if primary.matches(rank, member) {
            return Some(0);
        }
        (1..).zip(&self.overflow).find(|(_, term)| term.matches(rank, member)).map(|(tier, _)| tier)
    }

    /// The tier to sort by.
    pub(crate) fn order(&self, rank: u32, member: &Member) -> u32 {
        self.tier(rank, member).unwrap_or(NO_TIER)
    }
}

/// The static weight of every cluster by rank: the highest of the rules that speak of it, 0 without one.
pub(crate) fn static_weights(rules: &[StaticClusterWeight], snapshot: &Snapshot) -> Vec<i64> {
    let members = snapshot.members();
    let mut weights = vec![0; members.len()];
    for rule in rules {
        let names = &rule.target_cluster.cluster_names;
        let conditions = Affinity { cluster_names: &[], ..Affinity::from(&rule.target_cluster) };
        let mut raise = |rank: usize| {
            if weights[rank] < rule.weight && cluster_matches(conditions, members[rank].cluster()) {
                weights[rank] = rule.weight;
            }
        };
        if names.is_empty() {
            (0..members.len()).for_each(raise);
        } else {
            names.iter().filter_map(|name| snapshot.rank(name)).for_each(&mut raise);
        }
    }
    weights
}
