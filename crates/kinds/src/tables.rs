//! What the tables of many kinds have in common: columns by short names, ages, lists of texts.

use machinery::Object;
use serde_json::Value;

use crate::Column;

/// A column that is always shown.
pub(crate) const fn column(name: &'static str, ty: &'static str, description: &'static str) -> Column {
    Column { name, ty, format: "", priority: 0, description }
}

/// A column shown with `-o wide` only.
pub(crate) const fn wide(name: &'static str, ty: &'static str, description: &'static str) -> Column {
    Column { name, ty, format: "", priority: 1, description }
}

/// The column of names.
pub(crate) const NAME: Column = Column {
    name: "Name",
    ty: "string",
    format: "name",
    priority: 0,
    description: "Name of the object, unique within its namespace and kind.",
};

/// The column of ages.
pub(crate) const AGE: Column = column("Age", "string", "Time since the object was created.");

/// Columns of kinds without a table of their own.
pub(crate) const CREATED_AT: &[Column] =
    &[NAME, column("Created At", "date", "When the object was created, as RFC 3339 text.")];

/// Cells of [`CREATED_AT`].
pub(crate) fn created_at(object: &Object, _now: i64) -> Vec<Value> {
    vec![object.name().into(), object.creation_timestamp().into()]
}
