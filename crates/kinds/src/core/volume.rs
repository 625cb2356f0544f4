//! Persistent volumes and the claims to them.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{changed_outside, one_of};
use crate::fields::{Fill, Map, Read};
use crate::pod_spec::default::volume_source;
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, UNSET, age, or, text, wide};
use crate::{Column, Rules, quantities};

const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub(crate) static PERSISTENT_VOLUME: Rules = Rules {
    default: |volume| {
        let Some(spec) = volume.fields_mut().map_mut("spec") else { return };
        spec.fill_text("persistentVolumeReclaimPolicy", "Retain");
        spec.fill_text("volumeMode", "Filesystem");
        quantities::canonicalise(spec, "capacity");
        volume_source(spec);
    },
    prepare_create: |volume| {
        let mut status = json!({"phase": "Pending"});
        if !volume.creation_timestamp().is_empty() {
            status["lastPhaseTransitionTime"] = volume.creation_timestamp().into();
        }
        volume.set("/status", status);
    },
    prepare_update: keep_status,
    validate_create: validate_volume,
    validate_update: |new, old| {
        let mut causes = validate_volume(new);
        if source(new.value().child(&["spec"])) != source(old.value().child(&["spec"])) {
            causes.push(Cause::forbidden(
                "spec.persistentvolumesource",
                "spec.persistentvolumesource is immutable after creation",
            ));
        }
        let mode = |v: &Object| v.value().child(&["spec", "volumeMode"]).clone();
        crate::checks::immutable(&mut causes, "spec.volumeMode", &mode(new), &mode(old));
        causes
    },
    columns: || VOLUME_COLUMNS,
    cells: volume_cells,
    ..Rules::PLAIN
};

/// Fields of a volume's spec that do not say where it is.
const NOT_SOURCE: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn source(spec: &Value) -> Vec<(&String, &Value)> {
    let fields = spec.as_object().into_iter().flatten();
    fields.filter(|(key, value)| !NOT_SOURCE.contains(&key.as_str()) && !value.is_null()).collect()
}

fn validate_volume(volume: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = volume.value().child(&["spec"]);
    access_modes(&mut causes, spec);
    if spec.entries("capacity").next().is_none() {
        causes.push(Cause::required("spec.capacity", ""));
    }
    for (name, amount) in spec.entries("capacity") {
        quantities::non_negative(&mut causes, &format!("spec.capacity[{name}]"), amount);
    }
    match source(spec).as_slice() {
        [] => causes.push(Cause::required("spec", "must specify a volume type")),
        [_] => {}
        [_, (second, _), ..] => {
            causes.push(Cause::forbidden(format!("spec.{second}"), "may not specify more than 1 volume type"))
        }
    }
    let policies = &["Delete", "Recycle", "Retain"];
    let policy = spec.text("persistentVolumeReclaimPolicy");
    one_of(&mut causes, "spec.persistentVolumeReclaimPolicy", policy, policies);
    one_of(&mut causes, "spec.volumeMode", spec.text("volumeMode"), &["Block", "Filesystem"]);
    causes
}

fn access_modes(causes: &mut Vec<Cause>, spec: &Value) {
    let modes = spec.list("accessModes");
    if modes.is_empty() {
        causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    for mode in modes {
        if !mode.as_str().is_some_and(|m| ACCESS_MODES.contains(&m)) {
            causes.push(Cause::not_supported("spec.accessModes", mode, ACCESS_MODES));
        }
    }
}

const CAPACITY: Column = text("Capacity", "Size of the volume.");
const MODES: Column = text("Access Modes", "Ways in which nodes may mount the volume.");
const CLASS: Column = text("StorageClass", "Storage class of the volume.");
const ATTRIBUTES: Column = text("VolumeAttributesClass", "Attributes class of the volume.");
const VOLUME_MODE: Column = wide("VolumeMode", "Whether the volume is a file system or a raw device.");

const VOLUME_COLUMNS: &[Column] = &[
    NAME,
    CAPACITY,
    MODES,
    text("Reclaim Policy", "What happens to the volume when its claim goes."),
    text("Status", "Phase of the volume."),
    text("Claim", "Claim the volume is bound to."),
    CLASS,
    ATTRIBUTES,
    text("Reason", "Why the volume failed."),
    AGE,
    VOLUME_MODE,
];

fn volume_cells(volume: &Object, now: i64) -> Vec<Value> {
    let (spec, status) = (volume.value().child(&["spec"]), volume.value().child(&["status"]));
    let claim = match (spec.child(&["claimRef"]).text("namespace"), spec.child(&["claimRef"]).text("name")) {
        ("", "") => String::new(),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    vec![
        volume.name().into(),
        spec.child(&["capacity"]).text("storage").into(),
        modes_text(spec).into(),
        spec.text("persistentVolumeReclaimPolicy").into(),
        phase(volume).into(),
        claim.into(),
        class(volume).into(),
        or(spec.text("volumeAttributesClassName"), UNSET).into(),
        status.text("reason").into(),
        age(volume, now),
        or(spec.text("volumeMode"), UNSET).into(),
    ]
}

fn phase(object: &Object) -> &str {
    if object.is_deleting() { "Terminating" } else { object.value().child(&["status"]).text("phase") }
}

fn class(object: &Object) -> &str {
    object
        .annotation(CLASS_ANNOTATION)
        .unwrap_or_else(|| object.value().child(&["spec"]).text("storageClassName"))
}

fn modes_text(parent: &Value) -> String {
    let given = |mode: &&(&str, &str)| parent.list("accessModes").iter().any(|m| m == mode.0);
    let shown = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    shown.iter().filter(given).map(|m| m.1).collect::<Vec<_>>().join(",")
}

pub(crate) static PERSISTENT_VOLUME_CLAIM: Rules = Rules {
    default: |claim| {
        if let Some(spec) = claim.fields_mut().map_mut("spec") {
            default_claim_spec(spec);
        }
        if let Some(status) = claim.fields_mut().map_mut("status") {
            quantities::canonicalise(status, "capacity");
        }
    },
    prepare_create: |claim| claim.set("/status", json!({"phase": "Pending"})),
    prepare_update: keep_status,
    validate_create: validate_claim,
    validate_update: validate_claim_update,
    columns: || CLAIM_COLUMNS,
    cells: claim_cells,
    ..Rules::PLAIN
};

/// Defaults of a claim's spec, also in the templates of a StatefulSet.
pub(crate) fn default_claim_spec(spec: &mut Map) {
    spec.fill_text("volumeMode", "Filesystem");
    quantities::canonicalise_resources(spec, "resources");
}

fn validate_claim(claim: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = claim.value().child(&["spec"]);
    access_modes(&mut causes, spec);
    let storage = spec.child(&["resources", "requests", "storage"]);
    if storage.is_null() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    } else if quantities::is_zero(storage) {
        causes.push(Cause::invalid("spec.resources[storage]", storage, "must be greater than zero"));
    } else {
        quantities::non_negative(&mut causes, "spec.resources[storage]", storage);
    }
    one_of(&mut causes, "spec.volumeMode", spec.text("volumeMode"), &["Block", "Filesystem"]);
    causes
}

fn validate_claim_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut causes = validate_claim(new);
    let (spec, before) = (new.value().child(&["spec"]), old.value().child(&["spec"]));
    let mut free = vec!["resources", "volumeAttributesClassName"];
    if before.text("volumeName").is_empty() {
        free.push("volumeName");
        if before.text("storageClassName").is_empty() {
            free.push("storageClassName");
        }
    }
    if changed_outside(spec, before, &free) {
        causes.push(Cause::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ));
    }
    let path = &["resources", "requests", "storage"];
    let (size, was) = (spec.child(path), before.child(path));
    let reported = old.value().child(&["status", "capacity", "storage"]);
    let floor = if reported.is_null() { was } else { reported };
    if quantities::exceeds(floor, size) {
        let detail = "field can not be less than status.capacity";
        causes.push(Cause::forbidden("spec.resources.requests.storage", detail));
    }
    causes
}

const CLAIM_COLUMNS: &[Column] = &[
    NAME,
    text("Status", "Phase of the claim."),
    text("Volume", "Volume the claim is bound to."),
    CAPACITY,
    MODES,
    CLASS,
    ATTRIBUTES,
    AGE,
    VOLUME_MODE,
];

fn claim_cells(claim: &Object, now: i64) -> Vec<Value> {
    let (spec, status) = (claim.value().child(&["spec"]), claim.value().child(&["status"]));
    let volume = spec.text("volumeName");
    let (capacity, modes) = if volume.is_empty() {
        ("", String::new())
    } else {
        (status.child(&["capacity"]).text("storage"), modes_text(status))
    };
    vec![
        claim.name().into(),
        phase(claim).into(),
        volume.into(),
        capacity.into(),
        modes.into(),
        class(claim).into(),
        or(spec.text("volumeAttributesClassName"), UNSET).into(),
        age(claim, now),
        or(spec.text("volumeMode"), UNSET).into(),
    ]
}
