//! The Karmada kinds and every well-known name; CRDs are generated from it.
//!
//! One module per API group holds the kinds of the group as plain structs. Each kind is a [`Resource`]: it
//! knows its group, version and plural, reads itself from a [`machinery::Object`] and writes itself as one.
//! What exists once per namespace and once per cluster has one view: [`policy::Policy`],
//! [`policy::Override`] and [`work::Binding`].
//!
//! A field that Kubernetes leaves out when it has its zero value is left out here too, so that an object
//! survives being read and written. The same rule says which fields the CRDs require: those always written.

pub mod meta;
pub mod resource;

pub mod policy;
pub mod work;

pub mod cluster;
pub mod config;

pub mod apps;
pub mod autoscaling;
pub mod multicluster;
pub mod networking;
pub mod remedy;
pub mod search;

pub mod gates;
pub mod names;
pub mod naming;

mod crd;

pub use crd::{crds, crds_with_conversion};
pub use meta::{Condition, LabelSelector, ObjectMeta, Quantity, Taint, Time, Toleration};
pub use resource::{KINDS, Kind, Resource, Scope};

#[cfg(test)]
mod tests;
