//! Cluster status: whether a member is healthy, what it serves and how much room it has.
//!
//! ```text
//! watches  nodes and pods of the member, when its resources are summed up; its CRDs
//! reads    the member's /readyz, /version and discovery
//! writes   Cluster.status; a pull member's Lease in the control plane
//! wakes    every update period, per member, and when the member gets or loses a CRD
//! ```
//!
//! The rules live in [`Damping`] (when a change of health counts) and in [`summary`].

pub(crate) mod summary;

use std::sync::Arc;
use std::time::Duration;

use api::Resource as _;
use api::cluster::Cluster;
use api::names::{conditions, finalizers, namespaces, reasons};
use client::{Client, Discovered, Patch};
use futures::future::BoxFuture;
use machinery::{GroupVersionResource, Object};
use runtime::informer::InformerOptions;
use runtime::{Change, Informer, Shutdown};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::context::Context;
use crate::members::{Connection, Member};
use crate::metrics;
use crate::options::ClusterStatusOptions;
use crate::view::difference;
use crate::view::{self, NewCondition};

/// How long a member may take to say how it is. Longer is as good as no answer.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the first look waits for the caches of nodes and pods.
const CACHE_WAIT: Duration = Duration::from_secs(2);

/// What a look at a member's health found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers that it is well.
    Healthy,
    /// It answers something else.
    Unhealthy,
    /// It does not answer.
    Offline,
}

impl Health {
    fn condition(self) -> NewCondition {
        let (status, reason, message) = match self {
            Self::Healthy => {
                ("True", reasons::CLUSTER_READY, "cluster is healthy and ready to accept workloads")
            }
            Self::Unhealthy => (
                "False",
                reasons::CLUSTER_NOT_READY,
                "cluster is reachable but health endpoint responded without ok",
            ),
            Self::Offline => ("False", reasons::CLUSTER_NOT_REACHABLE, "cluster is not reachable"),
        };
        NewCondition { kind: conditions::READY, status, reason, message: message.into(), generation: None }
    }
}

/// Holds a change of health back until it has lasted, so that a hiccup moves no workload.
#[derive(Debug, Default)]
pub(crate) struct Damping {
    /// The last observation and since when it has been so, on the monotonic clock.
    since: Option<(bool, Duration)>,
}

impl Damping {
    /// The condition to report for an observation: the observed one, or the current one while the change
    /// has not lasted for its threshold.
    pub(crate) fn decide(
        &mut self,
        current: Option<&Value>,
        observed: NewCondition,
        now: Duration,
        options: &ClusterStatusOptions,
    ) -> Option<NewCondition> {
        let is_ready = observed.status == "True";
        let since = match self.since {
            None => {
                self.since = Some((is_ready, now));
                return Some(observed);
            }
            Some((last, since)) if last == is_ready => since,
            Some(_) => {
                self.since = Some((is_ready, now));
                now
            }
        };
        let was_ready = current.and_then(|c| c.get("status")?.as_str()).map(|status| status == "True");
        let threshold = if is_ready { options.success_threshold } else { options.failure_threshold };
        let is_change = was_ready.is_some_and(|was| was != is_ready);
        (!is_change || now.saturating_sub(since) >= threshold).then_some(observed)
    }
}

/// Reports on one member until it leaves.
pub(crate) fn per_member(context: Context, member: Arc<Member>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut reporter = Reporter {
            damping: Damping::default(),
            nodes: None,
            leasing: false,
            definitions: None,
            changed: Arc::default(),
            context: context.clone(),
            member: Arc::clone(&member),
        };
        let shutdown = member.shutdown.clone();
        let mut retry = FIRST_RETRY;
        loop {
            // The cluster controller's finalizer comes first; until it is there, look again soon.
            let wait = match reporter.report().await {
                Ok(true) => context.options.cluster_status.update_frequency,
                Ok(false) => FIRST_RETRY,
                Err(error) => {
                    tracing::debug!(
                        cluster = member.name,
                        error = error.chain(),
                        "could not report on the cluster"
                    );
                    retry = (retry * 2).min(context.options.cluster_status.update_frequency);
                    retry
                }
            };
            let changed = Arc::clone(&reporter.changed);
            let woken = async { tokio::time::timeout(wait, changed.notified()).await.is_ok() };
            match shutdown.or(woken).await {
                None => return,
                Some(true) => tokio::time::sleep(SETTLE).await,
                Some(false) => {}
            }
        }
    })
}

/// A new CRD is served a moment after it has been stored.
const SETTLE: Duration = Duration::from_millis(100);

/// First wait when a report could not be made.
const FIRST_RETRY: Duration = Duration::from_millis(20);

/// The caches of a member's nodes and pods.
struct NodesAndPods {
    of: Arc<Connection>,
    nodes: Informer,
    pods: Informer,
}

struct Reporter {
    context: Context,
    member: Arc<Member>,
    damping: Damping,
    nodes: Option<NodesAndPods>,
    /// The member's CRDs, to notice new kinds before the period is over.
    definitions: Option<(Arc<Connection>, Informer)>,
    changed: Arc<Notify>,
    leasing: bool,
}

impl Reporter {
    /// Looks at the member once. `false` when the Cluster is not ready to be reported on yet.
    async fn report(&mut self) -> Result<bool, client::Error> {
        let Some(cluster) = self.context.cluster(&self.member.name) else { return Ok(false) };
        if cluster.is_deleting() {
            return Ok(true);
        }
        if !cluster.has_finalizer(finalizers::CLUSTER) {
            return Ok(false);
        }
        let Some(connection) = self.member.connection() else {
            let message =
                self.member.failure().unwrap_or_else(|| "the cluster has not been connected to".into());
            let reason = reasons::STATUS_COLLECTION_FAILED;
            let failed =
                NewCondition { kind: conditions::READY, status: "False", reason, message, generation: None };
            return self.write(&cluster, vec![failed], Map::new()).await.map(|()| true);
        };
        let health = self.health(&connection.client).await;
        let now = self.context.clock.elapsed();
        let options = &self.context.options.cluster_status;
        let current = view::condition(&cluster, conditions::READY);
        let damped = self.damping.decide(current, health.condition(), now, options);
        let reported = damped.as_ref().map_or_else(|| view::is_ready(&cluster), |c| c.status == "True");
        let mut new_conditions: Vec<NewCondition> = damped.into_iter().collect();
        let mut details = Map::new();
        if health == Health::Healthy && reported {
            if self.context.members.renews_lease() && !self.leasing {
                self.start_lease();
            }
            new_conditions.extend(self.details(&connection, &cluster, &mut details).await);
        }
        metrics::READY_STATE.with_label_values(&[&self.member.name]).set(f64::from(u8::from(reported)));
        self.write(&cluster, new_conditions, details).await.map(|()| true)
    }

    async fn health(&self, client: &Client) -> Health {
        let asked = tokio::time::timeout(HEALTH_TIMEOUT, async {
            match client.get_text("/readyz").await {
                Ok((404, _)) => client.get_text("/healthz").await,
                answer => answer,
            }
        });
        match asked.await {
            Ok(Ok((200, _))) => Health::Healthy,
            Ok(Ok((401, _))) => {
                // The credentials may have been renewed since the connection was made.
                self.member.reconnect();
                Health::Unhealthy
            }
            Ok(Ok(_)) => Health::Unhealthy,
            Ok(Err(_)) | Err(_) => Health::Offline,
        }
    }

    /// Collects version, APIs and resources. What cannot be read stays as it was.
    async fn details(
        &mut self,
        connection: &Arc<Connection>,
        cluster: &Object,
        details: &mut Map<String, Value>,
    ) -> Vec<NewCondition> {
        self.follow_definitions(connection);
        if let Ok(version) = connection.client.version().await {
            details.insert("kubernetesVersion".into(), version.into());
        }
        let (enablements, condition) = match connection.client.discover().await {
            Ok(discovered) => {
                connection.kinds.learn(&discovered);
                (api_enablements(&discovered), completeness(&discovered))
            }
            Err(error) => (Vec::new(), incomplete("False", reasons::API_ENABLEMENTS_EMPTY, error.chain())),
        };
        if !enablements.is_empty() {
            details.insert("apiEnablements".into(), enablements.into());
        }
        if self.context.options.cluster_status.resource_modeling {
            self.resources(connection, cluster, details).await;
        }
        vec![condition]
    }

    fn follow_definitions(&mut self, connection: &Arc<Connection>) {
        if self.definitions.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, connection)) {
            return;
        }
        let gvr = GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let transform = |object: &mut Object| drop(object.remove("/spec"));
        let options = InformerOptions { transform, ..InformerOptions::default() };
        let informer = Informer::start(connection.client.clone(), &gvr, options, &connection.shutdown);
        let changed = Arc::clone(&self.changed);
        informer.on_change(move |change| {
            let is_established =
                |object: &Object| view::condition_status(object, "Established") == Some("True");
            let is_news = match change {
                Change::Added { object, initial } => !initial && is_established(object),
                Change::Modified { old, new } => is_established(old) != is_established(new),
                Change::Deleted { .. } => true,
            };
            if is_news {
                changed.notify_one();
            }
        });
        self.definitions = Some((Arc::clone(connection), informer));
    }

    async fn resources(
        &mut self,
        connection: &Arc<Connection>,
        cluster: &Object,
        details: &mut Map<String, Value>,
    ) {
        if self.nodes.as_ref().is_none_or(|n| !Arc::ptr_eq(&n.of, connection)) {
            self.nodes = Some(NodesAndPods::start(connection));
        }
        let Some(caches) = &self.nodes else { return };
        let shutdown = &connection.shutdown;
        if !(caches.nodes.is_synced() && caches.pods.is_synced()) {
            let both =
                async { caches.nodes.wait_synced(shutdown).await && caches.pods.wait_synced(shutdown).await };
            if !matches!(tokio::time::timeout(CACHE_WAIT, both).await, Ok(true)) {
                // Half-filled caches would report a cluster that is smaller than it is.
                return;
            }
        }
        let (nodes, pods) = (caches.nodes.list(), caches.pods.list());
        let summary = summary::node_summary(&nodes);
        let count = |field: &str| summary.get(field).and_then(Value::as_f64).unwrap_or(0.0);
        metrics::NODES.with_label_values(&[&self.member.name]).set(count("totalNum"));
        metrics::READY_NODES.with_label_values(&[&self.member.name]).set(count("readyNum"));
        details.insert("nodeSummary".into(), summary);
        let models = self
            .context
            .options
            .gates
            .customized_cluster_resource_modeling
            .then(|| cluster.at("/spec/resourceModels"));
        details.insert("resourceSummary".into(), summary::resource_summary(&nodes, &pods, models.flatten()));
    }

    async fn write(
        &self,
        cluster: &Object,
        new_conditions: Vec<NewCondition>,
        details: Map<String, Value>,
    ) -> Result<(), client::Error> {
        let old = cluster.at("/status").cloned().unwrap_or_else(|| json!({}));
        let mut new = old.clone();
        let now = self.context.now();
        let mut all: Vec<Value> =
            old.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        for condition in &new_conditions {
            view::set_condition(&mut all, condition, &now);
        }
        new["conditions"] = all.into();
        for (field, value) in details {
            new[&field] = value;
        }
        let Some(change) = difference(&old, &new) else { return Ok(()) };
        let mut patch = json!({ "status": change });
        if patch.pointer("/status/conditions").is_some() {
            // Others write conditions into the same list.
            patch["metadata"]["resourceVersion"] = cluster.resource_version().into();
        }
        let clusters = self.context.client.resource(&Cluster::gvr());
        match clusters.patch_status(cluster.name(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn start_lease(&mut self) {
        self.leasing = true;
        let renewal = Renewal {
            client: self.context.client.clone(),
            clock: self.context.clock.clone(),
            cluster: self.member.name.clone(),
            options: self.context.options.cluster_status.clone(),
        };
        let shutdown = self.member.shutdown.clone();
        let context = self.context.clone();
        runtime::spawn("cluster-lease", async move { renewal.run(&context, &shutdown).await });
    }
}

/// Keeps what nobody here reads of nodes and pods out of memory.
fn slim(object: &mut Object) {
    let metadata = object.metadata_mut();
    for field in ["managedFields", "annotations", "labels", "ownerReferences"] {
        metadata.remove(field);
    }
    for field in
        ["/status/images", "/status/containerStatuses", "/status/initContainerStatuses", "/spec/volumes"]
    {
        object.remove(field);
    }
}

impl NodesAndPods {
    fn start(connection: &Arc<Connection>) -> Self {
        let start = |resource: &str| {
            let gvr = GroupVersionResource::new("", "v1", resource);
            let options = InformerOptions { transform: slim, ..InformerOptions::default() };
            Informer::start(connection.client.clone(), &gvr, options, &connection.shutdown)
        };
        Self { of: Arc::clone(connection), nodes: start("nodes"), pods: start("pods") }
    }
}

/// A sign of life in the control plane, for members that it cannot ask.
struct Renewal {
    client: Client,
    clock: clock::Clock,
    cluster: String,
    options: ClusterStatusOptions,
}

impl Renewal {
    async fn run(&self, context: &Context, shutdown: &Shutdown) {
        let interval =
            self.options.lease_duration.mul_f64(self.options.lease_renew_interval_fraction.clamp(0.01, 1.0));
        loop {
            if let Some(cluster) = context.cluster(&self.cluster)
                && let Err(error) = self.renew(&cluster).await
            {
                tracing::debug!(cluster = self.cluster, error = error.chain(), "could not renew the lease");
            }
            if shutdown.or(tokio::time::sleep(interval)).await.is_none() {
                return;
            }
        }
    }

    async fn renew(&self, cluster: &Object) -> Result<(), client::Error> {
        let gvr = GroupVersionResource::new("coordination.k8s.io", "v1", "leases");
        let leases = self.client.resource(&gvr).namespace(namespaces::CLUSTER);
        let now = machinery::time::rfc3339_micros(self.clock.now());
        let seconds = self.options.lease_duration.as_secs().max(1);
        let spec =
            json!({ "holderIdentity": self.cluster, "leaseDurationSeconds": seconds, "renewTime": now });
        match leases.patch(&self.cluster, &Patch::Merge(&json!({ "spec": spec }))).await {
            Err(error) if error.is_not_found() => {
                let mut lease =
                    Object::new("coordination.k8s.io/v1", "Lease", namespaces::CLUSTER, &self.cluster);
                let mut owner = cluster.controller_reference();
                owner.controller = None;
                owner.block_owner_deletion = None;
                lease.set_owner_references(&[owner]);
                lease.set("/spec", spec);
                leases.create(&lease).await.map(drop)
            }
            result => result.map(drop),
        }
    }
}

/// `status.apiEnablements`: every kind the member serves, sorted.
fn api_enablements(discovered: &Discovered) -> Vec<Value> {
    let mut versions: std::collections::BTreeMap<String, std::collections::BTreeMap<&str, &str>> =
        std::collections::BTreeMap::new();
    for resource in &discovered.resources {
        let kinds = versions.entry(resource.gvk.api_version()).or_default();
        kinds.insert(&resource.plural, &resource.gvk.kind);
    }
    versions
        .into_iter()
        .map(|(version, kinds)| {
            let resources: Vec<Value> =
                kinds.into_iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
            json!({ "groupVersion": version, "resources": resources })
        })
        .collect()
}

fn incomplete(status: &'static str, reason: &'static str, message: String) -> NewCondition {
    NewCondition { kind: conditions::COMPLETE_API_ENABLEMENTS, status, reason, message, generation: None }
}

fn completeness(discovered: &Discovered) -> NewCondition {
    if discovered.resources.is_empty() {
        let message = "collected empty APIEnablements from the cluster".to_owned();
        return incomplete("False", reasons::API_ENABLEMENTS_EMPTY, message);
    }
    if let Some((version, why)) = discovered.failed.first() {
        let message = format!("might collect partial APIEnablements from the cluster: {version}: {why}");
        return incomplete("False", reasons::API_ENABLEMENTS_PARTIAL, message);
    }
    let message = "collected complete APIEnablements from the cluster".to_owned();
    incomplete("True", reasons::API_ENABLEMENTS_COMPLETE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(damping: &mut Damping, current: &str, health: Health, secs: u64) -> &'static str {
        let current = (!current.is_empty()).then(|| json!({ "type": "Ready", "status": current }));
        let options = ClusterStatusOptions::default();
        let now = Duration::from_secs(secs);
        damping.decide(current.as_ref(), health.condition(), now, &options).map_or("held", |c| c.status)
    }

    #[test]
    fn the_first_look_at_a_new_cluster_counts_at_once() {
        for (health, status) in
            [(Health::Healthy, "True"), (Health::Unhealthy, "False"), (Health::Offline, "False")]
        {
            assert_eq!(decide(&mut Damping::default(), "", health, 0), status);
        }
    }

    #[test]
    fn a_failure_counts_once_it_has_lasted() {
        let mut damping = Damping::default();
        assert_eq!(decide(&mut damping, "True", Health::Healthy, 0), "True");
        assert_eq!(decide(&mut damping, "True", Health::Offline, 10), "held");
        assert_eq!(decide(&mut damping, "True", Health::Offline, 39), "held");
        assert_eq!(decide(&mut damping, "True", Health::Offline, 40), "False");
    }

    #[test]
    fn a_hiccup_starts_the_clock_anew() {
        let mut damping = Damping::default();
        decide(&mut damping, "True", Health::Healthy, 0);
        assert_eq!(decide(&mut damping, "True", Health::Offline, 10), "held");
        assert_eq!(decide(&mut damping, "True", Health::Healthy, 30), "True");
        assert_eq!(decide(&mut damping, "True", Health::Offline, 45), "held");
        assert_eq!(decide(&mut damping, "True", Health::Offline, 74), "held");
        assert_eq!(decide(&mut damping, "True", Health::Offline, 75), "False");
    }

    #[test]
    fn recovery_must_last_too() {
        let mut damping = Damping::default();
        decide(&mut damping, "False", Health::Offline, 0);
        assert_eq!(decide(&mut damping, "False", Health::Healthy, 10), "held");
        assert_eq!(decide(&mut damping, "False", Health::Healthy, 40), "True");
    }

    #[test]
    fn kinds_of_unreadiness_change_at_once() {
        let mut damping = Damping::default();
        decide(&mut damping, "False", Health::Offline, 0);
        assert_eq!(decide(&mut damping, "Unknown", Health::Unhealthy, 1), "False");
    }
}
