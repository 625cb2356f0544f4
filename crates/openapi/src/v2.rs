//! OpenAPI v2 (Swagger): one document for everything, for kubectl before 1.27 and for helm.

use std::collections::BTreeSet;

use machinery::{GroupVersion, GroupVersionKind};
use schema::builtin;
use serde_json::{Map, Value, json};

use crate::Served;
use crate::definitions::{self, GVK, REFERENCE};
use crate::operations::{self, Body, DELETE_OPTIONS, Operation, PATCH_BODY, Parameter, Path, patch_types};

pub use crate::gnostic::protobuf;

/// The Kubernetes version whose API this is.
pub(crate) const API_LEVEL: &str = "1.36";

const DEFINITIONS: &str = "#/definitions/";

/// The document of everything in `served`.
pub fn document(served: &[Served]) -> Value {
    let versions: BTreeSet<GroupVersion> =
        served.iter().map(|resource| definitions::group_version(&resource.gvk)).collect();
    let paths: Vec<Path> =
        versions.iter().flat_map(|version| operations::of_group_version(version, served)).collect();
    let definitions = definitions::referred(&paths, served, |name| kinds_served(name, &versions));
    let definitions: Map<String, Value> =
        definitions.into_iter().map(|(name, schema)| (name.clone(), definition(&name, schema))).collect();
    let paths: Map<String, Value> =
        paths.into_iter().map(|path| (path.path.clone(), path_item(&path))).collect();
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": API_LEVEL },
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": {
                "description": "Bearer Token authentication",
                "type": "apiKey", "name": "authorization", "in": "header",
            },
        },
        "security": [{ "BearerToken": [] }],
    })
}

/// The kinds of a definition; those that every group version has are listed for the served ones.
fn kinds_served(name: &str, versions: &BTreeSet<GroupVersion>) -> Vec<GroupVersionKind> {
    let kinds = builtin::kinds(name);
    match kinds.first() {
        Some(any) if kinds.len() > 1 => {
            let of = |gv: &GroupVersion| GroupVersionKind::new(&gv.group, &gv.version, &any.kind);
            versions.iter().map(of).collect()
        }
        _ => kinds,
    }
}

fn definition(name: &str, schema: Value) -> Value {
    match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => json!({ "type": "string" }),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => {
            json!({ "type": "string", "format": "int-or-string" })
        }
        _ if is_open_kind(&schema) => json!({ "type": "object", GVK: schema[GVK] }),
        _ => simplified(schema),
    }
}

/// Whether this is a kind that may have any field. Clients would take a list of properties for all there is.
fn is_open_kind(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true && !schema[GVK].is_null()
}

/// A v3 schema without what Swagger 2 cannot say. Nodes about which that would be a lie lose their type: clients
/// take anything there.
fn simplified(schema: Value) -> Value {
    let Value::Object(mut map) = schema else {
        return schema;
    };
    if let Some(name) = reference_of(&map) {
        map.remove("allOf");
        map.insert("$ref".into(), format!("{DEFINITIONS}{name}").into());
    }
    for key in ["default", "oneOf", "anyOf", "allOf", "not", "x-kubernetes-validations"] {
        map.remove(key);
    }
    let is_true = |map: &Map<String, Value>, key: &str| map.get(key) == Some(&Value::Bool(true));
    let is_nullable = map.remove("nullable") == Some(Value::Bool(true));
    if is_nullable || is_true(&map, "x-kubernetes-int-or-string") {
        map.remove("type");
    }
    if is_nullable || is_true(&map, "x-kubernetes-preserve-unknown-fields") {
        for key in ["items", "properties", "additionalProperties", "required"] {
            map.remove(key);
        }
        if map.get("type").and_then(Value::as_str) == Some("array") {
            map.remove("type");
        }
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(|property| *property = simplified(property.take()));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            *inner = simplified(inner.take());
        }
    }
    Value::Object(map)
}

fn reference_of(map: &Map<String, Value>) -> Option<String> {
    let plain = map.get("$ref");
    let wrapped = || map.get("allOf").and_then(|parts| parts.get(0)).and_then(|part| part.get("$ref"));
    let reference = plain.or_else(wrapped)?.as_str()?;
    Some(reference.strip_prefix(REFERENCE)?.to_owned())
}

fn path_item(path: &Path) -> Value {
    let in_path = path.placeholders.iter().map(
        |name| json!({ "name": name, "in": "path", "required": true, "type": "string", "uniqueItems": true }),
    );
    let parameters: Vec<Value> = in_path.chain([query(&("pretty", "string"))]).collect();
    let mut item = Map::new();
    if path.operations.iter().any(|operation| operation.gvk.is_some()) {
        item.insert("parameters".into(), parameters.into());
    }
    for operation in &path.operations {
        item.insert(operation.method.into(), operation_json(operation));
    }
    Value::Object(item)
}

fn query((name, ty): &Parameter) -> Value {
    json!({ "name": name, "in": "query", "type": ty, "uniqueItems": true })
}

fn body(definition: &str, required: bool) -> Value {
    let mut body = json!({
        "name": "body", "in": "body", "schema": { "$ref": format!("{DEFINITIONS}{definition}") },
    });
    if required {
        body["required"] = true.into();
    }
    body
}

fn operation_json(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = match &operation.body {
        Body::None => Vec::new(),
        Body::Object(name) => vec![body(name, true)],
        Body::DeleteOptions => vec![body(DELETE_OPTIONS, false)],
        Body::Patch => vec![body(PATCH_BODY, true)],
    };
    parameters.extend(operation.parameters.iter().map(query));
    let consumes: &[&str] = match operation.body {
        Body::Patch => patch_types(operation.is_custom),
        Body::None | Body::Object(_) | Body::DeleteOptions => &["*/*"],
    };
    let mut produces = vec!["application/json", "application/yaml"];
    match &operation.answer {
        None => produces = vec!["*/*"],
        Some(_) if !operation.is_custom => produces.push("application/vnd.kubernetes.protobuf"),
        Some(_) => {}
    }
    if operation.action == "list" {
        produces.push("application/json;stream=watch");
    }
    let mut json = json!({
        "tags": [operation.tag],
        "operationId": operation.id,
        "schemes": ["https"],
        "consumes": consumes,
        "produces": produces,
        "responses": responses(operation),
    });
    if !parameters.is_empty() {
        json["parameters"] = parameters.into();
    }
    if let Some(gvk) = &operation.gvk {
        json["x-kubernetes-action"] = operation.action.into();
        json["x-kubernetes-group-version-kind"] = definitions::kind_json(gvk);
    }
    json
}

fn responses(operation: &Operation) -> Value {
    let schema = operation.answer.as_ref().map_or_else(
        || json!({ "type": "string" }),
        |answer| json!({ "$ref": format!("{DEFINITIONS}{answer}") }),
    );
    let success = |code: &&str| {
        ((*code).to_owned(), json!({ "description": crate::v3::answer_text(code), "schema": schema }))
    };
    let mut responses: Map<String, Value> = operation.codes.iter().map(success).collect();
    responses.insert("401".into(), json!({ "description": "Unauthorized" }));
    Value::Object(responses)
}
