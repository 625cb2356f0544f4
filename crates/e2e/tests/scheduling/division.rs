//! How many replicas go where.

use anyhow::ensure;
use e2e::stage::{Stage, deployment, policy, the_deployment};
use e2e::together;

const NAMES: &str = "clusterAffinity: {clusterNames: [member1, member2, member3]}";
const EVEN: &str = "replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}";
const BY_WEIGHT: &str = "replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted, \
    weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1]}, weight: 1}, \
    {targetCluster: {clusterNames: [member2]}, weight: 2}, {targetCluster: {clusterNames: [member3]}, weight: 3}]}}";
const REPEATED: &str = "replicaScheduling: {replicaSchedulingType: Duplicated}";

#[test]
fn replicas_are_repeated_divided_evenly_or_by_weight_and_so_are_more_of_them() {
    let up = together();
    let stage = Stage::set(&up, "division");
    for (name, how, replicas, expected, more, then) in [
        ("repeated", REPEATED, 3, ["3", "3", "3"], 2, ["2", "2", "2"]),
        ("even", EVEN, 6, ["2", "2", "2"], 9, ["3", "3", "3"]),
        ("weighted", BY_WEIGHT, 6, ["1", "2", "3"], 12, ["2", "4", "6"]),
    ] {
        let placement = format!("{{{NAMES}, {how}}}");
        stage.apply(&(policy(name, &the_deployment(name), &placement, "") + &deployment(name, replicas)));
        stage.deployed(name, expected);
        stage.user.ok(&format!("scale deployment {name} --replicas={more}"));
        stage.deployed(name, then);
    }
}

#[test]
fn a_job_is_divided_by_its_parallelism_and_completions_follow() {
    let up = together();
    let stage = Stage::set(&up, "divided-job");
    let job = "
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  parallelism: 6
  completions: 6
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}
---
";
    let selector = "{apiVersion: batch/v1, kind: Job, name: job}";
    stage.apply(&(policy("job", selector, &format!("{{{NAMES}, {BY_WEIGHT}}}"), "") + job));
    for (member, expected) in ["member1", "member2", "member3"].iter().zip(1..) {
        stage.copies("batch/v1/jobs", "job", &[member], &format!("it runs {expected} at a time"), |copy| {
            for field in ["parallelism", "completions"] {
                let found = copy.i64_at(&format!("/spec/{field}"));
                ensure!(found == Some(expected), "{field} is {found:?}");
            }
            Ok(())
        });
    }
}
