//! What a new, changed or deleted policy means for templates.

use std::sync::PoisonError;

use api::Scope;
use api::names::{events, finalizers};
use api::policy::{Policy, Preemption, ResourceSelector};
use machinery::{GroupVersionKind, Object, ObjectKey};
use matching::Claimant;
use propagation::{binding, claim};
use runtime::{Change, Outcome, queue};

use super::{Detector, Error, Item, lock};
use crate::context::{BY_POLICY, BindingKey, TemplateKey, policy_id_label};
use crate::metrics;

fn priority(policy: &Policy) -> i32 {
    policy.spec.priority.unwrap_or(0)
}

fn preempts(policy: &Policy) -> bool {
    policy.spec.preemption == Some(Preemption::Always)
}

/// Whether a change of a policy means anything for templates: its specification, its deletion, or the id by
/// which they name it.
fn concerns(scope: Scope, change: &Change) -> bool {
    match change {
        Change::Modified { old, new } => {
            old.generation() != new.generation()
                || old.is_deleting() != new.is_deleting()
                || old.label(policy_id_label(scope)) != new.label(policy_id_label(scope))
        }
        Change::Added { .. } => true,
        Change::Deleted { .. } => false,
    }
}

/// The policies that may take templates over from one whose priority sinks, because it does not outrank them
/// any more: those that preempt and whose own priority is between, the highest first.
fn preemptors<'a>(policies: impl Iterator<Item = &'a Policy>, old: &Policy, new: &Policy) -> Vec<Claimant> {
    let (low, high) = (priority(new), priority(old));
    let reach = |p: &Policy| p.scope == new.scope && p.metadata.namespace == new.metadata.namespace;
    let is_between = |p: &Policy| p.spec.priority.is_some_and(|own| low < own && own < high);
    let mut found: Vec<(i32, Claimant)> = policies
        .filter(|p| reach(p) && preempts(p) && is_between(p))
        .map(|p| (priority(p), Claimant::of(p)))
        .collect();
    found.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
    found.into_iter().map(|(_, claimant)| claimant).collect()
}

/// Whether a policy may select a template, as far as its kind and name tell.
fn may_select(policy: &Policy, template: &TemplateKey) -> bool {
    let api_version = template.kind.api_version();
    let in_reach = policy.scope == Scope::Cluster || policy.metadata.namespace == template.key.namespace;
    let names = |s: &ResourceSelector| {
        s.kind == template.kind.kind
            && s.api_version == api_version
            && (s.name.is_empty() || s.name == template.key.name)
            && (s.namespace.is_empty() || s.namespace == template.key.namespace)
    };
    in_reach && policy.spec.resource_selectors.iter().any(names)
}

fn finalizer(scope: Scope) -> &'static str {
    match scope {
        Scope::Namespaced => finalizers::PROPAGATION_POLICY,
        Scope::Cluster => finalizers::CLUSTER_PROPAGATION_POLICY,
    }
}

/// The policy with an id and the finalizer; an id it has stays.
fn adopted(scope: Scope, policy: &Object, id: String) -> Object {
    let mut adopted = policy.clone();
    if adopted.label(policy_id_label(scope)).is_none_or(str::is_empty) {
        adopted.set_label(policy_id_label(scope), &id);
    }
    adopted.add_finalizer(finalizer(scope));
    adopted
}

impl Detector {
    pub(super) fn observe_policy(&self, scope: Scope, change: &Change) {
        let object = change.object();
        let claimant = Claimant { scope, key: object.key() };
        let parsed = if change.is_deleted() { None } else { Policy::from_object(object).ok() };
        let old = {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let old = index.get(&claimant).cloned();
            match &parsed {
                Some(policy) => index.insert(policy.clone().into()),
                None => drop(index.remove(&claimant)),
            }
            old
        };
        if let (Some(old), Some(new)) = (&old, &parsed) {
            self.wake_preemptors(old, new);
        }
        if concerns(scope, change) {
            self.policies.add(claimant);
        }
    }

    /// A policy whose priority sinks may lose templates to those it used to outrank, the highest first.
    fn wake_preemptors(&self, old: &Policy, new: &Policy) {
        if !self.context.options.gates.propagation_policy_preemption {
            return;
        }
        let woken = preemptors(self.index().iter().map(std::convert::AsRef::as_ref), old, new);
        for claimant in woken {
            self.policies.add(claimant);
        }
    }

    pub(super) async fn reconcile_policy(&self, claimant: &Claimant) -> Result<Outcome, Error> {
        let Some(policy) = self.index().get(claimant).cloned() else { return Ok(Outcome::Done) };
        if policy.metadata.is_deleting() {
            self.clean_all(&policy).await?;
            return self.release_policy(&policy).await;
        }
        if policy.permanent_id().is_empty() {
            // The change comes back as an event, and with it the rest of the work.
            return self.adopt_policy(&policy).await;
        }
        self.clean_unselected(&policy).await?;
        self.wake_governed(&policy);
        self.wake_waiting(&policy).await?;
        if preempts(&policy) && self.context.options.gates.propagation_policy_preemption {
            self.preempt(&policy).await?;
        }
        Ok(Outcome::Done)
    }

    /// Bindings that carry a policy's claim.
    fn bindings_of(&self, policy: &Policy) -> Vec<(BindingKey, std::sync::Arc<Object>)> {
        let id = policy.permanent_id();
        if id.is_empty() {
            return Vec::new();
        }
        let scopes = [Scope::Namespaced, Scope::Cluster];
        let of_scope = |scope: Scope| {
            let bindings = self.context.bindings(scope).informer().by_index(BY_POLICY, id);
            bindings.into_iter().map(move |binding| (BindingKey::of(scope, &binding), binding))
        };
        scopes
            .into_iter()
            .flat_map(of_scope)
            .filter(|(_, binding)| binding.label(policy_id_label(policy.scope)) == Some(id))
            .collect()
    }

    /// Takes the claim off templates, and their bindings, that the policy does not select any more. What
    /// runs goes on running.
    async fn clean_unselected(&self, policy: &Policy) -> Result<(), Error> {
        for (key, binding) in self.bindings_of(policy) {
            let reference = TemplateKey::of_binding(&binding);
            let Some(template) = self.context.template(&reference, "").await.map_err(Box::new)? else {
                continue;
            };
            if matching::matches_any(&policy.spec.resource_selectors, &template) {
                continue;
            }
            let id = policy.permanent_id();
            let resource = self.template_resource(&reference).await?;
            self.unclaim(&resource, &template, policy.scope, id).await?;
            self.unclaim(&self.context.binding_resource(&key), &binding, policy.scope, id).await?;
        }
        Ok(())
    }

    /// Looks at all templates of a policy again.
    fn wake_governed(&self, policy: &Policy) {
        for (_, binding) in self.bindings_of(policy) {
            let item = Item::of_policy(TemplateKey::of_binding(&binding), policy);
            self.templates.add_with_priority(item, queue::LOW_PRIORITY);
        }
    }

    /// Looks at templates again that wait for a policy like this.
    async fn wake_waiting(&self, policy: &Policy) -> Result<(), Error> {
        let candidates: Vec<TemplateKey> =
            lock(&self.waiting).iter().filter(|t| may_select(policy, t)).cloned().collect();
        let mut selected = Vec::new();
        for template in candidates {
            let object = self.context.template(&template, "").await.map_err(Box::new)?;
            if object.is_some_and(|o| matching::matches_any(&policy.spec.resource_selectors, &o)) {
                selected.push(template);
            }
        }
        if selected.is_empty() {
            return Ok(());
        }
        self.check_dependent_overrides(policy)?;
        for template in selected {
            self.templates.add(Item::of_policy(template, policy));
        }
        Ok(())
    }

    /// Takes a policy's claim off everything that has it; another policy may select the templates then.
    async fn clean_all(&self, policy: &Policy) -> Result<(), Error> {
        let id = policy.permanent_id();
        if id.is_empty() {
            return Ok(());
        }
        for (key, binding) in self.bindings_of(policy) {
            self.unclaim(&self.context.binding_resource(&key), &binding, policy.scope, id).await?;
        }
        for template in self.templates_of(id, policy.scope) {
            // A binding that was written a moment ago is not in the index yet.
            let key = binding::key(&template);
            if let Some(binding) = self.context.bindings(key.scope).latest(&key.key) {
                self.unclaim(&self.context.binding_resource(&key), &binding, policy.scope, id).await?;
            }
            let key = TemplateKey::of(&template);
            let resource = self.template_resource(&key).await?;
            self.unclaim(&resource, &template, policy.scope, id).await?;
        }
        Ok(())
    }

    /// Gives a policy its id and finalizer where admission has not: it was written before the webhook was
    /// there, or there is none. Without them its templates could not be found again.
    async fn adopt_policy(&self, policy: &Policy) -> Result<Outcome, Error> {
        let key = policy.metadata.key();
        let Some(object) = self.context.informers.get(&policy.kind().gvr()).get(&key) else {
            return Ok(Outcome::Done);
        };
        let adopted = adopted(policy.scope, &object, self.context.ids.uid());
        let resource = self.context.client.resource(&policy.kind().gvr()).namespace(&key.namespace);
        match resource.update(&adopted).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(Outcome::Done),
            Err(source) => Err(Error::AdoptPolicy { policy: key, source }),
        }
    }

    async fn release_policy(&self, policy: &Policy) -> Result<Outcome, Error> {
        let finalizer = finalizer(policy.scope);
        let informer = self.context.informers.get(&policy.kind().gvr());
        let key = policy.metadata.key();
        let Some(object) = informer.get(&key) else { return Ok(Outcome::Done) };
        let mut released = (*object).clone();
        if !released.remove_finalizer(finalizer) {
            return Ok(Outcome::Done);
        }
        let resource = self.context.client.resource(&policy.kind().gvr()).namespace(&key.namespace);
        match resource.update(&released).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(source) => Err(Error::ReleasePolicy { policy: key, source }),
        }
    }

    /// Takes over the templates that a policy names and that policies behind it have claimed.
    async fn preempt(&self, policy: &Policy) -> Result<(), Error> {
        for selector in policy.spec.resource_selectors.iter().filter(|s| !s.name.is_empty()) {
            let kind = GroupVersionKind::from_api_version(&selector.api_version, &selector.kind);
            let key = ObjectKey::new(&selector.namespace, &selector.name);
            let template = self.context.template(&TemplateKey { kind, key }, "").await.map_err(Box::new)?;
            let Some(template) = template.filter(|t| !t.is_deleting()) else { continue };
            let Some(owner) = claim::claim_of(&template) else { continue };
            if owner.policy == Claimant::of(policy) {
                continue;
            }
            let Some(owner) = self.index().get(&owner.policy).cloned() else { continue };
            if matching::outranks(policy, &owner).is_ok() {
                self.take_over(policy, &owner, &template).await?;
            }
        }
        Ok(())
    }

    async fn take_over(&self, policy: &Policy, owner: &Policy, template: &Object) -> Result<(), Error> {
        let result = self.claim(template, policy).await;
        metrics::PREEMPTIONS.with_label_values(&[metrics::result(result.is_ok())]).inc();
        let recorder = &self.context.recorder;
        let (from, to) = (owner.metadata.key(), policy.metadata.key());
        match result {
            Ok(_) => {
                let message = format!("policy({to}) preempted policy({from}) successfully");
                recorder.normal(template, events::PREEMPT_POLICY_SUCCEED, message);
                let template = TemplateKey::of(template);
                // Nobody goes on with what was written: the change must come back, because a look before it
                // comes still finds the old claim.
                lock(&self.claimed).remove(&template);
                self.templates.add(Item::of_policy(template, policy));
                Ok(())
            }
            Err(error) => {
                let message = format!("policy({to}) preempt policy({from}) failed: {}", queue::chain(&error));
                recorder.warning(template, events::PREEMPT_POLICY_FAILED, message);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_without_an_id_gets_one_and_one_with_an_id_keeps_it() {
        let policy = Object::new("policy.karmada.io/v1alpha1", "PropagationPolicy", "ns", "p");
        let once = adopted(Scope::Namespaced, &policy, "first".into());
        assert_eq!(once.label("propagationpolicy.karmada.io/permanent-id"), Some("first"));
        assert!(once.has_finalizer("karmada.io/propagation-policy-controller"));
        assert_eq!(adopted(Scope::Namespaced, &once, "second".into()), once);
        let cluster = adopted(Scope::Cluster, &policy, "c".into());
        assert_eq!(cluster.label("clusterpropagationpolicy.karmada.io/permanent-id"), Some("c"));
        assert!(cluster.has_finalizer("karmada.io/cluster-propagation-policy-controller"));
    }

    fn policy(name: &str, priority: Option<i32>, preempts: bool) -> Policy {
        let preemption = preempts.then_some(Preemption::Always);
        let spec = api::policy::PropagationSpec { priority, preemption, ..Default::default() };
        let mut metadata = api::ObjectMeta::named("shop", name);
        metadata.uid = name.into();
        Policy { scope: Scope::Namespaced, metadata, spec }
    }

    #[test]
    fn a_change_of_a_policy_counts_when_its_generation_its_deletion_or_its_id_changes() {
        let changed = |change: fn(&mut Object)| {
            let mut old = Object::new("policy.karmada.io/v1alpha1", "PropagationPolicy", "ns", "p");
            old.set("/metadata/generation", 1);
            let mut new = old.clone();
            change(&mut new);
            concerns(Scope::Namespaced, &Change::Modified { old: old.into(), new: new.into() })
        };
        assert!(!changed(|_| {}));
        assert!(!changed(|p| p.set_label("somebody/else", "x")), "the specification is the same");
        assert!(changed(|p| p.set("/metadata/generation", 2)));
        assert!(changed(|p| p.set("/metadata/deletionTimestamp", "2030-01-01T00:00:00Z")));
        assert!(changed(|p| p.set_label("propagationpolicy.karmada.io/permanent-id", "x")));
    }

    #[test]
    fn a_lowered_priority_wakes_preempting_policies_in_between_the_highest_first() {
        let mut foreign = policy("foreign", Some(5), true);
        foreign.metadata.namespace = "other".into();
        let all = [
            policy("low", Some(3), true),
            policy("high", Some(7), true),
            policy("at-old", Some(9), true),
            policy("at-new", Some(1), true),
            policy("meek", Some(5), false),
            policy("nil", None, true),
            foreign,
        ];
        let woken = |old: Option<i32>, new: Option<i32>| -> Vec<String> {
            let (old, new) = (policy("p", old, false), policy("p", new, false));
            preemptors(all.iter(), &old, &new).into_iter().map(|c| c.key.name).collect()
        };
        assert_eq!(woken(Some(9), Some(1)), ["high", "low"]);
        assert_eq!(woken(Some(4), None), ["low", "at-new"]);
        assert_eq!(woken(Some(1), Some(9)), Vec::<String>::new(), "it was raised");
    }

    #[test]
    fn a_policy_finds_the_templates_that_wait_by_kind_name_and_reach() {
        let template = TemplateKey {
            kind: GroupVersionKind::from_api_version("v1", "ConfigMap"),
            key: ObjectKey::new("shop", "settings"),
        };
        let selector = |kind: &str, namespace: &str, name: &str| ResourceSelector {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            ..ResourceSelector::default()
        };
        for (selector, expected) in [
            (selector("ConfigMap", "", ""), true),
            (selector("ConfigMap", "shop", "settings"), true),
            (selector("ConfigMap", "shop", "other"), false),
            (selector("ConfigMap", "other", ""), false),
            (selector("Secret", "", ""), false),
        ] {
            let mut policy = policy("p", None, false);
            policy.spec.resource_selectors = vec![selector.clone()];
            assert_eq!(may_select(&policy, &template), expected, "{selector:?}");
            policy.metadata.namespace = "elsewhere".into();
            assert!(!may_select(&policy, &template), "a policy of another namespace");
        }
    }
}
