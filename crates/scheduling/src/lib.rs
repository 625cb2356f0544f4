//! Filter, score, select and divide: where a binding's replicas go, and why.
//!
//! ```text
//! Snapshot ─▶ filter ─▶ score ─▶ select ─▶ divide ─▶ clusters with replicas
//!             refused   order    spread    strategy
//!                                constraints
//! ```
//!
//! [`schedule`] is the whole pipeline; [`needs_scheduling`] says when to run it. Both are pure. Clusters
//! are handled by their rank, their place in the snapshot, which is sorted by name: comparing ranks
//! compares names, and nothing on the way copies a name.

mod affinity;
mod divide;
mod error;
mod filter;
mod input;
mod regions;
mod schedule;
mod select;
mod trace;
mod trigger;
pub mod webster;

pub use divide::Strategy;
pub use error::Error;
pub use filter::{Plugin, Plugins, Refusal};
pub use input::{Estimate, Features, Input, Member, Peers, Snapshot, Step};
pub use schedule::{Outcome, schedule};
pub use trace::{Attempt, Considered, Division, Mode, Region, Share, Trace};
pub use trigger::{Reason, needs_scheduling};

#[cfg(test)]
mod tests;
