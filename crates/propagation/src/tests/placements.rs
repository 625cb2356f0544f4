//! §2 steps 2 and 3: which Works go, and where Works should be.

use std::collections::BTreeSet;

use crate::placement;

use super::*;

/// Works in these clusters; what becomes of them, and where Works should be.
fn check(binding: Value, works: &str, expected: &str) {
    let clusters: BTreeSet<String> = works.split_whitespace().map(ToOwned::to_owned).collect();
    let decision = placement::decide(&serde_json::from_value(binding).unwrap(), &clusters);
    let orphans: Vec<String> = decision.orphans.into_iter().collect();
    let targets = decision.targets.map_or("wait".to_owned(), |targets| {
        targets.iter().map(|t| format!("{}={}", t.cluster, t.replicas)).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(format!("delete [{}], write [{targets}]", orphans.join(" ")), expected);
}

#[test]
fn works_go_where_the_binding_is_scheduled_and_nowhere_else() {
    check(
        json!({ "clusters": [{ "name": "b", "replicas": 1 }, { "name": "a", "replicas": 2 }] }),
        "a c",
        "delete [c], write [b=1 a=2]",
    );
    check(json!({}), "a", "delete [a], write []");
}

#[test]
fn dependencies_go_where_their_owners_go_and_their_own_share_wins() {
    check(
        json!({
            "clusters": [{ "name": "a", "replicas": 2 }],
            "requiredBy": [
                { "name": "x", "clusters": [{ "name": "a", "replicas": 9 }, { "name": "b", "replicas": 1 }] },
                { "name": "y", "clusters": [{ "name": "b", "replicas": 7 }] },
            ],
        }),
        "a b",
        "delete [], write [a=2 b=1]",
    );
}

#[test]
fn when_the_last_requirer_goes_the_works_of_a_dependency_go() {
    let required = json!({ "requiredBy": [{ "name": "x", "clusters": [{ "name": "a" }] }] });
    check(required, "a", "delete [], write [a=0]");
    check(json!({ "requiredBy": [] }), "a", "delete [a], write []");
}

#[test]
fn a_cluster_that_is_evicted_gently_keeps_its_work() {
    check(
        json!({
            "clusters": [{ "name": "b" }],
            "gracefulEvictionTasks": [
                { "fromCluster": "a", "purgeMode": "Gracefully" }, { "fromCluster": "c" },
                { "fromCluster": "d", "purgeMode": "Never" },
            ],
        }),
        "a b c d",
        "delete [], write [b=0]",
    );
}

#[test]
fn a_cluster_that_is_purged_directly_must_be_empty_before_others_are_filled() {
    let binding = json!({
        "clusters": [{ "name": "b" }],
        "gracefulEvictionTasks": [{ "fromCluster": "a", "purgeMode": "Directly" }],
    });
    check(binding.clone(), "a", "delete [a], write [wait]");
    check(binding, "", "delete [], write [b=0]");
}
