//! What clients see of objects: create, read, list, watch, change, delete.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use apiserver::superuser;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service};
use kube::Api;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, WatchEvent, WatchParams,
};
use serde_json::{Value, json};
use support::{admin, call, request, said, server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"app": name}}, "data": {"k": "v"}}))
        .unwrap()
}

#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let made = maps.create(&PostParams::default(), &map("a")).await.unwrap();
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    let read = maps.get("a").await.unwrap();
    assert_eq!(read, made);

    let mut changed = read.clone();
    changed.data.as_mut().unwrap().insert("k".into(), "w".into());
    let changed = maps.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_ne!(changed.metadata.resource_version, read.metadata.resource_version);
    let stale = maps.replace("a", &PostParams::default(), &read).await.unwrap_err();
    assert!(stale.to_string().contains("the object has been modified"), "{stale}");

    let same = maps.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_eq!(same.metadata.resource_version, changed.metadata.resource_version, "nothing was written");

    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_usual_words() {
    let server = server().await;
    call(&server, "POST", MAPS, json!({"metadata": {"name": "a"}})).await;
    for (method, path, body, want) in [
        (
            "GET",
            "/api/v1/namespaces/default/configmaps/none",
            Value::Null,
            "404 configmaps \"none\" not found",
        ),
        ("POST", MAPS, json!({"metadata": {"name": "a"}}), "409 configmaps \"a\" already exists"),
        (
            "POST",
            "/api/v1/namespaces/none/configmaps",
            json!({"metadata": {"name": "a"}}),
            "404 namespaces \"none\" not found",
        ),
        (
            "PUT",
            "/api/v1/namespaces/default/configmaps/a",
            json!({"metadata": {"name": "b"}}),
            "400 the name of the object (b) does not match the name on the URL (a)",
        ),
        (
            "POST",
            MAPS,
            json!({"metadata": {"name": "x", "namespace": "other"}}),
            "400 the namespace of the provided object does not match the namespace sent on the request",
        ),
        ("PUT", MAPS, json!({}), "405 the server does not allow this method on the requested resource"),
        ("GET", "/api/v1/nonsense", Value::Null, "404 the server could not find the requested resource"),
        (
            "DELETE",
            "/api/v1/namespaces/default",
            Value::Null,
            "403 namespaces \"default\" is forbidden: this namespace may not be deleted",
        ),
        (
            "POST",
            "/api/v1/namespaces/default/configmaps?fieldValidation=Strict",
            json!({"metadata": {"name": "x"}, "bogus": 1}),
            "400 ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \
             \"bogus\"",
        ),
        (
            "GET",
            "/api/v1/namespaces/default/configmaps?resourceVersionMatch=Exact",
            Value::Null,
            "422 ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is \
             forbidden unless resourceVersion is provided",
        ),
    ] {
        assert_eq!(said(&call(&server, method, path, body).await), want, "{method} {path}");
    }
    let (code, body) = request(&server, superuser("admin"), "GET", "/apis/none.io/v1/things", &[], "").await;
    assert_eq!((code, body.as_str()), (404, "404 page not found\n"));
}

#[tokio::test]
async fn lists_are_selected_and_cut_into_chunks_of_one_moment() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    for name in ["a", "b", "c", "d", "e"] {
        maps.create(&PostParams::default(), &map(name)).await.unwrap();
    }
    let one = maps.list(&ListParams::default().labels("app in (b,c),app!=c")).await.unwrap();
    assert_eq!(one.items.len(), 1);
    let one = maps.list(&ListParams::default().fields("metadata.name=d")).await.unwrap();
    assert_eq!(one.items[0].metadata.name.as_deref(), Some("d"));

    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    maps.delete("d", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let rest = maps.list(&ListParams::default().limit(10).continue_token(&token)).await.unwrap();
    let names: Vec<_> = rest.items.iter().filter_map(|m| m.metadata.name.as_deref()).collect();
    assert_eq!(names, ["c", "d", "e"], "the deleted one was there at the moment of the first chunk");
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
}

#[tokio::test]
async fn a_watch_tells_what_comes_changes_and_goes() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    maps.create(&PostParams::default(), &map("a")).await.unwrap();
    let params = WatchParams::default().labels("app=a");
    let mut events = maps.watch(&params, "0").await.unwrap().boxed();
    let mut next = async || match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Added(o) => format!("ADDED {}", o.metadata.name.unwrap()),
        WatchEvent::Modified(o) => format!("MODIFIED {}", o.metadata.name.unwrap()),
        WatchEvent::Deleted(o) => format!("DELETED {}", o.metadata.name.unwrap()),
        other => format!("{other:?}"),
    };
    assert_eq!(next().await, "ADDED a");
    maps.create(&PostParams::default(), &map("other")).await.unwrap();
    let merge = |value: Value| Patch::Merge(value);
    maps.patch("a", &PatchParams::default(), &merge(json!({"data": {"x": "y"}}))).await.unwrap();
    assert_eq!(next().await, "MODIFIED a");
    maps.patch("a", &PatchParams::default(), &merge(json!({"metadata": {"labels": {"app": "z"}}})))
        .await
        .unwrap();
    assert_eq!(next().await, "DELETED a", "it is selected no more");
    maps.patch("other", &PatchParams::default(), &merge(json!({"metadata": {"labels": {"app": "a"}}})))
        .await
        .unwrap();
    assert_eq!(next().await, "ADDED other", "it is selected now");
    maps.delete("other", &DeleteParams::default()).await.unwrap();
    assert_eq!(next().await, "DELETED other");
}

#[tokio::test]
async fn a_watch_list_ends_its_beginning_with_a_bookmark() {
    let server = server().await;
    call(&server, "POST", MAPS, json!({"metadata": {"name": "a"}})).await;
    let path = format!(
        "{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    );
    let (code, body) = request(&server, superuser("admin"), "GET", &path, &[], "").await;
    let lines: Vec<Value> = body.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(code, 200);
    assert_eq!(lines[0]["type"], "ADDED");
    assert_eq!(lines[1]["type"], "BOOKMARK");
    assert_eq!(lines[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_one_goes() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let mut held = map("a");
    held.metadata.finalizers = Some(vec!["x.y/z".into()]);
    maps.create(&PostParams::default(), &held).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let held = maps.get("a").await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    let more = Patch::Merge(json!({"metadata": {"finalizers": ["x.y/z", "x.y/new"]}}));
    let refused = maps.patch("a", &PatchParams::default(), &more).await.unwrap_err();
    assert!(refused.to_string().contains("no new finalizers can be added"), "{refused}");
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("a", &PatchParams::default(), &none).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn foreground_deletion_waits_for_the_garbage_collector() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    maps.create(&PostParams::default(), &map("a")).await.unwrap();
    let params =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    maps.delete("a", &params).await.unwrap();
    assert_eq!(maps.get("a").await.unwrap().metadata.finalizers.unwrap(), ["foregroundDeletion"]);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let shown = maps.create(&dry, &map("a")).await.unwrap();
    assert!(shown.metadata.uid.is_some() && shown.metadata.resource_version.is_none());
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn generated_names_are_fresh_each_time() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let mut unnamed = map("a");
    unnamed.metadata.name = None;
    unnamed.metadata.generate_name = Some("pre-".into());
    let first = maps.create(&PostParams::default(), &unnamed).await.unwrap().metadata.name.unwrap();
    let second = maps.create(&PostParams::default(), &unnamed).await.unwrap().metadata.name.unwrap();
    assert!(first.starts_with("pre-") && first.len() == 9, "{first}");
    assert_ne!(first, second);
}

#[tokio::test]
async fn spec_and_status_are_written_through_different_doors() {
    let server = server().await;
    let deployments: Api<Deployment> = Api::namespaced(admin(&server), "default");
    let new: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "d"}, "status": {"replicas": 9},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    }))
    .unwrap();
    let made = deployments.create(&PostParams::default(), &new).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.spec.replicas, Some(1), "defaulted");
    assert_eq!(made.status.unwrap_or_default().replicas, None);
    let status = Patch::Merge(json!({"status": {"replicas": 1}, "spec": {"replicas": 7}}));
    let after = deployments.patch_status("d", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(after.spec.replicas, Some(1));
    assert_eq!(after.status.unwrap().replicas, Some(1));
    assert_eq!(after.metadata.generation, Some(1));
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let scale = deployments.patch_scale("d", &PatchParams::default(), &scale).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    let after = deployments.get("d").await.unwrap();
    assert_eq!(after.metadata.generation, Some(2));
    assert_eq!(after.spec.replicas, Some(3));
}

#[tokio::test]
async fn appliers_share_an_object_and_conflicts_are_named() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let applied = |value: &str| {
        Patch::Apply(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}}),
        )
    };
    maps.patch("a", &PatchParams::apply("one"), &applied("v")).await.unwrap();
    let conflict = maps.patch("a", &PatchParams::apply("two"), &applied("w")).await.unwrap_err();
    assert!(conflict.to_string().contains("conflict with \"one\": .data.k"), "{conflict}");
    let taken = maps.patch("a", &PatchParams::apply("two").force(), &applied("w")).await.unwrap();
    assert_eq!(taken.data.unwrap()["k"], "w");
}

#[tokio::test]
async fn services_get_addresses_and_give_them_back() {
    let server = server().await;
    let services: Api<Service> = Api::namespaced(admin(&server), "default");
    let service = |name: &str, ip: Option<&str>| -> Service {
        serde_json::from_value(
            json!({"metadata": {"name": name}, "spec": {"clusterIP": ip, "type": "NodePort", "ports": [{"port": 80}]}}),
        )
        .unwrap()
    };
    let spec = services.create(&PostParams::default(), &service("a", None)).await.unwrap().spec.unwrap();
    let ip = spec.cluster_ip.unwrap();
    assert!(ip.starts_with("10."), "{ip}");
    assert!((30000..=32767).contains(&spec.ports.unwrap()[0].node_port.unwrap()));
    let taken = services.create(&PostParams::default(), &service("b", Some(&ip))).await.unwrap_err();
    assert!(taken.to_string().contains("provided IP is already allocated"), "{taken}");
    services.delete("a", &DeleteParams::default()).await.unwrap();
    services.create(&PostParams::default(), &service("b", Some(&ip))).await.unwrap();
}

#[tokio::test]
async fn a_namespace_ends_when_its_content_is_gone() {
    let server = server().await;
    let namespaces: Api<Namespace> = Api::all(admin(&server));
    let new = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
    let made = namespaces.create(&PostParams::default(), &new).await.unwrap();
    assert_eq!(made.metadata.labels.unwrap()["kubernetes.io/metadata.name"], "n");
    namespaces.delete("n", &DeleteParams::default()).await.unwrap();
    let going = namespaces.get("n").await.unwrap();
    assert_eq!(going.status.unwrap().phase.as_deref(), Some("Terminating"));
    let late =
        call(&server, "POST", "/api/v1/namespaces/n/configmaps", json!({"metadata": {"name": "late"}})).await;
    assert_eq!(late.1["details"]["causes"][0]["reason"], "NamespaceTerminating");
    let (_, mut namespace) = call(&server, "GET", "/api/v1/namespaces/n", Value::Null).await;
    namespace["spec"] = json!({});
    let (code, _) = call(&server, "PUT", "/api/v1/namespaces/n/finalize", namespace).await;
    assert_eq!(code, 200);
    assert!(namespaces.get_opt("n").await.unwrap().is_none());
}

#[tokio::test]
async fn a_bound_pod_gets_time_to_stop() {
    let server = server().await;
    let pods: Api<Pod> = Api::namespaced(admin(&server), "default");
    let pod = serde_json::from_value(
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    )
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    let path = "/api/v1/namespaces/default/pods/p/binding";
    assert_eq!(call(&server, "POST", path, binding.clone()).await.0, 201);
    assert!(said(&call(&server, "POST", path, binding).await).contains("already assigned to node \"n\""));
    pods.delete("p", &DeleteParams::default()).await.unwrap();
    assert_eq!(pods.get("p").await.unwrap().metadata.deletion_grace_period_seconds, Some(30));
    pods.delete("p", &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() })
        .await
        .unwrap();
    assert!(pods.get_opt("p").await.unwrap().is_none());
}

#[tokio::test]
async fn tables_and_metadata_are_given_to_those_who_ask() {
    let server = server().await;
    call(&server, "POST", MAPS, json!({"metadata": {"name": "a"}, "data": {"x": "y"}})).await;
    let ask = async |accept: &str, path: &str| {
        let (_, body) = request(&server, superuser("admin"), "GET", path, &[("accept", accept)], "").await;
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let table = ask("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", MAPS).await;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let list = ask("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", MAPS).await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert!(list["items"][0]["data"].is_null());
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
}
