//! How many more replicas fit a cluster.

use std::collections::BTreeMap;

use api::cluster::{AllocatableModeling, ResourceModel, ResourceModelRange};
use api::work::Component;
use estimation::Modeling;
use serde_json::{Value, json};

use super::{Story, story};
use crate::{Input, Member, Snapshot, Wanted, What, estimates_wanted, schedule};

fn aggregated() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } })
}

fn with_input<T>(story: &Story, answers: &[(&str, i64)], then: impl Fn(&Input<'_>) -> T) -> T {
    let answers: BTreeMap<&str, i64> = answers.iter().copied().collect();
    let estimate = |member: &Member| answers.get(member.name().as_ref()).copied();
    let snapshot: Snapshot = story.clusters.iter().cloned().collect();
    then(&Input {
        spec: &story.spec,
        status: &story.status,
        snapshot: &snapshot,
        features: story.features,
        peers: story.peers.as_ref(),
        estimate: Some(&estimate),
        after_step: None,
    })
}

/// Allocatable replicas by name of the cluster; -2 for no limit.
fn room(story: &Story, answers: &[(&str, i64)]) -> Vec<(String, i64)> {
    let outcome = with_input(story, answers, schedule);
    let attempts = outcome.trace.explain().attempts;
    let mut room: Vec<(String, i64)> = attempts
        .into_iter()
        .flat_map(|attempt| attempt.candidates)
        .map(|c| (c.cluster, c.allocatable.unwrap_or(-2)))
        .collect();
    room.sort();
    room
}

fn pairs(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs.iter().map(|(name, room)| ((*name).to_owned(), *room)).collect()
}

#[test]
fn the_smallest_estimate_counts_and_minus_one_is_no_opinion() {
    let story = story(&["m1 pods=9", "m2 pods=9", "m3 pods=9", "m4 pods=9"], 4, aggregated());
    let answers = [("m1", 3), ("m2", 30), ("m3", -1)];
    assert_eq!(room(&story, &answers), pairs(&[("m1", 3), ("m2", 9), ("m3", 9), ("m4", 9)]));
}

#[test]
fn an_estimate_of_none_keeps_the_cluster_empty() {
    let story = story(&["m1 pods=9", "m2 pods=9"], 4, aggregated());
    assert_eq!(room(&story, &[("m1", 0)]), pairs(&[("m1", 0), ("m2", 9)]));
}

#[test]
fn without_replicas_there_is_room_without_end() {
    let story = story(&["m1 pods=9", "m2 pods=0"], 0, aggregated());
    assert_eq!(room(&story, &[]), pairs(&[("m1", -2), ("m2", -2)]));
}

#[test]
fn room_without_end_counts_as_the_replicas_asked_for() {
    let story = story(&["m1 pods=99999999999", "m2 pods=7"], 4, aggregated());
    assert_eq!(room(&story, &[]), pairs(&[("m1", 4), ("m2", 7)]));
}

/// A cluster whose nodes all have so many cpus.
fn modelled(mut story: Story, cpus: u32, nodes: i64) -> Story {
    let range = ResourceModelRange {
        name: "cpu".into(),
        min: cpus.to_string().into(),
        ..ResourceModelRange::default()
    };
    let cluster = &mut story.clusters[0];
    cluster.spec.resource_models = vec![ResourceModel { grade: 0, ranges: vec![range] }];
    cluster.status.resource_summary.as_mut().unwrap().allocatable_modelings =
        vec![AllocatableModeling { grade: 0, count: nodes }];
    story
}

#[test]
fn resource_models_take_part_unless_the_gate_is_off() {
    let story = modelled(story(&["m1 pods=99 cpu=30"], 4, aggregated()).cpu("2"), 3, 10);
    assert_eq!(room(&story, &[]), pairs(&[("m1", 10)]), "one on each node of three cpus");
    let off = story.with(|s| s.features.modeling = Modeling::Ignored);
    assert_eq!(room(&off, &[]), pairs(&[("m1", 15)]));
}

fn component(name: &str, replicas: i32, cpu: &str) -> Component {
    serde_json::from_value(json!({
        "name": name, "replicas": replicas, "replicaRequirements": { "resourceRequest": { "cpu": cpu } } }))
    .unwrap()
}

fn in_one_cluster(components: bool, min: i64, max: i64) -> Story {
    let mut placement = aggregated();
    placement["spreadConstraints"] =
        json!([{ "spreadByField": "cluster", "minGroups": min, "maxGroups": max }]);
    story(&["m1 cpu=9", "m2 cpu=20"], 0, placement).with(|s| {
        s.features.components = components;
        s.spec.components = vec![component("driver", 1, "1"), component("worker", 3, "2")];
    })
}

#[test]
fn workloads_of_components_that_go_to_one_cluster_are_estimated_as_sets() {
    assert_eq!(room(&in_one_cluster(true, 1, 1), &[]), pairs(&[("m1", 1), ("m2", 2)]));
    assert_eq!(room(&in_one_cluster(true, 1, 1), &[("m2", 0)]), pairs(&[("m1", 1), ("m2", 0)]));
    let many = pairs(&[("m1", 100), ("m2", 100)]);
    assert_eq!(room(&in_one_cluster(true, 1, 2), &[]), many, "not bound to one cluster");
    assert_eq!(room(&in_one_cluster(false, 1, 1), &[]), many, "the gate is off");
}

#[test]
fn one_constraint_that_says_one_cluster_is_enough_to_place_components_as_a_set() {
    let twice = |first: (i64, i64), second: (i64, i64)| {
        let constraint =
            |(min, max)| json!({ "spreadByField": "cluster", "minGroups": min, "maxGroups": max });
        let mut placement = aggregated();
        placement["spreadConstraints"] = json!([constraint(first), constraint(second)]);
        let spec = in_one_cluster(true, 1, 1);
        spec.with(|s| s.spec.placement = Some(serde_json::from_value(placement).unwrap()))
    };
    let sets = pairs(&[("m1", 1), ("m2", 2)]);
    assert_eq!(room(&twice((1, 1), (1, 3)), &[]), sets);
    assert_eq!(room(&twice((1, 3), (1, 1)), &[]), sets);
    assert_eq!(room(&twice((1, 2), (1, 3)), &[]), pairs(&[("m1", 100), ("m2", 100)]));
}

fn wanted(story: &Story) -> Option<(Vec<String>, What)> {
    let Wanted { clusters, what } = with_input(story, &[], estimates_wanted)?;
    Some((clusters.iter().map(|m| m.name().to_string()).collect(), what))
}

#[test]
fn estimates_are_wanted_of_every_cluster_that_may_be_used() {
    let clusters = ["m1", "m2 no-api", "m3", "m4"];
    let mut placement = aggregated();
    placement["clusterAffinities"] = json!([
        { "affinityName": "a", "clusterNames": ["m1", "m2"] },
        { "affinityName": "b", "clusterNames": ["m3"] },
    ]);
    let both = story(&clusters, 2, placement);
    assert_eq!(wanted(&both), Some((vec!["m1".into(), "m3".into()], What::Replicas)));
    let later = both.observing("b");
    assert_eq!(wanted(&later), Some((vec!["m3".into()], What::Replicas)), "earlier terms are not tried");
}

#[test]
fn no_estimate_is_wanted_where_none_is_looked_at() {
    assert_eq!(wanted(&story(&["m1"], 0, aggregated())), None);
    assert_eq!(wanted(&story(&["m1 no-api"], 2, aggregated())), None);
    assert_eq!(wanted(&in_one_cluster(true, 1, 1)).map(|(_, what)| what), Some(What::Sets));
}
