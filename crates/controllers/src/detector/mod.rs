//! Detector: every template that a policy selects has a binding.
//!
//! ```text
//! watches  every kind that can be listed and deleted, also those that come later; PropagationPolicy,
//!          ClusterPropagationPolicy; CustomResourceDefinition, to find new kinds at once
//! reads    OverridePolicy, ClusterOverridePolicy, PriorityClass
//! writes   ResourceBinding, ClusterResourceBinding; claims on templates and bindings; the finalizer of
//!          policies that are being deleted
//! wakes    on changes of a template's specification; on changes of a policy, for its templates and
//!          those that wait for one
//! ```
//!
//! An existing claim comes before any PropagationPolicy of the namespace, and that before any
//! ClusterPropagationPolicy. The rules live in crates `matching` and `propagation`, in [`change`] and in
//! [`skip`].

pub(crate) mod change;
mod discovery;
mod policies;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use api::Scope;
use api::names::events;
use api::policy::{Override, Policy};
use client::{Patch, Resource};
use futures::future::BoxFuture;
use interpreter::Operation;
use machinery::{GroupVersionResource, Object, ObjectKey};
use matching::{Claimant, PolicyIndex};
use propagation::claim::{self, Claim};
use propagation::skip::{SkippedApis, SkippedNamespaces};
use propagation::{Interpretation, Interpreted, Write, binding};
use runtime::{Change, Informer, Outcome, Queue, queue, spawn};
use serde_json::Value;

use self::route::Route;
use crate::context::{BY_POLICY, Context, TemplateError, TemplateKey, policy_id_label, policy_ids};
use crate::{metrics, view};

/// A template to look at. The same template is looked at apart when only Karmada itself has changed it,
/// because a lazy policy must not be applied then.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    template: TemplateKey,
    changed_by_karmada: bool,
}

impl Item {
    /// A template to look at because its policy has come or changed: a lazy one is only claimed for then.
    fn of_policy(template: TemplateKey, policy: &Policy) -> Self {
        Self { template, changed_by_karmada: binding::is_lazy(policy) }
    }
}

/// Why a template or policy could not be dealt with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Template(#[from] Box<TemplateError>),
    #[error("could not claim {template} for {policy}")]
    Claim { template: String, policy: String, source: client::Error },
    #[error("could not take the claim off {object}")]
    Unclaim { object: String, source: client::Error },
    #[error("{policy} waits for override policies that do not exist: {missing}")]
    DependentOverrides { policy: ObjectKey, missing: String },
    #[error("policy {policy} is being deleted")]
    PolicyDeleting { policy: ObjectKey },
    #[error("could not find out what {template} runs")]
    Interpret { template: String, source: Box<interpreter::Error> },
    #[error("priority class {class} does not exist")]
    NoPriorityClass { class: String },
    #[error("could not read {what}")]
    Read { what: String, source: client::Error },
    #[error("could not write binding {binding}")]
    Binding { binding: ObjectKey, source: client::Error },
    #[error(transparent)]
    ForeignOwner(#[from] binding::ForeignOwner),
    #[error("could not give policy {policy} its id")]
    AdoptPolicy { policy: ObjectKey, source: client::Error },
    #[error("could not release policy {policy}")]
    ReleasePolicy { policy: ObjectKey, source: client::Error },
}

/// The detector's state: what it watches, and caches that may be lost.
#[derive(Clone)]
struct Detector {
    context: Context,
    templates: Queue<Item>,
    policies: Queue<Claimant>,
    apis: Arc<SkippedApis>,
    namespaces: Arc<SkippedNamespaces>,
    index: Arc<RwLock<PolicyIndex>>,
    /// Templates no policy selects.
    waiting: Arc<Mutex<BTreeSet<TemplateKey>>>,
    /// Informers over templates.
    watched: Arc<Mutex<BTreeMap<GroupVersionResource, Informer>>>,
    /// Templates whose specification has changed since their bindings were last written. What changed while
    /// nobody watched is not in here, and need not be: the binding controller compares all Works with their
    /// templates when it starts.
    changed: Arc<Mutex<BTreeSet<TemplateKey>>>,
    /// Versions of templates that our own claims made; their events tell nothing new.
    claimed: Arc<Mutex<BTreeMap<TemplateKey, String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the detector until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let options = &context.options.detector;
        let detector = Detector {
            templates: Queue::new("resource-detector"),
            policies: Queue::new("propagationpolicy-reconciler"),
            apis: Arc::new(SkippedApis::new(&options.skipped_propagating_apis)),
            namespaces: Arc::new(SkippedNamespaces::new(&options.skipped_propagating_namespaces)),
            index: Arc::default(),
            waiting: Arc::default(),
            watched: Arc::default(),
            claimed: Arc::default(),
            changed: Arc::default(),
            context: context.clone(),
        };
        for complaint in detector.apis.complaints().iter().chain(detector.namespaces.complaints()) {
            tracing::warn!("{complaint}");
        }
        // A claimed template must not look abandoned because its policy is not known yet.
        if !detector.follow_policies().await {
            return;
        }
        let discovering = detector.clone();
        spawn("detector-discovery", async move { discovering.discover().await });
        let deciding = detector.clone();
        let policies = async {
            queue::run(&detector.policies, 1, &context.shutdown, move |policy: Claimant| {
                let detector = deciding.clone();
                async move { detector.reconcile_policy(&policy).await }
            })
            .await;
        };
        let looking = detector.clone();
        let workers = context.options.detector.workers;
        let templates = async {
            queue::run(&detector.templates, workers, &context.shutdown, move |item: Item| {
                let detector = looking.clone();
                async move { detector.reconcile(&item).await }
            })
            .await;
        };
        futures::join!(policies, templates);
    })
}

impl Detector {
    fn index(&self) -> RwLockReadGuard<'_, PolicyIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all policies, overrides and bindings are known, and follows the policies.
    async fn follow_policies(&self) -> bool {
        let context = &self.context;
        let mut informers = Vec::new();
        for scope in [Scope::Namespaced, Scope::Cluster] {
            let policies = context.informers.get(&Policy::kind_of(scope).gvr());
            let detector = self.clone();
            policies.on_change(move |change| detector.observe_policy(scope, change));
            informers.push(policies);
            informers.push(context.informers.get(&Override::kind_of(scope).gvr()));
            informers.push(context.bindings(scope).informer().clone());
        }
        for informer in informers {
            if !informer.wait_synced(&context.shutdown).await {
                return false;
            }
        }
        true
    }

    fn observe(&self, change: &Change) {
        let object = change.object();
        if self.namespaces.skips(object) {
            return;
        }
        let template = TemplateKey::of(object);
        let is_lazy = |object: &Object| {
            let claim = claim::claim_of(object);
            claim.is_some_and(|c| self.index().get(&c.policy).is_some_and(|p| binding::is_lazy(p)))
        };
        let Some(intake) = route::intake(change, is_lazy) else { return };
        if change.old().is_some()
            && self.is_own_claim(&template, object.resource_version())
            && self.is_governed(object)
        {
            return;
        }
        let priority = if intake.initial {
            queue::LOW_PRIORITY
        } else {
            lock(&self.changed).insert(template.clone());
            0
        };
        let item = Item { template, changed_by_karmada: intake.changed_by_karmada };
        self.templates.add_with_priority(item, priority);
    }

    /// Whether our own claim made this version of a template; it is told once.
    fn is_own_claim(&self, template: &TemplateKey, version: &str) -> bool {
        let mut claimed = lock(&self.claimed);
        claimed.get(template).is_some_and(|known| known == version) && claimed.remove(template).is_some()
    }

    /// Whether the policy that has claimed an object is there and stays. One that went before it could see the
    /// claim has not taken it off.
    fn is_governed(&self, object: &Object) -> bool {
        let claim = claim::claim_of(object);
        claim.is_some_and(|c| self.index().get(&c.policy).is_some_and(|p| !p.metadata.is_deleting()))
    }

    async fn reconcile(&self, item: &Item) -> Result<Outcome, Error> {
        let has_changed = lock(&self.changed).remove(&item.template);
        let result = self.reconcile_template(item, has_changed).await;
        if has_changed && result.is_err() {
            lock(&self.changed).insert(item.template.clone());
        }
        result
    }

    async fn reconcile_template(&self, item: &Item, has_changed: bool) -> Result<Outcome, Error> {
        let template = self.context.template(&item.template, "").await.map_err(Box::new)?;
        let mut route = self.route(template.as_deref());
        if route == Route::Wait {
            lock(&self.waiting).insert(item.template.clone());
            // The policy may have come between the look and the entry; it has then seen no entry.
            route = self.route(template.as_deref());
        }
        let Some(template) = template.filter(|template| !template.is_deleting()) else {
            lock(&self.waiting).remove(&item.template);
            lock(&self.claimed).remove(&item.template);
            return Ok(Outcome::Done);
        };
        match route {
            Route::Wait | Route::Unselected => Ok(Outcome::Done),
            Route::Leave => {
                lock(&self.waiting).remove(&item.template);
                Ok(Outcome::Done)
            }
            Route::Abandoned(claim) => self.reconcile_abandoned(item, &template, &claim).await,
            // It takes its claims off as it goes; one that it has not seen comes off once it is gone.
            Route::Leaving(policy) => Err(Error::PolicyDeleting { policy: policy.metadata.key() }),
            Route::Apply(policy) => self.apply(item, &template, &policy, has_changed).await,
        }
    }

    fn route(&self, template: Option<&Object>) -> Route {
        let timer = metrics::start();
        let route = route::route(template, &self.index());
        metrics::MATCH_POLICY_SECONDS.observe(timer.elapsed().as_secs_f64());
        route
    }

    /// The policy of a claim is not in the cache. Only the server knows whether it is gone.
    async fn reconcile_abandoned(
        &self,
        item: &Item,
        template: &Object,
        claim: &Claim,
    ) -> Result<Outcome, Error> {
        let gvr = Policy::kind_of(claim.policy.scope).gvr();
        let resource = self.context.client.resource(&gvr).namespace(&claim.policy.key.namespace);
        let what = || format!("policy {}", claim.policy.key);
        let live = resource
            .find(&claim.policy.key.name)
            .await
            .map_err(|source| Error::Read { what: what(), source })?;
        if live.is_some() {
            return Ok(Outcome::After(std::time::Duration::from_millis(200)));
        }
        let key = binding::key(template);
        if let Some(binding) = self.context.bindings(key.scope).latest(&key.key) {
            let resource = self.context.binding_resource(&key);
            self.unclaim(&resource, &binding, claim.policy.scope, &claim.id).await?;
        }
        let resource = self.template_resource(&item.template).await?;
        self.unclaim(&resource, template, claim.policy.scope, &claim.id).await?;
        Ok(Outcome::Done)
    }

    /// The templates of a kind, to write.
    async fn template_resource(&self, template: &TemplateKey) -> Result<Resource, Error> {
        let gvr = self
            .context
            .kinds
            .gvr(&template.kind)
            .await
            .map_err(|source| Box::new(TemplateError::Kind { template: template.to_string(), source }))?;
        Ok(self.context.client.resource(&gvr).namespace(&template.key.namespace))
    }

    /// Takes a policy's claim off an object, if it still has it.
    async fn unclaim(
        &self,
        resource: &Resource,
        object: &Object,
        scope: Scope,
        id: &str,
    ) -> Result<(), Error> {
        let fail = |source| Error::Unclaim { object: TemplateKey::of(object).to_string(), source };
        let patch_for =
            |object: &Object| Some(view::metadata_patch(object, &claim::without(object, scope, id)?));
        let Some(patch) = patch_for(object) else { return Ok(()) };
        match resource.patch(object.name(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            // The object as it is now decides, not as the cache shows it.
            Err(error) if error.is_conflict() => {
                let Some(live) = resource.find(object.name()).await.map_err(fail)? else { return Ok(()) };
                let Some(patch) = patch_for(&live) else { return Ok(()) };
                resource.patch(object.name(), &Patch::Merge(&patch)).await.map(drop).map_err(fail)
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// Says which override policies have to come before a policy's templates go.
    fn check_dependent_overrides(&self, policy: &Policy) -> Result<(), Error> {
        if policy.spec.dependent_overrides.is_empty() {
            return Ok(());
        }
        let overrides = self.context.informers.get(&Override::kind_of(policy.scope).gvr());
        let exists = |name: &str| overrides.get(&ObjectKey::new(&policy.metadata.namespace, name)).is_some();
        let missing = matching::missing_overrides(policy, exists);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::DependentOverrides { policy: policy.metadata.key(), missing: missing.join(", ") })
    }

    async fn apply(
        &self,
        item: &Item,
        template: &Object,
        policy: &Policy,
        has_changed: bool,
    ) -> Result<Outcome, Error> {
        self.check_dependent_overrides(policy)?;
        if policy.permanent_id().is_empty() {
            // It gets one as soon as the policy itself is looked at, and wakes what waits then.
            lock(&self.waiting).insert(item.template.clone());
            return Ok(Outcome::Done);
        }
        lock(&self.waiting).remove(&item.template);
        let timer = metrics::start();
        let result = self.apply_claimed(item, template, policy, has_changed).await;
        metrics::observe(&metrics::APPLY_POLICY_SECONDS, timer, result.is_ok());
        metrics::POLICY_ATTEMPTS.with_label_values(&[metrics::result(result.is_ok())]).inc();
        let recorder = &self.context.recorder;
        let noun = match policy.scope {
            Scope::Namespaced => "policy",
            Scope::Cluster => "cluster policy",
        };
        let key = policy.metadata.key();
        match result {
            Ok(true) => {
                let message = format!("Apply {noun}({key}) succeed");
                recorder.normal(template, events::APPLY_POLICY_SUCCEED, message);
                Ok(Outcome::Done)
            }
            Ok(false) => Ok(Outcome::Done),
            Err(error) => {
                let message = format!("Apply {noun}({key}) failed: {}", queue::chain(&error));
                recorder.warning(template, events::APPLY_POLICY_FAILED, message);
                Err(error)
            }
        }
    }

    /// Claims a template and writes its binding. Says whether anything was written.
    async fn apply_claimed(
        &self,
        item: &Item,
        template: &Object,
        policy: &Policy,
        has_changed: bool,
    ) -> Result<bool, Error> {
        let claimed = self.claim(template, policy).await?;
        let (template, has_claimed) = match &claimed {
            Some(claimed) => (claimed, true),
            None => (template, false),
        };
        if only_claims(item, policy) {
            return Ok(has_claimed);
        }
        let interpreted = Interpreted {
            workload: self.interpret(template).await?,
            priority: self.priority(policy).await?,
            template_changed: has_changed || has_claimed,
        };
        let wrote = self.write_binding(template, policy, &interpreted).await?;
        if wrote && let Some((reason, message)) = told(&interpreted.workload) {
            self.context.recorder.normal(template, reason, message);
        }
        Ok(wrote || has_claimed)
    }

    /// Writes a template's binding if it is not as it should be. One that is not as the cache shows it is
    /// read and compared again.
    async fn write_binding(
        &self,
        template: &Object,
        policy: &Policy,
        interpreted: &Interpreted,
    ) -> Result<bool, Error> {
        let key = binding::key(template);
        let bindings = self.context.bindings(key.scope);
        let gates = &self.context.options.gates;
        let resource = self.context.binding_resource(&key);
        let fail = |source| Error::Binding { binding: key.key.clone(), source };
        let mut existing = bindings.latest(&key.key);
        for is_live in [false, true] {
            let new_id = || self.context.ids.uid();
            let write = binding::decide(existing.as_deref(), policy, template, interpreted, gates, new_id)?;
            let result = match write {
                Write::None => return Ok(false),
                Write::Create(binding) => resource.create(&binding).await,
                Write::Update(binding) => resource.update(&binding).await,
            };
            match result {
                Ok(written) => {
                    bindings.wrote(written);
                    return Ok(true);
                }
                Err(error) if !is_live && view::is_stale(&error) => {
                    bindings.forget(&key.key);
                    existing = resource.find(&key.key.name).await.map_err(fail)?.map(Arc::new);
                }
                Err(error) => {
                    bindings.forget(&key.key);
                    return Err(fail(error));
                }
            }
        }
        Ok(false)
    }

    /// Claims a template for a policy, and returns it when that changed it. One that somebody has written
    /// meanwhile is read and claimed as it is.
    async fn claim(&self, template: &Object, policy: &Policy) -> Result<Option<Object>, Error> {
        let key = TemplateKey::of(template);
        let resource = self.template_resource(&key).await?;
        let fail = |source| Error::Claim {
            template: key.to_string(),
            policy: policy.metadata.key().to_string(),
            source,
        };
        let patch_for = |template: &Object| {
            let mut claimed = template.clone();
            claim::claim(&mut claimed, policy).then(|| view::metadata_patch(template, &claimed))
        };
        let Some(patch) = patch_for(template) else { return Ok(None) };
        let written = match resource.patch(template.name(), &Patch::Merge(&patch)).await {
            Err(error) if error.is_conflict() => {
                let live = resource.get(template.name()).await.map_err(fail)?;
                if live.uid() != template.uid() {
                    return Err(fail(error));
                }
                match patch_for(&live) {
                    None => return Ok(Some(live)),
                    Some(patch) => resource.patch(template.name(), &Patch::Merge(&patch)).await,
                }
            }
            result => result,
        };
        let written = written.map_err(fail)?;
        lock(&self.claimed).insert(key, written.resource_version().to_owned());
        Ok(Some(written))
    }

    /// What a template runs: its components or its replicas.
    async fn interpret(&self, template: &Object) -> Result<Interpretation, Error> {
        let live = &self.context.interpreter;
        let interpreter = live.current();
        let (answer, failed) =
            match Interpretation::question(&interpreter, template, &self.context.options.gates) {
                None => return Ok(Interpretation::NoWorkload),
                Some(Operation::InterpretComponent) => {
                    let answer = live.answer(interpreter.components(template)).await;
                    (answer.map(Interpretation::of_components), events::GET_COMPONENTS_FAILED)
                }
                Some(_) => {
                    let answer = live.answer(interpreter.replicas(template)).await;
                    (answer.map(Interpretation::of_replicas), events::GET_REPLICAS_FAILED)
                }
            };
        answer.map_err(|source| {
            self.context.recorder.warning(template, failed, queue::chain(&source));
            Error::Interpret { template: TemplateKey::of(template).to_string(), source: Box::new(source) }
        })
    }

    /// The number behind a policy's priority class.
    async fn priority(&self, policy: &Policy) -> Result<Option<i32>, Error> {
        let Some(priority) = &policy.spec.schedule_priority else { return Ok(None) };
        if !self.context.options.gates.priority_based_scheduling {
            return Ok(None);
        }
        let class = &priority.priority_class_name;
        let classes = GroupVersionResource::new("scheduling.k8s.io", "v1", "priorityclasses");
        let what = || format!("priority class {class}");
        let found = self.context.client.resource(&classes).find(class).await;
        let found = found.map_err(|source| Error::Read { what: what(), source })?;
        let found = found.ok_or_else(|| Error::NoPriorityClass { class: class.clone() })?;
        let value = found.value().get("value").and_then(Value::as_i64).unwrap_or(0);
        Ok(i32::try_from(value).ok())
    }

    /// Watches the templates of a resource, if they are not watched yet.
    fn watch(&self, gvr: &GroupVersionResource) {
        let informer = {
            let mut watched = lock(&self.watched);
            if watched.contains_key(gvr) {
                return;
            }
            let informer = self.context.informers.get(gvr);
            watched.insert(gvr.clone(), informer.clone());
            informer
        };
        informer.add_index(BY_POLICY, policy_ids);
        let detector = self.clone();
        informer.on_change(move |change| detector.observe(change));
    }

    /// All templates that carry a policy's claim.
    fn templates_of(&self, id: &str, scope: Scope) -> Vec<Arc<Object>> {
        let informers: Vec<Informer> = lock(&self.watched).values().cloned().collect();
        let label = policy_id_label(scope);
        let all = informers.iter().flat_map(|informer| informer.by_index(BY_POLICY, id));
        all.filter(|template| template.label(label) == Some(id)).collect()
    }
}

/// Whether a template is claimed and its binding left alone: the policy waits for the user's next change.
fn only_claims(item: &Item, policy: &Policy) -> bool {
    item.changed_by_karmada && binding::is_lazy(policy)
}

/// The event that tells what a template runs.
fn told(workload: &Interpretation) -> Option<(&'static str, String)> {
    match workload {
        Interpretation::NoWorkload => None,
        Interpretation::Replicas(replicas, _) => {
            Some((events::GET_REPLICAS_SUCCEED, format!("Get replicas({replicas}) succeed.")))
        }
        Interpretation::Components(components) => {
            let names: Vec<&str> = components.iter().map(|c| c.name.as_str()).collect();
            Some((events::GET_COMPONENTS_SUCCEED, format!("Get components({}) succeed.", names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use api::policy::ActivationPreference;
    use machinery::GroupVersionKind;

    use super::*;

    #[test]
    fn a_lazy_policy_leaves_the_binding_alone_until_the_user_changes_the_template() {
        let template = TemplateKey {
            kind: GroupVersionKind::from_api_version("v1", "ConfigMap"),
            key: ObjectKey::new("shop", "settings"),
        };
        let policy = |preference| {
            let spec =
                api::policy::PropagationSpec { activation_preference: preference, ..Default::default() };
            Policy { scope: Scope::Namespaced, metadata: api::ObjectMeta::named("shop", "p"), spec }
        };
        let (eager, lazy) = (policy(None), policy(Some(ActivationPreference::Lazy)));
        let item = |changed_by_karmada| Item { template: template.clone(), changed_by_karmada };
        assert!(only_claims(&item(true), &lazy));
        assert!(!only_claims(&item(false), &lazy));
        assert!(!only_claims(&item(true), &eager));
        assert_ne!(item(true), item(false), "both may wait in the queue");
        let woken = |policy| only_claims(&Item::of_policy(template.clone(), policy), policy);
        assert!(woken(&lazy), "also when the policy comes after the template, or changes");
        assert!(!woken(&eager));
    }

    #[test]
    fn what_a_template_runs_is_told_by_the_reason_of_the_question() {
        let component = api::work::Component { name: "driver".into(), ..Default::default() };
        for (workload, expected) in [
            (Interpretation::NoWorkload, None),
            (Interpretation::Replicas(3, None), Some(("GetReplicasSucceed", "Get replicas(3) succeed."))),
            (
                Interpretation::Components(vec![component]),
                Some(("GetComponentsSucceed", "Get components(driver) succeed.")),
            ),
        ] {
            assert_eq!(told(&workload), expected.map(|(reason, text)| (reason, text.to_owned())));
        }
    }
}
