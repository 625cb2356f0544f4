//! What a request about a resource does.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod pods;
pub(crate) mod reviews;
pub(crate) mod scale;
pub(crate) mod token;
pub(crate) mod update;
pub(crate) mod watch;
pub(crate) mod write;

use http::{Method, StatusCode};
use machinery::{Object, Status};

use crate::core::Context;
use crate::http::{Body, Response, read_body, respond};
use crate::{render, storage};

/// Carries out a request whose path names a served resource.
pub(crate) async fn handle(cx: &Context, method: &Method, body: Body) -> Result<Response, Status> {
    if !cx.target.subresource.is_empty() {
        return subresource(cx, method, body).await;
    }
    let verbs = |verb: &str| cx.resource.verbs.contains(&verb);
    let named = !cx.target.name.is_empty();
    match *method {
        Method::GET if !cx.resource.stored && verbs("list") && !named => list::empty(cx),
        Method::GET if named && !is_watch(cx) && verbs("get") => get(cx).await,
        Method::GET if is_watch(cx) && verbs("watch") => watch::handle(cx).await,
        Method::GET if !named && verbs("list") => list::handle(cx).await,
        Method::POST if !named && verbs("create") => {
            if cx.resource.namespaced && cx.target.namespace.is_empty() {
                return Err(respond::method_not_allowed());
            }
            let body = read_body(body).await?;
            if cx.resource.stored {
                create::handle(cx, &body).await
            } else {
                reviews::handle(cx, &body).await
            }
        }
        Method::PUT if named && verbs("update") => update::handle(cx, &read_body(body).await?).await,
        Method::PATCH if named && verbs("patch") => patch::handle(cx, &read_body(body).await?).await,
        Method::DELETE if named && verbs("delete") => delete::handle(cx, &read_body(body).await?).await,
        Method::DELETE if !named && verbs("deletecollection") => {
            delete::collection(cx, &read_body(body).await?).await
        }
        _ => Err(respond::method_not_allowed()),
    }
}

/// Whether a GET is a watch.
pub(crate) fn is_watch(cx: &Context) -> bool {
    cx.target.legacy_watch || cx.query.flag("watch")
}

async fn subresource(cx: &Context, method: &Method, body: Body) -> Result<Response, Status> {
    let Some(sub) = cx.resource.subresource(&cx.target.subresource) else {
        return Err(if cx.resource.custom().is_some() {
            cx.not_found()
        } else {
            respond::resource_not_found()
        });
    };
    let verb = match *method {
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return Err(respond::method_not_allowed()),
    };
    if !sub.verbs.contains(&verb) {
        return Err(respond::method_not_allowed());
    }
    match (sub.name.as_str(), verb) {
        ("scale", "get") => scale::get(cx).await,
        ("scale", "update") => scale::update(cx, &read_body(body).await?).await,
        ("scale", _) => scale::patch(cx, &read_body(body).await?).await,
        ("binding", _) => pods::bind(cx, &read_body(body).await?).await,
        ("eviction", _) => pods::evict(cx, &read_body(body).await?).await,
        ("token", _) => token::request(cx, &read_body(body).await?).await,
        ("log", _) => pods::log(cx).await,
        ("exec" | "attach" | "portforward" | "proxy", _) => pods::connect(cx).await,
        (_, "get") => get(cx).await,
        (_, "update") => update::handle(cx, &read_body(body).await?).await,
        (_, "patch") => patch::handle(cx, &read_body(body).await?).await,
        _ => Err(respond::method_not_allowed()),
    }
}

/// GET of one object.
async fn get(cx: &Context) -> Result<Response, Status> {
    let key = cx.key();
    let asked = list::revision_asked(cx)?;
    if let Some(revision) = asked {
        cx.core.hub.reach(revision).await?;
        if let Some(entry) = cx.resource.cache.get(&key) {
            return Ok(render::object(cx, StatusCode::OK, &entry.bytes, Some(entry.revision)));
        }
        return Err(cx.not_found());
    }
    let found = cx.core.store.get(&key).await.map_err(storage::failure)?.ok_or_else(|| cx.not_found())?;
    Ok(render::object(cx, StatusCode::OK, &found.value, Some(found.revision)))
}

/// The object the path names, out of the store.
pub(crate) async fn load(cx: &Context) -> Result<(Object, store::KeyValue), Status> {
    let kv = cx.core.store.get(&cx.key()).await.map_err(storage::failure)?.ok_or_else(|| cx.not_found())?;
    Ok((cx.resource.read(&kv.value, kv.revision)?, kv))
}
