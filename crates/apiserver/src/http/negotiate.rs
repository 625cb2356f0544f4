//! Content negotiation: which form of an answer a client asked for.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use machinery::{Reason, Status};

/// What is answered instead of the object itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object or list.
    Object,
    /// Rows and columns, in this version of `meta.k8s.io`.
    Table(&'static str),
    /// Only metadata, in this version of `meta.k8s.io`.
    Partial(&'static str),
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Shape of the answer.
    pub(crate) form: Form,
    /// YAML instead of JSON.
    pub(crate) yaml: bool,
}

/// One entry of an `Accept` header.
#[derive(Debug)]
pub(crate) struct MediaRange<'a> {
    /// For example `application/json`.
    pub(crate) media_type: &'a str,
    params: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl MediaRange<'_> {
    /// A parameter's value, empty when absent.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| *n == name).map(|(_, v)| *v).unwrap_or_default()
    }
}

/// The entries of all `Accept` headers, best first.
pub(crate) fn accepts(headers: &HeaderMap) -> Vec<MediaRange<'_>> {
    let mut ranges: Vec<MediaRange<'_>> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|text| !text.trim().is_empty())
        .map(|text| {
            let mut parts = text.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let params: Vec<(&str, &str)> =
                parts.filter_map(|p| p.split_once('=')).map(|(n, v)| (n.trim(), v.trim())).collect();
            let quality =
                params.iter().find(|(n, _)| *n == "q").and_then(|(_, v)| v.parse().ok()).unwrap_or(1.0);
            MediaRange { media_type, params, quality }
        })
        .collect();
    ranges.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    ranges
}

/// Chooses the answer's form for a resource request.
pub(crate) fn negotiate(headers: &HeaderMap) -> Result<Accepted, Status> {
    choose(&accepts(headers))
}

/// Chooses the answer's form for what has neither rows nor metadata: reviews and the like.
pub(crate) fn negotiate_plain(headers: &HeaderMap) -> Result<Accepted, Status> {
    let all = accepts(headers);
    let asks = !all.is_empty();
    let plain: Vec<MediaRange<'_>> = all.into_iter().filter(|range| range.param("as").is_empty()).collect();
    if asks && plain.is_empty() { Err(not_acceptable()) } else { choose(&plain) }
}

fn choose(ranges: &[MediaRange<'_>]) -> Result<Accepted, Status> {
    if ranges.is_empty() {
        return Ok(Accepted { form: Form::Object, yaml: false });
    }
    for range in ranges {
        let yaml = match range.media_type {
            "application/json" | "*/*" | "application/*" => false,
            "application/yaml" => true,
            _ => continue,
        };
        let version = match range.param("v") {
            "" | "v1" => "v1",
            "v1beta1" => "v1beta1",
            _ => continue,
        };
        let form = match range.param("as") {
            "" => Form::Object,
            "Table" => Form::Table(version),
            "PartialObjectMetadata" | "PartialObjectMetadataList" => Form::Partial(version),
            _ => continue,
        };
        return Ok(Accepted { form, yaml });
    }
    Err(not_acceptable())
}

fn not_acceptable() -> Status {
    let mut status = Status::new(
        Reason::NotAcceptable,
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
         application/json;stream=watch",
    );
    status.details = Some(Box::default());
    status
}

/// Whether the client takes gzip.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .any(|v| v.split(',').any(|e| e.split(';').next().is_some_and(|e| e.trim() == "gzip")))
}

/// The media type of the request body, without parameters; empty when absent.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .map(|v| v.split(';').next().unwrap_or_default().trim())
        .unwrap_or_default()
}
