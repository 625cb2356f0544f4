//! How a Deployment gets from the ReplicaSets it has to the one it wants. Pure.
//!
//! ```text
//! replicas changed? ──▶ scale what is active, in proportion
//! otherwise  Recreate:       old to 0 ──▶ wait until their Pods are gone ──▶ new to full size
//!            RollingUpdate:  new up within maxSurge ──▶ old down within maxUnavailable ──▶ again
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use machinery::Object;
use serde_json::{Value, json};

/// Label that tells the ReplicaSets of one Deployment apart.
pub const HASH: &str = "pod-template-hash";
/// Annotation with the revision's number.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotation with the revisions that this template had before.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Annotation with the Deployment's size when the ReplicaSet was last scaled.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// Annotation with that size plus the surge.
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// What to do, in this order: changes, deletions, creation.
#[derive(Debug, Default)]
pub struct Plan {
    /// ReplicaSets to scale or annotate.
    pub changes: Vec<SetChange>,
    /// ReplicaSets past the history limit.
    pub delete: Vec<Arc<Object>>,
    /// The ReplicaSet of the current template, when there is none.
    pub create: Option<NewSet>,
    /// The revision that the Deployment is at.
    pub revision: Option<i64>,
    /// Name of the ReplicaSet of the current template, when it exists.
    pub new: Option<String>,
}

/// A change to one ReplicaSet.
#[derive(Debug)]
pub struct SetChange {
    /// The ReplicaSet as it was read.
    pub set: Arc<Object>,
    /// Its new size, when that changes.
    pub replicas: Option<i64>,
    /// Its new minReadySeconds, when that changes.
    pub min_ready_secs: Option<i64>,
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
}

/// A ReplicaSet to create.
#[derive(Debug)]
pub struct NewSet {
    /// The ReplicaSet.
    pub object: Object,
    /// Its size.
    pub replicas: i64,
}

/// A Deployment's size and how far a rolling update may stray from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) replicas: i64,
    pub(crate) surge: i64,
    pub(crate) unavailable: i64,
    rolling: bool,
}

impl Bounds {
    pub(crate) fn of(deployment: &Object) -> Self {
        let replicas = deployment.i64_at("/spec/replicas").unwrap_or(1).max(0);
        let rolling = deployment.str_at("/spec/strategy/type") != Some("Recreate");
        let part = |field: &str, round_up: bool| {
            resolve(deployment.at(&format!("/spec/strategy/rollingUpdate/{field}")), replicas, round_up)
        };
        let (mut surge, mut unavailable) = (0, 0);
        if rolling {
            (surge, unavailable) = (part("maxSurge", true), part("maxUnavailable", false));
            if surge == 0 && unavailable == 0 {
                // A quarter of a small size rounds down to nothing, and nothing could ever move.
                unavailable = 1;
            }
            unavailable = unavailable.min(replicas);
        }
        Self { replicas, surge, unavailable, rolling }
    }

    fn max(self) -> i64 {
        if self.replicas == 0 { 0 } else { self.replicas + self.surge }
    }
}

/// An absolute number, or a percentage of `total`.
fn resolve(value: Option<&Value>, total: i64, round_up: bool) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            let hundredths = percent.saturating_mul(total);
            if round_up { (hundredths + 99) / 100 } else { hundredths / 100 }
        }
        _ => 0,
    }
}

/// Whether a ReplicaSet is of the Deployment's current template.
pub fn same_template(deployment: &Object, set: &Object) -> bool {
    let mut of_set = set.at("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = of_set.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH);
    }
    let of_deployment = deployment.at("/spec/template").cloned().unwrap_or_default();
    without_empty_metadata(of_set) == without_empty_metadata(of_deployment)
}

fn without_empty_metadata(mut template: Value) -> Value {
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, v| !v.is_null() && v.as_object().is_none_or(|m| !m.is_empty()));
    }
    template
}

fn size(set: &Object) -> i64 {
    set.i64_at("/spec/replicas").unwrap_or(1)
}

fn available(set: &Object) -> i64 {
    set.i64_at("/status/availableReplicas").unwrap_or(0)
}

pub(crate) fn revision(object: &Object) -> i64 {
    object.annotation(REVISION).and_then(|r| r.parse().ok()).unwrap_or(0)
}

fn by_age(a: &Arc<Object>, b: &Arc<Object>) -> std::cmp::Ordering {
    (a.creation_timestamp(), a.name()).cmp(&(b.creation_timestamp(), b.name()))
}

struct Sets {
    new: Option<Arc<Object>>,
    old: Vec<Arc<Object>>,
}

impl Sets {
    fn of(deployment: &Object, sets: &[Arc<Object>]) -> Self {
        let mut sorted = sets.to_vec();
        sorted.sort_by(by_age);
        // The oldest of several that fit: all but one are leftovers of a race.
        let new = sorted.iter().position(|set| same_template(deployment, set));
        let new = new.map(|i| sorted.remove(i));
        Self { new, old: sorted }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.new.iter().chain(&self.old)
    }

    fn total(&self) -> i64 {
        self.all().map(|s| size(s)).sum()
    }
}

/// Decides the next step of a rollout.
pub fn decide(deployment: &Object, sets: &[Arc<Object>]) -> Plan {
    let sets = Sets::of(deployment, sets);
    let bounds = Bounds::of(deployment);
    let mut plan = Plan { new: sets.new.as_ref().map(|s| s.name().to_owned()), ..Plan::default() };
    if deployment.is_deleting() {
        return plan;
    }
    let paused = deployment.at("/spec/paused") == Some(&Value::Bool(true));
    let newest_old = sets.old.iter().map(|s| revision(s)).max().unwrap_or(0);
    let own = sets.new.as_ref().map_or(0, |s| revision(s));
    let revision = if own > newest_old { own } else { newest_old + 1 };
    if !paused {
        plan.revision = (sets.new.is_some() || may_create(bounds, &sets)).then_some(revision);
    }
    let sizes = if paused || is_scaling(bounds, &sets) {
        scale(bounds, &sets)
    } else if bounds.rolling {
        roll(bounds, &sets)
    } else {
        recreate(bounds, &sets)
    };
    if sets.new.is_none() && !paused && may_create(bounds, &sets) {
        let replicas = if bounds.rolling { grown(bounds, &sets, 0) } else { bounds.replicas };
        plan.create = Some(new_set(deployment, bounds, replicas, revision));
    }
    plan.changes = changes(deployment, bounds, &sets, &sizes, (!paused).then_some(revision));
    if plan.changes.is_empty() && plan.create.is_none() && complete(bounds, &sets) {
        plan.delete = past_history(deployment, &sets);
    }
    plan
}

/// A Recreate rollout starts its new ReplicaSet only after the old Pods are gone.
fn may_create(bounds: Bounds, sets: &Sets) -> bool {
    bounds.rolling || sets.old.iter().all(|s| size(s) == 0 && s.i64_at("/status/replicas").unwrap_or(0) == 0)
}

/// Whether the Deployment's own size changed since its ReplicaSets were last scaled.
fn is_scaling(bounds: Bounds, sets: &Sets) -> bool {
    sets.all().filter(|s| size(s) > 0).any(|set| {
        let scaled_for: Option<i64> = set.annotation(DESIRED).and_then(|d| d.parse().ok());
        scaled_for.is_some_and(|d| d != bounds.replicas)
    })
}

type Sizes = BTreeMap<String, i64>;

fn scale(bounds: Bounds, sets: &Sets) -> Sizes {
    let active: Vec<&Arc<Object>> = sets.all().filter(|s| size(s) > 0).collect();
    let mut sizes = Sizes::new();
    if active.len() <= 1 {
        let latest = active.first().copied().or(sets.new.as_ref()).or(sets.old.last());
        if let Some(latest) = latest {
            sizes.insert(latest.name().into(), bounds.replicas);
        }
        return sizes;
    }
    if let Some(new) = &sets.new
        && size(new) == bounds.replicas
        && available(new) == bounds.replicas
    {
        return sets.old.iter().map(|s| (s.name().to_owned(), 0)).collect();
    }
    if !bounds.rolling {
        return sizes;
    }
    let total: i64 = active.iter().map(|s| size(s)).sum();
    let to_add = bounds.max() - total;
    let mut ranked = active;
    // Largest first; of equals the newest when growing, the oldest when shrinking.
    ranked.sort_by(|a, b| {
        let tie = if to_add > 0 { by_age(b, a) } else { by_age(a, b) };
        size(b).cmp(&size(a)).then(tie)
    });
    let mut left = to_add;
    for set in &ranked {
        let was: i64 = set.annotation(MAX).and_then(|m| m.parse().ok()).unwrap_or(total);
        let share = proportion(size(set), bounds.max(), was.max(1)) - size(set);
        let step = if to_add > 0 { share.clamp(0, left.max(0)) } else { share.clamp(left.min(0), 0) };
        sizes.insert(set.name().into(), size(set) + step);
        left -= step;
    }
    if let Some(first) = ranked.first() {
        let size = sizes.entry(first.name().to_owned()).or_insert(0);
        *size = (*size + left).max(0);
    }
    sizes
}

/// `size * now / before`, rounded half up.
fn proportion(size: i64, now: i64, before: i64) -> i64 {
    (2 * size * now + before) / (2 * before)
}

/// The size that the new ReplicaSet may have now, without exceeding the surge.
fn grown(bounds: Bounds, sets: &Sets, current: i64) -> i64 {
    let room = bounds.max() - sets.total();
    if room <= 0 { current } else { current + room.min(bounds.replicas - current) }
}

fn roll(bounds: Bounds, sets: &Sets) -> Sizes {
    let mut sizes = Sizes::new();
    let Some(new) = &sets.new else { return sizes };
    let current = size(new);
    let wanted = if current > bounds.replicas { bounds.replicas } else { grown(bounds, sets, current) };
    if wanted != current {
        sizes.insert(new.name().into(), wanted);
        return sizes;
    }
    let least_available = bounds.replicas - bounds.unavailable;
    let mut may_go = sets.total() - least_available - (current - available(new));
    if may_go <= 0 {
        return sizes;
    }
    // Pods that are not available serve nobody: they go first.
    let mut left: BTreeMap<&str, i64> = sets.old.iter().map(|s| (s.name(), size(s))).collect();
    for set in &sets.old {
        let idle = (size(set) - available(set)).clamp(0, may_go);
        *left.entry(set.name()).or_default() -= idle;
        may_go -= idle;
    }
    let serving: i64 = sets.all().map(|s| available(s)).sum();
    let mut spare = serving - least_available;
    for set in &sets.old {
        let remaining = left.entry(set.name()).or_default();
        let step = spare.clamp(0, *remaining);
        *remaining -= step;
        spare -= step;
    }
    for set in &sets.old {
        if left[set.name()] != size(set) {
            sizes.insert(set.name().into(), left[set.name()]);
        }
    }
    sizes
}

fn recreate(bounds: Bounds, sets: &Sets) -> Sizes {
    let mut sizes: Sizes =
        sets.old.iter().filter(|s| size(s) > 0).map(|s| (s.name().to_owned(), 0)).collect();
    if sizes.is_empty()
        && may_create(bounds, sets)
        && let Some(new) = sets.new.as_ref().filter(|n| size(n) != bounds.replicas)
    {
        sizes.insert(new.name().into(), bounds.replicas);
    }
    sizes
}

fn size_annotations(bounds: Bounds) -> [(String, String); 2] {
    [
        (DESIRED.to_owned(), bounds.replicas.to_string()),
        (MAX.to_owned(), (bounds.replicas + bounds.surge).to_string()),
    ]
}

fn changes(
    deployment: &Object,
    bounds: Bounds,
    sets: &Sets,
    sizes: &Sizes,
    revision: Option<i64>,
) -> Vec<SetChange> {
    let mut changes = Vec::new();
    for set in sets.all() {
        let is_new = sets.new.as_ref().is_some_and(|n| n.name() == set.name());
        let replicas = sizes.get(set.name()).copied().filter(|r| *r != size(set));
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        if size(set) > 0 || replicas.is_some() || is_new {
            wanted.extend(size_annotations(bounds));
        }
        let mut min_ready_secs = None;
        if is_new {
            if let Some(revision) = revision {
                wanted.extend(own_annotations(deployment, set, revision));
            }
            let seconds = deployment.i64_at("/spec/minReadySeconds").unwrap_or(0);
            min_ready_secs = (set.i64_at("/spec/minReadySeconds").unwrap_or(0) != seconds).then_some(seconds);
        }
        let annotations: BTreeMap<String, String> =
            wanted.into_iter().filter(|(k, v)| set.annotation(k) != Some(v)).collect();
        if replicas.is_some() || min_ready_secs.is_some() || !annotations.is_empty() {
            changes.push(SetChange { set: Arc::clone(set), replicas, min_ready_secs, annotations });
        }
    }
    changes
}

/// The annotations that the current ReplicaSet gets from its Deployment, its revision included.
fn own_annotations(deployment: &Object, set: &Object, revision: i64) -> BTreeMap<String, String> {
    let copied = deployment.annotations().filter(|(k, _)| !NOT_COPIED.contains(k));
    let mut wanted: BTreeMap<String, String> = copied.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    wanted.insert(REVISION.to_owned(), revision.to_string());
    let before = self::revision(set);
    if before > 0 && before != revision {
        // The template is back in use: remember which revisions it has been.
        let history = set.annotation(HISTORY).filter(|h| !h.is_empty());
        wanted.insert(HISTORY.to_owned(), history.map_or(before.to_string(), |h| format!("{h},{before}")));
    }
    wanted
}

fn new_set(deployment: &Object, bounds: Bounds, replicas: i64, revision: i64) -> NewSet {
    let mut template = deployment.at("/spec/template").cloned().unwrap_or_else(|| json!({}));
    let collisions = deployment.i64_at("/status/collisionCount").unwrap_or(0);
    let hash = machinery::hash::name_hash(&format!("{template}{collisions}"));
    let name = format!("{}-{hash}", deployment.name());
    let mut object = Object::new("apps/v1", "ReplicaSet", deployment.namespace(), &name);
    template["metadata"]["labels"][HASH] = hash.as_str().into();
    object.set("/metadata/labels", template["metadata"]["labels"].clone());
    let annotations =
        own_annotations(deployment, &object, revision).into_iter().chain(size_annotations(bounds));
    object.set(
        "/metadata/annotations",
        annotations.map(|(k, v)| (k, Value::from(v))).collect::<serde_json::Map<_, _>>(),
    );
    object.set_owner_references(&[deployment.controller_reference()]);
    let mut selector = deployment.at("/spec/selector").cloned().unwrap_or_else(|| json!({}));
    selector["matchLabels"][HASH] = hash.as_str().into();
    object.set("/spec", json!({ "replicas": replicas, "selector": selector, "template": template }));
    if let Some(seconds) = deployment.i64_at("/spec/minReadySeconds").filter(|s| *s > 0) {
        object.set("/spec/minReadySeconds", seconds);
    }
    NewSet { object, replicas }
}

fn complete(bounds: Bounds, sets: &Sets) -> bool {
    let new =
        sets.new.as_ref().is_some_and(|n| size(n) == bounds.replicas && available(n) == bounds.replicas);
    new && sets.old.iter().all(|s| s.i64_at("/status/replicas").unwrap_or(0) == 0)
}

fn past_history(deployment: &Object, sets: &Sets) -> Vec<Arc<Object>> {
    let limit = deployment.i64_at("/spec/revisionHistoryLimit").unwrap_or(10);
    let Ok(limit) = usize::try_from(limit) else { return Vec::new() };
    let mut idle: Vec<Arc<Object>> = sets
        .old
        .iter()
        .filter(|s| size(s) == 0 && s.i64_at("/status/replicas").unwrap_or(0) == 0 && !s.is_deleting())
        .filter(|s| s.i64_at("/status/observedGeneration").unwrap_or(0) >= s.generation())
        .cloned()
        .collect();
    idle.sort_by_key(|s| revision(s));
    idle.truncate(idle.len().saturating_sub(limit));
    idle
}
