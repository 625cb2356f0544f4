//! Choosing the regions to use: enough of them, with enough clusters, with the best scores.
//!
//! Upstream: [`select_groups.go`]. All combinations of regions that satisfy the constraints are
//! enumerated, smallest regions first, and the one with the highest total score wins.
//!
//! [`select_groups.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/scheduler/core/spreadconstraint/select_groups.go

use std::cmp::Reverse;

/// One region as a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    /// Name of the region.
    pub(crate) name: &'a str,
    /// How many candidate clusters it has.
    pub(crate) clusters: i64,
    /// How good it is; higher is better.
    pub(crate) score: i64,
}

/// What a choice of regions has to satisfy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Fewest regions.
    pub(crate) groups_min: i64,
    /// Most regions.
    pub(crate) groups_max: i64,
    /// Fewest clusters in all chosen regions together.
    pub(crate) clusters_min: i64,
}

/// How many combinations are looked at before settling for a good one instead of the best one. With up
/// to sixteen regions every combination is seen; beyond that the number doubles with each region.
const STEPS_MAX: usize = 1 << 16;

/// A combination of regions, as indices into the groups, best region first.
struct Combination {
    members: Vec<usize>,
    score: i64,
    clusters: i64,
}

/// Picks regions and returns their indices, best region first. Empty when no combination will do.
pub(crate) fn choose(groups: &[Group<'_>], bounds: Bounds) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_unstable_by_key(|&i| (groups[i].clusters, Reverse(groups[i].score), groups[i].name));
    let mut search = Search { groups, order, bounds, path: Vec::new(), found: Vec::new(), steps: 0 };
    search.descend(0, 0);
    if search.steps >= STEPS_MAX {
        return good_enough(groups, bounds);
    }
    best(search.found)
}

struct Search<'a> {
    groups: &'a [Group<'a>],
    order: Vec<usize>,
    bounds: Bounds,
    path: Vec<usize>,
    found: Vec<Combination>,
    steps: usize,
}

impl Search<'_> {
    /// Extends the current path by the groups from position `begin` on. A path ends as soon as it is
    /// sufficient: longer combinations are only found where the shorter ones are not enough.
    fn descend(&mut self, clusters: i64, begin: usize) {
        self.steps += 1;
        if self.steps >= STEPS_MAX {
            return;
        }
        let length = self.path.len() as i64;
        if clusters >= self.bounds.clusters_min
            && length >= self.bounds.groups_min
            && length <= self.bounds.groups_max
        {
            self.found.push(self.combination(clusters));
            return;
        }
        if length >= self.bounds.groups_max {
            return;
        }
        for position in begin..self.order.len() {
            let group = self.order[position];
            self.path.push(group);
            self.descend(clusters + self.groups[group].clusters, position + 1);
            self.path.pop();
        }
    }

    fn combination(&self, clusters: i64) -> Combination {
        let mut members = self.path.clone();
        members.sort_unstable_by_key(|&i| best_first(&self.groups[i]));
        let score = members.iter().map(|&i| self.groups[i].score).fold(0, i64::saturating_add);
        Combination { members, score, clusters }
    }
}

fn best_first<'a>(group: &Group<'a>) -> (Reverse<i64>, &'a str) {
    (Reverse(group.score), group.name)
}

/// The combination with the highest score, then the most clusters, then found first. When a shorter
/// one consists of just its best regions, that one: the rest would not have been needed.
fn best(mut found: Vec<Combination>) -> Vec<usize> {
    found.sort_by_key(|c| (Reverse(c.score), Reverse(c.clusters)));
    let mut found = found.into_iter().map(|c| c.members);
    let Some(mut chosen) = found.next() else { return Vec::new() };
    for other in found {
        if other.len() < chosen.len() && chosen.starts_with(&other) {
            chosen = other;
        }
    }
    chosen
}

/// With very many regions: the best-scored ones, as many as needed; when the cluster count is still
/// short at the upper bound, the worst chosen are exchanged for the largest not chosen.
fn good_enough(groups: &[Group<'_>], bounds: Bounds) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_unstable_by_key(|&i| best_first(&groups[i]));
    let groups_max = usize::try_from(bounds.groups_max).unwrap_or(0).min(order.len());
    let groups_min = usize::try_from(bounds.groups_min).unwrap_or(0);
    let clusters = |chosen: &[usize]| chosen.iter().map(|&i| groups[i].clusters).sum::<i64>();
    let mut length = groups_min.min(groups_max);
    while length < groups_max && clusters(&order[..length]) < bounds.clusters_min {
        length += 1;
    }
    let (chosen, rest) = order.split_at_mut(length);
    rest.sort_by_key(|&i| Reverse(groups[i].clusters));
    for (worst, largest) in chosen.iter_mut().rev().zip(rest.iter_mut()) {
        if groups[*largest].clusters > groups[*worst].clusters {
            std::mem::swap(worst, largest);
        }
    }
    if length < groups_min || clusters(&order[..length]) < bounds.clusters_min {
        return Vec::new();
    }
    order.truncate(length);
    order.sort_unstable_by_key(|&i| best_first(&groups[i]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(regions: &[(&'static str, i64, i64)], min: i64, max: i64, clusters: i64, expected: &[&str]) {
        let groups: Vec<Group<'_>> =
            regions.iter().map(|&(name, clusters, score)| Group { name, clusters, score }).collect();
        let bounds = Bounds { groups_min: min, groups_max: max, clusters_min: clusters };
        let chosen: Vec<&str> = choose(&groups, bounds).into_iter().map(|i| groups[i].name).collect();
        assert_eq!(chosen, expected, "{regions:?} {min}..={max} regions, {clusters} clusters");
    }

    #[test]
    fn the_best_scored_regions_win() {
        check(&[("a", 2, 10), ("b", 2, 30), ("c", 2, 20)], 1, 2, 4, &["b", "c"]);
        check(&[("a", 2, 10), ("b", 2, 10), ("c", 2, 10)], 2, 2, 0, &["a", "b"]);
    }

    #[test]
    fn a_region_that_is_not_needed_is_left_out() {
        // a+b+c scores highest, but its best regions a+b alone already have enough clusters.
        check(&[("a", 3, 30), ("b", 3, 20), ("c", 1, 10)], 1, 3, 6, &["a", "b"]);
    }

    #[test]
    fn too_few_clusters_or_regions_mean_no_choice() {
        check(&[("a", 2, 10), ("b", 2, 30)], 1, 2, 5, &[]);
        check(&[("a", 2, 10)], 2, 3, 1, &[]);
        check(&[], 0, 3, 1, &[]);
        check(&[("a", 2, 10)], 1, 0, 1, &[]);
    }

    #[test]
    fn a_hundred_regions_are_decided_in_bounded_steps() {
        let names: Vec<String> = (0..100).map(|i| format!("r{i:02}")).collect();
        let groups: Vec<Group<'_>> =
            names.iter().zip(1..).map(|(name, score)| Group { name, clusters: 1, score }).collect();
        let bounds = Bounds { groups_min: 10, groups_max: 20, clusters_min: 15 };
        let chosen = choose(&groups, bounds);
        assert_eq!(chosen, (85..100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn large_regions_stand_in_when_the_best_are_too_small() {
        let groups = [
            Group { name: "a", clusters: 1, score: 9 },
            Group { name: "b", clusters: 1, score: 8 },
            Group { name: "c", clusters: 5, score: 1 },
        ];
        let bounds = Bounds { groups_min: 1, groups_max: 2, clusters_min: 6 };
        assert_eq!(good_enough(&groups, bounds), [0, 2]);
    }
}
