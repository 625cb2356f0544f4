//! The built-in Kubernetes kinds: what is served under which name, how it is defaulted, what is
//! checked, what an update may change, and how `kubectl get` shows it.
//!
//! Everything here is a pure function of the object. The API server calls these at fixed places of a
//! write: decode → [`Kind::default`] → admission → [`Kind::prepare_create`]/[`Kind::prepare_update`] →
//! metadata → [`Kind::validate_create`]/[`Kind::validate_update`] → store.

use machinery::{Cause, GroupVersionKind, GroupVersionResource, Object};
use serde_json::Value;

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
    /// Verbs of the main resource, in discovery's order.
    pub verbs: &'static [&'static str],
    /// Subresources besides the main resource.
    pub subresources: &'static [Subresource],
    /// How `metadata.generation` behaves.
    pub generation: Generation,
    /// Whether a PUT to a missing name creates the object.
    pub create_on_update: bool,
    /// The rules of the kind.
    pub rules: &'static Rules,
}

/// A subresource of a kind.
#[derive(Debug)]
pub struct Subresource {
    /// Name after the slash, for example `status`.
    pub name: &'static str,
    /// Group of the kind it speaks.
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

/// The rules of a kind. Functions that do nothing are the default; see [`Rules::PLAIN`].
#[derive(Debug)]
pub struct Rules {
    /// Fills absent fields (versioned defaults). Idempotent.
    pub default: fn(&mut Object),
    /// Clears what a client may not set on create (status and the like) and computes what the server sets.
    pub prepare_create: fn(&mut Object),
    /// Carries over from `old` what an update through the main resource may not change.
    pub prepare_update: fn(new: &mut Object, old: &Object),
    /// Everything wrong with a new object.
    pub validate_create: fn(&Object) -> Vec<Cause>,
    /// Everything wrong with a change.
    pub validate_update: fn(new: &Object, old: &Object) -> Vec<Cause>,
    /// Value of a field selector's label beyond metadata.name and metadata.namespace; `None` for an unknown label.
    pub field: fn(&Object, label: &str) -> Option<String>,
    /// Field labels that [`Rules::field`] knows.
    pub field_labels: &'static [&'static str],
    /// Columns of the table form.
    pub columns: fn() -> &'static [Column],
    /// Cells of one object, as many as columns. Ages are computed against `now` (seconds since the epoch).
    pub cells: fn(&Object, now: i64) -> Vec<Value>,
}

/// A column of the table form of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// JSON type: `string`, `integer`, `date`…
    pub ty: &'static str,
    /// `name` for the name column, else empty.
    pub format: &'static str,
    /// 0 is always shown, above 0 only with `-o wide`.
    pub priority: u8,
    /// Explanation.
    pub description: &'static str,
}

/// Every built-in kind, in discovery's order of groups and versions.
pub fn all() -> &'static [Kind] {
    &[]
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
}
