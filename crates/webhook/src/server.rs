//! The HTTPS server around the rules.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use admission::CONVERT_PATH;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use runtime::{Shutdown, metrics, spawn};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Rules, convert, review};

/// A review holds the object twice; the API server takes objects of up to 1.5 MiB in 3 MiB bodies.
const BODY_LEN_MAX: usize = 8 * 1024 * 1024;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server listens.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address and port; upstream's port is 8443.
    pub address: SocketAddr,
    /// The serving certificate.
    pub tls: Arc<ServerConfig>,
}

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Serves the rules until shutdown.
///
/// # Errors
/// [`Error::Listen`].
pub async fn run(options: Options, rules: Rules, shutdown: Shutdown) -> Result<(), Error> {
    let address = options.address;
    let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    let acceptor = TlsAcceptor::from(options.tls);
    tracing::info!(%address, "webhook listening");
    while let Some(accepted) = shutdown.or(listener.accept()).await {
        match accepted {
            Ok((socket, _)) => {
                let (acceptor, rules, shutdown) = (acceptor.clone(), rules.clone(), shutdown.clone());
                spawn("webhook-connection", async move {
                    shutdown.or(connection(socket, acceptor, rules)).await;
                });
            }
            // Out of file descriptors, most likely: others may be given back in a moment.
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    Ok(())
}

async fn connection(socket: TcpStream, acceptor: TlsAcceptor, rules: Rules) {
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let service = hyper::service::service_fn(move |request| {
        let rules = rules.clone();
        async move { Ok::<_, Infallible>(serve(&rules, request).await) }
    });
    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error, "connection ended");
    }
}

async fn serve(rules: &Rules, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match Limited::new(request.into_body(), BODY_LEN_MAX).collect().await {
        Ok(body) => respond(rules, &method, &path, &body.to_bytes()),
        Err(error) => text(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
    }
}

/// Finds what belongs to a path.
fn respond(rules: &Rules, method: &Method, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
    let answer = match (method, path) {
        (&Method::GET, "/readyz" | "/healthz") => return text(StatusCode::OK, "ok"),
        (&Method::GET, "/metrics") => return text(StatusCode::OK, metrics::text()),
        (&Method::POST, CONVERT_PATH) => convert::answer(body),
        (&Method::POST, path) => match admission::by_path(path) {
            Some(webhook) => review::answer(rules, webhook, body),
            None => return text(StatusCode::NOT_FOUND, "404 page not found\n"),
        },
        _ => return text(StatusCode::NOT_FOUND, "404 page not found\n"),
    };
    match answer {
        Ok(answer) => json(&answer),
        Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

fn text(code: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.into())));
    *response.status_mut() = code;
    response
}

fn json(value: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_answer() {
        let clock = clock::Clock::fixed("2026-01-01T00:00:00Z".parse().unwrap());
        let rules = Rules::new(admission::Options::default(), clock, clock::Ids::seeded(1));
        let status = |method: Method, path: &str, body: &str| {
            respond(&rules, &method, path, body.as_bytes()).status().as_u16()
        };
        assert_eq!(status(Method::GET, "/readyz", ""), 200);
        assert_eq!(status(Method::GET, "/healthz", ""), 200);
        assert_eq!(status(Method::GET, "/metrics", ""), 200);
        let conversion = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview",
            "request":{"uid":"u","desiredAPIVersion":"work.karmada.io/v1alpha2","objects":[]}}"#;
        assert_eq!(status(Method::POST, "/convert", conversion), 200);
        assert_eq!(status(Method::POST, "/mutate-work", conversion), 400, "another kind of review");
        assert_eq!(status(Method::POST, "/convert", "not JSON"), 400);
        for webhook in admission::WEBHOOKS {
            let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
                "request":{"uid":"u","operation":"CONNECT","kind":{"group":"","version":"v1","kind":"Pod"}}}"#;
            assert_eq!(status(Method::POST, webhook.path, review), 200, "{}", webhook.path);
            assert_eq!(status(Method::GET, webhook.path, ""), 404);
        }
        assert_eq!(status(Method::POST, "/elsewhere", conversion), 404);
    }
}
