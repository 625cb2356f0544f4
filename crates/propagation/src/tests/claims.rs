//! §1.4: claims.

use api::Scope;
use api::names::labels;
use machinery::ObjectKey;
use matching::Claimant;

use super::*;
use crate::claim;

#[test]
fn a_claim_is_made_once_and_found_again() {
    for (policy, scope, key) in [
        (policy(json!({})), Scope::Namespaced, ObjectKey::new("shop", "p")),
        (cluster_policy(json!({})), Scope::Cluster, ObjectKey::new("", "cp")),
    ] {
        let bare = Object::new("v1", "ConfigMap", "shop", "settings");
        let mut object = bare.clone();
        assert_eq!(claim::claim_of(&object), None);
        assert!(claim::claim(&mut object, &policy));
        assert!(!claim::claim(&mut object, &policy), "it bears the id already");
        let found = claim::claim_of(&object).unwrap();
        assert_eq!((found.id.as_str(), found.policy), (policy.permanent_id(), Claimant { scope, key }));
        assert!(claim::remove(&mut object, scope));
        assert_eq!(object, bare);
    }
}

#[test]
fn a_namespaced_claim_ends_a_cluster_claim_but_not_the_other_way_round() {
    let mut object = Object::new("v1", "ConfigMap", "shop", "settings");
    claim::claim(&mut object, &cluster_policy(json!({})));
    assert!(claim::claim(&mut object, &policy(json!({}))));
    assert_eq!(object.label(labels::CLUSTER_PROPAGATION_POLICY_ID), None);
    claim::claim(&mut object, &cluster_policy(json!({})));
    assert_eq!(claim::claim_of(&object).unwrap().id, "pid", "a namespaced claim comes first");
}

#[test]
fn half_a_claim_is_none() {
    let mut object = Object::new("v1", "ConfigMap", "shop", "settings");
    object.set_label(labels::CLUSTER_PROPAGATION_POLICY_ID, "id");
    assert_eq!(claim::claim_of(&object), None);
}

#[test]
fn a_claim_comes_off_only_for_the_policy_it_names() {
    let binding = created(build(None, json!({})));
    assert_eq!(claim::without(&binding, Scope::Namespaced, "other"), None);
    let cleaned = claim::without(&binding, Scope::Namespaced, "pid").unwrap();
    assert_eq!(claim::claim_of(&cleaned), None);
    assert_eq!(cleaned.at("/spec"), binding.at("/spec"), "what runs goes on running");
}
