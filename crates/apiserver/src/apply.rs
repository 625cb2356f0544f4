//! Server-side apply and strategic merge, by the rules of the `patch` crate.

use bytes::Bytes;
use machinery::Status;
use schema::Schema;
use serde_json::Value;

use crate::core::Context;
use crate::decode::unsupported_media_type;
use crate::handlers::write::Written;
use crate::http::query::WriteOptions;

/// Applies a strategic merge patch.
pub(crate) fn strategic(_schema: Option<&Schema>, old: &Value, patch: &Value) -> Result<Value, Status> {
    let mut new = old.clone();
    json_patch::merge(&mut new, patch);
    Ok(new)
}

/// Carries out a server-side apply.
pub(crate) async fn run(_cx: &Context, _body: &Bytes, _options: &WriteOptions) -> Result<Written, Status> {
    Err(unsupported_media_type("application/json-patch+json, application/merge-patch+json"))
}
