//! Events, in the core form and in that of events.k8s.io. They are stored in the core form.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::required;
use crate::fields::{Fill, Map, Read};
use crate::tables::{NAME, UNKNOWN, since, text, wide};
use crate::{Column, Rules};

pub(crate) static CORE: Rules = Rules {
    default: fill_core,
    validate_create: validate_core,
    validate_update: |new, _| validate_core(new),
    field: |event, label| core_field(event, label),
    field_labels: &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    columns: || COLUMNS,
    cells: core_cells,
    ..Rules::PLAIN
};

pub(crate) static NEW: Rules = Rules {
    default: |event| {
        let fields = event.fields_mut();
        fields.fill("deprecatedSource", json!({}));
        for time in ["deprecatedFirstTimestamp", "deprecatedLastTimestamp", "eventTime"] {
            fields.entry(time).or_insert(Value::Null);
        }
    },
    validate_create: validate_new,
    field: |event, label| match label {
        "reportingController" => Some(event.value().text("reportingController").into()),
        "reason" | "type" => Some(event.value().text(label).into()),
        _ => reference_field(event.value().child(&["regarding"]), label.strip_prefix("regarding.")?),
    },
    field_labels: &[
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ],
    columns: || COLUMNS,
    cells: |event, now| {
        let mut core = event.clone();
        to_core(&mut core);
        core_cells(&core, now)
    },
    from_storage: from_core,
    to_storage: to_core,
    ..Rules::PLAIN
};

const COLUMNS: &[Column] = &[
    text("Last Seen", "Time since it happened last."),
    text("Type", "Normal or Warning."),
    text("Reason", "Why it happened, in one word."),
    text("Object", "Kind and name of the object it is about."),
    wide("Subobject", "Part of the object it is about."),
    wide("Source", "Who reported it."),
    text("Message", "What happened, for people."),
    wide("First Seen", "Time since it happened first."),
    wide("Count", "How often it happened."),
    Column { priority: 1, ..NAME },
];

/// Fields the core form always shows, even when they say nothing.
fn fill_core(event: &mut Object) {
    let fields = event.fields_mut();
    fields.fill("source", json!({}));
    fields.fill("involvedObject", json!({}));
    fields.fill("reportingComponent", "");
    fields.fill("reportingInstance", "");
    for time in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        fields.entry(time).or_insert(Value::Null);
    }
}

fn validate_core(event: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let about = event.value().child(&["involvedObject"]).text("namespace");
    let good = if about.is_empty() { event.namespace() == "default" } else { about == event.namespace() };
    if !good {
        causes.push(Cause::invalid(
            "involvedObject.namespace",
            &about.into(),
            "does not match event.namespace",
        ));
    }
    causes
}

fn validate_new(event: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let value = event.value();
    let about = value.child(&["regarding"]).text("namespace");
    if !(about == event.namespace() || (about.is_empty() && event.namespace() == "default")) {
        causes.push(Cause::invalid("regarding.namespace", &about.into(), "does not match event.namespace"));
    }
    if !value.has("eventTime") {
        causes.push(Cause::required("eventTime", ""));
    }
    for field in ["reportingController", "reportingInstance", "action", "reason"] {
        required(&mut causes, field, value.text(field));
    }
    let kind = value.text("type");
    if !matches!(kind, "Normal" | "Warning") {
        causes.push(Cause::invalid("type", &kind.into(), "has invalid value: must be Normal or Warning"));
    }
    if value.text("note").len() > 1024 {
        causes.push(Cause::invalid("note", &"".into(), "can have at most 1024 characters"));
    }
    causes
}

fn core_field(event: &Object, label: &str) -> Option<String> {
    let value = event.value();
    match label {
        "reason" | "type" => Some(value.text(label).into()),
        "reportingComponent" => Some(value.text("reportingComponent").into()),
        "source" => {
            let component = value.child(&["source"]).text("component");
            let component = if component.is_empty() { value.text("reportingComponent") } else { component };
            Some(component.into())
        }
        _ => reference_field(value.child(&["involvedObject"]), label.strip_prefix("involvedObject.")?),
    }
}

fn reference_field(reference: &Value, field: &str) -> Option<String> {
    match field {
        "kind" | "namespace" | "name" | "uid" | "apiVersion" | "resourceVersion" | "fieldPath" => {
            Some(reference.text(field).into())
        }
        _ => None,
    }
}

fn core_cells(event: &Object, now: i64) -> Vec<Value> {
    let value = event.value();
    let first = first_of(value, &["firstTimestamp", "eventTime"]);
    let last = match first_of(value.child(&["series"]), &["lastObservedTime"]) {
        "" => first_of(value, &["lastTimestamp", "eventTime"]),
        time => time,
    };
    let count = value.child(&["series", "count"]).as_i64().or(value.int("count")).unwrap_or(0).max(1);
    let about = value.child(&["involvedObject"]);
    let object = match (about.text("kind"), about.text("name")) {
        (kind, "") => kind.to_lowercase(),
        (kind, name) => format!("{}/{name}", kind.to_lowercase()),
    };
    vec![
        seen(last, now),
        value.text("type").into(),
        value.text("reason").into(),
        object.into(),
        about.text("fieldPath").into(),
        source(value).into(),
        value.text("message").trim().into(),
        seen(first, now),
        count.into(),
        event.name().into(),
    ]
}

fn seen(time: &str, now: i64) -> Value {
    if time.is_empty() { UNKNOWN.into() } else { since(time, now).into() }
}

fn first_of<'a>(value: &'a Value, fields: &[&str]) -> &'a str {
    fields.iter().map(|f| value.text(f)).find(|t| !t.is_empty()).unwrap_or_default()
}

fn source(event: &Value) -> String {
    let source = event.child(&["source"]);
    let component = match source.text("component") {
        "" => event.text("reportingComponent"),
        component => component,
    };
    let host = match source.text("host") {
        "" => event.text("reportingInstance"),
        host => host,
    };
    if host.is_empty() { component.into() } else { format!("{component}, {host}") }
}

/// Pairs of field names, core form first. Fields that are not listed have one name.
const NAMES: &[(&str, &str)] = &[
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("source", "deprecatedSource"),
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("reportingComponent", "reportingController"),
];

/// Core form to events.k8s.io.
fn from_core(event: &mut Object) {
    rename(event.fields_mut(), NAMES.iter().copied());
    let fields = event.fields_mut();
    for empty in ["reportingController", "reportingInstance"] {
        if fields.get(empty).is_some_and(|v| v == "") {
            fields.remove(empty);
        }
    }
    event.set("/apiVersion", "events.k8s.io/v1");
}

/// Form of events.k8s.io to the core form.
fn to_core(event: &mut Object) {
    rename(event.fields_mut(), NAMES.iter().map(|(core, new)| (*new, *core)));
    event.set("/apiVersion", "v1");
    fill_core(event);
}

fn rename<'a>(fields: &mut Map, names: impl Iterator<Item = (&'a str, &'a str)>) {
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.into(), value);
        }
    }
}
