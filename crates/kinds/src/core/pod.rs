//! Pods and pod templates.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{changed_outside, labels_text};
use crate::core::pod_table;
use crate::fields::{Fill, Read};
use crate::pod_spec::{container_images, container_names, default, qos, validate};
use crate::rules::{keep, keep_status};
use crate::tables::{NAME, NONE, condition, or, text};
use crate::{Column, Rules, quantities};

pub(crate) static POD: Rules = Rules {
    default: |pod| {
        if let Some(spec) = pod.fields_mut().map_mut("spec") {
            default::pod_spec(spec);
            default::pod_only(spec);
        }
    },
    prepare_create: |pod| {
        let class = qos::class(pod.value().child(&["spec"]));
        let mut status = json!({"phase": "Pending", "qosClass": class});
        if is_gated(pod) {
            status["conditions"] = json!([gated_condition()]);
        }
        pod.set("/status", status);
    },
    prepare_update: keep_status,
    prepare_status_update: |new, old| {
        crate::rules::keep_all_but_status(new, old);
        // Some kubelets send back damaged owners.
        new.set_owner_references(&old.owner_references());
        if new.value().child(&["status"]).text("qosClass").is_empty() {
            let class = old.value().child(&["status"]).get_or_null("qosClass");
            if !class.is_null() {
                new.set("/status/qosClass", class.clone());
            }
        }
    },
    validate_create: |pod| {
        let mut causes = Vec::new();
        validate::pod_spec(&mut causes, "spec", pod.value().child(&["spec"]));
        causes
    },
    validate_update,
    field,
    field_labels: &[
        "spec.nodeName",
        "spec.host",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ],
    columns: || pod_table::COLUMNS,
    cells: pod_table::cells,
    row_conditions: pod_table::row_conditions,
    ..Rules::PLAIN
};

fn field(pod: &Object, label: &str) -> Option<String> {
    let (spec, status) = (pod.value().child(&["spec"]), pod.value().child(&["status"]));
    Some(match label {
        "spec.nodeName" | "spec.host" => spec.text("nodeName").into(),
        "spec.restartPolicy" => spec.text("restartPolicy").into(),
        "spec.schedulerName" => spec.text("schedulerName").into(),
        "spec.serviceAccountName" => spec.text("serviceAccountName").into(),
        "spec.hostNetwork" => spec.flag("hostNetwork").to_string(),
        "status.phase" => status.text("phase").into(),
        "status.podIP" => status.text("podIP").into(),
        "status.podIPs" => {
            let ips: Vec<&str> = status.list("podIPs").iter().map(|ip| ip.text("ip")).collect();
            ips.join(",")
        }
        "status.nominatedNodeName" => status.text("nominatedNodeName").into(),
        _ => return None,
    })
}

fn is_gated(pod: &Object) -> bool {
    !pod.value().child(&["spec"]).list("schedulingGates").is_empty()
}

fn gated_condition() -> Value {
    json!({
        "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": null, "lastTransitionTime": null,
    })
}

const CHANGEABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn validate_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (spec, before) = (new.value().child(&["spec"]), old.value().child(&["spec"]));
    validate::pod_spec(&mut causes, "spec", spec);
    deadline(&mut causes, spec, before);
    let kept = before.list("tolerations");
    if !kept.iter().all(|t| spec.list("tolerations").contains(t)) && !is_gated(old) {
        causes.push(Cause::forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        ));
    }
    if spec.list("schedulingGates").iter().any(|g| !before.list("schedulingGates").contains(g)) {
        causes.push(Cause::forbidden(
            "spec.schedulingGates",
            "only deletion is allowed, but found new scheduling gate",
        ));
    }
    let mut free = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    if before.int("terminationGracePeriodSeconds").is_some_and(|n| n < 0) {
        free.push("terminationGracePeriodSeconds");
    }
    if is_gated(old) {
        free.extend(["nodeSelector", "affinity"]);
    }
    if changed_outside(&without_images(spec), &without_images(before), &free) {
        causes.push(Cause::forbidden("spec", CHANGEABLE));
    }
    causes
}

fn deadline(causes: &mut Vec<Cause>, spec: &Value, before: &Value) {
    let field = "activeDeadlineSeconds";
    let good = match (spec.int(field), before.int(field)) {
        (Some(new), Some(old)) => new <= old,
        (None, Some(_)) => false,
        _ => true,
    };
    if !good {
        let value = spec.get_or_null(field);
        causes.push(Cause::invalid(
            "spec.activeDeadlineSeconds",
            value,
            "must be less than or equal to previous value",
        ));
    }
}

fn without_images(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(map) = spec.as_object_mut() {
        for list in ["containers", "initContainers"] {
            for c in map.maps_mut(list) {
                c.remove("image");
            }
        }
    }
    spec
}

/// What a write to `/ephemeralcontainers` does: only additions to that list count.
///
/// # Errors
/// Causes, when a stored ephemeral container is changed or missing, or a new one is malformed.
pub fn update_ephemeral_containers(new: &mut Object, old: &Object) -> Result<(), Vec<Cause>> {
    let wanted = new.value().child(&["spec"]).get_or_null("ephemeralContainers").clone();
    keep(new, old, "spec");
    keep_status(new, old);
    if wanted.is_null() {
        new.remove("/spec/ephemeralContainers");
    } else {
        new.set("/spec/ephemeralContainers", wanted);
    }
    (POD.default)(new);
    let mut causes = Vec::new();
    let after = new.value().child(&["spec"]).list("ephemeralContainers");
    for c in old.value().child(&["spec"]).list("ephemeralContainers") {
        if !after.contains(c) {
            let detail =
                format!("existing ephemeral containers {:?} may not be changed or removed\n", c.text("name"));
            causes.push(Cause::forbidden("spec.ephemeralContainers", detail.trim_end()));
        }
    }
    validate::pod_spec(&mut causes, "spec", new.value().child(&["spec"]));
    if causes.is_empty() { Ok(()) } else { Err(causes) }
}

/// What a write to `/resize` does: only the containers' resources and resize policies count.
pub fn prepare_resize(new: &mut Object, old: &Object) {
    let wanted = new.value().child(&["spec"]).list("containers").to_vec();
    keep(new, old, "spec");
    keep_status(new, old);
    let Some(spec) = new.fields_mut().map_mut("spec") else { return };
    for c in spec.maps_mut("containers") {
        let Some(from) = wanted.iter().find(|w| w.text("name") == c.text("name")) else { continue };
        for field in ["resources", "resizePolicy"] {
            if from.has(field) {
                c.insert(field.into(), from.get_or_null(field).clone());
            }
        }
        quantities::canonicalise_resources(c, "resources");
    }
}

/// What a Binding does to its pod: the node, the condition, and the binding's annotations and labels.
///
/// # Errors
/// The reason for a 409, when the pod has a node already or is being deleted.
pub fn bind(pod: &mut Object, binding: &Object, now: &str) -> Result<(), String> {
    let node = binding.value().child(&["target"]).text("name");
    let taken = pod.value().child(&["spec"]).text("nodeName");
    if pod.is_deleting() {
        return Err(format!("pod {} is being deleted, cannot be assigned to a host", pod.name()));
    }
    if !taken.is_empty() {
        return Err(format!("pod {} is already assigned to node {taken:?}", pod.name()));
    }
    if is_gated(pod) {
        return Err(format!("pod {} has non-empty .spec.schedulingGates", pod.name()));
    }
    pod.set("/spec/nodeName", node);
    for (key, value) in binding.annotations() {
        pod.set_annotation(key, value);
    }
    for (key, value) in binding.labels() {
        pod.set_label(key, value);
    }
    set_scheduled(pod, now);
    Ok(())
}

fn set_scheduled(pod: &mut Object, now: &str) {
    let already = condition(pod.value(), "PodScheduled").is_some_and(|c| c.text("status") == "True");
    if already {
        return;
    }
    let status = pod.value().child(&["status"]);
    let mut conditions: Vec<Value> =
        status.list("conditions").iter().filter(|c| c.text("type") != "PodScheduled").cloned().collect();
    conditions.push(json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
    }));
    pod.set("/status/conditions", conditions);
}

/// What the built-in admission plugins add to a new pod that names no priority class: priority 0, and five
/// minutes of patience with a node that is not ready or cannot be reached.
pub fn admission_defaults(pod: &mut Object) {
    let Some(spec) = pod.fields_mut().map_mut("spec") else { return };
    if spec.text("priorityClassName").is_empty() {
        spec.fill("priority", 0);
    }
    spec.fill_text("preemptionPolicy", "PreemptLowerPriority");
    let mut tolerations = spec.list("tolerations").to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|t| {
            matches!(t.text("effect"), "" | "NoExecute") && (t.text("key") == key || t.text("key").is_empty())
        });
        if !covered {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
    spec.insert("tolerations".into(), tolerations.into());
}

/// [`admission_defaults`] of a changed pod: the priority is the one it was given when it was made.
pub fn admission_defaults_of_change(new: &mut Object, old: &Object) {
    let before = old.value().child(&["spec"]);
    if let Some(spec) = new.fields_mut().map_mut("spec") {
        for field in ["priority", "preemptionPolicy"] {
            if before.has(field) {
                spec.fill(field, before.get_or_null(field).clone());
            }
        }
    }
    admission_defaults(new);
}

/// Seconds a deleted pod has to stop: what was asked for, else what its spec says; nothing for pods
/// that run nowhere or have finished.
pub fn deletion_grace_secs(pod: &Object, asked: Option<i64>) -> i64 {
    let (spec, status) = (pod.value().child(&["spec"]), pod.value().child(&["status"]));
    let idle = spec.text("nodeName").is_empty() || matches!(status.text("phase"), "Succeeded" | "Failed");
    if idle {
        return 0;
    }
    let secs = asked.or(spec.int("terminationGracePeriodSeconds")).unwrap_or(30);
    // Negative means as soon as possible, in the spec as in the request.
    if secs < 0 { 1 } else { secs }
}

pub(crate) static POD_TEMPLATE: Rules = Rules {
    default: |object| default::template(object.fields_mut(), "template"),
    validate_create: |object| {
        let mut causes = Vec::new();
        validate::pod_template(&mut causes, "template", object.value().child(&["template"]));
        causes
    },
    validate_update: |new, _| (POD_TEMPLATE.validate_create)(new),
    columns: || POD_TEMPLATE_COLUMNS,
    cells: |object, _| {
        let template = object.value().child(&["template"]);
        let spec = template.child(&["spec"]);
        let labels = labels_text(template.child(&["metadata", "labels"]));
        vec![
            object.name().into(),
            container_names(spec).into(),
            container_images(spec).into(),
            or(&labels, NONE).into(),
        ]
    },
    ..Rules::PLAIN
};

const POD_TEMPLATE_COLUMNS: &[Column] = &[
    NAME,
    text("Containers", "Names of the containers."),
    text("Images", "Images of the containers."),
    text("Pod Labels", "Labels of the pods."),
];
