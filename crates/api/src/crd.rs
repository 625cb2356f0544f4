//! CustomResourceDefinitions, made from the types.
use machinery::Object;
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

/// A field of a kind's root, for its schema.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) required: bool,
    pub(crate) schema: Schema,
}

/// What the schema of a kind is made from.
pub(crate) struct Description {
    pub(crate) text: &'static str,
    pub(crate) fields: Vec<Field>,
}

/// A kind that can describe itself.
pub(crate) trait Described {
    fn describe(generator: &mut SchemaGenerator) -> Description;
}

/// Every CRD.
pub fn crds() -> Vec<Object> {
    Vec::new()
}

/// Every CRD, with a conversion webhook for bindings.
pub fn crds_with_conversion(_client_config: &Value) -> Vec<Object> {
    Vec::new()
}
