//! Which objects a controller owns, by selector and owner reference.
//!
//! An object is owned when its controller reference names the owner's uid. An orphan that matches the
//! owner's selector is adopted; an owned object that no longer matches is released. The rules are those
//! of <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#non-template-pod-acquisitions>.

use std::sync::Arc;

use client::{Client, Patch};
use machinery::selector::LabelSelector;
use machinery::{GroupVersionResource, Object, ObjectKey, OwnerReference};
use runtime::{Change, Informer, Queue};
use serde_json::json;

/// How the candidates stand to the owner.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Owned and matching.
    pub(crate) owned: Vec<Arc<Object>>,
    /// Matching, owned by nobody: to be adopted.
    pub(crate) orphans: Vec<Arc<Object>>,
    /// Owned but no longer matching: to be released.
    pub(crate) strays: Vec<Arc<Object>>,
}

/// Sorts candidates (objects of the owner's namespace).
pub(crate) fn claims(owner: &Object, selector: &LabelSelector, candidates: Vec<Arc<Object>>) -> Claims {
    let mut claims = Claims::default();
    for candidate in candidates {
        let matches = selector.matches_object(&candidate);
        match candidate.controller_owner() {
            Some(controller) if controller.uid == owner.uid() => {
                if matches {
                    claims.owned.push(candidate);
                } else if !candidate.is_deleting() && !owner.is_deleting() {
                    claims.strays.push(candidate);
                }
            }
            Some(_) => {}
            None if matches && !candidate.is_deleting() && !owner.is_deleting() => {
                claims.orphans.push(candidate)
            }
            None => {}
        }
    }
    claims
}

/// Adopts orphans and releases strays. The changes come back through the informers.
pub(crate) async fn settle(
    client: &Client,
    gvr: &GroupVersionResource,
    owner: &Object,
    claims: &Claims,
) -> Result<(), client::Error> {
    for orphan in &claims.orphans {
        let mut references = orphan.owner_references();
        references.push(owner.controller_reference());
        set_owners(client, gvr, orphan, &references).await?;
    }
    for stray in &claims.strays {
        let references: Vec<_> =
            stray.owner_references().into_iter().filter(|r| r.uid != owner.uid()).collect();
        set_owners(client, gvr, stray, &references).await?;
    }
    Ok(())
}

/// Replaces an object's owner references, at the version that was read.
pub(crate) async fn set_owners(
    client: &Client,
    gvr: &GroupVersionResource,
    object: &Object,
    references: &[OwnerReference],
) -> Result<(), client::Error> {
    let references = if references.is_empty() { json!(null) } else { json!(references) };
    let patch = json!({ "metadata": { "resourceVersion": object.resource_version(), "ownerReferences": references } });
    match client.resource(gvr).namespace(object.namespace()).patch(object.name(), &Patch::Merge(&patch)).await
    {
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Wakes the owner of every object that changes: the one its controller reference names, or for an
/// orphan all those of the kind `owner_kind` whose selector matches it.
pub(crate) fn wake_owners(
    owned: &Informer,
    owners: &Informer,
    owner_kind: &'static str,
    queue: &Queue<ObjectKey>,
) {
    let (wake, known) = (queue.clone(), owners.clone());
    owned.on_change(move |change: &Change| {
        // The state before counts too: who has lost an object must count again.
        for object in [Some(change.object()), change.old()].into_iter().flatten() {
            match object.controller_owner() {
                Some(owner) if owner.kind == owner_kind => {
                    wake.add(ObjectKey::new(object.namespace(), &owner.name))
                }
                Some(_) => {}
                None => {
                    for owner in known.list_in(object.namespace()) {
                        if selector(&owner).is_some_and(|s| s.matches_object(object)) {
                            wake.add(owner.key());
                        }
                    }
                }
            }
        }
    });
}

/// `spec.selector` of a workload; nothing when it is empty or malformed (which would match everything).
pub(crate) fn selector(workload: &Object) -> Option<LabelSelector> {
    let selector = LabelSelector::from_object(workload.at("/spec/selector")?).ok()?;
    (!selector.is_everything()).then_some(selector)
}

/// The status of a condition of an object, for example whether a Pod is `Ready`.
pub(crate) fn condition<'a>(object: &'a Object, ty: &str) -> Option<&'a serde_json::Value> {
    object.at("/status/conditions")?.as_array()?.iter().find(|c| c["type"] == ty)
}

/// Whether a Pod is ready, and since when.
pub(crate) fn ready_since(pod: &Object) -> Option<&str> {
    let ready = condition(pod, "Ready")?;
    (ready["status"] == "True").then(|| ready["lastTransitionTime"].as_str().unwrap_or_default())
}
