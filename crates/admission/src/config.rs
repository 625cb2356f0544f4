//! ResourceInterpreterCustomization and ResourceInterpreterWebhookConfiguration.

use std::collections::BTreeSet;

use api::config::{
    CustomizationRules, LuaScript, ResourceInterpreterCustomization, ResourceInterpreterWebhook,
    ResourceInterpreterWebhookConfiguration, RuleWithOperations, WebhookClientConfig,
};
use machinery::{Cause, names};
use serde_json::json;

use crate::{Denial, Validation, World, fields};

/// Scripts with their fields. Of dependencies several customizations may speak at once.
fn scripts(rules: &CustomizationRules) -> [(&'static str, Option<&LuaScript>); 8] {
    [
        ("retention", rules.retention.as_ref()),
        ("replicaResource", rules.replica_resource.as_ref()),
        ("componentResource", rules.component_resource.as_ref()),
        ("replicaRevision", rules.replica_revision.as_ref()),
        ("statusReflection", rules.status_reflection.as_ref()),
        ("statusAggregation", rules.status_aggregation.as_ref()),
        ("healthInterpretation", rules.health_interpretation.as_ref()),
        (DEPENDENCIES, rules.dependency_interpretation.as_ref()),
    ]
}

const DEPENDENCIES: &str = "dependencyInterpretation";

/// Refuses scripts that do not compile, and a second script for the same kind and operation.
pub(crate) fn validate_customization(request: &Validation<'_>, world: &World<'_>) -> Result<(), Denial> {
    let customization: ResourceInterpreterCustomization = request.parse()?;
    let rules = scripts(&customization.spec.customizations);
    let mut causes = Vec::new();
    for (field, script) in rules {
        if let Some(script) = script
            && let Err(error) = (world.check_script)(&script.lua_script)
        {
            let path = format!("spec.customizations.{field}.luaScript");
            causes.push(Cause::invalid(path, &json!(script.lua_script), &error));
        }
    }
    Denial::unless_empty(causes)?;
    let others = world.customizations.iter().filter(|other| {
        other.metadata.name != customization.metadata.name && other.spec.target == customization.spec.target
    });
    for other in others {
        for ((field, ours), (_, theirs)) in rules.iter().zip(scripts(&other.spec.customizations)) {
            if ours.is_some() && theirs.is_some() && *field != DEPENDENCIES {
                let target = &customization.spec.target;
                return Err(Denial::forbidden(format!(
                    "{field} of {}, Kind={} is customized by {} already",
                    target.api_version, target.kind, other.metadata.name
                )));
            }
        }
    }
    Ok(())
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
        if service.path.as_ref().is_some_and(|p| !p.starts_with('/')) {
            let detail = "must start with a slash";
            causes.push(Cause::invalid(format!("{path}.path"), &json!(service.path), detail));
        }
        causes.extend(service.port.and_then(|port| fields::port(&format!("{path}.port"), port)));
    }
    causes
}
