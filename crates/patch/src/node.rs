//! Where in its schema a walk through an object stands.

use std::ops::Deref as _;

use schema::{ListType, Schema, Type};
use serde_json::{Map, Value};

use crate::fields::PathElement;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A place in a schema. Without a schema, shapes are deduced: maps are granular, lists atomic.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    schema: Option<&'a Schema>,
    /// The place is an object with `apiVersion`, `kind` and `metadata`.
    object: bool,
    /// The kind is a built-in one, whose structs exist even when they are empty.
    builtin: bool,
    /// The struct or list is there in every object, written or not.
    pub(crate) implied: bool,
}

/// How a value takes part in merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A scalar, or replaced as a whole.
    Leaf,
    /// Merged field by field.
    Map,
    /// A list merged item by item.
    List,
}

impl<'a> Node<'a> {
    pub(crate) fn root(schema: &'a Schema) -> Self {
        let metadata = schema.properties.get("metadata");
        let builtin = metadata.is_some_and(|m| m.properties.contains_key("ownerReferences"));
        Self { schema: Some(schema), object: true, builtin, implied: true }
    }

    fn deduced() -> Self {
        Self { schema: None, object: false, builtin: false, implied: false }
    }

    fn below(self, schema: &'a Schema) -> Self {
        Self { schema: Some(schema), object: schema.embedded_resource, implied: false, ..self }
    }

    pub(crate) fn schema(self) -> Option<&'a Schema> {
        self.schema
    }

    /// Whether a value counts as one here: in the typed fields of a built-in kind, null does not.
    pub(crate) fn has_value(self, value: &Value) -> bool {
        !(self.builtin && value.is_null())
    }

    /// Whether anything may stand here.
    fn is_open(self) -> bool {
        self.schema.is_none_or(|s| {
            s.ty == Type::Any
                || s.preserve_unknown
                || (s.properties.is_empty() && s.additional_properties.is_none())
        })
    }

    /// Whether the name is a struct's field, not a key of a map.
    pub(crate) fn declares(self, name: &str) -> bool {
        (self.object && matches!(name, "apiVersion" | "kind" | "metadata"))
            || self.schema.is_some_and(|s| s.properties.contains_key(name))
    }

    /// The place of a field; nothing when the schema does not know it.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        let declared = self.schema.and_then(|s| s.properties.get(name).map(|field| (s, field.deref())));
        if self.object && matches!(name, "apiVersion" | "kind") {
            return Some(Self::deduced());
        }
        if self.object
            && name == "metadata"
            && declared.is_none_or(|(_, m)| !m.properties.contains_key("labels"))
        {
            let meta = schema::builtin::definition(OBJECT_META);
            return Some(meta.map_or_else(Self::deduced, |meta| Self { implied: true, ..self.below(meta) }));
        }
        if let Some((parent, field)) = declared {
            return Some(Self {
                implied: self.builtin && is_implied(parent, name, field),
                ..self.below(field)
            });
        }
        if let Some(values) = self.schema.and_then(|s| s.additional_properties.as_ref()) {
            return Some(self.below(values.deref()));
        }
        self.is_open().then(Self::deduced)
    }

    /// The place of a field, deduced when the schema does not know it.
    pub(crate) fn field_or_deduced(self, name: &str) -> Self {
        self.field(name).unwrap_or_else(Self::deduced)
    }

    /// The place of a list's items.
    pub(crate) fn item(self) -> Self {
        match self.schema.and_then(|s| s.items.as_ref()) {
            Some(items) => self.below(items.deref()),
            None => Self::deduced(),
        }
    }

    /// The place that a path element leads to.
    pub(crate) fn child(self, element: &PathElement) -> Self {
        match element {
            PathElement::Field(name) => self.field_or_deduced(name),
            PathElement::Key(_) | PathElement::Value(_) | PathElement::Index(_) => self.item(),
        }
    }

    /// How the value takes part in merging here.
    pub(crate) fn shape(self, value: &Value) -> Shape {
        match value {
            Value::Object(_) if self.schema.is_some_and(|s| s.atomic) => Shape::Leaf,
            Value::Object(_) => Shape::Map,
            Value::Array(items) => match self.schema.map(|s| s.list_type) {
                // Items without an identity cannot be merged; the server refuses them elsewhere.
                Some(ListType::Set | ListType::Map) if items.iter().all(|i| self.identifies(i)) => {
                    Shape::List
                }
                _ => Shape::Leaf,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Leaf,
        }
    }

    /// Whether [`Node::element`] finds what identifies an item.
    fn identifies(self, item: &Value) -> bool {
        match (self.schema.filter(|s| s.list_type == ListType::Map), item) {
            (Some(schema), Value::Object(item)) => schema.list_map_keys.iter().all(|name| {
                item.get(name).is_some_and(|v| !v.is_null()) || key_default(schema, name).is_some()
            }),
            (Some(_), _) | (None, Value::Object(_) | Value::Array(_) | Value::Null) => false,
            (None, Value::Bool(_) | Value::Number(_) | Value::String(_)) => true,
        }
    }

    /// What identifies an item of a list that is merged item by item.
    ///
    /// # Errors
    /// What is wrong with the item.
    pub(crate) fn element(self, item: &Value) -> Result<PathElement, String> {
        let Some(schema) = self.schema.filter(|s| s.list_type == ListType::Map) else {
            return match item {
                Value::Object(_) => {
                    Err("associative list without keys has an element that's a map type".into())
                }
                Value::Array(_) => Err("not supporting lists within lists".into()),
                Value::Null => {
                    Err("associative list without keys has an element that's an explicit null".into())
                }
                scalar => Ok(PathElement::Value(scalar.to_string())),
            };
        };
        let Value::Object(item) = item else {
            return Err("associative list with keys may not have non-map elements".into());
        };
        let mut key = Map::new();
        for name in &schema.list_map_keys {
            let default = || key_default(schema, name);
            let value = item.get(name).filter(|v| !v.is_null()).or_else(default).ok_or_else(|| {
                format!(
                    "associative list with keys has an element that omits key field {name:?} (and doesn't have default value)"
                )
            })?;
            key.insert(name.clone(), value.clone());
        }
        Ok(PathElement::Key(Value::Object(key).to_string()))
    }
}

/// The value that a key field of a list's items has when it is absent.
fn key_default<'a>(list: &'a Schema, key: &str) -> Option<&'a Value> {
    list.items.as_ref()?.properties.get(key)?.default.as_ref()
}

/// Fields of built-in kinds that hold a struct rather than a pointer to one. Where the same name is
/// also used for a pointer, [`is_optional_twin`] knows.
const VALUE_STRUCTS: [&str; 39] = [
    "acceptedNames",
    "backend",
    "clientConfig",
    "conditions",
    "current",
    "daemonEndpoints",
    "deprecatedSource",
    "describedObject",
    "devices",
    "involvedObject",
    "jobTemplate",
    "kubeletEndpoint",
    "lastState",
    "limitResponse",
    "loadBalancer",
    "metadata",
    "metric",
    "names",
    "nodeInfo",
    "podAffinityTerm",
    "podSelector",
    "pool",
    "port",
    "preference",
    "preferredVersion",
    "priorityLevelConfiguration",
    "regarding",
    "resources",
    "roleRef",
    "scaleTargetRef",
    "source",
    "spec",
    "state",
    "status",
    "strategy",
    "target",
    "template",
    "updateStrategy",
    "userInfo",
];

/// The one required list that is left out when it is empty.
const OMITTED_WHEN_EMPTY: &str = "validationActions";

/// Structs that are no pointers and required fields are there in every object of a built-in kind.
fn is_implied(parent: &Schema, name: &str, field: &Schema) -> bool {
    let empty = |default: &Value| default.as_object().is_some_and(Map::is_empty);
    match field.ty {
        Type::Array | Type::Any | Type::String | Type::Integer | Type::Number | Type::Boolean => {
            name != OMITTED_WHEN_EMPTY && parent.required.iter().any(|required| required == name)
        }
        Type::Object if field.properties.is_empty() => false,
        Type::Object => {
            field.default.as_ref().is_some_and(empty)
                || (VALUE_STRUCTS.contains(&name) && !is_optional_twin(parent, name))
        }
    }
}

/// The few structs that carry a name of [`VALUE_STRUCTS`] and may be absent all the same.
fn is_optional_twin(parent: &Schema, name: &str) -> bool {
    let has = |field: &str| parent.properties.contains_key(field);
    match name {
        // Of a whole pod, of a pod's status and of a container's status.
        "resources" => has("containers") || has("containerStatuses") || has("containerID"),
        // Of a ReplicationController, whose selector is a plain map.
        "template" => parent.properties.get("selector").is_some_and(|s| s.properties.is_empty()),
        // Of a CustomResourceDefinition's subresources and of a conversion webhook.
        "status" => has("scale"),
        "clientConfig" => has("conversionReviewVersions"),
        // Of a peer in a NetworkPolicy.
        "podSelector" => has("ipBlock"),
        _ => false,
    }
}
