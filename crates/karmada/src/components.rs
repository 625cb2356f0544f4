//! The parts as programs of their own, under upstream's names and flags, on any Kubernetes API server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use client::{Budget, Client};
use clock::{Clock, Ids};
use controllers::{Deps, PushMembers};
use interpreter::Interpreter;
use pki::kubeconfig::{Entry, Kubeconfig};
use runtime::lease::{self, Lease};
use runtime::{Informers, Recorder, Resources, Shutdown};
use webhook::Rules;

use crate::host::{self, Host};
use crate::probes::Probes;
use crate::up::control_plane;
use crate::up::member::{Member, Nodes};

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
        let lease = Lease::new(&self.leader_elect_resource_namespace, name, identity);
        let Some(leading) = lease::lead(client, lease, &clock, &shutdown).await else { return Ok(()) };
        work(leading).await;
        if shutdown.is_requested() { Ok(()) } else { bail!("the lease {name} was lost") }
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

/// `karmada apiserver`
#[derive(Debug, Args)]
pub(crate) struct ApiserverArgs {
    /// Folder with the store, the certificates and the administrator's kubeconfig.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Port to listen on.
    #[arg(long, default_value_t = 5443, alias = "secure-port")]
    port: u16,
    /// Address to listen on. Only this machine can reach the default.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind_address: IpAddr,
    /// Further names and addresses in the serving certificate.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    cert_names: Vec<String>,
    /// Install Karmada's CRDs, and check objects by its admission rules.
    #[arg(long)]
    karmada_api: bool,
}

pub(crate) async fn apiserver(args: ApiserverArgs) -> Result<()> {
    let shutdown = until_asked();
    let rules = Rules::new(admission::Options::default(), Clock::system(), Ids::system());
    let mut plugins: Vec<Arc<dyn apiserver::Admission>> = Vec::new();
    if args.karmada_api {
        plugins.push(Arc::new(crate::admission::InProcess(rules.clone())));
    }
    let host = Host::start(
        host::Options {
            name: "karmada".into(),
            dir: args.data_dir.clone(),
            address: SocketAddr::new(args.bind_address, args.port),
            names: args.cert_names,
            admission: plugins,
        },
        &shutdown,
    )
    .await?;
    let mut config = Kubeconfig::default();
    for context in ["karmada-apiserver", "karmada-host"] {
        config.set(&Entry::new(context, &host.url, &host.authority_pem, host.admin.clone()));
    }
    config.set_current("karmada-apiserver");
    crate::up::write(&config, &args.data_dir.join("karmada.config"))?;
    if args.karmada_api {
        let client = host.component("karmada-apiserver");
        control_plane::install(&client).await?;
        rules.follow(&Informers::new(client, &shutdown));
    }
    tracing::info!(url = host.url, "serving");
    shutdown.requested().await;
    host.ended().await;
    Ok(())
}

/// `karmada controller-manager`
#[derive(Debug, Args)]
pub(crate) struct ControllerManagerArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    probes: Probes,
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

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = machinery::time::parse_duration(text)?;
    std::time::Duration::try_from(duration).map_err(|_| format!("cannot be negative: {text}"))
}

pub(crate) async fn controller_manager(args: ControllerManagerArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let mut options =
        controllers::Options { controllers: args.controllers, ..controllers::Options::default() };
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
                interpreter: Arc::new(Interpreter::native()),
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

/// `karmada scheduler`
#[derive(Debug, Args)]
pub(crate) struct SchedulerArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    probes: Probes,
    /// Bindings that name this scheduler are scheduled.
    #[arg(long, default_value = "default-scheduler", value_name = "NAME")]
    scheduler_name: String,
}

pub(crate) async fn scheduler(args: SchedulerArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let options = scheduler::Options { scheduler_name: args.scheduler_name, ..scheduler::Options::default() };
    let working = client.clone();
    args.election
        .run("karmada-scheduler", (&args.probes, 10351), &client, move |until| {
            scheduler::run(working, options, until)
        })
        .await
}

/// `karmada webhook`
#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    #[command(flatten)]
    connection: Connection,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED), value_name = "ADDRESS")]
    bind_address: IpAddr,
    /// Port to listen on.
    #[arg(long, default_value_t = 8443)]
    secure_port: u16,
    /// Folder with the serving certificate `tls.crt` and its key `tls.key`.
    #[arg(long, value_name = "DIR")]
    cert_dir: PathBuf,
    /// Let ClusterTaintPolicies use the effect NoExecute.
    #[arg(long)]
    allow_no_execute_taint_policy: bool,
}

pub(crate) async fn webhook(args: WebhookArgs) -> Result<()> {
    let shutdown = until_asked();
    let read = |name: &str| {
        let path = args.cert_dir.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let tls = apiserver::tls::config(&read("tls.crt")?, &read("tls.key")?, "")
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let options = admission::Options {
        allow_no_execute_taint_policy: args.allow_no_execute_taint_policy,
        ..admission::Options::default()
    };
    let rules = Rules::new(options, Clock::system(), Ids::system());
    rules.follow(&Informers::new(args.connection.client().await?, &shutdown));
    let options = webhook::Options { address: SocketAddr::new(args.bind_address, args.secure_port), tls };
    Ok(webhook::run(options, rules, shutdown).await?)
}

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
    probes: Probes,
}

pub(crate) async fn agent(args: AgentArgs) -> Result<()> {
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
        ..agent::Options::default()
    };
    args.probes.start(10357, &shutdown).await?;
    agent::register(&control, &member, &options).await?;
    agent::run(control, member, options, Clock::system(), shutdown).await;
    Ok(())
}

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
