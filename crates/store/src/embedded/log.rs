//! The write-ahead log: segment files that only ever grow at their end.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frame::{FILE_HEADER, Frame, Role, file_header};
use super::{Durability, Options};
use crate::{Error, Event, Revision};

/// Zeros written ahead of the log's end. While appends stay inside them, the file's size does not
/// change, and a sync needs to write no file system metadata, which makes it about half as long.
/// Small enough that starting a fresh store stays in the milliseconds.
const AHEAD: usize = 1 << 20;

/// A storage error that names the file.
pub(super) fn failure(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::Engine(format!("{}: {what}", path.display()))
}

/// Path of the segment whose first record has this revision.
pub(super) fn segment_path(dir: &Path, base: Revision) -> PathBuf {
    dir.join(format!("{base:016x}.log"))
}

/// Makes creations, renames and removals in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| failure(dir, e))
}

/// A new file, readable by its owner only: values may be secrets.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The file a log writes to. In tests it can be made to fail.
struct Disk {
    file: File,
    #[cfg(test)]
    faults: std::sync::Arc<super::tests::Faults>,
}

impl Disk {
    fn new(file: File, options: &Options) -> Self {
        #[cfg(not(test))]
        let _ = options;
        Self {
            file,
            #[cfg(test)]
            faults: options.faults.clone(),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write(&self.file, bytes, offset)?;
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_sync()?;
        self.file.sync_data()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_cut()?;
        self.file.set_len(length)
    }
}

/// The end of the log, where writes go.
pub(super) struct Log {
    dir: PathBuf,
    path: PathBuf,
    disk: Disk,
    options: Options,
    /// First revision of the current segment.
    base: Revision,
    /// Where the next frame goes.
    end: u64,
    /// Up to where the file is known to be filled, with frames or with zeros.
    filled: u64,
    /// Bytes of frames since the log was last cut by a snapshot.
    grown: u64,
    /// Why nothing can be written any more.
    broken: Option<String>,
    frame: Frame,
}

impl Log {
    /// Creates the segment whose first record will have revision `base`.
    pub(super) fn create(dir: &Path, base: Revision, options: &Options) -> Result<Self, Error> {
        let path = segment_path(dir, base);
        let new = path.with_extension("tmp");
        let file = create_private(&new)
            .and_then(|file| {
                file.write_all_at(&file_header(Role::Log, base), 0)?;
                file.sync_all()?;
                std::fs::rename(&new, &path)?;
                Ok(file)
            })
            .map_err(|e| failure(&path, e))?;
        if let Err(error) = sync_dir(dir) {
            // The caller goes on with the segment before; this one would stand in its way at recovery.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Self::at(dir, path, file, base, FILE_HEADER as u64, options))
    }

    /// Continues a segment whose last intact frame ends at `end`; what follows is cut off.
    pub(super) fn resume(dir: &Path, base: Revision, end: u64, options: &Options) -> Result<Self, Error> {
        let path = segment_path(dir, base);
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .and_then(|file| {
                file.set_len(end)?;
                file.sync_all()?;
                Ok(file)
            })
            .map_err(|e| failure(&path, e))?;
        Ok(Self::at(dir, path, file, base, end, options))
    }

    fn at(dir: &Path, path: PathBuf, file: File, base: Revision, end: u64, options: &Options) -> Self {
        Self {
            dir: dir.into(),
            path,
            disk: Disk::new(file, options),
            options: options.clone(),
            base,
            end,
            filled: end,
            grown: 0,
            broken: None,
            frame: Frame::default(),
        }
    }

    /// Bytes of frames since the last snapshot began.
    pub(super) fn grown(&self) -> u64 {
        self.grown
    }

    pub(super) fn set_grown(&mut self, bytes: u64) {
        self.grown = bytes;
    }

    /// Writes the events as one frame and makes it durable.
    ///
    /// When the write fails, for example because the disk is full, the log is as before and may be
    /// tried again. When the sync fails, nobody knows what is on disk: the log takes nothing more.
    pub(super) fn append(&mut self, events: &[Event]) -> Result<(), Error> {
        self.intact()?;
        if self.end >= self.options.segment_bytes
            && let Some(first) = events.first()
        {
            self.rotate(first.revision())?;
        }
        self.frame.reset();
        for event in events {
            self.frame.event(event);
        }
        if self.frame.is_empty() {
            return Ok(());
        }
        let length = self.frame.len() as u64;
        let bytes = self.frame.seal(self.base, self.end);
        if let Err(error) = self.disk.write_at(bytes, self.end) {
            return Err(self.take_back(error));
        }
        self.fill_ahead(self.end + length);
        if self.options.durability == Durability::Synced
            && let Err(error) = self.disk.sync()
        {
            return Err(self.break_with(format!("sync failed, restart to continue: {error}")));
        }
        self.end += length;
        self.grown += length;
        Ok(())
    }

    fn fill_ahead(&mut self, end: u64) {
        if end <= self.filled {
            return;
        }
        // A failure here costs speed only; a full disk shows at the write that needs the space.
        let zeros = vec![0; AHEAD];
        self.filled = match self.disk.write_at(&zeros, end) {
            Ok(()) => end + AHEAD as u64,
            Err(_) => end,
        };
    }

    /// After a failed write: removes what part of it may have reached the file.
    fn take_back(&mut self, error: io::Error) -> Error {
        match self.disk.cut(self.end) {
            Ok(()) => {
                self.filled = self.end;
                failure(&self.path, error)
            }
            Err(second) => {
                self.break_with(format!("write failed ({error}) and could not be undone ({second})"))
            }
        }
    }

    fn break_with(&mut self, why: String) -> Error {
        tracing::error!(file = %self.path.display(), "the log takes no more writes: {why}");
        self.broken = Some(why.clone());
        failure(&self.path, why)
    }

    fn intact(&self) -> Result<(), Error> {
        self.broken.as_ref().map_or(Ok(()), |why| Err(failure(&self.path, why)))
    }

    /// Continues in a new segment that begins with revision `base`.
    pub(super) fn rotate(&mut self, base: Revision) -> Result<(), Error> {
        self.intact()?;
        if base == self.base {
            return Ok(());
        }
        let grown = self.grown;
        *self = Self::create(&self.dir, base, &self.options)?;
        self.grown = grown;
        Ok(())
    }
}
