//! What patches change: values, and JSON texts that keep the order of their keys and the spelling of what is
//! not changed.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// What a node of a document is made of.
pub(crate) enum Shape {
    /// Named members.
    Map,
    /// Items.
    List,
    /// Text, a number, a boolean or null.
    Leaf,
}

/// A document that patches can walk through and change.
pub(crate) trait Tree: Sized {
    /// A new node.
    fn of(value: Value) -> Self;
    /// What the node is made of.
    fn shape(&mut self) -> Shape;
    /// A member of a map.
    fn member(&mut self, key: &str) -> Option<&mut Self>;
    /// Sets a member of a map; nothing happens to other nodes.
    fn set_member(&mut self, key: &str, value: Self);
    /// Takes a member out of a map, and says whether it was there.
    fn remove_member(&mut self, key: &str) -> bool;
    /// The items of a list.
    fn items(&mut self) -> Option<&mut Vec<Self>>;
}

impl Tree for Value {
    fn of(value: Value) -> Self {
        value
    }

    fn shape(&mut self) -> Shape {
        match self {
            Self::Object(_) => Shape::Map,
            Self::Array(_) => Shape::List,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => Shape::Leaf,
        }
    }

    fn member(&mut self, key: &str) -> Option<&mut Self> {
        self.as_object_mut()?.get_mut(key)
    }

    fn set_member(&mut self, key: &str, value: Self) {
        if let Self::Object(map) = self {
            map.insert(key.to_owned(), value);
        }
    }

    fn remove_member(&mut self, key: &str) -> bool {
        self.as_object_mut().is_some_and(|map| map.remove(key).is_some())
    }

    fn items(&mut self) -> Option<&mut Vec<Self>> {
        self.as_array_mut()
    }
}

/// JSON text, taken apart only where a patch goes.
pub(crate) enum Text {
    /// As it was written.
    Raw(Box<RawValue>),
    /// Members in their order.
    Map(Vec<(String, Self)>),
    /// Items.
    List(Vec<Self>),
}

impl Text {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self::Raw)
    }

    fn open(&mut self) {
        let Self::Raw(raw) = self else { return };
        let text = raw.get();
        let opened = match text.as_bytes().first() {
            Some(b'{') => serde_json::from_str(text).ok().map(|Members(members)| Self::Map(members)),
            Some(b'[') => serde_json::from_str(text)
                .ok()
                .map(|items: Vec<Box<RawValue>>| Self::List(items.into_iter().map(Self::Raw).collect())),
            _ => None,
        };
        if let Some(opened) = opened {
            *self = opened;
        }
    }
}

/// The members of a map as they stand.
struct Members(Vec<(String, Text)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Text)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((key, Text::Raw(value)));
                }
                // Of a key that stands there twice the last one counts, as for every other reader.
                let mut seen = std::collections::BTreeSet::new();
                members.reverse();
                members.retain(|(key, _)| seen.insert(key.clone()));
                members.reverse();
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl Tree for Text {
    fn of(value: Value) -> Self {
        match value {
            Value::Object(map) => {
                Self::Map(map.into_iter().map(|(key, value)| (key, Self::of(value))).collect())
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect()),
            leaf => Self::Raw(RawValue::from_string(leaf.to_string()).expect("a JSON value prints as JSON")),
        }
    }

    fn shape(&mut self) -> Shape {
        self.open();
        match self {
            Self::Map(_) => Shape::Map,
            Self::List(_) => Shape::List,
            Self::Raw(_) => Shape::Leaf,
        }
    }

    fn member(&mut self, key: &str) -> Option<&mut Self> {
        self.open();
        let Self::Map(members) = self else { return None };
        members.iter_mut().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    fn set_member(&mut self, key: &str, value: Self) {
        if let Some(member) = self.member(key) {
            *member = value;
        } else if let Self::Map(members) = self {
            members.push((key.to_owned(), value));
        }
    }

    fn remove_member(&mut self, key: &str) -> bool {
        self.open();
        let Self::Map(members) = self else { return false };
        let before = members.len();
        members.retain(|(k, _)| k != key);
        members.len() != before
    }

    fn items(&mut self) -> Option<&mut Vec<Self>> {
        self.open();
        match self {
            Self::List(items) => Some(items),
            Self::Map(_) | Self::Raw(_) => None,
        }
    }
}

impl fmt::Display for Text {
    /// The document in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw(raw) => write_compact(raw.get(), f),
            Self::Map(members) => {
                f.write_str("{")?;
                for (i, (key, value)) in members.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Writes JSON without the white space between its parts.
fn write_compact(json: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (mut start, mut in_text, mut escaped) = (0, false, false);
    for (i, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b' ' | b'\t' | b'\n' | b'\r' if !in_text => {
                f.write_str(&json[start..i])?;
                start = i + 1;
            }
            _ => {}
        }
    }
    f.write_str(&json[start..])
}
