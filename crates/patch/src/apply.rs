//! Server-side apply: a manager states the fields it wants; the server merges them, refuses to take
//! fields from other managers unless told to, and removes what the manager no longer states.
//!
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

use machinery::status::Details;
use machinery::{Cause, Object, Reason, Status};
use schema::Schema;
use serde_json::{Map, Value};

use crate::fields::{FieldSet, PathElement};
use crate::managed::{self, Entry, Operation, Writer};
use crate::node::Node;
use crate::typed;

/// The annotation in which `kubectl apply` keeps what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The one manager for which that annotation is kept in step.
const KUBECTL: &str = "kubectl";

/// What to do about fields that other managers own with other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse the apply.
    Fail,
    /// Take the fields over (`force=true`).
    TakeOver,
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The other manager as messages name it, with subresource and version.
    pub manager: String,
    /// The field, for example `.spec.replicas`.
    pub field: String,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration carries managed fields, which only the server writes.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// The configuration has no `apiVersion` or `kind`.
    #[error("invalid object type: {0}")]
    NoKind(String),
    /// The configuration does not fit the schema.
    #[error("failed to create typed patch object ({object}): {problem}")]
    Typed {
        /// Namespace, name and kind of the configuration.
        object: String,
        /// Every field that does not fit, and why.
        problem: String,
    },
    /// Other managers own fields with other values.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
}

impl Error {
    /// What the API server answers: 400, 500 without a reason, or 409 with a cause per field.
    pub fn status(&self) -> Status {
        match self {
            Self::ManagedFields | Self::NoKind(_) => Status::bad_request(self.to_string()),
            Self::Typed { .. } => Status::new(Reason::Unknown, self.to_string()),
            Self::Conflicts(conflicts) => {
                let causes = conflicts.iter().map(|conflict| Cause {
                    reason: "FieldManagerConflict".into(),
                    message: format!("conflict with {}", conflict.manager),
                    field: conflict.field.clone(),
                });
                let details = Details { causes: causes.collect(), ..Details::default() };
                Status { details: Some(Box::new(details)), ..Status::new(Reason::Conflict, self.to_string()) }
            }
        }
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.field);
    }
    let mut lines = Vec::new();
    let mut manager = "";
    for conflict in conflicts {
        if conflict.manager != manager {
            manager = &conflict.manager;
            lines.push(format!("conflicts with {manager}:"));
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Applies a configuration and returns the whole new object with its managed fields.
///
/// *Flow.* Check the configuration against the schema; merge it into `live`; remove what this manager
/// applied before, states no longer, and nobody else owns; find conflicts; note the new owners.
/// *Guarantees.* Applying the same configuration again returns `live` unchanged, times included.
/// *Assumptions.* `live` (absent on create) and `config` are in the version of `schema`; unknown fields of
/// custom resources have been pruned from `config`. `reset` as in [`managed::track_update`].
///
/// # Errors
/// [`Error`], whose [`Error::status`] is the API server's answer.
pub fn apply(
    live: Option<&Object>,
    config: &Object,
    writer: &Writer<'_>,
    on_conflict: OnConflict,
    schema: &Schema,
    reset: &FieldSet,
) -> Result<Object, Error> {
    let node = Node::root(schema);
    check(config, node)?;
    let mut entries = live.map(managed::entries_of).unwrap_or_default();
    let old = without_managed_fields(live);
    if live.is_some() && entries.is_empty() {
        let owner = Writer { manager: managed::BEFORE_FIRST_APPLY, ..*writer };
        let changes = managed::ownable_changes(&Value::Object(Map::new()), &old, schema, reset);
        entries.push(Entry::new(&owner, Operation::Update, changes.changed));
    }

    let mut wanted = typed::fields_of(config.value(), node);
    managed::strip(&mut wanted, reset);
    let own = entries.iter().position(|e| e.is_of(writer, Operation::Apply)).map(|i| entries.remove(i));
    let merged = typed::merge(Some(&old), config.value(), node).unwrap_or_else(|| config.value().clone());
    let merged = prune(merged, own.as_ref().map(|e| &e.fields), &wanted, &entries, node);

    let changes = managed::ownable_changes(&old, &merged, schema, reset);
    if on_conflict == OnConflict::Fail {
        let conflicts = conflicts(&entries, &changes.changed, &allowed_to_kubectl(live, writer, node));
        if !conflicts.is_empty() {
            return Err(Error::Conflicts(conflicts));
        }
    }
    for entry in &mut entries {
        entry.fields.subtract(&changes.changed);
        entry.fields.subtract(&changes.removed);
    }
    let mut entry = Entry::new(writer, Operation::Apply, wanted);
    let settled = |own: &Entry| own.fields == entry.fields && own.api_version == entry.api_version;
    if let Some(own) = own.filter(|own| settled(own) && changes.is_empty() && !own.time.is_empty()) {
        entry.time = own.time;
    }
    entries.push(entry);

    let mut result = Object::from_value(merged).unwrap_or_else(|_| config.clone());
    keep_last_applied(&mut result, live, config, writer);
    managed::store(&mut result, entries);
    Ok(result)
}

fn check(config: &Object, node: Node<'_>) -> Result<(), Error> {
    if config.metadata().is_some_and(|m| m.get("managedFields").is_some_and(|f| !f.is_null())) {
        return Err(Error::ManagedFields);
    }
    let gvk = config.gvk();
    let kind = format!("{}/{}, Kind={}", gvk.group, gvk.version, gvk.kind);
    if gvk.version.is_empty() || gvk.kind.is_empty() {
        return Err(Error::NoKind(kind));
    }
    let problem = match typed::problems(config.value(), node).as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    Err(Error::Typed { object: format!("{}/{}; {kind}", config.namespace(), config.name()), problem })
}

fn without_managed_fields(live: Option<&Object>) -> Value {
    let mut value = live.map_or_else(|| Value::Object(Map::new()), |l| l.value().clone());
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

/// Takes out of the merged object what the manager applied last, does not state now, and nobody owns.
fn prune(
    merged: Value,
    last: Option<&FieldSet>,
    wanted: &FieldSet,
    others: &[Entry],
    node: Node<'_>,
) -> Value {
    let Some(last) = last.filter(|last| !last.difference(wanted).is_empty()) else { return merged };
    let with_structs = |set: &FieldSet| typed::with_structs(set, node);
    let present = |value: &Value| with_structs(&typed::fields_of(value, node));
    let last = with_structs(last);
    let everything = present(&merged);

    let mut owned = wanted.clone();
    // The object's name is nobody's and stays, whatever else of the metadata goes.
    owned.insert(&["metadata", "name"].map(|field| PathElement::Field(field.into())));
    for entry in others {
        owned.union_with(&entry.fields);
    }
    let without = |unwanted: &FieldSet| typed::remove(merged.clone(), unwanted, &owned, node);

    // First without everything applied last, then back with what anybody owns…
    let kept = present(&without(&last)).union(&with_structs(&owned));
    let pruned = without(&everything.difference(&kept));

    // …and with what was never this manager's.
    without(&everything.difference(&present(&pruned)).intersection(&last))
}

fn conflicts(others: &[Entry], changed: &FieldSet, allowed: &FieldSet) -> Vec<Conflict> {
    let mut others: Vec<_> = others.iter().collect();
    others.sort_by_key(|e| (&e.manager, e.operation, &e.api_version, &e.subresource));
    let mut conflicts = Vec::new();
    for entry in others {
        let manager = describe(entry);
        let fields = entry.fields.intersection(changed).difference(allowed).paths();
        conflicts.extend(fields.into_iter().map(|field| Conflict { manager: manager.clone(), field }));
    }
    conflicts
}

/// A manager as conflict messages name it.
fn describe(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", entry.subresource));
    }
    if entry.operation == Operation::Update {
        text.push_str(&format!(" using {}", entry.api_version));
    }
    text
}

/// What `kubectl` may take over without force: the fields that client-side apply set before.
fn allowed_to_kubectl(live: Option<&Object>, writer: &Writer<'_>, node: Node<'_>) -> FieldSet {
    let last_applied = live.filter(|_| writer.manager == KUBECTL).and_then(|l| l.annotation(LAST_APPLIED));
    let last_applied = last_applied.and_then(|text| serde_json::from_str::<Value>(text).ok());
    last_applied.map_or(FieldSet::EMPTY, |value| typed::fields_of(&value, node))
}

/// After an apply by `kubectl`, the annotation of client-side apply says what was applied.
fn keep_last_applied(result: &mut Object, live: Option<&Object>, config: &Object, writer: &Writer<'_>) {
    if writer.manager != KUBECTL || live.is_none_or(|l| l.annotation(LAST_APPLIED).is_none()) {
        return;
    }
    let mut applied = config.clone();
    applied.metadata_mut().remove("managedFields");
    applied.remove_annotation(LAST_APPLIED);
    result.set_annotation(LAST_APPLIED, &format!("{}\n", applied.value()));
}

#[cfg(test)]
mod tests;
