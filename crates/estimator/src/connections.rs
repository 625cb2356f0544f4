//! One connection per cluster.
//!
//! ```text
//! cluster seen ──▶ look up the address ──▶ dial, 5 s each ──▶ connected ── cluster gone ──▶ dropped
//!                     ▲                         │
//!                     └──── failed: later ──────┘
//! ```
//!
//! A connection that breaks is made again by the next question.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use api::naming::estimator_service;
use client::Client;
use futures::future::join_all;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Change, Informer, Outcome, Queue, Shutdown};
use tonic::transport::{Channel, Endpoint};

use crate::{ClientTls, DEFAULT_PORT, Error, address};

/// How long one address is tried. Upstream's.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Clusters that are connected to at the same time. Most of the work is waiting for addresses where nobody is.
const WORKERS: usize = 16;

/// A connection on which nothing comes back is given up after the machine's keep-alive probes; pings of the
/// protocol itself would be answered with a closed connection by servers that count them.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Where the estimators are and how to call them. The defaults are upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `--scheduler-estimator-port`.
    pub port: u16,
    /// `--scheduler-estimator-service-prefix`: the Service of a cluster's estimator is `<prefix>-<cluster>`.
    pub service_prefix: String,
    /// `--scheduler-estimator-service-namespace`.
    pub service_namespace: String,
    /// `--scheduler-estimator-timeout`: for one question to all clusters.
    pub timeout: Duration,
    /// `--disable-scheduler-estimator-in-pull-mode`: clusters that pull are not asked.
    pub disable_in_pull_mode: bool,
    /// Certificates.
    pub tls: ClientTls,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: DEFAULT_PORT,
            service_prefix: api::names::components::SCHEDULER_ESTIMATOR.to_owned(),
            service_namespace: api::names::namespaces::SYSTEM.to_owned(),
            timeout: Duration::from_secs(3),
            disable_in_pull_mode: false,
            tls: ClientTls::default(),
        }
    }
}

/// The estimators of all clusters. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Estimators {
    inner: Arc<Inner>,
}

struct Inner {
    control_plane: Client,
    options: Options,
    /// A plain lock: held for map operations only.
    channels: RwLock<BTreeMap<String, Channel>>,
}

impl std::fmt::Debug for Estimators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.read().keys()).finish()
    }
}

impl Estimators {
    /// No connections yet. Addresses are looked up through the control plane.
    pub fn new(control_plane: Client, options: Options) -> Self {
        Self { inner: Arc::new(Inner { control_plane, options, channels: RwLock::default() }) }
    }

    /// How estimators are called.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Channel>> {
        self.inner.channels.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Channel>> {
        self.inner.channels.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn channel(&self, cluster: &str) -> Option<Channel> {
        self.read().get(cluster).cloned()
    }

    /// Whether a cluster's estimator has been reached.
    pub fn is_connected(&self, cluster: &str) -> bool {
        self.read().contains_key(cluster)
    }

    /// Drops a cluster's connection. Answers under way still arrive.
    pub fn disconnect(&self, cluster: &str) {
        self.write().remove(cluster);
    }

    /// Connects to a cluster's estimator unless that has been done.
    ///
    /// # Errors
    /// When the address cannot be looked up, TLS cannot be set up, or nobody answers.
    pub async fn connect(&self, cluster: &str) -> Result<(), Error> {
        if self.is_connected(cluster) {
            return Ok(());
        }
        let channel = self.dial(&self.addresses(cluster).await?).await?;
        tracing::info!(cluster, "connected to the cluster's estimator");
        self.keep(cluster, channel);
        Ok(())
    }

    /// Of two connections made at the same time the first stays.
    pub(crate) fn keep(&self, cluster: &str, channel: Channel) {
        self.write().entry(cluster.to_owned()).or_insert(channel);
    }

    async fn addresses(&self, cluster: &str) -> Result<Vec<String>, Error> {
        let options = self.options();
        let name = estimator_service(&options.service_prefix, cluster);
        let namespace = &options.service_namespace;
        let services = self.inner.control_plane.resource(&GroupVersionResource::new("", "v1", "services"));
        let qualified = || format!("{namespace}/{name}");
        let service = services.namespace(namespace).find(&name).await;
        let service = service.map_err(|source| Error::Lookup { service: qualified(), source })?;
        address::addresses(service.as_ref(), namespace, &name, options.port)
            .map_err(|reason| Error::Service { service: qualified(), reason })
    }

    /// The first address that answers; the last one's error when none does.
    async fn dial(&self, addresses: &[String]) -> Result<Channel, Error> {
        let mut failure = None;
        for address in addresses {
            match self.dial_one(address).await {
                Ok(channel) => return Ok(channel),
                Err(error) => {
                    tracing::debug!(address, error = runtime::queue::chain(&error), "estimator not reached");
                    failure = Some(error);
                }
            }
        }
        Err(failure.expect("there is at least one address to try"))
    }

    async fn dial_one(&self, address: &str) -> Result<Channel, Error> {
        let tls = &self.options().tls;
        let scheme = if tls.is_used() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|source| Error::Address { address: address.to_owned(), source })?
            .connect_timeout(DIAL_TIMEOUT)
            .tcp_keepalive(Some(KEEP_ALIVE));
        let endpoint = tls.apply(endpoint, address)?;
        match tokio::time::timeout(DIAL_TIMEOUT, endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(source)) => Err(Error::Connect { address: address.to_owned(), source }),
            Err(_) => Err(Error::Silent { address: address.to_owned(), secs: DIAL_TIMEOUT.as_secs() }),
        }
    }

    /// Whether the estimator of a cluster is asked.
    fn wants(&self, cluster: &Object) -> bool {
        !(self.options().disable_in_pull_mode && cluster.str_at("/spec/syncMode") == Some("Pull"))
    }

    /// Tries to reach the estimators of all clusters that the cache holds, once, all at the same time. To be
    /// called before the first question, so that it is not answered in ignorance.
    pub async fn connect_all(&self, clusters: &Informer) {
        let clusters = clusters.list();
        let calls = clusters.iter().filter(|cluster| self.wants(cluster)).map(|cluster| async {
            if let Err(error) = self.connect(cluster.name()).await {
                let error = runtime::queue::chain(&error);
                tracing::warn!(cluster = cluster.name(), error, "estimator not reached, will try again");
            }
        });
        join_all(calls).await;
    }

    /// Connects to the estimators of clusters that come, and drops those of clusters that go, until shutdown.
    pub async fn follow(&self, clusters: &Informer, shutdown: &Shutdown) {
        let queue: Queue<String> = Queue::new(api::names::components::SCHEDULER_ESTIMATOR);
        let names = queue.clone();
        clusters.on_change(move |change: &Change| names.add(change.object().name().to_owned()));
        let (estimators, clusters) = (self.clone(), clusters.clone());
        runtime::queue::run(&queue, WORKERS, shutdown, move |name: String| {
            let (estimators, clusters) = (estimators.clone(), clusters.clone());
            async move {
                match clusters.get(&ObjectKey::new("", &name)) {
                    Some(cluster) if estimators.wants(&cluster) => estimators.connect(&name).await?,
                    _ => estimators.disconnect(&name),
                }
                Ok::<_, Error>(Outcome::Done)
            }
        })
        .await;
    }
}
