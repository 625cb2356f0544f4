//! Which policy claims which object, which clusters an affinity means, which overrides apply and in which
//! order.
//!
//! Every answer comes in two forms: the quick one for the hot path ([`PolicyIndex::choose`],
//! [`cluster_matches`]), and one with reasons for people ([`explain`], [`cluster_mismatch`]).

mod affinity;
mod claim;
mod index;
mod policy;
mod selector;
mod why;

pub use affinity::{Affinity, ClusterMismatch, cluster_matches, cluster_mismatch, targets_cluster};
pub use claim::{Claim, NoPreemption, PreemptionGate, claim_of, claimed_by_other, outranks, preempts};
pub use index::{Claimant, PolicyIndex};
pub use policy::{best_policy, choose_policy, missing_overrides, selected_overrides};
pub use selector::{
    Failure, Mismatch, Precision, describe_selector, labels_match, match_selector, match_selectors,
    matches_any, selector_failures,
};
pub use why::{
    ClaimReport, Explanation, Facts, Judgement, Loss, Nearest, PolicyRef, SelectorReport, Standing, Subject,
    Verdict, explain,
};

#[cfg(test)]
mod tests;
