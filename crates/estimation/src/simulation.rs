//! Filling the nodes that a cluster's resource models stand for, first fit.
//!
//! The models do not know real nodes: each counted node is taken to have the least its grade promises,
//! and [`PODS_PER_NODE`] pod slots. Nodes that are alike are kept together, so the work depends on
//! the number of grades and sets, not on the number of nodes.

use std::collections::BTreeSet;

use api::cluster::{AllocatableModeling, ResourceModel};

use crate::capacity::amount;
use crate::request::{Amount, Component, Request};

/// Pod slots of a node that exists only as a count: the kubelet's default.
const PODS_PER_NODE: i64 = 110;

/// The nodes of a histogram, in ascending grade order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nodes {
    /// Every resource that some grade mentions, in order.
    resources: Vec<String>,
    runs: Vec<Run>,
}

/// Nodes that have the same left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    count: i64,
    pods: i64,
    /// One for each of the resources. A resource that the grade does not mention has none of it.
    free: Vec<Amount>,
}

/// A request by position among the resources.
type Positioned = Vec<(usize, Amount)>;

impl Run {
    /// How many replicas fit one of the nodes.
    fn fits(&self, request: &Positioned) -> i64 {
        request
            .iter()
            .fold(self.pods, |fits, (at, asked)| fits.min(self.free[*at].fits(*asked).unwrap_or(fits)))
    }

    /// `count` of these nodes with `replicas` put on each.
    fn with(&self, count: i64, request: &Positioned, replicas: i64) -> Self {
        let mut run = Self { count, pods: self.pods - replicas, free: self.free.clone() };
        for (at, asked) in request {
            run.free[*at] = run.free[*at].minus(asked.times(replicas));
        }
        run
    }
}

impl Nodes {
    /// The nodes of a histogram, or nothing when it cannot be used.
    pub(crate) fn new(models: &[ResourceModel], counted: &[AllocatableModeling]) -> Option<Self> {
        if models.is_empty() || counted.is_empty() || counted.iter().any(|c| c.count < 0) {
            return None;
        }
        let resources: BTreeSet<&str> =
            models.iter().flat_map(|model| &model.ranges).map(|range| range.name.as_str()).collect();
        let resources: Vec<String> = resources.into_iter().map(ToOwned::to_owned).collect();
        let mut counts: Vec<(u64, i64)> = counted.iter().map(|c| (c.grade, c.count)).collect();
        counts.sort_unstable();
        let run = |(grade, count): (u64, i64)| {
            let model = models.iter().find(|m| m.grade == grade)?;
            let least = |name: &String| {
                let range = model.ranges.iter().find(|range| range.name == *name)?;
                amount(name, &range.min)
            };
            let free = resources.iter().map(|name| least(name).unwrap_or_default()).collect();
            Some(Run { count, pods: PODS_PER_NODE, free })
        };
        let runs = counts.into_iter().filter(|(_, count)| *count > 0).filter_map(run).collect();
        Some(Self { resources, runs })
    }

    /// The request by position; nothing when it asks for what no node has.
    fn positioned(&self, request: &Request) -> Option<Positioned> {
        let position = |name: &str| self.resources.binary_search_by(|r| r.as_str().cmp(name)).ok();
        request.iter().map(|(name, asked)| Some((position(name)?, asked))).collect()
    }

    /// How many single replicas fit: nodes do not influence each other, so the runs add up.
    pub(crate) fn max_replicas(&self, request: &Request) -> i64 {
        let Some(request) = self.positioned(request) else { return 0 };
        self.runs
            .iter()
            .fold(0, |sum: i64, run| sum.saturating_add(run.fits(&request).saturating_mul(run.count)))
    }

    /// How many complete sets fit, at most `bound`. Components are placed in their order, each on the
    /// first nodes that take it.
    pub(crate) fn max_sets(&self, components: &[Component], bound: i64) -> i64 {
        let mut nodes = self.clone();
        (0..bound).find(|_| !nodes.place(components)).unwrap_or(bound.max(0))
    }

    /// Places one set and says whether all of it fitted. What did not fit is simply not placed.
    pub(crate) fn place(&mut self, components: &[Component]) -> bool {
        let mut placed = true;
        for component in components {
            placed &= self.place_component(component);
        }
        placed
    }

    fn place_component(&mut self, component: &Component) -> bool {
        let mut left = component.replicas.max(0);
        let Some(request) = self.positioned(&component.request) else { return left == 0 };
        let mut after: Vec<Run> = Vec::with_capacity(self.runs.len() + 2);
        for run in self.runs.drain(..) {
            let fits = run.fits(&request);
            if left == 0 || fits == 0 {
                push(&mut after, run);
                continue;
            }
            let full = (left / fits).min(run.count);
            let partly = if full < run.count { left - full * fits } else { 0 };
            left -= full * fits + partly;
            let touched = i64::from(partly > 0);
            push(&mut after, run.with(full, &request, fits));
            push(&mut after, run.with(touched, &request, partly));
            push(&mut after, run.with(run.count - full - touched, &request, 0));
        }
        self.runs = after;
        left == 0
    }
}

/// Appends a run, joining it with the one before when both have the same left.
fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        _ if run.count == 0 => {}
        Some(last) if last.pods == run.pods && last.free == run.free => last.count += run.count,
        _ => runs.push(run),
    }
}
