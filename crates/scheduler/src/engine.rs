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
    /// carried out. Nothing when none waits.
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
        if change.is_deleted() {
            self.assumptions().release(&object.key());
        } else if change.old().is_none_or(|old| old.at(AGGREGATED) != object.at(AGGREGATED)) {
            let status = object.at("/status").and_then(|s| ResourceBindingStatus::deserialize(s).ok());
            self.assumptions().observe(&object.key(), &status.unwrap_or_default());
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
