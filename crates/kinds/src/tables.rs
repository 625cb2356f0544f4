//! What the tables of many kinds have in common: columns by short names, ages, lists of texts.

use machinery::Object;
use machinery::time::{human_duration, parse_rfc3339};
use serde_json::Value;

use crate::Column;
use crate::fields::Read;

/// A column that is always shown.
pub(crate) const fn column(name: &'static str, ty: &'static str, description: &'static str) -> Column {
    Column { name, ty, format: "", priority: 0, description }
}

/// A column of text that is always shown.
pub(crate) const fn text(name: &'static str, description: &'static str) -> Column {
    column(name, "string", description)
}

/// A column of whole numbers that is always shown.
pub(crate) const fn integer(name: &'static str, description: &'static str) -> Column {
    column(name, "integer", description)
}

/// A column of text shown with `-o wide` only.
pub(crate) const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, "string", description) }
}

/// The column of names.
pub(crate) const NAME: Column =
    Column { format: "name", ..text("Name", "Name of the object, unique within its namespace and kind.") };

/// The column of ages.
pub(crate) const AGE: Column = text("Age", "Time since the object was created.");

/// The wide columns of workloads that show what runs in their pods.
pub(crate) const CONTAINERS: Column = wide("Containers", "Names of the containers in the template.");
/// See [`CONTAINERS`].
pub(crate) const IMAGES: Column = wide("Images", "Images of the containers in the template.");
/// See [`CONTAINERS`].
pub(crate) const SELECTOR: Column = wide("Selector", "Label selector of the pods.");

/// What stands for a text that is not there.
pub(crate) const NONE: &str = "<none>";
/// What stands for a value nobody knows.
pub(crate) const UNKNOWN: &str = "<unknown>";
/// What stands for a setting nobody made.
pub(crate) const UNSET: &str = "<unset>";

/// Columns of kinds without a table of their own.
pub(crate) const CREATED_AT: &[Column] =
    &[NAME, column("Created At", "date", "When the object was created, as RFC 3339 text.")];

/// Cells of [`CREATED_AT`].
pub(crate) fn created_at(object: &Object, _now: i64) -> Vec<Value> {
    vec![object.name().into(), object.creation_timestamp().into()]
}

/// Columns of kinds that show their name and age.
pub(crate) const NAME_AND_AGE: &[Column] = &[NAME, AGE];

/// Cells of [`NAME_AND_AGE`].
pub(crate) fn name_and_age(object: &Object, now: i64) -> Vec<Value> {
    vec![object.name().into(), age(object, now)]
}

/// The cell of [`AGE`].
pub(crate) fn age(object: &Object, now: i64) -> Value {
    since(object.creation_timestamp(), now).into()
}

/// Time since an RFC 3339 time, `<unknown>` for none.
pub(crate) fn since(time: &str, now: i64) -> String {
    match seconds(time) {
        Some(then) => human_duration(now - then),
        None => UNKNOWN.into(),
    }
}

/// Seconds since the epoch of an RFC 3339 time.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    parse_rfc3339(time).map(|t| t.as_second())
}

/// A text, or `otherwise` for an empty one.
pub(crate) fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// A list with at most `max` entries; the rest is counted.
pub(crate) fn first_of(entries: &[String], max: usize) -> String {
    let shown = entries.iter().take(max).map(String::as_str).collect::<Vec<_>>().join(",");
    if entries.len() > max { format!("{shown} + {} more...", entries.len() - max) } else { shown }
}

/// The number at a path of the object, 0 when absent.
pub(crate) fn number(object: &Object, path: &[&str]) -> Value {
    object.value().child(path).as_i64().unwrap_or(0).into()
}

/// The condition of a type, `null` when absent.
pub(crate) fn condition<'a>(object: &'a Value, ty: &str) -> Option<&'a Value> {
    object.child(&["status"]).list("conditions").iter().find(|c| c.text("type") == ty)
}
