//! One webhook out of a configuration, ready to be asked.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use machinery::Object;
use machinery::selector::LabelSelector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::admission::Attributes;
use crate::core::Core;

/// Where a webhook is reached.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// By URL: host, port and path with query.
    Url { host: String, port: u16, path: String },
    /// By a service.
    Service { namespace: String, name: String, port: u16, path: String },
}

/// A webhook.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
    pub(super) review_version: String,
    pub(super) ignores_failure: bool,
    pub(super) has_side_effects: bool,
    pub(super) reinvoke: bool,
    /// Why it cannot be called at all; then every call fails with this text.
    pub(super) unusable: Option<String>,
    rules: Vec<Rule>,
    namespaces: LabelSelector,
    objects: LabelSelector,
}

#[derive(Debug)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Hook {
    /// The webhooks of a configuration, in order.
    pub(super) fn all(configuration: &Object) -> Vec<Self> {
        let hooks = configuration.at("/webhooks").and_then(Value::as_array);
        hooks.into_iter().flatten().map(Self::read).collect()
    }

    fn read(value: &Value) -> Self {
        let mut unusable = None;
        let mut selector = |name: &str| match value.get(name).map(LabelSelector::from_object) {
            None => LabelSelector::everything(),
            Some(Ok(selector)) => selector,
            Some(Err(why)) => {
                unusable = Some(why);
                LabelSelector::everything()
            }
        };
        let (namespaces, objects) = (selector("namespaceSelector"), selector("objectSelector"));
        let (place, problem) = match place(value) {
            Ok(place) => (place, None),
            Err(why) => (Place::Url { host: String::new(), port: 0, path: String::new() }, Some(why)),
        };
        let (tls, broken) = match client_config(text(value, "/clientConfig/caBundle")) {
            Ok(config) => (Some(config), None),
            Err(why) => (None, Some(why)),
        };
        let conditions =
            value.get("matchConditions").and_then(Value::as_array).is_some_and(|c| !c.is_empty());
        let condition =
            conditions.then(|| "its matchConditions (CEL) are not supported by this server".to_owned());
        let versions = texts(value, "admissionReviewVersions");
        let review_version = versions
            .iter()
            .find(|v| matches!(v.as_str(), "v1" | "v1beta1"))
            .cloned()
            .unwrap_or_else(|| "v1".into());
        let seconds = value.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(10).clamp(1, 30);
        let rules = value.get("rules").and_then(Value::as_array);
        Self {
            name: text(value, "/name").to_owned(),
            place,
            tls,
            timeout: Duration::from_secs(seconds),
            review_version,
            ignores_failure: text(value, "/failurePolicy") == "Ignore",
            has_side_effects: !matches!(text(value, "/sideEffects"), "None" | "NoneOnDryRun"),
            reinvoke: text(value, "/reinvocationPolicy") == "IfNeeded",
            unusable: unusable.or(problem).or(broken).or(condition),
            rules: rules.into_iter().flatten().map(Rule::read).collect(),
            namespaces,
            objects,
        }
    }

    /// Whether a rule is about such writes.
    pub(super) fn concerns(&self, attributes: &Attributes) -> bool {
        self.rules.iter().any(|rule| rule.matches(attributes))
    }

    /// Whether the selectors take the object and its namespace.
    pub(super) fn selects(
        &self,
        attributes: &Attributes,
        object: Option<&Object>,
        old: Option<&Object>,
        core: &Core,
    ) -> bool {
        if !self.objects.is_everything()
            && ![object, old].into_iter().flatten().any(|o| self.objects.matches_object(o))
        {
            return false;
        }
        if self.namespaces.is_everything() {
            return true;
        }
        if attributes.resource.group.is_empty() && attributes.resource.resource == "namespaces" {
            return object.or(old).is_none_or(|o| self.namespaces.matches_object(o));
        }
        if !attributes.namespaced {
            return true;
        }
        let namespace = core.cached("", "namespaces", "", &attributes.namespace);
        namespace.is_none_or(|n| self.namespaces.matches_object(&n))
    }
}

impl Rule {
    fn read(value: &Value) -> Self {
        Self {
            operations: texts(value, "operations"),
            groups: texts(value, "apiGroups"),
            versions: texts(value, "apiVersions"),
            resources: texts(value, "resources"),
            scope: text(value, "/scope").to_owned(),
        }
    }

    fn matches(&self, a: &Attributes) -> bool {
        let any = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let scope = match self.scope.as_str() {
            "Namespaced" => a.namespaced,
            "Cluster" => !a.namespaced,
            _ => true,
        };
        scope
            && any(&self.operations, a.operation.name())
            && any(&self.groups, &a.resource.group)
            && any(&self.versions, &a.resource.version)
            && self.resources.iter().any(|r| covers(r, &a.resource.resource, &a.subresource))
    }
}

/// Whether `pods`, `pods/status`, `*`, `*/*`, `pods/*` or `*/scale` covers a resource and subresource.
fn covers(pattern: &str, resource: &str, subresource: &str) -> bool {
    let (main, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
    let main_fits = main == "*" || main == resource;
    let sub_fits =
        if pattern.contains('/') { sub == "*" || sub == subresource } else { subresource.is_empty() };
    main_fits && sub_fits
}

fn place(value: &Value) -> Result<Place, String> {
    let url = text(value, "/clientConfig/url");
    if !url.is_empty() {
        let uri: http::Uri = url.parse().map_err(|e| format!("its URL cannot be read: {e}"))?;
        let host = uri.host().ok_or("its URL has no host")?.trim_matches(['[', ']']).to_owned();
        if uri.scheme_str() != Some("https") {
            return Err("its URL is not an https one".into());
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        return Ok(Place::Url { host, port: uri.port_u16().unwrap_or(443), path });
    }
    let service = value.pointer("/clientConfig/service").ok_or("it has neither a URL nor a service")?;
    let port = service.get("port").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(443);
    Ok(Place::Service {
        namespace: text(service, "/namespace").to_owned(),
        name: text(service, "/name").to_owned(),
        port,
        path: match text(service, "/path") {
            "" => "/".to_owned(),
            path => path.to_owned(),
        },
    })
}

fn client_config(ca_bundle: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let pem = BASE64.decode(ca_bundle).map_err(|e| format!("its caBundle cannot be read: {e}"))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| format!("its caBundle cannot be read: {e}"))?;
        roots.add(certificate).map_err(|e| format!("its caBundle cannot be used: {e}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn resource_patterns_cover_what_they_say() {
        for (pattern, resource, subresource, want) in [
            ("pods", "pods", "", true),
            ("pods", "pods", "status", false),
            ("pods/status", "pods", "status", true),
            ("*", "pods", "", true),
            ("*", "pods", "status", false),
            ("*/*", "pods", "", true),
            ("*/*", "pods", "status", true),
            ("*/scale", "deployments", "scale", true),
            ("*/scale", "deployments", "status", false),
            ("pods/*", "pods", "log", true),
        ] {
            assert_eq!(covers(pattern, resource, subresource), want, "{pattern} {resource}/{subresource}");
        }
    }
}
