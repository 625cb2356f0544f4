//! Which bindings concern this scheduler, and what puts them on the queue.
//!
//! These rules read the few fields they need from the JSON: they run for every event and, when a
//! cluster changes, for every binding there is.

use api::cluster::Cluster;
use api::names::{labels, values};
use api::policy::{ClusterAffinity, ClusterAffinityTerm};
use machinery::Object;
use matching::cluster_matches;
use serde::Deserialize;
use serde_json::Value;

use crate::metrics::Incoming;

/// Labels, one of which a binding has that is to be scheduled. Bindings that only follow others
/// (dependencies) have none of them.
const SCHEDULED_LABELS: [&str; 3] =
    [labels::PROPAGATION_POLICY_ID, labels::CLUSTER_PROPAGATION_POLICY_ID, labels::BINDING_MANAGED_BY];

/// Whether a binding is this scheduler's to schedule, now.
pub(crate) fn is_ours(binding: &Object, scheduler_name: &str) -> bool {
    let named = binding.str_at("/spec/schedulerName").filter(|n| !n.is_empty());
    let suspended = binding.at("/spec/suspension/scheduling").and_then(Value::as_bool);
    named.unwrap_or(values::DEFAULT_SCHEDULER) == scheduler_name
        && suspended != Some(true)
        && !binding.is_deleting()
        && SCHEDULED_LABELS.iter().any(|label| binding.label(label).is_some_and(|id| !id.is_empty()))
}

/// What a new version of a binding means, when it may need another look: it has become ours (a label came, or it
/// is no longer suspended), or it has a new generation. The rest is status, including our own.
pub(crate) fn news(old: &Object, new: &Object, scheduler_name: &str) -> Option<Incoming> {
    if !is_ours(new, scheduler_name) {
        None
    } else if !is_ours(old, scheduler_name) {
        Some(Incoming::BindingAdd)
    } else {
        (old.generation() != new.generation()).then_some(Incoming::BindingUpdate)
    }
}

/// The binding's priority in the queue.
pub(crate) fn priority(binding: &Object) -> i32 {
    binding
        .i64_at("/spec/schedulePriority/priority")
        .and_then(|priority| i32::try_from(priority).ok())
        .unwrap_or_default()
}

/// A cluster before and after a change that matters to bindings.
#[derive(Debug, Clone)]
pub(crate) struct ClusterChange<'a> {
    pub(crate) old: Option<&'a Cluster>,
    pub(crate) new: Option<&'a Cluster>,
}

impl ClusterChange<'_> {
    /// Whether the change can alter where bindings go: what affinities look at, taints, models, coming and
    /// going. How full the cluster is does not count: it changes all the time. Nor do the kinds it serves:
    /// what is placed stays where it is, see [`Self::serves_otherwise`].
    pub(crate) fn matters(&self) -> bool {
        let (Some(old), Some(new)) = (self.old, self.new) else { return true };
        old.metadata.generation != new.metadata.generation
            || old.metadata.labels != new.metadata.labels
            || old.metadata.is_deleting() != new.metadata.is_deleting()
    }

    /// Whether the cluster serves other kinds than before: a binding that found no cluster may now find one.
    pub(crate) fn serves_otherwise(&self) -> bool {
        let (Some(old), Some(new)) = (self.old, self.new) else { return false };
        old.status.api_enablements != new.status.api_enablements
    }

    fn sides(&self) -> impl Iterator<Item = &Cluster> {
        self.old.into_iter().chain(self.new)
    }
}

/// Whether one of the changed clusters, as it was or as it is, is among those the binding may use.
pub(crate) fn concerns(binding: &Object, changes: &[ClusterChange<'_>]) -> bool {
    let Some(placement) = binding.at("/spec/placement") else { return false };
    let any = |matches: &dyn Fn(&Cluster) -> bool| changes.iter().flat_map(ClusterChange::sides).any(matches);
    if let Some(terms) =
        placement.get("clusterAffinities").and_then(Value::as_array).filter(|t| !t.is_empty())
    {
        let observed_generation = binding.i64_at("/status/schedulerObservedGeneration").unwrap_or(0);
        let observed = binding.str_at("/status/schedulerObservingAffinityName").unwrap_or_default();
        // Not handled yet: the term in status says nothing about what comes.
        if observed_generation != binding.generation() {
            return true;
        }
        let term = terms.iter().find(|t| t.get("affinityName").and_then(Value::as_str) == Some(observed));
        let Some(term) = term.and_then(|t| ClusterAffinityTerm::deserialize(t).ok()) else { return true };
        return any(&|cluster| cluster_matches(&term, cluster));
    }
    match placement.get("clusterAffinity").filter(|a| !a.is_null()).map(ClusterAffinity::deserialize) {
        Some(Ok(affinity)) => any(&|cluster| cluster_matches(&affinity, cluster)),
        Some(Err(_)) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding(label: &str, spec: Value) -> Object {
        let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "ns", "b");
        if !label.is_empty() {
            binding.set_label(label, "x");
        }
        binding.set("/spec", spec);
        binding
    }

    #[test]
    fn a_binding_is_ours_by_scheduler_name_and_label() {
        let ours = |label: &str, spec: Value| is_ours(&binding(label, spec), "default-scheduler");
        let policy = labels::PROPAGATION_POLICY_ID;
        assert!(ours(policy, json!({})));
        assert!(ours(labels::CLUSTER_PROPAGATION_POLICY_ID, json!({ "schedulerName": "default-scheduler" })));
        assert!(ours(labels::BINDING_MANAGED_BY, json!({ "schedulerName": "" })));
        assert!(!ours("", json!({})), "a dependency follows others");
        assert!(!ours(policy, json!({ "schedulerName": "other" })));
        assert!(!ours(policy, json!({ "suspension": { "scheduling": true } })));
        assert!(ours(policy, json!({ "suspension": { "scheduling": false, "dispatching": true } })));
        let mut leaving = binding(policy, json!({}));
        leaving.set("/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
        assert!(!is_ours(&leaving, "default-scheduler"));
    }

    #[test]
    fn only_a_new_generation_is_news() {
        let mut old = binding(labels::PROPAGATION_POLICY_ID, json!({}));
        old.set("/metadata/generation", 3);
        let mut new = old.clone();
        new.set("/status/lastScheduledTime", "2026-01-01T00:00:00Z");
        let news = |old: &Object, new: &Object| news(old, new, "default-scheduler");
        assert_eq!(news(&old, &new), None);
        new.set("/metadata/generation", 4);
        assert_eq!(news(&old, &new), Some(Incoming::BindingUpdate));
        new.set("/spec/schedulePriority", json!({ "priority": 7 }));
        assert_eq!([priority(&old), priority(&new)], [0, 7]);
        new.set("/spec/suspension", json!({ "scheduling": true }));
        assert_eq!(news(&old, &new), None, "suspended");
    }

    #[test]
    fn a_binding_that_becomes_ours_is_as_good_as_new() {
        let unlabelled = binding("", json!({}));
        let labelled = binding(labels::BINDING_MANAGED_BY, json!({}));
        assert_eq!(news(&unlabelled, &labelled, "default-scheduler"), Some(Incoming::BindingAdd));
        assert_eq!(news(&labelled, &unlabelled, "default-scheduler"), None);
        let mut empty = unlabelled.clone();
        empty.set_label(labels::PROPAGATION_POLICY_ID, "");
        assert!(!is_ours(&empty, "default-scheduler"), "an empty id is none");
    }

    fn cluster(name: &str) -> Cluster {
        let mut cluster = Cluster::default();
        cluster.metadata.name = name.into();
        cluster
    }

    #[test]
    fn a_fuller_cluster_is_no_change_that_matters() {
        let old = cluster("m1");
        let matters = |change: &dyn Fn(&mut Cluster)| {
            let mut new = old.clone();
            change(&mut new);
            ClusterChange { old: Some(&old), new: Some(&new) }.matters()
        };
        assert!(!matters(&|c| c.status.resource_summary = Some(api::cluster::ResourceSummary::default())));
        assert!(!matters(&|c| c.metadata.resource_version = "9".into()));
        assert!(matters(&|c| c.metadata.generation = 2));
        assert!(matters(&|c| drop(c.metadata.labels.insert("a".into(), "b".into()))));
        assert!(matters(&|c| c.metadata.deletion_timestamp = Some(api::Time::default())));
        assert!(!matters(&|c| c.status.api_enablements.push(api::cluster::ApiEnablement::default())));
        assert!(ClusterChange { old: None, new: Some(&old) }.matters());
    }

    #[test]
    fn other_kinds_matter_to_those_who_found_no_cluster() {
        let old = cluster("m1");
        let mut new = old.clone();
        let otherwise = |new: Option<&Cluster>| ClusterChange { old: Some(&old), new }.serves_otherwise();
        assert!(!otherwise(Some(&new)));
        new.status.api_enablements.push(api::cluster::ApiEnablement::default());
        assert!(otherwise(Some(&new)));
        assert!(!otherwise(None), "that it went is another matter");
    }

    #[test]
    fn a_cluster_concerns_bindings_whose_affinity_knows_it() {
        let (m1, m2) = (cluster("m1"), cluster("m2"));
        let changes = [ClusterChange { old: Some(&m1), new: Some(&m1) }];
        let concerned =
            |placement: Value| concerns(&binding("", json!({ "placement": placement })), &changes);
        assert!(concerned(json!({})));
        assert!(concerned(json!({ "clusterAffinity": { "clusterNames": ["m1"] } })));
        assert!(!concerned(json!({ "clusterAffinity": { "clusterNames": ["m2"] } })));
        assert!(!concerns(&binding("", json!({})), &changes), "without placement nothing is scheduled");
        let was_m1 = [ClusterChange { old: Some(&m1), new: Some(&m2) }];
        let mut both = binding("", json!({ "placement": { "clusterAffinity": { "clusterNames": ["m1"] } } }));
        assert!(concerns(&both, &was_m1), "as it was counts too");
        both.set("/spec/placement/clusterAffinity/clusterNames", json!(["m3"]));
        assert!(!concerns(&both, &was_m1));
    }

    #[test]
    fn of_several_terms_the_one_in_use_counts() {
        let m1 = cluster("m1");
        let changes = [ClusterChange { old: None, new: Some(&m1) }];
        let terms = json!({ "placement": { "clusterAffinities": [
            { "affinityName": "a", "clusterNames": ["m1"] },
            { "affinityName": "b", "clusterNames": ["m2"] },
        ] } });
        let concerned = |observed: &str, generation: i64| {
            let mut binding = binding("", terms.clone());
            binding.set("/metadata/generation", 2);
            binding.set("/status/schedulerObservedGeneration", generation);
            binding.set("/status/schedulerObservingAffinityName", observed);
            concerns(&binding, &changes)
        };
        assert!(concerned("a", 2));
        assert!(!concerned("b", 2));
        assert!(concerned("b", 1), "not handled yet");
        assert!(concerned("", 2), "none is in use");
    }

    #[test]
    fn overflow_affinities_do_not_make_a_cluster_concern_a_binding() {
        let m2 = cluster("m2");
        let terms = json!({ "placement": { "clusterAffinities": [
            { "affinityName": "a", "clusterNames": ["m1"], "overflowAffinities": [{ "clusterNames": ["m2"] }] },
        ] } });
        let mut binding = binding("", terms);
        binding.set("/status/schedulerObservingAffinityName", "a");
        assert!(!concerns(&binding, &[ClusterChange { old: None, new: Some(&m2) }]));
    }
}
