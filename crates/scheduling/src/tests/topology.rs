//! Spreads by zone and provider, alone and nested.

use serde_json::{Value, json};

use super::spread::spread;
use super::story;

fn copies(text: &str) -> Value {
    spread(text, "Duplicated")
}

const ZONES: [&str; 5] =
    ["m1 zone=a pods=10", "m2 zone=a pods=20", "m3 zone=b pods=40", "m4 zone=b pods=5", "m5 zone=c pods=30"];

#[test]
fn zones_are_chosen_as_regions_are() {
    story(&ZONES, 40, spread("zone 1..1, cluster 1..1", "Aggregated")).goes("m3=40");
    story(&ZONES, 6, copies("zone 2..2, cluster 2..2")).goes("m2=6 m3=6");
    story(&ZONES, 5, copies("zone 2..2, cluster 3..3")).goes("m2=5 m3=5 m1=5");
    story(&ZONES, 1, copies("zone 3..3")).goes("m2=1 m3=1 m5=1");
}

#[test]
fn providers_are_chosen_as_regions_are() {
    let clusters = ["m1 provider=p pods=10", "m2 provider=p pods=20", "m3 provider=q pods=40"];
    story(&clusters, 35, spread("provider 1..1, cluster 1..1", "Aggregated")).goes("m3=35");
    story(&clusters, 1, copies("provider 2..2, cluster 2..3")).goes("m2=1 m3=1 m1=1");
}

#[test]
fn too_few_zones_or_providers_are_an_error() {
    let too_few = |what: &str| {
        format!(
            "failed to select clusters: the number of feasible {what} is less than spreadConstraint.MinGroups"
        )
    };
    story(&ZONES, 1, copies("zone 4..5, cluster 1..9")).goes(&too_few("zone"));
    story(&["m1 provider=p"], 1, copies("provider 2..2")).goes(&too_few("provider"));
    story(&ZONES, 1, copies("zone 1..1, cluster 3..9")).goes(
        "failed to select clusters: the number of clusters is less than the cluster spreadConstraint.MinGroups",
    );
}

#[test]
fn a_cluster_in_several_zones_serves_each_of_them() {
    let clusters = ["m1 zone=a,b pods=50", "m2 zone=b pods=20", "m3 zone=c pods=10"];
    // m1 is the first of both its zones: no second cluster is taken for zone a or b.
    story(&clusters[..2], 1, copies("zone 2..2")).goes("m1=1");
    story(&clusters, 1, copies("zone 3..3")).goes("m1=1 m3=1");
    story(&clusters[..2], 1, copies("zone 2..2, cluster 2..2")).goes("m1=1 m2=1");
    story(&clusters, 1, copies("zone 2..2")).goes("m1=1 m3=1");
}

#[test]
fn a_cluster_in_several_zones_counts_once_among_the_clusters() {
    let clusters = ["m1 zone=a,b", "m2 zone=b"];
    story(&clusters, 1, copies("zone 1..2, cluster 3..9")).goes(
        "failed to select clusters: the number of clusters is less than the cluster spreadConstraint.MinGroups",
    );
    story(&clusters, 1, copies("zone 1..2, cluster 2..9")).goes("m1=1 m2=1");
}

#[test]
fn a_zone_that_is_not_chosen_is_not_used_up_by_a_cluster_that_reaches_into_it() {
    story(&["m1 zone=a,b", "m2 zone=c"], 1, copies("zone 1..1")).goes("m1=1");
}

const WORLD: [&str; 8] = [
    "m1 provider=p region=eu zone=a pods=10",
    "m2 provider=p region=eu zone=b pods=20",
    "m3 provider=p region=us zone=a pods=30",
    "m4 provider=q region=ap zone=a pods=40",
    "m5 provider=q region=ap zone=b pods=50",
    "m6 provider=q region=ap zone=c pods=60",
    "m7 provider=r region=sa zone=a pods=70",
    "m8 provider=r region=sa zone=a pods=80",
];

#[test]
fn nested_levels_are_chosen_from_the_outside_in() {
    // Only ap has more than two zones, so it is in; eu is the best of the others.
    story(&WORLD, 1, copies("region 2..2, zone 4..4, cluster 4..9")).goes("m4=1 m5=1 m6=1 m1=1");
    // Without regions in between, p has two zones: a and b.
    story(&WORLD, 1, copies("provider 1..1, zone 3..3")).goes("m4=1 m5=1 m6=1");
    story(&WORLD, 1, copies("provider 2..2, region 3..3")).goes("m6=1 m2=1 m3=1");
}

#[test]
fn every_chosen_group_of_a_level_has_one_of_the_level_below() {
    for (text, groups) in [("region 3..3, zone 3..3", 3), ("provider 3..3, zone 3..5", 3)] {
        let outcome = story(&WORLD, 1, copies(text)).run();
        let explanation = outcome.trace.explain();
        let spreads = &explanation.attempts[0].spreads;
        let chosen: Vec<&str> =
            spreads[0].groups.iter().filter(|g| g.chosen).map(|g| g.name.as_str()).collect();
        assert_eq!(chosen.len(), groups);
        for outer in chosen {
            let has_inner = |g: &crate::explain::Group| g.chosen && g.name.starts_with(&format!("{outer}/"));
            assert!(spreads[1].groups.iter().any(has_inner), "{text}: {outer}\n{explanation}");
        }
    }
}

#[test]
fn a_zone_is_named_within_its_region_when_regions_matter() {
    // Zone a of eu and zone a of us are two zones.
    let clusters = ["m1 region=eu zone=a", "m2 region=us zone=a"];
    story(&clusters, 1, copies("region 1..2, zone 2..2")).goes("m1=1 m2=1");
    story(&clusters, 1, copies("zone 2..2")).goes(
        "failed to select clusters: the number of feasible zone is less than spreadConstraint.MinGroups",
    );
}

#[test]
fn constraints_that_exclude_each_other_are_an_error_that_says_so() {
    story(&WORLD, 1, copies("region 3..3, zone 1..2"))
        .goes("failed to select clusters: no choice of groups satisfies all spread constraints");
    story(&WORLD, 1, copies("region 1..1, zone 4..9"))
        .goes("failed to select clusters: no choice of groups satisfies all spread constraints");
}

#[test]
fn a_label_to_spread_by_is_refused_alone_and_passed_over_beside_others() {
    let by_label = json!({ "spreadByLabel": "rack", "minGroups": 1, "maxGroups": 2 });
    let by_cluster = json!({ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 });
    let placement = |constraints: Value| json!({ "spreadConstraints": constraints });
    story(&["m1", "m2"], 1, placement(json!([by_label]))).goes(
        "failed to select clusters: \
         just support cluster, zone, region and provider spread constraint, not spreadByLabel",
    );
    story(&["m1", "m2"], 1, placement(json!([by_label, by_cluster]))).goes("m1=1");
}
