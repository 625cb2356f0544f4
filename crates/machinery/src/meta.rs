//! The rules of `metadata` that hold for every kind.

use serde_json::{Map, Value};

use crate::{Cause, Object, hash, names};

/// All annotations together, keys and values, in bytes.
pub const ANNOTATIONS_SIZE_MAX: usize = 256 * 1024;
/// Longest name of a field manager, in bytes.
pub const FIELD_MANAGER_LEN_MAX: usize = 128;

/// Longest part of a `generateName` that is kept, and how much is added to it.
const GENERATED_PREFIX_LEN_MAX: usize = 58;
const GENERATED_SUFFIX_LEN: usize = 5;

/// Makes a name of a `generateName` prefix and random characters.
pub fn generate_name(prefix: &str, mut random: impl FnMut() -> u32) -> String {
    let mut end = prefix.len().min(GENERATED_PREFIX_LEN_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let suffix = (0..GENERATED_SUFFIX_LEN).map(|_| hash::safe_letter(random()));
    prefix[..end].chars().chain(suffix).collect()
}

/// What is wrong with a new object's metadata. `name_rule` is the kind's rule for names.
pub fn validate_object_meta(
    object: &Object,
    namespaced: bool,
    name_rule: fn(&str) -> Vec<String>,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let invalid = |field: &str, text: &str, problem: &String| Cause::invalid(field, &text.into(), problem);
    if let Some(prefix) = object.str_at("/metadata/generateName").filter(|p| !p.is_empty()) {
        // A dash at the end is fine: characters follow it.
        let masked = match prefix.strip_suffix('-') {
            Some(rest) if !rest.is_empty() => format!("{rest}a"),
            _ => prefix.to_owned(),
        };
        causes.extend(name_rule(&masked).iter().map(|p| invalid("metadata.generateName", prefix, p)));
    }
    if object.name().is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        causes.extend(name_rule(object.name()).iter().map(|p| invalid("metadata.name", object.name(), p)));
    }
    let namespace = object.namespace();
    match (namespaced, namespace.is_empty()) {
        (true, true) => causes.push(Cause::required("metadata.namespace", "")),
        (true, false) => {
            causes.extend(
                names::dns_label(namespace).iter().map(|p| invalid("metadata.namespace", namespace, p)),
            );
        }
        (false, false) => causes.push(Cause::forbidden("metadata.namespace", "not allowed on this type")),
        (false, true) => {}
    }
    causes.extend(validate_common(object));
    causes
}

/// What is wrong with the metadata of a changed object: what may not change, and the rules of a new one.
pub fn validate_object_meta_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    if old.is_deleting() {
        let added: Vec<String> =
            new.finalizers().filter(|f| !old.has_finalizer(f)).map(|f| format!("{f:?}")).collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &detail));
        }
    }
    let nothing = Map::new();
    let (new_meta, old_meta) = (new.metadata().unwrap_or(&nothing), old.metadata().unwrap_or(&nothing));
    for field in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        let value = |meta: &Map<String, Value>| meta.get(field).filter(|v| !v.is_null()).cloned();
        if value(new_meta) != value(old_meta) {
            let new_value = value(new_meta).unwrap_or(Value::Null);
            causes.push(Cause::invalid(format!("metadata.{field}"), &new_value, "field is immutable"));
        }
    }
    if new.generation() < old.generation() {
        causes.push(Cause::invalid(
            "metadata.generation",
            &new.generation().into(),
            "must not be decremented",
        ));
    }
    causes.extend(validate_common(new));
    causes
}

/// The rules that hold on create and update alike.
fn validate_common(object: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    if object.generation() < 0 {
        let value = object.generation().into();
        causes.push(Cause::invalid("metadata.generation", &value, "must be greater than or equal to 0"));
    }
    let empty = Map::new();
    let map = |field: &str| {
        object.metadata().and_then(|m| m.get(field)).and_then(Value::as_object).unwrap_or(&empty)
    };
    causes.extend(validate_labels(map("labels"), "metadata.labels"));
    causes.extend(validate_annotations(map("annotations"), "metadata.annotations"));
    causes.extend(validate_owner_references(object));
    causes.extend(validate_finalizers(object));
    causes.extend(validate_managed_fields(object));
    causes
}

/// What is wrong with a map of labels, of an object or of a pod template. `field` is the map's path.
pub fn validate_labels(labels: &Map<String, Value>, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels {
        causes.extend(
            names::qualified_name(key).iter().map(|p| Cause::invalid(field, &key.as_str().into(), p)),
        );
        let text = value.as_str().unwrap_or_default();
        causes.extend(names::label_value(text).iter().map(|p| Cause::invalid(field, value, p)));
    }
    causes
}

/// What is wrong with a map of annotations. `field` is the map's path.
pub fn validate_annotations(annotations: &Map<String, Value>, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut size = 0;
    for (key, value) in annotations {
        let problems = names::qualified_name(&key.to_lowercase());
        causes.extend(problems.iter().map(|p| Cause::invalid(field, &key.as_str().into(), p)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_SIZE_MAX {
        causes.push(Cause::too_long(field, ANNOTATIONS_SIZE_MAX));
    }
    causes
}

fn validate_owner_references(object: &Object) -> Vec<Cause> {
    const FIELD: &str = "metadata.ownerReferences";
    let mut causes = Vec::new();
    let mut controller: Option<String> = None;
    for reference in object.at("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("apiVersion");
        if api_version.rsplit('/').next().is_none_or(str::is_empty) {
            let field = format!("{FIELD}.apiVersion");
            causes.push(Cause::invalid(field, &api_version.into(), "version must not be empty"));
        }
        for field in ["kind", "name", "uid"].into_iter().filter(|f| text(f).is_empty()) {
            causes.push(Cause::invalid(format!("{FIELD}.{field}"), &"".into(), "must not be empty"));
        }
        if api_version == "v1" && text("kind") == "Event" {
            causes.push(Cause::invalid(
                FIELD,
                reference,
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
        if reference.get("controller").and_then(Value::as_bool) == Some(true) {
            let name = format!("{}/{}", text("kind"), text("name"));
            match &controller {
                None => controller = Some(name),
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for \
                         {first} and {name}"
                    );
                    let all = object.at("/metadata/ownerReferences").unwrap_or(&Value::Null);
                    causes.push(Cause::invalid(FIELD, all, &detail));
                }
            }
        }
    }
    causes
}

fn validate_finalizers(object: &Object) -> Vec<Cause> {
    const FIELD: &str = "metadata.finalizers";
    const STANDARD: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
    let mut causes = Vec::new();
    for (index, finalizer) in object.finalizers().enumerate() {
        let field = format!("{FIELD}[{index}]");
        let value = finalizer.into();
        causes.extend(
            names::qualified_name(finalizer).iter().map(|p| Cause::invalid(field.clone(), &value, p)),
        );
        if !finalizer.contains('/') && !STANDARD.contains(&finalizer) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(field, &value, detail));
        }
    }
    if object.has_finalizer("orphan") && object.has_finalizer("foregroundDeletion") {
        let all = object.at("/metadata/finalizers").unwrap_or(&Value::Null);
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid(FIELD, all, detail));
    }
    causes
}

fn validate_managed_fields(object: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let entries = object.at("/metadata/managedFields").and_then(Value::as_array);
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        let field = |name: &str| format!("metadata.managedFields[{index}].{name}");
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        if !matches!(text("operation"), "Apply" | "Update") {
            let value = text("operation").into();
            causes.push(Cause::invalid(field("operation"), &value, "must be `Apply` or `Update`"));
        }
        if !matches!(text("fieldsType"), "" | "FieldsV1") {
            let value = text("fieldsType").into();
            causes.push(Cause::invalid(field("fieldsType"), &value, "must be `FieldsV1`"));
        }
        causes.extend(validate_field_manager(text("manager"), &field("manager")));
    }
    causes
}

/// What is wrong with the name of a field manager. `field` is `fieldManager` for the query parameter.
pub fn validate_field_manager(manager: &str, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if manager.len() > FIELD_MANAGER_LEN_MAX {
        causes.push(Cause::too_long(field, FIELD_MANAGER_LEN_MAX));
    }
    if let Some((index, c)) = manager.char_indices().find(|(_, c)| c.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {index})", u32::from(c));
        causes.push(Cause::invalid(field, &manager.into(), &detail));
    }
    causes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(metadata: Value) -> Object {
        Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})).unwrap()
    }

    fn problems(metadata: Value) -> Vec<String> {
        let causes = validate_object_meta(&object(metadata), true, names::dns_subdomain);
        causes.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
    }

    #[test]
    fn good_metadata_has_no_problem() {
        let good = json!({
            "name": "a.b", "namespace": "d", "generateName": "a-",
            "labels": {"x.y/z": "v", "e": ""}, "annotations": {"Upper.Case/Key": "any thing"},
            "finalizers": ["orphan", "x.y/z"],
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "D", "name": "d", "uid": "u", "controller": true}],
            "managedFields": [{"manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {}}],
        });
        assert_eq!(problems(good), Vec::<String>::new());
    }

    #[test]
    fn each_rule_names_its_field() {
        for (metadata, problem) in [
            (json!({"namespace": "d"}), "metadata.name: Required value: name or generateName is required"),
            (json!({"name": "a"}), "metadata.namespace: Required value"),
            (json!({"name": "A", "namespace": "d"}), "metadata.name: Invalid value: \"A\": a lowercase"),
            (json!({"name": "a", "namespace": "D"}), "metadata.namespace: Invalid value: \"D\""),
            (
                json!({"name": "a", "namespace": "d", "labels": {"a": "b c"}}),
                "metadata.labels: Invalid value: \"b c\"",
            ),
            (
                json!({"name": "a", "namespace": "d", "annotations": {"a": "x".repeat(300_000)}}),
                "metadata.annotations: Too long: may not be more than 262144 bytes",
            ),
            (
                json!({"name": "a", "namespace": "d", "finalizers": ["nodomain"]}),
                "metadata.finalizers[0]: Invalid value: \"nodomain\": name is neither a standard finalizer name nor is it fully qualified",
            ),
            (
                json!({"name": "a", "namespace": "d", "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n"}]}),
                "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
            ),
            (
                json!({"name": "a", "namespace": "d", "managedFields": [{"manager": "m", "operation": "Guess"}]}),
                "metadata.managedFields[0].operation",
            ),
        ] {
            let found = problems(metadata.clone());
            assert!(found.len() == 1 && found[0].starts_with(problem), "{metadata}: {found:?}");
        }
        let cluster_scoped = object(json!({"name": "a", "namespace": "d"}));
        assert_eq!(
            validate_object_meta(&cluster_scoped, false, names::dns_subdomain)[0].message,
            "Forbidden: not allowed on this type"
        );
    }

    #[test]
    fn an_update_may_not_move_the_object_or_add_finalizers_while_it_goes() {
        let old = object(json!({
            "name": "a", "namespace": "d", "uid": "u", "generation": 2,
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x.y/z"],
        }));
        assert!(validate_object_meta_update(&old, &old).is_empty());
        let mut new = old.clone();
        new.add_finalizer("x.y/new");
        new.set("/metadata/uid", "other");
        new.set("/metadata/generation", 1);
        let causes = validate_object_meta_update(&new, &old);
        let messages: Vec<&str> = causes.iter().map(|c| c.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"x.y/new\"}",
                "Invalid value: \"other\": field is immutable",
                "Invalid value: 1: must not be decremented",
            ]
        );
    }

    #[test]
    fn generated_names_fit_and_use_the_safe_letters() {
        let mut next = 0;
        let name = generate_name(&"x".repeat(80), || {
            next += 1;
            next
        });
        assert_eq!(name, format!("{}cdfgh", "x".repeat(58)));
    }
}
