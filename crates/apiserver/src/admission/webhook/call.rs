//! Calling a webhook over HTTPS.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::{Hook, Place};
use crate::core::Core;

/// Largest answer read, in bytes: a patch of the largest object.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where to connect and which name the certificate must carry.
struct Destination {
    host: String,
    port: u16,
    server_name: String,
    path: String,
}

fn destination(hook: &Hook, core: &Core) -> Destination {
    match &hook.place {
        Place::Url { host, port, path } => {
            Destination { host: host.clone(), port: *port, server_name: host.clone(), path: path.clone() }
        }
        Place::Service { namespace, name, port, path } => {
            let server_name = format!("{name}.{namespace}.svc");
            let service = core.cached("", "services", namespace, name);
            let text = |pointer: &str| {
                service.as_ref().and_then(|s| s.str_at(pointer)).filter(|t| !t.is_empty() && *t != "None")
            };
            let host =
                text("/spec/externalName").or(text("/spec/clusterIP")).unwrap_or(&server_name).to_owned();
            Destination { host, port: *port, server_name, path: path.clone() }
        }
    }
}

/// Sends a review and gives the answer.
///
/// # Errors
/// A text for people when the webhook cannot be reached or does not answer a review in time.
pub(super) async fn review(hook: &Hook, review: &Value, core: &Core) -> Result<Value, String> {
    let destination = destination(hook, core);
    let seconds = hook.timeout.as_secs();
    let separator = if destination.path.contains('?') { '&' } else { '?' };
    let path = format!("{}{separator}timeout={seconds}s", destination.path);
    let shown = format!("https://{}:{}{path}", destination.host, destination.port);
    let answer = tokio::time::timeout(hook.timeout, exchange(hook, &destination, &path, review)).await;
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(format!("failed to call webhook: Post {shown:?}: {why}")),
        Err(_) => Err(format!("failed to call webhook: Post {shown:?}: context deadline exceeded")),
    }
}

async fn exchange(hook: &Hook, to: &Destination, path: &str, review: &Value) -> Result<Value, String> {
    let stream = TcpStream::connect((to.host.as_str(), to.port))
        .await
        .map_err(|error| format!("dial tcp {}:{}: connect: {}", to.host, to.port, words(&error)))?;
    let _ = stream.set_nodelay(true);
    let tls = hook.tls.as_ref().ok_or("its TLS settings cannot be used")?;
    let name = ServerName::try_from(to.server_name.clone()).map_err(|e| e.to_string())?;
    let stream =
        TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(|e| format!("tls: {e}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let running = runtime::spawn("webhook-call", connection);
    let request = Request::post(path)
        .header(HOST, format!("{}:{}", to.server_name, to.port))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, */*")
        .body(Full::new(Bytes::from(review.to_string())))
        .map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let code = response.status();
    let body =
        Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|e| e.to_string())?;
    running.abort();
    if !code.is_success() {
        return Err(format!("the server answered {code}"));
    }
    serde_json::from_slice(&body.to_bytes()).map_err(|e| format!("the answer is not a review: {e}"))
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}
