//! ResourceInterpreterCustomization and ResourceInterpreterWebhookConfiguration.

use std::collections::BTreeSet;

use api::config::{
    CustomizationRules, ResourceInterpreterCustomization, ResourceInterpreterWebhook,
    ResourceInterpreterWebhookConfiguration, RuleWithOperations, WebhookClientConfig,
};
use machinery::{Cause, names};
use serde_json::json;

use crate::{Denial, Validation, World, fields};

/// A script of a customization.
pub(crate) struct CustomScript<'a> {
    /// Its field in `spec.customizations`.
    pub(crate) field: &'static str,
    /// The operation it customizes.
    operation: &'static str,
    /// The function that is called for the operation.
    pub(crate) function: &'static str,
    pub(crate) source: &'a str,
}

/// The scripts of a customization; an empty one is none.
pub(crate) fn scripts(rules: &CustomizationRules) -> impl Iterator<Item = CustomScript<'_>> {
    [
        ("retention", "Retain", "Retain", &rules.retention),
        ("replicaResource", "InterpretReplica", "GetReplicas", &rules.replica_resource),
        ("componentResource", "InterpretComponent", "GetComponents", &rules.component_resource),
        ("replicaRevision", "ReviseReplica", "ReviseReplica", &rules.replica_revision),
        ("statusReflection", "InterpretStatus", "ReflectStatus", &rules.status_reflection),
        ("statusAggregation", "AggregateStatus", "AggregateStatus", &rules.status_aggregation),
        ("healthInterpretation", "InterpretHealth", "InterpretHealth", &rules.health_interpretation),
        ("dependencyInterpretation", DEPENDENCY, "GetDependencies", &rules.dependency_interpretation),
    ]
    .into_iter()
    .filter_map(|(field, operation, function, script)| {
        let source = script.as_ref().map(|s| s.lua_script.as_str()).filter(|s| !s.is_empty())?;
        Some(CustomScript { field, operation, function, source })
    })
}

/// Of dependencies several customizations may speak at once.
const DEPENDENCY: &str = "InterpretDependency";

/// Refuses scripts that do not compile, and a second script for the same kind and operation.
pub(crate) fn validate_customization(request: &Validation<'_>, world: &World<'_>) -> Result<(), Denial> {
    let customization: ResourceInterpreterCustomization = request.parse()?;
    let mut causes = Vec::new();
    for CustomScript { field, operation, source, .. } in scripts(&customization.spec.customizations) {
        if let Err(error) = lua::Chunk::compile(field, source) {
            let path = format!("spec.customizations.{field}.luaScript");
            let detail = format!("the script for {operation} does not compile: {error}");
            causes.push(Cause::invalid(path, &json!(excerpt(source)), &detail));
        }
    }
    Denial::unless_empty(causes)?;
    let target = &customization.spec.target;
    let others = world
        .customizations
        .iter()
        .filter(|other| other.metadata.name != customization.metadata.name && other.spec.target == *target);
    for other in others {
        let is_ours = |theirs: &CustomScript<'_>| {
            theirs.operation != DEPENDENCY
                && scripts(&customization.spec.customizations).any(|ours| ours.operation == theirs.operation)
        };
        if let Some(CustomScript { operation, .. }) = scripts(&other.spec.customizations).find(is_ours) {
            return Err(Denial::forbidden(format!(
                "operation {operation} of {}, Kind={} is customized by ResourceInterpreterCustomization {} already",
                target.api_version, target.kind, other.metadata.name
            )));
        }
    }
    Ok(())
}

/// How much of a script a refusal repeats, in characters.
const EXCERPT_LEN_MAX: usize = 60;

fn excerpt(source: &str) -> String {
    match source.char_indices().nth(EXCERPT_LEN_MAX) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_owned(),
    }
}

const OPERATIONS: &[&str] = &[
    "InterpretReplica",
    "InterpretComponent",
    "ReviseReplica",
    "Retain",
    "AggregateStatus",
    "InterpretStatus",
    "InterpretHealth",
    "InterpretDependency",
    "*",
];

/// Longest and shortest time a call may take, in seconds.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<i32> = 1..=30;

/// The only version of the review object so far.
const CONTEXT_VERSION: &str = "v1alpha1";

/// Refuses webhooks that cannot be called.
pub(crate) fn validate_webhooks(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let configuration: ResourceInterpreterWebhookConfiguration = request.parse()?;
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, webhook) in configuration.webhooks.iter().enumerate() {
        let path = format!("webhooks[{i}]");
        causes.extend(webhook_name(&webhook.name, &format!("{path}.name")));
        if !seen.insert(&webhook.name) {
            causes.push(Cause::duplicate(format!("{path}.name"), &json!(webhook.name)));
        }
        causes.extend(validate_webhook(webhook, &path));
    }
    Denial::unless_empty(causes)
}

fn validate_webhook(webhook: &ResourceInterpreterWebhook, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, rule) in webhook.rules.iter().enumerate() {
        causes.extend(rule_lists(rule, &format!("{path}.rules[{i}]")));
    }
    if let Some(seconds) = webhook.timeout_seconds
        && !TIMEOUT_SECONDS.contains(&seconds)
    {
        let detail = "must be between 1 and 30 seconds";
        causes.push(Cause::invalid(format!("{path}.timeoutSeconds"), &json!(seconds), detail));
    }
    causes.extend(client_config(&webhook.client_config, &format!("{path}.clientConfig")));
    let path = format!("{path}.interpreterContextVersions");
    let versions = &webhook.interpreter_context_versions;
    if versions.is_empty() {
        causes.push(Cause::required(path.as_str(), &format!("must include {CONTEXT_VERSION}")));
    } else if !versions.iter().any(|v| v == CONTEXT_VERSION) {
        causes.push(Cause::invalid(
            path.as_str(),
            &json!(versions),
            &format!("must include {CONTEXT_VERSION}"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (i, version) in versions.iter().enumerate() {
        let path = format!("{path}[{i}]");
        causes.extend(fields::invalid(&path, version, names::dns1035_label(version)));
        if !seen.insert(version) {
            causes.push(Cause::duplicate(path, &json!(version)));
        }
    }
    causes
}

fn webhook_name(name: &str, path: &str) -> Vec<Cause> {
    let mut causes = fields::invalid(path, name, names::dns_subdomain(name));
    if name.split('.').count() < 3 {
        let detail = "must be a domain name with at least three segments";
        causes.push(Cause::invalid(path, &json!(name), detail));
    }
    causes
}

fn rule_lists(rule: &RuleWithOperations, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (name, values) in [
        ("operations", &rule.operations),
        ("apiGroups", &rule.api_groups),
        ("apiVersions", &rule.api_versions),
        ("kinds", &rule.kinds),
    ] {
        let path = format!("{path}.{name}");
        if values.is_empty() {
            causes.push(Cause::required(path.as_str(), ""));
        }
        if values.len() > 1 && values.iter().any(|v| v == "*") {
            causes.push(Cause::invalid(path.as_str(), &json!(values), "'*' must stand alone"));
        }
        for (i, value) in values.iter().enumerate() {
            let path = format!("{path}[{i}]");
            if name == "operations" && !OPERATIONS.contains(&value.as_str()) {
                causes.push(Cause::not_supported(path, &json!(value), OPERATIONS));
            } else if value.is_empty() && name != "apiGroups" {
                causes.push(Cause::required(path, ""));
            }
        }
    }
    causes
}

fn client_config(config: &WebhookClientConfig, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if config.url.is_some() == config.service.is_some() {
        causes.push(Cause::required(path, "exactly one of url and service must be set"));
    }
    if let Some(text) = &config.url {
        let path = format!("{path}.url");
        let detail = match fields::url(text) {
            Some(url) if url.scheme != "https" => Some("must begin with https://"),
            Some(url) if url.host.is_empty() => Some("must have a host"),
            Some(url) if url.user => Some("must not have a user"),
            Some(url) if url.query || url.fragment => Some("must not have a query or fragment"),
            Some(_) => None,
            None => Some("must be a URL"),
        };
        causes.extend(detail.map(|d| Cause::invalid(path, &json!(text), d)));
    }
    if let Some(service) = &config.service {
        let path = format!("{path}.service");
        for (name, value) in [("name", &service.name), ("namespace", &service.namespace)] {
            if value.is_empty() {
                causes.push(Cause::required(format!("{path}.{name}"), ""));
            }
        }
        if let Some(text) = &service.path {
            causes.extend(service_path(text, &format!("{path}.path")));
        }
        causes.extend(service.port.and_then(|port| fields::port(&format!("{path}.port"), port)));
    }
    causes
}

/// A path on a service: segments that are DNS subdomains, as for webhooks of Kubernetes.
fn service_path(text: &str, path: &str) -> Vec<Cause> {
    if text.is_empty() || text == "/" {
        return Vec::new();
    }
    let Some(segments) = text.strip_prefix('/') else {
        return vec![Cause::invalid(path, &json!(text), "must start with a slash")];
    };
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    let mut causes = Vec::new();
    for (i, segment) in segments.split('/').enumerate() {
        let problems = match segment {
            "" => vec!["may not be empty".to_owned()],
            _ => names::dns_subdomain(segment),
        };
        let details = problems.into_iter().map(|problem| format!("segment {i} {problem}"));
        causes.extend(details.map(|detail| Cause::invalid(path, &json!(text), &detail)));
    }
    causes
}
