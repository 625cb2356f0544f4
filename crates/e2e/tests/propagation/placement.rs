//! Which clusters, and how many replicas on each.

use anyhow::ensure;
use e2e::{SOON, alone, together};
use serde_json::json;
use testkit::eventually;

use crate::{
    CLUSTERS, DIVIDED, DUPLICATED, Stage, assignment, config_map, deployment, for_config_map, for_deployment,
    has, on,
};

#[test]
fn replicas_are_repeated_then_divided_then_repeated_again() {
    let up = together();
    let stage = Stage::set(&up, "repeated-divided");
    stage.apply(&(deployment("web", 3) + &for_deployment("web", DUPLICATED)));
    stage.deployed("web", ["3", "3", "3"]);
    stage.ready_and_observed("web", 9);
    stage.apply(&for_deployment("web", DIVIDED));
    stage.deployed("web", ["1", "1", "1"]);
    stage.ready_and_observed("web", 3);
    stage.apply(&for_deployment("web", DUPLICATED));
    stage.deployed("web", ["3", "3", "3"]);
    stage.ready_and_observed("web", 9);
}

#[test]
fn a_policy_can_move_a_workload_to_other_clusters() {
    let up = together();
    let stage = Stage::set(&up, "moving");
    stage.apply(&(deployment("web", 1) + &for_deployment("web", &on("member1, member2"))));
    stage.deployed("web", ["1", "1", "-"]);
    stage.apply(&for_deployment("web", &on("member2, member3")));
    stage.deployed("web", ["-", "1", "1"]);
    stage.apply(&for_deployment("web", "{clusterAffinity: {exclude: [member2]}}"));
    stage.deployed("web", ["1", "-", "1"]);
    stage.ready_and_observed("web", 2);
}

#[test]
fn replicas_follow_the_weights() {
    let up = together();
    let stage = Stage::set(&up, "weights");
    let weights = "{replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted, \
                   weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1]}, weight: 3}, \
                   {targetCluster: {clusterNames: [member2]}, weight: 1}]}}}";
    stage.apply(&(deployment("web", 8) + &for_deployment("web", weights)));
    stage.assigned("web-deployment", "member1=6 member2=2");
    stage.deployed("web", ["6", "2", "-"]);
    let dynamic = "{replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted, \
                   weightPreference: {dynamicWeight: AvailableReplicas}}}";
    stage.apply(&(deployment("elastic", 9) + &for_deployment("elastic", dynamic)));
    // The members are of the same size.
    stage.ready_and_observed("elastic", 9);
}

#[test]
fn aggregated_replicas_stay_on_as_few_clusters_as_hold_them() {
    let up = together();
    let stage = Stage::set(&up, "aggregated");
    let placement =
        "{replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}";
    stage.apply(&(deployment("web", 5) + &for_deployment("web", placement)));
    stage.ready_and_observed("web", 5);
    let found = assignment(&stage.binding("web-deployment").unwrap());
    assert_eq!(found.split(' ').count(), 1, "{found}");
}

#[test]
fn a_spread_constraint_bounds_the_number_of_clusters() {
    let up = together();
    let stage = Stage::set(&up, "spread");
    let placement = "{spreadConstraints: [{spreadByField: cluster, minGroups: 2, maxGroups: 2}]}";
    stage.apply(&(deployment("web", 1) + &for_deployment("web", placement)));
    eventually(SOON, "it is on two clusters", || {
        let found = assignment(&stage.binding("web-deployment")?);
        ensure!(found.split_whitespace().count() == 2, "{found:?}");
        Ok(())
    });
    stage.ready_and_observed("web", 2);
    let impossible = placement.replace('2', "4");
    stage.apply(&(deployment("wide", 1) + &for_deployment("wide", &impossible)));
    eventually(SOON, "the reason why it cannot be scheduled is told", || {
        let told = has(&stage.binding("wide-deployment")?, "Scheduled", "False")?;
        ensure!(!told["message"].as_str().unwrap_or_default().is_empty(), "{told}");
        Ok(())
    });
}

#[test]
fn clusters_that_do_not_exist_are_no_place() {
    let up = together();
    let stage = Stage::set(&up, "no-place");
    stage.apply(&(config_map("c", "1") + &for_config_map("c", &on("atlantis"))));
    eventually(SOON, "the binding says that no cluster fits", || {
        let told = has(&stage.binding("c-configmap")?, "Scheduled", "False")?;
        ensure!(told["reason"] == "NoClusterFit", "{told}");
        let message = told["message"].as_str().unwrap_or_default();
        ensure!(message.starts_with("0/3 clusters are available: 3 cluster(s) did not match"), "{told}");
        Ok(())
    });
}

#[test]
fn labels_of_clusters_select() {
    let up = alone();
    let stage = Stage::set(&up, "labels");
    let label = |name: &str, value: serde_json::Value| {
        let labels = json!({ "metadata": { "labels": { "story.example.com/tier": value } } });
        stage.control_plane.patch(CLUSTERS, "", name, labels).unwrap();
    };
    label("member1", json!("gold"));
    let placement = "{clusterAffinity: {labelSelector: {matchLabels: {story.example.com/tier: gold}}}}";
    stage.apply(&(config_map("c", "1") + &for_config_map("c", placement)));
    stage.config_map_is_on("c", &["member1"]);
    label("member3", json!("gold"));
    stage.config_map_is_on("c", &["member1", "member3"]);
    label("member1", json!(null));
    stage.config_map_is_on("c", &["member3"]);
    label("member3", json!(null));
}

#[test]
fn a_tainted_cluster_keeps_what_it_has_and_gets_nothing_new() {
    let up = alone();
    let stage = Stage::set(&up, "tainted");
    stage.apply(&(deployment("old", 1) + &for_deployment("old", DUPLICATED)));
    stage.deployed("old", ["1", "1", "1"]);
    stage.ready_and_observed("old", 3);
    let copy = stage.members[0].get(crate::DEPLOYMENTS, &stage.namespace, "old").unwrap();
    let taint = |taints: serde_json::Value| {
        stage.control_plane.patch(CLUSTERS, "", "member1", json!({ "spec": { "taints": taints } })).unwrap();
    };
    taint(json!([{ "key": "maintenance", "value": "soon", "effect": "NoSchedule" }]));
    stage.apply(&(deployment("new", 1) + &for_deployment("new", DUPLICATED)));
    stage.deployed("new", ["-", "1", "1"]);
    let tolerant = "{clusterTolerations: [{key: maintenance, operator: Exists}]}";
    stage.apply(&(deployment("brave", 1) + &for_deployment("brave", tolerant)));
    stage.deployed("brave", ["1", "1", "1"]);
    stage.user.ok("scale deployment old --replicas=2");
    stage.deployed("old", ["2", "2", "2"]);
    let now = stage.members[0].get(crate::DEPLOYMENTS, &stage.namespace, "old").unwrap();
    assert_eq!(copy.uid(), now.uid(), "it was not moved");
    taint(json!(null));
    // The policy is looked at again when something about the workload changes.
    stage.user.ok("scale deployment new --replicas=2");
    stage.deployed("new", ["2", "2", "2"]);
}
