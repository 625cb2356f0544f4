//! A member cluster as its API shows it, and what its estimator answers over the network.

use std::sync::{Arc, Mutex};

use api::work::ReplicaRequirements;
use bytes::Bytes;
use client::{Budget, Client};
use clock::Clock;
use estimator::{Estimator as _, Estimators, pb};
use futures::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use machinery::Object;
use runtime::{Change, Shutdown};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::answers::Answerer;
use crate::snapshot::Snapshot;
use crate::{Gates, Options, observe};

const NOW: &str = "2026-03-01T12:00:00Z";

/// The API of a member that never changes. Remembers what was asked.
#[derive(Clone, Default)]
struct Member {
    nodes: Vec<Value>,
    pods: Vec<Value>,
    quotas: Vec<Value>,
    deployments: Vec<Value>,
    replica_sets: Vec<Value>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Member {
    fn client(&self) -> Client {
        let member = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let response = member.answer(request.uri());
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        Client::in_process(service, Budget::member())
    }

    fn answer(&self, uri: &http::Uri) -> Response<UnsyncBoxBody<Bytes, std::convert::Infallible>> {
        let text = uri.to_string();
        self.asked.lock().unwrap().push(text.clone());
        if text.contains("watch=") {
            let silence = stream::pending::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>();
            return Response::new(UnsyncBoxBody::new(StreamBody::new(silence)));
        }
        let (kind, items) = match uri.path() {
            "/api/v1/nodes" => ("Node", &self.nodes),
            "/api/v1/pods" => ("Pod", &self.pods),
            "/api/v1/resourcequotas" => ("ResourceQuota", &self.quotas),
            "/apis/apps/v1/deployments" => ("Deployment", &self.deployments),
            "/apis/apps/v1/replicasets" => ("ReplicaSet", &self.replica_sets),
            other => unreachable!("nobody asks for {other}"),
        };
        let version = if uri.path().starts_with("/apis/") { "apps/v1" } else { "v1" };
        let list = json!({ "apiVersion": version, "kind": format!("{kind}List"),
            "metadata": { "resourceVersion": "7" }, "items": items });
        Response::new(Full::new(Bytes::from(list.to_string())).boxed_unsync())
    }

    async fn observed(&self, gates: Gates) -> Answerer {
        let options = Options { cluster_name: "m1".into(), gates, ..Options::default() };
        let clock = Clock::fixed(NOW.parse().unwrap());
        // The informers stay as they are when the request to end is never made.
        observe(&self.client(), &options, clock, &Shutdown::new()).await.unwrap()
    }
}

fn node(name: &str, cpu: &str, pods: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "disk": name } },
        "status": { "allocatable": { "cpu": cpu, "memory": "8Gi", "pods": pods, "example.com/gpu": "2" } } })
}

fn pod(name: &str, node: &str, cpu: &str) -> Value {
    json!({ "metadata": { "namespace": "shop", "name": name },
        "spec": { "nodeName": node, "containers": [{ "name": "c", "resources": { "requests": { "cpu": cpu } } }] } })
}

fn two_nodes() -> Member {
    Member {
        nodes: vec![node("n1", "4", "10"), node("n2", "2", "10")],
        pods: vec![pod("p1", "n1", "1")],
        ..Member::default()
    }
}

fn asked(needs: Value) -> pb::MaxAvailableReplicasRequest {
    let needs: ReplicaRequirements = serde_json::from_value(needs).unwrap();
    pb::MaxAvailableReplicasRequest {
        cluster: "m1".into(),
        replica_requirements: Some((&needs).into()),
        assumed_workloads: Vec::new(),
    }
}

fn one_cpu() -> pb::MaxAvailableReplicasRequest {
    asked(json!({ "resourceRequest": { "cpu": "1" }, "namespace": "shop" }))
}

fn component(name: &str, replicas: i32, cpu: &str) -> pb::Component {
    let component: api::work::Component = serde_json::from_value(json!({
        "name": name, "replicas": replicas, "replicaRequirements": { "resourceRequest": { "cpu": cpu } } }))
    .unwrap();
    (&component).into()
}

#[tokio::test]
async fn replicas_fill_what_the_pods_leave_of_the_nodes() {
    let answerer = two_nodes().observed(Gates::default()).await;
    assert_eq!(answerer.max_available_replicas("", &one_cpu()).unwrap(), 3 + 2);
    let gpu = asked(json!({ "resourceRequest": { "example.com/gpu": "1" } }));
    assert_eq!(answerer.max_available_replicas("", &gpu).unwrap(), 4);
    let placed = asked(
        json!({ "resourceRequest": { "cpu": "1" }, "nodeClaim": { "nodeSelector": { "disk": "n2" } } }),
    );
    assert_eq!(answerer.max_available_replicas("", &placed).unwrap(), 2);
}

#[tokio::test]
async fn what_is_under_way_is_placed_first() {
    let answerer = two_nodes().observed(Gates::default()).await;
    let mut request = one_cpu();
    request.assumed_workloads =
        vec![pb::AssumedWorkload { namespace: "shop".into(), components: vec![component("a", 2, "1")] }];
    assert_eq!(answerer.max_available_replicas("", &request).unwrap(), 3);
}

#[tokio::test]
async fn sets_are_counted_complete() {
    let answerer = two_nodes().observed(Gates::default()).await;
    let request = pb::MaxAvailableComponentSetsRequest {
        cluster: "m1".into(),
        components: vec![component("job", 1, "1"), component("task", 1, "1")],
        namespace: "shop".into(),
        assumed_workloads: Vec::new(),
    };
    assert_eq!(answerer.max_available_component_sets("", &request).unwrap(), 2);
}

#[tokio::test]
async fn without_nodes_nothing_fits() {
    let answerer = Member::default().observed(Gates::default()).await;
    assert_eq!(answerer.max_available_replicas("", &one_cpu()).unwrap(), 0);
    let sets = pb::MaxAvailableComponentSetsRequest { cluster: "m1".into(), ..Default::default() };
    assert_eq!(answerer.max_available_component_sets("", &sets).unwrap(), 0);
}

#[tokio::test]
async fn quotas_count_when_the_gate_is_on() {
    let mut member = two_nodes();
    member.quotas = vec![json!({ "metadata": { "namespace": "shop", "name": "q" },
        "status": { "hard": { "requests.cpu": "3" }, "used": { "requests.cpu": "1" } } })];
    let on = Gates { resource_quota_estimate: true };
    assert_eq!(member.observed(on).await.max_available_replicas("", &one_cpu()).unwrap(), 2);
    let elsewhere = asked(json!({ "resourceRequest": { "cpu": "1" }, "namespace": "other" }));
    assert_eq!(member.observed(on).await.max_available_replicas("", &elsewhere).unwrap(), 5);
    member.asked.lock().unwrap().clear();
    assert_eq!(member.observed(Gates::default()).await.max_available_replicas("", &one_cpu()).unwrap(), 5);
    assert!(!member.asked.lock().unwrap().iter().any(|uri| uri.contains("resourcequotas")), "nobody looks");
}

#[tokio::test]
async fn questions_about_another_cluster_are_refused() {
    let answerer = two_nodes().observed(Gates::default()).await;
    let request = pb::MaxAvailableReplicasRequest { cluster: "m2".into(), ..one_cpu() };
    let error = answerer.max_available_replicas("", &request).unwrap_err();
    assert_eq!(error.message(), r#"cluster name does not match: this is the estimator of "m1", not of "m2""#);
    let sets = pb::MaxAvailableComponentSetsRequest { cluster: "m2".into(), ..Default::default() };
    assert!(answerer.max_available_component_sets("", &sets).is_err());
    let unschedulable = pb::UnschedulableReplicasRequest { cluster: String::new(), ..Default::default() };
    assert!(answerer.unschedulable_replicas("", &unschedulable).is_err());
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_an_error() {
    let answerer = two_nodes().observed(Gates::default()).await;
    let mut request = one_cpu();
    let needs = request.replica_requirements.as_mut().unwrap();
    needs.resource_request_bytes.insert("cpu".into(), vec![255]);
    assert_eq!(
        answerer.max_available_replicas("", &request).unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    let nonsense = asked(json!({ "resourceRequest": { "cpu": "many" } }));
    assert!(answerer.max_available_replicas("", &nonsense).is_err());
}

#[tokio::test]
async fn pods_that_have_ended_are_not_even_listed() {
    let member = two_nodes();
    member.observed(Gates::default()).await;
    let asked = member.asked.lock().unwrap().clone();
    let pods: Vec<&String> = asked.iter().filter(|uri| uri.contains("/api/v1/pods")).collect();
    assert!(!pods.is_empty());
    for uri in pods {
        assert!(
            uri.contains("fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"),
            "{uri}"
        );
    }
}

fn stuck(member: &mut Member) {
    let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [] } });
    let owner = |kind: &str, name: &str, uid: &str| json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true }]);
    member.deployments = vec![json!({ "metadata": { "namespace": "shop", "name": "web", "uid": "d" },
        "spec": { "template": template } })];
    let mut of_set = template.clone();
    of_set["metadata"]["labels"]["pod-template-hash"] = json!("x");
    member.replica_sets = vec![json!({ "metadata": { "namespace": "shop", "name": "web-x", "uid": "s",
        "ownerReferences": owner("Deployment", "web", "d") }, "spec": { "template": of_set } })];
    let pod = |name: &str, since: &str| {
        json!({ "metadata": { "namespace": "shop", "name": name, "ownerReferences": owner("ReplicaSet", "web-x", "s") },
            "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "lastTransitionTime": since }] } })
    };
    member.pods = vec![pod("long", "2026-03-01T11:50:00Z"), pod("short", "2026-03-01T11:59:30Z")];
}

#[tokio::test]
async fn pods_without_a_node_count_after_the_threshold() {
    let mut member = two_nodes();
    stuck(&mut member);
    let answerer = member.observed(Gates::default()).await;
    let request = |kind: &str, name: &str, secs: i64| pb::UnschedulableReplicasRequest {
        cluster: "m1".into(),
        resource: Some(pb::ObjectReference {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            namespace: "shop".into(),
            name: name.into(),
        }),
        unschedulable_threshold: secs * 1_000_000_000,
    };
    assert_eq!(answerer.unschedulable_replicas("", &request("Deployment", "web", 60)).unwrap(), 1);
    assert_eq!(answerer.unschedulable_replicas("", &request("Deployment", "web", 10)).unwrap(), 2);
    let gone = answerer.unschedulable_replicas("", &request("Deployment", "gone", 60)).unwrap_err();
    assert_eq!(gone.message(), "deployment shop/gone is not there");
    assert!(answerer.unschedulable_replicas("", &request("StatefulSet", "web", 60)).is_err());
}

#[tokio::test]
async fn the_scheduler_gets_the_answers_over_the_network() {
    let answerer = two_nodes().observed(Gates::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = Shutdown::new();
    let (until, tls) = (shutdown.clone(), estimator::ServerTls::default());
    let server = runtime::spawn("estimator", async move {
        estimator::serve(listener, Arc::new(answerer), &tls, &until).await
    });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "e" },
        "spec": { "type": "ExternalName", "externalName": "127.0.0.1",
            "ports": [{ "port": 10352, "targetPort": port }] } });
    let control_plane = tower::service_fn(move |_: Request<Body>| {
        let response = Response::new(Full::new(Bytes::from(service.to_string())));
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let control_plane = Client::in_process(control_plane, Budget::control_plane());
    let estimators = Estimators::new(control_plane, estimator::Options::default());
    estimators.connect("m1").await.unwrap();
    assert_eq!(estimators.max_available_replicas("o", vec![one_cpu()]).await["m1"], Some(5));
    shutdown.request();
    server.await.unwrap().unwrap();
}

fn object(value: Value, kind: &str) -> Arc<Object> {
    let mut value = value;
    value["apiVersion"] = json!("v1");
    value["kind"] = json!(kind);
    Arc::new(Object::from_value(value).unwrap())
}

fn count(snapshot: &Snapshot) -> crate::plugins::Opinion {
    let needs: ReplicaRequirements =
        serde_json::from_value(json!({ "resourceRequest": { "cpu": "1" } })).unwrap();
    snapshot.replicas_on_nodes(&estimation::Component::replica(&needs).unwrap(), &[])
}

#[test]
fn the_snapshot_follows_nodes_and_pods() {
    use crate::plugins::Opinion::{Fits, Unschedulable};
    let added = |object: &Arc<Object>| Change::Added { object: Arc::clone(object), initial: false };
    let snapshot = Snapshot::default();
    let (n1, p1) = (object(node("n1", "4", "10"), "Node"), object(pod("p1", "n1", "3"), "Pod"));
    snapshot.follow_node(&added(&n1));
    assert_eq!(count(&snapshot), Fits(4));
    snapshot.follow_pod(&added(&p1));
    assert_eq!(count(&snapshot), Fits(1));
    let larger = object(node("n1", "6", "10"), "Node");
    snapshot.follow_node(&Change::Modified { old: Arc::clone(&n1), new: Arc::clone(&larger) });
    assert_eq!(count(&snapshot), Fits(3));
    let mut beating = (*larger).clone();
    beating.set("/metadata/resourceVersion", "9");
    snapshot.follow_node(&Change::Modified { old: larger, new: Arc::new(beating) });
    assert_eq!(count(&snapshot), Fits(3));
    snapshot.follow_pod(&Change::Deleted { object: p1 });
    assert_eq!(count(&snapshot), Fits(6));
    snapshot.follow_node(&Change::Deleted { object: n1 });
    assert_eq!(count(&snapshot), Unschedulable);
}

#[test]
fn a_pod_that_finds_its_node_takes_its_place_there() {
    use crate::plugins::Opinion::Fits;
    let snapshot = Snapshot::default();
    let n1 = object(node("n1", "4", "10"), "Node");
    snapshot.follow_node(&Change::Added { object: n1, initial: false });
    let (waiting, placed) = (object(pod("p1", "", "3"), "Pod"), object(pod("p1", "n1", "3"), "Pod"));
    snapshot.follow_pod(&Change::Added { object: Arc::clone(&waiting), initial: false });
    assert_eq!(count(&snapshot), Fits(4));
    snapshot.follow_pod(&Change::Modified { old: waiting, new: placed });
    assert_eq!(count(&snapshot), Fits(1));
}

#[test]
fn of_nodes_and_pods_only_what_is_read_is_kept() {
    let mut full = json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "p", "annotations": { "a": "b" }, "managedFields": [], "labels": { "l": "x" } },
        "spec": { "nodeName": "n1", "volumes": [{}], "overhead": { "cpu": "1" },
            "containers": [{ "name": "c", "image": "i", "env": [{}], "resources": { "requests": { "cpu": "1" } } }],
            "initContainers": [{ "name": "i", "restartPolicy": "Always", "image": "i" }] },
        "status": { "phase": "Running", "podIP": "10.0.0.1", "conditions": [] } });
    let mut pod = Object::from_value(full.clone()).unwrap();
    crate::snapshot::strip_pod(&mut pod);
    full["metadata"] = json!({ "name": "p", "labels": { "l": "x" } });
    full["spec"] = json!({ "nodeName": "n1", "overhead": { "cpu": "1" },
        "containers": [{ "name": "c", "resources": { "requests": { "cpu": "1" } } }],
        "initContainers": [{ "name": "i", "restartPolicy": "Always" }] });
    full["status"] = json!({ "phase": "Running", "conditions": [] });
    assert_eq!(pod.value(), &full);
    let mut node =
        Object::from_value(json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" },
        "spec": { "taints": [] }, "status": { "allocatable": { "cpu": "1" }, "images": [{}] } }))
        .unwrap();
    crate::snapshot::strip_node(&mut node);
    assert_eq!(node.at("/status"), Some(&json!({ "allocatable": { "cpu": "1" } })));
    assert_eq!(node.at("/spec/taints"), Some(&json!([])));
}

#[tokio::test]
async fn an_estimator_without_a_name_does_not_start() {
    let error =
        crate::run(Member::default().client(), Options::default(), Shutdown::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "an estimator needs the name of its cluster");
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let options = Options {
        cluster_name: "m1".into(),
        bind_address: address.ip(),
        server_port: address.port(),
        ..Options::default()
    };
    let error = crate::run(Member::default().client(), options, Shutdown::new()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not listen on {address}"));
}
