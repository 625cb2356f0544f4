//! Applied configurations against a schema: what is wrong with them, what they set, how they merge
//! into a live object, and how fields are taken out of one.

use std::collections::{BTreeMap, BTreeSet};

use schema::Type;
use serde_json::Value;

use crate::compare::is_hollow;
use crate::fields::{FieldSet, PathElement};
use crate::node::{Node, Shape};

/// Everything that does not fit the schema, as `path: problem`.
pub(crate) fn problems(value: &Value, node: Node<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    check(value, node, "", &mut problems);
    problems
}

fn check(value: &Value, node: Node<'_>, path: &str, problems: &mut Vec<String>) {
    let ty = node.schema().filter(|s| !s.int_or_string).map_or(Type::Any, |s| s.ty);
    let mut problem = |text: String| problems.push(format!("{path}: {text}"));
    match (ty, value) {
        (_, Value::Null) => {}
        (Type::Object | Type::Any, Value::Object(fields)) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                match node.field(name) {
                    Some(node) => check(value, node, &path, problems),
                    None => problems.push(format!("{path}: field not declared in schema")),
                }
            }
        }
        (Type::Array | Type::Any, Value::Array(items)) => check_list(items, node, path, problems),
        (Type::Array, other) => problem(format!("expected list, got {other}")),
        (Type::Object, other) => problem(format!("expected map, got {other}")),
        (Type::Any, _) => {}
        (_, Value::Object(_) | Value::Array(_)) => problem(format!("expected a scalar, got {value}")),
        (Type::Integer | Type::Number, Value::String(_) | Value::Bool(_)) => {
            let kind = if value.is_string() { "string" } else { "bool" };
            problem(format!("expected numeric (int or float), got {kind}"));
        }
        (Type::Boolean, Value::String(_) | Value::Number(_)) => {
            problem(format!("expected boolean, got {value}"))
        }
        // Text is left to the decoder: quantities may be written as numbers.
        _ => {}
    }
}

fn check_list(items: &[Value], node: Node<'_>, path: &str, problems: &mut Vec<String>) {
    let associative = node.schema().is_some_and(|s| s.list_type != schema::ListType::Atomic);
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if !associative {
            check(item, node.item(), &format!("{path}[{index}]"), problems);
            continue;
        }
        match node.element(item) {
            Err(problem) => problems.push(format!("{path}: element {index}: {problem}")),
            Ok(element) => {
                check(item, node.item(), &format!("{path}{element}"), problems);
                if !seen.insert(element.clone()) {
                    problems.push(format!("{path}: duplicate entries for key {element}"));
                }
            }
        }
    }
}

/// The fields that a configuration sets. Structs are in the set by their content, keys of maps and
/// items of lists also by themselves.
pub(crate) fn fields_of(value: &Value, node: Node<'_>) -> FieldSet {
    let mut set = FieldSet::EMPTY;
    match (node.shape(value), value) {
        (Shape::Map, Value::Object(fields)) => {
            for (name, value) in fields {
                let mut child = fields_of(value, node.field_or_deduced(name));
                child.member |= is_hollow(value) || !node.declares(name);
                set.attach(PathElement::Field(name.clone()), child);
            }
        }
        (Shape::List, Value::Array(items)) => {
            for item in items {
                let Ok(element) = node.element(item) else { continue };
                let mut child = fields_of(item, node.item());
                child.member = true;
                match set.children.get_mut(&element) {
                    Some(twin) => twin.union_with(&child),
                    None => set.attach(element, child),
                }
            }
        }
        _ => set.member = true,
    }
    set
}

/// The set with every struct above its paths: these come and go with their content.
pub(crate) fn with_structs(set: &FieldSet, node: Node<'_>) -> FieldSet {
    let mut result = FieldSet { member: set.member, children: BTreeMap::new() };
    for (element, child) in &set.children {
        let mut child = with_structs(child, node.child(element));
        child.member |= matches!(element, PathElement::Field(name) if node.declares(name));
        result.children.insert(element.clone(), child);
    }
    result
}

/// The live value with a configuration merged into it.
pub(crate) fn merge(live: Option<&Value>, config: &Value, node: Node<'_>) -> Option<Value> {
    let live = live.filter(|l| !l.is_null());
    let live_shape = live.filter(|l| !is_hollow(l)).map(|l| node.shape(l));
    if let (true, Some(shape @ (Shape::Map | Shape::List))) = (is_hollow(config), live_shape) {
        // An empty or null parent owns the node and leaves the content of the same shape alone.
        let fits = config.is_null() || config.is_object() == (shape == Shape::Map);
        return if fits { live.cloned() } else { Some(config.clone()) };
    }
    match (node.shape(config), config) {
        (Shape::Map, Value::Object(fields)) => {
            let mut merged = live.and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, config) in fields {
                match merge(merged.get(name), config, node.field_or_deduced(name)) {
                    Some(value) => merged.insert(name.clone(), value),
                    None => merged.remove(name),
                };
            }
            Some(Value::Object(merged))
        }
        (Shape::List, Value::Array(items)) => {
            let none = Vec::new();
            let live = live.and_then(Value::as_array).unwrap_or(&none);
            Some(Value::Array(merge_lists(live, items, node)))
        }
        // Typed fields have no null, unless the schema says so.
        (_, Value::Null) if node.schema().is_some_and(|s| !s.nullable && s.ty != Type::Any) => None,
        _ => Some(config.clone()),
    }
}

/// Items of the configuration in its order; items only found live stay where they were relative to
/// the live items around them.
fn merge_lists(live: &[Value], config: &[Value], node: Node<'_>) -> Vec<Value> {
    let elements = |items: &[Value]| items.iter().map(|i| node.element(i).ok()).collect::<Vec<_>>();
    let (live_elements, config_elements) = (elements(live), elements(config));
    let in_config: BTreeSet<_> = config_elements.iter().flatten().collect();
    let mut live_index: BTreeMap<&PathElement, &Value> = BTreeMap::new();
    for (element, item) in live_elements.iter().zip(live) {
        if let Some(element) = element {
            live_index.entry(element).or_insert(item);
        }
    }
    let is_live_only = |index: usize| !live_elements[index].as_ref().is_some_and(|e| in_config.contains(e));
    let mut shared = config_elements.iter().flatten().filter(|e| live_index.contains_key(e)).peekable();
    let mut merged = Vec::with_capacity(live.len().max(config.len()));
    let mut cursor = 0;
    for (element, item) in config_elements.iter().zip(config) {
        let Some(element) = element else { continue };
        let next_shared = shared.peek().copied();
        while cursor < live.len() && live_elements[cursor].as_ref() != next_shared {
            if is_live_only(cursor) {
                merged.push(live[cursor].clone());
            }
            cursor += 1;
        }
        merged.extend(merge(live_index.get(element).copied(), item, node.item()));
        if next_shared == Some(element) {
            shared.next();
            cursor = (cursor + 1).min(live.len());
        }
    }
    merged.extend((cursor..live.len()).filter(|i| is_live_only(*i)).map(|i| live[i].clone()));
    merged
}

/// The value without the fields of a set. A map or list that this empties goes too, unless it is itself
/// in `owned`.
pub(crate) fn remove(value: Value, unwanted: &FieldSet, owned: &FieldSet, node: Node<'_>) -> Value {
    if unwanted.children.is_empty() {
        return value;
    }
    let nothing = FieldSet::EMPTY;
    let keep = |value: Value, element: &PathElement| {
        let Some(unwanted) = unwanted.child(element) else { return Some(value) };
        if unwanted.member {
            return None;
        }
        let owned = owned.child(element).unwrap_or(&nothing);
        let was_hollow = is_hollow(&value);
        let rest = remove(value, unwanted, owned, node.child(element));
        (was_hollow || owned.member || !is_hollow(&rest)).then_some(rest)
    };
    match (node.shape(&value), value) {
        (Shape::Map, Value::Object(fields)) => {
            let kept = fields.into_iter().filter_map(|(name, value)| {
                let element = PathElement::Field(name);
                let value = keep(value, &element)?;
                let PathElement::Field(name) = element else { return None };
                Some((name, value))
            });
            Value::Object(kept.collect())
        }
        (Shape::List, Value::Array(items)) => {
            let kept = items.into_iter().filter_map(|item| match node.element(&item) {
                Ok(element) => keep(item, &element),
                Err(_) => Some(item),
            });
            Value::Array(kept.collect())
        }
        (_, value) => value,
    }
}
