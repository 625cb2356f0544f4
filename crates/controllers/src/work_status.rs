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
use interpreter::Operation;
use machinery::{GroupVersionKind, Object, ObjectKey};
use runtime::{EventType, Outcome, queue};
use serde_json::{Value, json};

use crate::context::Context;
use crate::execution::{self, Error};
use crate::interpretation::LiveInterpreter;
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

/// What the interpreter says of one object in the member.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    kind: GroupVersionKind,
    key: ObjectKey,
    status: Result<Option<Value>, interpreter::Error>,
    health: Result<bool, interpreter::Error>,
    /// Whether the kind has a notion of health.
    has_health: bool,
}

impl Reading {
    async fn of(live: &LiveInterpreter, object: &Object) -> Self {
        let interpreter = live.current();
        let kind = object.gvk();
        Self {
            status: live.answer(interpreter.reflect_status(object)).await,
            health: live.answer(interpreter.health(object)).await,
            has_health: interpreter.has(&kind, Operation::InterpretHealth),
            key: object.key(),
            kind,
        }
    }
}

/// Interprets a Work's objects in the member, by ordinal, and decides what its manifest statuses are.
pub(crate) async fn look(live: &LiveInterpreter, work: &Object, objects: &[Option<Arc<Object>>]) -> Decision {
    let mut readings = Vec::with_capacity(objects.len());
    for object in objects {
        readings.push(match object {
            Some(object) => Some(Reading::of(live, object).await),
            None => None,
        });
    }
    decide(work, &readings)
}

/// Decides what a Work's manifest statuses are, from what is read of its objects by ordinal. An object that
/// is not there keeps the status it had. Pure.
pub(crate) fn decide(work: &Object, readings: &[Option<Reading>]) -> Decision {
    let old = work.at("/status/manifestStatuses").and_then(Value::as_array);
    let old = old.map(Vec::as_slice).unwrap_or_default();
    let mut decision = Decision::default();
    let mut statuses = Vec::with_capacity(readings.len());
    for (ordinal, reading) in readings.iter().enumerate() {
        let known = old
            .iter()
            .find(|s| s.pointer("/identifier/ordinal").and_then(Value::as_u64) == Some(ordinal as u64));
        match reading {
            Some(reading) => statuses.push(status(ordinal, reading, known, &mut decision)),
            None => statuses.extend(known.cloned()),
        }
    }
    if statuses != old {
        decision.statuses = Some(statuses);
    }
    decision
}

fn identifier(ordinal: usize, kind: &GroupVersionKind, key: &ObjectKey) -> Value {
    let mut identifier = json!({
        "ordinal": ordinal, "version": kind.version, "kind": kind.kind, "resource": "", "name": key.name,
    });
    if !kind.group.is_empty() {
        identifier["group"] = kind.group.as_str().into();
    }
    if !key.namespace.is_empty() {
        identifier["namespace"] = key.namespace.as_str().into();
    }
    identifier
}

/// Success is told when something becomes known for the first time or turns; a rollout would otherwise fill
/// the events.
fn status(ordinal: usize, reading: &Reading, known: Option<&Value>, decision: &mut Decision) -> Value {
    let Reading { kind, key, .. } = reading;
    let mut status = json!({ "identifier": identifier(ordinal, kind, key) });
    let name = format!("{} {key}", kind.kind);
    let mut tell = |ty, reason, message| decision.events.push((ty, reason, message));
    match &reading.status {
        Ok(reflected) => {
            if known.is_none() {
                let message = format!("Reflect status for object({name}) succeed.");
                tell(EventType::Normal, events::REFLECT_STATUS_SUCCEED, message);
            }
            if let Some(reflected) = reflected {
                status["status"] = reflected.clone();
            }
        }
        Err(error) => {
            // The last known status is better than none.
            if let Some(known) = known.and_then(|k| k.get("status")) {
                status["status"] = known.clone();
            }
            let message = format!("Reflect status for object({name}) failed: {}", queue::chain(error));
            tell(EventType::Warning, events::REFLECT_STATUS_FAILED, message);
        }
    }
    let health = match &reading.health {
        Ok(true) => "Healthy",
        Ok(false) => "Unhealthy",
        Err(error) => {
            let message = format!("Interpret health of object({name}) failed: {}", queue::chain(error));
            tell(EventType::Warning, events::INTERPRET_HEALTH_FAILED, message);
            "Unknown"
        }
    };
    status["health"] = health.into();
    let was = known.and_then(|k| k.get("health")).and_then(Value::as_str);
    if was != Some(health) && reading.health.is_ok() && reading.has_health {
        let message = format!("Interpret health of object({name}) as {} succeed.", health.to_lowercase());
        tell(EventType::Normal, events::INTERPRET_HEALTH_SUCCEED, message);
    }
    status
}

/// Records the events of a decision.
pub(crate) fn tell(context: &Context, work: &Object, events: Vec<(EventType, &'static str, String)>) {
    for (ty, reason, message) in events {
        context.recorder.event(work, ty, reason, message);
    }
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
    let decision = look(&context.interpreter, &work, &objects).await;
    tell(context, &work, decision.events);
    if let Some(statuses) = decision.statuses {
        execution::write_status(context, &work, json!({ "manifestStatuses": statuses })).await?;
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use interpreter::Interpreter;

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

    fn reading(object: Option<&Arc<Object>>) -> Option<Reading> {
        let interpreter = Interpreter::native();
        object.map(|object| Reading {
            status: interpreter.reflect_status(object).now(),
            health: interpreter.health(object).now(),
            has_health: interpreter.has(&object.gvk(), Operation::InterpretHealth),
            key: object.key(),
            kind: object.gvk(),
        })
    }

    fn decided(work: &Object, objects: &[Option<Arc<Object>>]) -> Decision {
        decide(work, &objects.iter().map(|object| reading(object.as_ref())).collect::<Vec<_>>())
    }

    fn reasons(decision: &Decision) -> Vec<&'static str> {
        decision.events.iter().map(|event| event.1).collect()
    }

    #[test]
    fn a_status_is_written_once_and_then_only_when_it_changes() {
        let first = decided(&work(json!([])), &[deployment(0)]);
        assert_eq!(first.statuses, Some(expected(false).as_array().unwrap().clone()));
        assert_eq!(decided(&work(expected(false)), &[deployment(0)]), Decision::default());
        let second = decided(&work(expected(false)), &[deployment(1)]);
        assert_eq!(second.statuses, Some(expected(true).as_array().unwrap().clone()));
    }

    #[test]
    fn success_is_told_at_first_and_when_health_turns() {
        let first = decided(&work(json!([])), &[deployment(0)]);
        assert_eq!(reasons(&first), [events::REFLECT_STATUS_SUCCEED, events::INTERPRET_HEALTH_SUCCEED]);
        let second = decided(&work(expected(false)), &[deployment(1)]);
        assert_eq!(reasons(&second), [events::INTERPRET_HEALTH_SUCCEED]);
    }

    #[test]
    fn what_cannot_be_interpreted_keeps_its_status_is_of_unknown_health_and_is_told() {
        let object = deployment(1).unwrap();
        let error = interpreter::Error::new(Operation::InterpretHealth, &object, "why");
        let failing =
            Reading { status: Err(error.clone()), health: Err(error), ..reading(Some(&object)).unwrap() };
        let decision = decide(&work(expected(true)), &[Some(failing)]);
        let status = &decision.statuses.as_ref().unwrap()[0];
        assert_eq!((&status["status"], &status["health"]), (&expected(true)[0]["status"], &json!("Unknown")));
        assert_eq!(reasons(&decision), [events::REFLECT_STATUS_FAILED, events::INTERPRET_HEALTH_FAILED]);
    }

    #[test]
    fn a_missing_object_keeps_the_status_it_had() {
        assert_eq!(decided(&work(expected(true)), &[None]), Decision::default());
        assert_eq!(decided(&work(json!([])), &[None]), Decision::default());
    }

    #[test]
    fn kinds_without_health_are_healthy_and_say_nothing_about_it() {
        let map = Arc::new(Object::new("v1", "ConfigMap", "shop", "web"));
        let decision = decided(&work(json!([])), &[Some(map)]);
        assert_eq!(reasons(&decision), [events::REFLECT_STATUS_SUCCEED]);
        assert_eq!(decision.statuses.unwrap()[0]["health"], "Healthy");
    }
}
