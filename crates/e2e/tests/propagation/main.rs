//! From a manifest and a policy to workloads on members, and back to one status.

mod adaptation;
mod aggregation;
mod cluster_scope;
mod conflicts;
mod dependencies;
mod interpretation;
mod kinds;
mod placement;
mod policies;
mod removal;
mod retention;
mod services;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use e2e::{SOON, Up, condition};
use machinery::Object;
use serde_json::Value;
use testkit::{Cluster, Kubectl, eventually};

const DEPLOYMENTS: &str = "apps/v1/deployments";
const CONFIG_MAPS: &str = "v1/configmaps";
const BINDINGS: &str = "work.karmada.io/v1alpha2/resourcebindings";
const CLUSTER_BINDINGS: &str = "work.karmada.io/v1alpha2/clusterresourcebindings";
const WORKS: &str = "work.karmada.io/v1alpha1/works";
const CLUSTERS: &str = "cluster.karmada.io/v1alpha1/clusters";

/// A story's own corner of the scene: a namespace on the control plane and the three members.
struct Stage {
    /// kubectl for the control plane, in the story's namespace.
    user: Kubectl,
    control_plane: Cluster,
    members: [Cluster; 3],
    namespace: String,
}

impl Stage {
    #[track_caller]
    fn set(up: &Up, namespace: &str) -> Self {
        let members = up.members();
        let user = up.user(namespace);
        Self { user, control_plane: up.control_plane(), members, namespace: namespace.into() }
    }

    /// Applies a manifest.
    #[track_caller]
    fn apply(&self, manifest: &str) {
        self.user.ok_with("apply -f -", manifest);
    }

    fn binding(&self, name: &str) -> Result<Object> {
        self.control_plane.get(BINDINGS, &self.namespace, name)
    }

    /// Waits until a binding's replicas are divided in a way, for example `member1=2 member2=1`.
    #[track_caller]
    fn assigned(&self, binding: &str, expected: &str) {
        eventually(SOON, &format!("{binding} is assigned to {expected:?}"), || {
            let found = assignment(&self.binding(binding)?);
            ensure!(found == expected, "it is assigned to {found:?}");
            Ok(())
        });
    }

    /// Waits until the members' Deployments have these replicas; `-` where there should be none.
    #[track_caller]
    fn deployed(&self, name: &str, expected: [&str; 3]) {
        for (member, expected) in self.members.iter().zip(expected) {
            eventually(SOON, &format!("{name} in {} has {expected} replicas", member.context()), || {
                let found = member.find(DEPLOYMENTS, &self.namespace, name)?;
                let replicas = found.and_then(|deployment| deployment.i64_at("/spec/replicas"));
                let replicas = replicas.map_or_else(|| "-".to_owned(), |n| n.to_string());
                ensure!(replicas == expected, "it has {replicas}");
                Ok(())
            });
        }
    }

    /// Waits until a ConfigMap is on just these members.
    #[track_caller]
    fn config_map_is_on(&self, name: &str, expected: &[&str]) {
        for member in &self.members {
            let wanted = expected.contains(&member.context());
            eventually(SOON, &format!("{name} is on {expected:?}"), || {
                let found = member.find(CONFIG_MAPS, &self.namespace, name)?.is_some();
                ensure!(found == wanted, "on {}: {found}", member.context());
                Ok(())
            });
        }
    }

    /// Waits until the template has a status.
    #[track_caller]
    fn ready(&self, deployment: &str, replicas: i64) {
        eventually(SOON, &format!("{replicas} replicas of {deployment} are ready"), || {
            let template = self.control_plane.get(DEPLOYMENTS, &self.namespace, deployment)?;
            let status = template.at("/status").cloned().unwrap_or_default();
            ensure!(status["readyReplicas"].as_i64().unwrap_or(0) == replicas, "the status is {status}");
            ensure!(template.i64_at("/status/observedGeneration") == Some(template.generation()), "{status}");
            Ok(())
        });
    }
}

/// The clusters of a binding with their replicas, sorted.
fn assignment(binding: &Object) -> String {
    let clusters = binding.at("/spec/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut clusters: Vec<String> = clusters
        .iter()
        .map(|target| {
            let name = target["name"].as_str().unwrap_or_default();
            target["replicas"].as_i64().map_or_else(|| name.to_owned(), |n| format!("{name}={n}"))
        })
        .collect();
    clusters.sort();
    clusters.join(" ")
}

/// What a binding says about each of its clusters.
fn aggregated(binding: &Object) -> BTreeMap<String, Value> {
    let items = binding.at("/status/aggregatedStatus").and_then(Value::as_array).cloned().unwrap_or_default();
    items
        .into_iter()
        .map(|item| (item["clusterName"].as_str().unwrap_or_default().to_owned(), item))
        .collect()
}

/// Says unless a condition of an object has a status.
fn has(object: &Object, name: &str, status: &str) -> Result<Value> {
    let found = condition(object, name).with_context(|| format!("there is no condition {name}"))?;
    ensure!(found["status"] == status, "the condition is {found}");
    Ok(found.clone())
}

fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - {{name: nginx, image: 'nginx:1.25'}}
---
"
    )
}

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n---\n")
}

/// A policy that is called like the object it propagates. `placement` and `more` are YAML flow maps.
fn policy(name: &str, object: &str, placement: &str, more: &str) -> String {
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: {name}}}
spec:
  resourceSelectors: [{object}]
  placement: {placement}
{more}
---
"
    )
}

fn for_deployment(name: &str, placement: &str) -> String {
    policy(name, &format!("{{apiVersion: apps/v1, kind: Deployment, name: {name}}}"), placement, "")
}

fn for_config_map(name: &str, placement: &str) -> String {
    policy(name, &format!("{{apiVersion: v1, kind: ConfigMap, name: {name}}}"), placement, "")
}

/// A placement on named clusters.
fn on(clusters: &str) -> String {
    format!("{{clusterAffinity: {{clusterNames: [{clusters}]}}}}")
}

/// Replicas divided evenly.
const DIVIDED: &str =
    "{replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}}";
/// Replicas repeated on every cluster.
const DUPLICATED: &str = "{replicaScheduling: {replicaSchedulingType: Duplicated}}";
