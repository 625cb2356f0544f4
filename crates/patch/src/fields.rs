//! Sets of fields: what a manager owns, as `managedFields[].fieldsV1` writes it.
//!
//! ```text
//! f:spec                    a field
//!   f:ports
//!     k:{"port":80}         an item of a list, by its key fields
//!       .                   the item itself belongs to the set
//!       f:port
//!   f:finalizers
//!     v:"a/b"               an item of a set, by its value
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// One step of a path into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of a struct or map: `f:name`.
    Field(String),
    /// An item of a list by its key fields, as compact JSON: `k:{"name":"a"}`.
    Key(String),
    /// An item of a set by its value, as compact JSON: `v:"a"`.
    Value(String),
    /// An item of a list by its position: `i:0`.
    Index(u64),
}

impl PathElement {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let json = || serde_json::from_str::<Value>(rest).ok();
        Some(match kind {
            "f" => Self::Field(rest.into()),
            "k" => Self::Key(json().filter(Value::is_object)?.to_string()),
            "v" => Self::Value(json()?.to_string()),
            "i" => Self::Index(rest.parse().ok()?),
            _ => return None,
        })
    }

    fn to_text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(key) => format!("k:{key}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

impl fmt::Display for PathElement {
    /// As conflicts name it: `.name`, `[name="a"]`, `[="a"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(key) => {
                let fields: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A set of paths, kept as a tree. A path can belong to the set without what is below it, and the
/// other way round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSet {
    /// Whether the path that leads here belongs to the set.
    pub(crate) member: bool,
    /// What is below; never an empty set.
    pub(crate) children: BTreeMap<PathElement, Self>,
}

impl FieldSet {
    /// The set of nothing.
    pub const EMPTY: Self = Self { member: false, children: BTreeMap::new() };

    /// The set of some top-level fields, for example `["status"]`.
    pub fn of_fields(names: &[&str]) -> Self {
        let children = names.iter().map(|name| (PathElement::Field((*name).into()), Self::leaf()));
        Self { member: false, children: children.collect() }
    }

    /// The set of some fields by their paths, for example `[["spec"], ["metadata", "labels"]]`.
    pub fn of_paths(paths: &[&[&str]]) -> Self {
        let mut set = Self::EMPTY;
        for path in paths {
            let path: Vec<_> = path.iter().map(|name| PathElement::Field((*name).into())).collect();
            set.insert(&path);
        }
        set
    }

    /// The set of one path and nothing below it.
    pub(crate) fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// Whether no path belongs to the set.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[PathElement]) {
        let mut node = self;
        for element in path {
            node = node.children.entry(element.clone()).or_default();
        }
        node.member = true;
    }

    /// Whether a path belongs to the set.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        let node = path.iter().try_fold(self, |node, element| node.children.get(element));
        node.is_some_and(|node| node.member)
    }

    /// What is below one step.
    pub(crate) fn child(&self, element: &PathElement) -> Option<&Self> {
        self.children.get(element)
    }

    pub(crate) fn field_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.children.get_mut(&PathElement::Field(name.into()))
    }

    pub(crate) fn remove_field(&mut self, name: &str) {
        self.children.remove(&PathElement::Field(name.into()));
    }

    /// Puts a subtree below one step, unless it is empty.
    pub(crate) fn attach(&mut self, element: PathElement, child: Self) {
        if !child.is_empty() {
            self.children.insert(element, child);
        }
    }

    /// Adds every path of another set.
    pub fn union_with(&mut self, other: &Self) {
        self.member |= other.member;
        for (element, child) in &other.children {
            match self.children.get_mut(element) {
                Some(own) => own.union_with(child),
                None => {
                    self.children.insert(element.clone(), child.clone());
                }
            }
        }
    }

    /// The paths of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.union_with(other);
        union
    }

    /// Removes exactly the paths of another set; what is below them stays.
    pub fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (element, child) in &other.children {
            let Some(own) = self.children.get_mut(element) else { continue };
            own.subtract(child);
            if own.is_empty() {
                self.children.remove(element);
            }
        }
    }

    /// The paths of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut difference = self.clone();
        difference.subtract(other);
        difference
    }

    /// Removes the paths of another set with everything below them.
    pub fn subtract_with_children(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if other.member {
            *self = Self::EMPTY;
            return;
        }
        for (element, child) in &other.children {
            let Some(own) = self.children.get_mut(element) else { continue };
            own.subtract_with_children(child);
            if own.is_empty() {
                self.children.remove(element);
            }
        }
    }

    /// The paths of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (element, child) in &self.children {
            if let Some(other) = other.children.get(element) {
                both.attach(element.clone(), child.intersection(other));
            }
        }
        both
    }

    /// The paths as conflicts name them; at each level the members come before what is below them.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        for (element, _) in self.children.iter().filter(|(_, child)| child.member) {
            paths.push(format!("{prefix}{element}"));
        }
        for (element, child) in self.children.iter().filter(|(_, child)| !child.children.is_empty()) {
            child.collect(&format!("{prefix}{element}"), paths);
        }
    }

    /// Reads the form of `fieldsV1`; nothing when it is malformed.
    pub fn from_json(value: &Value) -> Option<Self> {
        let mut set = Self::EMPTY;
        for (key, value) in value.as_object()? {
            if key == "." {
                set.member = true;
                continue;
            }
            let mut child = Self::from_json(value)?;
            // A leaf belongs to the set without saying so.
            child.member |= child.children.is_empty();
            set.children.insert(PathElement::parse(key)?, child);
        }
        Some(set)
    }

    /// The form of `fieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            map.insert(element.to_text(), child.to_json());
        }
        Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set() -> impl Strategy<Value = FieldSet> {
        let element = prop_oneof![
            "[ab]".prop_map(PathElement::Field),
            "[ab]".prop_map(|n| PathElement::Key(json!({"name": n}).to_string())),
            "[ab]".prop_map(|n| PathElement::Value(json!(n).to_string())),
        ];
        prop::collection::vec(prop::collection::vec(element, 1..4), 0..8).prop_map(|paths| {
            let mut set = FieldSet::EMPTY;
            for path in paths {
                set.insert(&path);
            }
            set
        })
    }

    proptest! {
        #[test]
        fn sets_obey_the_laws_of_sets(a in set(), b in set()) {
            let union = a.union(&b);
            prop_assert_eq!(&union, &b.union(&a));
            prop_assert_eq!(&union.intersection(&a), &a);
            prop_assert_eq!(&a.difference(&b).union(&a.intersection(&b)), &a);
            prop_assert!(a.difference(&b).intersection(&b).is_empty());
            prop_assert!(a.difference(&a).is_empty());
            prop_assert_eq!(a.difference(&b).paths().len() + a.intersection(&b).paths().len(), a.paths().len());
        }

        #[test]
        fn the_written_form_reads_back(a in set()) {
            prop_assert_eq!(FieldSet::from_json(&a.to_json()).unwrap(), a);
        }
    }

    #[test]
    fn the_written_form_is_kubernetes() {
        let written = json!({
            "f:metadata": {"f:finalizers": {".": {}, "v:\"a/b\"": {}}},
            "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
        });
        let set = FieldSet::from_json(&written).unwrap();
        assert_eq!(set.to_json(), written);
        assert_eq!(
            set.paths(),
            [
                ".metadata.finalizers",
                ".metadata.finalizers[=\"a/b\"]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].port",
            ]
        );
        for bad in
            [json!([]), json!({"x:a": {}}), json!({"k:[]": {}}), json!({"f:a": 1}), json!({"nothing": {}})]
        {
            assert!(FieldSet::from_json(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn whole_subtrees_can_be_taken_out() {
        let mut set =
            FieldSet::from_json(&json!({"f:spec": {"f:a": {}}, "f:status": {"f:b": {"f:c": {}}}})).unwrap();
        set.subtract_with_children(&FieldSet::of_fields(&["status"]));
        assert_eq!(set.to_json(), json!({"f:spec": {"f:a": {}}}));
    }
}
