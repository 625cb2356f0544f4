//! The binding that a policy and a template make together.

use api::names::{finalizers, labels};
use api::policy::{ActivationPreference, Policy};
use api::work::{
    Binding, BindingSuspension, ObjectReference, ReplicaRequirements, ResourceBindingSpec, SchedulePriority,
    WorkloadAffinityGroups,
};
use api::{Scope, naming};
use machinery::{Object, OwnerReference};
use serde::Deserialize;
use serde_json::Value;

use super::claim;
use crate::context::{BindingKey, binding_id_label};
use crate::options::Gates;
use crate::view;

/// What of a binding comes from elsewhere than the policy and the template.
#[derive(Debug, Clone, Default)]
pub(super) struct Interpreted {
    /// Replicas, and what one of them needs.
    pub(super) replicas: Option<(i64, Option<ReplicaRequirements>)>,
    /// Priority in the scheduler's queue.
    pub(super) priority: Option<i32>,
    /// Whether the template's specification is known to have changed since the binding was written. If
    /// not, a new version of the template is one that our own status writes made.
    pub(super) template_changed: bool,
}

/// What has to be done so that a binding is as wanted.
#[derive(Debug, PartialEq)]
pub(super) enum Write {
    /// Nothing.
    None,
    /// It does not exist.
    Create(Box<Object>),
    /// It differs.
    Update(Box<Object>),
    /// It belongs to a namesake of the template, and will go.
    ForeignOwner,
}

/// The binding of a template.
pub(super) fn key(template: &Object) -> BindingKey {
    let scope = if template.namespace().is_empty() { Scope::Cluster } else { Scope::Namespaced };
    let name = naming::binding(template.kind(), template.name());
    BindingKey { scope, key: machinery::ObjectKey::new(template.namespace(), &name) }
}

/// Whether changes of a policy wait for the next change of a template.
pub(super) fn is_lazy(policy: &Policy) -> bool {
    policy.spec.activation_preference == Some(ActivationPreference::Lazy)
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

/// The specification a binding should have. What other controllers write on it stays.
fn specification(
    old: Option<&ResourceBindingSpec>,
    policy: &Policy,
    template: &Object,
    interpreted: &Interpreted,
    gates: &Gates,
) -> ResourceBindingSpec {
    let (replicas, mut requirements) = interpreted.replicas.clone().unwrap_or((0, None));
    if let Some(requirements) = requirements.as_mut()
        && gates.resource_quota_estimate
        && requirements.namespace.is_empty()
    {
        requirements.namespace = template.namespace().into();
    }
    let spec = &policy.spec;
    ResourceBindingSpec {
        resource: ObjectReference {
            api_version: template.api_version().into(),
            kind: template.kind().into(),
            namespace: template.namespace().into(),
            name: template.name().into(),
            uid: template.uid().into(),
            resource_version: template.resource_version().into(),
        },
        propagate_deps: spec.propagate_deps,
        replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
        replica_requirements: requirements,
        components: Vec::new(),
        scheduler_name: spec.scheduler_name.clone(),
        placement: Some(spec.placement.clone()),
        failover: spec.failover.clone(),
        // The schema fills the default in; leaving it out would look like a change for ever.
        conflict_resolution: spec
            .conflict_resolution
            .or(old.and_then(|old| old.conflict_resolution))
            .or(Some(api::policy::ConflictResolution::Abort)),
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

fn owner(template: &Object) -> OwnerReference {
    template.controller_reference()
}

/// Decides how the binding of a template that a policy governs has to change. Pure; `new_id` is the id of
/// a new binding.
pub(super) fn decide(
    existing: Option<&Object>,
    policy: &Policy,
    template: &Object,
    interpreted: &Interpreted,
    gates: &Gates,
    new_id: impl FnOnce() -> String,
) -> Write {
    let key = key(template);
    let kind = Binding::kind_of(key.scope);
    if let Some(owner) = existing.and_then(Object::controller_owner)
        && owner.uid != template.uid()
    {
        return Write::ForeignOwner;
    }
    let mut binding = match existing {
        Some(existing) => existing.clone(),
        None => Object::new(&kind.api_version(), kind.kind, &key.key.namespace, &key.key.name),
    };
    let mut changed = claim::claim(&mut binding, policy);
    let id_label = binding_id_label(key.scope);
    if binding.label(id_label).is_none_or(str::is_empty) {
        binding.set_label(id_label, &new_id());
        changed = true;
    }
    changed |= binding.add_finalizer(match key.scope {
        Scope::Namespaced => finalizers::BINDING,
        Scope::Cluster => finalizers::CLUSTER_RESOURCE_BINDING,
    });
    let owners = [owner(template)];
    if binding.owner_references() != owners {
        binding.set_owner_references(&owners);
        changed = true;
    }
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
        let written = serde_json::to_value(&spec).unwrap_or(Value::Null);
        set_known_fields(&mut binding, written, old.as_ref());
        changed = true;
    }
    match (existing, changed) {
        (None, _) => Write::Create(Box::new(binding)),
        (Some(_), true) => Write::Update(Box::new(binding)),
        (Some(_), false) => Write::None,
    }
}

/// Replaces the fields of the specification that our type knows; others stay.
fn set_known_fields(binding: &mut Object, new: Value, old: Option<&ResourceBindingSpec>) {
    let known = old.and_then(|old| serde_json::to_value(old).ok());
    for field in known.as_ref().and_then(Value::as_object).into_iter().flatten().map(|(field, _)| field) {
        binding.remove(&format!("/spec/{field}"));
    }
    for (field, value) in new.as_object().into_iter().flatten() {
        binding.set(&format!("/spec/{field}"), value.clone());
    }
}

/// Whether a template has been claimed by something that is not a policy.
pub(super) fn is_claimed_by_other(template: &Object) -> bool {
    template.label(labels::CLAIMED_BY).is_some_and(|owner| !owner.is_empty())
}

/// Takes a policy's claim off a binding or template and gives the patch for it, when it still is that
/// policy's.
pub(super) fn without_claim(object: &Object, scope: Scope, id: &str) -> Option<Value> {
    if object.label(crate::context::policy_id_label(scope)) != Some(id) {
        return None;
    }
    let mut cleaned = object.clone();
    view::remove_claim(&mut cleaned, scope).then(|| claim::metadata_patch(object, &cleaned))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(spec: Value) -> Policy {
        let object = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
            "metadata": {
                "name": "p", "namespace": "shop", "labels": { "propagationpolicy.karmada.io/permanent-id": "pid" },
            },
            "spec": spec,
        });
        Policy::from_object(&Object::from_value(object).unwrap()).unwrap()
    }

    fn template() -> Object {
        let mut template = Object::new("apps/v1", "Deployment", "shop", "web");
        template.set("/metadata/uid", "u");
        template.set("/metadata/resourceVersion", "5");
        template.set_label("group", "g");
        template
    }

    fn interpreted() -> Interpreted {
        Interpreted { replicas: Some((3, None)), priority: None, template_changed: false }
    }

    fn build(existing: Option<&Object>, spec: Value) -> Write {
        decide(existing, &policy(spec), &template(), &interpreted(), &Gates::default(), || "bid".into())
    }

    fn created() -> Object {
        match build(None, json!({ "schedulerName": "default-scheduler" })) {
            Write::Create(binding) => *binding,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_binding_says_what_where_and_whose() {
        let binding = created();
        assert_eq!(binding.key().to_string(), "shop/web-deployment");
        assert_eq!(binding.label("propagationpolicy.karmada.io/permanent-id"), Some("pid"));
        assert_eq!(binding.label("resourcebinding.karmada.io/permanent-id"), Some("bid"));
        assert_eq!(binding.controller_owner().unwrap().uid, "u");
        assert!(binding.has_finalizer(finalizers::BINDING));
        assert_eq!(
            binding.at("/spec").unwrap(),
            &json!({
                "resource": {
                    "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web",
                    "uid": "u", "resourceVersion": "5",
                },
                "replicas": 3, "schedulerName": "default-scheduler", "placement": {}, "conflictResolution": "Abort",
            }),
        );
    }

    #[test]
    fn a_binding_that_is_as_wanted_is_not_written_and_keeps_what_others_wrote() {
        let mut existing = created();
        existing.set("/spec/clusters", json!([{ "name": "m1", "replicas": 3 }]));
        existing.set("/spec/requiredBy", json!([{ "namespace": "shop", "name": "x" }]));
        existing.set("/spec/suspension", json!({ "scheduling": true }));
        assert_eq!(build(Some(&existing), json!({ "schedulerName": "default-scheduler" })), Write::None);
        let spec = json!({ "schedulerName": "default-scheduler", "suspension": { "dispatching": true } });
        let Write::Update(updated) = build(Some(&existing), spec) else { panic!("it must be written") };
        assert_eq!(
            updated.at("/spec/suspension").unwrap(),
            &json!({ "dispatching": true, "scheduling": true })
        );
        assert_eq!(updated.at("/spec/clusters"), existing.at("/spec/clusters"));
        assert_eq!(updated.at("/spec/requiredBy"), existing.at("/spec/requiredBy"));
        let Write::Update(back) = build(Some(&updated), json!({ "schedulerName": "default-scheduler" }))
        else {
            panic!("it must be written");
        };
        assert_eq!(back.at("/spec/suspension").unwrap(), &json!({ "scheduling": true }));
    }

    #[test]
    fn a_new_version_counts_only_when_the_specification_changed() {
        let existing = created();
        let mut newer = template();
        newer.set("/metadata/resourceVersion", "6");
        let spec = json!({ "schedulerName": "default-scheduler" });
        let write = |template_changed: bool| {
            let interpreted = Interpreted { template_changed, ..interpreted() };
            let gates = Gates::default();
            decide(Some(&existing), &policy(spec.clone()), &newer, &interpreted, &gates, String::new)
        };
        assert_eq!(write(false), Write::None, "somebody wrote its status");
        let Write::Update(updated) = write(true) else { panic!("it must be written") };
        assert_eq!(updated.str_at("/spec/resource/resourceVersion"), Some("6"));
    }

    #[test]
    fn a_namesakes_binding_is_left_alone() {
        let mut existing = created();
        existing.set("/metadata/ownerReferences/0", Value::Null);
        let mut other = template();
        other.set("/metadata/uid", "another");
        existing.set_owner_references(&[other.controller_reference()]);
        assert_eq!(build(Some(&existing), json!({})), Write::ForeignOwner);
    }

    #[test]
    fn affinity_groups_come_from_the_templates_labels() {
        let spec = json!({ "placement": { "workloadAffinity": {
            "affinity": { "groupByLabelKey": "group" }, "antiAffinity": { "groupByLabelKey": "absent" },
        } } });
        let gates = Gates { workload_affinity: true, ..Gates::default() };
        let written = decide(None, &policy(spec.clone()), &template(), &interpreted(), &gates, String::new);
        let Write::Create(binding) = written else { panic!("it is new") };
        assert_eq!(
            binding.at("/spec/workloadAffinityGroups").unwrap(),
            &json!({ "affinityGroup": "group=g" })
        );
        let Write::Create(binding) = build(None, spec) else { panic!("it is new") };
        assert_eq!(binding.at("/spec/workloadAffinityGroups"), None, "the gate is off");
    }

    #[test]
    fn a_claim_comes_off_only_for_the_policy_it_names() {
        let binding = created();
        assert_eq!(without_claim(&binding, Scope::Namespaced, "other"), None);
        assert!(without_claim(&binding, Scope::Namespaced, "pid").is_some());
    }
}
