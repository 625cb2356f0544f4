//! Informers: a cached, always current copy of one resource of one API server.
//!
//! ```text
//!   listing ── complete list ──▶ watching ── stream ends ──▶ watching (from the last version)
//!      ▲  │                          │
//!      │  └─ failed: wait, doubling  └─ version too old (410) ──▶ listing
//! ```
//!
//! An object leaves the cache only when the server said so: by a DELETED event, or by a complete list
//! without it. A failed or partial list changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use client::{Client, ListOptions, WatchEvent, WatchOptions};
use machinery::{GroupVersionResource, Object, ObjectKey};
use tokio::sync::watch;

use crate::{Backoff, Shutdown, spawn};

/// Objects per page of the first list. The same as client-go's.
const PAGE_LEN: u32 = 500;

/// First and longest wait after a failed list or watch.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The server is asked to end a watch after this time, so that a dead connection is noticed.
const WATCH_SECS: u32 = 290;

/// A change of the cache.
#[derive(Debug, Clone)]
pub enum Change {
    /// The object was not in the cache.
    Added {
        /// The object.
        object: Arc<Object>,
        /// Whether it was there when the informer started (or the handler was added).
        initial: bool,
    },
    /// The object has a new version.
    Modified {
        /// The version before.
        old: Arc<Object>,
        /// The new version.
        new: Arc<Object>,
    },
    /// The object is gone.
    Deleted {
        /// The last version known.
        object: Arc<Object>,
    },
}

impl Change {
    /// The object as it is now, or as it last was.
    pub fn object(&self) -> &Arc<Object> {
        match self {
            Self::Added { object, .. } | Self::Deleted { object } => object,
            Self::Modified { new, .. } => new,
        }
    }

    /// The version before, for a modification.
    pub fn old(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Modified { old, .. } => Some(old),
            _ => None,
        }
    }

    /// Whether the object is gone.
    pub fn is_deleted(&self) -> bool {
        matches!(self, Self::Deleted { .. })
    }

    /// Whether the object was there from the start.
    pub fn is_initial(&self) -> bool {
        matches!(self, Self::Added { initial: true, .. })
    }
}

type Handler = Arc<dyn Fn(&Change) + Send + Sync>;

/// Computes the values under which an index finds an object.
pub type IndexFn = fn(&Object) -> Vec<String>;

/// What an informer holds.
#[derive(Debug, Clone)]
pub struct InformerOptions {
    /// Only objects of this namespace; empty for all.
    pub namespace: String,
    /// Label selector in its text form; empty for all.
    pub labels: String,
    /// Field selector in its text form; empty for all.
    pub fields: String,
    /// Changes every object before it is kept, to drop what nobody reads.
    pub transform: fn(&mut Object),
}

impl Default for InformerOptions {
    /// All objects, without their managed fields.
    fn default() -> Self {
        Self {
            namespace: String::new(),
            labels: String::new(),
            fields: String::new(),
            transform: |object| {
                object.metadata_mut().remove("managedFields");
            },
        }
    }
}

/// A running informer. Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct Informer {
    inner: Arc<Inner>,
}

struct Inner {
    gvr: GroupVersionResource,
    options: InformerOptions,
    /// Readers never wait for the network: the lock is held for map operations only.
    state: RwLock<State>,
    synced: watch::Sender<bool>,
    failure: Mutex<Option<String>>,
    stop: Shutdown,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    indices: BTreeMap<&'static str, Index>,
    handlers: Vec<Handler>,
}

struct Index {
    values: IndexFn,
    keys: BTreeMap<String, BTreeSet<ObjectKey>>,
}

impl Index {
    fn insert(&mut self, object: &Object) {
        for value in (self.values)(object) {
            self.keys.entry(value).or_default().insert(object.key());
        }
    }

    fn remove(&mut self, object: &Object) {
        for value in (self.values)(object) {
            if let Some(keys) = self.keys.get_mut(&value) {
                keys.remove(&object.key());
                if keys.is_empty() {
                    self.keys.remove(&value);
                }
            }
        }
    }
}

impl State {
    fn put(&mut self, object: &Arc<Object>) -> Option<Arc<Object>> {
        let old = self.objects.insert(object.key(), Arc::clone(object));
        for index in self.indices.values_mut() {
            if let Some(old) = &old {
                index.remove(old);
            }
            index.insert(object);
        }
        old
    }

    fn take(&mut self, key: &ObjectKey) -> Option<Arc<Object>> {
        let old = self.objects.remove(key)?;
        for index in self.indices.values_mut() {
            index.remove(&old);
        }
        Some(old)
    }
}

impl Informer {
    /// Starts an informer. It ends with `shutdown` or [`Informer::stop`].
    pub fn start(
        client: Client,
        gvr: &GroupVersionResource,
        options: InformerOptions,
        shutdown: &Shutdown,
    ) -> Self {
        let inner = Arc::new(Inner {
            gvr: gvr.clone(),
            options,
            state: RwLock::default(),
            synced: watch::Sender::new(false),
            failure: Mutex::new(None),
            stop: shutdown.child(),
        });
        let informer = Self { inner };
        let running = informer.clone();
        spawn("informer", async move {
            let stop = running.inner.stop.clone();
            stop.or(running.follow(client)).await;
        });
        informer
    }

    /// Group, version and plural name of what is cached.
    pub fn gvr(&self) -> &GroupVersionResource {
        &self.inner.gvr
    }

    /// Ends the informer. The cache stays readable as it was.
    pub fn stop(&self) {
        self.inner.stop.request();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.inner.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the cache has been complete once.
    pub fn is_synced(&self) -> bool {
        *self.inner.synced.borrow()
    }

    /// Waits until the cache has been complete once. Returns `false` if shutdown came first.
    pub async fn wait_synced(&self, shutdown: &Shutdown) -> bool {
        let mut synced = self.inner.synced.subscribe();
        matches!(shutdown.or(synced.wait_for(|synced| *synced)).await, Some(Ok(_)))
    }

    /// Why the last list or watch failed, when it did.
    pub fn failure(&self) -> Option<String> {
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls `handler` for every object there is and for every later change, in the informer's task:
    /// it must not block. An object that changes while the handler is being added may be reported
    /// twice, the older state last; handlers that put keys on a queue need not care.
    pub fn on_change(&self, handler: impl Fn(&Change) + Send + Sync + 'static) {
        let handler: Handler = Arc::new(handler);
        let present: Vec<Arc<Object>> = {
            let mut state = self.write();
            state.handlers.push(Arc::clone(&handler));
            state.objects.values().cloned().collect()
        };
        for object in present {
            handler(&Change::Added { object, initial: true });
        }
    }

    /// Makes objects findable by computed values under a name. Adding the same name twice is harmless.
    pub fn add_index(&self, name: &'static str, values: IndexFn) {
        let mut state = self.write();
        if state.indices.contains_key(name) {
            return;
        }
        let mut index = Index { values, keys: BTreeMap::new() };
        for object in state.objects.values() {
            index.insert(object);
        }
        state.indices.insert(name, index);
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.read().objects.get(key).cloned()
    }

    /// All objects, by namespace and name.
    pub fn list(&self) -> Vec<Arc<Object>> {
        self.read().objects.values().cloned().collect()
    }

    /// The objects of one namespace, by name.
    pub fn list_in(&self, namespace: &str) -> Vec<Arc<Object>> {
        let state = self.read();
        let from = ObjectKey::new(namespace, "");
        state
            .objects
            .range(from..)
            .take_while(|(k, _)| k.namespace == namespace)
            .map(|(_, o)| Arc::clone(o))
            .collect()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.read().objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects that an index has under a value; none for an unknown index.
    pub fn by_index(&self, index: &str, value: &str) -> Vec<Arc<Object>> {
        let state = self.read();
        let keys = state.indices.get(index).and_then(|i| i.keys.get(value));
        keys.into_iter().flatten().filter_map(|key| state.objects.get(key).cloned()).collect()
    }

    fn report(&self, change: &Change) {
        // Handlers run without the lock, so that they may read the cache.
        let handlers = self.read().handlers.clone();
        for handler in handlers {
            handler(change);
        }
    }

    fn stored(&self, mut object: Object) {
        (self.inner.options.transform)(&mut object);
        let object = Arc::new(object);
        let old = self.write().put(&object);
        match old {
            None => self.report(&Change::Added { object, initial: !self.is_synced() }),
            Some(old) if old.resource_version() == object.resource_version() => {}
            Some(old) => self.report(&Change::Modified { old, new: object }),
        }
    }

    fn deleted(&self, object: &Object) {
        // The event carries the last state; its version is the deletion's, which nothing compares.
        let known = self.write().take(&object.key());
        if let Some(object) = known {
            self.report(&Change::Deleted { object });
        }
    }

    /// Puts a complete list in the place of the cache.
    fn replace(&self, items: Vec<Object>) {
        let listed: BTreeSet<ObjectKey> = items.iter().map(Object::key).collect();
        let gone: Vec<Arc<Object>> = {
            let mut state = self.write();
            let keys: Vec<ObjectKey> =
                state.objects.keys().filter(|k| !listed.contains(k)).cloned().collect();
            keys.iter().filter_map(|key| state.take(key)).collect()
        };
        for object in gone {
            self.report(&Change::Deleted { object });
        }
        for object in items {
            self.stored(object);
        }
        self.inner.synced.send_replace(true);
    }

    fn note(&self, failure: Option<String>) {
        *self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    async fn follow(&self, client: Client) {
        let resource = client.resource(&self.inner.gvr).namespace(&self.inner.options.namespace);
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX, clock::Random::system());
        let mut version: Option<String> = None;
        loop {
            let result = match &mut version {
                None => self.list_anew(&resource).await.map(|listed| version = Some(listed)),
                Some(version) => self.watch_from(&resource, version).await,
            };
            match result {
                Ok(()) => {
                    self.note(None);
                    backoff.reset();
                }
                Err(error) if error.is_expired() => version = None,
                Err(error) => {
                    // A watch that cannot be opened because the resource has gone may come back with
                    // other objects; only a list can tell.
                    if error.is_not_found() {
                        version = None;
                    }
                    let text = error.chain();
                    tracing::debug!(gvr = %self.inner.gvr, error = text, "list or watch failed, will try again");
                    self.note(Some(text));
                    tokio::time::sleep(backoff.wait()).await;
                }
            }
        }
    }

    async fn list_anew(&self, resource: &client::Resource) -> Result<String, client::Error> {
        let options = &self.inner.options;
        let mut wanted = ListOptions {
            labels: options.labels.clone(),
            fields: options.fields.clone(),
            limit: PAGE_LEN,
            ..ListOptions::default()
        };
        let list = match resource.list_all(&wanted).await {
            // The pages outlived the server's history: take everything at once.
            Err(error) if error.is_expired() => {
                wanted.limit = 0;
                resource.list_all(&wanted).await?
            }
            result => result?,
        };
        self.replace(list.items);
        Ok(list.resource_version)
    }

    /// Follows changes until the server ends the watch; `version` moves along.
    async fn watch_from(
        &self,
        resource: &client::Resource,
        version: &mut String,
    ) -> Result<(), client::Error> {
        let options = &self.inner.options;
        let wanted = WatchOptions {
            labels: options.labels.clone(),
            fields: options.fields.clone(),
            resource_version: version.clone(),
            timeout_secs: WATCH_SECS,
        };
        let mut events = resource.watch(&wanted).await?;
        while let Some(event) = events.next().await {
            match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    object.resource_version().clone_into(version);
                    self.stored(object);
                }
                WatchEvent::Deleted(object) => {
                    object.resource_version().clone_into(version);
                    self.deleted(&object);
                }
                WatchEvent::Bookmark { resource_version } => *version = resource_version,
                WatchEvent::Failed(status) => {
                    let what = format!("watch {}", self.inner.gvr.qualified());
                    return Err(client::Error::Api { what, source: status });
                }
            }
        }
        Ok(())
    }
}

/// The informers of one API server, shared by every part in the process that looks at it.
#[derive(Clone)]
pub struct Informers {
    shared: Arc<SharedInformers>,
}

struct SharedInformers {
    client: Client,
    shutdown: Shutdown,
    running: Mutex<BTreeMap<GroupVersionResource, Informer>>,
}

impl Informers {
    /// No informers yet; they start when first asked for and end with `shutdown`.
    pub fn new(client: Client, shutdown: &Shutdown) -> Self {
        Self {
            shared: Arc::new(SharedInformers {
                client,
                shutdown: shutdown.child(),
                running: Mutex::default(),
            }),
        }
    }

    /// The client that the informers use.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// The informer over all objects of a resource, started when there is none yet.
    pub fn get(&self, gvr: &GroupVersionResource) -> Informer {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(informer) = running.get(gvr) {
            return informer.clone();
        }
        let client = self.shared.client.clone();
        let informer = Informer::start(client, gvr, InformerOptions::default(), &self.shared.shutdown);
        running.insert(gvr.clone(), informer.clone());
        informer
    }

    /// The informer over all objects of a resource, when it runs.
    pub fn running(&self, gvr: &GroupVersionResource) -> Option<Informer> {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).get(gvr).cloned()
    }

    /// Ends the informer of a resource, for example because its CRD is gone.
    pub fn stop(&self, gvr: &GroupVersionResource) {
        let stopped = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).remove(gvr);
        if let Some(informer) = stopped {
            informer.stop();
        }
    }

    /// Ends all of them, for example because the member has left.
    pub fn stop_all(&self) {
        self.shared.shutdown.request();
    }
}
