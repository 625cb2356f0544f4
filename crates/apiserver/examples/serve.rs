//! A server to try by hand: `cargo run -p apiserver --example serve -- 127.0.0.1:6443 /tmp/kubeconfig [data dir]`.
//!
//! Writes a kubeconfig of an administrator and serves until interrupted.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use apiserver::{ApiServer, Deps, Listener, Options, ServiceAccountKey, tls};
use clock::Clock;
use pki::{Authority, Profile, TokenKey};
use runtime::Shutdown;
use store::embedded::{self, Engine};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().unwrap_or_else(|| "127.0.0.1:6443".into()).parse()?;
    let kubeconfig = arguments.next().unwrap_or_else(|| "/tmp/kubeconfig".into());
    let directory = arguments.next();
    tokio::runtime::Runtime::new()?.block_on(async {
        let engine = match &directory {
            Some(directory) => Engine::open(directory, embedded::Options::default())?,
            None => Engine::memory(),
        };
        let clock = Clock::system();
        let authority = Authority::create("test-ca", &clock)?;
        let ip = address.ip().to_string();
        let serving = authority.issue(&Profile::server("apiserver", ["localhost", ip.as_str()]))?;
        let admin = authority.issue(&Profile::client("admin", ["system:masters"]))?;
        let ca = authority.certificate_pem().to_owned();
        let options = Options {
            client_ca_pem: Some(ca.clone()),
            service_account_key: Some(ServiceAccountKey::from(&TokenKey::generate()?)),
            ..Options::default()
        };
        let server = ApiServer::new(options, Deps::new(Arc::new(engine))).await?;
        let tls = tls::config(&serving.certificate_pem, &serving.key_pem, &ca)?;
        let listener = Listener::bind(address, Some(tls)).await?;
        let url = format!("https://{}", listener.address());
        write_kubeconfig(Path::new(&kubeconfig), &url, &ca, &admin.certificate_pem, &admin.key_pem)?;
        let shutdown = Shutdown::new();
        let asked = shutdown.clone();
        runtime::spawn("interrupt", async move {
            let _ = tokio::signal::ctrl_c().await;
            asked.request();
        });
        server.run(vec![listener], shutdown).await;
        Ok(())
    })
}

fn write_kubeconfig(
    path: &Path,
    url: &str,
    ca: &str,
    certificate: &str,
    key: &str,
) -> Result<(), pki::Error> {
    use base64::Engine as _;
    let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n- name: test\n  cluster:\n    server: {url}\n    \
         certificate-authority-data: {}\nusers:\n- name: admin\n  user:\n    client-certificate-data: {}\n    \
         client-key-data: {}\ncontexts:\n- name: test\n  context: {{cluster: test, user: admin}}\n",
        encode(ca),
        encode(certificate),
        encode(key)
    );
    pki::write_private(path, &text)
}
