//! What only pods have: binding to a node, eviction, logs and connections.

use bytes::Bytes;
use http::StatusCode;
use kinds::pod;
use kinds::policy::{Eviction, decide_eviction, take_disruption};
use machinery::{Cause, Object, Reason, Status};
use serde_json::json;
use store::Expect;

use super::delete::{self, DeleteOptions};
use crate::core::Context;
use crate::decode;
use crate::http::negotiate::content_type;
use crate::http::query::WriteOptions;
use crate::http::{Response, respond};
use crate::storage::{self, codec};

/// How often a write is tried again when the object changes meanwhile.
const ATTEMPTS_MAX: usize = 8;

fn success(code: StatusCode) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code.as_u16(),
    });
    respond::json(code, &status)
}

fn read(cx: &Context, body: &Bytes, kind: &str) -> Result<Object, Status> {
    let parsed = decode::parse(content_type(&cx.headers), body, kind)?;
    Object::from_value(parsed.value).map_err(|e| Status::bad_request(e.to_string()))
}

/// `pods/binding`: assigns the pod to a node, once. The node's name is no change that a pod update
/// allows, and the condition is status, so that this write goes to the store by itself.
pub(crate) async fn bind(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&cx.query, "CreateOptions", cx.user_agent(), false)?;
    let binding = read(cx, body, "Binding")?;
    if binding.name() != cx.target.name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    if binding.str_at("/target/name").unwrap_or_default().is_empty() {
        let cause = Cause::required("target.name", "");
        return Err(Status::invalid("", "Binding", &cx.target.name, vec![cause]));
    }
    for _ in 0..ATTEMPTS_MAX {
        let (old, kv) = super::load(cx).await?;
        let mut new = old.clone();
        pod::bind(&mut new, &binding, &cx.core.now_text()).map_err(|why| {
            let mut status = Status::conflict(&cx.resource.gvr, &cx.target.name, &why);
            status.message =
                format!("Operation cannot be fulfilled on pods/binding {:?}: {why}", cx.target.name);
            status
        })?;
        cx.resource.next_generation(&mut new, &old);
        if options.dry_run {
            return Ok(success(StatusCode::CREATED));
        }
        match cx.core.store.put(&kv.key, codec::encode(&new).into(), Expect::Revision(kv.revision)).await {
            Ok(_) => return Ok(success(StatusCode::CREATED)),
            Err(store::Error::Unexpected { .. }) => {}
            Err(error) => return Err(storage::failure(error)),
        }
    }
    Err(Status::conflict(&cx.resource.gvr, &cx.target.name, "the pod keeps changing; try again"))
}

/// `pods/eviction`: a delete that disruption budgets may refuse.
pub(crate) async fn evict(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&cx.query, "CreateOptions", cx.user_agent(), false)?;
    let eviction = read(cx, body, "Eviction")?;
    if !eviction.name().is_empty() && eviction.name() != cx.target.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut causes = Vec::new();
    let wanted = eviction.at("/deleteOptions").cloned().unwrap_or_else(|| json!({}));
    let mut delete_options = DeleteOptions::from_value(&wanted, &mut causes);
    if !causes.is_empty() {
        return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", causes));
    }
    delete_options.dry_run |= options.dry_run;
    let (pod, _) = super::load(cx).await?;
    ask_budgets(cx, &pod, delete_options.dry_run).await?;
    delete::object(cx, &cx.target.name, &delete_options).await?;
    Ok(success(StatusCode::CREATED))
}

async fn ask_budgets(cx: &Context, pod: &Object, dry_run: bool) -> Result<(), Status> {
    let cache = cx.core.cache("policy", "poddisruptionbudgets");
    let prefix = format!("{}{}/", cache.prefix, pod.namespace());
    for _ in 0..ATTEMPTS_MAX {
        cx.core.hub.consistent(&*cx.core.store).await?;
        let (entries, _) = cache.list(&prefix, None);
        let mut budgets =
            entries.iter().map(|e| codec::decode(&e.bytes, e.revision)).collect::<Result<Vec<_>, _>>()?;
        let taken = match decide_eviction(pod, &budgets) {
            Eviction::Delete => return Ok(()),
            Eviction::Refuse(_, why) => return Err(blocked(&why)),
            Eviction::Ambiguous => {
                return Err(Status::internal(
                    "this pod has more than one PodDisruptionBudget, which the eviction subresource does not support",
                ));
            }
            Eviction::Take(_) if dry_run => return Ok(()),
            Eviction::Take(at) => at,
        };
        let budget = &mut budgets[taken];
        take_disruption(budget, pod.name(), &cx.core.now_text());
        let entry = &entries[taken];
        let bytes = codec::encode(budget).into();
        match cx.core.store.put(&entry.key, bytes, Expect::Revision(entry.revision)).await {
            Ok(_) => return Ok(()),
            Err(store::Error::Unexpected { .. }) => {}
            Err(error) => return Err(storage::failure(error)),
        }
    }
    Err(blocked("the disruption budget keeps changing"))
}

fn blocked(why: &str) -> Status {
    let mut status = Status::new(
        Reason::TooManyRequests,
        "Cannot evict pod as it would violate the pod's disruption budget.",
    );
    let cause = Cause { reason: "DisruptionBudget".into(), message: why.to_owned(), field: String::new() };
    status.details.get_or_insert_default().causes.push(cause);
    status
}

/// `pods/log`: nothing for a pod that no node runs.
pub(crate) async fn log(cx: &Context) -> Result<Response, Status> {
    let (pod, _) = super::load(cx).await?;
    if pod.str_at("/spec/nodeName").unwrap_or_default().is_empty() {
        let mut response = respond::text(StatusCode::NO_CONTENT, Bytes::new());
        response.headers_mut().remove(http::header::CONTENT_TYPE);
        return Ok(response);
    }
    Err(Status::bad_request(format!("the node of pod {} does not serve logs", pod.name())))
}

/// exec, attach, port-forward and proxy, which need a node that serves them.
pub(crate) async fn connect(cx: &Context) -> Result<Response, Status> {
    let (object, _) = super::load(cx).await?;
    if cx.resource.is("", "pods") && object.str_at("/spec/nodeName").unwrap_or_default().is_empty() {
        return Err(Status::bad_request(format!("pod {} does not have a host assigned", object.name())));
    }
    let message =
        format!("{} {:?} cannot be reached from this server", cx.resource.gvr.resource, object.name());
    let mut status = Status::new(Reason::ServiceUnavailable, message);
    status.details = Some(Box::default());
    Err(status)
}
