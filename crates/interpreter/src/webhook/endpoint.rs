//! Where a webhook listens, and how the address of a Service becomes a URL.

use api::config::WebhookClientConfig;
use machinery::Object;
use serde_json::Value;

/// The port of a Service when the configuration names none.
const PORT_DEFAULT: u16 = 443;

/// Where a webhook listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// At a URL.
    Url(String),
    /// Behind a Service of the control plane.
    Service {
        /// Namespace of the Service.
        namespace: String,
        /// Name of the Service.
        name: String,
        /// Path to post to.
        path: Option<String>,
        /// Port of the Service, 443 unless the configuration says otherwise.
        port: u16,
    },
}

/// Why a Service is no way to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// A Service without an address of its own.
    #[error("service {0} is headless")]
    Headless(String),
    /// A Service that does not offer the port.
    #[error("service {service} has no port {port}")]
    NoPort {
        /// Namespace and name of the Service.
        service: String,
        /// The port that was asked for.
        port: u16,
    },
    /// A Service of a type nobody knows.
    #[error("service {service} has the unsupported type {kind:?}")]
    Type {
        /// Namespace and name of the Service.
        service: String,
        /// Its type.
        kind: String,
    },
}

impl Endpoint {
    /// Reads a configuration, in which a Service comes before a URL.
    pub(super) fn of(config: &WebhookClientConfig) -> Result<Self, String> {
        if let Some(service) = &config.service {
            let port = service.port.map_or(Ok(PORT_DEFAULT), u16::try_from);
            return Ok(Self::Service {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
                path: service.path.clone(),
                port: port.map_err(|_| "the port of its service is out of range".to_owned())?,
            });
        }
        let url = config.url.clone().filter(|url| !url.is_empty());
        url.map(Self::Url).ok_or_else(|| "it has neither a service nor a URL".into())
    }

    /// The URL to post to. For a Service pass the object as the control plane has it; when there is none,
    /// its name in the cluster's DNS has to do.
    ///
    /// # Errors
    /// [`NoAddress`] when the Service cannot be reached by an address.
    pub fn url(&self, service: Option<&Object>) -> Result<String, NoAddress> {
        let (namespace, name, path, port) = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::Service { namespace, name, path, port } => (namespace, name, path, *port),
        };
        let host = match service {
            Some(service) => host(service, port)?,
            None => format!("{name}.{namespace}.svc"),
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let path = path.as_deref().unwrap_or_default();
        let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
        Ok(format!("https://{host}:{port}{slash}{path}"))
    }

    /// The name the server's certificate must carry; nothing when it is the host of the URL.
    pub fn server_name(&self) -> Option<String> {
        match self {
            Self::Url(_) => None,
            Self::Service { namespace, name, .. } => Some(format!("{name}.{namespace}.svc")),
        }
    }
}

/// The host that stands for a Service.
fn host(service: &Object, port: u16) -> Result<String, NoAddress> {
    let name = || service.key().to_string();
    let text = |pointer: &str| service.str_at(pointer).unwrap_or_default();
    // The API server writes the type; ClusterIP is what it writes when a manifest has none.
    let kind = Some(text("/spec/type")).filter(|kind| !kind.is_empty()).unwrap_or("ClusterIP");
    match kind {
        "ExternalName" => Ok(text("/spec/externalName").into()),
        "ClusterIP" if matches!(text("/spec/clusterIP"), "None" | "") => Err(NoAddress::Headless(name())),
        "ClusterIP" | "LoadBalancer" | "NodePort" => {
            let ports = service.at("/spec/ports").and_then(Value::as_array);
            let offers = |entry: &Value| entry.get("port").and_then(Value::as_u64) == Some(port.into());
            if !ports.into_iter().flatten().any(offers) {
                return Err(NoAddress::NoPort { service: name(), port });
            }
            Ok(text("/spec/clusterIP").into())
        }
        kind => Err(NoAddress::Type { service: name(), kind: kind.into() }),
    }
}
