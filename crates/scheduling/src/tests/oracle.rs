//! The rules once more, the slow and obvious way: spreads by cluster and region, and every strategy, compared
//! with the pipeline on seeded worlds, replica by replica.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::properties::Dice;
use super::{Story, story};

/// A region with its clusters and score.
type Region = (String, i64, i64);

/// Regions, best first, with the sums of scores and clusters.
type Path<'a> = (Vec<&'a Region>, i64, i64);

/// Clusters with replicas.
type Shares = Vec<(String, i64)>;

#[derive(Debug, Clone)]
struct One {
    name: String,
    region: String,
    score: i64,
    allocatable: i64,
    assigned: Option<i64>,
}

impl One {
    fn available(&self) -> i64 {
        self.allocatable + self.assigned.unwrap_or(0)
    }
}

/// Everything that is decided on, as plain values.
struct Plan {
    /// In order of preference.
    candidates: Vec<One>,
    replicas: i64,
    strategy: &'static str,
    region: Option<(i64, i64)>,
    cluster: Option<(i64, i64)>,
    previous: Vec<(String, i64)>,
    fresh: bool,
    uid: String,
}

fn select(plan: &Plan) -> Option<Vec<One>> {
    let all = plan.candidates.clone();
    if plan.strategy == "Static" || (plan.region.is_none() && plan.cluster.is_none()) {
        return Some(all);
    }
    let Some((min, max)) = plan.region else { return select_clusters(plan, all) };
    let mut regions: BTreeMap<String, Vec<One>> = BTreeMap::new();
    for one in all {
        regions.entry(one.region.clone()).or_default().push(one);
    }
    let least_clusters = plan.cluster.map_or(0, |c| c.0);
    if (regions.len() as i64) < min {
        return None;
    }
    let mut groups: Vec<Region> = regions
        .iter()
        .map(|(name, ones)| (name.clone(), ones.len() as i64, region_score(plan, min, least_clusters, ones)))
        .collect();
    groups.sort_by(|a, b| a.1.cmp(&b.1).then(b.2.cmp(&a.2)).then(a.0.cmp(&b.0)));
    let mut paths = Vec::new();
    extend(&groups, &[], 0, (min, max, least_clusters), &mut paths);
    let mut paths: Vec<Path<'_>> = paths
        .into_iter()
        .map(|path| {
            let mut path: Vec<_> = path.into_iter().map(|i| &groups[i]).collect();
            path.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
            let (score, clusters) = (path.iter().map(|g| g.2).sum(), path.iter().map(|g| g.1).sum());
            (path, score, clusters)
        })
        .collect();
    paths.sort_by(|a, b| b.1.cmp(&a.1).then(b.2.cmp(&a.2)));
    let mut best = paths.first()?.0.clone();
    for (path, ..) in &paths {
        if path.len() < best.len() && best.iter().zip(path).all(|(a, b)| a.0 == b.0) {
            best.clone_from(path);
        }
    }
    if best.is_empty() {
        return None;
    }
    let mut selected: Vec<One> = best.iter().map(|g| regions[&g.0][0].clone()).collect();
    let mut rest: Vec<One> = best.iter().flat_map(|g| regions[&g.0][1..].to_vec()).collect();
    rest.sort_by(preference);
    let wanted = plan.cluster.map_or(0, |c| c.1);
    while (selected.len() as i64) < wanted && !rest.is_empty() {
        selected.push(rest.remove(0));
    }
    Some(selected)
}

fn extend(
    groups: &[Region],
    path: &[usize],
    begin: usize,
    bounds: (i64, i64, i64),
    found: &mut Vec<Vec<usize>>,
) {
    let (min, max, clusters) = bounds;
    let length = path.len() as i64;
    if path.iter().map(|i| groups[*i].1).sum::<i64>() >= clusters && length >= min && length <= max {
        found.push(path.to_vec());
        return;
    }
    if length < max {
        for next in begin..groups.len() {
            extend(groups, &[path, &[next]].concat(), next + 1, bounds, found);
        }
    }
}

fn region_score(plan: &Plan, min: i64, least_clusters: i64, ones: &[One]) -> i64 {
    if plan.strategy == "Duplicated" {
        let fitting: Vec<&One> = ones.iter().filter(|one| one.available() >= plan.replicas).collect();
        let count = fitting.len() as i64;
        return if count == 0 {
            0
        } else {
            count * 1000 + fitting.iter().map(|o| o.score).sum::<i64>() / count
        };
    }
    let target = (plan.replicas as f64 / min as f64).ceil() as i64;
    let needed = min.max(least_clusters);
    let (mut used, mut room, mut scores) = (0, 0, 0);
    for one in ones {
        used += 1;
        room += one.available();
        scores += one.score;
        if used >= needed && room >= target {
            break;
        }
    }
    if room < target { room * 1000 + scores / ones.len() as i64 } else { target * 1000 + scores / used }
}

fn select_clusters(plan: &Plan, mut all: Vec<One>) -> Option<Vec<One>> {
    let (min, max) = plan.cluster?;
    if (all.len() as i64) < min {
        return None;
    }
    let count = usize::try_from(max).unwrap().min(all.len());
    let mut rest = all.split_off(count);
    if plan.strategy == "Duplicated" {
        return Some(all);
    }
    let short = |chosen: &[One]| chosen.iter().map(One::available).sum::<i64>() < plan.replicas;
    for last in (0..all.len()).rev() {
        if !short(&all) {
            break;
        }
        let mut best: Option<usize> = None;
        for (at, one) in rest.iter().enumerate() {
            if one.available() > best.map_or(all[last].available(), |b: usize| rest[b].available()) {
                best = Some(at);
            }
        }
        if let Some(best) = best {
            std::mem::swap(&mut all[last], &mut rest[best]);
        }
    }
    (!short(&all) && !all.is_empty()).then_some(all)
}

/// One seat at a time to the highest quotient.
fn webster(seats: i64, votes: &[(String, i64)], uid: &str) -> BTreeMap<String, i64> {
    let mut seated: BTreeMap<String, i64> = votes.iter().map(|(name, _)| (name.clone(), 0)).collect();
    let later_first = !uid.is_empty() && machinery::hash::fnv1a_32(uid.as_bytes()) & 1 == 1;
    for _ in 0..seats {
        let claim = |name: &str, votes: i64| votes as f64 / (2 * seated[name] + 1) as f64;
        let winner = votes.iter().max_by(|a, b| {
            let by_name = if later_first { a.0.cmp(&b.0) } else { b.0.cmp(&a.0) };
            claim(&a.0, a.1).total_cmp(&claim(&b.0, b.1)).then(seated[&b.0].cmp(&seated[&a.0])).then(by_name)
        });
        let Some((winner, _)) = winner else { break };
        let winner = winner.clone();
        seated.entry(winner).and_modify(|seats| *seats += 1);
    }
    seated
}

fn assign(plan: &Plan, selected: &[One]) -> Option<BTreeMap<String, i64>> {
    let names: BTreeSet<&str> = selected.iter().map(|one| one.name.as_str()).collect();
    match plan.strategy {
        "Duplicated" => return Some(selected.iter().map(|one| (one.name.clone(), plan.replicas)).collect()),
        "Static" => {
            let votes: Vec<(String, i64)> = selected.iter().map(|one| (one.name.clone(), 1)).collect();
            return Some(webster(plan.replicas, &votes, &plan.uid));
        }
        _ => {}
    }
    let kept: Vec<(String, i64)> =
        plan.previous.iter().filter(|(name, _)| names.contains(name.as_str())).cloned().collect();
    let assigned: i64 = kept.iter().map(|(_, replicas)| replicas).sum();
    let (target, mut room, kept): (i64, Shares, Shares) = if plan.fresh {
        let room = selected.iter().map(|one| (one.name.clone(), one.available())).collect();
        (plan.replicas, room, Vec::new())
    } else if assigned > plan.replicas {
        (plan.replicas, kept, Vec::new())
    } else if assigned < plan.replicas {
        let room = selected.iter().map(|one| (one.name.clone(), one.allocatable)).collect();
        (plan.replicas - assigned, room, kept)
    } else {
        return Some(kept.into_iter().collect());
    };
    if room.iter().map(|(_, free)| free).sum::<i64>() < target {
        return None;
    }
    if plan.strategy == "Aggregated" {
        let in_use: BTreeSet<&str> = kept.iter().filter(|k| k.1 > 0).map(|k| k.0.as_str()).collect();
        room.sort_by(|a, b| {
            let used = |name: &str| !in_use.contains(name);
            used(&a.0).cmp(&used(&b.0)).then(b.1.cmp(&a.1)).then(a.0.cmp(&b.0))
        });
        let mut held = 0;
        let enough = room.iter().position(|(_, free)| {
            held += free;
            held >= target
        });
        room.truncate(enough.map_or(room.len(), |at| at + 1));
    }
    let mut result = webster(target, &room, &plan.uid);
    for (name, replicas) in kept {
        *result.entry(name).or_default() += replicas;
    }
    Some(result)
}

fn preference(a: &One, b: &One) -> std::cmp::Ordering {
    b.score.cmp(&a.score).then(b.available().cmp(&a.available())).then(a.name.cmp(&b.name))
}

/// A story and the same as a plan.
fn world(seed: u64) -> (Story, Plan) {
    let dice = &mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(5));
    let mut roll = |sides: u64| i64::try_from(dice.roll(sides)).unwrap();
    let regions = ["eu", "us", "ap", "sa", "af"];
    let rooms = 1 + roll(3) as u64 * 12;
    let mut candidates: Vec<One> = (0..1 + roll(11))
        .map(|i| One {
            name: format!("m{i:02}"),
            region: regions[usize::try_from(roll(5)).unwrap()].to_owned(),
            score: 0,
            allocatable: roll(rooms),
            assigned: (roll(3) == 0).then(|| roll(9)),
        })
        .collect();
    let replicas = 1 + roll(30);
    let uid = format!("uid-{seed}");
    let words: Vec<String> =
        candidates.iter().map(|o| format!("{} region={} pods={}", o.name, o.region, o.allocatable)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut previous: Vec<(String, i64)> =
        candidates.iter().filter_map(|o| Some((o.name.clone(), o.assigned?))).collect();
    if roll(4) == 0 {
        previous.push(("gone".into(), 3));
    }
    let had: Vec<String> = previous.iter().map(|(name, n)| format!("{name}={n}")).collect();
    let (strategy, scheduling) = match roll(4) {
        0 => ("Duplicated", json!({ "replicaSchedulingType": "Duplicated" })),
        1 => {
            ("Static", json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted" }))
        }
        2 => (
            "Aggregated",
            json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" }),
        ),
        _ => (
            "Dynamic",
            json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" } }),
        ),
    };
    let mut bounds = |chance: u64, span: u64| {
        let min = 1 + roll(3);
        (roll(chance) > 0).then(|| (min, min + roll(span)))
    };
    let (region, cluster) = (bounds(2, 3), bounds(3, 6));
    let constraint = |field: &str, bounds: Option<(i64, i64)>| -> Option<Value> {
        let (min, max) = bounds?;
        Some(json!({ "spreadByField": field, "minGroups": min, "maxGroups": max }))
    };
    let constraints: Vec<Value> =
        [constraint("region", region), constraint("cluster", cluster)].into_iter().flatten().collect();
    let placement = json!({ "replicaScheduling": scheduling, "spreadConstraints": constraints });
    let fresh = seed.is_multiple_of(7);
    let mut story = story(&words, i32::try_from(replicas).unwrap(), placement).had(&had.join(" "));
    story.spec.resource.uid.clone_from(&uid);
    if fresh {
        story = story.rescheduled();
    }
    for one in &mut candidates {
        one.score = if one.assigned.is_some() { 100 } else { 0 };
    }
    candidates.sort_by(preference);
    (story, Plan { candidates, replicas, strategy, region, cluster, previous, fresh, uid })
}

#[test]
fn every_replica_goes_where_the_rules_say() {
    let (mut placed, mut refused) = (0, 0);
    for seed in 0..4_000 {
        let (story, plan) = world(seed);
        let expected = select(&plan).and_then(|selected| assign(&plan, &selected));
        let expected = expected.map(|result| -> BTreeMap<String, i64> {
            result.into_iter().filter(|(_, replicas)| *replicas > 0).collect()
        });
        let outcome = story.run();
        let actual: Option<BTreeMap<String, i64>> = outcome
            .result
            .as_ref()
            .ok()
            .map(|clusters| clusters.iter().map(|c| (c.name.clone(), i64::from(c.replicas))).collect());
        assert_eq!(actual, expected, "seed {seed}: {}", outcome.trace);
        if actual.is_some() { placed += 1 } else { refused += 1 }
    }
    assert!(placed > 1_500 && refused > 300, "{placed} placed, {refused} refused");
}
