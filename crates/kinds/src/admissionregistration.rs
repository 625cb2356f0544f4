//! Webhook configurations and admission policies.

use std::collections::BTreeSet;

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{between, label_selector, one_of, required};
use crate::fields::{Fill, Map, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, UNSET, age, integer, text};
use crate::{Column, Rules};

pub(crate) static VALIDATING_WEBHOOKS: Rules = Rules {
    default: |config| config.fields_mut().maps_mut("webhooks").for_each(default_webhook),
    validate_create: validate_webhooks,
    validate_update: |new, _| validate_webhooks(new),
    columns: || WEBHOOK_COLUMNS,
    cells: webhook_cells,
    ..Rules::PLAIN
};

pub(crate) static MUTATING_WEBHOOKS: Rules = Rules {
    default: |config| {
        for webhook in config.fields_mut().maps_mut("webhooks") {
            default_webhook(webhook);
            webhook.fill_text("reinvocationPolicy", "Never");
        }
    },
    validate_create: |config| {
        let mut causes = validate_webhooks(config);
        for (i, webhook) in config.value().list("webhooks").iter().enumerate() {
            let field = format!("webhooks[{i}].reinvocationPolicy");
            one_of(&mut causes, &field, webhook.text("reinvocationPolicy"), &["IfNeeded", "Never"]);
        }
        causes
    },
    validate_update: |new, _| (MUTATING_WEBHOOKS.validate_create)(new),
    columns: || WEBHOOK_COLUMNS,
    cells: webhook_cells,
    ..Rules::PLAIN
};

fn default_webhook(webhook: &mut Map) {
    webhook.fill_text("failurePolicy", "Fail");
    webhook.fill_text("matchPolicy", "Equivalent");
    webhook.fill("namespaceSelector", json!({}));
    webhook.fill("objectSelector", json!({}));
    webhook.fill("timeoutSeconds", 10);
    if let Some(service) = webhook.map_mut("clientConfig").and_then(|c| c.map_mut("service")) {
        service.fill("port", 443);
    }
    webhook.maps_mut("rules").for_each(default_rule);
}

fn default_rule(rule: &mut Map) {
    rule.fill_text("scope", "*");
}

const WEBHOOK_COLUMNS: &[Column] = &[NAME, integer("Webhooks", "Number of webhooks."), AGE];

fn webhook_cells(config: &Object, now: i64) -> Vec<Value> {
    vec![config.name().into(), config.value().list("webhooks").len().into(), age(config, now)]
}

fn validate_webhooks(config: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, webhook) in config.value().list("webhooks").iter().enumerate() {
        let at = format!("webhooks[{i}]");
        validate_webhook(&mut causes, &at, webhook);
        let name = webhook.text("name");
        if !name.is_empty() && !seen.insert(name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
        }
    }
    causes
}

fn validate_webhook(causes: &mut Vec<Cause>, at: &str, webhook: &Value) {
    let name = webhook.text("name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        causes.push(Cause::invalid(format!("{at}.name"), &name.into(), detail));
    } else {
        let problems = machinery::names::dns_subdomain(name);
        crate::checks::problems(causes, &format!("{at}.name"), name, problems);
    }
    for (i, rule) in webhook.list("rules").iter().enumerate() {
        validate_rule(causes, &format!("{at}.rules[{i}]"), rule);
    }
    one_of(causes, &format!("{at}.failurePolicy"), webhook.text("failurePolicy"), &["Fail", "Ignore"]);
    one_of(causes, &format!("{at}.matchPolicy"), webhook.text("matchPolicy"), &["Equivalent", "Exact"]);
    let effects = webhook.text("sideEffects");
    let supported = &["None", "NoneOnDryRun"];
    if effects.is_empty() {
        let detail = "must specify one of \"None\", \"NoneOnDryRun\"";
        causes.push(Cause::required(format!("{at}.sideEffects"), detail));
    } else {
        one_of(causes, &format!("{at}.sideEffects"), effects, supported);
    }
    if let Some(secs) = webhook.int("timeoutSeconds") {
        between(causes, &format!("{at}.timeoutSeconds"), secs, 1, 30);
    }
    for selector in ["namespaceSelector", "objectSelector"] {
        label_selector(causes, &format!("{at}.{selector}"), webhook.child(&[selector]));
    }
    client_config(causes, &format!("{at}.clientConfig"), webhook.child(&["clientConfig"]));
    review_versions(causes, &format!("{at}.admissionReviewVersions"), webhook);
}

/// Where a webhook is called: a URL or a service. Conversion webhooks of custom resources have the same.
pub(crate) fn client_config(causes: &mut Vec<Cause>, at: &str, config: &Value) {
    match (config.has("url"), config.has("service")) {
        (true, true) | (false, false) => {
            let detail = "exactly one of url or service is required";
            causes.push(Cause::required(at, detail));
        }
        (true, false) => check_url(causes, &format!("{at}.url"), config.text("url")),
        (false, true) => {
            let service = config.child(&["service"]);
            let at = format!("{at}.service");
            for (field, detail) in
                [("name", "service name is required"), ("namespace", "service namespace is required")]
            {
                if service.text(field).is_empty() {
                    causes.push(Cause::required(format!("{at}.{field}"), detail));
                }
            }
            if let Some(port) = service.int("port").filter(|p| !(1..=65535).contains(p)) {
                let detail = "port is not valid: must be between 1 and 65535, inclusive";
                causes.push(Cause::invalid(format!("{at}.port"), &port.into(), detail));
            }
        }
    }
}

fn check_url(causes: &mut Vec<Cause>, at: &str, url: &str) {
    const FORM: &str = "; desired format: https://host[/path]";
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        causes.push(Cause::invalid(at, &scheme.into(), &detail));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        let detail = format!("host must be specified{FORM}");
        causes.push(Cause::invalid(at, &host.into(), &detail));
    }
    if host.contains('@') {
        causes.push(Cause::invalid(at, &"".into(), "user information is not permitted in the URL"));
    }
    for (mark, what) in [('?', "query parameters"), ('#', "fragments")] {
        if rest.contains(mark) {
            let detail = format!("{what} are not permitted in the URL");
            causes.push(Cause::invalid(at, &url.into(), &detail));
        }
    }
}

/// A list of versions of reviews of which the server must speak one.
pub(crate) fn review_versions(causes: &mut Vec<Cause>, at: &str, webhook: &Value) {
    let list = at.rsplit('.').next().unwrap_or(at);
    let versions = webhook.list(list);
    if versions.is_empty() {
        causes.push(Cause::required(at, "must specify one of v1, v1beta1"));
    } else if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        let shown = webhook.get_or_null(list);
        causes.push(Cause::invalid(at, shown, "must include at least one of v1, v1beta1"));
    }
}

fn validate_rule(causes: &mut Vec<Cause>, at: &str, rule: &Value) {
    for field in ["operations", "apiGroups", "apiVersions", "resources"] {
        if rule.list(field).is_empty() {
            causes.push(Cause::required(format!("{at}.{field}"), ""));
        }
    }
    for field in ["apiGroups", "apiVersions"] {
        let list = rule.list(field);
        if list.len() > 1 && list.iter().any(|v| v == "*") {
            let detail = "if '*' is present, must not specify other API groups";
            let detail = if field == "apiGroups" {
                detail
            } else {
                "if '*' is present, must not specify other API versions"
            };
            causes.push(Cause::invalid(format!("{at}.{field}"), rule.get_or_null(field), detail));
        }
    }
    let operations = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    for (i, operation) in rule.list("operations").iter().enumerate() {
        one_of(causes, &format!("{at}.operations[{i}]"), operation.as_str().unwrap_or_default(), operations);
    }
    one_of(causes, &format!("{at}.scope"), rule.text("scope"), &["*", "Cluster", "Namespaced"]);
}

pub(crate) static VALIDATING_POLICY: Rules = Rules {
    default: default_policy,
    prepare_create: |policy| policy.set("/status", json!({})),
    prepare_update: keep_status,
    validate_create: |policy| {
        let mut causes = Vec::new();
        let spec = policy.value().child(&["spec"]);
        if spec.list("validations").is_empty() && spec.list("auditAnnotations").is_empty() {
            let detail = "validations or auditAnnotations must be non-empty";
            causes.push(Cause::required("spec.validations", detail));
        }
        for (i, validation) in spec.list("validations").iter().enumerate() {
            required(
                &mut causes,
                &format!("spec.validations[{i}].expression"),
                validation.text("expression"),
            );
        }
        policy_rules(&mut causes, spec);
        causes
    },
    validate_update: |new, _| (VALIDATING_POLICY.validate_create)(new),
    columns: || VALIDATING_POLICY_COLUMNS,
    cells: |policy, now| policy_cells(policy, now, "validations"),
    ..Rules::PLAIN
};

pub(crate) static MUTATING_POLICY: Rules = Rules {
    default: default_policy,
    validate_create: |policy| {
        let mut causes = Vec::new();
        let spec = policy.value().child(&["spec"]);
        if spec.list("mutations").is_empty() {
            causes.push(Cause::required("spec.mutations", "mutations must contain at least one item"));
        }
        policy_rules(&mut causes, spec);
        causes
    },
    validate_update: |new, _| (MUTATING_POLICY.validate_create)(new),
    columns: || MUTATING_POLICY_COLUMNS,
    cells: |policy, now| policy_cells(policy, now, "mutations"),
    ..Rules::PLAIN
};

fn default_policy(policy: &mut Object) {
    let Some(spec) = policy.fields_mut().map_mut("spec") else { return };
    spec.fill_text("failurePolicy", "Fail");
    if let Some(constraints) = spec.map_mut("matchConstraints") {
        default_match(constraints);
    }
}

fn default_match(resources: &mut Map) {
    resources.fill("namespaceSelector", json!({}));
    resources.fill("objectSelector", json!({}));
    resources.fill_text("matchPolicy", "Equivalent");
    for list in ["resourceRules", "excludeResourceRules"] {
        resources.maps_mut(list).for_each(default_rule);
    }
}

fn policy_rules(causes: &mut Vec<Cause>, spec: &Value) {
    let constraints = spec.child(&["matchConstraints"]);
    if constraints.is_null() {
        causes.push(Cause::required("spec.matchConstraints", ""));
        return;
    }
    let rules = constraints.list("resourceRules");
    if rules.is_empty() {
        causes.push(Cause::required("spec.matchConstraints.resourceRules", ""));
    }
    for (i, rule) in rules.iter().enumerate() {
        validate_rule(causes, &format!("spec.matchConstraints.resourceRules[{i}]"), rule);
    }
}

const PARAM_KIND: Column = text("ParamKind", "Kind of the policy's parameters.");
const VALIDATING_POLICY_COLUMNS: &[Column] =
    &[NAME, integer("Validations", "Number of validations."), PARAM_KIND, AGE];
const MUTATING_POLICY_COLUMNS: &[Column] =
    &[NAME, integer("Mutations", "Number of mutations."), PARAM_KIND, AGE];

fn policy_cells(policy: &Object, now: i64, list: &str) -> Vec<Value> {
    let spec = policy.value().child(&["spec"]);
    let kind = spec.child(&["paramKind"]);
    let shown = match (kind.text("apiVersion"), kind.text("kind")) {
        (_, "") => UNSET.to_owned(),
        (version, kind) => format!("{version}/{kind}"),
    };
    vec![policy.name().into(), spec.list(list).len().into(), shown.into(), age(policy, now)]
}

pub(crate) static POLICY_BINDING: Rules = Rules {
    default: |binding| {
        if let Some(resources) =
            binding.fields_mut().map_mut("spec").and_then(|s| s.map_mut("matchResources"))
        {
            default_match(resources);
        }
    },
    validate_create: |binding| {
        let mut causes = Vec::new();
        let spec = binding.value().child(&["spec"]);
        required(&mut causes, "spec.policyName", spec.text("policyName"));
        if binding.kind().starts_with("Validating") {
            if spec.list("validationActions").is_empty() {
                causes.push(Cause::required(
                    "spec.validationActions",
                    "at least one validation action is required",
                ));
            }
            for (i, action) in spec.list("validationActions").iter().enumerate() {
                let field = format!("spec.validationActions[{i}]");
                one_of(&mut causes, &field, action.as_str().unwrap_or_default(), &["Audit", "Deny", "Warn"]);
            }
        }
        causes
    },
    validate_update: |new, _| (POLICY_BINDING.validate_create)(new),
    columns: || POLICY_BINDING_COLUMNS,
    cells: |binding, now| {
        let spec = binding.value().child(&["spec"]);
        let params = spec.child(&["paramRef"]);
        let shown = match (params.text("namespace"), params.text("name")) {
            _ if params.is_null() => UNSET.to_owned(),
            ("", "") => "<selector>".to_owned(),
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        vec![binding.name().into(), spec.text("policyName").into(), shown.into(), age(binding, now)]
    },
    ..Rules::PLAIN
};

const POLICY_BINDING_COLUMNS: &[Column] = &[
    NAME,
    text("PolicyName", "Policy the binding puts to work."),
    text("ParamRef", "Object with the policy's parameters."),
    AGE,
];
