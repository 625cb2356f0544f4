//! The accurate estimator of one member cluster: how many more replicas fit its nodes and quotas.
//!
//! ```text
//! watches  Nodes, Pods that have not ended     what is left of every node
//!          ResourceQuotas                      with gate ResourceQuotaEstimate
//!          Deployments, ReplicaSets            whose pods find no node
//! serves   gRPC, crate `estimator`             to the scheduler and the descheduler
//! writes   nothing
//! ```
//!
//! Changes are worked into a snapshot as they come, so that an answer is one pass over what is left of the nodes.
//! The rules live in crate `estimation`.
//!
//! Upstream: [`pkg/estimator/server`](https://github.com/karmada-io/karmada/tree/master/pkg/estimator/server).

mod answers;
mod metrics;
mod options;
mod plugins;
mod snapshot;

use std::net::SocketAddr;
use std::sync::Arc;

use client::Client;
use clock::Clock;
use machinery::{GroupVersionResource, Object};
use runtime::{Informer, InformerOptions, Shutdown};
use tokio::net::TcpListener;

pub use options::{Gates, Options};

use crate::answers::Answerer;
use crate::snapshot::Snapshot;

/// Why an estimator ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no name.
    #[error("an estimator needs the name of its cluster")]
    NoClusterName,
    /// The port is taken, or not ours to take.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the machine said.
        source: std::io::Error,
    },
    /// Certificates cannot be used, or the server failed.
    #[error(transparent)]
    Serve(#[from] estimator::Error),
}

/// Pods that have ended hold nothing.
const POD_FIELDS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Runs the estimator of the member that `client` reaches until shutdown. Answers once everything has been seen.
///
/// # Errors
/// When the options are incomplete, the port cannot be opened, or the certificates cannot be used.
pub async fn run(client: Client, options: Options, shutdown: Shutdown) -> Result<(), Error> {
    if options.cluster_name.is_empty() {
        return Err(Error::NoClusterName);
    }
    let Some(answerer) = observe(&client, &options, Clock::system(), &shutdown).await else { return Ok(()) };
    let address = SocketAddr::new(options.bind_address, options.server_port);
    let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    tracing::info!(cluster = options.cluster_name, %address, "estimator started");
    Ok(estimator::serve(listener, Arc::new(answerer), &options.tls, &shutdown).await?)
}

/// Starts watching and waits until everything has been seen once; nothing when shutdown came first.
async fn observe(client: &Client, options: &Options, clock: Clock, shutdown: &Shutdown) -> Option<Answerer> {
    let start = |group: &str, resource: &str, fields: &str, transform: fn(&mut Object)| {
        let gvr = GroupVersionResource::new(group, "v1", resource);
        let options = InformerOptions { fields: fields.to_owned(), transform, ..InformerOptions::default() };
        Informer::start(client.clone(), &gvr, options, shutdown)
    };
    let nodes = start("", "nodes", "", snapshot::strip_node);
    let pods = start("", "pods", POD_FIELDS, snapshot::strip_pod);
    let quotas = options.gates.resource_quota_estimate.then(|| start("", "resourcequotas", "", strip));
    let deployments = start("apps", "deployments", "", strip);
    let replica_sets = start("apps", "replicasets", "", strip);

    let snapshot = Arc::new(Snapshot::default());
    let to = Arc::clone(&snapshot);
    nodes.on_change(move |change| to.follow_node(change));
    let to = Arc::clone(&snapshot);
    pods.on_change(move |change| to.follow_pod(change));
    if let Some(quotas) = &quotas {
        let to = Arc::clone(&snapshot);
        quotas.on_change(move |change| to.follow_quota(change));
    }
    for informer in [&nodes, &pods, &deployments, &replica_sets].into_iter().chain(&quotas) {
        if !informer.wait_synced(shutdown).await {
            return None;
        }
    }
    let cluster = options.cluster_name.clone();
    let quotas = options.gates.resource_quota_estimate;
    Some(Answerer { cluster, quotas, snapshot, deployments, replica_sets, pods, clock })
}

/// Drops what nobody here reads.
fn strip(object: &mut Object) {
    let metadata = object.metadata_mut();
    metadata.remove("managedFields");
    metadata.remove("annotations");
}

#[cfg(test)]
mod tests;
