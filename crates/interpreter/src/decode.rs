//! What scripts and webhooks answer, checked and brought into shape.

use std::collections::BTreeMap;

use api::config::DependentObjectReference;
use api::work::{Component, ReplicaRequirements};
use machinery::Object;
use machinery::quantity::Quantity;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Whether every reference says what it refers to.
pub(crate) fn check_dependencies(references: &[DependentObjectReference]) -> Result<(), String> {
    for (position, reference) in references.iter().enumerate() {
        let missing = if reference.api_version.is_empty() {
            "apiVersion"
        } else if reference.kind.is_empty() {
            "kind"
        } else if reference.name.is_empty() && reference.label_selector.is_none() {
            "name and no labelSelector"
        } else {
            continue;
        };
        return Err(format!("dependency {position} has no {missing}"));
    }
    Ok(())
}

/// One list out of several: each reference once, by API version, kind, namespace and name.
pub(crate) fn united(mut references: Vec<DependentObjectReference>) -> Vec<DependentObjectReference> {
    fn key(r: &DependentObjectReference) -> (&str, &str, &str, &str) {
        (&r.api_version, &r.kind, &r.namespace, &r.name)
    }
    references.sort_by(|a, b| key(a).cmp(&key(b)));
    // The few with the same key may still select by different labels.
    let mut united: Vec<DependentObjectReference> = Vec::with_capacity(references.len());
    for reference in references {
        let namesakes = united.iter().rev().take_while(|known| key(known) == key(&reference));
        if !namesakes.into_iter().any(|known| *known == reference) {
            united.push(reference);
        }
    }
    united
}

/// Gives every empty table of a script's result its shape back: Lua knows no difference between an empty
/// object and an empty list, and both arrive here as a list. The path of the table, list positions left
/// out, is looked up in `references`: an empty object there makes it one, an empty list leaves it one, and
/// a table nobody has seen before is dropped, for a wrong guess would make the whole object invalid.
pub(crate) fn repair(result: &mut Value, references: &[&Value]) {
    let mut path = Vec::new();
    repair_children(result, &mut path, references);
}

/// What stands at one path in the references.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Nothing,
    EmptyList,
    EmptyObject,
}

fn repair_children(value: &mut Value, path: &mut Vec<String>, references: &[&Value]) {
    match value {
        Value::Object(map) => map.retain(|key, child| {
            if !child.is_array() && !child.is_object() {
                return true;
            }
            path.push(key.clone());
            let stays = repair_one(child, path, references);
            path.pop();
            stays
        }),
        Value::Array(list) => list.retain_mut(|child| {
            (!child.is_array() && !child.is_object()) || repair_one(child, path, references)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Says whether the value stays.
fn repair_one(value: &mut Value, path: &mut Vec<String>, references: &[&Value]) -> bool {
    if !is_empty_table(value) {
        repair_children(value, path, references);
        return true;
    }
    match references.iter().map(|reference| known(reference, path)).max().unwrap_or(Known::Nothing) {
        Known::EmptyObject => *value = Value::Object(Map::new()),
        Known::EmptyList => *value = Value::Array(Vec::new()),
        Known::Nothing => return false,
    }
    true
}

fn is_empty_table(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn known(reference: &Value, path: &[String]) -> Known {
    match (reference, path) {
        (Value::Array(list), []) if list.is_empty() => Known::EmptyList,
        (Value::Object(map), []) if map.is_empty() => Known::EmptyObject,
        (Value::Array(list), path) => {
            list.iter().map(|element| known(element, path)).max().unwrap_or(Known::Nothing)
        }
        (Value::Object(map), [key, rest @ ..]) => map.get(key).map_or(Known::Nothing, |c| known(c, rest)),
        _ => Known::Nothing,
    }
}

/// A script's table as a type of which an empty table is the default.
fn typed<T: DeserializeOwned + Default>(mut table: Value, what: &str) -> Result<T, String> {
    if is_empty_table(&table) {
        return Ok(T::default());
    }
    repair(&mut table, &[]);
    T::deserialize(table).map_err(|why| format!("{what}: {why}"))
}

/// A script's table as an object; `references` are the objects it was made of.
pub(crate) fn object(mut table: Value, references: &[&Value]) -> Result<Object, String> {
    repair(&mut table, references);
    let object = Object::from_value(table).map_err(|_| "the result is a list, not an object")?;
    if object.kind().is_empty() {
        return Err("the result is an object without a kind".into());
    }
    Ok(object)
}

/// A script's table as a status.
pub(crate) fn status(mut table: Value) -> Value {
    if is_empty_table(&table) {
        return Value::Object(Map::new());
    }
    repair(&mut table, &[]);
    table
}

/// A script's table as the needs of one replica.
pub(crate) fn requirements(table: Value) -> Result<ReplicaRequirements, String> {
    let mut requirements: ReplicaRequirements = typed(table, "the requirements are malformed")?;
    spell(&mut requirements.resource_request)?;
    Ok(requirements)
}

/// A script's table as components.
pub(crate) fn components(table: Value) -> Result<Vec<Component>, String> {
    let mut components: Vec<Component> = typed(table, "the components are malformed")?;
    for requirements in components.iter_mut().filter_map(|c| c.replica_requirements.as_mut()) {
        spell(&mut requirements.resource_request)?;
    }
    Ok(components)
}

/// Checks amounts, and writes those in canonical form that Go programs would not pass on as they are spelled.
fn spell(amounts: &mut BTreeMap<String, api::Quantity>) -> Result<(), String> {
    for (resource, amount) in amounts {
        let quantity = Quantity::parse(amount.as_str()).map_err(|why| {
            format!("the request of {resource}, {:?}, is malformed: {why}", amount.as_str())
        })?;
        if !keeps_spelling(amount.as_str()) {
            *amount = quantity.to_string().into();
        }
    }
    Ok(())
}

/// Whether Go's `resource.Quantity` remembers how a quantity was spelled: when a quick look shows that it
/// fits 64 bits.
fn keeps_spelling(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.trim_start_matches('0').len() + fraction.len();
    match suffix {
        "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => {
            let digits_max = match suffix {
                "Ki" => 11,
                "Mi" => 8,
                "Gi" => 5,
                "Ti" => 2,
                _ => return false,
            };
            fraction.is_empty() && digits <= digits_max
        }
        _ => {
            let finest = match suffix {
                "n" => 0,
                "u" => 3,
                "m" => 6,
                _ => 9,
            };
            digits <= 18 && fraction.len() <= finest
        }
    }
}

/// A script's table as dependencies.
pub(crate) fn dependencies(table: Value) -> Result<Vec<DependentObjectReference>, String> {
    let references: Vec<DependentObjectReference> = typed(table, "the dependencies are malformed")?;
    check_dependencies(&references)?;
    Ok(references)
}
