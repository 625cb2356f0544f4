//! What we have just written, until the informer shows it too.
//!
//! An informer lags behind our own writes. A reconcile that runs again in between would decide on the
//! state before the write and write once more. [`Fresh::latest`] gives the newer of both. Everything in
//! here may be lost: the worst that follows is a write that changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use machinery::{Object, ObjectKey};
use runtime::{Change, Informer};
use tokio::time::Instant;

/// How long a write is remembered. An informer that is further behind is broken, and an object that was
/// deleted between the write and its answer must not look alive for ever.
const REMEMBERED: Duration = Duration::from_secs(5);

struct Written {
    object: Arc<Object>,
    at: Instant,
}

type WrittenObjects = BTreeMap<ObjectKey, Written>;

/// The newest known states of the objects of one informer.
#[derive(Clone)]
pub(crate) struct Fresh {
    informer: Informer,
    /// Held for map operations only.
    written: Arc<Mutex<WrittenObjects>>,
}

/// Whether `a` is an older state than `b`. Versions are compared as numbers, as etcd counts them.
pub(crate) fn is_older(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}

impl Fresh {
    /// Follows an informer.
    pub(crate) fn new(informer: Informer) -> Self {
        let fresh = Self { informer, written: Arc::default() };
        let written = Arc::clone(&fresh.written);
        fresh.informer.on_change(move |change: &Change| {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = change.object();
            let known = written.get(&seen.key()).map(|w| w.object.resource_version().to_owned());
            if known.is_some_and(|known| change.is_deleted() || !is_older(seen.resource_version(), &known)) {
                written.remove(&seen.key());
            }
        });
        fresh
    }

    fn written(&self) -> MutexGuard<'_, WrittenObjects> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The informer.
    pub(crate) fn informer(&self) -> &Informer {
        &self.informer
    }

    /// The newest known state of an object.
    pub(crate) fn latest(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        let cached = self.informer.get(key);
        let mut all = self.written();
        let Some(written) = all.get(key) else { return cached };
        let is_ahead = written.at.elapsed() < REMEMBERED
            && cached
                .as_ref()
                .is_none_or(|cached| is_older(cached.resource_version(), written.object.resource_version()));
        if is_ahead {
            return Some(Arc::clone(&written.object));
        }
        all.remove(key);
        cached
    }

    /// Notes the state that a write has returned.
    pub(crate) fn wrote(&self, object: Object) -> Arc<Object> {
        let key = object.key();
        let object = Arc::new(object);
        let cached = self.informer.get(&key);
        let is_ahead =
            cached.is_none_or(|cached| is_older(cached.resource_version(), object.resource_version()));
        if is_ahead {
            self.written().insert(key, Written { object: Arc::clone(&object), at: Instant::now() });
        }
        object
    }

    /// Objects that the informer does not show at all yet.
    pub(crate) fn unseen(&self, is_wanted: impl Fn(&Object) -> bool) -> Vec<Arc<Object>> {
        let written = self.written();
        let recent = written.values().filter(|w| w.at.elapsed() < REMEMBERED && is_wanted(&w.object));
        recent
            .filter(|w| self.informer.get(&w.object.key()).is_none())
            .map(|w| Arc::clone(&w.object))
            .collect()
    }

    /// Forgets an object that turned out not to be as noted.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.written().remove(key);
    }
}
