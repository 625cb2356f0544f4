//! Selecting clusters by spread constraints.
//!
//! ```text
//! provider ─▶ region ─▶ zone ─▶ cluster      the levels that are named, outermost first
//! ```
//!
//! # By cluster
//! The most preferred clusters, up to `maxGroups`. When replicas are divided and these have too little room,
//! the least preferred of them are exchanged for the roomiest of the others.
//!
//! # By topology
//! Of every level the best groups are chosen, from `minGroups` to `maxGroups` of them; each bound is meant for
//! the whole placement, as upstream means a spread by region and cluster. So with regions 2..2 and zones 3..4,
//! two regions are chosen that together have three zones, and then three or four of their zones, at least
//! one in each region. Of every chosen group of the innermost level the most preferred cluster is taken, and
//! then the most preferred others of these groups until the maximum of clusters; without a constraint on
//! clusters it stays at one per group. A spread by region (and cluster) gives upstream's results exactly;
//! upstream accepts spreads by zone and provider and then cannot decide them.
//!
//! A group is its name within its parents: zone `a` of two regions is two zones as soon as regions matter.
//! A cluster in several zones belongs to the group of each of them: it counts once among the clusters, serves
//! each of its zones that is chosen (no second cluster is taken for a zone that has one), and does not use
//! up the maximum for those of its zones that are not chosen.
//!
//! Upstream: [`pkg/scheduler/core/spreadconstraint`].
//!
//! [`pkg/scheduler/core/spreadconstraint`]: https://github.com/karmada-io/karmada/tree/master/pkg/scheduler/core/spreadconstraint

use api::policy::SpreadField;

use crate::divide::{Candidate, Strategy};
use crate::error::Error;
use crate::groups::{self, BELOW_MAX, Bounds, Budget, Group};
use crate::topology::Topology;

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
    pub(crate) provider: Option<Limits>,
    pub(crate) region: Option<Limits>,
    pub(crate) zone: Option<Limits>,
    /// Whether a label is named; nothing can be selected by it.
    pub(crate) label: bool,
}

impl Spread {
    fn levels(&self) -> Vec<(SpreadField, Limits)> {
        let levels = [
            (SpreadField::Provider, self.provider),
            (SpreadField::Region, self.region),
            (SpreadField::Zone, self.zone),
        ];
        levels.into_iter().filter_map(|(field, limits)| Some((field, limits?))).collect()
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

/// How one level went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Level {
    pub(crate) field: SpreadField,
    pub(crate) limits: Limits,
    pub(crate) groups: Vec<Compared>,
}

/// A group that was compared with others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compared {
    /// Its name, after those of its parents.
    pub(crate) name: String,
    pub(crate) clusters: i64,
    pub(crate) score: i64,
    /// How many groups of the next level lie in it.
    pub(crate) below: i64,
    pub(crate) chosen: bool,
}

/// What kept a selection from succeeding, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Too few groups of a field.
    Groups { field: SpreadField, found: i64, wanted: i64 },
    /// The clusters that may be selected together hold too little.
    Room { clusters: i64, found: i64, wanted: i64 },
    /// No choice of groups satisfies every constraint.
    Combination,
}

/// What is told about a selection.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Told {
    pub(crate) levels: Vec<Level>,
    pub(crate) shortage: Option<Shortage>,
}

/// Selects from candidates that stand in order of preference.
pub(crate) fn select(
    wanted: &Wanted,
    candidates: &[Candidate],
    topology: &Topology,
    told: &mut Told,
) -> Result<Vec<Candidate>, Error> {
    let levels = wanted.spread.levels();
    match wanted.spread.cluster {
        cluster if !levels.is_empty() => {
            let cluster = cluster.unwrap_or_default();
            let budget = Budget::default();
            ByTopology { wanted, levels, cluster, candidates, topology, budget, told }.select()
        }
        Some(limits) => by_cluster(limits, wanted.room, candidates, told),
        None if wanted.spread.label => Err(Error::Other(
            "just support cluster, zone, region and provider spread constraint, not spreadByLabel".to_owned(),
        )),
        None => Ok(candidates.to_vec()),
    }
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn by_cluster(
    limits: Limits,
    room: Option<i64>,
    candidates: &[Candidate],
    told: &mut Told,
) -> Result<Vec<Candidate>, Error> {
    let found = candidates.len() as i64;
    if candidates.len() < count(limits.min) {
        told.shortage = Some(Shortage::Groups { field: SpreadField::Cluster, found, wanted: limits.min });
        return Err(too_few("clusters"));
    }
    let wanted = candidates.len().min(count(limits.max));
    let Some(room) = room else { return Ok(candidates[..wanted].to_vec()) };
    if wanted > 0 && holds(&candidates[..wanted]) >= room {
        return Ok(candidates[..wanted].to_vec());
    }
    let mut candidates = candidates.to_vec();
    let (chosen, rest) = candidates.split_at_mut(wanted);
    exchange_for_room(chosen, rest, room);
    if holds(chosen) < room || chosen.is_empty() {
        told.shortage = Some(Shortage::Room { clusters: wanted as i64, found: holds(chosen), wanted: room });
        return Err(Error::Other(format!("no enough resource when selecting {wanted} clusters")));
    }
    candidates.truncate(wanted);
    Ok(candidates)
}

fn too_few(what: &str) -> Error {
    Error::Other(format!("the number of feasible {what} is less than spreadConstraint.MinGroups"))
}

fn holds(chosen: &[Candidate]) -> i64 {
    chosen.iter().map(Candidate::available).fold(0, i64::saturating_add)
}

/// While the chosen cannot hold the replicas: exchange the least preferred of them for the roomiest of
/// the rest, if that has more room.
fn exchange_for_room(chosen: &mut [Candidate], rest: &mut [Candidate], room: i64) {
    for last in (0..chosen.len()).rev() {
        if holds(chosen) >= room {
            return;
        }
        // The first of the roomiest, as the order of preference has it.
        let Some(roomiest) = (0..rest.len()).rev().max_by_key(|&i| rest[i].available()) else { return };
        if rest[roomiest].available() > chosen[last].available() {
            std::mem::swap(&mut chosen[last], &mut rest[roomiest]);
        }
    }
}

/// A selection by provider, region and zone.
struct ByTopology<'a> {
    wanted: &'a Wanted,
    levels: Vec<(SpreadField, Limits)>,
    cluster: Limits,
    candidates: &'a [Candidate],
    topology: &'a Topology,
    budget: Budget,
    told: &'a mut Told,
}

/// A group that has been chosen: its name and its candidates.
#[derive(Clone)]
struct Chosen {
    name: String,
    members: Vec<u32>,
}

impl ByTopology<'_> {
    fn select(mut self) -> Result<Vec<Candidate>, Error> {
        let all = (0..).take(self.candidates.len()).collect();
        let world = [Chosen { name: String::new(), members: all }];
        let outermost = self.groups(0, &world);
        let (field, limits) = self.levels[0];
        if outermost.len() < count(limits.min) {
            self.tell(0, &world, &outermost, &[]);
            let found = outermost.len() as i64;
            self.told.shortage = Some(Shortage::Groups { field, found, wanted: limits.min });
            return Err(too_few(name_of(field)));
        }
        match self.choose(0, &world, &outermost) {
            Some(chosen) => Ok(self.take(&chosen)),
            None => {
                self.told.shortage.get_or_insert(Shortage::Combination);
                Err(Error::Other(if self.levels.len() == 1 {
                    "the number of clusters is less than the cluster spreadConstraint.MinGroups".to_owned()
                } else {
                    "no choice of groups satisfies all spread constraints".to_owned()
                }))
            }
        }
    }

    /// The groups of a level within the chosen groups of the level above, in name order.
    fn groups(&self, level: usize, parents: &[Chosen]) -> Vec<Group> {
        let (field, limits) = self.levels[level];
        let mut groups: Vec<Group> = Vec::new();
        let mut number_of: Vec<u32> = Vec::new();
        for (parent, above) in parents.iter().enumerate() {
            let first = groups.len();
            number_of.clear();
            number_of.resize(self.topology.numbers(field), u32::MAX);
            for &member in &above.members {
                for &number in self.topology.groups(field, self.candidates[member as usize].rank) {
                    let at = &mut number_of[number as usize];
                    if *at == u32::MAX {
                        *at = groups.len() as u32;
                        groups.push(Group { number, parent, ..Group::default() });
                    }
                    groups[*at as usize].members.push(member);
                }
            }
            groups[first..].sort_unstable_by_key(|group| group.number);
        }
        for group in &mut groups {
            group.score = score(self.wanted, limits, self.cluster, self.candidates, &group.members);
            group.below = self.below(level, &group.members);
        }
        groups
    }

    /// How many groups of each level below the candidates are in.
    fn below(&self, level: usize, members: &[u32]) -> [i64; BELOW_MAX] {
        let mut counts = [0; BELOW_MAX];
        let below = &self.levels[level + 1..];
        if below.is_empty() {
            return counts;
        }
        let mut paths: Vec<Vec<u32>> = Vec::new();
        for (depth, count) in counts.iter_mut().enumerate().take(below.len()) {
            paths.clear();
            for member in members {
                let rank = self.candidates[*member as usize].rank;
                let mut of_member: Vec<Vec<u32>> = vec![Vec::new()];
                for (field, _) in &below[..=depth] {
                    let numbers = self.topology.groups(*field, rank);
                    let longer = |path: &Vec<u32>| -> Vec<Vec<u32>> {
                        numbers.iter().map(|number| [path.as_slice(), &[*number]].concat()).collect()
                    };
                    of_member = of_member.iter().flat_map(longer).collect();
                }
                paths.extend(of_member);
            }
            paths.sort_unstable();
            paths.dedup();
            *count = paths.len() as i64;
        }
        counts
    }

    /// Chooses among the groups of a level so that the levels below have a choice too.
    fn choose(&mut self, level: usize, parents: &[Chosen], groups: &[Group]) -> Option<Vec<Chosen>> {
        let (_, limits) = self.levels[level];
        let mut below_min = [0; BELOW_MAX];
        for (least, (_, limits)) in below_min.iter_mut().zip(&self.levels[level + 1..]) {
            *least = limits.min;
        }
        let bounds = Bounds {
            groups_min: limits.min,
            groups_max: limits.max,
            clusters_min: self.cluster.min,
            below_min,
            // The outermost level lies in nothing that would have to be covered.
            parents: if level == 0 { 0 } else { parents.len() },
        };
        let innermost = level + 1 == self.levels.len();
        let choices = if innermost {
            vec![groups::choose(groups, &bounds, &mut self.budget)]
        } else {
            groups::ranked(groups, &bounds, &mut self.budget)
        };
        for choice in choices.into_iter().filter(|choice| !choice.is_empty()) {
            self.told.levels.truncate(level);
            self.tell(level, parents, groups, &choice);
            let chosen = choice.iter().map(|&i| Chosen {
                name: self.name(level, parents, &groups[i]),
                members: groups[i].members.clone(),
            });
            let chosen: Vec<Chosen> = chosen.collect();
            if innermost {
                return Some(chosen);
            }
            let below = self.groups(level + 1, &chosen);
            if let Some(result) = self.choose(level + 1, &chosen, &below) {
                return Some(result);
            }
        }
        if self.told.levels.len() <= level {
            self.tell(level, parents, groups, &[]);
        }
        None
    }

    /// The name of a group, after those of its parents.
    fn name(&self, level: usize, parents: &[Chosen], group: &Group) -> String {
        let name = self.topology.name(self.levels[level].0, group.number);
        match parents.get(group.parent) {
            Some(above) if !above.name.is_empty() => format!("{}/{name}", above.name),
            _ => name.to_owned(),
        }
    }

    fn tell(&mut self, level: usize, parents: &[Chosen], groups: &[Group], choice: &[usize]) {
        let (field, limits) = self.levels[level];
        let mut chosen = vec![false; groups.len()];
        for index in choice {
            chosen[*index] = true;
        }
        let compared = groups.iter().zip(chosen).map(|(group, chosen)| Compared {
            name: self.name(level, parents, group),
            clusters: group.members.len() as i64,
            score: group.score,
            below: group.below[0],
            chosen,
        });
        let groups = compared.collect();
        self.told.levels.push(Level { field, limits, groups });
    }

    /// Takes the clusters of the chosen groups.
    fn take(&self, chosen: &[Chosen]) -> Vec<Candidate> {
        let mut taken = vec![false; self.candidates.len()];
        let mut selected: Vec<u32> = Vec::new();
        for group in chosen {
            if group.members.iter().any(|member| taken[*member as usize]) {
                continue;
            }
            if let Some(first) = group.members.first() {
                taken[*first as usize] = true;
                selected.push(*first);
            }
        }
        let mut rest: Vec<u32> =
            chosen.iter().flat_map(|g| &g.members).copied().filter(|m| !taken[*m as usize]).collect();
        // Places in the order of preference, so sorting them is sorting by preference.
        rest.sort_unstable();
        rest.dedup();
        // Without a cluster constraint the bound is 0: one cluster per group, as upstream.
        let most = (selected.len() + rest.len()).min(count(self.cluster.max));
        let more = most.saturating_sub(selected.len());
        selected.extend(rest.into_iter().take(more));
        selected.into_iter().map(|member| self.candidates[member as usize]).collect()
    }
}

fn name_of(field: SpreadField) -> &'static str {
    match field {
        SpreadField::Cluster => "clusters",
        SpreadField::Region => "region",
        SpreadField::Zone => "zone",
        SpreadField::Provider => "provider",
    }
}

/// Weight of the replicas against the clusters' own scores, which are at most a few hundred.
const SCORE_UNIT: i64 = 1000;

/// How good a group is: first how many replicas it can serve, then how good its clusters are.
fn score(wanted: &Wanted, own: Limits, cluster: Limits, candidates: &[Candidate], members: &[u32]) -> i64 {
    let clusters = || members.iter().map(|member| &candidates[*member as usize]);
    if wanted.strategy == Strategy::Duplicated {
        return score_for_copies(wanted.replicas, clusters());
    }
    let groups = own.min.max(1);
    let target = wanted.replicas / groups + i64::from(wanted.replicas % groups > 0);
    let needed = own.min.max(cluster.min);
    let (mut used, mut room, mut scores) = (0_i64, 0_i64, 0_i64);
    for candidate in clusters() {
        used += 1;
        room = room.saturating_add(candidate.available());
        scores += candidate.score;
        if used >= needed && room >= target {
            break;
        }
    }
    if room < target {
        room.saturating_mul(SCORE_UNIT).saturating_add(scores / (members.len() as i64).max(1))
    } else {
        target.saturating_mul(SCORE_UNIT).saturating_add(scores / used.max(1))
    }
}

/// Every cluster gets all replicas: what counts is in how many clusters they fit.
fn score_for_copies<'a>(replicas: i64, clusters: impl Iterator<Item = &'a Candidate>) -> i64 {
    let fitting = clusters.filter(|c| c.available() >= replicas);
    let (count, scores) = fitting.fold((0, 0), |(count, scores), c| (count + 1, scores + c.score));
    if count == 0 { 0 } else { count * SCORE_UNIT + scores / count }
}
