//! The parts as programs of their own, under upstream's names and flags, on any Kubernetes API server.

pub(crate) mod agent;
pub(crate) mod apiserver;
pub(crate) mod controller_manager;
pub(crate) mod local_cluster;
pub(crate) mod scheduler;
pub(crate) mod webhook;

use std::path::PathBuf;

use anyhow::{Result, bail};
use api::gates::FeatureGates;
use clap::Args;
use client::{Budget, Client};
use clock::{Clock, Ids};
use runtime::Shutdown;
use runtime::lease::{self, Lease};

use crate::probes::Probes;

/// How a part reaches the control plane.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Path to the control plane's kubeconfig file.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Context in the kubeconfig file; its current context if not given.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl Connection {
    async fn client(&self) -> Result<Client> {
        client_of(&self.kubeconfig, self.context.as_deref(), Budget::control_plane()).await
    }
}

async fn client_of(file: &std::path::Path, context: Option<&str>, budget: Budget) -> Result<Client> {
    Client::from_kubeconfig(file, context, budget).await.map_err(|e| anyhow::anyhow!("{}", e.chain()))
}

/// Whether and how replicas of a part agree on one that works.
#[derive(Debug, Clone, Args)]
pub(crate) struct Election {
    /// Work only while holding a lease, so that several replicas can run.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// Namespace of the lease.
    #[arg(long, default_value = "karmada-system", value_name = "NAMESPACE")]
    leader_elect_resource_namespace: String,
    /// Name of the lease; the part's own if not given.
    #[arg(long, value_name = "NAME")]
    leader_elect_resource_name: Option<String>,
}

impl Election {
    /// Runs `work` once this process leads, until it no longer does or is asked to end. A lease that is
    /// lost is an error: the part has stopped, and whoever started it decides what comes next.
    async fn run<F>(
        &self,
        name: &str,
        (probes, health_port): (&Probes, u16),
        client: &Client,
        work: impl FnOnce(Shutdown) -> F,
    ) -> Result<()>
    where
        F: Future<Output = ()> + Send,
    {
        let shutdown = until_asked();
        probes.start(health_port, &shutdown).await?;
        if !self.leader_elect {
            work(shutdown).await;
            return Ok(());
        }
        let clock = Clock::system();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let identity = format!("{host}_{}", Ids::system().uid());
        let name = self.leader_elect_resource_name.as_deref().unwrap_or(name);
        let lease = Lease::new(&self.leader_elect_resource_namespace, name, identity);
        let Some(leading) = lease::lead(client, lease, &clock, &shutdown).await else { return Ok(()) };
        work(leading).await;
        if shutdown.is_requested() { Ok(()) } else { bail!("the lease {name} was lost") }
    }
}

/// Flags that upstream's charts set and that nothing here depends on.
#[derive(Debug, Clone, Args)]
pub(crate) struct Accepted {
    #[arg(long, hide = true, value_name = "N")]
    kube_api_qps: Option<f32>,
    #[arg(long, hide = true, value_name = "N")]
    kube_api_burst: Option<u32>,
    #[arg(long, hide = true, value_name = "N")]
    parallelism: Option<u32>,
    #[arg(long, hide = true)]
    enable_pprof: bool,
    #[arg(long, hide = true, value_name = "ADDRESS")]
    profiling_bind_address: Option<String>,
}

impl Accepted {
    /// Says of every flag that is set why it changes nothing.
    pub(crate) fn tell(&self) {
        let requests = "requests are bounded by how many are under way, not by their rate";
        for (flag, is_set, why) in [
            ("--kube-api-qps", self.kube_api_qps.is_some(), requests),
            ("--kube-api-burst", self.kube_api_burst.is_some(), requests),
            ("--parallelism", self.parallelism.is_some(), "an answer is one short pass"),
            ("--enable-pprof", self.enable_pprof, "there is no pprof here"),
            ("--profiling-bind-address", self.profiling_bind_address.is_some(), "there is no pprof here"),
        ] {
            if is_set {
                tracing::warn!("{flag} has no effect: {why}");
            }
        }
    }
}

/// Features that are switched on or off, the same flag for every part.
#[derive(Debug, Clone, Args)]
pub(crate) struct Features {
    /// Features to switch on or off: `Name=true,Other=false`; `AllAlpha` and `AllBeta` mean all of a stage.
    #[arg(long, value_name = "GATES", default_value = "", hide_default_value = true)]
    feature_gates: FeatureGates,
}

impl Features {
    pub(crate) fn gates(&self) -> &FeatureGates {
        &self.feature_gates
    }
}

/// A request to end that is made on Ctrl-C or SIGTERM.
fn until_asked() -> Shutdown {
    let shutdown = Shutdown::new();
    let request = shutdown.clone();
    runtime::spawn("signals", async move {
        crate::asked_to_end().await;
        request.request();
    });
    shutdown
}

/// A duration as Go writes it, for example `10s` or `1m30s`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = machinery::time::parse_duration(text)?;
    std::time::Duration::try_from(duration).map_err(|_| format!("cannot be negative: {text}"))
}
