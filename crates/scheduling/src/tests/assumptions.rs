//! What has been decided and is not reported yet.

use std::collections::BTreeMap;

use api::Scope;
use api::meta::ObjectMeta;
use api::work::{
    AggregatedStatusItem, Binding, Component, ResourceBindingSpec, ResourceBindingStatus, ResourceHealth,
};
use jiff::{SignedDuration, Timestamp};
use machinery::ObjectKey;
use serde_json::json;

use super::properties::Dice;
use super::{Story, story, targets};
use crate::{Assumptions, Input, Snapshot, schedule};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(secs).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

/// A Deployment whose replicas ask for one cpu.
fn binding(health: &[(&str, ResourceHealth)]) -> Binding {
    let mut spec = story(&[], 3, json!({})).cpu("1").spec;
    spec.resource.namespace = "work".into();
    spec.resource.name = "web".into();
    of(spec, status(health))
}

fn of(spec: ResourceBindingSpec, status: ResourceBindingStatus) -> Binding {
    Binding { scope: Scope::Namespaced, metadata: ObjectMeta::default(), spec, status }
}

fn status(health: &[(&str, ResourceHealth)]) -> ResourceBindingStatus {
    let item = |(cluster, health): &(&str, ResourceHealth)| AggregatedStatusItem {
        cluster_name: (*cluster).into(),
        health: Some(*health),
        ..AggregatedStatusItem::default()
    };
    ResourceBindingStatus {
        aggregated_status: health.iter().map(item).collect(),
        ..ResourceBindingStatus::default()
    }
}

fn snapshot(words: &[&str]) -> Snapshot {
    words.iter().map(|words| super::cluster(words)).collect()
}

/// How many replicas of one cpu still fit each cluster.
fn room(assumptions: &mut Assumptions, snapshot: &Snapshot, now: i64) -> Vec<i64> {
    let overlaid = assumptions.overlay(snapshot, at(now));
    let story = story(&[], 1, json!({})).cpu("1");
    let outcome = schedule(&Input {
        spec: &story.spec,
        status: &story.status,
        snapshot: &overlaid,
        features: story.features,
        peers: None,
        estimate: None,
        after_step: None,
    });
    let mut candidates = outcome.trace.explain().attempts.remove(0).candidates;
    candidates.sort_by(|a, b| a.cluster.cmp(&b.cluster));
    candidates.into_iter().filter_map(|c| c.allocatable).collect()
}

#[test]
fn what_is_on_its_way_to_a_cluster_is_taken_off_its_capacity() {
    let clusters = snapshot(&["m1 cpu=9", "m2 cpu=9"]);
    let mut assumptions = Assumptions::default();
    assert_eq!(room(&mut assumptions, &clusters, 0), [9, 9]);
    assumptions.assume(&key("a"), &binding(&[]), &targets("m1=3 m2=1"), at(0));
    assert_eq!(room(&mut assumptions, &clusters, 0), [6, 8]);
    assumptions.assume(&key("b"), &binding(&[]), &targets("m1=2"), at(0));
    assert_eq!(room(&mut assumptions, &clusters, 0), [4, 8]);
    let smaller = snapshot(&["m1 cpu=6", "m2 cpu=9"]);
    assert_eq!(room(&mut assumptions, &smaller, 0), [1, 8], "a new report is counted anew");
}

#[test]
fn a_new_result_replaces_the_old_and_releases_clusters_that_are_no_longer_in_it() {
    let clusters = snapshot(&["m1 cpu=9", "m2 cpu=9"]);
    let mut assumptions = Assumptions::default();
    assumptions.assume(&key("a"), &binding(&[]), &targets("m1=3 m2=1"), at(0));
    assumptions.assume(&key("a"), &binding(&[]), &targets("m2=4"), at(0));
    assert_eq!(room(&mut assumptions, &clusters, 0), [9, 5]);
}

#[test]
fn an_assumption_is_released_when_its_cluster_turns_healthy() {
    let clusters = snapshot(&["m1 cpu=9", "m2 cpu=9"]);
    let mut assumptions = Assumptions::default();
    assumptions.assume(&key("a"), &binding(&[("m2", ResourceHealth::Healthy)]), &targets("m1=3 m2=2"), at(0));
    let observe = |assumptions: &mut Assumptions, m1, m2| {
        assumptions.observe(&key("a"), &status(&[("m1", m1), ("m2", m2)]));
        room(assumptions, &clusters, 0)
    };
    let (healthy, unhealthy) = (ResourceHealth::Healthy, ResourceHealth::Unhealthy);
    assert_eq!(observe(&mut assumptions, unhealthy, healthy), [6, 7], "m2 was healthy before already");
    assert_eq!(observe(&mut assumptions, healthy, unhealthy), [9, 7]);
    assert_eq!(observe(&mut assumptions, healthy, healthy), [9, 9]);
    assert!(assumptions.is_empty());
}

#[test]
fn an_assumption_is_released_when_its_binding_is_deleted() {
    let mut assumptions = Assumptions::default();
    assumptions.assume(&key("a"), &binding(&[]), &targets("m1=3"), at(0));
    assumptions.release(&key("other"));
    assert!(!assumptions.is_empty());
    assumptions.release(&key("a"));
    assert!(assumptions.is_empty());
}

#[test]
fn an_assumption_stands_for_five_minutes() {
    let clusters = snapshot(&["m1 cpu=9"]);
    let mut assumptions = Assumptions::default();
    assumptions.assume(&key("a"), &binding(&[]), &targets("m1=3"), at(0));
    assumptions.assume(&key("b"), &binding(&[]), &targets("m1=1"), at(60));
    assert_eq!(room(&mut assumptions, &clusters, 300), [5]);
    assert_eq!(assumptions.on("m1", at(301)).len(), 1, "late ones are not listed even before they are swept");
    assert_eq!(assumptions.expire(at(301)), 1);
    assert_eq!(room(&mut assumptions, &clusters, 301), [8]);
    assert_eq!(assumptions.expire(at(361)), 1);
    assert!(assumptions.is_empty());
    let mut short = Assumptions::with_ttl(SignedDuration::from_secs(1));
    short.assume(&key("a"), &binding(&[]), &targets("m1=3"), at(0));
    assert_eq!(room(&mut short, &clusters, 2), [9]);
}

#[test]
fn only_workloads_are_assumed() {
    let mut assumptions = Assumptions::default();
    let config = of(ResourceBindingSpec::default(), ResourceBindingStatus::default());
    assumptions.assume(&key("config"), &config, &targets("m1"), at(0));
    assert!(assumptions.is_empty());
}

#[test]
fn an_assumption_lists_the_components_that_go_to_the_cluster() {
    let mut assumptions = Assumptions::default();
    assumptions.assume(&key("a"), &binding(&[]), &targets("m1=3"), at(0));
    let objects = assumptions.assumed_objects("m1", at(0));
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].namespace, "work");
    assert_eq!((objects[0].components[0].name.as_str(), objects[0].components[0].replicas), ("web", 3));
    let mut parts = binding(&[]);
    let component = |name: &str, replicas| Component { name: name.into(), replicas, ..Component::default() };
    parts.spec.components = vec![component("driver", 1), component("worker", 4)];
    assumptions.assume(&key("b"), &parts, &targets("m1"), at(0));
    let replicas = |assumed: &&estimation::Assumed| -> Vec<i64> {
        assumed.components.iter().map(|component| component.replicas).collect()
    };
    assert_eq!(assumptions.on("m1", at(0)).iter().map(replicas).collect::<Vec<_>>(), [vec![3], vec![1, 4]]);
    assert!(assumptions.on("m2", at(0)).is_empty());
}

#[test]
fn the_second_of_two_does_not_take_what_the_first_was_given() {
    let clusters = snapshot(&["m1 cpu=4", "m2 cpu=3"]);
    let mut assumptions = Assumptions::default();
    let aggregated = json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } });
    let mut place = |name: &str| {
        let Story { spec, status, features, .. } = story(&[], 3, aggregated.clone()).cpu("1");
        let snapshot = assumptions.overlay(&clusters, at(0));
        let input = Input {
            spec: &spec,
            status: &status,
            snapshot: &snapshot,
            features,
            peers: None,
            estimate: None,
            after_step: None,
        };
        let result = schedule(&input).result.unwrap();
        let binding = of(spec, status);
        assumptions.assume(&key(name), &binding, &result, at(0));
        result.into_iter().map(|t| t.name).collect::<Vec<_>>()
    };
    assert_eq!(place("first"), ["m1"]);
    assert_eq!(place("second"), ["m2"]);
}

#[test]
fn whatever_happens_what_is_left_is_the_report_without_what_is_on_its_way() {
    let clusters = snapshot(&["m1 cpu=500", "m2 cpu=400", "m3 cpu=300"]);
    for seed in 0..60 {
        let dice = &mut Dice(seed * 7 + 3);
        let mut assumptions = Assumptions::default();
        // Per binding: when it was assumed, and its replicas on each cluster.
        let mut expected: BTreeMap<String, (i64, BTreeMap<usize, i64>)> = BTreeMap::new();
        for now in 0..80 {
            let now = now * 20;
            let name = format!("b{}", dice.roll(5));
            match dice.roll(4) {
                0 | 1 => {
                    let shares: BTreeMap<usize, i64> =
                        (0..3).filter(|_| dice.roll(2) == 0).map(|at| (at, 1 + now % 4)).collect();
                    let result: Vec<String> =
                        shares.iter().map(|(at, replicas)| format!("m{}={replicas}", at + 1)).collect();
                    assumptions.assume(&key(&name), &binding(&[]), &targets(&result.join(" ")), at(now));
                    expected.insert(name, (now, shares));
                }
                2 => {
                    let cluster = usize::try_from(dice.roll(3)).unwrap();
                    let health = format!("m{}", cluster + 1);
                    assumptions.observe(&key(&name), &status(&[(&health, ResourceHealth::Healthy)]));
                    if let Some((_, shares)) = expected.get_mut(&name) {
                        shares.remove(&cluster);
                    }
                }
                _ => {
                    assumptions.release(&key(&name));
                    expected.remove(&name);
                }
            }
            expected.retain(|_, (assumed, _)| now <= *assumed + 300);
            let taken = |cluster: usize| -> i64 {
                expected.values().filter_map(|(_, shares)| shares.get(&cluster)).sum()
            };
            // There are a hundred pod slots.
            let left: Vec<i64> = (0..3).map(|cluster| 100 - taken(cluster)).collect();
            assert_eq!(room(&mut assumptions, &clusters, now), left, "seed {seed} at {now}");
        }
    }
}
