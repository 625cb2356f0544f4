//! Overcommit protection: what has been decided but is not among what the clusters report yet (gate
//! `SchedulingOvercommitProtection`).
//!
//! ```text
//! assume ─▶ on its way ─▶ released   the cluster's copy has turned Healthy, the cluster is no longer in the
//!                                    result, the binding is deleted, or five minutes have passed
//! ```
//!
//! [`Assumptions::overlay`] takes what is on its way off the clusters' capacities, [`Assumptions::on`] lists it
//! for estimators that look at nodes. Time is passed in.
//! Upstream: [`pkg/scheduler/cache`](https://github.com/karmada-io/karmada/tree/master/pkg/scheduler/cache).

use std::collections::BTreeMap;
use std::sync::Arc;

use api::work::{
    Binding, Component, ComponentReplicaRequirements, ResourceBindingStatus, ResourceHealth, TargetCluster,
};
use estimation::{Assumed, Capacity, Totals};
use jiff::{SignedDuration, Timestamp};
use machinery::ObjectKey;

use crate::input::{Member, Snapshot};

/// How long an assumption stands when nothing is heard of it.
const TTL: SignedDuration = SignedDuration::from_mins(5);

/// What is on its way to each cluster.
#[derive(Debug, Clone)]
pub struct Assumptions {
    ttl: SignedDuration,
    bindings: BTreeMap<ObjectKey, Entry>,
    clusters: BTreeMap<String, Cluster>,
    /// The first time at which something has to be forgotten.
    next_expiry: Option<Timestamp>,
    /// The last answer of [`Assumptions::overlay`] and the snapshot it was made from, while both still hold.
    last: Option<(Snapshot, Snapshot)>,
}

/// What one binding has on its way.
#[derive(Debug, Clone)]
struct Entry {
    expires: Timestamp,
    clusters: BTreeMap<String, Promise>,
}

/// What a binding has on its way to one cluster.
#[derive(Debug, Clone)]
struct Promise {
    namespace: String,
    objects: Vec<Component>,
    assumed: Arc<Assumed>,
    /// Whether the copy was healthy all the time since it was promised: only turning healthy counts.
    was_healthy: bool,
}

/// What is on its way to one cluster.
#[derive(Debug, Clone, Default)]
struct Cluster {
    workloads: BTreeMap<ObjectKey, Arc<Assumed>>,
    totals: Totals,
    /// The capacity left, with the member it was worked out for.
    left: Option<(Arc<Member>, Arc<Capacity>)>,
    /// What has been promised since.
    added: Vec<Arc<Assumed>>,
}

/// A workload on its way, in API types: for messages to estimators.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AssumedObject<'a> {
    /// Namespace of the workload.
    pub namespace: &'a str,
    /// Its components with the replicas that go to the cluster.
    pub components: &'a [Component],
}

impl Default for Assumptions {
    /// Assumptions that stand for five minutes.
    fn default() -> Self {
        Self::with_ttl(TTL)
    }
}

impl Assumptions {
    /// Assumptions that stand for so long when nothing is heard of them.
    pub fn with_ttl(ttl: SignedDuration) -> Self {
        Self { ttl, bindings: BTreeMap::new(), clusters: BTreeMap::new(), next_expiry: None, last: None }
    }

    /// A result has been written for the binding, which is given as it was before. All of it is on its way,
    /// and whatever was before is forgotten. Only workloads take room.
    pub fn assume(&mut self, key: &ObjectKey, binding: &Binding, result: &[TargetCluster], now: Timestamp) {
        self.release(key);
        if !binding.spec.is_workload() {
            return;
        }
        let promise = |target: &TargetCluster| promise(binding, target).map(|p| (target.name.clone(), p));
        let clusters: BTreeMap<String, Promise> = result.iter().filter_map(promise).collect();
        if clusters.is_empty() {
            return;
        }
        for (name, promise) in &clusters {
            let cluster = self.clusters.entry(name.clone()).or_default();
            cluster.workloads.insert(key.clone(), Arc::clone(&promise.assumed));
            cluster.totals.add(&promise.assumed);
            cluster.added.push(Arc::clone(&promise.assumed));
        }
        let expires = now.checked_add(self.ttl).unwrap_or(Timestamp::MAX);
        self.next_expiry = Some(self.next_expiry.map_or(expires, |first| first.min(expires)));
        self.bindings.insert(key.clone(), Entry { expires, clusters });
        self.last = None;
    }

    /// The binding's status as it is now: what has turned healthy has arrived.
    pub fn observe(&mut self, key: &ObjectKey, status: &ResourceBindingStatus) {
        let Some(entry) = self.bindings.get_mut(key) else { return };
        let mut arrived = Vec::new();
        for (name, promise) in &mut entry.clusters {
            match (is_healthy(status, name), promise.was_healthy) {
                (true, false) => arrived.push(name.clone()),
                (healthy, _) => promise.was_healthy = healthy,
            }
        }
        for name in arrived {
            self.release_cluster(key, &name);
        }
    }

    /// The binding has nothing on its way to the cluster any more.
    pub fn release_cluster(&mut self, key: &ObjectKey, cluster: &str) {
        let Some(entry) = self.bindings.get_mut(key) else { return };
        if entry.clusters.remove(cluster).is_none() {
            return;
        }
        if entry.clusters.is_empty() {
            self.bindings.remove(key);
        }
        if let Some(of) = self.clusters.get_mut(cluster) {
            if let Some(workload) = of.workloads.remove(key) {
                of.totals.remove(&workload);
            }
            // First fit cannot be undone; what is left is worked out anew.
            of.left = None;
            of.added.clear();
            if of.workloads.is_empty() {
                self.clusters.remove(cluster);
            }
        }
        self.last = None;
    }

    /// The binding has nothing on its way any more.
    pub fn release(&mut self, key: &ObjectKey) {
        let names: Vec<String> =
            self.bindings.get(key).map(|entry| entry.clusters.keys().cloned().collect()).unwrap_or_default();
        for name in names {
            self.release_cluster(key, &name);
        }
    }

    /// Forgets what has been on its way for too long. Returns of how many bindings.
    pub fn expire(&mut self, now: Timestamp) -> usize {
        if self.next_expiry.is_none_or(|first| now <= first) {
            return 0;
        }
        let late: Vec<ObjectKey> =
            self.bindings.iter().filter(|(_, e)| e.expires < now).map(|(key, _)| key.clone()).collect();
        for key in &late {
            self.release(key);
        }
        self.next_expiry = self.bindings.values().map(|entry| entry.expires).min();
        late.len()
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// The clusters with what is on its way taken off their capacities.
    pub fn overlay(&mut self, snapshot: &Snapshot, now: Timestamp) -> Snapshot {
        self.expire(now);
        if self.clusters.is_empty() {
            return snapshot.clone();
        }
        if let Some((from, answer)) = &self.last
            && from.is_same_as(snapshot)
        {
            return answer.clone();
        }
        let mut capacities = vec![None; snapshot.members().len()];
        for (name, cluster) in &mut self.clusters {
            if let Some(rank) = snapshot.rank(name) {
                capacities[rank] = Some(cluster.left(&snapshot.members()[rank]));
            }
        }
        let answer = snapshot.overlaid(capacities.into());
        self.last = Some((snapshot.clone(), answer.clone()));
        answer
    }

    /// What is on its way to a cluster, by binding.
    pub fn on(&self, cluster: &str, now: Timestamp) -> Vec<&Assumed> {
        self.promises(cluster, now).map(|promise| promise.assumed.as_ref()).collect()
    }

    /// What is on its way to a cluster, by binding, in API types.
    pub fn assumed_objects(&self, cluster: &str, now: Timestamp) -> Vec<AssumedObject<'_>> {
        let object = |promise| -> AssumedObject<'_> {
            let promise: &Promise = promise;
            AssumedObject { namespace: &promise.namespace, components: &promise.objects }
        };
        self.promises(cluster, now).map(object).collect()
    }

    fn promises(&self, cluster: &str, now: Timestamp) -> impl Iterator<Item = &Promise> {
        let keys = self.clusters.get(cluster).into_iter().flat_map(|cluster| cluster.workloads.keys());
        let entries = keys.filter_map(|key| self.bindings.get(key)).filter(move |entry| now <= entry.expires);
        entries.filter_map(move |entry| entry.clusters.get(cluster))
    }
}

impl Cluster {
    fn left(&mut self, member: &Arc<Member>) -> Arc<Capacity> {
        let known = self.left.take().filter(|(of, _)| Arc::ptr_eq(of, member)).map(|(_, capacity)| capacity);
        let left = match known {
            Some(capacity) if self.added.is_empty() => capacity,
            _ if !member.capacity().has_models() => Arc::new(member.capacity().after_totals(&self.totals)),
            Some(capacity) => Arc::new(capacity.after(self.added.iter().map(AsRef::as_ref))),
            None => Arc::new(member.capacity().after(self.workloads.values().map(AsRef::as_ref))),
        };
        self.added.clear();
        self.left = Some((Arc::clone(member), Arc::clone(&left)));
        left
    }
}

fn is_healthy(status: &ResourceBindingStatus, cluster: &str) -> bool {
    let item = status.aggregated_status.iter().find(|item| item.cluster_name == cluster);
    item.is_some_and(|item| item.health == Some(ResourceHealth::Healthy))
}

/// What goes to a cluster: the components of a workload that is placed as a whole, or the cluster's share of
/// the replicas. Nothing when there is no pod among it, or its needs cannot be read.
fn promise(binding: &Binding, target: &TargetCluster) -> Option<Promise> {
    let spec = &binding.spec;
    let objects = if spec.components.len() > 1 || !target.components.is_empty() {
        spec.components.clone()
    } else {
        let needs = spec.replica_requirements.as_ref().map(|needs| ComponentReplicaRequirements {
            node_claim: needs.node_claim.clone(),
            resource_request: needs.resource_request.clone(),
            priority_class_name: needs.priority_class_name.clone(),
        });
        vec![Component {
            name: spec.resource.name.clone(),
            replicas: target.replicas,
            replica_requirements: needs,
        }]
    };
    if objects.iter().all(|component| component.replicas <= 0) {
        return None;
    }
    let components = objects.iter().map(estimation::Component::read).collect::<Result<_, _>>().ok()?;
    let namespace = spec.resource.namespace.clone();
    Some(Promise {
        assumed: Arc::new(Assumed { namespace: namespace.clone(), components }),
        namespace,
        objects,
        was_healthy: is_healthy(&binding.status, &target.name),
    })
}
