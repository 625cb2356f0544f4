//! `karmada up`: a control plane and local member clusters in one process.
//!
//! ```text
//! control plane ──▶ CRDs ──▶ controllers, scheduler ──┐
//! members (each its API server, controllers, nodes) ──┴▶ joined ──▶ all ready ──▶ (sample)
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use clock::Clock;
use pki::kubeconfig::{Entry, Kubeconfig};
use runtime::Shutdown;

pub(crate) mod control_plane;
mod detach;
pub(crate) mod member;
mod progress;
mod sample;
pub(crate) mod state;

use crate::components::Features;
use control_plane::ControlPlane;
use member::{Member, Nodes, Place};
use progress::Progress;
use state::{DataArgs, State};

/// Most members in one process; each is a whole cluster.
const MEMBERS_MAX: u16 = 50;

/// How long members may take to be joined and ready.
const READY_WAIT: Duration = Duration::from_secs(60);

/// `karmada up`
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Port of the control plane; members take the ports after it.
    #[arg(long, default_value_t = 5443)]
    port: u16,
    /// Address to listen on. Only this machine can reach the default.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    bind_address: IpAddr,
    /// How many local member clusters; the third one and every third after it are in Pull mode.
    #[arg(long, default_value_t = 3)]
    members: u16,
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    features: Features,
    /// Also apply the sample application and show where it went.
    #[arg(long)]
    sample: bool,
    /// Return once everything is ready and go on in the background.
    #[arg(long)]
    detach: bool,
}

/// Runs until Ctrl-C, or starts in the background.
pub(crate) async fn run(args: UpArgs) -> Result<()> {
    if args.members > MEMBERS_MAX {
        bail!("--members must be at most {MEMBERS_MAX}");
    }
    let dir = args.data.data_dir.clone();
    crate::host::create_private(&dir)?;
    let dir = std::path::absolute(&dir).with_context(|| format!("cannot find {}", dir.display()))?;
    let mut progress = Progress::new(Clock::system());
    if args.detach && std::env::var_os(detach::DETACHED).is_none() {
        progress.doing("starting in the background");
        let state = detach::start(&dir).await?;
        progress.done(&format!("control plane and {} members are ready", state.members.len()));
        progress.say(&hints(&dir, &state.members));
        progress.say(&format!("It runs in the background (process {}); `karmada down` ends it.", state.pid));
        return Ok(());
    }
    let _lock = state::lock(&dir)?;
    let shutdown = Shutdown::new();
    let running = tokio::select! {
        running = bring_up(&args, &dir, &mut progress, &shutdown) => running?,
        () = crate::asked_to_end() => {
            shutdown.request();
            bail!("stopped before everything was up")
        }
    };
    crate::asked_to_end().await;
    progress.say("stopping …");
    running.end(&shutdown).await;
    Ok(())
}

/// Everything that runs.
struct Running {
    control_plane: ControlPlane,
    members: Vec<Member>,
}

impl Running {
    async fn end(self, shutdown: &Shutdown) {
        shutdown.request();
        for member in self.members {
            member.ended().await;
        }
        self.control_plane.ended().await;
    }
}

async fn bring_up(
    args: &UpArgs,
    dir: &Path,
    progress: &mut Progress,
    shutdown: &Shutdown,
) -> Result<Running> {
    let address = |i: u16| -> Result<SocketAddr> {
        let port = args.port.checked_add(i).context("--port is too high for so many members")?;
        Ok(SocketAddr::new(args.bind_address, port))
    };
    progress.doing("control plane");
    let folder = dir.join("karmada");
    let control_plane = ControlPlane::start(&folder, address(0)?, args.features.gates().clone(), shutdown);
    let members = (1..=args.members).map(|i| {
        let (address, nodes) = (address(i), args.nodes.clone());
        let name = format!("member{i}");
        let folder = dir.join("members").join(&name);
        async move { Member::start(&name, &folder, address?, nodes, shutdown).await }
    });
    // Members and control plane do not need each other until they are joined.
    let (control_plane, members) = tokio::join!(control_plane, futures::future::try_join_all(members));
    let control_plane = control_plane?;
    progress.done(&format!("control plane at {}", control_plane.url()));
    let members = members?;
    let names: Vec<String> = members.iter().map(|m| m.name().to_owned()).collect();
    if !names.is_empty() {
        progress.done(&format!("member clusters {}", list(&names)));
    }
    write_kubeconfigs(dir, &control_plane, &members)?;
    let state = State {
        pid: i32::try_from(std::process::id()).unwrap_or_default(),
        url: control_plane.url().to_owned(),
        members: names.clone(),
        ready: false,
    };
    state.write(dir)?;

    control_plane.install().await?;
    progress.done("Karmada's API");
    control_plane.run_parts(&members, shutdown);
    progress.doing("joining the members");
    let joins = members.iter().enumerate().map(|(i, member)| {
        let pull = i % 3 == 2;
        member.join(&control_plane, Place::of(i), pull, shutdown)
    });
    futures::future::try_join_all(joins).await?;
    let ready = control_plane.wait_ready(&names);
    if tokio::time::timeout(READY_WAIT, ready).await.is_err() {
        bail!("not all members are ready after {READY_WAIT:?}; see `kubectl get clusters` and the log");
    }
    if !names.is_empty() {
        progress.done(&format!("{} joined and ready", list(&names)));
    }
    State { ready: !args.sample, ..state.clone() }.write(dir)?;
    if args.sample {
        sample::run(control_plane.client(), &names, progress).await?;
        State { ready: true, ..state }.write(dir)?;
    }
    progress.say(&hints(dir, &names));
    Ok(Running { control_plane, members })
}

fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] if names.len() > 4 => format!("{first} … {last}"),
        many => many.join(", "),
    }
}

/// The lines a person types next.
fn hints(dir: &Path, members: &[String]) -> String {
    let karmada = dir.join("karmada.config");
    let mut text = format!(
        "\nKarmada is up. Try, in another terminal:\n\n  export KUBECONFIG={}\n  kubectl get clusters\n  kubectl apply -f samples/nginx\n  kubectl get deployment nginx",
        karmada.display()
    );
    if let Some(member) = members.first() {
        let members = dir.join("members.config");
        text.push_str(&format!("\n  kubectl --kubeconfig {} --context {member} get pods", members.display()));
    }
    text.push('\n');
    text
}

fn write_kubeconfigs(dir: &Path, control_plane: &ControlPlane, members: &[Member]) -> Result<()> {
    let host = control_plane.host();
    let mut config = Kubeconfig::default();
    for context in ["karmada-apiserver", "karmada-host"] {
        config.set(&Entry::new(context, &host.url, &host.authority_pem, host.admin.clone()));
    }
    config.set_current("karmada-apiserver");
    write(&config, &dir.join("karmada.config"))?;
    let mut config = Kubeconfig::default();
    for member in members {
        let host = member.host();
        config.set(&Entry::new(member.name(), &host.url, &host.authority_pem, host.admin.clone()));
    }
    if let Some(first) = members.first() {
        config.set_current(first.name());
    }
    write(&config, &dir.join("members.config"))
}

pub(crate) fn write(config: &Kubeconfig, path: &Path) -> Result<()> {
    config.write(path).with_context(|| format!("cannot write {}", path.display()))
}
