//! Carrying decisions out. Holds no rules.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use api::Scope;
use api::meta::Time;
use api::names::{components, events};
use api::work::Binding;
use client::{Client, Patch, Resource};
use estimator::Estimators;
use futures::FutureExt;
use machinery::{Object, ObjectKey, Reason as StatusReason, Status};
use runtime::events::Regarding;
use runtime::{EventType, Recorder, Shutdown};

use crate::decide::{Decision, Settlement};
use crate::engine::{Engine, Sight};
use crate::peers::{self, Groups};
use crate::queue::Verdict;
use crate::{Scheduler, estimates, intake, metrics};

/// How often a binding that changed under our hands is read and decided on anew before it goes back
/// to the queue.
const ROUNDS_MAX: usize = 5;

/// Takes bindings off the queue, one at a time. Clones share everything.
#[derive(Clone)]
pub(crate) struct Worker {
    scheduler: Scheduler,
    client: Client,
    recorder: Recorder,
}

/// What one look at a binding came to.
enum Look {
    Done(Verdict),
    /// The binding changed meanwhile.
    Changed,
}

impl Worker {
    pub(crate) fn new(scheduler: &Scheduler, client: Client, recorder: Recorder) -> Self {
        Self { scheduler: scheduler.clone(), client, recorder }
    }

    fn engine(&self) -> &Engine {
        &self.scheduler.engine
    }

    /// Works until shutdown.
    pub(crate) async fn work(self, shutdown: Shutdown) {
        while let Some(key) = shutdown.or(self.engine().queue.next()).await {
            let verdict = AssertUnwindSafe(self.schedule(&key)).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(binding = %key, "scheduling panicked");
                Verdict::Retry
            });
            self.engine().queue.finish(&key, verdict);
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
        let started = self.engine().clock.elapsed();
        if !intake::is_ours(object, &self.engine().options.scheduler_name) {
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
        let Some(decision) = self.decide(object, &binding).await else {
            return Ok(Look::Done(Verdict::Settled));
        };
        if let Some(outcome) = &decision.outcome {
            let trace = || outcome.trace.to_string().trim_end().replace('\n', "; ");
            tracing::debug!(binding = %object.key(), reason = ?decision.reason, trace = trace(), "decided");
        }
        let decision = match self.write(resource, object, binding, decision).await {
            Ok(decision) => decision,
            Err(error) if error.is_conflict() => return Ok(Look::Changed),
            Err(error) => return Err(error),
        };
        if let Some(reason) = decision.reason {
            let seconds = self.engine().clock.elapsed().saturating_sub(started).as_secs_f64();
            let succeeded = decision.settlement == Settlement::Scheduled;
            metrics::attempted(reason.schedule_type(), succeeded, seconds);
        }
        Ok(Look::Done(decision.settlement.verdict()))
    }

    async fn decide(&self, object: &Object, binding: &Binding) -> Option<Decision> {
        let engine = self.engine();
        let groups = engine.groups(object);
        let _turn = match groups.is_some() || engine.protects_from_overcommit() {
            true => Some(engine.turn.lock().await),
            false => None,
        };
        let peers = groups.map(|groups| engine.peers(object, &self.others(object, &groups)));
        let mut sight = Sight { snapshot: engine.snapshot(), peers, answers: None };
        if let Some(estimators) = &self.scheduler.estimators {
            sight.answers = self.ask(estimators, binding, &sight).await;
        }
        let decision = engine.decide(binding, &sight)?;
        engine.promise(object, binding, &decision);
        Some(decision)
    }

    /// The bindings that share a group with this one.
    fn others(&self, object: &Object, groups: &Groups) -> Vec<Arc<Object>> {
        let bindings = &self.scheduler.bindings;
        groups.values(object.namespace()).flat_map(|value| bindings.by_index(peers::INDEX, &value)).collect()
    }

    async fn ask(
        &self,
        estimators: &Estimators,
        binding: &Binding,
        sight: &Sight,
    ) -> Option<BTreeMap<String, i64>> {
        let engine = self.engine();
        let wanted = engine.questions(binding, sight)?;
        Some(estimates::ask(estimators, binding, &wanted, |cluster| engine.assumed_in(cluster)).await)
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
                    let cached = self.scheduler.informer(&written.key()).get(&written.key());
                    self.engine().written(&written, cached.as_deref());
                    if decision.settlement == Settlement::Scheduled {
                        self.tell(object, &decision);
                    }
                    binding = read(&written, binding);
                }
                Err(error) => {
                    self.engine().take_back(&object.key());
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
        let now = Time::new(self.engine().clock.now());
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
        (403, StatusReason::Unknown) if status.message.to_lowercase().contains("quota") => {
            Ok(Settlement::QuotaExceeded(status.message.clone()))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, reason: StatusReason, message: &str) -> Option<Settlement> {
        let status = Status { code, ..Status::new(reason, message) };
        refusal(client::Error::Api { what: "patch the binding".to_owned(), source: status.into() }).ok()
    }

    #[test]
    fn a_forbidden_result_for_want_of_quota_is_told_as_such() {
        let denied =
            "admission webhook denied the request: FederatedResourceQuota(ns/q) exceeded for resource cpu";
        assert_eq!(
            refused(403, StatusReason::Unknown, denied),
            Some(Settlement::QuotaExceeded(denied.to_owned()))
        );
        assert!(matches!(refused(403, StatusReason::Unknown, "no"), Some(Settlement::Failed(_))));
        assert!(matches!(refused(403, StatusReason::Forbidden, denied), Some(Settlement::Failed(_))));
        assert!(matches!(refused(422, StatusReason::Invalid, "bad"), Some(Settlement::Failed(_))));
    }

    #[test]
    fn conflicts_and_failures_of_the_server_are_no_refusals() {
        for (code, reason) in [
            (409, StatusReason::Conflict),
            (404, StatusReason::NotFound),
            (500, StatusReason::InternalError),
            (503, StatusReason::ServiceUnavailable),
        ] {
            assert_eq!(refused(code, reason, "quota"), None, "{code}");
        }
    }
}
