//! All override policies, parsed once per change.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use api::Resource as _;
use api::Scope;
use api::cluster::Cluster;
use api::policy::Override;
use machinery::{Object, ObjectKey};
use overrides::Applied;
use runtime::{Change, Informer};

use crate::context::Context;

/// Policies by scope, namespace and name. Held for map operations only.
type Parsed = Arc<RwLock<BTreeMap<(Scope, ObjectKey), Arc<Override>>>>;

/// The override policies of the control plane.
#[derive(Clone)]
pub(crate) struct OverridesCache {
    informers: [Informer; 2],
    parsed: Parsed,
}

impl OverridesCache {
    /// Follows the override policies and calls `changed` with the old and the new state of each that changes.
    pub(crate) fn new(
        context: &Context,
        changed: impl Fn(Option<&Override>, Option<&Override>) + Clone + Send + Sync + 'static,
    ) -> Self {
        let parsed = Parsed::default();
        let informers = [Scope::Cluster, Scope::Namespaced].map(|scope| {
            let informer = context.informers.get(&Override::kind_of(scope).gvr());
            let (kept, changed) = (Arc::clone(&parsed), changed.clone());
            informer.on_change(move |change: &Change| {
                let object = change.object();
                let new = if change.is_deleted() { None } else { parse(scope, object) };
                let old = {
                    let mut kept = kept.write().unwrap_or_else(PoisonError::into_inner);
                    match &new {
                        Some(new) => kept.insert((scope, object.key()), Arc::clone(new)),
                        None => kept.remove(&(scope, object.key())),
                    }
                };
                let is_same = match (&old, &new) {
                    (Some(old), Some(new)) => old.spec == new.spec,
                    _ => false,
                };
                if !is_same {
                    changed(old.as_deref(), new.as_deref());
                }
            });
            informer
        });
        Self { informers, parsed }
    }

    /// Waits until all policies are known. `false` when shutdown came first.
    pub(crate) async fn wait_synced(&self, context: &Context) -> bool {
        for informer in &self.informers {
            if !informer.wait_synced(&context.shutdown).await {
                return false;
            }
        }
        true
    }

    /// Changes a manifest for a cluster by the policies that select it.
    pub(crate) fn apply(&self, manifest: &mut Object, cluster: &Object) -> Result<Applied, overrides::Error> {
        let (cluster_policies, policies) = self.for_object(manifest);
        if cluster_policies.is_empty() && policies.is_empty() {
            return Ok(Applied::default());
        }
        // A Cluster that does not fit its type still has a name, which is what most rules look at.
        let cluster = Cluster::from_object(cluster).unwrap_or_else(|_| Cluster::named("", cluster.name()));
        overrides::apply(
            manifest,
            &cluster,
            cluster_policies.iter().map(Arc::as_ref),
            policies.iter().map(Arc::as_ref),
        )
    }

    /// [`OverridesCache::apply`] by ClusterOverridePolicies alone.
    pub(crate) fn apply_cluster_policies(
        &self,
        manifest: &mut Object,
        cluster: &Object,
    ) -> Result<Applied, overrides::Error> {
        let (cluster_policies, _) = self.for_object(manifest);
        if cluster_policies.is_empty() {
            return Ok(Applied::default());
        }
        let cluster = Cluster::from_object(cluster).unwrap_or_else(|_| Cluster::named("", cluster.name()));
        overrides::apply(manifest, &cluster, cluster_policies.iter().map(Arc::as_ref), [])
    }

    fn for_object(&self, object: &Object) -> (Vec<Arc<Override>>, Vec<Arc<Override>>) {
        let parsed = self.parsed.read().unwrap_or_else(PoisonError::into_inner);
        let in_namespace = |scope: Scope, namespace: &str| {
            let from = (scope, ObjectKey::new(namespace, ""));
            let range = parsed.range(from..);
            let namespace = namespace.to_owned();
            range
                .take_while(move |((s, key), _)| *s == scope && key.namespace == namespace)
                .map(|(_, policy)| Arc::clone(policy))
                .collect::<Vec<_>>()
        };
        let cluster_policies = in_namespace(Scope::Cluster, "");
        let policies = match object.namespace() {
            "" => Vec::new(),
            namespace => in_namespace(Scope::Namespaced, namespace),
        };
        (cluster_policies, policies)
    }
}

fn parse(scope: Scope, object: &Object) -> Option<Arc<Override>> {
    match Override::from_object(object) {
        Ok(policy) => Some(Arc::new(policy)),
        Err(error) => {
            let kind = Override::kind_of(scope).kind;
            tracing::warn!(kind, policy = %object.key(), error = runtime::queue::chain(&error), "policy cannot be read");
            None
        }
    }
}
