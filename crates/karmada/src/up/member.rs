//! A local member cluster: its API server, its controllers and its simulated nodes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use api::Resource as _;
use api::cluster::Cluster;
use client::{Budget, Client};
use clock::Clock;
use karmadactl::join::Joining;
use runtime::{Informers, Recorder, Resources, Shutdown, spawn};
use tokio::task::JoinHandle;

use super::control_plane::ControlPlane;
use crate::host::{self, Host};

/// The nodes of local members.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Nodes {
    /// Simulated nodes of each member.
    #[arg(long, default_value_t = 2, value_name = "N")]
    nodes: u32,
    /// CPU of each simulated node.
    #[arg(long, default_value = "16", value_parser = quantity, value_name = "QUANTITY")]
    node_cpu: String,
    /// Memory of each simulated node.
    #[arg(long, default_value = "32Gi", value_parser = quantity, value_name = "QUANTITY")]
    node_memory: String,
    /// Pods that each simulated node takes.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    node_pods: u32,
}

fn quantity(text: &str) -> Result<String, String> {
    machinery::quantity::Quantity::parse(text).map(|q| q.to_string()).map_err(|e| e.to_string())
}

impl From<Nodes> for local_cluster::kubelet::Nodes {
    fn from(nodes: Nodes) -> Self {
        Self { count: nodes.nodes, cpu: nodes.node_cpu, memory: nodes.node_memory, pods: nodes.node_pods }
    }
}

/// Who provides local members.
const PROVIDER: &str = "local";

/// Where a local member pretends to be, so that replicas can be spread by region and zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    region: &'static str,
    number: usize,
}

impl Place {
    /// Place of the member with a number, from 0: regions take turns, and every member has a zone of
    /// its own.
    pub(crate) fn of(member: usize) -> Self {
        Self { region: ["north", "south"][member % 2], number: member / 2 + 1 }
    }

    fn zone(self) -> String {
        format!("{}-{}", self.region, self.number)
    }
}

/// A running member.
pub(crate) struct Member {
    name: String,
    host: Host,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Member {
    /// Starts a member.
    pub(crate) async fn start(
        name: &str,
        dir: &Path,
        address: SocketAddr,
        nodes: Nodes,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let options = host::Options {
            name: name.to_owned(),
            dir: dir.to_owned(),
            address,
            names: Vec::new(),
            admission: Vec::new(),
        };
        let host = Host::start(options, shutdown).await?;
        let clock = Clock::system();
        let informers = Informers::new(host.component("kube-controller-manager"), shutdown);
        let context = kube_controllers::Context {
            resources: Resources::follow(&informers, shutdown),
            clock: clock.clone(),
            events: Recorder::start(
                informers.client().clone(),
                "kube-controller-manager",
                clock.clone(),
                shutdown,
            ),
            ca_pem: host.authority_pem.clone(),
            shutdown: shutdown.clone(),
            informers: informers.clone(),
        };
        let scheduling =
            local_cluster::pod_scheduler::run(informers.clone(), clock.clone(), shutdown.clone());
        let (cluster, until) = (name.to_owned(), shutdown.clone());
        let running =
            async move { local_cluster::kubelet::run(&cluster, nodes.into(), informers, clock, until).await };
        let tasks = vec![
            spawn("kube-controllers", kube_controllers::run(kube_controllers::Set::Member, context)),
            spawn("pod-scheduler", scheduling),
            spawn("kubelet", running),
        ];
        Ok(Self { name: name.to_owned(), host, tasks: Mutex::new(tasks) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Endpoint and server, for clients in this process.
    pub(crate) fn local(&self) -> (String, apiserver::Handle) {
        (self.host.url.clone(), self.host.handle())
    }

    /// Joins the control plane, unless that has happened in an earlier run, and starts what serves the
    /// member from its own side.
    pub(crate) async fn join(
        &self,
        control_plane: &ControlPlane,
        place: Place,
        pull: bool,
        shutdown: &Shutdown,
    ) -> Result<()> {
        let clusters = Cluster::gvr();
        let known = control_plane.client().resource(&clusters).find(&self.name).await;
        let known = known.map_err(|e| anyhow::anyhow!("{}", e.chain()))?;
        let pull = known.as_ref().map_or(pull, |cluster| cluster.str_at("/spec/syncMode") == Some("Pull"));
        if pull {
            let options = agent::Options {
                cluster_name: self.name.clone(),
                api_endpoint: self.host.url.clone(),
                provider: PROVIDER.into(),
                region: place.region.into(),
                zones: vec![place.zone()],
                controllers: control_plane.controllers(),
                ..agent::Options::default()
            };
            let control = control_plane.host().client(
                apiserver::authenticated(
                    &api::naming::agent_user(&self.name),
                    &["system:masters", "system:karmada:agents"],
                ),
                Budget::control_plane(),
            );
            let member = self.host.client(apiserver::superuser("system:karmada:agent"), Budget::member());
            agent::register(&control, &member, &options).await?;
            let running = agent::run(control, member, options, Clock::system(), shutdown.clone());
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(spawn("karmada-agent", running));
        } else if known.is_none() {
            let member: Client = self.host.component("karmadactl");
            let joining = Joining {
                name: self.name.clone(),
                namespace: "karmada-cluster".into(),
                api_endpoint: self.host.url.clone(),
                provider: PROVIDER.into(),
                region: place.region.into(),
                zones: vec![place.zone()],
                ..Joining::default()
            };
            karmadactl::join::join(control_plane.client(), &member, &joining).await?;
        } else if known.is_some_and(|cluster| cluster.str_at("/spec/apiEndpoint") != Some(&self.host.url)) {
            // The member listens elsewhere than in the last run.
            let moved = serde_json::json!({ "spec": { "apiEndpoint": self.host.url } });
            let registered = control_plane.client().resource(&clusters);
            let patched = registered.patch(&self.name, &client::Patch::Merge(&moved)).await;
            patched.map_err(|e| anyhow::anyhow!("{}", e.chain()))?;
        }
        Ok(())
    }

    /// Waits until everything has ended. Shutdown must have been requested.
    pub(crate) async fn ended(self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
        self.host.ended().await;
    }
}
