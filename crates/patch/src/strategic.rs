//! Strategic merge patches: merge patches that know which lists have keys.
//!
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Deref as _;

use machinery::{Reason, Status};
use schema::Schema;
use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const SET_ORDER: &str = "$setElementOrder/";

/// Why a strategic merge patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `$patch` has a value other than `replace`, `delete` and `merge`.
    #[error("unknown patch type: {directive} in map: {map}")]
    UnknownDirective {
        /// Value of `$patch`.
        directive: String,
        /// The map it stands in, as Go prints it.
        map: String,
    },
    /// An item of a list merged by key has no such key.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item, as Go prints it.
        item: String,
        /// The key field.
        key: String,
    },
    /// A list merged by key holds something that is not a map.
    #[error("expected a map as an item of list {field}, got {item}")]
    NotAMap {
        /// Field of the list.
        field: String,
        /// The item, as Go prints it.
        item: String,
    },
    /// A list that is merged holds lists.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// The patch is not a JSON object.
    #[error("error decoding patch: a strategic merge patch must be a JSON object")]
    NotAnObject,
    /// `$deleteFromPrimitiveList` is not a list of scalars for a list.
    #[error("invalid patch format of primitive list")]
    BadDeleteList,
    /// `$retainKeys` is not a list, or lacks a field the patch sets.
    #[error("invalid patch format of retainKeys")]
    BadRetainKeys,
    /// `$setElementOrder` is not a list, or stands for a field that is none.
    #[error("invalid patch format of setElementOrder list")]
    BadOrderList,
    /// `$setElementOrder` lacks an item of the patch, or has them in another order.
    #[error("The order in patch list:\n{patch}\n doesn't match {directive} list:\n{order}\n")]
    OrderMismatch {
        /// The directive with its field.
        directive: String,
        /// The patch's list, as Go prints it.
        patch: String,
        /// The order list, as Go prints it.
        order: String,
    },
}

impl Error {
    /// What the API server answers: 400, 422, or 500 without a reason.
    pub fn status(&self) -> Status {
        match self {
            Self::NotAnObject | Self::BadDeleteList | Self::BadRetainKeys | Self::BadOrderList => {
                Status::bad_request(self.to_string())
            }
            Self::ListOfLists => Status {
                details: Some(Box::default()),
                ..Status::new(
                    Reason::Invalid,
                    "the server rejected our request due to an error in our request",
                )
            },
            Self::UnknownDirective { .. }
            | Self::NoMergeKey { .. }
            | Self::NotAMap { .. }
            | Self::OrderMismatch { .. } => Status::new(Reason::Unknown, self.to_string()),
        }
    }
}

/// Applies a strategic merge patch to an object's value. On an error the value may be half changed:
/// patch a copy.
///
/// # Errors
/// [`Error`], whose [`Error::status`] is the API server's answer.
pub fn apply(target: &mut Value, patch: &Value, schema: &Schema) -> Result<(), Error> {
    let Value::Object(patch) = patch else { return Err(Error::NotAnObject) };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return Ok(()) };
    merge_map(fields, patch, Some(schema))
}

/// Whether a key of a patch is an instruction rather than a field.
fn is_directive(key: &str) -> bool {
    key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER)
}

fn merge_map(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<(), Error> {
    match patch.get(DIRECTIVE).map(|d| d.as_str()) {
        None | Some(Some("merge")) => {}
        Some(Some("delete")) => {
            target.clear();
            return Ok(());
        }
        Some(Some("replace")) => {
            // What replaces is taken as it stands.
            *target = patch.clone();
            target.remove(DIRECTIVE);
            return Ok(());
        }
        Some(_) => return Err(unknown_directive(patch)),
    }
    retain_keys(target, patch)?;
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE_FROM) {
            delete_from_list(target.get_mut(field), value)?;
        }
    }
    for (key, value) in patch.iter().filter(|(key, _)| !is_directive(key)) {
        let order = patch.get(&format!("{SET_ORDER}{key}"));
        merge_field(target, key, value, order, schema.and_then(|s| s.field(key)))?;
    }
    // Lists that are only reordered.
    for (key, order) in patch {
        if let Some(field) = key.strip_prefix(SET_ORDER).filter(|field| !patch.contains_key(*field)) {
            reorder(target, field, order, schema.and_then(|s| s.field(field)))?;
        }
    }
    Ok(())
}

fn unknown_directive(map: &Map<String, Value>) -> Error {
    let directive = match map.get(DIRECTIVE) {
        Some(Value::String(text)) => text.clone(),
        other => go_text(other.unwrap_or(&Value::Null)),
    };
    Error::UnknownDirective { directive, map: go_map(map) }
}

/// `$retainKeys`: fields that are not named go, before anything is merged.
fn retain_keys(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), Error> {
    let Some(keys) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let keys = keys.as_array().ok_or(Error::BadRetainKeys)?;
    let named = |key: &str| keys.iter().any(|k| k.as_str() == Some(key));
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !named(key)) {
        return Err(Error::BadRetainKeys);
    }
    target.retain(|key, _| named(key));
    Ok(())
}

fn delete_from_list(list: Option<&mut Value>, unwanted: &Value) -> Result<(), Error> {
    let unwanted = unwanted.as_array().ok_or(Error::BadDeleteList)?;
    match list {
        Some(Value::Array(items)) => {
            items.retain(|item| !unwanted.contains(item));
            Ok(())
        }
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Error::BadDeleteList),
    }
}

fn merge_field(
    target: &mut Map<String, Value>,
    key: &str,
    patch: &Value,
    order: Option<&Value>,
    schema: Option<&Schema>,
) -> Result<(), Error> {
    let strategy = schema.map(|s| s.patch_strategy).unwrap_or_default();
    match patch {
        Value::Null => {
            target.remove(key);
        }
        Value::Object(changes) if !strategy.replace => {
            let child = target.entry(key).or_insert(Value::Null);
            if !child.is_object() {
                *child = Value::Object(Map::new());
            }
            if let Value::Object(child) = child {
                merge_map(child, changes, schema)?;
            }
        }
        Value::Object(changes) => {
            let mut replacement = changes.clone();
            replacement.retain(|key, _| !is_directive(key));
            target.insert(key.into(), Value::Object(replacement));
        }
        Value::Array(changes) if strategy.merge => {
            let live = match target.remove(key) {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            };
            let merged = List { field: key, schema }.merge(live, changes, order)?;
            target.insert(key.into(), Value::Array(merged));
        }
        _ => {
            target.insert(key.into(), patch.clone());
        }
    }
    Ok(())
}

fn reorder(
    target: &mut Map<String, Value>,
    field: &str,
    order: &Value,
    schema: Option<&Schema>,
) -> Result<(), Error> {
    let order = order.as_array().ok_or(Error::BadOrderList)?;
    match target.get_mut(field) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(items)) => {
            let list = List { field, schema };
            let live = items.clone();
            *items = list.arrange(std::mem::take(items), order, &live);
            Ok(())
        }
        Some(_) => Err(Error::BadOrderList),
    }
}

/// A list that is merged item by item.
#[derive(Clone, Copy)]
struct List<'a> {
    field: &'a str,
    schema: Option<&'a Schema>,
}

impl<'a> List<'a> {
    /// The key field of items that are maps.
    fn merge_key(self) -> Option<&'a str> {
        self.schema.and_then(|s| s.patch_merge_key.as_deref())
    }

    fn item_schema(self) -> Option<&'a Schema> {
        self.schema.and_then(|s| s.items.as_ref()).map(|items| items.deref())
    }

    /// What identifies an item: its key field, or the scalar itself.
    fn identity(self, item: &Value) -> Option<&Value> {
        match (self.merge_key(), item) {
            (Some(key), Value::Object(map)) => map.get(key),
            _ => Some(item),
        }
    }

    /// What identifies an item, as text to look it up by.
    fn name(self, item: &Value) -> Option<String> {
        self.identity(item).map(Value::to_string)
    }

    /// Where each item first stands in a list.
    fn places(self, items: &[Value]) -> BTreeMap<String, usize> {
        let mut places = BTreeMap::new();
        for (place, item) in items.iter().enumerate() {
            if let Some(name) = self.name(item) {
                places.entry(name).or_insert(place);
            }
        }
        places
    }

    fn merge(self, live: Vec<Value>, patch: &[Value], order: Option<&Value>) -> Result<Vec<Value>, Error> {
        if patch.iter().any(Value::is_array) {
            return Err(Error::ListOfLists);
        }
        let order = order.map(|o| o.as_array().ok_or(Error::BadOrderList)).transpose()?;
        if let Some(order) = order {
            self.check_order(patch, order)?;
        }
        let mut merged = live.clone();
        match self.merge_key() {
            Some(key) if !patch.is_empty() => {
                if self.merge_maps(&mut merged, patch, key)? == Outcome::Replaced {
                    return Ok(merged);
                }
            }
            _ => {
                let mut seen: BTreeSet<String> = live.iter().map(Value::to_string).collect();
                merged.extend(patch.iter().filter(|item| seen.insert(item.to_string())).cloned());
            }
        }
        Ok(self.arrange(merged, order.map_or(patch, Vec::as_slice), &live))
    }

    fn merge_maps(self, merged: &mut Vec<Value>, patch: &[Value], key: &str) -> Result<Outcome, Error> {
        let mut changes: Vec<&Map<String, Value>> = Vec::with_capacity(patch.len());
        let mut outcome = Outcome::Merged;
        let mut deleted = BTreeSet::new();
        for item in patch {
            let Value::Object(item) = item else {
                return Err(Error::NotAMap { field: self.field.into(), item: go_text(item) });
            };
            let no_key = || Error::NoMergeKey { item: go_map(item), key: key.into() };
            match item.get(DIRECTIVE).map(|d| d.as_str()) {
                None => {
                    if !item.contains_key(key) {
                        return Err(no_key());
                    }
                    changes.push(item);
                }
                Some(Some("delete")) => {
                    deleted.insert(item.get(key).ok_or_else(no_key)?.to_string());
                }
                Some(Some("replace")) => outcome = Outcome::Replaced,
                Some(Some("merge")) if item.contains_key(key) => changes.push(item),
                Some(Some("merge")) => {}
                Some(_) => return Err(unknown_directive(item)),
            }
        }
        match outcome {
            Outcome::Replaced => merged.clear(),
            Outcome::Merged if deleted.is_empty() => {}
            Outcome::Merged => {
                merged.retain(|item| self.name(item).is_none_or(|name| !deleted.contains(&name)))
            }
        }
        let mut places = self.places(merged);
        for change in changes {
            let place = change.get(key).map(Value::to_string).and_then(|name| match places.entry(name) {
                Entry::Occupied(entry) => Some(*entry.get()),
                Entry::Vacant(entry) => {
                    entry.insert(merged.len());
                    None
                }
            });
            if let Some(existing) =
                place.and_then(|place| merged.get_mut(place)).and_then(Value::as_object_mut)
            {
                merge_map(existing, change, self.item_schema())?;
            } else {
                let mut item = Map::new();
                merge_map(&mut item, change, self.item_schema())?;
                merged.push(Value::Object(item));
            }
        }
        Ok(outcome)
    }

    /// Every item that the patch sets must be in the order list, in the same relative order.
    fn check_order(self, patch: &[Value], order: &[Value]) -> Result<(), Error> {
        let set = patch.iter().filter(|item| item.get(DIRECTIVE).is_none());
        let mut rest = order.iter();
        for item in set {
            let Some(wanted) = self.identity(item) else { continue };
            if !rest.any(|other| self.identity(other) == Some(wanted)) {
                return Err(Error::OrderMismatch {
                    directive: format!("{SET_ORDER}{}", self.field),
                    patch: go_list(patch),
                    order: go_list(order),
                });
            }
        }
        Ok(())
    }

    /// Puts the items that `order` mentions into its order; the others stay before the item they came
    /// before in the live list, in their own order.
    fn arrange(self, merged: Vec<Value>, order: &[Value], live: &[Value]) -> Vec<Value> {
        let (wanted, before) = (self.places(order), self.places(live));
        let mut mentioned = Vec::with_capacity(merged.len());
        let mut others = Vec::new();
        for item in merged {
            let name = self.name(&item);
            let place = |places: &BTreeMap<String, usize>| name.as_ref().and_then(|n| places.get(n)).copied();
            match place(&wanted) {
                Some(place_wanted) => mentioned.push((place_wanted, place(&before), item)),
                None => others.push((place(&before), item)),
            }
        }
        mentioned.sort_by_key(|(place, _, _)| *place);
        others.reverse();
        let mut arranged = Vec::with_capacity(mentioned.len() + others.len());
        for (_, was, item) in mentioned {
            while others
                .last()
                .is_some_and(|(other, _)| other.zip(was).is_some_and(|(other, was)| other < was))
            {
                arranged.extend(others.pop().map(|(_, other)| other));
            }
            arranged.push(item);
        }
        arranged.extend(others.into_iter().rev().map(|(_, other)| other));
        arranged
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Merged,
    Replaced,
}

/// A value as Go's `%v` prints it, for example `map[spec:map[replicas:1]]`; error messages of the API server carry
/// this form.
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => go_list(items),
        Value::Object(map) => go_map(map),
    }
}

fn go_list(items: &[Value]) -> String {
    let items: Vec<String> = items.iter().map(go_text).collect();
    format!("[{}]", items.join(" "))
}

fn go_map(map: &Map<String, Value>) -> String {
    let mut text = String::from("map[");
    for (index, (key, value)) in map.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = write!(text, "{space}{key}:{}", go_text(value));
    }
    text + "]"
}

#[cfg(test)]
mod tests;
