//! How many more replicas fit a cluster, judged by what the cluster reports about itself.
//!
//! Two sources, both in `Cluster`: the totals of `status.resourceSummary`, and the histogram of node
//! sizes (`spec.resourceModels` with `allocatableModelings`), which knows that a large replica does not
//! fit many small nodes. A [`Capacity`] is taken from a Cluster once per change and then asked for
//! every binding; asking compares a few numbers and allocates nothing.
//!
//! Upstream: [`pkg/estimator/client/general.go`].
//!
//! [`pkg/estimator/client/general.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/estimator/client/general.go

mod capacity;
mod request;
mod simulation;

pub use capacity::Capacity;
pub use request::{Amount, Component, Error, Request};

/// Whether resource models take part (gate `CustomizedClusterResourceModeling`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Modeling {
    /// Models are used where a cluster has them.
    #[default]
    Used,
    /// Only the totals count.
    Ignored,
}

#[cfg(test)]
mod tests;
