//! Interpreter webhooks: who is asked, what is sent, and what an answer means. Nothing is sent here.
//!
//! ```text
//! configurations, by name ─▶ webhooks with rules, by uid ─▶ the first whose rules match ─▶ request
//!                                                                                           │
//!                        answer ◀─ checked response ◀─ response, by whoever has a network ◀──┘
//! ```
//!
//! The one webhook that is asked answers alone: its failure is not healed by another webhook or layer.

mod endpoint;
mod request;
mod response;

use std::sync::Arc;
use std::time::Duration;

use api::config::{ResourceInterpreterWebhook, ResourceInterpreterWebhookConfiguration, RuleWithOperations};
use machinery::Object;

pub use endpoint::{Endpoint, NoAddress};
pub(crate) use request::Request;
pub(crate) use response::{Reader, components, dependencies, healthy, patched, read, replicas, status};

use crate::Operation;
use crate::kind::Kind;

/// How long a webhook may take when its configuration does not say.
///
/// <https://karmada.io/docs/userguide/globalview/customizing-resource-interpreter/>
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The version of the review object that is sent.
const CONTEXT_VERSION: &str = "v1alpha1";

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

impl Webhook {
    /// The `timeout` query parameter by which the webhook learns how long it has: whole seconds, rounded up.
    pub fn timeout_parameter(&self) -> String {
        let rounded_up = self.timeout.as_secs() + u64::from(self.timeout.subsec_nanos() > 0);
        format!("{rounded_up}s")
    }
}

/// A webhook and what it is asked about.
#[derive(Debug)]
struct Registered {
    webhook: Arc<Webhook>,
    rules: Vec<RuleWithOperations>,
    /// Why it cannot be asked although its rules match.
    unusable: Option<String>,
}

/// All webhooks, in the order in which they are considered.
#[derive(Debug, Default)]
pub(crate) struct Webhooks(Vec<Registered>);

/// The webhook in charge of a kind and operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InCharge<'a>(&'a Registered);

impl<'a> InCharge<'a> {
    pub(crate) fn uid(self) -> &'a str {
        &self.0.webhook.uid
    }

    /// The webhook, or why it cannot be asked.
    pub(crate) fn webhook(self) -> Result<Arc<Webhook>, String> {
        match &self.0.unusable {
            Some(why) => Err(format!("webhook {} cannot be asked: {why}", self.0.webhook.uid)),
            None => Ok(Arc::clone(&self.0.webhook)),
        }
    }
}

impl Webhooks {
    /// Reads configurations, in any order. Those that cannot be read are left out and told about.
    pub(crate) fn new(configurations: &[Object], complaints: &mut Vec<String>) -> Self {
        let mut registered = Vec::new();
        for object in configurations {
            match object.parse::<ResourceInterpreterWebhookConfiguration>() {
                Ok(configuration) => registered.extend(
                    configuration.webhooks.into_iter().map(|hook| Registered::new(object.name(), hook)),
                ),
                Err(error) => complaints.push(format!("{error}: {}", source_of(&error))),
            }
        }
        registered.sort_by(|a, b| a.webhook.uid.cmp(&b.webhook.uid));
        Self(registered)
    }

    /// The first webhook whose rules match.
    pub(crate) fn in_charge(&self, kind: Kind<'_>, operation: Operation) -> Option<InCharge<'_>> {
        self.0.iter().find(|r| r.rules.iter().any(|rule| matches(rule, kind, operation))).map(InCharge)
    }
}

fn source_of(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

impl Registered {
    fn new(configuration: &str, hook: ResourceInterpreterWebhook) -> Self {
        let ResourceInterpreterWebhook { name, client_config, rules, timeout_seconds, .. } = hook;
        let mut unusable = None;
        if !hook.interpreter_context_versions.iter().any(|version| version == CONTEXT_VERSION) {
            unusable = Some(format!(
                "it accepts no known version of ResourceInterpreterContext ({CONTEXT_VERSION})"
            ));
        }
        let endpoint = Endpoint::of(&client_config).unwrap_or_else(|why| {
            unusable = Some(why);
            Endpoint::Url(String::new())
        });
        let ca_bundle = client_config.ca_bundle.map(|encoded| response::text_of_base64(&encoded));
        let ca_bundle = ca_bundle.transpose().unwrap_or_else(|why| {
            unusable = Some(format!("its CA bundle is malformed: {why}"));
            None
        });
        let timeout = timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|s| *s > 0);
        let timeout = timeout.map_or(TIMEOUT_DEFAULT, Duration::from_secs);
        let webhook = Webhook { uid: format!("{configuration}/{name}"), endpoint, ca_bundle, timeout };
        Self { webhook: Arc::new(webhook), rules, unusable }
    }
}

fn matches(rule: &RuleWithOperations, kind: Kind<'_>, operation: Operation) -> bool {
    let lists = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
    lists(&rule.operations, operation.name())
        && lists(&rule.api_groups, kind.group)
        && lists(&rule.api_versions, kind.version)
        && lists(&rule.kinds, kind.kind)
}
