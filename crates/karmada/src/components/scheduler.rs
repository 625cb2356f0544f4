//! The scheduler, and the accurate estimators that it can ask.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use client::Budget;

use super::{Accepted, Connection, Election, Features, client_of, duration, until_asked};
use crate::probes::Probes;

/// `karmada scheduler`
#[derive(Debug, Args)]
pub(crate) struct SchedulerArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    probes: Probes,
    #[command(flatten)]
    features: Features,
    /// Bindings that name this scheduler are scheduled.
    #[arg(long, default_value = "default-scheduler", value_name = "NAME")]
    scheduler_name: String,
    /// Plugins to use: names, `*` for all, `-Name` to leave one out.
    #[arg(long, value_delimiter = ',', default_value = "*", allow_hyphen_values = true)]
    plugins: Vec<String>,
    /// Also send the workload to selected clusters that got no replicas.
    #[arg(long)]
    enable_empty_workload_propagation: bool,
    #[command(flatten)]
    estimators: Estimators,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    accepted: Accepted,
}

/// How soon a binding that could not be placed is tried again, when the gate PriorityBasedScheduling is off.
#[derive(Debug, Args)]
pub(crate) struct Pace {
    /// First wait after a failure; it doubles.
    #[arg(long, default_value = "5ms", value_parser = duration, value_name = "DURATION")]
    rate_limiter_base_delay: std::time::Duration,
    /// Longest wait after a failure.
    #[arg(long, default_value = "16m40s", value_parser = duration, value_name = "DURATION")]
    rate_limiter_max_delay: std::time::Duration,
    /// Retries a second, of all bindings together.
    #[arg(long, default_value_t = 10, value_name = "N")]
    rate_limiter_qps: u32,
    /// Retries at once, before that rate counts.
    #[arg(long, default_value_t = 100, value_name = "N")]
    rate_limiter_bucket_size: u32,
}

/// How the members' accurate estimators are asked.
#[derive(Debug, Args)]
pub(crate) struct Estimators {
    /// Ask the accurate estimator of every cluster how many replicas fit.
    #[arg(long)]
    enable_scheduler_estimator: bool,
    /// Ask no estimators of Pull mode clusters.
    #[arg(long)]
    disable_scheduler_estimator_in_pull_mode: bool,
    /// How long all estimators together may take to answer.
    #[arg(long, default_value = "3s", value_parser = duration, value_name = "DURATION")]
    scheduler_estimator_timeout: std::time::Duration,
    /// Port of the estimators.
    #[arg(long, default_value_t = estimator::DEFAULT_PORT)]
    scheduler_estimator_port: u16,
    /// Start of the names of the estimators' Services; the cluster's name follows after a hyphen.
    #[arg(long, default_value = "karmada-scheduler-estimator", value_name = "PREFIX")]
    scheduler_estimator_service_prefix: String,
    /// Namespace of the estimators' Services.
    #[arg(long, default_value = "karmada-system", value_name = "NAMESPACE")]
    scheduler_estimator_service_namespace: String,
    /// PEM file of the authority that estimators are checked against.
    #[arg(long, value_name = "FILE")]
    scheduler_estimator_ca_file: Option<PathBuf>,
    /// PEM file of the certificate shown to estimators.
    #[arg(long, value_name = "FILE", requires = "scheduler_estimator_key_file")]
    scheduler_estimator_cert_file: Option<PathBuf>,
    /// PEM file of that certificate's key.
    #[arg(long, value_name = "FILE", requires = "scheduler_estimator_cert_file")]
    scheduler_estimator_key_file: Option<PathBuf>,
    /// Do not check the estimators' certificates.
    #[arg(long)]
    insecure_skip_estimator_verify: bool,
}

impl Estimators {
    fn options(self) -> Option<estimator::Options> {
        self.enable_scheduler_estimator.then_some(estimator::Options {
            port: self.scheduler_estimator_port,
            service_prefix: self.scheduler_estimator_service_prefix,
            service_namespace: self.scheduler_estimator_service_namespace,
            timeout: self.scheduler_estimator_timeout,
            disable_in_pull_mode: self.disable_scheduler_estimator_in_pull_mode,
            tls: estimator::ClientTls {
                ca_file: self.scheduler_estimator_ca_file,
                cert_file: self.scheduler_estimator_cert_file,
                key_file: self.scheduler_estimator_key_file,
                insecure_skip_verify: self.insecure_skip_estimator_verify,
            },
        })
    }
}

pub(crate) async fn scheduler(args: SchedulerArgs) -> Result<()> {
    args.accepted.tell();
    let options = scheduler::Options {
        scheduler_name: args.scheduler_name,
        plugins: scheduler::parse_plugins(&args.plugins.join(","))?,
        gates: args.features.gates().into(),
        empty_workload_propagation: args.enable_empty_workload_propagation,
        estimators: args.estimators.options(),
        rate_limits: scheduler::RateLimits {
            base_delay: args.pace.rate_limiter_base_delay,
            max_delay: args.pace.rate_limiter_max_delay,
            qps: args.pace.rate_limiter_qps,
            bucket_size: args.pace.rate_limiter_bucket_size,
        },
        ..scheduler::Options::default()
    };
    let client = args.connection.client().await?;
    let working = client.clone();
    args.election
        .run("karmada-scheduler", (&args.probes, 10351), &client, move |until| {
            scheduler::run(working, options, until)
        })
        .await
}

/// `karmada scheduler-estimator`
#[derive(Debug, Args)]
pub(crate) struct SchedulerEstimatorArgs {
    /// Path to the member's kubeconfig file.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Context in the kubeconfig file; its current context if not given.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    #[command(flatten)]
    probes: Probes,
    #[command(flatten)]
    features: Features,
    /// Name of the member cluster in the control plane.
    #[arg(long)]
    cluster_name: String,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED), value_name = "ADDRESS")]
    bind_address: IpAddr,
    /// Port to listen on.
    #[arg(long, default_value_t = estimator::DEFAULT_PORT)]
    server_port: u16,
    /// PEM file of the serving certificate; without it there is no TLS.
    #[arg(long, value_name = "FILE", requires = "grpc_auth_key_file")]
    grpc_auth_cert_file: Option<PathBuf>,
    /// PEM file of the serving certificate's key.
    #[arg(long, value_name = "FILE", requires = "grpc_auth_cert_file")]
    grpc_auth_key_file: Option<PathBuf>,
    /// PEM file of the authority that clients are checked against.
    #[arg(long, value_name = "FILE")]
    grpc_client_ca_file: Option<PathBuf>,
    /// Answer clients without a certificate too.
    #[arg(long)]
    insecure_skip_grpc_client_verify: bool,
    #[command(flatten)]
    accepted: Accepted,
}

pub(crate) async fn scheduler_estimator(args: SchedulerEstimatorArgs) -> Result<()> {
    args.accepted.tell();
    let shutdown = until_asked();
    let member = client_of(&args.kubeconfig, args.context.as_deref(), Budget::member()).await?;
    let options = scheduler_estimator::Options {
        cluster_name: args.cluster_name,
        bind_address: args.bind_address,
        server_port: args.server_port,
        tls: estimator::ServerTls {
            cert_file: args.grpc_auth_cert_file,
            key_file: args.grpc_auth_key_file,
            client_ca_file: args.grpc_client_ca_file,
            insecure_skip_client_verify: args.insecure_skip_grpc_client_verify,
        },
        gates: args.features.gates().into(),
    };
    args.probes.start(10351, &shutdown).await?;
    Ok(scheduler_estimator::run(member, options, shutdown).await?)
}
