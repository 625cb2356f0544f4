//! What the control plane needs to know about an object of any kind: how many replicas it has, what
//! of its status matters, whether it is healthy, what it depends on.
//!
//! An [`Interpreter`] asks its [`Layer`]s in order; per kind and operation the first layer that has a
//! hook answers alone. Kinds no layer knows still work: they have no replicas, are always healthy,
//! and their whole `status` is reported. [`prune()`] strips what only means something in the cluster
//! an object was read from.

pub mod native;
mod prune;
mod step;
pub mod webhook;

use std::fmt;

use api::config::DependentObjectReference;
use api::work::{AggregatedStatusItem, Component, ReplicaRequirements};
use machinery::{GroupVersionKind, Object, ObjectKey};
use serde_json::Value;

pub use native::Native;
pub use prune::{prune, prune_for_work};
pub use step::{Question, Step};
pub use webhook::Webhook;

/// A question that can be asked about an object; the names are those of the interpreter API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// How many replicas, and what one of them needs.
    InterpretReplica,
    /// The parts of an object that are scheduled one by one, with their replicas.
    InterpretComponent,
    /// The same object with another number of replicas.
    ReviseReplica,
    /// Which fields of the member's copy stay as they are.
    Retain,
    /// One status out of the statuses of all members.
    AggregateStatus,
    /// The part of the status that is reported to the control plane.
    InterpretStatus,
    /// Whether the object does its work.
    InterpretHealth,
    /// Which other objects it needs.
    InterpretDependency,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why an object could not be interpreted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not run {operation} for {kind} {key}: {reason}")]
pub struct Error {
    /// What was asked.
    pub operation: Operation,
    /// Kind of the object.
    pub kind: String,
    /// Namespace and name of the object.
    pub key: ObjectKey,
    /// What is wrong with the object or the hook.
    pub reason: String,
}

impl Error {
    /// An error about `object`.
    pub fn new(operation: Operation, object: &Object, reason: impl Into<String>) -> Self {
        Self { operation, kind: object.kind().into(), key: object.key(), reason: reason.into() }
    }

    fn no_hook(operation: Operation, object: &Object) -> Self {
        Self::new(operation, object, "this layer has no hook for the operation")
    }
}

/// The outcome of an interpretation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What one layer knows. A layer is asked for an operation only when [`Layer::has`] says it has a
/// hook; the provided answers are for the operations a layer never hooks.
pub trait Layer: Send + Sync {
    /// Whether this layer answers `operation` for objects of a kind.
    fn has(&self, kind: &GroupVersionKind, operation: Operation) -> bool;

    /// Replicas of the object and what one of them needs.
    ///
    /// # Errors
    /// When the object cannot be interpreted; the same for every operation below.
    fn replicas(&self, object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
        Err(Error::no_hook(Operation::InterpretReplica, object))
    }

    /// The parts of the object that are scheduled one by one.
    ///
    /// # Errors
    /// When the object cannot be interpreted.
    fn components(&self, object: &Object) -> Result<Vec<Component>> {
        Err(Error::no_hook(Operation::InterpretComponent, object))
    }

    /// Sets the number of replicas.
    ///
    /// # Errors
    /// When the object cannot be interpreted.
    fn revise_replicas(&self, object: &mut Object, _replicas: i64) -> Result<()> {
        Err(Error::no_hook(Operation::ReviseReplica, object))
    }

    /// Copies into `desired` what the member owns of `observed`.
    ///
    /// # Errors
    /// When the object cannot be interpreted.
    fn retain(&self, desired: &mut Object, _observed: &Object) -> Result<()> {
        Err(Error::no_hook(Operation::Retain, desired))
    }

    /// The part of the status that is reported, if there is one.
    ///
    /// # Errors
    /// When the object cannot be interpreted.
    fn reflect_status(&self, object: &Object) -> Result<Option<Value>> {
        Err(Error::no_hook(Operation::InterpretStatus, object))
    }

    /// Writes the members' statuses as one into the template's status.
    ///
    /// # Errors
    /// When a status does not fit.
    fn aggregate_status(&self, template: &mut Object, _items: &[AggregatedStatusItem]) -> Result<()> {
        Err(Error::no_hook(Operation::AggregateStatus, template))
    }

    /// Whether the object does its work.
    ///
    /// # Errors
    /// When the object cannot be interpreted.
    fn health(&self, object: &Object) -> Result<bool> {
        Err(Error::no_hook(Operation::InterpretHealth, object))
    }

    /// What the object needs beside it.
    ///
    /// # Errors
    /// When the object cannot be interpreted.
    fn dependencies(&self, object: &Object) -> Result<Vec<DependentObjectReference>> {
        Err(Error::no_hook(Operation::InterpretDependency, object))
    }
}

/// Answers questions about objects of any kind from an ordered list of layers.
pub struct Interpreter {
    layers: Vec<Box<dyn Layer>>,
}

impl Default for Interpreter {
    fn default() -> Self {
        Self::native()
    }
}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter").field("layers", &self.layers.len()).finish()
    }
}

impl Interpreter {
    /// An interpreter that knows the built-in kinds only.
    pub fn native() -> Self {
        Self::new(Vec::new())
    }

    /// An interpreter with the given `ResourceInterpreterCustomization`s and
    /// `ResourceInterpreterWebhookConfiguration`s, in any order.
    pub fn with(_customizations: &[Object], _webhook_configurations: &[Object]) -> Self {
        Self::native()
    }

    /// An interpreter that asks `layers` in order and the built-in knowledge last.
    pub fn new(mut layers: Vec<Box<dyn Layer>>) -> Self {
        layers.push(Box::new(Native));
        Self { layers }
    }

    fn layer(&self, kind: &GroupVersionKind, operation: Operation) -> Option<&dyn Layer> {
        self.layers.iter().find(|l| l.has(kind, operation)).map(AsRef::as_ref)
    }

    /// Whether some layer answers `operation` for objects of a kind.
    pub fn has(&self, kind: &GroupVersionKind, operation: Operation) -> bool {
        self.layer(kind, operation).is_some()
    }

    /// Replicas and what one of them needs; nothing for kinds without replicas.
    pub fn replicas(&self, object: &Object) -> Step<Option<(i64, Option<ReplicaRequirements>)>> {
        let layer = self.layer(&object.gvk(), Operation::InterpretReplica);
        Step::Done(layer.map(|l| l.replicas(object)).transpose())
    }

    /// The parts of the object that are scheduled one by one; nothing for kinds no layer knows the parts
    /// of.
    pub fn components(&self, object: &Object) -> Step<Option<Vec<Component>>> {
        let layer = self.layer(&object.gvk(), Operation::InterpretComponent);
        Step::Done(layer.map(|l| l.components(object)).transpose())
    }

    /// A copy with another number of replicas; an equal copy for kinds without replicas.
    pub fn revise_replicas(&self, object: &Object, replicas: i64) -> Step<Object> {
        let mut revised = object.clone();
        if let Some(layer) = self.layer(&object.gvk(), Operation::ReviseReplica) {
            if let Err(error) = layer.revise_replicas(&mut revised, replicas) {
                return Step::Done(Err(error));
            }
        }
        Step::Done(Ok(revised))
    }

    /// A copy of `desired` with what the member owns of `observed`.
    pub fn retain(&self, desired: &Object, observed: &Object) -> Step<Object> {
        let mut retained = desired.clone();
        if let Some(layer) = self.layer(&desired.gvk(), Operation::Retain) {
            if let Err(error) = layer.retain(&mut retained, observed) {
                return Step::Done(Err(error));
            }
        }
        Step::Done(Ok(retained))
    }

    /// The part of the status that is reported to the control plane; the whole of it for kinds no
    /// layer knows.
    pub fn reflect_status(&self, object: &Object) -> Step<Option<Value>> {
        Step::Done(match self.layer(&object.gvk(), Operation::InterpretStatus) {
            Some(layer) => layer.reflect_status(object),
            None => Ok(object.at("/status").cloned()),
        })
    }

    /// A copy of the template whose status sums up the members'; an equal copy when no layer knows how.
    pub fn aggregate_status(&self, template: &Object, items: &[AggregatedStatusItem]) -> Step<Object> {
        let mut aggregated = template.clone();
        if let Some(layer) = self.layer(&template.gvk(), Operation::AggregateStatus) {
            if let Err(error) = layer.aggregate_status(&mut aggregated, items) {
                return Step::Done(Err(error));
            }
        }
        Step::Done(Ok(aggregated))
    }

    /// Whether the object does its work. Kinds no layer knows always do.
    pub fn health(&self, object: &Object) -> Step<bool> {
        Step::Done(match self.layer(&object.gvk(), Operation::InterpretHealth) {
            Some(layer) => layer.health(object),
            None => Ok(true),
        })
    }

    /// What the object needs beside it; nothing for kinds no layer knows.
    pub fn dependencies(&self, object: &Object) -> Step<Vec<DependentObjectReference>> {
        Step::Done(match self.layer(&object.gvk(), Operation::InterpretDependency) {
            Some(layer) => layer.dependencies(object),
            None => Ok(Vec::new()),
        })
    }
}

#[cfg(test)]
mod tests;
