//! The node simulator: nodes that report themselves ready, and Pods that run on them without machines.
//!
//! ```text
//! watches  Pod (those placed on a simulated node), Node
//! writes   Node objects, their status and leases; Pod status; deletes Pods whose end was asked for
//! wakes    on changes of Pods; when a Pod's next step is due; for heartbeats
//! ```
//!
//! A Pod does what its annotation [`BEHAVIOUR`] asks for, so that health and failover can be tried.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use jiff::{SignedDuration, Timestamp};
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Change, Informer, Informers, Outcome, Queue, Shutdown, queue};
use serde_json::{Value, json};

/// Annotation of a Pod (usually set in a workload's template) that says how it behaves: `ready` (the
/// default), `unready` (runs but never becomes ready), `crash` (starts and fails, again and again),
/// `pending` (its image never arrives), `complete` (ends with success).
pub const BEHAVIOUR: &str = "simulator.karmada.io/behaviour";
/// Annotation of a Pod: how long it takes to become ready, for example `5s`.
pub const READY_AFTER: &str = "simulator.karmada.io/ready-after";
/// Annotation of a Pod: how long it takes to end once its deletion was asked for, for example `2s`.
pub const ENDS_AFTER: &str = "simulator.karmada.io/ends-after";

/// How often a node says that it is alive; the kubelet's own interval for leases.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often a node's status is written although nothing changed; the kubelet's own interval.
const STATUS_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// How long a crashing container waits before it starts again, at first and at most.
const CRASH_FIRST_SECS: i64 = 10;
const CRASH_MAX_SECS: i64 = 300;

/// The nodes of a simulated cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    /// How many.
    pub count: u32,
    /// CPU of each, as a quantity.
    pub cpu: String,
    /// Memory of each, as a quantity.
    pub memory: String,
    /// Pods that each can take.
    pub pods: u32,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { count: 2, cpu: "16".into(), memory: "32Gi".into(), pods: 110 }
    }
}

/// What a Pod's status should be, and when it changes next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// The status is right.
    Rest,
    /// The status should be this.
    Write(Value),
    /// The Pod has ended: remove it.
    Remove,
}

/// Decides a Pod's next step and when to look again. Pure in the Pod and the time.
pub fn decide(pod: &Object, node_ip: &str, pod_ip: &str, now: Timestamp) -> (Step, Option<Timestamp>) {
    if pod.is_deleting() {
        let ends_after = duration(pod, ENDS_AFTER);
        let asked = pod.deletion_timestamp().and_then(machinery::time::parse_rfc3339).unwrap_or(now);
        let grace = pod.i64_at("/metadata/deletionGracePeriodSeconds").unwrap_or(0);
        let begun = asked.checked_sub(SignedDuration::from_secs(grace)).unwrap_or(asked);
        let end = begun.checked_add(ends_after).unwrap_or(now).min(asked);
        return if end <= now { (Step::Remove, None) } else { (Step::Rest, Some(end)) };
    }
    if matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed")) {
        return (Step::Rest, None);
    }
    let started = pod.str_at("/status/startTime").and_then(machinery::time::parse_rfc3339).unwrap_or(now);
    let ready_at = started.checked_add(duration(pod, READY_AFTER)).unwrap_or(now);
    let (life, wake) = match pod.annotation(BEHAVIOUR).unwrap_or("ready") {
        "pending" => (Life::Pending, None),
        "unready" => (Life::Running { ready: false }, None),
        "complete" if now >= ready_at => (Life::Completed, None),
        "crash" => crash(started, now),
        _ if now >= ready_at => (Life::Running { ready: true }, None),
        _ => (Life::Running { ready: false }, Some(ready_at)),
    };
    let status = status(pod, &life, (node_ip, pod_ip), started, now);
    let same = pod.at("/status").is_some_and(|s| *s == status);
    (if same { Step::Rest } else { Step::Write(status) }, wake)
}

/// Where a Pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Pending,
    Running { ready: bool },
    Crashed { restarts: i64, waiting: bool },
    Completed,
}

/// A container that fails one second after every start, and starts again after waits that double.
fn crash(started: Timestamp, now: Timestamp) -> (Life, Option<Timestamp>) {
    let mut at = started;
    let mut wait = CRASH_FIRST_SECS;
    for restarts in 0.. {
        let fails = at.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
        if now < fails {
            return (Life::Crashed { restarts, waiting: false }, Some(fails));
        }
        at = fails.checked_add(SignedDuration::from_secs(wait)).unwrap_or(now);
        if now < at {
            return (Life::Crashed { restarts, waiting: true }, Some(at));
        }
        wait = (wait * 2).min(CRASH_MAX_SECS);
    }
    unreachable!("the times grow until they pass now")
}

fn duration(pod: &Object, annotation: &str) -> SignedDuration {
    pod.annotation(annotation).and_then(|text| machinery::time::parse_duration(text).ok()).unwrap_or_default()
}

fn status(pod: &Object, life: &Life, ips: (&str, &str), started: Timestamp, now: Timestamp) -> Value {
    let (phase, ready) = match life {
        Life::Pending => ("Pending", false),
        Life::Running { ready } => ("Running", *ready),
        Life::Crashed { .. } => ("Running", false),
        Life::Completed => ("Succeeded", false),
    };
    let mut status = pod.at("/status").and_then(Value::as_object).cloned().unwrap_or_default();
    let started_text = machinery::time::rfc3339(started);
    status.insert("phase".into(), phase.into());
    status.insert("startTime".into(), started_text.as_str().into());
    status.insert("hostIP".into(), ips.0.into());
    status.insert("hostIPs".into(), json!([{ "ip": ips.0 }]));
    if !matches!(life, Life::Pending) {
        status.insert("podIP".into(), ips.1.into());
        status.insert("podIPs".into(), json!([{ "ip": ips.1 }]));
    }
    let known = pod.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let reason = match life {
        Life::Completed => Some("PodCompleted"),
        _ if !ready => Some("ContainersNotReady"),
        _ => None,
    };
    let conditions: Vec<Value> = [
        ("PodReadyToStartContainers", !matches!(life, Life::Completed), None),
        ("Initialized", true, None),
        ("Ready", ready, reason),
        ("ContainersReady", ready, reason),
        ("PodScheduled", true, None),
    ]
    .iter()
    .map(|(ty, holds, reason)| condition(&known, ty, *holds, *reason, now))
    .collect();
    status.insert("conditions".into(), conditions.into());
    let containers = pod.at("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let statuses: Vec<Value> =
        containers.map(|c| container_status(c, life, ready, pod.uid(), &started_text)).collect();
    status.insert("containerStatuses".into(), statuses.into());
    Value::Object(status)
}

fn condition(known: &[Value], ty: &str, holds: bool, reason: Option<&str>, now: Timestamp) -> Value {
    let status = if holds { "True" } else { "False" };
    let before = known.iter().find(|c| c["type"] == ty && c["status"] == status);
    let since = before.and_then(|c| c["lastTransitionTime"].as_str()).map(str::to_owned);
    let since = since.unwrap_or_else(|| machinery::time::rfc3339(now));
    let mut condition =
        json!({ "type": ty, "status": status, "lastProbeTime": null, "lastTransitionTime": since });
    if let Some(reason) = reason {
        condition["reason"] = reason.into();
    }
    condition
}

fn container_status(container: &Value, life: &Life, ready: bool, uid: &str, started: &str) -> Value {
    let id = format!("simulated://{uid}/{}", container["name"].as_str().unwrap_or_default());
    let failed = json!({
        "exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": started, "containerID": id,
    });
    let (state, last, restarts) = match life {
        Life::Pending => {
            let message = format!("Back-off pulling image {}", container["image"]);
            (json!({ "waiting": { "reason": "ImagePullBackOff", "message": message } }), json!({}), 0)
        }
        Life::Running { .. } => (json!({ "running": { "startedAt": started } }), json!({}), 0),
        Life::Crashed { restarts, waiting: true } => {
            let waiting =
                json!({ "reason": "CrashLoopBackOff", "message": "back-off restarting failed container" });
            (json!({ "waiting": waiting }), json!({ "terminated": failed }), *restarts)
        }
        Life::Crashed { restarts: 0, .. } => (json!({ "running": { "startedAt": started } }), json!({}), 0),
        Life::Crashed { restarts, .. } => {
            (json!({ "running": { "startedAt": started } }), json!({ "terminated": failed }), *restarts)
        }
        Life::Completed => {
            let ended = json!({
                "exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started, "containerID": id,
            });
            (json!({ "terminated": ended }), json!({}), 0)
        }
    };
    let is_running = state.get("running").is_some();
    json!({
        "name": container["name"], "image": container["image"],
        "imageID": format!("simulated://{}", container["image"].as_str().unwrap_or_default()),
        "containerID": if is_running { id.as_str() } else { "" },
        "ready": ready, "started": is_running, "restartCount": restarts, "state": state, "lastState": last,
    })
}

#[derive(Clone)]
struct Simulator {
    informers: Informers,
    pods: Informer,
    clock: Clock,
    nodes: Arc<Nodes>,
    cluster: Arc<str>,
}

fn core(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", resource)
}

/// Runs the nodes of a cluster until shutdown.
pub async fn run(cluster: &str, nodes: Nodes, informers: Informers, clock: Clock, shutdown: Shutdown) {
    let simulator = Simulator {
        pods: informers.get(&core("pods")),
        informers,
        clock,
        nodes: Arc::new(nodes),
        cluster: cluster.into(),
    };
    let beating = simulator.clone();
    let beat_until = shutdown.clone();
    let heart = runtime::spawn("node-heartbeat", async move { beating.beat(&beat_until).await });
    let queue: Queue<ObjectKey> = Queue::new("kubelet");
    let wake = queue.clone();
    simulator.pods.on_change(move |change: &Change| {
        let pod = change.object();
        if !change.is_deleted() && pod.str_at("/spec/nodeName").is_some_and(|n| !n.is_empty()) {
            wake.add(pod.key());
        }
    });
    let working = simulator.clone();
    queue::run(&queue, 4, &shutdown, move |key| {
        let simulator = working.clone();
        async move { simulator.look(&key).await }
    })
    .await;
    let _ = heart.await;
}

impl Simulator {
    fn node_name(&self, i: u32) -> String {
        format!("{}-node-{}", self.cluster, i + 1)
    }

    fn node_index(&self, name: &str) -> Option<u32> {
        let number: u32 = name.strip_prefix(&format!("{}-node-", self.cluster))?.parse().ok()?;
        (1..=self.nodes.count).contains(&number).then(|| number - 1)
    }

    async fn look(&self, key: &ObjectKey) -> Result<Outcome, client::Error> {
        let Some(pod) = self.pods.get(key) else { return Ok(Outcome::Done) };
        let Some(node) = self.node_index(pod.str_at("/spec/nodeName").unwrap_or_default()) else {
            return Ok(Outcome::Done);
        };
        let now = self.clock.now();
        let node_ip = node_ip(node);
        let pod_ip = pod.str_at("/status/podIP").map_or_else(|| pod_ip(pod.uid()), str::to_owned);
        let (step, wake) = decide(&pod, &node_ip, &pod_ip, now);
        let pods = self.informers.client().resource(&core("pods")).namespace(pod.namespace());
        match step {
            Step::Rest => {}
            Step::Remove => {
                let at_once = client::DeleteOptions {
                    uid: Some(pod.uid().into()),
                    grace_period_secs: Some(0),
                    ..client::DeleteOptions::default()
                };
                match pods.delete_if_present(pod.name(), &at_once).await {
                    Err(error) if !error.is_conflict() => return Err(error),
                    _ => {}
                }
            }
            Step::Write(status) => {
                let mut changed = (*pod).clone();
                changed.set("/status", status);
                match pods.update_status(&changed).await {
                    Err(error) if !error.is_conflict() && !error.is_not_found() => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(match wake {
            Some(at) => Outcome::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()),
            None => Outcome::Done,
        })
    }

    /// Registers the nodes and keeps them alive.
    async fn beat(&self, shutdown: &Shutdown) {
        let mut written: Option<Timestamp> = None;
        loop {
            let now = self.clock.now();
            let due = written.is_none_or(|at| now.duration_since(at) >= STATUS_EVERY);
            let mut wait = HEARTBEAT;
            for i in 0..self.nodes.count {
                let result = if due { self.register(i, now).await } else { Ok(()) };
                let result = match result {
                    Ok(()) => self.renew(i, now).await,
                    failed => failed,
                };
                if let Err(error) = result {
                    tracing::debug!(cluster = %self.cluster, error = error.chain(), "a node could not report");
                    wait = Duration::from_millis(200);
                }
            }
            if due && wait == HEARTBEAT {
                written = Some(now);
            }
            if shutdown.or(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    async fn register(&self, i: u32, now: Timestamp) -> Result<(), client::Error> {
        let nodes = self.informers.client().resource(&core("nodes"));
        let name = self.node_name(i);
        let mut node = match nodes.find(&name).await? {
            Some(node) => node,
            None => nodes.create(&self.node(&name)).await?,
        };
        let taints = node.at("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
        let kept: Vec<Value> =
            taints.iter().filter(|t| t["key"] != "node.kubernetes.io/not-ready").cloned().collect();
        if kept.len() != taints.len() {
            node.set("/spec/taints", kept);
            node = nodes.update(&node).await?;
        }
        let known = node.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        node.set("/status", self.node_status(i, &known, now));
        match nodes.update_status(&node).await {
            Err(error) if error.is_conflict() => Ok(()),
            result => result.map(|_| ()),
        }
    }

    fn node(&self, name: &str) -> Object {
        let mut node = Object::new("v1", "Node", "", name);
        for (key, value) in [
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/arch", "amd64"),
        ] {
            node.set_label(key, value);
        }
        node.set("/spec", json!({ "providerID": format!("simulated://{}/{name}", self.cluster) }));
        node
    }

    fn node_status(&self, i: u32, known: &[Value], now: Timestamp) -> Value {
        let Nodes { cpu, memory, pods, .. } = &*self.nodes;
        let capacity =
            json!({ "cpu": cpu, "memory": memory, "pods": pods.to_string(), "ephemeral-storage": "100Gi" });
        let time = machinery::time::rfc3339(now);
        let conditions: Vec<Value> = [
            (
                "MemoryPressure",
                "False",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
            ),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "the simulated node is ready"),
        ]
        .iter()
        .map(|(ty, status, reason, message)| {
            let before = known.iter().find(|c| c["type"] == *ty && c["status"] == *status);
            let since = before.and_then(|c| c["lastTransitionTime"].as_str()).unwrap_or(&time);
            json!({
                "type": ty, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": time, "lastTransitionTime": since,
            })
        })
        .collect();
        json!({
            "capacity": capacity, "allocatable": capacity, "conditions": conditions,
            "addresses": [
                { "type": "InternalIP", "address": node_ip(i) },
                { "type": "Hostname", "address": self.node_name(i) },
            ],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": "", "containerRuntimeVersion": "simulated://1.0", "kernelVersion": "simulated",
                "osImage": "simulated", "bootID": "", "machineID": "", "systemUUID": "",
            },
        })
    }

    async fn renew(&self, i: u32, now: Timestamp) -> Result<(), client::Error> {
        let name = self.node_name(i);
        let gvr = GroupVersionResource::new("coordination.k8s.io", "v1", "leases");
        let leases = self.informers.client().resource(&gvr).namespace("kube-node-lease");
        let time = machinery::time::rfc3339_micros(now);
        let patch = json!({ "spec": { "renewTime": time } });
        match leases.patch(&name, &client::Patch::Merge(&patch)).await {
            Err(error) if error.is_not_found() => {
                let mut lease = Object::new("coordination.k8s.io/v1", "Lease", "kube-node-lease", &name);
                lease.set(
                    "/spec",
                    json!({ "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time }),
                );
                leases.create(&lease).await.map(|_| ())
            }
            result => result.map(|_| ()),
        }
    }
}

/// The version that simulated kubelets report: that of the API they speak.
const KUBELET_VERSION: &str = "v1.36.2";

fn node_ip(i: u32) -> String {
    format!("172.18.{}.{}", i / 250, i % 250 + 2)
}

/// An address that follows from the Pod's uid. Nothing listens there; two Pods may share one by chance.
fn pod_ip(uid: &str) -> String {
    let hash = machinery::hash::fnv1a_32(uid.as_bytes());
    format!("10.{}.{}.{}", 128 + (hash >> 16) % 64, (hash >> 8) & 0xff, hash % 254 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-01-01T{text}Z").parse().unwrap()
    }

    fn pod(behaviour: &str) -> Object {
        let mut pod = Object::new("v1", "Pod", "ns", "p");
        pod.set("/spec", json!({ "nodeName": "n", "containers": [{ "name": "c", "image": "i" }] }));
        pod.set_annotation(BEHAVIOUR, behaviour);
        pod
    }

    /// Lives through a Pod's steps and tells each: time, phase, ready, restarts, waiting reason.
    fn live(mut pod: Object, until: &str) -> Vec<String> {
        let mut now = at("00:00:00");
        let mut told = Vec::new();
        loop {
            let (step, wake) = decide(&pod, "h", "p", now);
            if let Step::Write(status) = step {
                let container = &status["containerStatuses"][0];
                told.push(format!(
                    "{} {} ready={} restarts={} {}",
                    now.strftime("%M:%S"),
                    status["phase"].as_str().unwrap(),
                    container["ready"],
                    container["restartCount"],
                    container["state"]["waiting"]["reason"].as_str().unwrap_or("-"),
                ));
                pod.set("/status", status);
                assert_eq!(decide(&pod, "h", "p", now).0, Step::Rest, "the same look again writes nothing");
            }
            match wake {
                Some(next) if next <= at(until) => now = next,
                _ => return told,
            }
        }
    }

    #[test]
    fn a_pod_becomes_ready_at_once_or_after_its_time() {
        assert_eq!(live(pod("ready"), "01:00:00"), ["00:00 Running ready=true restarts=0 -"]);
        let mut slow = pod("ready");
        slow.set_annotation(READY_AFTER, "5s");
        assert_eq!(
            live(slow, "01:00:00"),
            ["00:00 Running ready=false restarts=0 -", "00:05 Running ready=true restarts=0 -"]
        );
    }

    #[test]
    fn a_pod_can_stay_unready_or_pending_or_complete() {
        assert_eq!(live(pod("unready"), "01:00:00"), ["00:00 Running ready=false restarts=0 -"]);
        assert_eq!(
            live(pod("pending"), "01:00:00"),
            ["00:00 Pending ready=false restarts=0 ImagePullBackOff"]
        );
        assert_eq!(live(pod("complete"), "01:00:00"), ["00:00 Succeeded ready=false restarts=0 -"]);
    }

    #[test]
    fn a_crashing_pod_waits_longer_each_time() {
        assert_eq!(
            live(pod("crash"), "00:00:34"),
            [
                "00:00 Running ready=false restarts=0 -",
                "00:01 Running ready=false restarts=0 CrashLoopBackOff",
                "00:11 Running ready=false restarts=1 -",
                "00:12 Running ready=false restarts=1 CrashLoopBackOff",
                "00:32 Running ready=false restarts=2 -",
                "00:33 Running ready=false restarts=2 CrashLoopBackOff",
            ]
        );
    }

    #[test]
    fn a_deleted_pod_ends_at_once_or_after_its_time_but_never_after_its_grace() {
        let mut deleted = pod("ready");
        deleted.set("/metadata/deletionTimestamp", "2026-01-01T00:00:30Z");
        deleted.set("/metadata/deletionGracePeriodSeconds", 30);
        assert_eq!(decide(&deleted, "h", "p", at("00:00:00")).0, Step::Remove);
        deleted.set_annotation(ENDS_AFTER, "20s");
        assert_eq!(decide(&deleted, "h", "p", at("00:00:19")), (Step::Rest, Some(at("00:00:20"))));
        deleted.set_annotation(ENDS_AFTER, "2m");
        assert_eq!(decide(&deleted, "h", "p", at("00:00:29")), (Step::Rest, Some(at("00:00:30"))));
    }
}
