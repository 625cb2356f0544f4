//! Why a policy governs a template, and why every other one does not: the choice as data for `karmadactl why`,
//! events and dashboards, and in sentences through `Display`.
//!
//! Follows the detector's order: what something else governs is left alone; a claim prevails over every policy;
//! then any PropagationPolicy of the namespace comes before every ClusterPropagationPolicy; among their kind the
//! higher priority wins, then the closer selector, then the smaller name.

mod text;

use std::cmp::Reverse;

use api::Scope;
use api::policy::Policy;
use machinery::Object;
use serde::{Deserialize, Serialize};

use crate::claim::{Claim, NoPreemption, PreemptionGate, claim_of, claimed_by_other, preempts};
use crate::index::Claimant;
use crate::policy::{best_policy, in_reach, missing_overrides, priority, rank};
use crate::selector::{
    Failure, Mismatch, Precision, describe_selector, match_selector, match_selectors, selector_failures,
};

/// The object an explanation is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A policy by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// `PropagationPolicy` or `ClusterPropagationPolicy`.
    pub kind: String,
    /// Its namespace; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl From<&Claimant> for PolicyRef {
    fn from(claimant: &Claimant) -> Self {
        Self {
            kind: Policy::kind_of(claimant.scope).kind.into(),
            namespace: claimant.key.namespace.clone(),
            name: claimant.key.name.clone(),
        }
    }
}

impl From<&Policy> for PolicyRef {
    fn from(policy: &Policy) -> Self {
        Self::from(&Claimant::of(policy))
    }
}

/// How it is with the policy that an object's claim names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Standing {
    /// The claim prevails: the policy is there and selects the object.
    Holds,
    /// There is no such policy; the claim will be taken off.
    Gone,
    /// The policy is being deleted and takes its claims with it.
    Deleting,
    /// The policy does not select the object any more; the claim will be taken off.
    NoLongerSelects,
}

/// The claim on an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimReport {
    /// The policy it names.
    pub policy: PolicyRef,
    /// The policy's permanent id, as the object has it.
    pub id: String,
    /// Whether the claim prevails.
    pub standing: Standing,
}

/// What one selector of a policy says about the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectorReport {
    /// The selector's place in `spec.resourceSelectors`, from 0.
    pub index: usize,
    /// The selector in one line.
    pub selector: String,
    /// How closely it names the object; absent when it does not select it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// The parts that do not fit; empty when it selects the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

/// By what a policy that selects the object stands behind the one that governs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Loss {
    /// Something that is no policy governs the object.
    ClaimedByOther,
    /// The other one has claimed the object, and the claim prevails.
    #[serde(rename_all = "camelCase")]
    Claim {
        /// Why this policy does not take over.
        refusal: NoPreemption,
    },
    /// The other one is a PropagationPolicy of the object's namespace, this one a ClusterPropagationPolicy.
    Scope,
    /// The other one has a higher priority.
    Priority {
        /// This policy's priority.
        own: i32,
        /// The other one's priority.
        winner: i32,
    },
    /// The other one names the object more closely.
    Precision {
        /// How closely this policy names the object.
        own: Precision,
        /// How closely the other one does.
        winner: Precision,
    },
    /// The other one's name comes first; all else is equal.
    Name,
}

/// What became of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// It has claimed the object and keeps it.
    Claims,
    /// It selects the object, nobody has claimed it, and it wins over all others.
    Chosen,
    /// It will take the object over from the policy that has claimed it.
    Preempts,
    /// It selects the object, but another one governs it.
    Outranked {
        /// What decided.
        loss: Loss,
    },
    /// It does not select the object; the selector that comes closest is named.
    Mismatch {
        /// Place of the closest selector; absent when the policy has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closest: Option<usize>,
        /// The parts that do not fit.
        failures: Vec<Failure>,
    },
    /// It is being deleted.
    Deleting,
}

/// One policy, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The policy.
    pub policy: PolicyRef,
    /// Its explicit priority; 0 when it has none.
    pub priority: i32,
    /// How closely it names the object; absent when it does not select it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Its selectors, one by one.
    pub selectors: Vec<SelectorReport>,
    /// Override policies it waits for before anything goes to a cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_overrides: Vec<String>,
}

/// The policy that comes closest to selecting an object that none selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nearest {
    /// The policy.
    pub policy: PolicyRef,
    /// Place of its closest selector; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<usize>,
    /// What would have to fit.
    pub failures: Vec<Failure>,
}

/// Which policy governs an object, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The object.
    pub object: Subject,
    /// What governs it instead of a policy, such as `MultiClusterService`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by_other: Option<String>,
    /// The claim it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimReport>,
    /// The policy that governs it, or will as soon as a claim that does not hold is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governed_by: Option<PolicyRef>,
    /// When no policy selects it: the one that comes closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    /// Every policy: the one that governs first, then those that select the object in the order in which they
    /// would win, then the others by how close they come.
    pub policies: Vec<Judgement>,
}

/// What an explanation must know besides the object and the policies.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Whether policies may preempt.
    pub preemption: PreemptionGate,
    /// Whether a policy's dependent override policy exists: see [`crate::missing_overrides`].
    pub override_exists: &'a dyn Fn(&Policy, &str) -> bool,
}

impl Default for Facts<'_> {
    /// No preemption, and every override policy exists.
    fn default() -> Self {
        Self { preemption: PreemptionGate::Off, override_exists: &|_, _| true }
    }
}

/// Says which of all policies governs an object, and of each other one why it does not.
///
/// The policies may come in any order, and of any namespace; equal sets give equal answers.
pub fn explain<'a>(
    object: &Object,
    policies: impl IntoIterator<Item = &'a Policy>,
    facts: &Facts<'_>,
) -> Explanation {
    let policies: Vec<&Policy> = policies.into_iter().collect();
    let other = claimed_by_other(object);
    let claim = claim_of(object).filter(|_| other.is_none());
    let claim = claim.map(|claim| (standing(&claim, &policies, object), claim));
    let owner =
        claim.as_ref().and_then(|((standing, owner), _)| owner.filter(|_| *standing == Standing::Holds));
    let chosen = match (other, owner) {
        (Some(_), _) => None,
        (None, Some(owner)) => Some(owner),
        (None, None) => chosen(&policies, object),
    };
    let case = Case { object, other, owner, chosen, facts };
    let mut judged: Vec<(Order<'_>, Judgement)> = policies.iter().map(|policy| case.judge(policy)).collect();
    judged.sort_by(|(a, _), (b, _)| a.cmp(b));
    let policies: Vec<Judgement> = judged.into_iter().map(|(_, judgement)| judgement).collect();
    Explanation {
        object: Subject {
            api_version: object.api_version().into(),
            kind: object.kind().into(),
            namespace: object.namespace().into(),
            name: object.name().into(),
        },
        claimed_by_other: other.map(Into::into),
        claim: claim.map(|((standing, _), claim)| ClaimReport {
            policy: PolicyRef::from(&claim.policy),
            id: claim.id,
            standing,
        }),
        governed_by: chosen.map(PolicyRef::from),
        nearest: if chosen.is_none() && other.is_none() { nearest(&policies) } else { None },
        policies,
    }
}

fn standing<'a>(claim: &Claim, policies: &[&'a Policy], object: &Object) -> (Standing, Option<&'a Policy>) {
    let Some(owner) = policies.iter().copied().find(|policy| Claimant::of(policy) == claim.policy) else {
        return (Standing::Gone, None);
    };
    let standing = if owner.metadata.is_deleting() {
        Standing::Deleting
    } else if match_selectors(&owner.spec.resource_selectors, object).is_err() {
        Standing::NoLongerSelects
    } else {
        Standing::Holds
    };
    (standing, Some(owner))
}

fn chosen<'a>(policies: &[&'a Policy], object: &Object) -> Option<&'a Policy> {
    let of = |scope| best_policy(policies.iter().copied().filter(|p| p.scope == scope), object);
    let namespaced = if object.namespace().is_empty() { None } else { of(Scope::Namespaced) };
    namespaced.or_else(|| of(Scope::Cluster))
}

/// The first policy that does not select the object, when none does.
fn nearest(policies: &[Judgement]) -> Option<Nearest> {
    policies.iter().find_map(|judgement| match &judgement.verdict {
        Verdict::Mismatch { closest, failures } => {
            Some(Nearest { policy: judgement.policy.clone(), selector: *closest, failures: failures.clone() })
        }
        Verdict::Claims
        | Verdict::Chosen
        | Verdict::Preempts
        | Verdict::Outranked { .. }
        | Verdict::Deleting => None,
    })
}

/// What all judgements of one explanation share.
struct Case<'a> {
    object: &'a Object,
    other: Option<&'a str>,
    /// The policy whose claim prevails.
    owner: Option<&'a Policy>,
    /// The policy that governs: the owner, or the best match.
    chosen: Option<&'a Policy>,
    facts: &'a Facts<'a>,
}

/// Where a judgement stands in an explanation.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Order<'a> {
    place: u8,
    scope: Scope,
    rank: Reverse<Option<(i32, Precision, Reverse<&'a str>)>>,
    distance: Distance,
    namespace: &'a str,
    name: &'a str,
}

/// How far a selector is from selecting an object: by how many parts, and then by how early the last part
/// that does not fit is compared.
type Distance = (usize, Reverse<Option<Mismatch>>);

fn distance(failures: &[Failure]) -> Distance {
    (failures.len(), Reverse(failures.iter().map(|failure| failure.part).max()))
}

impl Case<'_> {
    fn judge<'p>(&self, policy: &'p Policy) -> (Order<'p>, Judgement) {
        let selectors = self.selectors(policy);
        let precision = if in_reach(policy, self.object) {
            selectors.iter().filter_map(|s| s.precision).max()
        } else {
            None
        };
        let verdict = self.verdict(policy, precision, &selectors);
        let place = match &verdict {
            Verdict::Claims | Verdict::Chosen => 0,
            Verdict::Preempts => 1,
            Verdict::Outranked { .. } => 2,
            Verdict::Mismatch { .. } => 3,
            Verdict::Deleting => 4,
        };
        let failures = match &verdict {
            Verdict::Mismatch { failures, .. } => failures.as_slice(),
            _ => &[],
        };
        let order = Order {
            place,
            // Nearness comes before the kind of policy.
            scope: if place == 3 { Scope::Namespaced } else { policy.scope },
            rank: Reverse(precision.map(|precision| rank(policy, precision))),
            distance: distance(failures),
            namespace: &policy.metadata.namespace,
            name: &policy.metadata.name,
        };
        let missing = match &verdict {
            Verdict::Mismatch { .. } | Verdict::Deleting => Vec::new(),
            _ => missing_overrides(policy, |name| (self.facts.override_exists)(policy, name)),
        };
        let judgement = Judgement {
            policy: policy.into(),
            priority: priority(policy),
            precision,
            verdict,
            selectors,
            missing_overrides: missing.into_iter().map(Into::into).collect(),
        };
        (order, judgement)
    }

    fn selectors(&self, policy: &Policy) -> Vec<SelectorReport> {
        let report = |(index, selector)| {
            let precision = match_selector(selector, self.object).ok();
            // A condition no label can meet fails without one part that would name it.
            let failures = match precision {
                Some(_) => Vec::new(),
                None => selector_failures(selector, self.object),
            };
            SelectorReport { index, selector: describe_selector(selector), precision, failures }
        };
        policy.spec.resource_selectors.iter().enumerate().map(report).collect()
    }

    fn verdict(
        &self,
        policy: &Policy,
        precision: Option<Precision>,
        selectors: &[SelectorReport],
    ) -> Verdict {
        if policy.metadata.is_deleting() {
            return Verdict::Deleting;
        }
        let Some(own) = precision else { return self.mismatch(policy, selectors) };
        if self.other.is_some() {
            return Verdict::Outranked { loss: Loss::ClaimedByOther };
        }
        let Some(winner) = self.chosen else { return Verdict::Chosen };
        let is_winner = Claimant::of(winner) == Claimant::of(policy);
        match self.owner {
            Some(_) if is_winner => Verdict::Claims,
            None if is_winner => Verdict::Chosen,
            Some(owner) => match preempts(policy, owner, self.object, self.facts.preemption) {
                Ok(()) => Verdict::Preempts,
                Err(refusal) => Verdict::Outranked { loss: Loss::Claim { refusal } },
            },
            None => Verdict::Outranked { loss: self.loss(policy, own, winner) },
        }
    }

    fn loss(&self, policy: &Policy, own: Precision, winner: &Policy) -> Loss {
        let precision = match_selectors(&winner.spec.resource_selectors, self.object).unwrap_or(own);
        if policy.scope != winner.scope {
            Loss::Scope
        } else if priority(policy) != priority(winner) {
            Loss::Priority { own: priority(policy), winner: priority(winner) }
        } else if own != precision {
            Loss::Precision { own, winner: precision }
        } else {
            Loss::Name
        }
    }

    fn mismatch(&self, policy: &Policy, selectors: &[SelectorReport]) -> Verdict {
        let closest = selectors.iter().min_by_key(|report| (distance(&report.failures), report.index));
        let mut failures = Vec::new();
        if !in_reach(policy, self.object) {
            let own = &policy.metadata.namespace;
            failures.push(Failure::new(Mismatch::PolicyNamespace, own, self.object.namespace()));
        }
        failures.extend(closest.into_iter().flat_map(|report| report.failures.clone()));
        Verdict::Mismatch { closest: closest.map(|report| report.index), failures }
    }
}
