//! Request bodies in Kubernetes' protobuf form, which typed Go clients prefer for built-in kinds.
//!
//! A body is four magic bytes and an envelope with kind, version and the object's message. The table
//! `messages.txt` has one line per message: the kinds it stands for, a bar, and its fields as
//! `jsonName=number` followed by `:` (one), `*` (list) or `^` (fields stand in the parent) and a type: `s` text, `b`
//! boolean, `i` integer, `d` and `f` floating point, `y` bytes, `T` time, `U` time with microseconds, `D` duration,
//! `Q` quantity, `I` integer or text, `J` raw JSON, `L` list of text, `A`, `B` and `P` a schema or schemas, boolean
//! or texts, `m…` a map from text, or the number of a line.

mod wire;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use self::wire::{Reader, Wire};

const MAGIC: &[u8] = b"k8s\0";

/// Messages within messages at most; deeper bodies are refused.
const DEPTH_MAX: usize = 100;

/// Text of plain (not optional) booleans that Go sends even when they are false and JSON leaves out.
const FALSE_IS_ABSENT: &[&str] = &[
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "readOnly",
    "stdin",
    "stdinOnce",
    "tty",
    "unschedulable",
    "publishNotReadyAddresses",
    "paused",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "nullable",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "deprecated",
    "globalDefault",
    "preserveUnknownFields",
    "insecureSkipTLSVerify",
];

/// Plain integers whose zero means unset.
const ZERO_IS_ABSENT: &[&str] = &[
    "minReadySeconds",
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
    "hostPort",
    "nodePort",
    "healthCheckNodePort",
    "observedGeneration",
    "generation",
    "count",
    "targetPort",
];

#[derive(Debug, Clone)]
enum Type {
    Text,
    Boolean,
    Integer,
    Double,
    Float,
    Bytes,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    Json,
    Texts,
    SchemaOrList,
    SchemaOrBool,
    SchemaOrTexts,
    Map(Box<Self>),
    Message(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    One,
    List,
    Inline,
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    count: Count,
    ty: Type,
}

#[derive(Debug, Default)]
struct Table {
    messages: Vec<BTreeMap<u64, Field>>,
    kinds: BTreeMap<&'static str, usize>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for line in include_str!("messages.txt").lines() {
        let (kinds, fields) = line.split_once('|').unwrap_or_default();
        for kind in kinds.split_whitespace() {
            table.kinds.insert(kind, table.messages.len());
        }
        table.messages.push(fields.split_whitespace().filter_map(field).collect());
    }
    table
});

fn field(text: &'static str) -> Option<(u64, Field)> {
    let (name, rest) = text.split_once('=')?;
    let at = rest.find([':', '*', '^'])?;
    let count = match &rest[at..=at] {
        "*" => Count::List,
        "^" => Count::Inline,
        _ => Count::One,
    };
    Some((rest[..at].parse().ok()?, Field { name, count, ty: type_of(&rest[at + 1..])? }))
}

fn type_of(text: &str) -> Option<Type> {
    Some(match text {
        "s" => Type::Text,
        "b" => Type::Boolean,
        "i" => Type::Integer,
        "d" => Type::Double,
        "f" => Type::Float,
        "y" => Type::Bytes,
        "T" => Type::Time,
        "U" => Type::MicroTime,
        "D" => Type::Duration,
        "Q" => Type::Quantity,
        "I" => Type::IntOrString,
        "J" => Type::Json,
        "L" => Type::Texts,
        "A" => Type::SchemaOrList,
        "B" => Type::SchemaOrBool,
        "P" => Type::SchemaOrTexts,
        _ => match text.strip_prefix('m') {
            Some(value) => Type::Map(Box::new(type_of(value)?)),
            None => Type::Message(text.parse().ok()?),
        },
    })
}

/// Reads an enveloped object into its JSON form, kind and apiVersion included.
///
/// # Errors
/// A text for people when the body is not such an envelope, its kind has no protobuf form, or it is damaged.
pub(crate) fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope =
        body.strip_prefix(MAGIC).ok_or("the body does not start with the protobuf magic number")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader::new(envelope);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(meta)) => {
                let mut meta = Reader::new(meta);
                while let Some((number, wire)) = meta.next()? {
                    match number {
                        1 => api_version = wire.text()?,
                        2 => kind = wire.text()?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let id = TABLE
        .kinds
        .get(format!("{group}/{version}/{kind}").as_str())
        .or_else(|| (kind == "DeleteOptions").then(|| TABLE.kinds.get("/v1/DeleteOptions"))?)
        .ok_or_else(|| format!("no kind {kind:?} of {api_version:?} has a protobuf form"))?;
    let mut object = message(*id, raw, 0)?;
    object.insert("kind".into(), kind.into());
    object.insert("apiVersion".into(), api_version.into());
    Ok(object.into())
}

fn message(id: usize, bytes: &[u8], depth: usize) -> Result<Map<String, Value>, String> {
    if depth > DEPTH_MAX {
        return Err("the message is nested too deeply".into());
    }
    let fields = TABLE.messages.get(id).ok_or("the table of messages is incomplete")?;
    let mut object = Map::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        let Some(field) = fields.get(&number) else { continue };
        add(&mut object, field, wire, depth)?;
    }
    Ok(object)
}

fn add(object: &mut Map<String, Value>, field: &Field, wire: Wire<'_>, depth: usize) -> Result<(), String> {
    if let Type::Map(ty) = &field.ty {
        let mut entry = Reader::new(wire.bytes()?);
        let (mut key, mut value) = (String::new(), zero(ty));
        while let Some((number, wire)) = entry.next()? {
            match number {
                1 => key = wire.text()?,
                2 => value = decoded(ty, wire, depth)?,
                _ => {}
            }
        }
        let map = object.entry(field.name).or_insert_with(|| Map::new().into());
        if let Some(map) = map.as_object_mut() {
            map.insert(key, value);
        }
        return Ok(());
    }
    let value = decoded(&field.ty, wire, depth)?;
    match (field.count, value) {
        (Count::Inline, Value::Object(inner)) => object.extend(inner),
        (Count::List, value) => {
            let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
            if let Some(list) = list.as_array_mut() {
                list.push(value);
            }
        }
        (_, Value::Null) => {}
        (_, Value::String(text)) if text.is_empty() => {}
        (_, Value::Bool(false)) if FALSE_IS_ABSENT.contains(&field.name) => {}
        (_, Value::Number(n)) if n.as_i64() == Some(0) && ZERO_IS_ABSENT.contains(&field.name) => {}
        (_, value) => {
            object.insert(field.name.into(), value);
        }
    }
    Ok(())
}

/// What a map's entry holds when its value was left out.
fn zero(ty: &Type) -> Value {
    match ty {
        Type::Text | Type::Bytes | Type::Quantity => "".into(),
        Type::Boolean => false.into(),
        Type::Integer => 0.into(),
        Type::Texts => Value::Array(Vec::new()),
        Type::Message(_) => Map::new().into(),
        _ => Value::Null,
    }
}

fn decoded(ty: &Type, wire: Wire<'_>, depth: usize) -> Result<Value, String> {
    Ok(match ty {
        Type::Text => wire.text()?.into(),
        Type::Boolean => (wire.number()? != 0).into(),
        Type::Integer => wire.number()?.cast_signed().into(),
        Type::Double => f64::from_bits(wire.number()?).into(),
        Type::Float => match u32::try_from(wire.number()?) {
            Ok(bits) => f64::from(f32::from_bits(bits)).into(),
            Err(_) => Value::Null,
        },
        Type::Bytes => BASE64.encode(wire.bytes()?).into(),
        Type::Time => time(wire.bytes()?)?.map_or(Value::Null, |t| machinery::time::rfc3339(t).into()),
        Type::MicroTime => {
            time(wire.bytes()?)?.map_or(Value::Null, |t| machinery::time::rfc3339_micros(t).into())
        }
        Type::Duration => {
            let nanos = number(wire.bytes()?, 1)?.unwrap_or(0).cast_signed();
            machinery::time::format_duration(SignedDuration::from_nanos(nanos)).into()
        }
        Type::Quantity => text(wire.bytes()?, 1)?.into(),
        Type::IntOrString => {
            let bytes = wire.bytes()?;
            if number(bytes, 1)?.unwrap_or(0) == 1 {
                text(bytes, 3)?.into()
            } else {
                number(bytes, 2)?.unwrap_or(0).cast_signed().into()
            }
        }
        Type::Json => {
            let raw = sub(wire.bytes()?, 1)?.unwrap_or_default();
            if raw.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(raw).map_err(|error| format!("raw JSON cannot be read: {error}"))?
            }
        }
        Type::Texts => {
            let mut reader = Reader::new(wire.bytes()?);
            let mut texts = Vec::new();
            while let Some((_, wire)) = reader.next()? {
                texts.push(Value::from(wire.text()?));
            }
            texts.into()
        }
        Type::SchemaOrList | Type::SchemaOrBool | Type::SchemaOrTexts => schema_or(ty, wire.bytes()?, depth)?,
        Type::Message(id) => message(*id, wire.bytes()?, depth + 1)?.into(),
        Type::Map(_) => return Err("a map cannot stand here".into()),
    })
}

/// A schema, or what else may stand in its place. The schema's own message is the first of the table.
fn schema_or(ty: &Type, bytes: &[u8], depth: usize) -> Result<Value, String> {
    let (schema_field, other_field) = if matches!(ty, Type::SchemaOrBool) { (2, 1) } else { (1, 2) };
    let mut others: Vec<Value> = Vec::new();
    let mut allows = false;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == schema_field {
            return message(0, wire.bytes()?, depth + 1).map(Value::Object);
        }
        if number == other_field {
            match ty {
                Type::SchemaOrBool => allows = wire.number()? != 0,
                Type::SchemaOrTexts => others.push(wire.text()?.into()),
                _ => others.push(message(0, wire.bytes()?, depth + 1)?.into()),
            }
        }
    }
    Ok(if matches!(ty, Type::SchemaOrBool) { allows.into() } else { others.into() })
}

fn sub(bytes: &[u8], wanted: u64) -> Result<Option<&[u8]>, String> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == wanted {
            return wire.bytes().map(Some);
        }
    }
    Ok(None)
}

fn text(bytes: &[u8], wanted: u64) -> Result<String, String> {
    let found = sub(bytes, wanted)?.unwrap_or_default();
    String::from_utf8(found.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
}

fn number(bytes: &[u8], wanted: u64) -> Result<Option<u64>, String> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == wanted {
            return wire.number().map(Some);
        }
    }
    Ok(None)
}

/// An empty message is the zero time, which JSON leaves out.
fn time(bytes: &[u8]) -> Result<Option<Timestamp>, String> {
    let seconds = number(bytes, 1)?.unwrap_or(0).cast_signed();
    let nanos = i32::try_from(number(bytes, 2)?.unwrap_or(0)).unwrap_or(0);
    if seconds == 0 && nanos == 0 {
        return Ok(None);
    }
    Ok(Timestamp::new(seconds, nanos).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &meta), bytes(2, raw)].concat()
    }

    #[test]
    fn a_config_map_comes_out_as_its_json_form() {
        let metadata = [bytes(1, b"a"), bytes(2, b""), bytes(3, b"default"), bytes(8, b"")].concat();
        let entry = [bytes(1, b"k"), bytes(2, b"v")].concat();
        let raw = [bytes(1, &metadata), bytes(2, &entry)].concat();
        assert_eq!(
            decode(&envelope("v1", "ConfigMap", &raw)).unwrap(),
            json!({
                "kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "default"},
                "data": {"k": "v"},
            })
        );
    }

    #[test]
    fn damaged_bodies_are_refused_and_do_not_panic() {
        let metadata = [bytes(1, b"a"), bytes(3, b"default")].concat();
        let whole = envelope("v1", "ConfigMap", &bytes(1, &metadata));
        for cut in 0..whole.len() {
            let _ = decode(&whole[..cut]);
        }
        assert!(decode(b"{}").is_err());
        assert!(decode(&whole[..whole.len() - 1]).is_err());
        assert!(decode(&envelope("v1", "Nonsense", b"")).is_err());
    }

    #[test]
    fn every_line_of_the_table_is_understood() {
        let fields: usize = TABLE.messages.iter().map(BTreeMap::len).sum();
        let written = include_str!("messages.txt").matches('=').count();
        assert_eq!(fields, written);
        let last = TABLE.messages.len();
        for field in TABLE.messages.iter().flat_map(BTreeMap::values) {
            if let Type::Message(id) = field.ty {
                assert!(id < last);
            }
        }
    }
}
