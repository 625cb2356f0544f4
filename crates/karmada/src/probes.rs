//! Health and metrics of a part that runs as a program of its own.
//!
//! ```text
//! GET /healthz, /readyz, /livez   ok
//! GET /metrics                    Prometheus text
//! ```

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use runtime::{Shutdown, metrics, spawn};
use tokio::net::TcpListener;

/// Where a part answers about itself.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Probes {
    /// Address of /metrics: `host:port`, `:port` for all addresses, `0` for none. By default 127.0.0.1:8080,
    /// or nowhere when that is taken.
    #[arg(long, value_parser = address, value_name = "ADDRESS")]
    metrics_bind_address: Option<Bound>,
    /// Address of /healthz and /readyz, as above; the default port is the part's own.
    #[arg(long, value_parser = address, value_name = "ADDRESS")]
    health_probe_bind_address: Option<Bound>,
}

/// An address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    At(SocketAddr),
    Nowhere,
}

fn address(text: &str) -> Result<Bound, String> {
    if text == "0" {
        return Ok(Bound::Nowhere);
    }
    // Go programs write ":8080" for a port on every address.
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse()
        .map(Bound::At)
        .map_err(|_| format!("{text:?} is not an address like 127.0.0.1:8080, :8080 or 0"))
}

/// Port of /metrics; upstream's.
const METRICS_PORT: u16 = 8080;

impl Probes {
    /// Starts to answer. An address that was asked for must be free; a default one that is not is left.
    pub(crate) async fn start(&self, health_port: u16, shutdown: &Shutdown) -> Result<()> {
        for (asked, port) in
            [(self.metrics_bind_address, METRICS_PORT), (self.health_probe_bind_address, health_port)]
        {
            let default = SocketAddr::new([127, 0, 0, 1].into(), port);
            let address = match asked {
                Some(Bound::Nowhere) => continue,
                Some(Bound::At(address)) => address,
                None => default,
            };
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let until = shutdown.clone();
                    spawn("probes", async move {
                        until.or(serve(listener)).await;
                    });
                }
                Err(error) if asked.is_none() => {
                    tracing::warn!(%address, %error, "no metrics or health there")
                }
                Err(error) => return Err(error).with_context(|| format!("cannot listen on {address}")),
            }
        }
        Ok(())
    }
}

async fn serve(listener: TcpListener) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: others may be given back in a moment.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        spawn("probe", async move {
            let service =
                hyper::service::service_fn(|request| async move { Ok::<_, Infallible>(answer(&request)) });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

fn answer<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    let (code, text) = match request.uri().path() {
        "/healthz" | "/readyz" | "/livez" => (StatusCode::OK, "ok".to_owned()),
        "/metrics" => (StatusCode::OK, metrics::text()),
        _ => (StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_programs_write_them() {
        assert_eq!(address("0"), Ok(Bound::Nowhere));
        assert_eq!(address(":8080"), Ok(Bound::At("0.0.0.0:8080".parse().unwrap())));
        assert_eq!(address("127.0.0.1:1"), Ok(Bound::At("127.0.0.1:1".parse().unwrap())));
        assert!(address("somewhere").is_err());
    }
}
