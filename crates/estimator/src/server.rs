//! Answering: the service on a socket.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use runtime::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::{Error, OBJECT_KEY, SERVICE, ServerTls, paths, pb};

/// Connections that may be in their TLS handshake at the same time; further ones wait in the socket's backlog.
const HANDSHAKES_MAX: usize = 64;

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a connection could not be accepted, for example because the process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers. The answers are calculated from what is in memory and take no more than milliseconds, so
/// nothing here waits. `object` is what the client says it asks for; empty when it does not.
pub trait Estimator: Send + Sync + 'static {
    /// How many more replicas fit.
    ///
    /// # Errors
    /// When the request is for another cluster or cannot be understood.
    fn max_available_replicas(
        &self,
        object: &str,
        request: &pb::MaxAvailableReplicasRequest,
    ) -> Result<i32, Status>;

    /// How many more complete sets of components fit.
    ///
    /// # Errors
    /// When the request is for another cluster or cannot be understood.
    fn max_available_component_sets(
        &self,
        object: &str,
        request: &pb::MaxAvailableComponentSetsRequest,
    ) -> Result<i32, Status>;

    /// How many replicas of a workload find no node.
    ///
    /// # Errors
    /// When the request is for another cluster, the workload is not there, or is of a kind nobody can tell for.
    fn unschedulable_replicas(
        &self,
        object: &str,
        request: &pb::UnschedulableReplicasRequest,
    ) -> Result<i32, Status>;
}

/// Serves an estimator on a socket until shutdown; answers under way are finished.
///
/// # Errors
/// When TLS cannot be set up, or the server ends early.
pub async fn serve<E: Estimator>(
    listener: TcpListener,
    estimator: Arc<E>,
    tls: &ServerTls,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let connections = connections(listener);
    match tls.acceptor()? {
        None => run(connections.map(Ok), estimator, shutdown).await,
        Some(acceptor) => {
            let secured = connections
                .map(move |connection| {
                    let acceptor = acceptor.clone();
                    async move { tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(connection)).await }
                })
                .buffer_unordered(HANDSHAKES_MAX)
                .filter_map(async |handshake| match handshake {
                    Ok(Ok(connection)) => Some(Ok(connection)),
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "TLS handshake failed");
                        None
                    }
                    Err(_) => None,
                });
            run(secured, estimator, shutdown).await
        }
    }
}

async fn run<E, S, C>(connections: S, estimator: Arc<E>, shutdown: &Shutdown) -> Result<(), Error>
where
    E: Estimator,
    S: Stream<Item = Result<C, Infallible>>,
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    Server::builder()
        .add_service(Handler { estimator })
        .serve_with_incoming_shutdown(connections, shutdown.requested())
        .await
        .map_err(Error::Serve)
}

/// A connection that cannot be accepted ends nothing.
fn connections(listener: TcpListener) -> impl Stream<Item = TcpStream> {
    stream::unfold(listener, async |listener| {
        loop {
            match listener.accept().await {
                Ok((connection, _)) => {
                    // Without it small answers wait; it cannot fail on an open socket.
                    let _ = connection.set_nodelay(true);
                    return Some((connection, listener));
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// The service as the HTTP server sees it.
struct Handler<E> {
    estimator: Arc<E>,
}

impl<E> Clone for Handler<E> {
    fn clone(&self) -> Self {
        Self { estimator: Arc::clone(&self.estimator) }
    }
}

impl<E> NamedService for Handler<E> {
    const NAME: &'static str = SERVICE;
}

impl<E: Estimator> Service<http::Request<Body>> for Handler<E> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let estimator = Arc::clone(&self.estimator);
        match request.uri().path() {
            paths::MAX_AVAILABLE_REPLICAS => answer(request, move |object: &str, asked| {
                let max_replicas = estimator.max_available_replicas(object, &asked)?;
                Ok(pb::MaxAvailableReplicasResponse { max_replicas })
            }),
            paths::MAX_AVAILABLE_COMPONENT_SETS => answer(request, move |object: &str, asked| {
                let max_sets = estimator.max_available_component_sets(object, &asked)?;
                Ok(pb::MaxAvailableComponentSetsResponse { max_sets })
            }),
            paths::GET_UNSCHEDULABLE_REPLICAS => answer(request, move |object: &str, asked| {
                let unschedulable_replicas = estimator.unschedulable_replicas(object, &asked)?;
                Ok(pb::UnschedulableReplicasResponse { unschedulable_replicas })
            }),
            _ => Box::pin(async { Ok(Status::unimplemented("no such method").into_http()) }),
        }
    }
}

fn answer<Q, A, F>(request: http::Request<Body>, with: F) -> BoxFuture<http::Response<Body>, Infallible>
where
    Q: prost::Message + Default + 'static,
    A: prost::Message + 'static,
    F: Fn(&str, Q) -> Result<A, Status> + Send + 'static,
{
    Box::pin(async move {
        let codec = ProstCodec::<A, Q>::default();
        Ok(Grpc::new(codec).unary(Unary(with), request).await)
    })
}

/// A method as a function of the object asked for and the request.
struct Unary<F>(F);

impl<F, Q, A> UnaryService<Q> for Unary<F>
where
    F: Fn(&str, Q) -> Result<A, Status>,
{
    type Response = A;
    type Future = Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (metadata, _, message) = request.into_parts();
        let object = metadata.get(OBJECT_KEY).and_then(|value| value.to_str().ok()).unwrap_or_default();
        std::future::ready((self.0)(object, message).map(Response::new))
    }
}
