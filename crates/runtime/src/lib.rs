//! What every loop in the project stands on: named tasks that end together, work queues, informers,
//! events, leases and metrics.
//!
//! A part takes an [`Informers`] (its cached view of one API server, shared by all parts in the
//! process that look at the same server), a [`clock::Clock`], and a [`Shutdown`]:
//!
//! ```no_run
//! # use machinery::{GroupVersionResource, ObjectKey};
//! # use runtime::{Informers, Outcome, Queue, Shutdown, informer::Change, queue};
//! # async fn example(informers: Informers, shutdown: Shutdown) {
//! let queue: Queue<ObjectKey> = Queue::new("binding-controller");
//! let works = informers.get(&GroupVersionResource::new("work.karmada.io", "v1alpha1", "works"));
//! let wake = queue.clone();
//! works.on_change(move |change: &Change| wake.add(change.object().key()));
//! works.wait_synced(&shutdown).await;
//! queue::run(&queue, 5, &shutdown, |key: ObjectKey| async move {
//!     let _ = key; // look, decide, write what differs
//!     Ok::<_, std::io::Error>(Outcome::Done)
//! })
//! .await;
//! # }
//! ```

pub mod backoff;
pub mod events;
pub mod informer;
pub mod lease;
pub mod metrics;
pub mod queue;
pub mod resources;
mod task;

pub use backoff::Backoff;
pub use events::{EventType, Recorder};
pub use informer::{Change, Informer, InformerOptions, Informers};
pub use queue::{Outcome, Queue};
pub use resources::Resources;
pub use task::{Shutdown, spawn};
