//! Claims: how a template says which policy governs it, and when another one may take it over.

use std::fmt;

use api::Scope;
use api::names::{annotations, labels};
use api::policy::{Policy, Preemption};
use machinery::{Object, ObjectKey};
use serde::{Deserialize, Serialize};

use crate::index::Claimant;
use crate::policy::priority;
use crate::selector::match_selector;

/// A claim as it stands on a template or binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The policy, by kind and name.
    pub policy: Claimant,
    /// Permanent id of the policy.
    pub id: String,
}

/// The claim on an object; a PropagationPolicy's comes first. Half a claim is none.
pub fn claim_of(object: &Object) -> Option<Claim> {
    let label = |key| object.label(key).filter(|id| !id.is_empty()).map(ToOwned::to_owned);
    let namespaced = || {
        let namespace = object.annotation(annotations::PROPAGATION_POLICY_NAMESPACE)?;
        let name = object.annotation(annotations::PROPAGATION_POLICY_NAME)?;
        let id = label(labels::PROPAGATION_POLICY_ID)?;
        let policy = Claimant { scope: Scope::Namespaced, key: ObjectKey::new(namespace, name) };
        Some(Claim { policy, id })
    };
    let cluster = || {
        let name = object.annotation(annotations::CLUSTER_PROPAGATION_POLICY_NAME)?;
        let id = label(labels::CLUSTER_PROPAGATION_POLICY_ID)?;
        Some(Claim { policy: Claimant { scope: Scope::Cluster, key: ObjectKey::new("", name) }, id })
    };
    namespaced().or_else(cluster)
}

/// What governs a template instead of any policy, such as `MultiClusterService`.
pub fn claimed_by_other(object: &Object) -> Option<&str> {
    object.label(labels::CLAIMED_BY).filter(|by| !by.is_empty())
}

/// Why a policy does not take a template over from the policy that has claimed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "refusal")]
pub enum NoPreemption {
    /// The policy does not ask for it.
    #[error("its preemption is Never")]
    NotAsked,
    /// Preemption is switched off.
    #[error("the feature gate PropagationPolicyPreemption is off")]
    GateOff,
    /// None of its selectors names the template; those by kind or labels do not preempt.
    #[error("none of its selectors names the template, and only names preempt")]
    Unnamed,
    /// A cluster-scoped policy stands back behind a namespaced one.
    #[error("a ClusterPropagationPolicy never preempts a PropagationPolicy")]
    Behind,
    /// Its priority is not greater than the owner's.
    #[error("its priority {own} is not greater than {owner}")]
    #[serde(rename_all = "camelCase")]
    Priority {
        /// Priority of the policy that would preempt.
        own: i32,
        /// Priority of the policy that has claimed.
        owner: i32,
    },
}

/// Whether a policy comes before the policy that has claimed a template. A PropagationPolicy always comes
/// before a ClusterPropagationPolicy; among their own kind only a strictly greater priority does.
///
/// # Errors
/// Why it does not: [`NoPreemption::Behind`] or [`NoPreemption::Priority`].
pub fn outranks(policy: &Policy, owner: &Policy) -> Result<(), NoPreemption> {
    match (policy.scope, owner.scope) {
        (Scope::Namespaced, Scope::Cluster) => Ok(()),
        (Scope::Cluster, Scope::Namespaced) => Err(NoPreemption::Behind),
        (Scope::Namespaced, Scope::Namespaced) | (Scope::Cluster, Scope::Cluster) => {
            let (own, owner) = (priority(policy), priority(owner));
            if own > owner { Ok(()) } else { Err(NoPreemption::Priority { own, owner }) }
        }
    }
}

/// Whether preemption is possible at all: the feature gate PropagationPolicyPreemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PreemptionGate {
    /// Policies may preempt when they ask for it.
    On,
    /// No policy preempts. The default upstream.
    #[default]
    Off,
}

/// Whether a policy takes a template over from the policy that has claimed it.
///
/// # Errors
/// The first reason why it does not.
pub fn preempts(
    policy: &Policy,
    owner: &Policy,
    template: &Object,
    gate: PreemptionGate,
) -> Result<(), NoPreemption> {
    if policy.spec.preemption != Some(Preemption::Always) {
        return Err(NoPreemption::NotAsked);
    }
    if gate == PreemptionGate::Off {
        return Err(NoPreemption::GateOff);
    }
    let names_it =
        |s: &api::policy::ResourceSelector| !s.name.is_empty() && match_selector(s, template).is_ok();
    if !policy.spec.resource_selectors.iter().any(names_it) {
        return Err(NoPreemption::Unnamed);
    }
    outranks(policy, owner)
}

impl fmt::Display for Claimant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Policy::kind_of(self.scope).kind, self.key)
    }
}
