//! What every controller is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use api::Scope;
use api::cluster::Cluster;
use api::work::{Binding, Work};
use api::{Resource as _, naming};
use client::{Client, Resource};
use clock::{Clock, Ids};
use machinery::{GroupVersionResource, Object, ObjectKey, time};
use runtime::informer::InformerOptions;
use runtime::{Informer, Informers, Recorder, Shutdown};

pub(crate) use propagation::{BindingKey, TemplateKey, binding_id_label, policy_id_label};

use crate::fresh::Fresh;
use crate::interpretation::LiveInterpreter;
use crate::kinds::Kinds;
use crate::members::Members;
use crate::options::Options;

/// Shared by all controllers of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) informers: Informers,
    /// Kinds of the control plane.
    pub(crate) kinds: Kinds,
    pub(crate) interpreter: LiveInterpreter,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) members: Arc<dyn Members>,
    pub(crate) options: Arc<Options>,
    pub(crate) shutdown: Shutdown,
    pub(crate) shared: Arc<Shared>,
}

/// Caches that are made when the first controller asks for them.
#[derive(Default)]
pub(crate) struct Shared {
    works: OnceLock<Fresh>,
    clusters: OnceLock<Informer>,
    bindings: OnceLock<Fresh>,
    cluster_bindings: OnceLock<Fresh>,
    /// How often the informer of a resource has been ended because the resource was gone.
    ended: Mutex<BTreeMap<GroupVersionResource, u64>>,
}

/// How long the cache of a template's kind may take to be complete before templates are read one by one.
const SYNC_WAIT: Duration = Duration::from_secs(10);

/// The index of Works by the id of their binding.
pub(crate) const BY_BINDING: &str = "binding";

/// The index of bindings by the id of their policy.
pub(crate) const BY_POLICY: &str = "policy";

fn binding_ids(work: &Object) -> Vec<String> {
    [Scope::Namespaced, Scope::Cluster]
        .into_iter()
        .filter_map(|scope| work.label(binding_id_label(scope)).map(ToOwned::to_owned))
        .collect()
}

/// The ids of the policies that claim a template or binding, for an index.
pub(crate) fn policy_ids(object: &Object) -> Vec<String> {
    [Scope::Namespaced, Scope::Cluster]
        .into_iter()
        .filter_map(|scope| object.label(policy_id_label(scope)).filter(|id| !id.is_empty()))
        .map(ToOwned::to_owned)
        .collect()
}

impl Context {
    /// Works, of all members or of the only one there is here.
    pub(crate) fn works(&self) -> &Fresh {
        self.shared.works.get_or_init(|| {
            let informer = match self.members.only() {
                None => self.informers.get(&Work::gvr()),
                Some(cluster) => {
                    let namespace = naming::execution_namespace(cluster);
                    let options = InformerOptions { namespace, ..InformerOptions::default() };
                    Informer::start(self.client.clone(), &Work::gvr(), options, &self.shutdown)
                }
            };
            informer.add_index(BY_BINDING, binding_ids);
            Fresh::new(informer)
        })
    }

    /// Clusters, or the only one there is here.
    pub(crate) fn clusters(&self) -> &Informer {
        self.shared.clusters.get_or_init(|| match self.members.only() {
            None => self.informers.get(&Cluster::gvr()),
            Some(cluster) => {
                let fields = format!("metadata.name={cluster}");
                let options = InformerOptions { fields, ..InformerOptions::default() };
                Informer::start(self.client.clone(), &Cluster::gvr(), options, &self.shutdown)
            }
        })
    }

    /// A Cluster by name.
    pub(crate) fn cluster(&self, name: &str) -> Option<Arc<Object>> {
        self.clusters().get(&ObjectKey::new("", name))
    }

    /// Bindings of a scope.
    pub(crate) fn bindings(&self, scope: Scope) -> &Fresh {
        let cell = match scope {
            Scope::Namespaced => &self.shared.bindings,
            Scope::Cluster => &self.shared.cluster_bindings,
        };
        cell.get_or_init(|| {
            let informer = self.informers.get(&Binding::kind_of(scope).gvr());
            informer.add_index(BY_POLICY, policy_ids);
            Fresh::new(informer)
        })
    }

    /// Ends the informer over templates of a resource that is not served any more.
    pub(crate) fn end(&self, gvr: &GroupVersionResource) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner).entry(gvr.clone()).or_default() +=
            1;
        self.informers.stop(gvr);
    }

    /// How often the informer of a resource has been ended: a handler that was added before must be added
    /// again.
    pub(crate) fn times_ended(&self, gvr: &GroupVersionResource) -> u64 {
        let ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get(gvr).copied().unwrap_or_default()
    }

    /// Bindings of a scope, to write.
    pub(crate) fn binding_resource(&self, key: &BindingKey) -> Resource {
        self.client.resource(&Binding::kind_of(key.scope).gvr()).namespace(&key.key.namespace)
    }

    /// The Works of a member, to write.
    pub(crate) fn work_resource(&self, namespace: &str) -> Resource {
        self.client.resource(&Work::gvr()).namespace(namespace)
    }

    /// The current time as it stands in objects.
    pub(crate) fn now(&self) -> String {
        time::rfc3339(self.clock.now())
    }

    /// The template of a binding or Work, from the cache when it is there and new enough.
    pub(crate) async fn template(
        &self,
        reference: &TemplateKey,
        at_least: &str,
    ) -> Result<Option<Arc<Object>>, TemplateError> {
        let fail = |source| TemplateError::Read { template: reference.to_string(), source };
        let gvr = match self.kinds.gvr(&reference.kind).await {
            Ok(gvr) => gvr,
            Err(crate::kinds::Error::NotServed(_)) => return Ok(None),
            Err(source) => return Err(TemplateError::Kind { template: reference.to_string(), source }),
        };
        // A kind that has a binding is watched by the detector anyway.
        let informer = self.informers.get(&gvr);
        if !informer.is_synced() && informer.failure().is_none() {
            let _ = tokio::time::timeout(SYNC_WAIT, informer.wait_synced(&self.shutdown)).await;
        }
        if let Some(object) = informer.get(&reference.key)
            && !crate::fresh::is_older(object.resource_version(), at_least)
        {
            return Ok(Some(object));
        }
        let live = self.client.resource(&gvr).namespace(&reference.key.namespace);
        Ok(live.find(&reference.key.name).await.map_err(fail)?.map(Arc::new))
    }
}

/// Why a template could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    /// The control plane could not say how the kind is served.
    #[error("could not find the resource of {template}")]
    Kind {
        /// The template.
        template: String,
        /// Why.
        source: crate::kinds::Error,
    },
    /// The template could not be read.
    #[error("could not read {template}")]
    Read {
        /// The template.
        template: String,
        /// Why.
        source: client::Error,
    },
}
