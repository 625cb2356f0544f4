//! One local member cluster alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use pki::kubeconfig::{Entry, Kubeconfig};

use super::until_asked;
use crate::up::member::{Member, Nodes};

/// `karmada local-cluster`
#[derive(Debug, Args)]
pub(crate) struct LocalClusterArgs {
    /// Name of the cluster.
    #[arg(long)]
    name: String,
    /// Folder with the store, the certificates and the administrator's `kubeconfig`.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Port to listen on.
    #[arg(long)]
    port: u16,
    /// Address to listen on. Only this machine can reach the default.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind_address: IpAddr,
    #[command(flatten)]
    nodes: Nodes,
}

pub(crate) async fn local_cluster(args: LocalClusterArgs) -> Result<()> {
    let shutdown = until_asked();
    let address = SocketAddr::new(args.bind_address, args.port);
    let member = Member::start(&args.name, &args.data_dir, address, args.nodes, &shutdown).await?;
    let host = member.host();
    let mut config = Kubeconfig::default();
    config.set(&Entry::new(&args.name, &host.url, &host.authority_pem, host.admin.clone()));
    config.set_current(&args.name);
    crate::up::write(&config, &args.data_dir.join("kubeconfig"))?;
    tracing::info!(url = host.url, "serving");
    shutdown.requested().await;
    member.ended().await;
    Ok(())
}
