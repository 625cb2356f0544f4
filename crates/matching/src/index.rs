//! Many policies, found by the objects they may claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Scope;
use api::policy::Policy;
use machinery::{Object, ObjectKey};

use crate::policy::best_policy;

/// A policy as the index knows it: kind of policy, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claimant {
    /// Namespaced or cluster-scoped.
    pub scope: Scope,
    /// Namespace and name of the policy.
    pub key: ObjectKey,
}

impl Claimant {
    /// The policy's place in the index.
    pub fn of(policy: &Policy) -> Self {
        Self { scope: policy.scope, key: policy.metadata.key() }
    }
}

/// Policies by (kind, apiVersion) and then by the name of the object they select, or any name.
///
/// Looking an object up costs the number of policies that name its kind without a name, plus those that name
/// exactly this object; the others are not looked at.
#[derive(Debug, Clone, Default)]
pub struct PolicyIndex {
    policies: BTreeMap<Claimant, Arc<Policy>>,
    kinds: BTreeMap<String, BTreeMap<String, Slot>>,
}

/// The policies that select objects of one kind. The namespace is the policy's own.
#[derive(Debug, Clone, Default)]
struct Slot {
    by_name: BTreeMap<String, BTreeSet<Claimant>>,
    unnamed: BTreeSet<Claimant>,
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.unnamed.is_empty()
    }
}

impl PolicyIndex {
    /// An index without policies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a policy in, in the place of one of the same name.
    pub fn insert(&mut self, policy: Arc<Policy>) {
        let claimant = Claimant::of(&policy);
        self.remove(&claimant);
        for selector in &policy.spec.resource_selectors {
            let versions = self.kinds.entry(selector.kind.clone()).or_default();
            let slot = versions.entry(selector.api_version.clone()).or_default();
            if selector.name.is_empty() {
                slot.unnamed.insert(claimant.clone());
            } else {
                slot.by_name.entry(selector.name.clone()).or_default().insert(claimant.clone());
            }
        }
        self.policies.insert(claimant, policy);
    }

    /// Takes a policy out and returns it.
    pub fn remove(&mut self, claimant: &Claimant) -> Option<Arc<Policy>> {
        let policy = self.policies.remove(claimant)?;
        for selector in &policy.spec.resource_selectors {
            self.forget(&selector.kind, &selector.api_version, &selector.name, claimant);
        }
        Some(policy)
    }

    fn forget(&mut self, kind: &str, api_version: &str, name: &str, claimant: &Claimant) {
        let Some(versions) = self.kinds.get_mut(kind) else { return };
        let Some(slot) = versions.get_mut(api_version) else { return };
        if name.is_empty() {
            slot.unnamed.remove(claimant);
        } else if let Some(claimants) = slot.by_name.get_mut(name) {
            claimants.remove(claimant);
            if claimants.is_empty() {
                slot.by_name.remove(name);
            }
        }
        if slot.is_empty() {
            versions.remove(api_version);
            if versions.is_empty() {
                self.kinds.remove(kind);
            }
        }
    }

    /// A policy by its name.
    pub fn get(&self, claimant: &Claimant) -> Option<&Arc<Policy>> {
        self.policies.get(claimant)
    }

    /// All policies, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// Number of policies.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there are no policies.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Policies of a scope that may claim an object; labels and namespaces are not compared yet, so a
    /// candidate need not match. One may come twice.
    pub fn candidates(&self, scope: Scope, object: &Object) -> impl Iterator<Item = &Arc<Policy>> {
        let slot = self.kinds.get(object.kind()).and_then(|versions| versions.get(object.api_version()));
        let namespace = match scope {
            Scope::Namespaced => object.namespace().to_owned(),
            Scope::Cluster => String::new(),
        };
        slot.into_iter()
            .flat_map(|slot| slot.by_name.get(object.name()).into_iter().chain([&slot.unnamed]).flatten())
            .filter(move |claimant| claimant.scope == scope && claimant.key.namespace == namespace)
            .filter_map(|claimant| self.policies.get(claimant))
    }

    /// The policy that claims an unclaimed object; see [`crate::choose_policy`].
    pub fn choose(&self, object: &Object) -> Option<&Policy> {
        let best = |scope| best_policy(self.candidates(scope, object).map(Arc::as_ref), object);
        let namespaced = if object.namespace().is_empty() { None } else { best(Scope::Namespaced) };
        namespaced.or_else(|| best(Scope::Cluster))
    }
}
