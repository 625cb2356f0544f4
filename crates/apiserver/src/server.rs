//! A running server: background tasks, sockets, shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use runtime::Shutdown;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::admission::Chain;
use crate::allocate::Allocator;
use crate::auth::authenticate::{Authenticator, PeerCertificate};
use crate::auth::authorize::Authorizer;
use crate::auth::tokens::Tokens;
use crate::core::Core;
use crate::crd::controller::{self as definitions, Served};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::serve::{Handle, Service, Who};
use crate::storage::hub::Hub;
use crate::storage::{codec, prefix};
use crate::{Deps, Error, Options, bootstrap, expire, itself};

/// How long open requests may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams of one HTTP/2 connection: clients hold hundreds of watches on one.
const STREAMS_MAX: u32 = 2000;

/// Requests from outside worked on at once; more get a 429 and come back a second later. Several times
/// what saturates the machine, so that only a flood is turned away.
const IN_FLIGHT_MAX: usize = 600;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Binds an address; port 0 takes a free one. Without TLS everybody is anonymous or has a token.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address, tls })
    }

    /// The address bound, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// An API server. It answers in process from [`ApiServer::new`] on.
pub struct ApiServer {
    core: Arc<Core>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Loads what is stored, creates what is missing and starts the background tasks.
    ///
    /// # Errors
    /// When the store fails or a key cannot be used.
    pub async fn new(options: Options, deps: Deps) -> Result<Self, Error> {
        let hub = Hub::load(&*deps.store).await.map_err(Error::Load)?;
        let builtin: Vec<Arc<Resource>> = options
            .kinds
            .iter()
            .map(|kind| {
                // Two versions of the same objects share the storage of one of them.
                let cache = hub.cache(&prefix(kind.storage.0, kind.plural));
                Arc::new(Resource::builtin(kind, cache))
            })
            .collect();
        let key = options.service_account_key.as_ref();
        let tokens = Tokens::new(
            &options.issuer,
            key.map(|k| (k.private_pem.as_str(), k.id.as_str())),
            key.map(|k| k.public_pem.as_str()),
            options.static_tokens.clone(),
        )
        .map_err(Error::Options)?;
        let core = Arc::new(Core {
            registry: ArcSwap::from_pointee(Registry::new(&builtin, &[], None)),
            admission: Chain::new(deps.admission),
            authenticator: Authenticator::new(tokens, options.front_proxies.clone()),
            authorizer: Authorizer::new(options.authorization),
            allocator: Allocator::new(&options.service_cidr, options.node_ports.clone()),
            connectors: deps.connectors,
            metrics: Metrics::new(),
            shutdown: Shutdown::new(),
            ready: AtomicBool::new(false),
            forgotten: AtomicU64::new(0),
            places: Semaphore::new(IN_FLIGHT_MAX),
            store: deps.store,
            clock: deps.clock,
            random: deps.random,
            ids: deps.ids,
            builtin,
            hub,
            options,
        });
        start(&core).await?;
        Ok(Self { core })
    }

    /// Gives out services for clients in this process.
    pub fn handle(&self) -> Handle {
        Handle { core: Arc::clone(&self.core) }
    }

    /// Serves the listeners until shutdown, then ends watches, lets requests finish and stops the
    /// background tasks.
    pub async fn run(self, listeners: Vec<Listener>, shutdown: Shutdown) {
        if let Some(listener) = listeners.first() {
            itself::publish(&self.core, listener.address).await;
        }
        let accepts =
            listeners.into_iter().map(|listener| accept(Arc::clone(&self.core), listener, shutdown.clone()));
        futures::future::join_all(accepts).await;
        shutdown.requested().await;
        self.core.shutdown.request();
    }

    /// Stops the background tasks and ends all watches.
    pub fn stop(&self) {
        self.core.shutdown.request();
    }
}

async fn start(core: &Arc<Core>) -> Result<(), Error> {
    let follower = Arc::clone(core);
    runtime::spawn("watch-cache", async move {
        follower.hub.follow(&*follower.store, &follower.shutdown).await;
        if !follower.shutdown.is_requested() {
            // Stale caches answer wrongly; a server that says so gets restarted.
            follower.ready.store(false, Ordering::Relaxed);
        }
    });
    let services = core.cache("", "services");
    for entry in services.list(&services.prefix, None).0 {
        if let Ok(service) = codec::decode(&entry.bytes, entry.revision) {
            core.allocator.load(&service);
        }
    }
    bootstrap::run(core).await?;
    let served = Arc::new(Served::default());
    core.hub.consistent(&*core.store).await.map_err(|status| Error::Options(status.message))?;
    definitions::sync(core, &served).await;
    runtime::spawn("custom-resources", definitions::run(Arc::clone(core), served));
    runtime::spawn("expiry", expire::run(Arc::clone(core)));
    core.ready.store(true, Ordering::Relaxed);
    Ok(())
}

/// Accepts connections until shutdown and waits for their requests to finish.
async fn accept(core: Arc<Core>, listener: Listener, shutdown: Shutdown) {
    let graceful = GracefulShutdown::new();
    let tls = listener.tls.map(TlsAcceptor::from);
    let connections = Arc::new(graceful);
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            accepted = listener.socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let watcher = connections.watcher();
                let (core, tls) = (Arc::clone(&core), tls.clone());
                runtime::spawn("connection", connection(core, stream, tls, watcher));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    core.shutdown.request();
    drop(listener.socket);
    if let Some(connections) = Arc::into_inner(connections) {
        let _ = tokio::time::timeout(DRAIN, connections.shutdown()).await;
    }
}

async fn connection(
    core: Arc<Core>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let served = match tls {
        Some(tls) => {
            let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "TLS handshake failed");
                    return;
                }
                Err(_) => return,
            };
            let certificate = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|der| PeerCertificate(Arc::from(der.as_ref())));
            let service = TowerToHyperService::new(Service { core, who: Who::Connection(certificate) });
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            watcher.watch(connection.into_owned()).await
        }
        None => {
            let service = TowerToHyperService::new(Service { core, who: Who::Connection(None) });
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            watcher.watch(connection.into_owned()).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
