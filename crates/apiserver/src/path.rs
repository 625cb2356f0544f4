//! What a URL path names.

use crate::http::query::decode;

/// A path under `/api/v1` or `/apis/{group}/{version}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    /// API group, empty for the core group.
    pub(crate) group: String,
    /// Version.
    pub(crate) version: String,
    /// Namespace, empty for cluster-scoped paths and for all namespaces.
    pub(crate) namespace: String,
    /// Plural name.
    pub(crate) resource: String,
    /// Object name, empty for collections.
    pub(crate) name: String,
    /// Subresource, empty for the main resource.
    pub(crate) subresource: String,
    /// What follows the subresource (proxies).
    pub(crate) rest: String,
    /// The deprecated `/watch/` form of the path.
    pub(crate) legacy_watch: bool,
}

/// What a path is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Health, discovery and the like.
    NonResource,
    /// A resource of the API.
    Resource(Target),
}

/// Takes a path apart. Discovery paths (`/apis/apps/v1`) are not resources.
pub(crate) fn route(path: &str) -> Route {
    let mut segments = path.trim_start_matches('/').split('/');
    let mut target = Target::default();
    match segments.next() {
        Some("api") => {}
        Some("apis") => match segments.next() {
            Some(group) if !group.is_empty() => target.group = group.to_owned(),
            _ => return Route::NonResource,
        },
        _ => return Route::NonResource,
    }
    match segments.next() {
        Some(version) if !version.is_empty() => target.version = version.to_owned(),
        _ => return Route::NonResource,
    }
    let mut rest: Vec<&str> = segments.collect();
    if rest.last() == Some(&"") && rest.len() < 4 {
        rest.pop();
    }
    let mut rest = rest.as_slice();
    if rest.is_empty() {
        return Route::NonResource;
    }
    if rest[0] == "watch" && rest.len() > 1 {
        target.legacy_watch = true;
        rest = &rest[1..];
    }
    fill(&mut target, rest);
    Route::Resource(target)
}

fn fill(target: &mut Target, mut rest: &[&str]) {
    let in_namespace = rest[0] == "namespaces"
        && rest.len() >= 3
        && !(rest.len() == 3 && matches!(rest[2], "status" | "finalize") && target.group.is_empty());
    if in_namespace {
        target.namespace = decode(rest[1], false);
        rest = &rest[2..];
    }
    target.resource = decode(rest[0], false);
    if let Some(name) = rest.get(1) {
        target.name = decode(name, false);
    }
    if let Some(subresource) = rest.get(2) {
        target.subresource = decode(subresource, false);
    }
    if rest.len() > 3 {
        target.rest = rest[3..].join("/");
    }
    // A namespace is in its own namespace for authorization.
    if target.group.is_empty() && target.resource == "namespaces" && target.namespace.is_empty() {
        target.namespace = target.name.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(path: &str) -> String {
        match route(path) {
            Route::NonResource => "-".into(),
            Route::Resource(t) => format!(
                "{}|{}|{}|{}|{}|{}|{}",
                t.group, t.version, t.namespace, t.resource, t.name, t.subresource, t.rest
            ),
        }
    }

    #[test]
    fn paths_name_what_they_look_like() {
        for (path, want) in [
            ("/", "-"),
            ("/api/v1", "-"),
            ("/apis/apps/v1/", "-"),
            ("/api/v1/pods", "|v1||pods|||"),
            ("/api/v1/namespaces", "|v1||namespaces|||"),
            ("/api/v1/namespaces/a", "|v1|a|namespaces|a||"),
            ("/api/v1/namespaces/a/status", "|v1|a|namespaces|a|status|"),
            ("/api/v1/namespaces/a/finalize", "|v1|a|namespaces|a|finalize|"),
            ("/api/v1/namespaces/a/pods", "|v1|a|pods|||"),
            ("/apis/apps/v1/namespaces/a/deployments/d/scale", "apps|v1|a|deployments|d|scale|"),
            ("/apis/c.io/v1/clusters/m/proxy/api/v1/pods", "c.io|v1||clusters|m|proxy|api/v1/pods"),
            ("/api/v1/watch/namespaces/a/pods", "|v1|a|pods|||"),
        ] {
            assert_eq!(show(path), want, "{path}");
        }
    }
}
