//! Choosing groups of clusters: enough of them, with enough clusters, with the best scores.
//!
//! Upstream: [`select_groups.go`]. All combinations of groups that satisfy the constraints are
//! enumerated, smallest groups first, and the one with the highest total score wins. Branches that cannot
//! satisfy the constraints, or cannot win any more, are cut off; that changes nothing but the time.
//!
//! [`select_groups.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/scheduler/core/spreadconstraint/select_groups.go

use std::cmp::Reverse;

/// How many levels there can be below one.
pub(crate) const BELOW_MAX: usize = 2;

/// One group as a choice. Groups stand in name order; an index is a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    /// The number of its name.
    pub(crate) number: u32,
    /// Its candidates by their place in the order of preference.
    pub(crate) members: Vec<u32>,
    /// How good it is; higher is better, never below 0.
    pub(crate) score: i64,
    /// Which of the groups of the level above it lies in.
    pub(crate) parent: usize,
    /// How many groups of each level below lie in it.
    pub(crate) below: [i64; BELOW_MAX],
}

impl Group {
    fn clusters(&self) -> i64 {
        self.members.len() as i64
    }
}

/// What a choice of groups has to satisfy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    /// Fewest groups.
    pub(crate) groups_min: i64,
    /// Most groups.
    pub(crate) groups_max: i64,
    /// Fewest clusters in all chosen groups together; one that is in several counts once.
    pub(crate) clusters_min: i64,
    /// Fewest groups of each level below in all chosen groups together.
    pub(crate) below_min: [i64; BELOW_MAX],
    /// How many groups the level above has: each must have at least one of the chosen.
    pub(crate) parents: usize,
}

/// How much one decision may look at before it settles for a good choice instead of the best one: a few
/// milliseconds. Up to sixteen groups that share no cluster are always decided exactly, and mostly hundreds are.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(1 << 17)
    }
}

impl Budget {
    fn spend(&mut self, steps: usize) -> bool {
        self.0 = self.0.saturating_sub(steps);
        self.0 > 0
    }
}

/// How many combinations are kept when more than the best one may be needed.
const RANKED_MAX: usize = 64;

/// Up to so many groups the highest sums of scores are known in advance.
const SUMS_MAX: usize = 256;

/// Groups by index, best group first.
pub(crate) type Choice = Vec<usize>;

/// The best choice; empty when no combination will do.
pub(crate) fn choose(groups: &[Group], bounds: &Bounds, budget: &mut Budget) -> Choice {
    let guess = good_enough(groups, bounds);
    let mut search = Search::new(groups, bounds, budget);
    search.cuts_losers = true;
    search.aim_at(&guess);
    search.descend(0);
    if search.is_exhausted {
        return guess;
    }
    let Some(best) = search.found.pop() else { return Vec::new() };
    let best = search.best_first(&best.members);
    // When a shorter choice consists of just the best groups of this one, the rest is not needed.
    let shorter = (0..best.len()).find(|length| search.would_find(&best[..*length]));
    shorter.map_or(best.clone(), |length| best[..length].to_vec())
}

/// The choices that will do, best first: for a level whose best choice may leave no choice to the levels
/// below.
pub(crate) fn ranked(groups: &[Group], bounds: &Bounds, budget: &mut Budget) -> Vec<Choice> {
    let best = choose(groups, bounds, budget);
    if best.is_empty() {
        return Vec::new();
    }
    let mut search = Search::new(groups, bounds, budget);
    search.descend(0);
    let mut found = std::mem::take(&mut search.found);
    found.sort_by_key(|c| (Reverse(c.score), Reverse(c.clusters)));
    let others = found.into_iter().map(|c| search.best_first(&c.members)).filter(|c| *c != best);
    std::iter::once(best.clone()).chain(others).collect()
}

/// A combination that will do, in the order it was found.
struct Combination {
    members: Vec<usize>,
    score: i64,
    clusters: i64,
}

struct Search<'a> {
    groups: &'a [Group],
    bounds: &'a Bounds,
    /// Whether only the best combination is wanted.
    cuts_losers: bool,
    /// Groups as they are tried: few clusters first, then the better score, then the name.
    order: Vec<usize>,
    /// From each position on: clusters of all groups together, groups below, and the highest score.
    clusters_from: Vec<i64>,
    below_from: Vec<[i64; BELOW_MAX]>,
    score_from: Vec<i64>,
    /// From each position on: the sums of the highest scores, of none, one, two of them and so on; empty with
    /// very many groups.
    sums_from: Vec<Vec<i64>>,
    /// Score and clusters of a combination that is known to be found.
    aim: Option<(i64, i64)>,
    found: Vec<Combination>,
    budget: &'a mut Budget,
    is_exhausted: bool,
    path: Path,
}

/// The groups tried at the moment, and what they add up to.
#[derive(Default)]
struct Path {
    groups: Vec<usize>,
    score: i64,
    clusters: i64,
    below: [i64; BELOW_MAX],
    /// Chosen groups of each parent.
    of_parent: Vec<u32>,
    parents: usize,
    /// How many of the groups each cluster is in; only with overlapping groups.
    of_cluster: Vec<u32>,
}

impl Path {
    fn push(&mut self, index: usize, group: &Group) {
        self.groups.push(index);
        self.score = self.score.saturating_add(group.score);
        self.below.iter_mut().zip(group.below).for_each(|(sum, more)| *sum += more);
        self.of_parent[group.parent] += 1;
        self.parents += usize::from(self.of_parent[group.parent] == 1);
        if self.of_cluster.is_empty() {
            self.clusters += group.clusters();
        } else {
            for member in &group.members {
                let times = &mut self.of_cluster[*member as usize];
                self.clusters += i64::from(*times == 0);
                *times += 1;
            }
        }
    }

    fn pop(&mut self, group: &Group, score: i64) {
        self.groups.pop();
        self.score = score;
        self.below.iter_mut().zip(group.below).for_each(|(sum, less)| *sum -= less);
        self.of_parent[group.parent] -= 1;
        self.parents -= usize::from(self.of_parent[group.parent] == 0);
        if self.of_cluster.is_empty() {
            self.clusters -= group.clusters();
        } else {
            for member in &group.members {
                let times = &mut self.of_cluster[*member as usize];
                *times -= 1;
                self.clusters -= i64::from(*times == 0);
            }
        }
    }

    fn satisfies(&self, bounds: &Bounds) -> bool {
        let length = self.groups.len() as i64;
        self.clusters >= bounds.clusters_min
            && length >= bounds.groups_min
            && length <= bounds.groups_max
            && self.parents >= bounds.parents
            && self.below.iter().zip(bounds.below_min).all(|(have, least)| *have >= least)
    }
}

impl<'a> Search<'a> {
    fn new(groups: &'a [Group], bounds: &'a Bounds, budget: &'a mut Budget) -> Self {
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_unstable_by_key(|&i| (groups[i].clusters(), Reverse(groups[i].score), i));
        let (mut clusters_from, mut score_from) = (vec![0; groups.len() + 1], vec![0; groups.len() + 1]);
        let mut below_from = vec![[0; BELOW_MAX]; groups.len() + 1];
        for (at, &i) in order.iter().enumerate().rev() {
            clusters_from[at] = clusters_from[at + 1] + groups[i].clusters();
            score_from[at] = score_from[at + 1].max(groups[i].score);
            below_from[at] = below_from[at + 1];
            below_from[at].iter_mut().zip(groups[i].below).for_each(|(sum, more)| *sum += more);
        }
        let sums_from = sums_from(groups, &order);
        let clusters = groups.iter().flat_map(|g| &g.members).max().map_or(0, |last| *last as usize + 1);
        let mut seen = vec![0; clusters];
        let mut overlapping = false;
        for member in groups.iter().flat_map(|g| &g.members) {
            overlapping |= std::mem::replace(&mut seen[*member as usize], 1) == 1;
        }
        seen.iter_mut().for_each(|times| *times = 0);
        let parents = groups.iter().map(|g| g.parent + 1).max().unwrap_or(0);
        let path = Path {
            of_parent: vec![0; parents],
            of_cluster: if overlapping { seen } else { Vec::new() },
            ..Path::default()
        };
        Self {
            groups,
            bounds,
            cuts_losers: false,
            order,
            clusters_from,
            below_from,
            score_from,
            sums_from,
            aim: None,
            found: Vec::new(),
            budget,
            is_exhausted: false,
            path,
        }
    }

    /// Takes a choice as the least that will be found, when the enumeration does come upon it.
    fn aim_at(&mut self, guess: &[usize]) {
        if !guess.is_empty() && self.would_find(guess) {
            let mut clusters: Vec<u32> =
                guess.iter().flat_map(|&i| &self.groups[i].members).copied().collect();
            clusters.sort_unstable();
            clusters.dedup();
            let score = guess.iter().fold(0, |sum: i64, &i| sum.saturating_add(self.groups[i].score));
            self.aim = Some((score, clusters.len() as i64));
        }
    }

    /// Extends the current path by the groups from position `begin` on. A path ends as soon as it is
    /// sufficient: longer combinations are only found where the shorter ones are not enough.
    fn descend(&mut self, begin: usize) {
        // Where groups overlap, each step counts clusters.
        let cost = 1 + self.path.of_cluster.len() / 64;
        self.is_exhausted |= !self.budget.spend(cost);
        if self.is_exhausted || (!self.cuts_losers && self.found.len() >= RANKED_MAX) {
            return;
        }
        if self.path.satisfies(self.bounds) {
            self.keep();
            return;
        }
        if self.path.groups.len() as i64 >= self.bounds.groups_max || self.is_hopeless(begin) {
            return;
        }
        for position in begin..self.order.len() {
            let index = self.order[position];
            let score = self.path.score;
            self.path.push(index, &self.groups[index]);
            self.descend(position + 1);
            self.path.pop(&self.groups[index], score);
        }
    }

    /// Whether nothing that can still be added leads to a combination that matters.
    fn is_hopeless(&self, begin: usize) -> bool {
        let (bounds, path) = (self.bounds, &self.path);
        let (length, rest) = (path.groups.len() as i64, (self.order.len() - begin) as i64);
        let room = rest.min(bounds.groups_max - length);
        let slots = usize::try_from(room).unwrap_or(0);
        // The last groups in order are the largest.
        let clusters = path.clusters + self.clusters_from[begin.max(self.order.len() - slots)];
        let missing_parents = bounds.parents.saturating_sub(path.parents);
        let below = path.below.iter().zip(self.below_from[begin]).zip(bounds.below_min);
        if length + rest < bounds.groups_min
            || clusters < bounds.clusters_min
            || missing_parents > slots
            || below.into_iter().any(|((have, more), least)| have + more < least)
        {
            return true;
        }
        if !self.cuts_losers {
            return false;
        }
        let slots = self.steps_to_go(begin, slots);
        let more = match self.sums_from.get(begin) {
            Some(sums) => sums.get(slots).or(sums.last()).copied().unwrap_or(0),
            None => self.score_from[begin].saturating_mul(slots as i64),
        };
        let clusters = path.clusters + self.clusters_from[begin.max(self.order.len() - slots)];
        let reachable = (path.score.saturating_add(more), clusters);
        // Of equals the one found first stays.
        self.aim.is_some_and(|aim| reachable < aim)
            || self.found.first().is_some_and(|best| reachable <= (best.score, best.clusters))
    }

    /// How many groups can be added at most before the path is sufficient and ends.
    fn steps_to_go(&self, begin: usize, most: usize) -> usize {
        let (bounds, path) = (self.bounds, &self.path);
        if !path.of_cluster.is_empty() || bounds.parents > 1 || bounds.below_min != [0; BELOW_MAX] {
            return most;
        }
        let groups = usize::try_from(bounds.groups_min).unwrap_or(0).saturating_sub(path.groups.len());
        let least = groups.max(bounds.parents.saturating_sub(path.parents)).min(most);
        // The next groups in order are the smallest there are: whichever are added, they have as many.
        let clusters = |steps: usize| self.clusters_from[begin] - self.clusters_from[begin + steps];
        let enough = |steps: usize| path.clusters + clusters(steps) >= bounds.clusters_min;
        let (mut low, mut high) = (least, most);
        while low < high {
            let middle = low.midpoint(high);
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn keep(&mut self) {
        let (score, clusters) = (self.path.score, self.path.clusters);
        if self.cuts_losers {
            // Of equals the one found first stays.
            if self.found.first().is_some_and(|best| (score, clusters) <= (best.score, best.clusters)) {
                return;
            }
            self.found.clear();
        }
        self.found.push(Combination { members: self.path.groups.clone(), score, clusters });
    }

    fn best_first(&self, members: &[usize]) -> Choice {
        let mut choice = members.to_vec();
        choice.sort_unstable_by_key(|&i| (Reverse(self.groups[i].score), i));
        choice
    }

    /// Whether the enumeration comes upon exactly these groups: they are sufficient, and in the order they
    /// are tried no part of them is.
    fn would_find(&mut self, members: &[usize]) -> bool {
        let mut in_order: Vec<usize> = self.order.iter().copied().filter(|i| members.contains(i)).collect();
        let last = in_order.pop();
        let mut sufficient_before = false;
        let mut scores = Vec::new();
        for &index in &in_order {
            sufficient_before |= self.path.satisfies(self.bounds);
            scores.push(self.path.score);
            self.path.push(index, &self.groups[index]);
        }
        if let Some(last) = last {
            sufficient_before |= self.path.satisfies(self.bounds);
            in_order.push(last);
            scores.push(self.path.score);
            self.path.push(last, &self.groups[last]);
        }
        let found = !sufficient_before && self.path.satisfies(self.bounds);
        for index in in_order.into_iter().rev() {
            let score = scores.pop().unwrap_or(0);
            self.path.pop(&self.groups[index], score);
        }
        found
    }
}

/// The sums of the highest scores from each position on.
fn sums_from(groups: &[Group], order: &[usize]) -> Vec<Vec<i64>> {
    if groups.len() > SUMS_MAX {
        return Vec::new();
    }
    let mut highest: Vec<i64> = Vec::with_capacity(groups.len());
    let mut sums_from = vec![Vec::new(); groups.len() + 1];
    for at in (0..=order.len()).rev() {
        if let Some(&i) = order.get(at) {
            let place = highest.partition_point(|score| *score > groups[i].score);
            highest.insert(place, groups[i].score);
        }
        let mut sum: i64 = 0;
        let sums = highest.iter().map(|score| {
            sum = sum.saturating_add(*score);
            sum
        });
        sums_from[at] = std::iter::once(0).chain(sums).collect();
    }
    sums_from
}

/// A choice that is good without much looking: the best-scored groups, the larger ones first among equals, as
/// many as needed, and one of each parent; when they are too small at the upper bound, the worst chosen are
/// exchanged for the largest not chosen.
fn good_enough(groups: &[Group], bounds: &Bounds) -> Choice {
    let mut budget = Budget::default();
    let mut search = Search::new(groups, bounds, &mut budget);
    let mut all: Vec<usize> = (0..groups.len()).collect();
    all.sort_by_key(|&i| (Reverse(groups[i].score), Reverse(groups[i].clusters())));
    // One of each parent first.
    let mut seen = vec![false; search.path.of_parent.len()];
    let (mut order, others): (Vec<usize>, Vec<usize>) =
        all.into_iter().partition(|&i| !std::mem::replace(&mut seen[groups[i].parent], true));
    order.extend(others);
    if bounds.parents <= 1 {
        order.sort_by_key(|&i| (Reverse(groups[i].score), Reverse(groups[i].clusters())));
    }
    let most = usize::try_from(bounds.groups_max).unwrap_or(0).min(order.len());
    let mut chosen = 0;
    while chosen < most && !search.path.satisfies(bounds) {
        search.path.push(order[chosen], &groups[order[chosen]]);
        chosen += 1;
    }
    if !search.path.satisfies(bounds) {
        let (taken, rest) = order.split_at_mut(chosen);
        rest.sort_by_key(|&i| Reverse(groups[i].clusters()));
        for (worst, largest) in taken.iter_mut().rev().zip(rest.iter_mut()) {
            let alike = groups[*worst].parent == groups[*largest].parent || bounds.parents <= 1;
            if alike && groups[*largest].clusters() > groups[*worst].clusters() {
                search.path.pop(&groups[*worst], 0);
                search.path.push(*largest, &groups[*largest]);
                std::mem::swap(worst, largest);
            }
        }
    }
    if search.path.satisfies(bounds) { search.best_first(&order[..chosen]) } else { Vec::new() }
}

#[cfg(test)]
mod tests;
