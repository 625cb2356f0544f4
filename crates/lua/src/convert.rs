//! JSON in and out, with the rules upstream's converter has.
//!
//! In: objects become tables keyed by string, in the order of the JSON map; arrays become tables from 1 on, where null
//! elements are left out and the rest moves up; null members of objects are absent; numbers become floating point.
//!
//! Out: an empty table is `[]`. A table whose first key, in the order of `pairs`, is a number must have exactly the
//! keys 1 to n and is an array; one whose first key is a string must have string keys only and is an object. Anything
//! else, a function, and a number that is not finite, is an error; so is a table that appears twice, as itself in itself
//! or side by side. Whole numbers that fit 64 bits are JSON integers, others floats. Bytes that are no UTF-8 become
//! U+FFFD.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Number, Value as Json};

use crate::error::RuntimeError;
use crate::limits::RESULT_BYTES;
use crate::machine::Machine;
use crate::number;
use crate::table::{Step, Table};
use crate::value::{Str, Value};

/// Levels of tables or JSON that are converted.
const NESTING: usize = 200;

impl Machine<'_> {
    /// A JSON value as a Lua value of this machine. Fails at the memory limit and on nesting deeper than 200 levels.
    pub fn from_json(&mut self, json: &Json) -> Result<Value, RuntimeError> {
        self.convert(json, 0)
    }

    fn convert(&mut self, json: &Json, depth: usize) -> Result<Value, RuntimeError> {
        if depth > NESTING {
            return Err(RuntimeError::new("cannot decode JSON nested too deeply"));
        }
        Ok(match json {
            Json::Null => Value::Nil,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Value::String(Str::copied(text.as_bytes(), &self.budget)?),
            Json::Array(items) => {
                let table = self.table_with_capacity(items.len(), 0)?;
                for item in items.iter().filter(|item| !item.is_null()) {
                    let value = self.convert(item, depth + 1)?;
                    table.append(value)?;
                }
                Value::Table(table)
            }
            Json::Object(members) => {
                let table = self.table_with_capacity(0, members.len())?;
                for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                    let value = self.convert(member, depth + 1)?;
                    table.insert_new(Str::copied(name.as_bytes(), &self.budget)?, value)?;
                }
                Value::Table(table)
            }
        })
    }
}

/// Tells one conversion from the next, so that tables remember which one saw them.
static CONVERSIONS: AtomicU64 = AtomicU64::new(1);

impl Value {
    /// The value as JSON, by the rules of this module: empty tables are `[]`, see `convert`.
    ///
    /// Fails on functions, sparse arrays, mixed keys, tables that appear more than once, numbers that are not finite,
    /// nesting deeper than 200 levels and results of more than 32 MiB.
    pub fn to_json(&self) -> Result<Json, RuntimeError> {
        let mut encoder = Encoder { visit: CONVERSIONS.fetch_add(1, Ordering::Relaxed), bytes: 0 };
        encoder.encode(self, 0)
    }
}

struct Encoder {
    visit: u64,
    bytes: usize,
}

impl Encoder {
    fn encode(&mut self, value: &Value, depth: usize) -> Result<Json, RuntimeError> {
        match value {
            Value::Nil => Ok(Json::Null),
            Value::Bool(value) => Ok(Json::Bool(*value)),
            Value::Number(number) => encode_number(*number),
            Value::String(string) => self.text(string).map(Json::String),
            Value::Table(table) => self.table(table, depth),
            Value::Function(_) => Err(RuntimeError::new("cannot encode function to JSON")),
        }
    }

    /// Strings may be shared, so their bytes in the result have nothing to do with those in the machine.
    fn text(&mut self, string: &Str) -> Result<String, RuntimeError> {
        self.bytes += string.as_bytes().len();
        if self.bytes > RESULT_BYTES {
            return Err(RuntimeError::new("cannot encode a result that large to JSON"));
        }
        Ok(string.to_text())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<Json, RuntimeError> {
        if table.visited(self.visit) {
            return Err(RuntimeError::new("cannot encode recursively nested tables to JSON"));
        }
        if depth > NESTING {
            return Err(RuntimeError::new("cannot encode tables nested too deeply to JSON"));
        }
        match table.next_from(Step::Array(0)) {
            None => Ok(Json::Array(Vec::new())),
            Some((Value::Number(_), ..)) => self.array(table, depth),
            Some((Value::String(_), ..)) => self.object(table, depth),
            Some(_) => Err(invalid_keys()),
        }
    }

    fn array(&mut self, table: &Table, depth: usize) -> Result<Json, RuntimeError> {
        let mut items = Vec::with_capacity(table.array_len());
        let mut expected = 1.0;
        let mut step = Step::Array(0);
        while let Some((key, value, next)) = table.next_from(step) {
            match key {
                Value::Number(key) if key == expected => {}
                Value::Number(_) => return Err(RuntimeError::new("cannot encode sparse array")),
                _ => return Err(invalid_keys()),
            }
            items.push(self.encode(&value, depth + 1)?);
            expected += 1.0;
            step = next;
        }
        Ok(Json::Array(items))
    }

    fn object(&mut self, table: &Table, depth: usize) -> Result<Json, RuntimeError> {
        let mut members = Map::new();
        let mut step = Step::Array(0);
        while let Some((key, value, next)) = table.next_from(step) {
            let Value::String(key) = key else { return Err(invalid_keys()) };
            members.insert(self.text(&key)?, self.encode(&value, depth + 1)?);
            step = next;
        }
        Ok(Json::Object(members))
    }
}

fn encode_number(number: f64) -> Result<Json, RuntimeError> {
    if let Some(integer) = number::as_integer(number) {
        return Ok(Json::Number(integer.into()));
    }
    match Number::from_f64(number) {
        Some(number) => Ok(Json::Number(number)),
        None => Err(RuntimeError::new(format!("json: unsupported value: {}", number::general(number)))),
    }
}

fn invalid_keys() -> RuntimeError {
    RuntimeError::new("cannot encode mixed or invalid key types")
}
