//! Which estimates a decision would look at, so that somebody with a network can ask for them first.

use std::sync::Arc;

use api::policy::Placement;

use crate::input::{Input, Member};
use crate::schedule::{Room, feasible, scopes};

/// Which estimates are wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Every cluster that passes the filters in an affinity term that may be tried, in name order.
    pub clusters: Vec<Arc<Member>>,
    /// Of what.
    pub what: What,
}

/// What an estimate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Replicas with `spec.replicaRequirements`.
    Replicas,
    /// Complete sets of `spec.components`.
    Sets,
}

/// Says which estimates [`schedule`](crate::schedule) would look at; nothing when it needs none, because
/// there are no replicas to place or no cluster to place them in.
pub fn estimates_wanted(input: &Input<'_>) -> Option<Wanted> {
    let none = Placement::default();
    let placement = input.spec.placement.as_ref().unwrap_or(&none);
    let what = match Room::of(input, placement).ok()? {
        Room::Unasked => return None,
        Room::Replicas(_) => What::Replicas,
        Room::Sets(_) => What::Sets,
    };
    let members = input.snapshot.members();
    let mut wanted = vec![false; members.len()];
    for (_, scope) in scopes(input, placement) {
        for rank in feasible(input, placement, &scope) {
            wanted[rank as usize] = true;
        }
    }
    let clusters: Vec<Arc<Member>> =
        members.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(m, _)| Arc::clone(m)).collect();
    (!clusters.is_empty()).then_some(Wanted { clusters, what })
}
