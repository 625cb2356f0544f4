//! The binding that a policy and a template make together.

use std::collections::BTreeMap;

use api::meta::Quantity;
use api::names::finalizers;
use api::policy::{ActivationPreference, ConflictResolution, Policy};
use api::work::{
    Binding, BindingSuspension, Component, ObjectReference, ReplicaRequirements, ResourceBindingSpec,
    SchedulePriority, WorkloadAffinityGroups,
};
use api::{Scope, naming};
use interpreter::{Interpreter, Operation};
use machinery::{Object, ObjectKey, OwnerReference};
use serde::Deserialize;
use serde_json::Value;

use crate::key::{BindingKey, binding_id_label};
use crate::{Gates, Write, claim};

/// What the interpreter says a template runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Interpretation {
    /// Nothing that is counted.
    #[default]
    NoWorkload,
    /// So many replicas, and what one of them needs.
    Replicas(i64, Option<ReplicaRequirements>),
    /// Several components, each with replicas of its own.
    Components(Vec<Component>),
}

impl Interpretation {
    /// What to ask about a kind: its components where the gate is open and there is a hook, otherwise its
    /// replicas where there is one.
    pub fn question(interpreter: &Interpreter, template: &Object, gates: &Gates) -> Option<Operation> {
        let kind = template.gvk();
        let asks = |operation| interpreter.has(&kind, operation).then_some(operation);
        let components =
            if gates.multiple_pod_templates_scheduling { asks(Operation::InterpretComponent) } else { None };
        components.or_else(|| asks(Operation::InterpretReplica))
    }

    /// Asks, without a network.
    ///
    /// # Errors
    /// When the template cannot be interpreted, or a webhook would have to be asked.
    pub fn now(interpreter: &Interpreter, template: &Object, gates: &Gates) -> interpreter::Result<Self> {
        match Self::question(interpreter, template, gates) {
            Some(Operation::InterpretComponent) => {
                interpreter.components(template).now().map(Self::of_components)
            }
            Some(_) => interpreter.replicas(template).now().map(Self::of_replicas),
            None => Ok(Self::NoWorkload),
        }
    }

    /// The answer to a question for components. Amounts are written as Go programs write them.
    pub fn of_components(answer: Option<Vec<Component>>) -> Self {
        let Some(mut components) = answer else { return Self::NoWorkload };
        for requirements in components.iter_mut().filter_map(|c| c.replica_requirements.as_mut()) {
            canonicalize(&mut requirements.resource_request);
        }
        Self::Components(components)
    }

    /// The answer to a question for replicas. Amounts are written as Go programs write them.
    pub fn of_replicas(answer: Option<(i64, Option<ReplicaRequirements>)>) -> Self {
        let Some((replicas, mut requirements)) = answer else { return Self::NoWorkload };
        if let Some(requirements) = requirements.as_mut() {
            canonicalize(&mut requirements.resource_request);
        }
        Self::Replicas(replicas, requirements)
    }
}

/// Writes amounts in canonical form: programs that compare bindings compare the spelling too. What is no amount
/// stays for whoever checks it.
fn canonicalize(amounts: &mut BTreeMap<String, Quantity>) {
    for amount in amounts.values_mut() {
        if let Ok(read) = machinery::quantity::Quantity::parse(amount.as_ref()) {
            *amount = read.to_string().into();
        }
    }
}

/// What of a binding comes from elsewhere than the policy and the template.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Interpreted {
    /// What the template runs.
    pub workload: Interpretation,
    /// Priority in the scheduler's queue.
    pub priority: Option<i32>,
    /// Whether the template's specification is known to have changed since the binding was written. If
    /// not, a new version of the template is one that our own status writes made.
    pub template_changed: bool,
}

/// The binding belongs to an earlier object of the template's name, and will go with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("binding {binding} still belongs to an earlier object of the template's name")]
pub struct ForeignOwner {
    /// The binding.
    pub binding: BindingKey,
}

/// The key of a template's binding.
pub fn key(template: &Object) -> BindingKey {
    let scope = if template.namespace().is_empty() { Scope::Cluster } else { Scope::Namespaced };
    let name = naming::binding(template.kind(), template.name());
    BindingKey { scope, key: ObjectKey::new(template.namespace(), &name) }
}

/// The specification of a stored binding, typed.
///
/// # Errors
/// When it does not have the shape of one.
pub fn specification_of(binding: &Object) -> Result<ResourceBindingSpec, serde_json::Error> {
    binding.at("/spec").map_or_else(|| Ok(ResourceBindingSpec::default()), ResourceBindingSpec::deserialize)
}

/// The finalizer by which a binding waits for its Works to be deleted.
pub fn finalizer(scope: Scope) -> &'static str {
    match scope {
        Scope::Namespaced => finalizers::BINDING,
        Scope::Cluster => finalizers::CLUSTER_RESOURCE_BINDING,
    }
}

/// Whether changes of a policy wait for the next change of a template.
pub fn is_lazy(policy: &Policy) -> bool {
    policy.spec.activation_preference == Some(ActivationPreference::Lazy)
}

/// A template as bindings refer to it.
pub fn reference(template: &Object) -> ObjectReference {
    ObjectReference {
        api_version: template.api_version().into(),
        kind: template.kind().into(),
        namespace: template.namespace().into(),
        name: template.name().into(),
        uid: template.uid().into(),
        resource_version: template.resource_version().into(),
    }
}

/// The policy's part of a suspension is the policy's; what stops scheduling is the binding's own.
fn suspension(policy: &Policy, old: Option<&BindingSuspension>) -> Option<BindingSuspension> {
    let policy = policy.spec.suspension.as_ref();
    let merged = BindingSuspension {
        dispatching: policy.and_then(|p| p.dispatching),
        dispatching_on_clusters: policy.and_then(|p| p.dispatching_on_clusters.clone()),
        scheduling: old.and_then(|old| old.scheduling),
    };
    (merged != BindingSuspension::default()).then_some(merged)
}

/// `key=value` of the template's label that names its group.
fn affinity_groups(policy: &Policy, template: &Object) -> Option<WorkloadAffinityGroups> {
    let affinity = policy.spec.placement.workload_affinity.as_ref()?;
    let group = |key: Option<&str>| {
        let key = key?;
        Some(format!("{key}={}", template.label(key)?))
    };
    let groups = WorkloadAffinityGroups {
        affinity_group: group(affinity.affinity.as_ref().map(|t| t.group_by_label_key.as_str()))
            .unwrap_or_default(),
        anti_affinity_group: group(affinity.anti_affinity.as_ref().map(|t| t.group_by_label_key.as_str()))
            .unwrap_or_default(),
    };
    (groups != WorkloadAffinityGroups::default()).then_some(groups)
}

/// Replicas, what one of them needs, and components: two of the three are always empty.
fn workload(
    interpretation: &Interpretation,
    template: &Object,
    gates: &Gates,
) -> (i32, Option<ReplicaRequirements>, Vec<Component>) {
    match interpretation {
        Interpretation::NoWorkload => (0, None, Vec::new()),
        Interpretation::Components(components) => (0, None, components.clone()),
        Interpretation::Replicas(replicas, requirements) => {
            let mut requirements = requirements.clone();
            if let Some(requirements) = requirements.as_mut()
                && gates.resource_quota_estimate
                && requirements.namespace.is_empty()
            {
                requirements.namespace = template.namespace().into();
            }
            (i32::try_from(*replicas).unwrap_or(i32::MAX), requirements, Vec::new())
        }
    }
}

/// The specification a binding should have. What other controllers write on it stays.
fn specification(
    old: Option<&ResourceBindingSpec>,
    policy: &Policy,
    template: &Object,
    interpreted: &Interpreted,
    gates: &Gates,
) -> ResourceBindingSpec {
    let (replicas, replica_requirements, components) = workload(&interpreted.workload, template, gates);
    let spec = &policy.spec;
    ResourceBindingSpec {
        resource: reference(template),
        propagate_deps: spec.propagate_deps,
        replicas,
        replica_requirements,
        components,
        scheduler_name: spec.scheduler_name.clone(),
        placement: Some(spec.placement.clone()),
        failover: spec.failover.clone(),
        // The schema fills the default in; leaving it out would look like a change for ever.
        conflict_resolution: spec.conflict_resolution.or(Some(ConflictResolution::Abort)),
        suspension: suspension(policy, old.and_then(|old| old.suspension.as_ref())),
        preserve_resources_on_deletion: spec.preserve_resources_on_deletion,
        schedule_priority: interpreted.priority.map(|priority| SchedulePriority { priority }),
        workload_affinity_groups: if gates.workload_affinity {
            affinity_groups(policy, template)
        } else {
            None
        },
        ..old.cloned().unwrap_or_default()
    }
}

/// Whether two specifications differ in the template's version at most.
fn is_same_but_version(old: &ResourceBindingSpec, new: &ResourceBindingSpec) -> bool {
    let mut new = new.clone();
    new.resource.resource_version.clone_from(&old.resource.resource_version);
    *old == new
}

/// The existing binding of a template, or the beginning of a new one: with an id, the finalizer and the
/// owner. Says whether that changed anything.
///
/// A template of another namespace cannot own the binding: garbage collection looks for owners in the
/// binding's own namespace, and would not find it.
///
/// # Errors
/// When the existing one belongs to another object.
pub fn own(
    existing: Option<&Object>,
    template: &Object,
    key: &BindingKey,
    new_id: impl FnOnce() -> String,
) -> Result<(Object, bool), ForeignOwner> {
    let kind = Binding::kind_of(key.scope);
    if let Some(owner) = existing.and_then(Object::controller_owner)
        && owner.uid != template.uid()
    {
        return Err(ForeignOwner { binding: key.clone() });
    }
    let mut binding = match existing {
        Some(existing) => existing.clone(),
        None => Object::new(&kind.api_version(), kind.kind, &key.key.namespace, &key.key.name),
    };
    let mut changed = existing.is_none();
    let id_label = binding_id_label(key.scope);
    if binding.label(id_label).is_none_or(str::is_empty) {
        binding.set_label(id_label, &new_id());
        changed = true;
    }
    changed |= binding.add_finalizer(finalizer(key.scope));
    let can_own = template.namespace().is_empty() || template.namespace() == key.key.namespace;
    let owners: Vec<OwnerReference> = can_own.then(|| template.controller_reference()).into_iter().collect();
    if binding.owner_references() != owners {
        binding.set_owner_references(&owners);
        changed = true;
    }
    Ok((binding, changed))
}

/// Decides how the binding of a template that a policy governs has to change; `new_id` is the id of a new
/// binding.
///
/// What the scheduler, the evictions and the bindings that need this one have written is never touched.
///
/// # Errors
/// When the existing binding belongs to another object: it goes first.
pub fn decide(
    existing: Option<&Object>,
    policy: &Policy,
    template: &Object,
    interpreted: &Interpreted,
    gates: &Gates,
    new_id: impl FnOnce() -> String,
) -> Result<Write, ForeignOwner> {
    let (mut binding, mut changed) = own(existing, template, &key(template), new_id)?;
    changed |= claim::claim(&mut binding, policy);
    let old = existing.and_then(|e| ResourceBindingSpec::deserialize(e.at("/spec")?).ok());
    let mut spec = specification(old.as_ref(), policy, template, interpreted, gates);
    if let Some(old) = &old
        && !changed
        && !interpreted.template_changed
        && is_same_but_version(old, &spec)
    {
        spec.resource.resource_version.clone_from(&old.resource.resource_version);
    }
    if old.as_ref() != Some(&spec) {
        set_specification(&mut binding, &spec, old.as_ref());
        changed = true;
    }
    Ok(match (existing, changed) {
        (None, _) => Write::Create(Box::new(binding)),
        (Some(_), true) => Write::Update(Box::new(binding)),
        (Some(_), false) => Write::None,
    })
}

/// Writes the fields of a binding's specification in which `new` differs from `old`, the specification as it
/// stands on the binding; all others stay byte by byte.
pub fn set_specification(binding: &mut Object, new: &ResourceBindingSpec, old: Option<&ResourceBindingSpec>) {
    let typed = |spec| match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (old.map(typed).unwrap_or_default(), typed(new));
    for field in before.keys().filter(|field| !after.contains_key(*field)) {
        binding.remove(&format!("/spec/{field}"));
    }
    for (field, value) in after.into_iter().filter(|(field, value)| before.get(field) != Some(value)) {
        binding.set(&format!("/spec/{field}"), value);
    }
}
