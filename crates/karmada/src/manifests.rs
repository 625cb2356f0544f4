//! `karmada manifests`: everything a stock kube-apiserver needs to be Karmada's API, as YAML.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use machinery::Object;

/// `karmada manifests | kubectl apply --server-side -f -`
#[derive(Debug, Args)]
pub(crate) struct ManifestsArgs {
    /// URL of the webhook server as the API server reaches it; without one there are no webhook
    /// configurations, and objects are checked by their schemas alone.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<String>,
    /// PEM file of the authority that signed the webhook server's certificate.
    #[arg(long, value_name = "FILE", requires = "webhook_url")]
    webhook_ca_file: Option<PathBuf>,
}

/// Namespaces that Karmada's components use.
pub(crate) fn namespaces() -> Vec<Object> {
    ["karmada-system", "karmada-cluster"]
        .iter()
        .map(|name| {
            let mut namespace = Object::new("v1", "Namespace", "", name);
            namespace.set_label(api::names::labels::SYSTEM, "true");
            namespace
        })
        .collect()
}

pub(crate) fn run(args: &ManifestsArgs, out: &mut dyn Write) -> Result<()> {
    let mut objects = namespaces();
    objects.extend(api::crds());
    if let Some(url) = &args.webhook_url {
        let authority = match &args.webhook_ca_file {
            Some(file) => {
                let pem = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
                STANDARD.encode(pem)
            }
            None => String::new(),
        };
        objects.extend(admission::webhook_configurations(&authority, url));
    }
    for object in objects {
        writeln!(out, "---")?;
        write!(out, "{}", serde_saphyr::to_string(object.value())?)?;
    }
    Ok(())
}
