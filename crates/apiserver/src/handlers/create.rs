//! CREATE.

use bytes::Bytes;
use http::StatusCode;
use machinery::Status;

use super::write::Write;
use crate::core::Context;
use crate::http::Response;
use crate::http::query::WriteOptions;
use crate::{decode, render};

/// Carries out a POST to a collection.
pub(crate) async fn handle(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&cx.query, "CreateOptions", cx.user_agent(), false)?;
    let object = decode::body(cx, body, options.field_validation)?;
    let written = Write::of(cx, &options).create(object).await?;
    Ok(render::object(cx, StatusCode::CREATED, &written.bytes, written.revision))
}
