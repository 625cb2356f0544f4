//! Devices: classes, claims and what nodes offer.

use machinery::Object;
use serde_json::json;

use crate::checks::required;
use crate::fields::{Fill, Map, Read};
use crate::rules::keep_status;
use crate::tables::{self, AGE, NAME, UNSET, age, or, text};
use crate::{Column, Rules};

pub(crate) static DEVICE_CLASS: Rules =
    Rules { columns: || tables::NAME_AND_AGE, cells: tables::name_and_age, ..Rules::PLAIN };

pub(crate) static RESOURCE_CLAIM: Rules = Rules {
    default: |claim| {
        if let Some(spec) = claim.fields_mut().map_mut("spec") {
            default_claim(spec);
        }
    },
    prepare_create: |claim| claim.set("/status", json!({})),
    prepare_update: keep_status,
    columns: || CLAIM_COLUMNS,
    cells: |claim, now| vec![claim.name().into(), state(claim).into(), age(claim, now)],
    ..Rules::PLAIN
};

const CLAIM_COLUMNS: &[Column] = &[NAME, text("State", "Whether devices are allocated or in use."), AGE];

fn default_claim(spec: &mut Map) {
    let Some(devices) = spec.map_mut("devices") else { return };
    for request in devices.maps_mut("requests") {
        if let Some(exactly) = request.map_mut("exactly") {
            default_request(exactly);
        }
        request.maps_mut("firstAvailable").for_each(default_request);
    }
}

fn default_request(request: &mut Map) {
    request.fill_text("allocationMode", "ExactCount");
    for toleration in request.maps_mut("tolerations") {
        toleration.fill_text("operator", "Equal");
    }
    if request.text("allocationMode") == "ExactCount" && request.int("count").unwrap_or(0) == 0 {
        request.insert("count".into(), 1.into());
    }
}

fn state(claim: &Object) -> String {
    let status = claim.value().child(&["status"]);
    let mut states = Vec::new();
    if claim.is_deleting() {
        states.push("deleted");
    }
    if status.has("allocation") {
        states.push("allocated");
    } else if !claim.is_deleting() {
        states.push("pending");
    }
    if !status.list("reservedFor").is_empty() {
        states.push("reserved");
    }
    states.join(",")
}

pub(crate) static RESOURCE_CLAIM_TEMPLATE: Rules = Rules {
    default: |template| {
        let Some(spec) = template.fields_mut().map_mut("spec") else { return };
        spec.fill("metadata", json!({}));
        if let Some(claim) = spec.map_mut("spec") {
            default_claim(claim);
        }
    },
    columns: || tables::NAME_AND_AGE,
    cells: tables::name_and_age,
    ..Rules::PLAIN
};

pub(crate) static RESOURCE_SLICE: Rules = Rules {
    validate_create: |slice| {
        let mut causes = Vec::new();
        let spec = slice.value().child(&["spec"]);
        required(&mut causes, "spec.driver", spec.text("driver"));
        required(&mut causes, "spec.pool.name", spec.child(&["pool"]).text("name"));
        causes
    },
    field: |slice, label| {
        let spec = slice.value().child(&["spec"]);
        match label {
            "spec.nodeName" => Some(spec.text("nodeName").into()),
            "spec.driver" => Some(spec.text("driver").into()),
            _ => None,
        }
    },
    field_labels: &["spec.nodeName", "spec.driver"],
    columns: || SLICE_COLUMNS,
    cells: |slice, now| {
        let spec = slice.value().child(&["spec"]);
        vec![
            slice.name().into(),
            or(spec.text("nodeName"), UNSET).into(),
            spec.text("driver").into(),
            spec.child(&["pool"]).text("name").into(),
            age(slice, now),
        ]
    },
    ..Rules::PLAIN
};

const SLICE_COLUMNS: &[Column] = &[
    NAME,
    text("Node", "Node that has the devices."),
    text("Driver", "Driver of the devices."),
    text("Pool", "Pool the devices belong to."),
    AGE,
];
