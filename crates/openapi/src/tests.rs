//! What the documents say, and that clients can follow every reference in them.

use machinery::GroupVersion;
use serde_json::json;

use super::*;

const ALL: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

fn verbs(verbs: &[&str]) -> Vec<String> {
    verbs.iter().map(|verb| (*verb).to_owned()).collect()
}

fn builtin(gvk: GroupVersionKind, plural: &str, subresources: Vec<Subresource>) -> Served {
    Served {
        gvk,
        list_kind: None,
        plural: plural.into(),
        namespaced: true,
        verbs: verbs(&ALL),
        subresources,
        schema: SchemaSource::Builtin,
        is_custom: false,
    }
}

fn custom(schema: Value) -> Served {
    Served {
        gvk: GroupVersionKind::new("example.io", "v1", "Foo"),
        list_kind: Some("Foos".into()),
        plural: "foos".into(),
        namespaced: false,
        verbs: verbs(&ALL),
        subresources: Vec::new(),
        schema: SchemaSource::Custom(Arc::new(schema)),
        is_custom: true,
    }
}

fn below(name: &str, gvk: GroupVersionKind, allowed: &[&str]) -> Subresource {
    Subresource { name: name.into(), gvk, verbs: verbs(allowed) }
}

fn served() -> Vec<Served> {
    let deployment = GroupVersionKind::new("apps", "v1", "Deployment");
    let pod = GroupVersionKind::new("", "v1", "Pod");
    let of_deployment = vec![
        below("scale", GroupVersionKind::new("autoscaling", "v1", "Scale"), &["get", "patch", "update"]),
        below("status", deployment.clone(), &["get", "patch", "update"]),
    ];
    let of_pod = vec![
        below("eviction", GroupVersionKind::new("policy", "v1", "Eviction"), &["create"]),
        below("exec", GroupVersionKind::new("", "v1", "PodExecOptions"), &["create", "get"]),
        below("log", pod.clone(), &["get"]),
    ];
    let foo = json!({ "type": "object", "description": "A foo.", "required": ["spec"], "properties": {
        "spec": { "type": "object", "properties": {
            "port": { "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] },
            "maybe": { "type": "object", "nullable": true, "properties": { "a": { "type": "string" } } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": { "a": { "type": "string" } } },
            "size": { "type": "integer", "default": 1, "minimum": 0.5, "maxItems": 3 },
            "item": { "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "x": { "type": "string" } } },
        } },
    } });
    vec![builtin(deployment, "deployments", of_deployment), builtin(pod, "pods", of_pod), custom(foo)]
}

fn v3(group: &str, version: &str) -> Value {
    v3::document(&GroupVersion { group: group.into(), version: version.into() }, &served())
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(Into::into));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn check_references(document: &Value, definitions: &Value, prefix: &str) {
    let mut found = Vec::new();
    references(document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let name =
            reference.strip_prefix(prefix).unwrap_or_else(|| panic!("{reference} is of another version"));
        assert!(definitions.get(name).is_some(), "{name} is missing");
    }
}

fn names(parameters: &Value) -> Vec<&str> {
    parameters.as_array().expect("a list").iter().filter_map(|parameter| parameter["name"].as_str()).collect()
}

#[test]
fn every_reference_is_resolved() {
    let v2 = v2::document(&served());
    check_references(&v2, &v2["definitions"], "#/definitions/");
    for (group, version) in [("", "v1"), ("apps", "v1"), ("example.io", "v1")] {
        let document = v3(group, version);
        check_references(&document, &document["components"]["schemas"], "#/components/schemas/");
    }
}

#[test]
fn a_patch_says_its_kind_its_parameters_and_its_media_types() {
    let document = v3("apps", "v1");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["operationId"], "patchAppsV1NamespacedDeployment");
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let kind = json!({ "group": "apps", "version": "v1", "kind": "Deployment" });
    assert_eq!(patch["x-kubernetes-group-version-kind"], kind);
    assert_eq!(names(&patch["parameters"]), ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let media = |patch: &Value| {
        let content = patch["requestBody"]["content"].as_object().expect("media types");
        content.keys().cloned().collect::<Vec<_>>()
    };
    assert!(media(patch).contains(&"application/strategic-merge-patch+json".to_owned()));

    let foos = v3("example.io", "v1");
    let patch = &foos["paths"]["/apis/example.io/v1/foos/{name}"]["patch"];
    assert_eq!(patch["operationId"], "patchExampleIoV1Foo");
    let wanted =
        ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    assert_eq!(media(patch), wanted);
}

#[test]
fn paths_are_those_of_the_verbs() {
    let document = v3("", "v1");
    let mut found: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let methods: Vec<&str> = item
            .as_object()
            .expect("methods")
            .keys()
            .map(String::as_str)
            .filter(|key| *key != "parameters")
            .collect();
        found.push(format!("{path} {}", methods.join(" ")));
    }
    assert_eq!(
        found,
        [
            "/api/v1/ get",
            "/api/v1/namespaces/{namespace}/pods delete get post",
            "/api/v1/namespaces/{namespace}/pods/{name} delete get patch put",
            "/api/v1/namespaces/{namespace}/pods/{name}/eviction post",
            "/api/v1/namespaces/{namespace}/pods/{name}/exec get post",
            "/api/v1/namespaces/{namespace}/pods/{name}/log get",
            "/api/v1/pods get",
        ]
    );
    let item = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"];
    assert_eq!(names(&item["parameters"]), ["name", "namespace", "pretty"]);
    let exec = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/exec"]["post"];
    assert_eq!(
        (&exec["x-kubernetes-action"], &exec["operationId"]),
        (&json!("connect"), &json!("connectCoreV1PostNamespacedPodExec"))
    );
}

#[test]
fn subresources_of_another_group_bring_their_definition() {
    let document = v3("apps", "v1");
    let scale = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"];
    assert_eq!(scale["operationId"], "readAppsV1NamespacedDeploymentScale");
    assert_eq!(scale["x-kubernetes-group-version-kind"]["group"], "autoscaling");
    let answer = &scale["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(answer, "#/components/schemas/io.k8s.api.autoscaling.v1.Scale");
}

#[test]
fn definitions_know_their_kinds_in_this_document() {
    let document = v3("apps", "v1");
    let schemas = &document["components"]["schemas"];
    let kinds = |name: &str| schemas[name]["x-kubernetes-group-version-kind"].clone();
    assert_eq!(
        kinds("io.k8s.api.apps.v1.Deployment"),
        json!([{ "group": "apps", "version": "v1", "kind": "Deployment" }])
    );
    assert_eq!(
        kinds("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
        json!([
            { "group": "", "version": "v1", "kind": "DeleteOptions" },
            { "group": "apps", "version": "v1", "kind": "DeleteOptions" },
        ])
    );
    assert!(schemas["io.k8s.api.apps.v1.Deployment"]["properties"]["spec"]["description"].is_string());
}

#[test]
fn custom_kinds_are_published_under_their_group_read_backwards() {
    let document = v3("example.io", "v1");
    let schemas = &document["components"]["schemas"];
    let foo = &schemas["io.example.v1.Foo"];
    assert_eq!(foo["description"], "A foo.");
    assert_eq!(foo["x-kubernetes-group-version-kind"][0]["kind"], "Foo");
    let meta = "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    assert_eq!(foo["properties"]["metadata"]["allOf"][0]["$ref"], meta);
    assert_eq!(
        foo["properties"]["spec"]["properties"]["item"]["properties"]["metadata"]["allOf"][0]["$ref"],
        meta
    );
    let list = &schemas["io.example.v1.Foos"];
    assert_eq!(list["properties"]["items"]["items"]["$ref"], "#/components/schemas/io.example.v1.Foo");
    assert_eq!(list["x-kubernetes-group-version-kind"][0]["kind"], "Foos");
}

#[test]
fn kinds_that_may_have_any_field_list_none_in_swagger() {
    let open = json!({ "type": "object", "description": "Any.", "x-kubernetes-preserve-unknown-fields": true,
        "properties": { "spec": { "type": "object" } } });
    let document = v2::document(&[custom(open)]);
    let kind = json!({ "group": "example.io", "version": "v1", "kind": "Foo" });
    assert_eq!(
        document["definitions"]["io.example.v1.Foo"],
        json!({ "type": "object", "x-kubernetes-group-version-kind": [kind] })
    );
}

#[test]
fn custom_schemas_are_published_word_for_word() {
    let plain = json!({ "type": "object", "properties": { "spec": { "type": "object" }, "status": { "type": "object" } } });
    let version = GroupVersion { group: "example.io".into(), version: "v1".into() };
    let document = v3::document(&version, &[custom(plain.clone())]);
    let properties = &document["components"]["schemas"]["io.example.v1.Foo"]["properties"];
    assert_eq!(properties["spec"], plain["properties"]["spec"]);
    assert_eq!(properties["status"], plain["properties"]["status"]);
}

#[test]
fn swagger_leaves_out_what_it_cannot_say() {
    let document = v2::document(&served());
    let spec = &document["definitions"]["io.example.v1.Foo"]["properties"]["spec"]["properties"];
    assert_eq!(spec["port"], json!({ "x-kubernetes-int-or-string": true }));
    assert_eq!(spec["maybe"], json!({}));
    assert_eq!(spec["free"], json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }));
    assert_eq!(spec["size"]["default"], Value::Null);
    let strategy = &document["definitions"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"];
    let wanted = json!({
        "$ref": "#/definitions/io.k8s.api.apps.v1.DeploymentStrategy", "x-kubernetes-patch-strategy": "retainKeys",
    });
    assert_eq!(*strategy, wanted);
    let quantity = &document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!(*quantity, json!({ "type": "string" }));
    let containers = &document["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
}

#[test]
fn the_index_leads_to_the_current_documents() {
    let path = v3::path(&GroupVersion { group: "apps".into(), version: "v1".into() });
    let index = v3::index([(path.as_str(), "AB")]);
    assert_eq!(
        index,
        json!({ "paths": { "apis/apps/v1": { "serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=AB" } } })
    );
    assert_eq!(v3::path(&GroupVersion { group: String::new(), version: "v1".into() }), "api/v1");
}

#[test]
fn the_hash_is_that_of_the_bytes_and_changes_with_them() {
    let document = json!({ "a": 1 });
    assert_eq!(hash(&document), hash_bytes(br#"{"a":1}"#));
    assert_eq!(hash(&document).len(), 128);
    assert_ne!(hash(&document), hash(&json!({ "a": 2 })));
}

/// A reader of protobuf's wire format, for one message at a time.
mod wire {
    /// Fields in the order in which they stand: number, and the bytes or the number as bytes.
    pub(super) fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        while !message.is_empty() {
            let tag = varint(&mut message);
            let value = match tag & 7 {
                0 => varint(&mut message).to_le_bytes().to_vec(),
                1 => take(&mut message, 8),
                2 => {
                    let length = varint(&mut message);
                    take(&mut message, usize::try_from(length).expect("it fits in memory"))
                }
                other => panic!("wire type {other}"),
            };
            found.push((tag >> 3, value));
        }
        found
    }

    fn varint(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = take(message, 1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        panic!("a varint has at most ten bytes");
    }

    fn take(message: &mut &[u8], length: usize) -> Vec<u8> {
        let (taken, rest) = message.split_at(length);
        *message = rest;
        taken.to_vec()
    }

    /// The first field along a path of numbers.
    pub(super) fn get(message: &[u8], path: &[u64]) -> Option<Vec<u8>> {
        let Some((first, rest)) = path.split_first() else {
            return Some(message.to_vec());
        };
        let (_, value) = fields(message).into_iter().find(|(number, _)| number == first)?;
        get(&value, rest)
    }

    /// The value of a named entry of the map in field `number`.
    pub(super) fn named(message: &[u8], number: u64, name: &str) -> Option<Vec<u8>> {
        let mut entries = fields(message).into_iter().filter(|(field, _)| *field == number);
        let (_, entry) = entries.find(|(_, entry)| get(entry, &[1]).as_deref() == Some(name.as_bytes()))?;
        get(&entry, &[2])
    }
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8(bytes.expect("the field is there")).expect("text")
}

#[test]
fn protobuf_has_the_fields_where_gnostic_has_them() {
    let document = v2::protobuf(&v2::document(&served()));
    assert_eq!(text(wire::get(&document, &[1])), "2.0");
    assert_eq!(text(wire::get(&document, &[2, 1])), "Kubernetes");
    assert_eq!(text(wire::get(&document, &[13, 1, 2, 2, 1])), "apiKey");

    let definitions = wire::get(&document, &[9]).expect("definitions");
    let spec = wire::named(&definitions, 1, "io.k8s.api.core.v1.PodSpec").expect("PodSpec");
    assert_eq!(text(wire::get(&spec, &[22, 1])), "object");
    let containers =
        wire::named(&wire::get(&spec, &[25]).expect("properties"), 1, "containers").expect("containers");
    assert_eq!(text(wire::get(&containers, &[23, 1, 1])), "#/definitions/io.k8s.api.core.v1.Container");
    let key = wire::named(&containers, 31, "x-kubernetes-patch-merge-key").expect("an extension");
    assert_eq!(text(wire::get(&key, &[2])), "\"name\"\n");

    let foo = wire::named(&definitions, 1, "io.example.v1.Foo").expect("Foo");
    assert_eq!(text(wire::get(&foo, &[19])), "spec");
    let path = ["spec", "size"];
    let size = path.iter().fold(foo, |schema, name| {
        wire::named(&wire::get(&schema, &[25]).expect("properties"), 1, name).expect("a property")
    });
    assert_eq!(wire::get(&size, &[9]).expect("a minimum"), 0.5_f64.to_le_bytes());
    assert_eq!(wire::get(&size, &[14]).expect("a limit"), 3_u64.to_le_bytes());

    let path = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    let item = wire::named(&wire::get(&document, &[8]).expect("paths"), 2, path).expect("the path");
    assert_eq!(text(wire::get(&item, &[9, 1, 2, 4, 4])), "name");
    let patch = wire::get(&item, &[8]).expect("patch");
    assert_eq!(text(wire::get(&patch, &[5])), "patchAppsV1NamespacedDeployment");
    assert_eq!(
        text(wire::get(&wire::named(&patch, 13, "x-kubernetes-action").expect("an action"), &[2])),
        "\"patch\"\n"
    );
    let parameters: Vec<_> = wire::fields(&patch).into_iter().filter(|(number, _)| *number == 8).collect();
    assert_eq!(text(wire::get(&parameters[0].1, &[1, 1, 2])), "body");
    assert_eq!(text(wire::get(&parameters[1].1, &[1, 2, 3, 4])), "dryRun");
    assert_eq!(text(wire::get(&parameters[1].1, &[1, 2, 3, 6])), "string");
    let answer = wire::named(&wire::get(&patch, &[9]).expect("responses"), 1, "200").expect("an answer");
    assert_eq!(text(wire::get(&answer, &[1, 2, 1, 1])), "#/definitions/io.k8s.api.apps.v1.Deployment");
}
