//! Claims: the labels and annotations by which templates and bindings name the policy that governs them.

use api::Scope;
use api::names::{annotations, labels};
use api::policy::Policy;
use machinery::{Object, ObjectKey};
use serde_json::{Map, Value, json};

use matching::Claimant;

use crate::view;

/// A claim as it stands on an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) policy: Claimant,
    /// Permanent id of the policy.
    pub(super) id: String,
}

/// The claim on an object; a PropagationPolicy's comes first. Half a claim is none.
pub(super) fn claim_of(object: &Object) -> Option<Claim> {
    let label = |key| object.label(key).filter(|id| !id.is_empty()).map(ToOwned::to_owned);
    let namespaced = || {
        let namespace = object.annotation(annotations::PROPAGATION_POLICY_NAMESPACE)?;
        let name = object.annotation(annotations::PROPAGATION_POLICY_NAME)?;
        let id = label(labels::PROPAGATION_POLICY_ID)?;
        let policy = Claimant { scope: Scope::Namespaced, key: ObjectKey::new(namespace, name) };
        Some(Claim { policy, id })
    };
    let cluster = || {
        let name = object.annotation(annotations::CLUSTER_PROPAGATION_POLICY_NAME)?;
        let id = label(labels::CLUSTER_PROPAGATION_POLICY_ID)?;
        Some(Claim { policy: Claimant { scope: Scope::Cluster, key: ObjectKey::new("", name) }, id })
    };
    namespaced().or_else(cluster)
}

/// Labels and annotations of a policy's claim.
pub(super) type Marks = (Vec<(&'static str, String)>, Vec<(&'static str, String)>);

/// What a policy writes on what it claims.
pub(super) fn marks(policy: &Policy) -> Marks {
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
pub(super) fn claim(object: &mut Object, policy: &Policy) -> bool {
    let (labels, annotations) = marks(policy);
    let mut changed = policy.scope == Scope::Namespaced && view::remove_claim(object, Scope::Cluster);
    changed |= view::merge_metadata(
        object,
        labels.iter().map(|(k, v)| (*k, v.as_str())),
        annotations.iter().map(|(k, v)| (*k, v.as_str())),
    );
    changed
}

/// The merge patch that brings one state's labels and annotations to another's, on the version of the first.
pub(super) fn metadata_patch(old: &Object, new: &Object) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".into(), old.resource_version().into());
    for map in ["labels", "annotations"] {
        let of = |object: &Object| {
            object.metadata().and_then(|m| m.get(map)).cloned().unwrap_or_else(|| json!({}))
        };
        let (before, after) = (of(old), of(new));
        if let Some(change) = crate::binding_status::difference(&before, &after) {
            metadata.insert(map.into(), change);
        }
    }
    json!({ "metadata": metadata })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(scope: Scope, namespace: &str) -> Policy {
        let mut metadata = api::ObjectMeta::named(namespace, "p");
        let label = crate::context::policy_id_label(scope);
        metadata.labels.insert(label.into(), "id".into());
        Policy { scope, metadata, spec: api::policy::PropagationSpec::default() }
    }

    #[test]
    fn a_claim_is_made_once_and_found_again() {
        for (scope, namespace) in [(Scope::Namespaced, "shop"), (Scope::Cluster, "")] {
            let mut object = Object::new("v1", "ConfigMap", "shop", "settings");
            assert_eq!(claim_of(&object), None);
            assert!(claim(&mut object, &policy(scope, namespace)));
            assert!(!claim(&mut object, &policy(scope, namespace)));
            let found = claim_of(&object).unwrap();
            assert_eq!(found.id, "id");
            assert_eq!(found.policy, Claimant { scope, key: ObjectKey::new(namespace, "p") });
            assert!(view::remove_claim(&mut object, scope));
            assert_eq!(object, Object::new("v1", "ConfigMap", "shop", "settings"));
        }
    }

    #[test]
    fn a_namespaced_claim_ends_a_cluster_claim_and_the_patch_says_so() {
        let mut old = Object::new("v1", "ConfigMap", "shop", "settings");
        old.set("/metadata/resourceVersion", "7");
        claim(&mut old, &policy(Scope::Cluster, ""));
        let mut new = old.clone();
        assert!(claim(&mut new, &policy(Scope::Namespaced, "shop")));
        assert_eq!(
            metadata_patch(&old, &new),
            json!({ "metadata": {
                "resourceVersion": "7",
                "labels": {
                    "propagationpolicy.karmada.io/permanent-id": "id",
                    "clusterpropagationpolicy.karmada.io/permanent-id": null,
                },
                "annotations": {
                    "propagationpolicy.karmada.io/namespace": "shop",
                    "propagationpolicy.karmada.io/name": "p",
                    "clusterpropagationpolicy.karmada.io/name": null,
                },
            } }),
        );
    }

    #[test]
    fn half_a_claim_is_none() {
        let mut object = Object::new("v1", "ConfigMap", "shop", "settings");
        object.set_label(labels::CLUSTER_PROPAGATION_POLICY_ID, "id");
        assert_eq!(claim_of(&object), None);
    }
}
