//! Stories of admission: every rule is shown to take and to refuse.

mod autoscaling;
mod cluster;
mod config;
mod fuzz;
mod ingress;
mod others;
mod override_policy;
mod propagation;
mod table;
mod warnings;

use api::policy::FederatedResourceQuota;
use machinery::Object;
use serde_json::{Value, json};

use crate::*;

/// An object `default/x` of a kind with the given top-level fields; cluster-scoped kinds are just `x`.
pub(crate) fn object(api_version: &str, kind: &str, fields: Value) -> Object {
    let cluster_scoped = kind.starts_with("Cluster") || kind.starts_with("ResourceInterpreter");
    let mut object = Object::new(api_version, kind, if cluster_scoped { "" } else { "default" }, "x");
    for (key, value) in fields.as_object().unwrap() {
        if key == "metadata" {
            for (key, value) in value.as_object().unwrap() {
                object.set(&format!("/metadata/{key}"), value.clone());
            }
        } else {
            object.set(&format!("/{key}"), value.clone());
        }
    }
    object
}

/// The object after mutation by the request, with ids `id-1`, `id-2`…
pub(crate) fn mutated(operation: Operation, object: &Object) -> Object {
    mutated_with(&Options::default(), operation, object)
}

pub(crate) fn mutated_with(options: &Options, operation: Operation, object: &Object) -> Object {
    let mut count = 0;
    let mut ids = || {
        count += 1;
        format!("id-{count}")
    };
    let mut source = Source { options, now: "2024-05-06T07:08:09Z".parse().unwrap(), ids: &mut ids };
    let mut changed = object.clone();
    mutate(&object.gvk(), operation, "default", &mut changed, Some(object), &mut source).unwrap();
    changed
}

/// What a create is refused with; empty when it is taken.
pub(crate) fn refusal(object: &Object) -> String {
    refusal_with(&Options::default(), object, None)
}

/// What an update is refused with.
pub(crate) fn update_refusal(object: &Object, old: &Object) -> String {
    refusal_with(&Options::default(), object, Some(old))
}

pub(crate) fn refusal_with(options: &Options, object: &Object, old: Option<&Object>) -> String {
    let world = World::empty(options);
    refusal_in(&world, object, old)
}

pub(crate) fn refusal_in(world: &World<'_>, object: &Object, old: Option<&Object>) -> String {
    let operation = if old.is_some() { Operation::Update } else { Operation::Create };
    match validate(&object.gvk(), operation, object, old, world) {
        Ok(()) => String::new(),
        Err((_, denial)) => denial.message,
    }
}

/// Takes what is fine and refuses the rest with the text.
#[track_caller]
pub(crate) fn check(object: &Object, expected: &str) {
    let refusal = refusal(object);
    if expected.is_empty() {
        assert_eq!(refusal, "", "should be taken: {}", serde_json::to_string(object).unwrap());
    } else {
        assert!(refusal.contains(expected), "{refusal:?} should say {expected:?}");
    }
}

pub(crate) fn quota(overall: Value, used: Value) -> FederatedResourceQuota {
    let quota = object(
        "policy.karmada.io/v1alpha1",
        "FederatedResourceQuota",
        json!({ "spec": { "overall": overall }, "status": { "overallUsed": used } }),
    );
    quota.parse().unwrap()
}
