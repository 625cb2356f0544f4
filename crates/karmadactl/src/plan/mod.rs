//! `karmadactl plan`: what applying files would do to the clusters, without doing it.
//!
//! [`files`] are read and shown to the server as a dry run ([`dry_run`]), which fills defaults in and refuses
//! what it would refuse. [`read`] reads the [`world`] they would change. The rest is pure: [`planner`] plays
//! the detector ([`govern`]), the scheduler ([`course`]), the dependencies distributor ([`dependencies`]) and
//! the binding controller through, with the same rules that they use, and compares the [`outcome`].

mod apply;
mod course;
mod dependencies;
mod diff;
mod dry_run;
mod files;
mod govern;
mod outcome;
mod planner;
mod print;
mod read;
mod world;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use api::gates::FeatureGates;
use clap::{Args, ValueEnum};
use propagation::Gates;

use self::dry_run::{Namespace, Verb};
use crate::{Access, told};

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line per object and cluster.
    Table,
    /// The manifests of each cluster, before and after, as a unified diff.
    Diff,
    /// One JSON document with all of it.
    Json,
}

const HELP: &str = "\
Examples:
  # What a changed policy would move
  karmadactl plan -f policy.yaml

  # How the copies in each cluster would change
  karmadactl plan -f overrides.yaml -o diff

  # What would happen without a policy
  karmadactl plan --delete -f policy.yaml

Nothing is written. The server checks the objects as a dry run; everything after that
is decided here, by the rules of the controllers and the scheduler. Not known here:
kinds that only an interpreter webhook understands, federated quotas, and accurate
scheduler estimators, which may know of less room. Where clusters are equal in every
respect, the uid that a new object will get decides who gets an odd replica.";

/// `karmadactl plan -f FILE`
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct PlanArgs {
    /// Files or folders with policies, override policies and objects that they select; `-` is standard input.
    #[arg(short, long = "filename", required = true, value_delimiter = ',', value_name = "FILE")]
    pub filename: Vec<PathBuf>,
    /// Read the folders in folders as well.
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Namespace of objects that name none; that of the kubeconfig's context when not given.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Show what deleting the objects would do, instead of applying them.
    #[arg(long)]
    pub delete: bool,
    /// Feature gates of the control plane where they differ from the defaults, for example
    /// `PropagationPolicyPreemption=true,WorkloadAffinity=true`.
    #[arg(long, value_name = "GATES", default_value = "", hide_default_value = true)]
    pub feature_gates: FeatureGates,
}

pub(crate) async fn run(access: &Access, args: PlanArgs, out: &mut (dyn Write + Send)) -> Result<()> {
    let gates = Gates::from(&args.feature_gates);
    let objects = files::read(&args.filename, args.recursive)?;
    if objects.is_empty() {
        bail!("no objects in the files");
    }
    let client = access.control_plane().await?;
    let context = || Namespace::Context(client.kube().default_namespace().to_owned());
    let namespace = args.namespace.clone().map_or_else(context, Namespace::Asked);
    let discovered = client.discover().await.map_err(told)?;
    let verb = if args.delete { Verb::Delete } else { Verb::Apply };
    let changes = dry_run::changes(&client, &discovered, objects, namespace, verb).await?;
    let world = read::world(&client, &discovered, &changes, gates).await?;
    let plan = planner::plan(&world, &changes)?;
    match args.output {
        Output::Table => write!(out, "{}", print::table(&plan))?,
        Output::Diff => write!(out, "{}", print::diff(&plan))?,
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&plan)?)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
