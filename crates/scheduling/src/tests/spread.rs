use expect_test::expect;
use serde_json::{Value, json};

use super::story;

/// `cluster 1..3, region 2..2` with a strategy.
pub(super) fn spread(text: &str, strategy: &str) -> Value {
    let constraints: Vec<Value> = text
        .split(", ")
        .map(|part| {
            let (field, bounds) = part.split_once(' ').unwrap();
            let (min, max) = bounds.split_once("..").unwrap();
            let number = |text: &str| text.parse::<i64>().unwrap();
            json!({ "spreadByField": field, "minGroups": number(min), "maxGroups": number(max) })
        })
        .collect();
    let scheduling = match strategy {
        "Duplicated" => json!({ "replicaSchedulingType": "Duplicated" }),
        "Dynamic" => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" } }),
        preference => json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": preference }),
    };
    json!({ "spreadConstraints": constraints, "replicaScheduling": scheduling })
}

#[test]
fn the_roomiest_clusters_are_taken_up_to_the_maximum() {
    let clusters = ["m1 pods=10", "m2 pods=30", "m3 pods=20"];
    story(&clusters, 2, spread("cluster 1..2", "Duplicated")).goes("m2=2 m3=2");
    story(&clusters, 2, spread("cluster 1..9", "Duplicated")).goes("m2=2 m3=2 m1=2");
}

#[test]
fn clusters_in_use_are_preferred() {
    let clusters = ["m1 pods=10", "m2 pods=30", "m3 pods=20"];
    story(&clusters, 2, spread("cluster 1..2", "Duplicated")).had("m1=2").goes("m1=2 m2=2");
}

#[test]
fn too_few_clusters_are_an_error() {
    story(&["m1", "m2"], 2, spread("cluster 3..4", "Duplicated")).goes(
        "failed to select clusters: the number of feasible clusters is less than spreadConstraint.MinGroups",
    );
}

#[test]
fn a_preferred_cluster_gives_way_when_room_is_short() {
    let clusters = ["m1 pods=2", "m2 pods=9", "m3 pods=8"];
    // m1 is preferred because it is in use, but two clusters have to hold 15.
    story(&clusters, 15, spread("cluster 1..2", "Aggregated")).had("m1=1").goes("m2=8 m3=7");
    story(&clusters, 40, spread("cluster 1..2", "Aggregated"))
        .goes("failed to select clusters: no enough resource when selecting 2 clusters");
}

#[test]
fn a_maximum_of_no_clusters_never_works() {
    story(&["m1"], 1, spread("cluster 1..0", "Aggregated"))
        .goes("failed to select clusters: no enough resource when selecting 0 clusters");
    story(&["m1"], 1, spread("cluster 0..0", "Duplicated"))
        .goes("failed to assign replicas: no clusters available to schedule");
}

#[test]
fn static_weights_ignore_spread_constraints() {
    story(&["m1", "m2", "m3"], 3, spread("cluster 1..1", "Weighted")).goes("m1=1 m2=1 m3=1");
}

#[test]
fn empty_weights_do_not() {
    let mut placement = spread("cluster 1..1", "Weighted");
    placement["replicaScheduling"]["weightPreference"] = json!({});
    story(&["m1", "m2", "m3"], 3, placement).goes("m1=3");
}

const REGIONS: [&str; 6] = [
    "m1 region=ap pods=10",
    "m2 region=ap pods=20",
    "m3 region=eu pods=40",
    "m4 region=eu pods=5",
    "m5 region=us pods=30",
    "m6 region=us pods=1",
];

#[test]
fn regions_are_chosen_by_the_replicas_they_can_serve() {
    story(&REGIONS, 40, spread("region 1..1, cluster 1..1", "Aggregated")).goes("m3=40");
    story(&REGIONS, 12, spread("region 2..2, cluster 2..2", "Duplicated")).goes("m2=12 m3=12");
    story(&REGIONS, 66, spread("region 2..2, cluster 2..2", "Dynamic")).goes("m3=38 m5=28");
}

#[test]
fn further_clusters_come_from_the_chosen_regions() {
    story(&REGIONS, 5, spread("region 2..2, cluster 3..3", "Duplicated")).goes("m2=5 m3=5 m1=5");
}

#[test]
fn without_a_cluster_constraint_each_region_gives_one_cluster() {
    story(&REGIONS, 1, spread("region 2..3", "Duplicated")).goes("m2=1 m3=1");
}

#[test]
fn a_minimum_of_regions_may_exceed_the_maximum_of_clusters() {
    story(&REGIONS, 1, spread("region 3..3, cluster 1..2", "Duplicated")).goes("m2=1 m3=1 m5=1");
}

#[test]
fn too_few_regions_or_clusters_in_them_are_errors() {
    story(&REGIONS, 1, spread("region 4..5, cluster 1..9", "Duplicated")).goes(
        "failed to select clusters: the number of feasible region is less than spreadConstraint.MinGroups",
    );
    story(&REGIONS, 1, spread("region 1..1, cluster 3..9", "Duplicated")).goes(
        "failed to select clusters: the number of clusters is less than the cluster spreadConstraint.MinGroups",
    );
}

#[test]
fn the_trace_shows_the_regions_compared() {
    let story = story(&REGIONS[..4], 4, spread("region 1..1, cluster 1..1", "Dynamic"));
    expect![[r#"
        m3: score 0, available 40
        m2: score 0, available 20
        m1: score 0, available 10
        m4: score 0, available 5
        region 1..1:
          ap: 2 clusters, score 4000, chosen
          eu: 2 clusters, score 4000, not chosen: 1 is the most allowed, and no choice with it is better
        selected m2
        DynamicWeight added 4: m2 4 (weight 20)
        => m2 4
    "#]]
    .assert_eq(&story.run().trace.to_string());
}

#[test]
fn candidates_stand_by_tier_then_score_then_room_then_name() {
    let mut placement = spread("cluster 1..9", "Dynamic");
    placement["clusterAffinities"] = json!([{ "affinityName": "own", "clusterNames": ["m1", "m2", "m3", "m4"],
        "overflowAffinities": [{ "affinityName": "more", "clusterNames": ["m5"] }] }]);
    let clusters = ["m1 pods=5", "m2 pods=9", "m3 pods=5", "m4 pods=1", "m5 pods=99"];
    let outcome = story(&clusters, 1, placement).had("m4=1").run();
    let explanation = outcome.trace.explain();
    let order: Vec<&str> = explanation.attempts[0].candidates.iter().map(|c| c.cluster.as_str()).collect();
    assert_eq!(order, ["m4", "m2", "m1", "m3", "m5"]);
}

#[test]
fn spread_constraints_do_not_ask_for_room_when_copies_are_made() {
    story(&["m1 pods=1", "m2 pods=2"], 50, spread("cluster 1..1", "Duplicated")).goes("m2=50");
}

#[test]
fn a_minimum_of_nothing_is_met_by_nothing() {
    story(&["m1"], 1, spread("cluster 0..1", "Duplicated")).goes("m1=1");
    story(&REGIONS, 1, spread("region 0..2, cluster 0..1", "Duplicated")).goes(
        "failed to select clusters: the number of clusters is less than the cluster spreadConstraint.MinGroups",
    );
    story(&REGIONS, 1, spread("region 0..2, cluster 1..1", "Duplicated")).goes("m2=1");
}

#[test]
fn the_last_constraint_of_a_field_is_the_one_that_counts() {
    story(&["m1", "m2", "m3"], 1, spread("cluster 1..1, cluster 2..2", "Duplicated")).goes("m1=1 m2=1");
}

#[test]
fn a_region_that_serves_its_share_of_the_replicas_is_not_better_for_serving_more() {
    // Two regions at least: the target of each is five of ten. eu could take forty, us just five.
    let clusters = ["m1 region=eu pods=40", "m2 region=us pods=5", "m3 region=ap pods=4"];
    story(&clusters, 10, spread("region 2..2, cluster 2..2", "Dynamic")).goes("m1=9 m2=1");
}

#[test]
fn regions_with_clusters_in_use_win_among_equals() {
    let clusters = ["m1 region=eu pods=9", "m2 region=us pods=9"];
    story(&clusters, 4, spread("region 1..1, cluster 1..1", "Duplicated")).goes("m1=4");
    story(&clusters, 4, spread("region 1..1, cluster 1..1", "Duplicated")).had("m2=4").goes("m2=4");
}

#[test]
fn too_little_room_in_the_chosen_regions_surfaces_when_replicas_are_assigned() {
    story(&REGIONS, 500, spread("region 2..2, cluster 2..3", "Dynamic")).goes(
        "failed to assign replicas: failed to scale up: \
         Clusters available replicas 75 are not enough to schedule.",
    );
}

#[test]
fn one_set_of_components_is_all_the_room_a_cluster_needs() {
    let component = |cpu: &str| -> api::work::Component {
        serde_json::from_value(json!({ "name": "a", "replicas": 2,
            "replicaRequirements": { "resourceRequest": { "cpu": cpu } } }))
        .unwrap()
    };
    let parts = |cpu: &str| {
        story(&["m1 cpu=4", "m2 cpu=6"], 0, spread("cluster 1..1", "Dynamic")).with(|s| {
            s.features.components = true;
            s.spec.components = vec![component(cpu), component("1")];
        })
    };
    parts("2").goes("m2=0");
    parts("3").goes("failed to select clusters: no enough resource when selecting 1 clusters");
}
