//! Interpreter webhooks: who is asked, what is sent, and what an answer means. Nothing is sent here.

use std::time::Duration;

use api::config::{InterpreterResponse, ResourceInterpreterContext};
use serde_json::Value;

use crate::Operation;
use crate::step::Reader;

/// How long a webhook may take when its configuration does not say.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// A webhook as its configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Configuration and name, `<configuration>/<webhook>`.
    pub uid: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Certificates, as PEM text, that its server certificate must descend from; the system's when absent.
    pub ca_bundle: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

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

/// Reads a response to `request`.
pub(crate) fn read<T>(
    webhook: &Webhook,
    _operation: Operation,
    mut request: Value,
    response: &Value,
    reader: Reader<T>,
) -> Result<T, String> {
    let context: ResourceInterpreterContext = serde::Deserialize::deserialize(response)
        .map_err(|why| format!("webhook {} answered with a malformed context: {why}", webhook.uid))?;
    let response: InterpreterResponse =
        context.response.ok_or_else(|| format!("webhook {} answered without a response", webhook.uid))?;
    reader(request.get_mut("object").map(Value::take).unwrap_or_default(), response)
}
