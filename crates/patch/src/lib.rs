//! The four ways to change an object by PATCH, and who owns which of its fields.
//!
//! | media type | module |
//! | --- | --- |
//! | `application/json-patch+json` | [`json`] |
//! | `application/merge-patch+json` | [`merge`] |
//! | `application/strategic-merge-patch+json` | [`strategic`] |
//! | `application/apply-patch+yaml` | [`apply`] |
//!
//! A write goes: patch body → new object → defaults and admission → [`managed::track_update`] with the
//! object before and after. For server-side apply, [`apply::apply`] merges and tracks at once; what
//! defaulting and admission do to its result afterwards is owned by nobody.

pub mod apply;
mod compare;
pub mod fields;
pub mod json;
pub mod managed;
pub mod merge;
mod node;
pub mod strategic;
mod typed;

#[cfg(test)]
mod testing;

pub use fields::FieldSet;
pub use managed::Writer;
