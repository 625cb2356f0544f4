//! Admission webhooks that answer: over real TLS, on this machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;

use apiserver::tls;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use clock::Clock;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pki::{Authority, Profile};
use serde_json::{Value, json};
use support::{call, said, server};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Labels what it sees, and refuses what is labelled `refuse`.
fn verdict(review: &Value) -> Value {
    let request = &review["request"];
    let mut response = json!({"uid": request["uid"], "allowed": true, "warnings": ["looked at"]});
    if request["object"]["metadata"]["labels"]["refuse"].is_string() {
        response["allowed"] = false.into();
        response["status"] = json!({"message": "it says so", "code": 418});
    } else if request["oldObject"].is_null() {
        let who = &request["userInfo"]["username"];
        let patch = json!([{"op": "add", "path": "/metadata/annotations", "value": {"made-by": who}}]);
        response["patchType"] = "JSONPatch".into();
        response["patch"] = BASE64.encode(patch.to_string()).into();
    }
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response})
}

/// Starts a webhook and gives its address and the CA to trust.
async fn webhook() -> (SocketAddr, String) {
    let authority = Authority::create("webhook-ca", &Clock::system()).unwrap();
    let serving = authority.issue(&Profile::server("webhook", ["127.0.0.1"])).unwrap();
    let config = tls::config(&serving.certificate_pem, &serving.key_pem, "").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    runtime::spawn("webhook", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let answer = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                assert_eq!(request.uri().path_and_query().unwrap().as_str(), "/look?timeout=5s");
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let answer = verdict(&serde_json::from_slice(&body).unwrap());
                Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(answer.to_string()))))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        }
    });
    (address, authority.certificate_pem().to_owned())
}

fn configuration(address: SocketAddr, ca: &str) -> Value {
    json!({"metadata": {"name": "hooks"}, "webhooks": [{
        "name": "look.example.io", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
        "clientConfig": {"url": format!("https://{address}/look"), "caBundle": BASE64.encode(ca)},
        "objectSelector": {"matchExpressions": [{"key": "ignore", "operator": "DoesNotExist"}]},
        "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"],
            "resources": ["configmaps"]}],
    }]})
}

#[tokio::test]
async fn a_webhook_changes_what_it_is_asked_about_and_refuses_in_its_own_words() {
    let server = server().await;
    let (address, ca) = webhook().await;
    let hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let (code, answer) = call(&server, "POST", hooks, configuration(address, &ca)).await;
    assert_eq!(code, 201, "{answer}");
    // The list waits for the cache, and with it for the new configuration.
    call(&server, "GET", hooks, Value::Null).await;

    let (code, made) = call(&server, "POST", MAPS, json!({"metadata": {"name": "a"}})).await;
    assert_eq!(code, 201, "{made}");
    assert_eq!(made["metadata"]["annotations"]["made-by"], "admin");

    let refused = json!({"metadata": {"name": "b", "labels": {"refuse": "x"}}});
    assert_eq!(
        said(&call(&server, "POST", MAPS, refused.clone()).await),
        "418 admission webhook \"look.example.io\" denied the request: it says so"
    );
    let patch = json!({"metadata": {"labels": {"refuse": "x"}}});
    assert_eq!(call(&server, "PATCH", &format!("{MAPS}/a"), patch).await.0, 418);

    let ignored = json!({"metadata": {"name": "c", "labels": {"refuse": "x", "ignore": "x"}}});
    let (code, made) = call(&server, "POST", MAPS, ignored).await;
    assert_eq!((code, &made["metadata"]["annotations"]), (201, &Value::Null), "the selector leaves it out");

    let (code, _) = call(&server, "DELETE", &format!("{MAPS}/c"), Value::Null).await;
    assert_eq!(code, 200, "deletes are not asked about");
}

#[tokio::test]
async fn a_webhook_that_the_bundle_does_not_vouch_for_is_not_believed() {
    let server = server().await;
    let (address, _) = webhook().await;
    let stranger = Authority::create("another-ca", &Clock::system()).unwrap();
    let hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    call(&server, "POST", hooks, configuration(address, stranger.certificate_pem())).await;
    call(&server, "GET", hooks, Value::Null).await;
    let refused = call(&server, "POST", MAPS, json!({"metadata": {"name": "a"}})).await;
    assert!(said(&refused).starts_with("500 Internal error occurred: failed calling webhook"), "{refused:?}");
}
