//! What becomes of a template, as policies and its claim stand. Pure.

use std::sync::Arc;

use api::policy::Policy;
use machinery::Object;
use matching::PolicyIndex;
use propagation::claim::{self, Claim};
use runtime::Change;

use super::change::{changed_by_karmada, specification_changed};

/// What to do with a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// It is gone, or something that is not a policy governs it.
    Leave,
    /// It waits for a policy.
    Wait,
    /// Its policy is not known (any more).
    Abandoned(Claim),
    /// Its policy is on its way out.
    Leaving(Arc<Policy>),
    /// Its policy does not select it: the policy was changed and takes its claims off itself, or the same
    /// kind is served by two groups and the other one's object is meant.
    Unselected,
    /// This policy governs it.
    Apply(Arc<Policy>),
}

/// Decides what to do with a template: an existing claim comes before any PropagationPolicy of its namespace,
/// and that before any ClusterPropagationPolicy.
pub(super) fn route(template: Option<&Object>, policies: &PolicyIndex) -> Route {
    let Some(template) = template.filter(|template| !template.is_deleting()) else { return Route::Leave };
    if matching::claimed_by_other(template).is_some() {
        return Route::Leave;
    }
    let Some(claim) = claim::claim_of(template) else {
        return policies.choose(template).map_or(Route::Wait, |policy| Route::Apply(policy.clone()));
    };
    let Some(policy) = policies.get(&claim.policy) else { return Route::Abandoned(claim) };
    if policy.metadata.is_deleting() {
        return Route::Leaving(policy.clone());
    }
    if !matching::matches_any(&policy.spec.resource_selectors, template) {
        return Route::Unselected;
    }
    Route::Apply(policy.clone())
}

/// How a change of a template is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Intake {
    /// Whether only Karmada itself has changed the template, and its policy is lazy.
    pub(super) changed_by_karmada: bool,
    /// Whether it is part of the first look at everything, which can wait.
    pub(super) initial: bool,
}

/// Whether a change counts, and how; `is_lazy` says whether a template's policy is lazy.
pub(super) fn intake(change: &Change, is_lazy: impl FnOnce(&Object) -> bool) -> Option<Intake> {
    let by_karmada = match change {
        Change::Modified { old, new } => {
            if !specification_changed(old, new) {
                return None;
            }
            is_lazy(new) && changed_by_karmada(old, new)
        }
        Change::Added { .. } | Change::Deleted { .. } => false,
    };
    Some(Intake { changed_by_karmada: by_karmada, initial: change.is_initial() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policies(all: &[(&str, &str, Value)]) -> PolicyIndex {
        let mut index = PolicyIndex::new();
        for (kind, name, spec) in all {
            index.insert(policy(kind, name, spec.clone(), json!({})));
        }
        index
    }

    fn policy(kind: &str, name: &str, spec: Value, metadata: Value) -> Arc<Policy> {
        let namespace = if kind == "PropagationPolicy" { "shop" } else { "" };
        let mut object = Object::new("policy.karmada.io/v1alpha1", kind, namespace, name);
        let group = if namespace.is_empty() { "clusterpropagationpolicy" } else { "propagationpolicy" };
        object.set_label(&format!("{group}.karmada.io/permanent-id"), &format!("id-of-{name}"));
        object.metadata_mut().extend(metadata.as_object().unwrap().clone());
        object.set("/spec", json!({ "placement": {}, "resourceSelectors": selectors() }));
        for (field, value) in spec.as_object().unwrap() {
            object.set(&format!("/spec/{field}"), value.clone());
        }
        Arc::new(Policy::from_object(&object).unwrap())
    }

    fn selectors() -> Value {
        json!([{ "apiVersion": "v1", "kind": "ConfigMap" }])
    }

    fn template() -> Object {
        Object::new("v1", "ConfigMap", "shop", "settings")
    }

    fn claimed(policy: &Policy) -> Object {
        let mut template = template();
        claim::claim(&mut template, policy);
        template
    }

    fn applied(route: Route) -> String {
        match route {
            Route::Apply(policy) => format!("{} {}", policy.kind().kind, policy.metadata.name),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn any_policy_of_the_namespace_comes_before_any_cluster_policy_whatever_the_priority() {
        let index = policies(&[
            ("PropagationPolicy", "near", json!({ "priority": 1 })),
            ("ClusterPropagationPolicy", "far", json!({ "priority": 9 })),
        ]);
        assert_eq!(applied(route(Some(&template()), &index)), "PropagationPolicy near");
        let mut elsewhere = template();
        elsewhere.set("/metadata/namespace", "other");
        assert_eq!(applied(route(Some(&elsewhere), &index)), "ClusterPropagationPolicy far");
    }

    #[test]
    fn an_existing_claim_comes_before_policies_that_would_win_now() {
        let index = policies(&[
            ("PropagationPolicy", "better", json!({ "priority": 9 })),
            ("ClusterPropagationPolicy", "owner", json!({})),
        ]);
        let owner = policy("ClusterPropagationPolicy", "owner", json!({}), json!({}));
        assert_eq!(applied(route(Some(&claimed(&owner)), &index)), "ClusterPropagationPolicy owner");
    }

    #[test]
    fn among_policies_of_a_kind_priority_then_closeness_then_the_smaller_name_wins() {
        let named = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "settings" }]);
        for (all, expected) in [
            (vec![("a", json!({})), ("b", json!({ "priority": 1 }))], "b"),
            (vec![("a", json!({})), ("b", json!({ "resourceSelectors": named }))], "b"),
            (vec![("b", json!({})), ("a", json!({}))], "a"),
        ] {
            let all: Vec<_> = all.into_iter().map(|(name, spec)| ("PropagationPolicy", name, spec)).collect();
            let expected = format!("PropagationPolicy {expected}");
            assert_eq!(applied(route(Some(&template()), &policies(&all))), expected);
        }
    }

    #[test]
    fn a_template_that_is_gone_or_governed_by_something_else_is_left_alone() {
        let index = policies(&[("PropagationPolicy", "p", json!({}))]);
        assert_eq!(route(None, &index), Route::Leave);
        let mut going = template();
        going.set("/metadata/deletionTimestamp", "2030-01-01T00:00:00Z");
        assert_eq!(route(Some(&going), &index), Route::Leave);
        let mut taken = template();
        taken.set_label("resourcetemplate.karmada.io/claimed-by", "MultiClusterService");
        assert_eq!(route(Some(&taken), &index), Route::Leave);
    }

    #[test]
    fn a_template_that_no_policy_selects_waits() {
        assert_eq!(route(Some(&template()), &policies(&[])), Route::Wait);
        let leaving = json!({ "deletionTimestamp": "2030-01-01T00:00:00Z" });
        let mut index = PolicyIndex::new();
        index.insert(policy("PropagationPolicy", "p", json!({}), leaving));
        assert_eq!(route(Some(&template()), &index), Route::Wait, "a policy that goes claims nothing new");
    }

    #[test]
    fn a_claim_of_an_unknown_policy_is_abandoned_and_of_one_that_goes_is_looked_at_again() {
        let owner = policy("PropagationPolicy", "p", json!({}), json!({}));
        let template = claimed(&owner);
        assert!(
            matches!(route(Some(&template), &PolicyIndex::new()), Route::Abandoned(c) if c.id == "id-of-p")
        );
        let leaving = json!({ "deletionTimestamp": "2030-01-01T00:00:00Z" });
        let mut index = PolicyIndex::new();
        index.insert(policy("PropagationPolicy", "p", json!({}), leaving));
        assert!(matches!(route(Some(&template), &index), Route::Leaving(_)));
    }

    #[test]
    fn a_claim_of_a_policy_that_does_not_select_the_template_stops_silently() {
        let other = json!({ "resourceSelectors": [{ "apiVersion": "v1", "kind": "Secret" }] });
        let index = policies(&[("PropagationPolicy", "p", other), ("PropagationPolicy", "q", json!({}))]);
        let owner = policy("PropagationPolicy", "p", json!({}), json!({}));
        assert_eq!(route(Some(&claimed(&owner)), &index), Route::Unselected);
    }

    fn modified(change: impl FnOnce(&mut Object)) -> Change {
        let old = template();
        let mut new = old.clone();
        change(&mut new);
        Change::Modified { old: Arc::new(old), new: Arc::new(new) }
    }

    #[test]
    fn only_a_lazy_policys_templates_tell_karmadas_own_changes_apart() {
        let claim = |o: &mut Object| o.set_label("propagationpolicy.karmada.io/permanent-id", "x");
        for (is_lazy, expected) in [(true, true), (false, false)] {
            let intake = intake(&modified(claim), |_| is_lazy).unwrap();
            assert_eq!(intake.changed_by_karmada, expected);
        }
        let by_user = intake(&modified(|o| o.set("/data/a", "1")), |_| true).unwrap();
        assert!(!by_user.changed_by_karmada);
    }

    #[test]
    fn a_status_is_no_news_and_what_was_there_at_first_can_wait() {
        assert_eq!(intake(&modified(|o| o.set("/status/a", 1)), |_| false), None);
        let object = Arc::new(template());
        let first = Change::Added { object: Arc::clone(&object), initial: true };
        assert!(intake(&first, |_| false).unwrap().initial);
        for change in
            [Change::Added { object: Arc::clone(&object), initial: false }, Change::Deleted { object }]
        {
            let expected = Intake { changed_by_karmada: false, initial: false };
            assert_eq!(intake(&change, |_| true), Some(expected));
        }
    }
}
