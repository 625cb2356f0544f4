//! Cluster: a member's execution namespace, its taints, and its leaving.
//!
//! ```text
//! watches  Cluster
//! reads    Namespace, Lease (of pull members), ResourceBinding, ClusterResourceBinding, Work
//! writes   the execution namespace; Cluster.spec.taints and the finalizer; Cluster.status.conditions of a
//!          pull member that has fallen silent
//! wakes    on every change of a Cluster, every second while one is leaving, and every monitor period
//! ```
//!
//! The rules live in [`decide`] and, for silence, in [`Watchman::look`].

use std::collections::BTreeMap;
use std::time::Duration;

use api::cluster::{Cluster, SyncMode};
use api::names::{conditions, events, finalizers, labels, namespaces, reasons, taints};
use api::{Resource as _, Scope, naming};
use client::{DeleteOptions, Patch};
use futures::future::BoxFuture;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Outcome, Queue, queue, spawn};
use serde_json::{Value, json};

use crate::context::Context;
use crate::options::ClusterOptions;
use crate::view::{self, NewCondition};

/// Clusters looked at at the same time.
const WORKERS: usize = 5;

/// Why a cluster could not be dealt with.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not create the execution namespace of cluster {cluster}")]
    Namespace { cluster: String, source: client::Error },
    #[error("could not remove the execution namespace of cluster {cluster}")]
    RemoveNamespace { cluster: String, source: client::Error },
    #[error("could not release the works of cluster {cluster}")]
    Works { cluster: String, source: client::Error },
    #[error("could not write cluster {cluster}")]
    Write { cluster: String, source: client::Error },
}

fn namespaces_resource() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "namespaces")
}

/// The taint keys a Ready condition sets and clears; both keep new workloads away.
fn taint_keys(ready: Option<&str>) -> (Option<&'static str>, Vec<&'static str>) {
    match ready {
        Some("True") => (None, vec![taints::NOT_READY, taints::UNREACHABLE]),
        Some("Unknown") => (Some(taints::UNREACHABLE), vec![taints::NOT_READY]),
        Some(_) => (Some(taints::NOT_READY), vec![taints::UNREACHABLE]),
        None => (Some(taints::NOT_READY), vec![]),
    }
}

fn is_taint(taint: &Value, key: &str) -> bool {
    taint.get("key").and_then(Value::as_str) == Some(key)
        && taint.get("effect").and_then(Value::as_str) == Some(taints::NO_SCHEDULE)
}

/// Decides how a cluster that stays has to change: taints by its Ready condition, and the finalizer. Nothing
/// when it is as it should be. Pure.
pub(crate) fn decide(cluster: &Object, now: &str) -> Option<Object> {
    let (wanted, unwanted) = taint_keys(view::condition_status(cluster, conditions::READY));
    let old: Vec<Value> = cluster.at("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = old.clone();
    all.retain(|taint| !unwanted.iter().any(|key| is_taint(taint, key)));
    if let Some(key) = wanted
        && !all.iter().any(|taint| is_taint(taint, key))
    {
        all.push(json!({ "key": key, "effect": taints::NO_SCHEDULE, "timeAdded": now }));
    }
    let mut changed = cluster.clone();
    let with_finalizer = changed.add_finalizer(finalizers::CLUSTER);
    if all == old && !with_finalizer {
        return None;
    }
    if all.is_empty() {
        changed.remove("/spec/taints");
    } else {
        changed.set("/spec/taints", all);
    }
    Some(changed)
}

/// The index of bindings by the clusters they have copies in.
const BY_CLUSTER: &str = "cluster";

fn clusters_of(binding: &Object) -> Vec<String> {
    let names = |list: &str, field: &str| -> Vec<String> {
        let entries = binding.at(list).and_then(Value::as_array).into_iter().flatten();
        entries.filter_map(|e| Some(e.get(field)?.as_str()?.to_owned())).collect()
    };
    let mut all = names("/spec/clusters", "name");
    all.extend(names("/spec/gracefulEvictionTasks", "fromCluster"));
    all.sort_unstable();
    all.dedup();
    all
}

/// Runs the controller and the health monitor until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue: Queue<String> = Queue::new("cluster-controller");
        let wakes = queue.clone();
        context.clusters().on_change(move |change| wakes.add(change.object().name().to_owned()));
        let spaces = context.informers.get(&namespaces_resource());
        let shutdown = context.shutdown.clone();
        for scope in [Scope::Namespaced, Scope::Cluster] {
            let bindings = context.bindings(scope).informer();
            bindings.add_index(BY_CLUSTER, clusters_of);
            if !bindings.wait_synced(&shutdown).await {
                return;
            }
        }
        if !context.clusters().wait_synced(&shutdown).await || !spaces.wait_synced(&shutdown).await {
            return;
        }
        let monitor = spawn("cluster-monitor", monitor(context.clone()));
        queue::run(&queue, WORKERS, &shutdown, move |name: String| {
            let context = context.clone();
            async move { reconcile(&context, &name).await }
        })
        .await;
        // Ends with the same shutdown; all that can go wrong is a runtime that is gone already.
        let _ = monitor.await;
    })
}

async fn reconcile(context: &Context, name: &str) -> Result<Outcome, Error> {
    let Some(cluster) = context.cluster(name) else { return Ok(Outcome::Done) };
    if cluster.is_deleting() {
        return remove(context, &cluster).await;
    }
    create_execution_space(context, &cluster).await?;
    let Some(changed) = decide(&cluster, &context.now()) else { return Ok(Outcome::Done) };
    let taints_changed = changed.at("/spec/taints") != cluster.at("/spec/taints");
    let result = context.client.resource(&Cluster::gvr()).update(&changed).await;
    match result {
        Ok(_) => {
            if taints_changed {
                let message = "Taint cluster succeed.";
                context.recorder.normal(&*cluster, events::TAINT_CLUSTER_SUCCEED, message);
            }
            Ok(Outcome::Done)
        }
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(source) => {
            if taints_changed && !source.is_conflict() {
                context.recorder.warning(&*cluster, events::TAINT_CLUSTER_FAILED, source.chain());
            }
            Err(Error::Write { cluster: name.into(), source })
        }
    }
}

async fn create_execution_space(context: &Context, cluster: &Object) -> Result<(), Error> {
    let name = naming::execution_namespace(cluster.name());
    let spaces = context.informers.get(&namespaces_resource());
    if spaces.get(&ObjectKey::new("", &name)).is_some() {
        return Ok(());
    }
    let mut namespace = Object::new("v1", "Namespace", "", &name);
    namespace.set_label(labels::SYSTEM, "true");
    match context.client.resource(&namespaces_resource()).create(&namespace).await {
        Ok(_) => {
            let message = format!("Create execution space({name}) for cluster({}) succeed.", cluster.name());
            context.recorder.normal(cluster, events::CREATE_EXECUTION_SPACE_SUCCEED, message);
            Ok(())
        }
        Err(error) if error.is_already_exists() => Ok(()),
        Err(source) => {
            context.recorder.warning(cluster, events::CREATE_EXECUTION_SPACE_FAILED, source.chain());
            Err(Error::Namespace { cluster: cluster.name().into(), source })
        }
    }
}

/// Lets a cluster go: first its Works, then every binding that names it, then the finalizer.
async fn remove(context: &Context, cluster: &Object) -> Result<Outcome, Error> {
    if !cluster.has_finalizer(finalizers::CLUSTER) {
        return Ok(Outcome::Done);
    }
    let again = Ok(Outcome::After(context.options.cluster.cleanup_check_interval));
    if !remove_execution_space(context, cluster).await? {
        return again;
    }
    let is_named =
        |scope| !context.bindings(scope).informer().by_index(BY_CLUSTER, cluster.name()).is_empty();
    if is_named(Scope::Namespaced) || is_named(Scope::Cluster) {
        return again;
    }
    let mut released = cluster.clone();
    released.remove_finalizer(finalizers::CLUSTER);
    match context.client.resource(&Cluster::gvr()).update(&released).await {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(source) => Err(Error::Write { cluster: cluster.name().into(), source }),
    }
}

/// Removes the execution namespace; says whether it is gone.
async fn remove_execution_space(context: &Context, cluster: &Object) -> Result<bool, Error> {
    let name = naming::execution_namespace(cluster.name());
    let resource = context.client.resource(&namespaces_resource());
    let fail = |source| Error::RemoveNamespace { cluster: cluster.name().into(), source };
    let Some(namespace) = resource.find(&name).await.map_err(fail)? else { return Ok(true) };
    if !namespace.is_deleting() {
        if let Err(source) = resource.delete_if_present(&name, &DeleteOptions::default()).await {
            context.recorder.warning(cluster, events::REMOVE_EXECUTION_SPACE_FAILED, source.chain());
            return Err(fail(source));
        }
        let message = format!("Remove execution space({name}) for cluster({}) succeed.", cluster.name());
        context.recorder.normal(cluster, events::REMOVE_EXECUTION_SPACE_SUCCEED, message);
    }
    if view::sync_mode(cluster) == SyncMode::Pull && !view::is_ready(cluster) {
        // The agent that would release them is gone.
        release_works(context, cluster, &name).await?;
    }
    Ok(false)
}

async fn release_works(context: &Context, cluster: &Object, namespace: &str) -> Result<(), Error> {
    for work in context.works().informer().list_in(namespace) {
        let mut released = (*work).clone();
        if !released.remove_finalizer(finalizers::EXECUTION) {
            continue;
        }
        match context.work_resource(namespace).update(&released).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(source) => return Err(Error::Works { cluster: cluster.name().into(), source }),
        }
    }
    Ok(())
}

/// What is remembered of a cluster between two looks.
#[derive(Debug, Clone)]
struct Seen {
    /// When it last gave a sign of life, on the monotonic clock.
    probe: Duration,
    /// Status and reason of its Ready condition.
    ready: Option<Value>,
    /// `spec.renewTime` of its lease.
    renewed: Option<String>,
}

/// Notices pull members that have fallen silent. Push members are asked by us, so their state is never
/// older than we are.
#[derive(Debug, Default)]
pub(crate) struct Watchman {
    seen: BTreeMap<String, Seen>,
}

impl Watchman {
    /// Decides whether a cluster's state has become unknown. `now` is monotonic; `age` is how long the
    /// Cluster has existed.
    pub(crate) fn look(
        &mut self,
        cluster: &Object,
        lease: Option<&Object>,
        now: Duration,
        age: Duration,
        options: &ClusterOptions,
    ) -> Option<NewCondition> {
        let ready = view::condition(cluster, conditions::READY).cloned();
        let grace = if ready.is_some() { options.monitor_grace_period } else { options.startup_grace_period };
        let first_probe = if ready.is_some() { now } else { now.saturating_sub(age) };
        let renewed = lease.and_then(|l| l.str_at("/spec/renewTime")).map(ToOwned::to_owned);
        let seen = self.seen.entry(cluster.name().to_owned()).or_insert_with(|| Seen {
            probe: first_probe,
            ready: ready.clone(),
            renewed: renewed.clone(),
        });
        if seen.ready != ready {
            seen.ready.clone_from(&ready);
            seen.probe = now;
        }
        if view::sync_mode(cluster) == SyncMode::Push {
            return None;
        }
        if renewed.as_deref() > seen.renewed.as_deref() {
            seen.renewed = renewed;
            seen.probe = now;
        }
        if now <= seen.probe + grace || view::condition_status(cluster, conditions::READY) == Some("Unknown")
        {
            return None;
        }
        let (reason, message) = if ready.is_some() {
            (reasons::CLUSTER_STATUS_UNKNOWN, "Cluster status controller stopped posting cluster status.")
        } else {
            (reasons::CLUSTER_STATUS_NEVER_UPDATED, "Cluster status controller never posted cluster status.")
        };
        Some(NewCondition {
            kind: conditions::READY,
            status: "Unknown",
            reason,
            message: message.into(),
            generation: None,
        })
    }

    fn forget_others(&mut self, names: &[String]) {
        self.seen.retain(|name, _| names.contains(name));
    }
}

async fn monitor(context: Context) {
    let leases = GroupVersionResource::new("coordination.k8s.io", "v1", "leases");
    let leases = context.client.resource(&leases).namespace(namespaces::CLUSTER);
    let mut watchman = Watchman::default();
    loop {
        let period = context.options.cluster.monitor_period;
        if context.shutdown.or(tokio::time::sleep(period)).await.is_none() {
            return;
        }
        let clusters = context.clusters().list();
        watchman.forget_others(&clusters.iter().map(|c| c.name().to_owned()).collect::<Vec<_>>());
        for cluster in clusters.iter().filter(|c| !c.is_deleting()) {
            let lease = match view::sync_mode(cluster) {
                SyncMode::Push => None,
                // A lease that cannot be read says nothing; silence is judged at the next look.
                SyncMode::Pull => match leases.find(cluster.name()).await {
                    Ok(lease) => lease,
                    Err(_) => continue,
                },
            };
            let age = age(&context, cluster);
            let now = context.clock.elapsed();
            let verdict = watchman.look(cluster, lease.as_ref(), now, age, &context.options.cluster);
            if let Some(condition) = verdict {
                mark(&context, cluster, &condition).await;
            }
        }
    }
}

fn age(context: &Context, cluster: &Object) -> Duration {
    let created = cluster.creation_timestamp().parse::<jiff::Timestamp>().ok();
    let age = created.map(|created| context.clock.now().duration_since(created));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}

async fn mark(context: &Context, cluster: &Object, condition: &NewCondition) {
    let Some(all) = view::with_condition(cluster, condition, &context.now()) else { return };
    let patch = json!({
        "metadata": { "resourceVersion": cluster.resource_version() },
        "status": { "conditions": all },
    });
    let clusters = context.client.resource(&Cluster::gvr());
    match clusters.patch_status(cluster.name(), &Patch::Merge(&patch)).await {
        Ok(_) => {
            tracing::warn!(cluster = cluster.name(), "nothing heard of the cluster, its state is unknown")
        }
        Err(error) => {
            tracing::debug!(cluster = cluster.name(), error = error.chain(), "could not mark the cluster")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(ready: Option<&str>, mode: &str) -> Object {
        let mut cluster = Object::new("cluster.karmada.io/v1alpha1", "Cluster", "", "m1");
        cluster.set("/spec/syncMode", mode);
        cluster.add_finalizer(finalizers::CLUSTER);
        if let Some(ready) = ready {
            cluster.set("/status/conditions", json!([{ "type": "Ready", "status": ready }]));
        }
        cluster
    }

    fn keys(cluster: &Object) -> Vec<String> {
        let taints = cluster.at("/spec/taints").and_then(Value::as_array);
        taints
            .into_iter()
            .flatten()
            .map(|t| t["key"].as_str().unwrap().replace("cluster.karmada.io/", ""))
            .collect()
    }

    #[test]
    fn taints_follow_the_ready_condition_and_then_stay() {
        let mut current = cluster(None, "Push");
        current.set("/spec/taints", json!([{ "key": "mine", "effect": "NoSchedule" }]));
        for (ready, expected) in [
            (None, vec!["mine", "not-ready"]),
            (Some("Unknown"), vec!["mine", "unreachable"]),
            (Some("False"), vec!["mine", "not-ready"]),
            (Some("True"), vec!["mine"]),
        ] {
            if let Some(ready) = ready {
                current.set("/status/conditions", json!([{ "type": "Ready", "status": ready }]));
            }
            current = decide(&current, "2030-01-01T00:00:00Z").unwrap();
            assert_eq!(keys(&current), expected, "{ready:?}");
            assert_eq!(decide(&current, "2031-01-01T00:00:00Z"), None, "{ready:?} again");
        }
    }

    #[test]
    fn a_no_execute_taint_of_the_same_key_is_not_ours() {
        let mut ready = cluster(Some("True"), "Push");
        ready.set("/spec/taints", json!([{ "key": taints::NOT_READY, "effect": "NoExecute" }]));
        assert_eq!(decide(&ready, "now"), None);
    }

    #[test]
    fn a_new_cluster_gets_the_finalizer() {
        let mut new = cluster(Some("True"), "Push");
        new.remove_finalizer(finalizers::CLUSTER);
        assert!(decide(&new, "now").unwrap().has_finalizer(finalizers::CLUSTER));
    }

    fn lease(renewed: &str) -> Object {
        let mut lease = Object::new("coordination.k8s.io/v1", "Lease", "karmada-cluster", "m1");
        lease.set("/spec/renewTime", renewed);
        lease
    }

    #[test]
    fn a_pull_cluster_that_falls_silent_becomes_unknown_after_its_grace_period() {
        let options = ClusterOptions::default();
        let mut watchman = Watchman::default();
        let mut look = |lease: Option<&Object>, secs: u64| {
            let now = Duration::from_secs(secs);
            watchman.look(&cluster(Some("True"), "Pull"), lease, now, now, &options).map(|c| c.reason)
        };
        assert_eq!(look(Some(&lease("t1")), 100), None);
        assert_eq!(look(Some(&lease("t1")), 139), None);
        assert_eq!(look(Some(&lease("t2")), 141), None, "it has renewed its lease");
        assert_eq!(look(Some(&lease("t2")), 181), None);
        assert_eq!(look(Some(&lease("t2")), 182), Some("ClusterStatusUnknown"));
    }

    #[test]
    fn a_cluster_that_never_reports_gets_the_startup_grace_period() {
        let options = ClusterOptions::default();
        let mut watchman = Watchman::default();
        let mut look = |secs: u64| {
            let age = Duration::from_secs(secs);
            watchman
                .look(&cluster(None, "Pull"), None, Duration::from_secs(1000 + secs), age, &options)
                .map(|c| c.reason)
        };
        assert_eq!(look(10), None);
        assert_eq!(look(60), None);
        assert_eq!(look(61), Some("ClusterStatusNeverUpdated"));
    }

    #[test]
    fn push_clusters_are_not_judged_by_silence() {
        let mut watchman = Watchman::default();
        for secs in [1, 1000] {
            let now = Duration::from_secs(secs);
            let verdict =
                watchman.look(&cluster(Some("True"), "Push"), None, now, now, &ClusterOptions::default());
            assert_eq!(verdict, None);
        }
    }
}
