//! The control plane of `up`: the API server and every part that works on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use api::Resource as _;
use api::cluster::Cluster;
use api::gates::FeatureGates;
use client::{Budget, Client, ListOptions, WatchEvent, WatchOptions};
use clock::{Clock, Ids};
use controllers::{ConnectError, Deps, Members, PushMembers};
use futures::future::BoxFuture;
use machinery::{GroupVersionResource, Object};
use runtime::{Informers, Recorder, Resources, Shutdown, spawn};
use tokio::task::JoinHandle;
use webhook::Rules;

use super::member::Member;
use crate::admission::InProcess;
use crate::host::{self, Host};
use crate::manifests;

/// A running control plane.
pub(crate) struct ControlPlane {
    host: Host,
    rules: Rules,
    client: Client,
    gates: FeatureGates,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl ControlPlane {
    /// Starts the API server. It has no Karmada API yet: see [`ControlPlane::install`].
    pub(crate) async fn start(
        dir: &Path,
        address: SocketAddr,
        gates: FeatureGates,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let rules = Rules::new((&gates).into(), Clock::system(), Ids::system());
        let options = host::Options {
            name: "karmada".into(),
            dir: dir.to_owned(),
            address,
            names: Vec::new(),
            admission: vec![Arc::new(InProcess(rules.clone()))],
        };
        let host = Host::start(options, shutdown).await?;
        let client = host.component("karmada-up");
        Ok(Self { host, rules, client, gates, tasks: Mutex::default() })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn url(&self) -> &str {
        &self.host.url
    }

    /// An administrator's client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Creates the CRDs and namespaces, or brings those there are up to date, and waits until the CRDs
    /// are served.
    pub(crate) async fn install(&self) -> Result<()> {
        install(&self.client).await
    }

    /// Starts the controllers, the scheduler and the part of kube-controller-manager that Karmada uses.
    pub(crate) fn run_parts(&self, members: &[Member], shutdown: &Shutdown) {
        let clock = Clock::system();
        let manager = self.host.component("karmada-controller-manager");
        // One cached view for all parts of the process: each object is held once.
        let informers = Informers::new(manager.clone(), shutdown);
        self.rules.follow(&informers);
        let resources = Resources::follow(&informers, shutdown);
        let local: BTreeMap<_, _> = members.iter().map(|m| (m.name().to_owned(), m.local())).collect();
        let members = LocalMembers { local, push: PushMembers::new(manager, Budget::member()) };
        let kube = kube_controllers::Context {
            informers: informers.clone(),
            resources,
            clock: clock.clone(),
            events: Recorder::start(
                self.host.component("kube-controller-manager"),
                "kube-controller-manager",
                clock.clone(),
                shutdown,
            ),
            ca_pem: self.host.authority_pem.clone(),
            shutdown: shutdown.clone(),
        };
        let scheduler = scheduler::run_with(
            informers.clone(),
            clock.clone(),
            scheduler::Options { gates: (&self.gates).into(), ..scheduler::Options::default() },
            shutdown.clone(),
        );
        let deps = Deps { informers, members: Arc::new(members), clock, ids: Ids::system() };
        let controllers = controllers::run(deps, self.controllers(), shutdown.clone());
        self.keep(spawn("karmada-controller-manager", controllers));
        self.keep(spawn("karmada-scheduler", scheduler));
        self.keep(spawn(
            "kube-controller-manager",
            kube_controllers::run(kube_controllers::Set::ControlPlane, kube),
        ));
    }

    /// Options of controllers, here and in the agents of local members.
    pub(crate) fn controllers(&self) -> controllers::Options {
        controllers::Options { gates: (&self.gates).into(), ..controllers::Options::default() }
    }

    /// Remembers a task that must have ended before the server does.
    pub(crate) fn keep(&self, task: JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Waits until all these clusters are ready.
    pub(crate) async fn wait_ready(&self, names: &[String]) {
        let clusters = Cluster::gvr();
        let mut waiting: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let clusters = self.client.resource(&clusters);
        while !waiting.is_empty() {
            let Ok(mut changes) = clusters.watch(&WatchOptions::default()).await else {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                continue;
            };
            while let Some(Ok(change)) = changes.next().await {
                let (WatchEvent::Added(cluster) | WatchEvent::Modified(cluster)) = change else { continue };
                if is_ready(&cluster) {
                    waiting.remove(cluster.name());
                }
                if waiting.is_empty() {
                    return;
                }
            }
        }
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

/// Whether a cluster is ready, has said what it has and what it serves, and the taint of clusters that are
/// not ready is off: until then nothing can be scheduled to it.
fn is_ready(cluster: &Object) -> bool {
    let conditions = cluster.at("/status/conditions").and_then(|c| c.as_array());
    let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let enablements = cluster.at("/status/apiEnablements").and_then(|a| a.as_array());
    let taints = cluster.at("/spec/taints").and_then(|t| t.as_array());
    let is_kept_away = taints.into_iter().flatten().any(|t| t["key"] == api::names::taints::NOT_READY);
    ready && !is_kept_away && enablements.is_some_and(|a| !a.is_empty())
}

/// Creates Karmada's namespaces and CRDs, or brings those there are up to date, and waits until the CRDs
/// are served.
pub(crate) async fn install(client: &Client) -> Result<()> {
    let told = |e: client::Error| anyhow::anyhow!("{}", e.chain());
    for namespace in manifests::namespaces() {
        match client.resource(&GroupVersionResource::new("", "v1", "namespaces")).create(&namespace).await {
            Err(error) if !error.is_already_exists() => return Err(told(error)),
            _ => {}
        }
    }
    let crds = client.resource(&GroupVersionResource::new(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
    ));
    let known = crds.list_all(&ListOptions::default()).await.map_err(told)?.items;
    let mut waiting = BTreeSet::new();
    for wanted in api::crds() {
        match known.iter().find(|k| k.name() == wanted.name()) {
            None => {
                crds.create(&wanted)
                    .await
                    .map_err(told)
                    .with_context(|| format!("cannot install {}", wanted.name()))?;
            }
            Some(known) => {
                let mut changed = known.clone();
                changed.set("/spec", wanted.at("/spec").cloned().unwrap_or_default());
                // The server fills in defaults: an update that changes nothing is not stored.
                crds.update(&changed)
                    .await
                    .map_err(told)
                    .with_context(|| format!("cannot update {}", wanted.name()))?;
            }
        }
        waiting.insert(wanted.name().to_owned());
    }
    while !waiting.is_empty() {
        let listed = crds.list_all(&ListOptions::default()).await.map_err(told)?.items;
        for crd in &listed {
            let conditions = crd.at("/status/conditions").and_then(|c| c.as_array());
            if conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True") {
                waiting.remove(crd.name());
            }
        }
        if !waiting.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
    Ok(())
}

/// Push members, of which the local ones are called without a socket.
struct LocalMembers {
    /// Endpoint and server of local members, by name.
    local: BTreeMap<String, (String, apiserver::Handle)>,
    push: PushMembers,
}

impl Members for LocalMembers {
    fn serves(&self, cluster: &Object) -> bool {
        self.push.serves(cluster)
    }

    fn connect<'a>(&'a self, cluster: &'a Object) -> BoxFuture<'a, Result<Client, ConnectError>> {
        match self.local.get(cluster.name()) {
            // Only the very server that was joined: a cluster of the same name may be another one.
            Some((url, handle)) if cluster.str_at("/spec/apiEndpoint") == Some(url) => {
                let namespace = cluster.str_at("/spec/secretRef/namespace").unwrap_or("karmada-cluster");
                let account = api::naming::member_service_account(cluster.name());
                let user = apiserver::service_account(namespace, &account, "");
                let client = Client::in_process(handle.service(user), Budget::member());
                Box::pin(std::future::ready(Ok(client)))
            }
            _ => self.push.connect(cluster),
        }
    }
}
