//! Choosing the policy that claims an object, and the overrides that change its copies.

use std::cmp::Reverse;

use api::policy::{Override, Policy};
use machinery::Object;

use crate::selector::{Mismatch, Precision, match_selectors};

/// A policy's place among those of its kind that match an object: the greatest wins.
pub(crate) fn rank(policy: &Policy, precision: Precision) -> (i32, Precision, Reverse<&str>) {
    (priority(policy), precision, Reverse(policy.metadata.name.as_str()))
}

/// The explicit priority; none is 0.
pub(crate) fn priority(policy: &Policy) -> i32 {
    policy.spec.priority.unwrap_or(0)
}

/// Whether a policy's kind and namespace let it select an object at all.
pub(crate) fn in_reach(policy: &Policy, object: &Object) -> bool {
    policy.metadata.namespace.is_empty() || policy.metadata.namespace == object.namespace()
}

/// How closely a policy names an object, as far as it may claim it now.
fn judge(policy: &Policy, object: &Object) -> Result<Precision, Mismatch> {
    if !in_reach(policy, object) {
        return Err(Mismatch::PolicyNamespace);
    }
    match_selectors(&policy.spec.resource_selectors, object)
}

/// The policy, among policies of one kind, that claims an object: the highest priority, then the closest
/// selector, then the first name. Policies being deleted do not count, nor do those of other namespaces.
pub fn best_policy<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    object: &Object,
) -> Option<&'a Policy> {
    policies
        .into_iter()
        .filter(|policy| !policy.metadata.is_deleting())
        .filter_map(|policy| Some((policy, judge(policy, object).ok()?)))
        .max_by(|(a, x), (b, y)| rank(a, *x).cmp(&rank(b, *y)))
        .map(|(policy, _)| policy)
}

/// The policy that claims an unclaimed object: any PropagationPolicy of its namespace comes before every
/// ClusterPropagationPolicy, whatever their priorities.
pub fn choose_policy<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    cluster_policies: impl IntoIterator<Item = &'a Policy>,
    object: &Object,
) -> Option<&'a Policy> {
    let namespaced = if object.namespace().is_empty() { None } else { best_policy(policies, object) };
    namespaced.or_else(|| best_policy(cluster_policies, object))
}

/// The override policies a policy waits for: those of its `dependentOverrides` of which `exists` says no. They
/// are OverridePolicies of the policy's namespace, or ClusterOverridePolicies for a cluster policy.
pub fn missing_overrides(policy: &Policy, exists: impl Fn(&str) -> bool) -> Vec<&str> {
    policy.spec.dependent_overrides.iter().map(String::as_str).filter(|name| !exists(name)).collect()
}

/// The override policies of one kind that apply to an object, in the order in which they are applied: the
/// closer selector later, then the later name later, so that the closest has the last word. A policy without
/// selectors selects every object in its reach.
pub fn selected_overrides<'a>(
    policies: impl IntoIterator<Item = &'a Override>,
    object: &Object,
) -> Vec<&'a Override> {
    let mut selected: Vec<(Precision, &Override)> = policies
        .into_iter()
        .filter(|policy| {
            policy.metadata.namespace.is_empty() || policy.metadata.namespace == object.namespace()
        })
        .filter_map(|policy| {
            let selectors = &policy.spec.resource_selectors;
            let precision = if selectors.is_empty() {
                Precision::Kind
            } else {
                match_selectors(selectors, object).ok()?
            };
            Some((precision, policy))
        })
        .collect();
    selected.sort_by(|(x, a), (y, b)| x.cmp(y).then_with(|| a.metadata.name.cmp(&b.metadata.name)));
    selected.into_iter().map(|(_, policy)| policy).collect()
}
