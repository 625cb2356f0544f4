//! A pod's row: how many containers are ready, what holds it up, how often it was restarted.

use serde_json::{Value, json};

use machinery::Object;

use crate::Column;
use crate::fields::Read;
use crate::tables::{AGE, NAME, NONE, age, condition, or, seconds, text, wide};

pub(crate) const COLUMNS: &[Column] = &[
    NAME,
    text("Ready", "Ready containers of all containers."),
    text("Status", "Phase of the pod, or what holds it up."),
    text("Restarts", "Restarts of the containers, and the time since the last."),
    AGE,
    wide("IP", "Address of the pod."),
    wide("Node", "Node the pod runs on."),
    wide("Nominated Node", "Node that is being cleared for the pod."),
    wide("Readiness Gates", "Fulfilled conditions of those the pod's readiness needs."),
];

pub(crate) fn cells(pod: &Object, now: i64) -> Vec<Value> {
    let (spec, status) = (pod.value().child(&["spec"]), pod.value().child(&["status"]));
    let summary = Summary::of(pod);
    let ip = status.list("podIPs").first().map_or(status.text("podIP"), |ip| ip.text("ip"));
    vec![
        pod.name().into(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.clone().into(),
        summary.restarts_text(now).into(),
        age(pod, now),
        or(ip, NONE).into(),
        or(spec.text("nodeName"), NONE).into(),
        or(status.text("nominatedNodeName"), NONE).into(),
        readiness_gates(pod.value()).into(),
    ]
}

/// Marks the rows of finished pods, which `kubectl get` of old hid.
pub(crate) fn row_conditions(pod: &Object) -> Option<Value> {
    let (reason, message) = match pod.value().child(&["status"]).text("phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn readiness_gates(pod: &Value) -> String {
    let gates = pod.child(&["spec"]).list("readinessGates");
    if gates.is_empty() {
        return NONE.into();
    }
    let fulfilled = gates
        .iter()
        .filter(|g| condition(pod, g.text("conditionType")).is_some_and(|c| c.text("status") == "True"))
        .count();
    format!("{fulfilled}/{}", gates.len())
}

/// What is worth knowing about the containers.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<i64>,
}

impl Summary {
    fn of(pod: &Object) -> Self {
        let value = pod.value();
        let (spec, status) = (value.child(&["spec"]), value.child(&["status"]));
        let sidecars = spec.list("initContainers").iter().filter(|c| is_sidecar(c)).count();
        let mut summary = Self {
            ready: 0,
            total: spec.list("containers").len() + sidecars,
            reason: or(status.text("reason"), status.text("phase")).to_owned(),
            restarts: 0,
            last_restart: None,
        };
        if condition(value, "PodScheduled").is_some_and(|c| c.text("reason") == "SchedulingGated") {
            summary.reason = "SchedulingGated".into();
        }
        let sidecar_restarts = summary.sidecar_restarts(spec, status);
        let initializing = summary.init_containers(spec, status);
        if !initializing || condition(value, "Initialized").is_some_and(|c| c.text("status") == "True") {
            (summary.restarts, summary.last_restart) = sidecar_restarts;
            summary.containers(value);
        }
        if pod.is_deleting() {
            if status.text("reason") == "NodeLost" {
                summary.reason = "Unknown".into();
            } else if !matches!(status.text("phase"), "Succeeded" | "Failed") {
                summary.reason = "Terminating".into();
            }
        }
        summary
    }

    fn sidecar_restarts(&self, spec: &Value, status: &Value) -> (i64, Option<i64>) {
        let of_sidecar = |s: &&Value| is_sidecar_named(spec, s.text("name"));
        let statuses = || status.list("initContainerStatuses").iter().filter(of_sidecar);
        (statuses().map(restarts).sum(), statuses().filter_map(last_restart).max())
    }

    /// Counts init containers up to the one that is not done; says whether there is one.
    fn init_containers(&mut self, spec: &Value, status: &Value) -> bool {
        for (i, s) in status.list("initContainerStatuses").iter().enumerate() {
            self.count_restarts(s);
            let terminated = s.child(&["state", "terminated"]);
            let waiting = s.child(&["state", "waiting"]).text("reason");
            if terminated.int("exitCode") == Some(0) {
                continue;
            }
            if is_sidecar_named(spec, s.text("name")) && s.flag("started") {
                self.ready += usize::from(s.flag("ready"));
                continue;
            }
            self.reason = if terminated.is_object() {
                format!("Init:{}", exit_reason(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{i}/{}", spec.list("initContainers").len())
            };
            return true;
        }
        false
    }

    fn containers(&mut self, pod: &Value) {
        let mut running = false;
        for s in pod.child(&["status"]).list("containerStatuses").iter().rev() {
            self.count_restarts(s);
            let terminated = s.child(&["state", "terminated"]);
            let waiting = s.child(&["state", "waiting"]).text("reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if terminated.is_object() {
                self.reason = exit_reason(terminated);
            } else if s.flag("ready") && s.child(&["state"]).has("running") {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = condition(pod, "Ready").is_some_and(|c| c.text("status") == "True");
            self.reason = if ready { "Running" } else { "NotReady" }.into();
        }
    }

    fn count_restarts(&mut self, status: &Value) {
        self.restarts += restarts(status);
        self.last_restart = self.last_restart.max(last_restart(status));
    }

    fn restarts_text(&self, now: i64) -> String {
        match self.last_restart {
            Some(last) if self.restarts > 0 => {
                format!("{} ({} ago)", self.restarts, machinery::time::human_duration(now - last))
            }
            _ => self.restarts.to_string(),
        }
    }
}

fn restarts(status: &Value) -> i64 {
    status.int("restartCount").unwrap_or(0)
}

fn last_restart(status: &Value) -> Option<i64> {
    seconds(status.child(&["lastState", "terminated"]).text("finishedAt"))
}

fn is_sidecar(container: &Value) -> bool {
    container.text("restartPolicy") == "Always"
}

fn is_sidecar_named(spec: &Value, name: &str) -> bool {
    spec.list("initContainers").iter().any(|c| c.text("name") == name && is_sidecar(c))
}

fn exit_reason(terminated: &Value) -> String {
    match (terminated.text("reason"), terminated.int("signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", terminated.int("exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.into(),
    }
}
