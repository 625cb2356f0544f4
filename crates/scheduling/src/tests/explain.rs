//! What a decision says about itself.

use expect_test::expect;
use serde_json::{Value, json};

use super::{Story, story};

fn divided(preference: &str) -> Value {
    json!({ "replicaScheduling": { "replicaSchedulingType": "Divided", "replicaDivisionPreference": preference } })
}

fn dynamic() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": { "dynamicWeight": "AvailableReplicas" } } })
}

fn and(mut placement: Value, field: &str, value: Value) -> Value {
    placement[field] = value;
    placement
}

fn short(story: &Story) -> String {
    let outcome = story.run();
    outcome.trace.short(&outcome.result)
}

fn hints(story: &Story) -> Vec<String> {
    let trace = story.run().trace;
    let attempts = trace.explain().attempts;
    assert_eq!(trace.hints(), attempts.last().unwrap().hints);
    attempts.into_iter().flat_map(|attempt| attempt.hints).map(|hint| hint.to_string()).collect()
}

#[test]
fn a_decision_says_itself_in_one_line() {
    let placement = and(dynamic(), "clusterAffinity", json!({ "exclude": ["m5"] }));
    let clusters = ["m1 pods=20", "m2 pods=10", "m3 taint=k:NoSchedule", "m4 taint=k:NoExecute", "m5"];
    expect!["2 of 5 clusters: m1 (2), m2 (1); 3 refused: 2 untolerated taint, 1 affinity"]
        .assert_eq(&short(&story(&clusters, 3, placement)));
    expect!["1 of 1 clusters: m1"].assert_eq(&short(&story(&["m1"], 0, json!({})).with(|s| {
        s.spec.replica_requirements = None;
    })));
}

#[test]
fn a_failure_says_itself_in_one_line_too() {
    expect!["0 of 2 clusters; 2 refused: 1 missing API, 1 untolerated taint"].assert_eq(&short(&story(
        &["m1 no-api", "m2 taint=k:NoSchedule"],
        3,
        dynamic(),
    )));
    expect!["0 of 1 clusters: 1 replicas short: 3 to place, room for 2"].assert_eq(&short(&story(
        &["m1 pods=2"],
        3,
        dynamic(),
    )));
    expect![""].assert_eq(&crate::Trace::default().short(&Ok(Vec::new())));
}

#[test]
fn the_one_line_has_at_most_two_hundred_characters() {
    for count in 0..60 {
        for tainted in [0, 7] {
            let names: Vec<String> = (0..count)
                .map(|i| {
                    let taint = if i < tainted { " taint=k:NoSchedule" } else { "" };
                    format!("a-rather-long-name-of-a-member-{i:04}{taint}")
                })
                .collect();
            let words: Vec<&str> = names.iter().map(String::as_str).collect();
            let line = short(&story(&words, 500, divided("Weighted")));
            assert!(line.chars().count() <= 200, "{count} {tainted}: {line}");
            assert!(count <= tainted || line.contains("a-rather-long-name"), "{line}");
        }
    }
}

#[test]
fn a_cluster_that_a_single_filter_keeps_out_is_named_with_what_would_let_it_in() {
    let affinity = json!({
        "labelSelector": {
            "matchLabels": { "env": "prod" },
            "matchExpressions": [{ "key": "gpu", "operator": "Exists" }],
        },
        "fieldSelector": { "matchExpressions": [{ "key": "region", "operator": "In", "values": ["eu", "us"] }] },
        "exclude": ["m6"],
    });
    let base = "label:env=prod label:gpu=yes region=eu";
    let clusters = [
        format!("m1 {base}"),
        format!("m2 {base} taint=a=b:NoSchedule taint=c:NoExecute"),
        format!("m3 {base} no-api"),
        "m4 label:env=test region=eu".to_owned(),
        "m5 label:env=prod label:gpu=yes region=ap".to_owned(),
        format!("m6 {base}"),
        format!("m7 {base} taint=a=b:NoSchedule taint=c:NoExecute"),
        format!("m8 {base} no-api taint=c:NoExecute"),
        format!("m9 {base} deleting"),
    ];
    let words: Vec<&str> = clusters.iter().map(String::as_str).collect();
    let story = story(&words, 1, json!({ "clusterAffinity": affinity }));
    expect![[r#"
        only APIEnablement keeps out m3: the cluster must serve apps/v1 Deployment
        only ClusterAffinity keeps out m4: label env must be prod (is test) and label gpu must be there (is not there)
        only ClusterAffinity keeps out m5: region must be eu or us (is ap)
        only ClusterAffinity keeps out m6: take it off exclude
        only TaintToleration keeps out m2, m7: tolerate a=b:NoSchedule, c:NoExecute"#]]
    .assert_eq(&hints(&story).join("\n"));
    let refused = story.run().trace.explain().attempts.remove(0).refused;
    assert_eq!(refused[6].also_refused_by, ["TaintToleration"], "m8 fails twice: {refused:?}");
}

#[test]
fn every_refusal_says_what_it_takes() {
    let spread = json!([{ "spreadByField": "zone", "minGroups": 1, "maxGroups": 1 }]);
    let mut placement = and(json!({}), "spreadConstraints", spread);
    placement["clusterAffinity"] = json!({ "clusterNames": ["m1", "m2", "m3"] });
    let story = story(&["m1 zone=a", "m2", "m3 zone=b", "m4 zone=c"], 1, placement).evicting("m3");
    expect![[r#"
        only ClusterAffinity keeps out m4: add it to clusterNames
        only ClusterEviction keeps out m3: its eviction must have ended
        only SpreadConstraint keeps out m2: the cluster must name its zones"#]]
    .assert_eq(&hints(&story).join("\n"));
}

#[test]
fn missing_replicas_are_counted() {
    assert_eq!(
        hints(&story(&["m1 pods=2", "m2 pods=3"], 9, dynamic())),
        ["4 replicas short: 9 to place, room for 5"]
    );
    let tiers = json!([{ "affinityName": "own", "clusterNames": ["m1"],
        "overflowAffinities": [{ "affinityName": "rented", "clusterNames": ["m2"] }] }]);
    let overflowing = story(&["m1 pods=2", "m2 pods=3"], 9, and(dynamic(), "clusterAffinities", tiers));
    assert_eq!(hints(&overflowing), ["4 replicas short: 9 to place, room for 5"]);
}

#[test]
fn a_maximum_of_clusters_that_is_in_the_way_is_named() {
    let one = json!([{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 }]);
    let story = story(&["m1 pods=4", "m2 pods=3", "m3 pods=5"], 8, and(dynamic(), "spreadConstraints", one));
    assert_eq!(
        hints(&story),
        [
            "3 replicas short: 8 to place, room for 5",
            "2 clusters would hold all replicas, but maxGroups is 1"
        ]
    );
}

#[test]
fn missing_groups_are_counted() {
    let by = |field: &str, min: i64, max: i64| json!([{ "spreadByField": field, "minGroups": min, "maxGroups": max }]);
    let clusters = ["m1 region=eu", "m2 region=eu"];
    assert_eq!(
        hints(&story(&clusters, 1, and(json!({}), "spreadConstraints", by("region", 3, 4)))),
        ["2 region groups short: minGroups is 3, there are 1"]
    );
    assert_eq!(
        hints(&story(&clusters, 1, and(json!({}), "spreadConstraints", by("cluster", 3, 4)))),
        ["1 cluster groups short: minGroups is 3, there are 2"]
    );
}

#[test]
fn a_minimum_of_clusters_out_of_reach_says_by_how_many_groups() {
    let constraints = |regions: i64, clusters: i64| {
        json!([
            { "spreadByField": "region", "minGroups": 1, "maxGroups": regions },
            { "spreadByField": "cluster", "minGroups": clusters, "maxGroups": 9 },
        ])
    };
    let clusters = ["m1 region=eu", "m2 region=eu", "m3 region=us", "m4 region=ap"];
    let at = |regions, min| {
        hints(&story(&clusters, 1, and(json!({}), "spreadConstraints", constraints(regions, min))))
    };
    assert_eq!(
        at(1, 3),
        ["3 clusters are asked for, the largest allowed region groups have 2; 2 groups would have enough"]
    );
    assert_eq!(
        at(1, 5),
        [
            "5 clusters are asked for, the largest allowed region groups have 2, and all groups together have too few"
        ]
    );
}

#[test]
fn levels_that_are_in_each_others_way_say_so() {
    let clusters = ["m1 region=eu zone=a", "m2 region=eu zone=b", "m3 region=us zone=a"];
    let at = |regions: (i64, i64), zones: (i64, i64)| {
        let constraints = json!([
            { "spreadByField": "region", "minGroups": regions.0, "maxGroups": regions.1 },
            { "spreadByField": "zone", "minGroups": zones.0, "maxGroups": zones.1 },
        ]);
        hints(&story(&clusters, 1, and(json!({}), "spreadConstraints", constraints)))
    };
    assert_eq!(at((2, 2), (1, 1)), ["2 region groups need as many zone groups, but their maxGroups is 1"]);
    assert_eq!(at((1, 1), (3, 4)), ["3 zone groups are asked for, the best 1 region groups have 2"]);
    assert_eq!(at((1, 2), (3, 4)), [] as [&str; 0]);
}

#[test]
fn a_cluster_without_room_says_what_it_lacks() {
    let story = story(&["m1 cpu=2", "m2 cpu=4", "m3 pods=0 cpu=9"], 1, dynamic()).cpu("3");
    let lacks: Vec<(String, Option<String>)> = story.run().trace.explain().attempts[0]
        .candidates
        .iter()
        .map(|c| (c.cluster.clone(), c.lacks.clone()))
        .collect();
    assert_eq!(
        lacks,
        [
            ("m2".to_owned(), None),
            ("m1".to_owned(), Some("cpu: one replica asks for 3000m, 2000m left".to_owned())),
            ("m3".to_owned(), Some("pods: one replica asks for 1, 0 left".to_owned())),
        ]
    );
}

#[test]
fn every_tier_of_an_overflow_is_told() {
    let tiers = json!([{ "affinityName": "own", "clusterNames": ["m1"],
        "overflowAffinities": [{ "affinityName": "rented", "clusterNames": ["m2"] }] }]);
    let story = story(&["m1 pods=2", "m2 pods=9"], 5, and(dynamic(), "clusterAffinities", tiers));
    expect![[r#"
        affinity own
        m1: score 0, available 2
        m2: score 0, available 9, tier 1
        tier 0: DynamicWeight added 2: m1 2 (weight 2)
        tier 1: DynamicWeight added 3: m2 3 (weight 9)
        => m1 2, m2 3
    "#]]
    .assert_eq(&story.run().trace.to_string());
}

#[test]
fn every_affinity_term_that_was_tried_is_told() {
    let terms = json!([
        { "affinityName": "first", "clusterNames": ["m1"] },
        { "affinityName": "second", "clusterNames": ["m2"] },
    ]);
    let story = story(&["m1 pods=1", "m2"], 5, and(dynamic(), "clusterAffinities", terms));
    expect![[r#"
        affinity first
        m2: refused by ClusterAffinity: cluster(s) did not match the placement cluster affinity constraint
        m1: score 0, available 1
        DynamicWeight added 5 (room for 1):
        => failed to assign replicas: failed to scale up: Clusters available replicas 1 are not enough to schedule.
        hint: 4 replicas short: 5 to place, room for 1
        hint: only ClusterAffinity keeps out m2: add it to clusterNames
        affinity second
        m1: refused by ClusterAffinity: cluster(s) did not match the placement cluster affinity constraint
        m2: score 0, available 100
        DynamicWeight added 5: m2 5 (weight 100)
        => m2 5
        hint: only ClusterAffinity keeps out m1: add it to clusterNames
    "#]]
    .assert_eq(&story.run().trace.to_string());
}

#[test]
fn groups_that_were_not_taken_say_why() {
    let spread = json!([
        { "spreadByField": "region", "minGroups": 1, "maxGroups": 1 },
        { "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 },
    ]);
    let clusters = ["m1 region=ap pods=2", "m2 region=eu pods=9", "m3 region=us pods=9"];
    expect![[r#"
        m2: score 0, available 9
        m3: score 0, available 9
        m1: score 0, available 2
        region 1..1:
          ap: 1 clusters, score 2000, not chosen: the chosen ones score higher
          eu: 1 clusters, score 4000, chosen
          us: 1 clusters, score 4000, not chosen: 1 is the most allowed, and no choice with it is better
        selected m2
        DynamicWeight added 4: m2 4 (weight 9)
        => m2 4
    "#]]
    .assert_eq(&story(&clusters, 4, and(dynamic(), "spreadConstraints", spread)).run().trace.to_string());
}

#[test]
fn a_trace_serialises_as_its_explanation() {
    let trace = story(&["m1", "m2 no-api"], 3, dynamic()).run().trace;
    assert_eq!(serde_json::to_value(&trace).unwrap(), serde_json::to_value(trace.explain()).unwrap());
    assert_eq!(serde_json::to_value(crate::Trace::default()).unwrap(), json!({ "attempts": [] }));
}
