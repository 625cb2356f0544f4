//! Definitions of custom resources, without their schemas: those have a crate of their own.

use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::Rules;
use crate::admissionregistration::client_config;
use crate::checks::{IMMUTABLE, one_of, problems, required_name, required_one_of};
use crate::fields::{Fill, Read};
use crate::rules::keep_status;

/// Says that a group of the project itself has been reviewed.
const APPROVED: &str = "api-approved.kubernetes.io";

pub(crate) static CUSTOM_RESOURCE_DEFINITION: Rules = Rules {
    default: |definition| {
        let Some(spec) = definition.fields_mut().map_mut("spec") else { return };
        if let Some(names) = spec.map_mut("names") {
            let kind = names.text("kind").to_owned();
            if !kind.is_empty() {
                names.fill_text("singular", &kind.to_lowercase());
                names.fill_text("listKind", &format!("{kind}List"));
            }
        }
        if let Some(conversion) = spec.make("conversion") {
            conversion.fill_text("strategy", "None");
            let webhook = conversion.map_mut("webhook").and_then(|w| w.map_mut("clientConfig"));
            if let Some(service) = webhook.and_then(|c| c.map_mut("service")) {
                service.fill("port", 443);
            }
        }
    },
    prepare_create: |definition| {
        let stored: Vec<Value> = storage_version(definition).into_iter().map(Into::into).collect();
        let status = json!({
            "conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored,
        });
        definition.set("/status", status);
    },
    prepare_update: |new, old| {
        keep_status(new, old);
        let Some(version) = storage_version(new).map(str::to_owned) else { return };
        let stored = new.value().child(&["status"]).list("storedVersions");
        if !stored.iter().any(|v| *v == version) {
            let mut stored = stored.to_vec();
            stored.push(version.into());
            new.set("/status/storedVersions", stored);
        }
    },
    validate_create: |definition| {
        let mut causes = validate(definition);
        approval(&mut causes, definition);
        causes
    },
    validate_update,
    ..Rules::PLAIN
};

fn storage_version(definition: &Object) -> Option<&str> {
    let versions = definition.value().child(&["spec"]).list("versions");
    versions.iter().find(|v| v.flag("storage")).map(|v| v.text("name"))
}

fn validate(definition: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = definition.value().child(&["spec"]);
    let (group, given) = (spec.text("group"), spec.child(&["names"]));
    let expected = format!("{}.{group}", given.text("plural"));
    if definition.name() != expected {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &definition.name().into(), detail));
    }
    required_name(&mut causes, "spec.group", group, names::dns_subdomain);
    if !group.is_empty() && !group.contains('.') {
        let detail = "should be a domain with at least one dot";
        causes.push(Cause::invalid("spec.group", &group.into(), detail));
    }
    required_one_of(&mut causes, "spec.scope", spec.text("scope"), &["Cluster", "Namespaced"]);
    versions(&mut causes, spec);
    check_names(&mut causes, given);
    if spec.flag("preserveUnknownFields") {
        let detail = "must be false in order to use defaults in the schema";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), detail));
    }
    conversion(&mut causes, spec.child(&["conversion"]));
    stored_versions(&mut causes, definition);
    causes
}

fn versions(causes: &mut Vec<Cause>, spec: &Value) {
    let versions = spec.list("versions");
    let mut seen = std::collections::BTreeSet::new();
    let mut unique = true;
    for (i, version) in versions.iter().enumerate() {
        let at = format!("spec.versions[{i}]");
        let name = version.text("name");
        problems(causes, &format!("{at}.name"), name, names::dns1035_label(name));
        unique &= seen.insert(name);
        if version.child(&["schema", "openAPIV3Schema"]).is_null() {
            causes.push(Cause::required(format!("{at}.schema.openAPIV3Schema"), ""));
        }
        if !version.flag("deprecated") && version.has("deprecationWarning") {
            let detail = "can only be set for deprecated versions";
            let warning = version.get_or_null("deprecationWarning");
            causes.push(Cause::invalid(format!("{at}.deprecationWarning"), warning, detail));
        }
        for (j, column) in version.list("additionalPrinterColumns").iter().enumerate() {
            let at = format!("{at}.additionalPrinterColumns[{j}]");
            crate::checks::required(causes, &format!("{at}.name"), column.text("name"));
            crate::checks::required(causes, &format!("{at}.jsonPath"), column.text("jsonPath"));
            let types = &["boolean", "date", "integer", "number", "string"];
            required_one_of(causes, &format!("{at}.type"), column.text("type"), types);
        }
    }
    if !unique {
        let detail = "must contain unique version names";
        causes.push(Cause::invalid("spec.versions", &shown(versions), detail));
    }
    if versions.iter().filter(|v| v.flag("storage")).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &shown(versions), detail));
    }
}

/// Versions as the API server's own messages print them.
fn shown(versions: &[Value]) -> Value {
    let version = |v: &Value| {
        json!({
            "Name": v.text("name"), "Served": v.flag("served"), "Storage": v.flag("storage"),
            "Deprecated": v.flag("deprecated"), "DeprecationWarning": v.get_or_null("deprecationWarning"),
            "Schema": null, "Subresources": null, "AdditionalPrinterColumns": null, "SelectableFields": null,
        })
    };
    versions.iter().map(version).collect::<Vec<_>>().into()
}

fn check_names(causes: &mut Vec<Cause>, given: &Value) {
    for (field, lower) in [("plural", false), ("singular", false), ("kind", true), ("listKind", true)] {
        let at = format!("spec.names.{field}");
        let name = given.text(field);
        if name.is_empty() {
            if matches!(field, "plural" | "kind") {
                causes.push(Cause::required(at, ""));
            }
            continue;
        }
        let checked = if lower { name.to_lowercase() } else { name.to_owned() };
        let wrong = names::dns1035_label(&checked);
        if lower && !wrong.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
            causes.push(Cause::invalid(at, &name.into(), &detail));
        } else {
            problems(causes, &at, name, wrong);
        }
    }
    for list in ["shortNames", "categories"] {
        for (i, name) in given.list(list).iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            problems(causes, &format!("spec.names.{list}[{i}]"), name, names::dns1035_label(name));
        }
    }
    if !given.text("kind").is_empty() && given.text("kind") == given.text("listKind") {
        let detail = "kind and listKind may not be the same";
        causes.push(Cause::invalid("spec.names.listKind", &given.text("listKind").into(), detail));
    }
}

fn conversion(causes: &mut Vec<Cause>, conversion: &Value) {
    let strategy = conversion.text("strategy");
    one_of(causes, "spec.conversion.strategy", strategy, &["None", "Webhook"]);
    let webhook = conversion.child(&["webhook"]);
    if strategy != "Webhook" {
        if !webhook.is_null() {
            let detail = "should not be set when strategy is not set to Webhook";
            causes.push(Cause::forbidden("spec.conversion.webhook", detail));
        }
        return;
    }
    let config = webhook.child(&["clientConfig"]);
    if config.is_null() {
        let detail = "required when strategy is set to Webhook";
        causes.push(Cause::required("spec.conversion.webhook.clientConfig", detail));
    } else {
        client_config(causes, "spec.conversion.webhook.clientConfig", config);
    }
    let at = "spec.conversion.webhook.conversionReviewVersions";
    crate::admissionregistration::review_versions(causes, at, webhook);
}

fn stored_versions(causes: &mut Vec<Cause>, definition: &Object) {
    let status = definition.value().child(&["status"]);
    let Some(stored) = status.get_or_null("storedVersions").as_array() else { return };
    let versions = definition.value().child(&["spec"]).list("versions");
    let at = "status.storedVersions";
    for version in versions.iter().filter(|v| v.flag("storage")) {
        if !stored.iter().any(|s| s == version.text("name")) {
            let detail = format!("must have the storage version {}", version.text("name"));
            causes.push(Cause::invalid(at, &stored.clone().into(), &detail));
        }
    }
    for (i, name) in stored.iter().enumerate() {
        if !versions.iter().any(|v| name == v.text("name")) {
            let detail = "missing from spec.versions; v1 was previously a storage version, and must remain in \
                          spec.versions until a storage migration ensures no data remains persisted in v1 and \
                          removes v1 from status.storedVersions";
            let detail = detail.replace("v1", name.as_str().unwrap_or_default());
            causes.push(Cause::invalid(format!("{at}[{i}]"), name, &detail));
        }
    }
}

fn approval(causes: &mut Vec<Cause>, definition: &Object) {
    let group = definition.value().child(&["spec"]).text("group");
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    if protected && definition.annotation(APPROVED).is_none_or(str::is_empty) {
        causes.push(Cause::required(
            format!("metadata.annotations[{APPROVED}]"),
            "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
             https://github.com/kubernetes/enhancements/pull/1111",
        ));
    }
}

fn validate_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut causes = validate(new);
    let established =
        crate::tables::condition(old.value(), "Established").is_some_and(|c| c.text("status") == "True");
    let mut fixed: Vec<&[&str]> = vec![&["spec", "group"]];
    if established {
        fixed.extend([
            &["spec", "scope"] as &[&str],
            &["spec", "names", "kind"],
            &["spec", "names", "plural"],
        ]);
    }
    for path in fixed {
        let (value, before) = (new.value().child(path), old.value().child(path));
        if value != before {
            causes.push(Cause::invalid(path.join("."), value, IMMUTABLE));
        }
    }
    causes
}
