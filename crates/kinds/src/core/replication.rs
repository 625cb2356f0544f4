//! Replication controllers, the ancestors of replica sets.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::Rules;
use crate::apps::{REPLICA_COLUMNS, check_template_labels, template_cells};
use crate::checks::{labels_text, non_negative};
use crate::fields::{Fill, Read};
use crate::pod_spec::{default, validate};
use crate::rules::keep_status;
use crate::tables::{NONE, age, number, or};

pub(crate) static REPLICATION_CONTROLLER: Rules = Rules {
    default: |controller| {
        let labels = controller.value().child(&["spec", "template", "metadata", "labels"]).clone();
        if labels.is_object() {
            if controller.value().child(&["spec"]).entries("selector").next().is_none() {
                controller.set("/spec/selector", labels.clone());
            }
            if controller.labels().next().is_none() {
                controller.set("/metadata/labels", labels);
            }
        }
        if let Some(spec) = controller.fields_mut().map_mut("spec") {
            spec.fill("replicas", 1);
            default::template(spec, "template");
        }
    },
    prepare_create: |controller| controller.set("/status", json!({"replicas": 0})),
    prepare_update: keep_status,
    validate_create: validate,
    validate_update: |new, _| validate(new),
    field: |controller, label| {
        (label == "status.replicas")
            .then(|| controller.value().child(&["status"]).int("replicas").unwrap_or(0).to_string())
    },
    field_labels: &["status.replicas"],
    columns: || REPLICA_COLUMNS,
    cells: |controller, now| {
        let selector = labels_text(controller.value().child(&["spec", "selector"]));
        let mut cells = vec![
            controller.name().into(),
            number(controller, &["spec", "replicas"]),
            number(controller, &["status", "replicas"]),
            number(controller, &["status", "readyReplicas"]),
            age(controller, now),
        ];
        cells.extend(template_cells(controller));
        cells.push(or(&selector, NONE).into());
        cells
    },
    ..Rules::PLAIN
};

fn validate(controller: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = controller.value().child(&["spec"]);
    non_negative(&mut causes, "spec.replicas", spec.int("replicas"));
    if spec.entries("selector").next().is_none() {
        causes.push(Cause::required("spec.selector", ""));
    }
    if !spec.has("template") {
        causes.push(Cause::required("spec.template", ""));
        return causes;
    }
    let selector: Value = json!({"matchLabels": spec.get_or_null("selector")});
    check_template_labels(&mut causes, spec, &selector);
    validate::long_running_template(&mut causes, "spec.template", spec.child(&["template"]));
    causes
}
