//! A Kubernetes API server: HTTP in, store out.
//!
//! ```text
//! socket ─▶ TLS ─▶ authentication ─┐
//! in process (fixed identity) ─────┴▶ authorization ─▶ registry ─▶ handler ─▶ admission ─▶ store
//!                                                                     ▲                      │
//!                                                       watch cache ──┴──────── one watch ◀──┘
//! ```
//!
//! Built-in kinds come from the [`kinds`] table, custom ones from CustomResourceDefinitions; both take the
//! same path through one `Resource` type. An object is serialised once, when it is written; what is sent are
//! those bytes with the resource version put in.
//!
//! # Use
//! ```ignore
//! let server = ApiServer::new(Options::default(), Deps::new(Arc::new(store))).await?;
//! let client = kube::Client::new(server.handle().service(superuser("system:apiserver")), "default");
//! let listener = Listener::bind("127.0.0.1:0".parse()?, Some(tls::config(&chain, &key, &client_ca)?)).await?;
//! println!("{}", listener.address());
//! server.run(vec![listener], shutdown).await;
//! ```
//! The server works in process from [`ApiServer::new`] on; [`ApiServer::run`] adds sockets and ends everything
//! at shutdown.

mod admission;
mod allocate;
mod apply;
mod auth;
mod bootstrap;
mod connect;
mod core;
mod crd;
mod decode;
mod discovery;
mod documents;
mod expire;
mod fields;
mod handlers;
mod hooks;
mod http;
mod itself;
mod meta;
mod metrics;
mod nonresource;
mod path;
mod protobuf;
mod registry;
mod render;
mod resource;
mod selection;
mod serve;
mod server;
mod storage;
pub mod tls;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kinds::Kind;
use store::Store;

pub use crate::admission::{Admission, Attributes, Operation};
pub use crate::auth::authorize::Authorization;
pub use crate::auth::user::{User, authenticated, service_account, superuser};
pub use crate::connect::{Connect, Connection, Connector};
pub use crate::http::{Body, BoxError, Response, full as full_body};
pub use crate::serve::{Handle, Service};
pub use crate::server::{ApiServer, Listener};

/// How a server behaves. [`Options::default`] is a secure server of every built-in kind without keys.
#[derive(Debug, Clone)]
pub struct Options {
    /// Built-in kinds to serve, in discovery's order.
    pub kinds: Vec<&'static Kind>,
    /// Addresses of services, for example `10.96.0.0/12`.
    pub service_cidr: String,
    /// Node ports of services.
    pub node_ports: RangeInclusive<u16>,
    /// How requests are authorized.
    pub authorization: Authorization,
    /// Whether requests without credentials are let through to authorization as `system:anonymous`.
    pub anonymous: bool,
    /// Issuer and default audience of service account tokens.
    pub issuer: String,
    /// Key that signs service account tokens; without one there are none.
    pub service_account_key: Option<ServiceAccountKey>,
    /// Fixed bearer tokens and whose they are.
    pub static_tokens: BTreeMap<String, User>,
    /// PEM of the CA of client certificates, published for delegated authentication.
    pub client_ca_pem: Option<String>,
    /// PEM of the CA of front proxies' certificates, published likewise.
    pub front_proxy_ca_pem: Option<String>,
    /// Common names whose client certificates may name the user in `X-Remote-*` headers.
    pub front_proxies: Vec<String>,
    /// `gitVersion` of `/version`.
    pub version: String,
}

/// A P-256 key pair in PEM, for example from `pki::TokenKey`.
#[derive(Clone)]
pub struct ServiceAccountKey {
    /// Private key, PKCS #8 PEM.
    pub private_pem: String,
    /// Public key, PEM.
    pub public_pem: String,
    /// `kid` of tokens signed with it.
    pub id: String,
    /// x and y of the public point, base64url.
    pub coordinates: (String, String),
}

impl std::fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceAccountKey({})", self.id)
    }
}

impl From<&pki::TokenKey> for ServiceAccountKey {
    fn from(key: &pki::TokenKey) -> Self {
        Self {
            private_pem: key.private_pem(),
            public_pem: key.public_pem(),
            id: key.id(),
            coordinates: key.coordinates(),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kinds: kinds::all().iter().collect(),
            service_cidr: "10.96.0.0/12".into(),
            node_ports: 30000..=32767,
            authorization: Authorization::Rbac,
            anonymous: true,
            issuer: "https://kubernetes.default.svc.cluster.local".into(),
            service_account_key: None,
            static_tokens: BTreeMap::new(),
            client_ca_pem: None,
            front_proxy_ca_pem: None,
            front_proxies: Vec::new(),
            version: "v1.36.2".into(),
        }
    }
}

/// What a server works with.
pub struct Deps {
    /// Where objects are kept.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: clock::Clock,
    /// Randomness.
    pub random: clock::Random,
    /// New uids.
    pub ids: clock::Ids,
    /// Admission plugins, run in this order between namespace lifecycle and the webhooks.
    pub admission: Vec<Arc<dyn Admission>>,
    /// Subresources that others serve, for example `clusters/proxy`.
    pub connectors: Vec<Connector>,
}

impl Deps {
    /// A store, the machine's clock and randomness, and no plugins.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: clock::Clock::system(),
            random: clock::Random::system(),
            ids: clock::Ids::system(),
            admission: Vec::new(),
            connectors: Vec::new(),
        }
    }
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stored objects could not be loaded.
    #[error("could not load the stored objects")]
    Load(#[source] store::Error),
    /// A key or option cannot be used.
    #[error("{0}")]
    Options(String),
    /// An object the server needs could not be created.
    #[error("could not create the object {key}")]
    Bootstrap {
        /// Key of the object in the store.
        key: String,
        /// What the store said.
        source: store::Error,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}
