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

use e2e::stage::{
    BINDINGS, CLUSTER_BINDINGS, CLUSTERS, CONFIG_MAPS, DEPLOYMENTS, Stage, WORKS, aggregated, assignment,
    config_map, has, on, policy,
};

/// A Deployment whose Pods ask for nothing.
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

fn for_deployment(name: &str, placement: &str) -> String {
    policy(name, &format!("{{apiVersion: apps/v1, kind: Deployment, name: {name}}}"), placement, "")
}

fn for_config_map(name: &str, placement: &str) -> String {
    policy(name, &format!("{{apiVersion: v1, kind: ConfigMap, name: {name}}}"), placement, "")
}

/// Replicas divided evenly.
const DIVIDED: &str =
    "{replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}}";
/// Replicas repeated on every cluster.
const DUPLICATED: &str = "{replicaScheduling: {replicaSchedulingType: Duplicated}}";
