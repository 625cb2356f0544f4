//! OpenAPI documents of what is served, made the first time somebody asks.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use machinery::{GroupVersion, GroupVersionKind};
use openapi::{SchemaSource, Served, Subresource};

use crate::core::Core;
use crate::discovery::with_etag;
use crate::http::negotiate;
use crate::http::query::Query;
use crate::http::{Response, respond};
use crate::registry::{Registry, Version};
use crate::resource::{Nature, Resource};

const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Answers an OpenAPI path; nothing for a path that is none.
pub(crate) fn serve(core: &Core, headers: &HeaderMap, path: &str, query: &Query) -> Option<Response> {
    let registry = core.registry.load();
    let path = path.trim_end_matches('/');
    if path == "/openapi/v2" {
        return Some(v2(&registry, headers));
    }
    let rest = path.strip_prefix("/openapi/v3")?;
    let name = rest.trim_start_matches('/');
    if name.is_empty() {
        let documents: Vec<(String, &str)> = versions(&registry)
            .map(|(gv, version)| (openapi::v3::path(&gv), v3(&gv, version).1.as_str()))
            .collect();
        let index = openapi::v3::index(documents.iter().map(|(path, hash)| (path.as_str(), *hash)));
        return Some(respond::text(StatusCode::OK, index.to_string()));
    }
    let (gv, version) = versions(&registry).find(|(gv, _)| openapi::v3::path(gv) == name)?;
    let (body, hash) = v3(&gv, version);
    let asked = query.text("hash");
    if !asked.is_empty() && asked != hash.as_str() {
        let mut response = respond::text(StatusCode::MOVED_PERMANENTLY, Bytes::new());
        if let Ok(location) = HeaderValue::from_str(&format!("/openapi/v3/{name}?hash={hash}")) {
            response.headers_mut().insert(LOCATION, location);
        }
        return Some(response);
    }
    let mut response = with_etag(headers, "application/json", body, &format!("\"{hash}\""));
    let cache = if asked.is_empty() { "no-cache, private" } else { "public, immutable" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    Some(response)
}

fn v2(registry: &Registry, headers: &HeaderMap) -> Response {
    let wants_protobuf = negotiate::accepts(headers)
        .first()
        .is_some_and(|range| range.media_type.contains("proto-openapi.spec.v2"));
    let hashed = |bytes: Bytes| {
        let hash = format!("\"{}\"", openapi::hash_bytes(&bytes));
        (bytes, hash)
    };
    if wants_protobuf {
        let (body, etag) = registry.documents.open_api_v2_proto.get_or_init(|| {
            let document = openapi::v2::document(&served(registry));
            hashed(openapi::v2::protobuf(&document).into())
        });
        return with_etag(headers, PROTOBUF, body, etag);
    }
    let (body, etag) = registry
        .documents
        .open_api_v2
        .get_or_init(|| hashed(openapi::v2::document(&served(registry)).to_string().into()));
    with_etag(headers, "application/json", body, etag)
}

fn versions(registry: &Registry) -> impl Iterator<Item = (GroupVersion, &Version)> {
    let versions = registry.groups.iter().flat_map(|g| g.versions.iter().map(move |v| (g, v)));
    versions.map(|(g, v)| (GroupVersion { group: g.name.clone(), version: v.name.clone() }, v))
}

fn v3<'a>(gv: &GroupVersion, version: &'a Version) -> &'a (Bytes, String) {
    version.open_api.get_or_init(|| {
        let served: Vec<Served> = version.resources.iter().map(served_one).collect();
        let bytes = Bytes::from(openapi::v3::document(gv, &served).to_string());
        let hash = openapi::hash_bytes(&bytes);
        (bytes, hash)
    })
}

fn served(registry: &Registry) -> Vec<Served> {
    registry.all().map(served_one).collect()
}

fn served_one(resource: &Arc<Resource>) -> Served {
    let own = |verbs: &[&'static str]| verbs.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
    Served {
        gvk: resource.gvr_kind(),
        list_kind: Some(resource.list_kind.clone()),
        plural: resource.gvr.resource.clone(),
        namespaced: resource.namespaced,
        verbs: own(&resource.verbs),
        subresources: resource
            .subresources
            .iter()
            .map(|s| Subresource {
                name: s.name.clone(),
                gvk: GroupVersionKind::new(&s.group, &s.version, &s.kind),
                verbs: own(&s.verbs),
            })
            .collect(),
        schema: match &resource.nature {
            Nature::Builtin(_) => SchemaSource::Builtin,
            Nature::Custom(custom) => SchemaSource::Custom(Arc::clone(&custom.open_api)),
        },
        is_custom: resource.custom().is_some(),
    }
}
