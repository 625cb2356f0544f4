//! Reads and checks what a webhook answers.

use api::config::{DependentObjectReference, InterpreterResponse};
use api::work::{Component, ReplicaRequirements};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use machinery::Object;
use serde::Deserialize;
use serde_json::Value;

use super::Webhook;
use crate::decode::check_dependencies;

/// Reads a successful response, given the object it is about.
pub(crate) type Reader<T> = fn(Value, InterpreterResponse) -> Result<T, String>;

/// Bytes of base64 text, which must be UTF-8.
pub(super) fn text_of_base64(encoded: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(encoded).map_err(|why| why.to_string())?;
    String::from_utf8(bytes).map_err(|why| why.to_string())
}

/// The answer to `request`, the `request` of the context that was sent, in the context that came back.
pub(crate) fn read<T>(
    webhook: &Webhook,
    mut request: Value,
    context: &Value,
    reader: Reader<T>,
) -> Result<T, String> {
    let fail = |why: String| format!("webhook {} {why}", webhook.uid);
    let response = context.get("response").filter(|response| !response.is_null());
    let response = response.ok_or_else(|| fail("answered without a response".into()))?;
    let response = InterpreterResponse::deserialize(response)
        .map_err(|why| fail(format!("answered with a malformed response: {why}")))?;
    let uid = request.get("uid").and_then(Value::as_str).unwrap_or_default();
    if response.uid != uid {
        return Err(fail(format!("answered the request {:?} instead of {uid:?}", response.uid)));
    }
    if !response.successful {
        let status = response.status.ok_or_else(|| fail("failed without a status".into()))?;
        return Err(fail(format!("failed with code {}: {}", status.code, status.message)));
    }
    let object = request.get_mut("object").map(Value::take).unwrap_or_default();
    reader(object, response).map_err(|why| fail(format!("answered with an invalid response: {why}")))
}

/// Of InterpretReplica.
pub(crate) fn replicas(
    _object: Value,
    response: InterpreterResponse,
) -> Result<Option<(i64, Option<ReplicaRequirements>)>, String> {
    let replicas = response.replicas.ok_or("it has no replicas")?;
    Ok(Some((replicas.into(), response.replica_requirements)))
}

/// Of InterpretComponent.
pub(crate) fn components(
    _object: Value,
    response: InterpreterResponse,
) -> Result<Option<Vec<Component>>, String> {
    Ok(Some(response.components))
}

/// Of ReviseReplica, Retain and AggregateStatus: the object with the patch applied.
pub(crate) fn patched(object: Value, response: InterpreterResponse) -> Result<Object, String> {
    let mut object = object;
    if let Some(patch) = patch(response)? {
        patch::json::apply(&mut object, &patch).map_err(|why| why.to_string())?;
    }
    let object = Object::from_value(object).map_err(|_| "its patch leaves no object")?;
    if object.kind().is_empty() {
        return Err("its patch leaves an object without a kind".into());
    }
    Ok(object)
}

fn patch(response: InterpreterResponse) -> Result<Option<Value>, String> {
    let patch = response.patch.filter(|patch| !patch.is_empty());
    match (patch, response.patch_type.as_deref()) {
        (None, None) => Ok(None),
        (Some(_), None) => Err("it has a patch without a patchType".into()),
        (None, Some(_)) => Err("it has a patchType without a patch".into()),
        (Some(encoded), Some("JSONPatch")) => {
            let text = text_of_base64(&encoded).map_err(|why| format!("its patch is malformed: {why}"))?;
            let patch =
                serde_json::from_str(&text).map_err(|why| format!("its patch is malformed: {why}"))?;
            Ok(Some(patch))
        }
        (Some(_), Some(other)) => Err(format!("its patchType is {other:?}, only JSONPatch is known")),
    }
}

/// Of InterpretStatus.
pub(crate) fn status(_object: Value, response: InterpreterResponse) -> Result<Option<Value>, String> {
    response.raw_status.map(Some).ok_or_else(|| "it has no rawStatus".into())
}

/// Of InterpretHealth.
pub(crate) fn healthy(_object: Value, response: InterpreterResponse) -> Result<bool, String> {
    response.healthy.ok_or_else(|| "it does not say whether the object is healthy".into())
}

/// Of InterpretDependency.
pub(crate) fn dependencies(
    _object: Value,
    response: InterpreterResponse,
) -> Result<Vec<DependentObjectReference>, String> {
    check_dependencies(&response.dependencies)?;
    Ok(response.dependencies)
}
