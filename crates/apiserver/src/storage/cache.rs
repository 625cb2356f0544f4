//! The current objects of one resource and its recent changes, in memory.
//!
//! Entries share their bytes with the store. Nothing is parsed when a change arrives; labels are
//! parsed when a selector first asks for them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use serde::Deserialize;
use store::Revision;
use tokio::sync::watch;

/// Changes kept per resource for watches that resume. A client that lists and then watches has to
/// catch up within this window; a burst of several thousand writes fits.
const HISTORY_LEN_MAX: usize = 8192;

/// Bytes of objects the history may hold on to per resource, so that many changes of large objects do not
/// fill the memory. At least [`HISTORY_LEN_MIN`] changes are kept whatever their size.
const HISTORY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Changes always kept.
const HISTORY_LEN_MIN: usize = 256;

/// Labels of an object in key order.
pub(crate) type Labels = BTreeMap<String, String>;

/// One object at one version.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Key in the store.
    pub(crate) key: Arc<str>,
    /// Stored form.
    pub(crate) bytes: Bytes,
    /// Revision of the write.
    pub(crate) revision: Revision,
    labels: OnceLock<Labels>,
}

#[derive(Deserialize, Default)]
struct LabelsOnly {
    #[serde(default)]
    metadata: MetaLabels,
}

#[derive(Deserialize, Default)]
struct MetaLabels {
    #[serde(default)]
    labels: Option<Labels>,
}

impl Entry {
    pub(crate) fn new(item: store::KeyValue) -> Self {
        Self { key: item.key, bytes: item.value, revision: item.revision, labels: OnceLock::new() }
    }

    /// The object's labels.
    pub(crate) fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| {
            serde_json::from_slice::<LabelsOnly>(&self.bytes)
                .ok()
                .and_then(|o| o.metadata.labels)
                .unwrap_or_default()
        })
    }

    /// Namespace (empty for cluster-scoped objects) and name.
    pub(crate) fn names(&self, prefix_len: usize) -> (&str, &str) {
        let rest = &self.key[prefix_len..];
        rest.split_once('/').unwrap_or(("", rest))
    }
}

/// A change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// Revision of the change.
    pub(crate) revision: Revision,
    /// The object after the change, absent when it was deleted.
    pub(crate) current: Option<Arc<Entry>>,
    /// The object before the change, absent when it was created.
    pub(crate) previous: Option<Arc<Entry>>,
}

impl Change {
    fn bytes(&self) -> usize {
        self.current.as_ref().or(self.previous.as_ref()).map_or(0, |e| e.bytes.len())
    }
}

/// The objects and recent changes of one resource.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Key prefix.
    pub(crate) prefix: String,
    // Held for the length of a lookup or the cloning of `Arc`s, never across an await.
    state: Mutex<State>,
    changed: watch::Sender<Revision>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Arc<str>, Arc<Entry>>,
    history: VecDeque<Change>,
    history_bytes: usize,
    /// Changes after this revision are all in the history.
    floor: Revision,
    /// Revision of the newest change.
    last: Revision,
}

impl Cache {
    /// An empty cache whose history starts at `floor`.
    pub(crate) fn new(prefix: String, floor: Revision) -> Self {
        let state = State { floor, ..State::default() };
        Self { prefix, state: Mutex::new(state), changed: watch::Sender::new(floor) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an object found at start.
    pub(crate) fn load(&self, item: store::KeyValue) {
        let entry = Arc::new(Entry::new(item));
        let mut state = self.state();
        state.last = state.last.max(entry.revision);
        state.entries.insert(Arc::clone(&entry.key), entry);
    }

    /// Takes the whole content at a revision, after changes were missed.
    pub(crate) fn replace(&self, items: Vec<store::KeyValue>, revision: Revision) {
        let mut state = self.state();
        state.entries =
            items.into_iter().map(|item| (Arc::clone(&item.key), Arc::new(Entry::new(item)))).collect();
        state.history.clear();
        state.history_bytes = 0;
        state.floor = revision;
        state.last = revision;
        drop(state);
        self.changed.send_replace(revision);
    }

    /// Takes a change from the store.
    pub(crate) fn apply(&self, event: store::Event) {
        let revision = event.revision();
        let mut state = self.state();
        let change = match event {
            store::Event::Put { current, .. } => {
                let entry = Arc::new(Entry::new(current));
                let previous = state.entries.insert(Arc::clone(&entry.key), Arc::clone(&entry));
                Change { revision, current: Some(entry), previous }
            }
            store::Event::Delete { previous, .. } => {
                let known = state.entries.remove(&previous.key);
                let previous = known.unwrap_or_else(|| Arc::new(Entry::new(previous)));
                Change { revision, current: None, previous: Some(previous) }
            }
        };
        state.last = revision;
        state.history_bytes += change.bytes();
        state.history.push_back(change);
        while state.history.len() > HISTORY_LEN_MAX
            || (state.history_bytes > HISTORY_BYTES_MAX && state.history.len() > HISTORY_LEN_MIN)
        {
            let Some(old) = state.history.pop_front() else { break };
            state.history_bytes -= old.bytes();
            state.floor = old.revision;
        }
        drop(state);
        self.changed.send_replace(revision);
    }

    /// Wakes on every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Revision> {
        self.changed.subscribe()
    }

    /// One object.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.state().entries.get(key).cloned()
    }

    /// Objects whose key starts with `prefix` and comes after `after`, in key order, and the revision
    /// of the newest change of the resource.
    pub(crate) fn list(&self, prefix: &str, after: Option<&str>) -> (Vec<Arc<Entry>>, Revision) {
        use std::ops::Bound;
        let state = self.state();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let entries = if prefix == self.prefix && after.is_none() {
            state.entries.values().cloned().collect()
        } else {
            state
                .entries
                .range::<str, _>((start, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(_, entry)| Arc::clone(entry))
                .collect()
        };
        (entries, state.last)
    }

    /// Changes after `revision`, at most `max`; the oldest revision resumable when they are gone.
    pub(crate) fn changes(&self, revision: Revision, max: usize) -> Result<Vec<Change>, Revision> {
        let state = self.state();
        if revision < state.floor {
            return Err(state.floor);
        }
        let start = state.history.partition_point(|c| c.revision <= revision);
        Ok(state.history.range(start..).take(max).cloned().collect())
    }

    /// Revision of the newest change.
    pub(crate) fn last(&self) -> Revision {
        self.state().last
    }
}
