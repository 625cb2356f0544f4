//! Who governs a template after the changes: the detector's rules, played through.

use std::sync::Arc;

use api::policy::Policy;
use machinery::Object;
use matching::{Claimant, claim_of, claimed_by_other, matches_any};
use propagation::binding::is_lazy;

use super::world::{Delta, State, World};
use crate::why::facts::skipped;

/// How a template comes to its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// No policy governs it, as before.
    None,
    /// The policy that governed it goes on.
    Kept,
    /// It had none, and a policy selects it.
    Claimed,
    /// Another policy takes it over from one that would have kept it.
    Preempted,
    /// Its policy is gone or does not select it any more; another one does.
    Reclaimed,
    /// Its policy is gone or does not select it any more, and no other selects it.
    Released,
    /// The template has changed so that its policy does not select it any more: the policy keeps the claim
    /// and does nothing with it.
    Stale,
}

/// Who governs a template, and whether that reaches its binding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Governed {
    pub(crate) how: How,
    pub(crate) policy: Option<Arc<Policy>>,
    /// Whether the policy is applied: the binding is made or brought up to date.
    pub(crate) applies: bool,
    /// Why it is not.
    pub(crate) note: Option<String>,
}

impl Governed {
    fn by(how: How, policy: &Arc<Policy>) -> Self {
        Self { how, policy: Some(Arc::clone(policy)), applies: true, note: None }
    }

    fn nobody(how: How) -> Self {
        Self { how, policy: None, applies: false, note: None }
    }

    fn held(self, note: String) -> Self {
        Self { applies: false, note: Some(note), ..self }
    }
}

/// The policy whose claim a template carries.
pub(crate) fn owner(template: &Object) -> Option<Claimant> {
    claim_of(template).map(|claim| claim.policy)
}

/// Says who governs a template after the changes. `has_changed` is whether the template is among them.
pub(crate) fn govern(
    world: &World,
    after: &State,
    delta: &Delta,
    template: &Object,
    has_changed: bool,
) -> Governed {
    if skipped(template).is_some() || claimed_by_other(template).is_some() || template.is_deleting() {
        return Governed::nobody(How::None);
    }
    let governed = claim(world, after, delta, template);
    let Some(policy) = governed.policy.clone() else { return governed };
    if governed.how == How::Stale {
        return governed;
    }
    let name = matching::PolicyRef::from(policy.as_ref());
    let missing = after.missing_overrides(&policy);
    if !missing.is_empty() {
        let note = format!("{name} waits for override policies that do not exist: {}", missing.join(", "));
        // Nothing is claimed before they are there; what is claimed already stays so.
        return match governed.how {
            How::Claimed => Governed::nobody(How::None).held(note),
            How::Reclaimed => Governed::nobody(How::Released).held(note),
            _ => governed.held(note),
        };
    }
    let has_waited = world.state.policies.contains_key(&Claimant::of(&policy))
        && !world.state.missing_overrides(&policy).is_empty();
    let is_new = has_waited || delta.policies.contains(&Claimant::of(&policy));
    match governed.how {
        How::Kept if !is_new && !has_changed => Governed { applies: false, ..governed },
        How::Kept | How::Preempted if is_lazy(&policy) && !has_changed => {
            governed.held(format!("{name} is Lazy: nothing changes until the object itself does"))
        }
        _ => governed,
    }
}

fn claim(world: &World, after: &State, delta: &Delta, template: &Object) -> Governed {
    let Some(owner) = owner(template) else {
        return match after.choose(template) {
            Some(policy) => Governed::by(How::Claimed, policy),
            None => Governed::nobody(How::None),
        };
    };
    let again = || match after.choose(template) {
        Some(policy) => Governed::by(How::Reclaimed, policy),
        None => Governed::nobody(How::Released),
    };
    let Some(policy) = after.policies.get(&owner).filter(|policy| !policy.metadata.is_deleting()) else {
        return again();
    };
    if !matches_any(&policy.spec.resource_selectors, template) {
        if delta.policies.contains(&owner) {
            return again();
        }
        let note = format!(
            "{} has claimed it and does not select it any more: its copies stay as they are",
            matching::PolicyRef::from(&owner)
        );
        return Governed::by(How::Stale, policy).held(note);
    }
    let mut current = policy;
    // Each preemptor looks once per change; more rounds than there are of them change nothing.
    for _ in 0..delta.preemptors.len() {
        for preemptor in delta.preemptors.iter().filter_map(|claimant| after.policies.get(claimant)) {
            if matching::preempts(preemptor, current, template, world.preemption()).is_ok() {
                current = preemptor;
            }
        }
    }
    let how = if Arc::ptr_eq(current, policy) { How::Kept } else { How::Preempted };
    Governed::by(how, current)
}
