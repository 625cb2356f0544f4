//! OpenAPI v2 and v3 documents of the served kinds, as kubectl and other clients read them for validation,
//! `explain` and three-way patches.
//!
//! ```text
//! Served ──▶ operations   what can be done at which path
//!        └─▶ definitions  the shapes of the kinds and of all they refer to
//!                │
//!                ├─▶ v3::document   one per group version, JSON
//!                └─▶ v2::document   one for everything, JSON ──▶ v2::protobuf
//! ```

mod definitions;
mod gnostic;
mod operations;
pub mod v2;
pub mod v3;

use std::sync::Arc;

use machinery::GroupVersionKind;
use serde_json::Value;
use sha2::{Digest, Sha512};

/// A served resource with everything the documents say about it.
#[derive(Debug, Clone)]
pub struct Served {
    /// The kind, in the group and version under which it is served.
    pub gvk: GroupVersionKind,
    /// Kind of its lists; `{Kind}List` when absent.
    pub list_kind: Option<String>,
    /// Plural lower-case name, for example `deployments`.
    pub plural: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Discovery's verbs, for example `get`, `list`, `create`.
    pub verbs: Vec<String>,
    /// What is served below an object.
    pub subresources: Vec<Subresource>,
    /// Shape of the objects.
    pub schema: SchemaSource,
    /// Defined by a CustomResourceDefinition: no strategic merge patch, no protobuf.
    pub is_custom: bool,
}

/// A path below an object, for example `status` or `scale`.
#[derive(Debug, Clone)]
pub struct Subresource {
    /// Last part of the path.
    pub name: String,
    /// What is read and written there; it may be of another group than the resource (`autoscaling/v1` `Scale`).
    pub gvk: GroupVersionKind,
    /// Discovery's verbs.
    pub verbs: Vec<String>,
}

/// Where a kind's shape comes from.
#[derive(Debug, Clone)]
pub enum SchemaSource {
    /// The table of built-in kinds, see [`schema::builtin`], by the kind itself.
    Builtin,
    /// `openAPIV3Schema` of a CustomResourceDefinition; anything but an object stands for an open shape.
    Custom(Arc<Value>),
}

/// A text that changes with the document, for ETags and for the `hash` parameter of v3 URLs: 128 upper-case
/// hexadecimal digits.
pub fn hash(document: &Value) -> String {
    let mut digest = Sha512::new();
    serde_json::to_writer(&mut digest, document)
        .expect("a JSON value is written and a digest takes all bytes");
    hex(&digest.finalize())
}

/// [`hash`] of a document that was already serialised.
pub fn hash_bytes(document: &[u8]) -> String {
    hex(&Sha512::digest(document))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests;
