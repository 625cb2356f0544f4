//! The rules a kind can have, and what they are for a kind without any of its own.

use machinery::{Cause, Object, names};
use serde_json::Value;

use crate::fields::{Fill, Map};
use crate::tables;

/// The rules of a kind. Objects are in the form of the kind's own version, old ones too. Functions that do nothing are the default; see [`Rules::PLAIN`].
#[derive(Debug)]
pub struct Rules {
    /// What is wrong with a name; empty for a good one. On create a `generateName` has already been
    /// replaced by the generated name.
    pub name: fn(&str) -> Vec<String>,
    /// Fills absent fields (versioned defaults). Idempotent.
    pub default: fn(&mut Object),
    /// Clears what a client may not set on create (status and the like) and computes what the server
    /// sets. `metadata.uid` and `metadata.name` are final by then (a Job's selector is made of the uid).
    pub prepare_create: fn(&mut Object),
    /// Carries over from `old` what an update through the main resource may not change: the status of
    /// kinds with a status subresource, among others.
    pub prepare_update: fn(new: &mut Object, old: &Object),
    /// Carries over from `old` what an update through `/status` may not change: everything but the
    /// status and the metadata (deployments: and the labels).
    pub prepare_status_update: fn(new: &mut Object, old: &Object),
    /// Everything wrong with a new object, besides its metadata.
    pub validate_create: fn(&Object) -> Vec<Cause>,
    /// Everything wrong with a change through the main resource, besides its metadata.
    pub validate_update: fn(new: &Object, old: &Object) -> Vec<Cause>,
    /// Everything wrong with a change through `/status`, besides its metadata.
    pub validate_status_update: fn(new: &Object, old: &Object) -> Vec<Cause>,
    /// Value of a field selector's label beyond metadata.name and metadata.namespace; `None` for an unknown label.
    pub field: fn(&Object, label: &str) -> Option<String>,
    /// Field labels that [`Rules::field`] knows.
    pub field_labels: &'static [&'static str],
    /// Columns of the table form.
    pub columns: fn() -> &'static [Column],
    /// Cells of one object, as many as columns. Ages are computed against `now` (seconds since the epoch).
    pub cells: fn(&Object, now: i64) -> Vec<Value>,
    /// `conditions` of the object's table row, for kinds whose rows have any (finished pods).
    pub row_conditions: fn(&Object) -> Option<Value>,
    /// Turns the stored form into this version's, where a kind is stored as another version ([`crate::Kind::storage`]).
    pub from_storage: fn(&mut Object),
    /// The way back of [`Rules::from_storage`].
    pub to_storage: fn(&mut Object),
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

impl Rules {
    /// The rules of a kind that has none of its own: any DNS subdomain as name, content taken as
    /// sent, a table of name and creation time.
    pub const PLAIN: Self = Self {
        name: names::dns_subdomain,
        default: |_| {},
        prepare_create: |_| {},
        prepare_update: |_, _| {},
        prepare_status_update: keep_all_but_status,
        validate_create: |_| Vec::new(),
        validate_update: |_, _| Vec::new(),
        validate_status_update: |_, _| Vec::new(),
        field: |_, _| None,
        field_labels: &[],
        columns: || tables::CREATED_AT,
        cells: tables::created_at,
        row_conditions: |_| None,
        from_storage: |_| {},
        to_storage: |_| {},
    };
}

/// Removes the status a client sent with a create.
pub(crate) fn drop_status(new: &mut Object) {
    new.fields_mut().remove("status");
}

/// Puts the stored status in the place of the one sent.
pub(crate) fn keep_status(new: &mut Object, old: &Object) {
    keep(new, old, "status");
}

/// Puts a stored top-level field in the place of the one sent.
pub(crate) fn keep(new: &mut Object, old: &Object, field: &str) {
    match old.fields().get(field) {
        Some(value) => new.fields_mut().insert(field.into(), value.clone()),
        None => new.fields_mut().remove(field),
    };
}

/// What a write to `/status` leaves as stored: every top-level field but the status and the metadata.
pub(crate) fn keep_all_but_status(new: &mut Object, old: &Object) {
    let taken = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata" | "status");
    new.fields_mut().retain(|key, _| taken(key));
    for (key, value) in old.fields() {
        if !taken(key) {
            new.fields_mut().insert(key.clone(), value.clone());
        }
    }
    new.fields_mut().fill("status", Map::new());
}

/// Puts the stored labels in the place of those sent.
pub(crate) fn keep_labels(new: &mut Object, old: &Object) {
    match old.metadata().and_then(|m| m.get("labels")) {
        Some(labels) => new.metadata_mut().insert("labels".into(), labels.clone()),
        None => new.metadata_mut().remove("labels"),
    };
}
