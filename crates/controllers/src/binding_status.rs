//! Binding status: what the members say is on the binding, and summed up on the template.
//!
//! ```text
//! watches  Work, ResourceBinding, ClusterResourceBinding (one code path, see `BindingKey`)
//! reads    the template
//! writes   the binding's status.aggregatedStatus and condition FullyApplied; the template's status
//! wakes    when a Work's status changes or a Work goes, when a binding has a new generation
//! ```
//!
//! The rules live in [`decide`] and, for the template, in the interpreter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::{conditions, events, reasons};
use api::work::{AggregatedStatusItem, ResourceBindingSpec, ResourceHealth};
use api::{Scope, naming};
use client::Patch;
use futures::future::BoxFuture;
use interpreter::Operation;
use machinery::{Object, ObjectKey};
use propagation::placement::existing_clusters;
use runtime::events::Regarding;
use runtime::{Change, Outcome, Queue, queue};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::context::{BY_BINDING, BindingKey, Context, TemplateError, TemplateKey, binding_id_label};
use crate::fresh::is_older;
use crate::gather::Gather;
use crate::view::{self, NewCondition, difference};

/// Statuses of several members that come within this time are summed up together: short against the time a
/// rollout takes, long against the time between two members' reports of the same step. The more bindings wait,
/// the more there is to gather.
const GATHER: Gather = Gather {
    idle: Duration::from_millis(10),
    per_waiting: Duration::from_micros(200),
    most: Duration::from_millis(40),
};

/// How long a template that we wrote is remembered while the cache does not show it.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Why a status could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("binding {binding} cannot be read")]
    Shape { binding: BindingKey, source: serde_json::Error },
    #[error("could not sum up the works of binding {binding}")]
    NoManifest { binding: BindingKey, source: NoManifest },
    #[error("could not write the status of binding {binding}")]
    Binding { binding: BindingKey, source: client::Error },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("could not sum up the status of {template}")]
    Aggregate { template: String, source: interpreter::Error },
    #[error("could not write the status of {template}")]
    TemplateStatus { template: String, source: client::Error },
    #[error("could not find the resource of {template}")]
    Kind { template: String, source: crate::kinds::Error },
}

/// A binding's status as its Works make it.
#[derive(Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) items: Vec<AggregatedStatusItem>,
    pub(crate) fully_applied: bool,
}

/// Decides a binding's status. Pure. Works that are being deleted do not count.
///
/// # Errors
/// When a Work does not hold the template's copy: somebody has written over it.
pub(crate) fn decide(spec: &ResourceBindingSpec, works: &[Arc<Object>]) -> Result<Decision, NoManifest> {
    let counted = works.iter().filter(|work| !work.is_deleting());
    let mut items: Vec<AggregatedStatusItem> =
        counted.filter_map(|work| item(spec, work).transpose()).collect::<Result<_, _>>()?;
    items.sort_by(|a, b| a.cluster_name.cmp(&b.cluster_name));
    let expected = existing_clusters(spec);
    let fully_applied = !expected.is_empty()
        && expected.len() == items.len()
        && items.iter().all(|item| item.applied && expected.contains(item.cluster_name.as_str()));
    Ok(Decision { items, fully_applied })
}

/// A Work without the copy for which it was made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("work {work} does not hold the template's copy")]
pub(crate) struct NoManifest {
    work: ObjectKey,
}

/// Position of the template's copy among a Work's manifests.
fn ordinal(spec: &ResourceBindingSpec, work: &Object) -> Option<u64> {
    let resource = &spec.resource;
    let is_copy = |manifest: &Value| {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        text("/apiVersion") == resource.api_version
            && text("/kind") == resource.kind
            && text("/metadata/namespace") == resource.namespace
            && text("/metadata/name") == resource.name
    };
    let manifests = work.at("/spec/workload/manifests").and_then(Value::as_array)?;
    manifests.iter().position(is_copy).map(|position| position as u64)
}

fn item(spec: &ResourceBindingSpec, work: &Object) -> Result<Option<AggregatedStatusItem>, NoManifest> {
    let Some(cluster) = naming::cluster_of_execution_namespace(work.namespace()) else { return Ok(None) };
    let ordinal = ordinal(spec, work).ok_or_else(|| NoManifest { work: work.key() })?;
    let applied = view::condition(work, conditions::APPLIED);
    let text = |field: &str| applied.and_then(|c| c.get(field)?.as_str()).unwrap_or_default();
    let mut item = AggregatedStatusItem {
        cluster_name: cluster.into(),
        health: Some(ResourceHealth::Unknown),
        ..AggregatedStatusItem::default()
    };
    if text("status") != "True" {
        item.applied_message = text("message").into();
        return Ok(Some(item));
    }
    item.applied = true;
    let statuses = work.at("/status/manifestStatuses").and_then(Value::as_array);
    if let Some(status) = statuses.into_iter().flatten().find(|s| is_about(s, ordinal, spec)) {
        item.status = status.get("status").filter(|s| !s.is_null()).cloned();
        if let Some(health) = status.get("health").and_then(|h| ResourceHealth::deserialize(h).ok()) {
            item.health = Some(health);
        }
    }
    Ok(Some(item))
}

/// Whether a manifest status is about a binding's template.
fn is_about(status: &Value, ordinal: u64, spec: &ResourceBindingSpec) -> bool {
    let identifier = status.get("identifier");
    let text = |field: &str| identifier.and_then(|i| i.get(field)?.as_str()).unwrap_or_default();
    let resource = &spec.resource;
    let (group, version) = resource.api_version.split_once('/').unwrap_or(("", &resource.api_version));
    identifier.and_then(|i| i.get("ordinal")?.as_u64()) == Some(ordinal)
        && text("kind") == resource.kind
        && text("name") == resource.name
        && text("namespace") == resource.namespace
        && text("group") == group
        && text("version") == version
}

fn fully_applied(decision: &Decision) -> NewCondition {
    let (status, reason, message) = if decision.fully_applied {
        ("True", reasons::FULLY_APPLIED_SUCCESS, "All works have been successfully applied")
    } else {
        let details = "Failed to apply all works, see status.aggregatedStatus for details";
        ("False", reasons::FULLY_APPLIED_FAILED, details)
    };
    NewCondition {
        kind: conditions::FULLY_APPLIED,
        status,
        reason,
        message: message.into(),
        generation: None,
    }
}

/// Templates as we last wrote them, while the cache does not show it.
type Written = Arc<Mutex<BTreeMap<TemplateKey, (Arc<Object>, Instant)>>>;

#[derive(Clone)]
struct Controller {
    context: Context,
    written: Written,
}

/// Runs the controller until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue: Queue<BindingKey> = Queue::new("binding-status-controller");
        watch(&context, &queue);
        let shutdown = context.shutdown.clone();
        if !context.works().informer().wait_synced(&shutdown).await {
            return;
        }
        for scope in [Scope::Namespaced, Scope::Cluster] {
            if !context.bindings(scope).informer().wait_synced(&shutdown).await {
                return;
            }
        }
        let workers = context.options.binding_workers;
        let controller = Controller { context, written: Arc::default() };
        queue::run(&queue, workers, &shutdown, move |key: BindingKey| {
            let controller = controller.clone();
            async move { controller.reconcile(&key).await }
        })
        .await;
    })
}

fn watch(context: &Context, queue: &Queue<BindingKey>) {
    let wakes = queue.clone();
    context.works().informer().on_change(move |change: &Change| {
        let work = change.object();
        let concerns = match change {
            Change::Added { initial, .. } => !initial && work.at("/status").is_some(),
            Change::Modified { old, new } => {
                old.is_deleting() != new.is_deleting() || old.at("/status") != new.at("/status")
            }
            Change::Deleted { .. } => true,
        };
        if let Some(key) = BindingKey::of_work(work).filter(|_| concerns) {
            wakes.add_after(key, GATHER.wait(&wakes));
        }
    });
    for scope in [Scope::Namespaced, Scope::Cluster] {
        let wakes = queue.clone();
        context.bindings(scope).informer().on_change(move |change: &Change| {
            let key = BindingKey::of(scope, change.object());
            match change {
                Change::Added { initial: true, .. } => wakes.add_with_priority(key, queue::LOW_PRIORITY),
                // Members may be quicker than the scheduler's second write, without which nothing is summed up.
                Change::Modified { old, new }
                    if old.generation() != new.generation() || is_placed(old) != is_placed(new) =>
                {
                    wakes.add_after(key, GATHER.wait(&wakes));
                }
                Change::Added { .. } | Change::Modified { .. } | Change::Deleted { .. } => {}
            }
        });
    }
}

impl Controller {
    async fn reconcile(&self, key: &BindingKey) -> Result<Outcome, Error> {
        let context = &self.context;
        let Some(binding) = context.bindings(key.scope).latest(&key.key) else { return Ok(Outcome::Done) };
        let id = binding.label(binding_id_label(key.scope)).unwrap_or_default();
        if binding.is_deleting() || id.is_empty() || !(is_placed(&binding) || has_reported(&binding)) {
            return Ok(Outcome::Done);
        }
        let spec = propagation::binding::specification_of(&binding)
            .map_err(|source| Error::Shape { binding: key.clone(), source })?;
        let works: Vec<Arc<Object>> = context
            .works()
            .informer()
            .by_index(BY_BINDING, id)
            .iter()
            .filter_map(|work| context.works().latest(&work.key()))
            .collect();
        if says_nothing_yet(&binding, &spec, &works) {
            // Nothing is reported yet; the first report follows in a moment and says more.
            return Ok(Outcome::Done);
        }
        let decision =
            decide(&spec, &works).map_err(|source| Error::NoManifest { binding: key.clone(), source })?;
        self.write_binding(key, &binding, &decision).await?;
        self.write_template(&binding, &spec, &decision).await?;
        Ok(Outcome::Done)
    }

    async fn write_binding(
        &self,
        key: &BindingKey,
        binding: &Object,
        decision: &Decision,
    ) -> Result<(), Error> {
        let context = &self.context;
        let mut patch = json!({});
        let old = binding.at("/status/aggregatedStatus").cloned().unwrap_or_else(|| json!([]));
        let old: Vec<AggregatedStatusItem> = Vec::deserialize(old).unwrap_or_default();
        if old != decision.items {
            patch["status"]["aggregatedStatus"] = json!(decision.items);
        }
        let condition = fully_applied(decision);
        if let Some(all) = view::with_condition(binding, &condition, &context.now()) {
            patch["status"]["conditions"] = all.into();
            // The scheduler writes its own condition into the same list.
            patch["metadata"]["resourceVersion"] = binding.resource_version().into();
            if decision.fully_applied {
                let message = "Update aggregatedStatus with AggregatedStatusItems successfully.";
                context.recorder.normal(binding, events::AGGREGATE_STATUS_SUCCEED, message);
                context.recorder.normal(template_of(binding), events::AGGREGATE_STATUS_SUCCEED, message);
            }
        }
        if patch.get("status").is_none() {
            return Ok(());
        }
        let resource = context.binding_resource(key);
        match resource.patch_status(&key.key.name, &Patch::Merge(&patch)).await {
            Ok(written) => {
                context.bindings(key.scope).wrote(written);
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(source) => {
                context.bindings(key.scope).forget(&key.key);
                if !source.is_conflict() {
                    let message = client::Error::chain(&source);
                    context.recorder.warning(binding, events::AGGREGATE_STATUS_FAILED, message);
                }
                Err(Error::Binding { binding: key.clone(), source })
            }
        }
    }

    /// The newest known state of a template.
    async fn template(&self, key: &TemplateKey, at_least: &str) -> Result<Option<Arc<Object>>, Error> {
        let cached = self.context.template(key, at_least).await?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        let Some((ours, _)) = written.get(key) else { return Ok(cached) };
        let is_behind = cached.as_ref().is_some_and(|cached| {
            cached.uid() == ours.uid() && is_older(cached.resource_version(), ours.resource_version())
        });
        if is_behind {
            return Ok(Some(Arc::clone(ours)));
        }
        written.remove(key);
        Ok(cached)
    }

    async fn write_template(
        &self,
        binding: &Object,
        spec: &ResourceBindingSpec,
        decision: &Decision,
    ) -> Result<(), Error> {
        let context = &self.context;
        let key = TemplateKey::of_binding(binding);
        let interpreter = context.interpreter.current();
        if !interpreter.has(&key.kind, Operation::AggregateStatus) {
            return Ok(());
        }
        let Some(template) = self.template(&key, &spec.resource.resource_version).await? else {
            return Ok(());
        };
        if !spec.resource.uid.is_empty() && spec.resource.uid != template.uid() {
            return Ok(());
        }
        let aggregated = interpreter.aggregate_status(&template, &decision.items);
        let aggregated = context.interpreter.answer(aggregated).await.map_err(|source| {
            let message = queue::chain(&source);
            context.recorder.warning(&*template, events::AGGREGATE_STATUS_FAILED, message);
            Error::Aggregate { template: key.to_string(), source }
        })?;
        let empty = json!({});
        let status = |object: &Object| object.at("/status").cloned().unwrap_or_else(|| empty.clone());
        let Some(change) = difference(&status(&template), &status(&aggregated)) else { return Ok(()) };
        let gvr = context
            .kinds
            .gvr(&key.kind)
            .await
            .map_err(|source| Error::Kind { template: key.to_string(), source })?;
        let resource = context.client.resource(&gvr).namespace(&key.key.namespace);
        match resource.patch_status(&key.key.name, &Patch::Merge(&json!({ "status": change }))).await {
            Ok(written) => {
                let mut all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(key, (Arc::new(written), Instant::now()));
                Ok(())
            }
            Err(error) if error.is_not_found() => Ok(()),
            Err(source) => Err(Error::TemplateStatus { template: key.to_string(), source }),
        }
    }
}

/// The template of a binding, for events.
fn template_of(binding: &Object) -> Regarding {
    let TemplateKey { kind, key } = TemplateKey::of_binding(binding);
    Regarding {
        api_version: kind.api_version(),
        kind: kind.kind,
        namespace: key.namespace,
        name: key.name,
        uid: binding.str_at("/spec/resource/uid").unwrap_or_default().into(),
    }
}

/// Whether a binding has nothing to say yet: no Work of it has reported, and some will.
fn says_nothing_yet(binding: &Object, spec: &ResourceBindingSpec, works: &[Arc<Object>]) -> bool {
    !has_reported(binding)
        && !existing_clusters(spec).is_empty()
        && works.iter().all(|work| work.at("/status").is_none())
}

/// Whether a binding has been scheduled, or goes where those go that need it.
fn is_placed(binding: &Object) -> bool {
    let required = binding.at("/spec/requiredBy").and_then(Value::as_array);
    binding.at("/status/lastScheduledTime").is_some() || required.is_some_and(|by| !by.is_empty())
}

fn has_reported(binding: &Object) -> bool {
    view::condition(binding, conditions::FULLY_APPLIED).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(clusters: &[&str]) -> ResourceBindingSpec {
        let clusters: Vec<Value> = clusters.iter().map(|name| json!({ "name": name })).collect();
        serde_json::from_value(json!({
            "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web" },
            "clusters": clusters,
        }))
        .unwrap()
    }

    fn work(cluster: &str, applied: &str, replicas: i64) -> Arc<Object> {
        let mut work =
            Object::new("work.karmada.io/v1alpha1", "Work", &format!("karmada-es-{cluster}"), "web");
        let identifier = json!({
            "ordinal": 0, "group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web",
        });
        let metadata = json!({ "namespace": "shop", "name": "web" });
        let manifest = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata });
        work.set("/spec/workload/manifests", json!([manifest]));
        work.set("/status", json!({
            "conditions": [{ "type": "Applied", "status": applied, "message": "because" }],
            "manifestStatuses": [{ "identifier": identifier, "status": { "replicas": replicas }, "health": "Healthy" }],
        }));
        Arc::new(work)
    }

    fn summary(decision: &Decision) -> String {
        let items = decision.items.iter().map(|i| {
            let status = i.status.as_ref().map_or(String::new(), Value::to_string);
            format!(
                "{} {} {:?} {}{}",
                i.cluster_name,
                i.applied,
                i.health.unwrap(),
                status,
                i.applied_message
            )
        });
        format!("{}; fully {}", items.collect::<Vec<_>>().join(", "), decision.fully_applied)
    }

    #[test]
    fn a_binding_is_fully_applied_when_every_cluster_says_so() {
        for (clusters, works, expected) in [
            (
                vec!["a", "b"],
                vec![work("b", "True", 1), work("a", "True", 2)],
                r#"a true Healthy {"replicas":2}, b true Healthy {"replicas":1}; fully true"#,
            ),
            (
                vec!["a", "b"],
                vec![work("a", "True", 2), work("b", "False", 1)],
                r#"a true Healthy {"replicas":2}, b false Unknown because; fully false"#,
            ),
            (vec!["a", "b"], vec![work("a", "True", 2)], r#"a true Healthy {"replicas":2}; fully false"#),
            (vec!["b"], vec![work("a", "True", 2)], r#"a true Healthy {"replicas":2}; fully false"#),
            (vec![], vec![], "; fully false"),
        ] {
            assert_eq!(summary(&decide(&spec(&clusters), &works).unwrap()), expected);
        }
    }

    #[test]
    fn a_work_on_its_way_out_does_not_count() {
        let mut leaving = (*work("a", "True", 1)).clone();
        leaving.set("/metadata/deletionTimestamp", "2030-01-01T00:00:00Z");
        assert_eq!(summary(&decide(&spec(&["a"]), &[Arc::new(leaving)]).unwrap()), "; fully false");
    }

    #[test]
    fn a_work_that_lacks_the_templates_copy_is_an_error() {
        let mut other = (*work("a", "True", 1)).clone();
        other.set("/spec/workload/manifests/0/metadata/name", "another");
        let error = decide(&spec(&["a"]), &[Arc::new(other)]).unwrap_err();
        assert_eq!(error.to_string(), "work karmada-es-a/web does not hold the template's copy");
    }

    #[test]
    fn a_status_counts_only_at_the_ordinal_of_the_copy() {
        let mut work = (*work("a", "True", 1)).clone();
        work.set("/status/manifestStatuses/0/identifier/ordinal", 1);
        let decision = decide(&spec(&["a"]), &[Arc::new(work)]).unwrap();
        assert_eq!(summary(&decision), "a true Unknown ; fully true");
    }

    #[test]
    fn a_binding_is_written_from_the_first_report_on() {
        let mut silent = (*work("a", "True", 1)).clone();
        silent.remove("/status");
        let silent = Arc::new(silent);
        let mut binding =
            Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "web-deployment");
        assert!(says_nothing_yet(&binding, &spec(&["a"]), &[]), "its Works are still to be made");
        assert!(says_nothing_yet(&binding, &spec(&["a"]), &[Arc::clone(&silent)]));
        assert!(!says_nothing_yet(&binding, &spec(&["a"]), &[Arc::clone(&silent), work("b", "False", 1)]));
        assert!(!says_nothing_yet(&binding, &spec(&[]), &[]), "no Work will come");
        binding.set("/status/conditions", json!([{ "type": "FullyApplied", "status": "True" }]));
        assert!(!says_nothing_yet(&binding, &spec(&["a"]), &[silent]), "what was said is brought up to date");
    }

    #[test]
    fn a_binding_that_goes_where_others_go_is_summed_up_without_being_scheduled() {
        let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "settings");
        assert!(!is_placed(&binding));
        binding.set("/spec/requiredBy", json!([{ "name": "web-deployment" }]));
        assert!(is_placed(&binding));
        binding.remove("/spec/requiredBy");
        binding.set("/status/lastScheduledTime", "2030-01-01T00:00:00Z");
        assert!(is_placed(&binding));
    }
}
