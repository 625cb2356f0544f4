//! Where the other workloads of a binding's affinity groups are (gate `WorkloadAffinity`).
//!
//! Two workloads that must stay apart may be scheduled at the same moment, before the cache shows the
//! result of either. So results count from the moment they are decided: [`Promised`] keeps them until the
//! cache has caught up.

use std::collections::{BTreeMap, BTreeSet};

use machinery::{Object, ObjectKey};
use scheduling::Peers;
use serde_json::Value;

/// The groups of a workload; empty names mean none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) affinity: String,
    pub(crate) anti_affinity: String,
}

impl Groups {
    /// The groups a binding names.
    pub(crate) fn of(binding: &Object) -> Self {
        let text = |field: &str| {
            binding.str_at(&format!("/spec/workloadAffinityGroups/{field}")).unwrap_or_default().to_owned()
        };
        Self { affinity: text("affinityGroup"), anti_affinity: text("antiAffinityGroup") }
    }

    /// The values under which [`INDEX`] finds the others of the groups in a namespace.
    pub(crate) fn values(&self, namespace: &str) -> impl Iterator<Item = String> {
        let value =
            |role: &str, group: &str| (!group.is_empty()).then(|| format!("{role} {namespace} {group}"));
        [value("affinity", &self.affinity), value("anti-affinity", &self.anti_affinity)].into_iter().flatten()
    }

    /// Whether the workload is in any group.
    pub(crate) fn is_some(&self) -> bool {
        !self.affinity.is_empty() || !self.anti_affinity.is_empty()
    }
}

/// Name of the index that finds bindings by group.
pub(crate) const INDEX: &str = "workload-affinity";

/// What [`INDEX`] finds a binding under.
pub(crate) fn index(binding: &Object) -> Vec<String> {
    Groups::of(binding).values(binding.namespace()).collect()
}

/// Results that have been decided and that the cache does not show yet.
#[derive(Debug, Default)]
pub(crate) struct Promised(BTreeMap<ObjectKey, Promise>);

#[derive(Debug)]
struct Promise {
    clusters: BTreeSet<String>,
    /// Version of the binding that has them; nothing while it is being written.
    version: Option<u64>,
}

impl Promised {
    /// A result has been decided and is about to be written.
    pub(crate) fn promise(&mut self, key: ObjectKey, clusters: BTreeSet<String>) {
        self.0.insert(key, Promise { clusters, version: None });
    }

    /// The result could not be written.
    pub(crate) fn take_back(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }

    /// The result has been written, as this version of the binding.
    pub(crate) fn written(&mut self, binding: &Object) {
        if let Some(promise) = self.0.get_mut(&binding.key()) {
            promise.version = Some(version(binding));
        }
    }

    /// The cache shows this version of the binding, or one like it before it went.
    pub(crate) fn shown(&mut self, binding: &Object, gone: bool) {
        let key = binding.key();
        let kept = self.0.get(&key).and_then(|promise| promise.version);
        if gone || kept.is_some_and(|kept| version(binding) >= kept) {
            self.0.remove(&key);
        }
    }

    fn clusters(&self, key: &ObjectKey) -> Option<&BTreeSet<String>> {
        self.0.get(key).map(|promise| &promise.clusters)
    }
}

/// Versions are compared as numbers, as etcd counts them. One that is no number counts as newest: better
/// to trust the cache too early than a promise for ever.
fn version(binding: &Object) -> u64 {
    binding.resource_version().parse().unwrap_or(u64::MAX)
}

/// Collects where the other workloads of the groups are, among bindings of the same namespace. A binding that
/// comes twice counts once.
pub(crate) fn collect<'a>(
    binding: &Object,
    others: impl IntoIterator<Item = &'a Object>,
    promised: &Promised,
) -> Peers {
    let (own, groups) = (binding.key(), Groups::of(binding));
    let mut peers = Peers::default();
    let mut seen = BTreeSet::new();
    for other in others {
        let key = other.key();
        if key == own || !seen.insert(key.clone()) {
            continue;
        }
        let theirs = Groups::of(other);
        let together = !groups.affinity.is_empty() && groups.affinity == theirs.affinity;
        let apart = !groups.anti_affinity.is_empty() && groups.anti_affinity == theirs.anti_affinity;
        if !together && !apart {
            continue;
        }
        let clusters = promised.clusters(&key).cloned().unwrap_or_else(|| clusters(other));
        if apart {
            peers.anti_affinity.extend(clusters.iter().cloned());
        }
        if together && !clusters.is_empty() {
            peers.affinity.push(clusters);
        }
    }
    peers
}

/// The clusters of a binding's result.
pub(crate) fn clusters(binding: &Object) -> BTreeSet<String> {
    let clusters = binding.at("/spec/clusters").and_then(Value::as_array);
    let names = clusters.into_iter().flatten().filter_map(|c| c.get("name")?.as_str());
    names.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding(name: &str, affinity: &str, anti: &str, clusters: &[&str]) -> Object {
        let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "ns", name);
        let clusters: Vec<Value> = clusters.iter().map(|name| json!({ "name": name })).collect();
        binding.set("/spec/clusters", clusters);
        binding.set(
            "/spec/workloadAffinityGroups",
            json!({ "affinityGroup": affinity, "antiAffinityGroup": anti }),
        );
        binding
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn peers_are_the_others_of_the_same_group() {
        let own = binding("own", "g=1", "h=1", &["m9"]);
        let others = [
            own.clone(),
            binding("near", "g=1", "", &["m1", "m2"]),
            binding("not-placed", "g=1", "", &[]),
            binding("far", "", "h=1", &["m3"]),
            binding("stranger", "g=2", "h=2", &["m4"]),
        ];
        let peers = collect(&own, &others, &Promised::default());
        assert_eq!(peers, Peers { affinity: vec![set(&["m1", "m2"])], anti_affinity: set(&["m3"]) });
    }

    #[test]
    fn others_are_found_by_group_and_namespace() {
        assert_eq!(index(&binding("b", "g=1", "", &[])), ["affinity ns g=1"]);
        assert_eq!(index(&binding("b", "g=1", "h=2", &[])), ["affinity ns g=1", "anti-affinity ns h=2"]);
        assert!(index(&binding("b", "", "", &[])).is_empty());
        let own = binding("own", "g=1", "g=1", &[]);
        let near = binding("near", "g=1", "g=1", &["m1"]);
        let peers = collect(&own, [&near, &near], &Promised::default());
        assert_eq!(peers.affinity.len(), 1, "found under both, counted once");
    }

    #[test]
    fn a_result_counts_from_the_moment_it_is_decided() {
        let own = binding("own", "", "h=1", &[]);
        let rival = binding("rival", "", "h=1", &[]);
        let mut promised = Promised::default();
        let taken = |promised: &Promised| collect(&own, [&rival], promised).anti_affinity;
        assert_eq!(taken(&promised), set(&[]));
        promised.promise(rival.key(), set(&["m1"]));
        assert_eq!(taken(&promised), set(&["m1"]));
        promised.take_back(&rival.key());
        assert_eq!(taken(&promised), set(&[]));
    }

    #[test]
    fn a_promise_is_kept_until_the_cache_shows_it() {
        let own = binding("own", "", "h=1", &[]);
        let at = |version: &str| {
            let mut rival = binding("rival", "", "h=1", &[]);
            rival.set("/metadata/resourceVersion", version);
            rival
        };
        let rival = at("7");
        let mut promised = Promised::default();
        let taken = |promised: &Promised| !collect(&own, [&rival], promised).anti_affinity.is_empty();
        promised.promise(rival.key(), set(&["m1"]));
        promised.shown(&at("8"), false);
        assert!(taken(&promised), "not written yet");
        promised.written(&at("10"));
        promised.shown(&at("9"), false);
        assert!(taken(&promised), "the cache is behind");
        promised.shown(&at("11"), false);
        assert!(!taken(&promised));
        promised.promise(rival.key(), set(&["m1"]));
        promised.shown(&at("8"), true);
        assert!(!taken(&promised), "gone");
    }

    #[test]
    fn without_groups_nobody_is_a_peer() {
        let own = binding("own", "", "", &[]);
        assert!(!Groups::of(&own).is_some());
        let other = binding("other", "", "", &["m1"]);
        assert_eq!(collect(&own, [&other], &Promised::default()), Peers::default());
    }
}
