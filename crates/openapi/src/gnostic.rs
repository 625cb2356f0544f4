//! A v2 document in protobuf: the `openapi.v2.Document` message, the only form that client-go before
//! 0.27 asks for.
//!
//! Field numbers: <https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto>.

use serde_json::{Map, Value};

/// Encodes a document made by [`crate::v2::document`].
pub fn protobuf(document: &Value) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(1 << 20));
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    out.text(1, text("swagger"));
    out.message(2, |out| {
        let info = |key: &str| document.get("info").and_then(|info| info.get(key)).and_then(Value::as_str);
        out.text(1, info("title"));
        out.text(2, info("version"));
    });
    out.message(8, |out| {
        for (path, item) in entries(document, "paths") {
            out.named(2, path, |out| path_item(out, item));
        }
    });
    out.message(9, |out| named_schemas(out, entries(document, "definitions")));
    for requirement in list(document, "security") {
        out.message(12, |out| {
            for (name, scopes) in requirement.as_object().into_iter().flatten() {
                out.named(1, name, |out| out.texts(1, scopes.as_array().map_or(&[], Vec::as_slice)));
            }
        });
    }
    out.message(13, |out| {
        for (name, definition) in entries(document, "securityDefinitions") {
            out.named(1, name, |out| out.message(2, |out| api_key(out, definition)));
        }
    });
    out.0
}

/// Writes protobuf's wire format.
struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f | 0x80).expect("masked to eight bits"));
            value >>= 7;
        }
        self.0.push(u8::try_from(value).expect("below 0x80"));
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self(Vec::new());
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// An entry of a map: a message with a name and a value.
    fn named(&mut self, field: u64, name: &str, write: impl FnOnce(&mut Self)) {
        self.message(field, |out| {
            out.bytes(1, name.as_bytes());
            out.message(2, write);
        });
    }

    fn text(&mut self, field: u64, text: Option<&str>) {
        if let Some(text) = text {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u64, texts: &[Value]) {
        texts.iter().for_each(|text| self.text(field, text.as_str()));
    }

    fn bool(&mut self, field: u64, value: Option<bool>) {
        if value == Some(true) {
            self.tag(field, 0);
            self.varint(1);
        }
    }

    fn whole(&mut self, field: u64, value: Option<u64>) {
        if let Some(value) = value {
            self.tag(field, 0);
            self.varint(value);
        }
    }

    fn double(&mut self, field: u64, value: Option<f64>) {
        if let Some(value) = value {
            self.tag(field, 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Any value, which gnostic carries as YAML; JSON is YAML.
    fn any(&mut self, field: u64, value: &Value) {
        self.message(field, |out| out.bytes(2, format!("{value}\n").as_bytes()));
    }

    /// The `x-…` keys of an object.
    fn extensions(&mut self, field: u64, map: &Map<String, Value>) {
        for (name, value) in map.iter().filter(|(name, _)| name.starts_with("x-")) {
            self.message(field, |out| {
                out.bytes(1, name.as_bytes());
                out.any(2, value);
            });
        }
    }
}

fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn api_key(out: &mut Writer, definition: &Value) {
    for (field, key) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
        out.text(field, definition.get(key).and_then(Value::as_str));
    }
}

fn path_item(out: &mut Writer, item: &Value) {
    const METHODS: [(u64, &str); 7] =
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")];
    for (field, method) in METHODS {
        if let Some(Value::Object(found)) = item.get(method) {
            out.message(field, |out| operation(out, found));
        }
    }
    list(item, "parameters").iter().for_each(|parameter| parameters_item(out, 9, parameter));
}

fn operation(out: &mut Writer, operation: &Map<String, Value>) {
    let texts = |key: &str| operation.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    out.texts(1, texts("tags"));
    out.text(3, operation.get("description").and_then(Value::as_str));
    out.text(5, operation.get("operationId").and_then(Value::as_str));
    out.texts(6, texts("produces"));
    out.texts(7, texts("consumes"));
    texts("parameters").iter().for_each(|parameter| parameters_item(out, 8, parameter));
    out.message(9, |out| {
        for (code, response) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
            out.named(1, code, |out| out.message(1, |out| self::response(out, response)));
        }
    });
    out.texts(10, texts("schemes"));
    out.extensions(13, operation);
}

fn response(out: &mut Writer, response: &Value) {
    out.text(1, response.get("description").and_then(Value::as_str));
    if let Some(Value::Object(found)) = response.get("schema") {
        out.message(2, |out| out.message(1, |out| schema(out, found)));
    }
}

fn parameters_item(out: &mut Writer, field: u64, parameter: &Value) {
    out.message(field, |out| {
        out.message(1, |out| match parameter.get("in").and_then(Value::as_str) {
            Some("body") => out.message(1, |out| body_parameter(out, parameter)),
            Some("path") => {
                out.message(2, |out| out.message(4, |out| simple_parameter(out, parameter, (5, 19))))
            }
            _ => out.message(2, |out| out.message(3, |out| simple_parameter(out, parameter, (6, 20)))),
        });
    });
}

fn body_parameter(out: &mut Writer, parameter: &Value) {
    for (field, key) in [(1, "description"), (2, "name"), (3, "in")] {
        out.text(field, parameter.get(key).and_then(Value::as_str));
    }
    out.bool(4, parameter.get("required").and_then(Value::as_bool));
    if let Some(Value::Object(found)) = parameter.get("schema") {
        out.message(5, |out| schema(out, found));
    }
}

/// A parameter in the path or the query; they number their types and uniqueness differently.
fn simple_parameter(out: &mut Writer, parameter: &Value, (ty, unique): (u64, u64)) {
    out.bool(1, parameter.get("required").and_then(Value::as_bool));
    for (field, key) in [(2, "in"), (3, "description"), (4, "name"), (ty, "type")] {
        out.text(field, parameter.get(key).and_then(Value::as_str));
    }
    out.bool(unique, parameter.get("uniqueItems").and_then(Value::as_bool));
}

fn named_schemas<'a>(out: &mut Writer, schemas: impl Iterator<Item = (&'a String, &'a Value)>) {
    for (name, found) in schemas {
        if let Value::Object(found) = found {
            out.named(1, name, |out| schema(out, found));
        }
    }
}

fn schema(out: &mut Writer, map: &Map<String, Value>) {
    const TEXTS: [(u64, &str); 5] =
        [(1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (13, "pattern")];
    const DOUBLES: [(u64, &str); 3] = [(6, "multipleOf"), (7, "maximum"), (9, "minimum")];
    const COUNTS: [(u64, &str); 6] = [
        (11, "maxLength"),
        (12, "minLength"),
        (14, "maxItems"),
        (15, "minItems"),
        (17, "maxProperties"),
        (18, "minProperties"),
    ];
    const BOOLS: [(u64, &str); 3] = [(8, "exclusiveMaximum"), (10, "exclusiveMinimum"), (16, "uniqueItems")];
    let texts = |key: &str| map.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (field, key) in TEXTS {
        out.text(field, map.get(key).and_then(Value::as_str));
    }
    if let Some(default) = map.get("default") {
        out.any(5, default);
    }
    for (field, key) in DOUBLES {
        out.double(field, map.get(key).and_then(Value::as_f64));
    }
    for (field, key) in COUNTS {
        out.whole(field, map.get(key).and_then(Value::as_u64));
    }
    for (field, key) in BOOLS {
        out.bool(field, map.get(key).and_then(Value::as_bool));
    }
    out.texts(19, texts("required"));
    texts("enum").iter().for_each(|choice| out.any(20, choice));
    match map.get("additionalProperties") {
        Some(Value::Object(values)) => out.message(21, |out| out.message(1, |out| schema(out, values))),
        Some(Value::Bool(open)) => out.message(21, |out| out.bool(2, Some(*open))),
        _ => {}
    }
    if let Some(ty) = map.get("type").and_then(Value::as_str) {
        out.message(22, |out| out.text(1, Some(ty)));
    }
    if let Some(Value::Object(items)) = map.get("items") {
        out.message(23, |out| out.message(1, |out| schema(out, items)));
    }
    for part in texts("allOf").iter().filter_map(Value::as_object) {
        out.message(24, |out| schema(out, part));
    }
    if let Some(Value::Object(properties)) = map.get("properties") {
        out.message(25, |out| named_schemas(out, properties.iter()));
    }
    if let Some(example) = map.get("example") {
        out.any(30, example);
    }
    out.extensions(31, map);
}
