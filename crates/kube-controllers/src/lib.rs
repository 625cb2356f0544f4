//! The part of kube-controller-manager that a control plane and a local member cluster need.
//!
//! ```text
//! reading order   what it does
//! ─────────────   ─────────────────────────────────────────────────────────────────────
//! namespace            empties a namespace that is being deleted, then lets it go
//! garbage_collector    deletes what its owners have left behind, of any kind
//! service_account      keeps a `default` service account in every namespace
//! token                fills service account token Secrets
//! root_ca              publishes the authority's certificate in every namespace
//! role_aggregation     unites the rules of aggregated ClusterRoles
//! deployment           rolls Deployments out through ReplicaSets
//! replica_set          keeps the wanted number of Pods
//! endpoint_slice       lists a Service's ready Pods in EndpointSlices and Endpoints
//! ```
//!
//! Rules are pure functions (`decide`); loops look, decide and write what differs.

use clock::Clock;
use machinery::GroupVersionResource;
use runtime::{Informers, Recorder, Resources, Shutdown, spawn};

pub mod deployment;
pub mod endpoint_slice;
pub mod garbage_collector;
pub mod namespace;
mod owned;
pub mod replica_set;
pub mod role_aggregation;
pub mod root_ca;
pub mod service_account;
pub mod token;

/// What every controller is given.
#[derive(Clone)]
pub struct Context {
    /// The cached view of the cluster, and its client.
    pub informers: Informers,
    /// What the cluster's API server offers.
    pub resources: Resources,
    /// The time.
    pub clock: Clock,
    /// Where events go.
    pub events: Recorder,
    /// PEM of the cluster's certificate authority, for token Secrets.
    pub ca_pem: String,
    /// When to end.
    pub shutdown: Shutdown,
}

/// A group of controllers that run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// What Karmada's control plane runs: nothing that would start workloads.
    ControlPlane,
    /// What a cluster with workloads runs.
    Member,
}

/// Runs the controllers of a set until shutdown.
pub async fn run(set: Set, context: Context) {
    let mut tasks = vec![
        spawn("namespace-controller", namespace::run(context.clone())),
        spawn("garbage-collector", garbage_collector::run(context.clone())),
        spawn("token-controller", token::run(context.clone())),
        spawn("clusterrole-aggregation", role_aggregation::run(context.clone())),
    ];
    if set == Set::Member {
        tasks.push(spawn("service-account-controller", service_account::run(context.clone())));
        tasks.push(spawn("root-ca-cert-publisher", root_ca::run(context.clone())));
        tasks.push(spawn("deployment-controller", deployment::run(context.clone())));
        tasks.push(spawn("replicaset-controller", replica_set::run(context.clone())));
        tasks.push(spawn("endpointslice-controller", endpoint_slice::run(context)));
    }
    for task in tasks {
        // A controller's panics are caught per key; what remains is the runtime's own end.
        let _ = task.await;
    }
}

fn core(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", resource)
}

fn apps(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("apps", "v1", resource)
}
