//! Discovery: which groups, versions and resources there are, in the legacy and the aggregated form.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::respond;
use crate::http::{Response, full, negotiate};
use crate::registry::{Group, Registry, Version};
use crate::resource::{Resource, Subresource};

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// Answers a discovery path; nothing for a path that is none.
pub(crate) fn serve(registry: &Registry, headers: &HeaderMap, path: &str, host: &str) -> Option<Response> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["api"] => Some(aggregated(registry, headers, Part::Core).unwrap_or_else(|| {
            let versions = registry.group("").map(version_names).unwrap_or_default();
            respond::json(
                StatusCode::OK,
                &json!({
                    "kind": "APIVersions", "versions": versions,
                    "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
                }),
            )
        })),
        ["apis"] => Some(aggregated(registry, headers, Part::Groups).unwrap_or_else(|| {
            let groups: Vec<Value> =
                registry.groups.iter().filter(|g| !g.name.is_empty()).map(group_json).collect();
            respond::json(
                StatusCode::OK,
                &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
            )
        })),
        ["api", version] => resources(registry, "", version),
        ["apis", group] => registry.group(group).map(|group| {
            let mut value = group_json(group);
            value["kind"] = "APIGroup".into();
            value["apiVersion"] = "v1".into();
            respond::json(StatusCode::OK, &value)
        }),
        ["apis", group, version] => resources(registry, group, version),
        _ => None,
    }
}

fn version_names(group: &Group) -> Vec<&str> {
    group.versions.iter().map(|v| v.name.as_str()).collect()
}

fn group_json(group: &Group) -> Value {
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|v| json!({"groupVersion": format!("{}/{}", group.name, v.name), "version": v.name}))
        .collect();
    json!({"name": group.name, "preferredVersion": versions[0], "versions": versions})
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Response> {
    let found = registry.group(group)?;
    let Some(version) = found.versions.iter().find(|v| v.name == version) else {
        return Some(respond::failure(&respond::resource_not_found()));
    };
    let group_version =
        if group.is_empty() { version.name.clone() } else { format!("{group}/{}", version.name) };
    let mut list = Vec::new();
    for resource in &version.resources {
        if !resource.verbs.is_empty() {
            list.push(resource_json(resource));
        }
        list.extend(resource.subresources.iter().map(|s| subresource_json(resource, s)));
    }
    let value = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list,
    });
    Some(respond::json(StatusCode::OK, &value))
}

fn resource_json(resource: &Resource) -> Value {
    let mut value = json!({
        "name": resource.gvr.resource, "singularName": resource.singular,
        "namespaced": resource.namespaced, "kind": resource.kind, "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        value["shortNames"] = resource.short_names.clone().into();
    }
    if !resource.categories.is_empty() {
        value["categories"] = resource.categories.clone().into();
    }
    value
}

fn subresource_json(resource: &Resource, sub: &Subresource) -> Value {
    let mut value = json!({
        "name": format!("{}/{}", resource.gvr.resource, sub.name), "singularName": "",
        "namespaced": resource.namespaced, "kind": sub.kind, "verbs": sub.verbs,
    });
    if sub.group != resource.gvr.group || sub.version != resource.gvr.version {
        value["group"] = sub.group.as_str().into();
        value["version"] = sub.version.as_str().into();
    }
    value
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Core,
    Groups,
}

/// The aggregated form, when the client asks for it.
fn aggregated(registry: &Registry, headers: &HeaderMap, part: Part) -> Option<Response> {
    let version = negotiate::accepts(headers).iter().find_map(|range| {
        let json = matches!(range.media_type, "application/json" | "*/*" | "application/*");
        match (range.param("as"), range.param("v")) {
            ("APIGroupDiscoveryList", "v2") if json => Some(Some("v2")),
            ("APIGroupDiscoveryList", "v2beta1") if json => Some(Some("v2beta1")),
            ("", _) if json => Some(None),
            _ => None,
        }
    })??;
    let key = match (part, version) {
        (Part::Core, "v2") => "core/v2",
        (Part::Core, _) => "core/v2beta1",
        (Part::Groups, "v2") => "groups/v2",
        (Part::Groups, _) => "groups/v2beta1",
    };
    let (body, etag) = registry.documents.aggregated.get_or_init(|| documents(registry)).get(key)?;
    let content_type = if version == "v2" { V2 } else { V2BETA1 };
    Some(with_etag(headers, content_type, body, etag))
}

/// 200 with the document, or 304 when the client has it.
pub(crate) fn with_etag(
    headers: &HeaderMap,
    content_type: &'static str,
    body: &Bytes,
    etag: &str,
) -> Response {
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .any(|v| v.split(',').any(|e| e.trim() == etag));
    let mut response = if known {
        let mut response = Response::new(full(Bytes::new()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        respond::negotiated(headers, false, StatusCode::OK, body.clone())
    };
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    out.insert(VARY, HeaderValue::from_static("Accept"));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        out.insert(ETAG, etag);
    }
    response
}

/// The quoted hash of a document.
pub(crate) fn etag(body: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("\"");
    for byte in &Sha256::digest(body)[..] {
        write!(text, "{byte:02X}").expect("writing to memory does not fail");
    }
    text.push('"');
    text
}

fn documents(registry: &Registry) -> BTreeMap<&'static str, (Bytes, String)> {
    let document = |api_version: &str, core: bool| {
        let items: Vec<Value> = registry
            .groups
            .iter()
            .filter(|g| g.name.is_empty() == core)
            .map(|g| {
                let metadata = if core { json!({}) } else { json!({"name": g.name}) };
                let versions: Vec<Value> = g.versions.iter().map(version_json).collect();
                json!({"metadata": metadata, "versions": versions})
            })
            .collect();
        let value = json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{api_version}"),
            "metadata": {}, "items": items,
        });
        let bytes = Bytes::from(value.to_string());
        let etag = etag(&bytes);
        (bytes, etag)
    };
    BTreeMap::from([
        ("core/v2", document("v2", true)),
        ("core/v2beta1", document("v2beta1", true)),
        ("groups/v2", document("v2", false)),
        ("groups/v2beta1", document("v2beta1", false)),
    ])
}

fn version_json(version: &Version) -> Value {
    let resources: Vec<Value> = version.resources.iter().map(|r| aggregated_resource(r)).collect();
    json!({"version": version.name, "freshness": "Current", "resources": resources})
}

/// The kind an endpoint speaks; group and version are empty where they are the resource's own.
fn response_kind(r: &Resource, group: &str, version: &str, kind: &str) -> Value {
    let own = r.custom().is_none() && group == r.gvr.group && version == r.gvr.version;
    let (group, version) = if own { ("", "") } else { (group, version) };
    json!({"group": group, "version": version, "kind": kind})
}

fn aggregated_resource(r: &Resource) -> Value {
    let mut value = json!({
        "resource": r.gvr.resource,
        "responseKind": response_kind(r, &r.gvr.group, &r.gvr.version, &r.kind),
        "scope": if r.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": r.singular,
        "verbs": r.verbs,
    });
    if !r.short_names.is_empty() {
        value["shortNames"] = r.short_names.clone().into();
    }
    if !r.categories.is_empty() {
        value["categories"] = r.categories.clone().into();
    }
    if !r.subresources.is_empty() {
        let subresources: Vec<Value> = r
            .subresources
            .iter()
            .map(|s| {
                json!({
                    "subresource": s.name, "verbs": s.verbs,
                    "responseKind": response_kind(r, &s.group, &s.version, &s.kind),
                })
            })
            .collect();
        value["subresources"] = subresources.into();
    }
    value
}
