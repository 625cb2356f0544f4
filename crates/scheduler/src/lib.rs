//! The Karmada scheduler: takes bindings off a queue and writes where they go.
//!
//! ```text
//! watches  ResourceBinding, ClusterResourceBinding    one code path; by generation
//!          Cluster                                    what affinities look at, taints, kinds, deletion
//! writes   spec.clusters and the applied placement    one merge patch, at the version that was read
//!          status: condition Scheduled, schedulerObservedGeneration, lastScheduledTime,
//!          schedulerObservingAffinityName             one merge patch, only what differs
//! wakes    after a failure: 1 s, doubling to 10 s; without room: when a cluster reports more, or after 5 min
//! ```
//!
//! The rules live in the crate `scheduling` and in `decide`; this crate keeps their inputs current and
//! carries their decisions out. A crash between the two writes is made good at the next look: a binding
//! whose result stands, but whose status does not say so, is corrected.

mod clusters;
mod decide;
mod intake;
mod metrics;
mod peers;
mod queue;
mod worker;

use std::sync::Arc;

use api::names::{components, values};
use api::work::{ClusterResourceBinding, ResourceBinding};
use api::{Resource as _, cluster::Cluster};
use client::Client;
use clock::Clock;
use runtime::{Change, Informer, Informers, Recorder, Shutdown, spawn};
use scheduling::Features;
use tokio::sync::Notify;

use crate::clusters::{Changed, Clusters};
use crate::metrics::Incoming;
use crate::queue::Queue;
use crate::worker::Worker;

/// How the scheduler runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bindings of this scheduler name are scheduled (`--scheduler-name`).
    pub scheduler_name: String,
    /// Plugins and feature gates that the rules know.
    pub features: Features,
    /// Whether workload (anti-)affinity is looked at (gate `WorkloadAffinity`).
    pub workload_affinity: bool,
    /// Whether bindings with a higher priority go first (gate `PriorityBasedScheduling`).
    pub priorities: bool,
    /// How many bindings are scheduled at the same time. A decision takes microseconds; what takes time is
    /// waiting for the writes, and writes that wait together share a sync of the disk.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scheduler_name: values::DEFAULT_SCHEDULER.to_owned(),
            features: Features::default(),
            workload_affinity: false,
            priorities: true,
            workers: 16,
        }
    }
}

/// Runs the scheduler against an API server until shutdown.
pub async fn run(client: Client, options: Options, shutdown: Shutdown) {
    let informers = Informers::new(client, &shutdown);
    run_with(informers, Clock::system(), options, shutdown).await;
}

/// Runs the scheduler with the informers and the clock of the process it shares with other parts.
pub async fn run_with(informers: Informers, clock: Clock, mut options: Options, shutdown: Shutdown) {
    if !options.workload_affinity {
        options.features.plugins = options.features.plugins.without_workload_affinity();
    }
    let recorder =
        Recorder::start(informers.client().clone(), components::SCHEDULER, clock.clone(), &shutdown);
    let scheduler = Scheduler {
        bindings: informers.get(&ResourceBinding::gvr()),
        cluster_bindings: informers.get(&ClusterResourceBinding::gvr()),
        queue: Arc::default(),
        clusters: Arc::default(),
        options: Arc::new(options),
    };
    let members = informers.get(&Cluster::gvr());
    scheduler.follow_clusters(&members, &shutdown);
    // An empty snapshot would withdraw everything from everywhere.
    if !members.wait_synced(&shutdown).await {
        return;
    }
    scheduler.follow_bindings();
    if !scheduler.wait_synced(&shutdown).await {
        return;
    }
    let worker = Worker::new(&scheduler, informers.client().clone(), recorder, clock);
    tracing::info!(name = scheduler.options.scheduler_name, "scheduler started");
    let tasks: Vec<_> = (0..scheduler.options.workers.max(1))
        .map(|_| spawn("scheduler", worker.clone().work(shutdown.clone())))
        .collect();
    for task in tasks {
        // A worker catches the panics of single bindings; all that can fail here is a cancelled task.
        let _ = task.await;
    }
}

/// What handlers and workers share.
#[derive(Clone)]
struct Scheduler {
    bindings: Informer,
    cluster_bindings: Informer,
    queue: Arc<Queue>,
    clusters: Arc<Clusters>,
    options: Arc<Options>,
}

impl Scheduler {
    async fn wait_synced(&self, shutdown: &Shutdown) -> bool {
        self.bindings.wait_synced(shutdown).await && self.cluster_bindings.wait_synced(shutdown).await
    }

    fn push(&self, binding: &machinery::Object, event: Incoming) {
        let priority = if self.options.priorities { intake::priority(binding) } else { 0 };
        self.queue.push(binding.key(), priority, event);
    }

    fn follow_bindings(&self) {
        for informer in [&self.bindings, &self.cluster_bindings] {
            let scheduler = self.clone();
            informer.on_change(move |change: &Change| {
                let event = match change {
                    Change::Added { .. } => Incoming::BindingAdd,
                    Change::Modified { old, new } if intake::is_news(old, new) => Incoming::BindingUpdate,
                    Change::Modified { .. } | Change::Deleted { .. } => return,
                };
                if intake::is_ours(change.object(), &scheduler.options.scheduler_name) {
                    scheduler.push(change.object(), event);
                }
            });
        }
    }

    /// Keeps the snapshot current at once, and puts the bindings that a change concerns on the queue in a
    /// task of its own: with many bindings that takes a while, and several changes can share one pass.
    fn follow_clusters(&self, members: &Informer, shutdown: &Shutdown) {
        let changes: Arc<Pending> = Arc::default();
        let (clusters, noted) = (Arc::clone(&self.clusters), Arc::clone(&changes));
        members.on_change(move |change: &Change| {
            let changed = clusters.follow(change);
            if !change.is_initial() && (changed.view().matters() || changed.has_more_room()) {
                noted.note(changed);
            }
        });
        let (scheduler, shutdown) = (self.clone(), shutdown.clone());
        spawn("scheduler-requeue", async move {
            while let Some(changes) = shutdown.or(changes.take()).await {
                scheduler.requeue(&changes);
            }
        });
    }

    /// Every binding that a change concerns; those that only bring more room concern only bindings that
    /// lacked it.
    fn requeue(&self, changes: &[Changed]) {
        let all: Vec<intake::ClusterChange<'_>> = changes.iter().map(Changed::view).collect();
        let mattering: Vec<intake::ClusterChange<'_>> = all.iter().filter(|c| c.matters()).cloned().collect();
        if !mattering.is_empty() {
            for binding in self.bindings.list().iter().chain(&self.cluster_bindings.list()) {
                self.requeue_if_concerned(binding, &mattering);
            }
        }
        for key in self.queue.unschedulable() {
            if let Some(binding) = self.informer(&key).get(&key) {
                self.requeue_if_concerned(&binding, &all);
            }
        }
    }

    fn requeue_if_concerned(&self, binding: &machinery::Object, changes: &[intake::ClusterChange<'_>]) {
        if intake::is_ours(binding, &self.options.scheduler_name) && intake::concerns(binding, changes) {
            self.push(binding, Incoming::ClusterChanged);
        }
    }

    fn informer(&self, key: &machinery::ObjectKey) -> &Informer {
        if key.namespace().is_some() { &self.bindings } else { &self.cluster_bindings }
    }
}

/// Cluster changes that no binding has been told of yet. Bounded by the changes of one pass.
#[derive(Default)]
struct Pending {
    changes: std::sync::Mutex<Vec<Changed>>,
    noted: Notify,
}

impl Pending {
    fn note(&self, changed: Changed) {
        self.changes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(changed);
        self.noted.notify_one();
    }

    async fn take(&self) -> Vec<Changed> {
        loop {
            let taken =
                std::mem::take(&mut *self.changes.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.noted.notified().await;
        }
    }
}
