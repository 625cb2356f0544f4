//! `karmadactl why`: where an object is, and why there and not elsewhere.
//!
//! [`facts`] is what was read, [`explain`] turns it into an [`explanation`], [`print`] into text. Only
//! [`read`] talks to the server, and it only reads.

mod decide;
mod explain;
pub(crate) mod explanation;
pub(crate) mod facts;
mod policy;
mod print;
mod read;

use std::io::Write;

pub(crate) use self::decide::applied_placement;
pub(crate) use self::facts::features;
pub(crate) use self::read::list;

use anyhow::Result;
use api::gates::FeatureGates;
use clap::{Args, ValueEnum};
use propagation::Gates;

use crate::Access;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
}

const HELP: &str = "\
Examples:
  # Why a deployment runs where it runs, or runs nowhere
  karmadactl why deployment/web -n shop

  # The same through its binding, for programs
  karmadactl why resourcebinding web-deployment -n shop -o json

The decision is made again from the clusters as they report themselves now.
Accurate scheduler estimators are not asked: where the scheduler uses them, it may
know of less room than this command does.";

/// `karmadactl why TYPE/NAME`
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct WhyArgs {
    /// An object, as TYPE/NAME or TYPE NAME; TYPE is a plural, singular, short name or kind, also with its
    /// group. A ResourceBinding or ClusterResourceBinding stands for its template.
    #[arg(required = true, num_args = 1..=2, value_name = "TYPE/NAME")]
    pub object: Vec<String>,
    /// Namespace; that of the kubeconfig's context when not given.
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// How to print; text for people when not given.
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
    /// Feature gates of the control plane where they differ from the defaults, for example
    /// `PropagationPolicyPreemption=true`.
    #[arg(long, value_name = "GATES", default_value = "", hide_default_value = true)]
    pub feature_gates: FeatureGates,
}

pub(crate) async fn run(access: &Access, args: WhyArgs, out: &mut (dyn Write + Send)) -> Result<()> {
    let client = access.control_plane().await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.kube().default_namespace().to_owned());
    let read = read::facts(&client, &args.object, &namespace).await?;
    let facts = facts::Facts { gates: Gates::from(&args.feature_gates), ..read };
    let explanation = explain::explain(&facts);
    match args.output {
        None => write!(out, "{}", print::text(&explanation))?,
        Some(Output::Json) => writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?,
        Some(Output::Yaml) => {
            // Through a JSON value, whose maps are sorted as all other output's.
            write!(out, "{}", serde_saphyr::to_string(&serde_json::to_value(&explanation)?)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
