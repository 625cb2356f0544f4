//! Groups of clusters in order of preference.

use anyhow::ensure;
use e2e::stage::{
    CLUSTER_BINDINGS, CLUSTER_ROLES, DEPLOYMENTS, Stage, cluster_policy, cluster_role, clusters, deployment,
    on, policy, the_cluster_role, the_deployment,
};
use e2e::{SOON, alone, together};
use serde_json::json;
use testkit::eventually;

use crate::label;

fn by_labels(first: &str, second: &str) -> String {
    let term = |name: &str, key: &str| {
        format!("{{affinityName: {name}, labelSelector: {{matchLabels: {{{key}: ok}}}}}}")
    };
    format!("{{clusterAffinities: [{}, {}]}}", term("group1", first), term("group2", second))
}

fn one_group(cluster: &str) -> String {
    format!("{{clusterAffinities: [{{affinityName: group1, clusterNames: [{cluster}]}}]}}")
}

#[test]
fn when_the_first_group_has_nobody_left_the_second_takes_over() {
    let up = alone();
    let stage = Stage::set(&up, "ordered");
    let role = "story-ordered";
    label(&stage, "member1", "story-first", json!("ok"));
    label(&stage, "member2", "story-second", json!("ok"));
    let placement = by_labels("story-first", "story-second");
    stage.apply(
        &(policy("p", &the_deployment("web"), &placement, "")
            + &cluster_policy("ordered", &the_cluster_role(role), &placement, "")
            + &deployment("web", 1)
            + &cluster_role(role)),
    );
    let observed = |expected: &str, cluster: &str| {
        let right = |binding: &machinery::Object| {
            let found = binding.str_at("/status/schedulerObservingAffinityName");
            ensure!(
                found == Some(expected) && clusters(binding) == [cluster],
                "{found:?} {:?}",
                clusters(binding)
            );
            let generation = binding.i64_at("/status/schedulerObservedGeneration");
            ensure!(generation == Some(binding.generation()), "{generation:?}");
            Ok(())
        };
        stage.bound("web-deployment", &format!("it is in {expected}"), right);
        eventually(SOON, &format!("the role is in {expected}"), || {
            right(&stage.control_plane.get(CLUSTER_BINDINGS, "", "story-ordered-clusterrole")?)
        });
    };
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &["member1"]);
    observed("group1", "member1");
    label(&stage, "member1", "story-first", json!("not-ok"));
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &["member2"]);
    observed("group2", "member2");
    label(&stage, "member1", "story-first", json!(null));
    label(&stage, "member2", "story-second", json!(null));
    stage.user.ok(&format!("delete clusterrole {role}"));
    stage.user.ok("delete clusterpropagationpolicy ordered");
}

#[test]
fn a_policy_may_change_between_one_affinity_and_groups() {
    let up = together();
    let stage = Stage::set(&up, "regrouped");
    let role = "story-regrouped";
    let both = |placement: &str| {
        policy("p", &the_deployment("web"), placement, "")
            + &cluster_policy("regrouped", &the_cluster_role(role), placement, "")
    };
    stage.apply(&(deployment("web", 1) + &cluster_role(role)));
    for (placement, cluster) in
        [(on("member1"), "member1"), (one_group("member2"), "member2"), (on("member1"), "member1")]
    {
        stage.apply(&both(&placement));
        stage.is_on(DEPLOYMENTS, "web", &[cluster]);
        stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &[cluster]);
    }
    stage.user.ok(&format!("delete clusterrole {role}"));
    stage.user.ok("delete clusterpropagationpolicy regrouped");
}
