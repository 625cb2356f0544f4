//! Which policy governs an object, and why. The reasons are crate `matching`'s; here they get their place.

use api::policy::Policy;
use matching::{Failure, Judgement, Loss, Mismatch, PolicyRef, PreemptionGate, Standing, Verdict, explain};
use propagation::binding::is_lazy;

use super::explanation::{Governance, State};
use super::facts::Facts;

/// Says which policy governs the object and why.
pub(crate) fn governance(facts: &Facts) -> Governance {
    let known = |policy: &Policy, name: &str| facts.has_override(policy, name);
    let preemption =
        if facts.gates.propagation_policy_preemption { PreemptionGate::On } else { PreemptionGate::Off };
    let asked = matching::Facts { override_exists: &known, preemption };
    let explanation = explain(&facts.template, &facts.policies, &asked);
    let (state, reason) = standing(facts, &explanation);
    let policy = match (&explanation.governed_by, &explanation.claim) {
        _ if !matches!(state, State::Claimed | State::Selected | State::Abandoned) => None,
        (_, Some(claim)) => Some(claim.policy.clone()),
        (governs, None) => governs.clone(),
    };
    let mut notes = Vec::new();
    if let Some(judged) = explanation.policies.iter().find(|j| Some(&j.policy) == policy.as_ref())
        && !judged.missing_overrides.is_empty()
    {
        notes.push(format!(
            "{} waits for override policies that do not exist: {}",
            judged.policy,
            judged.missing_overrides.join(", ")
        ));
    }
    if facts.template.kind() == "Namespace" && facts.template.api_version() == "v1" {
        notes.push(format!(
            "namespaces that are not reserved are created in every cluster without a policy, unless they have the label {}=true",
            api::names::labels::SKIP_AUTO_PROPAGATION
        ));
    }
    if state == State::Claimed {
        notes.extend(policy.iter().filter_map(|policy| not_applied(policy, facts)));
    }
    let total = explanation.policies.len();
    let considered: Vec<Judgement> = explanation.policies.into_iter().filter(is_near).collect();
    Governance { state, policy, reason, notes, others: total - considered.len(), considered }
}

/// Whether a policy is worth a line: others select other kinds.
fn is_near(judged: &Judgement) -> bool {
    match &judged.verdict {
        Verdict::Mismatch { failures, .. } => !failures.is_empty() && !failures.iter().any(is_other_kind),
        Verdict::Claims
        | Verdict::Chosen
        | Verdict::Preempts
        | Verdict::Outranked { .. }
        | Verdict::Deleting => true,
    }
}

fn is_other_kind(failure: &Failure) -> bool {
    matches!(failure.part, Mismatch::Kind | Mismatch::ApiVersion)
}

fn standing(facts: &Facts, explanation: &matching::Explanation) -> (State, String) {
    if !facts.exists {
        return (State::Gone, "the object does not exist any more".into());
    }
    if let Some(skipped) = &facts.skipped {
        return (State::Skipped, skipped.clone());
    }
    if let Some(other) = &explanation.claimed_by_other {
        return (State::ClaimedByOther, format!("a {other} has claimed it, and policies leave it alone"));
    }
    if facts.template.is_deleting() {
        return (State::Deleting, "it is being deleted".into());
    }
    if let Some(claim) = &explanation.claim {
        return match claim.standing {
            Standing::Holds => (State::Claimed, holds(explanation)),
            Standing::Gone | Standing::Deleting | Standing::NoLongerSelects => {
                (State::Abandoned, format!("{} has claimed it, but {}", claim.policy, claim.standing))
            }
        };
    }
    match (&explanation.governed_by, &explanation.nearest) {
        (Some(policy), _) => (State::Selected, format!("{policy} selects it{}", before(explanation))),
        (None, Some(nearest)) if nearest.failures.iter().any(is_other_kind) => {
            let object = &explanation.object;
            (
                State::Unmatched,
                format!("no policy matches: none selects {} {}", object.api_version, object.kind),
            )
        }
        (None, Some(nearest)) => (State::Unmatched, format!("no policy matches; {nearest}")),
        (None, None) => (State::Unmatched, "no policy matches: there is none".into()),
    }
}

/// Why a claim stands, although or because of the next policy.
fn holds(explanation: &matching::Explanation) -> String {
    let Some(owner) = explanation.policies.iter().find(|j| j.verdict == Verdict::Claims) else {
        return "it has claimed the object".into();
    };
    let by = owner.precision.map_or(String::new(), |precision| format!(", which it selects by {precision}"));
    let rival = explanation.policies.iter().find_map(|j| match &j.verdict {
        Verdict::Outranked { loss: Loss::Claim { refusal } } => Some((&j.policy, refusal)),
        _ => None,
    });
    match rival {
        None => format!("it has claimed the object{by}"),
        Some((policy, refusal)) => {
            format!(
                "it has claimed the object{by}; {policy} selects it too and does not take it over: {refusal}"
            )
        }
    }
}

/// Why the policy that governs comes before the next one.
fn before(explanation: &matching::Explanation) -> String {
    let next = explanation.policies.iter().find_map(|j| match &j.verdict {
        Verdict::Outranked { loss } => Some((&j.policy, loss)),
        _ => None,
    });
    next.map_or(", as the only one".into(), |(policy, loss)| format!(" and comes before {policy}: {loss}"))
}

/// What of a policy has not reached the binding.
fn not_applied(policy: &PolicyRef, facts: &Facts) -> Option<String> {
    let policy = facts.policies.iter().find(|p| PolicyRef::from(*p) == *policy)?;
    let binding = facts.binding.as_ref()?;
    if binding.spec.placement.as_ref() == Some(&policy.spec.placement) {
        return None;
    }
    let name = PolicyRef::from(policy);
    Some(if is_lazy(policy) {
        format!(
            "{name} has changed since, and it is Lazy: the change waits for the next change of the object"
        )
    } else {
        format!("{name} has changed, and the binding does not say so yet")
    })
}
