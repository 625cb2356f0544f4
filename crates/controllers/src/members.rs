//! The members this process looks after: how each is reached, and what runs for each.
//!
//! ```text
//! watches  Cluster, Work
//! reads    the Secret with a push member's credentials, when connecting
//! writes   nothing
//! wakes    on every change of a Cluster's access; a member's queues on its Works and its own objects
//! ```
//!
//! Every member has its own client, its own informers, its own queues and its own workers: one that
//! hangs occupies nothing that another needs. The same code serves the control plane, which connects to
//! push members ([`PushMembers`]), and an agent, which has one member and its client at hand
//! ([`OneMember`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use api::cluster::{ClusterSpec, SyncMode};
use api::names::{annotations, labels};
use api::naming;
use client::{Budget, Client};
use futures::future::BoxFuture;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::informer::InformerOptions;
use runtime::queue::LOW_PRIORITY;
use runtime::{Change, Informer, Outcome, Queue, Shutdown, queue, spawn};
use serde::Deserialize;
use serde_json::json;

use crate::context::Context;
use crate::execution::Records;
use crate::gather::Gather;
use crate::kinds::Kinds;
use crate::services::export;
use crate::view;

/// Why a member cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Cluster does not say how.
    #[error("cluster {cluster} has no {missing}")]
    Incomplete {
        /// The cluster.
        cluster: String,
        /// What is missing.
        missing: &'static str,
    },
    /// The Cluster cannot be read.
    #[error("cluster {cluster} cannot be read")]
    Shape {
        /// The cluster.
        cluster: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The credentials could not be read or used.
    #[error("could not use the credentials of cluster {cluster}")]
    Credentials {
        /// The cluster.
        cluster: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where clients for members come from.
pub trait Members: Send + Sync + 'static {
    /// Whether this process looks after a cluster.
    fn serves(&self, cluster: &Object) -> bool;

    /// A client for a cluster that [`Members::serves`] has accepted. Asked again when the Cluster's access
    /// changes or its credentials are refused.
    fn connect<'a>(&'a self, cluster: &'a Object) -> BoxFuture<'a, Result<Client, ConnectError>>;

    /// The cluster whose Works are watched; all clusters' when there is none.
    fn only(&self) -> Option<&str> {
        None
    }

    /// Whether a lease must be renewed in the control plane as a sign of life.
    fn renews_lease(&self) -> bool {
        false
    }
}

/// Push members: the control plane holds their address and credentials.
#[derive(Debug, Clone)]
pub struct PushMembers {
    control_plane: Client,
    budget: Budget,
}

impl PushMembers {
    /// Members whose credentials are Secrets in the control plane; each gets a budget of its own.
    pub fn new(control_plane: Client, budget: Budget) -> Self {
        Self { control_plane, budget }
    }

    async fn connect_to(&self, cluster: &Object) -> Result<Client, ConnectError> {
        let name = cluster.name().to_owned();
        let incomplete = |missing| ConnectError::Incomplete { cluster: name.clone(), missing };
        let spec = cluster.at("/spec").ok_or_else(|| incomplete("spec"))?;
        let spec = ClusterSpec::deserialize(spec)
            .map_err(|source| ConnectError::Shape { cluster: name.clone(), source })?;
        if spec.api_endpoint.is_empty() {
            return Err(incomplete("spec.apiEndpoint"));
        }
        let reference = spec.secret_ref.as_ref().ok_or_else(|| incomplete("spec.secretRef"))?;
        let secrets = GroupVersionResource::new("", "v1", "secrets");
        let credentials = |source: Box<dyn std::error::Error + Send + Sync>| ConnectError::Credentials {
            cluster: name.clone(),
            source,
        };
        let secret = self
            .control_plane
            .resource(&secrets)
            .namespace(&reference.namespace)
            .get(&reference.name)
            .await
            .map_err(|e| credentials(e.into()))?;
        let kubeconfig = kubeconfig(&spec, &secret).ok_or_else(|| incomplete("token in its secret"))?;
        let kubeconfig =
            kube::config::Kubeconfig::deserialize(kubeconfig).map_err(|e| credentials(e.into()))?;
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await
                .map_err(|e| credentials(e.into()))?;
        Client::from_config(config, self.budget.clone()).map_err(|e| credentials(e.into()))
    }
}

/// Access to a member in the form in which every client library reads it.
fn kubeconfig(spec: &ClusterSpec, secret: &Object) -> Option<serde_json::Value> {
    let token = secret.str_at("/data/token").and_then(view::base64_text)?;
    let mut cluster = json!({ "server": spec.api_endpoint });
    if spec.insecure_skip_tls_verification {
        cluster["insecure-skip-tls-verify"] = true.into();
    } else if let Some(authority) = secret.str_at("/data/caBundle").filter(|ca| !ca.is_empty()) {
        cluster["certificate-authority-data"] = authority.into();
    }
    if !spec.proxy_url.is_empty() {
        cluster["proxy-url"] = spec.proxy_url.as_str().into();
    }
    Some(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "member",
        "clusters": [{ "name": "member", "cluster": cluster }],
        "users": [{ "name": "member", "user": { "token": token } }],
        "contexts": [{ "name": "member", "context": { "cluster": "member", "user": "member" } }],
    }))
}

impl Members for PushMembers {
    fn serves(&self, cluster: &Object) -> bool {
        view::sync_mode(cluster) == SyncMode::Push
    }

    fn connect<'a>(&'a self, cluster: &'a Object) -> BoxFuture<'a, Result<Client, ConnectError>> {
        Box::pin(self.connect_to(cluster))
    }
}

/// The one member an agent runs in.
#[derive(Debug, Clone)]
pub struct OneMember {
    cluster: String,
    client: Client,
}

impl OneMember {
    /// The member of this name, reached through this client.
    pub fn new(cluster: &str, client: Client) -> Self {
        Self { cluster: cluster.into(), client }
    }
}

impl Members for OneMember {
    fn serves(&self, cluster: &Object) -> bool {
        cluster.name() == self.cluster
    }

    fn connect<'a>(&'a self, _cluster: &'a Object) -> BoxFuture<'a, Result<Client, ConnectError>> {
        Box::pin(std::future::ready(Ok(self.client.clone())))
    }

    fn only(&self) -> Option<&str> {
        Some(&self.cluster)
    }

    fn renews_lease(&self) -> bool {
        true
    }
}

/// An open way to a member.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) kinds: Kinds,
    /// Informers over our own objects in the member, by resource.
    informers: Mutex<BTreeMap<GroupVersionResource, Informer>>,
    pub(crate) shutdown: Shutdown,
}

impl Connection {
    fn new(client: Client, shutdown: Shutdown) -> Self {
        let kinds = Kinds::new(client.clone());
        Self { client, kinds, informers: Mutex::default(), shutdown }
    }

    /// The informer over our objects of a resource, when it runs and is complete.
    pub(crate) fn running(&self, gvr: &GroupVersionResource) -> Option<Informer> {
        let informers = self.informers.lock().unwrap_or_else(PoisonError::into_inner);
        informers.get(gvr).filter(|informer| informer.is_synced()).cloned()
    }
}

/// One member: its queues, and the way to it while there is one.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Namespace of its Works.
    pub(crate) namespace: String,
    /// Names of Works to apply.
    pub(crate) execution: Queue<String>,
    /// Names of Works whose status to read back.
    pub(crate) status: Queue<String>,
    /// Exported Services whose endpoints to report.
    pub(crate) exports: Queue<ObjectKey>,
    /// What was last written to the member.
    pub(crate) records: Records,
    pub(crate) shutdown: Shutdown,
    connection: RwLock<Option<Arc<Connection>>>,
    failure: Mutex<Option<String>>,
    /// Access that the connection was made with; a change makes a new one.
    access: Mutex<Option<String>>,
    /// Where to ask for a new connection.
    connecting: Queue<String>,
}

impl Member {
    fn new(name: &str, connecting: Queue<String>, shutdown: Shutdown) -> Self {
        Self {
            name: name.into(),
            connecting,
            namespace: naming::execution_namespace(name),
            execution: Queue::new("execution-controller"),
            status: Queue::new("work-status-controller"),
            exports: Queue::new("service-export-controller"),
            records: Records::default(),
            shutdown,
            connection: RwLock::default(),
            failure: Mutex::default(),
            access: Mutex::default(),
        }
    }

    /// The way to the member, while there is one.
    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why there is no way to the member.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_connection(&self, connection: Result<Connection, String>) {
        let (connection, failure) = match connection {
            Ok(connection) => (Some(Arc::new(connection)), None),
            Err(failure) => (None, Some(failure)),
        };
        let old = {
            let mut current = self.connection.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, connection)
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        if let Some(old) = old {
            old.shutdown.request();
        }
    }

    /// Asks for a new way to the member: the credentials in use are refused.
    pub(crate) fn reconnect(&self) {
        *self.access.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.connecting.add(self.name.clone());
    }

    /// The informer over our objects of a resource in the member, started when there is none yet.
    pub(crate) fn informer(
        self: &Arc<Self>,
        connection: &Connection,
        gvr: &GroupVersionResource,
    ) -> Informer {
        let mut informers = connection.informers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(informer) = informers.get(gvr) {
            return informer.clone();
        }
        let options =
            InformerOptions { labels: format!("{}=true", labels::MANAGED), ..InformerOptions::default() };
        let informer = Informer::start(connection.client.clone(), gvr, options, &connection.shutdown);
        let member = Arc::downgrade(self);
        informer.on_change(move |change| observe(&member, change));
        informers.insert(gvr.clone(), informer.clone());
        informer
    }
}

/// Changes of an object that follow one another within this time are reported once. A rollout makes
/// several in a few milliseconds; nobody waits for the ones in between.
const GATHER: Gather = Gather {
    idle: Duration::from_millis(5),
    per_waiting: Duration::from_micros(100),
    most: Duration::from_millis(25),
};

/// Wakes what a change of a member's object concerns: its status is read back, and if it is not as it was
/// written it is put right.
fn observe(member: &Weak<Member>, change: &Change) {
    let Some(member) = member.upgrade() else { return };
    let object = change.object();
    if object.annotation(annotations::WORK_NAMESPACE) != Some(member.namespace.as_str()) {
        return;
    }
    let Some(work) = object.annotation(annotations::WORK_NAME) else { return };
    match change {
        Change::Added { object, .. } => {
            if member.records.is_foreign(object) {
                member.execution.add(work.to_owned());
            }
            member.status.add_after(work.to_owned(), GATHER.wait(&member.status));
        }
        Change::Modified { old, new } => {
            if !member.records.is_own(new) && view::differs_after_pruning(old, new) {
                member.execution.add(work.to_owned());
            }
            member.status.add_after(work.to_owned(), GATHER.wait(&member.status));
        }
        Change::Deleted { .. } => member.execution.add(work.to_owned()),
    }
}

/// What runs once per member.
pub(crate) type PerMember = fn(Context, Arc<Member>) -> BoxFuture<'static, ()>;

/// The members that are looked after.
#[derive(Clone)]
pub(crate) struct Fleet {
    context: Context,
    clusters: Informer,
    parts: Arc<Vec<PerMember>>,
    members: Arc<RwLock<BTreeMap<String, Arc<Member>>>>,
    queue: Queue<String>,
}

/// Members connected to at the same time. Connecting reads a Secret of the control plane and does not
/// wait for the member.
const WORKERS: usize = 4;

/// First wait after credentials could not be used.
const RECONNECT_AFTER: Duration = Duration::from_secs(5);

impl Fleet {
    /// Looks after members until shutdown: runs `parts` for each.
    pub(crate) async fn run(context: Context, parts: Vec<PerMember>) {
        let clusters = context.clusters().clone();
        let fleet = Self {
            clusters: clusters.clone(),
            parts: Arc::new(parts),
            members: Arc::default(),
            queue: Queue::new("members"),
            context,
        };
        let wakes = fleet.clone();
        clusters.on_change(move |change| wakes.observe_cluster(change));
        let routes = fleet.clone();
        fleet.context.works().informer().on_change(move |change| routes.observe_work(change));
        let shutdown = fleet.context.shutdown.clone();
        let works = fleet.context.works();
        if !clusters.wait_synced(&shutdown).await || !works.informer().wait_synced(&shutdown).await {
            return;
        }
        let queue = fleet.queue.clone();
        queue::run(&queue, WORKERS, &shutdown, move |name| {
            let fleet = fleet.clone();
            async move { fleet.reconcile(&name).await }
        })
        .await;
    }

    fn member(&self, name: &str) -> Option<Arc<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn observe_cluster(&self, change: &Change) {
        let cluster = change.object();
        self.queue.add(cluster.name().to_owned());
        let Some(old) = change.old() else { return };
        let became_ready = view::is_ready(cluster) && !view::is_ready(old);
        if became_ready || cluster.is_deleting() != old.is_deleting() {
            self.wake_all(cluster.name());
        }
    }

    /// Looks at all Works of a member again.
    fn wake_all(&self, name: &str) {
        let Some(member) = self.member(name) else { return };
        for work in self.context.works().informer().list_in(&member.namespace) {
            member.execution.add_with_priority(work.name().to_owned(), LOW_PRIORITY);
            member.status.add_with_priority(work.name().to_owned(), LOW_PRIORITY);
        }
    }

    fn observe_work(&self, change: &Change) {
        let work = change.object();
        let Some(cluster) = naming::cluster_of_execution_namespace(work.namespace()) else { return };
        let Some(member) = self.member(cluster) else { return };
        let name = || work.name().to_owned();
        for state in change.old().into_iter().chain([work]) {
            export::concerned(state).for_each(|key| member.exports.add(key));
        }
        match change {
            Change::Added { initial, .. } => {
                let priority = if *initial { LOW_PRIORITY } else { 0 };
                member.execution.add_with_priority(name(), priority);
            }
            Change::Modified { old, new } => {
                if old.generation() != new.generation() || old.is_deleting() != new.is_deleting() {
                    member.execution.add(name());
                }
                if view::is_applied(new) && !view::is_applied(old) {
                    member.status.add(name());
                }
            }
            Change::Deleted { .. } => member.records.forget(work.name()),
        }
    }

    async fn reconcile(&self, name: &str) -> Result<Outcome, ConnectError> {
        let members = &self.context.members;
        let cluster = self.clusters.get(&ObjectKey::new("", name)).filter(|c| members.serves(c));
        let Some(cluster) = cluster else {
            let gone = self.members.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            if let Some(member) = gone {
                tracing::info!(cluster = name, "member left");
                member.set_connection(Err("the cluster has left".into()));
                member.shutdown.request();
            }
            return Ok(Outcome::Done);
        };
        let known = self.member(name);
        let is_new = known.is_none();
        let member = known.unwrap_or_else(|| {
            Arc::new(Member::new(name, self.queue.clone(), self.context.shutdown.child()))
        });
        let access = access(&cluster);
        let has_access =
            member.access.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(access.as_str());
        let mut outcome = Ok(Outcome::Done);
        if !has_access {
            match members.connect(&cluster).await {
                Ok(client) => {
                    member.set_connection(Ok(Connection::new(client, member.shutdown.child())));
                    *member.access.lock().unwrap_or_else(PoisonError::into_inner) = Some(access);
                }
                Err(error) => {
                    let failure = queue::chain(&error);
                    tracing::warn!(cluster = name, error = failure, "cannot reach member");
                    member.set_connection(Err(failure));
                    outcome = Ok(Outcome::After(RECONNECT_AFTER));
                }
            }
        }
        if is_new {
            self.members
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.to_owned(), Arc::clone(&member));
            for part in self.parts.iter() {
                spawn("member", part(self.context.clone(), Arc::clone(&member)));
            }
        }
        if !has_access {
            self.wake_all(name);
        }
        outcome
    }
}

/// The part of a Cluster that decides how it is reached.
fn access(cluster: &Object) -> String {
    let fields = ["apiEndpoint", "secretRef", "insecureSkipTLSVerification", "proxyURL", "proxyHeader"];
    let parts: BTreeSet<String> = fields
        .iter()
        .filter_map(|field| Some(format!("{field}={}", cluster.at("/spec")?.get(field)?)))
        .collect();
    format!("{} {parts:?}", cluster.uid())
}
