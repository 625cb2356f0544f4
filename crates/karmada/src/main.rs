//! Karmada's multi-cluster control plane in one binary: `karmada up` runs all of it in one process, every
//! other subcommand one part of it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod admission;
mod components;
mod host;
mod logging;
mod manifests;
mod probes;
mod up;

/// Karmada's multi-cluster control plane.
#[derive(Debug, Parser)]
#[command(name = "karmada", version, about, arg_required_else_help = true)]
struct Karmada {
    #[command(flatten)]
    logging: logging::Logging,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a control plane and local member clusters in one process.
    Up(up::UpArgs),
    /// Say whether `up` runs on a data folder, and how its clusters are.
    Status(up::state::DataArgs),
    /// Stop what `up --detach` started.
    Down(up::state::DownArgs),
    /// Print the CRDs and webhook configurations for a stock kube-apiserver.
    Manifests(manifests::ManifestsArgs),
    /// Run the API server alone, on its embedded store.
    Apiserver(components::apiserver::ApiserverArgs),
    /// Run Karmada's controllers against an API server.
    ControllerManager(components::controller_manager::ControllerManagerArgs),
    /// Run namespace deletion, garbage collection and the like against an API server.
    KubeControllerManager(components::controller_manager::KubeControllerManagerArgs),
    /// Run the scheduler against an API server.
    Scheduler(components::scheduler::SchedulerArgs),
    /// Run the accurate estimator of one member cluster.
    SchedulerEstimator(components::scheduler::SchedulerEstimatorArgs),
    /// Run the admission rules as a webhook server.
    Webhook(components::webhook::WebhookArgs),
    /// Run the agent of a Pull mode member.
    Agent(components::agent::AgentArgs),
    /// Run one local member cluster alone.
    LocalCluster(components::local_cluster::LocalClusterArgs),
}

impl Command {
    /// Whether the command runs on its own and is watched through its log.
    fn is_daemon(&self) -> bool {
        !matches!(self, Self::Up(_) | Self::Status(_) | Self::Down(_) | Self::Manifests(_))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // One provider for everything that speaks TLS; two in one process would have to be told apart.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Karmada::parse();
    args.logging.start(args.command.is_daemon());
    match run(args.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    let mut out = std::io::stdout();
    match command {
        Command::Up(args) => up::run(args).await,
        Command::Status(args) => up::state::status(&args, &mut out).await,
        Command::Down(args) => up::state::down(&args, &mut out).await,
        Command::Manifests(args) => manifests::run(&args, &mut out),
        Command::Apiserver(args) => components::apiserver::apiserver(args).await,
        Command::ControllerManager(args) => components::controller_manager::controller_manager(args).await,
        Command::KubeControllerManager(args) => {
            components::controller_manager::kube_controller_manager(args).await
        }
        Command::Scheduler(args) => components::scheduler::scheduler(args).await,
        Command::SchedulerEstimator(args) => components::scheduler::scheduler_estimator(args).await,
        Command::Webhook(args) => components::webhook::webhook(args).await,
        Command::Agent(args) => components::agent::agent(args).await,
        Command::LocalCluster(args) => components::local_cluster::local_cluster(args).await,
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
