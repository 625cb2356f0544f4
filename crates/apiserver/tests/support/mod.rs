//! A server in memory and clients for it.
#![expect(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::Arc;

use apiserver::{ApiServer, Deps, Options, ServiceAccountKey, User, superuser};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::{ApiResource, DynamicObject};
use serde_json::Value;
use store::embedded::Engine;
use tower::Service as _;

/// A server with an empty store.
pub(crate) async fn server() -> ApiServer {
    server_with(|_| {}).await
}

/// A server with an empty store and other options.
pub(crate) async fn server_with(change: impl FnOnce(&mut Deps)) -> ApiServer {
    let mut deps = Deps::new(Arc::new(Engine::memory()));
    change(&mut deps);
    let key = pki::TokenKey::generate().unwrap();
    let options = Options { service_account_key: Some(ServiceAccountKey::from(&key)), ..Options::default() };
    ApiServer::new(options, deps).await.unwrap()
}

/// A client that may do everything.
pub(crate) fn admin(server: &ApiServer) -> Client {
    client(server, superuser("admin"))
}

/// A client that is somebody.
pub(crate) fn client(server: &ApiServer, user: User) -> Client {
    Client::new(server.handle().service(user), "default")
}

/// Code and body of a request.
pub(crate) async fn request(
    server: &ApiServer,
    user: User,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(http_body_util::Full::new(bytes::Bytes::from(body.to_owned()))).unwrap();
    let mut service = server.handle().service(user);
    let service = tower::ServiceExt::<http::Request<http_body_util::Full<bytes::Bytes>>>::ready(&mut service)
        .await
        .unwrap();
    let response = service.call(request).await.unwrap();
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (code, String::from_utf8(body.to_vec()).unwrap())
}

/// Code and JSON body of an administrator's request.
pub(crate) async fn call(server: &ApiServer, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let content_type = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let (code, body) =
        request(server, superuser("admin"), method, path, &[("content-type", content_type)], &body).await;
    (code, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// The message of a Status, after its code.
pub(crate) fn said((code, body): &(u16, Value)) -> String {
    format!("{code} {}", body["message"].as_str().unwrap_or_default())
}

/// The kind `Foo` of `example.io/v1`.
pub(crate) fn foo() -> ApiResource {
    ApiResource {
        group: "example.io".into(),
        version: "v1".into(),
        api_version: "example.io/v1".into(),
        kind: "Foo".into(),
        plural: "foos".into(),
    }
}

/// An object out of JSON.
pub(crate) fn dynamic(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}
