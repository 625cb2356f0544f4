//! Folders of tests.

use std::path::Path;

/// A new empty folder that goes away with its owner, unless `KARMADA_TEST_KEEP` is set.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder whose name begins with `name`.
    ///
    /// # Panics
    /// When the machine has no room for folders.
    pub fn new(name: &str) -> Self {
        let prefix = format!("karmada-{name}-");
        let mut folder =
            tempfile::Builder::new().prefix(&prefix).tempdir().expect("tests can create folders");
        folder.disable_cleanup(std::env::var_os("KARMADA_TEST_KEEP").is_some());
        Self(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
