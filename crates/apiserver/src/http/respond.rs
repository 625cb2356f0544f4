//! Building responses.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY};
use http::{HeaderMap, StatusCode};
use machinery::{Reason, Status};
use serde_json::Value;

use super::{Response, full, negotiate};

/// Bodies above this size are compressed when the client takes it, in bytes.
const GZIP_BYTES_MIN: usize = 128 * 1024;

/// A JSON body that is already encoded.
pub(crate) fn json_bytes(code: StatusCode, bytes: impl Into<Bytes>) -> Response {
    with_type(code, "application/json", bytes)
}

/// A JSON value.
pub(crate) fn json(code: StatusCode, value: &Value) -> Response {
    json_bytes(code, value.to_string())
}

/// Plain text.
pub(crate) fn text(code: StatusCode, body: impl Into<Bytes>) -> Response {
    with_type(code, "text/plain; charset=utf-8", body)
}

/// A body of any content type.
pub(crate) fn with_type(code: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// The 404 of paths nobody serves.
pub(crate) fn page_not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// The 404 of a resource or version that a served group does not have.
pub(crate) fn resource_not_found() -> Status {
    let mut status = Status::new(Reason::NotFound, "the server could not find the requested resource");
    status.details = Some(Box::default());
    status
}

/// The 405 of a path that exists.
pub(crate) fn method_not_allowed() -> Status {
    let mut status = Status::new(
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    );
    status.details = Some(Box::default());
    status
}

/// A failure without a machine-readable reason, as the storage layer gives.
pub(crate) fn plain_failure(message: impl Into<String>) -> Status {
    Status::new(Reason::Unknown, message)
}

/// A failed request's response.
pub(crate) fn failure(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(code, &status.to_json());
    let retry_after = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
    if retry_after > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    response
}

/// Compresses large bodies for clients that take it.
pub(crate) fn negotiated(headers: &HeaderMap, yaml: bool, code: StatusCode, bytes: Bytes) -> Response {
    if yaml {
        let text = serde_json::from_slice::<Value>(&bytes)
            .ok()
            .and_then(|value| serde_saphyr::to_string(&value).ok())
            .unwrap_or_default();
        return with_type(code, "application/yaml", text);
    }
    if bytes.len() <= GZIP_BYTES_MIN || !negotiate::takes_gzip(headers) {
        return json_bytes(code, bytes);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let compressed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let Ok(compressed) = compressed else { return json_bytes(code, bytes) };
    let mut response = json_bytes(code, compressed);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// A `Warning` header's value for a text.
pub(crate) fn warning(text: &str) -> Option<HeaderValue> {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    HeaderValue::from_bytes(format!("299 - \"{escaped}\"").as_bytes()).ok()
}
