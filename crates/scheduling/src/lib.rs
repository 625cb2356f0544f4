//! Filter, score, select and divide: where a binding's replicas go, and why.
//!
//! ```text
//! Snapshot ─▶ filter ─▶ score ─▶ select ─▶ divide ─▶ clusters with replicas
//!             refused   order    spread    strategy
//!                                constraints
//! ```
//!
//! [`schedule`] is the whole pipeline; [`needs_scheduling`] says when to run it, [`estimates_wanted`] which
//! estimates to get first, [`Assumptions`] what earlier results have taken. All of it is pure. Clusters
//! are handled by their rank, their place in the snapshot, which is sorted by name: comparing ranks
//! compares names, and nothing on the way copies a name. The [`Trace`] of a decision is numbers, too, until
//! somebody reads it.

mod affinity;
mod assumptions;
mod divide;
mod error;
pub mod explain;
mod filter;
mod groups;
mod input;
mod schedule;
mod select;
mod topology;
mod trace;
mod trigger;
mod wanted;
pub mod webster;

pub use assumptions::{AssumedObject, Assumptions};
pub use divide::{Mode, Strategy};
pub use error::Error;
pub use explain::{Explanation, Hint};
pub use filter::{Plugin, Plugins, Refusal};
pub use input::{Estimate, Features, Input, Member, Peers, Snapshot, Step};
pub use schedule::{Outcome, schedule};
pub use trace::Trace;
pub use trigger::{Reason, needs_scheduling};
pub use wanted::{Wanted, What, estimates_wanted};

#[cfg(test)]
mod tests;
