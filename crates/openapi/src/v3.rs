//! OpenAPI v3: an index and one document per group version.

use machinery::{GroupVersion, GroupVersionKind};
use schema::builtin;
use serde_json::{Map, Value, json};

use crate::Served;
use crate::definitions::{self, REFERENCE};
use crate::operations::{self, Body, DELETE_OPTIONS, Operation, PATCH_BODY, Path, patch_types};

/// Where a group version's document is found below `/openapi/v3/`, for example `apis/apps/v1`.
pub fn path(group_version: &GroupVersion) -> String {
    operations::base(group_version)
}

/// The index: documents' paths (see [`path`]) with their hashes (see [`crate::hash`]).
pub fn index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let entry = |(path, hash): (&str, &str)| {
        (path.to_owned(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }))
    };
    let paths: Map<String, Value> = documents.into_iter().map(entry).collect();
    json!({ "paths": paths })
}

/// The document of a group version: what of `served` belongs to it, and every definition that is
/// referred to. Resources of other group versions are skipped.
pub fn document(group_version: &GroupVersion, served: &[Served]) -> Value {
    let paths = operations::of_group_version(group_version, served);
    let schemas = definitions::referred(&paths, served, |name| kinds_here(name, group_version));
    let paths: Map<String, Value> =
        paths.into_iter().map(|path| (path.path.clone(), path_item(&path))).collect();
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": crate::v2::API_LEVEL },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "BearerToken": {
                    "type": "apiKey", "name": "authorization", "in": "header",
                    "description": "Bearer Token authentication",
                },
            },
        },
    })
}

/// The kinds that a definition stands for in one document: some exist in every group version.
fn kinds_here(name: &str, here: &GroupVersion) -> Vec<GroupVersionKind> {
    let kinds = builtin::kinds(name);
    let Some(kind) = kinds.iter().find(|kind| kind.group.is_empty()).filter(|_| kinds.len() > 1) else {
        return kinds;
    };
    let mut found = vec![kind.clone()];
    if !here.group.is_empty() {
        found.push(GroupVersionKind::new(&here.group, &here.version, &kind.kind));
    }
    found
}

fn path_item(path: &Path) -> Value {
    let in_path = path.placeholders.iter().map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "uniqueItems": true } })
    });
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

fn query((name, ty): &operations::Parameter) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": ty, "uniqueItems": true } })
}

fn reference(name: &str) -> Value {
    json!({ "schema": { "$ref": format!("{REFERENCE}{name}") } })
}

fn operation_json(operation: &Operation) -> Value {
    let mut json = json!({
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": responses(operation),
    });
    if !operation.parameters.is_empty() {
        json["parameters"] = operation.parameters.iter().map(query).collect();
    }
    match &operation.body {
        Body::None => {}
        Body::Object(name) => {
            json["requestBody"] = json!({ "required": true, "content": { "*/*": reference(name) } });
        }
        Body::DeleteOptions => {
            json["requestBody"] = json!({ "content": { "*/*": reference(DELETE_OPTIONS) } });
        }
        Body::Patch => {
            let types = patch_types(operation.is_custom).iter();
            let content: Map<String, Value> =
                types.map(|media| ((*media).to_owned(), reference(PATCH_BODY))).collect();
            json["requestBody"] = json!({ "required": true, "content": content });
        }
    }
    if let Some(gvk) = &operation.gvk {
        json["x-kubernetes-action"] = operation.action.into();
        json["x-kubernetes-group-version-kind"] = definitions::kind_json(gvk);
    }
    json
}

fn responses(operation: &Operation) -> Value {
    let mut content = Map::new();
    match &operation.answer {
        None => {
            content.insert("*/*".into(), json!({ "schema": { "type": "string" } }));
        }
        Some(answer) => {
            let mut media = vec!["application/json", "application/yaml"];
            if !operation.is_custom {
                media.push("application/vnd.kubernetes.protobuf");
            }
            if operation.action == "list" {
                media.push("application/json;stream=watch");
            }
            content.extend(media.into_iter().map(|media| (media.to_owned(), reference(answer))));
        }
    }
    let mut responses = Map::new();
    for code in operation.codes {
        let text = answer_text(code);
        responses.insert((*code).into(), json!({ "description": text, "content": content }));
    }
    responses.insert("401".into(), json!({ "description": "Unauthorized" }));
    Value::Object(responses)
}

pub(crate) fn answer_text(code: &str) -> &'static str {
    match code {
        "201" => "Created",
        "202" => "Accepted",
        _ => "OK",
    }
}
