//! What is known of kinds, as it stands in the control plane now.
//!
//! ```text
//! watches  ResourceInterpreterCustomization, ResourceInterpreterWebhookConfiguration
//! reads    Service, to find interpreter webhooks behind one
//! writes   nothing
//! wakes    nothing: what was interpreted stays until its object changes
//! ```
//!
//! The interpreter itself is a value; a change of a customization makes a new one, and whoever is in the
//! middle of a question keeps the one it began with. Interpreters that answer over the network are asked in
//! [`webhook`].

mod webhook;

use std::sync::Arc;
use std::time::Duration;

use api::Resource as _;
use api::config::{ResourceInterpreterCustomization, ResourceInterpreterWebhookConfiguration};
use arc_swap::ArcSwap;
use clock::Clock;
use interpreter::{Gates, Interpreter, Step};
use machinery::{GroupVersionResource, Object};
use runtime::{Change, Informer, Informers, Shutdown, spawn};
use tokio::sync::Notify;

use webhook::Caller;

/// How long to wait for the customizations when controllers start. A control plane that does not serve the
/// kinds, or does not let an agent read them, is worked for with what is built in.
const SYNC_WAIT: Duration = Duration::from_secs(5);

/// How often to look whether reading the customizations has failed for good.
const FAILURE_CHECK: Duration = Duration::from_millis(50);

/// The interpreter of the control plane's customizations. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct LiveInterpreter {
    current: Arc<ArcSwap<Interpreter>>,
    caller: Arc<Caller>,
}

impl LiveInterpreter {
    /// Follows the customizations. Scripts are told the time by `clock`.
    pub(crate) async fn follow(
        clock: Clock,
        gates: Gates,
        informers: &Informers,
        shutdown: &Shutdown,
    ) -> Self {
        let plain = Interpreter::native().with_clock(clock).with_gates(gates);
        let live = Self {
            current: Arc::new(ArcSwap::from_pointee(plain)),
            caller: Arc::new(Caller::new(informers.clone())),
        };
        let sources = [
            informers.get(&ResourceInterpreterCustomization::gvr()),
            informers.get(&ResourceInterpreterWebhookConfiguration::gvr()),
        ];
        let changed = Arc::new(Notify::new());
        for informer in &sources {
            let changed = Arc::clone(&changed);
            informer.on_change(move |change: &Change| {
                let is_news = match change {
                    Change::Modified { old, new } => body(old) != body(new),
                    Change::Added { .. } | Change::Deleted { .. } => true,
                };
                if is_news {
                    changed.notify_one();
                }
            });
        }
        wait_for(&sources, shutdown).await;
        live.rebuild(&sources);
        let (following, until) = (live.clone(), shutdown.clone());
        spawn("interpreter", async move {
            while until.or(changed.notified()).await.is_some() {
                following.rebuild(&sources);
            }
        });
        live
    }

    fn rebuild(&self, [customizations, webhooks]: &[Informer; 2]) {
        let objects = |informer: &Informer| -> Vec<Object> {
            informer.list().iter().map(|object| (**object).clone()).collect()
        };
        let interpreter = self.current().customized(&objects(customizations), &objects(webhooks));
        for complaint in interpreter.complaints() {
            tracing::warn!(complaint, "a customization of the interpreter is left out");
        }
        self.caller.forget();
        self.current.store(Arc::new(interpreter));
    }

    /// The interpreter as it is now.
    pub(crate) fn current(&self) -> Arc<Interpreter> {
        self.current.load_full()
    }

    /// The answer, from a webhook where one is in charge.
    ///
    /// # Errors
    /// When the object cannot be interpreted, or the webhook does not answer as it should.
    pub(crate) async fn answer<T>(&self, step: Step<T>) -> interpreter::Result<T> {
        match step {
            Step::Done(answer) => answer,
            Step::Ask(question) => match self.caller.call(&question.webhook, &question.body).await {
                Ok(response) => question.read(&response),
                Err(why) => Err(question.failed(why.to_string())),
            },
        }
    }
}

/// What of a customization counts: its specification; webhook configurations have their webhooks beside it.
fn body(object: &Object) -> [Option<&serde_json::Value>; 2] {
    [object.at("/spec"), object.at("/webhooks")]
}

async fn wait_for(sources: &[Informer], shutdown: &Shutdown) {
    let all = async {
        for informer in sources {
            while !informer.is_synced() && informer.failure().is_none() {
                let _ = tokio::time::timeout(FAILURE_CHECK, informer.wait_synced(shutdown)).await;
                if shutdown.is_requested() {
                    return;
                }
            }
        }
    };
    if tokio::time::timeout(SYNC_WAIT, all).await.is_err() {
        tracing::warn!(
            "the interpreter's customizations could not be read yet; what is built in is used until then"
        );
    }
}

/// The Service that may stand before a webhook.
fn services() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "services")
}
