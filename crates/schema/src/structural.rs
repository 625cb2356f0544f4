//! Structural schemas of custom resources: [`parse`] reads one from a CustomResourceDefinition, and a custom
//! resource is then [`prune`]d, [`default`]ed and [`validate`]d by it.
//!
//! What makes a schema structural:
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>.

mod check;
mod fit;
mod parse;
mod pattern;
mod validate;

use serde_json::Value;

pub use fit::{admit_metadata, default, prune};
pub use parse::parse;
pub use pattern::Pattern;
pub use validate::validate;

use crate::{Schema, SchemaRef};

/// Limits on a value: JSON Schema's value validations.
#[derive(Debug, Clone, Default)]
pub struct ValueRules {
    /// The largest number allowed.
    pub maximum: Option<f64>,
    /// [`Self::maximum`] itself is not allowed.
    pub exclusive_maximum: bool,
    /// The smallest number allowed.
    pub minimum: Option<f64>,
    /// [`Self::minimum`] itself is not allowed.
    pub exclusive_minimum: bool,
    /// Numbers are multiples of this one.
    pub multiple_of: Option<f64>,
    /// The largest number of characters.
    pub max_length: Option<u64>,
    /// The smallest number of characters.
    pub min_length: Option<u64>,
    /// What text must match somewhere.
    pub pattern: Option<Pattern>,
    /// The largest number of items.
    pub max_items: Option<u64>,
    /// The smallest number of items.
    pub min_items: Option<u64>,
    /// The largest number of fields.
    pub max_properties: Option<u64>,
    /// The smallest number of fields.
    pub min_properties: Option<u64>,
    /// The values allowed (`enum`); empty for any.
    pub choices: Vec<Value>,
    /// All of these hold.
    pub all_of: Vec<Schema>,
    /// At least one of these holds.
    pub any_of: Vec<Schema>,
    /// Exactly one of these holds.
    pub one_of: Vec<Schema>,
    /// This does not hold.
    pub not: Option<Box<Schema>>,
    /// Limits that the root or an embedded resource puts on its `metadata`.
    pub metadata: Option<Box<Schema>>,
    /// `x-kubernetes-validations` as written. They are kept and not evaluated, see [`has_cel_rules`].
    pub validations: Vec<Value>,
}

/// Whether any node has `x-kubernetes-validations`. [`validate`] does not evaluate them, so that whoever accepts
/// such a schema promises more than is kept.
pub fn has_cel_rules(schema: &Schema) -> bool {
    let held = |reference: &SchemaRef| matches!(reference, SchemaRef::Inline(inner) if has_cel_rules(inner));
    schema.rules.as_ref().is_some_and(|rules| !rules.validations.is_empty())
        || schema.properties.values().any(held)
        || schema.additional_properties.as_ref().is_some_and(held)
        || schema.items.as_ref().is_some_and(held)
}

#[cfg(test)]
mod tests;
