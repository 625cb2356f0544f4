//! Who may do what, and how the server knows who asks.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::sync::Arc;

use apiserver::{Admission, Attributes, Listener, Operation, authenticated, tls};
use async_trait::async_trait;
use clock::Clock;
use machinery::{GroupVersionResource, Object, Status};
use pki::{Authority, Profile};
use runtime::Shutdown;
use serde_json::{Value, json};
use support::{call, request, said, server, server_with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn strangers_see_health_and_version_only() {
    let server = server().await;
    let nobody = || {
        let mut user = authenticated("system:anonymous", &[]);
        user.groups = vec!["system:unauthenticated".into()];
        user
    };
    for (path, want) in
        [("/readyz", 200), ("/version", 200), ("/api", 403), ("/metrics", 403), ("/api/v1/pods", 403)]
    {
        let (code, body) = request(&server, nobody(), "GET", path, &[], "").await;
        assert_eq!(code, want, "{path}: {body}");
    }
}

#[tokio::test]
async fn roles_allow_and_nobody_gives_away_more_than_they_have() {
    let server = server().await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let alice = || authenticated("alice", &[]);
    let read = async || {
        let path = "/api/v1/namespaces/default/configmaps";
        request(&server, alice(), "GET", path, &[], "").await.0
    };
    assert_eq!(read().await, 403);
    let role = json!({"metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}]});
    call(&server, "POST", &format!("{rbac}/namespaces/default/roles"), role).await;
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r",
        "apiGroup": "rbac.authorization.k8s.io"}, "subjects": [{"kind": "User", "name": "alice"}]});
    call(&server, "POST", &format!("{rbac}/namespaces/default/rolebindings"), binding).await;
    // The caches see what the answered list needed.
    call(&server, "GET", &format!("{rbac}/rolebindings"), Value::Null).await;
    assert_eq!(read().await, 200);
    let more = json!({"metadata": {"name": "more"}, "rules": [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]});
    let (code, body) = request(
        &server,
        alice(),
        "POST",
        &format!("{rbac}/namespaces/default/roles"),
        &[],
        &more.to_string(),
    )
    .await;
    assert_eq!(code, 403);
    assert!(body.contains("attempting to grant RBAC permissions not currently held"), "{body}");
}

#[tokio::test]
async fn a_service_account_token_is_good_until_the_account_goes() {
    let server = server().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    call(&server, "POST", accounts, json!({"metadata": {"name": "sa"}})).await;
    let (code, answer) = call(&server, "POST", &format!("{accounts}/sa/token"), json!({"spec": {}})).await;
    assert_eq!(code, 201, "{answer}");
    let token = answer["status"]["token"].as_str().unwrap();
    let review = json!({"spec": {"token": token}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, answer) = call(&server, "POST", reviews, review.clone()).await;
    assert_eq!(answer["status"]["user"]["username"], "system:serviceaccount:default:sa");
    call(&server, "DELETE", &format!("{accounts}/sa"), Value::Null).await;
    call(&server, "GET", accounts, Value::Null).await;
    let (_, answer) = call(&server, "POST", reviews, review).await;
    assert_eq!(answer["status"]["authenticated"], Value::Null, "{answer}");
    let short = call(&server, "POST", &format!("{accounts}/sa/token"), json!({"spec": {}})).await;
    assert_eq!(said(&short), "404 serviceaccounts \"sa\" not found");
}

#[tokio::test]
async fn an_encoded_slash_leads_nowhere() {
    let server = server().await;
    call(&server, "POST", "/api/v1/namespaces/kube-system/secrets", json!({"metadata": {"name": "s"}})).await;
    for path in [
        "/api/v1/secrets/kube-system%2Fs",
        "/api/v1/namespaces//secrets/kube-system%2Fs",
        "/api/v1/namespaces/kube-system%2Fs/secrets",
        "/api/v1/namespaces/default/secrets/..%2Fkube-system%2Fs",
    ] {
        assert_eq!(call(&server, "GET", path, Value::Null).await.0, 404, "{path}");
    }
}

struct NoSecrets;

#[async_trait]
impl Admission for NoSecrets {
    fn name(&self) -> &str {
        "no-secrets"
    }

    fn handles(&self, attributes: &Attributes) -> bool {
        matches!(attributes.resource.resource.as_str(), "secrets" | "configmaps")
    }

    async fn mutate(
        &self,
        _: &Attributes,
        object: &mut Object,
        _: Option<&Object>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        object.set_label("seen", "yes");
        warnings.push("labelled".into());
        Ok(())
    }

    async fn validate(
        &self,
        attributes: &Attributes,
        _: Option<&Object>,
        _: Option<&Object>,
        _: &mut Vec<String>,
    ) -> Result<(), Status> {
        if attributes.resource.resource == "secrets" && attributes.operation == Operation::Create {
            let gvr = GroupVersionResource::new("", "v1", "secrets");
            return Err(Status::forbidden(&gvr, &attributes.name, "no secrets here"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn admission_plugins_change_and_refuse() {
    let server = server_with(|deps| deps.admission.push(Arc::new(NoSecrets))).await;
    let object = json!({"metadata": {"name": "a"}});
    let refused = call(&server, "POST", "/api/v1/namespaces/default/secrets", object.clone()).await;
    assert_eq!(said(&refused), "403 secrets \"a\" is forbidden: no secrets here");
    let (_, made) = call(&server, "POST", "/api/v1/namespaces/default/configmaps", object).await;
    assert_eq!(made["metadata"]["labels"]["seen"], "yes");
}

#[tokio::test]
async fn an_unreachable_webhook_refuses_or_is_ignored_as_it_says() {
    let server = server().await;
    let hook = |policy: &str| {
        json!({"metadata": {"name": "h"}, "webhooks": [{
            "name": "a.errs.io", "clientConfig": {"url": "https://127.0.0.1:1/x"}, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 2, "failurePolicy": policy,
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
        }]})
    };
    let hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let (code, answer) = call(&server, "POST", hooks, hook("Fail")).await;
    assert_eq!(code, 201, "{answer}");
    call(&server, "GET", hooks, Value::Null).await;
    let maps = "/api/v1/namespaces/default/configmaps";
    assert_eq!(
        said(&call(&server, "POST", maps, json!({"metadata": {"name": "a"}})).await),
        "500 Internal error occurred: failed calling webhook \"a.errs.io\": failed to call webhook: Post \
         \"https://127.0.0.1:1/x?timeout=2s\": dial tcp 127.0.0.1:1: connect: connection refused"
    );
    call(&server, "PATCH", &format!("{hooks}/h"), json!({"webhooks": hook("Ignore")["webhooks"]})).await;
    call(&server, "GET", hooks, Value::Null).await;
    assert_eq!(call(&server, "POST", maps, json!({"metadata": {"name": "a"}})).await.0, 201);
}

/// One HTTP/1.1 request over TLS; the answer's text.
async fn over_tls(
    address: std::net::SocketAddr,
    ca: &str,
    client: Option<(&str, &str)>,
    path: &str,
    header: &str,
) -> String {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![rustls::pki_types::CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Some servers close without a TLS goodbye; what came is what counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn certificates_tokens_and_impersonation_tell_who_asks_over_tls() {
    let server = server().await;
    let authority = Authority::create("ca", &Clock::system()).unwrap();
    let ca = authority.certificate_pem().to_owned();
    let serving = authority.issue(&Profile::server("s", ["localhost"])).unwrap();
    let alice = authority.issue(&Profile::client("alice", ["devs"])).unwrap();
    let admin = authority.issue(&Profile::client("root", ["system:masters"])).unwrap();
    let config = tls::config(&serving.certificate_pem, &serving.key_pem, &ca).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(config)).await.unwrap();
    let address = listener.address();
    let shutdown = Shutdown::new();
    let running = runtime::spawn("server", server.run(vec![listener], shutdown.clone()));
    let pods = "/api/v1/namespaces/default/pods";
    let as_alice = over_tls(address, &ca, Some((&alice.certificate_pem, &alice.key_pem)), pods, "").await;
    assert!(as_alice.contains("403 Forbidden") && as_alice.contains("User \\\"alice\\\""), "{as_alice}");
    let root = Some((admin.certificate_pem.as_str(), admin.key_pem.as_str()));
    assert!(over_tls(address, &ca, root, pods, "").await.starts_with("HTTP/1.1 200"));
    let acting = over_tls(address, &ca, root, pods, "impersonate-user: bob\r\n").await;
    assert!(acting.contains("User \\\"bob\\\" cannot list"), "{acting}");
    let token = over_tls(address, &ca, None, pods, "authorization: Bearer nonsense\r\n").await;
    assert!(token.starts_with("HTTP/1.1 401"), "{token}");
    assert!(over_tls(address, &ca, None, "/healthz", "").await.ends_with("ok"));
    shutdown.request();
    tokio::time::timeout(std::time::Duration::from_secs(10), running).await.unwrap().unwrap();
}
