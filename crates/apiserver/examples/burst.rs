//! How many writes a second the server takes in process: `cargo run --release -p apiserver --example burst -- 20000`.
//!
//! Creates that many ConfigMaps and Deployments with 64 requests in flight on an in-memory store, then
//! changes each once. Prints rates; use it to compare two builds on one machine.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use apiserver::{ApiServer, Deps, Options, superuser};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use store::embedded::Engine;
use tower::Service as _;

/// Requests in flight.
const IN_FLIGHT: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(5000), |n| n.parse())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let server = ApiServer::new(Options::default(), Deps::new(Arc::new(Engine::memory()))).await?;
        let map = |i: usize| json!({"metadata": {"name": format!("m{i}")}, "data": {"key": "value"}});
        let deployment = |i: usize| {
            json!({
                "metadata": {"name": format!("d{i}"), "labels": {"app": "web"}},
                "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "nginx:1", "ports": [{"containerPort": 80}]}]}}},
            })
        };
        let maps = "/api/v1/namespaces/default/configmaps";
        let deployments = "/apis/apps/v1/namespaces/default/deployments";
        let patch = |_: usize| json!({"metadata": {"labels": {"x": "y"}}});
        for (what, method, path, letter, body) in [
            ("create ConfigMap", "POST", maps, "", &map as &dyn Fn(usize) -> Value),
            ("patch ConfigMap", "PATCH", maps, "/m", &patch),
            ("get ConfigMap", "GET", maps, "/m", &patch),
            ("create Deployment", "POST", deployments, "", &deployment),
            ("patch Deployment", "PATCH", deployments, "/d", &patch),
        ] {
            let start = Instant::now();
            let requests = (0..count).map(|i| {
                let path = if letter.is_empty() { path.to_owned() } else { format!("{path}{letter}{i}") };
                let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
                let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
                let request = request.body(Full::new(bytes::Bytes::from(body(i).to_string())));
                let mut service = server.handle().service(superuser("burst"));
                async move {
                    let response = service.call(request?).await?;
                    let code = response.status();
                    response.into_body().collect().await?;
                    if code.is_success() { Ok(()) } else { Err(format!("{method}: {code}").into()) }
                }
            });
            let done: Vec<Result<(), Box<dyn std::error::Error + Send + Sync>>> =
                futures::stream::iter(requests).buffer_unordered(IN_FLIGHT).collect().await;
            done.into_iter().collect::<Result<(), _>>()?;
            let seconds = start.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
            let rate = count as f64 / seconds;
            writeln!(std::io::stdout(), "{what:20} {rate:8.0}/s")?;
        }
        Ok(())
    })
}
