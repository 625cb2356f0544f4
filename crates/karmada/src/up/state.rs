//! What is known about an `up` from outside its process: whether it runs, where, and how to end it.
//!
//! A running `up` holds a lock on `up.lock` in its data folder and describes itself in `up.json`. The
//! lock, not the process id, says whether it runs: ids are reused, locks end with their process.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::Resource as _;
use api::cluster::Cluster;
use clap::Args;
use client::{Budget, Client, ListOptions};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// How long `down` waits for a clean end before it gives up.
const END_WAIT: Duration = Duration::from_secs(30);

/// Which data folder.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Folder with the data, certificates and kubeconfigs.
    #[arg(long, env = "KARMADA_DATA_DIR", value_name = "DIR", default_value_os_t = default_dir())]
    pub(crate) data_dir: PathBuf,
}

/// `karmada down`
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Also delete the data folder: everything that was stored is gone.
    #[arg(long)]
    delete_data: bool,
}

fn default_dir() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".karmada")
}

/// What a running `up` says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// Its process.
    pub(crate) pid: i32,
    /// URL of the control plane.
    pub(crate) url: String,
    /// Names of its local members.
    pub(crate) members: Vec<String>,
    /// Whether everything has come up.
    pub(crate) ready: bool,
}

impl State {
    /// Writes the description into a data folder, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        pki::write_private(&dir.join("up.json"), &serde_json::to_string_pretty(self)?)?;
        Ok(())
    }

    /// The description of what runs on a data folder, if something does.
    pub(crate) fn of_running(dir: &Path) -> Result<Option<Self>> {
        if !is_locked(dir)? {
            return Ok(None);
        }
        let Ok(text) = std::fs::read_to_string(dir.join("up.json")) else { return Ok(None) };
        Ok(serde_json::from_str(&text).ok())
    }
}

fn lock_file(dir: &Path) -> Result<File> {
    let path = dir.join("up.lock");
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Takes a data folder for this process; held until the file is dropped.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let file = lock_file(dir)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            // What an earlier run said about itself is no longer true.
            let _ = std::fs::remove_file(dir.join("up.json"));
            Ok(file)
        }
        Err(_) => bail!(
            "karmada already runs on {}; see `karmada status`, end it with `karmada down`, or choose another --data-dir",
            dir.display()
        ),
    }
}

fn is_locked(dir: &Path) -> Result<bool> {
    if !dir.join("up.lock").exists() {
        return Ok(false);
    }
    let file = lock_file(dir)?;
    Ok(rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
}

/// `karmada status`
pub(crate) async fn status(args: &DataArgs, out: &mut dyn Write) -> Result<()> {
    let dir = &args.data_dir;
    let Some(state) = State::of_running(dir)? else { bail!("karmada does not run on {}", dir.display()) };
    let config = dir.join("karmada.config");
    let client = Client::from_kubeconfig(&config, Some("karmada-apiserver"), Budget::control_plane()).await;
    let client = client.map_err(|e| anyhow::anyhow!("{}", e.chain()))?;
    let (code, _) = client.get_text("/readyz").await.map_err(|e| anyhow::anyhow!("{}", e.chain()))?;
    let ready = if code == 200 { "ready" } else { "not ready" };
    writeln!(out, "control plane   {ready}, {} (process {})", state.url, state.pid)?;
    writeln!(out, "kubeconfig      {}", config.display())?;
    let clusters = Cluster::gvr();
    let clusters = client.resource(&clusters).list_all(&ListOptions::default()).await;
    for cluster in clusters.map_err(|e| anyhow::anyhow!("{}", e.chain()))?.items {
        let conditions =
            cluster.at("/status/conditions").and_then(|c| c.as_array()).cloned().unwrap_or_default();
        let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        let mode = cluster.str_at("/spec/syncMode").unwrap_or_default();
        let text = if ready { "ready" } else { "not ready" };
        writeln!(out, "{:<15} {text}, {mode} mode", cluster.name())?;
    }
    Ok(())
}

/// `karmada down`
pub(crate) async fn down(args: &DownArgs, out: &mut dyn Write) -> Result<()> {
    let dir = &args.data.data_dir;
    match State::of_running(dir)? {
        Some(state) => {
            let pid = rustix::process::Pid::from_raw(state.pid).context("up.json names no process")?;
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .with_context(|| format!("cannot end process {}", state.pid))?;
            let ended = async {
                while is_locked(dir)? {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok::<_, anyhow::Error>(())
            };
            match tokio::time::timeout(END_WAIT, ended).await {
                Ok(result) => result?,
                Err(_) => bail!("process {} did not end within {END_WAIT:?}", state.pid),
            }
            writeln!(out, "karmada stopped; its data stays in {}", dir.display())?;
        }
        None => writeln!(out, "karmada does not run on {}", dir.display())?,
    }
    if args.delete_data {
        delete_data(dir)?;
        writeln!(out, "deleted {}", dir.display())?;
    }
    Ok(())
}

/// Deletes a data folder, and only what `up` puts there: a mistyped path costs nothing.
fn delete_data(dir: &Path) -> Result<()> {
    let delete = |result: std::io::Result<()>, what: &str| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", dir.join(what).display()))
        }
        _ => Ok(()),
    };
    for folder in ["karmada", "members"] {
        delete(std::fs::remove_dir_all(dir.join(folder)), folder)?;
    }
    for file in ["karmada.config", "members.config", "up.json", "up.log", "up.lock"] {
        delete(std::fs::remove_file(dir.join(file)), file)?;
    }
    // Whatever else is in there is somebody's own: then the folder stays.
    let _ = std::fs::remove_dir(dir);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn state() -> State {
        State { pid: 1, url: "https://127.0.0.1:1".into(), members: vec!["member1".into()], ready: true }
    }

    #[test]
    fn a_folder_belongs_to_one_up_and_only_while_it_runs() {
        let dir = folder();
        assert!(State::of_running(dir.path()).unwrap().is_none());
        let held = lock(dir.path()).unwrap();
        state().write(dir.path()).unwrap();
        assert_eq!(State::of_running(dir.path()).unwrap().unwrap().pid, 1);
        assert!(lock(dir.path()).unwrap_err().to_string().contains("already runs"));
        drop(held);
        assert!(State::of_running(dir.path()).unwrap().is_none(), "what a dead process wrote is not true");
    }

    #[test]
    fn deleting_the_data_takes_nothing_of_anybody_else() {
        let dir = folder();
        let data = dir.path().join("data");
        std::fs::create_dir_all(data.join("karmada/store")).unwrap();
        std::fs::create_dir_all(data.join("members/member1")).unwrap();
        std::fs::write(data.join("karmada.config"), "").unwrap();
        std::fs::write(data.join("thesis.txt"), "").unwrap();
        delete_data(&data).unwrap();
        let left: Vec<_> = std::fs::read_dir(&data).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["thesis.txt"]);
        std::fs::remove_file(data.join("thesis.txt")).unwrap();
        delete_data(&data).unwrap();
        assert!(!data.exists());
        delete_data(&data).unwrap();
    }
}
