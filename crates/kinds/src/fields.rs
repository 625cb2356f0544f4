//! Reading and filling fields of JSON whose shape nobody has checked yet: a field of another type
//! reads as absent.

use serde_json::Value;

/// A JSON object.
pub(crate) type Map = serde_json::Map<String, Value>;

static NULL: Value = Value::Null;

/// Reading a field by its name.
pub(crate) trait Read {
    /// The field, `null` when absent.
    fn get_or_null(&self, key: &str) -> &Value;

    /// A nested field, `null` when absent.
    fn child(&self, path: &[&str]) -> &Value {
        let Some((first, rest)) = path.split_first() else { return &NULL };
        rest.iter().fold(self.get_or_null(first), |value, key| value.get_or_null(key))
    }

    /// A text, empty when absent.
    fn text(&self, key: &str) -> &str {
        self.get_or_null(key).as_str().unwrap_or_default()
    }

    /// A whole number.
    fn int(&self, key: &str) -> Option<i64> {
        self.get_or_null(key).as_i64()
    }

    /// A boolean, false when absent.
    fn flag(&self, key: &str) -> bool {
        self.get_or_null(key).as_bool().unwrap_or(false)
    }

    /// A list, empty when absent.
    fn list(&self, key: &str) -> &[Value] {
        self.get_or_null(key).as_array().map_or(&[], Vec::as_slice)
    }

    /// The entries of a map, none when absent.
    fn entries(&self, key: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.get_or_null(key).as_object().into_iter().flatten()
    }

    /// Whether the field is there and not `null`.
    fn has(&self, key: &str) -> bool {
        !self.get_or_null(key).is_null()
    }
}

impl Read for Value {
    fn get_or_null(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&NULL)
    }
}

impl Read for Map {
    fn get_or_null(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&NULL)
    }
}

/// Filling in fields.
pub(crate) trait Fill {
    /// Sets a field that is absent or `null`.
    fn fill(&mut self, key: &str, value: impl Into<Value>);

    /// Sets a text that is absent, `null` or empty: fields for which empty means unset.
    fn fill_text(&mut self, key: &str, value: &str);

    /// The map under `key`, made when absent or `null`. A value of another type is left alone and
    /// reads as nothing.
    fn make(&mut self, key: &str) -> Option<&mut Map>;

    /// The map under `key`, when there is one.
    fn map_mut(&mut self, key: &str) -> Option<&mut Map>;

    /// The maps in the list under `key`.
    fn maps_mut(&mut self, key: &str) -> impl Iterator<Item = &mut Map>;
}

impl Fill for Map {
    fn fill(&mut self, key: &str, value: impl Into<Value>) {
        if !self.has(key) {
            self.insert(key.into(), value.into());
        }
    }

    fn fill_text(&mut self, key: &str, value: &str) {
        if !self.has(key) || self.get_or_null(key) == "" {
            self.insert(key.into(), value.into());
        }
    }

    fn make(&mut self, key: &str) -> Option<&mut Map> {
        self.fill(key, Self::new());
        self.map_mut(key)
    }

    fn map_mut(&mut self, key: &str) -> Option<&mut Map> {
        self.get_mut(key)?.as_object_mut()
    }

    fn maps_mut(&mut self, key: &str) -> impl Iterator<Item = &mut Self> {
        self.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    }
}

/// Fields whose content is not Kubernetes' own, so that `null` in it may mean something.
const FOREIGN: &[&str] = &["openAPIV3Schema", "parameters"];

/// Removes fields that are `null`, at any depth: in a built-in kind they mean the same as absent ones. A few
/// fields that are always shown come back with the defaults.
pub(crate) fn drop_nulls(fields: &mut Map) {
    fields.retain(|_, value| !value.is_null());
    for (key, value) in fields.iter_mut() {
        if !FOREIGN.contains(&key.as_str()) {
            drop_nulls_within(value);
        }
    }
}

fn drop_nulls_within(value: &mut Value) {
    match value {
        Value::Object(fields) => drop_nulls(fields),
        Value::Array(items) => items.iter_mut().for_each(drop_nulls_within),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
