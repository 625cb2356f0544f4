//! DELETE of one object and of a collection: preconditions, propagation, grace, finalizers.

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use machinery::{Cause, Object, Status};
use serde_json::{Value, json};
use store::{Expect, KeyValue, Revision};

use super::write::{has_spec_finalizers, is_finished};
use crate::admission::{Attributes, Operation};
use crate::core::Context;
use crate::crd::controller::FINALIZER;
use crate::http::negotiate::{Form, content_type};
use crate::http::query::dry_run;
use crate::http::{Response, respond};
use crate::render::{self, ListMeta, Stored};
use crate::selection::Selection;
use crate::storage;
use crate::{decode, hooks};

/// How a delete is meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

/// What happens to dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// How often a delete is tried again when the object changes meanwhile.
const ATTEMPTS_MAX: usize = 8;

impl DeleteOptions {
    /// Options out of the body, or out of the query when there is none.
    pub(crate) fn parse(cx: &Context, body: &Bytes) -> Result<Self, Status> {
        let mut causes = Vec::new();
        let value = if body.is_empty() {
            let mut value = json!({});
            if let Some(seconds) = cx.query.number("gracePeriodSeconds")? {
                value["gracePeriodSeconds"] = seconds.into();
            }
            if let Some(policy) = cx.query.get("propagationPolicy").filter(|p| !p.is_empty()) {
                value["propagationPolicy"] = policy.into();
            }
            if cx.query.get("orphanDependents").is_some() {
                value["orphanDependents"] = cx.query.flag("orphanDependents").into();
            }
            value
        } else {
            decode::parse(content_type(&cx.headers), body, "DeleteOptions")?.value
        };
        let mut options = Self::from_value(&value, &mut causes);
        options.dry_run |= dry_run(&cx.query, &mut causes);
        if causes.is_empty() {
            Ok(options)
        } else {
            Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", causes))
        }
    }

    /// Options out of a `DeleteOptions` object.
    pub(crate) fn from_value(value: &Value, causes: &mut Vec<Cause>) -> Self {
        let policy = value.get("propagationPolicy").and_then(Value::as_str).filter(|p| !p.is_empty());
        let orphan = value.get("orphanDependents").and_then(Value::as_bool);
        if let (Some(policy), Some(_)) = (policy, orphan) {
            let problem = "orphanDependents and deletionPropagation cannot be both set";
            causes.push(Cause::invalid("propagationPolicy", &json!(policy), problem));
        }
        let propagation = match (policy, orphan) {
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some(other), _) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                causes.push(Cause::not_supported("propagationPolicy", &json!(other), &supported));
                None
            }
            (None, None) => None,
        };
        let dry = value.get("dryRun").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if dry.iter().any(|v| v != "All") {
            causes.push(Cause::not_supported("dryRun", &json!(dry), &["All"]));
        }
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            dry_run: !dry.is_empty(),
            grace_seconds: value.get("gracePeriodSeconds").and_then(Value::as_i64),
            propagation,
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
        }
    }
}

/// What a delete did.
pub(crate) struct Deleted {
    /// Stored form of the object, as it is now or as it last was.
    bytes: Bytes,
    revision: Revision,
    /// Whether the object is gone; else it waits for finalizers or its grace.
    gone: bool,
    uid: String,
    name: String,
}

impl Stored for Deleted {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    fn revision(&self) -> Revision {
        self.revision
    }
}

/// Carries out a DELETE of one object.
pub(crate) async fn handle(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = DeleteOptions::parse(cx, body)?;
    let deleted = object(cx, &cx.target.name, &options).await?;
    if deleted.gone && !cx.resource.returns_deleted() {
        return Ok(success(cx, &deleted));
    }
    Ok(render::object(cx, StatusCode::OK, &deleted.bytes, Some(deleted.revision)))
}

fn success(cx: &Context, deleted: &Deleted) -> Response {
    let mut details = json!({"name": deleted.name, "kind": cx.resource.gvr.resource, "uid": deleted.uid});
    if !cx.resource.gvr.group.is_empty() {
        details["group"] = cx.resource.gvr.group.as_str().into();
    }
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    respond::json(StatusCode::OK, &status)
}

/// Objects of a collection that are deleted at the same time: writes that wait together share a sync of the
/// disk, and a collection is no reason to keep other requests waiting.
const TOGETHER: usize = 32;

/// Carries out a DELETE of a collection: every selected object by the rules of its own deletion.
pub(crate) async fn collection(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = DeleteOptions::parse(cx, body)?;
    let selection = Selection::of(cx)?;
    cx.core.hub.consistent(&*cx.core.store).await?;
    let (mut entries, _) = cx.resource.cache.list(&selection.prefix, None);
    entries.retain(|e| selection.matches(&cx.resource, e));
    let options = &options;
    let deletions = stream::iter(entries).map(|entry| async move {
        let (namespace, name) = entry.names(cx.resource.cache.prefix.len());
        match delete_at(cx, namespace, name, options).await {
            Ok(deleted) => Ok(Some(deleted)),
            Err(status) if status.is_not_found() => Ok(None),
            Err(status) => Err(status),
        }
    });
    let deleted: Vec<Option<Deleted>> = deletions.buffered(TOGETHER).try_collect().await?;
    let done: Vec<Deleted> = deleted.into_iter().flatten().collect();
    let meta = ListMeta { revision: cx.core.hub.revision(), ..ListMeta::default() };
    if cx.accepted.form == Form::Object {
        let bytes = render::object_list(&cx.resource, &done, &meta);
        return Ok(respond::negotiated(&cx.headers, cx.accepted.yaml, StatusCode::OK, bytes));
    }
    render::list(cx, &done, &meta)
}

/// Deletes one object of the request's namespace.
pub(crate) async fn object(cx: &Context, name: &str, options: &DeleteOptions) -> Result<Deleted, Status> {
    delete_at(cx, cx.namespace(), name, options).await
}

async fn delete_at(
    cx: &Context,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, Status> {
    let key = cx.resource.key(namespace, name);
    for _ in 0..ATTEMPTS_MAX {
        let found = cx.core.store.get(&key).await.map_err(storage::failure)?;
        let kv = found.ok_or_else(|| Status::not_found(&cx.resource.gvr, name))?;
        let old = cx.resource.read(&kv.value, kv.revision)?;
        preconditions(cx, &old, name, options)?;
        admit(cx, namespace, name, &old, options).await?;
        if let Some(deleted) = try_delete(cx, &kv, &old, name, options).await? {
            return Ok(deleted);
        }
    }
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    Err(Status::conflict(&cx.resource.gvr, name, why))
}

async fn admit(
    cx: &Context,
    namespace: &str,
    name: &str,
    old: &Object,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let attributes = Attributes {
        user: std::sync::Arc::clone(&cx.user),
        operation: Operation::Delete,
        kind: cx.resource.gvr_kind(),
        resource: cx.resource.gvr.clone(),
        subresource: String::new(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        namespaced: cx.resource.namespaced,
        dry_run: options.dry_run,
        field_manager: String::new(),
    };
    hooks::before_delete(&cx.resource, name)?;
    cx.core.admission.mutate_delete(&attributes, old, &cx.warnings, &cx.core, &cx.resource).await?;
    cx.core.admission.validate(&attributes, None, Some(old), &cx.warnings, &cx.core, &cx.resource).await
}

fn preconditions(cx: &Context, old: &Object, name: &str, options: &DeleteOptions) -> Result<(), Status> {
    let conflict = |why: String| {
        let mut status = Status::conflict(&cx.resource.gvr, name, &why);
        status.message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", cx.resource.kind);
        if let Some(details) = &mut status.details {
            details.kind.clone_from(&cx.resource.kind);
        }
        Err(status)
    };
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != old.uid()) {
        return conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            old.uid()
        ));
    }
    if let Some(version) = options.resource_version.as_deref().filter(|v| *v != old.resource_version()) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            old.resource_version()
        ));
    }
    Ok(())
}

/// One try; nothing when the object changed meanwhile.
async fn try_delete(
    cx: &Context,
    kv: &KeyValue,
    old: &Object,
    name: &str,
    options: &DeleteOptions,
) -> Result<Option<Deleted>, Status> {
    let mut new = old.clone();
    propagate(cx, &mut new, options.propagation);
    begin(cx, &mut new, old, options);
    new.metadata_mut().remove("resourceVersion");
    let uid = old.uid().to_owned();
    let deleted =
        |bytes, revision, gone| Deleted { bytes, revision, gone, uid: uid.clone(), name: name.to_owned() };
    if is_finished(&cx.resource, &new) {
        if options.dry_run {
            return Ok(Some(deleted(kv.value.clone(), kv.revision, true)));
        }
        return match cx.core.store.delete(&kv.key, kv.revision).await {
            Ok(revision) => {
                hooks::after_delete(&cx.core, &cx.resource, old);
                Ok(Some(deleted(kv.value.clone(), revision, true)))
            }
            Err(store::Error::Unexpected { current: Some(_), .. }) => Ok(None),
            Err(store::Error::Unexpected { current: None, .. }) => {
                Err(Status::not_found(&cx.resource.gvr, name))
            }
            Err(error) => Err(storage::failure(error)),
        };
    }
    let bytes = cx.resource.encode(&new);
    if options.dry_run || bytes == kv.value {
        return Ok(Some(deleted(bytes, kv.revision, false)));
    }
    match cx.core.store.put(&kv.key, bytes.clone(), Expect::Revision(kv.revision)).await {
        Ok(revision) => Ok(Some(deleted(bytes, revision, false))),
        Err(store::Error::Unexpected { .. }) => Ok(None),
        Err(error) => Err(storage::failure(error)),
    }
}

/// Sets the garbage collector's finalizers as the propagation asks.
fn propagate(cx: &Context, object: &mut Object, propagation: Option<Propagation>) {
    let has_gc = object.has_finalizer("orphan") || object.has_finalizer("foregroundDeletion");
    let propagation = match propagation {
        Some(propagation) => propagation,
        None if has_gc => return,
        None if cx.resource.orphans_dependents() => {
            if cx.resource.is("batch", "jobs") {
                cx.warnings.add(
                    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to \
                     remove them or set propagationPolicy=Orphan to suppress this warning",
                );
            }
            Propagation::Orphan
        }
        None => Propagation::Background,
    };
    let wanted = match propagation {
        Propagation::Orphan => Some("orphan"),
        Propagation::Foreground => Some("foregroundDeletion"),
        Propagation::Background => None,
    };
    for finalizer in ["orphan", "foregroundDeletion"] {
        if Some(finalizer) == wanted {
            object.add_finalizer(finalizer);
        } else {
            object.remove_finalizer(finalizer);
        }
    }
}

/// Marks the object as being deleted.
fn begin(cx: &Context, new: &mut Object, old: &Object, options: &DeleteOptions) {
    let grace = grace_seconds(cx, old, options);
    let now = cx.core.clock.now();
    if old.is_deleting() {
        let current = old.i64_at("/metadata/deletionGracePeriodSeconds").unwrap_or(0);
        if grace < current {
            let at = now + jiff::SignedDuration::from_secs(grace);
            new.metadata_mut().insert("deletionTimestamp".into(), machinery::time::rfc3339(at).into());
            new.metadata_mut().insert("deletionGracePeriodSeconds".into(), grace.into());
        }
        return;
    }
    let at = now + jiff::SignedDuration::from_secs(grace);
    new.metadata_mut().insert("deletionTimestamp".into(), machinery::time::rfc3339(at).into());
    if !(cx.resource.is("", "namespaces") && has_spec_finalizers(old)) {
        new.metadata_mut().insert("deletionGracePeriodSeconds".into(), grace.into());
    }
    if new.generation() > 0 {
        let next = new.generation() + 1;
        new.metadata_mut().insert("generation".into(), next.into());
    }
    if cx.resource.is("", "namespaces") {
        new.set("/status/phase", "Terminating");
    }
    if cx.resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        new.add_finalizer(FINALIZER);
    }
}

/// Only pods are deleted gracefully, and only when some node has to stop them.
fn grace_seconds(cx: &Context, pod: &Object, options: &DeleteOptions) -> i64 {
    if cx.resource.is("", "pods") { kinds::pod::deletion_grace_secs(pod, options.grace_seconds) } else { 0 }
}
