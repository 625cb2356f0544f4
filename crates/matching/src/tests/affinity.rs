//! §9.4 ClusterMatches: which clusters an affinity means.

use api::Resource as _;
use api::cluster::Cluster;
use api::policy::{ClusterAffinity, ClusterAffinityTerm};
use serde_json::json;

use crate::*;

/// A cluster `eu` of provider aws with label `tier=gold`; `place` is `region zone,zone`.
fn cluster(place: &str) -> Cluster {
    let (region, zones) = place.split_once(' ').unwrap_or((place, ""));
    let mut cluster = Cluster::named("", "eu");
    cluster.metadata.labels.insert("tier".into(), "gold".into());
    cluster.spec.provider = "aws".into();
    cluster.spec.region = region.into();
    cluster.spec.zones = zones.split(',').filter(|z| !z.is_empty()).map(Into::into).collect();
    cluster
}

fn affinity(value: serde_json::Value) -> ClusterAffinity {
    serde_json::from_value(value).unwrap()
}

fn field(key: &str, operator: &str, values: &[&str]) -> ClusterAffinity {
    affinity(json!({ "fieldSelector": { "matchExpressions": [
        { "key": key, "operator": operator, "values": values }
    ]}}))
}

#[test]
fn an_affinity_without_conditions_means_every_cluster() {
    assert!(cluster_matches(&ClusterAffinity::default(), &cluster("")));
    assert!(targets_cluster(None, &cluster("")));
    assert!(cluster_matches(&affinity(json!({ "labelSelector": {} })), &cluster("")));
}

#[test]
fn the_exclude_list_wins_over_everything() {
    let both = affinity(json!({ "clusterNames": ["eu"], "exclude": ["eu"] }));
    assert_eq!(cluster_mismatch(&both, &cluster("")), Some(ClusterMismatch::Excluded));
}

#[test]
fn names_and_labels_must_both_fit() {
    let names = affinity(json!({ "clusterNames": ["us", "eu"] }));
    assert!(cluster_matches(&names, &cluster("")));
    let names =
        affinity(json!({ "clusterNames": ["us"], "labelSelector": { "matchLabels": { "tier": "gold" } } }));
    assert_eq!(cluster_mismatch(&names, &cluster("")), Some(ClusterMismatch::NotListed));
    let labels =
        affinity(json!({ "clusterNames": ["eu"], "labelSelector": { "matchLabels": { "tier": "tin" } } }));
    assert_eq!(cluster_mismatch(&labels, &cluster("")), Some(ClusterMismatch::Labels));
}

#[test]
fn provider_and_region_are_compared_like_labels() {
    assert!(cluster_matches(&field("provider", "In", &["aws", "gcp"]), &cluster("")));
    assert!(!cluster_matches(&field("provider", "NotIn", &["aws"]), &cluster("")));
    assert!(!cluster_matches(&field("region", "In", &["west"]), &cluster("")), "no region is in no list");
    assert!(cluster_matches(&field("region", "NotIn", &["west"]), &cluster("")));
    assert!(cluster_matches(&field("region", "Exists", &[]), &cluster("west")));
    assert!(cluster_matches(&field("region", "DoesNotExist", &[]), &cluster("")));
    assert!(!cluster_matches(&field("shape", "In", &["round"]), &cluster("west")));
    assert!(cluster_matches(&field("region", "Gt", &["3"]), &cluster("4")));
    assert!(!cluster_matches(&field("region", "Lt", &["3"]), &cluster("4")));
    assert!(!cluster_matches(&field("region", "Gt", &["3"]), &cluster("west")));
}

#[test]
fn a_condition_on_provider_or_region_kubernetes_would_not_take_means_no_cluster() {
    for (operator, values) in
        [("In", &[][..]), ("NotIn", &[]), ("Exists", &["a"]), ("DoesNotExist", &["a"]), ("Near", &["west"])]
    {
        assert!(!cluster_matches(&field("region", operator, values), &cluster("west")), "{operator}");
        assert!(!cluster_matches(&field("region", operator, values), &cluster("")), "{operator}");
    }
}

#[test]
fn one_listed_zone_is_enough_and_one_unwanted_zone_too_many() {
    let check = |operator: &str, values: &[&str], place: &str| {
        cluster_matches(&field("zone", operator, values), &cluster(place))
    };
    assert!(check("In", &["a", "b"], "west b,c"));
    assert!(!check("In", &["a"], "west b,c"));
    assert!(!check("In", &["a"], "west"));
    assert!(check("NotIn", &["a"], "west b,c"));
    assert!(!check("NotIn", &["b"], "west b,c"));
    assert!(check("NotIn", &["a"], "west"));
    assert!(check("NotIn", &[], "west b"), "no zone is in no list");
    assert!(!check("In", &[], "west b"));
    assert!(!check("Near", &["b"], "west b"));
    assert!(check("DoesNotExist", &[], "west"));
    assert!(!check("Exists", &[], "west"));
    assert!(check("Exists", &[], "west b"));
    assert!(!check("DoesNotExist", &[], "west b"));
}

#[test]
fn terms_of_both_kinds_are_read_like_affinities() {
    let term: ClusterAffinityTerm = serde_json::from_value(json!({
        "affinityName": "first", "clusterNames": ["us"],
        "overflowAffinities": [{ "affinityName": "more", "clusterNames": ["eu"] }],
    }))
    .unwrap();
    assert!(!cluster_matches(&term, &cluster("")));
    assert!(cluster_matches(&term.overflow_affinities[0], &cluster("")));
}
