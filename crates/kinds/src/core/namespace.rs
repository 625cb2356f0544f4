//! Namespaces and service accounts.

use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::fields::Read;
use crate::rules::{keep, keep_status};
use crate::tables::{self, AGE, NAME, age, text};
use crate::{Column, Rules};

/// The label that repeats a namespace's name, so that selectors can name it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(crate) static NAMESPACE: Rules = Rules {
    name: names::dns_label,
    default: |namespace| {
        let name = namespace.name().to_owned();
        if !name.is_empty() {
            namespace.set_label(NAME_LABEL, &name);
        }
    },
    prepare_create: |namespace| {
        namespace.set("/status", json!({"phase": "Active"}));
        let finalizers = namespace.value().child(&["spec"]).list("finalizers");
        if !finalizers.iter().any(|f| f == "kubernetes") {
            let mut finalizers = finalizers.to_vec();
            finalizers.push("kubernetes".into());
            namespace.set("/spec/finalizers", finalizers);
        }
        let name = namespace.name().to_owned();
        namespace.set_label(NAME_LABEL, &name);
    },
    prepare_update: |new, old| {
        keep(new, old, "spec");
        keep_status(new, old);
        let name = new.name().to_owned();
        new.set_label(NAME_LABEL, &name);
    },
    validate_status_update: validate_phase,
    field: |namespace, label| match label {
        "status.phase" => Some(namespace.value().child(&["status"]).text("phase").into()),
        // The old spelling of metadata.name.
        "name" => Some(namespace.name().into()),
        _ => None,
    },
    field_labels: &["status.phase", "name"],
    columns: || NAMESPACE_COLUMNS,
    cells: |namespace, now| {
        vec![
            namespace.name().into(),
            namespace.value().child(&["status"]).text("phase").into(),
            age(namespace, now),
        ]
    },
    ..Rules::PLAIN
};

const NAMESPACE_COLUMNS: &[Column] =
    &[NAME, text("Status", "Whether the namespace is in use or being deleted."), AGE];

fn validate_phase(new: &Object, _old: &Object) -> Vec<Cause> {
    let phase = new.value().child(&["status"]).text("phase");
    let wrong = match (new.is_deleting(), phase) {
        (false, "Active") | (true, "Terminating") => return Vec::new(),
        (false, _) => "may only be 'Active' if `deletionTimestamp` is empty",
        (true, _) => "may only be 'Terminating' if `deletionTimestamp` is not empty",
    };
    vec![Cause::invalid("status.phase", &phase.into(), wrong)]
}

/// What a PUT to `/finalize` does: of the request only `spec.finalizers` counts.
pub fn finalize(stored: &Object, request: &Object) -> Object {
    let mut new = stored.clone();
    let finalizers: Vec<Value> = request.value().child(&["spec"]).list("finalizers").to_vec();
    if finalizers.is_empty() {
        new.set("/spec", json!({}));
    } else {
        new.set("/spec/finalizers", finalizers);
    }
    new
}

/// Whether nothing holds a deleted namespace any more: no finalizer in the spec, none in the metadata.
pub fn is_finalized(namespace: &Object) -> bool {
    namespace.is_deleting()
        && namespace.value().child(&["spec"]).list("finalizers").is_empty()
        && namespace.finalizers().next().is_none()
}

/// What the beginning of a deletion changes besides the metadata.
pub fn terminate(namespace: &mut Object) {
    namespace.set("/status/phase", "Terminating");
}

pub(crate) static SERVICE_ACCOUNT: Rules =
    Rules { columns: || tables::NAME_AND_AGE, cells: tables::name_and_age, ..Rules::PLAIN };
