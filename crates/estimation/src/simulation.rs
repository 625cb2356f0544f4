//! Filling nodes with pods, first fit: one simulator for real nodes and for those that a cluster's
//! resource models stand for.
//!
//! Models do not know real nodes: each counted node is taken to have the least its grade promises, and
//! [`PODS_PER_NODE`] pod slots. Nodes that are alike are kept together as a run; a real node is a run of
//! one. Upstream: [`scheduling_simulator_components.go`].
//!
//! [`scheduling_simulator_components.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/estimator/scheduling_simulator_components.go

use std::collections::BTreeSet;
use std::sync::Arc;

use api::cluster::{AllocatableModeling, ResourceModel};

use crate::capacity::amount;
use crate::claim::{Claim, Traits};
use crate::request::{Amount, Component, Request};

/// Pod slots of a node that exists only as a count: the kubelet's default.
const PODS_PER_NODE: i64 = 110;

/// Nodes in the order they are filled.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Bins {
    /// Every resource that some node has, in order.
    resources: Vec<String>,
    runs: Vec<Run>,
}

/// Nodes that have the same left.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    /// The real node; nothing for modelled ones, which take every pod that finds room.
    node: Option<Arc<Traits>>,
    count: i64,
    pods: i64,
    /// One for each of the resources. A resource that the node does not have counts as none of it.
    free: Vec<Amount>,
}

/// What a real node has left.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    pub(crate) node: Arc<Traits>,
    pub(crate) pods: i64,
    /// Sorted by name.
    pub(crate) free: Vec<(&'a str, Amount)>,
}

/// A request by position among the resources.
type Positioned = Vec<(usize, Amount)>;

/// Whether nodes are compared with a request for the resource. Kubernetes knows a few names of its own;
/// every other resource has a domain in its name. What is neither cannot be asked of a node.
pub(crate) fn is_of_nodes(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "ephemeral-storage")
        || resource.contains('/')
        || resource.starts_with("hugepages-")
        || resource.starts_with("attachable-volumes-")
}

impl Run {
    /// How many replicas fit one of the nodes.
    fn fits(&self, request: &Positioned) -> i64 {
        let fits = request
            .iter()
            .fold(self.pods, |fits, (at, asked)| fits.min(self.free[*at].fits(*asked).unwrap_or(fits)));
        fits.max(0)
    }

    fn allows(&self, claim: &Claim) -> bool {
        self.node.as_ref().is_none_or(|node| claim.allows(node))
    }

    /// Puts `replicas` on each of the nodes.
    fn take(&mut self, request: &Positioned, replicas: i64) {
        self.pods -= replicas;
        for (at, asked) in request {
            self.free[*at] = self.free[*at].minus(asked.times(replicas));
        }
    }
}

impl Bins {
    /// The nodes of a histogram in ascending grade order, or nothing when it cannot be used: no grades, no
    /// counts, or a negative count.
    pub(crate) fn of_models(models: &[ResourceModel], counted: &[AllocatableModeling]) -> Option<Self> {
        if models.is_empty() || counted.is_empty() || counted.iter().any(|c| c.count < 0) {
            return None;
        }
        let ranges = models.iter().flat_map(|model| &model.ranges).map(|range| range.name.as_str());
        let resources: BTreeSet<&str> = ranges.filter(|name| is_of_nodes(name)).collect();
        let resources: Vec<String> = resources.into_iter().map(ToOwned::to_owned).collect();
        let mut counts: Vec<(u64, i64)> = counted.iter().map(|c| (c.grade, c.count)).collect();
        counts.sort_unstable();
        let run = |(grade, count): (u64, i64)| {
            let model = models.iter().rfind(|m| m.grade == grade)?;
            let least = |name: &String| {
                let range = model.ranges.iter().rfind(|range| range.name == *name)?;
                amount(name, &range.min)
            };
            let free = resources.iter().map(|name| least(name).unwrap_or_default()).collect();
            Some(Run { node: None, count, pods: PODS_PER_NODE, free })
        };
        let runs = counts.into_iter().filter(|(_, count)| *count > 0).filter_map(run).collect();
        Some(Self { resources, runs })
    }

    /// Real nodes, in the order given.
    pub(crate) fn of_nodes(rooms: &[Room<'_>]) -> Self {
        let names = rooms.iter().flat_map(|room| &room.free).map(|(name, _)| *name);
        let resources: BTreeSet<&str> = names.filter(|name| is_of_nodes(name)).collect();
        let find = |room: &Room<'_>, name: &str| {
            let at = room.free.binary_search_by(|(n, _)| (*n).cmp(name)).ok()?;
            Some(room.free[at].1)
        };
        let run = |room: &Room<'_>| Run {
            node: Some(Arc::clone(&room.node)),
            count: 1,
            pods: room.pods,
            free: resources.iter().map(|name| find(room, name).unwrap_or_default()).collect(),
        };
        let runs = rooms.iter().map(run).collect();
        Self { resources: resources.into_iter().map(ToOwned::to_owned).collect(), runs }
    }

    /// The request by position; nothing when it asks for what no node has.
    fn positioned(&self, request: &Request) -> Option<Positioned> {
        let position = |name: &str| self.resources.binary_search_by(|r| r.as_str().cmp(name)).ok();
        let asked = request.iter().filter(|(name, _)| is_of_nodes(name));
        asked.map(|(name, asked)| Some((position(name)?, asked))).collect()
    }

    /// How many single replicas fit: nodes do not influence each other, so the runs add up.
    pub(crate) fn max_replicas(&self, request: &Request, claim: &Claim) -> i64 {
        let Some(request) = self.positioned(request) else { return 0 };
        let fits = |run: &Run| run.fits(&request).saturating_mul(run.count);
        self.runs.iter().filter(|run| run.allows(claim)).map(fits).fold(0, i64::saturating_add)
    }

    /// How many complete sets fit, at most `bound`. Components are placed in their order, each on the
    /// first nodes that take it.
    pub(crate) fn max_sets(&self, components: &[Component], bound: i64) -> i64 {
        if components.iter().all(|component| component.replicas <= 0) {
            // Nothing fits as often as one likes; do not try.
            return bound.max(0);
        }
        let mut bins = self.clone();
        let mut fillings = bins.fillings(components);
        (0..bound).find(|_| !bins.place_each(&mut fillings)).unwrap_or(bound.max(0))
    }

    /// Places one set and says whether all of it fitted. What was placed before something did not fit
    /// stays placed, the rest is not tried.
    pub(crate) fn place(&mut self, components: &[Component]) -> bool {
        let mut fillings = self.fillings(components);
        self.place_each(&mut fillings)
    }

    fn fillings<'a>(&self, components: &'a [Component]) -> Vec<Filling<'a>> {
        let filling = |component: &'a Component| Filling {
            replicas: component.replicas.max(0),
            claim: &component.claim,
            request: self.positioned(&component.request),
            start: 0,
        };
        components.iter().map(filling).collect()
    }

    fn place_each(&mut self, fillings: &mut [Filling<'_>]) -> bool {
        fillings.iter_mut().all(|filling| self.place_one(filling))
    }

    fn place_one(&mut self, filling: &mut Filling<'_>) -> bool {
        let mut left = filling.replicas;
        let Some(request) = &filling.request else { return left == 0 };
        let mut at = filling.start;
        let mut passed_full_only = true;
        while left > 0 && at < self.runs.len() {
            let run = &self.runs[at];
            let fits = if run.allows(filling.claim) { run.fits(request) } else { 0 };
            if fits == 0 {
                at += 1;
                filling.start = if passed_full_only { at } else { filling.start };
                continue;
            }
            passed_full_only = false;
            let full = (left / fits).min(run.count);
            if full > 0 {
                self.split(at, full);
                self.runs[at].take(request, fits);
                left -= full * fits;
            } else {
                self.split(at, 1);
                self.runs[at].take(request, left);
                left = 0;
            }
            at += 1;
        }
        left == 0
    }

    /// Makes the run at `at` one of `count` nodes, with the others behind it.
    fn split(&mut self, at: usize, count: i64) {
        let rest = self.runs[at].count - count;
        if rest > 0 {
            let behind = Run { count: rest, ..self.runs[at].clone() };
            self.runs.insert(at + 1, behind);
            self.runs[at].count = count;
        }
    }
}

/// A component that is placed again and again.
struct Filling<'a> {
    replicas: i64,
    claim: &'a Claim,
    /// Nothing when no node has what it asks for.
    request: Option<Positioned>,
    /// Runs before this one have no room for it, and never will again.
    start: usize,
}
