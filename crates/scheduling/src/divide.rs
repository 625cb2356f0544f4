//! Assigning replicas to the selected clusters.
//!
//! ```text
//! Duplicated     every cluster gets all replicas
//! StaticWeight   by the weights of the policy, all replicas anew each time
//! DynamicWeight  by what is free in each cluster, sticking to what is assigned already
//! Aggregated     like DynamicWeight, over as few clusters as hold the replicas
//! ```
//!
//! The sticky strategies add to the previous result when the workload grows, shrink it in proportion
//! when it shrinks, keep it when nothing changed, and forget it only for a fresh start.
//! Upstream: [`division_algorithm.go`].
//!
//! [`division_algorithm.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/scheduler/core/division_algorithm.go

use std::cmp::Reverse;

use serde::Serialize;

use crate::error::Error;
use crate::webster::{self, Party, Ties};

/// A cluster that may receive replicas, by its rank: its place in the snapshot, which is sorted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Place in the snapshot; a lower rank is an earlier name.
    pub(crate) rank: u32,
    /// Sum of the score plugins.
    pub(crate) score: i64,
    /// 0 for the primary affinity, then the overflow affinities in order.
    pub(crate) tier: u32,
    /// How many more replicas fit.
    pub(crate) allocatable: i64,
    /// Replicas the previous result gave it; nothing when it was not part of it.
    pub(crate) assigned: Option<i64>,
}

impl Candidate {
    /// How many replicas it can hold, those it has included.
    pub(crate) fn available(&self) -> i64 {
        self.allocatable.saturating_add(self.assigned.unwrap_or(0))
    }

    /// Order of preference: tier, score, room, name.
    pub(crate) fn preference(&self) -> (u32, Reverse<i64>, Reverse<i64>, u32) {
        (self.tier, Reverse(self.score), Reverse(self.available()), self.rank)
    }
}

/// How replicas are assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Strategy {
    /// Every cluster gets all replicas.
    Duplicated,
    /// Divided by the weights of the policy.
    StaticWeight,
    /// Divided by what is free.
    DynamicWeight,
    /// Divided over as few clusters as possible.
    Aggregated,
}

impl Strategy {
    /// Whether the strategy looks at what is free and at the previous result.
    pub(crate) fn is_dynamic(self) -> bool {
        matches!(self, Self::DynamicWeight | Self::Aggregated)
    }

    /// The strategy's name in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicated => "Duplicated",
            Self::StaticWeight => "StaticWeight",
            Self::DynamicWeight => "DynamicWeight",
            Self::Aggregated => "Aggregated",
        }
    }
}

/// Replicas for one cluster, by rank.
pub(crate) type Share = (u32, i64);

/// What is to be divided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) strategy: Strategy,
    pub(crate) replicas: i64,
    /// Whether the previous result is to be forgotten.
    pub(crate) fresh: bool,
    pub(crate) ties: Ties,
}

/// How one division went, by rank.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// The tier of overflow affinities it was for.
    pub(crate) tier: Option<u32>,
    pub(crate) mode: Mode,
    /// How many replicas were to be handed out.
    pub(crate) replicas: i64,
    /// How many the clusters can take, when that mattered.
    pub(crate) room: Option<i64>,
    /// Who took part and what they got; empty when the room did not suffice.
    pub(crate) parties: Vec<Party>,
    /// What was kept of the previous result.
    pub(crate) kept: Vec<Share>,
}

/// What a division started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Nothing: this strategy always divides everything.
    Anew,
    /// The previous result, to which replicas are added.
    Up,
    /// The previous result, which is shrunk in proportion.
    Down,
    /// The previous result, which is kept.
    Unchanged,
    /// Nothing, because a fresh start was asked for.
    Fresh,
}

/// Divides the job over the selected clusters. `weights` holds the static weights by rank, 0 when no rule of
/// the policy speaks of a cluster. `previous` holds the previous result in its own order.
pub(crate) fn divide(
    job: Job,
    selected: &[Candidate],
    previous: &[u32],
    weights: &[i64],
    told: &mut Vec<Told>,
) -> Result<Vec<Share>, Error> {
    match job.strategy {
        Strategy::Duplicated => Ok(selected.iter().map(|c| (c.rank, job.replicas)).collect()),
        Strategy::StaticWeight => Ok(by_static_weight(job, selected, weights, told)),
        Strategy::DynamicWeight | Strategy::Aggregated => by_room(job, selected, previous, told),
    }
}

/// Fills the tiers of overflow affinities in order: each takes what it can hold of what is left.
pub(crate) fn divide_in_tiers(
    job: Job,
    selected: &[Candidate],
    previous: &[u32],
    told: &mut Vec<Told>,
) -> Result<Vec<Share>, Error> {
    let mut left = job.replicas;
    let mut shares = Vec::new();
    let mut tiers: Vec<u32> = selected.iter().map(|c| c.tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    for tier in tiers {
        if left <= 0 {
            break;
        }
        let members: Vec<Candidate> = selected.iter().filter(|c| c.tier == tier).copied().collect();
        let replicas = left.min(sum(members.iter().map(Candidate::available)));
        let first = told.len();
        shares.extend(by_room(Job { replicas, ..job }, &members, previous, told)?);
        told[first..].iter_mut().for_each(|told| told.tier = Some(tier));
        left -= replicas;
    }
    if left > 0 { Err(Error::not_enough(job.replicas - left)) } else { Ok(shares) }
}

fn sum(numbers: impl Iterator<Item = i64>) -> i64 {
    numbers.fold(0, i64::saturating_add)
}

fn by_static_weight(job: Job, selected: &[Candidate], weights: &[i64], told: &mut Vec<Told>) -> Vec<Share> {
    let weight = |rank: u32| weights.get(rank as usize).copied().unwrap_or(0);
    let mut parties: Vec<Party> = selected
        .iter()
        .map(|c| Party { rank: c.rank, votes: weight(c.rank), seats: 0 })
        .filter(|p| p.votes > 0)
        .collect();
    if parties.is_empty() {
        parties = selected.iter().map(|c| Party { rank: c.rank, votes: 1, seats: 0 }).collect();
    }
    webster::divide(job.replicas, &mut parties, job.ties);
    let shares = shares(&parties);
    let (tier, replicas) = (None, job.replicas);
    told.push(Told { tier, mode: Mode::Anew, replicas, room: None, parties, kept: Vec::new() });
    shares
}

fn by_room(
    job: Job,
    selected: &[Candidate],
    previous: &[u32],
    told: &mut Vec<Told>,
) -> Result<Vec<Share>, Error> {
    let kept = kept(selected, previous);
    let assigned = sum(kept.iter().map(|(_, replicas)| *replicas));
    if job.fresh {
        let room = selected.iter().map(|c| (c.rank, c.available())).collect();
        return spread(job, Mode::Fresh, job.replicas, room, &[], told)
            .map_err(|e| e.within("failed to do fresh scale"));
    }
    if assigned > job.replicas {
        return spread(job, Mode::Down, job.replicas, kept, &[], told)
            .map_err(|e| e.within("failed to scale down"));
    }
    if assigned < job.replicas {
        let room = selected.iter().map(|c| (c.rank, c.allocatable)).collect();
        return spread(job, Mode::Up, job.replicas - assigned, room, &kept, told)
            .map_err(|e| e.within("failed to scale up"));
    }
    let kept_by = kept.clone();
    told.push(Told {
        tier: None,
        mode: Mode::Unchanged,
        replicas: 0,
        room: None,
        parties: Vec::new(),
        kept: kept_by,
    });
    Ok(kept)
}

/// The part of the previous result that is still selected, in its own order.
fn kept(selected: &[Candidate], previous: &[u32]) -> Vec<Share> {
    let mut assigned: Vec<Share> = selected.iter().filter_map(|c| Some((c.rank, c.assigned?))).collect();
    assigned.sort_unstable();
    previous.iter().filter_map(|rank| Some((*rank, replicas_of(&assigned, *rank)?))).collect()
}

/// Replicas of a cluster in shares sorted by rank.
fn replicas_of(sorted: &[Share], rank: u32) -> Option<i64> {
    sorted.binary_search_by_key(&rank, |share| share.0).ok().map(|at| sorted[at].1)
}

/// Divides `replicas` by room and adds `kept` to the outcome.
fn spread(
    job: Job,
    mode: Mode,
    replicas: i64,
    mut room: Vec<Share>,
    kept: &[Share],
    told: &mut Vec<Told>,
) -> Result<Vec<Share>, Error> {
    let total = sum(room.iter().map(|(_, free)| *free));
    let mut tell = |parties| {
        told.push(Told { tier: None, mode, replicas, room: Some(total), parties, kept: kept.to_vec() });
    };
    if total < replicas {
        tell(Vec::new());
        return Err(Error::not_enough(total));
    }
    if job.strategy == Strategy::Aggregated {
        room = fewest(room, kept, replicas);
    }
    let mut parties: Vec<Party> =
        room.into_iter().map(|(rank, free)| Party { rank, votes: free, seats: 0 }).collect();
    webster::divide(replicas, &mut parties, job.ties);
    let shares = shares(&parties);
    tell(parties);
    Ok(merge(shares, kept))
}

/// The shortest run of clusters that holds the replicas: those in use already before others, the
/// roomiest first within both.
fn fewest(mut room: Vec<Share>, kept: &[Share], replicas: i64) -> Vec<Share> {
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let in_use = |rank: u32| replicas_of(&kept, rank).is_some_and(|replicas| replicas > 0);
    room.sort_by_cached_key(|&(rank, free)| (!in_use(rank), Reverse(free), rank));
    let mut held: i64 = 0;
    let enough = room.iter().position(|(_, free)| {
        held = held.saturating_add(*free);
        held >= replicas
    });
    room.truncate(enough.map_or(room.len(), |last| last + 1));
    room
}

/// Adds up two results: the new one in its order, then what only the previous one has, by name.
fn merge(mut shares: Vec<Share>, kept: &[Share]) -> Vec<Share> {
    let divided = shares.len();
    for &(rank, replicas) in kept {
        match shares[..divided].binary_search_by_key(&rank, |s| s.0) {
            Ok(at) => shares[at].1 += replicas,
            Err(_) => shares.push((rank, replicas)),
        }
    }
    shares[divided..].sort_unstable();
    shares
}

fn shares(parties: &[Party]) -> Vec<Share> {
    parties.iter().map(|p| (p.rank, p.seats)).collect()
}
