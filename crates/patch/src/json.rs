//! JSON patches, RFC 6902, with the limits and errors of a Kubernetes API server.

use machinery::{Reason, Status};
use serde_json::{Map, Value};

/// Most operations of one patch.
pub const OPERATIONS_MAX: usize = 10_000;

/// Why a JSON patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is not a list of operations.
    #[error("error decoding patch: {0}")]
    Malformed(String),
    /// The list is longer than [`OPERATIONS_MAX`].
    #[error("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {0}")]
    TooMany(usize),
    /// An operation cannot be carried out on this object: its path is missing, or a test failed.
    #[error("operation {index} of the patch ({op} {path:?}) failed: {why}")]
    Failed {
        /// Position of the operation in the list.
        index: usize,
        /// Name of the operation.
        op: String,
        /// Path it was about.
        path: String,
        /// What was wrong.
        why: &'static str,
    },
}

impl Error {
    /// What the API server answers: 400, 413 or 422.
    pub fn status(&self) -> Status {
        match self {
            Self::Malformed(_) => Status::bad_request(self.to_string()),
            Self::TooMany(_) => Status::new(Reason::RequestEntityTooLarge, self.to_string()),
            Self::Failed { .. } => Status {
                details: Some(Box::default()),
                ..Status::new(
                    Reason::Invalid,
                    "the server rejected our request due to an error in our request",
                )
            },
        }
    }
}

/// Applies a JSON patch to a value. On an error the value may be half changed: patch a copy.
///
/// # Errors
/// [`Error`], whose [`Error::status`] is the API server's answer.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), Error> {
    let Value::Array(operations) = patch else {
        let kind = match patch {
            Value::Object(_) => "object",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Null | Value::Array(_) => return Ok(()),
        };
        let why = format!("json: cannot unmarshal {kind} into Go value of type []handlers.jsonPatchOp");
        return Err(Error::Malformed(why));
    };
    if operations.len() > OPERATIONS_MAX {
        return Err(Error::TooMany(operations.len()));
    }
    for (index, operation) in operations.iter().enumerate() {
        let Value::Object(operation) = operation else {
            return Err(Error::Malformed(format!("operation {index} must be a JSON object")));
        };
        let text = |field: &str| operation.get(field).and_then(Value::as_str);
        run(target, operation).map_err(|why| Error::Failed {
            index,
            op: text("op").unwrap_or_default().into(),
            path: text("path").unwrap_or_default().into(),
            why,
        })?;
    }
    Ok(())
}

const NO_PATH: &str = "the path does not exist";
const NO_VALUE: &str = "the operation needs a value";

fn run(target: &mut Value, operation: &Map<String, Value>) -> Result<(), &'static str> {
    let pointer = |field: &str, missing| operation.get(field).and_then(Value::as_str).ok_or(missing);
    let path = pointer("path", "the operation needs a path")?;
    let from = || pointer("from", "the operation needs a from");
    let value = || operation.get("value");
    match operation.get("op").and_then(Value::as_str) {
        Some("add") => add(target, path, value().ok_or(NO_VALUE)?.clone()),
        Some("remove") => remove(target, path).map(drop),
        Some("replace") => replace(target, path, value().ok_or(NO_VALUE)?.clone()),
        Some("move") => {
            let from = from()?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err("a value cannot be moved into itself");
            }
            let moved = remove(target, from)?;
            add(target, path, moved)
        }
        Some("copy") => {
            let copied = lookup_mut(target, from()?).ok_or(NO_PATH)?.clone();
            add(target, path, copied)
        }
        // An absent path equals null, as upstream's library has it.
        Some("test") => {
            let actual = lookup_mut(target, path).map_or(Value::Null, |v| v.clone());
            if same(&actual, value().unwrap_or(&Value::Null)) { Ok(()) } else { Err("the test failed") }
        }
        _ => Err("the operation is unknown"),
    }
}

/// Equality by meaning: `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Position in a list; negative ones count from the end, as upstream allows.
fn index(token: &str, len: usize) -> Option<usize> {
    if let Some(back) = token.strip_prefix('-') {
        return len.checked_sub(back.parse().ok().filter(|n| *n > 0)?);
    }
    let plain = token == "0" || !token.starts_with(['0', '+']);
    plain.then(|| token.parse().ok()).flatten()
}

fn lookup_mut<'a>(target: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    if pointer.is_empty() {
        return Some(target);
    }
    pointer.strip_prefix('/')?.split('/').try_fold(target, |value, token| match value {
        Value::Object(fields) => fields.get_mut(&unescape(token)),
        Value::Array(items) => {
            let index = index(token, items.len())?;
            items.get_mut(index)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

fn parent<'a, 'p>(target: &'a mut Value, pointer: &'p str) -> Result<(&'a mut Value, &'p str), &'static str> {
    let (parent, token) = pointer.rsplit_once('/').ok_or("the path must start with a slash")?;
    Ok((lookup_mut(target, parent).ok_or("the parent of the path does not exist")?, token))
}

fn add(target: &mut Value, pointer: &str, value: Value) -> Result<(), &'static str> {
    if pointer.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, token) = parent(target, pointer)?;
    match parent {
        Value::Object(fields) => {
            fields.insert(unescape(token), value);
        }
        Value::Array(items) if token == "-" => items.push(value),
        Value::Array(items) => {
            // One past the end is a place too, also counted from the end.
            let place = match token.starts_with('-') {
                true => index(token, items.len() + 1),
                false => index(token, items.len()),
            };
            let place = place.filter(|i| *i <= items.len()).ok_or("the index is out of range")?;
            items.insert(place, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(NO_PATH),
    }
    Ok(())
}

/// Sets a value. Like upstream's library and unlike the RFC, a field of an object need not be there yet:
/// clients replace optional fields without asking. An item of a list must be.
fn replace(target: &mut Value, pointer: &str, value: Value) -> Result<(), &'static str> {
    if !pointer.is_empty() {
        let (parent, token) = parent(target, pointer)?;
        if let Value::Object(fields) = parent {
            fields.insert(unescape(token), value);
            return Ok(());
        }
    }
    *lookup_mut(target, pointer).ok_or(NO_PATH)? = value;
    Ok(())
}

fn remove(target: &mut Value, pointer: &str) -> Result<Value, &'static str> {
    let (parent, token) = parent(target, pointer)?;
    match parent {
        Value::Object(fields) => fields.remove(&unescape(token)).ok_or(NO_PATH),
        Value::Array(items) => {
            let place = index(token, items.len()).filter(|i| *i < items.len()).ok_or(NO_PATH)?;
            Ok(items.remove(place))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(NO_PATH),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(target: Value, patch: Value) -> Result<Value, Error> {
        let mut target = target;
        apply(&mut target, &patch).map(|()| target)
    }

    #[test]
    fn each_operation_does_what_the_rfc_says() {
        for (target, patch, result) in [
            (json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2})),
            (
                json!({"a": [1, 3]}),
                json!([{"op": "add", "path": "/a/1", "value": 2}]),
                json!({"a": [1, 2, 3]}),
            ),
            (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]})),
            (json!({"a": [1]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2]})),
            (json!({"a": 1}), json!([{"op": "add", "path": "", "value": {}}]), json!({})),
            (json!({"a": 1, "b": 2}), json!([{"op": "remove", "path": "/a"}]), json!({"b": 2})),
            (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]})),
            (json!({"a": 1}), json!([{"op": "replace", "path": "/a", "value": null}]), json!({"a": null})),
            (
                json!({"a": {"b": 1}}),
                json!([{"op": "move", "from": "/a/b", "path": "/c"}]),
                json!({"a": {}, "c": 1}),
            ),
            (
                json!({"a": {"b": 1}}),
                json!([{"op": "copy", "from": "/a", "path": "/c"}]),
                json!({"a": {"b": 1}, "c": {"b": 1}}),
            ),
            (
                json!({"a/b": 1, "m~n": 2}),
                json!([{"op": "test", "path": "/a~1b", "value": 1.0}, {"op": "remove", "path": "/m~0n"}]),
                json!({"a/b": 1}),
            ),
            (json!({}), json!([{"op": "test", "path": "/a", "value": null}]), json!({})),
        ] {
            assert_eq!(patched(target, patch.clone()).unwrap(), result, "{patch}");
        }
    }

    #[test]
    fn replacing_an_absent_field_of_an_object_adds_it_as_upstream_does() {
        let spec = |patch| patched(json!({"spec": {"a": [1]}}), patch);
        let result = spec(json!([{"op": "replace", "path": "/spec/new~1one", "value": true}])).unwrap();
        assert_eq!(result, json!({"spec": {"a": [1], "new/one": true}}));
        let result = spec(json!([{"op": "replace", "path": "", "value": {"b": 2}}])).unwrap();
        assert_eq!(result, json!({"b": 2}));
        let result = spec(json!([{"op": "replace", "path": "/spec/a/0", "value": 2}])).unwrap();
        assert_eq!(result, json!({"spec": {"a": [2]}}));
    }

    #[test]
    fn what_cannot_be_done_is_422() {
        for patch in [
            json!([{"op": "test", "path": "/a", "value": 2}]),
            json!([{"op": "remove", "path": "/none"}]),
            json!([{"op": "replace", "path": "/none/x", "value": 1}]),
            json!([{"op": "replace", "path": "/l/1", "value": 1}]),
            json!([{"op": "replace", "path": "/l/-", "value": 1}]),
            json!([{"op": "replace", "path": "/a/x", "value": 1}]),
            json!([{"op": "add", "path": "/none/x", "value": 1}]),
            json!([{"op": "add", "path": "/l/7", "value": 1}]),
            json!([{"op": "add", "path": "/l/01", "value": 1}]),
            json!([{"op": "add", "path": "/b"}]),
            json!([{"op": "copy", "from": "/none", "path": "/b"}]),
            json!([{"op": "move", "from": "/o", "path": "/o/p"}]),
            json!([{"op": "explode", "path": "/a"}]),
            json!([{}]),
        ] {
            let error = patched(json!({"a": 1, "l": [1], "o": {}}), patch.clone()).unwrap_err();
            let status = error.status().to_json();
            assert_eq!(status["code"], 422, "{patch}");
            assert_eq!(status["message"], "the server rejected our request due to an error in our request");
            assert_eq!(status["details"], json!({}));
        }
    }

    #[test]
    fn a_body_that_is_no_patch_is_400_and_too_long_a_patch_is_413() {
        let error = patched(json!({}), json!({"op": "remove"})).unwrap_err().status();
        assert_eq!(
            (error.code, error.message.as_str()),
            (
                400,
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
            )
        );
        let many = vec![json!({"op": "test", "path": "", "value": {}}); OPERATIONS_MAX];
        assert!(patched(json!({}), many.clone().into()).is_ok());
        let error = patched(json!({}), [many, vec![json!({})]].concat().into()).unwrap_err();
        assert_eq!(error.status().code, 413);
    }
}
