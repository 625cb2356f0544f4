//! How many more replicas fit a cluster.
//!
//! ```text
//! Capacity   what a cluster reports about itself: totals, and a histogram of node sizes
//! Nodes      its real nodes and pods, for an estimator that sits beside the cluster
//! quota      the ResourceQuotas of a namespace
//! ```
//!
//! A [`Capacity`] is taken from a Cluster once per change and then asked for every binding; asking
//! compares a few numbers and allocates nothing. The histogram (`spec.resourceModels` with
//! `allocatableModelings`) knows that a large replica does not fit many small nodes; it and real nodes are
//! filled by the same simulator.
//!
//! Upstream: [`pkg/estimator/client/general.go`] and [`pkg/estimator/server`].
//!
//! [`pkg/estimator/client/general.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/estimator/client/general.go
//! [`pkg/estimator/server`]: https://github.com/karmada-io/karmada/tree/master/pkg/estimator/server

mod capacity;
mod claim;
mod nodes;
pub mod quota;
mod request;
mod simulation;
mod table;
mod unschedulable;

pub use capacity::Capacity;
pub use claim::{Claim, keeps_away, tolerates};
pub use nodes::Nodes;
pub use quota::Quota;
pub use request::{Amount, Assumed, Component, Error, Request, Totals};
pub use table::{Asked, Table};
pub use unschedulable::{Unsupported, unschedulable_replicas};

/// No limit, as the estimator protocol counts it: the largest 32-bit number.
pub const NO_LIMIT: i64 = i32::MAX as i64;

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
