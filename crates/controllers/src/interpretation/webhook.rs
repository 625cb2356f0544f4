//! Calling an interpreter webhook.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri, header};
use interpreter::Webhook;
use interpreter::webhook::{Endpoint, NoAddress};
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
    Url { url: String, reason: &'static str },
    #[error("could not read service {service}: {reason}")]
    Service { service: ObjectKey, reason: String },
    #[error(transparent)]
    NoAddress(#[from] NoAddress),
    #[error("the webhook's TLS settings cannot be used: {0}")]
    Tls(String),
    #[error("could not call the webhook at {url}: {reason}")]
    Call { url: String, reason: String },
    #[error("the webhook at {url} did not answer within {after:?}")]
    TimedOut { url: String, after: Duration },
}

/// Where to send a question.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// `https://host:port`.
    server: String,
    /// Path and query.
    path: String,
    /// The name that the certificate must carry, when it is not the host's.
    server_name: Option<String>,
}

impl Place {
    /// The place of a URL.
    fn of(url: &str, server_name: Option<String>) -> Result<Self, Error> {
        let unusable = |reason| Error::Url { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| unusable("it is no URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(unusable("its scheme must be https"));
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| unusable("it has no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { server: format!("https://{authority}"), path: path.to_owned(), server_name })
    }

    /// The path, with how long the webhook has.
    fn path_with_timeout(&self, webhook: &Webhook) -> String {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{separator}timeout={}", self.path, webhook.timeout_parameter())
    }
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
        let request = Request::post(place.path_with_timeout(webhook))
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
        let service = match endpoint {
            Endpoint::Url(_) => None,
            Endpoint::Service { namespace, name, .. } => {
                self.service(&ObjectKey::new(namespace, name)).await?
            }
        };
        Place::of(&endpoint.url(service.as_ref())?, endpoint.server_name())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_must_be_https_and_keeps_its_port_and_path() {
        let place = Place::of("https://example.com:9443/a?b=c", None).unwrap();
        assert_eq!((place.server.as_str(), place.path.as_str()), ("https://example.com:9443", "/a?b=c"));
        assert_eq!(Place::of("https://[fd00::7]:443", None).unwrap().path, "/");
        for url in ["http://example.com/", "example.com", "nonsense\n"] {
            assert!(Place::of(url, None).is_err(), "{url}");
        }
    }

    #[test]
    fn the_webhook_is_told_how_long_it_has_in_whole_seconds_rounded_up() {
        let webhook = Webhook {
            uid: "c/w".into(),
            endpoint: Endpoint::Url(String::new()),
            ca_bundle: None,
            timeout: Duration::from_millis(1500),
        };
        let path = |url| Place::of(url, None).unwrap().path_with_timeout(&webhook);
        assert_eq!(path("https://h/a"), "/a?timeout=2s");
        assert_eq!(path("https://h/a?b=c"), "/a?b=c&timeout=2s");
    }

    #[test]
    fn a_service_is_called_by_its_address_and_must_show_its_name() {
        let place = Place::of("https://10.0.0.7:443/ask", Some("web.hooks.svc".into())).unwrap();
        let access = access(&place, Some("PEM"));
        assert_eq!(
            access["clusters"][0]["cluster"],
            json!({
                "server": "https://10.0.0.7:443", "tls-server-name": "web.hooks.svc",
                "certificate-authority-data": "UEVN",
            }),
        );
    }
}
