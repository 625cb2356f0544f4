//! Why override policies apply or do not.

use serde_json::json;

use super::{cluster, deployment, policy, set_replicas};
use crate::*;

#[test]
fn every_override_policy_says_whether_it_applies_and_by_which_rule() {
    let rules = json!([
        { "targetCluster": { "clusterNames": ["m2"] }, "overriders": set_replicas(2) },
        { "targetCluster": { "exclude": ["m2"] }, "overriders": set_replicas(3) },
    ]);
    let by_name = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }]);
    let service = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "db" }]);
    let policies = [
        policy("default/a", json!({ "resourceSelectors": by_name, "overrideRules": rules })),
        policy("default/b", json!({ "overriders": set_replicas(2) })),
        policy("c", json!({ "resourceSelectors": service, "overrideRules": rules })),
        policy("other/d", json!({ "overrideRules": rules })),
        policy("e", json!({ "targetCluster": { "labelSelector": { "matchLabels": { "a": "b" } } } })),
    ];
    let judged = explain(&deployment(), &cluster("m1"), &policies);
    let text: Vec<String> = judged.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "ClusterOverridePolicy e: matches by kind; its one rule does not apply, cluster labels differ",
            "OverridePolicy default/b: matches by kind; its one rule applies",
            "OverridePolicy default/a: matches by name; rule 0 does not apply, cluster is not listed; rule 1 applies",
            "ClusterOverridePolicy c: does not match, name is web, not db",
            "OverridePolicy other/d: does not match, policy is of namespace other, the object of default",
        ]
    );
    assert_eq!(judged.iter().map(Judgement::applies).collect::<Vec<_>>(), [false, true, true, false, false]);
    let json = serde_json::to_value(&judged).unwrap();
    assert_eq!(serde_json::from_value::<Vec<Judgement>>(json).unwrap(), judged);
}

#[test]
fn the_policies_an_explanation_names_are_those_that_apply() {
    let specs = [
        json!({ "overriders": set_replicas(2) }),
        json!({ "overriders": set_replicas(2), "targetCluster": { "clusterNames": ["m2"] } }),
        json!({ "overriders": set_replicas(3), "resourceSelectors": [{ "apiVersion": "v1", "kind": "Service" }] }),
        json!({ "overrideRules": [{ "targetCluster": { "exclude": ["m2"] }, "overriders": set_replicas(3) }] }),
    ];
    for name in ["m1", "m2"] {
        for spec in &specs {
            let policies = [policy("default/a", spec.clone()), policy("b", spec.clone())];
            let applied = apply(&mut deployment(), &cluster(name), [&policies[1]], [&policies[0]]).unwrap();
            let judged = explain(&deployment(), &cluster(name), &policies);
            let applies = |judged_name: &str| judged.iter().any(|j| j.name == judged_name && j.applies());
            assert_eq!(applies("a"), !applied.namespaced.is_empty(), "{spec} in {name}");
            assert_eq!(applies("b"), !applied.cluster.is_empty(), "{spec} in {name}");
        }
    }
}
