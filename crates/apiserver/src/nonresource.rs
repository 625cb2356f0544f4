//! Paths that are about the server itself: health, version, discovery, OpenAPI, metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;

use crate::core::Core;
use crate::http::query::Query;
use crate::http::{Response, respond};
use crate::{discovery, documents};

/// Answers a path that is no resource.
pub(crate) fn serve(core: &Arc<Core>, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let path = uri.path();
    if method != Method::GET && method != Method::HEAD {
        return match path {
            "/" => respond::page_not_found(),
            _ => respond::failure(&respond::method_not_allowed()),
        };
    }
    let query = Query::parse(uri.query().unwrap_or_default());
    let host = headers
        .get(http::header::HOST)
        .and_then(|v| v.to_str().ok())
        .or_else(|| uri.authority().map(http::uri::Authority::as_str))
        .unwrap_or_default();
    match path {
        "/" => paths(core),
        "/version" | "/version/" => version(core),
        "/metrics" => respond::with_type(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            core.metrics.text(),
        ),
        "/.well-known/openid-configuration" => openid(core),
        "/openid/v1/jwks" => keys(core),
        _ => health(core, path, &query)
            .or_else(|| documents::serve(core, headers, path, &query))
            .or_else(|| discovery::serve(&core.registry.load(), headers, path, host))
            .unwrap_or_else(respond::page_not_found),
    }
}

fn paths(core: &Core) -> Response {
    let registry = core.registry.load();
    let mut paths: Vec<String> =
        vec!["/.well-known/openid-configuration".into(), "/api".into(), "/apis".into()];
    for group in &registry.groups {
        if group.name.is_empty() {
            paths.extend(group.versions.iter().map(|v| format!("/api/{}", v.name)));
            continue;
        }
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|v| format!("/apis/{}/{}", group.name, v.name)));
    }
    for path in [
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openid/v1/jwks",
        "/readyz",
        "/version",
    ] {
        paths.push(path.into());
    }
    paths.sort();
    respond::json(StatusCode::OK, &json!({"paths": paths}))
}

fn version(core: &Core) -> Response {
    let git = core.options.version.as_str();
    let mut numbers = git.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or("1");
    let minor = numbers.next().unwrap_or("0");
    respond::json(
        StatusCode::OK,
        &json!({
            "major": major, "minor": minor, "emulationMajor": major, "emulationMinor": minor,
            "minCompatibilityMajor": major, "minCompatibilityMinor": minor,
            "gitVersion": git, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "rustc",
            "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        }),
    )
}

/// The checks of `/healthz`, `/livez` and `/readyz`.
fn health(core: &Core, path: &str, query: &Query) -> Option<Response> {
    let mut segments = path.trim_start_matches('/').split('/');
    let name = segments.next()?;
    if !matches!(name, "healthz" | "livez" | "readyz") {
        return None;
    }
    let mut checks = vec![("ping", true), ("store", core.ready.load(Ordering::Relaxed))];
    if name == "readyz" {
        checks.push(("shutdown", !core.shutdown.is_requested()));
    }
    if let Some(single) = segments.next().filter(|s| !s.is_empty()) {
        let (_, ok) = checks.into_iter().find(|(check, _)| *check == single)?;
        return Some(if ok {
            respond::text(StatusCode::OK, "ok")
        } else {
            respond::text(StatusCode::INTERNAL_SERVER_ERROR, "internal server error: withheld\n")
        });
    }
    let excluded: Vec<&str> = query.all("exclude").collect();
    checks.retain(|(check, _)| !excluded.contains(check));
    let healthy = checks.iter().all(|(_, ok)| *ok);
    if healthy && query.get("verbose").is_none() {
        return Some(respond::text(StatusCode::OK, "ok"));
    }
    let mut text: String =
        checks
            .iter()
            .map(|(check, ok)| {
                if *ok { format!("[+]{check} ok\n") } else { format!("[-]{check} failed: reason withheld\n") }
            })
            .collect();
    let (code, result) =
        if healthy { (StatusCode::OK, "passed") } else { (StatusCode::INTERNAL_SERVER_ERROR, "failed") };
    text.push_str(&format!("{name} check {result}\n"));
    Some(respond::text(code, text))
}

fn openid(core: &Core) -> Response {
    let issuer = core.options.issuer.as_str();
    respond::json(
        StatusCode::OK,
        &json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }),
    )
}

fn keys(core: &Core) -> Response {
    let keys: Vec<_> = core
        .options
        .service_account_key
        .iter()
        .map(|key| {
            json!({
                "use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": key.id,
                "x": key.coordinates.0, "y": key.coordinates.1,
            })
        })
        .collect();
    let body = json!({"keys": keys}).to_string();
    respond::with_type(StatusCode::OK, "application/jwk-set+json", body)
}
