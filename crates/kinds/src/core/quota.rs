//! Limits for the pods of a namespace, and quotas for the namespace as a whole.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{one_of, required};
use crate::fields::{Fill, Map, Read};
use crate::rules::{drop_status, keep_status};
use crate::tables::{AGE, NAME, age, text};
use crate::{Column, Rules, quantities};

pub(crate) static LIMIT_RANGE: Rules = Rules {
    default: |range| {
        let Some(spec) = range.fields_mut().map_mut("spec") else { return };
        for limit in spec.maps_mut("limits") {
            for list in LISTS {
                quantities::canonicalise(limit, list);
            }
            if limit.text("type") == "Container" {
                default_limits(limit);
            }
        }
    },
    validate_create: validate_limits,
    validate_update: |new, _| validate_limits(new),
    ..Rules::PLAIN
};

const LISTS: &[&str] = &["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

/// The default limit is the maximum, and the default request is the default limit or the minimum.
fn default_limits(limit: &mut Map) {
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        let Some(Value::Object(source)) = limit.get(from).cloned() else { continue };
        if source.is_empty() {
            continue;
        }
        if let Some(target) = limit.make(to) {
            for (resource, amount) in source {
                target.entry(resource).or_insert(amount);
            }
        }
    }
}

fn validate_limits(range: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (i, limit) in range.value().child(&["spec"]).list("limits").iter().enumerate() {
        let at = format!("spec.limits[{i}]");
        let ty = limit.text("type");
        required(&mut causes, &format!("{at}.type"), ty);
        if !seen.insert(ty) {
            causes.push(Cause::duplicate(format!("{at}.type"), &ty.into()));
        }
        for list in LISTS {
            for (name, amount) in limit.entries(list) {
                quantities::non_negative(&mut causes, &format!("{at}.{list}[{name}]"), amount);
            }
        }
        for (name, min) in limit.entries("min") {
            let max = limit.child(&["max", name]);
            if !max.is_null() && quantities::exceeds(min, max) {
                let detail = format!(
                    "min value {} is greater than max value {}",
                    min.as_str().unwrap_or_default(),
                    max.as_str().unwrap_or_default()
                );
                causes.push(Cause::invalid(format!("{at}.min[{name}]"), min, &detail));
            }
        }
    }
    causes
}

pub(crate) static RESOURCE_QUOTA: Rules = Rules {
    default: |quota| {
        let fields = quota.fields_mut();
        fields.fill("spec", json!({}));
        if let Some(spec) = fields.map_mut("spec") {
            quantities::canonicalise(spec, "hard");
        }
        if let Some(status) = fields.map_mut("status") {
            quantities::canonicalise(status, "hard");
            quantities::canonicalise(status, "used");
        }
    },
    prepare_create: |quota| {
        drop_status(quota);
        quota.set("/status", json!({}));
    },
    prepare_update: keep_status,
    validate_create: validate_quota,
    validate_update: |new, old| {
        let mut causes = validate_quota(new);
        let scopes = |q: &Object| -> Vec<String> {
            let list = q.value().child(&["spec"]).list("scopes");
            let mut scopes: Vec<String> = list.iter().map(ToString::to_string).collect();
            scopes.sort();
            scopes
        };
        if scopes(new) != scopes(old) {
            let value = new.value().child(&["spec", "scopes"]);
            causes.push(Cause::invalid("spec.scopes", value, "field is immutable"));
        }
        causes
    },
    columns: || QUOTA_COLUMNS,
    cells: |quota, now| {
        let (requests, limits) = usage(quota);
        vec![quota.name().into(), requests.into(), limits.into(), age(quota, now)]
    },
    ..Rules::PLAIN
};

fn validate_quota(quota: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = quota.value().child(&["spec"]);
    for (name, amount) in spec.entries("hard") {
        let field = format!("spec.hard[{name}]");
        crate::checks::problems(&mut causes, &field, name, machinery::names::qualified_name(name));
        quantities::non_negative(&mut causes, &field, amount);
    }
    let scopes = &[
        "BestEffort",
        "CrossNamespacePodAffinity",
        "NotBestEffort",
        "NotTerminating",
        "PriorityClass",
        "Terminating",
        "VolumeAttributesClass",
    ];
    for (i, scope) in spec.list("scopes").iter().enumerate() {
        one_of(&mut causes, &format!("spec.scopes[{i}]"), scope.as_str().unwrap_or_default(), scopes);
    }
    causes
}

const QUOTA_COLUMNS: &[Column] = &[
    NAME,
    text("Request", "Used of allowed, for everything but limits."),
    text("Limit", "Used of allowed, for limits."),
    AGE,
];

fn usage(quota: &Object) -> (String, String) {
    let status = quota.value().child(&["status"]);
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in status.entries("hard") {
        let used = status.child(&["used", name]).as_str().unwrap_or("0");
        let entry = format!("{name}: {used}/{}", hard.as_str().unwrap_or_default());
        if name.starts_with("limits") { limits.push(entry) } else { requests.push(entry) }
    }
    (requests.join(", "), limits.join(", "))
}

/// Component statuses are made up by the server, not stored.
pub(crate) static COMPONENT_STATUS: Rules = Rules {
    columns: || COMPONENT_COLUMNS,
    cells: |component, _| {
        let healthy = component.value().list("conditions").iter().find(|c| c.text("type") == "Healthy");
        let (status, message, error) = match healthy {
            Some(c) if c.text("status") == "True" => ("Healthy", c.text("message"), c.text("error")),
            Some(c) if c.text("status") == "False" => ("Unhealthy", c.text("message"), c.text("error")),
            Some(c) => ("Unknown", c.text("message"), c.text("error")),
            None => ("Unknown", "", ""),
        };
        vec![component.name().into(), status.into(), message.into(), error.into()]
    },
    ..Rules::PLAIN
};

const COMPONENT_COLUMNS: &[Column] = &[
    NAME,
    text("Status", "Whether the component is healthy."),
    text("Message", "What the component says."),
    text("Error", "What is wrong with it."),
];
