//! MultiClusterIngress.

use machinery::Object;
use serde_json::{Value, json};

use super::{check, object};

fn ingress(spec: Value) -> Object {
    object("networking.karmada.io/v1alpha1", "MultiClusterIngress", json!({ "spec": spec }))
}

fn service() -> Value {
    json!({ "service": { "name": "web", "port": { "number": 80 } } })
}

fn path(path: &str, path_type: &str, backend: Value) -> Object {
    ingress(json!({ "rules": [{ "host": "a.b", "http": { "paths": [
        { "path": path, "pathType": path_type, "backend": backend }
    ]}}]}))
}

#[test]
fn an_ingress_leads_somewhere() {
    check(&ingress(json!({ "defaultBackend": service() })), "");
    check(&path("/", "Prefix", service()), "");
    check(&ingress(json!({})), "either `defaultBackend` or `rules`");
    check(
        &ingress(json!({ "rules": [{ "http": { "paths": [] } }] })),
        "spec.rules[0].http.paths: Required value",
    );
}

#[test]
fn hosts_are_names() {
    let host = |host: &str| ingress(json!({ "rules": [{ "host": host }], "tls": [{ "hosts": ["a.b"] }] }));
    check(&host("a.b"), "");
    check(&host("*.a.b"), "");
    check(&host("10.0.0.1"), "not an IP address");
    check(&host("a.*"), "spec.rules[0].host: Invalid value");
    check(&host("A_b"), "spec.rules[0].host: Invalid value");
    check(
        &ingress(json!({ "defaultBackend": service(), "tls": [{ "hosts": ["1.2.3.4"] }] })),
        "spec.tls[0].hosts[0]",
    );
}

#[test]
fn paths_are_absolute_and_mean_what_they_say() {
    for (text, path_type, expected) in [
        ("/a", "Exact", ""),
        ("/a", "Prefix", ""),
        ("/a.*", "ImplementationSpecific", ""),
        ("", "ImplementationSpecific", ""),
        ("a", "Exact", "must be an absolute path"),
        ("", "Prefix", "must be an absolute path"),
        ("a", "ImplementationSpecific", "must be an absolute path"),
        ("/a//b", "Prefix", "must not contain \"//\""),
        ("/a/../b", "Prefix", "must not contain \"/../\""),
        ("/a%2fb", "Exact", "must not contain \"%2f\""),
        ("/a/..", "Exact", "dot segment"),
        ("/a", "", "pathType must be specified"),
        ("/a", "Regex", "pathType: Unsupported value"),
    ] {
        check(&path(text, path_type, service()), expected);
    }
}

#[test]
fn a_backend_is_a_port_of_a_service_or_a_resource() {
    let backend = |backend: Value| path("/", "Prefix", backend);
    let port = |port: Value| backend(json!({ "service": { "name": "web", "port": port } }));
    check(&backend(json!({ "resource": { "kind": "A", "name": "b" } })), "");
    check(&port(json!({ "name": "http" })), "");
    check(&port(json!({ "name": "http", "number": 80 })), "cannot set both port name & port number");
    check(&port(json!({})), "port name or number is required");
    check(&port(json!({ "number": 70_000 })), "port.number: Invalid value");
    check(&port(json!({ "name": "not a port" })), "port.name: Invalid value");
    check(&backend(json!({})), "one of service and resource");
    check(&backend(json!({ "resource": {}, "service": {} })), "cannot set both resource and service");
    check(
        &backend(json!({ "service": { "name": "1web", "port": { "number": 1 } } })),
        "service.name: Invalid value",
    );
}
