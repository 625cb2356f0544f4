//! Selecting clusters by spread constraints.
//!
//! Upstream: [`pkg/scheduler/core/spreadconstraint`].
//!
//! [`pkg/scheduler/core/spreadconstraint`]: https://github.com/karmada-io/karmada/tree/master/pkg/scheduler/core/spreadconstraint

use crate::divide::{Candidate, Strategy};
use crate::error::Error;
use crate::regions::{self, Bounds, Group};
use crate::trace::Region;

/// `minGroups` and `maxGroups` of a constraint; an absent bound is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

/// The spread constraints of a placement, the last one of each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spread {
    pub(crate) cluster: Option<Limits>,
    pub(crate) region: Option<Limits>,
    /// Whether other fields or labels are named; they cannot be selected by.
    pub(crate) other: bool,
}

impl Spread {
    fn is_empty(&self) -> bool {
        self.cluster.is_none() && self.region.is_none() && !self.other
    }
}

/// What is to be selected for.
pub(crate) struct Wanted {
    pub(crate) spread: Spread,
    pub(crate) strategy: Strategy,
    pub(crate) replicas: i64,
    /// Replicas (or sets) the selection has to hold together; nothing when room does not matter.
    pub(crate) room: Option<i64>,
}

/// Selects from candidates that stand in order of preference. `region_of` names a cluster's region, empty
/// for none.
pub(crate) fn select<'a>(
    wanted: &Wanted,
    candidates: Vec<Candidate>,
    region_of: &dyn Fn(u32) -> &'a str,
    told: &mut Vec<Region>,
) -> Result<Vec<Candidate>, Error> {
    if wanted.spread.is_empty() {
        return Ok(candidates);
    }
    match (wanted.spread.region, wanted.spread.cluster) {
        (Some(region), cluster) => {
            by_region(wanted, region, cluster.unwrap_or_default(), &candidates, region_of, told)
        }
        (None, Some(cluster)) => by_cluster(cluster, wanted.room, candidates),
        (None, None) => Err(Error::Other("just support cluster and region spread constraint".to_owned())),
    }
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn by_cluster(
    limits: Limits,
    room: Option<i64>,
    mut candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, Error> {
    if candidates.len() < count(limits.min) {
        return Err(Error::Other(
            "the number of feasible clusters is less than spreadConstraint.MinGroups".to_owned(),
        ));
    }
    let wanted = candidates.len().min(count(limits.max));
    if let Some(room) = room {
        let (chosen, rest) = candidates.split_at_mut(wanted);
        exchange_for_room(chosen, rest, room);
        if !holds(chosen, room) || chosen.is_empty() {
            return Err(Error::Other(format!("no enough resource when selecting {wanted} clusters")));
        }
    }
    candidates.truncate(wanted);
    Ok(candidates)
}

fn holds(chosen: &[Candidate], room: i64) -> bool {
    chosen.iter().map(Candidate::available).fold(0, i64::saturating_add) >= room
}

/// While the chosen cannot hold the replicas: exchange the least preferred of them for the roomiest of
/// the rest, if that has more room.
fn exchange_for_room(chosen: &mut [Candidate], rest: &mut [Candidate], room: i64) {
    for last in (0..chosen.len()).rev() {
        if holds(chosen, room) {
            return;
        }
        // The first of the roomiest, as the order of preference has it.
        let Some(roomiest) = (0..rest.len()).rev().max_by_key(|&i| rest[i].available()) else { return };
        if rest[roomiest].available() > chosen[last].available() {
            std::mem::swap(&mut chosen[last], &mut rest[roomiest]);
        }
    }
}

fn by_region<'a>(
    wanted: &Wanted,
    region: Limits,
    cluster: Limits,
    candidates: &[Candidate],
    region_of: &dyn Fn(u32) -> &'a str,
    told: &mut Vec<Region>,
) -> Result<Vec<Candidate>, Error> {
    let members = group(candidates, region_of);
    if members.len() < count(region.min) {
        return Err(Error::Other(
            "the number of feasible region is less than spreadConstraint.MinGroups".to_owned(),
        ));
    }
    let groups: Vec<Group<'_>> = members
        .iter()
        .map(|(name, clusters)| Group {
            name,
            clusters: clusters.len() as i64,
            score: score(wanted, region, cluster, clusters),
        })
        .collect();
    let bounds = Bounds { groups_min: region.min, groups_max: region.max, clusters_min: cluster.min };
    let chosen = regions::choose(&groups, bounds);
    told.extend(groups.iter().enumerate().map(|(i, g)| Region {
        name: g.name.to_owned(),
        clusters: g.clusters,
        score: g.score,
        chosen: chosen.contains(&i),
    }));
    if chosen.is_empty() {
        return Err(Error::Other(
            "the number of clusters is less than the cluster spreadConstraint.MinGroups".to_owned(),
        ));
    }
    let mut selected: Vec<Candidate> = chosen.iter().map(|&i| members[i].1[0]).collect();
    let mut rest: Vec<Candidate> = chosen.iter().flat_map(|&i| members[i].1[1..].iter().copied()).collect();
    rest.sort_unstable_by_key(Candidate::preference);
    // Without a cluster constraint the bound is 0: one cluster per region, as upstream.
    let more = (selected.len() + rest.len()).min(count(cluster.max)).saturating_sub(selected.len());
    selected.extend(rest.into_iter().take(more));
    Ok(selected)
}

/// Regions by name, each with its candidates in order of preference. Clusters without a region are out.
fn group<'a>(candidates: &[Candidate], region_of: &dyn Fn(u32) -> &'a str) -> Vec<(&'a str, Vec<Candidate>)> {
    let mut groups: Vec<(&str, Vec<Candidate>)> = Vec::new();
    for candidate in candidates {
        let region = region_of(candidate.rank);
        if region.is_empty() {
            continue;
        }
        match groups.binary_search_by_key(&region, |g| g.0) {
            Ok(at) => groups[at].1.push(*candidate),
            Err(at) => groups.insert(at, (region, vec![*candidate])),
        }
    }
    groups
}

/// Weight of the replicas against the clusters' own scores, which are at most a few hundred.
const SCORE_UNIT: i64 = 1000;

/// How good a region is: first how many replicas it can serve, then how good its clusters are.
fn score(wanted: &Wanted, region: Limits, cluster: Limits, clusters: &[Candidate]) -> i64 {
    if wanted.strategy == Strategy::Duplicated {
        return score_for_copies(wanted.replicas, clusters);
    }
    let groups = region.min.max(1);
    let target = wanted.replicas / groups + i64::from(wanted.replicas % groups > 0);
    let needed = region.min.max(cluster.min);
    let (mut used, mut room, mut scores) = (0_i64, 0_i64, 0_i64);
    for candidate in clusters {
        used += 1;
        room = room.saturating_add(candidate.available());
        scores += candidate.score;
        if used >= needed && room >= target {
            break;
        }
    }
    if room < target {
        room.saturating_mul(SCORE_UNIT).saturating_add(scores / clusters.len() as i64)
    } else {
        target.saturating_mul(SCORE_UNIT).saturating_add(scores / used)
    }
}

/// Every cluster gets all replicas: what counts is in how many clusters they fit.
fn score_for_copies(replicas: i64, clusters: &[Candidate]) -> i64 {
    let fitting = clusters.iter().filter(|c| c.available() >= replicas);
    let (count, scores) = fitting.fold((0, 0), |(count, scores), c| (count + 1, scores + c.score));
    if count == 0 { 0 } else { count * SCORE_UNIT + scores / count }
}
