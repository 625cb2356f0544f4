//! What differs between two states of an object, as sets of fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::fields::{FieldSet, PathElement};
use crate::node::{Node, Shape};

/// What differs between an old and a new state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Fields that are new or have another value.
    pub(crate) changed: FieldSet,
    /// Fields that are gone.
    pub(crate) removed: FieldSet,
}

impl Comparison {
    fn attach(&mut self, element: PathElement, child: Self) {
        self.changed.attach(element.clone(), child.changed);
        self.removed.attach(element, child.removed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

/// Whether the struct or map around a value exists in each state, written or not.
#[derive(Clone, Copy)]
struct Around {
    old: bool,
    new: bool,
}

/// Compares two states of an object; an absent one differs in every field.
pub(crate) fn compare(old: Option<&Value>, new: Option<&Value>, node: Node<'_>) -> Comparison {
    compare_at(old, new, node, Around { old: old.is_some(), new: new.is_some() })
}

fn compare_at(old: Option<&Value>, new: Option<&Value>, node: Node<'_>, around: Around) -> Comparison {
    // A typed field that is null is absent.
    let (old, new) = (old.filter(|v| node.has_value(v)), new.filter(|v| node.has_value(v)));
    // A struct that is not written exists where the struct around it does.
    let here = Around {
        old: old.is_some() || (node.implied && around.old),
        new: new.is_some() || (node.implied && around.new),
    };
    let mut result = Comparison::default();
    if old == new {
        return result;
    }
    let shape = |value: Option<&Value>| value.filter(|v| !is_hollow(v)).map(|v| node.shape(v));
    match (shape(old), shape(new)) {
        (Some(Shape::Map), None | Some(Shape::Map)) | (None, Some(Shape::Map)) => {
            compare_maps(old, new, node, here, &mut result);
            mark_whole(here, &mut result);
        }
        (Some(Shape::List), None | Some(Shape::List)) | (None, Some(Shape::List)) => {
            compare_lists(old, new, node, &mut result);
            mark_whole(here, &mut result);
        }
        (Some(a), Some(b)) if a != b => {
            result.removed = compare(old, None, node).removed;
            result.changed = compare(None, new, node).changed;
            result.removed.member = false;
            result.changed.member = true;
        }
        // An implied field exists with its empty value.
        _ if node.implied && around.old && old.is_none() && new.is_some_and(is_zero) => {}
        _ if node.implied && around.new && new.is_none() && old.is_some_and(is_zero) => {}
        _ if new.is_none() => result.removed.member = true,
        _ => result.changed.member = !old.zip(new).is_some_and(|(a, b)| same(a, b)),
    }
    result
}

/// Whether a value fits any shape: null, or a map or list without content.
pub(crate) fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a value is what Go has for an unset field.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        // An unset list is null, which an empty one is not.
        Value::Array(_) => false,
        Value::Null => true,
    }
}

/// Equality by meaning: `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}

/// A map or list that came or went itself is in the set, besides its content.
fn mark_whole(here: Around, result: &mut Comparison) {
    result.changed.member |= !here.old;
    result.removed.member |= !here.new;
}

fn compare_maps(
    old: Option<&Value>,
    new: Option<&Value>,
    node: Node<'_>,
    here: Around,
    result: &mut Comparison,
) {
    let empty = Map::new();
    let (old, new) = (fields(old).unwrap_or(&empty), fields(new).unwrap_or(&empty));
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    for key in new.keys().chain(gone) {
        let (old, new) = (old.get(key), new.get(key));
        if old != new {
            result.attach(
                PathElement::Field(key.clone()),
                compare_at(old, new, node.field_or_deduced(key), here),
            );
        }
    }
}

/// The fields of a map; nothing for an absent one.
fn fields(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn compare_lists(old: Option<&Value>, new: Option<&Value>, node: Node<'_>, result: &mut Comparison) {
    let (old, new) = (index(old, node), index(new, node));
    let gone = old.keys().filter(|element| !new.contains_key(*element));
    for element in new.keys().chain(gone) {
        let (old, new) = (items_of(&old, element), items_of(&new, element));
        let child = match (old.as_slice(), new.as_slice()) {
            ([] | [_], [] | [_]) => compare(old.first().copied(), new.first().copied(), node.item()),
            // The same key twice: such items are looked at as one.
            _ if old == new => continue,
            (_, []) => Comparison { removed: FieldSet::leaf(), ..Comparison::default() },
            _ => Comparison { changed: FieldSet::leaf(), ..Comparison::default() },
        };
        result.attach(element.clone(), child);
    }
}

fn items_of<'a>(index: &BTreeMap<PathElement, Vec<&'a Value>>, element: &PathElement) -> Vec<&'a Value> {
    index.get(element).cloned().unwrap_or_default()
}

/// The items of a list by what identifies them.
fn index<'a>(list: Option<&'a Value>, node: Node<'_>) -> BTreeMap<PathElement, Vec<&'a Value>> {
    let mut index: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for item in list.and_then(Value::as_array).into_iter().flatten() {
        if let Ok(element) = node.element(item) {
            index.entry(element).or_default().push(item);
        }
    }
    index
}
