//! JSON and YAML to values, with the paths of keys that occur twice.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// A parsed body.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// The value; of keys that occur twice the last one counts.
    pub value: Value,
    /// Paths of keys that occur twice, for example `data.a` or `spec.containers[0].name`.
    pub duplicates: Vec<String>,
}

/// Parses a JSON body.
///
/// # Errors
/// A text for people when it is not one JSON value.
pub fn json(body: &[u8]) -> Result<Parsed, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Parses a YAML body by the rules of YAML 1.1, as Kubernetes does: `yes` and `on` are booleans, `0644` is
/// octal, `1.0` is a whole number. Only the first document is read; an empty one is `null`.
///
/// # Errors
/// A text for people when it is not YAML, is nested too deeply, or grows beyond measure through its aliases.
pub fn yaml(body: &[u8]) -> Result<Parsed, String> {
    // Most server-side applies are JSON under YAML's media type, and JSON is read many times faster.
    if body.trim_ascii_start().starts_with(b"{")
        && let Ok(mut parsed) = json(body)
    {
        make_whole(&mut parsed.value);
        return Ok(parsed);
    }
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    if is_empty_document(text) {
        return Ok(Parsed::default());
    }
    let mut parsed = std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(YAML_STACK_BYTES);
        let parser = parser.spawn_scoped(scope, || {
            serde_saphyr::from_str_with_options::<Parsed>(text, yaml_options())
                .map_err(|error| error.to_string())
        });
        let parsed = parser.map_err(|error| error.to_string())?.join();
        parsed.unwrap_or_else(|_| Err("the YAML parser gave up".into()))
    })?;
    make_whole(&mut parsed.value);
    Ok(parsed)
}

/// Stack of the thread that parses one YAML body. The parser takes about 30 KiB for each level of nesting when it
/// is not optimised, more than a server's threads have for [`YAML_DEPTH_MAX`] levels.
const YAML_STACK_BYTES: usize = 16 << 20;

/// Nodes of a YAML body, those in expanded aliases counted each time. A body has at most 3 MiB, so that
/// honest ones stay below, and a bomb of aliases ends within a fraction of a second.
const YAML_NODES_MAX: usize = 400_000;

/// Nesting of a YAML body; that of JSON bodies has the same limit.
const YAML_DEPTH_MAX: usize = 128;

fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: YAML_NODES_MAX },
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            max_depth: YAML_DEPTH_MAX,
            flow_nesting_limit: YAML_DEPTH_MAX,
        },
    }
}

/// Turns floats that are whole into integers: on its way through Go's YAML to JSON, `1.0` becomes `1`.
fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64())
                && float.fract() == 0.0
                && float.abs() < MAX_EXACT
                && let Ok(whole) = format!("{float:.0}").parse::<i64>()
            {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(map) => map.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Below this, every whole float is the integer it says.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

fn is_empty_document(text: &str) -> bool {
    let content = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    content.into_iter().all(|line| line == "---")
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut duplicates = Vec::new();
        let value = Node { duplicates: &mut duplicates }.deserialize(deserializer)?;
        let mut seen = BTreeSet::new();
        duplicates.retain(|path| seen.insert(path.clone()));
        Ok(Self { value, duplicates })
    }
}

/// Reads one node. Paths of duplicates are relative to it; its parents put their own step in front.
struct Node<'a> {
    duplicates: &'a mut Vec<String>,
}

impl Node<'_> {
    fn put_in_front(&mut self, from: usize, step: impl Fn(&str) -> String) {
        for path in &mut self.duplicates[from..] {
            *path = step(path);
        }
    }
}

/// Puts a key in front of a path that may begin with an index.
fn join(key: &str, path: &str) -> String {
    if path.starts_with('[') { format!("{key}{path}") } else { format!("{key}.{path}") }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let known = self.duplicates.len();
            let Some(item) = items.next_element_seed(Node { duplicates: &mut *self.duplicates })? else {
                return Ok(Value::Array(list));
            };
            self.put_in_front(known, |path| join(&format!("[{}]", list.len()), path));
            list.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            let known = self.duplicates.len();
            let value = entries.next_value_seed(Node { duplicates: &mut *self.duplicates })?;
            self.put_in_front(known, |path| join(&key, path));
            match map.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(mut place) => {
                    self.duplicates.push(place.key().clone());
                    place.insert(value);
                }
            }
        }
        Ok(Value::Object(map))
    }
}

/// Reads a key. YAML has keys that are numbers or booleans; they become their text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_string<E>(self, key: String) -> Result<String, E> {
        Ok(key)
    }

    fn visit_bool<E>(self, key: bool) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i64<E>(self, key: i64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_u64<E>(self, key: u64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_f64<E>(self, key: f64) -> Result<String, E> {
        Ok(key.to_string())
    }
}
