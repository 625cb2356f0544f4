//! Programs, clients and patience for tests that run the real thing.
//!
//! A test starts a [`Program`] in a folder of its own, looks at what it serves through a [`Cluster`],
//! drives it with a [`Kubectl`] as users do, and waits with [`eventually`]: for a condition, never for a
//! while.

mod cluster;
mod folder;
mod kubectl;
mod patience;
mod program;
pub mod tools;

pub use cluster::{Cluster, background, block_on};
pub use folder::Folder;
pub use kubectl::{Kubectl, Outcome, Running, Version, finish};
pub use patience::eventually;
pub use program::{Program, free_port};
