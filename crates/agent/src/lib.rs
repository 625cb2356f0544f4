//! The pull-mode agent: a member that fetches its own work.
//!
//! ```text
//! control plane ── watch Works of karmada-es-<cluster> ──▶ agent ──▶ member
//!               ◀── Work status, Cluster status, lease ───        ◀── informers
//! ```
//!
//! The execution, work status and cluster status controllers are the control plane's own, given one
//! member and its client ([`controllers::OneMember`]).

use std::sync::Arc;

use api::Resource as _;
use api::cluster::Cluster;
use api::names::labels;
use client::Client;
use clock::{Clock, Ids};
use controllers::{Deps, OneMember};
use machinery::{GroupVersionResource, Object};
use runtime::{Informers, Shutdown};
use serde_json::json;

/// The member that an agent serves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the Cluster.
    pub cluster_name: String,
    /// Namespace of the cluster's lease and credentials in the control plane.
    pub cluster_namespace: String,
    /// Where the member's API can be reached, for the record; empty for unknown.
    pub api_endpoint: String,
    /// Provider, empty for unknown.
    pub provider: String,
    /// Region, empty for unknown.
    pub region: String,
    /// Zones.
    pub zones: Vec<String>,
    /// Which controllers run, and how.
    pub controllers: controllers::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cluster_name: String::new(),
            cluster_namespace: "karmada-cluster".into(),
            api_endpoint: String::new(),
            provider: String::new(),
            region: String::new(),
            zones: Vec::new(),
            controllers: controllers::Options::default(),
        }
    }
}

/// Why a member could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The member or the control plane did not answer as it should.
    #[error("could not register cluster {cluster}")]
    Request {
        /// The cluster.
        cluster: String,
        /// What went wrong.
        source: client::Error,
    },
    /// The name belongs to another cluster.
    #[error("cannot register cluster {cluster}: the name is taken by the cluster with id {taken_by}")]
    NameTaken {
        /// The cluster.
        cluster: String,
        /// Id of the cluster that has the name.
        taken_by: String,
    },
    /// The name belongs to a cluster in Push mode.
    #[error("cannot register cluster {cluster}: it has joined in Push mode")]
    Pushed {
        /// The cluster.
        cluster: String,
    },
}

/// What a Cluster of that name means for the registration.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    /// There is none: create it.
    New,
    /// It is this cluster.
    Same,
    /// It is another one.
    Other(String),
    /// It is a push member.
    Pushed,
}

fn compare(known: Option<&Object>, id: &str) -> Known {
    let Some(known) = known else { return Known::New };
    match known.str_at("/spec/id").unwrap_or_default() {
        known_id if known_id != id && !known_id.is_empty() => Known::Other(known_id.to_owned()),
        _ if known.str_at("/spec/syncMode") != Some("Pull") => Known::Pushed,
        _ => Known::Same,
    }
}

/// Registers the member as a Pull mode cluster, unless it is registered already.
///
/// # Errors
/// When either side does not answer, or the name is another cluster's.
pub async fn register(control: &Client, member: &Client, options: &Options) -> Result<(), Error> {
    let cluster = &options.cluster_name;
    let request = |source| Error::Request { cluster: cluster.clone(), source };
    let namespaces = GroupVersionResource::new("", "v1", "namespaces");
    let id = member.resource(&namespaces).get("kube-system").await.map_err(request)?.uid().to_owned();
    let mut home = Object::new("v1", "Namespace", "", &options.cluster_namespace);
    home.set_label(labels::SYSTEM, "true");
    match control.resource(&namespaces).create(&home).await {
        Err(error) if !error.is_already_exists() && error.status().is_none_or(|s| s.code != 403) => {
            return Err(request(error));
        }
        _ => {}
    }
    let clusters = control.resource(&Cluster::gvr());
    let known = clusters.find(cluster).await.map_err(request)?;
    match compare(known.as_ref(), &id) {
        Known::Same => Ok(()),
        Known::Other(taken_by) => Err(Error::NameTaken { cluster: cluster.clone(), taken_by }),
        Known::Pushed => Err(Error::Pushed { cluster: cluster.clone() }),
        Known::New => clusters.create(&cluster_object(options, &id)).await.map(|_| ()).map_err(request),
    }
}

fn cluster_object(options: &Options, id: &str) -> Object {
    let gvr = Cluster::gvr();
    let mut cluster = Object::new(&gvr.api_version(), "Cluster", "", &options.cluster_name);
    cluster.set("/spec", json!({ "id": id, "syncMode": "Pull" }));
    for (field, value) in
        [("apiEndpoint", &options.api_endpoint), ("provider", &options.provider), ("region", &options.region)]
    {
        if !value.is_empty() {
            cluster.set(&format!("/spec/{field}"), value.as_str());
        }
    }
    if !options.zones.is_empty() {
        cluster.set("/spec/zones", options.zones.clone());
    }
    cluster
}

/// Serves the member until shutdown. It must have been registered.
pub async fn run(control: Client, member: Client, options: Options, clock: Clock, shutdown: Shutdown) {
    let deps = Deps {
        informers: Informers::new(control, &shutdown),
        members: Arc::new(OneMember::new(&options.cluster_name, member)),
        clock,
        ids: Ids::system(),
    };
    tracing::info!(cluster = options.cluster_name, "agent started");
    controllers::run_agent(deps, options.controllers, shutdown).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(id: &str, mode: &str) -> Object {
        let mut cluster = Object::new("cluster.karmada.io/v1alpha1", "Cluster", "", "m");
        cluster.set("/spec", json!({ "id": id, "syncMode": mode }));
        cluster
    }

    #[test]
    fn the_same_cluster_may_come_back_but_no_other_takes_its_name() {
        assert_eq!(compare(None, "a"), Known::New);
        assert_eq!(compare(Some(&cluster("a", "Pull")), "a"), Known::Same);
        assert_eq!(compare(Some(&cluster("b", "Pull")), "a"), Known::Other("b".into()));
        assert_eq!(compare(Some(&cluster("a", "Push")), "a"), Known::Pushed);
    }
}
