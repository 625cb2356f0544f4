//! Certificate signing requests.

use machinery::{Cause, Object};
use serde_json::{Map, Value};

use crate::checks::required;
use crate::fields::{Fill, Read};
use crate::rules::{drop_status, keep, keep_status};
use crate::tables::{AGE, NAME, NONE, age, text};
use crate::{Column, Rules};

pub(crate) static CERTIFICATE_SIGNING_REQUEST: Rules = Rules {
    name: machinery::names::path_segment,
    prepare_create: |request| {
        drop_status(request);
        request.set("/status", Map::new());
    },
    prepare_update: |new, old| {
        keep(new, old, "spec");
        keep_status(new, old);
    },
    prepare_status_update: |new, old| {
        keep(new, old, "spec");
        // Approvals and denials go through their own door.
        let decided = |c: &&Value| matches!(c.text("type"), "Approved" | "Denied");
        let status = |o: &Object| -> Vec<Value> { o.value().child(&["status"]).list("conditions").to_vec() };
        let mut conditions: Vec<Value> = status(old).iter().filter(decided).cloned().collect();
        conditions.extend(status(new).into_iter().filter(|c| !decided(&c)));
        if conditions.is_empty() {
            new.remove("/status/conditions");
        } else {
            new.set("/status/conditions", conditions);
        }
    },
    validate_create: validate,
    field: |request, label| {
        (label == "spec.signerName").then(|| request.value().child(&["spec"]).text("signerName").into())
    },
    field_labels: &["spec.signerName"],
    columns: || COLUMNS,
    cells,
    ..Rules::PLAIN
};

/// Writes down who asked; what the client sent about itself is dropped.
pub fn stamp_requester(
    request: &mut Object,
    username: &str,
    uid: &str,
    groups: &[String],
    extra: &Map<String, Value>,
) {
    for field in ["username", "uid", "groups", "extra"] {
        request.remove(&format!("/spec/{field}"));
    }
    request.set("/spec/username", username);
    if !uid.is_empty() {
        request.set("/spec/uid", uid);
    }
    if !groups.is_empty() {
        request.set("/spec/groups", groups.to_vec());
    }
    if !extra.is_empty() {
        request.set("/spec/extra", extra.clone());
    }
}

/// What a write to `/approval` does: of the request only the conditions count.
pub fn prepare_approval(new: &mut Object, old: &Object) {
    let conditions = new.value().child(&["status"]).list("conditions").to_vec();
    keep(new, old, "spec");
    keep_status(new, old);
    if conditions.is_empty() {
        new.remove("/status/conditions");
    } else {
        new.set("/status/conditions", conditions);
    }
}

/// Dates the conditions that come without dates: a status that stays has changed when it did, all else does now.
/// `now` is RFC 3339 text.
pub fn date_conditions(new: &mut Object, old: &Object, now: &str) {
    let before = old.value().child(&["status"]).list("conditions").to_vec();
    let Some(status) = new.fields_mut().map_mut("status") else { return };
    for condition in status.maps_mut("conditions") {
        condition.fill("lastUpdateTime", now);
        let same = |c: &&Value| {
            c.text("type") == condition.text("type") && c.text("status") == condition.text("status")
        };
        let since = before.iter().find(same).map_or("", |c| c.text("lastTransitionTime")).to_owned();
        condition.fill("lastTransitionTime", if since.is_empty() { now } else { &since });
    }
}

fn validate(request: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = request.value().child(&["spec"]);
    required(&mut causes, "spec.request", spec.text("request"));
    if spec.list("usages").is_empty() {
        causes.push(Cause::required("spec.usages", "usages must be non-empty"));
    }
    let signer = spec.text("signerName");
    if signer.is_empty() {
        causes.push(Cause::required("spec.signerName", ""));
    } else if !signer.split_once('/').is_some_and(|(domain, path)| domain.contains('.') && !path.is_empty()) {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        causes.push(Cause::invalid("spec.signerName", &signer.into(), detail));
    }
    if let Some(secs) = spec.int("expirationSeconds").filter(|n| *n < 600) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        causes.push(Cause::invalid("spec.expirationSeconds", &secs.into(), detail));
    }
    causes
}

const COLUMNS: &[Column] = &[
    NAME,
    AGE,
    text("SignerName", "Who is to sign."),
    text("Requestor", "Who asked."),
    text("RequestedDuration", "For how long the certificate should be good."),
    text("Condition", "How far the request is."),
];

fn cells(request: &Object, now: i64) -> Vec<Value> {
    let spec = request.value().child(&["spec"]);
    let duration = spec.int("expirationSeconds").map(machinery::time::human_duration);
    vec![
        request.name().into(),
        age(request, now),
        spec.text("signerName").into(),
        spec.text("username").into(),
        duration.unwrap_or_else(|| NONE.into()).into(),
        state(request).into(),
    ]
}

fn state(request: &Object) -> String {
    let status = request.value().child(&["status"]);
    let holds = |ty: &str| status.list("conditions").iter().any(|c| c.text("type") == ty);
    let mut state = if holds("Denied") {
        "Denied".to_owned()
    } else if holds("Approved") {
        "Approved".to_owned()
    } else {
        "Pending".to_owned()
    };
    if holds("Failed") {
        state.push_str(",Failed");
    }
    if !status.text("certificate").is_empty() {
        state.push_str(",Issued");
    }
    state
}
