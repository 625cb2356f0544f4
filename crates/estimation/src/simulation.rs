//! Filling the nodes that a cluster's resource models stand for, first fit.
//!
//! The models do not know real nodes: each counted node is taken to have the least its grade promises,
//! and [`PODS_PER_NODE`] pod slots. Nodes that are alike are kept together, so the work depends on
//! the number of grades and sets, not on the number of nodes.

use api::cluster::{AllocatableModeling, ResourceModel};

use crate::capacity::{amount, find};
use crate::request::{Amount, Component, Request};

/// Pod slots of a node that exists only as a count: the kubelet's default.
const PODS_PER_NODE: i64 = 110;

/// A run of nodes that have the same left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nodes {
    count: i64,
    pods: i64,
    /// By name.
    free: Vec<(String, Amount)>,
}

impl Nodes {
    /// How many replicas fit one of the nodes. A resource the grade does not mention has none of it.
    fn fits(&self, request: &Request) -> i64 {
        request.iter().fold(self.pods, |fits, (name, asked)| {
            fits.min(find(&self.free, name).and_then(|free| free.fits(asked)).unwrap_or(0))
        })
    }

    /// `count` of these nodes with `replicas` put on each.
    fn with(&self, count: i64, request: &Request, replicas: i64) -> Self {
        let mut nodes = Self { count, pods: self.pods - replicas, free: self.free.clone() };
        for (name, asked) in request.iter() {
            if let Ok(at) = nodes.free.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
                nodes.free[at].1 = nodes.free[at].1.minus(asked.times(replicas));
            }
        }
        nodes
    }
}

/// The nodes of a histogram in ascending grade order, or nothing when the histogram cannot be used.
pub(crate) fn nodes(models: &[ResourceModel], counted: &[AllocatableModeling]) -> Option<Vec<Nodes>> {
    if models.is_empty() || counted.is_empty() || counted.iter().any(|c| c.count < 0) {
        return None;
    }
    let mut counts: Vec<(u64, i64)> = counted.iter().map(|c| (c.grade, c.count)).collect();
    counts.sort_unstable();
    let nodes = counts.into_iter().filter(|(_, count)| *count > 0).filter_map(|(grade, count)| {
        let model = models.iter().find(|m| m.grade == grade)?;
        let mut free: Vec<(String, Amount)> =
            model.ranges.iter().filter_map(|r| Some((r.name.clone(), amount(&r.name, &r.min)?))).collect();
        free.sort_unstable();
        Some(Nodes { count, pods: PODS_PER_NODE, free })
    });
    Some(nodes.collect())
}

/// How many single replicas fit: nodes do not influence each other, so the runs add up.
pub(crate) fn max_replicas(nodes: &[Nodes], request: &Request) -> i64 {
    nodes.iter().fold(0, |sum, run| sum.saturating_add(run.fits(request).saturating_mul(run.count)))
}

/// How many complete sets fit, at most `bound`. Components are placed in their order, each on the first
/// nodes that take it.
pub(crate) fn max_sets(nodes: &[Nodes], components: &[Component], bound: i64) -> i64 {
    let mut nodes = nodes.to_vec();
    (0..bound).find(|_| !place(&mut nodes, components)).unwrap_or(bound.max(0))
}

/// Places one set and says whether all of it fitted. What did not fit is simply not placed.
pub(crate) fn place(nodes: &mut Vec<Nodes>, components: &[Component]) -> bool {
    let mut placed = true;
    for component in components {
        placed &= place_component(nodes, component);
    }
    placed
}

fn place_component(nodes: &mut Vec<Nodes>, component: &Component) -> bool {
    let mut left = component.replicas.max(0);
    let mut after: Vec<Nodes> = Vec::with_capacity(nodes.len() + 2);
    for run in nodes.drain(..) {
        let fits = run.fits(&component.request);
        if left == 0 || fits == 0 {
            push(&mut after, run);
            continue;
        }
        let full = (left / fits).min(run.count);
        let partly = if full < run.count { left - full * fits } else { 0 };
        left -= full * fits + partly;
        let touched = i64::from(partly > 0);
        push(&mut after, run.with(full, &component.request, fits));
        push(&mut after, run.with(touched, &component.request, partly));
        push(&mut after, run.with(run.count - full - touched, &component.request, 0));
    }
    *nodes = after;
    left == 0
}

/// Appends a run, joining it with the one before when both have the same left.
fn push(nodes: &mut Vec<Nodes>, run: Nodes) {
    match nodes.last_mut() {
        _ if run.count == 0 => {}
        Some(last) if last.pods == run.pods && last.free == run.free => last.count += run.count,
        _ => nodes.push(run),
    }
}
