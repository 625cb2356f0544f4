//! What is, and what is to change: everything a plan is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Scope;
use api::cluster::Cluster;
use api::policy::{Override, Policy, Preemption};
use interpreter::Interpreter;
use machinery::{Object, ObjectKey};
use matching::{Claimant, PreemptionGate};
use propagation::{BindingKey, Gates, TemplateKey};
use scheduling::{Features, Snapshot};

use crate::why::features;

/// What users write: templates, policies, override policies. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) templates: BTreeMap<TemplateKey, Arc<Object>>,
    pub(crate) policies: BTreeMap<Claimant, Arc<Policy>>,
    pub(crate) overrides: BTreeMap<(Scope, ObjectKey), Arc<Override>>,
}

/// Everything there is.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) bindings: BTreeMap<BindingKey, Object>,
    pub(crate) clusters: BTreeMap<String, Cluster>,
    /// Works of the bindings, for what is in the clusters now.
    pub(crate) works: BTreeMap<ObjectKey, Object>,
    /// Values of priority classes.
    pub(crate) priorities: BTreeMap<String, i32>,
    pub(crate) interpreter: Interpreter,
    /// What the controllers run with.
    pub(crate) gates: Gates,
}

/// One object of the files, as the server would store it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// It is created or changed.
    Put(Object),
    /// It is deleted.
    Delete(Object),
}

impl Change {
    pub(crate) fn object(&self) -> &Object {
        match self {
            Self::Put(object) | Self::Delete(object) => object,
        }
    }
}

/// What an object of the files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A policy of a scope.
    Policy(Scope),
    /// An override policy of a scope.
    Override(Scope),
    /// Anything that a policy may select.
    Template,
}

impl Role {
    /// The role of an object.
    pub(crate) fn of(object: &Object) -> Self {
        let gvk = object.gvk();
        for scope in [Scope::Namespaced, Scope::Cluster] {
            let is = |kind: api::Kind| gvk.kind == kind.kind && gvk.group == kind.group;
            if is(Policy::kind_of(scope)) {
                return Self::Policy(scope);
            }
            if is(Override::kind_of(scope)) {
                return Self::Override(scope);
            }
        }
        Self::Template
    }
}

impl State {
    /// The state after changes.
    ///
    /// # Errors
    /// When a policy does not have the shape of one.
    pub(crate) fn with(&self, changes: &[Change]) -> Result<Self, machinery::object::Error> {
        let mut after = self.clone();
        for change in changes {
            after.make(change)?;
        }
        Ok(after)
    }

    fn make(&mut self, change: &Change) -> Result<(), machinery::object::Error> {
        let object = change.object();
        match (Role::of(object), change) {
            (Role::Policy(_), Change::Put(_)) => {
                let policy = Policy::from_object(object)?;
                self.policies.insert(Claimant::of(&policy), policy.into());
            }
            (Role::Policy(scope), Change::Delete(_)) => {
                self.policies.remove(&Claimant { scope, key: object.key() });
            }
            (Role::Override(scope), Change::Put(_)) => {
                let policy = Override::from_object(object)?;
                self.overrides.insert((scope, object.key()), policy.into());
            }
            (Role::Override(scope), Change::Delete(_)) => {
                self.overrides.remove(&(scope, object.key()));
            }
            (Role::Template, Change::Put(_)) => {
                self.templates.insert(TemplateKey::of(object), object.clone().into());
            }
            (Role::Template, Change::Delete(_)) => {
                self.templates.remove(&TemplateKey::of(object));
            }
        }
        Ok(())
    }

    /// The policy that an unclaimed template falls to.
    pub(crate) fn choose(&self, template: &Object) -> Option<&Arc<Policy>> {
        let of = |scope| self.policies.values().filter(move |p| p.scope == scope).map(Arc::as_ref);
        let chosen = matching::choose_policy(of(Scope::Namespaced), of(Scope::Cluster), template)?;
        self.policies.get(&Claimant::of(chosen))
    }

    /// The override policies that a policy waits for.
    pub(crate) fn missing_overrides<'a>(&self, policy: &'a Policy) -> Vec<&'a str> {
        let namespace = &policy.metadata.namespace;
        matching::missing_overrides(policy, |name| {
            self.overrides.contains_key(&(policy.scope, ObjectKey::new(namespace, name)))
        })
    }

    /// Override policies of a scope that are in reach of a namespace.
    pub(crate) fn overrides_for(&self, scope: Scope, namespace: &str) -> impl Iterator<Item = &Override> {
        self.overrides
            .iter()
            .filter(move |((s, key), _)| *s == scope && (*s == Scope::Cluster || key.namespace == namespace))
            .map(|(_, policy)| policy.as_ref())
    }
}

impl World {
    /// Whether policies may take templates over.
    pub(crate) fn preemption(&self) -> PreemptionGate {
        if self.gates.propagation_policy_preemption { PreemptionGate::On } else { PreemptionGate::Off }
    }

    /// The scheduler's switches.
    pub(crate) fn features(&self) -> Features {
        features(&self.gates)
    }

    /// The clusters as the scheduler sees them.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.clusters.values().cloned().collect()
    }
}

/// What is different in one state of the world from another, as the detector takes notice of it.
#[derive(Debug, Default)]
pub(crate) struct Delta {
    /// Policies with another specification; new ones too.
    pub(crate) policies: BTreeSet<Claimant>,
    /// Policies that look whether they can take templates over.
    pub(crate) preemptors: Vec<Claimant>,
}

impl Delta {
    pub(crate) fn between(before: &State, after: &State) -> Self {
        let mut delta = Self::default();
        for (claimant, policy) in &after.policies {
            let old = before.policies.get(claimant);
            if old.is_some_and(|old| old.spec == policy.spec) {
                continue;
            }
            delta.policies.insert(claimant.clone());
            if preempts(policy) {
                delta.preemptors.push(claimant.clone());
            }
            if let Some(old) = old {
                delta.wake_preemptors(old, policy, after);
            }
        }
        delta
    }

    /// A policy whose priority sinks may lose templates to those between its old and its new priority, the
    /// highest first.
    fn wake_preemptors(&mut self, old: &Policy, new: &Policy, after: &State) {
        let (low, high) = (priority(new), priority(old));
        let between = |p: &&Arc<Policy>| {
            p.scope == new.scope
                && p.metadata.namespace == new.metadata.namespace
                && preempts(p)
                && p.spec.priority.is_some_and(|priority| low < priority && priority < high)
        };
        let mut woken: Vec<&Arc<Policy>> = after.policies.values().filter(between).collect();
        woken.sort_by_key(|p| std::cmp::Reverse(priority(p)));
        for policy in woken {
            let claimant = Claimant::of(policy);
            if !self.preemptors.contains(&claimant) {
                self.preemptors.push(claimant);
            }
        }
    }
}

fn priority(policy: &Policy) -> i32 {
    policy.spec.priority.unwrap_or(0)
}

fn preempts(policy: &Policy) -> bool {
    policy.spec.preemption == Some(Preemption::Always)
}
