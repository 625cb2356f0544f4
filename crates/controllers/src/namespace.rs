//! Namespace sync: a namespace of the control plane exists in every member.
//!
//! ```text
//! watches  Namespace, Cluster, ClusterOverridePolicy
//! reads    nothing else
//! writes   Work, owned by the Namespace, so that it goes with it
//! wakes    on every change of a namespace, for all namespaces when a cluster comes, and on changes of
//!          cluster override policies that select namespaces
//! ```

use api::names::labels;
use api::naming;
use api::policy::Override;
use futures::future::{BoxFuture, join_all};
use machinery::{GroupVersionResource, Object, ObjectKey};
use propagation::Wanted;
use propagation::skip::SkippedNamespaces;
use runtime::{Change, Outcome, Queue, queue};

use crate::context::Context;
use crate::overrides_cache::OverridesCache;
use crate::work;

/// Namespaces looked at at the same time.
const WORKERS: usize = 4;

/// Why a namespace is not in every member.
#[derive(Debug, thiserror::Error)]
#[error("could not write the works of namespace {namespace} for {failed} of {total} clusters: {first}")]
struct Error {
    namespace: String,
    failed: usize,
    total: usize,
    first: String,
}

/// Whether a namespace goes to the members.
pub(crate) fn is_propagated(namespace: &Object, skipped: &SkippedNamespaces) -> bool {
    let opted_out = namespace
        .label(labels::SKIP_AUTO_PROPAGATION)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    !opted_out
        && namespace.name() != "default"
        && !namespace.is_deleting()
        && !skipped.contains(namespace.name())
}

/// The Work of a namespace for one cluster, but for the overrides.
fn wanted(namespace: &Object, mut manifest: Object, cluster: &str) -> Wanted {
    let space = naming::execution_namespace(cluster);
    let name = naming::work("Namespace", "", namespace.name());
    propagation::prepare(&mut manifest, namespace.uid(), &space, &name);
    Wanted { owner: Some(namespace.controller_reference()), ..Wanted::new(space, name, manifest) }
}

#[derive(Clone)]
struct Controller {
    context: Context,
    overrides: OverridesCache,
}

/// Runs the controller until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue: Queue<String> = Queue::new("namespace-sync-controller");
        let skipped = SkippedNamespaces::new(&context.options.detector.skipped_propagating_namespaces);
        let namespaces = context.informers.get(&GroupVersionResource::new("", "v1", "namespaces"));
        let wakes = queue.clone();
        namespaces.on_change(move |change: &Change| {
            let is_news = !change.is_deleted()
                && change.old().is_none_or(|old| super::view::differs_after_pruning(old, change.object()));
            if is_news {
                wakes.add(change.object().name().to_owned());
            }
        });
        let (wakes, all) = (queue.clone(), namespaces.clone());
        context.clusters().on_change(move |change: &Change| {
            if matches!(change, Change::Added { .. }) {
                all.list().iter().for_each(|namespace| wakes.add(namespace.name().to_owned()));
            }
        });
        let (wakes, all) = (queue.clone(), namespaces.clone());
        let overrides = OverridesCache::new(&context, move |old, new| {
            for policy in [old, new].into_iter().flatten().filter(|p| p.scope == api::Scope::Cluster) {
                wake_selected(policy, &all.list(), &wakes);
            }
        });
        let shutdown = context.shutdown.clone();
        let works = context.works().informer();
        if !works.wait_synced(&shutdown).await
            || !context.clusters().wait_synced(&shutdown).await
            || !overrides.wait_synced(&context).await
        {
            return;
        }
        let controller = Controller { context, overrides };
        queue::run(&queue, WORKERS, &shutdown, move |name: String| {
            let (controller, namespace) = (controller.clone(), namespaces.get(&ObjectKey::new("", &name)));
            let namespace = namespace.filter(|namespace| is_propagated(namespace, &skipped));
            async move {
                match namespace {
                    Some(namespace) => controller.reconcile(&namespace).await,
                    None => Ok(Outcome::Done),
                }
            }
        })
        .await;
    })
}

fn wake_selected(policy: &Override, namespaces: &[std::sync::Arc<Object>], queue: &Queue<String>) {
    let selectors = &policy.spec.resource_selectors;
    for namespace in namespaces {
        if selectors.is_empty() || matching::matches_any(selectors, namespace) {
            queue.add(namespace.name().to_owned());
        }
    }
}

impl Controller {
    async fn reconcile(&self, namespace: &Object) -> Result<Outcome, Error> {
        let clusters = self.context.clusters().list();
        let clusters: Vec<_> = clusters.iter().filter(|cluster| !cluster.is_deleting()).collect();
        let total = clusters.len();
        let writes = clusters.into_iter().map(|cluster| async move {
            let mut manifest = namespace.clone();
            interpreter::prune_for_work(&mut manifest);
            let applied = self
                .overrides
                .apply_cluster_policies(&mut manifest, cluster)
                .map_err(|e| format!("{}: {}", cluster.name(), queue::chain(&e)))?;
            let mut wanted = wanted(namespace, manifest, cluster.name());
            wanted.annotations.extend(applied.annotations().into_iter().map(|(k, v)| (k.to_owned(), v)));
            work::apply(&wanted, &self.context)
                .await
                .map_err(|e| format!("{}: {}", cluster.name(), queue::chain(&e)))
        });
        let failures: Vec<String> = join_all(writes).await.into_iter().filter_map(Result::err).collect();
        match failures.first() {
            None => Ok(Outcome::Done),
            Some(first) => Err(Error {
                namespace: namespace.name().into(),
                failed: failures.len(),
                total,
                first: first.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_users_go_and_others_stay() {
        let skipped = SkippedNamespaces::new(&["kube-.*"]);
        for (name, label, expected) in [
            ("shop", None, true),
            ("shop", Some("false"), true),
            ("shop", Some("True"), false),
            ("default", None, false),
            ("kube-system", None, false),
            ("karmada-es-m1", None, false),
        ] {
            let mut namespace = Object::new("v1", "Namespace", "", name);
            if let Some(value) = label {
                namespace.set_label(labels::SKIP_AUTO_PROPAGATION, value);
            }
            assert_eq!(is_propagated(&namespace, &skipped), expected, "{name} {label:?}");
        }
    }
}
