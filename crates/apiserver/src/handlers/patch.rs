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
use crate::{apply, fields, render};

/// A patch as sent.
#[derive(Debug)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Value),
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
    let (patch, duplicates) = read(cx, media_type, body)?;
    let change = PatchChange { cx, patch, duplicates, options: &options };
    Write::of(cx, &options).update(&change).await
}

/// Reads a patch by its media type, with the paths of its fields that occur twice.
pub(crate) fn read(cx: &Context, media_type: &str, body: &Bytes) -> Result<(Patch, Vec<String>), Status> {
    let custom = cx.resource.custom().is_some();
    match media_type {
        "application/json-patch+json" => parse_json(body).map(|p| (Patch::Json(p.value), p.duplicates)),
        "application/merge-patch+json" => parse_json(body).map(|p| (Patch::Merge(p.value), p.duplicates)),
        "application/strategic-merge-patch+json" if !custom => {
            parse_json(body).map(|p| (Patch::Strategic(p.value), p.duplicates))
        }
        "application/strategic-merge-patch+json" => Err(unsupported_media_type(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
        _ => {
            let mut status = Status::new(Reason::UnsupportedMediaType, "415: Unsupported Media Type");
            status.details = Some(Box::default());
            Err(status)
        }
    }
}

fn parse_json(body: &Bytes) -> Result<Parsed, Status> {
    parse::json(body).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))
}

impl Patch {
    /// The patched form of a value.
    pub(crate) fn apply(&self, cx: &Context, old: &Value) -> Result<Value, Status> {
        let mut new = old.clone();
        match self {
            Self::Json(patch) => patch::json::apply(&mut new, patch).map_err(|error| error.status())?,
            Self::Merge(patch) => patch::merge::apply_body(&mut new, patch)?,
            Self::Strategic(patch) => {
                patch::strategic::apply(&mut new, patch, fields::schema_of(&cx.resource))
                    .map_err(|error| error.status())?
            }
        }
        Ok(new)
    }
}

struct PatchChange<'a> {
    cx: &'a Context,
    patch: Patch,
    duplicates: Vec<String>,
    options: &'a WriteOptions,
}

impl Change for PatchChange<'_> {
    fn apply(&self, old: &Object) -> Result<Object, Status> {
        let value = self.patch.apply(self.cx, old.value())?;
        let (mut new, unknown) = decode::admitted(&self.cx.resource, value)?;
        let shown = || match &self.patch {
            Patch::Strategic(patch) => patch::strategic::go_text(patch),
            Patch::Json(_) | Patch::Merge(_) => new.value().to_string(),
        };
        let validation = self.options.field_validation;
        decode::complain_of_patch(&unknown, &self.duplicates, validation, shown, &self.cx.warnings)?;
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
