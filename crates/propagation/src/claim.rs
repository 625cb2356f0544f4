//! Claims: the labels and annotations by which templates and bindings name the policy that governs them.

use api::Scope;
use api::names::{annotations, labels};
use api::policy::Policy;
use machinery::Object;

pub use matching::{Claim, claim_of};

use crate::key::policy_id_label;

/// Labels and annotations, by key.
pub type Marks = (Vec<(&'static str, String)>, Vec<(&'static str, String)>);

/// The labels and annotations that a policy writes on what it claims.
pub fn marks(policy: &Policy) -> Marks {
    let id = policy.permanent_id().to_owned();
    let name = policy.metadata.name.clone();
    match policy.scope {
        Scope::Namespaced => (
            vec![(labels::PROPAGATION_POLICY_ID, id)],
            vec![
                (annotations::PROPAGATION_POLICY_NAMESPACE, policy.metadata.namespace.clone()),
                (annotations::PROPAGATION_POLICY_NAME, name),
            ],
        ),
        Scope::Cluster => (
            vec![(labels::CLUSTER_PROPAGATION_POLICY_ID, id)],
            vec![(annotations::CLUSTER_PROPAGATION_POLICY_NAME, name)],
        ),
    }
}

/// Puts a policy's claim on an object, in the place of a cluster policy's when it is a namespaced one's.
/// Says whether that changed anything.
pub fn claim(object: &mut Object, policy: &Policy) -> bool {
    let (labels, annotations) = marks(policy);
    let mut changed = policy.scope == Scope::Namespaced && remove(object, Scope::Cluster);
    changed |= crate::merge_metadata(
        object,
        labels.iter().map(|(k, v)| (*k, v.as_str())),
        annotations.iter().map(|(k, v)| (*k, v.as_str())),
    );
    changed
}

/// Takes the claim of a policy of a scope off an object; says whether there was one.
pub fn remove(object: &mut Object, scope: Scope) -> bool {
    let mut removed = false;
    match scope {
        Scope::Namespaced => {
            removed |= object.remove_label(labels::PROPAGATION_POLICY_ID);
            removed |= object.remove_annotation(annotations::PROPAGATION_POLICY_NAMESPACE);
            removed |= object.remove_annotation(annotations::PROPAGATION_POLICY_NAME);
        }
        Scope::Cluster => {
            removed |= object.remove_label(labels::CLUSTER_PROPAGATION_POLICY_ID);
            removed |= object.remove_annotation(annotations::CLUSTER_PROPAGATION_POLICY_NAME);
        }
    }
    removed
}

/// A copy without the claim of the policy of this id; nothing when the object does not carry it (any more).
pub fn without(object: &Object, scope: Scope, id: &str) -> Option<Object> {
    if object.label(policy_id_label(scope)) != Some(id) {
        return None;
    }
    let mut cleaned = object.clone();
    remove(&mut cleaned, scope).then_some(cleaned)
}
