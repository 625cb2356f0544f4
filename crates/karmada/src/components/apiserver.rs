//! The API server alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use clock::{Clock, Ids};
use pki::kubeconfig::{Entry, Kubeconfig};
use runtime::Informers;
use webhook::Rules;

use super::{Features, until_asked};
use crate::host::{self, Host};
use crate::up::control_plane;

/// `karmada apiserver`
#[derive(Debug, Args)]
pub(crate) struct ApiserverArgs {
    /// Folder with the store, the certificates and the administrator's kubeconfig.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Port to listen on.
    #[arg(long, default_value_t = 5443, alias = "secure-port")]
    port: u16,
    /// Address to listen on. Only this machine can reach the default.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind_address: IpAddr,
    /// Further names and addresses in the serving certificate.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    cert_names: Vec<String>,
    /// Install Karmada's CRDs, and check objects by its admission rules.
    #[arg(long)]
    karmada_api: bool,
    #[command(flatten)]
    features: Features,
}

pub(crate) async fn apiserver(args: ApiserverArgs) -> Result<()> {
    let shutdown = until_asked();
    let rules = Rules::new(args.features.gates().into(), Clock::system(), Ids::system());
    let mut plugins: Vec<Arc<dyn apiserver::Admission>> = Vec::new();
    if args.karmada_api {
        plugins.push(Arc::new(crate::admission::InProcess(rules.clone())));
    }
    let host = Host::start(
        host::Options {
            name: "karmada".into(),
            dir: args.data_dir.clone(),
            address: SocketAddr::new(args.bind_address, args.port),
            names: args.cert_names,
            admission: plugins,
        },
        &shutdown,
    )
    .await?;
    let mut config = Kubeconfig::default();
    for context in ["karmada-apiserver", "karmada-host"] {
        config.set(&Entry::new(context, &host.url, &host.authority_pem, host.admin.clone()));
    }
    config.set_current("karmada-apiserver");
    crate::up::write(&config, &args.data_dir.join("karmada.config"))?;
    if args.karmada_api {
        let client = host.component("karmada-apiserver");
        control_plane::install(&client).await?;
        rules.follow(&Informers::new(client, &shutdown));
    }
    tracing::info!(url = host.url, "serving");
    shutdown.requested().await;
    host.ended().await;
    Ok(())
}
