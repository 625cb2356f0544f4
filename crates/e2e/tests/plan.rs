//! `karmadactl plan` shows what then happens: a Deployment is sent from placement to placement, each of them
//! planned first and applied then.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use e2e::{SOON, karmadactl, together};
use machinery::Object;
use serde_json::Value;
use testkit::{Cluster, eventually};

const BINDINGS: &str = "work.karmada.io/v1alpha2/resourcebindings";
const NAMESPACE: &str = "planned";

/// Placements in YAML, and a line about overrides.
const STEPS: &[(&str, &str)] = &[
    ("{clusterAffinity: {clusterNames: [member1]}}", ""),
    ("{replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}}", ""),
    (
        "{clusterAffinity: {exclude: [member1]}, replicaScheduling: {replicaSchedulingType: Divided, \
         replicaDivisionPreference: Weighted, weightPreference: {staticWeightList: [{targetCluster: {clusterNames: \
         [member2]}, weight: 3}, {targetCluster: {clusterNames: [member3]}, weight: 2}]}}}",
        "member3",
    ),
    (
        "{clusterAffinity: {fieldSelector: {matchExpressions: [{key: region, operator: In, values: [north]}]}}}",
        "member1",
    ),
    (
        "{spreadConstraints: [{spreadByField: region, minGroups: 2, maxGroups: 2}, {spreadByField: cluster, minGroups: \
         2, maxGroups: 2}], replicaScheduling: {replicaSchedulingType: Duplicated}}",
        "",
    ),
    (
        "{clusterAffinities: [{affinityName: nowhere, clusterNames: [member9]}, {affinityName: here, clusterNames: \
         [member2]}], replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}",
        "member2",
    ),
    ("{clusterAffinity: {clusterNames: [member9]}}", ""),
    ("{}", ""),
];

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 7
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
";

fn files(placement: &str, overridden: &str) -> String {
    let rule = if overridden.is_empty() { "nobody" } else { overridden };
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: web}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, name: web}}]
  placement: {placement}
---
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {{name: web}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, name: web}}]
  overrideRules:
  - targetCluster: {{clusterNames: [{rule}]}}
    overriders: {{labelsOverrider: [{{operator: add, value: {{adapted: 'yes'}}}}]}}
"
    )
}

/// Replicas by cluster, as a plan or a binding has them.
type Replicas = BTreeMap<String, i64>;

fn planned(plan: &Value) -> Replicas {
    let clusters = plan.pointer("/objects/0/clusters").and_then(Value::as_array);
    let after =
        |item: &Value| Some((item["cluster"].as_str()?.to_owned(), item["replicas"]["after"].as_i64()?));
    clusters.into_iter().flatten().filter_map(after).collect()
}

/// The clusters of a plan whose copy will carry the override's label.
fn adapted(plan: &Value) -> Vec<String> {
    let clusters = plan.pointer("/objects/0/clusters").and_then(Value::as_array);
    let is_adapted = |item: &&Value| item["manifest"]["after"]["metadata"]["labels"]["adapted"] == "yes";
    let name = |item: &Value| item["cluster"].as_str().unwrap_or_default().to_owned();
    clusters.into_iter().flatten().filter(is_adapted).map(name).collect()
}

fn recorded(binding: &Object) -> Replicas {
    let targets = binding.at("/spec/clusters").and_then(Value::as_array);
    let target =
        |t: &Value| Some((t["name"].as_str()?.to_owned(), t["replicas"].as_i64().unwrap_or_default()));
    targets.into_iter().flatten().filter_map(target).collect()
}

/// The binding once the scheduler has decided about a placement.
fn decided(control_plane: &Cluster, before: Option<&str>) -> Result<Object> {
    let binding = control_plane.get(BINDINGS, NAMESPACE, "web-deployment")?;
    let applied = binding.annotation("policy.karmada.io/applied-placement");
    let applied: Value = serde_json::from_str(applied.context("it is not scheduled yet")?)?;
    let wanted = binding.at("/spec/placement").context("it has no placement")?;
    ensure!(&applied == wanted, "the scheduler has applied {applied}");
    ensure!(before != Some(wanted.to_string().as_str()), "the detector has not seen the change yet");
    Ok(binding)
}

#[test]
fn what_is_planned_is_what_happens() {
    let up = together();
    let [first, ..] = up.members();
    let user = up.user(NAMESPACE);
    let control_plane = up.control_plane();
    user.ok_with("apply -f -", DEPLOYMENT);
    let mut before: Option<String> = None;
    for (number, (placement, overridden)) in STEPS.iter().enumerate() {
        let text = files(placement, overridden);
        let file = up.folder().join(format!("step-{number}.yaml"));
        std::fs::write(&file, &text).expect("the folder is ours");
        let line = format!("plan -n {NAMESPACE} -o json -f {}", file.display());
        let told = karmadactl(&control_plane, &line).ok();
        let plan: Value = serde_json::from_str(&told).expect("the plan is JSON");
        assert_eq!(plan["objects"].as_array().map(Vec::len), Some(1), "step {number}: {told}");
        let existing =
            control_plane.find(BINDINGS, NAMESPACE, "web-deployment").expect("bindings are served");
        let now = existing.as_ref().and_then(|b| b.at("/spec/placement")).map(Value::to_string);
        assert_eq!(now, before, "step {number}: planning has written nothing");

        user.ok_with("apply -f -", &text);
        let binding = eventually(SOON, &format!("step {number} is decided"), || {
            decided(&control_plane, before.as_deref())
        });
        assert_eq!(recorded(&binding), planned(&plan), "step {number}: {placement}");
        if adapted(&plan).iter().any(|cluster| cluster == first.context()) {
            eventually(SOON, "the override has arrived", || {
                let copy = first.get("apps/v1/deployments", NAMESPACE, "web")?;
                ensure!(
                    copy.label("adapted") == Some("yes"),
                    "labels: {:?}",
                    copy.labels().collect::<Vec<_>>()
                );
                Ok(())
            });
        }
        let of_override: Vec<String> =
            planned(&plan).into_keys().filter(|cluster| cluster == overridden).collect();
        assert_eq!(adapted(&plan), of_override, "step {number}");
        before = binding.at("/spec/placement").map(Value::to_string);
    }
}
