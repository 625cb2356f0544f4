//! Reading request bodies: JSON and YAML with duplicate keys noticed, and built-in kinds as strictly
//! and as leniently as a Go server reads them.
//!
//! A built-in object goes through [`json`] or [`yaml`] and then [`admit`]; a custom resource goes
//! through the former, its metadata through [`admit_metadata`] and the rest through [`crate::structural`].

mod fields;
mod parse;
mod types;

pub use fields::{drop_unknown, unknown_fields};
pub use parse::{Parsed, json, yaml};
pub use types::{Refusal, admit, admit_metadata, type_errors};

/// The text of a strict refusal, to follow `… cannot be handled as a …: `; nothing when there is
/// nothing to complain about.
///
/// Paths are those of [`unknown_fields`] and [`Parsed::duplicates`].
pub fn strict_error(unknown: &[String], duplicates: &[String]) -> Option<String> {
    let warnings = warnings(unknown, duplicates);
    (!warnings.is_empty()).then(|| format!("strict decoding error: {}", warnings.join(", ")))
}

/// What `fieldValidation=Warn` says about the same fields, one text per `Warning` header.
pub fn warnings(unknown: &[String], duplicates: &[String]) -> Vec<String> {
    let unknown = unknown.iter().map(|path| format!("unknown field {path:?}"));
    unknown.chain(duplicates.iter().map(|path| format!("duplicate field {path:?}"))).collect()
}

#[cfg(test)]
mod tests;
