//! What a cluster has left.

use std::collections::BTreeMap;

use api::cluster::Cluster;
use machinery::quantity::Quantity;

use crate::Modeling;
use crate::request::{Amount, Component, Request};
use crate::simulation::Nodes;

/// What a cluster has left, ready to be compared with requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capacity {
    pods: i64,
    /// By name. Resources the cluster does not list are absent, which is different from used up only
    /// in the telling: both fit nothing.
    free: Vec<(String, Amount)>,
    /// Nothing when the cluster has no usable models.
    nodes: Option<Nodes>,
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
                let offered = amount(name, text)?;
                let left =
                    offered.minus(listed(&summary.allocated, name)).minus(listed(&summary.allocating, name));
                Some((name.clone(), left))
            })
            .collect();
        let pods = find(&free, "pods").map_or(0, |pods| pods.0.max(0));
        Self { pods, free, nodes: Nodes::new(&cluster.spec.resource_models, &summary.allocatable_modelings) }
    }

    /// How many more replicas fit. Without a request only pod slots count.
    pub fn max_replicas(&self, request: Option<&Request>, modeling: Modeling) -> i64 {
        let Some(request) = request.filter(|_| self.pods > 0) else { return self.pods };
        match &self.nodes {
            Some(nodes) if modeling == Modeling::Used => self.pods.min(nodes.max_replicas(request)),
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

    /// The capacity once the given replicas, already promised but not reported yet, have arrived.
    #[must_use]
    pub fn after(&self, promised: &[Component]) -> Self {
        let mut left = self.clone();
        for component in promised {
            left.pods = left.pods.saturating_sub(component.replicas.max(0)).max(0);
            for (name, amount) in component.request.iter() {
                if let Ok(at) = left.free.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
                    left.free[at].1 = left.free[at].1.minus(amount.times(component.replicas.max(0)));
                }
            }
        }
        if let Some(nodes) = &mut left.nodes {
            nodes.place(promised);
        }
        left
    }

    /// Whether there is more of anything than there was: what did not fit before may fit now.
    pub fn has_grown_since(&self, before: &Self) -> bool {
        self.pods > before.pods
            || self.nodes != before.nodes
            || self.free.iter().any(|(name, free)| find(&before.free, name).is_none_or(|was| *free > was))
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
    Quantity::parse(text.as_str()).ok().map(|quantity| Amount::of(name, quantity))
}

fn listed(list: &BTreeMap<String, api::Quantity>, name: &str) -> Amount {
    list.get(name).and_then(|text| amount(name, text)).unwrap_or_default()
}

/// The amount of a resource in a list sorted by name.
pub(crate) fn find(amounts: &[(String, Amount)], name: &str) -> Option<Amount> {
    amounts.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok().map(|at| amounts[at].1)
}
