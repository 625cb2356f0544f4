//! The Karmada scheduler: takes bindings off a queue and writes where they go.
//!
//! ```text
//! watches  ResourceBinding, ClusterResourceBinding    one code path; by generation
//!          Cluster                                    what affinities look at, taints, kinds, deletion
//! writes   spec.clusters and the applied placement    one merge patch, at the version that was read
//!          status: condition Scheduled, schedulerObservedGeneration, lastScheduledTime,
//!          schedulerObservingAffinityName             one merge patch, only what differs
//! asks     accurate estimators, when there are any      before a decision, all clusters at once
//! wakes    after a failure: 1 s, doubling to 10 s; without room: when a cluster reports more, or after 5 min;
//!          when no cluster fits: when one comes, changes, or serves other kinds
//! ```
//!
//! The rules live in the crate `scheduling` and in `decide`; this crate keeps their inputs current and
//! carries their decisions out. A crash between the two writes is made good at the next look: a binding
//! whose result stands, but whose status does not say so, is corrected.

mod clusters;
mod decide;
mod engine;
mod estimates;
mod intake;
mod metrics;
mod options;
mod peers;
mod queue;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use api::names::components;
use api::work::{ClusterResourceBinding, ResourceBinding};
use api::{Resource as _, cluster::Cluster};
use client::Client;
use clock::Clock;
use estimator::Estimators;
use runtime::{Change, Informer, Informers, Recorder, Shutdown, spawn};
use tokio::sync::Notify;

pub use engine::{Engine, Placed};
pub use options::{Gates, Options, RateLimits, UnknownPlugin, parse_plugins};

use crate::clusters::Changed;
use crate::metrics::Incoming;
use crate::worker::Worker;

/// How often what was assumed too long ago is forgotten.
const EXPIRY_PERIOD: Duration = Duration::from_secs(60);

/// Runs the scheduler against an API server until shutdown.
pub async fn run(client: Client, options: Options, shutdown: Shutdown) {
    let informers = Informers::new(client, &shutdown);
    run_with(informers, Clock::system(), options, shutdown).await;
}

/// Runs the scheduler with the informers and the clock of the process it shares with other parts.
pub async fn run_with(informers: Informers, clock: Clock, options: Options, shutdown: Shutdown) {
    let client = informers.client().clone();
    let recorder = Recorder::start(client.clone(), components::SCHEDULER, clock.clone(), &shutdown);
    let scheduler = Scheduler {
        bindings: informers.get(&ResourceBinding::gvr()),
        cluster_bindings: informers.get(&ClusterResourceBinding::gvr()),
        estimators: options.estimators.clone().map(|options| Estimators::new(client.clone(), options)),
        engine: Arc::new(Engine::new(options, clock)),
    };
    let members = informers.get(&Cluster::gvr());
    scheduler.follow_clusters(&members, &shutdown);
    // An empty snapshot would withdraw everything from everywhere.
    if !members.wait_synced(&shutdown).await {
        return;
    }
    if let Some(estimators) = scheduler.estimators.clone() {
        // Before the first decision, so that it is not made in ignorance.
        if shutdown.or(estimators.connect_all(&members)).await.is_none() {
            return;
        }
        let (members, shutdown) = (members.clone(), shutdown.clone());
        spawn("scheduler-estimators", async move { estimators.follow(&members, &shutdown).await });
    }
    scheduler.follow_bindings();
    if !scheduler.wait_synced(&shutdown).await {
        return;
    }
    scheduler.expire(&shutdown);
    let worker = Worker::new(&scheduler, client, recorder);
    let options = &scheduler.engine.options;
    tracing::info!(name = options.scheduler_name, "scheduler started");
    let tasks: Vec<_> = (0..options.workers.max(1))
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
    engine: Arc<Engine>,
    estimators: Option<Estimators>,
}

impl Scheduler {
    async fn wait_synced(&self, shutdown: &Shutdown) -> bool {
        self.bindings.wait_synced(shutdown).await && self.cluster_bindings.wait_synced(shutdown).await
    }

    fn follow_bindings(&self) {
        if self.engine.options.gates.workload_affinity {
            self.bindings.add_index(peers::INDEX, peers::index);
        }
        for informer in [&self.bindings, &self.cluster_bindings] {
            let engine = Arc::clone(&self.engine);
            informer.on_change(move |change: &Change| {
                engine.follow_binding(change);
                let name = &engine.options.scheduler_name;
                let event = match change {
                    Change::Added { object, .. } => {
                        intake::is_ours(object, name).then_some(Incoming::BindingAdd)
                    }
                    Change::Modified { old, new } => intake::news(old, new, name),
                    Change::Deleted { .. } => None,
                };
                if let Some(event) = event {
                    engine.enqueue(change.object(), event);
                }
            });
        }
    }

    /// Keeps the snapshot current at once, and puts the bindings that a change concerns on the queue in a
    /// task of its own: with many bindings that takes a while, and several changes can share one pass.
    fn follow_clusters(&self, members: &Informer, shutdown: &Shutdown) {
        let changes: Arc<Pending> = Arc::default();
        let (engine, noted) = (Arc::clone(&self.engine), Arc::clone(&changes));
        members.on_change(move |change: &Change| {
            let changed = engine.follow_cluster(change);
            if !change.is_initial() && changed.is_news() {
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

    /// Every binding that a change concerns. What only brings more room concerns only bindings that lacked it,
    /// and what only brings other kinds concerns only bindings that found no cluster: what is placed stays.
    fn requeue(&self, changes: &[Changed]) {
        let of = |chosen: fn(&Changed) -> bool| -> Vec<intake::ClusterChange<'_>> {
            changes.iter().filter(|change| chosen(change)).map(Changed::view).collect()
        };
        let mattering = of(|change| change.view().matters());
        if !mattering.is_empty() {
            for binding in self.bindings.list().iter().chain(&self.cluster_bindings.list()) {
                self.requeue_if_concerned(binding, &mattering);
            }
        }
        let room = of(|change| change.has_more_room() || change.view().serves_otherwise());
        self.requeue_those(&self.engine.queue.unschedulable(), &room);
        let kinds = of(|change| change.view().serves_otherwise());
        self.requeue_those(&self.engine.queue.unfit(), &kinds);
    }

    fn requeue_those(&self, keys: &[machinery::ObjectKey], changes: &[intake::ClusterChange<'_>]) {
        if changes.is_empty() {
            return;
        }
        for key in keys {
            if let Some(binding) = self.informer(key).get(key) {
                self.requeue_if_concerned(&binding, changes);
            }
        }
    }

    fn requeue_if_concerned(&self, binding: &machinery::Object, changes: &[intake::ClusterChange<'_>]) {
        if intake::is_ours(binding, &self.engine.options.scheduler_name) && intake::concerns(binding, changes)
        {
            self.engine.enqueue(binding, Incoming::ClusterChanged);
        }
    }

    /// Forgets each minute what was assumed too long ago.
    fn expire(&self, shutdown: &Shutdown) {
        if !self.engine.protects_from_overcommit() {
            return;
        }
        let (engine, shutdown) = (Arc::clone(&self.engine), shutdown.clone());
        spawn("scheduler-assumptions", async move {
            while shutdown.or(tokio::time::sleep(EXPIRY_PERIOD)).await.is_some() {
                let expired = engine.expire();
                if expired > 0 {
                    tracing::debug!(expired, "results never shown by their clusters are no longer assumed");
                }
            }
        });
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

#[cfg(test)]
mod tests;
