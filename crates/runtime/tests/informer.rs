//! Informers against a scripted API server: what they keep, what they drop, what they report.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use client::{Budget, Client};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use machinery::{GroupVersionResource, ObjectKey};
use runtime::{Change, Informer, InformerOptions, Shutdown};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What the server answers next.
enum Answer {
    /// A complete list at a version, of objects named with their versions.
    List(&'static str, &'static [(&'static str, &'static str)]),
    /// A watch with these events; it ends after them unless it stays open.
    Watch(Vec<Value>, End),
    /// A failure with a code.
    Fail(u16),
}

enum End {
    Closes,
    StaysOpen,
}

fn object(name: &str, version: &str) -> Value {
    let metadata = json!({ "namespace": "ns", "name": name, "uid": name, "resourceVersion": version, "managedFields": [] });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata })
}

fn event(ty: &str, name: &str, version: &str) -> Value {
    json!({ "type": ty, "object": object(name, version) })
}

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

fn full(code: u16, value: &Value) -> Response<AnyBody> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

fn respond(answer: Answer) -> Response<AnyBody> {
    match answer {
        Answer::List(version, objects) => {
            let items: Vec<Value> = objects.iter().map(|(name, version)| object(name, version)).collect();
            full(
                200,
                &json!({ "kind": "ConfigMapList", "apiVersion": "v1", "metadata": { "resourceVersion": version }, "items": items }),
            )
        }
        Answer::Fail(code) => {
            let reason = if code == 410 { "Expired" } else { "InternalError" };
            full(
                code,
                &json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no" }),
            )
        }
        Answer::Watch(events, end) => {
            use futures::StreamExt as _;
            let lines = events.into_iter().map(|e| Ok(http_body::Frame::data(Bytes::from(format!("{e}\n")))));
            let lines = futures::stream::iter(lines);
            match end {
                End::Closes => Response::new(StreamBody::new(lines).boxed_unsync()),
                End::StaysOpen => {
                    Response::new(StreamBody::new(lines.chain(futures::stream::pending())).boxed_unsync())
                }
            }
        }
    }
}

/// A client of a server that gives these answers, and the paths it was asked for.
fn scripted(answers: Vec<Answer>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
        async move {
            seen.lock().unwrap().push(request.uri().to_string());
            let next = answers.lock().unwrap().pop_front();
            // Past the script the server is there but silent.
            let answer = next.unwrap_or(Answer::Watch(vec![], End::StaysOpen));
            Ok::<_, Infallible>(respond(answer))
        }
    });
    (Client::in_process(service, Budget::control_plane()), asked)
}

/// Starts an informer over the script and tells its changes until `changes` of them have come.
async fn told(answers: Vec<Answer>, changes: usize) -> (Informer, Vec<String>, Vec<String>) {
    let (client, asked) = scripted(answers);
    let gvr = GroupVersionResource::new("", "v1", "configmaps");
    let shutdown = Shutdown::new();
    let informer = Informer::start(client, &gvr, InformerOptions::default(), &shutdown);
    let (tell, mut tells) = mpsc::channel(64);
    informer.on_change(move |change: &Change| {
        let object = change.object();
        let text = match change {
            Change::Added { initial, .. } => format!(
                "+{}@{}{}",
                object.name(),
                object.resource_version(),
                if *initial { " initial" } else { "" }
            ),
            Change::Modified { old, .. } => {
                format!("~{}@{} from {}", object.name(), object.resource_version(), old.resource_version())
            }
            Change::Deleted { .. } => format!("-{}", object.name()),
        };
        tell.try_send(text).unwrap();
    });
    let mut seen = Vec::new();
    for _ in 0..changes {
        seen.push(tells.recv().await.unwrap());
    }
    let asked = asked.lock().unwrap().clone();
    (informer, seen, asked)
}

#[tokio::test(start_paused = true)]
async fn a_list_fills_the_cache_and_a_watch_follows_it() {
    let watch = vec![event("ADDED", "c", "12"), event("MODIFIED", "a", "13"), event("DELETED", "b", "14")];
    let script = vec![Answer::List("11", &[("a", "5"), ("b", "6")]), Answer::Watch(watch, End::StaysOpen)];
    let (informer, seen, asked) = told(script, 5).await;
    assert_eq!(seen, ["+a@5 initial", "+b@6 initial", "+c@12", "~a@13 from 5", "-b"]);
    assert!(asked[1].contains("watch=true") && asked[1].contains("resourceVersion=11"), "{asked:?}");
    let names: Vec<String> = informer.list().iter().map(|o| o.name().to_owned()).collect();
    assert_eq!(names, ["a", "c"]);
    assert!(informer.is_synced());
    let kept = informer.get(&ObjectKey::new("ns", "a")).unwrap();
    assert!(kept.at("/metadata/managedFields").is_none(), "what nobody reads is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_where_it_was() {
    let bookmark = json!({ "type": "BOOKMARK", "object": { "metadata": { "resourceVersion": "20" } } });
    let script = vec![
        Answer::List("11", &[("a", "5")]),
        Answer::Watch(vec![event("MODIFIED", "a", "12"), bookmark], End::Closes),
        Answer::Watch(vec![event("MODIFIED", "a", "21")], End::StaysOpen),
    ];
    let (_, seen, asked) = told(script, 3).await;
    assert_eq!(seen, ["+a@5 initial", "~a@12 from 5", "~a@21 from 12"]);
    assert!(asked[2].contains("resourceVersion=20"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_the_cache_is_put_right_by_a_complete_list() {
    let script = vec![
        Answer::List("11", &[("a", "5"), ("b", "6"), ("c", "7")]),
        Answer::Fail(410),
        Answer::List("40", &[("b", "6"), ("c", "30"), ("d", "31")]),
    ];
    let (_, seen, _) = told(script, 6).await;
    let initial = ["+a@5 initial", "+b@6 initial", "+c@7 initial"];
    assert_eq!(seen[..3], initial);
    assert_eq!(seen[3..], ["-a", "~c@30 from 7", "+d@31"], "what did not change is not reported");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_in_the_middle_of_a_watch_is_a_gap_too() {
    let status = json!({ "kind": "Status", "code": 410, "reason": "Expired", "message": "too old" });
    let expired = json!({ "type": "ERROR", "object": status });
    let script = vec![
        Answer::List("11", &[("a", "5")]),
        Answer::Watch(vec![expired], End::Closes),
        Answer::List("40", &[("b", "33")]),
    ];
    let (_, seen, _) = told(script, 3).await;
    assert_eq!(seen, ["+a@5 initial", "-a", "+b@33"]);
}

#[tokio::test(start_paused = true)]
async fn failures_delete_nothing() {
    let script = vec![
        Answer::List("11", &[("a", "5")]),
        Answer::Fail(500),
        Answer::Fail(410),
        Answer::Fail(500),
        Answer::Fail(500),
        Answer::List("40", &[("a", "5"), ("b", "33")]),
    ];
    let (informer, seen, _) = told(script, 2).await;
    assert_eq!(seen, ["+a@5 initial", "+b@33"]);
    assert_eq!(informer.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_index_follows_every_change() {
    let watch = vec![event("DELETED", "a", "14")];
    let script = vec![Answer::List("11", &[("a", "5"), ("b", "6")]), Answer::Watch(watch, End::StaysOpen)];
    let (client, _) = scripted(script);
    let gvr = GroupVersionResource::new("", "v1", "configmaps");
    let shutdown = Shutdown::new();
    let informer = Informer::start(client, &gvr, InformerOptions::default(), &shutdown);
    informer.add_index("uid", |object| vec![object.uid().to_owned()]);
    let (gone, mut goes) = mpsc::channel(8);
    // A handler may read the cache it is told about.
    let reading = informer.clone();
    informer.on_change(move |change: &Change| {
        if change.is_deleted() {
            gone.try_send(reading.by_index("uid", "a").len()).unwrap();
        }
    });
    assert_eq!(goes.recv().await, Some(0));
    assert_eq!(informer.by_index("uid", "b").len(), 1);
    assert!(informer.by_index("other", "b").is_empty());
}
