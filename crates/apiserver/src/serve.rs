//! The way of a request: who, what, may they, do it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, WARNING};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use machinery::{Reason, Status};

use crate::auth::authenticate::PeerCertificate;
use crate::auth::authorize::Action;
use crate::auth::impersonate::impersonate;
use crate::auth::user::User;
use crate::connect::Connection;
use crate::core::{Context, Core, Warnings};
use crate::handlers;
use crate::http::negotiate::{negotiate, negotiate_plain};
use crate::http::query::Query;
use crate::http::{Body, BoxError, Response, respond};
use crate::metrics::Labels;
use crate::nonresource;
use crate::path::{Route, Target, route};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// How long a request other than a watch or connection may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Who makes the requests of a service.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Always the same user; in process.
    Fixed(Arc<User>),
    /// Whoever the connection's certificate or the request's headers say.
    Connection(Option<PeerCertificate>),
}

/// Gives out services for clients in this process.
#[derive(Clone)]
pub struct Handle {
    pub(crate) core: Arc<Core>,
}

impl Handle {
    /// A service that makes every request as `user`, for `kube::Client::new`.
    pub fn service(&self, user: User) -> Service {
        Service { core: Arc::clone(&self.core), who: Who::Fixed(Arc::new(user)) }
    }

    /// The newest revision of the store that the caches have seen.
    pub fn revision(&self) -> u64 {
        self.core.hub.revision()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// The server as a tower service. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) core: Arc<Core>,
    pub(crate) who: Who,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("who", &self.who).finish_non_exhaustive()
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let core = Arc::clone(&self.core);
        let who = self.who.clone();
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        Box::pin(async move { Ok(serve(core, who, request).await) })
    }
}

/// Answers a request.
pub(crate) async fn serve(core: Arc<Core>, who: Who, request: Request<Body>) -> Response {
    let start = core.clock.elapsed();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let audit = request.headers().get(AUDIT_ID).cloned();
    // Methods are the client's words; as labels they are bounded.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let verb = if known.contains(&method) { method.as_str() } else { "OTHER" };
    let mut seen = Seen { verb: verb.to_owned(), target: None };
    // The place is given back when the answer starts, so that a running watch holds none.
    let place = match &who {
        Who::Fixed(_) => None,
        Who::Connection(_) => Some(core.places.try_acquire()),
    };
    let answered = match place {
        Some(Err(_)) => Err(overloaded()),
        _ => answer(&core, who, request, &mut seen).await,
    };
    drop(place);
    let mut response = answered.unwrap_or_else(|status| respond::failure(&status));
    let id = audit.or_else(|| HeaderValue::from_str(&core.ids.uid()).ok());
    if let Some(id) = id {
        response.headers_mut().insert(AUDIT_ID, id);
    }
    let took = core.clock.elapsed().saturating_sub(start);
    let code = response.status().as_u16();
    tracing::debug!(%method, path, code, ?took, "request");
    count(&core, &seen, code, took);
    response
}

fn overloaded() -> Status {
    let message = "the server has received too many requests and has asked us to try again later";
    let mut status = Status::new(Reason::TooManyRequests, message);
    status.details.get_or_insert_default().retry_after_seconds = 1;
    status
}

/// What a request turned out to be, for metrics.
struct Seen {
    verb: String,
    target: Option<Target>,
}

fn count(core: &Core, seen: &Seen, code: u16, took: Duration) {
    let verb = seen.verb.to_ascii_uppercase();
    let labels = match &seen.target {
        Some(t) => Labels {
            verb: &verb,
            group: &t.group,
            version: &t.version,
            resource: &t.resource,
            subresource: &t.subresource,
            scope: match (t.name.is_empty(), t.namespace.is_empty()) {
                (false, _) => "resource",
                (true, false) => "namespace",
                (true, true) => "cluster",
            },
        },
        None => Labels { verb: &verb, group: "", version: "", resource: "", subresource: "", scope: "" },
    };
    core.metrics.observe(labels, code, took);
}

async fn answer(
    core: &Arc<Core>,
    who: Who,
    request: Request<Body>,
    seen: &mut Seen,
) -> Result<Response, Status> {
    let (mut parts, body) = request.into_parts();
    let user = identify(core, who, &mut parts.headers).await?;
    match route(parts.uri.path()) {
        Route::NonResource => {
            let verb = parts.method.as_str().to_ascii_lowercase();
            let action = Action { verb: &verb, path: Some(parts.uri.path()), ..Action::default() };
            core.authorizer.require(core, &user, &action)?;
            Ok(nonresource::serve(core, &parts.method, &parts.uri, &parts.headers))
        }
        Route::Resource(target) => resource(core, user, target, parts, body, seen).await,
    }
}

async fn identify(core: &Arc<Core>, who: Who, headers: &mut HeaderMap) -> Result<Arc<User>, Status> {
    let user = match who {
        Who::Fixed(user) if !headers.contains_key("impersonate-user") => return Ok(user),
        Who::Fixed(user) => user,
        Who::Connection(certificate) => {
            Arc::new(core.authenticator.authenticate(core, headers, certificate.as_ref()).await?)
        }
    };
    impersonate(core, user, headers)
}

/// The verb a request is authorized as.
fn verb_of(method: &Method, target: &Target, query: &Query) -> &'static str {
    let named = !target.name.is_empty();
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ if target.legacy_watch || query.flag("watch") => "watch",
        _ if named => "get",
        _ => "list",
    }
}

/// Whether an APIService sends the group version to another server.
fn is_aggregated(core: &Core, target: &Target) -> bool {
    let name = format!("{}.{}", target.version, target.group);
    let found = core.cached("apiregistration.k8s.io", "apiservices", "", &name);
    found.is_some_and(|service| service.at("/spec/service").is_some_and(|s| !s.is_null()))
}

async fn resource(
    core: &Arc<Core>,
    user: Arc<User>,
    target: Target,
    parts: http::request::Parts,
    body: Body,
    seen: &mut Seen,
) -> Result<Response, Status> {
    let mut query = Query::parse(parts.uri.query().unwrap_or_default());
    let verb = verb_of(&parts.method, &target, &query);
    verb.clone_into(&mut seen.verb);
    // A list or watch of one name counts as a request for that name.
    let by_field = query.text("fieldSelector").strip_prefix("metadata.name=").filter(|n| !n.contains(','));
    let name = if target.name.is_empty() && matches!(verb, "list" | "watch") {
        by_field.unwrap_or_default()
    } else {
        &target.name
    };
    let action = Action {
        verb,
        group: &target.group,
        version: &target.version,
        resource: &target.resource,
        subresource: &target.subresource,
        namespace: &target.namespace,
        name,
        path: None,
    };
    core.authorizer.require(core, &user, &action)?;
    let registry = core.registry.load_full();
    let Some(resource) = registry.find(&target.group, &target.version, &target.resource) else {
        return match registry.group(&target.group) {
            Some(_) => Err(respond::resource_not_found()),
            None if is_aggregated(core, &target) => {
                Ok(respond::text(http::StatusCode::SERVICE_UNAVAILABLE, "service unavailable\n"))
            }
            None => Ok(respond::page_not_found()),
        };
    };
    seen.target = Some(target.clone());
    if parts.method == Method::HEAD
        || (resource.namespaced && target.namespace.is_empty() && !target.name.is_empty())
    {
        return Err(if parts.method == Method::HEAD {
            respond::method_not_allowed()
        } else {
            respond::resource_not_found()
        });
    }
    if !resource.namespaced && !target.namespace.is_empty() && target.resource != "namespaces" {
        return Err(respond::resource_not_found());
    }
    // An encoded slash must not reach the keys of the store.
    if target.name.contains('/') || target.namespace.contains('/') {
        return Err(respond::resource_not_found());
    }
    if let Some(connector) = core.connectors.iter().find(|c| {
        c.subresource == target.subresource && c.plural == target.resource && c.group == target.group
    }) {
        let connection =
            Connection { user, namespace: target.namespace, name: target.name, path: target.rest };
        return Ok(connector.handler.connect(connection, Request::from_parts(parts, body)).await);
    }
    if target.legacy_watch {
        query.push("watch", "true");
    }
    let cx = Context {
        core: Arc::clone(core),
        user,
        target,
        resource: Arc::clone(resource),
        query,
        accepted: if resource.stored { negotiate(&parts.headers)? } else { negotiate_plain(&parts.headers)? },
        headers: parts.headers,
        warnings: Warnings::default(),
    };
    if let Some(text) = cx.resource.deprecation() {
        cx.warnings.add(text);
    }
    let handled = tokio::time::timeout(REQUEST_TIMEOUT, handlers::handle(&cx, &parts.method, body)).await;
    let mut response = match handled {
        Ok(Ok(response)) => response,
        Ok(Err(status)) => respond::failure(&status),
        Err(_) => respond::failure(&Status::new(Reason::Timeout, "the request took too long")),
    };
    for text in cx.warnings.take() {
        if let Some(value) = respond::warning(&text) {
            response.headers_mut().append(WARNING, value);
        }
    }
    Ok(response)
}
