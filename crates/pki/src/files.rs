//! Files with secrets in them.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::Error;

/// Replaces a file atomically and makes it readable by its owner only (mode 0600). Missing directories
/// are created with mode 0700. Whoever reads the file meanwhile sees the old or the new text, whole.
///
/// # Errors
/// [`Error::File`]; the old file is then still there.
pub fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    replace(path, text).map_err(|source| Error::File { path: path.into(), source })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let new = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    // A left-over of an earlier attempt would keep its mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path))
        .and_then(|()| File::open(dir)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// The text of a file, nothing when there is no such file.
pub(crate) fn read_if_exists(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { path: path.into(), source }),
    }
}
