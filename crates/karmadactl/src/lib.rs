//! The karmadactl command line: clusters in, clusters out, and a look at all of them at once.
//!
//! Commands and flags are Karmada's. What a command prints on success goes to standard output; what went
//! wrong is returned and printed by the program, on one line.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use client::{Budget, Client};

mod get;
pub mod join;
mod plan;
mod table;
mod target;
mod unjoin;
mod why;

/// karmadactl controls a Karmada control plane.
#[derive(Debug, Parser)]
#[command(
    name = "karmadactl",
    version,
    about = "karmadactl controls a Karmada control plane.",
    arg_required_else_help = true
)]
pub struct Karmadactl {
    /// Which control plane.
    #[command(flatten)]
    pub access: Access,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How the control plane is reached.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// Path to the control plane's kubeconfig file.
    #[arg(long, global = true, env = "KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the control plane's context in the kubeconfig file; its current context if not given.
    #[arg(long, global = true, value_name = "NAME")]
    pub karmada_context: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a cluster to Karmada with Push mode.
    Join(join::JoinArgs),
    /// Remove a cluster from Karmada.
    Unjoin(unjoin::UnjoinArgs),
    /// Display one or many resources in Karmada and member clusters.
    Get(get::GetArgs),
    /// Explain where an object runs, and why there and not elsewhere.
    Why(why::WhyArgs),
    /// Show what applying files would do to the clusters, without doing it.
    Plan(plan::PlanArgs),
}

impl Access {
    /// The kubeconfig file: the one given, the first of `$KUBECONFIG`, or `~/.kube/config`.
    fn file(&self) -> Result<PathBuf> {
        if let Some(path) = &self.kubeconfig {
            return std::env::split_paths(path).next().context("--kubeconfig is empty");
        }
        let home =
            std::env::var_os("HOME").context("no --kubeconfig given and there is no home directory")?;
        Ok(PathBuf::from(home).join(".kube/config"))
    }

    /// A client for the control plane.
    async fn control_plane(&self) -> Result<Client> {
        let file = self.file()?;
        let client = Client::from_kubeconfig(&file, self.karmada_context.as_deref(), Budget::control_plane());
        client.await.map_err(|e| anyhow::anyhow!("{}", e.chain()))
    }
}

/// Runs a command and writes its output.
///
/// # Errors
/// What went wrong, in one line per cause.
pub async fn run(args: Karmadactl, out: &mut (dyn Write + Send)) -> Result<()> {
    let result = match args.command {
        Command::Join(join) => join::run(&args.access, join, out).await,
        Command::Unjoin(unjoin) => unjoin::run(&args.access, unjoin, out).await,
        Command::Get(get) => get::run(&args.access, get, out).await,
        Command::Why(why) => why::run(&args.access, why, out).await,
        Command::Plan(plan) => plan::run(&args.access, plan, out).await,
    };
    match result {
        // Somebody has read enough, `head` for example.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A failed request as one line with its causes.
fn told(error: client::Error) -> anyhow::Error {
    anyhow::anyhow!("{}", error.chain())
}
