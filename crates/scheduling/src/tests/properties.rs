//! What holds for every world, tried on seeded ones.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Story, story};
use crate::Error;

/// A small generator with the same numbers on every machine.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn world(seed: u64) -> Story {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let clusters: Vec<String> = (0..1 + dice.roll(8))
        .map(|i| {
            let taint = ["", "", "", " taint=k:NoSchedule"][dice.roll(4) as usize];
            let region = ["eu", "us", "ap"][dice.roll(3) as usize];
            format!("m{i} region={region} pods={}{taint}", dice.roll(30))
        })
        .collect();
    let mut placement = json!({ "replicaScheduling": match dice.roll(4) {
        0 => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" }),
        1 => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted" }),
        _ => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" } }),
    } });
    if dice.roll(3) == 0 {
        placement["spreadConstraints"] =
            json!([{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 + dice.roll(4) }]);
    }
    let words: Vec<&str> = clusters.iter().map(String::as_str).collect();
    let mut story = story(&words, (dice.roll(40)) as i32, placement);
    if dice.roll(2) == 0 {
        let had: Vec<String> = (0..words.len() as u64)
            .filter(|_| dice.roll(2) == 0)
            .map(|i| format!("m{i}={}", i % 5 + 1))
            .collect();
        story = story.had(&had.join(" "));
    }
    if dice.roll(5) == 0 {
        story = story.evicting("m0");
    }
    story.with(|s| s.spec.resource.uid = format!("uid-{seed}"))
}

fn by_name(story: &Story) -> Option<BTreeMap<String, i32>> {
    story.run().result.ok().map(|clusters| clusters.into_iter().map(|c| (c.name, c.replicas)).collect())
}

const SEEDS: std::ops::Range<u64> = 0..1_500;

#[test]
fn replicas_add_up_and_nobody_gets_less_than_one() {
    let mut placed = 0;
    for seed in SEEDS {
        let story = world(seed);
        if let Some(clusters) = by_name(&story) {
            assert_eq!(
                clusters.values().sum::<i32>(),
                story.spec.replicas,
                "seed {seed}: {}",
                story.run().trace
            );
            assert!(clusters.values().all(|r| *r > 0), "seed {seed}: {clusters:?}");
            placed += 1;
        }
    }
    assert!(placed > 800, "most worlds have room, but only {placed} did");
}

#[test]
fn the_same_world_gets_the_same_answer_in_any_order_of_clusters() {
    for seed in SEEDS {
        let story = world(seed);
        let turned = story.clone().with(|s| s.clusters.reverse());
        assert_eq!(story.run(), turned.run(), "seed {seed}");
    }
}

#[test]
fn a_refused_cluster_is_never_chosen() {
    for seed in SEEDS {
        let story = world(seed);
        let outcome = story.run();
        let explanation = outcome.trace.explain();
        let refused: Vec<&str> =
            explanation.attempts.iter().flat_map(|a| &a.refused).map(|r| r.cluster.as_str()).collect();
        for chosen in outcome.result.into_iter().flatten() {
            assert!(!refused.contains(&chosen.name.as_str()), "seed {seed}: {}", chosen.name);
        }
    }
}

/// Whether the strategy keeps what it has and nothing but the number of replicas is in the way.
fn is_sticky(story: &Story) -> bool {
    let placement = story.spec.placement.as_ref().unwrap();
    let strategy = crate::schedule::strategy(placement).unwrap();
    strategy.is_dynamic() && placement.spread_constraints.is_empty()
}

#[test]
fn growing_takes_nothing_away() {
    for seed in SEEDS {
        let story = world(seed);
        let Some(before) = by_name(&story).filter(|_| is_sticky(&story)) else { continue };
        let had: Vec<String> = before.iter().map(|(name, replicas)| format!("{name}={replicas}")).collect();
        let grown = story.had(&had.join(" ")).with(|s| s.spec.replicas += 3);
        let Some(after) = by_name(&grown) else { continue };
        for (name, replicas) in &before {
            assert!(after.get(name) >= Some(replicas), "seed {seed}: {before:?} then {after:?}");
        }
    }
}

#[test]
fn a_result_that_stands_is_kept() {
    for seed in SEEDS {
        let story = world(seed);
        let Some(before) = by_name(&story).filter(|_| is_sticky(&story)) else { continue };
        let had: Vec<String> = before.iter().map(|(name, replicas)| format!("{name}={replicas}")).collect();
        assert_eq!(by_name(&story.had(&had.join(" "))), Some(before), "seed {seed}");
    }
}

#[test]
fn shrinking_gives_nobody_more() {
    for seed in SEEDS {
        let story = world(seed);
        let Some(before) = by_name(&story).filter(|_| is_sticky(&story)) else { continue };
        let had: Vec<String> = before.iter().map(|(name, replicas)| format!("{name}={replicas}")).collect();
        let shrunk = story.had(&had.join(" ")).with(|s| s.spec.replicas /= 2);
        let after = by_name(&shrunk).unwrap_or_else(|| panic!("seed {seed}: shrinking always works"));
        for (name, replicas) in &after {
            assert!(before.get(name) >= Some(replicas), "seed {seed}: {before:?} then {after:?}");
        }
    }
}

#[test]
fn more_room_never_turns_success_into_failure() {
    for seed in SEEDS {
        let story = world(seed);
        if story.run().result.is_err() {
            continue;
        }
        let roomier = story.with(|s| {
            for cluster in &mut s.clusters {
                let summary = cluster.status.resource_summary.as_mut().unwrap();
                summary.allocatable.insert("pods".into(), "1000".into());
            }
        });
        assert!(roomier.run().result.is_ok(), "seed {seed}: {}", roomier.run().trace);
    }
}

#[test]
fn what_fits_is_only_said_not_to_fit_when_all_are_refused() {
    for seed in SEEDS {
        let outcome = world(seed).run();
        if matches!(outcome.result, Err(Error::Fit { .. })) {
            let explanation = outcome.trace.explain();
            assert!(explanation.attempts.iter().all(|a| a.candidates.is_empty()), "seed {seed}");
        }
    }
}

/// A world in which further clusters take what the first ones cannot hold.
fn overflowing_world(seed: u64) -> Story {
    world(seed).with(|s| {
        let placement = s.spec.placement.as_mut().unwrap();
        placement.spread_constraints.clear();
        placement.replica_scheduling = serde_json::from_value(json!({
            "replicaSchedulingType": "Divided",
            "replicaDivisionPreference": "Aggregated",
        }))
        .unwrap();
        placement.cluster_affinities = serde_json::from_value(json!([{
            "affinityName": "own",
            "clusterNames": ["m0", "m1", "m2"],
            "overflowAffinities": [{ "affinityName": "rented", "clusterNames": ["m3", "m4"] }],
        }]))
        .unwrap();
    })
}

#[test]
fn overflow_is_used_only_when_the_primary_clusters_are_full() {
    let mut overflown = 0;
    for seed in SEEDS {
        let story = overflowing_world(seed);
        let outcome = story.run();
        let Ok(clusters) = &outcome.result else { continue };
        assert_eq!(clusters.iter().map(|c| c.replicas).sum::<i32>(), story.spec.replicas, "seed {seed}");
        let explanation = outcome.trace.explain();
        let candidates = &explanation.attempts[0].candidates;
        let in_tier = |tier: u32| candidates.iter().filter(move |c| c.tier == tier);
        let placed =
            |name: &str| clusters.iter().find(|c| c.name == name).map_or(0, |c| i64::from(c.replicas));
        if in_tier(1).all(|c| placed(&c.cluster) == 0) {
            continue;
        }
        overflown += 1;
        let room: i64 = in_tier(0).filter_map(|c| c.available).sum();
        let used: i64 = in_tier(0).map(|c| placed(&c.cluster)).sum();
        assert_eq!(used, room, "seed {seed}: {}", outcome.trace);
    }
    assert!(overflown > 50, "some worlds overflow, but only {overflown} did");
}
