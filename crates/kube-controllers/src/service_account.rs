//! The `default` service account that every namespace has.
//!
//! ```text
//! watches  Namespace, ServiceAccount
//! writes   creates a missing ServiceAccount `default`
//! ```

use machinery::{Object, ObjectKey};
use runtime::{Change, Outcome, Queue, queue};

use crate::{Context, core};

const DEFAULT: &str = "default";

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<String> = Queue::new("serviceaccount");
    let namespaces = context.informers.get(&core("namespaces"));
    let accounts = context.informers.get(&core("serviceaccounts"));
    let wake = queue.clone();
    namespaces.on_change(move |change: &Change| {
        if !change.is_deleted() {
            wake.add(change.object().name().to_owned());
        }
    });
    let wake = queue.clone();
    accounts.on_change(move |change: &Change| {
        if change.is_deleted() && change.object().name() == DEFAULT {
            wake.add(change.object().namespace().to_owned());
        }
    });
    if !accounts.wait_synced(&context.shutdown).await {
        return;
    }
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 2, &shutdown, move |name: String| {
        let (context, namespaces, accounts) = (context.clone(), namespaces.clone(), accounts.clone());
        async move {
            let alive = namespaces.get(&ObjectKey::new("", &name)).is_some_and(|n| !n.is_deleting());
            if !alive || accounts.get(&ObjectKey::new(&name, DEFAULT)).is_some() {
                return Ok(Outcome::Done);
            }
            let wanted = Object::new("v1", "ServiceAccount", &name, DEFAULT);
            match context
                .informers
                .client()
                .resource(&core("serviceaccounts"))
                .namespace(&name)
                .create(&wanted)
                .await
            {
                Err(error) if !error.is_already_exists() && !error.is_not_found() => Err(error),
                _ => Ok(Outcome::Done),
            }
        }
    })
    .await;
}
