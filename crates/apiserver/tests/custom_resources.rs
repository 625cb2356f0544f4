//! Custom resources: from their definition to their end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, WatchEvent, WatchParams};
use serde_json::{Value, json};
use support::{admin, call, foo, said, server};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How long anything may take before a test gives up.
const LIMIT: Duration = Duration::from_secs(10);
const FOOS: &str = "/apis/example.io/v1/namespaces/default/foos";

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 3, "maximum": 10}, "replicas": {"type": "integer"},
            "note": {"type": "string"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.io"},
        "spec": {
            "group": "example.io", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "selectableFields": [{"jsonPath": ".spec.note"}],
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }, {
                "name": "v1beta1", "served": true, "storage": false, "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

type Changes = BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>;

/// The changes of all definitions from now on, after those there are.
async fn definitions(server: &apiserver::ApiServer) -> Changes {
    let resource = ApiResource {
        group: "apiextensions.k8s.io".into(),
        version: "v1".into(),
        api_version: "apiextensions.k8s.io/v1".into(),
        kind: "CustomResourceDefinition".into(),
        plural: "customresourcedefinitions".into(),
    };
    let definitions: Api<DynamicObject> = Api::all_with(admin(server), &resource);
    definitions.watch(&WatchParams::default(), "0").await.unwrap().boxed()
}

/// Waits for a definition to be as wanted; a deleted one is null.
async fn until(mut changes: Changes, wanted: impl Fn(&Value) -> bool) {
    let waiting = async {
        while let Some(event) = changes.try_next().await.unwrap() {
            let value = match event {
                WatchEvent::Added(o) | WatchEvent::Modified(o) => serde_json::to_value(o).unwrap(),
                WatchEvent::Deleted(_) => Value::Null,
                _ => continue,
            };
            if wanted(&value) {
                return;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(LIMIT, waiting).await.expect("the definition becomes as wanted");
}

/// Creates the definition and waits until it is established.
async fn define(server: &apiserver::ApiServer) {
    let (code, answer) = call(server, "POST", DEFINITIONS, definition()).await;
    assert_eq!(code, 201, "{answer}");
    until(definitions(server).await, |d| {
        let conditions = d["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True")
    })
    .await;
}

#[tokio::test]
async fn a_custom_resource_is_pruned_defaulted_and_validated() {
    let server = server().await;
    define(&server).await;
    let new = json!({"apiVersion": "example.io/v1", "kind": "Foo", "metadata": {"name": "f"},
        "spec": {"bogus": 1}, "status": {"x": 1}});
    let (code, made) = call(&server, "POST", FOOS, new).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["spec"], json!({"size": 3}));
    assert_eq!(made["status"], Value::Null);
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{FOOS}/f");
    let refused = call(&server, "PATCH", &path, json!({"spec": {"size": 11}})).await;
    assert_eq!(
        said(&refused),
        "422 Foo.example.io \"f\" is invalid: spec.size: Invalid value: 11: spec.size in body should be less than or \
         equal to 10"
    );
    let (_, changed) = call(&server, "PATCH", &path, json!({"spec": {"size": 4}})).await;
    assert_eq!(changed["metadata"]["generation"], 2);
    let (_, changed) =
        call(&server, "PATCH", &format!("{path}/status"), json!({"status": {"y": 2}, "spec": {"size": 9}}))
            .await;
    assert_eq!((&changed["status"], &changed["spec"]["size"]), (&json!({"y": 2}), &json!(4)));
    let unversioned = json!({"apiVersion": "example.io/v1", "kind": "Foo", "metadata": {"name": "f"}});
    assert!(
        said(&call(&server, "PUT", &path, unversioned).await).contains("must be specified for an update")
    );
}

#[tokio::test]
async fn another_version_shows_the_same_objects() {
    let server = server().await;
    define(&server).await;
    let new = json!({"metadata": {"name": "f"}, "spec": {"replicas": 2}});
    call(&server, "POST", FOOS, new).await;
    let (_, read) =
        call(&server, "GET", "/apis/example.io/v1beta1/namespaces/default/foos/f", Value::Null).await;
    assert_eq!(read["apiVersion"], "example.io/v1beta1");
    assert_eq!(read["spec"]["replicas"], 2);
    let (_, scale) = call(&server, "GET", &format!("{FOOS}/f/scale"), Value::Null).await;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
}

#[tokio::test]
async fn selectable_fields_select() {
    let server = server().await;
    define(&server).await;
    for (name, note) in [("a", "x"), ("b", "y")] {
        call(&server, "POST", FOOS, json!({"metadata": {"name": name}, "spec": {"note": note}})).await;
    }
    let (_, list) = call(&server, "GET", &format!("{FOOS}?fieldSelector=spec.note%3Dy"), Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["metadata"]["name"], "b");
    let unknown = call(&server, "GET", &format!("{FOOS}?fieldSelector=spec.size%3D3"), Value::Null).await;
    assert_eq!(said(&unknown), "400 field label not supported: spec.size");
}

#[tokio::test]
async fn deleting_the_definition_deletes_the_objects_and_ends_watches() {
    let server = server().await;
    define(&server).await;
    call(&server, "POST", FOOS, json!({"metadata": {"name": "f"}})).await;
    let foos: Api<DynamicObject> = Api::namespaced_with(admin(&server), "default", &foo());
    let events = foos.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let changes = definitions(&server).await;
    let (code, _) = call(&server, "DELETE", &format!("{DEFINITIONS}/foos.example.io"), Value::Null).await;
    assert_eq!(code, 200);
    until(changes, Value::is_null).await;
    tokio::time::timeout(LIMIT, events.count()).await.expect("the watch ends");
    let (code, _) = call(&server, "GET", FOOS, Value::Null).await;
    assert_eq!(code, 404);
    define(&server).await;
    let (_, list) = call(&server, "GET", FOOS, Value::Null).await;
    assert_eq!(list["items"], json!([]), "the old objects are gone");
}

#[tokio::test]
async fn a_definition_with_rules_we_cannot_keep_is_refused() {
    let server = server().await;
    let mut definition = definition();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
        json!([{"rule": "self.size > 1"}]);
    let refused = call(&server, "POST", DEFINITIONS, definition).await;
    assert!(said(&refused).contains("not supported by this server"), "{refused:?}");
}

#[tokio::test]
async fn a_taken_kind_is_not_served_until_it_is_free() {
    let server = server().await;
    define(&server).await;
    let mut rival = definition();
    rival["metadata"]["name"] = json!("fooz.example.io");
    rival["spec"]["names"]["plural"] = json!("fooz");
    call(&server, "POST", DEFINITIONS, rival).await;
    let condition = |d: &Value, name: &str, status: &str| {
        let conditions = d["status"]["conditions"].as_array().cloned().unwrap_or_default();
        d["metadata"]["name"] == "fooz.example.io"
            && conditions.iter().any(|c| c["type"] == name && c["status"] == status)
    };
    until(definitions(&server).await, |d| condition(d, "NamesAccepted", "False")).await;
    let fooz = "/apis/example.io/v1/namespaces/default/fooz";
    assert_eq!(call(&server, "GET", fooz, Value::Null).await.0, 404);
    call(&server, "DELETE", &format!("{DEFINITIONS}/foos.example.io"), Value::Null).await;
    until(definitions(&server).await, |d| condition(d, "Established", "True")).await;
    assert_eq!(call(&server, "GET", fooz, Value::Null).await.0, 200);
}

#[tokio::test]
async fn discovery_and_schemas_know_the_new_kind() {
    let server = server().await;
    define(&server).await;
    let (_, list) = call(&server, "GET", "/apis/example.io/v1", Value::Null).await;
    let names: Vec<&str> =
        list["resources"].as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
    assert_eq!(names, ["foos", "foos/status", "foos/scale"]);
    let (_, group) = call(&server, "GET", "/apis/example.io", Value::Null).await;
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let (_, document) = call(&server, "GET", "/openapi/v3/apis/example.io/v1", Value::Null).await;
    assert!(document["components"]["schemas"]["io.example.v1.Foo"].is_object());
}
