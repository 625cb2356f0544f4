//! Karmada's controllers, and the part of kube-controller-manager that they need.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use client::Budget;
use clock::{Clock, Ids};
use controllers::{Deps, PushMembers};
use runtime::{Informers, Recorder, Resources};

use super::{Accepted, Connection, Election, Features, duration};
use crate::probes::Probes;

/// `karmada controller-manager`
#[derive(Debug, Args)]
pub(crate) struct ControllerManagerArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    probes: Probes,
    #[command(flatten)]
    features: Features,
    #[command(flatten)]
    accepted: Accepted,
    /// Controllers to run: names, `*` for all that are on by default, `-name` to leave one out.
    #[arg(long, value_delimiter = ',', default_value = "*", allow_hyphen_values = true)]
    controllers: Vec<String>,
    /// Resources that are not propagated: group, group/version or group/version/Kind,Kind; separated by semicolons.
    #[arg(long, default_value = "", value_name = "APIS")]
    skipped_propagating_apis: String,
    /// Namespaces that are not propagated, as regular expressions.
    #[arg(long, value_delimiter = ',', default_value = "kube-.*", value_name = "REGEXPS")]
    skipped_propagating_namespaces: Vec<String>,
    /// How often the members' state is read, for example 10s.
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    cluster_status_update_frequency: std::time::Duration,
}

pub(crate) async fn controller_manager(args: ControllerManagerArgs) -> Result<()> {
    args.accepted.tell();
    let client = args.connection.client().await?;
    let mut options =
        controllers::Options { controllers: args.controllers, ..controllers::Options::default() };
    options.gates = args.features.gates().into();
    options.detector.skipped_propagating_apis = args.skipped_propagating_apis;
    options.detector.skipped_propagating_namespaces = args.skipped_propagating_namespaces;
    options.cluster_status.update_frequency = args.cluster_status_update_frequency;
    let members = Arc::new(PushMembers::new(client.clone(), Budget::member()));
    let working = client.clone();
    args.election
        .run("karmada-controller-manager", (&args.probes, 10357), &client, move |until| async move {
            let deps = Deps {
                informers: Informers::new(working, &until),
                members,
                clock: Clock::system(),
                ids: Ids::system(),
            };
            controllers::run(deps, options, until).await;
        })
        .await
}

/// `karmada kube-controller-manager`
#[derive(Debug, Args)]
pub(crate) struct KubeControllerManagerArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    probes: Probes,
    /// PEM file of the cluster's authority, for service account token Secrets.
    #[arg(long, value_name = "FILE")]
    root_ca_file: Option<PathBuf>,
}

pub(crate) async fn kube_controller_manager(args: KubeControllerManagerArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let ca_pem = match &args.root_ca_file {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        None => String::new(),
    };
    let working = client.clone();
    args.election
        .run("kube-controller-manager", (&args.probes, 10257), &client, move |until| async move {
            let informers = Informers::new(working.clone(), &until);
            let context = kube_controllers::Context {
                resources: Resources::follow(&informers, &until),
                informers,
                clock: Clock::system(),
                events: Recorder::start(working, "kube-controller-manager", Clock::system(), &until),
                ca_pem,
                shutdown: until,
            };
            kube_controllers::run(kube_controllers::Set::ControlPlane, context).await;
        })
        .await
}
