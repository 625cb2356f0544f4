//! An object of any kind, as JSON with accessors for the metadata every kind has.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{GroupVersionKind, ObjectKey};

/// A Kubernetes object of any kind. Always a JSON object; unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Object(Value);

/// Why a value is not an object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The JSON value is a list or a scalar.
    #[error("a Kubernetes object must be a JSON object")]
    NotAnObject,
    /// The object does not fit the type it was read as.
    #[error("{kind} {key} does not have the expected shape")]
    Shape {
        /// Kind of the object.
        kind: String,
        /// Namespace and name of the object.
        key: ObjectKey,
        /// What did not fit.
        source: serde_json::Error,
    },
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_value(value).map_err(serde::de::Error::custom)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        object.0
    }
}

/// `metadata.ownerReferences[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// `apiVersion` of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner, in the dependent's namespace or cluster-scoped.
    pub name: String,
    /// Uid of the owner; a namesake with another uid is not the owner.
    pub uid: String,
    /// Whether this owner is the managing controller; at most one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    /// Whether foreground deletion of the owner waits for this dependent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

impl Object {
    /// An empty object of a kind. Pass an empty namespace for cluster-scoped kinds.
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        let mut metadata = Map::new();
        metadata.insert("name".into(), name.into());
        if !namespace.is_empty() {
            metadata.insert("namespace".into(), namespace.into());
        }
        let mut object = Map::new();
        object.insert("apiVersion".into(), api_version.into());
        object.insert("kind".into(), kind.into());
        object.insert("metadata".into(), metadata.into());
        Self(object.into())
    }

    /// Wraps a JSON value.
    ///
    /// # Errors
    /// [`Error::NotAnObject`] when it is not a JSON object.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        if value.is_object() { Ok(Self(value)) } else { Err(Error::NotAnObject) }
    }

    /// Turns a typed object into this form.
    ///
    /// # Errors
    /// [`Error::NotAnObject`] when it does not serialise to a JSON object.
    pub fn from_typed<T: Serialize>(typed: &T) -> Result<Self, Error> {
        Self::from_value(serde_json::to_value(typed).map_err(|_| Error::NotAnObject)?)
    }

    /// Reads the object as a type.
    ///
    /// # Errors
    /// [`Error::Shape`] when a field does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.0).map_err(|source| Error::Shape {
            kind: self.kind().into(),
            key: self.key(),
            source,
        })
    }

    /// The JSON value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The JSON value, to change. It must stay a JSON object.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// The fields of the object.
    pub fn fields(&self) -> &Map<String, Value> {
        self.0.as_object().expect("an Object is always a JSON object")
    }

    /// The fields of the object, to change.
    pub fn fields_mut(&mut self) -> &mut Map<String, Value> {
        self.0.as_object_mut().expect("an Object is always a JSON object")
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// `apiVersion`, empty when absent.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `kind`, empty when absent.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::from_api_version(self.api_version(), self.kind())
    }

    /// `metadata.name`, empty when absent.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// Namespace and name.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace(), self.name())
    }

    /// `metadata.uid`, empty when absent.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion`, empty when absent.
    pub fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// `metadata.generation`, 0 when absent.
    pub fn generation(&self) -> i64 {
        self.0.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
    }

    /// `metadata.creationTimestamp` as RFC 3339 text, empty when absent.
    pub fn creation_timestamp(&self) -> &str {
        self.text("/metadata/creationTimestamp")
    }

    /// `metadata.deletionTimestamp` as RFC 3339 text, when deletion has begun.
    pub fn deletion_timestamp(&self) -> Option<&str> {
        self.0.pointer("/metadata/deletionTimestamp").and_then(Value::as_str)
    }

    /// Whether deletion has begun.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp().is_some()
    }

    /// `metadata`, when present.
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.0.get("metadata").and_then(Value::as_object)
    }

    /// `metadata`, created when absent.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        child_map(self.fields_mut(), "metadata")
    }

    fn strings(&self, map: &str) -> impl Iterator<Item = (&str, &str)> {
        self.metadata()
            .and_then(|m| m.get(map))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
    }

    fn string(&self, map: &str, key: &str) -> Option<&str> {
        self.metadata()?.get(map)?.get(key)?.as_str()
    }

    fn remove_string(&mut self, map: &str, key: &str) -> bool {
        let Some(strings) = self.metadata_mut().get_mut(map).and_then(Value::as_object_mut) else {
            return false;
        };
        let removed = strings.remove(key).is_some();
        if strings.is_empty() {
            self.metadata_mut().remove(map);
        }
        removed
    }

    /// All labels, in key order.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings("labels")
    }

    /// One label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.string("labels", key)
    }

    /// Sets a label.
    pub fn set_label(&mut self, key: &str, value: &str) {
        child_map(self.metadata_mut(), "labels").insert(key.into(), value.into());
    }

    /// Removes a label and says whether it was there. An emptied map is removed.
    pub fn remove_label(&mut self, key: &str) -> bool {
        self.remove_string("labels", key)
    }

    /// All annotations, in key order.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings("annotations")
    }

    /// One annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.string("annotations", key)
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        child_map(self.metadata_mut(), "annotations").insert(key.into(), value.into());
    }

    /// Removes an annotation and says whether it was there. An emptied map is removed.
    pub fn remove_annotation(&mut self, key: &str) -> bool {
        self.remove_string("annotations", key)
    }

    /// `metadata.finalizers`.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.0
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// Whether a finalizer is set.
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers().any(|f| f == finalizer)
    }

    /// Adds a finalizer and says whether that changed anything.
    pub fn add_finalizer(&mut self, finalizer: &str) -> bool {
        if self.has_finalizer(finalizer) {
            return false;
        }
        let finalizers = self.metadata_mut().entry("finalizers").or_insert_with(|| Value::Array(Vec::new()));
        if !finalizers.is_array() {
            *finalizers = Value::Array(Vec::new());
        }
        finalizers.as_array_mut().expect("made an array just above").push(finalizer.into());
        true
    }

    /// Removes a finalizer and says whether that changed anything. An emptied list is removed.
    pub fn remove_finalizer(&mut self, finalizer: &str) -> bool {
        let Some(finalizers) = self.metadata_mut().get_mut("finalizers").and_then(Value::as_array_mut) else {
            return false;
        };
        let before = finalizers.len();
        finalizers.retain(|f| f.as_str() != Some(finalizer));
        let removed = finalizers.len() != before;
        if finalizers.is_empty() {
            self.metadata_mut().remove("finalizers");
        }
        removed
    }

    /// `metadata.ownerReferences`; malformed entries are left out.
    pub fn owner_references(&self) -> Vec<OwnerReference> {
        self.0
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|r| OwnerReference::deserialize(r).ok())
            .collect()
    }

    /// The owner that is the managing controller.
    pub fn controller_owner(&self) -> Option<OwnerReference> {
        self.owner_references().into_iter().find(|r| r.controller == Some(true))
    }

    /// Replaces `metadata.ownerReferences`; an empty list removes the field.
    pub fn set_owner_references(&mut self, references: &[OwnerReference]) {
        if references.is_empty() {
            self.metadata_mut().remove("ownerReferences");
        } else {
            let value =
                serde_json::to_value(references).expect("owner references are plain strings and booleans");
            self.metadata_mut().insert("ownerReferences".into(), value);
        }
    }

    /// A reference by which another object names this one as its managing controller.
    pub fn controller_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version().into(),
            kind: self.kind().into(),
            name: self.name().into(),
            uid: self.uid().into(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// The value at a JSON pointer (RFC 6901), for example `/spec/replicas`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// Text at a JSON pointer.
    pub fn str_at(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer).and_then(Value::as_str)
    }

    /// Whole number at a JSON pointer.
    pub fn i64_at(&self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    /// Sets the value at a JSON pointer whose segments are all map keys. Missing or non-map parents
    /// are replaced by maps.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) {
        let mut segments: Vec<String> =
            pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        let Some(last) = segments.pop() else { return };
        let mut map = self.fields_mut();
        for segment in &segments {
            map = child_map(map, segment);
        }
        map.insert(last, value.into());
    }

    /// Removes and returns the value at a JSON pointer whose segments are all map keys.
    pub fn remove(&mut self, pointer: &str) -> Option<Value> {
        let (parent, key) = pointer.rsplit_once('/')?;
        let key = key.replace("~1", "/").replace("~0", "~");
        let parent = if parent.is_empty() { Some(&mut self.0) } else { self.0.pointer_mut(parent) };
        parent?.as_object_mut()?.remove(&key)
    }
}

/// The map under `key`, created (or put in the place of a non-map) when needed.
fn child_map<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let child = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    child.as_object_mut().expect("made a map just above")
}
