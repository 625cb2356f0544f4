//! Workloads that keep their pods running: deployments, replica sets, stateful sets, daemon sets.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{
    immutable, is_zero, label_selector, non_negative, number_or_percent, selector_is_empty, selector_matches,
    selector_text,
};
use crate::core::volume::default_claim_spec;
use crate::fields::{Fill, Read};
use crate::pod_spec::{container_images, container_names, default, validate};
use crate::rules::keep_status;
use crate::tables::{AGE, CONTAINERS, IMAGES, NAME, NONE, SELECTOR, age, integer, number, or, text};
use crate::{Column, Rules};

pub(crate) static DEPLOYMENT: Rules = Rules {
    default: |deployment| {
        let Some(spec) = deployment.fields_mut().map_mut("spec") else { return };
        spec.fill("replicas", 1);
        default::template(spec, "template");
        if let Some(strategy) = spec.make("strategy") {
            strategy.fill_text("type", "RollingUpdate");
            if strategy.text("type") == "RollingUpdate"
                && let Some(rolling) = strategy.make("rollingUpdate")
            {
                rolling.fill("maxUnavailable", "25%");
                rolling.fill("maxSurge", "25%");
            }
        }
        spec.fill("revisionHistoryLimit", 10);
        spec.fill("progressDeadlineSeconds", 600);
    },
    prepare_create: |deployment| deployment.set("/status", json!({})),
    prepare_update: keep_status,
    prepare_status_update: |new, old| {
        crate::rules::keep_all_but_status(new, old);
        crate::rules::keep_labels(new, old);
    },
    validate_create: validate_deployment,
    validate_update: |new, old| {
        let mut causes = validate_deployment(new);
        selector_stays(&mut causes, new, old);
        causes
    },
    validate_status_update: |new, _| {
        let fields =
            ["observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
        counts(new, &fields)
    },
    columns: || DEPLOYMENT_COLUMNS,
    cells: |deployment, now| {
        let mut cells = vec![
            deployment.name().into(),
            ready_of(deployment).into(),
            number(deployment, &["status", "updatedReplicas"]),
            number(deployment, &["status", "availableReplicas"]),
            age(deployment, now),
        ];
        cells.extend(template_cells(deployment));
        cells.push(selector_cell(deployment));
        cells
    },
    ..Rules::PLAIN
};

const DEPLOYMENT_COLUMNS: &[Column] = &[
    NAME,
    text("Ready", "Ready pods of the pods wanted."),
    text("Up-to-date", "Pods of the newest template."),
    text("Available", "Pods that have been ready for long enough."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn ready_of(object: &Object) -> String {
    let ready = object.value().child(&["status"]).int("readyReplicas").unwrap_or(0);
    let wanted = object.value().child(&["spec"]).int("replicas").unwrap_or(0);
    format!("{ready}/{wanted}")
}

/// Containers and images of `spec.template`.
pub(crate) fn template_cells(object: &Object) -> [Value; 2] {
    let spec = object.value().child(&["spec", "template", "spec"]);
    [container_names(spec).into(), container_images(spec).into()]
}

pub(crate) fn selector_cell(object: &Object) -> Value {
    or(&selector_text(object.value().child(&["spec", "selector"])), NONE).into()
}

/// Status fields that count something.
fn counts(object: &Object, fields: &[&str]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in fields {
        let number = object.value().child(&["status"]).int(field);
        non_negative(&mut causes, &format!("status.{field}"), number);
    }
    causes
}

fn selector_stays(causes: &mut Vec<Cause>, new: &Object, old: &Object) {
    let path = &["spec", "selector"];
    immutable(causes, "spec.selector", new.value().child(path), old.value().child(path));
}

/// The selector, and that it matches the labels of the template.
fn check_selector(causes: &mut Vec<Cause>, spec: &Value, kind: &str) {
    let selector = spec.child(&["selector"]);
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else {
        label_selector(causes, "spec.selector", selector);
        if selector_is_empty(selector) {
            let detail = format!("empty selector is invalid for {kind}");
            causes.push(Cause::invalid("spec.selector", selector, &detail));
            return;
        }
    }
    check_template_labels(causes, spec, selector);
}

pub(crate) fn check_template_labels(causes: &mut Vec<Cause>, spec: &Value, selector: &Value) {
    let labels = spec.child(&["template", "metadata", "labels"]);
    if selector.is_null() || !selector_matches(selector, labels) {
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
}

fn validate_deployment(deployment: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = deployment.value().child(&["spec"]);
    non_negative(&mut causes, "spec.replicas", spec.int("replicas"));
    check_selector(&mut causes, spec, "deployment");
    validate::long_running_template(&mut causes, "spec.template", spec.child(&["template"]));
    strategy(&mut causes, "spec.strategy", spec.child(&["strategy"]), &["Recreate", "RollingUpdate"]);
    non_negative(&mut causes, "spec.minReadySeconds", spec.int("minReadySeconds"));
    non_negative(&mut causes, "spec.revisionHistoryLimit", spec.int("revisionHistoryLimit"));
    if let Some(deadline) = spec.int("progressDeadlineSeconds") {
        non_negative(&mut causes, "spec.progressDeadlineSeconds", Some(deadline));
        if deadline <= spec.int("minReadySeconds").unwrap_or(0) {
            let detail = "must be greater than minReadySeconds";
            causes.push(Cause::invalid("spec.progressDeadlineSeconds", &deadline.into(), detail));
        }
    }
    causes
}

fn strategy(causes: &mut Vec<Cause>, at: &str, strategy: &Value, types: &[&str]) {
    let ty = strategy.text("type");
    let rolling = strategy.child(&["rollingUpdate"]);
    if ty != "RollingUpdate" {
        if !types.contains(&ty) {
            causes.push(Cause::not_supported(format!("{at}.type"), &ty.into(), types));
        } else if !rolling.is_null() && ty == "Recreate" {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden(format!("{at}.rollingUpdate"), detail));
        }
        return;
    }
    let at = format!("{at}.rollingUpdate");
    let (unavailable, surge) = (rolling.child(&["maxUnavailable"]), rolling.child(&["maxSurge"]));
    number_or_percent(causes, &format!("{at}.maxUnavailable"), unavailable, true);
    number_or_percent(causes, &format!("{at}.maxSurge"), surge, false);
    if is_zero(unavailable) && is_zero(surge) {
        let detail = "may not be 0 when `maxSurge` is 0";
        causes.push(Cause::invalid(format!("{at}.maxUnavailable"), unavailable, detail));
    }
}

pub(crate) static REPLICA_SET: Rules = Rules {
    default: |set| {
        let Some(spec) = set.fields_mut().map_mut("spec") else { return };
        spec.fill("replicas", 1);
        default::template(spec, "template");
    },
    prepare_create: |set| set.set("/status", json!({"replicas": 0})),
    prepare_update: keep_status,
    validate_create: validate_replica_set,
    validate_update: |new, old| {
        let mut causes = validate_replica_set(new);
        selector_stays(&mut causes, new, old);
        causes
    },
    validate_status_update: |new, _| {
        counts(new, &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"])
    },
    field: |set, label| {
        (label == "status.replicas")
            .then(|| set.value().child(&["status"]).int("replicas").unwrap_or(0).to_string())
    },
    field_labels: &["status.replicas"],
    columns: || REPLICA_COLUMNS,
    cells: |set, now| {
        let mut cells = vec![
            set.name().into(),
            number(set, &["spec", "replicas"]),
            number(set, &["status", "replicas"]),
            number(set, &["status", "readyReplicas"]),
            age(set, now),
        ];
        cells.extend(template_cells(set));
        cells.push(selector_cell(set));
        cells
    },
    ..Rules::PLAIN
};

/// Columns of replica sets and replication controllers.
pub(crate) const REPLICA_COLUMNS: &[Column] = &[
    NAME,
    integer("Desired", "Pods wanted."),
    integer("Current", "Pods there are."),
    integer("Ready", "Pods that are ready."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn validate_replica_set(set: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = set.value().child(&["spec"]);
    non_negative(&mut causes, "spec.replicas", spec.int("replicas"));
    non_negative(&mut causes, "spec.minReadySeconds", spec.int("minReadySeconds"));
    check_selector(&mut causes, spec, "deployment");
    validate::long_running_template(&mut causes, "spec.template", spec.child(&["template"]));
    causes
}

pub(crate) static STATEFUL_SET: Rules = Rules {
    default: default_stateful_set,
    prepare_create: |set| set.set("/status", json!({"replicas": 0, "availableReplicas": 0})),
    prepare_update: keep_status,
    validate_create: validate_stateful_set,
    validate_update: validate_stateful_set_update,
    validate_status_update: |new, _| {
        counts(new, &["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"])
    },
    columns: || STATEFUL_SET_COLUMNS,
    cells: |set, now| {
        let mut cells = vec![set.name().into(), ready_of(set).into(), age(set, now)];
        cells.extend(template_cells(set));
        cells
    },
    ..Rules::PLAIN
};

const STATEFUL_SET_COLUMNS: &[Column] =
    &[NAME, text("Ready", "Ready pods of the pods wanted."), AGE, CONTAINERS, IMAGES];

fn default_stateful_set(set: &mut Object) {
    let Some(spec) = set.fields_mut().map_mut("spec") else { return };
    spec.fill("replicas", 1);
    default::template(spec, "template");
    spec.fill_text("podManagementPolicy", "OrderedReady");
    if let Some(strategy) = spec.make("updateStrategy") {
        strategy.fill_text("type", "RollingUpdate");
        if strategy.text("type") == "RollingUpdate"
            && let Some(rolling) = strategy.make("rollingUpdate")
        {
            rolling.fill("partition", 0);
        }
    }
    spec.fill("revisionHistoryLimit", 10);
    if let Some(policy) = spec.make("persistentVolumeClaimRetentionPolicy") {
        policy.fill_text("whenDeleted", "Retain");
        policy.fill_text("whenScaled", "Retain");
    }
    for claim in spec.maps_mut("volumeClaimTemplates") {
        claim.fill_text("apiVersion", "v1");
        claim.fill_text("kind", "PersistentVolumeClaim");
        if let Some(spec) = claim.make("spec") {
            default_claim_spec(spec);
        }
        if let Some(status) = claim.make("status") {
            status.fill_text("phase", "Pending");
        }
    }
}

fn validate_stateful_set(set: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = set.value().child(&["spec"]);
    let policies = &["OrderedReady", "Parallel"];
    let policy = spec.text("podManagementPolicy");
    crate::checks::required_one_of(&mut causes, "spec.podManagementPolicy", policy, policies);
    let strategy = spec.child(&["updateStrategy"]);
    let types = &["OnDelete", "RollingUpdate"];
    crate::checks::one_of(&mut causes, "spec.updateStrategy.type", strategy.text("type"), types);
    if strategy.text("type") == "OnDelete" && strategy.has("rollingUpdate") {
        causes.push(Cause::invalid(
            "spec.updateStrategy.rollingUpdate",
            strategy.get_or_null("rollingUpdate"),
            "only allowed for updateStrategy 'RollingUpdate'",
        ));
    }
    let partition = strategy.child(&["rollingUpdate", "partition"]).as_i64();
    non_negative(&mut causes, "spec.updateStrategy.rollingUpdate.partition", partition);
    non_negative(&mut causes, "spec.replicas", spec.int("replicas"));
    non_negative(&mut causes, "spec.minReadySeconds", spec.int("minReadySeconds"));
    non_negative(&mut causes, "spec.ordinals.start", spec.child(&["ordinals"]).int("start"));
    check_selector(&mut causes, spec, "statefulset");
    validate::long_running_template(&mut causes, "spec.template", &with_claims(spec));
    causes
}

/// The template as its pods will be: with the volumes of the claims.
fn with_claims(spec: &Value) -> Value {
    let mut template = spec.child(&["template"]).clone();
    let claims = spec.list("volumeClaimTemplates");
    if let Some(pod) = template.get_mut("spec").and_then(Value::as_object_mut)
        && !claims.is_empty()
    {
        let mut volumes = pod.list("volumes").to_vec();
        for claim in claims {
            let name = claim.child(&["metadata"]).text("name");
            volumes.retain(|v| v.text("name") != name);
            volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
        }
        pod.insert("volumes".into(), volumes.into());
    }
    template
}

fn validate_stateful_set_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut causes = validate_stateful_set(new);
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let (spec, before) = (new.value().child(&["spec"]), old.value().child(&["spec"]));
    if crate::checks::changed_outside(spec, before, &free) {
        causes.push(Cause::forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
             'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
             'minReadySeconds' are forbidden",
        ));
    }
    causes
}

/// Counts the templates a daemon set has had; kept for clients of the first API.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

pub(crate) static DAEMON_SET: Rules = Rules {
    default: |set| {
        let Some(spec) = set.fields_mut().map_mut("spec") else { return };
        default::template(spec, "template");
        if let Some(strategy) = spec.make("updateStrategy") {
            strategy.fill_text("type", "RollingUpdate");
            if strategy.text("type") == "RollingUpdate"
                && let Some(rolling) = strategy.make("rollingUpdate")
            {
                rolling.fill("maxUnavailable", 1);
                rolling.fill("maxSurge", 0);
            }
        }
        spec.fill("revisionHistoryLimit", 10);
    },
    prepare_create: |set| {
        let zero = ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"];
        let status: crate::fields::Map = zero.iter().map(|k| ((*k).to_owned(), 0.into())).collect();
        set.set("/status", status);
        set.set_annotation(TEMPLATE_GENERATION, "1");
    },
    prepare_update: |new, old| {
        keep_status(new, old);
        let before: i64 = old.annotation(TEMPLATE_GENERATION).and_then(|t| t.parse().ok()).unwrap_or(1);
        let path = &["spec", "template"];
        let changed = new.value().child(path) != old.value().child(path);
        new.set_annotation(TEMPLATE_GENERATION, &(before + i64::from(changed)).to_string());
    },
    validate_create: validate_daemon_set,
    validate_update: |new, old| {
        let mut causes = validate_daemon_set(new);
        selector_stays(&mut causes, new, old);
        causes
    },
    columns: || DAEMON_SET_COLUMNS,
    cells: |set, now| {
        let node_selector = set.value().child(&["spec", "template", "spec", "nodeSelector"]);
        let mut cells = vec![
            set.name().into(),
            number(set, &["status", "desiredNumberScheduled"]),
            number(set, &["status", "currentNumberScheduled"]),
            number(set, &["status", "numberReady"]),
            number(set, &["status", "updatedNumberScheduled"]),
            number(set, &["status", "numberAvailable"]),
            or(&crate::checks::labels_text(node_selector), NONE).into(),
            age(set, now),
        ];
        cells.extend(template_cells(set));
        cells.push(selector_cell(set));
        cells
    },
    ..Rules::PLAIN
};

const DAEMON_SET_COLUMNS: &[Column] = &[
    NAME,
    integer("Desired", "Nodes that should run the pod."),
    integer("Current", "Nodes that have the pod and should."),
    integer("Ready", "Nodes whose pod is ready."),
    integer("Up-to-date", "Nodes whose pod has the newest template."),
    integer("Available", "Nodes whose pod has been ready for long enough."),
    text("Node Selector", "Labels of the nodes that should run the pod."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn validate_daemon_set(set: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = set.value().child(&["spec"]);
    check_selector(&mut causes, spec, "daemonset");
    validate::long_running_template(&mut causes, "spec.template", spec.child(&["template"]));
    non_negative(&mut causes, "spec.minReadySeconds", spec.int("minReadySeconds"));
    let types = &["OnDelete", "RollingUpdate"];
    strategy(&mut causes, "spec.updateStrategy", spec.child(&["updateStrategy"]), types);
    non_negative(&mut causes, "spec.revisionHistoryLimit", spec.int("revisionHistoryLimit"));
    causes
}

pub(crate) static CONTROLLER_REVISION: Rules = Rules {
    validate_create: validate_revision,
    validate_update: |new, old| {
        let mut causes = validate_revision(new);
        let data = |o: &Object| o.fields().get("data").cloned().unwrap_or_default();
        immutable(&mut causes, "data", &data(new), &data(old));
        causes
    },
    columns: || REVISION_COLUMNS,
    cells: |revision, now| {
        let owner = revision.controller_owner().map(|o| {
            let group = o.api_version.split_once('/').map_or(String::new(), |(g, _)| format!(".{g}"));
            format!("{}{group}/{}", o.kind.to_lowercase(), o.name)
        });
        vec![
            revision.name().into(),
            owner.unwrap_or_else(|| NONE.into()).into(),
            number(revision, &["revision"]),
            age(revision, now),
        ]
    },
    ..Rules::PLAIN
};

const REVISION_COLUMNS: &[Column] = &[
    NAME,
    text("Controller", "Workload the revision belongs to."),
    text("Revision", "Number of the revision."),
    AGE,
];

fn validate_revision(revision: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !revision.value().has("data") {
        causes.push(Cause::required("data", "data is mandatory"));
    }
    non_negative(&mut causes, "revision", revision.value().int("revision"));
    causes
}
