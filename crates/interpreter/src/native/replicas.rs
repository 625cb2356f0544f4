//! How many replicas an object has, what one of them needs, and how to change the number.

use machinery::Object;
use serde_json::Value;

use super::requirements::{Gates, requirements};
use crate::{Error, Operation, Replicas, Result};

/// Where an object keeps the template of its pods.
const TEMPLATE: &str = "/spec/template";

/// A whole number; absent and null are the same.
fn number(object: &Object, pointer: &str) -> Result<Option<i64>> {
    match object.at(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            let field = pointer[1..].replace('/', ".");
            Error::new(Operation::InterpretReplica, object, format!("{field} is not a whole number"))
        }),
    }
}

fn with_requirements(
    object: &Object,
    replicas: i64,
    template: Option<&Value>,
    gates: Gates,
) -> Result<Replicas> {
    let needs = template.map_or(Ok(None), |template| requirements(template, gates));
    needs.map(|needs| (replicas, needs)).map_err(|why| Error::new(Operation::InterpretReplica, object, why))
}

pub(super) fn of_spec(object: &Object, gates: Gates) -> Result<Replicas> {
    let replicas = number(object, "/spec/replicas")?.unwrap_or(0);
    with_requirements(object, replicas, object.at(TEMPLATE), gates)
}

/// A Job never runs more pods at once than it still has completions to reach.
pub(super) fn of_job(object: &Object, gates: Gates) -> Result<Replicas> {
    let parallelism = number(object, "/spec/parallelism")?.unwrap_or(0);
    let completions = number(object, "/spec/completions")?.unwrap_or(parallelism);
    with_requirements(object, parallelism.min(completions), object.at(TEMPLATE), gates)
}

/// A Pod is its own template, though its namespace is none of a template's business.
pub(super) fn of_pod(object: &Object, gates: Gates) -> Result<Replicas> {
    let needs = object.at("/spec").map_or(Ok(None), |spec| super::requirements::of_spec(spec, "", gates));
    needs.map(|needs| (1, needs)).map_err(|why| Error::new(Operation::InterpretReplica, object, why))
}

/// Only a field that is there is changed: its absence has a meaning of its own.
fn revise(object: &mut Object, pointer: &str, replicas: i64) {
    if object.at(pointer).is_some() {
        object.set(pointer, replicas);
    }
}

pub(super) fn revise_spec(object: &mut Object, replicas: i64) {
    revise(object, "/spec/replicas", replicas);
}

pub(super) fn revise_job(object: &mut Object, replicas: i64) {
    revise(object, "/spec/parallelism", replicas);
}
