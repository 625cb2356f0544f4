//! Which policy claims which object, which clusters an affinity means, which overrides apply and in which
//! order.
//!
//! Every answer comes in two forms: the quick one for the hot path, and one with reasons for people.

mod affinity;
mod index;
mod policy;
mod selector;

pub use affinity::{Affinity, ClusterMismatch, cluster_matches, cluster_mismatch, targets_cluster};
pub use index::{Claimant, PolicyIndex};
pub use policy::{Choice, Verdict, best_policy, choose_policy, explain_policies, selected_overrides};
pub use selector::{Mismatch, Precision, labels_match, match_selector, match_selectors, matches_any};

#[cfg(test)]
mod tests;
