//! The pod scheduler: gives every Pod a node that can take it.
//!
//! ```text
//! watches  Pod, Node
//! writes   pods/binding; PodScheduled=False when no node fits; events Scheduled, FailedScheduling
//! wakes    on new Pods; for Pods that found no node, when a Pod ends or a node changes
//! ```
//!
//! A node fits when it is schedulable, its taints are tolerated, the Pod's node selector and required
//! node affinity match, and its free resources cover the Pod's requests. Of those that fit, the one
//! with the most free capacity is taken, so that Pods spread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use machinery::pod::{self, Resources};
use machinery::quantity::Quantity;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Change, Informer, Informers, Outcome, Queue, Recorder, Shutdown, queue};
use serde_json::{Value, json};

const SCHEDULER: &str = "default-scheduler";

/// What a node offers and what is already promised.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// The node.
    pub node: Arc<Object>,
    /// Requests of the Pods on it, `pods` counting them.
    pub used: Resources,
}

/// Where a Pod goes, or why it goes nowhere.
#[derive(Debug, PartialEq, Eq)]
pub enum Placement {
    /// The node's name.
    Node(String),
    /// No node fits: how many nodes there are, and how many refuse it for which reason.
    Nowhere(String),
}

/// Chooses a node. The same Pod and nodes give the same answer.
pub fn place(pod: &Object, nodes: &[NodeView]) -> Placement {
    let spec = pod.at("/spec").unwrap_or(&Value::Null);
    let mut requests = pod::requests(spec);
    requests.insert("pods".into(), Quantity::from_value(1));
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(i64, &str)> = None;
    for view in nodes {
        match refusal(spec, &requests, view) {
            Some(reason) => *refused.entry(reason).or_default() += 1,
            None => {
                let score = headroom(&requests, view);
                let name = view.node.name();
                if best.is_none_or(|(s, n)| (std::cmp::Reverse(score), name) < (std::cmp::Reverse(s), n)) {
                    best = Some((score, name));
                }
            }
        }
    }
    match best {
        Some((_, name)) => Placement::Node(name.to_owned()),
        None => {
            let reasons: Vec<String> =
                refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let why = if reasons.is_empty() { "no nodes available".to_owned() } else { reasons.join(", ") };
            Placement::Nowhere(format!("0/{} nodes are available: {why}.", nodes.len()))
        }
    }
}

fn refusal(spec: &Value, requests: &Resources, view: &NodeView) -> Option<String> {
    let node = &view.node;
    if node.at("/spec/unschedulable") == Some(&Value::Bool(true)) {
        return Some("node(s) were unschedulable".into());
    }
    if let Some(taint) = pod::untolerated_taint(spec, node) {
        let (key, value) =
            (taint["key"].as_str().unwrap_or_default(), taint["value"].as_str().unwrap_or_default());
        return Some(format!("node(s) had untolerated taint {{{key}: {value}}}"));
    }
    if !pod::selects_node(spec, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".into());
    }
    let allocatable = pod::resources(node.at("/status/allocatable"));
    for (name, request) in requests {
        let total = allocatable.get(name).copied().unwrap_or_default();
        let used = view.used.get(name).copied().unwrap_or_default();
        if !request.is_zero() && total - used < *request {
            return Some(if name == "pods" {
                "Too many pods".into()
            } else {
                format!("Insufficient {name}")
            });
        }
    }
    None
}

/// Free share of the scarcest of cpu, memory and Pods after placing, in millionths.
fn headroom(requests: &Resources, view: &NodeView) -> i64 {
    let allocatable = pod::resources(view.node.at("/status/allocatable"));
    ["cpu", "memory", "pods"]
        .iter()
        .map(|name| {
            let get = |map: &Resources| map.get(*name).copied().unwrap_or_default();
            let total = get(&allocatable).to_f64();
            if total <= 0.0 {
                return 0.0;
            }
            (total - get(&view.used).to_f64() - get(requests).to_f64()) / total
        })
        .map(|share| {
            #[expect(clippy::cast_possible_truncation, reason = "a share of at most 1, in millionths")]
            let millionths = (share.clamp(-1.0, 1.0) * 1_000_000.0) as i64;
            millionths
        })
        .min()
        .unwrap_or(0)
}

/// Whether a Pod takes room on its node.
fn takes_room(pod: &Object) -> bool {
    !matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed"))
}

fn waits(pod: &Object) -> bool {
    let scheduler = pod.str_at("/spec/schedulerName").unwrap_or(SCHEDULER);
    pod.str_at("/spec/nodeName").is_none_or(str::is_empty)
        && !pod.is_deleting()
        && takes_room(pod)
        && scheduler == SCHEDULER
}

/// The requests of all Pods per node, kept up to date by events: recounting them for every Pod would
/// make a burst of Pods quadratic.
#[derive(Default)]
struct Ledger {
    /// Node and requests of every Pod that has a node. Also Pods just bound, before the cache shows it.
    pods: BTreeMap<ObjectKey, (String, Resources)>,
    used: BTreeMap<String, Resources>,
}

impl Ledger {
    fn set(&mut self, key: ObjectKey, node: &str, requests: Resources) {
        self.clear(&key);
        let used = self.used.entry(node.to_owned()).or_default();
        pod::add(used, &requests);
        self.pods.insert(key, (node.to_owned(), requests));
    }

    fn clear(&mut self, key: &ObjectKey) {
        let Some((node, requests)) = self.pods.remove(key) else { return };
        if let Some(used) = self.used.get_mut(&node) {
            for (name, request) in requests {
                let left = used.get(&name).copied().unwrap_or_default() - request;
                used.insert(name, left);
            }
        }
    }

    fn see(&mut self, pod: &Object, deleted: bool) {
        match pod.str_at("/spec/nodeName").filter(|n| !n.is_empty()) {
            Some(node) if !deleted && takes_room(pod) => self.set(pod.key(), node, requests_of(pod)),
            _ if deleted || !takes_room(pod) => self.clear(&pod.key()),
            _ => {}
        }
    }
}

fn requests_of(pod: &Object) -> Resources {
    let mut requests = pod::requests(pod.at("/spec").unwrap_or(&Value::Null));
    requests.insert("pods".into(), Quantity::from_value(1));
    requests
}

#[derive(Clone)]
struct Scheduler {
    informers: Informers,
    pods: Informer,
    nodes: Informer,
    events: Recorder,
    ledger: Arc<Mutex<Ledger>>,
}

/// Runs the pod scheduler until shutdown.
pub async fn run(informers: Informers, clock: clock::Clock, shutdown: Shutdown) {
    let queue: Queue<ObjectKey> = Queue::new("pod-scheduler");
    let core = |resource| GroupVersionResource::new("", "v1", resource);
    let scheduler = Scheduler {
        pods: informers.get(&core("pods")),
        nodes: informers.get(&core("nodes")),
        events: Recorder::start(informers.client().clone(), SCHEDULER, clock, &shutdown),
        informers,
        ledger: Arc::default(),
    };
    let (wake, ledger, all) = (queue.clone(), Arc::clone(&scheduler.ledger), scheduler.pods.clone());
    scheduler.pods.on_change(move |change: &Change| {
        let pod = change.object();
        ledger.lock().unwrap_or_else(PoisonError::into_inner).see(pod, change.is_deleted());
        if change.is_deleted() || !takes_room(pod) {
            // Room became free: whoever waits may fit now.
            all.list().iter().filter(|p| waits(p)).for_each(|p| wake.add(p.key()));
        } else if waits(pod) {
            wake.add(pod.key());
        }
    });
    let (wake, all) = (queue.clone(), scheduler.pods.clone());
    scheduler.nodes.on_change(move |change: &Change| {
        let relevant = |n: &Object| {
            (n.at("/spec").cloned(), n.at("/status/allocatable").cloned(), n.at("/metadata/labels").cloned())
        };
        if change.old().is_some_and(|old| relevant(old) == relevant(change.object())) {
            return;
        }
        all.list().iter().filter(|p| waits(p)).for_each(|p| wake.add(p.key()));
    });
    if !(scheduler.pods.wait_synced(&shutdown).await && scheduler.nodes.wait_synced(&shutdown).await) {
        return;
    }
    // One worker: two decisions at once would promise the same room twice.
    queue::run(&queue, 1, &shutdown, move |key| {
        let scheduler = scheduler.clone();
        async move { scheduler.look(&key).await }
    })
    .await;
}

impl Scheduler {
    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, key: &ObjectKey) -> Result<Outcome, client::Error> {
        let Some(pod) = self.pods.get(key).filter(|p| waits(p)) else { return Ok(Outcome::Done) };
        let placement = {
            let ledger = self.ledger();
            if ledger.pods.contains_key(key) {
                // Bound a moment ago; the cache does not show it yet.
                return Ok(Outcome::Done);
            }
            let views: Vec<NodeView> = self
                .nodes
                .list()
                .into_iter()
                .map(|node| NodeView {
                    used: ledger.used.get(node.name()).cloned().unwrap_or_default(),
                    node,
                })
                .collect();
            place(&pod, &views)
        };
        match placement {
            Placement::Node(node) => self.bind(&pod, &node).await,
            Placement::Nowhere(why) => self.refuse(&pod, &why).await,
        }
    }

    async fn bind(&self, pod: &Object, node: &str) -> Result<Outcome, client::Error> {
        self.ledger().set(pod.key(), node, requests_of(pod));
        let mut binding = Object::new("v1", "Binding", pod.namespace(), pod.name());
        binding.set("/metadata/uid", pod.uid());
        binding.set("/target", json!({ "apiVersion": "v1", "kind": "Node", "name": node }));
        let pods = self.informers.client().resource(self.pods.gvr()).namespace(pod.namespace());
        match pods.create_subresource(pod.name(), "binding", &binding).await {
            Ok(_) => {
                let message = format!("Successfully assigned {} to {node}", pod.key());
                self.events.normal(pod, "Scheduled", message);
                Ok(Outcome::Done)
            }
            Err(error) => {
                self.ledger().clear(&pod.key());
                if error.is_not_found() || error.is_conflict() { Ok(Outcome::Done) } else { Err(error) }
            }
        }
    }

    async fn refuse(&self, pod: &Object, why: &str) -> Result<Outcome, client::Error> {
        let conditions = pod.at("/status/conditions").and_then(Value::as_array);
        let known =
            conditions.into_iter().flatten().any(|c| c["type"] == "PodScheduled" && c["message"] == why);
        if known {
            return Ok(Outcome::Done);
        }
        self.events.warning(pod, "FailedScheduling", why);
        let patch = json!({ "status": { "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why },
        ] } });
        let pods = self.informers.client().resource(self.pods.gvr()).namespace(pod.namespace());
        match pods.patch_status(pod.name(), &client::Patch::Strategic(&patch)).await {
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(Outcome::Done),
            result => result.map(|_| Outcome::Done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, cpu: &str, used_cpu: &str) -> NodeView {
        let mut node = Object::new("v1", "Node", "", name);
        node.set("/status/allocatable", json!({ "cpu": cpu, "memory": "8Gi", "pods": "110" }));
        node.set_label("disk", if name == "ssd" { "ssd" } else { "hdd" });
        NodeView {
            node: Arc::new(node),
            used: pod::resources(Some(&json!({ "cpu": used_cpu, "pods": "1" }))),
        }
    }

    fn tainted(mut view: NodeView, effect: &str) -> NodeView {
        let mut node = (*view.node).clone();
        node.set("/spec/taints", json!([{ "key": "gpu", "value": "yes", "effect": effect }]));
        view.node = Arc::new(node);
        view
    }

    fn pod(cpu: &str, spec: &Value) -> Object {
        let mut pod = Object::new("v1", "Pod", "ns", "p");
        let mut full =
            json!({ "containers": [{ "name": "c", "resources": { "requests": { "cpu": cpu } } }] });
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        pod.set("/spec", full);
        pod
    }

    fn check(pod: &Object, nodes: &[NodeView], expected: &str) {
        let told = match place(pod, nodes) {
            Placement::Node(name) => name,
            Placement::Nowhere(why) => why,
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn the_emptiest_node_that_fits_is_taken() {
        check(&pod("1", &json!({})), &[node("a", "4", "3"), node("b", "4", "1"), node("c", "4", "2")], "b");
        check(&pod("1", &json!({})), &[node("b", "4", "1"), node("a", "4", "1")], "a");
    }

    #[test]
    fn requests_are_honoured_to_the_last_unit() {
        check(&pod("1", &json!({})), &[node("a", "4", "3")], "a");
        check(
            &pod("1001m", &json!({})),
            &[node("a", "4", "3")],
            "0/1 nodes are available: 1 Insufficient cpu.",
        );
    }

    #[test]
    fn selectors_and_taints_are_honoured() {
        let nodes = [node("ssd", "4", "3"), node("hdd", "4", "0")];
        check(&pod("1", &json!({ "nodeSelector": { "disk": "ssd" } })), &nodes, "ssd");
        let gpu = [tainted(node("a", "4", "0"), "NoSchedule")];
        check(
            &pod("1", &json!({})),
            &gpu,
            "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.",
        );
        check(&pod("1", &json!({ "tolerations": [{ "key": "gpu", "operator": "Exists" }] })), &gpu, "a");
        check(&pod("1", &json!({})), &[tainted(node("a", "4", "0"), "PreferNoSchedule")], "a");
    }

    #[test]
    fn every_reason_is_counted() {
        let nodes = [node("a", "1", "1"), node("b", "1", "1"), tainted(node("c", "4", "0"), "NoExecute")];
        let why = "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint {gpu: yes}.";
        check(&pod("1", &json!({})), &nodes, why);
        check(&pod("1", &json!({})), &[], "0/0 nodes are available: no nodes available.");
    }

    #[test]
    fn the_ledger_gives_back_what_a_pod_took() {
        let mut ledger = Ledger::default();
        let mut placed = pod("1500m", &json!({ "nodeName": "a" }));
        ledger.see(&placed, false);
        ledger.see(&placed, false);
        assert_eq!(ledger.used["a"]["cpu"], Quantity::from_milli(1500));
        placed.set("/status/phase", "Succeeded");
        ledger.see(&placed, false);
        assert!(ledger.used["a"]["cpu"].is_zero() && ledger.used["a"]["pods"].is_zero());
    }
}
