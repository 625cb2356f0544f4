//! A program that runs for as long as a test wants it to.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// Lines of a program's log that are shown when a test fails.
const TAIL_LINES: usize = 60;

/// A running program. It is killed when dropped, and also when the whole test process ends without
/// dropping it, as it does for scenes that tests share.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    guard: Option<Child>,
    log: PathBuf,
}

impl Program {
    /// Starts `command` with its output in `{name}.log` inside `folder`; a second start appends.
    /// `folder` is removed if the test process ends without dropping the program.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[track_caller]
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).expect("logs can be written");
        let err = out.try_clone().expect("logs can be written");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let guard = guard(child.id(), folder);
        Self { name: name.into(), child, guard: Some(guard), log }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the program has ended: what it would have done will never happen.
    ///
    /// # Errors
    /// With its exit status and the end of its log.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait().context("cannot look after the program")?;
        let Some(status) = ended else { return Ok(()) };
        anyhow::bail!("{} has ended ({status}):\n{}", self.name, self.tail())
    }

    /// Ends the program as `kill -9` does and waits until it is gone.
    pub fn kill(&mut self) {
        self.dismiss_guard();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the program to end, as the service manager does.
    ///
    /// # Panics
    /// When it has not ended within the limit.
    #[track_caller]
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(id.expect("a child has a process id"), Signal::TERM);
        let child = &mut self.child;
        let status = eventually(limit, &format!("{} ends when asked to", self.name), || {
            child.try_wait()?.context("it still runs")
        });
        self.dismiss_guard();
        status
    }

    /// Everything it has written.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines it has written.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Shows the end of its log if the current test is failing.
    #[expect(clippy::print_stderr, reason = "the test runner shows it with the failed test")]
    pub fn explain_failure(&self) {
        if std::thread::panicking() {
            eprintln!("--- last lines of {}\n{}\n---", self.log.display(), self.tail());
        }
    }

    fn dismiss_guard(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        self.explain_failure();
    }
}

/// Reads from a pipe that closes with the test process, however that ends, and then ends the program.
fn guard(program: u32, folder: &Path) -> Child {
    let script = "read -r _; kill -9 \"$1\"; sleep 1; rm -rf \"$2\"";
    let removed = if std::env::var_os("KARMADA_TEST_KEEP").is_some() { Path::new("") } else { folder };
    Command::new("sh")
        .args(["-c", script, "guard", &program.to_string()])
        .arg(removed)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a shell")
}

/// A port that nobody listens on, like the few after it, below the range that outgoing connections
/// take theirs from. No two calls in one process return the same.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Test processes that run at the same time begin at different places.
    let start = std::process::id().wrapping_mul(37) % 1_000;
    let blocks = (0..1_000).filter_map(|n| u16::try_from(20_000 + (start + n) % 1_000 * 10).ok());
    for block in blocks {
        let free = (block..block + 10).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if free && given.insert(block) {
            return block;
        }
    }
    panic!("no ten free ports between 20000 and 29999");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    #[test]
    fn a_dropped_program_is_gone_and_its_log_was_kept() {
        let folder = Folder::new("program");
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; exec sleep 1000"]);
        let mut program = Program::start("sleeper", command, folder.path());
        eventually(Duration::from_secs(10), "the log has a line", || {
            anyhow::ensure!(program.log() == "started\n", "{:?}", program.log());
            program.check_running()
        });
        let id = Pid::from_raw(i32::try_from(program.id()).unwrap()).unwrap();
        drop(program);
        assert!(rustix::process::test_kill_process(id).is_err());
    }

    #[test]
    fn a_program_that_ended_is_noticed() {
        let folder = Folder::new("program");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such thing; exit 3"]);
        let mut program = Program::start("failure", command, folder.path());
        let told = eventually(Duration::from_secs(10), "it has ended", || {
            program.check_running().err().context("it still runs")
        });
        let told = told.to_string();
        assert!(told.contains("exit status: 3") && told.contains("no such thing"), "{told}");
    }

    #[test]
    fn two_ports_differ() {
        assert_ne!(free_port(), free_port());
    }
}
