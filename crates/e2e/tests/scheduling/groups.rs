//! Clusters chosen by label, field, taint and topology.

use anyhow::ensure;
use e2e::stage::{
    CLUSTER_BINDINGS, DEPLOYMENTS, Stage, cluster_policy, clusters, definition, deployment, has, on, policy,
    the_definition, the_deployment,
};
use e2e::{SOON, alone};
use serde_json::json;
use testkit::eventually;

use crate::{Specs, label};

const DEFINITIONS: &str = "apiextensions.k8s.io/v1/customresourcedefinitions";

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  completions: 3
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}
---
";

#[test]
fn a_label_says_who_may_and_a_constraint_how_many_do() {
    let up = alone();
    let stage = Stage::set(&up, "label-groups");
    for cluster in ["member1", "member2"] {
        label(&stage, cluster, "location", json!("CHN"));
    }
    for groups in [1, 2] {
        let placement = format!(
            "{{clusterAffinity: {{labelSelector: {{matchLabels: {{location: CHN}}}}}}, \
             spreadConstraints: [{{spreadByField: cluster, minGroups: {groups}, maxGroups: {groups}}}]}}"
        );
        let crd = format!("things.label-groups-{groups}.example.com");
        let group = crd.trim_start_matches("things.");
        let selectors = format!("{}, {{apiVersion: batch/v1, kind: Job, name: job}}", the_deployment("web"));
        stage.apply(
            &(policy("p", &selectors, &placement, "")
                + &cluster_policy(&crd, &the_definition(&crd), &placement, "")
                + &deployment("web", 1)
                + JOB
                + &definition(group, "Namespaced")),
        );
        let right = |binding: &machinery::Object| {
            let found = clusters(binding);
            ensure!(found.len() == groups, "{found:?}");
            ensure!(found.iter().all(|name| name == "member1" || name == "member2"), "{found:?}");
            has(binding, "Scheduled", "True")?;
            Ok(found)
        };
        let chosen = stage.bound("web-deployment", "it is on the right clusters", right);
        let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
        stage.is_on(DEPLOYMENTS, "web", &chosen);
        stage.user.ok("scale deployment web --replicas=2");
        stage.copies(DEPLOYMENTS, "web", &chosen, "it has two replicas", |copy| {
            ensure!(copy.i64_at("/spec/replicas") == Some(2), "{:?}", copy.at("/spec/replicas"));
            Ok(())
        });
        let jobs = stage.bound("job-job", "it is on the right clusters", right);
        let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
        stage.is_on("batch/v1/jobs", "job", &jobs);
        stage.user.ok(r#"patch job job -p {"spec":{"parallelism":3}}"#);
        stage.copies("batch/v1/jobs", "job", &jobs, "three run at a time", |copy| {
            ensure!(copy.i64_at("/spec/parallelism") == Some(3), "{:?}", copy.at("/spec/parallelism"));
            Ok(())
        });
        let definitions = eventually(SOON, "the definition is on the right clusters", || {
            let binding = format!("{crd}-customresourcedefinition");
            right(&stage.control_plane.get(CLUSTER_BINDINGS, "", &binding)?)
        });
        let definitions: Vec<&str> = definitions.iter().map(String::as_str).collect();
        stage.cluster_scoped_is_on(DEFINITIONS, &crd, &definitions);
        stage.user.ok("delete deployment web");
        stage.user.ok("delete job job");
        stage.user.ok(&format!("delete crd {crd}"));
        stage.user.ok(&format!("delete clusterpropagationpolicy {crd}"));
    }
    for cluster in ["member1", "member2"] {
        label(&stage, cluster, "location", json!(null));
    }
}

#[test]
fn provider_and_region_of_clusters_select() {
    let up = alone();
    let stage = Stage::set(&up, "fields");
    let _providers = Specs::set(&up, "provider", [json!("huawei"), json!("huawei"), json!("kind")]);
    let _regions = Specs::set(&up, "region", [json!("south"), json!("north"), json!("east")]);
    let placement = "{clusterAffinity: {clusterNames: [member1, member2, member3], fieldSelector: {matchExpressions: [\
                     {key: provider, operator: In, values: [huawei]}, {key: region, operator: NotIn, values: [north]}]}}}";
    stage.apply(&(policy("p", &the_deployment("web"), placement, "") + &deployment("web", 1)));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.assigned("web-deployment", "member1=1");
}

#[test]
fn a_tainted_cluster_takes_only_those_that_tolerate_its_taint() {
    let up = alone();
    let stage = Stage::set(&up, "tolerations");
    let key = "cluster-toleration.karmada.io";
    let taint = |value: &str| json!([{ "key": key, "value": value, "effect": "NoSchedule" }]);
    let _taints = Specs::set(&up, "taints", [taint("member1"), taint("member2"), taint("member3")]);
    let placement = format!(
        "{{clusterAffinity: {{clusterNames: [member1, member2, member3]}}, \
         clusterTolerations: [{{key: {key}, operator: Equal, value: member1, effect: NoSchedule}}]}}"
    );
    stage.apply(&(policy("p", &the_deployment("web"), &placement, "") + &deployment("web", 1)));
    stage.assigned("web-deployment", "member1=1");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
}

#[test]
fn a_workload_spreads_over_two_regions_then_over_one() {
    let up = alone();
    let stage = Stage::set(&up, "regions");
    let _regions = Specs::set(&up, "region", [json!("2"), json!("1")]);
    let placement = |regions: u32| {
        format!(
            "{{replicaScheduling: {{replicaSchedulingType: Duplicated}}, spreadConstraints: [\
             {{spreadByField: cluster, minGroups: 1, maxGroups: 1}}, \
             {{spreadByField: region, minGroups: {regions}, maxGroups: {regions}}}]}}"
        )
    };
    stage.apply(&(policy("p", &the_deployment("web"), &placement(2), "") + &deployment("web", 1)));
    stage.is_on(DEPLOYMENTS, "web", &["member1", "member2"]);
    stage.apply(&policy("p", &the_deployment("web"), &placement(1), ""));
    stage.bound("web-deployment", "it is in one region", |binding| {
        ensure!(clusters(binding).len() == 1, "{:?}", clusters(binding));
        Ok(())
    });
}

#[test]
fn a_cluster_that_loses_its_label_loses_the_workload_and_gets_it_back() {
    let up = alone();
    let stage = Stage::set(&up, "label-changes");
    let placement = "{clusterAffinity: {labelSelector: {matchLabels: {story-place: ok}}}}";
    label(&stage, "member1", "story-place", json!("ok"));
    stage.apply(
        &(policy("p", &the_deployment("web"), placement, "")
            + &cluster_policy("label-changes", &the_deployment("label-wide"), placement, "")
            + &deployment("web", 1)
            + &deployment("label-wide", 1)),
    );
    for (value, members) in [("ok", &["member1"] as &[&str]), ("no", &[]), ("ok", &["member1"])] {
        label(&stage, "member1", "story-place", json!(value));
        stage.is_on(DEPLOYMENTS, "web", members);
        stage.is_on(DEPLOYMENTS, "label-wide", members);
    }
    label(&stage, "member1", "story-place", json!(null));
    stage.user.ok("delete clusterpropagationpolicy label-changes");
}

#[test]
fn the_priority_of_a_class_is_the_binding_s_and_a_class_must_exist() {
    let up = alone();
    let stage = Stage::set(&up, "priorities");
    let class = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: story-urgent}\nvalue: 1000\n---\n";
    let urgent = |class: &str| {
        format!("  schedulePriority: {{priorityClassSource: KubePriorityClass, priorityClassName: {class}}}")
    };
    stage.apply(
        &(class.to_owned()
            + &policy("p", &the_deployment("web"), &on("member1"), &urgent("story-urgent"))
            + &policy("q", &the_deployment("lost"), &on("member1"), &urgent("no-such-class"))
            + &deployment("lost", 1)
            + &deployment("web", 1)),
    );
    stage.bound("web-deployment", "it has the priority", |binding| {
        let found = binding.i64_at("/spec/schedulePriority/priority");
        ensure!(found == Some(1000), "{found:?}");
        Ok(())
    });
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    // The other came first, and has been looked at.
    stage.told("priorities", "lost", "ApplyPolicyFailed", "no-such-class");
    assert!(stage.binding("lost-deployment").is_err());
    stage.user.ok("delete priorityclass story-urgent");
}
