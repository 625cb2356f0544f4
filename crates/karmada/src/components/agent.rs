//! The agent of a Pull mode member.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use client::Budget;
use clock::Clock;

use super::{Accepted, Features, client_of, until_asked};
use crate::probes::Probes;

/// `karmada agent`
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Path to the member's kubeconfig file.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Context of the member; its kubeconfig's current context if not given.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Path to the control plane's kubeconfig file.
    #[arg(long, value_name = "FILE")]
    karmada_kubeconfig: PathBuf,
    /// Context of the control plane; its kubeconfig's current context if not given.
    #[arg(long, value_name = "NAME")]
    karmada_context: Option<String>,
    /// Name of the member cluster.
    #[arg(long)]
    cluster_name: String,
    /// Where the member's API can be reached, for the record.
    #[arg(long, default_value = "", value_name = "URL")]
    cluster_api_endpoint: String,
    /// Provider of the cluster.
    #[arg(long, default_value = "")]
    cluster_provider: String,
    /// Region of the cluster.
    #[arg(long, default_value = "")]
    cluster_region: String,
    /// Zones of the cluster, separated by commas.
    #[arg(long, value_delimiter = ',')]
    cluster_zones: Vec<String>,
    #[command(flatten)]
    features: Features,
    #[command(flatten)]
    accepted: Accepted,
    #[command(flatten)]
    probes: Probes,
}

pub(crate) async fn agent(args: AgentArgs) -> Result<()> {
    args.accepted.tell();
    let shutdown = until_asked();
    let control =
        client_of(&args.karmada_kubeconfig, args.karmada_context.as_deref(), Budget::control_plane()).await?;
    let member = client_of(&args.kubeconfig, args.context.as_deref(), Budget::member()).await?;
    let options = agent::Options {
        cluster_name: args.cluster_name,
        api_endpoint: args.cluster_api_endpoint,
        provider: args.cluster_provider,
        region: args.cluster_region,
        zones: args.cluster_zones,
        controllers: controllers::Options {
            gates: args.features.gates().into(),
            ..controllers::Options::default()
        },
        ..agent::Options::default()
    };
    args.probes.start(10357, &shutdown).await?;
    agent::register(&control, &member, &options).await?;
    agent::run(control, member, options, Clock::system(), shutdown).await;
    Ok(())
}
