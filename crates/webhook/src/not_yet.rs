//! What is accepted and stored, but not acted upon yet. Whoever writes it is told so, as a warning that
//! kubectl prints, instead of waiting for something that will not happen.

use machinery::{GroupVersionKind, Object};
use serde_json::Value;

/// Kinds that no controller looks at yet.
const KINDS: &[(&str, &str)] = &[
    ("apps.karmada.io", "WorkloadRebalancer"),
    ("autoscaling.karmada.io", "FederatedHPA"),
    ("autoscaling.karmada.io", "CronFederatedHPA"),
    ("networking.karmada.io", "MultiClusterService"),
    ("networking.karmada.io", "MultiClusterIngress"),
    ("policy.karmada.io", "ClusterTaintPolicy"),
    ("policy.karmada.io", "FederatedResourceQuota"),
    ("remedy.karmada.io", "Remedy"),
];

/// Fields of propagation policies that no controller looks at yet.
const POLICY_FIELDS: &[(&str, &str)] = &[("/spec/failover", "spec.failover")];

/// Whether the kind may have something to warn of: cheap, for every write.
pub(crate) fn concerns(gvk: &GroupVersionKind) -> bool {
    is_policy(gvk) || KINDS.contains(&(gvk.group.as_str(), gvk.kind.as_str()))
}

fn is_policy(gvk: &GroupVersionKind) -> bool {
    gvk.group == "policy.karmada.io" && gvk.kind.ends_with("PropagationPolicy")
}

/// What of an object is stored and not acted upon.
pub(crate) fn warnings(gvk: &GroupVersionKind, object: &Object) -> Vec<String> {
    if KINDS.contains(&(gvk.group.as_str(), gvk.kind.as_str())) {
        return vec![format!("{} is stored, but this version does not act on it yet", gvk.kind)];
    }
    if !is_policy(gvk) {
        return Vec::new();
    }
    let is_set =
        |pointer: &str| object.at(pointer).is_some_and(|v| !matches!(v, Value::Null | Value::Bool(false)));
    let constraints = object.at("/spec/placement/spreadConstraints").and_then(Value::as_array);
    let by_label =
        constraints.into_iter().flatten().any(|c| c["spreadByLabel"].as_str().is_some_and(|l| !l.is_empty()));
    POLICY_FIELDS
        .iter()
        .filter(|(pointer, _)| is_set(pointer))
        .map(|(_, field)| *field)
        .chain(by_label.then_some("spec.placement.spreadConstraints[].spreadByLabel"))
        .map(|field| format!("{field} is stored, but this version does not act on it yet"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_acted_upon_is_said_and_nothing_else() {
        let gvk = GroupVersionKind::new("policy.karmada.io", "v1alpha1", "PropagationPolicy");
        let mut policy = Object::new("policy.karmada.io/v1alpha1", "PropagationPolicy", "ns", "p");
        policy.set("/spec", json!({ "placement": { "workloadAffinity": {} }, "propagateDeps": true }));
        assert_eq!(warnings(&gvk, &policy), Vec::<String>::new());
        policy.set("/spec/failover", json!({ "application": {} }));
        assert_eq!(warnings(&gvk, &policy).len(), 1);
        policy.set(
            "/spec/placement/spreadConstraints",
            json!([{ "spreadByField": "cluster" }, { "spreadByLabel": "tier" }]),
        );
        assert!(warnings(&gvk, &policy)[1].contains("spreadByLabel"));
        let rebalancer = GroupVersionKind::new("apps.karmada.io", "v1alpha1", "WorkloadRebalancer");
        assert!(warnings(&rebalancer, &policy)[0].starts_with("WorkloadRebalancer is stored"));
        let work = GroupVersionKind::new("work.karmada.io", "v1alpha1", "Work");
        assert!(!concerns(&work) && warnings(&work, &policy).is_empty());
    }

    #[test]
    fn every_kind_named_here_exists() {
        for (group, kind) in KINDS {
            assert!(api::KINDS.iter().any(|k| k.group == *group && k.kind == *kind), "{kind} of {group}");
        }
    }
}
