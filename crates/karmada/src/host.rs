//! An API server with its store, its certificates and its socket: what the control plane and every
//! local member have in common.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use apiserver::{Admission, ApiServer, Deps, Listener, User};
use client::{Budget, Client};
use clock::Clock;
use pki::{Authority, Issued, Profile, TokenKey};
use runtime::Shutdown;
use store::embedded::Engine;
use tokio::task::JoinHandle;

/// What a host is started with.
pub(crate) struct Options {
    /// Name of the cluster, for certificates and errors.
    pub(crate) name: String,
    /// Folder with `store` and `pki`.
    pub(crate) dir: PathBuf,
    /// Where to listen.
    pub(crate) address: SocketAddr,
    /// Further names under which the server is reached.
    pub(crate) names: Vec<String>,
    /// Admission plugins that run in the server.
    pub(crate) admission: Vec<Arc<dyn Admission>>,
}

/// A running API server.
pub(crate) struct Host {
    /// URL of the server.
    pub(crate) url: String,
    /// PEM of the authority that signed the server's certificate and whose clients it trusts.
    pub(crate) authority_pem: String,
    /// Certificate of the administrator.
    pub(crate) admin: Issued,
    handle: apiserver::Handle,
    engine: Arc<Engine>,
    serving: JoinHandle<()>,
}

/// Names under which pods and components reach a control plane.
const NAMES: [&str; 9] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "karmada-apiserver",
    "karmada-apiserver.karmada-system.svc",
    "karmada-apiserver.karmada-system.svc.cluster.local",
];

impl Host {
    /// Opens the store, makes or reads the certificates, and starts to listen.
    pub(crate) async fn start(options: Options, shutdown: &Shutdown) -> Result<Self> {
        let Options { name, dir, address, names, admission } = options;
        let clock = Clock::system();
        let opening = name.clone();
        // Reading the store blocks for as long as there is data.
        let opened = tokio::task::spawn_blocking(move || open(&dir, &opening, names, address, &clock)).await;
        let Opened { engine, issued, authority_pem, admin, key } =
            opened.context("the store's reader ended")??;
        let server_options = apiserver::Options {
            service_account_key: Some((&key).into()),
            client_ca_pem: Some(authority_pem.clone()),
            ..apiserver::Options::default()
        };
        let deps = Deps { admission, ..Deps::new(Arc::clone(&engine) as Arc<dyn store::Store>) };
        let server =
            ApiServer::new(server_options, deps).await.with_context(|| format!("cannot start {name}"))?;
        let tls = apiserver::tls::config(&issued.certificate_pem, &issued.key_pem, &authority_pem)
            .map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let listener = Listener::bind(address, Some(tls)).await.map_err(|error| listening(error, address))?;
        let bound = listener.address();
        let handle = server.handle();
        let until = shutdown.clone();
        let serving = runtime::spawn("apiserver", async move { server.run(vec![listener], until).await });
        let reached = if bound.ip().is_unspecified() {
            SocketAddr::new([127, 0, 0, 1].into(), bound.port())
        } else {
            bound
        };
        Ok(Self { url: format!("https://{reached}"), authority_pem, admin, handle, engine, serving })
    }

    /// A client in this process that is `user`.
    pub(crate) fn client(&self, user: User, budget: Budget) -> Client {
        Client::in_process(self.handle.service(user), budget)
    }

    /// A client of one of the control plane's own components.
    pub(crate) fn component(&self, name: &str) -> Client {
        self.client(apiserver::superuser(&format!("system:{name}")), Budget::control_plane())
    }

    /// Gives out services for clients in this process.
    pub(crate) fn handle(&self) -> apiserver::Handle {
        self.handle.clone()
    }

    /// Waits until the server has ended and everything is on disk. Shutdown must have been requested.
    pub(crate) async fn ended(self) {
        let _ = self.serving.await;
        let engine = self.engine;
        let _ = tokio::task::spawn_blocking(move || engine.close()).await;
    }
}

/// What an address that cannot be listened on means to a user.
fn listening(error: apiserver::Error, address: SocketAddr) -> anyhow::Error {
    match error {
        apiserver::Error::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("port {} is in use; choose another with --port", address.port())
        }
        error => error.into(),
    }
}

struct Opened {
    engine: Arc<Engine>,
    issued: Issued,
    authority_pem: String,
    admin: Issued,
    key: TokenKey,
}

fn open(dir: &Path, name: &str, names: Vec<String>, address: SocketAddr, clock: &Clock) -> Result<Opened> {
    let pki = dir.join("pki");
    create_private(dir)?;
    create_private(&pki)?;
    let authority = Authority::load_or_create(&pki, "ca", &format!("{name}-ca"), clock)
        .with_context(|| format!("cannot use the certificates of {name}"))?;
    let mut names: Vec<String> = NAMES.iter().map(|n| (*n).to_owned()).chain(names).collect();
    if !address.ip().is_unspecified() && !names.contains(&address.ip().to_string()) {
        names.push(address.ip().to_string());
    }
    let issued = authority.ensure(&pki, "apiserver", &Profile::server(name, names))?;
    let admin = authority.ensure(&pki, "admin", &Profile::client("system:admin", ["system:masters"]))?;
    let key = TokenKey::load_or_create(&pki.join("service-account.key"))?;
    let engine = Engine::open(dir.join("store"), store::embedded::Options::default())
        .with_context(|| format!("cannot open the store of {name}"))?;
    Ok(Opened {
        engine: Arc::new(engine),
        issued,
        authority_pem: authority.certificate_pem().to_owned(),
        admin,
        key,
    })
}

/// Creates a folder that only its owner can look into.
pub(crate) fn create_private(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create {}", dir.display()))
}
