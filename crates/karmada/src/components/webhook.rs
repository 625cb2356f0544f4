//! The admission rules as a webhook server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use clock::{Clock, Ids};
use runtime::Informers;
use webhook::Rules;

use super::{Accepted, Connection, Features, until_asked};

/// `karmada webhook`
#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    #[command(flatten)]
    connection: Connection,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED), value_name = "ADDRESS")]
    bind_address: IpAddr,
    /// Port to listen on.
    #[arg(long, default_value_t = 8443)]
    secure_port: u16,
    /// Folder with the serving certificate `tls.crt` and its key `tls.key`.
    #[arg(long, value_name = "DIR")]
    cert_dir: PathBuf,
    /// Let ClusterTaintPolicies use the effect NoExecute.
    #[arg(long)]
    allow_no_execute_taint_policy: bool,
    #[command(flatten)]
    features: Features,
    #[command(flatten)]
    accepted: Accepted,
}

pub(crate) async fn webhook(args: WebhookArgs) -> Result<()> {
    args.accepted.tell();
    let shutdown = until_asked();
    let read = |name: &str| {
        let path = args.cert_dir.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let tls = apiserver::tls::config(&read("tls.crt")?, &read("tls.key")?, "")
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let options = admission::Options {
        allow_no_execute_taint_policy: args.allow_no_execute_taint_policy,
        ..args.features.gates().into()
    };
    let rules = Rules::new(options, Clock::system(), Ids::system());
    rules.follow(&Informers::new(args.connection.client().await?, &shutdown));
    let options = webhook::Options { address: SocketAddr::new(args.bind_address, args.secure_port), tls };
    Ok(webhook::run(options, rules, shutdown).await?)
}
