//! ConfigMaps and Secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::checks::{immutable, problems};
use crate::fields::{Fill, Read};
use crate::tables::{AGE, NAME, age, text};
use crate::{Column, Rules};

/// Most bytes that keys and values of one object may have together: 1 MiB.
const DATA_BYTES_MAX: usize = 1 << 20;

pub(crate) static CONFIG_MAP: Rules = Rules {
    validate_create: validate_config_map,
    validate_update: |new, old| {
        let mut causes = locked(new, old, &["data", "binaryData"]);
        causes.extend(validate_config_map(new));
        causes
    },
    columns: || CONFIG_MAP_COLUMNS,
    cells: |map, now| {
        let count = entries(map, "data") + entries(map, "binaryData");
        vec![map.name().into(), count.into(), age(map, now)]
    },
    ..Rules::PLAIN
};

const CONFIG_MAP_COLUMNS: &[Column] = &[NAME, text("Data", "Number of entries."), AGE];

fn entries(object: &Object, field: &str) -> usize {
    object.value().entries(field).count()
}

fn validate_config_map(map: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut total = 0;
    for (key, value) in map.value().entries("data") {
        let field = format!("data[{key}]");
        problems(&mut causes, &field, key, names::config_key(key));
        if map.value().child(&["binaryData"]).has(key) {
            causes.push(Cause::invalid(
                field,
                &key.as_str().into(),
                "duplicate of key present in binaryData",
            ));
        }
        total += value.as_str().map_or(0, str::len);
    }
    for (key, value) in map.value().entries("binaryData") {
        let field = format!("binaryData[{key}]");
        problems(&mut causes, &field, key, names::config_key(key));
        total += decoded_len(value.as_str().unwrap_or_default());
    }
    if total > DATA_BYTES_MAX {
        // The field has no name: the limit is on the sum.
        causes.push(Cause::too_long("[]", DATA_BYTES_MAX));
    }
    causes
}

/// Bytes behind a base64 text.
fn decoded_len(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

/// What `immutable: true` in the stored object forbids.
fn locked(new: &Object, old: &Object, fields: &[&str]) -> Vec<Cause> {
    if !old.value().flag("immutable") {
        return Vec::new();
    }
    let mut causes = Vec::new();
    if !new.value().flag("immutable") {
        causes.push(Cause::forbidden("immutable", LOCKED));
    }
    for field in fields {
        if empty_as_null(new, field) != empty_as_null(old, field) {
            causes.push(Cause::forbidden(*field, LOCKED));
        }
    }
    causes
}

const LOCKED: &str = "field is immutable when `immutable` is set";

fn empty_as_null<'a>(object: &'a Object, field: &str) -> Option<&'a Value> {
    object.fields().get(field).filter(|v| v.as_object().is_some_and(|m| !m.is_empty()))
}

pub(crate) static SECRET: Rules = Rules {
    default: |secret| {
        merge_string_data(secret);
        secret.fields_mut().fill_text("type", "Opaque");
    },
    prepare_create: merge_string_data,
    prepare_update: |new, old| {
        merge_string_data(new);
        // An update that leaves the type out keeps it.
        if new.value().text("type").is_empty() {
            new.set("/type", old.value().text("type"));
        }
    },
    validate_create: validate_secret,
    validate_update: |new, old| {
        let mut causes = Vec::new();
        immutable(&mut causes, "type", new.value().get_or_null("type"), old.value().get_or_null("type"));
        causes.extend(locked(new, old, &["data"]));
        causes.extend(validate_secret(new));
        causes
    },
    field: |secret, label| (label == "type").then(|| secret.value().text("type").into()),
    field_labels: &["type"],
    columns: || SECRET_COLUMNS,
    cells: |secret, now| {
        let count = entries(secret, "data");
        vec![secret.name().into(), secret.value().text("type").into(), count.into(), age(secret, now)]
    },
    ..Rules::PLAIN
};

const SECRET_COLUMNS: &[Column] =
    &[NAME, text("Type", "What the secret holds."), text("Data", "Number of entries."), AGE];

/// `stringData` is for writing only: its texts go into `data`, over what is there.
fn merge_string_data(secret: &mut Object) {
    let Some(Value::Object(texts)) = secret.fields_mut().remove("stringData") else { return };
    let Some(data) = secret.fields_mut().make("data") else { return };
    for (key, value) in texts {
        if let Value::String(text) = value {
            data.insert(key, STANDARD.encode(text).into());
        }
    }
}

fn validate_secret(secret: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut total = 0;
    for (key, value) in secret.value().entries("data") {
        problems(&mut causes, &format!("data[{key}]"), key, names::config_key(key));
        total += decoded_len(value.as_str().unwrap_or_default());
    }
    if total > DATA_BYTES_MAX {
        causes.push(Cause::too_long("data", DATA_BYTES_MAX));
    }
    let data = secret.value().child(&["data"]);
    let mut need = |key: &str| {
        if !data.has(key) {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    };
    match secret.value().text("type") {
        "kubernetes.io/tls" => ["tls.crt", "tls.key"].into_iter().for_each(need),
        "kubernetes.io/ssh-auth" => need("ssh-privatekey"),
        "kubernetes.io/dockercfg" => {
            need(".dockercfg");
            json_entry(&mut causes, data, ".dockercfg");
        }
        "kubernetes.io/dockerconfigjson" => {
            need(".dockerconfigjson");
            json_entry(&mut causes, data, ".dockerconfigjson");
        }
        "kubernetes.io/basic-auth" if !data.has("username") && !data.has("password") => {
            need("username");
            need("password");
        }
        "kubernetes.io/service-account-token"
            if secret.annotation(SERVICE_ACCOUNT_ANNOTATION).is_none_or(str::is_empty) =>
        {
            let field = format!("metadata.annotations[{SERVICE_ACCOUNT_ANNOTATION}]");
            causes.push(Cause::required(field, ""));
        }
        _ => {}
    }
    causes
}

/// Names the service account a token secret is for.
const SERVICE_ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// An entry whose text must be JSON. The text itself is never repeated: it is secret.
fn json_entry(causes: &mut Vec<Cause>, data: &Value, key: &str) {
    let Some(text) = data.get_or_null(key).as_str() else { return };
    let good = STANDARD.decode(text).is_ok_and(|bytes| serde_json::from_slice::<Value>(&bytes).is_ok());
    if !good {
        let hidden = json!("<secret contents redacted>");
        causes.push(Cause::invalid(format!("data[{key}]"), &hidden, "must hold valid JSON"));
    }
}
