//! What a namespace's limits and quotas do to writes, and what the server says of odd requests.

mod support;

use apiserver::{ApiServer, superuser};
use serde_json::{Value, json};
use support::{call, request, said, server};

const CORE: &str = "/api/v1/namespaces/default";

fn pod(name: &str, resources: Value) -> Value {
    let containers = json!([{"name": "c", "image": "i", "resources": resources}]);
    json!({"metadata": {"name": name}, "spec": {"containers": containers}})
}

/// A list shows the newest state, so it waits for what admission looks at too.
async fn caught_up(server: &ApiServer) {
    call(server, "GET", &format!("{CORE}/resourcequotas"), Value::Null).await;
}

#[tokio::test]
async fn limit_ranges_fill_in_and_bound_new_pods() {
    let server = server().await;
    let limit = json!({"type": "Container", "default": {"cpu": "500m"}, "max": {"cpu": "1"}});
    let range = json!({"metadata": {"name": "l"}, "spec": {"limits": [limit]}});
    call(&server, "POST", &format!("{CORE}/limitranges"), range).await;
    caught_up(&server).await;
    let pods = format!("{CORE}/pods");
    let (code, made) = call(&server, "POST", &pods, pod("a", json!({}))).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}})
    );
    let refused = call(&server, "POST", &pods, pod("b", json!({"limits": {"cpu": "2"}}))).await;
    assert_eq!(
        said(&refused),
        "403 pods \"b\" is forbidden: maximum cpu usage per Container is 1, but limit is 2"
    );
}

#[tokio::test]
async fn a_pod_can_be_replaced_by_what_it_was_made_of() {
    let server = server().await;
    let pods = format!("{CORE}/pods");
    let (_, made) = call(&server, "POST", &pods, pod("a", json!({}))).await;
    let (code, same) = call(&server, "PUT", &format!("{pods}/a"), pod("a", json!({}))).await;
    assert_eq!(code, 200, "{same}");
    assert_eq!(same["spec"], made["spec"]);
}

#[tokio::test]
async fn a_definition_says_which_of_its_names_are_taken() {
    let server = server().await;
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for plural in ["foos", "others"] {
        let definition = json!({
            "metadata": {"name": format!("{plural}.example.io")},
            "spec": {
                "group": "example.io", "scope": "Namespaced", "names": {"plural": plural, "kind": "Foo"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}],
            },
        });
        call(&server, "POST", definitions, definition).await;
        loop {
            let path = format!("{definitions}/{plural}.example.io");
            let (_, found) = call(&server, "GET", &path, Value::Null).await;
            let status = &found["status"];
            if status["conditions"].is_null() {
                tokio::task::yield_now().await;
                continue;
            }
            let (condition, accepted) = (&status["conditions"][0], &status["acceptedNames"]);
            match plural {
                "foos" => assert_eq!(condition["reason"], "NoConflicts"),
                _ => {
                    assert_eq!(condition["reason"], "ListKindConflict");
                    assert_eq!(condition["message"], "\"FooList\" is already in use");
                    assert_eq!(*accepted, json!({"plural": "others", "kind": ""}));
                }
            }
            break;
        }
    }
}

#[tokio::test]
async fn quotas_are_charged_at_once_and_end_what_may_be_made() {
    let server = server().await;
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "1"}}});
    call(&server, "POST", &format!("{CORE}/resourcequotas"), quota).await;
    let status = json!({"status": {"hard": {"secrets": "1"}, "used": {"secrets": "0"}}});
    call(&server, "PATCH", &format!("{CORE}/resourcequotas/q/status"), status).await;
    caught_up(&server).await;
    let secret = |name: &str| json!({"metadata": {"name": name}});
    let secrets = format!("{CORE}/secrets");
    let dry = call(&server, "POST", &format!("{secrets}?dryRun=All"), secret("a")).await;
    assert_eq!(dry.0, 201, "a dry run takes nothing");
    assert_eq!(call(&server, "POST", &secrets, secret("a")).await.0, 201);
    let (_, quota) = call(&server, "GET", &format!("{CORE}/resourcequotas/q"), Value::Null).await;
    assert_eq!(quota["status"]["used"], json!({"secrets": "1"}));
    assert_eq!(
        said(&call(&server, "POST", &secrets, secret("b")).await),
        "403 secrets \"b\" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1"
    );
    assert_eq!(call(&server, "POST", &format!("{CORE}/configmaps"), secret("b")).await.0, 201);
}

#[tokio::test]
async fn what_has_no_rows_is_not_shown_as_a_table() {
    let server = server().await;
    let ask = |accept: &'static str| {
        let body = r#"{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}"#;
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let headers = [("accept", accept), ("content-type", "application/json")];
        let server = &server;
        async move { request(server, superuser("admin"), "POST", path, &headers, body).await.0 }
    };
    assert_eq!(ask("application/json;as=Table;v=v1;g=meta.k8s.io").await, 406);
    assert_eq!(ask("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await, 201);
}

#[tokio::test]
async fn fields_that_occur_twice_are_noticed_in_patches_too() {
    let server = server().await;
    let maps = format!("{CORE}/configmaps");
    call(&server, "POST", &maps, json!({"metadata": {"name": "a"}})).await;
    for (media_type, body, expected) in [
        (
            "application/merge-patch+json",
            r#"{"data":{"k":"1","k":"2"}}"#,
            (422, "strict decoding error: duplicate field \\\"data.k\\\""),
        ),
        (
            "application/merge-patch+json",
            r#"{"odd":1}"#,
            (422, "strict decoding error: unknown field \\\"odd\\\""),
        ),
        (
            "application/strategic-merge-patch+json",
            r#"{"metadata":{"labels":{"a":"b"}},"odd":1}"#,
            (422, "\\\"map[metadata:map[labels:map[a:b]] odd:1]\\\": strict decoding error: unknown field"),
        ),
        (
            "application/apply-patch+yaml",
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  k: a\n  k: b\n",
            (400, "line 5: key \\\"k\\\" already set in map"),
        ),
    ] {
        let path = format!("{maps}/a?fieldValidation=Strict&fieldManager=m");
        let headers = [("content-type", media_type)];
        let (code, said) = request(&server, superuser("admin"), "PATCH", &path, &headers, body).await;
        assert!(code == expected.0 && said.contains(expected.1), "{media_type}: {code} {said}");
    }
}

#[tokio::test]
async fn the_metadata_of_custom_resources_has_known_fields_only() {
    let server = server().await;
    let definition = json!({
        "metadata": {"name": "foos.example.io"},
        "spec": {
            "group": "example.io", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    call(&server, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
    let foos = "/apis/example.io/v1/namespaces/default/foos";
    while call(&server, "GET", foos, Value::Null).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    let foo = json!({"apiVersion": "example.io/v1", "kind": "Foo", "metadata": {"name": "a", "odd": 1}});
    let refused = call(&server, "POST", &format!("{foos}?fieldValidation=Strict"), foo.clone()).await;
    assert!(said(&refused).ends_with("strict decoding error: unknown field \"metadata.odd\""), "{refused:?}");
    let (code, made) = call(&server, "POST", foos, foo).await;
    assert_eq!((code, made["metadata"].get("odd")), (201, None));
}

#[tokio::test]
async fn another_servers_group_is_unavailable_rather_than_unknown() {
    let server = server().await;
    let (_, local) =
        call(&server, "GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps", Value::Null).await;
    assert_eq!(local["status"]["conditions"][0]["reason"], "Local");
    let remote = json!({"metadata": {"name": "v1.far.example.io"}, "spec": {
        "group": "far.example.io", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10,
        "service": {"namespace": "default", "name": "none"}, "insecureSkipTLSVerify": true}});
    let (code, made) = call(&server, "POST", "/apis/apiregistration.k8s.io/v1/apiservices", remote).await;
    assert_eq!(code, 201, "{made}");
    let path = "/apis/far.example.io/v1/things";
    loop {
        let (code, _) = call(&server, "GET", path, Value::Null).await;
        if code == 503 {
            break;
        }
        assert_eq!(code, 404, "until the server has seen the APIService");
        tokio::task::yield_now().await;
    }
}
