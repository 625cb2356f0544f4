//! Where the programs are that tests run.

use std::path::{Path, PathBuf};

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default()
}

/// A file or folder among the fetched tools.
///
/// # Panics
/// When it was not fetched.
#[track_caller]
pub fn tool(name: &str) -> PathBuf {
    let folder = std::env::var_os("KARMADA_TEST_TOOLS")
        .map_or_else(|| workspace().join("target").join("tools"), PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask tools`", path.display());
    path
}

/// A program of this workspace: `karmada` or `karmadactl`. `KARMADA_BIN` names the former; the latter
/// is beside it.
///
/// # Panics
/// When it was not built.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    if let Some(karmada) = std::env::var_os("KARMADA_BIN").map(PathBuf::from) {
        let path = karmada.with_file_name(name);
        let path = if name == "karmada" { karmada } else { path };
        assert!(path.exists(), "{} (KARMADA_BIN) does not exist", path.display());
        return path;
    }
    let mut folders = vec![workspace().join("target").join("release")];
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from) {
        folders.insert(0, target.join("debug"));
        folders.insert(0, target.join("release"));
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("{} is missing: run `cargo build --release`", folders[0].join(name).display())
    })
}
