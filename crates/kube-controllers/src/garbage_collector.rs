//! Garbage collection: an object goes when everything that owned it has gone.
//!
//! ```text
//! watches  every resource that can be listed, watched and deleted
//! reads    owners, live, before anything is deleted for their absence
//! writes   deletes objects whose owners are all gone; takes absent owners off objects that have others;
//!          ends foreground deletion and orphaning
//! wakes    on changes of objects with owners, on deletion of an owner
//! ```
//!
//! The rules: <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>. An owner counts as
//! gone only when the API server said so for its exact name and uid; what cannot be asked is not gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::{DeleteOptions, Discovered, Patch, Propagation};
use machinery::{GroupVersionResource, Object, ObjectKey, OwnerReference};
use runtime::{Change, Informer, Informers, Outcome, Queue, Resources, queue};
use serde_json::json;

use crate::{Context, owned};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Name of the index that finds objects by the uid of an owner.
const BY_OWNER: &str = "owner-uid";

/// An owner whose kind is not served is asked for again after this time.
const UNKNOWN_OWNER: Duration = Duration::from_secs(30);

type Key = (GroupVersionResource, ObjectKey);

/// How an owner reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// It exists.
    Present,
    /// It exists, is being deleted in the foreground and waits for this dependent.
    Waiting,
    /// It does not exist (any more).
    Absent,
    /// Nobody can tell.
    Unknown,
}

/// What to do with an object that has owners.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Keep,
    /// Nothing now, but look again: an owner could not be asked.
    AskAgain,
    /// Take these owners (by uid) off it; others remain.
    Disown(Vec<String>),
    /// All its owners are gone.
    Delete,
}

/// Decides from how each owner stands.
pub fn decide(owners: &[(String, Owner)]) -> Decision {
    let any = |state| owners.iter().any(|(_, o)| *o == state);
    if owners.is_empty() {
        Decision::Keep
    } else if any(Owner::Present) {
        let gone: Vec<String> = owners
            .iter()
            .filter(|(_, o)| matches!(o, Owner::Absent | Owner::Waiting))
            .map(|(uid, _)| uid.clone())
            .collect();
        if gone.is_empty() { Decision::Keep } else { Decision::Disown(gone) }
    } else if any(Owner::Unknown) {
        Decision::AskAgain
    } else if any(Owner::Waiting) {
        // The owner's own foreground deletion deletes it.
        Decision::Keep
    } else {
        Decision::Delete
    }
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<Key> = Queue::new("garbage-collector");
    let collector = Collector { context: context.clone(), queue: queue.clone() };
    let following = collector.clone();
    runtime::spawn("garbage-collector-discovery", async move { following.follow().await });
    if context.resources.first(&context.shutdown).await.is_none() {
        return;
    }
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 4, &shutdown, move |key| {
        let collector = collector.clone();
        async move { collector.look(&key).await }
    })
    .await;
}

/// The resources to watch: one version of each, and no events (they own nothing and are many).
fn collectable(discovered: &Discovered) -> BTreeSet<GroupVersionResource> {
    let mut seen = BTreeSet::new();
    let mut chosen = BTreeSet::new();
    for resource in &discovered.resources {
        let usable = ["list", "watch", "delete"].iter().all(|verb| resource.can(verb));
        if !usable
            || resource.plural == "events"
            || !seen.insert((resource.gvk.group.clone(), resource.plural.clone()))
        {
            continue;
        }
        chosen.insert(resource.gvr());
    }
    chosen
}

#[derive(Clone)]
struct Collector {
    context: Context,
    queue: Queue<Key>,
}

impl Collector {
    fn informers(&self) -> &Informers {
        &self.context.informers
    }

    fn resources(&self) -> &Resources {
        &self.context.resources
    }

    /// Starts watching what appears in discovery and stops watching what is gone from it.
    async fn follow(&self) {
        let mut watched: BTreeSet<GroupVersionResource> = BTreeSet::new();
        let mut changes = self.resources().subscribe();
        let shutdown = &self.context.shutdown;
        loop {
            let discovered = changes.borrow_and_update().clone();
            if let Some(discovered) = discovered {
                let wanted = collectable(&discovered);
                for gvr in wanted.difference(&watched) {
                    self.watch(gvr);
                }
                // A group that did not answer is not gone.
                let answered =
                    |gvr: &GroupVersionResource| !discovered.failed.iter().any(|(v, _)| v.group == gvr.group);
                let gone: Vec<_> = watched.difference(&wanted).filter(|gvr| answered(gvr)).cloned().collect();
                for gvr in &gone {
                    self.informers().stop(gvr);
                }
                watched = watched.union(&wanted).filter(|gvr| !gone.contains(gvr)).cloned().collect();
            }
            match shutdown.or(changes.changed()).await {
                Some(Ok(())) => {}
                _ => return,
            }
        }
    }

    fn watch(&self, gvr: &GroupVersionResource) {
        let informer = self.informers().get(gvr);
        informer.add_index(BY_OWNER, |object| object.owner_references().into_iter().map(|r| r.uid).collect());
        let (collector, gvr) = (self.clone(), gvr.clone());
        informer.on_change(move |change: &Change| collector.seen(&gvr, change));
    }

    fn seen(&self, gvr: &GroupVersionResource, change: &Change) {
        let object = change.object();
        let owners = object.owner_references();
        if change.is_deleted() {
            for (dependents, dependent) in self.dependents(object.uid()) {
                self.queue.add((dependents.gvr().clone(), dependent.key()));
            }
            // An owner that waits for this dependent may go on now.
            for owner in owners {
                if let Some((informer, key)) = self.locate(&owner, object.namespace()) {
                    self.queue.add((informer.gvr().clone(), key));
                }
            }
            return;
        }
        if let Some(old) = change.old() {
            // An owner that this object has let go of no longer waits for it.
            for owner in let_go(old, object) {
                if let Some((informer, key)) = self.locate(&owner, object.namespace()) {
                    self.queue.add((informer.gvr().clone(), key));
                }
            }
        }
        if !owners.is_empty() || ends_slowly(object) {
            self.queue.add((gvr.clone(), object.key()));
        }
    }

    /// Everything known that names `uid` as an owner.
    fn dependents(&self, uid: &str) -> Vec<(Informer, Arc<Object>)> {
        let discovered = self.resources().current();
        let all =
            discovered.iter().flat_map(|d| collectable(d)).filter_map(|gvr| self.informers().running(&gvr));
        all.flat_map(|informer| {
            let found = informer.by_index(BY_OWNER, uid);
            found.into_iter().map(move |object| (informer.clone(), object))
        })
        .collect()
    }

    /// The informer that would know an owner, and the owner's key.
    fn locate(&self, owner: &OwnerReference, namespace: &str) -> Option<(Informer, ObjectKey)> {
        let group = machinery::GroupVersion::parse(&owner.api_version).group;
        let discovered = self.resources().current()?;
        let resource =
            discovered.resources.iter().find(|r| r.gvk.group == group && r.gvk.kind == owner.kind)?;
        let informer = self.informers().running(&resource.gvr())?;
        let namespace = if resource.namespaced { namespace } else { "" };
        Some((informer, ObjectKey::new(namespace, &owner.name)))
    }

    async fn stands(&self, owner: &OwnerReference, dependent: &Object) -> Result<Owner, client::Error> {
        let Some((informer, key)) = self.locate(owner, dependent.namespace()) else {
            return Ok(Owner::Unknown);
        };
        let found = match informer.get(&key).filter(|o| o.uid() == owner.uid) {
            Some(found) => Some(found),
            // The cache may be behind: only the server can say that somebody is gone.
            None => {
                let owners = self.informers().client().resource(informer.gvr()).namespace(&key.namespace);
                owners.find(&key.name).await?.filter(|o| o.uid() == owner.uid).map(Arc::new)
            }
        };
        Ok(match found {
            None => Owner::Absent,
            Some(found)
                if found.is_deleting()
                    && found.has_finalizer(FOREGROUND)
                    && owner.block_owner_deletion == Some(true) =>
            {
                Owner::Waiting
            }
            Some(_) => Owner::Present,
        })
    }

    async fn look(&self, (gvr, key): &Key) -> Result<Outcome, client::Error> {
        let Some(object) = self.informers().running(gvr).and_then(|i| i.get(key)) else {
            return Ok(Outcome::Done);
        };
        if object.is_deleting() {
            return self.end(gvr, &object).await;
        }
        let mut owners = Vec::new();
        for owner in object.owner_references() {
            let stands = self.stands(&owner, &object).await?;
            owners.push((owner.uid, stands));
        }
        match decide(&owners) {
            Decision::Keep => Ok(Outcome::Done),
            Decision::AskAgain => {
                self.resources().refresh();
                Ok(Outcome::After(UNKNOWN_OWNER))
            }
            Decision::Disown(gone) => {
                let kept: Vec<_> =
                    object.owner_references().into_iter().filter(|r| !gone.contains(&r.uid)).collect();
                owned::set_owners(self.informers().client(), gvr, &object, &kept)
                    .await
                    .map(|()| Outcome::Done)
            }
            Decision::Delete => {
                self.delete(gvr, &object, Propagation::Background).await.map(|()| Outcome::Done)
            }
        }
    }

    async fn delete(
        &self,
        gvr: &GroupVersionResource,
        object: &Object,
        propagation: Propagation,
    ) -> Result<(), client::Error> {
        let only = DeleteOptions {
            propagation: Some(propagation),
            uid: Some(object.uid().into()),
            ..DeleteOptions::default()
        };
        let objects = self.informers().client().resource(gvr).namespace(object.namespace());
        match objects.delete_if_present(object.name(), &only).await {
            // Somebody else took the name; that one is looked at on its own.
            Err(error) if error.is_conflict() => Ok(()),
            result => result,
        }
    }

    /// Takes a deletion that waits for dependents one step further.
    async fn end(&self, gvr: &GroupVersionResource, object: &Object) -> Result<Outcome, client::Error> {
        let client = self.informers().client();
        if object.has_finalizer(ORPHAN) {
            for (informer, dependent) in self.dependents(object.uid()) {
                let kept: Vec<_> =
                    dependent.owner_references().into_iter().filter(|r| r.uid != object.uid()).collect();
                owned::set_owners(client, informer.gvr(), &dependent, &kept).await?;
            }
            // Dependents that changed under our hands are still there: look again before letting go.
            if !self.dependents_settled(object.uid()).await? {
                return Ok(Outcome::After(Duration::from_millis(50)));
            }
            self.drop_finalizer(gvr, object, ORPHAN).await?;
        } else if object.has_finalizer(FOREGROUND) {
            let mut blocked = false;
            for (informer, dependent) in self.dependents(object.uid()) {
                let blocks =
                    |r: &OwnerReference| r.uid == object.uid() && r.block_owner_deletion == Some(true);
                blocked |= dependent.owner_references().iter().any(blocks);
                let others = dependent.owner_references().iter().any(|r| r.uid != object.uid());
                if !dependent.is_deleting() && !others {
                    self.delete(informer.gvr(), &dependent, Propagation::Foreground).await?;
                } else if others {
                    self.queue.add((informer.gvr().clone(), dependent.key()));
                }
            }
            if !blocked {
                self.drop_finalizer(gvr, object, FOREGROUND).await?;
            }
        }
        Ok(Outcome::Done)
    }

    /// Whether, asked live, no dependent names the owner any more.
    async fn dependents_settled(&self, uid: &str) -> Result<bool, client::Error> {
        for (informer, dependent) in self.dependents(uid) {
            let objects = self.informers().client().resource(informer.gvr()).namespace(dependent.namespace());
            let live = objects.find(dependent.name()).await?;
            if live.is_some_and(|l| l.owner_references().iter().any(|r| r.uid == uid)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn drop_finalizer(
        &self,
        gvr: &GroupVersionResource,
        object: &Object,
        finalizer: &str,
    ) -> Result<(), client::Error> {
        let kept: Vec<&str> = object.finalizers().filter(|f| *f != finalizer).collect();
        let patch =
            json!({ "metadata": { "resourceVersion": object.resource_version(), "finalizers": kept } });
        let objects = self.informers().client().resource(gvr).namespace(object.namespace());
        match objects.patch(object.name(), &Patch::Merge(&patch)).await {
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

/// Owners that an object had and no longer has, or no longer blocks.
fn let_go(old: &Object, new: &Object) -> Vec<OwnerReference> {
    let kept = new.owner_references();
    let still = |o: &OwnerReference| {
        kept.iter().any(|k| k.uid == o.uid && k.block_owner_deletion == o.block_owner_deletion)
    };
    old.owner_references().into_iter().filter(|o| !still(o)).collect()
}

fn ends_slowly(object: &Object) -> bool {
    object.is_deleting() && (object.has_finalizer(FOREGROUND) || object.has_finalizer(ORPHAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(states: &[Owner]) -> Vec<(String, Owner)> {
        states.iter().enumerate().map(|(i, state)| (format!("u{i}"), *state)).collect()
    }

    #[test]
    fn an_object_goes_only_when_all_its_owners_are_gone() {
        assert_eq!(decide(&owners(&[])), Decision::Keep);
        assert_eq!(decide(&owners(&[Owner::Present])), Decision::Keep);
        assert_eq!(decide(&owners(&[Owner::Absent])), Decision::Delete);
        assert_eq!(decide(&owners(&[Owner::Absent, Owner::Absent])), Decision::Delete);
    }

    #[test]
    fn absent_owners_are_taken_off_an_object_that_has_others() {
        assert_eq!(decide(&owners(&[Owner::Absent, Owner::Present])), Decision::Disown(vec!["u0".into()]));
        assert_eq!(decide(&owners(&[Owner::Present, Owner::Waiting])), Decision::Disown(vec!["u1".into()]));
    }

    #[test]
    fn an_owner_hears_that_a_dependent_has_let_go_of_it() {
        let reference = |uid: &str, blocks: bool| OwnerReference {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            name: uid.into(),
            uid: uid.into(),
            controller: None,
            block_owner_deletion: Some(blocks),
        };
        let with = |references: &[OwnerReference]| {
            let mut object = Object::new("v1", "ConfigMap", "ns", "dependent");
            object.set_owner_references(references);
            object
        };
        let old = with(&[reference("a", true), reference("b", true), reference("c", true)]);
        let new = with(&[reference("b", true), reference("c", false)]);
        let gone: Vec<String> = let_go(&old, &new).into_iter().map(|r| r.uid).collect();
        assert_eq!(gone, ["a", "c"]);
    }

    #[test]
    fn an_owner_nobody_can_ask_is_not_gone() {
        assert_eq!(decide(&owners(&[Owner::Unknown])), Decision::AskAgain);
        assert_eq!(decide(&owners(&[Owner::Absent, Owner::Unknown])), Decision::AskAgain);
    }

    #[test]
    fn an_owner_in_foreground_deletion_deletes_its_dependents_itself() {
        assert_eq!(decide(&owners(&[Owner::Waiting])), Decision::Keep);
        assert_eq!(decide(&owners(&[Owner::Waiting, Owner::Absent])), Decision::Keep);
    }
}
