//! PropagationPolicy and ClusterPropagationPolicy.

use api::names::{finalizers, values};
use api::policy::{
    ApplicationFailoverBehavior, Policy, Preemption, PropagationSpec, PurgeMode, StatePreservation,
    Suspension,
};
use api::{Scope, multicluster};
use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::{Denial, Mutation, Operation, Source, Validation, fields, placement};

/// How long a failed copy may stay when the policy does not say, in seconds.
const GRACE_PERIOD_SECONDS_DEFAULT: i32 = 600;

/// Fills in what a policy leaves open, and on creation its permanent id and finalizer.
///
/// Works on the JSON: the schema is checked only after this.
pub(crate) fn mutate(
    request: &Mutation<'_>,
    object: &mut Object,
    source: &mut Source<'_>,
) -> Result<(), Denial> {
    let scope = scope_of(object);
    if scope == Scope::Namespaced {
        default_selector_namespaces(object, request.namespace);
    }
    default_spread_constraints(object);
    if selects_service_imports(object) {
        object.set("/spec/propagateDeps", true);
    }
    default_division(object);
    default_grace_period(object);
    if request.operation == Operation::Create {
        let id = (source.ids)();
        let (label, finalizer) = match scope {
            Scope::Namespaced => (api::names::labels::PROPAGATION_POLICY_ID, finalizers::PROPAGATION_POLICY),
            Scope::Cluster => {
                (api::names::labels::CLUSTER_PROPAGATION_POLICY_ID, finalizers::CLUSTER_PROPAGATION_POLICY)
            }
        };
        object.set_label(label, &id);
        object.add_finalizer(finalizer);
    }
    Ok(())
}

fn scope_of(object: &Object) -> Scope {
    if object.kind().starts_with("Cluster") { Scope::Cluster } else { Scope::Namespaced }
}

/// The items of a list somewhere in the object.
pub(crate) fn items<'a>(object: &'a mut Object, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.value_mut().pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Whether a field is absent or has its zero value.
fn is_unset(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(_) => false,
    }
}

/// A selector of a namespaced policy means the policy's namespace.
pub(crate) fn default_selector_namespaces(object: &mut Object, namespace: &str) {
    let namespace = if namespace.is_empty() { object.namespace().to_owned() } else { namespace.to_owned() };
    for selector in items(object, "/spec/resourceSelectors").filter_map(Value::as_object_mut) {
        if is_unset(selector.get("namespace")) && !namespace.is_empty() {
            selector.insert("namespace".into(), namespace.as_str().into());
        }
    }
}

fn default_spread_constraints(object: &mut Object) {
    for constraint in items(object, "/spec/placement/spreadConstraints").filter_map(Value::as_object_mut) {
        if is_unset(constraint.get("spreadByField")) && is_unset(constraint.get("spreadByLabel")) {
            constraint.insert("spreadByField".into(), "cluster".into());
        }
        if is_unset(constraint.get("minGroups")) {
            constraint.insert("minGroups".into(), 1.into());
        }
    }
}

/// Imported services come with EndpointSlices, which are their dependencies.
fn selects_service_imports(object: &Object) -> bool {
    let kind = <multicluster::ServiceImport as api::Resource>::KIND;
    object.at("/spec/resourceSelectors").and_then(Value::as_array).into_iter().flatten().any(|selector| {
        selector.get("apiVersion").and_then(Value::as_str) == Some(kind.api_version().as_str())
            && selector.get("kind").and_then(Value::as_str) == Some(kind.kind)
    })
}

fn default_division(object: &mut Object) {
    let strategy = object.value_mut().pointer_mut("/spec/placement/replicaScheduling");
    let Some(strategy) = strategy.and_then(Value::as_object_mut) else { return };
    let divided =
        is_unset(strategy.get("replicaSchedulingType")) || strategy["replicaSchedulingType"] == "Divided";
    if divided && is_unset(strategy.get("replicaDivisionPreference")) {
        strategy.insert("replicaDivisionPreference".into(), "Weighted".into());
    }
}

fn default_grace_period(object: &mut Object) {
    let failover = object.value_mut().pointer_mut("/spec/failover/application");
    let Some(failover) = failover.and_then(Value::as_object_mut) else { return };
    let graceful = is_unset(failover.get("purgeMode")) || failover["purgeMode"] == "Gracefully";
    if graceful && failover.get("gracePeriodSeconds").is_none_or(Value::is_null) {
        failover.insert("gracePeriodSeconds".into(), GRACE_PERIOD_SECONDS_DEFAULT.into());
    }
}

/// Refuses policies that contradict themselves, and changes of what may not change.
pub(crate) fn validate(request: &Validation<'_>, _: &crate::World<'_>) -> Result<(), Denial> {
    let policy = Policy::from_object(request.object).map_err(|e| Denial::malformed(&e))?;
    let mut causes = spec(&policy);
    let label = policy.permanent_id_label();
    let label_path = format!("metadata.labels[{label}]");
    if policy.permanent_id().is_empty() {
        causes.push(Cause::required(label_path.as_str(), "admission sets it on creation"));
    }
    if let Some(old) = request.old {
        let old = Policy::from_object(old).map_err(|e| Denial::malformed(&e))?;
        if scheduler(&old.spec) != scheduler(&policy.spec) {
            let value = json!(policy.spec.scheduler_name);
            causes.push(Cause::invalid("spec.schedulerName", &value, "the schedulerName cannot be changed"));
        }
        if !old.permanent_id().is_empty() && old.permanent_id() != policy.permanent_id() {
            causes.push(Cause::invalid(
                label_path,
                &json!(policy.permanent_id()),
                "the id cannot be changed",
            ));
        }
    }
    Denial::unless_empty(causes)
}

fn scheduler(spec: &PropagationSpec) -> &str {
    if spec.scheduler_name.is_empty() { values::DEFAULT_SCHEDULER } else { &spec.scheduler_name }
}

fn spec(policy: &Policy) -> Vec<Cause> {
    let spec = &policy.spec;
    let mut causes = placement::validate(&spec.placement, "spec.placement");
    for (i, selector) in spec.resource_selectors.iter().enumerate() {
        let path = format!("spec.resourceSelectors[{i}]");
        causes.extend(selector_stays(policy.scope, &policy.metadata.namespace, &selector.namespace, &path));
        if spec.preemption == Some(Preemption::Always) && selector.name.is_empty() {
            causes.push(Cause::required(
                format!("{path}.name"),
                "a policy that takes over from others must name every template",
            ));
        }
    }
    causes.extend(spec.suspension.as_ref().and_then(suspension));
    if let Some(application) = spec.failover.as_ref().and_then(|f| f.application.as_ref()) {
        if !spec.propagate_deps {
            let detail = "must be true for failover of the application";
            causes.push(Cause::invalid("spec.propagateDeps", &json!(false), detail));
        }
        causes.extend(failover(application, "spec.failover.application"));
    }
    let cluster = spec.failover.as_ref().and_then(|f| f.cluster.as_ref());
    let preservation = cluster.and_then(|c| c.state_preservation.as_ref());
    causes.extend(state_preservation(preservation, "spec.failover.cluster"));
    causes
}

/// A selector of a namespaced policy must not reach into other namespaces.
pub(crate) fn selector_stays(scope: Scope, own: &str, selected: &str, path: &str) -> Option<Cause> {
    let leaves = scope == Scope::Namespaced && !own.is_empty() && !selected.is_empty() && selected != own;
    leaves.then(|| {
        let detail = format!("must be the policy's own namespace {own:?}");
        Cause::invalid(format!("{path}.namespace"), &json!(selected), &detail)
    })
}

fn suspension(suspension: &Suspension) -> Option<Cause> {
    let some = suspension.dispatching_on_clusters.as_ref().is_some_and(|c| !c.cluster_names.is_empty());
    (suspension.dispatching == Some(true) && some).then(|| {
        let detail = "dispatching and dispatchingOnClusters cannot be used together";
        Cause::invalid("spec.suspension", &json!(suspension), detail)
    })
}

fn failover(failover: &ApplicationFailoverBehavior, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(seconds) = failover.decision_conditions.toleration_seconds
        && seconds < 0
    {
        let path = format!("{path}.decisionConditions.tolerationSeconds");
        causes.push(Cause::invalid(path, &json!(seconds), "must be greater than or equal to 0"));
    }
    let grace_path = format!("{path}.gracePeriodSeconds");
    match (failover.purge_mode.unwrap_or(PurgeMode::Gracefully), failover.grace_period_seconds) {
        (PurgeMode::Gracefully, None) => {
            causes.push(Cause::required(grace_path, "needed with purgeMode Gracefully"));
        }
        (PurgeMode::Gracefully, Some(seconds)) if seconds <= 0 => {
            causes.push(Cause::invalid(grace_path, &json!(seconds), "must be greater than 0"));
        }
        (PurgeMode::Directly | PurgeMode::Never, Some(seconds)) => {
            causes.push(Cause::invalid(grace_path, &json!(seconds), "only with purgeMode Gracefully"));
        }
        (PurgeMode::Gracefully, Some(_)) | (PurgeMode::Directly | PurgeMode::Never, None) => {}
    }
    causes.extend(state_preservation(failover.state_preservation.as_ref(), path));
    causes
}

/// The labels that carry preserved state must be possible labels.
fn state_preservation(preservation: Option<&StatePreservation>, path: &str) -> Vec<Cause> {
    let rules = preservation.into_iter().flat_map(|preservation| &preservation.rules).enumerate();
    rules
        .flat_map(|(i, rule)| {
            let path = format!("{path}.statePreservation.rules[{i}].aliasLabelName");
            fields::key(&path, &rule.alias_label_name)
        })
        .collect()
}
