//! Client against server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::{Budget, Client};
use clock::Clock;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use machinery::GroupVersionResource;
use pki::{Authority, Profile};
use runtime::{Informer, InformerOptions, Shutdown};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::Status;

use crate::{ClientTls, Estimator, Estimators, Options, ServerTls, pb, serve};

/// Answers with fixed numbers and remembers what it was asked for.
#[derive(Default)]
struct Fixed {
    objects: Mutex<Vec<String>>,
}

impl Estimator for Fixed {
    fn max_available_replicas(
        &self,
        object: &str,
        request: &pb::MaxAvailableReplicasRequest,
    ) -> Result<i32, Status> {
        self.objects.lock().unwrap().push(object.to_owned());
        match request.cluster.as_str() {
            "m1" => Ok(7),
            "no-opinion" => Ok(-1),
            other => Err(Status::unknown(format!("not the estimator of {other}"))),
        }
    }

    fn max_available_component_sets(
        &self,
        _: &str,
        request: &pb::MaxAvailableComponentSetsRequest,
    ) -> Result<i32, Status> {
        Ok(i32::try_from(request.components.len()).unwrap())
    }

    fn unschedulable_replicas(
        &self,
        _: &str,
        request: &pb::UnschedulableReplicasRequest,
    ) -> Result<i32, Status> {
        Ok(i32::try_from(request.unschedulable_threshold).unwrap())
    }
}

/// A control plane that has one answer to every request.
fn control_plane(code: u16, body: Value) -> Client {
    let service = tower::service_fn(move |_: Request<Body>| {
        let response = Response::builder().status(code).body(Full::new(Bytes::from(body.to_string())));
        async move { response }
    });
    Client::in_process(service, Budget::control_plane())
}

fn service_at(port: u16) -> Client {
    control_plane(
        200,
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "e", "namespace": "karmada-system" },
            "spec": { "type": "ExternalName", "externalName": "localhost",
                "ports": [{ "port": 10352, "targetPort": port }] } }),
    )
}

/// A running server and what it was asked for.
struct Running {
    port: u16,
    shutdown: Shutdown,
    fixed: Arc<Fixed>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

async fn run(tls: ServerTls) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (shutdown, fixed) = (Shutdown::new(), Arc::new(Fixed::default()));
    let (until, estimator) = (shutdown.clone(), Arc::clone(&fixed));
    runtime::spawn("estimator", async move { serve(listener, estimator, &tls, &until).await.unwrap() });
    Running { port, shutdown, fixed }
}

fn options(tls: ClientTls) -> Options {
    Options { tls, ..Options::default() }
}

fn asked(clusters: &[&str]) -> Vec<pb::MaxAvailableReplicasRequest> {
    let request = |cluster: &&str| pb::MaxAvailableReplicasRequest {
        cluster: (*cluster).to_owned(),
        ..pb::MaxAvailableReplicasRequest::default()
    };
    clusters.iter().map(request).collect()
}

/// Certificates in a folder: an authority's, a server's and a client's, each with its key.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn create() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create("test", &Clock::system()).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("ca.crt", authority.certificate_pem());
        let server = authority.issue(&Profile::server("estimator", ["localhost"])).unwrap();
        let client = authority.issue(&Profile::client("scheduler", ["x"])).unwrap();
        for (name, issued) in [("server", server), ("client", client)] {
            write(&format!("{name}.crt"), &issued.certificate_pem);
            write(&format!("{name}.key"), &issued.key_pem);
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.dir.path().join(name))
    }

    fn server(&self) -> ServerTls {
        ServerTls {
            cert_file: self.path("server.crt"),
            key_file: self.path("server.key"),
            client_ca_file: self.path("ca.crt"),
            insecure_skip_client_verify: false,
        }
    }

    fn client(&self) -> ClientTls {
        ClientTls {
            ca_file: self.path("ca.crt"),
            cert_file: self.path("client.crt"),
            key_file: self.path("client.key"),
            insecure_skip_verify: false,
        }
    }
}

/// Whether a client with these certificates gets an answer from a server with those.
async fn reaches(server: ServerTls, client: ClientTls) -> Result<i32, String> {
    let running = run(server).await;
    let estimators = Estimators::new(service_at(running.port), options(client));
    estimators.connect("m1").await.map_err(|error| runtime::queue::chain(&error))?;
    let answers = estimators.max_available_replicas("o", asked(&["m1"])).await;
    answers["m1"].ok_or_else(|| "no answer".to_owned())
}

#[tokio::test]
async fn every_question_is_answered_in_the_clear_when_no_certificates_are_given() {
    let running = run(ServerTls::default()).await;
    let estimators = Estimators::new(service_at(running.port), options(ClientTls::default()));
    estimators.connect("m1").await.unwrap();
    assert_eq!(
        estimators.max_available_replicas("kind=Deployment, name=ns/web", asked(&["m1"])).await["m1"],
        Some(7)
    );
    assert_eq!(*running.fixed.objects.lock().unwrap(), ["kind=Deployment, name=ns/web"]);
    let sets = pb::MaxAvailableComponentSetsRequest {
        cluster: "m1".into(),
        components: vec![pb::Component::default(); 3],
        ..pb::MaxAvailableComponentSetsRequest::default()
    };
    assert_eq!(estimators.max_available_component_sets("o", vec![sets]).await["m1"], Some(3));
    let unschedulable =
        pb::UnschedulableReplicasRequest { cluster: "m1".into(), resource: None, unschedulable_threshold: 5 };
    assert_eq!(estimators.unschedulable_replicas("o", vec![unschedulable]).await["m1"], Some(5));
}

#[tokio::test]
async fn a_cluster_without_connection_answer_or_opinion_has_none() {
    let running = run(ServerTls::default()).await;
    let estimators = Estimators::new(service_at(running.port), options(ClientTls::default()));
    for cluster in ["m1", "no-opinion", "stranger"] {
        estimators.connect(cluster).await.unwrap();
    }
    let answers =
        estimators.max_available_replicas("o", asked(&["m1", "no-opinion", "stranger", "unknown"])).await;
    let answers: Vec<_> = answers.iter().map(|(cluster, answer)| (cluster.as_str(), *answer)).collect();
    assert_eq!(answers, [("m1", Some(7)), ("no-opinion", None), ("stranger", None), ("unknown", None)]);
    estimators.disconnect("m1");
    assert_eq!(estimators.max_available_replicas("o", asked(&["m1"])).await["m1"], None);
}

#[tokio::test]
async fn an_estimator_that_is_silent_costs_one_timeout_and_only_its_own_answer() {
    let running = run(ServerTls::default()).await;
    // Accepts connections into its backlog and never says a word after the first bytes.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    let patience = Duration::from_millis(300);
    let options = Options { timeout: patience, ..Options::default() };
    let estimators = Estimators::new(service_at(running.port), options.clone());
    estimators.connect("m1").await.unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    estimators.keep("mute", endpoint.connect_lazy());
    let began = tokio::time::Instant::now();
    let answers = estimators.max_available_replicas("o", asked(&["m1", "mute"])).await;
    assert_eq!((answers["m1"], answers["mute"]), (Some(7), None));
    assert!(began.elapsed() >= patience, "it was waited for");
}

#[tokio::test]
async fn both_sides_check_certificates() {
    let certificates = Certificates::create();
    assert_eq!(reaches(certificates.server(), certificates.client()).await, Ok(7));
}

#[tokio::test]
async fn a_client_without_certificate_is_refused_unless_clients_are_not_checked() {
    let certificates = Certificates::create();
    let anonymous = ClientTls { cert_file: None, ..certificates.client() };
    assert!(reaches(certificates.server(), anonymous.clone()).await.is_err());
    let lenient = ServerTls { insecure_skip_client_verify: true, ..certificates.server() };
    assert_eq!(reaches(lenient, anonymous.clone()).await, Ok(7));
    let no_authority = ServerTls { client_ca_file: None, ..certificates.server() };
    assert_eq!(reaches(no_authority, anonymous).await, Ok(7));
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_unless_servers_are_not_checked() {
    let (certificates, others) = (Certificates::create(), Certificates::create());
    let server = ServerTls { client_ca_file: None, ..others.server() };
    assert!(reaches(server.clone(), certificates.client()).await.is_err());
    let blind = ClientTls { insecure_skip_verify: true, ..certificates.client() };
    assert_eq!(reaches(server.clone(), blind).await, Ok(7));
    let only_blind = ClientTls { insecure_skip_verify: true, ..ClientTls::default() };
    assert_eq!(reaches(server, only_blind).await, Ok(7));
}

#[tokio::test]
async fn clear_text_does_not_reach_an_encrypted_server() {
    let certificates = Certificates::create();
    assert!(reaches(certificates.server(), ClientTls::default()).await.is_err());
    assert!(reaches(ServerTls::default(), certificates.client()).await.is_err());
}

#[tokio::test]
async fn a_file_that_is_missing_or_no_certificate_is_named() {
    let certificates = Certificates::create();
    let missing = ServerTls { cert_file: Some(Path::new("/nowhere.crt").into()), ..certificates.server() };
    let listener = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let shutdown = Shutdown::new();
    let error = serve(listener().await, Arc::new(Fixed::default()), &missing, &shutdown).await.unwrap_err();
    assert_eq!(error.to_string(), "could not read /nowhere.crt");
    let key = certificates.path("client.key").unwrap();
    let wrong = ClientTls { ca_file: Some(key.clone()), ..certificates.client() };
    let error = reaches(certificates.server(), wrong).await.unwrap_err();
    assert_eq!(error, format!("{} holds no certificate", key.display()));
}

#[tokio::test]
async fn a_lookup_that_fails_is_no_address() {
    let status = json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 403,
        "reason": "Forbidden", "message": "no" });
    let estimators = Estimators::new(control_plane(403, status), options(ClientTls::default()));
    let error = estimators.connect("m1").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not look up the service karmada-system/karmada-scheduler-estimator-m1 of the estimator"
    );
    let cluster_ip =
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "e" }, "spec": {} });
    let estimators = Estimators::new(control_plane(200, cluster_ip), options(ClientTls::default()));
    assert!(estimators.connect("m1").await.unwrap_err().to_string().contains("only ExternalName"));
}

#[test]
fn the_defaults_are_upstream_s() {
    let options = Options::default();
    assert_eq!(
        (options.port, options.service_prefix.as_str(), options.service_namespace.as_str(), options.timeout),
        (10352, "karmada-scheduler-estimator", "karmada-system", Duration::from_secs(3))
    );
    assert!(!options.disable_in_pull_mode && !options.tls.is_used());
}

/// A control plane with a cluster that is pushed to and one that pulls. What `changes` says is told to those who
/// watch.
fn control_plane_with_clusters(port: u16, changes: tokio::sync::broadcast::Sender<String>) -> Client {
    let cluster = |name: &str, mode: &str| {
        json!({ "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
            "metadata": { "name": name, "resourceVersion": "1" }, "spec": { "syncMode": mode } })
    };
    let list = json!({ "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "ClusterList",
        "metadata": { "resourceVersion": "1" }, "items": [cluster("m1", "Push"), cluster("p1", "Pull")] });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "e" },
        "spec": { "type": "ExternalName", "externalName": "localhost",
            "ports": [{ "port": 10352, "targetPort": port }] } });
    let answer = tower::service_fn(move |request: Request<Body>| {
        let uri = request.uri().to_string();
        let body = if uri.contains("watch=") {
            let changes = futures::stream::unfold(changes.subscribe(), async |mut changes| {
                let line = changes.recv().await.ok()?;
                let frame = http_body::Frame::data(Bytes::from(line));
                Some((Ok::<_, std::convert::Infallible>(frame), changes))
            });
            UnsyncBoxBody::new(StreamBody::new(Box::pin(changes)))
        } else {
            let object = if uri.contains("/services/") { &service } else { &list };
            Full::new(Bytes::from(object.to_string())).boxed_unsync()
        };
        async move { Ok::<_, std::convert::Infallible>(Response::new(body)) }
    });
    Client::in_process(answer, Budget::control_plane())
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn connections_come_and_go_with_the_clusters() {
    let running = run(ServerTls::default()).await;
    let (changes, _) = tokio::sync::broadcast::channel(8);
    let client = control_plane_with_clusters(running.port, changes.clone());
    let clusters = GroupVersionResource::new("cluster.karmada.io", "v1alpha1", "clusters");
    let shutdown = running.shutdown.clone();
    let informer = Informer::start(client.clone(), &clusters, InformerOptions::default(), &shutdown);
    assert!(informer.wait_synced(&shutdown).await);

    let everybody = Estimators::new(client.clone(), Options::default());
    everybody.connect_all(&informer).await;
    assert!(everybody.is_connected("m1") && everybody.is_connected("p1"));

    let pushed = Options { disable_in_pull_mode: true, ..Options::default() };
    let estimators = Estimators::new(client, pushed);
    let (following, watched, until) = (estimators.clone(), informer.clone(), shutdown.clone());
    runtime::spawn("follow", async move { following.follow(&watched, &until).await });
    eventually("m1 is connected", || estimators.is_connected("m1")).await;
    assert!(!estimators.is_connected("p1"), "clusters that pull are left out");
    let gone = json!({ "type": "DELETED", "object": { "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
        "metadata": { "name": "m1", "resourceVersion": "2" } } });
    eventually("somebody watches", || changes.receiver_count() > 0).await;
    changes.send(format!("{gone}\n")).unwrap();
    eventually("m1 is dropped", || !estimators.is_connected("m1")).await;
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let running = run(ServerTls::default()).await;
    let endpoint = format!("http://127.0.0.1:{}", running.port);
    let channel = tonic::transport::Endpoint::from_shared(endpoint).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec =
        tonic_prost::ProstCodec::<pb::MaxAvailableReplicasRequest, pb::MaxAvailableReplicasResponse>::default(
        );
    let path = format!("/{}/Nothing", crate::SERVICE).parse().unwrap();
    let request = tonic::Request::new(pb::MaxAvailableReplicasRequest::default());
    let error = grpc.unary(request, path, codec).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Unimplemented);
}
