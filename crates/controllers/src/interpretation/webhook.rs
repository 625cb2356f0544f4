//! Asking an interpreter webhook: where it listens, and the call.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri, header};
use interpreter::webhook::{Endpoint, Webhook};
use kube::config::{KubeConfigOptions, Kubeconfig};
use machinery::{Object, ObjectKey};
use runtime::{Informers, queue};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::services;

/// Why a webhook could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the webhook's URL {url:?} cannot be used: {reason}")]
    Url { url: String, reason: String },
    #[error("could not read service {service}: {reason}")]
    Service { service: ObjectKey, reason: String },
    #[error("service {service} cannot be called: {reason}")]
    NotCallable { service: ObjectKey, reason: String },
    #[error("the webhook's TLS settings cannot be used: {0}")]
    Tls(String),
    #[error("could not call the webhook at {url}: {reason}")]
    Call { url: String, reason: String },
    #[error("the webhook at {url} did not answer within {after:?}")]
    TimedOut { url: String, after: Duration },
}

/// Where to send a question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// `https://host:port`.
    server: String,
    /// Path and query.
    path: String,
    /// The name that the certificate must carry, when it is not the host's.
    server_name: Option<String>,
}

/// A connection pool's identity: the same place and trust use the same one.
type Pool = (String, Option<String>, Option<String>);

/// Calls webhooks, and keeps its connections to them.
pub(super) struct Caller {
    informers: Informers,
    clients: Mutex<BTreeMap<Pool, kube::Client>>,
}

impl Caller {
    pub(super) fn new(informers: Informers) -> Self {
        Self { informers, clients: Mutex::default() }
    }

    /// Gives up the connections; those that are still wanted are made again.
    pub(super) fn forget(&self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sends a question and gives the response.
    pub(super) async fn call(&self, webhook: &Webhook, body: &Value) -> Result<Value, Error> {
        let place = self.place(&webhook.endpoint).await?;
        let url = format!("{}{}", place.server, place.path);
        let client = self.client(&place, webhook.ca_bundle.as_deref()).await?;
        let failed = |reason: String| Error::Call { url: url.clone(), reason };
        let request = Request::post(with_timeout(&place.path, webhook.timeout))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|e| failed(e.to_string()))?;
        match tokio::time::timeout(webhook.timeout, client.request::<Value>(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failed(queue::chain(&error))),
            Err(_) => Err(Error::TimedOut { url: url.clone(), after: webhook.timeout }),
        }
    }

    async fn client(&self, place: &Place, ca_bundle: Option<&str>) -> Result<kube::Client, Error> {
        let pool = (place.server.clone(), place.server_name.clone(), ca_bundle.map(ToOwned::to_owned));
        if let Some(client) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&pool) {
            return Ok(client.clone());
        }
        let tls = |reason: String| Error::Tls(reason);
        let kubeconfig =
            Kubeconfig::deserialize(access(place, ca_bundle)).map_err(|e| tls(queue::chain(&e)))?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|e| tls(queue::chain(&e)))?;
        let client = kube::Client::try_from(config).map_err(|e| tls(queue::chain(&e)))?;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(pool, client.clone());
        Ok(client)
    }

    async fn place(&self, endpoint: &Endpoint) -> Result<Place, Error> {
        match endpoint {
            Endpoint::Url(url) => url_place(url),
            Endpoint::Service { namespace, name, path, port } => {
                let key = ObjectKey::new(namespace, name);
                let service = self.service(&key).await?;
                service_place(&key, service.as_ref(), *port, path.as_deref())
            }
        }
    }

    /// A Service of the control plane, from the cache where there is one.
    async fn service(&self, key: &ObjectKey) -> Result<Option<Object>, Error> {
        if let Some(informer) = self.informers.running(&services()).filter(|i| i.is_synced()) {
            return Ok(informer.get(key).map(|service| (*service).clone()));
        }
        let resource = self.informers.client().resource(&services()).namespace(&key.namespace);
        let failed = |e: client::Error| Error::Service { service: key.clone(), reason: e.chain() };
        resource.find(&key.name).await.map_err(failed)
    }
}

/// Access to a webhook in the form in which the client library reads it.
fn access(place: &Place, ca_bundle: Option<&str>) -> Value {
    let mut cluster = json!({ "server": place.server });
    if let Some(ca_bundle) = ca_bundle {
        cluster["certificate-authority-data"] = STANDARD.encode(ca_bundle).into();
    }
    if let Some(name) = &place.server_name {
        cluster["tls-server-name"] = name.as_str().into();
    }
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "webhook",
        "clusters": [{ "name": "webhook", "cluster": cluster }],
        "users": [{ "name": "webhook", "user": {} }],
        "contexts": [{ "name": "webhook", "context": { "cluster": "webhook", "user": "webhook" } }],
    })
}

/// The path, with the time in which the webhook should answer, in whole seconds.
fn with_timeout(path: &str, timeout: Duration) -> String {
    let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}timeout={seconds}s")
}

fn url_place(url: &str) -> Result<Place, Error> {
    let unusable = |reason: &str| Error::Url { url: url.to_owned(), reason: reason.to_owned() };
    let uri: Uri = url.parse().map_err(|_| unusable("it is no URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(unusable("its scheme must be https"));
    }
    let authority =
        uri.authority().filter(|a| !a.host().is_empty()).ok_or_else(|| unusable("it has no host"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Place { server: format!("https://{authority}"), path: path.to_owned(), server_name: None })
}

/// Where a Service leads, by its type. One that is not in the control plane is one of the cluster in which the
/// control plane runs.
fn service_place(
    key: &ObjectKey,
    service: Option<&Object>,
    port: u16,
    path: Option<&str>,
) -> Result<Place, Error> {
    let name = format!("{}.{}.svc", key.name, key.namespace);
    let host = match service {
        None => name.clone(),
        Some(service) => host_of(key, service, port)?,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let path = format!("/{}", path.unwrap_or_default().trim_start_matches('/'));
    Ok(Place { server: format!("https://{host}:{port}"), path, server_name: Some(name) })
}

fn host_of(key: &ObjectKey, service: &Object, port: u16) -> Result<String, Error> {
    let cannot = |reason: String| Error::NotCallable { service: key.clone(), reason };
    let text = |pointer: &str| service.str_at(pointer).unwrap_or_default();
    match text("/spec/type") {
        "ExternalName" => match text("/spec/externalName") {
            "" => Err(cannot("it has no external name".into())),
            name => Ok(name.to_owned()),
        },
        "" | "ClusterIP" | "NodePort" | "LoadBalancer" => {
            let address = text("/spec/clusterIP");
            if address.is_empty() || address == "None" {
                return Err(cannot("it has no cluster IP".into()));
            }
            let ports = service.at("/spec/ports").and_then(Value::as_array);
            let has_port = ports.into_iter().flatten().any(|p| p["port"].as_u64() == Some(u64::from(port)));
            if has_port { Ok(address.to_owned()) } else { Err(cannot(format!("it has no port {port}"))) }
        }
        other => Err(cannot(format!("its type {other:?} is not known"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: Value) -> Object {
        let mut service = Object::new("v1", "Service", "hooks", "web");
        service.set("/spec", spec);
        service
    }

    fn check(service: Option<Value>, port: u16, path: Option<&str>, expected: &str) {
        let key = ObjectKey::new("hooks", "web");
        let service = service.map(self::service);
        let place = service_place(&key, service.as_ref(), port, path);
        let text = match place {
            Ok(place) => format!("{}{} as {}", place.server, place.path, place.server_name.unwrap()),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn a_service_with_an_address_is_called_there_and_must_have_the_port() {
        for kind in ["ClusterIP", "NodePort", "LoadBalancer"] {
            let spec = json!({ "type": kind, "clusterIP": "10.0.0.7", "ports": [{ "port": 8443 }] });
            check(Some(spec), 8443, Some("/ask"), "https://10.0.0.7:8443/ask as web.hooks.svc");
        }
        let spec = json!({ "clusterIP": "fd00::7", "ports": [{ "port": 443 }] });
        check(Some(spec.clone()), 443, None, "https://[fd00::7]:443/ as web.hooks.svc");
        check(Some(spec), 444, None, "service hooks/web cannot be called: it has no port 444");
    }

    #[test]
    fn a_headless_service_is_refused_and_an_external_name_is_followed() {
        let headless = json!({ "type": "ClusterIP", "clusterIP": "None", "ports": [{ "port": 443 }] });
        check(Some(headless), 443, None, "service hooks/web cannot be called: it has no cluster IP");
        let external = json!({ "type": "ExternalName", "externalName": "hooks.example.com" });
        check(Some(external), 443, Some("ask"), "https://hooks.example.com:443/ask as web.hooks.svc");
    }

    #[test]
    fn a_service_that_is_not_in_the_control_plane_is_called_by_its_name() {
        check(None, 8443, Some("/ask"), "https://web.hooks.svc:8443/ask as web.hooks.svc");
    }

    #[test]
    fn a_url_must_be_https_and_keeps_its_port_and_path() {
        let place = url_place("https://example.com:9443/a?b=c").unwrap();
        assert_eq!((place.server.as_str(), place.path.as_str()), ("https://example.com:9443", "/a?b=c"));
        for url in ["http://example.com/", "example.com", "nonsense\n"] {
            assert!(url_place(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_timeout_is_sent_in_whole_seconds_rounded_up() {
        assert_eq!(with_timeout("/a", Duration::from_millis(1500)), "/a?timeout=2s");
        assert_eq!(with_timeout("/a?b=c", Duration::from_secs(10)), "/a?b=c&timeout=10s");
    }
}
