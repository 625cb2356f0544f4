//! Which resources an API server offers, kept current.
//!
//! Followed by everything that has to look at objects of any kind: the resource detector, the garbage
//! collector, the deletion of namespaces. Discovery is asked again every half minute, and at once when
//! a CustomResourceDefinition or an APIService changes.

use std::sync::Arc;
use std::time::Duration;

use client::Discovered;
use machinery::{GroupVersionKind, GroupVersionResource};
use tokio::sync::{Notify, watch};

use crate::{Change, Informers, Shutdown, spawn};

/// How often discovery is asked without a reason. The same as Karmada's detector and the garbage collector.
const POLL: Duration = Duration::from_secs(30);

/// Changes that come together are answered together; discovery follows a CRD within about this time.
const SETTLE: Duration = Duration::from_millis(50);

/// What the server offers. Cheap to clone; clones follow the same server once.
#[derive(Clone)]
pub struct Resources {
    current: watch::Receiver<Option<Arc<Discovered>>>,
    asked: Arc<Notify>,
}

impl Resources {
    /// Starts following until shutdown.
    pub fn follow(informers: &Informers, shutdown: &Shutdown) -> Self {
        let (sender, current) = watch::channel(None);
        let asked = Arc::new(Notify::new());
        for gvr in [
            GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            GroupVersionResource::new("apiregistration.k8s.io", "v1", "apiservices"),
        ] {
            let wake = Arc::clone(&asked);
            informers.get(&gvr).on_change(move |change: &Change| {
                if !change.is_initial() {
                    wake.notify_one();
                }
            });
        }
        let (client, wake, shutdown) = (informers.client().clone(), Arc::clone(&asked), shutdown.clone());
        spawn("discovery", async move {
            shutdown.or(poll(client, &sender, &wake)).await;
        });
        Self { current, asked }
    }

    /// Asks again soon, for example because a kind was not found.
    pub fn refresh(&self) {
        self.asked.notify_one();
    }

    /// What is known now; nothing before the first answer.
    pub fn current(&self) -> Option<Arc<Discovered>> {
        self.current.borrow().clone()
    }

    /// Waits for the first answer. `None` when shutdown came first.
    pub async fn first(&self, shutdown: &Shutdown) -> Option<Arc<Discovered>> {
        let mut current = self.current.clone();
        let known = shutdown.or(current.wait_for(Option::is_some)).await?;
        known.ok().and_then(|known| known.clone())
    }

    /// A receiver that sees every change of the answer.
    pub fn subscribe(&self) -> watch::Receiver<Option<Arc<Discovered>>> {
        self.current.clone()
    }

    /// The resource of a kind, as far as known.
    pub fn resource_of(&self, gvk: &GroupVersionKind) -> Option<client::ApiResource> {
        self.current().and_then(|d| d.by_kind(gvk).cloned())
    }
}

async fn poll(client: client::Client, sender: &watch::Sender<Option<Arc<Discovered>>>, wake: &Notify) {
    let mut retry = Duration::from_millis(50);
    loop {
        let wait = match client.discover().await {
            Ok(found) => {
                retry = Duration::from_millis(50);
                sender.send_if_modified(|current| {
                    let changed = current
                        .as_ref()
                        .is_none_or(|c| c.resources != found.resources || c.failed != found.failed);
                    if changed {
                        *current = Some(Arc::new(found));
                    }
                    changed
                });
                POLL
            }
            Err(error) => {
                tracing::debug!(error = error.chain(), "discovery failed, will try again");
                retry = (retry * 2).min(POLL);
                retry
            }
        };
        tokio::select! {
            () = wake.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
