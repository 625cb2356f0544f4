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

/// What the watch is on: also keys that are not ours, because their writes move the store's revision,
/// which consistent reads wait for.
const EVERYTHING: &str = "";

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
        let mut events = match store.watch(EVERYTHING, start).await {
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
        store.watch(EVERYTHING, page.revision).await
    }

    fn apply(&self, batch: Vec<Event>, progress: Revision) {
        let mut newest = progress;
        let mut cache: Option<Arc<Cache>> = None;
        for event in batch {
            newest = newest.max(event.revision());
            if !event.key().starts_with(ROOT) {
                continue;
            }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use store::Expect;
    use store::embedded::Engine;

    use super::*;

    const KEY: &str = "/registry/core/configmaps/default/a";

    #[tokio::test]
    async fn after_missed_changes_the_content_is_right_and_old_watches_are_told_to_start_over() {
        let store = Engine::memory();
        store.put(KEY, Bytes::from("1"), Expect::Absent).await.unwrap();
        let hub = Hub::load(&store).await.unwrap();
        let seen = hub.revision();
        let other =
            store.put("/registry/core/secrets/default/b", Bytes::from("2"), Expect::Absent).await.unwrap();
        store.delete(KEY, seen).await.unwrap();
        hub.reload(&store).await.unwrap();
        let maps = hub.cache("/registry/core/configmaps/");
        assert!(maps.get(KEY).is_none());
        assert!(maps.changes(seen, 10).is_err());
        assert_eq!(
            hub.cache("/registry/core/secrets/").get("/registry/core/secrets/default/b").unwrap().revision,
            other
        );
        assert_eq!(hub.revision(), store.revision().await.unwrap());
    }

    #[tokio::test]
    async fn the_cache_follows_the_store() {
        let store = Engine::memory();
        let hub = Hub::load(&store).await.unwrap();
        let shutdown = Shutdown::new();
        let story = async {
            let first = store.put(KEY, Bytes::from("1"), Expect::Absent).await.unwrap();
            store.put(KEY, Bytes::from("2"), Expect::Revision(first)).await.unwrap();
            let revision = hub.consistent(&store).await.unwrap();
            let cache = hub.cache("/registry/core/configmaps/");
            assert_eq!(cache.get(KEY).unwrap().bytes, "2");
            let changes = cache.changes(0, 10).unwrap();
            assert_eq!(changes.len(), 2);
            assert_eq!(changes[1].previous.as_ref().unwrap().bytes, "1");
            assert_eq!(cache.changes(revision, 10).unwrap().len(), 0);
            store.put("/elsewhere", Bytes::from("3"), Expect::Absent).await.unwrap();
            assert_eq!(
                hub.consistent(&store).await.unwrap(),
                revision + 1,
                "keys of others do not hold us up"
            );
            shutdown.request();
        };
        tokio::join!(hub.follow(&store, &shutdown), story);
    }
}
