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
//! The rules live in [`decide`]: which Works go, which stay, and what is in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::Scope;
use api::names::{annotations, events, finalizers};
use api::policy::{ConflictResolution, Override, PurgeMode, ReplicaSchedulingType};
use api::work::{ResourceBindingSpec, TargetCluster};
use api::{Resource as _, naming};
use client::DeleteOptions;
use futures::future::{BoxFuture, join_all};
use interpreter::Interpreter;
use machinery::{Object, ObjectKey};
use runtime::{Change, Outcome, Queue, queue};
use scheduling::webster;
use serde::Deserialize;

use crate::context::{BY_BINDING, BindingKey, Context, TemplateError, TemplateKey, binding_id_label};
use crate::metrics;
use crate::overrides_cache::{OverridesCache, RECORDS};
use crate::work::{self, Wanted};

/// When to look again at a binding whose old copies have to go before new ones come.
const PURGE_CHECK: Duration = Duration::from_secs(5);

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

/// Which Works go and which clusters get one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Clusters whose Works are deleted.
    pub(crate) orphans: BTreeSet<String>,
    /// Where Works should be, with their share of replicas; nothing when copies have to go first.
    pub(crate) targets: Option<Vec<(String, i32)>>,
}

/// The clusters in which a binding has, or may keep, a copy: scheduled ones, those of bindings that need
/// it, and those that are being evicted gently.
pub(crate) fn existing_clusters(spec: &ResourceBindingSpec) -> BTreeSet<&str> {
    let own = spec.clusters.iter();
    let required = spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters);
    let evicted = spec
        .graceful_eviction_tasks
        .iter()
        .filter(|task| task.purge_mode != Some(PurgeMode::Directly))
        .map(|task| task.from_cluster.as_str());
    own.chain(required).map(|c| c.name.as_str()).chain(evicted).collect()
}

/// Where a copy should be made or kept up to date: scheduled clusters first, then those of bindings that
/// need it.
fn targets(spec: &ResourceBindingSpec) -> Vec<(String, i32)> {
    let mut seen = BTreeSet::new();
    let required = spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters);
    let all = spec.clusters.iter().chain(required);
    all.filter(|c| seen.insert(c.name.as_str()))
        .map(|TargetCluster { name, replicas, .. }| (name.clone(), *replicas))
        .collect()
}

/// Decides which Works go and where Works should be. Pure.
pub(crate) fn decide(spec: &ResourceBindingSpec, work_clusters: &BTreeSet<String>) -> Decision {
    let existing = existing_clusters(spec);
    let orphans: BTreeSet<String> =
        work_clusters.iter().filter(|c| !existing.contains(c.as_str())).cloned().collect();
    let must_go = spec
        .graceful_eviction_tasks
        .iter()
        .filter(|task| task.purge_mode == Some(PurgeMode::Directly))
        .any(|task| work_clusters.contains(&task.from_cluster));
    Decision { orphans, targets: (!must_go).then(|| targets(spec)) }
}

/// A binding and its template, as the Works of all clusters need them.
pub(crate) struct Source<'a> {
    pub(crate) key: &'a BindingKey,
    /// The binding's permanent id.
    pub(crate) id: &'a str,
    pub(crate) spec: &'a ResourceBindingSpec,
    pub(crate) template: &'a Object,
    /// Whether new copies of evicted workloads get the state that was preserved.
    pub(crate) inject_state: bool,
}

impl Source<'_> {
    /// How many completions of a Job each cluster gets, when they are divided.
    fn completions(&self, targets: &[(String, i32)]) -> Option<Vec<i64>> {
        let divided = self.spec.placement.as_ref()?.scheduling_type() == ReplicaSchedulingType::Divided;
        let is_job = self.template.kind() == "Job" && self.template.api_version() == "batch/v1";
        let total = self.template.i64_at("/spec/completions")?;
        if !divided || !is_job || self.spec.replicas <= 0 {
            return None;
        }
        let mut names: Vec<(usize, &str)> =
            targets.iter().enumerate().map(|(i, (n, _))| (i, n.as_str())).collect();
        names.sort_by_key(|(_, name)| *name);
        let mut parties: Vec<webster::Party> = names
            .iter()
            .zip(0_u32..)
            .map(|((i, _), rank)| webster::Party { rank, votes: i64::from(targets[*i].1), seats: 0 })
            .collect();
        webster::divide(total, &mut parties, webster::Ties::for_uid(self.template.uid()));
        let mut completions = vec![0; targets.len()];
        for ((index, _), party) in names.iter().zip(&parties) {
            completions[*index] = party.seats;
        }
        Some(completions)
    }

    /// The labels a copy starts with in the cluster that takes over from a failed one.
    fn preserved_labels(&self, targets: &[(String, i32)]) -> Vec<(String, String)> {
        let ([(target, _)], Some(task)) = (targets, self.spec.graceful_eviction_tasks.last()) else {
            return Vec::new();
        };
        let is_new =
            task.purge_mode == Some(PurgeMode::Directly) && !task.clusters_before_failover.contains(target);
        if !self.inject_state || !is_new {
            return Vec::new();
        }
        task.preserved_label_state.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn marks(&self) -> Vec<(String, String)> {
        match self.key.scope {
            Scope::Namespaced => vec![
                (annotations::RESOURCE_BINDING_NAMESPACE.into(), self.key.key.namespace.clone()),
                (annotations::RESOURCE_BINDING_NAME.into(), self.key.key.name.clone()),
            ],
            Scope::Cluster => {
                vec![(annotations::CLUSTER_RESOURCE_BINDING_NAME.into(), self.key.key.name.clone())]
            }
        }
    }

    /// `overwrite` or `abort`: the template's word, else the binding's.
    fn conflict_resolution(&self) -> &'static str {
        match (self.template.annotation(annotations::CONFLICT_RESOLUTION), self.spec.conflict_resolution) {
            (Some("overwrite"), _) => "overwrite",
            (Some("abort"), _) => "abort",
            (_, Some(ConflictResolution::Overwrite)) => "overwrite",
            _ => "abort",
        }
    }

    fn is_suspended(&self, cluster: &str) -> bool {
        let Some(suspension) = &self.spec.suspension else { return false };
        suspension.dispatching == Some(true)
            || suspension
                .dispatching_on_clusters
                .as_ref()
                .is_some_and(|some| some.cluster_names.iter().any(|name| name == cluster))
    }

    /// The template's copy for one cluster, but for the overrides.
    fn copy(
        &self,
        interpreter: &Interpreter,
        replicas: i32,
        completions: Option<i64>,
    ) -> Result<Object, interpreter::Error> {
        let mut copy = if self.spec.is_workload() {
            interpreter.revise_replicas(self.template, i64::from(replicas)).now()?
        } else {
            self.template.clone()
        };
        if let Some(completions) = completions {
            copy.set("/spec/completions", completions);
        }
        Ok(copy)
    }

    /// The Works that should exist, one per target, or why one cannot be made.
    pub(crate) fn works(
        &self,
        interpreter: &Interpreter,
        targets: &[(String, i32)],
        apply_overrides: impl Fn(&mut Object, &str) -> Result<overrides::Applied, overrides::Error>,
    ) -> Vec<(String, Result<Wanted, String>)> {
        let completions = self.completions(targets);
        let preserved = self.preserved_labels(targets);
        let one = |(i, (cluster, replicas)): (usize, &(String, i32))| {
            let completions = completions.as_ref().map(|all| all[i]);
            let wanted = self
                .copy(interpreter, *replicas, completions)
                .map_err(|e| queue::chain(&e))
                .and_then(|copy| {
                    self.work(copy, cluster, &preserved, &apply_overrides).map_err(|e| queue::chain(&e))
                });
            (cluster.clone(), wanted)
        };
        targets.iter().enumerate().map(one).collect()
    }

    fn work(
        &self,
        mut manifest: Object,
        cluster: &str,
        preserved: &[(String, String)],
        apply_overrides: &impl Fn(&mut Object, &str) -> Result<overrides::Applied, overrides::Error>,
    ) -> Result<Wanted, overrides::Error> {
        let namespace = naming::execution_namespace(cluster);
        let template = self.template;
        let name = naming::work(template.kind(), template.namespace(), template.name());
        let id_label = binding_id_label(self.key.scope);
        interpreter::prune_for_work(&mut manifest);
        let applied = apply_overrides(&mut manifest, cluster)?;
        manifest.set_label(id_label, self.id);
        for (key, value) in preserved {
            manifest.set_label(key, value);
        }
        let mut marks = self.marks();
        for (key, value) in &marks {
            manifest.set_annotation(key, value);
        }
        if template.generation() > 0 {
            manifest.set_annotation(annotations::TEMPLATE_GENERATION, &template.generation().to_string());
        }
        work::prepare(&mut manifest, template.uid(), &namespace, &name);
        marks.push((annotations::CONFLICT_RESOLUTION.into(), self.conflict_resolution().into()));
        marks.extend(applied.annotations().into_iter().map(|(k, v)| (k.to_owned(), v)));
        Ok(Wanted {
            suspended: self.is_suspended(cluster),
            preserve: self.spec.preserve_resources_on_deletion == Some(true),
            namespace,
            name,
            labels: vec![(id_label.into(), self.id.into())],
            annotations: marks,
            owner: None,
            manifest,
        })
    }
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
            self.delete_works(works.iter()).await?;
            return self.release(key, &binding).await;
        }
        let spec = binding.at("/spec").cloned().unwrap_or_default();
        let spec = ResourceBindingSpec::deserialize(spec)
            .map_err(|source| Error::Shape { binding: key.clone(), source })?;
        let clusters: BTreeSet<String> = works.iter().filter_map(|w| cluster_of(w)).collect();
        let decision = decide(&spec, &clusters);
        let orphans = works.iter().filter(|w| cluster_of(w).is_some_and(|c| decision.orphans.contains(&c)));
        self.delete_works(orphans).await?;
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
        targets: &[(String, i32)],
    ) -> Result<Outcome, Error> {
        let context = &self.context;
        let timer = metrics::start();
        let works = source.works(&context.interpreter, targets, |manifest, name| {
            let cluster = context.cluster(name);
            let unknown = || Arc::new(api::cluster::Cluster::named("", name).to_object());
            self.overrides.apply(manifest, &cluster.unwrap_or_else(unknown))
        });
        let results = join_all(works.into_iter().map(|(cluster, wanted)| async move {
            match wanted {
                Ok(wanted) => {
                    self.write_one(&wanted).await.map_err(|e| format!("{cluster}: {}", queue::chain(&e)))
                }
                Err(reason) => Err(format!("{cluster}: {reason}")),
            }
        }))
        .await;
        let failures: Vec<String> = results.iter().filter_map(|r| r.as_ref().err().cloned()).collect();
        let wrote = results.iter().any(|r| matches!(r, Ok(true)));
        metrics::observe(&metrics::BINDING_SYNC_SECONDS, timer, failures.is_empty());
        let recorder = &context.recorder;
        if let Some(first) = failures.first() {
            let message = format!("Failed to sync work of resourceBinding({}): {first}", source.key);
            recorder.warning(binding, events::SYNC_WORK_FAILED, message.clone());
            recorder.warning(source.template, events::SYNC_WORK_FAILED, message);
            let (failed, total) = (failures.len(), targets.len());
            return Err(Error::Works { binding: source.key.clone(), failed, total, first: first.clone() });
        }
        if wrote {
            let message = format!("Sync work of resourceBinding({}) successful.", source.key);
            recorder.normal(binding, events::SYNC_WORK_SUCCEED, message.clone());
            recorder.normal(source.template, events::SYNC_WORK_SUCCEED, message);
        }
        Ok(Outcome::Done)
    }

    async fn write_one(&self, wanted: &Wanted) -> Result<bool, work::Error> {
        let key = ObjectKey::new(&wanted.namespace, &wanted.name);
        // An override that applies no more must not stay on record.
        let existing = self.context.works().latest(&key);
        let is_stale = |record: &&str| {
            existing.as_ref().is_some_and(|work| work.annotation(record).is_some())
                && !wanted.annotations.iter().any(|(k, _)| k == record)
        };
        let stale: Vec<&str> = RECORDS.iter().filter(|r| is_stale(r)).copied().collect();
        wanted.apply_without(&self.context, &stale).await
    }

    async fn delete_works(&self, works: impl Iterator<Item = &Arc<Object>>) -> Result<(), Error> {
        let deletions = works.filter(|work| !work.is_deleting()).map(|work| async move {
            let options = DeleteOptions { uid: Some(work.uid().to_owned()), ..DeleteOptions::default() };
            let resource = self.context.work_resource(work.namespace());
            resource
                .delete_if_present(work.name(), &options)
                .await
                .map_err(|source| Error::DeleteWork { work: work.key(), source })
        });
        join_all(deletions).await.into_iter().collect()
    }

    /// Lets a binding go whose Works are on their way out.
    async fn release(&self, key: &BindingKey, binding: &Object) -> Result<Outcome, Error> {
        let finalizer = match key.scope {
            Scope::Namespaced => finalizers::BINDING,
            Scope::Cluster => finalizers::CLUSTER_RESOURCE_BINDING,
        };
        let mut released = binding.clone();
        if !released.remove_finalizer(finalizer) {
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

fn cluster_of(work: &Object) -> Option<String> {
    naming::cluster_of_execution_namespace(work.namespace()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests;
