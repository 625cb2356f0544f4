//! Kinds of the core group.

pub(crate) mod config;
pub(crate) mod endpoints;
pub(crate) mod event;
pub mod limits;
pub mod namespace;
pub mod node;
pub mod pod;
pub(crate) mod pod_table;
pub(crate) mod quota;
pub(crate) mod replication;
pub mod service;
pub mod usage;
pub(crate) mod volume;
