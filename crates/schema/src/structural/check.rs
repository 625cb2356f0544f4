//! What keeps a schema from being structural.

use machinery::Cause;
use serde_json::{Map, Value};

type Node = Map<String, Value>;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Keywords of JSON Schema that custom resources cannot use.
const FORBIDDEN: [&str; 8] = [
    "$ref",
    "$schema",
    "id",
    "definitions",
    "dependencies",
    "patternProperties",
    "additionalItems",
    "deprecated",
];

/// Keywords that say what a value is made of; they may not stand inside `allOf`, `anyOf`, `oneOf` and `not`.
const STRUCTURE: [&str; 12] = [
    "type",
    "title",
    "description",
    "default",
    "nullable",
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
];

/// Where a node stands; the messages name it.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Field,
    Item,
}

/// `path` and one step further.
pub(super) fn step(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Adds a cause for everything that keeps `schema`, found at `path`, from being structural.
pub(super) fn structural(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    match schema.as_object() {
        Some(map) => node(map, Level::Root, path, causes),
        None => causes.push(Cause::required(path, "")),
    }
}

fn is_true(map: &Node, key: &str) -> bool {
    map.get(key) == Some(&Value::Bool(true))
}

fn text<'a>(map: &'a Node, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn children<'a>(map: &'a Node, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    map.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn node(map: &Node, level: Level, path: &str, causes: &mut Vec<Cause>) {
    has_type(map, level, path, causes);
    forbidden_keywords(map, path, causes);
    extensions(map, level, path, causes);
    list_rules(map, path, causes);
    metadata(map, level, path, causes);
    logic(map, path, causes);
    for (name, property) in children(map, "properties") {
        let path = format!("{path}.properties[{name}]");
        match property.as_object() {
            Some(property) => node(property, Level::Field, &path, causes),
            None => causes.push(Cause::invalid(path, property, "must be a schema")),
        }
    }
    match map.get("additionalProperties") {
        Some(Value::Object(values)) => {
            node(values, Level::Field, &step(path, "additionalProperties"), causes);
        }
        Some(Value::Bool(false)) => {
            let path = step(path, "additionalProperties");
            causes.push(Cause::forbidden(path, "additionalProperties cannot be set to false"));
        }
        _ => {}
    }
    match map.get("items") {
        Some(Value::Object(items)) => node(items, Level::Item, &step(path, "items"), causes),
        Some(Value::Array(_)) => causes
            .push(Cause::forbidden(step(path, "items"), "items must be a schema object and not an array")),
        _ => {}
    }
}

fn has_type(map: &Node, level: Level, path: &str, causes: &mut Vec<Cause>) {
    let place = || step(path, "type");
    match text(map, "type") {
        None if is_true(map, "x-kubernetes-int-or-string") => {}
        None if is_true(map, "x-kubernetes-preserve-unknown-fields") && level != Level::Root => {}
        None => causes.push(Cause::required(
            place(),
            match level {
                Level::Root => "must not be empty at the root",
                Level::Field => "must not be empty for specified object fields",
                Level::Item => "must not be empty for specified array items",
            },
        )),
        Some(found) if !TYPES.contains(&found) => {
            causes.push(Cause::not_supported(place(), &found.into(), &TYPES));
        }
        Some(found) if level == Level::Root && found != "object" => {
            causes.push(Cause::invalid(place(), &found.into(), "must be object at the root"));
        }
        Some(found) if is_true(map, "x-kubernetes-int-or-string") => causes.push(Cause::invalid(
            place(),
            &found.into(),
            "must be empty if x-kubernetes-int-or-string is true",
        )),
        Some("array") if !map.contains_key("items") => {
            causes.push(Cause::required(step(path, "items"), "must be specified"));
        }
        Some(_) => {}
    }
}

fn forbidden_keywords(map: &Node, path: &str, causes: &mut Vec<Cause>) {
    for keyword in FORBIDDEN.into_iter().filter(|keyword| map.contains_key(*keyword)) {
        causes.push(Cause::forbidden(step(path, keyword), &format!("{keyword} is not supported")));
    }
    if is_true(map, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(step(path, "uniqueItems"), detail));
    }
    let has_properties = children(map, "properties").next().is_some();
    if has_properties && map.get("additionalProperties").is_some_and(|values| *values != Value::Bool(false)) {
        let detail = "additionalProperties and properties are mutual exclusive";
        causes.push(Cause::forbidden(step(path, "additionalProperties"), detail));
    }
}

fn extensions(map: &Node, level: Level, path: &str, causes: &mut Vec<Cause>) {
    if map.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let path = step(path, "x-kubernetes-preserve-unknown-fields");
        causes.push(Cause::invalid(path, &false.into(), "must be true or undefined"));
    }
    if level == Level::Root && is_true(map, "nullable") {
        causes.push(Cause::forbidden(step(path, "nullable"), "nullable cannot be true at the root"));
    }
    if let Some(map_type) = text(map, "x-kubernetes-map-type")
        && !["atomic", "granular"].contains(&map_type)
    {
        let path = step(path, "x-kubernetes-map-type");
        causes.push(Cause::not_supported(path, &map_type.into(), &["atomic", "granular"]));
    }
    if !is_true(map, "x-kubernetes-embedded-resource") {
        return;
    }
    if level == Level::Root {
        let path = step(path, "x-kubernetes-embedded-resource");
        causes.push(Cause::forbidden(path, "must not be used at the root"));
    }
    if let Some(found) = text(map, "type").filter(|found| *found != "object") {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        causes.push(Cause::invalid(step(path, "type"), &found.into(), detail));
    }
    if children(map, "properties").next().is_none() && !is_true(map, "x-kubernetes-preserve-unknown-fields") {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without \
                      x-kubernetes-preserve-unknown-fields";
        causes.push(Cause::required(step(path, "properties"), detail));
    }
}

fn list_rules(map: &Node, path: &str, causes: &mut Vec<Cause>) {
    const TYPES: [&str; 3] = ["atomic", "map", "set"];
    let keys: Vec<&str> = map
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let Some(list_type) = text(map, "x-kubernetes-list-type") else {
        if !keys.is_empty() {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            causes.push(Cause::required(step(path, "x-kubernetes-list-type"), detail));
        }
        return;
    };
    if !TYPES.contains(&list_type) {
        causes.push(Cause::not_supported(step(path, "x-kubernetes-list-type"), &list_type.into(), &TYPES));
    }
    if text(map, "type") != Some("array") {
        let found = text(map, "type").unwrap_or_default().into();
        let detail = "must be array if x-kubernetes-list-type is specified";
        causes.push(Cause::invalid(step(path, "type"), &found, detail));
    }
    if let Some(Value::Object(items)) = map.get("items") {
        match list_type {
            "map" => map_keys(&keys, items, path, causes),
            "set" => set_items(items, path, causes),
            _ => {}
        }
    }
}

fn map_keys(keys: &[&str], items: &Node, path: &str, causes: &mut Vec<Cause>) {
    let place = step(path, "x-kubernetes-list-map-keys");
    if keys.is_empty() {
        causes.push(Cause::required(place, "must not be empty if x-kubernetes-list-type is map"));
        return;
    }
    if text(items, "type") != Some("object") {
        let found = text(items, "type").unwrap_or_default().into();
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        causes.push(Cause::invalid(step(path, "items.type"), &found, detail));
        return;
    }
    let required = items.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (index, key) in keys.iter().enumerate() {
        let place = format!("{place}[{index}]");
        if keys[..index].contains(key) {
            causes.push(Cause::duplicate(place, &(*key).into()));
            continue;
        }
        let property = items.get("properties").and_then(|properties| properties.get(*key));
        let Some(property) = property.and_then(Value::as_object) else {
            let detail = "entries must all be names of item properties";
            causes.push(Cause::invalid(place, &(*key).into(), detail));
            continue;
        };
        let of_key = format!("{path}.items.properties[{key}]");
        if matches!(text(property, "type"), Some("array" | "object")) {
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            let found = text(property, "type").unwrap_or_default().into();
            causes.push(Cause::invalid(step(&of_key, "type"), &found, detail));
        } else if !property.contains_key("default") && !required.iter().any(|name| name == key) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a \
                          required property";
            causes.push(Cause::required(step(&of_key, "default"), detail));
        }
    }
}

fn set_items(items: &Node, path: &str, causes: &mut Vec<Cause>) {
    if is_true(items, "nullable") {
        let detail = "cannot be nullable when x-kubernetes-list-type is set";
        causes.push(Cause::forbidden(step(path, "items.nullable"), detail));
    }
    let (place, wanted) = match text(items, "type") {
        Some("object") => {
            ("items.x-kubernetes-map-type", text(items, "x-kubernetes-map-type") == Some("atomic"))
        }
        Some("array") => {
            let list_type = text(items, "x-kubernetes-list-type");
            ("items.x-kubernetes-list-type", list_type.is_none_or(|list_type| list_type == "atomic"))
        }
        _ => return,
    };
    if !wanted {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        causes.push(Cause::invalid(step(path, place), &Value::Null, detail));
    }
}

/// `metadata` of the root and of embedded resources is implied; only names may be restricted.
fn metadata(map: &Node, level: Level, path: &str, causes: &mut Vec<Cause>) {
    if level != Level::Root && !is_true(map, "x-kubernetes-embedded-resource") {
        return;
    }
    let Some(declared) = map.get("properties").and_then(|p| p.get("metadata")).and_then(Value::as_object)
    else {
        return;
    };
    let path = format!("{path}.properties[metadata]");
    if let Some(found) = text(declared, "type").filter(|found| *found != "object") {
        causes.push(Cause::invalid(step(&path, "type"), &found.into(), "must be object"));
    }
    let names_only =
        children(declared, "properties").all(|(name, _)| name == "name" || name == "generateName");
    let known = ["type", "properties", "description", "title", "required"];
    if !names_only || declared.keys().any(|key| !known.contains(&key.as_str())) {
        let detail = "must not specify anything other than name and generateName, but metadata is \
                      implicitly specified";
        causes.push(Cause::forbidden(path, detail));
    }
}

/// The schemas combined by logic may only limit what is declared outside of them.
fn logic(map: &Node, path: &str, causes: &mut Vec<Cause>) {
    for (inner, inner_path) in combined(map, path) {
        if is_true(map, "x-kubernetes-int-or-string") && is_int_or_string_choice(inner) {
            continue;
        }
        limits_only(inner, map, &inner_path, path, causes);
    }
}

fn combined<'a>(map: &'a Node, path: &str) -> Vec<(&'a Node, String)> {
    let mut found = Vec::new();
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let list = map.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate();
        found.extend(list.filter_map(|(index, inner)| {
            inner.as_object().map(|inner| (inner, format!("{path}.{keyword}[{index}]")))
        }));
    }
    found.extend(map.get("not").and_then(Value::as_object).map(|inner| (inner, step(path, "not"))));
    found
}

/// The one use of `type` inside of logic: `anyOf: [{type: integer}, {type: string}]`, alone or in an `allOf`.
fn is_int_or_string_choice(map: &Node) -> bool {
    match text(map, "type") {
        Some("integer" | "string") => map.len() == 1,
        Some(_) => false,
        None => map.get("anyOf").and_then(Value::as_array).is_some_and(|list| {
            list.iter().all(|inner| inner.as_object().is_some_and(is_int_or_string_choice))
        }),
    }
}

fn limits_only(inner: &Node, outer: &Node, path: &str, outer_path: &str, causes: &mut Vec<Cause>) {
    for keyword in STRUCTURE.into_iter().filter(|keyword| inner.contains_key(*keyword)) {
        causes.push(Cause::forbidden(step(path, keyword), "must be empty to be structural"));
    }
    for (name, property) in children(inner, "properties") {
        let inside = format!("{path}.properties[{name}]");
        let outside = format!("{outer_path}.properties[{name}]");
        let declared = outer.get("properties").and_then(|properties| properties.get(name));
        match (property.as_object(), declared.and_then(Value::as_object)) {
            (Some(property), Some(declared)) => limits_only(property, declared, &inside, &outside, causes),
            (Some(_), None) if is_true(outer, "x-kubernetes-preserve-unknown-fields") => {}
            (_, None) => causes.push(Cause::required(outside, &format!("because it is defined in {inside}"))),
            (None, _) => {}
        }
    }
    if let Some(items) = inner.get("items").and_then(Value::as_object) {
        let (inside, outside) = (step(path, "items"), step(outer_path, "items"));
        match outer.get("items").and_then(Value::as_object) {
            Some(declared) => limits_only(items, declared, &inside, &outside, causes),
            None => causes.push(Cause::required(outside, &format!("because it is defined in {inside}"))),
        }
    }
    for (deeper, deeper_path) in combined(inner, path) {
        limits_only(deeper, outer, &deeper_path, outer_path, causes);
    }
}
