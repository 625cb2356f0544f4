//! The nodes of one member cluster, and what its pods have left of them.
//!
//! ```text
//! fed by   Nodes and Pods, one change at a time
//! asked    how many more replicas, or complete sets, fit
//! ```
//!
//! A node counts when its labels and taints suit the pods. What it has left is its `allocatable` without
//! the requests of the pods on it, and its pod slots without those pods. Nodes are filled in name order.
//! Upstream: [`noderesource.go`].
//!
//! [`noderesource.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/estimator/server/framework/plugins/noderesource/noderesource.go

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use api::meta::Taint;
use machinery::quantity::Quantity;
use machinery::{Object, ObjectKey};
use serde_json::{Map, Value};

use crate::NO_LIMIT;
use crate::claim::Traits;
use crate::request::{Amount, Assumed, Component};
use crate::simulation::{Bins, Room};

/// A snapshot of nodes that follows changes.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    nodes: BTreeMap<String, Node>,
    /// Node and requests of every pod that holds a place.
    pods: BTreeMap<ObjectKey, Placed>,
    /// Sums over the pods of a node; pods may be known before their node.
    used: BTreeMap<String, Used>,
    /// What is left, made when asked for and forgotten with every change.
    bins: OnceLock<Bins>,
}

#[derive(Debug, Clone)]
struct Node {
    traits: Arc<Traits>,
    pods: i64,
    allocatable: Amounts,
}

type Amounts = BTreeMap<String, Amount>;

#[derive(Debug, Clone, PartialEq)]
struct Placed {
    node: String,
    requests: Amounts,
}

#[derive(Debug, Clone, Default)]
struct Used {
    pods: i64,
    requests: Amounts,
}

impl Nodes {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node as it is now.
    pub fn set_node(&mut self, node: &Object) {
        let taints = node.at("/spec/taints").cloned().unwrap_or_default();
        let traits = Traits {
            name: node.name().to_owned(),
            labels: node.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            taints: serde_json::from_value::<Vec<Taint>>(taints).unwrap_or_default(),
            unschedulable: node.at("/spec/unschedulable").and_then(Value::as_bool).unwrap_or_default(),
        };
        let mut allocatable = amounts(node.at("/status/allocatable"));
        let pods = allocatable.remove("pods").unwrap_or_default().0;
        self.nodes.insert(node.name().to_owned(), Node { traits: Arc::new(traits), pods, allocatable });
        self.bins.take();
    }

    /// A node that is gone. Its pods are remembered: they go, or stay, on their own.
    pub fn remove_node(&mut self, name: &str) {
        self.nodes.remove(name);
        self.bins.take();
    }

    /// A pod as it is now. One that has finished, or has no node yet, holds no place.
    pub fn set_pod(&mut self, pod: &Object) {
        let node = pod.str_at("/spec/nodeName").unwrap_or_default();
        let finished = matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed"));
        if node.is_empty() || finished {
            return self.remove_pod(&pod.key());
        }
        let placed = Placed { node: node.to_owned(), requests: pod_requests(pod) };
        if self.pods.get(&pod.key()) == Some(&placed) {
            return;
        }
        self.remove_pod(&pod.key());
        let used = self.used.entry(placed.node.clone()).or_default();
        used.pods += 1;
        add(&mut used.requests, &placed.requests);
        self.pods.insert(pod.key(), placed);
        self.bins.take();
    }

    /// A pod that is gone.
    pub fn remove_pod(&mut self, pod: &ObjectKey) {
        let Some(placed) = self.pods.remove(pod) else { return };
        self.bins.take();
        let Some(used) = self.used.get_mut(&placed.node) else { return };
        used.pods -= 1;
        for (name, amount) in &placed.requests {
            if let Some(sum) = used.requests.get_mut(name) {
                *sum = sum.minus(*amount);
            }
        }
        if used.pods == 0 {
            self.used.remove(&placed.node);
        }
    }

    /// How many more replicas fit the nodes once the assumed workloads have arrived.
    pub fn max_replicas(&self, replica: &Component, assumed: &[Assumed]) -> i64 {
        let count = |bins: &Bins| bins.max_replicas(&replica.request, &replica.claim).min(NO_LIMIT);
        self.with(assumed, count)
    }

    /// How many more complete sets fit the nodes once the assumed workloads have arrived. Without
    /// components there is nothing to say: [`NO_LIMIT`].
    pub fn max_sets(&self, components: &[Component], assumed: &[Assumed]) -> i64 {
        if components.is_empty() {
            return NO_LIMIT;
        }
        self.with(assumed, |bins| bins.max_sets(components, NO_LIMIT))
    }

    fn with(&self, assumed: &[Assumed], count: impl Fn(&Bins) -> i64) -> i64 {
        let bins = self.bins.get_or_init(|| self.left());
        if assumed.is_empty() {
            return count(bins);
        }
        let mut bins = bins.clone();
        for workload in assumed {
            bins.place(&workload.components);
        }
        count(&bins)
    }

    fn left(&self) -> Bins {
        let unused = Used::default();
        let room = |(name, node)| -> Room<'_> {
            let (name, node): (&String, &Node) = (name, node);
            let used = self.used.get(name).unwrap_or(&unused);
            let taken = |name: &String| used.requests.get(name).copied().unwrap_or_default();
            let free = node.allocatable.iter().map(|(name, all)| (name.as_str(), all.minus(taken(name))));
            Room {
                node: Arc::clone(&node.traits),
                pods: (node.pods - used.pods).max(0),
                free: free.collect(),
            }
        };
        let rooms: Vec<Room<'_>> = self.nodes.iter().map(room).collect();
        Bins::of_nodes(&rooms)
    }
}

/// A resource list; what is not a quantity is left out.
fn amounts(list: Option<&Value>) -> Amounts {
    let list = list.and_then(Value::as_object).into_iter().flatten();
    list.filter_map(|(name, value)| Some((name.clone(), Amount::of(name, Quantity::from_json(value)?))))
        .collect()
}

fn add(sums: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = sums.entry(name.clone()).or_default();
        *sum = sum.plus(*amount);
    }
}

fn raise(most: &mut Amounts, to: &Amounts) {
    for (name, amount) in to {
        let value = most.entry(name.clone()).or_default();
        *value = (*value).max(*amount);
    }
}

/// What a pod holds of its node, as the
/// [pod scheduler counts it](https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers):
/// its containers and sidecars together, or the most that starting up takes at one time, and the overhead.
/// Requests of the pod as a whole stand above those of its containers.
fn pod_requests(pod: &Object) -> Amounts {
    let spec = pod.at("/spec").and_then(Value::as_object);
    let containers = |field: &str| -> Vec<&Map<String, Value>> {
        let list = spec.and_then(|spec| spec.get(field)).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object).collect()
    };
    let of =
        |container: &Map<String, Value>| amounts(container.get("resources").and_then(|r| r.get("requests")));
    let mut running = Amounts::new();
    for container in containers("containers") {
        add(&mut running, &of(container));
    }
    let (mut sidecars, mut starting) = (Amounts::new(), Amounts::new());
    for container in containers("initContainers") {
        let mut now = of(container);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            add(&mut running, &now);
            add(&mut sidecars, &now);
            now.clone_from(&sidecars);
        } else {
            add(&mut now, &sidecars);
        }
        raise(&mut starting, &now);
    }
    raise(&mut running, &starting);
    running.extend(amounts(pod.at("/spec/resources/requests")));
    add(&mut running, &amounts(pod.at("/spec/overhead")));
    running
}

#[cfg(test)]
mod tests;
