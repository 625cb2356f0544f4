//! One watch on the whole store feeds the caches of all resources.
//!
//! One watch instead of one per resource: its progress is the progress of every cache, so a consistent
//! read of a quiet resource does not have to wait for a write to it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use machinery::{Cause, Reason, Status};
use runtime::Shutdown;
use store::{Event, Revision, Store};
use tokio::sync::watch;

use super::cache::Cache;
use super::{ROOT, failure};

/// How long a read waits for the cache to see a revision.
const FRESHNESS_WAIT: Duration = Duration::from_secs(3);

/// The caches by key prefix.
#[derive(Debug)]
pub(crate) struct Hub {
    // Held for a lookup or an insertion, never across an await.
    caches: RwLock<BTreeMap<String, Arc<Cache>>>,
    revision: watch::Sender<Revision>,
    floor: Revision,
}

impl Hub {
    /// Loads everything stored and returns the caches with the revision they are at.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, store::Error> {
        let page = store.list(ROOT, None, 0, None).await?;
        let hub = Self {
            caches: RwLock::default(),
            revision: watch::Sender::new(page.revision),
            floor: page.revision,
        };
        for item in page.items {
            hub.of_key(&item.key).load(item);
        }
        Ok(hub)
    }

    /// Follows the store until shutdown. Returns early when the store ends the watch for good.
    pub(crate) async fn follow(&self, store: &dyn Store, shutdown: &Shutdown) {
        let start = self.revision();
        let mut events = match store.watch(ROOT, start).await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%error, "cannot watch the store");
                return;
            }
        };
        loop {
            let batch = tokio::select! {
                () = shutdown.requested() => return,
                batch = events.next() => batch,
            };
            match batch {
                Ok(batch) => self.apply(batch, events.progress()),
                Err(store::Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the watch on the store ended; reading everything again");
                    match self.reload(store).await {
                        Ok(again) => events = again,
                        Err(error) => {
                            tracing::error!(%error, "cannot watch the store");
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Reads everything again after changes were missed. Watches before that get a 410.
    async fn reload(&self, store: &dyn Store) -> Result<Box<dyn store::Watch>, store::Error> {
        let page = store.list(ROOT, None, 0, None).await?;
        let mut by_prefix: BTreeMap<String, Vec<store::KeyValue>> = BTreeMap::new();
        for item in page.items {
            by_prefix.entry(prefix_of(&item.key).to_owned()).or_default().push(item);
        }
        let known: Vec<String> =
            self.caches.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for prefix in known {
            by_prefix.entry(prefix).or_default();
        }
        for (prefix, items) in by_prefix {
            self.cache(&prefix).replace(items, page.revision);
        }
        self.revision.send_replace(page.revision);
        store.watch(ROOT, page.revision).await
    }

    fn apply(&self, batch: Vec<Event>, progress: Revision) {
        let mut newest = progress;
        let mut cache: Option<Arc<Cache>> = None;
        for event in batch {
            newest = newest.max(event.revision());
            if !cache.as_ref().is_some_and(|c| event.key().starts_with(c.prefix.as_str())) {
                cache = Some(self.of_key(event.key()));
            }
            if let Some(cache) = &cache {
                cache.apply(event);
            }
        }
        self.revision.send_if_modified(|seen| {
            let newer = newest > *seen;
            *seen = newest.max(*seen);
            newer
        });
    }

    fn of_key(&self, key: &str) -> Arc<Cache> {
        self.cache(prefix_of(key))
    }

    /// The cache of a prefix.
    pub(crate) fn cache(&self, prefix: &str) -> Arc<Cache> {
        if let Some(cache) = self.caches.read().unwrap_or_else(PoisonError::into_inner).get(prefix) {
            return Arc::clone(cache);
        }
        let mut caches = self.caches.write().unwrap_or_else(PoisonError::into_inner);
        let cache = caches
            .entry(prefix.to_owned())
            .or_insert_with(|| Arc::new(Cache::new(prefix.to_owned(), self.floor)));
        Arc::clone(cache)
    }

    /// The revision all caches have reached.
    pub(crate) fn revision(&self) -> Revision {
        *self.revision.borrow()
    }

    /// Waits until the caches have reached a revision.
    ///
    /// # Errors
    /// 504 when the revision does not come soon.
    pub(crate) async fn reach(&self, revision: Revision) -> Result<(), Status> {
        if self.revision() >= revision {
            return Ok(());
        }
        let mut seen = self.revision.subscribe();
        let reached = tokio::time::timeout(FRESHNESS_WAIT, seen.wait_for(|seen| *seen >= revision)).await;
        if matches!(reached, Ok(Ok(_))) { Ok(()) } else { Err(too_large(revision, self.revision())) }
    }

    /// Waits until the caches hold every write acknowledged before the call.
    pub(crate) async fn consistent(&self, store: &dyn Store) -> Result<Revision, Status> {
        let revision = store.revision().await.map_err(failure)?;
        self.reach(revision).await?;
        Ok(revision)
    }
}

/// `/registry/{group}/{plural}/` of a key: up to the fourth slash.
fn prefix_of(key: &str) -> &str {
    let end = key.match_indices('/').nth(3).map_or(key.len(), |(at, _)| at + 1);
    &key[..end]
}

/// 504: a revision that does not exist yet.
pub(crate) fn too_large(asked: Revision, current: Revision) -> Status {
    let mut status = Status::new(
        Reason::Timeout,
        format!("Timeout: Too large resource version: {asked}, current: {current}"),
    );
    let details = status.details.get_or_insert_default();
    details.retry_after_seconds = 1;
    details.causes.push(Cause {
        reason: "ResourceVersionTooLarge".into(),
        message: "Too large resource version".into(),
        field: String::new(),
    });
    status
}
