//! Binding: one Work per cluster that a binding is scheduled to.
//!
//! ```text
//! watches  ResourceBinding, ClusterResourceBinding (one code path, see `BindingKey`),
//!          OverridePolicy, ClusterOverridePolicy, Work
//! reads    the template, Cluster
//! writes   Work; the binding's finalizer when it is being deleted
//! wakes    on every new generation or deletion of a binding, on changes of override policies that select
//!          its template, when a Work is deleted or changed by somebody else, and 5 s after it found
//!          copies that must go first
//! ```
//!
//! The rules live in crate `propagation`: [`placement::decide`] says which Works go and where Works should be,
//! [`Source`] what is in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::names::events;
use api::policy::Override;
use api::{Resource as _, Scope, naming};
use client::DeleteOptions;
use futures::future::{BoxFuture, join_all};
use machinery::{Object, ObjectKey};
use propagation::{Shares, Source, Target, binding, placement};
use runtime::{Change, Outcome, Queue, queue};

use crate::context::{BY_BINDING, BindingKey, Context, TemplateError, TemplateKey, binding_id_label};
use crate::metrics;
use crate::overrides_cache::OverridesCache;
use crate::work;

/// When to look again at a binding whose old copies have to go before new ones come.
const PURGE_CHECK: Duration = Duration::from_secs(5);

/// The reason of an event that tells that Works could not be deleted.
const CLEANUP_WORK_FAILED: &str = "CleanupWorkFailed";

/// Why a binding's Works are not as they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("binding {binding} cannot be read")]
    Shape { binding: BindingKey, source: serde_json::Error },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("could not delete work {work}")]
    DeleteWork { work: ObjectKey, source: client::Error },
    #[error("could not release binding {binding}")]
    Release { binding: BindingKey, source: client::Error },
    #[error("could not write the works of binding {binding} for {failed} of {total} clusters: {first}")]
    Works { binding: BindingKey, failed: usize, total: usize, first: String },
}

/// The controller's state between reconciles: caches only.
#[derive(Clone)]
struct Controller {
    context: Context,
    overrides: OverridesCache,
}

/// Runs the controller until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue: Queue<BindingKey> = Queue::new("binding-controller");
        watch_bindings(&context, &queue);
        watch_works(&context, &queue);
        let (wakes, seen) = (queue.clone(), context.clone());
        let overrides = OverridesCache::new(&context, move |old, new| wake_selected(&seen, &wakes, old, new));
        if !synced(&context).await || !overrides.wait_synced(&context).await {
            return;
        }
        let (shutdown, workers) = (context.shutdown.clone(), context.options.binding_workers);
        let controller = Controller { context, overrides };
        queue::run(&queue, workers, &shutdown, move |key: BindingKey| {
            let controller = controller.clone();
            async move { controller.reconcile(&key).await }
        })
        .await;
    })
}

/// Orphans are found by comparing complete caches only.
async fn synced(context: &Context) -> bool {
    let shutdown = &context.shutdown;
    context.works().informer().wait_synced(shutdown).await
        && context.clusters().wait_synced(shutdown).await
        && context.bindings(Scope::Namespaced).informer().wait_synced(shutdown).await
        && context.bindings(Scope::Cluster).informer().wait_synced(shutdown).await
}

fn watch_bindings(context: &Context, queue: &Queue<BindingKey>) {
    for scope in [Scope::Namespaced, Scope::Cluster] {
        let queue = queue.clone();
        context.bindings(scope).informer().on_change(move |change: &Change| {
            let key = BindingKey::of(scope, change.object());
            match change {
                Change::Added { initial: true, .. } => queue.add_with_priority(key, queue::LOW_PRIORITY),
                Change::Modified { old, new }
                    if old.generation() == new.generation() && old.is_deleting() == new.is_deleting() => {}
                Change::Deleted { .. } => {}
                Change::Added { .. } | Change::Modified { .. } => queue.add(key),
            }
        });
    }
}

/// A Work that somebody deletes or changes is put right.
fn watch_works(context: &Context, queue: &Queue<BindingKey>) {
    let queue = queue.clone();
    let seen = context.clone();
    context.works().informer().on_change(move |change: &Change| {
        let concerns = match change {
            Change::Added { .. } => false,
            Change::Modified { old, new } => old.generation() != new.generation() && !new.is_deleting(),
            Change::Deleted { .. } => true,
        };
        if let Some(key) = BindingKey::of_work(change.object()).filter(|_| concerns)
            && seen.bindings(key.scope).informer().get(&key.key).is_some()
        {
            queue.add(key);
        }
    });
}

/// Wakes the bindings whose templates an override policy selects, or has selected.
fn wake_selected(
    context: &Context,
    queue: &Queue<BindingKey>,
    old: Option<&Override>,
    new: Option<&Override>,
) {
    let Some(any) = new.or(old) else { return };
    let scopes: &[Scope] = match any.scope {
        Scope::Namespaced => &[Scope::Namespaced],
        Scope::Cluster => &[Scope::Namespaced, Scope::Cluster],
    };
    for scope in scopes {
        let informer = context.bindings(*scope).informer();
        let bindings = match any.scope {
            Scope::Namespaced => informer.list_in(&any.metadata.namespace),
            Scope::Cluster => informer.list(),
        };
        for binding in bindings {
            if [old, new].into_iter().flatten().any(|policy| may_select(policy, &binding)) {
                queue.add(BindingKey::of(*scope, &binding));
            }
        }
    }
}

/// Whether a policy may select a binding's template. Labels are compared when the Works are made.
fn may_select(policy: &Override, binding: &Object) -> bool {
    let template = TemplateKey::of_binding(binding);
    let selectors = &policy.spec.resource_selectors;
    let api_version = template.kind.api_version();
    selectors.is_empty()
        || selectors.iter().any(|s| {
            s.kind == template.kind.kind
                && s.api_version == api_version
                && (s.namespace.is_empty() || s.namespace == template.key.namespace)
                && (s.name.is_empty() || s.name == template.key.name)
        })
}

impl Controller {
    async fn reconcile(&self, key: &BindingKey) -> Result<Outcome, Error> {
        let context = &self.context;
        let Some(binding) = context.bindings(key.scope).latest(&key.key) else { return Ok(Outcome::Done) };
        let id = binding.label(binding_id_label(key.scope)).unwrap_or_default();
        if id.is_empty() {
            // Admission has not given it one yet, or somebody took it off; Works could not be found again.
            return Ok(Outcome::Done);
        }
        let id_label = binding_id_label(key.scope);
        let mut works = context.works().informer().by_index(BY_BINDING, id);
        works.extend(context.works().unseen(|work| work.label(id_label) == Some(id)));
        if binding.is_deleting() {
            self.delete_works(&binding, works.iter()).await?;
            return self.release(key, &binding).await;
        }
        let spec = binding::specification_of(&binding)
            .map_err(|source| Error::Shape { binding: key.clone(), source })?;
        let clusters: BTreeSet<String> = works.iter().filter_map(|w| cluster_of(w)).collect();
        let decision = placement::decide(&spec, &clusters);
        let orphans = works.iter().filter(|w| cluster_of(w).is_some_and(|c| decision.orphans.contains(&c)));
        self.delete_works(&binding, orphans).await?;
        let Some(targets) = decision.targets else { return Ok(Outcome::After(PURGE_CHECK)) };
        if targets.is_empty() {
            return Ok(Outcome::Done);
        }
        let reference = TemplateKey::of_binding(&binding);
        let Some(template) = context.template(&reference, &spec.resource.resource_version).await? else {
            return Ok(Outcome::Done);
        };
        if !spec.resource.uid.is_empty() && spec.resource.uid != template.uid() {
            // The template is a namesake of the one the binding was made for; the binding will go.
            return Ok(Outcome::Done);
        }
        let inject_state = context.options.gates.stateful_failover_injection;
        let source = Source { key, id, spec: &spec, template: &template, inject_state };
        self.write(&source, &binding, &targets).await
    }

    async fn write(
        &self,
        source: &Source<'_>,
        binding: &Object,
        targets: &[Target],
    ) -> Result<Outcome, Error> {
        let context = &self.context;
        let timer = metrics::start();
        let shares = source.shares(targets);
        let writes = targets.iter().enumerate().map(|(position, target)| {
            let shares = &shares;
            async move {
                let written = self.write_one(source, (position, target), shares).await;
                written.map_err(|error| format!("{}: {}", target.cluster, queue::chain(&error)))
            }
        });
        let results = join_all(writes).await;
        let failures: Vec<String> = results.iter().filter_map(|r| r.as_ref().err().cloned()).collect();
        let wrote = results.iter().any(|r| matches!(r, Ok(true)));
        metrics::observe(&metrics::BINDING_SYNC_SECONDS, timer, failures.is_empty());
        let recorder = &context.recorder;
        if let Some(first) = failures.first() {
            let message = format!("Failed to sync work of {}({}): {first}", noun(source.key), source.key);
            recorder.warning(binding, events::SYNC_WORK_FAILED, message.clone());
            recorder.warning(source.template, events::SYNC_WORK_FAILED, message);
            let (failed, total) = (failures.len(), targets.len());
            return Err(Error::Works { binding: source.key.clone(), failed, total, first: first.clone() });
        }
        if wrote {
            let message = format!("Sync work of {}({}) successful.", noun(source.key), source.key);
            recorder.normal(binding, events::SYNC_WORK_SUCCEED, message.clone());
            recorder.normal(source.template, events::SYNC_WORK_SUCCEED, message);
        }
        Ok(Outcome::Done)
    }

    /// Brings the Work of one target up to date and says whether it was written.
    async fn write_one(
        &self,
        source: &Source<'_>,
        target: (usize, &Target),
        shares: &Shares,
    ) -> Result<bool, WorkError> {
        let context = &self.context;
        let interpreter = &context.interpreter;
        let copy = interpreter.answer(source.copy(&interpreter.current(), target.1)).await?;
        let mut overridden = Vec::new();
        let wanted = source.work(copy, target, shares, |manifest, name| {
            let cluster = context.cluster(name);
            let unknown = || Arc::new(api::cluster::Cluster::named("", name).to_object());
            let applied = self.overrides.apply(manifest, &cluster.unwrap_or_else(unknown))?;
            overridden
                .extend(applied.cluster.iter().chain(&applied.namespaced).map(|a| a.policy_name.clone()));
            Ok(applied)
        });
        let cluster = &target.1.cluster;
        let wanted = wanted.inspect_err(|error| {
            let message =
                format!("Apply override policies for cluster({cluster}) failed: {}", queue::chain(error));
            context.recorder.warning(source.template, events::APPLY_OVERRIDE_POLICY_FAILED, message);
        })?;
        let wrote = work::apply(&wanted, context).await?;
        overridden.dedup();
        for policy in overridden.iter().filter(|_| wrote) {
            let message = format!("Apply override policy({policy}) for cluster({cluster}) succeed.");
            context.recorder.normal(source.template, events::APPLY_OVERRIDE_POLICY_SUCCEED, message);
        }
        Ok(wrote)
    }

    async fn delete_works(
        &self,
        binding: &Object,
        works: impl Iterator<Item = &Arc<Object>>,
    ) -> Result<(), Error> {
        let deletions = works.filter(|work| !work.is_deleting()).map(|work| async move {
            let options = DeleteOptions { uid: Some(work.uid().to_owned()), ..DeleteOptions::default() };
            let resource = self.context.work_resource(work.namespace());
            resource
                .delete_if_present(work.name(), &options)
                .await
                .map_err(|source| Error::DeleteWork { work: work.key(), source })
        });
        let result: Result<(), Error> = join_all(deletions).await.into_iter().collect();
        result.inspect_err(|error| {
            self.context.recorder.warning(binding, CLEANUP_WORK_FAILED, queue::chain(error));
        })
    }

    /// Lets a binding go whose Works are on their way out.
    async fn release(&self, key: &BindingKey, binding: &Object) -> Result<Outcome, Error> {
        let mut released = binding.clone();
        if !released.remove_finalizer(binding::finalizer(key.scope)) {
            return Ok(Outcome::Done);
        }
        let result = self.context.binding_resource(key).update(&released).await;
        self.context.bindings(key.scope).forget(&key.key);
        match result {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(source) => Err(Error::Release { binding: key.clone(), source }),
        }
    }
}

/// Why one cluster has no Work as it should be.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error("could not set the cluster's share of the replicas")]
    Copy(#[from] interpreter::Error),
    #[error("could not apply the override policies")]
    Overrides(#[from] overrides::Error),
    #[error(transparent)]
    Write(#[from] work::Error),
}

/// What messages call a binding of a scope.
fn noun(key: &BindingKey) -> &'static str {
    match key.scope {
        Scope::Namespaced => "resourceBinding",
        Scope::Cluster => "clusterResourceBinding",
    }
}

fn cluster_of(work: &Object) -> Option<String> {
    naming::cluster_of_execution_namespace(work.namespace()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_of_an_override_policy_concerns_the_bindings_whose_templates_it_may_select() {
        let binding = |kind: &str, name: &str| {
            let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "b");
            let resource = json!({ "apiVersion": "v1", "kind": kind, "namespace": "shop", "name": name });
            binding.set("/spec/resource", resource);
            binding
        };
        let policy = |selectors: serde_json::Value| {
            let mut policy = Object::new("policy.karmada.io/v1alpha1", "OverridePolicy", "shop", "o");
            policy.set("/spec", json!({ "resourceSelectors": selectors }));
            Override::from_object(&policy).unwrap()
        };
        for (selectors, expected) in [
            (json!([]), [true, true]),
            (json!([{ "apiVersion": "v1", "kind": "ConfigMap" }]), [true, false]),
            (json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "other" }]), [false, false]),
            (json!([{ "apiVersion": "v2", "kind": "ConfigMap" }]), [false, false]),
            (json!([{ "apiVersion": "v1", "kind": "Secret", "namespace": "shop" }]), [false, true]),
        ] {
            let policy = policy(selectors.clone());
            let found = [binding("ConfigMap", "a"), binding("Secret", "a")].map(|b| may_select(&policy, &b));
            assert_eq!(found, expected, "{selectors}");
        }
    }
}
