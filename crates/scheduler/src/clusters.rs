//! The member clusters, prepared for scheduling and kept current.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::Resource as _;
use api::cluster::Cluster;
use machinery::Object;
use runtime::Change;
use scheduling::{Member, Snapshot};

use crate::intake::ClusterChange;

/// All member clusters. Shared by the informer's handler and the workers.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    /// A plain lock: held for map operations only.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<String, Arc<Member>>,
    /// Made when first asked for after a change.
    snapshot: Option<Snapshot>,
}

/// A cluster before and after a change.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) old: Option<Arc<Member>>,
    pub(crate) new: Option<Arc<Member>>,
}

impl Changed {
    /// Whether the cluster reports more room than before.
    pub(crate) fn has_more_room(&self) -> bool {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => new.capacity().has_grown_since(old.capacity()),
            (old, new) => old.is_none() && new.is_some(),
        }
    }

    /// Whether any binding may have to be looked at again.
    pub(crate) fn is_news(&self) -> bool {
        let view = self.view();
        view.matters() || view.serves_otherwise() || self.has_more_room()
    }

    /// The change as the rules see it.
    pub(crate) fn view(&self) -> ClusterChange<'_> {
        ClusterChange {
            old: self.old.as_deref().map(Member::cluster),
            new: self.new.as_deref().map(Member::cluster),
        }
    }
}

impl Clusters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clusters as they are now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = &mut *self.state();
        state.snapshot.get_or_insert_with(|| Snapshot::new(state.members.values().cloned())).clone()
    }

    /// Follows a change of the cache and says what it was.
    pub(crate) fn follow(&self, change: &Change) -> Changed {
        let object = change.object();
        if change.is_deleted() {
            let mut state = self.state();
            state.snapshot = None;
            return Changed { old: state.members.remove(object.name()), new: None };
        }
        let Some(member) = read(object) else {
            // What was known of the cluster stays: a cluster that cannot be read is not a cluster lost.
            let known = self.state().members.get(object.name()).cloned();
            return Changed { old: known.clone(), new: known };
        };
        let mut state = self.state();
        state.snapshot = None;
        let old = state.members.insert(object.name().to_owned(), Arc::clone(&member));
        Changed { old, new: Some(member) }
    }
}

fn read(object: &Object) -> Option<Arc<Member>> {
    match Cluster::from_object(object) {
        Ok(cluster) => Some(Arc::new(Member::new(cluster))),
        Err(error) => {
            tracing::warn!(
                cluster = object.name(),
                error = runtime::queue::chain(&error),
                "cluster cannot be read"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, spec: serde_json::Value) -> Arc<Object> {
        let mut object = Object::new("cluster.karmada.io/v1alpha1", "Cluster", "", name);
        object.set("/spec", spec);
        Arc::new(object)
    }

    fn names(clusters: &Clusters) -> Vec<String> {
        clusters.snapshot().members().iter().map(|m| m.name().to_string()).collect()
    }

    #[test]
    fn the_snapshot_follows_the_cache() {
        let clusters = Clusters::default();
        let (m1, m2) =
            (object("m1", serde_json::json!({ "region": "eu" })), object("m2", serde_json::json!({})));
        let added = clusters.follow(&Change::Added { object: Arc::clone(&m2), initial: true });
        assert!(added.old.is_none() && added.new.is_some());
        clusters.follow(&Change::Added { object: Arc::clone(&m1), initial: false });
        assert_eq!(names(&clusters), ["m1", "m2"]);
        let before = clusters.snapshot();
        let gone = clusters.follow(&Change::Deleted { object: m2 });
        assert!(gone.old.is_some() && gone.new.is_none());
        assert_eq!(names(&clusters), ["m1"]);
        assert_eq!(before.members().len(), 2, "a snapshot taken stays as it was");
    }

    #[test]
    fn a_cluster_that_cannot_be_read_stays_as_it_was() {
        let clusters = Clusters::default();
        let good = object("m1", serde_json::json!({ "region": "eu" }));
        let bad = object("m1", serde_json::json!({ "region": 7 }));
        clusters.follow(&Change::Added { object: Arc::clone(&good), initial: true });
        let changed = clusters.follow(&Change::Modified { old: good, new: bad });
        assert!(!changed.view().matters());
        assert_eq!(clusters.snapshot().get("m1").unwrap().cluster().spec.region, "eu");
    }
}
