//! PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.

use bytes::Bytes;
use http::StatusCode;
use machinery::{Object, Reason, Status};
use schema::decode::{self as parse, Parsed};
use serde_json::Value;

use super::write::{Change, Write, Written};
use crate::core::Context;
use crate::decode::{self, unsupported_media_type};
use crate::http::Response;
use crate::http::negotiate::content_type;
use crate::http::query::WriteOptions;
use crate::{apply, render};

/// Operations a JSON patch may have.
const OPERATIONS_MAX: usize = 10_000;

/// A patch as sent.
#[derive(Debug)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7396.
    Merge(Value),
    /// Strategic merge, by the kind's merge keys.
    Strategic(Value),
}

/// Carries out a PATCH of an object or of its subresource.
pub(crate) async fn handle(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let written = run(cx, body).await?;
    let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(render::object(cx, code, &written.bytes, written.revision))
}

async fn run(cx: &Context, body: &Bytes) -> Result<Written, Status> {
    let media_type = content_type(&cx.headers);
    let is_apply = media_type == "application/apply-patch+yaml";
    let options = WriteOptions::parse(&cx.query, "PatchOptions", cx.user_agent(), is_apply)?;
    if is_apply {
        return apply::run(cx, body, &options).await;
    }
    let patch = read(cx, media_type, body)?;
    let change = PatchChange { cx, patch, options: &options };
    Write::of(cx, &options).update(&change).await
}

/// Reads a patch by its media type.
pub(crate) fn read(cx: &Context, media_type: &str, body: &Bytes) -> Result<Patch, Status> {
    let custom = cx.resource.custom().is_some();
    match media_type {
        "application/json-patch+json" => {
            let value = parse_json(body)?.value;
            let count = value.as_array().map(Vec::len).ok_or_else(|| {
                Status::bad_request(
                    "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
                )
            })?;
            if count > OPERATIONS_MAX {
                return Err(Status::new(
                    Reason::RequestEntityTooLarge,
                    format!(
                        "Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, \
                         got {count}"
                    ),
                ));
            }
            serde_json::from_value(value)
                .map(Patch::Json)
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))
        }
        "application/merge-patch+json" => Ok(Patch::Merge(parse_json(body)?.value)),
        "application/strategic-merge-patch+json" if !custom => Ok(Patch::Strategic(parse_json(body)?.value)),
        "application/strategic-merge-patch+json" => Err(unsupported_media_type(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
        _ => Err(Status::new(Reason::UnsupportedMediaType, "415: Unsupported Media Type")),
    }
}

fn parse_json(body: &Bytes) -> Result<Parsed, Status> {
    parse::json(body).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))
}

/// 422 for a patch that does not fit the object.
fn rejected() -> Status {
    let mut status =
        Status::new(Reason::Invalid, "the server rejected our request due to an error in our request");
    status.details = Some(Box::default());
    status
}

impl Patch {
    /// The patched form of a value.
    pub(crate) fn apply(&self, cx: &Context, old: &Value) -> Result<Value, Status> {
        match self {
            Self::Json(patch) => {
                let mut new = old.clone();
                json_patch::patch(&mut new, patch).map_err(|_| rejected())?;
                Ok(new)
            }
            Self::Merge(patch) => {
                let mut new = old.clone();
                json_patch::merge(&mut new, patch);
                Ok(new)
            }
            Self::Strategic(patch) => apply::strategic(cx.resource.schema(), old, patch),
        }
    }
}

struct PatchChange<'a> {
    cx: &'a Context,
    patch: Patch,
    options: &'a WriteOptions,
}

impl Change for PatchChange<'_> {
    fn apply(&self, old: &Object) -> Result<Object, Status> {
        let value = self.patch.apply(self.cx, old.value())?;
        let parsed = Parsed { value, ..Parsed::default() };
        let mut new =
            decode::object(&self.cx.resource, parsed, self.options.field_validation, &self.cx.warnings)?;
        // A version that the patch did not touch is not one the writer insists on.
        if new.resource_version() == old.resource_version() && !self.names_version() {
            new.metadata_mut().remove("resourceVersion");
        }
        Ok(new)
    }
}

impl PatchChange<'_> {
    fn names_version(&self) -> bool {
        match &self.patch {
            Patch::Merge(patch) | Patch::Strategic(patch) => {
                patch.pointer("/metadata/resourceVersion").is_some_and(|v| !v.is_null())
            }
            Patch::Json(_) => false,
        }
    }
}
