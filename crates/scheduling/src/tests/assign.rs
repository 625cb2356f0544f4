use api::work::Component;
use expect_test::expect;
use serde_json::{Value, json};

use super::story;

fn aggregated() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } })
}

fn dynamic() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": { "dynamicWeight": "AvailableReplicas" } } })
}

fn weights(weights: &[(&str, i64)]) -> Value {
    let list: Vec<Value> = weights
        .iter()
        .map(|(name, weight)| json!({ "targetCluster": { "clusterNames": [name] }, "weight": weight }))
        .collect();
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": { "staticWeightList": list } } })
}

#[test]
fn duplicated_gives_everybody_everything() {
    let placement = json!({ "replicaScheduling": { "replicaSchedulingType": "Duplicated" } });
    story(&["m1", "m2"], 5, placement).goes("m1=5 m2=5");
}

#[test]
fn static_weights_divide_all_replicas_anew() {
    let clusters = ["m1", "m2", "m3"];
    story(&clusters, 9, weights(&[("m1", 1), ("m2", 2)])).goes("m1=3 m2=6");
    story(&clusters, 9, weights(&[("m1", 1), ("m2", 2)])).had("m1=9").goes("m1=3 m2=6");
    story(&clusters, 6, weights(&[("m1", 1), ("m1", 2), ("m2", 1)])).goes("m1=4 m2=2");
}

#[test]
fn without_weights_or_matches_clusters_weigh_the_same() {
    let equal = json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted" } });
    story(&["m1", "m2"], 5, equal).goes("m1=3 m2=2");
    story(&["m1", "m2"], 4, weights(&[("elsewhere", 7)])).goes("m1=2 m2=2");
}

#[test]
fn the_uid_moves_the_odd_replica() {
    let at = |uid: &str| {
        story(&["m1", "m2"], 3, weights(&[("m1", 1), ("m2", 1)])).with(|s| s.spec.resource.uid = uid.into())
    };
    at("a").goes("m1=2 m2=1");
    at("b").goes("m1=1 m2=2");
}

#[test]
fn clusters_without_a_share_are_left_out() {
    story(&["m1", "m2"], 1, weights(&[("m1", 1), ("m2", 9)])).goes("m2=1");
    story(&["m1", "m2"], 0, json!({})).goes("");
    story(&["m1", "m2"], 1, weights(&[("m1", 1), ("m2", 9)]))
        .with(|s| s.features.empty_workload_propagation = true)
        .goes("m2=1 m1=0");
}

#[test]
fn dynamic_weight_follows_what_is_free() {
    let clusters = ["m1 pods=10", "m2 pods=30", "m3 pods=20"];
    story(&clusters, 12, dynamic()).goes("m1=2 m2=6 m3=4");
    story(&["m1 cpu=2", "m2 cpu=6"], 4, dynamic()).cpu("1").goes("m1=1 m2=3");
}

#[test]
fn growing_adds_to_what_is_there() {
    // What is free is what counts for the new ones; nobody loses a replica.
    story(&["m1 pods=0", "m2 pods=10"], 7, dynamic()).had("m1=5").goes("m1=5 m2=2");
    story(&["m1 pods=10", "m2 pods=10"], 8, dynamic()).had("m2=3 m1=1").goes("m1=3 m2=5");
}

#[test]
fn an_unchanged_number_changes_nothing() {
    story(&["m1 pods=0", "m2 pods=50"], 5, dynamic()).had("m2=1 m1=4").goes("m2=1 m1=4");
    story(&["m1 pods=0", "m2 pods=50"], 5, aggregated()).had("m1=5").goes("m1=5");
}

#[test]
fn shrinking_keeps_the_proportions() {
    story(&["m1", "m2"], 6, dynamic()).had("m1=8 m2=4").goes("m1=4 m2=2");
    story(&["m1 pods=0", "m2 pods=0"], 3, aggregated()).had("m1=2 m2=4").goes("m2=3");
}

#[test]
fn replicas_of_a_lost_cluster_are_made_up_for() {
    story(&["m1", "m2"], 6, dynamic()).had("gone=3 m1=3").goes("m1=5 m2=1");
    let free = story(&["m1 pods=10", "m2 pods=50"], 6, dynamic()).had("gone=3 m1=3");
    free.goes("m1=4 m2=2");
}

#[test]
fn a_fresh_start_forgets_the_assignment_but_not_the_room_it_takes() {
    // m1 is full because of us: its five replicas count as room.
    story(&["m1 pods=0", "m2 pods=5"], 6, dynamic()).had("m1=5 m2=1").rescheduled().goes("m1=3 m2=3");
    story(&["m1 pods=1", "m2 pods=9"], 5, aggregated()).had("m1=5").rescheduled().goes("m2=5");
}

#[test]
fn aggregated_takes_the_fewest_clusters() {
    let clusters = ["m1 pods=3", "m2 pods=8", "m3 pods=5"];
    story(&clusters, 7, aggregated()).goes("m2=7");
    story(&clusters, 10, aggregated()).goes("m2=6 m3=4");
    story(&clusters, 12, aggregated()).had("m1=5").goes("m1=7 m2=5");
}

#[test]
fn equals_are_told_apart_by_name() {
    story(&["m3 pods=5", "m1 pods=5", "m2 pods=5"], 4, aggregated()).goes("m1=4");
    story(&["m3 pods=5", "m1 pods=5", "m2 pods=5"], 5, aggregated()).had("m3=1").goes("m3=5");
}

#[test]
fn too_little_room_is_unschedulable() {
    story(&["m1 pods=2", "m2 pods=3"], 6, dynamic()).goes(
        "failed to assign replicas: failed to scale up: \
         Clusters available replicas 5 are not enough to schedule.",
    );
    story(&["m1 pods=2"], 9, aggregated()).had("m1=3").goes(
        "failed to assign replicas: failed to scale up: \
         Clusters available replicas 2 are not enough to schedule.",
    );
}

#[test]
fn room_without_end_saturates() {
    let most = "pods=9223372036854775807";
    story(&[&format!("m1 {most}"), &format!("m2 {most}")], 4, dynamic()).goes("m1=2 m2=2");
}

#[test]
fn dividing_without_a_preference_is_refused() {
    let placement = json!({ "replicaScheduling": { "replicaSchedulingType": "Divided" } });
    story(&["m1"], 4, placement).goes(
        "failed to assign replicas: unsupported replica scheduling strategy: \
         replicas are Divided without a preference",
    );
}

fn overflowing(strategy: Value) -> Value {
    let mut placement = strategy;
    placement["clusterAffinities"] = json!([{
        "affinityName": "own",
        "clusterNames": ["m1", "m2"],
        "overflowAffinities": [
            { "affinityName": "rented", "clusterNames": ["m3"] },
            { "affinityName": "last", "clusterNames": ["m4"] },
        ],
    }]);
    placement
}

#[test]
fn overflow_takes_what_the_primary_clusters_cannot_hold() {
    let clusters = ["m1 pods=2", "m2 pods=4", "m3 pods=3", "m4 pods=9"];
    story(&clusters, 3, overflowing(dynamic())).goes("m1=1 m2=2");
    story(&clusters, 8, overflowing(dynamic())).goes("m1=2 m2=4 m3=2");
    story(&clusters, 8, overflowing(aggregated())).goes("m1=2 m2=4 m3=2");
    story(&clusters, 11, overflowing(dynamic())).goes("m1=2 m2=4 m3=3 m4=2");
    story(&clusters, 19, overflowing(dynamic()))
        .goes("failed to assign replicas: Clusters available replicas 18 are not enough to schedule.");
}

#[test]
fn overflow_is_drained_first() {
    let clusters = ["m1 pods=0", "m2 pods=0", "m3 pods=3", "m4 pods=9"];
    story(&clusters, 7, overflowing(dynamic())).had("m1=2 m2=4 m3=2").observing("own").goes("m1=2 m2=4 m3=1");
    let room = ["m1 pods=5", "m2 pods=0", "m3 pods=3", "m4 pods=9"];
    story(&room, 8, overflowing(dynamic())).had("m1=2 m2=4 m3=2").observing("own").goes("m1=4 m2=4");
}

#[test]
fn overflow_needs_a_dynamic_strategy() {
    story(&["m1"], 2, overflowing(json!({}))).goes(
        "failed to assign replicas: overflow affinities need replicas divided by available replicas, not Duplicated",
    );
}

#[test]
fn overflow_is_for_workloads_only() {
    story(&["m1", "m3"], 0, overflowing(json!({}))).with(|s| s.spec.replica_requirements = None).goes("m1=0");
}

#[test]
fn a_workload_of_several_components_goes_as_a_whole() {
    let placement = json!({ "spreadConstraints": [
        { "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 }],
        "replicaScheduling": { "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } });
    let component = |name: &str, replicas| Component { name: name.into(), replicas, ..Component::default() };
    let story = story(&["m1 pods=2", "m2 pods=10"], 0, placement).with(|s| {
        s.features.components = true;
        s.spec.replica_requirements = None;
        s.spec.components = vec![component("driver", 1), component("worker", 3)];
    });
    let clusters = story.run().result.unwrap();
    assert_eq!(clusters.len(), 1);
    assert_eq!(clusters[0].name, "m2");
    let parts: Vec<(&str, i32)> =
        clusters[0].components.iter().map(|c| (c.name.as_str(), c.replicas)).collect();
    assert_eq!(parts, [("driver", 1), ("worker", 3)]);
    story
        .with(|s| s.clusters.truncate(1))
        .goes("failed to select clusters: no enough resource when selecting 1 clusters");
}

#[test]
fn the_trace_tells_how_replicas_were_divided() {
    let story = story(&["m1 pods=10", "m2 pods=30", "m3 taint=k:NoSchedule"], 8, dynamic()).had("m1=2");
    expect![[r#"
        m3: refused by TaintToleration: cluster(s) had untolerated taint {k:NoSchedule}
        m1: score 100, available 12, has 2
        m2: score 0, available 30
        DynamicWeight added 6: m1 4 (had 2, weight 10) m2 4 (weight 30)
        => m1 4, m2 4
        hint: only TaintToleration keeps out m3: tolerate k:NoSchedule
    "#]]
    .assert_eq(&story.run().trace.to_string());
}

#[test]
fn the_trace_is_data_too() {
    let trace = story(&["m1 pods=10", "m2 taint=k:NoSchedule"], 8, dynamic()).run().trace;
    expect![[r#"
        {
          "attempts": [
            {
              "affinity": null,
              "refused": [
                {
                  "cluster": "m2",
                  "plugin": "TaintToleration",
                  "reason": "cluster(s) had untolerated taint {k:NoSchedule}",
                  "alsoRefusedBy": [],
                  "needs": "tolerate k:NoSchedule"
                }
              ],
              "candidates": [
                {
                  "cluster": "m1",
                  "score": 0,
                  "tier": 0,
                  "allocatable": 10,
                  "assigned": null,
                  "available": 10,
                  "lacks": null
                }
              ],
              "spreads": [],
              "selected": [
                "m1"
              ],
              "divisions": [
                {
                  "strategy": "DynamicWeight",
                  "mode": "up",
                  "tier": null,
                  "replicas": 8,
                  "room": 10,
                  "shares": [
                    {
                      "cluster": "m1",
                      "weight": 10,
                      "previous": 0,
                      "seats": 8,
                      "replicas": 8
                    }
                  ]
                }
              ],
              "placed": [
                {
                  "cluster": "m1",
                  "replicas": 8
                }
              ],
              "failure": null,
              "hints": [
                {
                  "kind": "oneFilterAway",
                  "plugin": "TaintToleration",
                  "change": "tolerate k:NoSchedule",
                  "clusters": [
                    "m2"
                  ]
                }
              ]
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&trace).unwrap());
}

#[test]
fn a_cluster_takes_the_highest_weight_of_the_rules_that_match_it() {
    let rule = |affinity: Value, weight: i64| json!({ "targetCluster": affinity, "weight": weight });
    let placement = |rules: Value| {
        json!({ "replicaScheduling": {
            "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "staticWeightList": rules } } })
    };
    let prod = json!({ "labelSelector": { "matchLabels": { "env": "prod" } } });
    let clusters = ["m1 label:env=prod", "m2 label:env=prod", "m3"];
    let rules = json!([rule(prod, 1), rule(json!({ "clusterNames": ["m2"] }), 3)]);
    story(&clusters, 8, placement(rules)).goes("m1=2 m2=6");
    let all = json!([rule(json!({}), 1), rule(json!({ "clusterNames": ["m3", "gone"] }), 2)]);
    story(&clusters, 8, placement(all)).goes("m1=2 m2=2 m3=4");
    let but = json!([rule(json!({ "exclude": ["m1"] }), 1)]);
    story(&clusters, 8, placement(but)).goes("m2=4 m3=4");
}

#[test]
fn a_weight_of_nothing_leaves_a_cluster_out_unless_all_weigh_nothing() {
    story(&["m1", "m2"], 4, weights(&[("m1", 0), ("m2", 1)])).goes("m2=4");
    story(&["m1", "m2"], 4, weights(&[("m1", 0), ("m2", 0)])).goes("m1=2 m2=2");
}

#[test]
fn static_weights_look_neither_at_room_nor_at_the_previous_result() {
    story(&["m1 pods=0", "m2 pods=0"], 6, weights(&[("m1", 1), ("m2", 1)])).had("m1=6").goes("m1=3 m2=3");
}

#[test]
fn copies_look_neither_at_room_nor_at_the_previous_result() {
    let placement = json!({ "replicaScheduling": { "replicaSchedulingType": "Duplicated" } });
    story(&["m1 pods=0", "m2 pods=1"], 5, placement).had("m1=2").goes("m1=5 m2=5");
}

#[test]
fn the_division_is_in_name_order_and_what_was_only_kept_comes_after_it() {
    // m1 and m2 are full: they keep what they have but take no part in the aggregated division.
    story(&["m1 pods=0", "m2 pods=0", "m3 pods=9", "m4 pods=1"], 8, aggregated())
        .had("m2=2 m1=1")
        .goes("m1=1 m2=2 m3=5");
    story(&["m3 pods=1", "m1 pods=0", "m2 pods=9"], 5, dynamic()).had("m3=1 m1=1").goes("m1=1 m2=3 m3=1");
}

#[test]
fn aggregated_prefers_clusters_in_use_even_when_others_are_roomier() {
    story(&["m1 pods=2", "m2 pods=50"], 4, aggregated()).had("m1=2").goes("m1=4");
    story(&["m1 pods=1", "m2 pods=50"], 4, aggregated()).had("m1=2").goes("m1=2 m2=2");
}

#[test]
fn aggregated_shrinking_keeps_the_largest_first() {
    story(&["m1", "m2", "m3"], 5, aggregated()).had("m1=1 m2=6 m3=3").goes("m2=5");
    story(&["m1", "m2", "m3"], 8, aggregated()).had("m1=1 m2=6 m3=3").goes("m2=5 m3=3");
}

#[test]
fn room_is_no_hard_cap_for_the_weights_but_the_sum_is() {
    // Webster by 1 : 1 : 4 with five seats gives the small ones their seat only after the large one has four.
    story(&["m1 pods=1", "m2 pods=1", "m3 pods=4"], 6, dynamic()).goes("m1=1 m2=1 m3=4");
    story(&["m1 pods=1", "m2 pods=1", "m3 pods=4"], 7, dynamic()).goes(
        "failed to assign replicas: failed to scale up: \
         Clusters available replicas 6 are not enough to schedule.",
    );
}

#[test]
fn replicas_of_several_components_in_several_clusters_are_not_counted() {
    let component = |name: &str| Component { name: name.into(), replicas: 2, ..Component::default() };
    story(&["m1", "m2"], 5, dynamic())
        .with(|s| s.spec.components = vec![component("a"), component("b")])
        .goes("m1=0 m2=0");
    story(&["m1", "m2"], 4, dynamic()).with(|s| s.spec.components = vec![component("a")]).goes("m1=2 m2=2");
}

#[test]
fn a_workload_scaled_to_zero_is_removed_from_its_clusters() {
    story(&["m1", "m2"], 0, dynamic()).had("m1=3").goes("");
    story(&["m1", "m2"], 0, dynamic())
        .had("m1=3")
        .with(|s| s.features.empty_workload_propagation = true)
        .goes("m1=0 m2=0");
}

#[test]
fn a_fresh_start_begins_with_the_first_affinity_term_again() {
    let mut placement = dynamic();
    placement["clusterAffinities"] = json!([
        { "affinityName": "first", "clusterNames": ["m1"] },
        { "affinityName": "second", "clusterNames": ["m2"] },
    ]);
    let story = story(&["m1", "m2"], 2, placement).had("m2=2").observing("second");
    story.clone().goes("m2=2");
    story.rescheduled().goes("m1=2");
}

#[test]
fn a_fresh_start_with_overflow_fills_the_primary_clusters_again() {
    let clusters = ["m1 pods=5", "m2 pods=0", "m3 pods=3", "m4 pods=9"];
    story(&clusters, 6, overflowing(dynamic()))
        .had("m3=3 m4=3")
        .observing("own")
        .rescheduled()
        .goes("m1=5 m3=1");
}

#[test]
fn a_cluster_in_several_tiers_belongs_to_the_first() {
    let mut placement = dynamic();
    placement["clusterAffinities"] = json!([{
        "affinityName": "own", "clusterNames": ["m1"],
        "overflowAffinities": [{ "affinityName": "all", "exclude": ["m3"] }],
    }]);
    story(&["m1 pods=2", "m2 pods=9", "m3"], 4, placement).goes("m1=2 m2=2");
}
