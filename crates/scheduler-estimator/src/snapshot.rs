//! What is left of the member, kept current change by change.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use estimation::{Assumed, Component, Nodes, Quota, quota};
use machinery::{Object, ObjectKey};
use runtime::Change;
use serde_json::{Map, Value};

use crate::metrics::{Extension, timed};
use crate::plugins::{Opinion, Plugin};

/// Nodes with their pods, and quotas. Informers write, questions read.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// A plain lock: a question holds it for the milliseconds that its answer takes.
    nodes: RwLock<Nodes>,
    /// A plain lock: held for one pass over the quotas.
    quotas: RwLock<BTreeMap<ObjectKey, Quota>>,
}

impl Snapshot {
    fn nodes(&self) -> RwLockReadGuard<'_, Nodes> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes_mut(&self) -> RwLockWriteGuard<'_, Nodes> {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn quotas(&self) -> RwLockReadGuard<'_, BTreeMap<ObjectKey, Quota>> {
        self.quotas.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn follow_node(&self, change: &Change) {
        let node = change.object();
        match change.is_deleted() {
            true => self.nodes_mut().remove_node(node.name()),
            // A kubelet's heartbeat changes nothing that is looked at here.
            false if change.old().is_some_and(|old| matters(old) == matters(node)) => {}
            false => self.nodes_mut().set_node(node),
        }
    }

    pub(crate) fn follow_pod(&self, change: &Change) {
        let pod = change.object();
        match change.is_deleted() {
            true => self.nodes_mut().remove_pod(&pod.key()),
            // A pod that has no node and had none holds no place.
            false if node_of(pod).is_none() && change.old().is_none_or(|old| node_of(old).is_none()) => {}
            false => self.nodes_mut().set_pod(pod),
        }
    }

    pub(crate) fn follow_quota(&self, change: &Change) {
        let object = change.object();
        let mut quotas = self.quotas.write().unwrap_or_else(PoisonError::into_inner);
        match change.is_deleted() {
            true => quotas.remove(&object.key()),
            false => quotas.insert(object.key(), Quota::read(object)),
        };
    }

    /// Whether the cluster has no nodes at all: then nothing fits, whatever quotas say.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes().is_empty()
    }

    /// How many replicas fit the nodes.
    pub(crate) fn replicas_on_nodes(&self, replica: &Component, assumed: &[Assumed]) -> Opinion {
        timed(Plugin::NodeResource, Extension::Replicas, || {
            Opinion::of(self.nodes().max_replicas(replica, assumed))
        })
    }

    /// How many replicas fit the quotas of a namespace.
    pub(crate) fn replicas_in_quota(
        &self,
        namespace: &str,
        replica: &Component,
        assumed: &[Assumed],
    ) -> Opinion {
        timed(Plugin::ResourceQuota, Extension::Replicas, || {
            let quotas = self.quotas();
            let count = quota::max_replicas(quotas.values(), namespace, replica, assumed);
            count.map_or(Opinion::NoOperation, Opinion::of)
        })
    }

    /// How many complete sets fit the nodes.
    pub(crate) fn sets_on_nodes(&self, components: &[Component], assumed: &[Assumed]) -> Opinion {
        timed(Plugin::NodeResource, Extension::Components, || {
            Opinion::of(self.nodes().max_sets(components, assumed))
        })
    }

    /// How many complete sets fit the quotas of a namespace.
    pub(crate) fn sets_in_quota(
        &self,
        namespace: &str,
        components: &[Component],
        assumed: &[Assumed],
    ) -> Opinion {
        timed(Plugin::ResourceQuota, Extension::Components, || {
            let quotas = self.quotas();
            let count = quota::max_sets(quotas.values(), namespace, components, assumed);
            count.map_or(Opinion::NoOperation, Opinion::of)
        })
    }
}

fn node_of(pod: &Object) -> Option<&str> {
    pod.str_at("/spec/nodeName").filter(|node| !node.is_empty())
}

/// The parts of a node that decide what fits.
fn matters(node: &Object) -> [Option<&Value>; 4] {
    ["/metadata/labels", "/spec/taints", "/spec/unschedulable", "/status/allocatable"]
        .map(|part| node.at(part))
}

/// Keeps of a node what is read here: images and addresses are most of it.
pub(crate) fn strip_node(node: &mut Object) {
    super::strip(node);
    if let Some(status) = node.value_mut().get_mut("status").and_then(Value::as_object_mut) {
        status.retain(|field, _| field == "allocatable");
    }
}

/// Keeps of a pod what is read here: its place, its requests, and whether it found a node.
pub(crate) fn strip_pod(pod: &mut Object) {
    super::strip(pod);
    let Some(pod) = pod.value_mut().as_object_mut() else { return };
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        const SPEC: [&str; 5] = ["nodeName", "containers", "initContainers", "overhead", "resources"];
        spec.retain(|field, _| SPEC.contains(&field.as_str()));
        for list in ["containers", "initContainers"] {
            let containers = spec.get_mut(list).and_then(Value::as_array_mut);
            containers.into_iter().flatten().filter_map(Value::as_object_mut).for_each(strip_container);
        }
    }
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
        status.retain(|field, _| field == "phase" || field == "conditions");
    }
}

fn strip_container(container: &mut Map<String, Value>) {
    container.retain(|field, _| ["name", "resources", "restartPolicy"].contains(&field.as_str()));
}
