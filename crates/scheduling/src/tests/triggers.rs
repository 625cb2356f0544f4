use api::work::Component;
use serde_json::{Value, json};

use super::{Story, story};
use crate::{Reason, Snapshot, needs_scheduling};

fn divided() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } })
}

fn reason(story: &Story, applied: Option<&Value>) -> Option<Reason> {
    let snapshot: Snapshot = story.clusters.iter().cloned().collect();
    let applied = applied.map(|a| serde_json::from_value(a.clone()).unwrap());
    needs_scheduling(&story.spec, &story.status, applied.as_ref(), &snapshot, &story.features)
}

#[test]
fn a_settled_binding_is_left_alone() {
    let settled = story(&["m1"], 3, divided()).had("m1=3");
    assert_eq!(reason(&settled, Some(&divided())), None);
}

#[test]
fn a_binding_without_placement_is_left_alone() {
    let none = story(&["m1"], 3, divided()).with(|s| s.spec.placement = None);
    assert_eq!(reason(&none, None), None);
}

#[test]
fn a_placement_that_is_not_the_applied_one_counts() {
    let settled = story(&["m1"], 3, divided()).had("m1=3");
    assert_eq!(reason(&settled, None), Some(Reason::PlacementChanged));
    let with = |field: &str, value: Value| {
        let mut placement = divided();
        placement[field] = value;
        reason(&settled, Some(&placement))
    };
    let changed = Some(Reason::PlacementChanged);
    assert_eq!(with("clusterAffinity", json!({ "clusterNames": ["m1"] })), changed);
    assert_eq!(with("clusterTolerations", json!([{ "key": "k" }])), changed);
    assert_eq!(with("spreadConstraints", json!([{ "spreadByField": "cluster" }])), changed);
    assert_eq!(with("replicaScheduling", json!({ "replicaSchedulingType": "Duplicated" })), changed);
    assert_eq!(with("workloadAffinity", json!({ "affinity": { "groupByLabelKey": "k" } })), None);
}

#[test]
fn only_the_affinity_term_in_use_counts() {
    let terms = |list: &[(&str, &str)]| {
        let mut placement = divided();
        placement["clusterAffinities"] = list
            .iter()
            .map(|(name, cluster)| json!({ "affinityName": name, "clusterNames": [cluster] }))
            .collect();
        placement
    };
    let now = terms(&[("a", "m1"), ("b", "m2")]);
    let check = |observed: &str, applied: &Value| {
        let story = story(&["m1"], 3, now.clone()).had("m1=3").observing(observed);
        reason(&story, Some(applied)).is_some()
    };
    assert!(!check("a", &terms(&[("a", "m1")])), "a term was added after it");
    assert!(!check("b", &terms(&[("b", "m2"), ("c", "m3")])), "another term was taken away");
    assert!(check("a", &terms(&[("a", "m9"), ("b", "m2")])), "its content changed");
    assert!(check("a", &terms(&[("b", "m2")])), "it is new");
    assert!(check("c", &terms(&[("c", "m1")])), "it is gone");
    assert!(check("", &terms(&[("a", "m1")])), "none is in use");
    assert!(!check("a", &now), "nothing changed");
    assert!(check("", &now), "nobody knows which one is in use");
}

#[test]
fn replicas_that_do_not_add_up_count() {
    let check = |story: Story, placement: Value| reason(&story, Some(&placement));
    assert_eq!(check(story(&["m1"], 4, divided()).had("m1=3"), divided()), Some(Reason::ReplicasChanged));
    let copies = json!({ "replicaScheduling": { "replicaSchedulingType": "Duplicated" } });
    let stale = story(&["m1", "m2"], 4, copies.clone()).had("m1=4 m2=3");
    assert_eq!(check(stale, copies.clone()), Some(Reason::ReplicasChanged));
    assert_eq!(Reason::ReplicasChanged.schedule_type(), "ScaleSchedule");
    assert_eq!(Reason::PlacementChanged.schedule_type(), "ReconcileSchedule");
}

#[test]
fn a_fresh_start_counts_once() {
    let asked = story(&["m1"], 3, divided()).had("m1=3").rescheduled();
    assert_eq!(reason(&asked, Some(&divided())), Some(Reason::RescheduleTriggered));
    let done = asked.with(|s| s.status.last_scheduled_time = s.spec.reschedule_triggered_at);
    assert_eq!(reason(&done, Some(&divided())), None);
    let never_scheduled = story(&["m1"], 3, divided()).had("m1=3").rescheduled();
    let never_scheduled = never_scheduled.with(|s| s.status.last_scheduled_time = None);
    assert_eq!(reason(&never_scheduled, Some(&divided())), None);
}

#[test]
fn copies_and_things_without_replicas_follow_the_clusters() {
    let copies = json!({ "replicaScheduling": { "replicaSchedulingType": "Duplicated" } });
    let settled = story(&["m1"], 3, copies.clone()).had("m1=3");
    assert_eq!(reason(&settled, Some(&copies)), Some(Reason::AlwaysFollowsClusters));
    let config = story(&["m1"], 0, divided()).had("m1");
    assert_eq!(reason(&config, Some(&divided())), Some(Reason::AlwaysFollowsClusters));
}

#[test]
fn a_cluster_on_its_way_out_counts() {
    let leaving = story(&["m1 deleting", "m2"], 3, divided()).had("m1=3");
    assert_eq!(reason(&leaving, Some(&divided())), Some(Reason::ClusterTerminating));
    let elsewhere = story(&["m1 deleting", "m2"], 3, divided()).had("m2=3");
    assert_eq!(reason(&elsewhere, Some(&divided())), None);
}

#[test]
fn a_workload_of_components_without_a_cluster_counts_when_the_gate_is_on() {
    let component = |name: &str| Component { name: name.into(), replicas: 1, ..Component::default() };
    let parts = story(&["m1"], 2, divided()).with(|s| {
        s.features.components = true;
        s.spec.components = vec![component("a"), component("b")];
    });
    assert_eq!(reason(&parts.clone().had("m1=2"), Some(&divided())), None);
    assert_eq!(reason(&parts, Some(&divided())), Some(Reason::ReplicasChanged));
    let scaled = parts.had("m1=1");
    assert_eq!(reason(&scaled, Some(&divided())), Some(Reason::ReplicasChanged), "replicas are compared too");
}

#[test]
fn without_a_strategy_replicas_are_not_compared() {
    let story = story(&["m1"], 4, json!({})).had("m1=3");
    assert_eq!(reason(&story, Some(&json!({}))), Some(Reason::AlwaysFollowsClusters));
}

#[test]
fn the_first_reason_in_order_is_the_one_given() {
    let all = story(&["m1 deleting"], 4, divided()).had("m1=3").rescheduled();
    assert_eq!(reason(&all, None), Some(Reason::PlacementChanged));
    assert_eq!(reason(&all, Some(&divided())), Some(Reason::ReplicasChanged));
    let settled = story(&["m1 deleting"], 3, divided()).had("m1=3");
    assert_eq!(reason(&settled.clone().rescheduled(), Some(&divided())), Some(Reason::RescheduleTriggered));
    assert_eq!(reason(&settled, Some(&divided())), Some(Reason::ClusterTerminating));
}
