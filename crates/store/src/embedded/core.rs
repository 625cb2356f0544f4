//! What is in memory: the live values, the recent events, and who watches them.
//!
//! Every event carries the value it replaced, so the recent events are also an undo log: the state at
//! an older revision is the live state with the later events taken back. Keys with one version, nearly
//! all of them, cost nothing extra.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use super::History;
use crate::{Error, Event, Expect, KeyValue, Page, Revision};

/// Events one call of a watch returns at most, so that a far-behind watcher holds the lock briefly.
const WATCH_BATCH: usize = 1_000;

/// A write somebody asks for.
pub(super) struct Write {
    pub(super) key: Arc<str>,
    pub(super) change: Change,
}

pub(super) enum Change {
    Put { value: Bytes, expect: Expect },
    Delete { expected: Revision },
}

impl Write {
    /// Bytes of key and value.
    pub(super) fn size(&self) -> usize {
        self.key.len()
            + match &self.change {
                Change::Put { value, .. } => value.len(),
                Change::Delete { .. } => 0,
            }
    }
}

/// What a batch of writes will do: an answer for each write, in order, and the events of those whose
/// expectation holds.
pub(super) struct Plan {
    pub(super) answers: Vec<Result<Revision, Error>>,
    pub(super) events: Vec<Event>,
}

pub(super) struct Entry {
    pub(super) value: Bytes,
    pub(super) revision: Revision,
}

/// The values that exist, by key.
pub(super) type Live = BTreeMap<Arc<str>, Entry>;

/// The shared state of an engine. Whoever writes calls [`Core::plan`], makes the events durable, then
/// calls [`Core::apply`]; only one may do so at a time. Readers see applied events only.
pub(super) struct Core(RwLock<State>);

struct State {
    live: Live,
    live_bytes: u64,
    revision: Revision,
    recent: Recent,
    watchers: Vec<Arc<Watcher>>,
    closed: bool,
}

/// The events after `floor`, without a gap: the event at index i has revision `floor + 1 + i`.
struct Recent {
    events: VecDeque<Event>,
    floor: Revision,
    /// Bytes of values that only the events still hold.
    superseded: usize,
    bounds: History,
}

/// One watch. `pending` is the revision of the first event it has not returned, 0 when there is none;
/// it changes only under the state's lock.
pub(super) struct Watcher {
    prefix: Box<str>,
    pending: AtomicU64,
    wake: Notify,
}

impl Watcher {
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    fn pending(&self) -> Revision {
        self.pending.load(Ordering::Acquire)
    }

    fn set_pending(&self, revision: Revision) {
        self.pending.store(revision, Ordering::Release);
    }
}

impl Core {
    /// Starts with these values; history begins at `revision`.
    pub(super) fn new(live: Live, revision: Revision, bounds: History) -> Self {
        let live_bytes = live.iter().map(|(key, entry)| size(key, &entry.value)).sum();
        let recent = Recent { events: VecDeque::new(), floor: revision, superseded: 0, bounds };
        Self(RwLock::new(State { live, live_bytes, revision, recent, watchers: Vec::new(), closed: false }))
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revision(&self) -> Revision {
        self.read().revision
    }

    /// Bytes of the live keys and values.
    pub(super) fn live_bytes(&self) -> u64 {
        self.read().live_bytes
    }

    pub(super) fn stats(&self) -> super::Stats {
        let state = self.read();
        super::Stats {
            revision: state.revision,
            oldest: state.recent.floor,
            keys: state.live.len(),
            bytes: state.live_bytes,
            watchers: state.watchers.len(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        let state = self.read();
        state.open()?;
        Ok(state.current(key))
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        revision: Option<Revision>,
    ) -> Result<Page, Error> {
        let state = self.read();
        state.open()?;
        let at = revision.unwrap_or(state.revision);
        state.readable(at)?;
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let live = state
            .live
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, entry)| Item { key, value: &entry.value, revision: entry.revision });
        if at == state.revision {
            return Ok(page(live, limit, at));
        }
        let undone = state.undone(prefix, after, at);
        let unchanged = live.filter(|item| !undone.contains_key(item.key));
        let changed = undone.values().filter_map(|before| {
            before.map(|kv| Item { key: &kv.key, value: &kv.value, revision: kv.revision })
        });
        Ok(page(merge(unchanged, changed), limit, at))
    }

    /// The next live values after a key, at most `count` of them.
    pub(super) fn chunk(&self, after: Option<&str>, count: usize) -> Vec<KeyValue> {
        let state = self.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        state
            .live
            .range::<str, _>((start, Bound::Unbounded))
            .take(count)
            .map(|(key, entry)| entry.to_key_value(key))
            .collect()
    }

    /// Decides what the writes do when they happen one after the other, now.
    pub(super) fn plan(&self, writes: impl IntoIterator<Item = Write>) -> Plan {
        let state = self.read();
        let mut plan = Plan { answers: Vec::new(), events: Vec::new() };
        // Index of the last event of each key written in this batch.
        let mut changed: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for write in writes {
            let current = match changed.get(&write.key) {
                Some(&index) => after_event(&plan.events[index]),
                None => state.current(&write.key),
            };
            let next = state.revision + 1 + plan.events.len() as Revision;
            let answer = decide(write, current, next).map(|event| {
                changed.insert(event.key().clone(), plan.events.len());
                plan.events.push(event);
                next
            });
            plan.answers.push(answer);
        }
        plan
    }

    /// Makes planned events visible, in order, and wakes who watches them.
    pub(super) fn apply(&self, events: Vec<Event>) {
        let mut state = self.write();
        for event in events {
            state.apply(event);
        }
    }

    pub(super) fn compact(&self, revision: Revision) -> Result<(), Error> {
        let mut state = self.write();
        state.open()?;
        if revision > state.revision {
            return Err(Error::Future { asked: revision, current: state.revision });
        }
        while state.recent.floor < revision {
            state.recent.forget_oldest();
        }
        Ok(())
    }

    pub(super) fn watch(&self, prefix: &str, after: Revision) -> Result<Arc<Watcher>, Error> {
        let mut state = self.write();
        state.open()?;
        state.readable(after)?;
        let missed = state.recent.after(after).find(|event| event.key().starts_with(prefix));
        let watcher = Arc::new(Watcher {
            prefix: prefix.into(),
            pending: AtomicU64::new(missed.map_or(0, Event::revision)),
            wake: Notify::new(),
        });
        state.watchers.push(watcher.clone());
        Ok(watcher)
    }

    pub(super) fn unwatch(&self, watcher: &Arc<Watcher>) {
        self.write().watchers.retain(|other| !Arc::ptr_eq(other, watcher));
    }

    /// The events the watcher has not returned yet, nothing when it must wait.
    pub(super) fn take(&self, watcher: &Watcher) -> Result<Option<Vec<Event>>, Error> {
        let state = self.read();
        let from = watcher.pending();
        if from == 0 {
            return state.open().map(|()| None);
        }
        if from <= state.recent.floor {
            return Err(Error::Compacted { asked: from - 1, oldest: state.recent.floor });
        }
        let mut matching =
            state.recent.after(from - 1).filter(|event| event.key().starts_with(&*watcher.prefix));
        let events: Vec<Event> = matching.by_ref().take(WATCH_BATCH).cloned().collect();
        watcher.set_pending(matching.next().map_or(0, Event::revision));
        Ok(Some(events))
    }

    pub(super) fn progress(&self, watcher: &Watcher) -> Revision {
        let state = self.read();
        match watcher.pending() {
            0 => state.revision,
            pending => pending - 1,
        }
    }

    /// Ends every read and watch from now on.
    pub(super) fn close(&self) {
        let mut state = self.write();
        state.closed = true;
        for watcher in &state.watchers {
            watcher.wake.notify_one();
        }
    }
}

impl State {
    fn open(&self) -> Result<(), Error> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    fn readable(&self, at: Revision) -> Result<(), Error> {
        if at > self.revision {
            Err(Error::Future { asked: at, current: self.revision })
        } else if at < self.recent.floor {
            Err(Error::Compacted { asked: at, oldest: self.recent.floor })
        } else {
            Ok(())
        }
    }

    fn current(&self, key: &str) -> Option<KeyValue> {
        self.live.get_key_value(key).map(|(key, entry)| entry.to_key_value(key))
    }

    /// The keys changed after `at`, each with what it was then.
    fn undone(
        &self,
        prefix: &str,
        after: Option<&str>,
        at: Revision,
    ) -> BTreeMap<&Arc<str>, Option<&KeyValue>> {
        let mut undone = BTreeMap::new();
        for event in self.recent.after(at) {
            let key = event.key();
            if key.starts_with(prefix) && after.is_none_or(|after| &**key > after) {
                undone.entry(key).or_insert(replaced(event));
            }
        }
        undone
    }

    fn apply(&mut self, event: Event) {
        debug_assert_eq!(event.revision(), self.revision + 1, "revisions have no gaps");
        self.revision = event.revision();
        if let Some(previous) = replaced(&event) {
            self.live_bytes -= size(&previous.key, &previous.value);
        }
        match &event {
            Event::Put { current, .. } => {
                self.live_bytes += size(&current.key, &current.value);
                let entry = Entry { value: current.value.clone(), revision: current.revision };
                self.live.insert(current.key.clone(), entry);
            }
            Event::Delete { previous, .. } => {
                self.live.remove(&previous.key);
            }
        }
        for watcher in &self.watchers {
            if event.key().starts_with(&*watcher.prefix) && watcher.pending() == 0 {
                watcher.set_pending(event.revision());
                watcher.wake.notify_one();
            }
        }
        self.recent.push(event, self.live_bytes);
    }
}

impl Recent {
    /// Events after a revision that is not below the floor.
    fn after(&self, revision: Revision) -> impl Iterator<Item = &Event> {
        let skip = usize::try_from(revision - self.floor).unwrap_or(usize::MAX).min(self.events.len());
        self.events.range(skip..)
    }

    fn push(&mut self, event: Event, live_bytes: u64) {
        self.superseded += replaced(&event).map_or(0, |kv| kv.value.len());
        self.events.push_back(event);
        let bytes = self.bounds.bytes.max(usize::try_from(live_bytes / 4).unwrap_or(usize::MAX));
        while self.events.len() > self.bounds.events || self.superseded > bytes {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.floor = event.revision();
            self.superseded -= replaced(&event).map_or(0, |kv| kv.value.len());
        }
    }
}

impl Entry {
    fn to_key_value(&self, key: &Arc<str>) -> KeyValue {
        KeyValue { key: key.clone(), value: self.value.clone(), revision: self.revision }
    }
}

fn size(key: &str, value: &Bytes) -> u64 {
    (key.len() + value.len()) as u64
}

/// What the event replaced.
fn replaced(event: &Event) -> Option<&KeyValue> {
    match event {
        Event::Put { previous, .. } => previous.as_ref(),
        Event::Delete { previous, .. } => Some(previous),
    }
}

/// What the event's key is after it.
fn after_event(event: &Event) -> Option<KeyValue> {
    match event {
        Event::Put { current, .. } => Some(current.clone()),
        Event::Delete { .. } => None,
    }
}

/// The event a write makes at `revision` given the key's current value.
fn decide(write: Write, current: Option<KeyValue>, revision: Revision) -> Result<Event, Error> {
    let Write { key, change } = write;
    let expect = match &change {
        Change::Put { expect, .. } => *expect,
        Change::Delete { expected } => Expect::Revision(*expected),
    };
    match (change, current, expect) {
        (Change::Put { value, .. }, None, Expect::Absent) => {
            Ok(Event::Put { current: KeyValue { key, value, revision }, previous: None })
        }
        (Change::Put { value, .. }, Some(previous), Expect::Revision(expected))
            if previous.revision == expected =>
        {
            let current = KeyValue { key: previous.key.clone(), value, revision };
            Ok(Event::Put { current, previous: Some(previous) })
        }
        (Change::Delete { expected }, Some(previous), _) if previous.revision == expected => {
            Ok(Event::Delete { revision, previous })
        }
        (_, current, _) => Err(Error::Unexpected { key, current }),
    }
}

struct Item<'a> {
    key: &'a Arc<str>,
    value: &'a Bytes,
    revision: Revision,
}

fn page<'a>(mut items: impl Iterator<Item = Item<'a>>, limit: usize, revision: Revision) -> Page {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let taken = items
        .by_ref()
        .take(limit)
        .map(|item| KeyValue { key: item.key.clone(), value: item.value.clone(), revision: item.revision })
        .collect();
    Page { items: taken, revision, remaining: items.count() }
}

/// Two iterators in key order as one.
fn merge<'a>(
    left: impl Iterator<Item = Item<'a>>,
    right: impl Iterator<Item = Item<'a>>,
) -> impl Iterator<Item = Item<'a>> {
    let mut left = left.peekable();
    let mut right = right.peekable();
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(l), Some(r)) if r.key < l.key => right.next(),
        (None, _) => right.next(),
        _ => left.next(),
    })
}
