//! Carrying decisions out. Holds no rules.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::Scope;
use api::meta::Time;
use api::names::{components, events};
use api::work::Binding;
use client::{Client, Patch, Resource};
use clock::Clock;
use futures::FutureExt;
use machinery::{Object, ObjectKey, Reason as StatusReason, Status};
use runtime::events::Regarding;
use runtime::{EventType, Recorder, Shutdown};
use scheduling::{Peers, Step};

use crate::decide::{Decision, Settlement, World, decide};
use crate::peers::{self, Groups, Promised};
use crate::queue::Verdict;
use crate::{Scheduler, intake, metrics};

/// How often a binding that changed under our hands is read and decided on anew before it goes back
/// to the queue.
const ROUNDS_MAX: usize = 5;

/// Takes bindings off the queue, one at a time. Clones share everything.
#[derive(Clone)]
pub(crate) struct Worker {
    scheduler: Scheduler,
    client: Client,
    recorder: Recorder,
    clock: Clock,
    /// Results of grouped workloads that the cache does not show yet. Held while one of them is decided, so
    /// that two that must stay apart are not decided at once.
    promised: Arc<Mutex<Promised>>,
}

/// What one look at a binding came to.
enum Look {
    Done(Verdict),
    /// The binding changed meanwhile.
    Changed,
}

impl Worker {
    pub(crate) fn new(scheduler: &Scheduler, client: Client, recorder: Recorder, clock: Clock) -> Self {
        let promised: Arc<Mutex<Promised>> = Arc::default();
        if scheduler.options.workload_affinity {
            let promised = Arc::clone(&promised);
            scheduler.bindings.on_change(move |change| {
                let mut promised = promised.lock().unwrap_or_else(PoisonError::into_inner);
                promised.shown(change.object(), change.is_deleted());
            });
        }
        Self { scheduler: scheduler.clone(), client, recorder, clock, promised }
    }

    /// Works until shutdown.
    pub(crate) async fn work(self, shutdown: Shutdown) {
        while let Some(key) = shutdown.or(self.scheduler.queue.next()).await {
            let verdict = AssertUnwindSafe(self.schedule(&key)).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(binding = %key, "scheduling panicked");
                Verdict::Retry
            });
            self.scheduler.queue.finish(&key, verdict);
        }
    }

    async fn schedule(&self, key: &ObjectKey) -> Verdict {
        let Some(mut object) = self.scheduler.informer(key).get(key) else { return Verdict::Settled };
        let resource = self.resource(key);
        for _ in 0..ROUNDS_MAX {
            match self.look(&resource, &object).await {
                Ok(Look::Done(verdict)) => return verdict,
                Ok(Look::Changed) => {}
                Err(error) => return self.failed(key, &error),
            }
            object = match resource.find(&key.name).await {
                Ok(Some(latest)) => Arc::new(latest),
                Ok(None) => return Verdict::Settled,
                Err(error) => return self.failed(key, &error),
            };
        }
        Verdict::Retry
    }

    fn failed(&self, key: &ObjectKey, error: &client::Error) -> Verdict {
        if error.is_not_found() || error.status().is_some_and(namespace_goes) {
            return Verdict::Settled;
        }
        tracing::warn!(binding = %key, error = error.chain(), "binding could not be written, will try again");
        Verdict::Retry
    }

    fn resource(&self, key: &ObjectKey) -> Resource {
        let scope = if key.namespace().is_some() { Scope::Namespaced } else { Scope::Cluster };
        self.client
            .resource(&Binding::kind_of(scope).gvr())
            .namespace(&key.namespace)
            .field_manager(components::SCHEDULER)
    }

    /// Looks, decides, writes what differs.
    async fn look(&self, resource: &Resource, object: &Object) -> Result<Look, client::Error> {
        let started = self.clock.elapsed();
        if !intake::is_ours(object, &self.scheduler.options.scheduler_name) {
            return Ok(Look::Done(Verdict::Settled));
        }
        let binding = match Binding::from_object(object) {
            Ok(binding) => binding,
            Err(error) => {
                let error = runtime::queue::chain(&error);
                tracing::warn!(binding = %object.key(), error, "binding cannot be read");
                return Ok(Look::Done(Verdict::Settled));
            }
        };
        let Some(decision) = self.decide(object, &binding) else { return Ok(Look::Done(Verdict::Settled)) };
        if decision.reason.is_some() {
            let trace = || decision.trace.to_string().trim_end().replace('\n', "; ");
            tracing::debug!(binding = %object.key(), reason = ?decision.reason, trace = trace(), "decided");
        }
        let decision = match self.write(resource, object, binding, decision).await {
            Ok(decision) => decision,
            Err(error) if error.is_conflict() => return Ok(Look::Changed),
            Err(error) => return Err(error),
        };
        if let Some(reason) = decision.reason {
            let seconds = self.clock.elapsed().saturating_sub(started).as_secs_f64();
            let succeeded = decision.settlement == Settlement::Scheduled;
            metrics::attempted(reason.schedule_type(), succeeded, seconds);
        }
        Ok(Look::Done(decision.settlement.verdict()))
    }

    fn decide(&self, object: &Object, binding: &Binding) -> Option<Decision> {
        let steps = Steps { clock: &self.clock, last: Mutex::new(self.clock.elapsed()) };
        let after_step = |step: Step| steps.ended(step);
        let snapshot = self.scheduler.clusters.snapshot();
        let features = self.scheduler.options.features;
        let world = |peers| World { snapshot: &snapshot, features, peers, after_step: Some(&after_step) };
        if !self.scheduler.options.workload_affinity || !Groups::of(object).is_some() {
            return decide(binding, &world(None));
        }
        let mut promised = self.promised();
        let namesakes = self.scheduler.bindings.list_in(object.namespace());
        let peers: Peers = peers::collect(object, namesakes.iter().map(AsRef::as_ref), &promised);
        let decision = decide(binding, &world(Some(&peers)))?;
        if let Some(clusters) = decision.clusters.as_ref().filter(|_| decision.patch.is_some()) {
            promised.promise(object.key(), clusters.iter().map(|c| c.name.clone()).collect());
        }
        Some(decision)
    }

    fn promised(&self) -> MutexGuard<'_, Promised> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the result, then the status, and returns the decision as it turned out.
    async fn write(
        &self,
        resource: &Resource,
        object: &Object,
        mut binding: Binding,
        mut decision: Decision,
    ) -> Result<Decision, client::Error> {
        if let Some(patch) = &decision.patch {
            match resource.patch(object.name(), &Patch::Merge(patch)).await {
                Ok(written) => {
                    self.keep_promise(&written);
                    self.tell(object, &decision);
                    binding = read(&written, binding);
                }
                Err(error) => {
                    self.promised().take_back(&object.key());
                    decision = decision.refused(refusal(error)?);
                }
            }
        }
        let status_written = self.write_status(resource, binding, &decision).await?;
        if status_written && decision.settlement != Settlement::Scheduled {
            self.tell(object, &decision);
        }
        Ok(decision)
    }

    /// Writes the status if it differs, and says whether it did. Others write status too, often at the same
    /// time; as long as the specification stays what was decided on, the decision holds.
    async fn write_status(
        &self,
        resource: &Resource,
        mut binding: Binding,
        decision: &Decision,
    ) -> Result<bool, client::Error> {
        let now = Time::new(self.clock.now());
        let name = binding.metadata.name.clone();
        let mut rounds = 1..ROUNDS_MAX;
        while let Some(patch) = decision.status_patch(&binding, now) {
            let Err(error) = resource.patch_status(&name, &Patch::Merge(&patch)).await else {
                return Ok(true);
            };
            if !error.is_conflict() || rounds.next().is_none() {
                return Err(error);
            }
            let latest = resource.get(&name).await?;
            if latest.generation() != binding.metadata.generation {
                return Err(error);
            }
            binding = read(&latest, binding);
        }
        Ok(false)
    }

    /// The cache may show the result before we know that it was written.
    fn keep_promise(&self, written: &Object) {
        if !self.scheduler.options.workload_affinity {
            return;
        }
        let key = written.key();
        let mut promised = self.promised();
        promised.written(written);
        if let Some(cached) = self.scheduler.informer(&key).get(&key) {
            promised.shown(&cached, false);
        }
    }

    /// Tells the binding and its template.
    fn tell(&self, object: &Object, decision: &Decision) {
        let Some(message) = decision.message() else { return };
        let (ty, reason) = match decision.settlement {
            Settlement::Scheduled => (EventType::Normal, events::SCHEDULE_BINDING_SUCCEED),
            _ => (EventType::Warning, events::SCHEDULE_BINDING_FAILED),
        };
        self.recorder.event(object, ty, reason, message.as_str());
        self.recorder.event(template(object), ty, reason, message);
    }
}

/// The binding as the server has it now; a server that answers with something else leaves us with what we had.
fn read(written: &Object, before: Binding) -> Binding {
    Binding::from_object(written).unwrap_or(before)
}

/// What a refused result means, or the error when it is not the result that was refused.
fn refusal(error: client::Error) -> Result<Settlement, client::Error> {
    let Some(status) = error.status() else { return Err(error) };
    if status.is_conflict() || status.is_not_found() || namespace_goes(status) {
        return Err(error);
    }
    match (status.code, status.reason) {
        // The quota webhook answers 403 with a reason of its own, which is none of the API server's.
        (403, StatusReason::Unknown) => Ok(Settlement::QuotaExceeded(status.message.clone())),
        (400..=499, _) => Ok(Settlement::Failed(error.chain())),
        _ => Err(error),
    }
}

/// Whether a write failed because the namespace is being deleted: nothing is to be scheduled there.
fn namespace_goes(status: &Status) -> bool {
    let causes = status.details.as_ref().map(|d| d.causes.as_slice()).unwrap_or_default();
    causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
}

fn template(binding: &Object) -> Regarding {
    let text =
        |field: &str| binding.str_at(&format!("/spec/resource/{field}")).unwrap_or_default().to_owned();
    Regarding {
        api_version: text("apiVersion"),
        kind: text("kind"),
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
    }
}

/// Measures the steps of a decision.
struct Steps<'a> {
    clock: &'a Clock,
    last: Mutex<Duration>,
}

impl Steps<'_> {
    fn ended(&self, step: Step) {
        let now = self.clock.elapsed();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = now.saturating_sub(*last).as_secs_f64();
        metrics::ALGORITHM.with_label_values(&[step.name()]).observe(seconds);
        *last = now;
    }
}
