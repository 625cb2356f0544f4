//! The programs under test: a control plane with its members, as child processes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use client::{Budget, Client};
use testkit::{Folder, Program, free_port};

/// Longest wait for a program to come up.
const UP_WAIT: Duration = Duration::from_secs(120);

/// Time between two looks at something that takes milliseconds.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `karmada up` with so many local members.
    Up { members: u16 },
    /// `karmada apiserver --karmada-api`.
    ControlPlaneApi,
    /// `karmada apiserver`: a member without controllers, nodes and Pods.
    Bare,
}

/// A running program with its data folder.
pub(crate) struct Running {
    kind: Kind,
    folder: Folder,
    port: u16,
    program: PathBuf,
    process: Option<Program>,
    started: Instant,
}

impl Running {
    /// Starts the program on a new folder. It is not waited for.
    pub(crate) fn start(program: &Path, kind: Kind) -> Self {
        // Members of `up` take the ports after the first.
        let port = free_port();
        let mut running = Self {
            kind,
            folder: Folder::new("bench"),
            port,
            program: program.to_owned(),
            process: None,
            started: Instant::now(),
        };
        running.start_again();
        running
    }

    /// Starts the program on the data that is there. It is not waited for.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        let data = self.folder.path().join("data");
        let name = match self.kind {
            Kind::Up { members } => {
                command.args(["up", "--members", &members.to_string(), "--node-pods", "20000"]);
                command.args(["--node-cpu", "4000", "--node-memory", "16000Gi"]);
                "up"
            }
            Kind::ControlPlaneApi => {
                command.args(["apiserver", "--karmada-api"]);
                "apiserver"
            }
            Kind::Bare => {
                command.arg("apiserver");
                "member"
            }
        };
        command.args(["--port", &self.port.to_string(), "--data-dir"]).arg(data);
        let _ = std::fs::remove_file(self.kubeconfig());
        self.started = Instant::now();
        self.process = Some(Program::start(name, command, self.folder.path()));
    }

    /// Ends the program as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// When it was started last.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map(Program::id).unwrap_or_default()
    }

    /// Where its API server listens.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The kubeconfig file it writes when its API is complete.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("data").join("karmada.config")
    }

    fn check_running(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), Program::check_running)
    }

    /// Waits until `/readyz` says ok and returns when that was.
    pub(crate) async fn ready(&mut self) -> Result<Instant> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let uri: http::Uri = self.url().parse().context("not a URL")?;
        let deadline = Instant::now() + UP_WAIT;
        // Health is told to anybody, and the certificate does not exist yet when this begins.
        let mut config = kube::Config::new(uri);
        config.accept_invalid_certs = true;
        let client = Client::from_config(config, Budget::control_plane())?;
        loop {
            self.check_running()?;
            if tokio::net::TcpStream::connect(address).await.is_ok()
                && let Ok((200, _)) = client.get_text("/readyz").await
            {
                return Ok(Instant::now());
            }
            if Instant::now() > deadline {
                bail!("not ready within {UP_WAIT:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A client of the administrator, once the kubeconfig file has been written.
    pub(crate) async fn control(&mut self) -> Result<Client> {
        let file = self.kubeconfig();
        self.open(&file, "karmada-apiserver").await
    }

    /// A client of the administrator of a local member.
    pub(crate) async fn member(&mut self, name: &str) -> Result<Client> {
        let file = self.folder.path().join("data").join("members.config");
        self.open(&file, name).await
    }

    async fn open(&mut self, file: &Path, context: &str) -> Result<Client> {
        let deadline = Instant::now() + UP_WAIT;
        loop {
            self.check_running()?;
            match Client::from_kubeconfig(file, Some(context), Budget::control_plane()).await {
                Ok(client) => return Ok(client),
                Err(error) if Instant::now() > deadline => bail!("{}", error.chain()),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Waits until Karmada's API is served, these clusters are ready and have said what they serve.
    pub(crate) async fn joined(&mut self, control: &Client, names: &[String]) -> Result<()> {
        let clusters = control.resource(&<api::cluster::Cluster as api::Resource>::gvr());
        let deadline = Instant::now() + UP_WAIT;
        loop {
            self.check_running()?;
            let listed = clusters.list_all(&client::ListOptions::default()).await;
            let named = |c: &&machinery::Object| names.iter().any(|n| n == c.name()) && is_ready(c);
            let ready = listed.map(|listed| listed.items.iter().filter(named).count());
            if ready.as_ref().is_ok_and(|ready| *ready == names.len()) {
                return Ok(());
            }
            let ready = ready.unwrap_or_default();
            if Instant::now() > deadline {
                bail!("{ready} of {} members ready within {UP_WAIT:?}", names.len());
            }
            tokio::time::sleep(LOOK * 5).await;
        }
    }
}

fn is_ready(cluster: &machinery::Object) -> bool {
    let conditions = cluster.at("/status/conditions").and_then(|c| c.as_array());
    let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let served = cluster.at("/status/apiEnablements").and_then(|a| a.as_array());
    ready && served.is_some_and(|a| !a.is_empty())
}

/// `member1`, `member2` and so on.
pub(crate) fn names(count: u16) -> Vec<String> {
    (1..=count).map(|i| format!("member{i}")).collect()
}
