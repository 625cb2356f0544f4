//! kubectl, as users run it.

use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Cluster, eventually, tools};

/// How long one call may take. Far above what any takes; a call that hangs fails its test.
const CALL_LIMIT: Duration = Duration::from_secs(90);

/// Which kubectl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.20, the oldest one supported.
    Old,
    /// The newest release.
    Current,
}

impl Version {
    fn program(self) -> &'static str {
        match self {
            Self::Old => "kubectl-1.20",
            Self::Current => "kubectl-current",
        }
    }
}

/// One kubectl with one context and one namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    version: Version,
    program: PathBuf,
    kubeconfig: PathBuf,
    context: String,
    namespace: String,
    home: PathBuf,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was called.
    pub line: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code; -1 after a signal.
    pub code: i32,
}

impl Outcome {
    /// The output of a call that succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ok(self) -> String {
        let Self { line, stdout, stderr, code } = self;
        assert!(code == 0, "`{line}` ended with {code}\nstdout: {stdout}\nstderr: {stderr}");
        stdout
    }

    /// The complaint of a call that failed.
    ///
    /// # Panics
    /// When it succeeded.
    #[track_caller]
    pub fn complaint(self) -> String {
        let Self { line, stdout, stderr, code } = self;
        assert!(code != 0, "`{line}` should have failed\nstdout: {stdout}\nstderr: {stderr}");
        stderr
    }
}

impl Kubectl {
    /// A kubectl of a version for a cluster. Its caches live in `home`.
    pub fn new(version: Version, cluster: &Cluster, home: &Path) -> Self {
        Self {
            version,
            program: tools::tool(version.program()),
            kubeconfig: cluster.kubeconfig().into(),
            context: cluster.context().into(),
            namespace: "default".into(),
            home: home.join(version.program()),
        }
    }

    /// The same with another namespace.
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: namespace.into(), ..self.clone() }
    }

    /// The same with the user of another kubeconfig.
    pub fn with_kubeconfig(&self, kubeconfig: &Path, context: &str) -> Self {
        Self { kubeconfig: kubeconfig.into(), context: context.into(), ..self.clone() }
    }

    /// The namespace it works in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Which kubectl it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The call as a command, for tests that set more on it. Words are separated by blanks; single
    /// quotes hold a word together.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--context", &self.context, "--namespace", &self.namespace])
            .args(words(line))
            .current_dir(self.kubeconfig.parent().unwrap_or(Path::new("/")))
            .env("HOME", &self.home)
            .env_remove("KUBECONFIG")
            .env_remove("KUBE_EDITOR");
        command
    }

    /// Calls kubectl and waits for its end.
    #[track_caller]
    pub fn run(&self, line: &str) -> Outcome {
        self.run_with(line, "")
    }

    /// Calls kubectl with something on its standard input.
    ///
    /// # Panics
    /// When the call hangs.
    #[track_caller]
    pub fn run_with(&self, line: &str, input: &str) -> Outcome {
        finish(line, self.command(line), input)
    }

    /// The output of a call that must succeed.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        self.run(line).ok()
    }

    /// The output of a call that must succeed, with standard input.
    #[track_caller]
    pub fn ok_with(&self, line: &str, input: &str) -> String {
        self.run_with(line, input).ok()
    }

    /// The complaint of a call that must fail.
    #[track_caller]
    pub fn fails(&self, line: &str) -> String {
        self.run(line).complaint()
    }

    /// The complaint of a call that must fail, with standard input.
    #[track_caller]
    pub fn fails_with(&self, line: &str, input: &str) -> String {
        self.run_with(line, input).complaint()
    }

    /// Starts a call that does not end by itself, like `get --watch`.
    pub fn start(&self, line: &str) -> Running {
        Running::start(line, self.command(line))
    }
}

/// Runs a command to its end; `line` is what failures call it.
///
/// # Panics
/// When it cannot be started or hangs.
#[track_caller]
pub fn finish(line: &str, mut command: Command, input: &str) -> Outcome {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        // A call that does not read its input may have ended already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let deadline = Instant::now() + CALL_LIMIT;
    let code = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break status.code().unwrap_or(-1),
            None if Instant::now() >= deadline => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("`{line}` hangs\nstdout: {}\nstderr: {}", text(stdout), text(stderr));
            }
            None => std::thread::sleep(Duration::from_millis(3)),
        }
    };
    Outcome { line: line.into(), stdout: text(stdout), stderr: text(stderr), code }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn text(collected: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&collected.join().unwrap_or_default()).into_owned()
}

/// A call that goes on; ended when dropped.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Child,
    printed: Arc<Mutex<String>>,
}

impl Running {
    fn start(line: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
        let printed = Arc::new(Mutex::new(String::new()));
        follow(child.stdout.take(), &printed);
        follow(child.stderr.take(), &printed);
        Self { line: line.into(), child, printed }
    }

    /// What it has printed until now, on either stream.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has printed something.
    ///
    /// # Panics
    /// When it has not within the limit.
    #[track_caller]
    pub fn prints(&self, limit: Duration, what: &str) {
        eventually(limit, &format!("`{}` prints {what:?}", self.line), || {
            let printed = self.printed();
            anyhow::ensure!(printed.contains(what), "it printed:\n{printed}");
            Ok(())
        });
    }

    /// Waits until it ends by itself; returns its exit code.
    ///
    /// # Panics
    /// When it does not within the limit.
    #[track_caller]
    pub fn ends(&mut self, limit: Duration) -> i32 {
        let printed = Arc::clone(&self.printed);
        let child = &mut self.child;
        eventually(limit, &format!("`{}` ends", self.line), || match child.try_wait()? {
            Some(status) => Ok(status.code().unwrap_or(-1)),
            None => anyhow::bail!("it printed:\n{}", printed.lock().unwrap_or_else(PoisonError::into_inner)),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(pipe: Option<impl Read + Send + 'static>, printed: &Arc<Mutex<String>>) {
    let Some(mut pipe) = pipe else { return };
    let printed = Arc::clone(printed);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..read]);
            printed.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    });
}

/// The words of a command line; single quotes hold one together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("get  pods"), ["get", "pods"]);
        assert_eq!(words("patch x -p '{\"a\": 1}' ''"), ["patch", "x", "-p", "{\"a\": 1}", ""]);
    }

    #[test]
    fn an_outcome_has_both_streams_and_the_code() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo told >&2; exit 3"]);
        let outcome = finish("sh", command, "input");
        assert_eq!((outcome.stdout.as_str(), outcome.code), ("input", 3));
        assert_eq!(outcome.complaint(), "told\n");
    }

    #[test]
    fn a_running_call_can_be_read_while_it_runs() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first; exec sleep 1000"]);
        Running::start("sh", command).prints(Duration::from_secs(10), "first");
    }
}
