//! The rules of CustomResourceDefinition objects.

use machinery::names::{dns_label, dns_subdomain};
use machinery::{Cause, Object};
use schema::structural;
use serde_json::{Value, json};

/// Groups of the Kubernetes project itself, which need an approval.
fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|g| group == *g || group.ends_with(&format!(".{g}")))
}

fn versions(definition: &Object) -> &[Value] {
    definition.at("/spec/versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Fills the names that follow from others and the first status.
pub(crate) fn prepare_create(definition: &mut Object) {
    fill_names(definition);
    let stored: Vec<Value> = storage_version(definition).into_iter().map(Value::from).collect();
    definition.fields_mut().insert(
        "status".into(),
        json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}),
    );
}

/// Keeps the status and notes a new storage version.
pub(crate) fn prepare_update(new: &mut Object, old: &Object) {
    fill_names(new);
    let mut status = old.fields().get("status").cloned().unwrap_or_else(|| json!({}));
    if let Some(version) = storage_version(new) {
        let stored = &mut status["storedVersions"];
        if !stored.is_array() {
            *stored = json!([]);
        }
        if let Some(stored) = stored.as_array_mut()
            && !stored.iter().any(|v| v == version.as_str())
        {
            stored.push(version.into());
        }
    }
    new.fields_mut().insert("status".into(), status);
}

fn fill_names(definition: &mut Object) {
    let kind = definition.str_at("/spec/names/kind").unwrap_or_default().to_owned();
    if definition.str_at("/spec/names/singular").unwrap_or_default().is_empty() {
        definition.set("/spec/names/singular", kind.to_lowercase());
    }
    if definition.str_at("/spec/names/listKind").unwrap_or_default().is_empty() {
        definition.set("/spec/names/listKind", format!("{kind}List"));
    }
    if definition.str_at("/spec/conversion/strategy").unwrap_or_default().is_empty() {
        definition.set("/spec/conversion/strategy", "None");
    }
}

/// The version objects are stored as.
pub(crate) fn storage_version(definition: &Object) -> Option<String> {
    versions(definition)
        .iter()
        .find(|v| v.get("storage") == Some(&Value::Bool(true)))
        .map(|v| text(v, "name").to_owned())
}

/// Everything wrong with a definition.
pub(crate) fn problems(definition: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let group = definition.str_at("/spec/group").unwrap_or_default();
    let names = definition.at("/spec/names").cloned().unwrap_or_else(|| json!({}));
    let plural = text(&names, "plural");
    let wanted = format!("{plural}.{group}");
    if definition.name() != wanted {
        let problem = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &definition.name().into(), problem));
    }
    if is_protected(group)
        && definition.annotation("api-approved.kubernetes.io").unwrap_or_default().is_empty()
    {
        causes.push(Cause::required(
            "metadata.annotations[api-approved.kubernetes.io]",
            "protected groups must have approval annotation \"api-approved.kubernetes.io\"",
        ));
    }
    group_and_names(group, &names, &mut causes);
    match definition.str_at("/spec/scope") {
        Some("Namespaced" | "Cluster") => {}
        None | Some("") => causes.push(Cause::required("spec.scope", "")),
        Some(other) => {
            causes.push(Cause::not_supported("spec.scope", &other.into(), &["Cluster", "Namespaced"]));
        }
    }
    if definition.at("/spec/preserveUnknownFields") == Some(&Value::Bool(true)) {
        let problem = "must be false in order to use defaults in the schema and for apiextensions.k8s.io/v1";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), problem));
    }
    version_problems(definition, &mut causes);
    conversion_problems(definition, &mut causes);
    if let Some(old) = old {
        change_problems(definition, old, &mut causes);
    }
    causes
}

fn group_and_names(group: &str, names: &Value, causes: &mut Vec<Cause>) {
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else {
        for problem in dns_subdomain(group) {
            causes.push(Cause::invalid("spec.group", &group.into(), &problem));
        }
        if !group.contains('.') {
            let problem = "should be a domain with at least one dot";
            causes.push(Cause::invalid("spec.group", &group.into(), problem));
        }
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        let value = text(names, field);
        let path = format!("spec.names.{field}");
        if value.is_empty() {
            causes.push(Cause::required(path, ""));
            continue;
        }
        for problem in dns_label(&value.to_lowercase()) {
            causes.push(Cause::invalid(path.clone(), &value.into(), &problem));
        }
    }
    if !text(names, "kind").is_empty() && text(names, "kind") == text(names, "listKind") {
        let problem = "kind and listKind may not be the same";
        causes.push(Cause::invalid("spec.names.listKind", &text(names, "listKind").into(), problem));
    }
}

fn version_problems(definition: &Object, causes: &mut Vec<Cause>) {
    let versions = versions(definition);
    if versions.is_empty() {
        causes.push(Cause::required("spec.versions", "must specify at least one version"));
        return;
    }
    let stored = versions.iter().filter(|v| v.get("storage") == Some(&Value::Bool(true))).count();
    if stored != 1 {
        let problem = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &versions.to_vec().into(), problem));
    }
    for (at, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{at}]");
        let name = text(version, "name");
        for problem in dns_label(name) {
            causes.push(Cause::invalid(format!("{path}.name"), &name.into(), &problem));
        }
        if versions[..at].iter().any(|v| text(v, "name") == name) {
            causes.push(Cause::duplicate(format!("{path}.name"), &name.into()));
        }
        let schema_path = if versions.len() == 1 {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("{path}.schema.openAPIV3Schema")
        };
        let Some(schema) = version.pointer("/schema/openAPIV3Schema").filter(|s| s.is_object()) else {
            causes.push(Cause::required(format!("{path}.schema.openAPIV3Schema"), ""));
            continue;
        };
        match structural::parse(schema, &schema_path) {
            Err(found) => causes.extend(found),
            Ok(parsed) if structural::has_cel_rules(&parsed) => causes.push(Cause::forbidden(
                schema_path,
                "x-kubernetes-validations (CEL rules) are not supported by this server; leave them out",
            )),
            Ok(_) => {}
        }
    }
}

fn conversion_problems(definition: &Object, causes: &mut Vec<Cause>) {
    match definition.str_at("/spec/conversion/strategy") {
        None | Some("" | "None") => {}
        Some("Webhook") => {
            if definition.at("/spec/conversion/webhook/clientConfig").is_none() {
                causes.push(Cause::required("spec.conversion.webhook.clientConfig", ""));
            }
        }
        Some(other) => {
            causes.push(Cause::not_supported("spec.conversion.strategy", &other.into(), &["None", "Webhook"]))
        }
    }
}

/// Whether the definition's resources are served.
pub(crate) fn is_established(definition: &Object) -> bool {
    condition(definition, "Established") == Some("True")
}

/// Status of a condition.
pub(crate) fn condition<'a>(definition: &'a Object, ty: &str) -> Option<&'a str> {
    definition
        .at("/status/conditions")?
        .as_array()?
        .iter()
        .find(|c| text(c, "type") == ty)
        .map(|c| text(c, "status"))
}

fn change_problems(new: &Object, old: &Object, causes: &mut Vec<Cause>) {
    let immutable = |pointer: &str, field: &str, causes: &mut Vec<Cause>| {
        if new.at(pointer) != old.at(pointer) {
            let value = new.at(pointer).cloned().unwrap_or_default();
            causes.push(Cause::invalid(field, &value, "field is immutable"));
        }
    };
    immutable("/spec/group", "spec.group", causes);
    immutable("/spec/names/plural", "spec.names.plural", causes);
    if is_established(old) {
        immutable("/spec/scope", "spec.scope", causes);
        immutable("/spec/names/kind", "spec.names.kind", causes);
    }
    let stored = new.at("/status/storedVersions").and_then(Value::as_array);
    for (at, version) in stored.into_iter().flatten().enumerate() {
        if !versions(new).iter().any(|v| v.get("name") == Some(version)) {
            let problem = format!(
                "missing from spec.versions; {} was previously a storage version, and must remain in spec.versions \
                 until a storage migration ensures no data remains persisted in {0} and removes {0} from \
                 status.storedVersions",
                version.as_str().unwrap_or_default()
            );
            causes.push(Cause::invalid(format!("status.storedVersions[{at}]"), version, &problem));
        }
    }
}
