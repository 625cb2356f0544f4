//! Stories about the kinds: what goes in, what comes out.

mod cells;
mod changes;
mod defaults;
mod refusals;

use machinery::{Object, Status};
use serde_json::Value;

use crate::Kind;

/// A kind by `kind` or `group/version/kind`.
fn kind(name: &str) -> &'static Kind {
    let mut parts = name.rsplit('/');
    let kind = parts.next().unwrap();
    let version = parts.next();
    let group = parts.next();
    crate::all()
        .iter()
        .find(|k| {
            k.kind == kind && version.is_none_or(|v| k.version == v) && group.is_none_or(|g| k.group == g)
        })
        .unwrap_or_else(|| panic!("no kind {name}"))
}

/// An object of a kind called `x`, from the fields beside its metadata.
fn object(name: &str, fields: Value) -> Object {
    let kind = kind(name);
    let namespace = if kind.namespaced { "ns" } else { "" };
    let mut object = Object::new(&kind.gvr().api_version(), kind.kind, namespace, "x");
    for (key, value) in fields.as_object().unwrap() {
        if key == "metadata" {
            for (key, value) in value.as_object().unwrap() {
                object.metadata_mut().insert(key.clone(), value.clone());
            }
        } else {
            object.fields_mut().insert(key.clone(), value.clone());
        }
    }
    object
}

/// A create up to the point of storing.
fn create(name: &str, fields: Value) -> Object {
    let mut object = object(name, fields);
    let rules = kind(name).rules;
    kind(name).default(&mut object);
    let once = object.clone();
    kind(name).default(&mut object);
    assert_eq!(once, object, "defaults of {name} settle at once");
    object.metadata_mut().insert("uid".into(), "u-1".into());
    (rules.prepare_create)(&mut object);
    object
}

/// An update of `old` by `change`, up to the point of storing.
fn update(name: &str, old: &Object, change: impl Fn(&mut Object)) -> Object {
    let mut new = old.clone();
    change(&mut new);
    kind(name).default(&mut new);
    (kind(name).rules.prepare_update)(&mut new, old);
    new
}

/// What a client reads when there is something wrong; empty for nothing.
fn complaint(name: &str, object: &Object, causes: Vec<machinery::Cause>) -> String {
    if causes.is_empty() {
        return String::new();
    }
    let kind = kind(name);
    let message = Status::invalid(kind.group, kind.kind, object.name(), causes).message;
    message.split_once(" is invalid: ").unwrap().1.to_owned()
}

#[test]
fn every_row_is_complete() {
    for kind in crate::all() {
        let columns = (kind.rules.columns)();
        let empty = Object::new(&kind.gvr().api_version(), kind.kind, "ns", "x");
        assert_eq!((kind.rules.cells)(&empty, 0).len(), columns.len(), "cells of {}", kind.kind);
        assert_eq!(kind.singular, kind.kind.to_lowercase());
        assert!(crate::find(kind.group, kind.version, kind.plural).is_some_and(|k| k.kind == kind.kind));
        for label in kind.rules.field_labels {
            assert!((kind.rules.field)(&empty, label).is_some(), "{} knows {label}", kind.kind);
        }
        assert_eq!(kind.field(&empty, "spec.nonsense"), None);
    }
}

#[test]
fn no_rule_panics_on_shapes_nobody_checked() {
    let shapes = [
        serde_json::json!({}),
        serde_json::json!({"spec": 1, "status": "x", "data": [], "rules": {}, "webhooks": [1, null]}),
        serde_json::json!({"spec": {"template": [], "containers": {}, "selector": 3, "metrics": [[]],
            "volumes": ["x"], "ports": [1], "versions": [null], "names": "n", "limits": [2], "hard": 1,
            "strategy": "s", "updateStrategy": 4, "rules": [5], "behavior": []}, "status": []}),
        serde_json::json!({"subsets": [{"addresses": 1, "ports": "p"}], "endpoints": [4], "ports": [null],
            "subjects": [7], "roleRef": [], "involvedObject": 1, "source": 2, "spec": null}),
    ];
    for kind in crate::all() {
        for shape in &shapes {
            let mut object = object(&format!("{}/{}/{}", kind.group, kind.version, kind.kind), shape.clone());
            let old = object.clone();
            let rules = kind.rules;
            (rules.default)(&mut object);
            (rules.prepare_create)(&mut object);
            (rules.prepare_update)(&mut object, &old);
            (rules.validate_create)(&object);
            (rules.validate_update)(&object, &old);
            (rules.prepare_status_update)(&mut object, &old);
            (rules.validate_status_update)(&object, &old);
            (rules.cells)(&object, 0);
            (rules.row_conditions)(&object);
            (rules.to_storage)(&mut object);
            (rules.from_storage)(&mut object);
        }
    }
}

#[test]
fn two_versions_of_one_object_share_a_form() {
    let pairs: Vec<_> = crate::all().iter().filter(|k| k.converts()).map(|k| (k.group, k.kind)).collect();
    assert_eq!(pairs, [("events.k8s.io", "Event"), ("autoscaling", "HorizontalPodAutoscaler")]);
}
