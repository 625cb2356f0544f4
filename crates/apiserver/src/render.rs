//! The forms in which objects are answered: themselves, only their metadata, or rows of a table.

use bytes::Bytes;
use http::StatusCode;
use machinery::{Object, Status};
use serde_json::{Map, Value, json};
use store::Revision;

use crate::core::Context;
use crate::http::negotiate::Form;
use crate::http::{Response, respond};
use crate::resource::Resource;
use crate::storage::cache::Entry;

/// Answers one object in the form asked for. A dry run has no revision.
pub(crate) fn object(cx: &Context, code: StatusCode, stored: &[u8], revision: Option<Revision>) -> Response {
    if cx.accepted.form == Form::Object {
        let bytes = match revision {
            Some(revision) => cx.resource.send(stored, revision),
            None => Bytes::copy_from_slice(stored),
        };
        return respond::negotiated(&cx.headers, cx.accepted.yaml, code, bytes);
    }
    match cx.resource.read(stored, revision.unwrap_or_default()) {
        Ok(mut object) => {
            if revision.is_none() {
                object.metadata_mut().remove("resourceVersion");
            }
            value(cx, code, &object)
        }
        Err(status) => respond::failure(&status),
    }
}

/// Answers an object that is held as a value, in the form asked for.
pub(crate) fn value(cx: &Context, code: StatusCode, object: &Object) -> Response {
    let bytes = match cx.accepted.form {
        Form::Object => object.value().to_string(),
        Form::Partial(version) => partial(object, version).to_string(),
        Form::Table(version) => {
            let include = Include::of(cx);
            let rows = vec![row(&cx.resource, object, include, version, now(cx))];
            let mut table = table(version, Some(columns(&cx.resource)), rows);
            table["metadata"] = json!({"resourceVersion": object.resource_version()});
            table.to_string()
        }
    };
    respond::negotiated(&cx.headers, cx.accepted.yaml, code, bytes.into())
}

fn now(cx: &Context) -> i64 {
    cx.core.clock.now().as_second()
}

/// How much of the object a table row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Include {
    pub(crate) fn of(cx: &Context) -> Self {
        match cx.query.text("includeObject") {
            "None" => Self::Nothing,
            "Object" => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// Only kind and metadata of an object.
pub(crate) fn partial(object: &Object, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.value().get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

pub(crate) fn columns(resource: &Resource) -> Value {
    resource
        .columns()
        .iter()
        .map(|c| {
            json!({"name": c.name, "type": c.ty, "format": c.format, "description": c.description, "priority": c.priority})
        })
        .collect()
}

pub(crate) fn row(resource: &Resource, object: &Object, include: Include, version: &str, now: i64) -> Value {
    let mut row = Map::new();
    row.insert("cells".into(), resource.cells(object, now).into());
    if let Some(conditions) = resource.row_conditions(object) {
        row.insert("conditions".into(), conditions);
    }
    match include {
        Include::Nothing => row.insert("object".into(), Value::Null),
        Include::Metadata => row.insert("object".into(), partial(object, version)),
        Include::Object => row.insert("object".into(), object.value().clone()),
    };
    row.into()
}

/// A table; later events of a watch leave the columns out.
pub(crate) fn table(version: &str, columns: Option<Value>, rows: Vec<Value>) -> Value {
    json!({
        "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": {},
        "columnDefinitions": columns, "rows": rows,
    })
}

/// `metadata` of a list.
#[derive(Debug, Default)]
pub(crate) struct ListMeta {
    pub(crate) revision: Revision,
    pub(crate) continue_token: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl ListMeta {
    fn json(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.revision.to_string()});
        if let Some(token) = &self.continue_token {
            meta["continue"] = token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }
}

/// What a list is made of: bytes with their revision.
pub(crate) trait Stored {
    fn bytes(&self) -> &[u8];
    fn revision(&self) -> Revision;
}

impl Stored for std::sync::Arc<Entry> {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    fn revision(&self) -> Revision {
        self.revision
    }
}

/// Answers a list in the form asked for.
pub(crate) fn list<S: Stored>(cx: &Context, items: &[S], meta: &ListMeta) -> Result<Response, Status> {
    let bytes = match cx.accepted.form {
        Form::Object => object_list(&cx.resource, items, meta),
        Form::Partial(version) => {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(partial(&cx.resource.read(item.bytes(), item.revision())?, version));
            }
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": format!("meta.k8s.io/{version}"),
                "metadata": meta.json(), "items": values,
            })
            .to_string()
            .into()
        }
        Form::Table(version) => {
            let include = Include::of(cx);
            let mut rows = Vec::with_capacity(items.len());
            for item in items {
                let object = cx.resource.read(item.bytes(), item.revision())?;
                rows.push(row(&cx.resource, &object, include, version, now(cx)));
            }
            let mut table = table(version, Some(columns(&cx.resource)), rows);
            table["metadata"] = meta.json();
            table.to_string().into()
        }
    };
    Ok(respond::negotiated(&cx.headers, cx.accepted.yaml, StatusCode::OK, bytes))
}

/// A list of objects as they are; items keep their kind and apiVersion, which clients accept.
pub(crate) fn object_list<S: Stored>(resource: &Resource, items: &[S], meta: &ListMeta) -> Bytes {
    let size: usize = items.iter().map(|i| i.bytes().len() + 48).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(
        format!(
            "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
            Value::from(resource.list_kind.as_str()),
            Value::from(resource.api_version.as_str()),
            meta.json(),
        )
        .as_bytes(),
    );
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        resource.send_into(&mut out, item.bytes(), item.revision());
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// Kind and metadata of a stored object without reading the rest.
pub(crate) fn partial_of_stored(stored: &[u8], revision: Revision, version: &str) -> Option<Value> {
    #[derive(serde::Deserialize)]
    struct MetadataOnly {
        metadata: Map<String, Value>,
    }
    let mut read: MetadataOnly = serde_json::from_slice(stored).ok()?;
    read.metadata.insert("resourceVersion".into(), revision.to_string().into());
    Some(json!({
        "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": read.metadata,
    }))
}
