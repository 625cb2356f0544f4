//! What holds for every placement, tried on seeded ones of every sort.

use std::collections::BTreeSet;

use api::policy::SpreadField;
use serde_json::{Value, json};

use super::properties::Dice;
use super::{Story, story};
use crate::explain::{Attempt, Explanation};
use crate::{Error, Hint, Plugin, Plugins, Snapshot, estimates_wanted};

const SEEDS: std::ops::Range<u64> = 0..1_500;

fn pick<'a>(dice: &mut Dice, of: &[&'a str]) -> &'a str {
    of[usize::try_from(dice.roll(of.len() as u64)).unwrap()]
}

fn constraint(dice: &mut Dice, field: &str) -> Value {
    let min = dice.roll(4);
    json!({ "spreadByField": field, "minGroups": min, "maxGroups": min + dice.roll(3) })
}

/// A world with everything: places, taints, labels, small rooms, and a placement that uses them.
fn world(seed: u64) -> Story {
    let dice = &mut Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(11));
    let clusters: Vec<String> = (0..1 + dice.roll(10))
        .map(|i| {
            let provider = pick(dice, &["", " provider=p", " provider=q"]);
            let region = pick(dice, &["", " region=eu", " region=us", " region=ap"]);
            let zone = pick(dice, &["", " zone=a", " zone=b", " zone=a,b", " zone=b,c"]);
            let other =
                pick(dice, &["", "", "", " no-api", " taint=k:NoSchedule", " deleting", " label:env=prod"]);
            format!("m{i}{provider}{region}{zone}{other} pods={}", dice.roll(25))
        })
        .collect();
    let scheduling = match dice.roll(5) {
        0 => json!({ "replicaSchedulingType": "Duplicated" }),
        1 => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted" }),
        2 => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" }),
        _ => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" } }),
    };
    let fields = ["cluster", "region", "zone", "provider"];
    let chosen: Vec<&str> = fields.into_iter().filter(|_| dice.roll(3) == 0).collect();
    let constraints: Vec<Value> = chosen.into_iter().map(|field| constraint(dice, field)).collect();
    let mut placement = json!({ "replicaScheduling": scheduling, "spreadConstraints": constraints });
    if dice.roll(3) == 0 {
        let names: Vec<String> = (0..6).map(|_| format!("m{}", dice.roll(12))).collect();
        placement["clusterAffinity"] = json!({ "clusterNames": names, "exclude": ["m2"] });
    } else if dice.roll(4) == 0 {
        placement["clusterAffinity"] = json!({ "labelSelector": { "matchLabels": { "env": "prod" } } });
    }
    let words: Vec<&str> = clusters.iter().map(String::as_str).collect();
    let mut story = story(&words, i32::try_from(dice.roll(30)).unwrap(), placement);
    let had: Vec<String> =
        (0..words.len()).filter(|_| dice.roll(4) == 0).map(|i| format!("m{i}={}", i % 4)).collect();
    story = story.had(&had.join(" "));
    if dice.roll(6) == 0 {
        story = story.evicting("m1");
    }
    if dice.roll(6) == 0 {
        story = story.rescheduled();
    }
    story.with(|s| s.spec.resource.uid = format!("uid-{seed}"))
}

fn last(explanation: &Explanation) -> &Attempt {
    explanation.attempts.last().unwrap()
}

#[test]
fn replicas_add_up_and_zero_replica_clusters_are_dropped() {
    let mut placed = 0;
    for seed in SEEDS {
        let story = world(seed);
        let Ok(clusters) = story.run().result else { continue };
        placed += 1;
        assert!(clusters.iter().all(|c| c.replicas > 0), "seed {seed}: {clusters:?}");
        let sum: i32 = clusters.iter().map(|c| c.replicas).sum();
        let copies = i32::try_from(clusters.len()).unwrap() * story.spec.replicas;
        let placement = story.spec.placement.as_ref().unwrap();
        let is_copies = crate::schedule::strategy(placement) == Some(crate::Strategy::Duplicated);
        assert_eq!(sum, if is_copies { copies } else { story.spec.replicas }, "seed {seed}");
    }
    assert!(placed > 300, "many worlds have an answer, but only {placed} did");
}

#[test]
fn the_order_of_the_clusters_does_not_matter() {
    for seed in SEEDS {
        let story = world(seed);
        let mut turned = story.clone();
        turned.clusters.rotate_left(usize::try_from(seed).unwrap() % story.clusters.len());
        assert_eq!(story.run(), turned.run(), "seed {seed}");
    }
}

/// The groups of a field that a cluster is in, with those of the fields around it.
fn groups(story: &Story, name: &str, fields: &[SpreadField]) -> BTreeSet<String> {
    let spec = &story.clusters.iter().find(|c| c.metadata.name == name).unwrap().spec;
    let mut groups = BTreeSet::from([String::new()]);
    for field in fields {
        let own = match field {
            SpreadField::Provider => vec![spec.provider.clone()],
            SpreadField::Region => vec![spec.region.clone()],
            SpreadField::Zone => spec.zones.clone(),
            SpreadField::Cluster => vec![name.to_owned()],
        };
        groups = groups.iter().flat_map(|outer| own.iter().map(move |g| format!("{outer}/{g}"))).collect();
    }
    groups
}

#[test]
fn a_selection_satisfies_every_spread_constraint() {
    let mut checked = 0;
    for seed in SEEDS {
        let story = world(seed);
        let outcome = story.run();
        let explanation = outcome.trace.explain();
        let attempt = last(&explanation);
        if attempt.selected.is_empty() || attempt.spreads.is_empty() {
            continue;
        }
        let fields: Vec<SpreadField> = attempt.spreads.iter().map(|spread| spread.field).collect();
        for (depth, spread) in attempt.spreads.iter().enumerate() {
            let chosen: BTreeSet<String> =
                spread.groups.iter().filter(|g| g.chosen).map(|g| format!("/{}", g.name)).collect();
            let count = i64::try_from(chosen.len()).unwrap();
            assert!((spread.min_groups..=spread.max_groups).contains(&count), "seed {seed}: {explanation}");
            let of = |name: &String| groups(&story, name, &fields[..=depth]);
            let covered: BTreeSet<String> = attempt.selected.iter().flat_map(of).collect();
            assert!(chosen.is_subset(&covered), "seed {seed}: {chosen:?} {covered:?}\n{explanation}");
            let inside = |name: &String| !of(name).is_disjoint(&chosen);
            assert!(attempt.selected.iter().all(inside), "seed {seed}: {explanation}");
            checked += 1;
        }
        let unique: BTreeSet<&String> = attempt.selected.iter().collect();
        assert_eq!(unique.len(), attempt.selected.len(), "seed {seed}: twice selected");
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_selection_by_cluster_stays_within_its_bounds() {
    for seed in SEEDS {
        let story = world(seed);
        let placement = story.spec.placement.as_ref().unwrap();
        let [constraint] = placement.spread_constraints.as_slice() else { continue };
        let static_weight = crate::schedule::strategy(placement) == Some(crate::Strategy::StaticWeight);
        if constraint.spread_by_field != Some(SpreadField::Cluster) || static_weight {
            continue;
        }
        let explanation = story.run().trace.explain();
        let selected = i64::try_from(last(&explanation).selected.len()).unwrap();
        assert!(selected == 0 || selected >= constraint.min_groups, "seed {seed}: {explanation}");
        assert!(selected <= constraint.max_groups, "seed {seed}: {explanation}");
    }
}

#[test]
fn an_explanation_tells_the_result() {
    for seed in SEEDS {
        let outcome = world(seed).run();
        let explanation = outcome.trace.explain();
        let attempt = last(&explanation);
        match &outcome.result {
            Ok(clusters) => {
                let told = attempt.placed.iter().map(|p| (p.cluster.as_str(), p.replicas));
                let placed = clusters.iter().map(|c| (c.name.as_str(), i64::from(c.replicas)));
                assert!(told.eq(placed), "seed {seed}: {explanation}");
            }
            Err(error) => assert_eq!(attempt.failure.as_ref(), Some(&error.to_string()), "seed {seed}"),
        }
        let short = outcome.trace.short(&outcome.result);
        assert!(short.chars().count() <= 200 && !short.is_empty(), "seed {seed}: {short}");
        assert!(!short.contains('\n'), "seed {seed}: {short}");
    }
}

/// Every plugin but one.
fn without(plugin: &str) -> Plugins {
    let names: Vec<&str> = Plugin::ALL.iter().map(|p| p.name()).filter(|name| *name != plugin).collect();
    Plugins::parse(names).unwrap()
}

#[test]
fn a_cluster_that_is_one_filter_away_passes_without_that_filter() {
    let mut checked = 0;
    for seed in SEEDS {
        let story = world(seed);
        let explanation = story.run().trace.explain();
        for hint in &last(&explanation).hints {
            let Hint::OneFilterAway { plugin, clusters, .. } = hint else { continue };
            let free = story.clone().with(|s| s.features.plugins = without(plugin)).run().trace.explain();
            let passes = |name: &String| last(&free).candidates.iter().any(|c| c.cluster == *name);
            assert!(clusters.iter().all(passes), "seed {seed}: {hint}\n{free}");
            checked += clusters.len();
        }
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn as_many_replicas_as_are_short_are_enough() {
    let mut checked = 0;
    for seed in SEEDS {
        let story = world(seed);
        let outcome = story.run();
        let explanation = outcome.trace.explain();
        let attempt = last(&explanation);
        let Err(Error::Unschedulable(_)) = outcome.result else { continue };
        let Some(Hint::ReplicasShort { short, .. }) = attempt.hints.first() else {
            panic!("seed {seed}: no hint\n{explanation}")
        };
        let name = attempt.selected[0].clone();
        // Spreads may turn to other clusters when rooms change.
        let more = |by: i64| {
            story.clone().with(|s| {
                s.spec.placement.as_mut().unwrap().spread_constraints.clear();
                s.clusters.retain(|c| attempt.selected.contains(&c.metadata.name));
                let cluster = s.clusters.iter_mut().find(|c| c.metadata.name == name).unwrap();
                let list = &mut cluster.status.resource_summary.as_mut().unwrap().allocatable;
                let pods: i64 = list["pods"].as_str().parse().unwrap();
                list.insert("pods".into(), (pods + by).to_string().into());
            })
        };
        assert!(more(*short).run().result.is_ok(), "seed {seed}: {}", more(*short).run().trace);
        assert!(more(short - 1).run().result.is_err(), "seed {seed}");
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn estimates_are_wanted_of_exactly_the_candidates() {
    for seed in SEEDS {
        let story = world(seed);
        let snapshot: Snapshot = story.clusters.iter().cloned().collect();
        let wanted = estimates_wanted(&crate::Input {
            spec: &story.spec,
            status: &story.status,
            snapshot: &snapshot,
            features: story.features,
            peers: None,
            estimate: None,
            after_step: None,
        });
        let explanation = story.run().trace.explain();
        let candidates: BTreeSet<String> =
            last(&explanation).candidates.iter().map(|c| c.cluster.clone()).collect();
        let names: BTreeSet<String> =
            wanted.iter().flat_map(|w| &w.clusters).map(|m| m.name().to_string()).collect();
        let expected = if story.spec.replicas == 0 { BTreeSet::new() } else { candidates };
        assert_eq!(names, expected, "seed {seed}");
    }
}

#[test]
fn deciding_twice_decides_the_same() {
    for seed in SEEDS {
        let story = world(seed);
        assert_eq!(story.run(), story.run(), "seed {seed}");
    }
}
