//! What every request shares, and what one request is.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use clock::{Clock, Ids, Random};
use http::HeaderMap;
use machinery::{Object, Status};
use runtime::Shutdown;
use store::Store;
use tokio::sync::Semaphore;

use crate::Options;
use crate::admission::Chain;
use crate::allocate::Allocator;
use crate::auth::authenticate::Authenticator;
use crate::auth::authorize::Authorizer;
use crate::auth::user::User;
use crate::connect::Connector;
use crate::http::negotiate::Accepted;
use crate::http::query::Query;
use crate::metrics::Metrics;
use crate::path::Target;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::storage::cache::Cache;
use crate::storage::hub::Hub;
use crate::storage::prefix;

/// The parts of a running server.
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) ids: Ids,
    pub(crate) hub: Hub,
    pub(crate) registry: ArcSwap<Registry>,
    pub(crate) builtin: Vec<Arc<Resource>>,
    pub(crate) admission: Chain,
    pub(crate) authenticator: Authenticator,
    pub(crate) authorizer: Authorizer,
    pub(crate) allocator: Allocator,
    pub(crate) connectors: Vec<Connector>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
    pub(crate) ready: AtomicBool,
    /// History before this revision was forgotten because of its age.
    pub(crate) forgotten: AtomicU64,
    /// Places for requests from outside; watches do not count.
    pub(crate) places: Semaphore,
}

impl Core {
    /// The current time as objects carry it: RFC 3339, whole seconds.
    pub(crate) fn now_text(&self) -> String {
        machinery::time::rfc3339(self.clock.now())
    }

    /// Whether a built-in resource is served.
    pub(crate) fn serves(&self, group: &str, plural: &str) -> bool {
        self.builtin.iter().any(|resource| resource.is(group, plural))
    }

    /// The cache of a resource, whether or not it is served.
    pub(crate) fn cache(&self, group: &str, plural: &str) -> Arc<Cache> {
        self.hub.cache(&prefix(group, plural))
    }

    /// One object out of the cache, in its stored version.
    pub(crate) fn cached(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Object> {
        let cache = self.cache(group, plural);
        let entry = cache.get(&crate::storage::key(&cache.prefix, namespace, name))?;
        crate::storage::codec::decode(&entry.bytes, entry.revision).ok()
    }

    /// All objects of a namespace out of the cache, in their stored version.
    pub(crate) fn cached_in(&self, group: &str, plural: &str, namespace: &str) -> Vec<Object> {
        let cache = self.cache(group, plural);
        let (entries, _) = cache.list(&crate::storage::key(&cache.prefix, namespace, ""), None);
        entries.iter().filter_map(|e| crate::storage::codec::decode(&e.bytes, e.revision).ok()).collect()
    }

    /// One object out of the store, in its stored version.
    pub(crate) async fn stored(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Status> {
        let key = crate::storage::key(&prefix(group, plural), namespace, name);
        let found = self.store.get(&key).await.map_err(crate::storage::failure)?;
        found.map(|kv| crate::storage::codec::decode(&kv.value, kv.revision)).transpose()
    }
}

/// Texts for `Warning` headers, gathered while a request is worked on.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Vec<String>>);

impl Warnings {
    /// Adds a warning unless it was given before.
    pub(crate) fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }

    /// All warnings so far.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request about a resource.
pub(crate) struct Context {
    pub(crate) core: Arc<Core>,
    pub(crate) user: Arc<User>,
    pub(crate) target: Target,
    pub(crate) resource: Arc<Resource>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) accepted: Accepted,
    pub(crate) warnings: Warnings,
}

impl Context {
    /// The request's `User-Agent`, empty when absent.
    pub(crate) fn user_agent(&self) -> &str {
        self.headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// The namespace of the objects meant; empty for cluster-scoped resources.
    pub(crate) fn namespace(&self) -> &str {
        if self.resource.namespaced { &self.target.namespace } else { "" }
    }

    /// Key of the object meant.
    pub(crate) fn key(&self) -> String {
        self.resource.key(self.namespace(), &self.target.name)
    }

    /// 404 for the object meant.
    pub(crate) fn not_found(&self) -> Status {
        Status::not_found(&self.resource.gvr, &self.target.name)
    }
}
