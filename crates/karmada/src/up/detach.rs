//! `up --detach`: the same program in the background, and a look at it until it is ready.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::state::State;

/// Set for the program in the background, so that it does not detach again.
pub(crate) const DETACHED: &str = "KARMADA_DETACHED";

/// Longest time for everything to come up.
const READY_WAIT: Duration = Duration::from_secs(120);

/// Starts this program again in the background and waits until it is ready.
pub(crate) async fn start(dir: &Path) -> Result<State> {
    if let Some(state) = State::of_running(dir)? {
        bail!("karmada already runs on {} (process {})", dir.display(), state.pid);
    }
    let log_path = dir.join("up.log");
    let log = File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Its own group: Ctrl-C in this terminal is not for it.
        .process_group(0)
        .spawn()
        .context("cannot start in the background")?;
    let ready = async {
        loop {
            if let Some(state) = State::of_running(dir)?.filter(|s| s.ready) {
                return Ok(state);
            }
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                let last = log.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default().to_owned();
                bail!("karmada ended ({status}): {last}\nits log is {}", log_path.display());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(READY_WAIT, ready).await {
        Ok(state) => state,
        Err(_) => bail!("karmada is not ready after {READY_WAIT:?}; its log is {}", log_path.display()),
    }
}
