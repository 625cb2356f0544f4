//! What a cluster has left.

use std::collections::BTreeMap;

use api::cluster::Cluster;
use machinery::quantity::Quantity;

use crate::Modeling;
use crate::request::{Amount, Assumed, Component, Request, Totals};
use crate::simulation::Bins;

/// What a cluster has left, ready to be compared with requests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Capacity {
    pods: i64,
    /// By name. Resources the cluster does not list are absent, which is different from used up only
    /// in the telling: both fit nothing.
    free: Vec<(String, Amount)>,
    /// Nothing when the cluster has no usable models.
    nodes: Option<Bins>,
}

impl Capacity {
    /// Takes what is left from a cluster's report. A cluster that reports no resources has none. Amounts
    /// that are not quantities count as not reported. Unusable models (no grades, a negative count) count
    /// as no models; the totals are used then.
    pub fn of(cluster: &Cluster) -> Self {
        let Some(summary) = &cluster.status.resource_summary else { return Self::default() };
        let free: Vec<(String, Amount)> = summary
            .allocatable
            .iter()
            .filter_map(|(name, text)| {
                // Exact until the end: rounding each part would lose up to a unit per part.
                let left =
                    quantity(text)? - listed(&summary.allocated, name) - listed(&summary.allocating, name);
                Some((name.clone(), Amount::of(name, left)))
            })
            .collect();
        let pods = |list| listed(list, "pods").value();
        let slots = pods(&summary.allocatable)
            .saturating_sub(pods(&summary.allocated))
            .saturating_sub(pods(&summary.allocating));
        let nodes = Bins::of_models(&cluster.spec.resource_models, &summary.allocatable_modelings);
        Self { pods: slots.max(0), free, nodes }
    }

    /// How many more replicas fit. Without a request only pod slots count.
    pub fn max_replicas(&self, request: Option<&Request>, modeling: Modeling) -> i64 {
        let Some(request) = request.filter(|_| self.pods > 0) else { return self.pods };
        match &self.nodes {
            Some(nodes) if modeling == Modeling::Used => {
                // The models know no node's labels and taints.
                self.pods.min(nodes.max_replicas(request, &crate::Claim::default()))
            }
            _ => self.within_totals(request, self.pods),
        }
    }

    /// How many more sets of components fit, each set complete.
    pub fn max_sets(&self, components: &[Component], modeling: Modeling) -> i64 {
        let pods_per_set = components.iter().map(|c| c.replicas).fold(0, i64::saturating_add);
        if pods_per_set <= 0 || self.pods <= 0 {
            return self.pods;
        }
        let bound = self.within_totals(&Request::of_set(components), self.pods / pods_per_set);
        match &self.nodes {
            Some(nodes) if modeling == Modeling::Used => nodes.max_sets(components, bound),
            _ => bound,
        }
    }

    /// The capacity once the workloads that are on their way have arrived. On modelled nodes they are
    /// placed in the order given, each once; of one that does not fit, what fits is placed.
    #[must_use]
    pub fn after<'a>(&self, assumed: impl IntoIterator<Item = &'a Assumed>) -> Self {
        let mut left = self.clone();
        for workload in assumed {
            left.take(&workload.components);
        }
        left
    }

    /// [`Capacity::after`] for a capacity without resource models, from the sum of the workloads.
    #[must_use]
    pub fn after_totals(&self, assumed: &Totals) -> Self {
        let left = |(name, free): &(String, Amount)| (name.clone(), free.minus(assumed.of(name)));
        Self {
            pods: self.pods.saturating_sub(assumed.pods()).max(0),
            free: self.free.iter().map(left).collect(),
            nodes: self.nodes.clone(),
        }
    }

    fn take(&mut self, components: &[Component]) {
        for component in components {
            self.pods = self.pods.saturating_sub(component.replicas.max(0)).max(0);
            for (name, amount) in component.request.iter() {
                if let Ok(at) = self.free.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
                    self.free[at].1 = self.free[at].1.minus(amount.times(component.replicas.max(0)));
                }
            }
        }
        if let Some(nodes) = &mut self.nodes {
            nodes.place(components);
        }
    }

    /// Whether there is more of anything than there was: what did not fit before may fit now.
    pub fn has_grown_since(&self, before: &Self) -> bool {
        self.pods > before.pods
            || self.nodes != before.nodes
            || self.free.iter().any(|(name, free)| find(&before.free, name).is_none_or(|was| *free > was))
    }

    /// Free pod slots.
    pub(crate) fn pods(&self) -> i64 {
        self.pods
    }

    /// What is left by resource, in name order.
    pub(crate) fn free(&self) -> impl Iterator<Item = (&str, Amount)> {
        self.free.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    /// Whether the cluster has usable resource models.
    pub fn has_models(&self) -> bool {
        self.nodes.is_some()
    }

    /// What keeps even one replica out of the cluster, by its totals: the resource (`pods` for the slots), what
    /// is asked and what is left. Nothing when one would fit.
    pub fn lacks<'a>(&self, request: Option<&'a Request>) -> Option<(&'a str, Amount, Amount)> {
        if self.pods <= 0 {
            return Some(("pods", Amount(1), Amount(0)));
        }
        let asked = request.into_iter().flat_map(Request::iter);
        asked
            .map(|(name, asked)| (name, asked, find(&self.free, name).unwrap_or_default()))
            .find(|(_, asked, left)| left < asked)
    }

    fn within_totals(&self, request: &Request, bound: i64) -> i64 {
        request.iter().fold(bound, |bound, (name, asked)| {
            let fits = find(&self.free, name).and_then(|free| free.fits(asked)).unwrap_or(0);
            bound.min(fits)
        })
    }
}

/// Reads an amount; nothing when it is not a quantity.
pub(crate) fn amount(name: &str, text: &api::Quantity) -> Option<Amount> {
    quantity(text).map(|quantity| Amount::of(name, quantity))
}

fn quantity(text: &api::Quantity) -> Option<Quantity> {
    Quantity::parse(text.as_str()).ok()
}

fn listed(list: &BTreeMap<String, api::Quantity>, name: &str) -> Quantity {
    list.get(name).and_then(quantity).unwrap_or(Quantity::ZERO)
}

/// The amount of a resource in a list sorted by name.
pub(crate) fn find(amounts: &[(String, Amount)], name: &str) -> Option<Amount> {
    amounts.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|at| amounts[at].1)
}
