//! Where the API server keeps its objects: a revisioned key-value store.
//!
//! The trait is small enough for etcd and for the embedded engine, and its contract is a test suite
//! that every engine runs ([`contract`]).

pub mod contract;
pub mod embedded;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// A point in the store's history. Every write makes exactly one new revision; the first is 1.
/// Strictly increasing over the life of the data, restarts included.
pub type Revision = u64;

/// One stored value.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Key, a `/`-separated path.
    pub key: Arc<str>,
    /// Value as written.
    pub value: Bytes,
    /// Revision of the write that made this value.
    pub revision: Revision,
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        write!(f, "{}@{} ({} bytes)", self.key, self.revision, self.value.len())
    }
}

/// What must be true of the key for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key does not exist.
    Absent,
    /// The key exists and was last written at this revision.
    Revision(Revision),
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was written. `previous` is what it replaced, when still known.
    Put {
        /// The new value.
        current: KeyValue,
        /// The value before, absent when the key was created.
        previous: Option<KeyValue>,
    },
    /// The key was deleted at `revision`.
    Delete {
        /// The revision of the deletion.
        revision: Revision,
        /// The last value.
        previous: KeyValue,
    },
}

impl Event {
    /// Revision of the change.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put { current, .. } => current.revision,
            Self::Delete { revision, .. } => *revision,
        }
    }

    /// The key that changed.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Put { current, .. } => &current.key,
            Self::Delete { previous, .. } => &previous.key,
        }
    }
}

/// A part of a range, all of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Values in key order.
    pub items: Vec<KeyValue>,
    /// The revision at which the range was read.
    pub revision: Revision,
    /// How many further keys the range holds after the last item.
    pub remaining: usize,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The expectation of a conditional write did not hold; nothing was written.
    #[error("key {key} is not as expected")]
    Unexpected {
        /// The key.
        key: Arc<str>,
        /// What is stored instead, if anything.
        current: Option<KeyValue>,
    },
    /// The revision asked for is older than the history kept.
    #[error("revision {asked} has been compacted; the oldest one kept is {oldest}")]
    Compacted {
        /// Revision asked for.
        asked: Revision,
        /// Oldest revision that can still be read.
        oldest: Revision,
    },
    /// The revision asked for does not exist yet.
    #[error("revision {asked} is in the future; the current one is {current}")]
    Future {
        /// Revision asked for.
        asked: Revision,
        /// Newest revision.
        current: Revision,
    },
    /// Key and value together are larger than the store takes.
    #[error("a value of {size} bytes is larger than the {max} bytes the store takes")]
    TooLarge {
        /// Size of key and value in bytes.
        size: usize,
        /// Largest size taken, in bytes.
        max: usize,
    },
    /// The engine failed, for example because the disk is full. Nothing was acknowledged.
    #[error("the store failed: {0}")]
    Engine(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// A running watch. Dropping it ends it.
#[async_trait]
pub trait Watch: Send {
    /// The next changes under the prefix, in revision order, never empty. Waits when there are none.
    /// Also returns when the store's revision has advanced without a change under the prefix only if
    /// asked through [`Watch::progress`]. Dropping the returned future loses no event.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the watcher fell so far behind that the history it needs is gone;
    /// [`Error::Closed`] when the store closed.
    async fn next(&mut self) -> Result<Vec<Event>, Error>;

    /// The revision up to which every change under the prefix has been returned by [`Watch::next`].
    fn progress(&self) -> Revision;
}

/// A revisioned key-value store.
///
/// *Guarantees.* A write that returned `Ok` is on disk and survives `kill -9`. Revisions are given in
/// commit order. A watch sees every change after its start revision exactly once and in order. Reads
/// without a revision see every write acknowledged before them.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The current value of a key.
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error>;

    /// Keys that start with `prefix` and come strictly after `after` (when given), in key order, at
    /// most `limit` (0 for all), as of `revision` (or now). The prefix is plain text: end it with a `/`
    /// to mean a folder.
    ///
    /// # Errors
    /// [`Error::Compacted`] and [`Error::Future`] when that revision cannot be read.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        revision: Option<Revision>,
    ) -> Result<Page, Error>;

    /// Writes a value if the expectation holds and returns the new revision. When the returned future
    /// is dropped before it is done, the write may or may not happen.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::TooLarge`]; with both, nothing was written. [`Error::Engine`] and
    /// [`Error::Closed`]: not acknowledged.
    async fn put(&self, key: &str, value: Bytes, expect: Expect) -> Result<Revision, Error>;

    /// Deletes a key last written at `expected` and returns the revision of the deletion.
    ///
    /// # Errors
    /// As [`Store::put`]; a key that does not exist is [`Error::Unexpected`] without a current value.
    async fn delete(&self, key: &str, expected: Revision) -> Result<Revision, Error>;

    /// Watches keys that start with `prefix` for changes after revision `after`.
    ///
    /// # Errors
    /// [`Error::Compacted`] when changes after that revision are no longer all known; [`Error::Future`]
    /// when it does not exist yet.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, Error>;

    /// The newest revision acknowledged.
    async fn revision(&self) -> Result<Revision, Error>;

    /// Forgets history before `revision`; current values stay. Asking again for less is no error.
    ///
    /// # Errors
    /// [`Error::Future`] when the revision does not exist yet.
    async fn compact(&self, revision: Revision) -> Result<(), Error>;
}
