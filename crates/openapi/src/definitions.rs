//! The shapes of the served kinds and of everything they refer to, as OpenAPI v3.

use std::collections::BTreeMap;

use machinery::{GroupVersion, GroupVersionKind};
use schema::builtin;
use serde_json::{Map, Value, json};

use crate::operations::{Body, DELETE_OPTIONS, PATCH_BODY, Path};
use crate::{SchemaSource, Served};

/// What stands before a definition's name in a v3 reference.
pub(crate) const REFERENCE: &str = "#/components/schemas/";

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
pub(crate) const GVK: &str = "x-kubernetes-group-version-kind";

/// Definitions by their names.
pub(crate) type Definitions = BTreeMap<String, Value>;

pub(crate) fn group_version(gvk: &GroupVersionKind) -> GroupVersion {
    GroupVersion { group: gvk.group.clone(), version: gvk.version.clone() }
}

pub(crate) fn builtin_name(gvk: &GroupVersionKind) -> Option<&'static str> {
    builtin::definition_name(gvk)
}

/// Name of a resource's definition. Custom ones are called by their group read backwards:
/// `io.karmada.work.v1alpha1.Work`.
pub(crate) fn name(resource: &Served) -> String {
    let builtin = match resource.schema {
        SchemaSource::Builtin => builtin_name(&resource.gvk),
        SchemaSource::Custom(_) => None,
    };
    builtin.map_or_else(|| custom_name(&resource.gvk, &resource.gvk.kind), Into::into)
}

/// Name of the definition of a resource's lists.
pub(crate) fn list_name(resource: &Served) -> String {
    let kind = list_kind(resource);
    let gvk = GroupVersionKind { kind: kind.clone(), ..resource.gvk.clone() };
    let builtin = match resource.schema {
        SchemaSource::Builtin => builtin_name(&gvk),
        SchemaSource::Custom(_) => None,
    };
    builtin.map_or_else(|| custom_name(&resource.gvk, &kind), Into::into)
}

fn list_kind(resource: &Served) -> String {
    resource.list_kind.clone().unwrap_or_else(|| format!("{}List", resource.gvk.kind))
}

fn custom_name(gvk: &GroupVersionKind, kind: &str) -> String {
    let mut parts: Vec<&str> = gvk.group.split('.').rev().filter(|part| !part.is_empty()).collect();
    parts.push(&gvk.version);
    parts.push(kind);
    parts.join(".")
}

/// The definitions that operations of `paths` refer to, directly or through others. `kinds_of` says which kinds a
/// definition of the table stands for in this document.
pub(crate) fn referred(
    paths: &[Path],
    served: &[Served],
    kinds_of: impl Fn(&str) -> Vec<GroupVersionKind>,
) -> Definitions {
    let custom = customs(served);
    let mut found = Definitions::new();
    let mut wanted: Vec<String> = Vec::new();
    for operation in paths.iter().flat_map(|path| &path.operations) {
        wanted.extend(operation.answer.clone());
        match &operation.body {
            Body::None => {}
            Body::Object(name) => wanted.push(name.clone()),
            Body::DeleteOptions => wanted.push(DELETE_OPTIONS.into()),
            Body::Patch => wanted.push(PATCH_BODY.into()),
        }
    }
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let definition = match custom.get(&name) {
            Some(Custom::Object(resource)) => published(resource),
            Some(Custom::List(resource)) => list(resource),
            None => match builtin::open_api(&name) {
                Some(definition) => described(definition, &kinds_of(&name)),
                None => continue,
            },
        };
        references(&definition, &mut wanted);
        found.insert(name, definition);
    }
    found
}

enum Custom<'a> {
    Object(&'a Served),
    List(&'a Served),
}

fn customs(served: &[Served]) -> BTreeMap<String, Custom<'_>> {
    let mut customs = BTreeMap::new();
    for resource in served {
        let is_known = |name: &str| builtin::definition(name).is_some();
        let (object, list) = (name(resource), list_name(resource));
        if !is_known(&object) {
            customs.insert(object, Custom::Object(resource));
        }
        if !is_known(&list) {
            customs.insert(list, Custom::List(resource));
        }
    }
    customs
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(reference) if key == "$ref" => {
                        found.extend(reference.strip_prefix(REFERENCE).map(Into::into));
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `x-kubernetes-group-version-kind` of one kind.
pub(crate) fn kind_json(gvk: &GroupVersionKind) -> Value {
    json!({ "group": gvk.group, "version": gvk.version, "kind": gvk.kind })
}

/// What `explain` says about the fields every object has.
fn description(field: &str) -> Option<&'static str> {
    Some(match field {
        "apiVersion" => {
            "API group and version of this object's schema, for example apps/v1. \
             See https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
        }
        "kind" => {
            "Kind of this object, in CamelCase; it cannot be changed. \
             See https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
        }
        "metadata" => "Name, namespace, labels and other data that every object has.",
        "spec" => "What is wanted of this object.",
        "status" => "What was observed of this object most recently.",
        _ => return None,
    })
}

fn described(mut definition: Value, kinds: &[GroupVersionKind]) -> Value {
    if kinds.is_empty() {
        return definition;
    }
    definition[GVK] = kinds.iter().map(kind_json).collect();
    if let Some(Value::Object(properties)) = definition.get_mut("properties") {
        for (name, property) in properties {
            if let (Some(text), Some(property)) = (description(name), property.as_object_mut()) {
                property.entry("description").or_insert_with(|| text.into());
            }
        }
    }
    definition
}

fn meta_reference(definition: &str) -> Value {
    json!({ "allOf": [{ "$ref": format!("{REFERENCE}{definition}") }], "default": {} })
}

/// A custom kind as it is published: its own schema, word for word, with the fields every object has. Clients
/// compare it with the schema of the CustomResourceDefinition.
fn published(resource: &Served) -> Value {
    let mut definition = match &resource.schema {
        SchemaSource::Custom(schema) if schema.is_object() => Value::clone(schema),
        SchemaSource::Custom(_) | SchemaSource::Builtin => {
            json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
        }
    };
    add_object_fields(&mut definition);
    definition[GVK] = json!([kind_json(&resource.gvk)]);
    definition
}

fn add_object_fields(definition: &mut Value) {
    complete_embedded(definition);
    let Some(map) = definition.as_object_mut() else {
        return;
    };
    let properties = map.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        insert_object_fields(properties);
    }
}

fn insert_object_fields(properties: &mut Map<String, Value>) {
    for field in ["apiVersion", "kind"] {
        properties.insert(field.into(), json!({ "type": "string", "description": description(field) }));
    }
    let mut metadata = meta_reference(OBJECT_META);
    metadata["description"] = description("metadata").into();
    properties.insert("metadata".into(), metadata);
}

/// Gives embedded resources the fields every object has.
fn complete_embedded(node: &mut Value) {
    let Some(map) = node.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(complete_embedded);
    }
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).into_iter().for_each(complete_embedded);
    }
    if map.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
        let properties = map.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            insert_object_fields(properties);
        }
    }
}

fn list(resource: &Served) -> Value {
    let kind = list_kind(resource);
    let mut metadata = meta_reference(LIST_META);
    metadata["description"] = "Version and continuation of the list.".into();
    let definition = json!({
        "type": "object",
        "description": format!("A list of objects of kind {}.", resource.gvk.kind),
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": metadata,
            "items": {
                "type": "array",
                "description": format!("The objects of plural name {}.", resource.plural),
                "items": { "$ref": format!("{REFERENCE}{}", name(resource)) },
            },
        },
    });
    described(definition, &[GroupVersionKind { kind, ..resource.gvk.clone() }])
}
