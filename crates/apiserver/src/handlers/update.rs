//! UPDATE: PUT of an object or of its subresource.

use bytes::Bytes;
use http::StatusCode;
use machinery::{Cause, Object, Status};
use serde_json::json;

use super::write::Write;
use crate::core::Context;
use crate::http::Response;
use crate::http::query::WriteOptions;
use crate::{decode, meta, render};

/// Carries out a PUT.
pub(crate) async fn handle(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&cx.query, "UpdateOptions", cx.user_agent(), false)?;
    let mut sent = decode::body(cx, body, options.field_validation)?;
    meta::settle_namespace(&cx.resource, cx.namespace(), &mut sent)?;
    meta::settle_name(&cx.target.name, &mut sent)?;
    let write = Write::of(cx, &options);
    let required = cx.resource.custom().is_some() && matches!(sent.resource_version(), "" | "0");
    let replace = |_: &Object| {
        if required {
            let cause =
                Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(cx.resource.invalid(&cx.target.name, vec![cause]));
        }
        Ok(sent.clone())
    };
    let written = match write.update(&replace).await {
        Err(status)
            if status.is_not_found()
                && cx.target.subresource.is_empty()
                && cx.resource.create_on_update()
                && sent.resource_version().is_empty() =>
        {
            write.create(sent.clone()).await?
        }
        result => result?,
    };
    let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(render::object(cx, code, &written.bytes, written.revision))
}
