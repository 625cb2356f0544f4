//! What only pods have: binding to a node, eviction, logs and connections.

use bytes::Bytes;
use http::StatusCode;
use machinery::selector::LabelSelector;
use machinery::{Cause, Object, Reason, Status};
use serde_json::{Value, json};
use store::Expect;

use super::delete::{self, DeleteOptions};
use crate::core::Context;
use crate::decode;
use crate::http::negotiate::content_type;
use crate::http::query::WriteOptions;
use crate::http::{Response, respond};
use crate::storage::{self, codec};

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

/// `pods/binding`: assigns the pod to a node, once.
pub(crate) async fn bind(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&cx.query, "CreateOptions", cx.user_agent(), false)?;
    let binding = read(cx, body, "Binding")?;
    if binding.name() != cx.target.name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let node = binding.str_at("/target/name").unwrap_or_default().to_owned();
    if node.is_empty() {
        let cause = Cause::required("target.name", "");
        return Err(Status::invalid("", "Binding", &cx.target.name, vec![cause]));
    }
    let now = cx.core.now_text();
    let assign = |old: &Object| {
        let current = old.str_at("/spec/nodeName").unwrap_or_default();
        if !current.is_empty() {
            let why = format!("pod {} is already assigned to node {current:?}", cx.target.name);
            let mut status = Status::conflict(&cx.resource.gvr, &cx.target.name, &why);
            status.message =
                format!("Operation cannot be fulfilled on pods/binding {:?}: {why}", cx.target.name);
            return Err(status);
        }
        if old.is_deleting() {
            let why = format!("pod {} is being deleted, cannot be assigned to a host", cx.target.name);
            return Err(Status::conflict(&cx.resource.gvr, &cx.target.name, &why));
        }
        let mut new = old.clone();
        new.metadata_mut().remove("resourceVersion");
        new.set("/spec/nodeName", node.as_str());
        binding.annotations().for_each(|(k, v)| new.set_annotation(k, v));
        binding.labels().for_each(|(k, v)| new.set_label(k, v));
        Ok(new)
    };
    bind_in_store(cx, &options, &assign, &now).await?;
    Ok(success(StatusCode::CREATED))
}

/// Writes a binding. The node's name is no change a pod update allows, and the condition is status, so
/// that this write goes to the store by itself.
async fn bind_in_store(
    cx: &Context,
    options: &WriteOptions,
    assign: &(dyn Fn(&Object) -> Result<Object, Status> + Sync),
    now: &str,
) -> Result<(), Status> {
    for _ in 0..8 {
        let (old, kv) = super::load(cx).await?;
        let mut new = assign(&old)?;
        let mut conditions: Vec<Value> =
            old.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        conditions.retain(|c| c["type"] != "PodScheduled");
        conditions.push(json!({
            "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
        }));
        new.set("/status/conditions", conditions);
        cx.resource.next_generation(&mut new, &old);
        if options.dry_run {
            return Ok(());
        }
        match cx.core.store.put(&kv.key, codec::encode(&new).into(), Expect::Revision(kv.revision)).await {
            Ok(_) => return Ok(()),
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
    if !matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed" | "Pending")) && !pod.is_deleting()
    {
        check_budgets(cx, &pod, delete_options.dry_run).await?;
    }
    delete::object(cx, &cx.target.name, &delete_options).await?;
    Ok(success(StatusCode::CREATED))
}

fn is_ready(pod: &Object) -> bool {
    pod.at("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Ready" && c["status"] == "True")
}

async fn check_budgets(cx: &Context, pod: &Object, dry_run: bool) -> Result<(), Status> {
    for _ in 0..8 {
        cx.core.hub.consistent(&*cx.core.store).await?;
        let cache = cx.core.cache("policy", "poddisruptionbudgets");
        let (entries, _) = cache.list(&format!("{}{}/", cache.prefix, pod.namespace()), None);
        let mut matching = Vec::new();
        for entry in entries {
            let budget = codec::decode(&entry.bytes, entry.revision)?;
            let selector = budget.at("/spec/selector").map(LabelSelector::from_object);
            if matches!(selector, Some(Ok(selector)) if selector.matches_object(pod)) {
                matching.push((entry, budget));
            }
        }
        let (entry, mut budget) = match matching.len() {
            0 => return Ok(()),
            1 => matching.remove(0),
            _ => {
                return Err(Status::internal(
                    "this pod has more than one PodDisruptionBudget, which the eviction subresource does not support",
                ));
            }
        };
        let always = budget.str_at("/spec/unhealthyPodEvictionPolicy") == Some("AlwaysAllow");
        if always && !is_ready(pod) {
            return Ok(());
        }
        take_disruption(cx, pod, &mut budget)?;
        if dry_run {
            return Ok(());
        }
        let bytes = codec::encode(&budget).into();
        match cx.core.store.put(&entry.key, bytes, Expect::Revision(entry.revision)).await {
            Ok(_) => return Ok(()),
            Err(store::Error::Unexpected { .. }) => {}
            Err(error) => return Err(storage::failure(error)),
        }
    }
    Err(blocked("", "the disruption budget keeps changing"))
}

fn blocked(budget: &str, why: &str) -> Status {
    let mut status = Status::new(
        Reason::TooManyRequests,
        "Cannot evict pod as it would violate the pod's disruption budget.",
    );
    let message =
        if budget.is_empty() { why.to_owned() } else { format!("The disruption budget {budget} {why}") };
    status.details.get_or_insert_default().causes.push(Cause {
        reason: "DisruptionBudget".into(),
        message,
        field: String::new(),
    });
    status
}

fn take_disruption(cx: &Context, pod: &Object, budget: &mut Object) -> Result<(), Status> {
    let observed = budget.i64_at("/status/observedGeneration").unwrap_or(0);
    if observed < budget.generation() {
        let why = "is still being processed by the server.";
        return Err(blocked(budget.name(), why));
    }
    let allowed = budget.i64_at("/status/disruptionsAllowed").unwrap_or(0);
    if allowed <= 0 {
        let healthy = budget.i64_at("/status/currentHealthy").unwrap_or(0);
        let desired = budget.i64_at("/status/desiredHealthy").unwrap_or(0);
        let why = format!("needs {desired} healthy pods and has {healthy} currently");
        return Err(blocked(budget.name(), &why));
    }
    budget.set("/status/disruptionsAllowed", allowed - 1);
    let mut disrupted =
        budget.at("/status/disruptedPods").and_then(Value::as_object).cloned().unwrap_or_default();
    disrupted.insert(pod.name().to_owned(), cx.core.now_text().into());
    budget.set("/status/disruptedPods", disrupted);
    Ok(())
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
    let mut status = Status::new(
        Reason::ServiceUnavailable,
        format!("{} {:?} cannot be reached from this server", cx.resource.gvr.resource, object.name()),
    );
    status.details = Some(Box::default());
    Err(status)
}
