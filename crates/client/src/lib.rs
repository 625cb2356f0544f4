//! A Kubernetes client for objects of any kind.
//!
//! One [`Client`] stands for one API server, reached over HTTPS or, in the same process, by calling its
//! service directly; nothing above this crate knows which. Objects are [`machinery::Object`]s and
//! resources are named by data, because most of what Karmada handles is known only at run time.
//!
//! Every client carries a [`Budget`]: how many requests may be in flight, how long one may take, and
//! when to stop asking a server that does not answer, so that a slow member hurts only itself.

mod budget;
mod discovery;
mod error;
mod resource;
mod watch;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use kube::client::Body;
use machinery::{GroupVersionResource, Status};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _};

pub use budget::Budget;
pub use discovery::{ApiResource, Discovered};
pub use error::Error;
pub use resource::{DeleteOptions, List, ListOptions, Patch, Propagation, Resource};
pub use watch::{WatchEvent, WatchOptions, WatchStream};

use budget::Gate;

/// Says what is being done, for errors; only called when there is one.
pub(crate) type What<'a> = &'a (dyn Fn() -> String + Send + Sync);

/// A client for one API server. Cheap to clone; clones share the budget.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    /// A server in this process is called at once; the client's way leads over another task, there and
    /// back.
    direct: Option<Direct>,
    gate: Arc<Gate>,
}

/// The body of an answer, of whatever transport.
pub(crate) type Answer = UnsyncBoxBody<Bytes, BoxError>;

type Direct = BoxCloneSyncService<Request<Body>, Response<Answer>, BoxError>;

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client over an already configured transport.
    pub fn new(kube: kube::Client, budget: Budget) -> Self {
        Self { kube, direct: None, gate: Arc::new(Gate::new(budget)) }
    }

    /// A client that calls an API server in the same process: no socket, no TLS.
    pub fn in_process<S, B>(service: S, budget: Budget) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let direct = service.map_response(boxed).map_err(Into::into);
        let direct = BoxCloneSyncService::new(direct);
        let kube = kube::Client::new(direct.clone(), "default");
        Self { direct: Some(direct), ..Self::new(kube, budget) }
    }

    /// A client from a kubeconfig file; the file's current context when none is named.
    ///
    /// # Errors
    /// When the file cannot be read, the context does not exist, or its credentials cannot be used.
    pub async fn from_kubeconfig(path: &Path, context: Option<&str>, budget: Budget) -> Result<Self, Error> {
        let what = || match context {
            Some(context) => format!("use context {context:?} of {}", path.display()),
            None => format!("use {}", path.display()),
        };
        let kubeconfig =
            kube::config::Kubeconfig::read_from(path).map_err(|e| Error::configuration(what(), e))?;
        let options =
            kube::config::KubeConfigOptions { context: context.map(Into::into), ..Default::default() };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|e| Error::configuration(what(), e))?;
        Self::from_config(config, budget).map_err(|e| Error::configuration(what(), e))
    }

    /// A client from a finished transport configuration, for example of a member cluster.
    ///
    /// # Errors
    /// When certificates or keys in it cannot be used.
    pub fn from_config(mut config: kube::Config, budget: Budget) -> Result<Self, kube::Error> {
        // Requests are timed here, per request; a read timeout would cut quiet watches.
        config.read_timeout = None;
        config.connect_timeout = Some(budget.connect_timeout);
        Ok(Self::new(kube::Client::try_from(config)?, budget))
    }

    /// The transport, for what this crate does not offer (exec, port-forward).
    pub fn kube(&self) -> &kube::Client {
        &self.kube
    }

    /// The objects of one resource, over all namespaces.
    pub fn resource(&self, gvr: &GroupVersionResource) -> Resource {
        Resource::new(self.clone(), gvr.clone())
    }

    /// Whether requests are refused at once because the server has not answered lately.
    pub fn is_suspended(&self) -> bool {
        self.gate.is_suspended()
    }

    /// Sends a request within the budget and returns the response with its body still streaming.
    /// Failures of the server come back as [`Error::Api`].
    pub(crate) async fn send(
        &self,
        what: What<'_>,
        request: Request<Body>,
    ) -> Result<Response<Answer>, Error> {
        let _permit = self.gate.enter(what).await?;
        let response = match tokio::time::timeout(self.gate.budget().timeout, self.deliver(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(source)) => {
                self.gate.failed();
                return Err(Error::Unreachable { what: what(), source });
            }
            Err(_) => {
                self.gate.failed();
                return Err(Error::TimedOut { what: what(), after: self.gate.budget().timeout });
            }
        };
        self.gate.answered();
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let body = self.body(what, response).await?;
        Err(Error::Api { what: what(), source: Box::new(failure(code, &body)) })
    }

    async fn deliver(&self, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        match &self.direct {
            Some(service) => service.clone().oneshot(request).await,
            None => Ok(boxed(self.kube.send(request).await?)),
        }
    }

    async fn body(&self, what: What<'_>, response: Response<Answer>) -> Result<Bytes, Error> {
        match tokio::time::timeout(self.gate.budget().timeout, response.into_body().collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(source)) => Err(Error::Unreachable { what: what(), source }),
            Err(_) => Err(Error::TimedOut { what: what(), after: self.gate.budget().timeout }),
        }
    }

    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        what: What<'_>,
        request: Request<Body>,
    ) -> Result<T, Error> {
        let response = self.send(what, request).await?;
        let body = self.body(what, response).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Decode { what: what(), source })
    }

    /// GETs any path and returns the body's JSON.
    ///
    /// # Errors
    /// When the server cannot be reached, answers with a failure or with something that is not JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value, Error> {
        self.json(&|| format!("get {path}"), request(Method::GET, path, None, Bytes::new())?).await
    }

    /// GETs a collection or an object as a `meta.k8s.io/v1` Table, with the server's columns; a server
    /// that has none answers with the plain object or list.
    ///
    /// # Errors
    /// When the server cannot be reached or answers with a failure.
    pub async fn get_table(&self, path: &str) -> Result<Value, Error> {
        let mut request = request(Method::GET, path, None, Bytes::new())?;
        request.headers_mut().insert(http::header::ACCEPT, http::HeaderValue::from_static(TABLE));
        self.json(&|| format!("get {path}"), request).await
    }

    /// GETs any path and returns the HTTP code and the body's text, whatever the code.
    ///
    /// # Errors
    /// When the server cannot be reached in time.
    pub async fn get_text(&self, path: &str) -> Result<(u16, String), Error> {
        let what = || format!("get {path}");
        match self.send(&what, request(Method::GET, path, None, Bytes::new())?).await {
            Ok(response) => {
                let code = response.status().as_u16();
                let body = self.body(&what, response).await?;
                Ok((code, String::from_utf8_lossy(&body).into_owned()))
            }
            Err(Error::Api { source, .. }) => Ok((source.code, source.message)),
            Err(error) => Err(error),
        }
    }

    /// `gitVersion` of the server, for example `v1.36.2`.
    ///
    /// # Errors
    /// When the server cannot be reached or does not say.
    pub async fn version(&self) -> Result<String, Error> {
        let version = self.get_json("/version").await?;
        Ok(version.get("gitVersion").and_then(Value::as_str).unwrap_or_default().to_owned())
    }
}

fn boxed<B>(response: Response<B>) -> Response<Answer>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// What kubectl asks for when it prints a table.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A request with an optional content type for its body.
pub(crate) fn request(
    method: Method,
    path: &str,
    content_type: Option<&str>,
    body: Bytes,
) -> Result<Request<Body>, Error> {
    let mut builder =
        Request::builder().method(method).uri(path).header(http::header::ACCEPT, "application/json");
    if let Some(content_type) = content_type {
        builder = builder.header(http::header::CONTENT_TYPE, content_type);
    }
    builder.body(Body::from(body)).map_err(|source| Error::Request { path: path.into(), source })
}

fn failure(code: u16, body: &[u8]) -> Status {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) if value.get("kind").and_then(Value::as_str) == Some("Status") => {
            Status::from_json(code, &value)
        }
        _ => {
            let text = String::from_utf8_lossy(body);
            let mut status = Status::from_json(code, &Value::Null);
            status.message =
                if text.trim().is_empty() { format!("HTTP {code}") } else { text.trim().to_owned() };
            status
        }
    }
}
