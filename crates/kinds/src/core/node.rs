//! Nodes.

use std::collections::BTreeSet;

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{problems, required_name};
use crate::fields::{Fill, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, NONE, UNKNOWN, age, condition, or, text, wide};
use crate::{Column, Rules, quantities};

pub(crate) static NODE: Rules = Rules {
    default: default_node,
    prepare_update: keep_status,
    validate_create: |node| {
        let mut causes = Vec::new();
        taints(&mut causes, node);
        causes
    },
    validate_update: |new, old| {
        let mut causes = Vec::new();
        taints(&mut causes, new);
        for (field, shown) in [("podCIDR", "podCIDRs"), ("providerID", "providerID")] {
            let before = old.value().child(&["spec"]).text(field);
            if !before.is_empty() && new.value().child(&["spec"]).text(field) != before {
                let detail = format!("node updates may not change {field} except from \"\" to valid");
                causes.push(Cause::forbidden(format!("spec.{shown}"), &detail));
            }
        }
        causes
    },
    field: |node, label| {
        (label == "spec.unschedulable")
            .then(|| node.value().child(&["spec"]).flag("unschedulable").to_string())
    },
    field_labels: &["spec.unschedulable"],
    columns: || COLUMNS,
    cells,
    ..Rules::PLAIN
};

/// The texts of `status.nodeInfo` that are always there.
const NODE_INFO: &[&str] = &[
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
];

fn default_node(node: &mut Object) {
    let fields = node.fields_mut();
    fields.fill("spec", json!({}));
    let Some(status) = fields.make("status") else { return };
    if let Some(info) = status.make("nodeInfo") {
        for key in NODE_INFO {
            info.fill(key, "");
        }
    }
    if let Some(endpoint) = status.make("daemonEndpoints").and_then(|d| d.make("kubeletEndpoint")) {
        endpoint.fill("Port", 0);
    }
    for list in ["capacity", "allocatable"] {
        quantities::canonicalise(status, list);
    }
}

/// The taint every new node starts with: nothing is placed on it until somebody says it is ready.
pub fn taint_not_ready(node: &mut Object) {
    const KEY: &str = "node.kubernetes.io/not-ready";
    let Some(spec) = node.fields_mut().make("spec") else { return };
    let mut taints = spec.list("taints").to_vec();
    if !taints.iter().any(|t| t.text("key") == KEY && t.text("effect") == "NoSchedule") {
        taints.push(json!({"key": KEY, "effect": "NoSchedule"}));
        spec.insert("taints".into(), taints.into());
    }
}

fn taints(causes: &mut Vec<Cause>, node: &Object) {
    let mut seen = BTreeSet::new();
    for (i, taint) in node.value().child(&["spec"]).list("taints").iter().enumerate() {
        let at = format!("spec.taints[{i}]");
        let (key, value, effect) = (taint.text("key"), taint.text("value"), taint.text("effect"));
        required_name(causes, &format!("{at}.key"), key, machinery::names::qualified_name);
        problems(causes, &format!("{at}.value"), value, machinery::names::label_value(value));
        let effects = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
        crate::checks::required_one_of(causes, &format!("{at}.effect"), effect, effects);
        if !seen.insert((key, effect)) {
            causes.push(Cause::duplicate(at, taint));
        }
    }
}

const COLUMNS: &[Column] = &[
    NAME,
    text("Status", "Whether the node is ready for pods."),
    text("Roles", "Roles the node's labels name."),
    AGE,
    text("Version", "Version of the kubelet."),
    wide("Internal-IP", "Address inside the cluster."),
    wide("External-IP", "Address outside the cluster."),
    wide("OS-Image", "Operating system."),
    wide("Kernel-Version", "Version of the kernel."),
    wide("Container-Runtime", "Container runtime and its version."),
];

fn cells(node: &Object, now: i64) -> Vec<Value> {
    let info = node.value().child(&["status", "nodeInfo"]);
    let mut status = match condition(node.value(), "Ready").map(|c| c.text("status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node.value().child(&["spec"]).flag("unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    vec![
        node.name().into(),
        status.into(),
        or(&roles(node), NONE).into(),
        age(node, now),
        info.text("kubeletVersion").into(),
        address(node, "InternalIP").into(),
        address(node, "ExternalIP").into(),
        or(info.text("osImage"), UNKNOWN).into(),
        or(info.text("kernelVersion"), UNKNOWN).into(),
        or(info.text("containerRuntimeVersion"), UNKNOWN).into(),
    ]
}

fn roles(node: &Object) -> String {
    let mut roles = BTreeSet::new();
    for (key, value) in node.labels() {
        match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) if !role.is_empty() => roles.insert(role),
            None if key == "kubernetes.io/role" && !value.is_empty() => roles.insert(value),
            _ => false,
        };
    }
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn address<'a>(node: &'a Object, ty: &str) -> &'a str {
    let addresses = node.value().child(&["status"]).list("addresses");
    addresses.iter().find(|a| a.text("type") == ty).map_or(NONE, |a| a.text("address"))
}
