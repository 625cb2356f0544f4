//! The embedded engine: everything in memory, every write in a log on disk before it is answered.
//!
//! A control plane's data fits in memory, is read far more often than written, and its writes are
//! small, concurrent and each waited for. An append to a preallocated log with one `fdatasync` for all
//! writes that wait gives 1,700 to 3,800 writes a second to one client and about 60,000 to 64 on an
//! ordinary virtual disk; the embedded databases measured beside it gave 340 to 1,240 and 11,000 to 27,000. That
//! is why there is a log here and no database.
//!
//! ```text
//! put ─▶ queue ─▶ committer: plan ─▶ one frame, one sync ─▶ apply ─▶ answer
//!                                                              └──▶ watchers
//! ```
//!
//! On disk: `<first revision>.log` segments, at most one complete `<revision>.snapshot`, and `lock`.
//! Once the log has grown as large as the data (or [`Options::snapshot_bytes`]), a snapshot replaces
//! it, so disk use and restart time stay proportional to the data. Values may be secrets: all files
//! are readable by their owner only.

mod committer;
mod core;
mod frame;
mod log;
mod recovery;
mod snapshot;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;

use self::committer::{Committer, Queue};
use self::core::{Change, Core, Watcher, Write};
use self::log::{create_private, failure, sync_dir};
use crate::{Error, Event, Expect, KeyValue, Page, Revision, Store, Watch};

/// Writes that may wait for the committer; more wait to be queued. A few batches' worth.
const WAITING: usize = 2_048;

/// How much of the past stays readable: lists at an older revision, watches that resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Changes kept at most.
    pub events: usize,
    /// Bytes of replaced values kept at most, or a quarter of the live data where that is more.
    pub bytes: usize,
}

impl Default for History {
    /// Some seconds of the fastest burst, hours of ordinary use. A kept change costs some 120 bytes
    /// besides the value it replaced, so a small store's history stays below 24 MiB; one process may
    /// hold several stores.
    fn default() -> Self {
        Self { events: 65_536, bytes: 16 << 20 }
    }
}

/// When a write counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk: survives `kill -9` and power loss.
    Synced,
    /// When the operating system has it: survives `kill -9` only. For tests and throw-away data.
    Written,
}

/// How an engine behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much of the past stays readable.
    pub history: History,
    /// When a write counts as done.
    pub durability: Durability,
    /// Bytes of log after which a snapshot replaces it, unless the live data is larger, which then is
    /// the measure. Reading this much at start takes some tens of milliseconds.
    pub snapshot_bytes: u64,
    /// Bytes after which the log continues in another file. Recovery holds one file in memory.
    pub segment_bytes: u64,
    /// Bytes of key and value together at most.
    pub max_record: usize,
    #[cfg(test)]
    pub(crate) faults: Arc<tests::Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            history: History::default(),
            durability: Durability::Synced,
            snapshot_bytes: 32 << 20,
            segment_bytes: 64 << 20,
            // Above the API server's own limit of 1.5 MiB for an object, which answers first and better.
            max_record: 2 << 20,
            #[cfg(test)]
            faults: Arc::default(),
        }
    }
}

/// How an engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Newest revision.
    pub revision: Revision,
    /// Oldest revision that can be read.
    pub oldest: Revision,
    /// Keys that exist.
    pub keys: usize,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Running watches.
    pub watchers: usize,
}

/// The embedded store. Dropping it waits for the writes already queued.
pub struct Engine {
    core: Arc<Core>,
    max_record: usize,
    writer: Writer,
}

enum Writer {
    /// Writes happen at once, one at a time.
    Memory(Mutex<()>),
    /// Writes go to the committer's thread, which is gone once closed.
    Disk { queue: Arc<Queue>, thread: Mutex<Option<JoinHandle<()>>> },
}

impl Engine {
    /// Opens the store in a directory, which is created when absent. Reads everything, so it takes
    /// time in proportion to the data; blocks meanwhile.
    ///
    /// # Errors
    /// [`Error::Engine`] when another process has the directory open, when a file cannot be read or
    /// written, and when a file is damaged anywhere but in the unfinished end of the log. The text names
    /// the file and the offset.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let lock = prepare(dir)?;
        let (core, log) = recovery::recover(dir, &options)?;
        let core = Arc::new(core);
        let queue = Arc::new(Queue::new(WAITING));
        let served = queue.clone();
        let max_record = options.max_record;
        let committer = Committer { core: core.clone(), log, dir: dir.into(), options, snapshot: None };
        let work = move || {
            committer.run(&served);
            drop(lock);
        };
        let thread = std::thread::Builder::new()
            .name("store-commit".into())
            .spawn(work)
            .map_err(|e| Error::Engine(format!("no thread for the committer: {e}")))?;
        let writer = Writer::Disk { queue, thread: Mutex::new(Some(thread)) };
        Ok(Self { core, max_record, writer })
    }

    /// A store without a disk: same behaviour, gone with the process. Starts no thread, so it is
    /// deterministic under a simulated scheduler.
    pub fn memory() -> Self {
        Self::memory_with(&Options::default())
    }

    /// A store without a disk; of the options, history and record size apply.
    pub fn memory_with(options: &Options) -> Self {
        let core = Core::new(core::Live::new(), 0, options.history);
        let writer = Writer::Memory(Mutex::new(()));
        Self { core: Arc::new(core), max_record: options.max_record, writer }
    }

    /// How the engine is doing.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Ends every watch, refuses further calls with [`Error::Closed`], waits until the writes already
    /// queued are durable, and lets go of the directory. Blocks for one sync at most in practice.
    pub fn close(&self) {
        if let Writer::Disk { queue, thread } = &self.writer {
            queue.close();
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // A panic there has been reported by its thread; there is nothing left to wait for.
            let _ = thread.map(JoinHandle::join);
        }
        self.core.close();
    }

    async fn write(&self, key: &str, change: Change) -> Result<Revision, Error> {
        let write = Write { key: key.into(), change };
        if write.size() > self.max_record {
            return Err(Error::TooLarge { size: write.size(), max: self.max_record });
        }
        match &self.writer {
            Writer::Memory(turn) => self.write_now(turn, write),
            Writer::Disk { queue, .. } => queue.ask(write).await,
        }
    }

    fn write_now(&self, turn: &Mutex<()>, write: Write) -> Result<Revision, Error> {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Reading also says whether the store is closed.
        self.core.get(&write.key)?;
        let mut plan = self.core.plan([write]);
        let answer = plan.answers.pop().expect("a plan has one answer for each write");
        self.core.apply(plan.events);
        answer
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Creates the directory and takes its lock, which lasts as long as the returned file.
fn prepare(dir: &Path) -> Result<File, Error> {
    let created: Vec<&Path> =
        dir.ancestors().take_while(|a| !a.as_os_str().is_empty() && !a.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| failure(dir, e))?;
    for new in created {
        if let Some(parent) = new.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    let path = dir.join("lock");
    let lock = create_private(&path).map_err(|e| failure(&path, e))?;
    lock.try_lock().map_err(|e| match e {
        std::fs::TryLockError::WouldBlock => failure(dir, "in use by another process"),
        std::fs::TryLockError::Error(e) => failure(&path, e),
    })?;
    Ok(lock)
}

#[async_trait]
impl Store for Engine {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        self.core.get(key)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        revision: Option<Revision>,
    ) -> Result<Page, Error> {
        self.core.list(prefix, after, limit, revision)
    }

    async fn put(&self, key: &str, value: Bytes, expect: Expect) -> Result<Revision, Error> {
        self.write(key, Change::Put { value, expect }).await
    }

    async fn delete(&self, key: &str, expected: Revision) -> Result<Revision, Error> {
        self.write(key, Change::Delete { expected }).await
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, Error> {
        let watcher = self.core.watch(prefix, after)?;
        Ok(Box::new(Watching { core: self.core.clone(), watcher }))
    }

    async fn revision(&self) -> Result<Revision, Error> {
        Ok(self.core.revision())
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.core.compact(revision)
    }
}

/// A running watch. It keeps nothing: what it has not returned yet is in the engine's history, whose
/// bounds therefore also bound how far it may fall behind.
struct Watching {
    core: Arc<Core>,
    watcher: Arc<Watcher>,
}

#[async_trait]
impl Watch for Watching {
    async fn next(&mut self) -> Result<Vec<Event>, Error> {
        loop {
            if let Some(events) = self.core.take(&self.watcher)? {
                return Ok(events);
            }
            self.watcher.woken().await;
        }
    }

    fn progress(&self) -> Revision {
        self.core.progress(&self.watcher)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.core.unwatch(&self.watcher);
    }
}
