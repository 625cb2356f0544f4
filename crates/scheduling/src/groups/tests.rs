use super::{choose as choose_within, ranked as ranked_within, *};

fn choose(groups: &[Group], bounds: &Bounds) -> Choice {
    choose_within(groups, bounds, &mut Budget::default())
}

fn ranked(groups: &[Group], bounds: &Bounds) -> Vec<Choice> {
    ranked_within(groups, bounds, &mut Budget::default())
}

/// Groups `a`, `b`, … with so many clusters of their own and such a score.
fn own(regions: &[(i64, i64)]) -> Vec<Group> {
    let mut next = 0;
    let group = |&(clusters, score): &(i64, i64)| {
        let members = (next..next + u32::try_from(clusters).unwrap()).collect();
        next += u32::try_from(clusters).unwrap();
        Group { members, score, ..Group::default() }
    };
    regions.iter().map(group).collect()
}

fn names(choice: &[usize]) -> String {
    choice.iter().map(|i| char::from(b'a' + u8::try_from(*i).unwrap())).collect()
}

fn bounds(min: i64, max: i64, clusters: i64) -> Bounds {
    Bounds { groups_min: min, groups_max: max, clusters_min: clusters, ..Bounds::default() }
}

fn check(regions: &[(i64, i64)], bounds: Bounds, expected: &str) {
    assert_eq!(names(&choose(&own(regions), &bounds)), expected, "{regions:?} {bounds:?}");
}

/// The enumeration as it is described, without any cut: every path in order, sorted, then the prefix rule.
fn by_hand(groups: &[Group], bounds: &Bounds) -> Choice {
    fn descend(search: &mut Search<'_>, begin: usize, found: &mut Vec<(Choice, i64, i64)>) {
        if search.path.satisfies(search.bounds) {
            found.push((search.best_first(&search.path.groups), search.path.score, search.path.clusters));
            return;
        }
        if search.path.groups.len() as i64 >= search.bounds.groups_max {
            return;
        }
        for position in begin..search.order.len() {
            let (index, score) = (search.order[position], search.path.score);
            search.path.push(index, &search.groups[index]);
            descend(search, position + 1, found);
            search.path.pop(&search.groups[index], score);
        }
    }
    let mut found = Vec::new();
    let mut budget = Budget::default();
    descend(&mut Search::new(groups, bounds, &mut budget), 0, &mut found);
    found.sort_by_key(|(_, score, clusters)| (Reverse(*score), Reverse(*clusters)));
    let mut found = found.into_iter().map(|(choice, ..)| choice);
    let Some(mut chosen) = found.next() else { return Vec::new() };
    for other in found {
        if other.len() < chosen.len() && chosen.starts_with(&other) {
            chosen = other;
        }
    }
    chosen
}

#[test]
fn the_best_scored_groups_win() {
    check(&[(2, 10), (2, 30), (2, 20)], bounds(1, 2, 4), "bc");
    check(&[(2, 10), (2, 10), (2, 10)], bounds(2, 2, 0), "ab");
}

#[test]
fn of_equal_scores_more_clusters_win_and_then_the_one_found_first() {
    check(&[(1, 10), (3, 10), (2, 10)], bounds(1, 1, 1), "b");
    check(&[(2, 10), (2, 10)], bounds(1, 1, 1), "a");
}

#[test]
fn a_group_that_is_not_needed_is_left_out() {
    // a+b+c scores highest, but its best groups a+b alone already have enough clusters.
    check(&[(3, 30), (3, 20), (1, 10)], bounds(1, 3, 6), "ab");
}

#[test]
fn a_combination_ends_where_it_is_sufficient() {
    // Tried smallest first: c alone suffices, so c+anything is never found, but b+c is as b comes first.
    check(&[(5, 1), (1, 50), (2, 5)], bounds(1, 2, 2), "bc");
}

#[test]
fn too_few_clusters_or_groups_mean_no_choice() {
    check(&[(2, 10), (2, 30)], bounds(1, 2, 5), "");
    check(&[(2, 10)], bounds(2, 3, 1), "");
    check(&[], bounds(0, 3, 1), "");
    check(&[(2, 10)], bounds(1, 0, 1), "");
    check(&[(2, 10)], bounds(0, 1, 0), "");
}

#[test]
fn cutting_branches_off_changes_no_choice() {
    let mut seed: u64 = 0x5eed;
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((seed >> 33) % n).unwrap()
    };
    for round in 0..3_000 {
        let count = 1 + next(8) as usize;
        let parents = 1 + next(2) as usize;
        let mut groups: Vec<Group> = (0..count)
            .map(|at| Group {
                number: 0,
                members: (0..1 + next(4) as u32).map(|_| next(9) as u32).collect(),
                score: next(4) * 1000,
                parent: at % parents,
                below: [next(3), 0],
            })
            .collect();
        if round % 2 == 0 {
            groups = own(&groups.iter().map(|g| (g.clusters(), g.score)).collect::<Vec<_>>());
        }
        for group in &mut groups {
            group.members.sort_unstable();
            group.members.dedup();
        }
        let min = next(4);
        let bounds = Bounds {
            groups_min: min,
            groups_max: min + next(4),
            clusters_min: next(9),
            below_min: [next(3) * i64::from(round % 3 == 0), 0],
            parents: if round % 2 == 0 { 1 } else { parents.min(count) },
        };
        let expected = by_hand(&groups, &bounds);
        assert_eq!(choose(&groups, &bounds), expected, "round {round}: {groups:?} {bounds:?}");
        assert_eq!(ranked(&groups, &bounds).first().cloned().unwrap_or_default(), expected, "round {round}");
    }
}

#[test]
fn a_hundred_groups_are_decided_in_bounded_steps() {
    let groups = own(&(1..=100).map(|score| (1, score)).collect::<Vec<_>>());
    assert_eq!(choose(&groups, &bounds(10, 20, 15)), (85..100).rev().collect::<Vec<_>>());
}

#[test]
fn ninety_groups_of_equal_score_are_decided_exactly() {
    let groups = own(&(0..90).map(|i| (8 + i % 7, 30_000)).collect::<Vec<_>>());
    let mut budget = Budget::default();
    let choice = choose_within(&groups, &bounds(10, 20, 30), &mut budget);
    // All suit equally well, so it is those with the most clusters.
    assert_eq!(choice, (0..10).map(|i| 6 + i * 7).collect::<Vec<_>>());
    assert!(budget.0 > 100_000, "hardly anything had to be looked at: {budget:?}");
}

#[test]
fn what_cannot_be_covered_is_given_up_at_once() {
    let mut groups = own(&[(2, 10); 60]);
    for (at, group) in groups.iter_mut().enumerate() {
        group.parent = at % 15;
    }
    let mut budget = Budget::default();
    assert!(choose_within(&groups, &Bounds { parents: 15, ..bounds(10, 12, 1) }, &mut budget).is_empty());
    assert!(budget.0 > 100_000, "{budget:?}");
}

#[test]
fn large_groups_stand_in_when_the_best_are_too_small() {
    let groups = own(&[(1, 9), (1, 8), (5, 1)]);
    assert_eq!(good_enough(&groups, &bounds(1, 2, 6)), [0, 2]);
    assert_eq!(good_enough(&groups, &bounds(1, 2, 9)), [] as [usize; 0]);
}

#[test]
fn a_cluster_in_several_groups_counts_once() {
    let stretched = [
        Group { members: vec![0, 1], score: 20, ..Group::default() },
        Group { members: vec![1, 2], score: 10, ..Group::default() },
    ];
    assert_eq!(choose(&stretched, &bounds(1, 2, 3)), [0, 1]);
    assert_eq!(choose(&stretched, &bounds(1, 2, 4)), [] as [usize; 0]);
}

#[test]
fn every_group_above_gets_one_of_the_chosen() {
    let mut groups = own(&[(2, 30), (2, 20), (2, 10)]);
    groups[2].parent = 1;
    let both = Bounds { parents: 2, ..bounds(1, 2, 1) };
    assert_eq!(choose(&groups, &both), [0, 2], "the second best would leave one without");
    assert_eq!(choose(&groups, &Bounds { parents: 2, ..bounds(1, 1, 1) }), [] as [usize; 0]);
}

#[test]
fn enough_groups_of_the_levels_below_are_looked_for() {
    let mut groups = own(&[(2, 30), (2, 20)]);
    groups[0].below = [1, 0];
    groups[1].below = [2, 0];
    assert_eq!(choose(&groups, &Bounds { below_min: [2, 0], ..bounds(1, 1, 1) }), [1]);
    assert_eq!(choose(&groups, &Bounds { below_min: [3, 0], ..bounds(1, 2, 1) }), [0, 1]);
}
