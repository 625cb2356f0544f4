//! Typed shapes of Kubernetes objects.
//!
//! One [`Schema`] describes a node of an object, whether it comes from the table of built-in kinds
//! ([`builtin`]) or from a CustomResourceDefinition ([`structural`]). Patches merge by it, field
//! validation knows fields by it, custom resources are pruned, defaulted and validated by it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

/// What a node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Type {
    /// Anything; an untyped node.
    #[default]
    Any,
    /// A map or struct.
    Object,
    /// A list.
    Array,
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// true or false.
    Boolean,
}

/// `x-kubernetes-list-type`: how server-side apply merges a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListType {
    /// Replaced as a whole; the default.
    #[default]
    Atomic,
    /// Scalars, each of them once.
    Set,
    /// Items found by their key fields.
    Map,
}

/// `x-kubernetes-patch-strategy`: how a strategic merge patch treats the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PatchStrategy {
    /// Lists are merged item by item.
    pub merge: bool,
    /// Maps honour `$retainKeys`.
    pub retain_keys: bool,
    /// Maps are replaced.
    pub replace: bool,
}

/// Shape of one node of an object.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// What the node holds.
    pub ty: Type,
    /// Value of `format`, for example `int32` or `date-time`.
    pub format: Option<String>,
    /// Known fields of an object.
    pub properties: BTreeMap<String, SchemaRef>,
    /// Shape of the values of a map with free keys.
    pub additional_properties: Option<SchemaRef>,
    /// Shape of a list's items.
    pub items: Option<SchemaRef>,
    /// How server-side apply merges a list.
    pub list_type: ListType,
    /// Key fields of a list of [`ListType::Map`].
    pub list_map_keys: Vec<String>,
    /// `x-kubernetes-map-type: atomic`: the object is replaced as a whole by server-side apply.
    pub atomic: bool,
    /// How a strategic merge patch treats the node.
    pub patch_strategy: PatchStrategy,
    /// The field by which a strategic merge patch finds items of the list.
    pub patch_merge_key: Option<String>,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve_unknown: bool,
    /// `x-kubernetes-int-or-string`.
    pub int_or_string: bool,
    /// `x-kubernetes-embedded-resource`.
    pub embedded_resource: bool,
    /// `null` is a value.
    pub nullable: bool,
    /// Value of an absent field.
    pub default: Option<Value>,
    /// Fields that must be present.
    pub required: Vec<String>,
    /// Limits on the value; absent for the built-in kinds, which are validated by code.
    pub rules: Option<Box<structural::ValueRules>>,
}

/// A schema held here, or one of the built-in definitions by name (these may refer to themselves).
#[derive(Debug, Clone)]
pub enum SchemaRef {
    /// Held here.
    Inline(Arc<Schema>),
    /// Name of a definition in [`builtin`], for example `io.k8s.api.core.v1.PodSpec`.
    Builtin(&'static str),
}

impl Deref for SchemaRef {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::Inline(schema) => schema,
            Self::Builtin(name) => {
                builtin::definition(name).expect("the table refers only to its own definitions")
            }
        }
    }
}

impl Schema {
    /// The shape of a field, whether it is a known one or an entry of a map.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional_properties.as_ref()).map(Deref::deref)
    }
}

pub mod builtin;
pub mod decode;
mod format;
pub mod structural;

#[cfg(test)]
mod random;
