//! ReplicaSets: as many Pods as asked for.
//!
//! ```text
//! watches  ReplicaSet, Pod
//! writes   creates and deletes Pods; adopts and releases them; ReplicaSet status
//! wakes    on changes of either; when a ready Pod becomes available (minReadySeconds)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::DeleteOptions;
use jiff::Timestamp;
use machinery::{Object, ObjectKey};
use runtime::{Change, Informer, Outcome, Queue, queue};
use serde_json::{Value, json};

use crate::owned::{self, Claims};
use crate::{Context, apps, core};

/// Pods created or deleted per look at a ReplicaSet; the same as upstream's burst.
const BURST: usize = 500;

/// What a ReplicaSet needs.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// Pods to create.
    pub create: usize,
    /// Names of Pods to delete, the least useful first.
    pub delete: Vec<String>,
    /// What the status should be.
    pub status: Value,
    /// When a ready Pod becomes available.
    pub wake_at: Option<Timestamp>,
}

/// Whether a Pod counts: it has not ended and is not being deleted.
pub(crate) fn is_active(pod: &Object) -> bool {
    !pod.is_deleting() && !matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed"))
}

/// How useful a Pod is; the least useful goes first when scaling down: not placed, then not running,
/// then not ready, then the one that has been ready for the shortest time, then the youngest.
fn usefulness(pod: &Object) -> (bool, u8, bool, std::cmp::Reverse<&str>, std::cmp::Reverse<&str>, &str) {
    let phase = match pod.str_at("/status/phase") {
        Some("Running") => 2,
        Some("Unknown") => 1,
        _ => 0,
    };
    let ready = owned::ready_since(pod);
    (
        pod.str_at("/spec/nodeName").is_some(),
        phase,
        ready.is_some(),
        std::cmp::Reverse(ready.unwrap_or_default()),
        std::cmp::Reverse(pod.creation_timestamp()),
        pod.name(),
    )
}

/// Decides what a ReplicaSet needs, given its own active Pods.
pub fn decide(set: &Object, pods: &[Arc<Object>], now: Timestamp) -> Plan {
    let wanted = set.i64_at("/spec/replicas").unwrap_or(1).max(0);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let min_ready = set.i64_at("/spec/minReadySeconds").unwrap_or(0);
    let mut ready = 0;
    let mut available = 0;
    let mut wake_at: Option<Timestamp> = None;
    for pod in pods {
        let Some(since) = owned::ready_since(pod) else { continue };
        ready += 1;
        let at = machinery::time::parse_rfc3339(since)
            .and_then(|since| since.checked_add(jiff::SignedDuration::from_secs(min_ready)).ok());
        match at {
            Some(at) if min_ready > 0 && at > now => wake_at = Some(wake_at.map_or(at, |w| w.min(at))),
            _ => available += 1,
        }
    }
    let template_labels = set.at("/spec/template/metadata/labels").and_then(Value::as_object);
    let labeled = pods
        .iter()
        .filter(|pod| template_labels.is_none_or(|l| l.iter().all(|(k, v)| pod.label(k) == v.as_str())))
        .count();
    let mut status = set.at("/status").and_then(Value::as_object).cloned().unwrap_or_default();
    let counts =
        [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)];
    for (field, count) in counts {
        if count == 0 {
            status.remove(field);
        } else {
            status.insert(field.into(), count.into());
        }
    }
    status.insert("replicas".into(), pods.len().into());
    status.insert("observedGeneration".into(), set.generation().into());
    let (mut create, mut delete) = (0, Vec::new());
    if !set.is_deleting() {
        create = wanted.saturating_sub(pods.len()).min(BURST);
        let surplus = pods.len().saturating_sub(wanted).min(BURST);
        if surplus > 0 {
            let mut ranked: Vec<&Arc<Object>> = pods.iter().collect();
            ranked.sort_by(|a, b| usefulness(a).cmp(&usefulness(b)));
            delete = ranked[..surplus].iter().map(|p| p.name().to_owned()).collect();
        }
    }
    Plan { create, delete, status: Value::Object(status), wake_at }
}

/// The Pod that a ReplicaSet's template describes.
fn pod_of(set: &Object) -> Object {
    let mut pod = Object::new("v1", "Pod", set.namespace(), "");
    pod.metadata_mut().remove("name");
    pod.set("/metadata/generateName", format!("{}-", set.name()));
    for part in ["labels", "annotations", "finalizers"] {
        if let Some(value) = set.at(&format!("/spec/template/metadata/{part}")) {
            pod.metadata_mut().insert(part.into(), value.clone());
        }
    }
    pod.set_owner_references(&[set.controller_reference()]);
    pod.set("/spec", set.at("/spec/template/spec").cloned().unwrap_or_else(|| json!({})));
    pod
}

/// Writes that the cache does not show yet. While there are any, Pods are neither created nor deleted:
/// the count would be wrong. May be lost: a restart lists everything first.
#[derive(Default)]
struct Unseen {
    created: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

#[derive(Clone)]
struct Controller {
    context: Context,
    sets: Informer,
    pods: Informer,
    unseen: Arc<Mutex<BTreeMap<ObjectKey, Unseen>>>,
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<ObjectKey> = Queue::new("replicaset");
    let sets = context.informers.get(&apps("replicasets"));
    let pods = context.informers.get(&core("pods"));
    if !(sets.wait_synced(&context.shutdown).await && pods.wait_synced(&context.shutdown).await) {
        return;
    }
    let controller = Controller {
        context: context.clone(),
        sets: sets.clone(),
        pods: pods.clone(),
        unseen: Arc::default(),
    };
    let wake = queue.clone();
    sets.on_change(move |change: &Change| wake.add(change.object().key()));
    owned::wake_owners(&pods, &sets, "ReplicaSet", &queue);
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 4, &shutdown, move |key| {
        let controller = controller.clone();
        async move { controller.look(&key).await }
    })
    .await;
}

impl Controller {
    async fn look(&self, key: &ObjectKey) -> Result<Outcome, client::Error> {
        let Some(set) = self.sets.get(key) else {
            self.unseen.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            return Ok(Outcome::Done);
        };
        let Some(selector) = owned::selector(&set) else { return Ok(Outcome::Done) };
        let client = self.context.informers.client();
        let claims: Claims = owned::claims(&set, &selector, self.pods.list_in(&key.namespace));
        owned::settle(client, &core("pods"), &set, &claims).await?;
        let settled = self.settled(key);
        let active: Vec<_> = claims.owned.into_iter().filter(|p| is_active(p)).collect();
        let now = self.context.clock.now();
        let plan = decide(&set, &active, now);
        let mut outcome = Ok(());
        if settled && claims.orphans.is_empty() {
            outcome = self.carry_out(&set, &plan).await;
        }
        self.write_status(&set, &plan.status).await?;
        outcome?;
        Ok(match plan.wake_at {
            Some(at) => Outcome::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()),
            None => Outcome::Done,
        })
    }

    /// Forgets writes that the cache shows by now, and says whether all of them are shown.
    fn settled(&self, key: &ObjectKey) -> bool {
        let mut unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = unseen.get_mut(key) else { return true };
        let shown = |name: &String| self.pods.get(&ObjectKey::new(&key.namespace, name));
        waiting.created.retain(|name| shown(name).is_none());
        waiting.deleted.retain(|name| shown(name).is_some_and(|pod| is_active(&pod)));
        let settled = waiting.created.is_empty() && waiting.deleted.is_empty();
        if settled {
            unseen.remove(key);
        }
        settled
    }

    fn note(&self, key: &ObjectKey, record: impl FnOnce(&mut Unseen)) {
        record(self.unseen.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
    }

    async fn carry_out(&self, set: &Object, plan: &Plan) -> Result<(), client::Error> {
        let key = set.key();
        let pods = self.context.informers.client().resource(&core("pods")).namespace(set.namespace());
        let pod = pod_of(set);
        for _ in 0..plan.create {
            match pods.create(&pod).await {
                Ok(created) => {
                    self.note(&key, |unseen| {
                        unseen.created.insert(created.name().to_owned());
                    });
                    let message = format!("Created pod: {}", created.name());
                    self.context.events.normal(set, "SuccessfulCreate", message);
                }
                Err(error) => {
                    self.context.events.warning(
                        set,
                        "FailedCreate",
                        format!("Error creating: {}", error.chain()),
                    );
                    return Err(error);
                }
            }
        }
        for name in &plan.delete {
            self.note(&key, |unseen| {
                unseen.deleted.insert(name.clone());
            });
            pods.delete_if_present(name, &DeleteOptions::default()).await?;
            self.context.events.normal(set, "SuccessfulDelete", format!("Deleted pod: {name}"));
        }
        Ok(())
    }

    async fn write_status(&self, set: &Object, status: &Value) -> Result<(), client::Error> {
        if set.at("/status") == Some(status) {
            return Ok(());
        }
        let mut changed = set.clone();
        changed.set("/status", status.clone());
        let sets = self.context.informers.client().resource(&apps("replicasets")).namespace(set.namespace());
        match sets.update_status(&changed).await {
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(replicas: i64, min_ready: i64) -> Object {
        let mut set = Object::new("apps/v1", "ReplicaSet", "ns", "web");
        set.set("/metadata/generation", 3);
        set.set("/spec", json!({ "replicas": replicas, "minReadySeconds": min_ready }));
        set
    }

    fn pod(name: &str, node: bool, ready_since: Option<&str>) -> Arc<Object> {
        let mut pod = Object::new("v1", "Pod", "ns", name);
        if node {
            pod.set("/spec/nodeName", "n1");
            pod.set("/status/phase", "Running");
        }
        if let Some(since) = ready_since {
            let ready = json!([{ "type": "Ready", "status": "True", "lastTransitionTime": since }]);
            pod.set("/status/conditions", ready);
        }
        Arc::new(pod)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn missing_pods_are_created_and_surplus_ones_deleted_least_useful_first() {
        let now = at("2026-01-01T00:01:00Z");
        let old = pod("old", true, Some("2026-01-01T00:00:00Z"));
        let young = pod("young", true, Some("2026-01-01T00:00:30Z"));
        let unready = pod("unready", true, None);
        let unplaced = pod("unplaced", false, None);
        let pods = [old, young, unready, unplaced];
        assert_eq!(decide(&set(7, 0), &pods, now).create, 3);
        assert_eq!(decide(&set(1, 0), &pods, now).delete, ["unplaced", "unready", "young"]);
        let exact = decide(&set(4, 0), &pods, now);
        assert_eq!((exact.create, exact.delete.len()), (0, 0));
    }

    #[test]
    fn the_status_counts_ready_and_available_pods() {
        let now = at("2026-01-01T00:01:00Z");
        let pods =
            [pod("a", true, Some("2026-01-01T00:00:00Z")), pod("b", true, Some("2026-01-01T00:00:55Z"))];
        let plan = decide(&set(2, 10), &pods, now);
        assert_eq!(
            plan.status,
            json!({
                "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 1,
                "observedGeneration": 3,
            })
        );
        assert_eq!(plan.wake_at, Some(at("2026-01-01T00:01:05Z")));
    }

    #[test]
    fn a_set_that_is_being_deleted_changes_no_pods() {
        let mut set = set(5, 0);
        set.set("/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
        let plan = decide(&set, &[], at("2026-01-01T00:01:00Z"));
        assert_eq!((plan.create, plan.delete.len()), (0, 0));
    }
}
