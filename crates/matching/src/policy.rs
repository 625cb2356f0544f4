//! Choosing the policy that claims an object, and the overrides that change its copies.

use std::cmp::Reverse;
use std::fmt;

use api::policy::{Override, Policy};
use machinery::Object;

use crate::selector::{Mismatch, Precision, match_selectors};

/// What became of one policy in a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It claims the object.
    Chosen {
        /// Its explicit priority.
        priority: i32,
        /// How closely it names the object.
        precision: Precision,
    },
    /// It matches, but another one comes first.
    Outranked {
        /// Its explicit priority.
        priority: i32,
        /// How closely it names the object.
        precision: Precision,
    },
    /// It does not select the object.
    Mismatch(Mismatch),
    /// It is being deleted.
    Deleting,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen { priority, precision } => {
                write!(f, "chosen (priority {priority}, by {})", by(*precision))
            }
            Self::Outranked { priority, precision } => {
                write!(f, "outranked (priority {priority}, by {})", by(*precision))
            }
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Deleting => f.write_str("is being deleted"),
        }
    }
}

fn by(precision: Precision) -> &'static str {
    match precision {
        Precision::Kind => "kind",
        Precision::Labels => "labels",
        Precision::Name => "name",
    }
}

/// A choice among policies, with a verdict for each in the order given.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<'a> {
    /// The policy that claims the object.
    pub chosen: Option<&'a Policy>,
    /// Every policy and what became of it.
    pub verdicts: Vec<(&'a Policy, Verdict)>,
}

/// A policy's place among those that match: the greatest wins.
fn rank(policy: &Policy, precision: Precision) -> (i32, Precision, Reverse<&str>) {
    (priority(policy), precision, Reverse(policy.metadata.name.as_str()))
}

fn priority(policy: &Policy) -> i32 {
    policy.spec.priority.unwrap_or(0)
}

fn in_reach(policy: &Policy, object: &Object) -> bool {
    policy.metadata.namespace.is_empty() || policy.metadata.namespace == object.namespace()
}

fn judge(policy: &Policy, object: &Object) -> Result<Precision, Verdict> {
    if policy.metadata.is_deleting() {
        return Err(Verdict::Deleting);
    }
    if !in_reach(policy, object) {
        return Err(Verdict::Mismatch(Mismatch::Namespace));
    }
    match_selectors(&policy.spec.resource_selectors, object).map_err(Verdict::Mismatch)
}

/// The policy, among policies of one kind, that claims an object: the highest priority, then the closest
/// selector, then the first name. Policies being deleted do not count, nor do those of other namespaces.
pub fn best_policy<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
    object: &Object,
) -> Option<&'a Policy> {
    policies
        .into_iter()
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

/// [`best_policy`] with a verdict for each policy.
pub fn explain_policies<'a>(policies: impl IntoIterator<Item = &'a Policy>, object: &Object) -> Choice<'a> {
    let judged: Vec<_> = policies.into_iter().map(|policy| (policy, judge(policy, object))).collect();
    let chosen = best_policy(judged.iter().map(|(policy, _)| *policy), object);
    let verdicts = judged
        .into_iter()
        .map(|(policy, judgement)| {
            let verdict = match judgement {
                Ok(precision) if chosen.is_some_and(|c| std::ptr::eq(c, policy)) => {
                    Verdict::Chosen { priority: priority(policy), precision }
                }
                Ok(precision) => Verdict::Outranked { priority: priority(policy), precision },
                Err(verdict) => verdict,
            };
            (policy, verdict)
        })
        .collect();
    Choice { chosen, verdicts }
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
