//! Admission webhooks: programs elsewhere that may change or refuse a write.
//!
//! The stored configurations are compiled when they change. A write that no rule matches costs a look at
//! a short list.

mod call;
mod config;

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::join_all;
use machinery::{Cause, Object, Reason, Status};
use serde_json::{Value, json};
use store::Revision;

use self::config::Hook;
use super::Attributes;
use crate::core::{Core, Warnings};
use crate::handlers::reviews::user_info;

const GROUP: &str = "admissionregistration.k8s.io";

/// Warnings of webhooks are cut to this length, in characters.
const WARNING_LEN_MAX: usize = 256;

/// The configured webhooks of both kinds.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    mutating: Configured,
    validating: Configured,
}

/// The webhooks of one kind of configuration, as of a revision.
#[derive(Debug, Default)]
struct Configured {
    // Read for every write, written when a configuration changed.
    known: RwLock<(Option<Revision>, Arc<Vec<Hook>>)>,
}

impl Configured {
    /// The webhooks by name of configuration, then in order.
    fn hooks(&self, core: &Core, plural: &str) -> Arc<Vec<Hook>> {
        let cache = core.cache(GROUP, plural);
        let newest = Some(cache.last());
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.0 == newest {
                return Arc::clone(&known.1);
            }
        }
        let (entries, _) = cache.list(&cache.prefix, None);
        let hooks = entries
            .iter()
            .filter_map(|e| crate::storage::codec::decode(&e.bytes, e.revision).ok())
            .flat_map(|configuration| Hook::all(&configuration))
            .collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = (newest, Arc::new(hooks));
        Arc::clone(&known.1)
    }
}

/// One write as a webhook sees it.
struct Seen<'a> {
    attributes: &'a Attributes,
    object: Option<&'a Object>,
    old: Option<&'a Object>,
}

impl Webhooks {
    /// Calls the mutating webhooks one after another; says whether one changed the object. When a later
    /// one changed something, earlier ones that ask for it are called once more.
    pub(crate) async fn mutate(
        &self,
        attributes: &Attributes,
        object: &mut Object,
        old: Option<&Object>,
        warnings: &Warnings,
        core: &Arc<Core>,
    ) -> Result<bool, Status> {
        if attributes.resource.group == GROUP {
            return Ok(false);
        }
        let hooks = self.mutating.hooks(core, "mutatingwebhookconfigurations");
        let mut last_change = None;
        for (at, hook) in hooks.iter().enumerate() {
            if mutate_once(hook, attributes, object, old, warnings, core).await? {
                last_change = Some(at);
            }
        }
        let Some(last) = last_change else { return Ok(false) };
        for hook in hooks[..last].iter().filter(|h| h.reinvoke) {
            mutate_once(hook, attributes, object, old, warnings, core).await?;
        }
        Ok(true)
    }

    /// Calls the mutating webhooks that look at a delete; they may only refuse.
    pub(crate) async fn mutate_delete(
        &self,
        attributes: &Attributes,
        old: &Object,
        warnings: &Warnings,
        core: &Arc<Core>,
    ) -> Result<(), Status> {
        if attributes.resource.group == GROUP {
            return Ok(());
        }
        let seen = Seen { attributes, object: None, old: Some(old) };
        for hook in self.mutating.hooks(core, "mutatingwebhookconfigurations").iter() {
            ask(hook, &seen, warnings, core).await?;
        }
        Ok(())
    }

    /// Calls the validating webhooks, all at once.
    pub(crate) async fn validate(
        &self,
        attributes: &Attributes,
        object: Option<&Object>,
        old: Option<&Object>,
        warnings: &Warnings,
        core: &Arc<Core>,
    ) -> Result<(), Status> {
        if attributes.resource.group == GROUP {
            return Ok(());
        }
        let hooks = self.validating.hooks(core, "validatingwebhookconfigurations");
        if hooks.is_empty() {
            return Ok(());
        }
        let seen = Seen { attributes, object, old };
        let answers = join_all(hooks.iter().map(|hook| ask(hook, &seen, warnings, core))).await;
        answers.into_iter().try_for_each(|answer| answer.map(|_| ()))
    }
}

async fn mutate_once(
    hook: &Hook,
    attributes: &Attributes,
    object: &mut Object,
    old: Option<&Object>,
    warnings: &Warnings,
    core: &Arc<Core>,
) -> Result<bool, Status> {
    let answer = ask(hook, &Seen { attributes, object: Some(object), old }, warnings, core).await?;
    let Some(patch) = answer else { return Ok(false) };
    let mut changed = object.value().clone();
    let applied = patch::json::apply(&mut changed, &patch).map_err(|e| e.to_string());
    let applied = applied.and_then(|()| Object::from_value(changed).map_err(|e| e.to_string()));
    match applied {
        Ok(changed) => {
            let differs = changed != *object;
            *object = changed;
            Ok(differs)
        }
        Err(_) if hook.ignores_failure => Ok(false),
        Err(why) => Err(failed(hook, &why)),
    }
}

fn failed(hook: &Hook, why: &str) -> Status {
    let message = format!("failed calling webhook {:?}: {why}", hook.name);
    let mut status = Status::internal(&message);
    let cause = Cause { message: message.clone(), ..Cause::default() };
    status.details.get_or_insert_default().causes.push(cause);
    status
}

/// Asks a webhook if it is concerned; gives the patch it wants.
async fn ask(
    hook: &Hook,
    seen: &Seen<'_>,
    warnings: &Warnings,
    core: &Arc<Core>,
) -> Result<Option<Value>, Status> {
    if !hook.concerns(seen.attributes) || !hook.selects(seen.attributes, seen.object, seen.old, core) {
        return Ok(None);
    }
    if seen.attributes.dry_run && hook.has_side_effects {
        let why = format!(
            "admission webhook {:?} does not support dry run: its sideEffects are neither None nor NoneOnDryRun",
            hook.name
        );
        return Err(Status::bad_request(why));
    }
    let uid = core.ids.uid();
    let answer = match &hook.unusable {
        Some(why) => Err(why.clone()),
        None => call::review(hook, &request(&uid, hook, seen), core).await,
    };
    let answer = answer.and_then(|answer| {
        let response = answer.get("response").cloned().unwrap_or_default();
        if response.get("uid").and_then(Value::as_str) == Some(&uid) {
            Ok(response)
        } else {
            Err("the answer is not for this request".to_owned())
        }
    });
    match answer {
        Ok(response) => verdict(hook, seen.attributes, &response, warnings),
        Err(why) if hook.ignores_failure => {
            tracing::warn!(webhook = hook.name, why, "a webhook failed and is ignored");
            Ok(None)
        }
        Err(why) => Err(failed(hook, &why)),
    }
}

fn verdict(
    hook: &Hook,
    attributes: &Attributes,
    response: &Value,
    warnings: &Warnings,
) -> Result<Option<Value>, Status> {
    for text in response.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        warnings.add(text.as_str().unwrap_or_default().chars().take(WARNING_LEN_MAX).collect::<String>());
    }
    if response.get("allowed") != Some(&Value::Bool(true)) {
        return Err(denied(hook, attributes, response.get("status")));
    }
    let Some(patch) = response.get("patch").and_then(Value::as_str).filter(|p| !p.is_empty()) else {
        return Ok(None);
    };
    let patch = BASE64
        .decode(patch)
        .map_err(|e| e.to_string())
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
    match patch {
        Ok(patch) => Ok(Some(patch)),
        Err(_) if hook.ignores_failure => Ok(None),
        Err(why) => Err(failed(hook, &why)),
    }
}

fn denied(hook: &Hook, _attributes: &Attributes, status: Option<&Value>) -> Status {
    let text = |name: &str| status.and_then(|s| s.get(name)).and_then(Value::as_str).unwrap_or_default();
    let code = status.and_then(|s| s.get("code")).and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok());
    let why = match (text("message"), text("reason")) {
        ("", "") => format!("admission webhook {:?} denied the request without explanation", hook.name),
        ("", reason) => format!("admission webhook {:?} denied the request: {reason}", hook.name),
        (message, _) => format!("admission webhook {:?} denied the request: {message}", hook.name),
    };
    let mut answer = match status {
        Some(status) => Status::from_json(403, status),
        None => Status::new(Reason::Forbidden, ""),
    };
    answer.message = why;
    answer.code = code.filter(|c| *c >= 400).unwrap_or(403);
    if answer.reason == Reason::Unknown && answer.code == 403 {
        answer.reason = Reason::Forbidden;
    }
    answer
}

/// The AdmissionReview to send.
fn request(uid: &str, hook: &Hook, seen: &Seen<'_>) -> Value {
    let a = seen.attributes;
    let kind = json!({"group": a.kind.group, "version": a.kind.version, "kind": a.kind.kind});
    let resource =
        json!({"group": a.resource.group, "version": a.resource.version, "resource": a.resource.resource});
    let value = |object: Option<&Object>| object.map_or(Value::Null, |o| o.value().clone());
    let name = if a.name.is_empty() { seen.object.map_or("", Object::name) } else { &a.name };
    let mut request = json!({
        "uid": uid, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
        "name": name, "operation": a.operation.name(), "userInfo": user_info(&a.user),
        "object": value(seen.object), "oldObject": value(seen.old), "dryRun": a.dry_run, "options": options(a),
    });
    if a.namespaced {
        request["namespace"] = a.namespace.as_str().into();
    } else if a.resource.resource == "namespaces" && a.resource.group.is_empty() {
        request["namespace"] = name.to_owned().into();
    }
    if !a.subresource.is_empty() {
        request["subResource"] = a.subresource.as_str().into();
        request["requestSubResource"] = a.subresource.as_str().into();
    }
    json!({
        "kind": "AdmissionReview", "apiVersion": format!("admission.k8s.io/{}", hook.review_version),
        "request": request,
    })
}

fn options(a: &Attributes) -> Value {
    let kind = match a.operation {
        super::Operation::Create => "CreateOptions",
        super::Operation::Update => "UpdateOptions",
        super::Operation::Delete => "DeleteOptions",
        super::Operation::Connect => return Value::Null,
    };
    let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    if !a.field_manager.is_empty() {
        options["fieldManager"] = a.field_manager.as_str().into();
    }
    if a.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}
