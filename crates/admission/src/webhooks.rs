//! The table of rules, and the objects that tell an API server to call them over HTTPS.

use api::resource::{Kind, Resource};
use api::{
    autoscaling as hpas, cluster as clusters, config as configs, networking as networks, policy,
    work as works,
};
use machinery::{GroupVersionKind, Object};
use serde_json::{Value, json};

use crate::{
    Denial, Mutation, Operation, Source, Validation, World, autoscaling, binding, cluster, config, ingress,
    networking, overriding, propagation, protection, quota, schedule, taint, work,
};

/// Whether a rule changes objects or judges them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Changes objects, before their schema is checked.
    Mutating,
    /// Judges objects, after everything else.
    Validating,
}

/// The function behind a rule.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Changes the object.
    Mutate(fn(&Mutation<'_>, &mut Object, &mut Source<'_>) -> Result<(), Denial>),
    /// Judges the object.
    Validate(fn(&Validation<'_>, &World<'_>) -> Result<(), Denial>),
}

/// What a rule must know of other objects; see [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// All ResourceInterpreterCustomizations.
    Customizations,
    /// The FederatedResourceQuotas of the namespace, when they are enforced.
    Quotas,
}

/// A rule: which requests it is for, and where the webhook server has it.
pub struct Webhook {
    /// Name in the configuration and in refusals.
    pub name: &'static str,
    /// Path on the webhook server.
    pub path: &'static str,
    /// The kind, in any of its versions; nothing for every kind.
    pub kind: Option<Kind>,
    /// The operations.
    pub operations: &'static [Operation],
    /// How long a call may take, in seconds.
    pub timeout_seconds: u8,
    /// What the rule must know of other objects.
    pub needs: Needs,
    /// The function.
    pub handler: Handler,
}

impl Webhook {
    /// Whether the rule changes objects or judges them.
    pub fn phase(&self) -> Phase {
        match self.handler {
            Handler::Mutate(_) => Phase::Mutating,
            Handler::Validate(_) => Phase::Validating,
        }
    }

    /// Whether the rule is for a kind and operation.
    pub fn covers(&self, gvk: &GroupVersionKind, operation: Operation) -> bool {
        self.operations.contains(&operation)
            && self.kind.is_none_or(|kind| kind.kind == gvk.kind && kind.group == gvk.group)
    }
}

const WRITES: &[Operation] = &[Operation::Create, Operation::Update];
const CREATES: &[Operation] = &[Operation::Create];
const DELETES: &[Operation] = &[Operation::Delete];

const fn rule(name: &'static str, path: &'static str, kind: Kind, handler: Handler) -> Webhook {
    Webhook {
        name,
        path,
        kind: Some(kind),
        operations: WRITES,
        timeout_seconds: 3,
        needs: Needs::Nothing,
        handler,
    }
}

use Handler::{Mutate, Validate};

/// Every rule: the mutating ones first, which is the order in which a request passes them.
pub static WEBHOOKS: &[Webhook] = &[
    rule(
        "propagationpolicy.karmada.io",
        "/mutate-propagationpolicy",
        policy::PropagationPolicy::KIND,
        Mutate(propagation::mutate),
    ),
    rule(
        "clusterpropagationpolicy.karmada.io",
        "/mutate-clusterpropagationpolicy",
        policy::ClusterPropagationPolicy::KIND,
        Mutate(propagation::mutate),
    ),
    rule(
        "overridepolicy.karmada.io",
        "/mutate-overridepolicy",
        policy::OverridePolicy::KIND,
        Mutate(overriding::mutate),
    ),
    rule("work.karmada.io", "/mutate-work", works::Work::KIND, Mutate(work::mutate)),
    Webhook {
        operations: CREATES,
        ..rule(
            "resourcebinding.karmada.io",
            "/mutate-resourcebinding",
            works::ResourceBinding::KIND,
            Mutate(binding::mutate),
        )
    },
    Webhook {
        operations: CREATES,
        ..rule(
            "clusterresourcebinding.karmada.io",
            "/mutate-clusterresourcebinding",
            works::ClusterResourceBinding::KIND,
            Mutate(binding::mutate),
        )
    },
    rule(
        "multiclusterservice.karmada.io",
        "/mutate-multiclusterservice",
        networks::MultiClusterService::KIND,
        Mutate(networking::mutate),
    ),
    rule(
        "federatedhpa.karmada.io",
        "/mutate-federatedhpa",
        hpas::FederatedHpa::KIND,
        Mutate(autoscaling::mutate),
    ),
    rule("cluster.karmada.io", "/mutate-cluster", clusters::Cluster::KIND, Mutate(cluster::mutate)),
    rule(
        "propagationpolicy.karmada.io",
        "/validate-propagationpolicy",
        policy::PropagationPolicy::KIND,
        Validate(propagation::validate),
    ),
    rule(
        "clusterpropagationpolicy.karmada.io",
        "/validate-clusterpropagationpolicy",
        policy::ClusterPropagationPolicy::KIND,
        Validate(propagation::validate),
    ),
    rule(
        "overridepolicy.karmada.io",
        "/validate-overridepolicy",
        policy::OverridePolicy::KIND,
        Validate(overriding::validate),
    ),
    rule(
        "clusteroverridepolicy.karmada.io",
        "/validate-clusteroverridepolicy",
        policy::ClusterOverridePolicy::KIND,
        Validate(overriding::validate),
    ),
    rule(
        "clustertaintpolicy.karmada.io",
        "/validate-clustertaintpolicy",
        policy::ClusterTaintPolicy::KIND,
        Validate(taint::validate),
    ),
    rule(
        "federatedresourcequota.karmada.io",
        "/validate-federatedresourcequota",
        policy::FederatedResourceQuota::KIND,
        Validate(quota::validate),
    ),
    Webhook {
        needs: Needs::Quotas,
        ..rule(
            "resourcebinding.karmada.io",
            "/validate-resourcebinding",
            works::ResourceBinding::KIND,
            Validate(binding::validate),
        )
    },
    rule(
        "config.karmada.io",
        "/validate-resourceinterpreterwebhookconfiguration",
        configs::ResourceInterpreterWebhookConfiguration::KIND,
        Validate(config::validate_webhooks),
    ),
    Webhook {
        needs: Needs::Customizations,
        timeout_seconds: 10,
        ..rule(
            "resourceinterpretercustomization.karmada.io",
            "/validate-resourceinterpretercustomization",
            configs::ResourceInterpreterCustomization::KIND,
            Validate(config::validate_customization),
        )
    },
    rule(
        "federatedhpa.karmada.io",
        "/validate-federatedhpa",
        hpas::FederatedHpa::KIND,
        Validate(autoscaling::validate),
    ),
    rule(
        "cronfederatedhpa.karmada.io",
        "/validate-cronfederatedhpa",
        hpas::CronFederatedHpa::KIND,
        Validate(schedule::validate),
    ),
    rule(
        "multiclusterservice.karmada.io",
        "/validate-multiclusterservice",
        networks::MultiClusterService::KIND,
        Validate(networking::validate),
    ),
    rule(
        "multiclusteringress.karmada.io",
        "/validate-multiclusteringress",
        networks::MultiClusterIngress::KIND,
        Validate(ingress::validate),
    ),
    rule("cluster.karmada.io", "/validate-cluster", clusters::Cluster::KIND, Validate(cluster::validate)),
    Webhook {
        name: "resourcedeletionprotection.karmada.io",
        path: "/validate-resourcedeletionprotection",
        kind: None,
        operations: DELETES,
        timeout_seconds: 3,
        needs: Needs::Nothing,
        handler: Validate(protection::validate),
    },
];

/// Path of the conversion webhook of bindings.
pub const CONVERT_PATH: &str = "/convert";

/// The rules a request passes, in order.
pub fn rules_for(gvk: &GroupVersionKind, operation: Operation) -> impl Iterator<Item = &'static Webhook> {
    WEBHOOKS.iter().filter(move |webhook| webhook.covers(gvk, operation))
}

/// The rule at a path of the webhook server.
pub fn by_path(path: &str) -> Option<&'static Webhook> {
    WEBHOOKS.iter().find(|webhook| webhook.path == path)
}

/// The MutatingWebhookConfiguration and ValidatingWebhookConfiguration by which an API server calls the
/// rules at `url`. `ca_bundle` is in base64; empty for the system's roots.
pub fn webhook_configurations(ca_bundle: &str, url: &str) -> Vec<Object> {
    [
        (Phase::Mutating, "MutatingWebhookConfiguration", "mutating-config"),
        (Phase::Validating, "ValidatingWebhookConfiguration", "validating-config"),
    ]
    .into_iter()
    .map(|(phase, kind, name)| {
        let webhooks: Vec<Value> =
            WEBHOOKS.iter().filter(|w| w.phase() == phase).map(|w| render(w, ca_bundle, url)).collect();
        let mut object = Object::new("admissionregistration.k8s.io/v1", kind, "", name);
        object.set("/webhooks", webhooks);
        object
    })
    .collect()
}

fn render(webhook: &Webhook, ca_bundle: &str, url: &str) -> Value {
    let operations: Vec<&str> = webhook.operations.iter().map(|o| o.as_str()).collect();
    let (groups, versions, resources) = match webhook.kind {
        Some(kind) => (kind.group, kind.version, kind.plural),
        None => ("*", "*", "*"),
    };
    let scope = "*";
    let mut rendered = json!({
        "name": webhook.name,
        "rules": [{
            "operations": operations, "apiGroups": [groups], "apiVersions": [versions],
            "resources": [resources], "scope": scope,
        }],
        "clientConfig": { "url": format!("{}{}", url.trim_end_matches('/'), webhook.path) },
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": webhook.timeout_seconds,
    });
    if !ca_bundle.is_empty() {
        rendered["clientConfig"]["caBundle"] = ca_bundle.into();
    }
    if webhook.kind.is_none() {
        rendered["objectSelector"] = json!({
            "matchExpressions": [{ "key": api::names::labels::DELETION_PROTECTED, "operator": "Exists" }],
        });
    }
    rendered
}
