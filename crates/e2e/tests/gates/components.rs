//! Workloads of several sorts of Pods.

use anyhow::{Context as _, ensure};
use e2e::LATE;
use e2e::stage::{CLUSTERS, EVERYWHERE, Stage, cluster_policy, clusters, has, policy, the_definition};
use machinery::Object;
use serde_json::{Value, json};
use testkit::eventually;

use crate::together;

/// A kind that Karmada has scripts for, without its real schema.
#[track_caller]
fn teach(stage: &Stage, group: &str, version: &str, kind: &str, plural: &str) {
    let crd = format!("{plural}.{group}");
    let definition = format!(
        "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {crd}
  annotations: {{api-approved.kubernetes.io: unapproved}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}, singular: {}}}
  versions:
  - name: {version}
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
",
        kind.to_lowercase()
    );
    stage.apply(&(definition + &cluster_policy(&crd, &the_definition(&crd), "{}", "")));
    for member in EVERYWHERE {
        eventually(LATE, &format!("{member} is known to serve {kind}"), || {
            let cluster = stage.control_plane.get(CLUSTERS, "", member)?;
            let served = cluster.at("/status/apiEnablements").and_then(Value::as_array);
            let wanted = format!("{group}/{version}");
            ensure!(served.is_some_and(|s| s.iter().any(|e| e["groupVersion"] == wanted)), "not yet");
            Ok(())
        });
    }
}

fn component(binding: &Object, name: &str) -> anyhow::Result<Value> {
    let all = binding.at("/spec/components").and_then(Value::as_array).context("it has no components")?;
    all.iter().find(|c| c["name"] == name).cloned().with_context(|| format!("there are {all:?}"))
}

const ONE: &str = "{clusterAffinity: {clusterNames: [member1, member2, member3]}, \
    spreadConstraints: [{spreadByField: cluster, minGroups: 1, maxGroups: 1}], \
    replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}";

/// Waits until a binding is placed on one cluster, with `expected` components, and the copy is there.
#[track_caller]
fn placed(stage: &Stage, resource: &str, binding: &str, expected: &[(&str, i64, &str, &str)]) {
    let cluster = stage.bound(binding, "it is on one cluster with its components", |binding| {
        for (name, replicas, cpu, memory) in expected {
            let found = component(binding, name)?;
            ensure!(found["replicas"] == *replicas, "{found}");
            let request = &found["replicaRequirements"]["resourceRequest"];
            ensure!(*request == json!({ "cpu": cpu, "memory": memory }), "{found}");
        }
        let count = binding.at("/spec/components").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(count == expected.len(), "there are {count}");
        has(binding, "Scheduled", "True")?;
        let found = clusters(binding);
        ensure!(found.len() == 1, "{found:?}");
        Ok(found[0].clone())
    });
    stage.is_on(resource, "x", &[&cluster]);
}

#[test]
fn a_volcano_job_runs_whole_on_one_cluster() {
    let up = together();
    let stage = Stage::set(&up, "volcano");
    let group = "batch.volcano.sh";
    teach(&stage, group, "v1alpha1", "Job", "jobs");
    let task = |name: &str, least: u32, replicas: u32, cpu: &str| {
        format!(
            "
  - name: {name}
    minAvailable: {least}
    replicas: {replicas}
    template:
      spec:
        restartPolicy: OnFailure
        containers:
        - {{name: nginx, image: 'nginx:latest', resources: {{requests: {{cpu: {cpu}, memory: 100Mi}}}}}}"
        )
    };
    let job = format!(
        "
apiVersion: {group}/v1alpha1
kind: Job
metadata: {{name: x}}
spec:
  minAvailable: 3
  queue: default
  tasks:{}{}
---
",
        task("job-nginx1", 1, 1, "200m"),
        task("job-nginx2", 2, 3, "100m")
    );
    let selector = format!("{{apiVersion: {group}/v1alpha1, kind: Job, name: x}}");
    stage.apply(&(job + &policy("p", &selector, ONE, "")));
    // Of the second task, as many as must run at once.
    let expected = [("job-nginx1", 1, "200m", "100Mi"), ("job-nginx2", 2, "100m", "100Mi")];
    placed(&stage, &format!("{group}/v1alpha1/jobs"), "x-job", &expected);
    stage.user.ok(&format!("delete jobs.{group} x"));
    stage.user.ok(&format!("delete crd jobs.{group}"));
    stage.user.ok(&format!("delete clusterpropagationpolicy jobs.{group}"));
}

#[test]
fn a_flink_deployment_runs_whole_on_one_cluster() {
    let up = together();
    let stage = Stage::set(&up, "flink");
    let group = "flink.apache.org";
    teach(&stage, group, "v1beta1", "FlinkDeployment", "flinkdeployments");
    let flink = "
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: x}
spec:
  flinkConfiguration: {taskmanager.numberOfTaskSlots: '2'}
  flinkVersion: v1_17
  image: flink:1.17
  job: {jarURI: 'local:///opt/flink/x.jar', parallelism: 2, state: running, upgradeMode: stateless}
  jobManager: {replicas: 1, resource: {cpu: 0.05, memory: 100m}}
  serviceAccount: flink
  taskManager: {resource: {cpu: 0.1, memory: 100m}}
---
";
    let selector = format!("{{apiVersion: {group}/v1beta1, kind: FlinkDeployment, name: x}}");
    stage.apply(&(flink.to_owned() + &policy("p", &selector, ONE, "")));
    let expected = [("jobmanager", 1, "50m", "100m"), ("taskmanager", 1, "100m", "100m")];
    placed(&stage, &format!("{group}/v1beta1/flinkdeployments"), "x-flinkdeployment", &expected);
    stage.user.ok(&format!("delete flinkdeployments.{group} x"));
    stage.user.ok(&format!("delete crd flinkdeployments.{group}"));
    stage.user.ok(&format!("delete clusterpropagationpolicy flinkdeployments.{group}"));
}
