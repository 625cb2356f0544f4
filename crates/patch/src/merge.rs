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

    mod properties {
        use proptest::prelude::*;

        use super::*;

        /// Values without null, which a merge patch cannot express.
        fn value() -> impl Strategy<Value = Value> {
            let leaf = prop_oneof![
                any::<bool>().prop_map(Value::from),
                (0..3_i64).prop_map(Value::from),
                "[ab]{0,2}".prop_map(Value::from),
                prop::collection::vec(0..3_i64, 0..3).prop_map(Value::from),
            ];
            leaf.prop_recursive(4, 24, 4, |inner| {
                prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| map.into_iter().collect())
            })
        }

        fn difference(old: &Value, new: &Value) -> Value {
            let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
            let mut patch = Map::new();
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
                patch.insert(
                    key.clone(),
                    old.get(key).map_or_else(|| value.clone(), |old| difference(old, value)),
                );
            }
            Value::Object(patch)
        }

        proptest! {
            #[test]
            fn a_difference_merged_in_gives_the_other_value(old in value(), new in value()) {
                let mut merged = old.clone();
                apply(&mut merged, &difference(&old, &new));
                prop_assert_eq!(merged, new);
            }
        }
    }
}
