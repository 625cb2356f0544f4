//! The scheduler without an API server: what waits, the member clusters, and what was promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::meta::Time;
use api::work::{Binding, ResourceBindingStatus};
use clock::Clock;
use machinery::{Object, ObjectKey};
use runtime::Change;
use scheduling::{AssumedObject, Assumptions, Features, Member, Peers, Snapshot, Step, Wanted};
use serde::Deserialize as _;
use serde_json::Value;

use crate::clusters::{Changed, Clusters};
use crate::decide::{self, Decision, World};
use crate::metrics::{self, Incoming};
use crate::peers::{self, Groups, Promised};
use crate::queue::{Pace, Queue, Verdict};
use crate::{Options, intake};

/// Queue and decisions, without reading from or writing to an API server.
///
/// [`crate::run`] is an engine whose bindings and clusters come from informers and whose decisions are written.
/// Measurements and simulations use it by itself:
///
/// ```
/// # use std::sync::Arc;
/// # use machinery::Object;
/// let engine = scheduler::Engine::new(scheduler::Options::default(), clock::Clock::system());
/// let mut cluster = Object::new("cluster.karmada.io/v1alpha1", "Cluster", "", "member1");
/// engine.set_cluster(&Arc::new(cluster));
/// let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "default", "web-deployment");
/// binding.set_label("binding.karmada.io/managed-by", "me");
/// binding.set("/spec/placement", serde_json::json!({}));
/// engine.push(&binding);
/// let placed = engine.place_next(|_key| Some(Arc::new(binding.clone()))).unwrap();
/// assert!(placed.status_patch.is_some());
/// ```
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) clusters: Clusters,
    pub(crate) clock: Clock,
    features: Features,
    /// Results of grouped workloads that the cache does not show yet. A plain lock, never held across an await.
    promised: Mutex<Promised>,
    /// What was placed and its clusters do not show yet. A plain lock, never held across an await.
    assumptions: Mutex<Assumptions>,
    /// Decisions that look at what others were promised are made one at a time; two that must stay apart, or
    /// that fit only once, would otherwise be decided without knowing of each other.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// What [`Engine::place_next`] decided about a binding.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Which binding.
    pub key: ObjectKey,
    /// The merge patch with the result; nothing when the binding keeps what it has.
    pub result_patch: Option<Value>,
    /// The merge patch of the status; nothing when it says so already.
    pub status_patch: Option<Value>,
}

/// What a decision is made from besides the binding and the switches.
pub(crate) struct Sight {
    pub(crate) snapshot: Snapshot,
    pub(crate) peers: Option<Peers>,
    /// Answers of accurate estimators by cluster.
    pub(crate) answers: Option<BTreeMap<String, i64>>,
}

impl Engine {
    /// An engine that knows no cluster and no binding yet.
    pub fn new(options: Options, clock: Clock) -> Self {
        let pace = match options.gates.priority_based_scheduling {
            true => Pace::Priority,
            false => Pace::Fifo(options.rate_limits),
        };
        Self {
            features: options.features(),
            queue: Queue::new(pace),
            clusters: Clusters::default(),
            clock,
            promised: Mutex::default(),
            assumptions: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            options,
        }
    }

    /// A member cluster as it is now.
    pub fn set_cluster(&self, cluster: &Arc<Object>) {
        self.clusters.follow(&Change::Added { object: Arc::clone(cluster), initial: false });
    }

    /// A member cluster is gone.
    pub fn remove_cluster(&self, cluster: &Arc<Object>) {
        self.clusters.follow(&Change::Deleted { object: Arc::clone(cluster) });
    }

    /// Puts a binding on the queue if it is this scheduler's.
    pub fn push(&self, binding: &Object) {
        if intake::is_ours(binding, &self.options.scheduler_name) {
            self.enqueue(binding, Incoming::BindingAdd);
        }
    }

    pub(crate) fn enqueue(&self, binding: &Object, event: Incoming) {
        let priorities = self.options.gates.priority_based_scheduling;
        let priority = if priorities { intake::priority(binding) } else { 0 };
        self.queue.push(binding.key(), priority, event);
    }

    /// Takes the next binding off the queue, reads it through `find`, decides, and counts the decision as
    /// carried out. Nothing when none waits. Affinity groups are not looked at: there is no cache to find the
    /// others of a group in.
    pub fn place_next(&self, find: impl FnOnce(&ObjectKey) -> Option<Arc<Object>>) -> Option<Placed> {
        let key = self.queue.try_next()?;
        let decided = find(&key).and_then(|object| {
            let binding = Binding::from_object(&object).ok()?;
            let sight = Sight { snapshot: self.snapshot(), peers: None, answers: None };
            let decision = self.decide(&binding, &sight)?;
            self.promise(&object, &binding, &decision);
            Some((binding, decision))
        });
        let verdict =
            decided.as_ref().map_or(Verdict::Settled, |(_, decision)| decision.settlement.verdict());
        self.queue.finish(&key, verdict);
        let now = Time::new(self.clock.now());
        let status_patch =
            decided.as_ref().and_then(|(binding, decision)| decision.status_patch(binding, now));
        Some(Placed { key, status_patch, result_patch: decided.and_then(|(_, decision)| decision.patch) })
    }

    /// Follows a change of a cluster.
    pub(crate) fn follow_cluster(&self, change: &Change) -> Changed {
        self.clusters.follow(change)
    }

    /// Whether decisions count with what was placed a moment ago.
    pub(crate) fn protects_from_overcommit(&self) -> bool {
        self.options.gates.scheduling_overcommit_protection
    }

    /// The member clusters as a decision sees them: with what is on its way to them.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let snapshot = self.clusters.snapshot();
        if !self.protects_from_overcommit() {
            return snapshot;
        }
        self.assumptions().overlay(&snapshot, self.clock.now())
    }

    /// The groups of a binding, when they are looked at and it is in any.
    pub(crate) fn groups(&self, binding: &Object) -> Option<Groups> {
        let groups = self.options.gates.workload_affinity.then(|| Groups::of(binding));
        groups.filter(Groups::is_some)
    }

    /// Where the other workloads of the binding's groups are, of those that share a group with it.
    pub(crate) fn peers(&self, binding: &Object, others: &[Arc<Object>]) -> Peers {
        peers::collect(binding, others.iter().map(AsRef::as_ref), &self.promised())
    }

    /// Which clusters' accurate estimators should be asked, and what.
    pub(crate) fn questions(&self, binding: &Binding, sight: &Sight) -> Option<Wanted> {
        let world = World { peers: sight.peers.as_ref(), ..World::of(&sight.snapshot, self.features) };
        decide::questions(binding, &world)
    }

    /// What is on its way to a cluster, for its estimator.
    pub(crate) fn assumed_in(&self, cluster: &str) -> Vec<estimator::pb::AssumedWorkload> {
        if !self.protects_from_overcommit() {
            return Vec::new();
        }
        let assumptions = self.assumptions();
        let assumed = assumptions.assumed_objects(cluster, self.clock.now());
        let message = |workload: AssumedObject<'_>| estimator::pb::AssumedWorkload {
            namespace: workload.namespace.to_owned(),
            components: workload.components.iter().map(Into::into).collect(),
        };
        assumed.into_iter().map(message).collect()
    }

    /// Decides, and measures the steps.
    pub(crate) fn decide(&self, binding: &Binding, sight: &Sight) -> Option<Decision> {
        let steps = Steps { clock: &self.clock, last: Mutex::new(self.clock.elapsed()) };
        let after_step = |step: Step| steps.ended(step);
        let answer = |member: &Member| {
            let answers = sight.answers.as_ref()?;
            answers.get(member.name().as_ref()).copied()
        };
        let world = World {
            peers: sight.peers.as_ref(),
            estimate: if sight.answers.is_some() { Some(&answer) } else { None },
            after_step: Some(&after_step),
            ..World::of(&sight.snapshot, self.features)
        };
        decide::decide(binding, &world)
    }

    /// Lets a decision count for those that come after it, before it is written.
    pub(crate) fn promise(&self, object: &Object, binding: &Binding, decision: &Decision) {
        let Some(clusters) = decision.clusters().filter(|_| decision.patch.is_some()) else { return };
        if self.groups(object).is_some() {
            let names = clusters.iter().map(|c| c.name.clone()).collect();
            self.promised().promise(object.key(), names);
        }
        if self.protects_from_overcommit() {
            self.assumptions().assume(&object.key(), binding, clusters, self.clock.now());
        }
    }

    /// A decision could not be written. What was assumed for the binding's earlier result goes with it: by the
    /// time of a second result the clusters usually show the first.
    pub(crate) fn take_back(&self, key: &ObjectKey) {
        if self.options.gates.workload_affinity {
            self.promised().take_back(key);
        }
        if self.protects_from_overcommit() {
            self.assumptions().release(key);
        }
    }

    /// A decision has been written. The cache may show it before we know.
    pub(crate) fn written(&self, written: &Object, cached: Option<&Object>) {
        if !self.options.gates.workload_affinity {
            return;
        }
        let mut promised = self.promised();
        promised.written(written);
        if let Some(cached) = cached {
            promised.shown(cached, false);
        }
    }

    /// The cache shows a change of a binding: what it says itself need not be promised any more.
    pub(crate) fn follow_binding(&self, change: &Change) {
        let object = change.object();
        if change.is_deleted() {
            self.queue.forget(&object.key());
        }
        if self.options.gates.workload_affinity {
            self.promised().shown(object, change.is_deleted());
        }
        if !self.protects_from_overcommit() {
            return;
        }
        let key = object.key();
        if change.is_deleted() {
            self.assumptions().release(&key);
            return;
        }
        let differs = |part: &str| change.old().is_none_or(|old| old.at(part) != object.at(part));
        if differs(AGGREGATED) {
            let status = object.at("/status").and_then(|s| ResourceBindingStatus::deserialize(s).ok());
            self.assumptions().observe(&key, &status.unwrap_or_default());
        }
        // Others take clusters out of a result too, for example when they evict it.
        if let Some(old) = change.old().filter(|_| differs("/spec/clusters")) {
            for gone in peers::clusters(old).difference(&peers::clusters(object)) {
                self.assumptions().release_cluster(&key, gone);
            }
        }
    }

    /// Forgets what was assumed too long ago, and says how much.
    pub(crate) fn expire(&self) -> usize {
        self.assumptions().expire(self.clock.now())
    }

    fn promised(&self) -> MutexGuard<'_, Promised> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assumptions(&self) -> MutexGuard<'_, Assumptions> {
        self.assumptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where clusters' health stands in a binding.
const AGGREGATED: &str = "/status/aggregatedStatus";

/// Measures the steps of a decision.
struct Steps<'a> {
    clock: &'a Clock,
    last: Mutex<Duration>,
}

impl Steps<'_> {
    fn ended(&self, step: Step) {
        let now = self.clock.elapsed();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        metrics::step_took(step, now.saturating_sub(*last).as_secs_f64());
        *last = now;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POLICY: &str = "propagationpolicy.karmada.io/permanent-id";

    fn cluster(name: &str, pods: &str) -> Arc<Object> {
        let mut cluster = Object::new("cluster.karmada.io/v1alpha1", "Cluster", "", name);
        cluster.set(
            "/status",
            json!({
                "apiEnablements": [{ "groupVersion": "apps/v1", "resources": [{ "kind": "Deployment" }] }],
                "resourceSummary": { "allocatable": { "pods": pods } },
            }),
        );
        Arc::new(cluster)
    }

    fn binding(name: &str, spec: Value) -> Arc<Object> {
        let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "ns", name);
        binding.set_label(POLICY, "x");
        binding.set("/metadata/generation", 1);
        binding.set("/spec", spec);
        binding.set("/spec/resource", json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": name }));
        Arc::new(binding)
    }

    fn workload(name: &str, replicas: i64) -> Arc<Object> {
        binding(
            name,
            json!({
                "replicas": replicas,
                "placement": { "replicaScheduling": {
                    "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } },
            }),
        )
    }

    fn guarded() -> Engine {
        let mut options = Options::default();
        options.gates.scheduling_overcommit_protection = true;
        let engine = Engine::new(options, Clock::fixed("2026-03-01T12:00:00Z".parse().unwrap()));
        engine.set_cluster(&cluster("m1", "10"));
        engine
    }

    /// Where a binding goes, as `cluster:replicas`, or the reason why it does not.
    fn place(engine: &Engine, binding: &Arc<Object>) -> String {
        engine.push(binding);
        let placed = engine.place_next(|_| Some(Arc::clone(binding))).unwrap();
        match placed.result_patch.and_then(|patch| patch.pointer("/spec/clusters").cloned()) {
            Some(clusters) => clusters.as_array().unwrap().iter().fold(String::new(), |text, c| {
                format!("{text}{}:{} ", c["name"].as_str().unwrap(), c["replicas"])
            }),
            None => {
                placed.status_patch.unwrap()["status"]["conditions"][0]["reason"].as_str().unwrap().to_owned()
            }
        }
    }

    #[test]
    fn what_was_placed_a_moment_ago_counts_when_overcommit_is_guarded_against() {
        let engine = guarded();
        assert_eq!(place(&engine, &workload("a", 6)), "m1:6 ");
        assert_eq!(place(&engine, &workload("b", 6)), "Unschedulable");
        assert_eq!(place(&engine, &workload("c", 4)), "m1:4 ");
        let careless = Engine::new(Options::default(), Clock::system());
        careless.set_cluster(&cluster("m1", "10"));
        assert_eq!(place(&careless, &workload("a", 6)), "m1:6 ");
        assert_eq!(place(&careless, &workload("b", 6)), "m1:6 ");
    }

    #[test]
    fn what_turned_healthy_was_taken_back_or_removed_counts_no_more() {
        let with_status = |health: &str| {
            let mut new = (*workload("a", 6)).clone();
            new.set("/spec/clusters", json!([{ "name": "m1", "replicas": 6 }]));
            new.set("/status/aggregatedStatus", json!([{ "clusterName": "m1", "health": health }]));
            Arc::new(new)
        };
        let after = |forget: &dyn Fn(&Engine)| {
            let engine = guarded();
            assert_eq!(place(&engine, &workload("a", 6)), "m1:6 ");
            forget(&engine);
            place(&engine, &workload("b", 6))
        };
        let modified = |old: &Arc<Object>, new: &Arc<Object>| Change::Modified {
            old: Arc::clone(old),
            new: Arc::clone(new),
        };
        let old = workload("a", 6);
        assert_eq!(after(&|_| {}), "Unschedulable");
        assert_eq!(after(&|e| e.follow_binding(&modified(&old, &with_status("Unknown")))), "Unschedulable");
        assert_eq!(after(&|e| e.follow_binding(&modified(&old, &with_status("Healthy")))), "m1:6 ");
        let placed = with_status("Unknown");
        assert_eq!(
            after(&|e| e.follow_binding(&modified(&placed, &old))),
            "m1:6 ",
            "taken out of the result"
        );
        let gone = Change::Deleted { object: Arc::clone(&old) };
        assert_eq!(after(&|e| e.follow_binding(&gone)), "m1:6 ");
        assert_eq!(after(&|e| e.take_back(&old.key())), "m1:6 ", "could not be written");
    }

    #[test]
    fn what_was_assumed_too_long_ago_is_forgotten() {
        let (clock, hand) = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let mut options = Options::default();
        options.gates.scheduling_overcommit_protection = true;
        let engine = Engine::new(options, clock);
        engine.set_cluster(&cluster("m1", "10"));
        assert_eq!(place(&engine, &workload("a", 6)), "m1:6 ");
        hand.advance(Duration::from_secs(299));
        assert_eq!((engine.expire(), place(&engine, &workload("b", 6))), (0, "Unschedulable".to_owned()));
        hand.advance(Duration::from_secs(2));
        assert_eq!((engine.expire() > 0, place(&engine, &workload("b", 6))), (true, "m1:6 ".to_owned()));
    }

    #[test]
    fn two_that_must_stay_apart_are_not_placed_together_before_the_cache_shows_either() {
        let mut options = Options::default();
        options.gates.workload_affinity = true;
        let engine = Engine::new(options, Clock::system());
        engine.set_cluster(&cluster("m1", "10"));
        engine.set_cluster(&cluster("m2", "10"));
        let apart = |name: &str| {
            binding(
                name,
                json!({ "replicas": 1, "workloadAffinityGroups": { "antiAffinityGroup": "g=1" },
                    "placement": { "spreadConstraints": [
                        { "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 }] } }),
            )
        };
        let (a, b) = (apart("a"), apart("b"));
        let decide = |object: &Arc<Object>, others: &[Arc<Object>]| {
            let parsed = Binding::from_object(object).unwrap();
            let peers = engine.groups(object).map(|_| engine.peers(object, others));
            let decision =
                engine.decide(&parsed, &Sight { snapshot: engine.snapshot(), peers, answers: None }).unwrap();
            engine.promise(object, &parsed, &decision);
            decision.clusters().unwrap_or_default().iter().map(|c| c.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(decide(&a, &[Arc::clone(&b)]), ["m1"]);
        assert_eq!(decide(&b, &[Arc::clone(&a)]), ["m2"]);
        engine.take_back(&a.key());
        engine.take_back(&b.key());
        assert_eq!(decide(&b, &[Arc::clone(&a)]), ["m1"]);
    }
}
