//! JSON merge patches, RFC 7396: `null` removes, maps merge, everything else replaces.

use machinery::Status;
use serde_json::{Map, Value};

/// Applies a merge patch to a value.
pub fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        match change {
            Value::Null => {
                fields.remove(name);
            }
            Value::Object(_) => apply(fields.entry(name.as_str()).or_insert(Value::Null), change),
            _ => {
                fields.insert(name.clone(), change.clone());
            }
        }
    }
}

/// Applies the body of a merge patch request to an object's value.
///
/// # Errors
/// 400 when the body is not a JSON object: the result could not be an object either.
pub fn apply_body(target: &mut Value, body: &Value) -> Result<(), Status> {
    if !body.is_object() {
        return Err(Status::bad_request(
            "error decoding patch: a merge patch of an object must be a JSON object",
        ));
    }
    apply(target, body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut merged = target.clone();
            apply(&mut merged, &patch);
            assert_eq!(merged, result, "{target} + {patch}");
            // Applying it again changes nothing.
            apply(&mut merged, &patch);
            assert_eq!(merged, result, "{target} + {patch} twice");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        assert_eq!(apply_body(&mut json!({}), &json!([])).unwrap_err().code, 400);
    }
}
