//! The whole loop against an API that holds a few objects: what it writes, and what it asks before.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::{Budget, Client};
use clock::Clock;
use estimator::{Estimator, ServerTls, pb};
use futures::{Stream, stream};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use runtime::{Informers, Shutdown};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};

use crate::{Options, run_with};

/// Longest wait for something that is about to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// An API that holds objects by path, applies merge patches, and reports what was written.
#[derive(Clone)]
struct Api {
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    /// Answers every patch of a result with this instead, when there is one.
    refusal: Arc<Mutex<Option<Value>>>,
    events: Arc<Mutex<Vec<Value>>>,
    /// What is told to those who watch clusters, as lines.
    changes: broadcast::Sender<String>,
    written: mpsc::Sender<(String, Value)>,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn answer(code: u16, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    Response::builder().status(code).body(body).unwrap()
}

fn not_found() -> Answer {
    answer(
        404,
        &json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "not there" }),
    )
}

impl Api {
    fn new() -> (Self, mpsc::Receiver<(String, Value)>) {
        let (written, reports) = mpsc::channel(64);
        let api = Self {
            objects: Arc::default(),
            refusal: Arc::default(),
            events: Arc::default(),
            changes: broadcast::channel(8).0,
            written,
        };
        (api, reports)
    }

    fn put(&self, path: &str, object: Value) {
        self.objects.lock().unwrap().insert(path.to_owned(), object);
    }

    fn get(&self, path: &str) -> Value {
        self.objects.lock().unwrap()[path].clone()
    }

    fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                Ok::<_, Infallible>(api.answer(&head, body).await)
            }
        });
        Client::in_process(service, Budget::control_plane())
    }

    async fn answer(&self, head: &http::request::Parts, body: Value) -> Answer {
        let path = head.uri.path().to_owned();
        if head.uri.query().is_some_and(|query| query.contains("watch=")) {
            return match path.ends_with("/clusters") {
                true => Response::new(UnsyncBoxBody::new(StreamBody::new(self.watch_clusters()))),
                false => {
                    let silence = stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>();
                    Response::new(UnsyncBoxBody::new(StreamBody::new(silence)))
                }
            };
        }
        match head.method {
            Method::PATCH => self.patch(&path, body).await,
            Method::POST => {
                self.events.lock().unwrap().push(body.clone());
                answer(201, &body)
            }
            _ => self.read(&path),
        }
    }

    fn watch_clusters(
        &self,
    ) -> impl Stream<Item = Result<http_body::Frame<Bytes>, Infallible>> + Send + use<> {
        Box::pin(stream::unfold(self.changes.subscribe(), async |mut changes| {
            let line = changes.recv().await.ok()?;
            Some((Ok(http_body::Frame::data(Bytes::from(line))), changes))
        }))
    }

    /// A cluster reports something else; its specification stays.
    async fn report(&self, cluster: &str, status: Value) {
        let path = format!("/apis/cluster.karmada.io/v1alpha1/clusters/{cluster}");
        let changed = {
            let mut objects = self.objects.lock().unwrap();
            let object = objects.get_mut(&path).unwrap();
            merge(&mut object["status"], &status);
            object["metadata"]["resourceVersion"] = json!("99");
            object.clone()
        };
        eventually("somebody watches clusters", || self.changes.receiver_count() > 0).await;
        let line = format!("{}\n", json!({ "type": "MODIFIED", "object": changed }));
        self.changes.send(line).unwrap();
    }

    fn read(&self, path: &str) -> Answer {
        let objects = self.objects.lock().unwrap();
        if let Some(object) = objects.get(path) {
            return answer(200, object);
        }
        let plural = path.rsplit('/').next().unwrap_or_default();
        if !["clusters", "resourcebindings", "clusterresourcebindings"].contains(&plural) {
            return not_found();
        }
        let within = format!("/{plural}/");
        let items: Vec<&Value> =
            objects.iter().filter(|(path, _)| path.contains(&within)).map(|(_, object)| object).collect();
        answer(200, &json!({ "kind": "List", "metadata": { "resourceVersion": "1" }, "items": items }))
    }

    async fn patch(&self, path: &str, patch: Value) -> Answer {
        let status = path.ends_with("/status");
        let (object, refusal) = {
            let mut objects = self.objects.lock().unwrap();
            let Some(object) = objects.get_mut(path.trim_end_matches("/status")) else { return not_found() };
            let refusal = self.refusal.lock().unwrap().clone().filter(|_| !status);
            if refusal.is_none() {
                let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
                merge(object, &patch);
                object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
                if patch.get("spec").is_some() {
                    let generation = object["metadata"]["generation"].as_i64().unwrap();
                    object["metadata"]["generation"] = json!(generation + 1);
                }
            }
            (object.clone(), refusal)
        };
        let kind = if status { "status" } else { "result" };
        self.written.send((kind.to_owned(), patch)).await.unwrap();
        match refusal {
            Some(refusal) => answer(u16::try_from(refusal["code"].as_u64().unwrap()).unwrap(), &refusal),
            None => answer(200, &object),
        }
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in fields {
        match value {
            Value::Null => drop(target.remove(key)),
            _ => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

const BINDING: &str = "/apis/work.karmada.io/v1alpha2/namespaces/shop/resourcebindings/web-deployment";

fn cluster(name: &str, pods: &str) -> Value {
    json!({
        "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
        "metadata": { "name": name, "resourceVersion": "1", "generation": 1 },
        "spec": { "syncMode": "Push" },
        "status": {
            "apiEnablements": [{ "groupVersion": "apps/v1",
                "resources": [{ "name": "deployments", "kind": "Deployment" }] }],
            "resourceSummary": { "allocatable": { "pods": pods, "cpu": "100" } },
        },
    })
}

fn binding(replicas: i64) -> Value {
    json!({
        "apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding",
        "metadata": { "namespace": "shop", "name": "web-deployment", "resourceVersion": "10", "generation": 1,
            "labels": { "propagationpolicy.karmada.io/permanent-id": "x" } },
        "spec": {
            "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web" },
            "replicas": replicas,
            "replicaRequirements": { "resourceRequest": { "cpu": "1" }, "namespace": "shop" },
            "placement": { "replicaScheduling": { "replicaSchedulingType": "Divided",
                "replicaDivisionPreference": "Aggregated" } },
        },
    })
}

/// An API with two clusters and a binding.
fn shop(replicas: i64) -> (Api, mpsc::Receiver<(String, Value)>) {
    let (api, written) = Api::new();
    for (name, pods) in [("m1", "10"), ("m2", "5")] {
        api.put(&format!("/apis/cluster.karmada.io/v1alpha1/clusters/{name}"), cluster(name, pods));
    }
    api.put(BINDING, binding(replicas));
    (api, written)
}

/// A scheduler that runs as long as this is held.
struct Running(Shutdown);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.request();
    }
}

fn start(api: &Api, options: Options) -> Running {
    let shutdown = Shutdown::new();
    let informers = Informers::new(api.client(), &shutdown);
    runtime::spawn("scheduler", run_with(informers, Clock::system(), options, shutdown.clone()));
    Running(shutdown)
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn next(written: &mut mpsc::Receiver<(String, Value)>) -> (String, Value) {
    tokio::time::timeout(PATIENCE, written.recv()).await.expect("something is written").unwrap()
}

fn reason(status: &Value) -> &str {
    status["status"]["conditions"][0]["reason"].as_str().unwrap()
}

#[tokio::test]
async fn a_binding_costs_two_patches_and_a_scheduler_that_starts_again_writes_nothing() {
    let (api, mut written) = shop(3);
    let running = start(&api, Options::default());
    let (kind, result) = next(&mut written).await;
    assert_eq!((kind.as_str(), &result["metadata"]["resourceVersion"]), ("result", &json!("10")));
    assert_eq!(result["spec"]["clusters"], json!([{ "name": "m1", "replicas": 3 }]));
    let (kind, status) = next(&mut written).await;
    assert_eq!((kind.as_str(), reason(&status)), ("status", "Success"));
    assert_eq!(status["status"]["schedulerObservedGeneration"], 2);
    drop(running);
    // The second one has the first one's binding and one more, whose writes are the only ones.
    let other = BINDING.replace("web-", "api-");
    let mut second = binding(1);
    second["metadata"]["name"] = json!("api-deployment");
    api.put(&other, second);
    let _running = start(&api, Options::default());
    for expected in ["result", "status"] {
        assert_eq!(next(&mut written).await.0, expected);
    }
    assert_eq!(api.get(&other)["status"]["conditions"][0]["status"], "True");
    assert!(written.try_recv().is_err());
    assert_eq!(api.get(BINDING)["metadata"]["resourceVersion"], "12");
}

#[tokio::test]
async fn the_result_is_told_to_the_binding_and_its_template() {
    let (api, mut written) = shop(3);
    let _running = start(&api, Options::default());
    for _ in 0..2 {
        next(&mut written).await;
    }
    eventually("two events are written", || api.events.lock().unwrap().len() >= 2).await;
    let events = api.events.lock().unwrap();
    let mut kinds: Vec<&str> = events.iter().map(|e| regarding(e)["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["Deployment", "ResourceBinding"]);
    for event in events.iter() {
        let text = event["message"].as_str().or(event["note"].as_str()).unwrap();
        assert_eq!(event["reason"], "ScheduleBindingSucceed");
        assert!(text.starts_with("Binding has been scheduled successfully. Result: {m1:3}"), "{text}");
    }
}

#[tokio::test]
async fn a_result_that_is_withdrawn_is_told_once() {
    let (api, mut written) = shop(3);
    let mut lost = binding(3);
    lost["spec"]["clusters"] = json!([{ "name": "m1", "replicas": 3 }]);
    lost["spec"]["placement"]["clusterAffinity"] = json!({ "clusterNames": ["m9"] });
    api.put(BINDING, lost);
    let _running = start(&api, Options::default());
    assert_eq!(next(&mut written).await.1["spec"]["clusters"], Value::Null);
    assert_eq!(reason(&next(&mut written).await.1), "NoClusterFit");
    // One for the binding, one for the template.
    eventually("two events are written", || api.events.lock().unwrap().len() >= 2).await;
    let events = api.events.lock().unwrap();
    let kinds: std::collections::BTreeSet<&str> =
        events.iter().map(|e| regarding(e)["kind"].as_str().unwrap()).collect();
    assert_eq!((events.len(), kinds.len()), (2, 2));
    assert!(events.iter().all(|event| event["reason"] == "ScheduleBindingFailed"));
}

fn regarding(event: &Value) -> &Value {
    event.get("involvedObject").or(event.get("regarding")).unwrap()
}

#[tokio::test]
async fn metrics_have_upstream_s_names() {
    let (api, mut written) = shop(3);
    let _running = start(&api, Options::default());
    for _ in 0..2 {
        next(&mut written).await;
    }
    // The attempt is counted after the last write.
    let attempts = "karmada_scheduler_schedule_attempts_total";
    eventually("an attempt is counted", || runtime::metrics::text().contains(attempts)).await;
    let text = runtime::metrics::text();
    for line in [
        r#"karmada_scheduler_schedule_attempts_total{result="scheduled",schedule_type="ReconcileSchedule"}"#,
        r#"karmada_scheduler_e2e_scheduling_duration_seconds_count{result="scheduled",schedule_type="ReconcileSchedule"}"#,
        r#"karmada_scheduler_scheduling_algorithm_duration_seconds_count{schedule_step="AssignReplicas"}"#,
        r#"karmada_scheduler_framework_extension_point_duration_seconds_count{extension_point="Filter",result="Success"}"#,
        r#"karmada_scheduler_queue_incoming_bindings_total{event="BindingAdd"}"#,
        r#"karmada_scheduler_pending_bindings{queue="unschedulable"}"#,
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_a_quota_refuses_is_told_as_such() {
    let (api, mut written) = shop(3);
    let message = "admission webhook \"resourcebinding.karmada.io\" denied the request: \
                   FederatedResourceQuota(shop/q) exceeded for resource cpu";
    *api.refusal.lock().unwrap() = Some(json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": 403, "reason": "QuotaExceeded", "message": message }));
    let _running = start(&api, Options::default());
    assert_eq!(next(&mut written).await.0, "result");
    let (kind, status) = next(&mut written).await;
    assert_eq!((kind.as_str(), reason(&status)), ("status", "QuotaExceeded"));
    let told = status["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(told.starts_with(message), "{told}");
    *api.refusal.lock().unwrap() = None;
    assert_eq!(next(&mut written).await.0, "result", "it is tried again");
    assert_eq!(reason(&next(&mut written).await.1), "Success");
}

#[tokio::test(start_paused = true)]
async fn in_a_namespace_that_goes_nothing_is_told_and_nothing_tried_again() {
    let (api, mut written) = shop(3);
    *api.refusal.lock().unwrap() = Some(json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "code": 403, "reason": "Forbidden", "message": "namespace shop is being terminated",
        "details": { "causes": [{ "reason": "NamespaceTerminating", "message": "", "field": "" }] } }));
    let _running = start(&api, Options::default());
    assert_eq!(next(&mut written).await.0, "result");
    let quiet = tokio::time::timeout(Duration::from_secs(600), written.recv()).await;
    assert!(quiet.is_err(), "a retry would come within seconds");
}

fn serving(kinds: &[&str]) -> Value {
    let kinds: Vec<Value> = kinds.iter().map(|kind| json!({ "name": "x", "kind": kind })).collect();
    json!({ "apiEnablements": [{ "groupVersion": "apps/v1", "resources": kinds }] })
}

#[tokio::test]
async fn a_kind_that_arrives_in_a_cluster_wakes_who_waited_for_it_and_moves_nobody() {
    let (api, mut written) = shop(3);
    // Copies for every cluster that can take them: m1 alone.
    let mut everywhere = binding(3);
    everywhere["spec"]["placement"] = json!({});
    api.put(BINDING, everywhere);
    let gadget = BINDING.replace("web-deployment", "a-gadget");
    let mut wants = binding(3);
    wants["metadata"]["name"] = json!("a-gadget");
    wants["spec"]["resource"]["kind"] = json!("Gadget");
    api.put(&gadget, wants);
    let m2 = "/apis/cluster.karmada.io/v1alpha1/clusters/m2";
    let mut elsewhere = cluster("m2", "5");
    merge(&mut elsewhere["status"], &serving(&[]));
    api.put(m2, elsewhere);
    let _running = start(&api, Options::default());
    let mut reasons = Vec::new();
    for _ in 0..4 {
        let (kind, patch) = next(&mut written).await;
        reasons.extend((kind == "status").then(|| reason(&patch).to_owned()));
    }
    reasons.sort_unstable();
    assert_eq!(reasons, ["NoClusterFit", "Success"]);
    api.report("m2", serving(&["Deployment", "Gadget"])).await;
    let (kind, result) = next(&mut written).await;
    assert_eq!((kind.as_str(), &result["spec"]["clusters"][0]["name"]), ("result", &json!("m2")));
    assert_eq!(reason(&next(&mut written).await.1), "Success");
    assert_eq!(api.get(&gadget)["spec"]["clusters"], json!([{ "name": "m2", "replicas": 3 }]));
    assert_eq!(api.get(BINDING)["spec"]["clusters"], json!([{ "name": "m1", "replicas": 3 }]), "stays");
}

#[tokio::test]
async fn more_room_wakes_who_lacked_it() {
    let (api, mut written) = shop(40);
    let _running = start(&api, Options::default());
    let (kind, status) = next(&mut written).await;
    assert_eq!((kind.as_str(), reason(&status)), ("status", "Unschedulable"));
    api.report("m1", json!({ "resourceSummary": { "allocatable": { "pods": "90" } } })).await;
    let (_, result) = next(&mut written).await;
    assert_eq!(result["spec"]["clusters"], json!([{ "name": "m1", "replicas": 40 }]));
}

/// An estimator with fixed answers that remembers the questions.
#[derive(Default)]
struct Fixed {
    asked: Mutex<Vec<(String, pb::MaxAvailableReplicasRequest)>>,
}

impl Estimator for Fixed {
    fn max_available_replicas(
        &self,
        object: &str,
        request: &pb::MaxAvailableReplicasRequest,
    ) -> Result<i32, tonic::Status> {
        self.asked.lock().unwrap().push((object.to_owned(), request.clone()));
        Ok(if request.cluster == "m1" { 1 } else { 4 })
    }

    fn max_available_component_sets(
        &self,
        _: &str,
        _: &pb::MaxAvailableComponentSetsRequest,
    ) -> Result<i32, tonic::Status> {
        Err(tonic::Status::unimplemented("not here"))
    }

    fn unschedulable_replicas(
        &self,
        _: &str,
        _: &pb::UnschedulableReplicasRequest,
    ) -> Result<i32, tonic::Status> {
        Err(tonic::Status::unimplemented("not here"))
    }
}

/// Both clusters' estimators on one socket, and Services that lead there.
async fn estimators(api: &Api) -> (Arc<Fixed>, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (fixed, shutdown) = (Arc::new(Fixed::default()), Shutdown::new());
    let (serving, until) = (Arc::clone(&fixed), shutdown.clone());
    runtime::spawn("estimator", async move {
        estimator::serve(listener, serving, &ServerTls::default(), &until).await.unwrap();
    });
    for cluster in ["m1", "m2"] {
        let name = format!("karmada-scheduler-estimator-{cluster}");
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": { "type": "ExternalName", "externalName": "127.0.0.1",
                "ports": [{ "port": 10352, "targetPort": port }] } });
        api.put(&format!("/api/v1/namespaces/karmada-system/services/{name}"), service);
    }
    (fixed, Running(shutdown))
}

#[tokio::test]
async fn accurate_estimators_are_asked_before_the_decision_and_the_smallest_estimate_counts() {
    let (api, mut written) = shop(5);
    let (fixed, _serving) = estimators(&api).await;
    let options = Options { estimators: Some(estimator::Options::default()), ..Options::default() };
    let _running = start(&api, options);
    let (_, result) = next(&mut written).await;
    assert_eq!(
        result["spec"]["clusters"],
        json!([{ "name": "m1", "replicas": 1 }, { "name": "m2", "replicas": 4 }])
    );
    let asked = fixed.asked.lock().unwrap().clone();
    let mut clusters: Vec<&str> = asked.iter().map(|(_, request)| request.cluster.as_str()).collect();
    clusters.sort_unstable();
    assert_eq!(clusters, ["m1", "m2"]);
    let (object, request) = &asked[0];
    assert_eq!(object, "kind=Deployment, name=shop/web");
    assert!(request.assumed_workloads.is_empty());
    assert!(request.replica_requirements.as_ref().unwrap().resource_request_bytes.contains_key("cpu"));
}

#[tokio::test]
async fn estimators_are_told_what_is_under_way_when_overcommit_is_guarded_against() {
    let (api, mut written) = shop(5);
    let other = BINDING.replace("web-", "api-");
    let mut second = binding(1);
    second["metadata"]["name"] = json!("api-deployment");
    second["spec"]["schedulePriority"] = json!({ "priority": -1 });
    api.put(&other, second);
    let (fixed, _serving) = estimators(&api).await;
    let mut options = Options { estimators: Some(estimator::Options::default()), ..Options::default() };
    options.gates.scheduling_overcommit_protection = true;
    let _running = start(&api, options);
    for _ in 0..4 {
        next(&mut written).await;
    }
    let asked = fixed.asked.lock().unwrap();
    let first = asked.iter().filter(|(_, request)| request.assumed_workloads.is_empty()).count();
    assert_eq!((asked.len(), first), (4, 2), "whoever came second was told of the first");
}
