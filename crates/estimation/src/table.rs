//! The capacities of many clusters side by side, so that asking all of them for one request walks a few
//! columns of numbers instead of thousands of lists.

use std::collections::BTreeMap;

use crate::capacity::Capacity;
use crate::request::Request;

/// Capacities by index.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Amounts left by resource; 0 where a cluster does not list it.
    columns: BTreeMap<String, Vec<i64>>,
    pods: Vec<i64>,
    /// Whether the capacity has resource models and has to be asked itself.
    modelled: Vec<bool>,
}

/// A request, ready to be compared with every row of a [`Table`].
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    table: &'a Table,
    /// Column and amount per requested resource; nothing for a resource that no cluster has.
    resources: Vec<(Option<&'a [i64]>, i64)>,
}

impl Table {
    /// The capacities in the order given.
    pub fn new<'a>(capacities: impl ExactSizeIterator<Item = &'a Capacity>) -> Self {
        let mut table = Self::default();
        let rows = capacities.len();
        for (row, capacity) in capacities.enumerate() {
            table.pods.push(capacity.pods());
            table.modelled.push(capacity.has_models());
            for (name, amount) in capacity.free() {
                if !table.columns.contains_key(name) {
                    table.columns.insert(name.to_owned(), vec![0; rows]);
                }
                if let Some(column) = table.columns.get_mut(name) {
                    column[row] = amount.0;
                }
            }
        }
        table
    }

    /// Prepares a request; nothing for none.
    pub fn ask(&self, request: Option<&Request>) -> Asked<'_> {
        let column = |name: &str| self.columns.get(name).map(Vec::as_slice);
        let resources = request.into_iter().flat_map(Request::iter);
        Asked { table: self, resources: resources.map(|(name, asked)| (column(name), asked.0)).collect() }
    }
}

impl Asked<'_> {
    /// What [`Capacity::max_replicas`] says of the row by its totals. Nothing when the row has resource models
    /// or does not exist.
    pub fn max_replicas(&self, row: usize) -> Option<i64> {
        if *self.table.modelled.get(row)? {
            return None;
        }
        let mut most = *self.table.pods.get(row)?;
        for (column, asked) in &self.resources {
            let left = column.map_or(0, |column| column[row]);
            // Most requests are small against what is left; a division is only worth its time when it can
            // bring the number down.
            if left < asked.saturating_mul(most) {
                most = (left / asked).max(0);
            }
        }
        Some(most)
    }
}

#[cfg(test)]
mod tests {
    use api::Quantity;
    use api::cluster::{Cluster, ResourceSummary};

    use super::*;
    use crate::Modeling;

    #[test]
    fn a_table_says_what_each_capacity_says() {
        let mut seed: u64 = 99;
        let mut next = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        let mut list = |most: u64| -> BTreeMap<String, Quantity> {
            let mut list = BTreeMap::new();
            for name in ["cpu", "memory", "pods", "nvidia.com/gpu"] {
                if next(4) > 0 {
                    list.insert(name.to_owned(), next(most).to_string().into());
                }
            }
            list
        };
        let capacities: Vec<Capacity> = (0..50)
            .map(|_| {
                let mut cluster = Cluster::default();
                cluster.status.resource_summary = Some(ResourceSummary {
                    allocatable: list(40),
                    allocated: list(15),
                    ..ResourceSummary::default()
                });
                Capacity::of(&cluster)
            })
            .collect();
        let table = Table::new(capacities.iter());
        for round in 0..100 {
            let request = (round > 0).then(|| Request::read(&list(5)).unwrap());
            let asked = table.ask(request.as_ref());
            for (row, capacity) in capacities.iter().enumerate() {
                let expected = capacity.max_replicas(request.as_ref(), Modeling::Used);
                assert_eq!(asked.max_replicas(row), Some(expected), "{capacity:?} {request:?}");
            }
            assert_eq!(asked.max_replicas(capacities.len()), None);
        }
    }
}
