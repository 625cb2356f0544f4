//! Work status: what the member says about a Work's objects is on the Work.
//!
//! ```text
//! watches  our own objects in the member (through `members`), Work
//! reads    the member's informers only; the interpreter says what of a status counts
//! writes   Work.status.manifestStatuses
//! wakes    on every change of a member's object, and when a Work has become applied
//! ```
//!
//! An object that is missing changes nothing here: execution makes it again. The rules live in [`decide`].

use std::sync::Arc;

use api::names::events;
use futures::future::BoxFuture;
use interpreter::{Interpreter, Operation};
use machinery::{Object, ObjectKey};
use runtime::{EventType, Outcome, queue};
use serde_json::{Value, json};

use crate::context::Context;
use crate::execution::{self, Error};
use crate::members::Member;
use crate::view;

/// The statuses to write, and what to tell about them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decision {
    /// All manifest statuses, when they differ from those on the Work.
    pub(crate) statuses: Option<Vec<Value>>,
    /// Events about the Work.
    pub(crate) events: Vec<(EventType, &'static str, String)>,
}

/// Decides what a Work's manifest statuses are, from its objects in the member by ordinal. An object that
/// is not there keeps the status it had.
pub(crate) fn decide(interpreter: &Interpreter, work: &Object, objects: &[Option<Arc<Object>>]) -> Decision {
    let old = work.at("/status/manifestStatuses").and_then(Value::as_array);
    let old = old.map(Vec::as_slice).unwrap_or_default();
    let mut decision = Decision::default();
    let mut statuses = Vec::with_capacity(objects.len());
    for (ordinal, object) in objects.iter().enumerate() {
        let known = old
            .iter()
            .find(|s| s.pointer("/identifier/ordinal").and_then(Value::as_u64) == Some(ordinal as u64));
        match object {
            Some(object) => statuses.push(status(interpreter, ordinal, object, known, &mut decision)),
            None => statuses.extend(known.cloned()),
        }
    }
    if statuses != old {
        decision.statuses = Some(statuses);
    }
    decision
}

fn status(
    interpreter: &Interpreter,
    ordinal: usize,
    object: &Object,
    known: Option<&Value>,
    decision: &mut Decision,
) -> Value {
    let kind = object.gvk();
    let mut identifier = json!({
        "ordinal": ordinal, "version": kind.version, "kind": kind.kind, "resource": "", "name": object.name(),
    });
    if !kind.group.is_empty() {
        identifier["group"] = kind.group.as_str().into();
    }
    if !object.namespace().is_empty() {
        identifier["namespace"] = object.namespace().into();
    }
    let mut status = json!({ "identifier": identifier });
    let name = format!("{} {}", kind.kind, object.key());
    match interpreter.reflect_status(object).now() {
        Ok(Some(reflected)) => status["status"] = reflected,
        Ok(None) => {}
        Err(error) => {
            // The last known status is better than none.
            if let Some(known) = known.and_then(|k| k.get("status")) {
                status["status"] = known.clone();
            }
            let message = format!("Failed to reflect the status of {name}: {}", queue::chain(&error));
            decision.events.push((EventType::Warning, events::REFLECT_STATUS_FAILED, message));
        }
    }
    let health = match interpreter.health(object).now() {
        Ok(true) => "Healthy",
        Ok(false) => "Unhealthy",
        Err(error) => {
            let message = format!("Failed to interpret the health of {name}: {}", queue::chain(&error));
            decision.events.push((EventType::Warning, events::INTERPRET_HEALTH_FAILED, message));
            "Unknown"
        }
    };
    status["health"] = health.into();
    let was = known.and_then(|k| k.get("health")).and_then(Value::as_str);
    let has_turned = was.is_some_and(|was| was != health) && health != "Unknown";
    if has_turned && interpreter.has(&kind, Operation::InterpretHealth) {
        let message = format!("{name} is {}", health.to_lowercase());
        decision.events.push((EventType::Normal, events::INTERPRET_HEALTH_SUCCEED, message));
    }
    status
}

/// Reads back the status of one member's Works until it leaves.
pub(crate) fn per_member(context: Context, member: Arc<Member>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let (queue, shutdown) = (member.status.clone(), member.shutdown.clone());
        let workers = context.options.work_workers;
        queue::run(&queue, workers, &shutdown, move |name: String| {
            let (context, member) = (context.clone(), Arc::clone(&member));
            async move { reconcile(&context, &member, &name).await }
        })
        .await;
    })
}

async fn reconcile(context: &Context, member: &Arc<Member>, name: &str) -> Result<Outcome, Error> {
    let key = ObjectKey::new(&member.namespace, name);
    let Some(work) = context.works().latest(&key) else { return Ok(Outcome::Done) };
    if work.is_deleting() || !view::is_applied(&work) {
        // Execution writes the first status together with the condition.
        return Ok(Outcome::Done);
    }
    let Some(connection) = member.connection() else { return Ok(Outcome::Done) };
    let mut objects = Vec::new();
    for manifest in execution::manifests(&work) {
        let Ok(gvr) = connection.kinds.gvr(&manifest.gvk()).await else {
            objects.push(None);
            continue;
        };
        // Until the informer is complete there is nothing to say; its events come back here.
        objects.push(member.informer(&connection, &gvr).get(&manifest.key()));
    }
    let decision = decide(&context.interpreter, &work, &objects);
    for (ty, reason, message) in decision.events {
        context.recorder.event(&*work, ty, reason, message);
    }
    if let Some(statuses) = decision.statuses {
        execution::write_status(context, &work, json!({ "manifestStatuses": statuses })).await?;
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(statuses: Value) -> Object {
        let mut work = Object::new("work.karmada.io/v1alpha1", "Work", "karmada-es-m1", "web");
        work.set("/status", json!({ "manifestStatuses": statuses }));
        work
    }

    fn deployment(ready: i64) -> Option<Arc<Object>> {
        let mut object = Object::new("apps/v1", "Deployment", "shop", "web");
        object.set("/metadata/generation", 1);
        object.set("/spec/replicas", 1);
        let status = json!({ "updatedReplicas": 1, "availableReplicas": ready, "observedGeneration": 1 });
        object.set("/status", status);
        Some(Arc::new(object))
    }

    fn expected(available: bool) -> Value {
        let mut status = json!({ "updatedReplicas": 1, "observedGeneration": 1, "generation": 1 });
        if available {
            status["availableReplicas"] = 1.into();
        }
        json!([{
            "identifier": {
                "ordinal": 0, "group": "apps", "version": "v1", "kind": "Deployment", "resource": "",
                "namespace": "shop", "name": "web",
            },
            "status": status,
            "health": if available { "Healthy" } else { "Unhealthy" },
        }])
    }

    #[test]
    fn a_status_is_written_once_and_then_only_when_it_changes() {
        let native = Interpreter::native();
        let first = decide(&native, &work(json!([])), &[deployment(0)]);
        assert_eq!(first.statuses, Some(expected(false).as_array().unwrap().clone()));
        assert_eq!(decide(&native, &work(expected(false)), &[deployment(0)]), Decision::default());
        let second = decide(&native, &work(expected(false)), &[deployment(1)]);
        assert_eq!(second.statuses, Some(expected(true).as_array().unwrap().clone()));
        assert_eq!(second.events[0].1, events::INTERPRET_HEALTH_SUCCEED);
    }

    #[test]
    fn a_missing_object_keeps_the_status_it_had() {
        let native = Interpreter::native();
        assert_eq!(decide(&native, &work(expected(true)), &[None]), Decision::default());
        assert_eq!(decide(&native, &work(json!([])), &[None]), Decision::default());
    }

    #[test]
    fn kinds_without_health_are_healthy_and_say_nothing_about_it() {
        let map = Arc::new(Object::new("v1", "ConfigMap", "shop", "web"));
        let decision = decide(&Interpreter::native(), &work(json!([])), &[Some(map)]);
        assert_eq!(decision.statuses.unwrap()[0]["health"], "Healthy");
        assert_eq!(decision.events, []);
    }
}
