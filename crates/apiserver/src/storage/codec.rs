//! The stored form of an object, and how it becomes the form that is sent.
//!
//! An object is serialised once, when it is written: `kind`, `apiVersion` and `metadata` first and
//! without `metadata.resourceVersion`, which is only known after the write. What is sent is the stored
//! bytes with `"resourceVersion":"N",` put in after the first `"metadata":{`. Nobody parses an object
//! to send it.

use std::io::Write as _;

use machinery::{Object, Status};
use serde_json::Value;
use store::Revision;

const METADATA: &[u8] = b"\"metadata\":{";

/// `{"kind":"K","apiVersion":"V","metadata":{`: how the stored form of a kind starts.
pub(crate) fn head(api_version: &str, kind: &str) -> String {
    format!("{{\"kind\":{},\"apiVersion\":{},\"metadata\":{{", Value::from(kind), Value::from(api_version))
}

/// The stored form of an object. Its `metadata` must have at least a name.
pub(crate) fn encode(object: &Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(head(object.api_version(), object.kind()).as_bytes());
    let mut first = true;
    for (name, value) in object.metadata().into_iter().flatten() {
        if name == "resourceVersion" {
            continue;
        }
        field(&mut out, &mut first, name, value);
    }
    out.push(b'}');
    first = false;
    for (name, value) in object.fields() {
        if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
            field(&mut out, &mut first, name, value);
        }
    }
    out.push(b'}');
    // These bytes stay in memory for as long as the object; spare capacity would stay with them.
    out.shrink_to_fit();
    out
}

fn field(out: &mut Vec<u8>, first: &mut bool, name: &str, value: &Value) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, name).expect("writing text to memory does not fail");
    out.push(b':');
    serde_json::to_writer(&mut *out, value).expect("writing JSON to memory does not fail");
}

/// Where the resource version goes: the offset just after `"metadata":{`.
fn splice_at(stored: &[u8]) -> usize {
    stored.windows(METADATA.len()).position(|w| w == METADATA).map_or(0, |at| at + METADATA.len())
}

/// Appends the sent form of a stored object.
pub(crate) fn send_into(out: &mut Vec<u8>, stored: &[u8], revision: Revision) {
    let at = splice_at(stored);
    out.reserve(stored.len() + 42);
    out.extend_from_slice(&stored[..at]);
    if at > 0 {
        write!(out, "\"resourceVersion\":\"{revision}\"").expect("writing to memory does not fail");
        if stored.get(at) != Some(&b'}') {
            out.push(b',');
        }
    }
    out.extend_from_slice(&stored[at..]);
}

/// Reads a stored object and gives it its resource version.
pub(crate) fn decode(stored: &[u8], revision: Revision) -> Result<Object, Status> {
    let mut object: Object = serde_json::from_slice(stored)
        .map_err(|error| Status::internal(format!("a stored object cannot be read: {error}")))?;
    object.metadata_mut().insert("resourceVersion".into(), revision.to_string().into());
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_sent_is_what_was_stored_plus_the_version() {
        let object = Object::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"metadata": "\"metadata\":{"},
            "metadata": {"name": "a", "resourceVersion": "7"},
        }))
        .unwrap();
        let stored = encode(&object);
        let text = String::from_utf8(stored.clone()).unwrap();
        assert!(text.starts_with(&head("v1", "ConfigMap")), "{text}");
        assert!(!text.contains("resourceVersion"), "{text}");
        let mut sent = Vec::new();
        send_into(&mut sent, &stored, 9);
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["metadata"], json!({"name": "a", "resourceVersion": "9"}));
        assert_eq!(sent["data"], object.value()["data"]);
        assert_eq!(decode(&stored, 9).unwrap().value(), &sent);
    }
}
