//! `metadata.managedFields`: which manager set which field, kept up to date by every write.
//!
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>

use std::sync::LazyLock;

use jiff::Timestamp;
use machinery::{Object, time};
use schema::Schema;
use serde_json::{Map, Value, json};

use crate::compare::{self, Comparison};
use crate::fields::FieldSet;
use crate::node::Node;

/// `Update` entries an object keeps; the oldest of more are merged under [`ANCIENT`].
const UPDATE_ENTRIES_MAX: usize = 10;
/// Manager of merged old entries.
const ANCIENT: &str = "ancient-changes";
/// Owner of everything that was there before an object was first tracked.
pub(crate) const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Metadata the server sets or that identifies the object; nobody owns it.
const UNTRACKED_METADATA: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// The fields that nobody owns in any kind.
static UNTRACKED: LazyLock<(FieldSet, FieldSet)> = LazyLock::new(|| {
    (FieldSet::of_fields(&["apiVersion", "kind"]), FieldSet::of_fields(&UNTRACKED_METADATA))
});

/// Who writes, through what, when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Field manager, at most 128 bytes.
    pub manager: &'a str,
    /// Subresource that is written, empty for the object itself.
    pub subresource: &'a str,
    /// `apiVersion` of the request; the fields are named in this version.
    pub api_version: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// How an entry's owner wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// One entry of `managedFields`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    /// RFC 3339, empty when unknown. Text of one form, so it sorts by time.
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

impl Entry {
    pub(crate) fn new(writer: &Writer<'_>, operation: Operation, fields: FieldSet) -> Self {
        Self {
            manager: writer.manager.into(),
            operation,
            api_version: writer.api_version.into(),
            subresource: writer.subresource.into(),
            time: time::rfc3339(writer.now),
            fields,
        }
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operation = match value.get("operation").and_then(Value::as_str)? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        if !matches!(text("fieldsType").as_str(), "FieldsV1") || text("apiVersion").is_empty() {
            return None;
        }
        let fields = value.get("fieldsV1").map_or(Some(FieldSet::EMPTY), FieldSet::from_json)?;
        Some(Self {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields,
        })
    }

    fn to_json(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": match self.operation {
                Operation::Apply => "Apply",
                Operation::Update => "Update",
            },
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_json(),
        });
        if !self.time.is_empty() {
            entry["time"] = self.time.as_str().into();
        }
        if !self.subresource.is_empty() {
            entry["subresource"] = self.subresource.as_str().into();
        }
        entry
    }

    /// What Kubernetes orders the entries by.
    fn order(&self) -> (Operation, &str, &str, &str, &str) {
        (self.operation, &self.time, &self.manager, &self.api_version, &self.subresource)
    }

    /// Whether this is the entry of the writer. An applier has one entry, whatever version it applies.
    pub(crate) fn is_of(&self, writer: &Writer<'_>, operation: Operation) -> bool {
        self.manager == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
            && (operation == Operation::Apply || self.api_version == writer.api_version)
    }
}

/// Reads a `managedFields` list; nothing when an entry is malformed.
pub(crate) fn decode(list: Option<&Value>) -> Option<Vec<Entry>> {
    list.and_then(Value::as_array).into_iter().flatten().map(Entry::parse).collect()
}

/// The entries of a stored object; malformed ones are forgotten.
pub(crate) fn entries_of(object: &Object) -> Vec<Entry> {
    decode(object.at("/metadata/managedFields")).unwrap_or_default()
}

/// Writes the entries into an object, in the order Kubernetes keeps them.
pub(crate) fn store(object: &mut Object, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    if entries.is_empty() {
        object.metadata_mut().remove("managedFields");
        return;
    }
    cap(&mut entries);
    entries.sort_by(|a, b| a.order().cmp(&b.order()));
    let list = entries.iter().map(Entry::to_json).collect();
    object.metadata_mut().insert("managedFields".into(), Value::Array(list));
}

/// Merges the oldest updates of each version into one entry while there are too many.
fn cap(entries: &mut Vec<Entry>) {
    let mut excess = entries
        .iter()
        .filter(|e| e.operation == Operation::Update)
        .count()
        .saturating_sub(UPDATE_ENTRIES_MAX);
    if excess == 0 {
        return;
    }
    let (mut updates, applies): (Vec<_>, Vec<_>) =
        std::mem::take(entries).into_iter().partition(|e| e.operation == Operation::Update);
    updates.sort_by(|a, b| (&a.time, &a.manager).cmp(&(&b.time, &b.manager)));
    let mut kept: Vec<Entry> = Vec::with_capacity(updates.len());
    for entry in updates {
        // The first entry of a version becomes the bucket once a second one is to go into it.
        let bucket = kept.iter_mut().find(|e| e.api_version == entry.api_version);
        match bucket {
            Some(bucket) if excess > 0 => {
                bucket.fields.union_with(&entry.fields);
                bucket.manager = ANCIENT.into();
                bucket.subresource.clear();
                bucket.time = entry.time;
                excess -= 1;
            }
            _ => kept.push(entry),
        }
    }
    *entries = applies;
    entries.append(&mut kept);
}

/// Takes out what nobody owns: `apiVersion`, `kind`, the server's metadata, and the fields that a
/// write through this endpoint resets.
pub(crate) fn strip(set: &mut FieldSet, reset: &FieldSet) {
    let (identity, server_metadata) = &*UNTRACKED;
    set.member = false;
    set.subtract(identity);
    if let Some(metadata) = set.field_mut("metadata") {
        metadata.member = false;
        metadata.subtract_with_children(server_metadata);
        if metadata.is_empty() {
            set.remove_field("metadata");
        }
    }
    set.subtract_with_children(reset);
}

/// What differs between two states, as far as it can be owned.
pub(crate) fn ownable_changes(old: &Value, new: &Value, schema: &Schema, reset: &FieldSet) -> Comparison {
    let mut changes = compare::compare(Some(old), Some(new), Node::root(schema));
    strip(&mut changes.changed, reset);
    strip(&mut changes.removed, reset);
    changes
}

/// What a client says about `managedFields` in an object it sends.
enum Request {
    /// Nothing that can be used; the stored entries go on.
    Keep,
    /// Stop tracking: an empty list, or one empty entry.
    Reset,
    /// These entries instead of the stored ones.
    Replace(Vec<Entry>),
}

fn request(sent: Option<&Value>, stored: Option<&Value>) -> Request {
    let Some(Value::Array(list)) = sent else { return Request::Keep };
    match list.as_slice() {
        [] => Request::Reset,
        [one] if one.as_object().is_some_and(Map::is_empty) => Request::Reset,
        _ if sent == stored => Request::Keep,
        _ => decode(sent).map_or(Request::Keep, Request::Replace),
    }
}

/// Brings `managedFields` of `new` up to date after any write that is not a server-side apply.
///
/// *Flow.* Fields that `new` has and `live` has not, or has otherwise, go to the writer's `Update` entry
/// and leave every other entry; fields that are gone leave all entries.
/// *Guarantees.* A write that changes nothing ownable keeps every entry, times included. A client may
/// replace the list (a valid one) or stop the tracking (an empty one); through a subresource it cannot.
/// *Assumptions.* Both states are in the version of `schema`. `live` is absent on create. `reset` holds
/// the fields that a write through this endpoint cannot change (`status` on the main resource…).
/// An untyped kind has the schema [`Schema::default`].
pub fn track_update(
    live: Option<&Object>,
    new: &mut Object,
    writer: &Writer<'_>,
    schema: &Schema,
    reset: &FieldSet,
) {
    let sent = new.metadata_mut().remove("managedFields");
    let stored = live.and_then(|l| l.at("/metadata/managedFields"));
    let requested = match (live, writer.subresource) {
        (None, _) | (_, "") => request(sent.as_ref(), stored),
        _ => Request::Keep,
    };
    let nothing = Value::Object(Map::new());
    let old = live.map_or(&nothing, Object::value);
    let (mut entries, replaced) = match requested {
        // Nobody has been tracked so far, and nobody is from now on.
        Request::Reset if live.is_some() => return,
        Request::Replace(entries) if !entries.is_empty() => (entries, true),
        Request::Keep | Request::Reset | Request::Replace(_) => {
            if live.is_some() && stored.and_then(Value::as_array).is_none_or(Vec::is_empty) {
                return;
            }
            (Vec::new(), false)
        }
    };
    let mut changes = ownable_changes(old, new.value(), schema, reset);
    if changes.is_empty() && !replaced {
        if let Some(stored) = stored {
            new.metadata_mut().insert("managedFields".into(), stored.clone());
        }
        return;
    }
    if !replaced {
        entries = live.map(entries_of).unwrap_or_default();
    }
    for entry in &mut entries {
        entry.fields.subtract(&changes.removed);
        entry.fields.subtract(&changes.changed);
    }
    if !changes.changed.is_empty() {
        let fields = std::mem::take(&mut changes.changed);
        match entries.iter_mut().find(|e| e.is_of(writer, Operation::Update)) {
            Some(own) => {
                own.fields.union_with(&fields);
                own.time = time::rfc3339(writer.now);
            }
            None => entries.push(Entry::new(writer, Operation::Update, fields)),
        }
    }
    store(new, entries);
}

#[cfg(test)]
mod tests;
