//! API services: who serves which group version.

use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::checks::{between, problems, required};
use crate::fields::{Fill, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, age, condition, text};
use crate::{Column, Rules};

pub(crate) static API_SERVICE: Rules = Rules {
    name: names::path_segment,
    default: |service| {
        let target = service.fields_mut().map_mut("spec").and_then(|s| s.map_mut("service"));
        if let Some(target) = target {
            target.fill("port", 443);
        }
    },
    prepare_create: |service| service.set("/status", json!({})),
    prepare_update: keep_status,
    validate_create: validate,
    validate_update: |new, _| validate(new),
    columns: || COLUMNS,
    cells: |service, now| {
        let target = service.value().child(&["spec", "service"]);
        let shown = if target.is_null() {
            "Local".to_owned()
        } else {
            format!("{}/{}", target.text("namespace"), target.text("name"))
        };
        vec![service.name().into(), shown.into(), available(service).into(), age(service, now)]
    },
    ..Rules::PLAIN
};

fn available(service: &Object) -> String {
    let Some(c) = condition(service.value(), "Available") else { return "Unknown".into() };
    match c.text("status") {
        "True" => "True".into(),
        status => format!("{status} ({})", c.text("reason")),
    }
}

fn validate(service: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = service.value().child(&["spec"]);
    let (group, version) = (spec.text("group"), spec.text("version"));
    let expected = format!("{version}.{group}");
    if service.name() != expected {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {expected:?}");
        causes.push(Cause::invalid("metadata.name", &service.name().into(), &detail));
    }
    if !group.is_empty() {
        problems(&mut causes, "spec.group", group, names::dns_subdomain(group));
    } else if version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        causes.push(Cause::required("spec.group", detail));
    }
    problems(&mut causes, "spec.version", version, names::dns1035_label(version));
    for (field, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        between(&mut causes, &format!("spec.{field}"), spec.int(field).unwrap_or(0), 1, max);
    }
    let bundle: &Value = spec.get_or_null("caBundle");
    let insecure = spec.flag("insecureSkipTLSVerify");
    let given = bundle.as_str().is_some_and(|b| !b.is_empty());
    let target = spec.child(&["service"]);
    if target.is_null() {
        if given {
            let detail = "local APIServices may not have a caBundle";
            causes.push(Cause::invalid("spec.caBundle", &json!("<bytes>"), detail));
        }
        if insecure {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &true.into(), detail));
        }
        return causes;
    }
    required(&mut causes, "spec.service.namespace", target.text("namespace"));
    required(&mut causes, "spec.service.name", target.text("name"));
    if let Some(port) = target.int("port").filter(|p| !(1..=65535).contains(p)) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid("spec.service.port", &port.into(), detail));
    }
    if insecure && given {
        let detail = "may not be true if caBundle is present";
        causes.push(Cause::invalid("spec.insecureSkipTLSVerify", &true.into(), detail));
    }
    causes
}

const COLUMNS: &[Column] = &[
    NAME,
    text("Service", "Service behind the group version, or Local."),
    text("Available", "Whether it can be reached."),
    AGE,
];
