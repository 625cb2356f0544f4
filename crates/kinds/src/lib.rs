//! The built-in Kubernetes kinds: what is served under which name, how it is defaulted, what is
//! checked, what an update may change, and how `kubectl get` shows it.
//!
//! Everything here is a pure function of the object. The API server calls these at fixed places of a
//! write: decode → [`Kind::default`] → admission → name, uid and creation time →
//! [`Rules::prepare_create`]/[`Rules::prepare_update`] → [`Rules::validate_create`]/
//! [`Rules::validate_update`] → [`Rules::to_storage`] → store.
//!
//! The rules of a kind are in the file of its group; [`all`] is the table that ties them together.

use machinery::{GroupVersionKind, GroupVersionResource};

mod table;

mod admissionregistration;
mod apiextensions;
mod apiregistration;
mod apps;
mod autoscaling;
mod batch;
pub mod certificates;
mod coordination;
mod core;
mod discovery;
mod flowcontrol;
mod networking;
pub mod policy;
mod rbac;
mod resource;
mod runtime_class;
pub mod scale;
mod scheduling;
mod storage;

mod checks;
mod fields;
mod pod_spec;
mod quantities;
mod rules;
mod tables;

pub use crate::core::{limits, namespace, node, pod, service, usage};
pub use rules::{Column, Rules};
pub use table::{all, find, find_kind};

/// One built-in kind in one version. All text is static: the table costs no allocation.
#[derive(Debug)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind, for example `Deployment`.
    pub kind: &'static str,
    /// Plural name in URLs.
    pub plural: &'static str,
    /// Lower-case singular name.
    pub singular: &'static str,
    /// Short names of kubectl.
    pub short_names: &'static [&'static str],
    /// Categories, for example `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether objects are stored. Reviews and bindings are answered and forgotten; component
    /// statuses are made up.
    pub stored: bool,
    /// Group and version under which objects are stored. Differs from the kind's own for the second
    /// of two versions of the same objects: HPAs of autoscaling/v1, and events of events.k8s.io.
    pub storage: (&'static str, &'static str),
    /// Verbs of the main resource, in discovery's order.
    pub verbs: &'static [&'static str],
    /// Subresources besides the main resource, in discovery's order.
    pub subresources: &'static [Subresource],
    /// How `metadata.generation` behaves.
    pub generation: Generation,
    /// Whether a PUT to a missing name creates the object.
    pub create_on_update: bool,
    /// Whether a delete without a propagation policy orphans the dependents (jobs and replication
    /// controllers of the first API); all others are collected in the background.
    pub orphans_dependents: bool,
    /// What a `Warning` header says about every use of the kind; empty for kinds with a future.
    pub deprecation: &'static str,
    /// Whether a finished delete answers the object instead of a `Status`.
    pub returns_deleted: bool,
    /// The rules of the kind.
    pub rules: &'static Rules,
}

/// A subresource of a kind.
#[derive(Debug)]
pub struct Subresource {
    /// Name after the slash, for example `status`.
    pub name: &'static str,
    /// Group of the kind it speaks. Discovery mentions group and version only where they differ from
    /// the parent's.
    pub group: &'static str,
    /// Version of the kind it speaks.
    pub version: &'static str,
    /// Kind it speaks, for example `Scale`.
    pub kind: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

/// When `metadata.generation` grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The kind has none.
    None,
    /// Grows when `spec` changes.
    Spec,
    /// Grows when anything outside metadata and status changes.
    Content,
    /// Grows when `spec` or the annotations change (Deployments).
    SpecAndAnnotations,
    /// Grows when labels or anything outside metadata changes (EndpointSlices).
    ContentAndLabels,
}

impl Kind {
    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.group, self.version, self.kind)
    }

    /// Group, version and plural name.
    pub fn gvr(&self) -> GroupVersionResource {
        GroupVersionResource::new(self.group, self.version, self.plural)
    }

    /// Group, version and kind of the stored form.
    pub fn storage_gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.storage.0, self.storage.1, self.kind)
    }

    /// Whether objects are stored in another version's form, so that [`Rules::from_storage`] and
    /// [`Rules::to_storage`] have work to do.
    pub fn converts(&self) -> bool {
        self.storage != (self.group, self.version)
    }

    /// Brings a decoded object into the form that is admitted and stored: fields that are `null` are absent,
    /// absent fields have their defaults. Idempotent.
    pub fn default(&self, object: &mut machinery::Object) {
        // The content of a controller revision is another object, kept as its writer wrote it.
        if self.kind != "ControllerRevision" {
            fields::drop_nulls(object.fields_mut());
        }
        (self.rules.default)(object);
    }

    /// A subresource by the name after the slash.
    pub fn subresource(&self, name: &str) -> Option<&'static Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Whether the kind has a status subresource.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// Value of a field selector's label, `None` for a label the kind does not know.
    pub fn field(&self, object: &machinery::Object, label: &str) -> Option<String> {
        match label {
            "metadata.name" => Some(object.name().to_owned()),
            "metadata.namespace" if self.namespaced => Some(object.namespace().to_owned()),
            _ => (self.rules.field)(object, label),
        }
    }

    /// Whether [`Kind::field`] knows a label.
    pub fn knows_field(&self, label: &str) -> bool {
        label == "metadata.name"
            || (label == "metadata.namespace" && self.namespaced)
            || self.rules.field_labels.contains(&label)
    }
}

#[cfg(test)]
mod tests;
