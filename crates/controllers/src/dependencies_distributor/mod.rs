//! Dependencies distributor: what a template needs goes where the template goes.
//!
//! ```text
//! watches  ResourceBinding; every kind that some template needs
//! reads    the template and the objects it needs; the interpreter says which those are
//! writes   ResourceBinding: on those of templates that propagate what they need (independent ones) their
//!          finalizer and the list of dependencies; of those of the needed objects (attached ones) the label
//!          and the entry in spec.requiredBy by which they name the independent one, and what follows for
//!          conflicts and deletion
//! wakes    on every new generation of an independent binding, and on every change of an object that one
//!          needs, by name or by labels
//! ```
//!
//! An attached binding that has a policy of its own keeps its own placement, and goes to the independent one's
//! clusters as well. The rules live in [`decide`].

mod decide;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::Scope;
use api::config::DependentObjectReference;
use api::names::annotations;
use api::names::events;
use api::names::finalizers::DEPENDENCIES_DISTRIBUTOR;
use api::work::ResourceBindingSpec;
use futures::future::BoxFuture;
use interpreter::Operation;
use machinery::{GroupVersionKind, GroupVersionResource, Object, ObjectKey};
use propagation::binding::{self, ForeignOwner};
use propagation::{BindingKey, Write};
use runtime::{Change, Informer, Outcome, Queue, queue};
use serde_json::Value;

use self::decide::{Attachment, Independent, Wish};
use crate::context::{Context, TemplateError, TemplateKey, binding_id_label};
use crate::detector::change::specification_changed;
use crate::view;

/// The index of bindings by what they need.
const BY_NEED: &str = "need";

/// The index of attached bindings by what needs them.
const BY_NEEDING: &str = "needing";

/// Tries to write one attached binding. Several independent ones may attach it at the same time.
const TRIES: usize = 4;

/// How long the cache of a kind may take to be complete. What it shows later is an event.
const SYNC_WAIT: Duration = Duration::from_secs(10);

/// Why what a template needs does not go where it goes.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("binding {binding} cannot be read")]
    Shape { binding: ObjectKey, source: serde_json::Error },
    #[error(transparent)]
    Template(#[from] Box<TemplateError>),
    #[error("{template} of binding {binding} does not exist")]
    NoTemplate { template: String, binding: ObjectKey },
    #[error("could not find out what {template} needs")]
    Interpret { template: String, source: Box<interpreter::Error> },
    #[error("could not record what binding {binding} needs")]
    Record { binding: ObjectKey, source: client::Error },
    #[error("could not release binding {binding}")]
    Release { binding: ObjectKey, source: client::Error },
    #[error("could not find the resource of {kind}")]
    Kind { kind: GroupVersionKind, source: Box<crate::kinds::Error> },
    #[error("a dependency on {kind} of binding {binding} has neither a name nor a selector")]
    Nameless { kind: GroupVersionKind, binding: ObjectKey },
    #[error(transparent)]
    ForeignOwner(#[from] ForeignOwner),
    #[error("could not write binding {binding}")]
    Write { binding: ObjectKey, source: client::Error },
    #[error("could not pass on binding {binding} to {failed} of {total} dependencies: {first}")]
    Dependencies { binding: ObjectKey, failed: usize, total: usize, first: String },
}

/// The controller's state: caches that may be lost.
#[derive(Clone)]
struct Distributor {
    context: Context,
    queue: Queue<ObjectKey>,
    /// Resources of which some object is needed, with how often their informers had ended before.
    watched: Arc<Mutex<BTreeMap<GroupVersionResource, u64>>>,
}

/// Runs the controller until shutdown. Where the gate PropagateDeps is shut it only lets go what is being
/// deleted.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let gate = if context.options.gates.propagate_deps { Gate::Open } else { Gate::Shut };
        let queue: Queue<ObjectKey> = Queue::new("dependencies-distributor");
        let bindings = context.bindings(Scope::Namespaced).informer();
        bindings.add_index(BY_NEED, decide::needs);
        bindings.add_index(BY_NEEDING, decide::needed_by);
        let wakes = queue.clone();
        bindings.on_change(move |change: &Change| {
            let priority = if change.is_initial() { queue::LOW_PRIORITY } else { 0 };
            for key in concerned(change, gate) {
                wakes.add_with_priority(key, priority);
            }
        });
        let (shutdown, workers) = (context.shutdown.clone(), context.options.dependency_workers);
        if !bindings.wait_synced(&shutdown).await {
            return;
        }
        let distributor = Distributor { context, queue: queue.clone(), watched: Arc::default() };
        queue::run(&queue, workers, &shutdown, move |key: ObjectKey| {
            let distributor = distributor.clone();
            async move { distributor.reconcile(&key).await }
        })
        .await;
    })
}

fn propagates(binding: &Object) -> bool {
    binding.at("/spec/propagateDeps").and_then(Value::as_bool) == Some(true)
}

fn is_scheduled(binding: &Object) -> bool {
    binding.at("/spec/clusters").and_then(Value::as_array).is_some_and(|clusters| !clusters.is_empty())
}

/// The feature gate PropagateDeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
}

/// The independent bindings to look at after a change of a binding.
fn concerned(change: &Change, gate: Gate) -> Vec<ObjectKey> {
    let binding = change.object();
    match (change, gate) {
        // An attached binding that somebody has deleted is made again.
        (Change::Deleted { .. }, Gate::Open) => requirers(binding),
        (_, Gate::Open) if concerns(change) => vec![binding.key()],
        (Change::Added { .. } | Change::Modified { .. }, Gate::Shut)
            if binding.is_deleting() && binding.has_finalizer(DEPENDENCIES_DISTRIBUTOR) =>
        {
            vec![binding.key()]
        }
        _ => Vec::new(),
    }
}

/// The bindings that need an attached one.
fn requirers(attached: &Object) -> Vec<ObjectKey> {
    let snapshots = attached.at("/spec/requiredBy").and_then(Value::as_array).into_iter().flatten();
    let text = |snapshot: &Value, field: &str| snapshot[field].as_str().unwrap_or_default().to_owned();
    snapshots.map(|s| ObjectKey::new(&text(s, "namespace"), &text(s, "name"))).collect()
}

/// Whether a change of a binding may change what is attached to it.
fn concerns(change: &Change) -> bool {
    match change {
        Change::Added { object, .. } => {
            (propagates(object) && is_scheduled(object)) || object.has_finalizer(DEPENDENCIES_DISTRIBUTOR)
        }
        Change::Modified { old, new } => {
            (old.generation() != new.generation() || old.is_deleting() != new.is_deleting())
                && (propagates(old) || propagates(new))
        }
        // It is deleted before it is gone; the finalizer has seen to it.
        Change::Deleted { .. } => false,
    }
}

impl Distributor {
    async fn reconcile(&self, key: &ObjectKey) -> Result<Outcome, Error> {
        let Some(binding) = self.context.bindings(Scope::Namespaced).latest(key) else {
            return Ok(Outcome::Done);
        };
        let id = binding.label(binding_id_label(Scope::Namespaced)).unwrap_or_default();
        if id.is_empty() {
            return Ok(Outcome::Done);
        }
        let spec = binding::specification_of(&binding)
            .map_err(|source| Error::Shape { binding: key.clone(), source })?;
        let independent = Independent { key, id, clusters: &spec.clusters };
        if binding.is_deleting() || !spec.propagate_deps {
            for attached in self.attached(&independent) {
                self.detach(&attached, &independent).await?;
            }
            return self.release(&binding).await;
        }
        let Some(dependencies) = self.dependencies(key, &binding, &spec).await? else {
            return Ok(Outcome::Done);
        };
        let binding = self.record(&binding, &dependencies).await?;
        let result = self.distribute(&independent, &binding, &dependencies).await;
        let recorder = &self.context.recorder;
        match result {
            Ok(false) => Ok(Outcome::Done),
            Ok(true) => {
                let message = "Sync schedule results to dependencies succeed.";
                recorder.normal(&*binding, events::SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_SUCCEED, message);
                Ok(Outcome::Done)
            }
            Err(error) => {
                let reason = events::SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_FAILED;
                recorder.warning(&*binding, reason, queue::chain(&error));
                Err(error)
            }
        }
    }

    /// What the template needs; nothing for kinds that need nothing.
    async fn dependencies(
        &self,
        key: &ObjectKey,
        binding: &Object,
        spec: &ResourceBindingSpec,
    ) -> Result<Option<Vec<DependentObjectReference>>, Error> {
        let context = &self.context;
        let reference = TemplateKey::of_binding(binding);
        let interpreter = context.interpreter.current();
        if !interpreter.has(&reference.kind, Operation::InterpretDependency) {
            return Ok(None);
        }
        let template =
            context.template(&reference, &spec.resource.resource_version).await.map_err(Box::new)?;
        let template = template.filter(|t| spec.resource.uid.is_empty() || spec.resource.uid == t.uid());
        let template = template
            .ok_or_else(|| Error::NoTemplate { template: reference.to_string(), binding: key.clone() })?;
        match context.interpreter.answer(interpreter.dependencies(&template)).await {
            Ok(dependencies) => {
                let dependencies = decide::sorted(dependencies);
                if decide::recorded(binding) != dependencies {
                    let message = format!("Get dependencies({}) succeed.", names(&dependencies));
                    context.recorder.normal(&*template, events::GET_DEPENDENCIES_SUCCEED, message);
                }
                Ok(Some(dependencies))
            }
            Err(source) => {
                let message = queue::chain(&source);
                context.recorder.warning(&*template, events::GET_DEPENDENCIES_FAILED, message);
                Err(Error::Interpret { template: reference.to_string(), source: Box::new(source) })
            }
        }
    }

    /// Writes the dependencies and the finalizer on the independent binding, and returns it as it is then.
    async fn record(
        &self,
        binding: &Arc<Object>,
        dependencies: &[DependentObjectReference],
    ) -> Result<Arc<Object>, Error> {
        let mut recorded = (**binding).clone();
        let text = serde_json::to_string(dependencies).unwrap_or_default();
        let mut changed = recorded.add_finalizer(DEPENDENCIES_DISTRIBUTOR);
        if recorded.annotation(annotations::DEPENDENCIES) != Some(text.as_str()) {
            recorded.set_annotation(annotations::DEPENDENCIES, &text);
            changed = true;
        }
        if !changed {
            return Ok(Arc::clone(binding));
        }
        let fail = |source| Error::Record { binding: binding.key(), source };
        self.update(&recorded).await.map_err(fail)
    }

    /// Takes what is not needed any more off, attaches what is. Says whether anything was written.
    async fn distribute(
        &self,
        independent: &Independent<'_>,
        binding: &Object,
        dependencies: &[DependentObjectReference],
    ) -> Result<bool, Error> {
        // Before anything is looked up: what comes afterwards is an event.
        for dependency in dependencies {
            self.watch(&kind_of(dependency)).await?;
        }
        let mut wrote = false;
        for attached in self.attached(independent) {
            if !self.is_needed(&attached, dependencies).await? {
                wrote |= self.detach(&attached, independent).await?;
            }
        }
        let (mut failures, mut total) = (Vec::new(), 0);
        for dependency in dependencies {
            let objects = match self.objects(dependency, binding).await {
                Ok(objects) => objects,
                Err(error) => {
                    total += 1;
                    failures.push(error);
                    continue;
                }
            };
            total += objects.len();
            for object in objects {
                match self.attach(&object, independent).await {
                    Ok(written) => wrote |= written,
                    Err(error) => failures.push(error),
                }
            }
        }
        match failures.first() {
            None => Ok(wrote),
            Some(first) => Err(Error::Dependencies {
                binding: independent.key.clone(),
                failed: failures.len(),
                total,
                first: queue::chain(first),
            }),
        }
    }

    /// The objects of a dependency that there are.
    async fn objects(
        &self,
        dependency: &DependentObjectReference,
        binding: &Object,
    ) -> Result<Vec<Arc<Object>>, Error> {
        let kind = kind_of(dependency);
        if !dependency.name.is_empty() {
            let key = ObjectKey::new(&dependency.namespace, &dependency.name);
            let object = self.context.template(&TemplateKey { kind, key }, "").await.map_err(Box::new)?;
            return Ok(object.into_iter().filter(|object| !object.is_deleting()).collect());
        }
        if dependency.label_selector.is_none() {
            return Err(Error::Nameless { kind, binding: binding.key() });
        }
        let informer = self.watch(&kind).await?;
        let all = match dependency.namespace.as_str() {
            "" => informer.list(),
            namespace => informer.list_in(namespace),
        };
        let one = std::slice::from_ref(dependency);
        let selected = |object: &Arc<Object>| !object.is_deleting() && decide::selects_object(one, object);
        Ok(all.into_iter().filter(selected).collect())
    }

    /// Whether the object of an attached binding is still one of the dependencies.
    async fn is_needed(
        &self,
        attached: &Object,
        dependencies: &[DependentObjectReference],
    ) -> Result<bool, Error> {
        let TemplateKey { kind, key } = TemplateKey::of_binding(attached);
        let api_version = kind.api_version();
        let reference = (api_version.as_str(), kind.kind.as_str(), key.namespace.as_str(), key.name.as_str());
        let goes_with_its_object = attached.controller_owner().is_some();
        if goes_with_its_object && decide::selects(dependencies, reference, None) {
            return Ok(true);
        }
        let reference = TemplateKey { kind, key: key.clone() };
        let object = self.context.template(&reference, "").await.map_err(Box::new)?;
        Ok(object.is_some_and(|object| decide::selects_object(dependencies, &object)))
    }

    /// The bindings that carry an independent one's label.
    fn attached(&self, independent: &Independent<'_>) -> Vec<Arc<Object>> {
        let bindings = self.context.bindings(Scope::Namespaced);
        let (label, id) = (independent.label(), independent.id);
        let mut attached = bindings.informer().by_index(BY_NEEDING, &format!("{label}={id}"));
        attached.extend(bindings.unseen(|binding| binding.label(&label) == Some(id)));
        attached.into_iter().filter_map(|binding| bindings.latest(&binding.key())).collect()
    }

    fn wish(&self, key: &ObjectKey) -> Option<Wish> {
        self.context.bindings(Scope::Namespaced).latest(key).map(|binding| Wish::of(&binding))
    }

    async fn attach(&self, object: &Object, independent: &Independent<'_>) -> Result<bool, Error> {
        let key = decide::key(&independent.key.namespace, object.kind(), object.name());
        let new_id = || self.context.ids.uid();
        let decide = |existing: Option<&Object>| {
            Ok(decide::attach(existing, object, independent, |k| self.wish(k), new_id)?)
        };
        self.write(&key, decide).await
    }

    async fn detach(&self, attached: &Object, independent: &Independent<'_>) -> Result<bool, Error> {
        let nothing = || Attachment { write: Write::None, conflicts: Vec::new() };
        let key = BindingKey::of(Scope::Namespaced, attached);
        let decide = |existing: Option<&Object>| {
            let detached = existing.map(|e| decide::detach(e, independent, |key| self.wish(key)));
            Ok(detached.unwrap_or_else(nothing))
        };
        self.write(&key, decide).await
    }

    /// Decides on the attached binding as it is known, and on the live one when it is not so any more.
    async fn write(
        &self,
        key: &BindingKey,
        decide: impl Fn(Option<&Object>) -> Result<Attachment, Error>,
    ) -> Result<bool, Error> {
        let bindings = self.context.bindings(Scope::Namespaced);
        let resource = self.context.binding_resource(key);
        let fail = |source| Error::Write { binding: key.key.clone(), source };
        let mut existing = bindings.latest(&key.key);
        let mut tries = 0;
        loop {
            let Attachment { write, conflicts } = decide(existing.as_deref())?;
            tries += 1;
            let result = match write {
                Write::None => {
                    if let Some(existing) = &existing {
                        self.tell(existing, &conflicts);
                    }
                    return Ok(false);
                }
                Write::Create(binding) => resource.create(&binding).await,
                Write::Update(binding) => resource.update(&binding).await,
            };
            match result {
                Ok(written) => {
                    let written = bindings.wrote(written);
                    self.tell(&written, &conflicts);
                    return Ok(true);
                }
                Err(error) if tries < TRIES && view::is_stale(&error) => {
                    bindings.forget(&key.key);
                    existing = resource.find(&key.key.name).await.map_err(fail)?.map(Arc::new);
                }
                Err(source) => {
                    bindings.forget(&key.key);
                    return Err(fail(source));
                }
            }
        }
    }

    fn tell(&self, attached: &Object, conflicts: &[&str]) {
        if !conflicts.is_empty() {
            let message = format!("Dependency policy conflict detected: {}.", conflicts.join("; "));
            self.context.recorder.warning(attached, events::DEPENDENCY_POLICY_CONFLICT, message);
        }
    }

    async fn update(&self, binding: &Object) -> Result<Arc<Object>, client::Error> {
        let key = BindingKey::of(Scope::Namespaced, binding);
        let bindings = self.context.bindings(Scope::Namespaced);
        match self.context.binding_resource(&key).update(binding).await {
            Ok(written) => Ok(bindings.wrote(written)),
            Err(error) => {
                bindings.forget(&key.key);
                Err(error)
            }
        }
    }

    /// Lets an independent binding go, or be one no more.
    async fn release(&self, binding: &Object) -> Result<Outcome, Error> {
        let mut released = binding.clone();
        let mut changed = released.remove_finalizer(DEPENDENCIES_DISTRIBUTOR);
        changed |= !released.is_deleting() && released.remove_annotation(annotations::DEPENDENCIES);
        if !changed {
            return Ok(Outcome::Done);
        }
        match self.update(&released).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(source) => Err(Error::Release { binding: binding.key(), source }),
        }
    }

    /// The informer over a kind of which something is needed, whose changes come back here.
    async fn watch(&self, kind: &GroupVersionKind) -> Result<Informer, Error> {
        let fail = |source| Error::Kind { kind: kind.clone(), source: Box::new(source) };
        let gvr = self.context.kinds.gvr(kind).await.map_err(fail)?;
        let informer = self.context.informers.get(&gvr);
        let ended = self.context.times_ended(&gvr);
        let known = self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(gvr, ended);
        if known != Some(ended) {
            let distributor = self.clone();
            informer.on_change(move |change: &Change| distributor.observe(change));
        }
        if !informer.is_synced() && informer.failure().is_none() {
            let _ = tokio::time::timeout(SYNC_WAIT, informer.wait_synced(&self.context.shutdown)).await;
        }
        Ok(informer)
    }

    /// Wakes the bindings whose templates need an object that has changed.
    fn observe(&self, change: &Change) {
        let object = change.object();
        let is_news = match change {
            Change::Added { initial, .. } => !initial,
            Change::Modified { old, new } => {
                specification_changed(old, new) || old.is_deleting() != new.is_deleting()
            }
            Change::Deleted { .. } => true,
        };
        if !is_news {
            return;
        }
        let bindings = self.context.bindings(Scope::Namespaced).informer();
        let (api_version, kind) = (object.api_version(), object.kind());
        let value = |name: &str| decide::index_value(api_version, kind, object.namespace(), name);
        for binding in bindings.by_index(BY_NEED, &value(object.name())) {
            self.queue.add(binding.key());
        }
        for binding in bindings.by_index(BY_NEED, &value("")) {
            let dependencies = decide::recorded(&binding);
            let states = [Some(object), change.old()];
            if states.into_iter().flatten().any(|state| decide::selects_object(&dependencies, state)) {
                self.queue.add(binding.key());
            }
        }
    }
}

fn kind_of(dependency: &DependentObjectReference) -> GroupVersionKind {
    GroupVersionKind::from_api_version(&dependency.api_version, &dependency.kind)
}

/// Dependencies for people.
fn names(dependencies: &[DependentObjectReference]) -> String {
    let one = |d: &DependentObjectReference| match d.name.as_str() {
        "" => format!("{} by labels", d.kind),
        name => format!("{} {name}", d.kind),
    };
    dependencies.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
