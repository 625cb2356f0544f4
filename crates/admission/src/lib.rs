//! Defaulting and validation of the Karmada kinds.
//!
//! [`WEBHOOKS`] is the table of all rules: which kind, which operations, which function. The API server
//! calls them in process through [`mutate`] and [`validate`]; the webhook server finds them by path. The
//! functions know neither clock nor randomness: ids and the time are handed in, and so is what a rule must
//! know of other objects ([`World`]).

mod autoscaling;
mod binding;
mod cluster;
mod config;
mod fields;
mod ingress;
mod networking;
mod overriding;
mod placement;
mod propagation;
mod protection;
pub mod quota;
mod schedule;
mod taint;
mod warnings;
mod webhooks;
mod work;

use api::config::ResourceInterpreterCustomization;
use api::gates::{self, FeatureGates};
use api::policy::FederatedResourceQuota;
use jiff::Timestamp;
use machinery::{Cause, GroupVersionKind, Object, Reason, Status};

pub use cluster::default_resource_models;
pub use warnings::{may_warn, warnings};
pub use webhooks::{
    CONVERT_PATH, Handler, Needs, Phase, WEBHOOKS, Webhook, by_path, rules_for, webhook_configurations,
};

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of an object.
    Update,
    /// The end of an object.
    Delete,
}

impl Operation {
    /// The name in webhook configurations and reviews.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// Reads the name in a review; other operations have no rules here.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "CREATE" => Some(Self::Create),
            "UPDATE" => Some(Self::Update),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// Switches that change rules; the names and defaults are those of upstream's flags and feature gates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `--allow-no-execute-taint-policy`: taint policies may use the effect NoExecute.
    pub allow_no_execute_taint_policy: bool,
    /// Gate CustomizedClusterResourceModeling: clusters get resource models.
    pub customized_cluster_resource_modeling: bool,
    /// Gate MultiplePodTemplatesScheduling: the components of bindings are checked.
    pub multiple_pod_templates_scheduling: bool,
    /// Gate FederatedQuotaEnforcement: bindings are held against federated quotas.
    pub federated_quota_enforcement: bool,
}

impl From<&FeatureGates> for Options {
    /// The gates; flags are at their defaults.
    fn from(gates: &FeatureGates) -> Self {
        Self {
            allow_no_execute_taint_policy: false,
            customized_cluster_resource_modeling: gates.enabled(gates::CUSTOMIZED_CLUSTER_RESOURCE_MODELING),
            multiple_pod_templates_scheduling: gates.enabled(gates::MULTIPLE_POD_TEMPLATES_SCHEDULING),
            federated_quota_enforcement: gates.enabled(gates::FEDERATED_QUOTA_ENFORCEMENT),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::from(&FeatureGates::default())
    }
}

/// What rules must know of other objects; [`Webhook::needs`] says which rules need which.
pub struct World<'a> {
    /// Switches.
    pub options: &'a Options,
    /// All customizations, for new ones of the same kind.
    pub customizations: &'a [ResourceInterpreterCustomization],
    /// Federated quotas of the request's namespace.
    pub quotas: &'a [FederatedResourceQuota],
}

impl<'a> World<'a> {
    /// A world without other objects.
    pub fn empty(options: &'a Options) -> Self {
        Self { options, customizations: &[], quotas: &[] }
    }
}

/// What mutating rules draw from.
pub struct Source<'a> {
    /// Switches.
    pub options: &'a Options,
    /// The time of the request.
    pub now: Timestamp,
    /// Makes new unique ids.
    pub ids: &'a mut dyn FnMut() -> String,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// HTTP code.
    pub code: u16,
    /// Machine-readable reason; empty for none.
    pub reason: String,
    /// Text for people.
    pub message: String,
    /// What is wrong with which field; empty when the refusal is not about fields.
    pub causes: Vec<Cause>,
}

impl Denial {
    /// A refusal in a sentence.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { code: 403, reason: String::new(), message: message.into(), causes: Vec::new() }
    }

    /// An object that cannot be read as its kind.
    pub fn malformed(error: &machinery::object::Error) -> Self {
        let cause = std::error::Error::source(error).map(|s| format!(": {s}")).unwrap_or_default();
        Self { code: 400, ..Self::forbidden(format!("{error}{cause}")) }
    }

    /// A refusal for what is wrong with fields; nothing wrong, no refusal.
    ///
    /// # Errors
    /// When there are causes.
    pub fn unless_empty(causes: Vec<Cause>) -> Result<(), Self> {
        if causes.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> =
            causes
                .iter()
                .map(|c| {
                    if c.field.is_empty() { c.message.clone() } else { format!("{}: {}", c.field, c.message) }
                })
                .collect();
        let message = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        Err(Self { causes, ..Self::forbidden(message) })
    }

    /// The answer a client of the API server gets when the rule of this name refuses.
    pub fn to_status(&self, webhook: &str) -> Status {
        let message = format!("admission webhook {webhook:?} denied the request: {}", self.message);
        let reason = match self.code {
            400 => Reason::BadRequest,
            403 => Reason::Forbidden,
            _ => Reason::InternalError,
        };
        Status { code: self.code, ..Status::new(reason, message) }
    }
}

/// Runs every mutating rule for the request on the object.
///
/// `namespace` is the request's, which a new object need not carry yet.
///
/// # Errors
/// The first refusal, with the name of the rule.
pub fn mutate(
    gvk: &GroupVersionKind,
    operation: Operation,
    namespace: &str,
    object: &mut Object,
    old: Option<&Object>,
    source: &mut Source<'_>,
) -> Result<(), (&'static str, Denial)> {
    for rule in rules_for(gvk, operation) {
        if let Handler::Mutate(function) = rule.handler {
            let request = Mutation { operation, namespace, old };
            function(&request, object, source).map_err(|denial| (rule.name, denial))?;
        }
    }
    Ok(())
}

/// Runs every validating rule for the request. For [`Operation::Delete`], `object` is the object that would
/// go.
///
/// # Errors
/// The first refusal, with the name of the rule.
pub fn validate(
    gvk: &GroupVersionKind,
    operation: Operation,
    object: &Object,
    old: Option<&Object>,
    world: &World<'_>,
) -> Result<(), (&'static str, Denial)> {
    for rule in rules_for(gvk, operation) {
        if let Handler::Validate(function) = rule.handler {
            let request = Validation { operation, object, old };
            function(&request, world).map_err(|denial| (rule.name, denial))?;
        }
    }
    Ok(())
}

/// A request as mutating rules see it.
pub struct Mutation<'a> {
    /// What the request does.
    pub operation: Operation,
    /// The request's namespace; empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The stored object, for updates.
    pub old: Option<&'a Object>,
}

/// A request as validating rules see it.
pub struct Validation<'a> {
    /// What the request does.
    pub operation: Operation,
    /// The object as it would be, or the one that would go.
    pub object: &'a Object,
    /// The stored object, for updates.
    pub old: Option<&'a Object>,
}

impl Validation<'_> {
    /// Reads the object as its kind.
    fn parse<T: api::Resource>(&self) -> Result<T, Denial> {
        T::from_object(self.object).map_err(|e| Denial::malformed(&e))
    }
}

#[cfg(test)]
mod tests;
