//! The built-in kinds' shapes: a compact table, each line read when its definition is first asked for.
//!
//! The table is derived from the OpenAPI documents of a kube-apiserver by `data/generate.py`; its
//! notation is described in [`line`].

mod line;
mod publish;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, OnceLock};

use machinery::GroupVersionKind;
use serde_json::Value;

use self::line::{Node, Shape};
use super::{ListType, PatchStrategy, Schema, SchemaRef, Type};

static TEXT: &str = include_str!("../data/builtin.txt");

static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

struct Table {
    entries: Vec<Entry>,
    by_name: HashMap<&'static str, usize>,
    by_kind: HashMap<&'static str, usize>,
}

struct Entry {
    name: &'static str,
    kinds: &'static str,
    body: &'static str,
    schema: OnceLock<Schema>,
}

impl Table {
    fn read() -> Self {
        let mut table = Self { entries: Vec::new(), by_name: HashMap::new(), by_kind: HashMap::new() };
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.splitn(3, '|');
            let (Some(name), Some(kinds), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let index = table.entries.len();
            table.by_name.insert(name, index);
            for kind in kinds.split(',').filter(|kind| !kind.is_empty()) {
                table.by_kind.insert(kind, index);
            }
            table.entries.push(Entry { name, kinds, body, schema: OnceLock::new() });
        }
        table
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|index| &self.entries[*index])
    }

    fn of_kind(&self, gvk: &GroupVersionKind) -> Option<&Entry> {
        let kind = format!("{}/{}", gvk.api_version(), gvk.kind);
        self.by_kind.get(kind.as_str()).map(|index| &self.entries[*index])
    }
}

impl Entry {
    fn node(&self) -> Node<'static> {
        line::read(self.body).expect("every line of the table is read by a test")
    }

    fn schema(&self) -> &Schema {
        self.schema.get_or_init(|| schema(&self.node()))
    }
}

/// A definition by its OpenAPI name, for example `io.k8s.api.core.v1.PodSpec`.
pub fn definition(name: &str) -> Option<&'static Schema> {
    TABLE.entry(name).map(Entry::schema)
}

/// The shape of a built-in kind.
pub fn kind(gvk: &GroupVersionKind) -> Option<&'static Schema> {
    TABLE.of_kind(gvk).map(Entry::schema)
}

/// The OpenAPI name of a built-in kind's definition.
pub fn definition_name(gvk: &GroupVersionKind) -> Option<&'static str> {
    TABLE.of_kind(gvk).map(|entry| entry.name)
}

/// The OpenAPI names of all definitions, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.entries.iter().map(|entry| entry.name)
}

/// The kinds a definition stands for; none for most, many for those that every group has
/// (`DeleteOptions`, `WatchEvent`).
pub fn kinds(name: &str) -> Vec<GroupVersionKind> {
    let Some(entry) = TABLE.entry(name) else {
        return Vec::new();
    };
    let split = entry.kinds.split(',').filter_map(|kind| kind.rsplit_once('/'));
    split.map(|(api_version, kind)| GroupVersionKind::from_api_version(api_version, kind)).collect()
}

/// The definition as OpenAPI v3, with `$ref`s below `#/components/schemas/` and without
/// `x-kubernetes-group-version-kind` (see [`kinds`]).
pub fn open_api(name: &str) -> Option<Value> {
    TABLE.entry(name).map(|entry| publish::definition(&entry.node()))
}

fn reference(node: &Node<'static>) -> SchemaRef {
    match node.shape {
        Shape::Ref(name) if node.map_type.is_none() && node.strategy.is_none() => SchemaRef::Builtin(name),
        Shape::Ref(name) => {
            let mut merged = definition(name).cloned().expect("the table refers only to its own definitions");
            merged.atomic |= node.map_type == Some("atomic");
            merged.patch_strategy = strategy(node);
            SchemaRef::Inline(Arc::new(merged))
        }
        Shape::Word(_) | Shape::List(_) | Shape::Map(_) | Shape::Struct(_) => {
            SchemaRef::Inline(Arc::new(schema(node)))
        }
    }
}

fn schema(node: &Node<'static>) -> Schema {
    let mut schema = match &node.shape {
        Shape::Word(word) => scalar(word),
        Shape::Ref(name) => return definition(name).cloned().unwrap_or_default(),
        Shape::List(items) => Schema { ty: Type::Array, items: Some(reference(items)), ..Schema::default() },
        Shape::Map(values) => {
            Schema { ty: Type::Object, additional_properties: Some(reference(values)), ..Schema::default() }
        }
        Shape::Struct(fields) => {
            let properties: BTreeMap<_, _> =
                fields.iter().map(|field| (field.name.to_owned(), reference(&field.node))).collect();
            let required = fields.iter().filter(|field| field.required).map(|field| field.name.to_owned());
            Schema { ty: Type::Object, properties, required: required.collect(), ..Schema::default() }
        }
    };
    schema.list_type = match node.list_type {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map,
        _ => ListType::Atomic,
    };
    schema.list_map_keys = node.list_map_keys.iter().map(|key| (*key).to_owned()).collect();
    schema.atomic = node.map_type == Some("atomic");
    schema.patch_strategy = strategy(node);
    schema.patch_merge_key = node.merge_key.map(Into::into);
    schema.default = node.default.clone();
    schema
}

fn scalar(word: &str) -> Schema {
    let (ty, format) = match word {
        "string" => (Type::String, None),
        "boolean" => (Type::Boolean, None),
        "integer" => (Type::Integer, None),
        "int32" | "int64" => (Type::Integer, Some(word)),
        "number" => (Type::Number, None),
        "double" => (Type::Number, Some(word)),
        "byte" | "date-time" | "quantity" => (Type::String, Some(word)),
        "object" => (Type::Object, None),
        _ => (Type::Any, None),
    };
    Schema {
        ty,
        format: format.map(Into::into),
        int_or_string: word == "int-or-string",
        preserve_unknown: matches!(word, "object" | "any"),
        ..Schema::default()
    }
}

fn strategy(node: &Node<'_>) -> PatchStrategy {
    let has = |word| node.strategy.is_some_and(|strategy| strategy.split(',').any(|part| part == word));
    PatchStrategy { merge: has("merge"), retain_keys: has("retainKeys"), replace: has("replace") }
}

#[cfg(test)]
mod tests;
