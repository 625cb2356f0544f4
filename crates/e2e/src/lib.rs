//! The program as users run it: stories over kubectl, other clients, crashes and lost members.
//!
//! The tests are in `tests/`; this is the ground they stand on. `karmada up` is started once per test
//! program and shared, because its start is most of what a story would cost; every story has a namespace
//! of its own. A story that disturbs what others see (a tainted cluster, a cluster-wide policy) takes the
//! scene [`alone`].

pub mod console;
pub mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use machinery::Object;
use serde_json::Value;
use testkit::{Cluster, Folder, Kubectl, Outcome, Program, Version, eventually, finish, free_port, tools};

/// For what happens within milliseconds, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);

/// For what waits for timers of the system, like the thresholds of cluster health.
pub const LATE: Duration = Duration::from_secs(120);

/// A running `karmada up` and its folder.
#[derive(Debug)]
pub struct Up {
    program: Option<Program>,
    folder: Folder,
    port: u16,
    more: Vec<String>,
}

impl Up {
    /// Starts `karmada up` with further arguments and waits until it says that everything is up.
    #[track_caller]
    pub fn start(more: &[&str]) -> Self {
        let mut up = Self {
            program: None,
            folder: Folder::new("up"),
            port: free_port(),
            more: more.iter().map(|&argument| argument.to_owned()).collect(),
        };
        up.start_again();
        up
    }

    /// Starts it on the data that is there.
    #[track_caller]
    pub fn begin(&mut self) {
        let mut command = Command::new(tools::program("karmada"));
        command.arg("up").arg("--data-dir").arg(self.data()).args(["--port", &self.port.to_string()]);
        command.args(&self.more);
        self.program = Some(Program::start("up", command, self.folder.path()));
    }

    /// Starts it on the data that is there and waits until it says that everything is up.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.begin();
        let program = self.program.as_mut().expect("it has just begun");
        let state = self.folder.path().join("data").join("up.json");
        eventually(SOON, "everything is up", || {
            program.check_running()?;
            let state: Value = serde_json::from_slice(&std::fs::read(&state)?)?;
            // One that was killed has left its own behind.
            ensure!(state["pid"] == program.id() && state["ready"] == true, "up.json says {state}");
            Ok(())
        });
    }

    /// The program.
    #[track_caller]
    pub fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("it is started with the scene")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for what a test writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The control plane's kubeconfig file.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data().join("karmada.config")
    }

    /// The control plane.
    #[track_caller]
    pub fn control_plane(&self) -> Cluster {
        Cluster::open(&self.kubeconfig(), "karmada-apiserver").expect("it has written its kubeconfig")
    }

    /// A member, once it is ready.
    #[track_caller]
    pub fn member(&self, name: &str) -> Cluster {
        let control_plane = self.control_plane();
        eventually(SOON, &format!("{name} is ready"), || cluster_is(&control_plane, name, "True"));
        Cluster::open(&self.data().join("members.config"), name).expect("up has written members.config")
    }

    /// The three members that `karmada up` starts by default.
    #[track_caller]
    pub fn members(&self) -> [Cluster; 3] {
        ["member1", "member2", "member3"].map(|name| self.member(name))
    }

    /// A kubectl for one of the clusters.
    pub fn kubectl(&self, version: Version, cluster: &Cluster) -> Kubectl {
        Kubectl::new(version, cluster, &self.folder.path().join("home"))
    }

    /// The newest kubectl for the control plane, in a new namespace that is called after the story.
    #[track_caller]
    pub fn user(&self, story: &str) -> Kubectl {
        let kubectl = self.kubectl(Version::Current, &self.control_plane());
        kubectl.ok(&format!("create namespace {story}"));
        kubectl.in_namespace(story)
    }
}

/// A member cluster that runs as a program of its own, like one that is far away.
#[derive(Debug)]
pub struct LocalCluster {
    name: String,
    program: Option<Program>,
    folder: Folder,
    port: u16,
}

impl LocalCluster {
    /// Starts a cluster and waits until its API server is ready.
    #[track_caller]
    pub fn start(name: &str) -> Self {
        let mut cluster =
            Self { name: name.into(), program: None, folder: Folder::new(name), port: free_port() };
        cluster.start_again();
        cluster
    }

    /// Starts it on the data that is there and waits until its API server is ready.
    #[track_caller]
    pub fn start_again(&mut self) {
        let mut command = Command::new(tools::program("karmada"));
        command.args(["local-cluster", "--name", &self.name, "--port", &self.port.to_string()]);
        command.arg("--data-dir").arg(self.folder.path().join("data"));
        let kubeconfig = self.kubeconfig();
        let program = self.program.insert(Program::start(&self.name, command, self.folder.path()));
        eventually(SOON, "the cluster is ready", || {
            program.check_running()?;
            Cluster::open(&kubeconfig, &self.name)?.check_ready()
        });
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("data").join("kubeconfig")
    }

    /// A folder for what a test writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The cluster's API server.
    #[track_caller]
    pub fn cluster(&self) -> Cluster {
        Cluster::open(&self.kubeconfig(), &self.name).expect("it has written its kubeconfig")
    }
}

/// Calls karmadactl for a control plane.
#[track_caller]
pub fn karmadactl(control_plane: &Cluster, line: &str) -> Outcome {
    let mut command = Command::new(tools::program("karmadactl"));
    command.args(line.split_whitespace());
    command.arg("--kubeconfig").arg(control_plane.kubeconfig());
    command.args(["--karmada-context", control_plane.context()]);
    finish(&format!("karmadactl {line}"), command, "")
}

/// Says unless the condition Ready of a cluster has a status.
///
/// # Errors
/// With the condition as it is.
pub fn cluster_is(control_plane: &Cluster, name: &str, ready: &str) -> anyhow::Result<()> {
    let cluster = control_plane.get("cluster.karmada.io/v1alpha1/clusters", "", name)?;
    let found = condition(&cluster, "Ready").context("it has no condition Ready")?;
    ensure!(found["status"] == ready, "the condition is {found}");
    Ok(())
}

/// A condition of an object's status.
pub fn condition<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let conditions = object.at("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == name)
}

static ARGUMENTS: OnceLock<&'static [&'static str]> = OnceLock::new();

/// Says with which arguments the scene of this test program is started. The first call counts, and only
/// before the scene is used.
pub fn start_with(arguments: &'static [&'static str]) {
    let _ = ARGUMENTS.set(arguments);
}

fn scene() -> &'static RwLock<Up> {
    static SCENE: OnceLock<RwLock<Up>> = OnceLock::new();
    SCENE.get_or_init(|| RwLock::new(Up::start(ARGUMENTS.get().copied().unwrap_or_default())))
}

/// The scene of this test program, together with other stories.
pub struct Together(RwLockReadGuard<'static, Up>);

/// The scene of this test program, with nobody else on it.
pub struct Alone(RwLockWriteGuard<'static, Up>);

/// Takes part in the scene of this test program.
#[track_caller]
pub fn together() -> Together {
    Together(scene().read().unwrap_or_else(PoisonError::into_inner))
}

/// Waits for the scene of this test program to be empty.
#[track_caller]
pub fn alone() -> Alone {
    Alone(scene().write().unwrap_or_else(PoisonError::into_inner))
}

macro_rules! shows_the_log_of_a_failure {
    ($scene:ty) => {
        impl std::ops::Deref for $scene {
            type Target = Up;

            fn deref(&self) -> &Up {
                &self.0
            }
        }

        impl Drop for $scene {
            fn drop(&mut self) {
                if let Some(program) = &self.0.program {
                    program.explain_failure();
                }
            }
        }
    };
}

shows_the_log_of_a_failure!(Together);
shows_the_log_of_a_failure!(Alone);
