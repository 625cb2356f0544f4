use std::collections::BTreeSet;
use std::sync::Mutex;

use expect_test::expect;
use serde_json::json;

use super::{story, targets};
use crate::{Error, Input, Member, Peers, Plugins, Snapshot, schedule};

#[test]
fn everything_goes_everywhere_without_wishes() {
    story(&["m2", "m1"], 3, json!({})).goes("m1=3 m2=3");
}

#[test]
fn a_cluster_that_does_not_serve_the_kind_is_refused_unless_it_has_it_already() {
    let clusters = ["m1", "m2 no-api"];
    story(&clusters, 1, json!({})).goes("m1=1");
    story(&clusters, 1, json!({})).had("m2=1").goes("m2=1 m1=1");
}

#[test]
fn taints_keep_new_workloads_away_but_not_old_ones() {
    let clusters = ["m1", "m2 taint=k=v:NoSchedule", "m3 taint=k:PreferNoSchedule"];
    story(&clusters, 1, json!({})).goes("m1=1 m3=1");
    story(&clusters, 1, json!({})).had("m2=1").goes("m2=1 m1=1 m3=1");
    story(&clusters, 1, json!({ "clusterTolerations": [{ "key": "k", "operator": "Exists" }] }))
        .goes("m1=1 m2=1 m3=1");
}

#[test]
fn the_affinity_binds_targets_too() {
    let to_m1 = json!({ "clusterAffinity": { "clusterNames": ["m1"] } });
    story(&["m1", "m2"], 1, to_m1).had("m2=1").goes("m1=1");
}

#[test]
fn affinities_select_by_name_label_and_field() {
    let clusters =
        ["m1 label:env=prod region=eu zone=a,b provider=p", "m2 label:env=test region=eu zone=c", "m3"];
    let selects = |affinity: serde_json::Value, expected: &str| {
        story(&clusters, 1, json!({ "clusterAffinity": affinity })).goes(expected);
    };
    let field = |key: &str, operator: &str, values: &[&str]| json!({ "fieldSelector": { "matchExpressions": [{ "key": key, "operator": operator, "values": values }] } });
    selects(json!({}), "m1=1 m2=1 m3=1");
    selects(json!({ "exclude": ["m1"], "clusterNames": ["m1", "m3"] }), "m3=1");
    selects(json!({ "labelSelector": {} }), "m1=1 m2=1 m3=1");
    selects(json!({ "labelSelector": { "matchLabels": { "env": "prod" } } }), "m1=1");
    let not_prod = json!([{ "key": "env", "operator": "NotIn", "values": ["prod"] }]);
    selects(json!({ "labelSelector": { "matchExpressions": not_prod } }), "m2=1 m3=1");
    let any = json!([{ "key": "env", "operator": "Exists" }]);
    selects(json!({ "labelSelector": { "matchExpressions": any } }), "m1=1 m2=1");
    selects(field("region", "In", &["eu"]), "m1=1 m2=1");
    selects(field("provider", "NotIn", &["p"]), "m2=1 m3=1");
    selects(field("zone", "In", &["b", "c"]), "m1=1 m2=1");
    selects(field("zone", "NotIn", &["a"]), "m2=1 m3=1");
    selects(field("zone", "DoesNotExist", &[]), "m3=1");
}

#[test]
fn spreading_by_a_property_needs_the_property() {
    let clusters = ["m1 region=eu zone=a", "m2 region=eu", "m3"];
    let by = |field: &str| {
        json!({ "spreadConstraints": [
            { "spreadByField": field, "minGroups": 1, "maxGroups": 1 },
            { "spreadByField": "cluster", "minGroups": 1, "maxGroups": 9 },
        ] })
    };
    story(&clusters, 1, by("region")).goes("m1=1 m2=1");
    story(&clusters, 1, by("zone")).goes("m1=1");
    story(&["m1", "m2"], 1, by("provider"))
        .goes("0/2 clusters are available: 2 cluster(s) did not have provider property.");
}

#[test]
fn an_evicted_cluster_is_not_chosen_again() {
    story(&["m1", "m2"], 1, json!({})).had("m1=1").evicting("m1").goes("m2=1");
}

#[test]
fn a_deleting_cluster_is_not_even_counted_among_the_reasons() {
    let story = story(&["m1 deleting", "m2 no-api"], 1, json!({}));
    let outcome = story.run();
    assert!(matches!(outcome.result, Err(Error::Fit { clusters: 2, .. })), "{outcome:?}");
    story.goes("0/2 clusters are available: 1 cluster(s) did not have the API resource.");
}

#[test]
fn every_refusal_is_counted_and_explained() {
    let placement = json!({ "clusterAffinity": { "exclude": ["m4"] } });
    let story = story(
        &["m1 no-api", "m2 taint=a=b:NoExecute", "m3 taint=a=b:NoExecute", "m4", "m5", "m6 deleting"],
        1,
        placement,
    )
    .evicting("m5");
    expect![[r#"
        m1: refused by APIEnablement: cluster(s) did not have the API resource
        m2: refused by TaintToleration: cluster(s) had untolerated taint {a=b:NoExecute}
        m3: refused by TaintToleration: cluster(s) had untolerated taint {a=b:NoExecute}
        m4: refused by ClusterAffinity: cluster(s) did not match the placement cluster affinity constraint
        m5: refused by ClusterEviction: cluster(s) is in the process of eviction
        m6: refused by the cluster itself: cluster(s) is being deleted
        => 0/6 clusters are available: 1 cluster(s) did not have the API resource, 1 cluster(s) did not match the placement cluster affinity constraint, 1 cluster(s) is in the process of eviction, 2 cluster(s) had untolerated taint {a=b:NoExecute}.
        hint: only APIEnablement keeps out m1: the cluster must serve apps/v1 Deployment
        hint: only ClusterAffinity keeps out m4: take it off exclude
        hint: only ClusterEviction keeps out m5: its eviction must have ended
        hint: only TaintToleration keeps out m2, m3: tolerate a=b:NoExecute
    "#]]
    .assert_eq(&story.run().trace.to_string());
}

#[test]
fn without_clusters_nothing_fits() {
    story(&[], 1, json!({})).goes("0/0 clusters are available: no cluster exists.");
}

#[test]
fn a_plugin_can_be_switched_off() {
    story(&["m1", "m2 taint=k=v:NoSchedule"], 1, json!({}))
        .with(|s| s.features.plugins = Plugins::parse(["*", "-TaintToleration"]).unwrap())
        .goes("m1=1 m2=1");
}

#[test]
fn groups_of_workloads_stay_together_or_apart() {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<String>>();
    let clusters = ["m1", "m2", "m3"];
    let peers = |affinity: Vec<BTreeSet<String>>, anti: &[&str]| {
        let peers = Peers { affinity, anti_affinity: set(anti) };
        move |s: &mut super::Story| {
            s.features.plugins = Plugins::parse(["*"]).unwrap();
            s.peers = Some(peers);
        }
    };
    story(&clusters, 1, json!({}))
        .with(peers(vec![set(&["m1", "m2"]), set(&["m2", "m3"])], &[]))
        .goes("m2=1");
    story(&clusters, 1, json!({})).with(peers(vec![set(&["m2"])], &[])).had("m1=1").goes("m1=1 m2=1");
    story(&clusters, 1, json!({})).with(peers(vec![], &["m1"])).goes("m2=1 m3=1");
    story(&clusters, 1, json!({})).with(peers(vec![], &["m1"])).had("m1=1").goes("m1=1 m2=1 m3=1");
    story(&clusters, 1, json!({}))
        .with(peers(vec![set(&["m9"])], &[]))
        .with(|s| s.features.plugins = Plugins::default())
        .goes("m1=1 m2=1 m3=1");
}

#[test]
fn terms_are_tried_in_order_from_the_one_in_use() {
    let terms = json!({ "clusterAffinities": [
        { "affinityName": "first", "clusterNames": ["m1"] },
        { "affinityName": "second", "clusterNames": ["m2"] },
        { "affinityName": "third", "clusterNames": ["m3"] },
    ] });
    let clusters = ["m1", "m2 no-api", "m3"];
    let chosen = |story: super::Story| (story.run().affinity, story.answer());
    let expect = |name: &str, answer: &str| (Some(name.to_owned()), answer.to_owned());
    assert_eq!(chosen(story(&clusters, 1, terms.clone())), expect("first", "m1=1"));
    assert_eq!(chosen(story(&clusters, 1, terms.clone()).observing("second")), expect("third", "m3=1"));
    let fresh = story(&clusters, 1, terms.clone()).observing("third").rescheduled();
    assert_eq!(chosen(fresh), expect("first", "m1=1"));
    let renamed = story(&clusters, 1, terms.clone()).observing("gone");
    assert_eq!(chosen(renamed), expect("first", "m1=1"));
    let none = story(&["m1 no-api", "m2 taint=k:NoSchedule"], 1, terms);
    assert_eq!(none.run().trace.attempts.len(), 3);
    assert_eq!(none.run().affinity, None);
    none.goes(
        "0/2 clusters are available: 1 cluster(s) did not have the API resource, \
         1 cluster(s) had untolerated taint {k:NoSchedule}.",
    );
}

#[test]
fn objects_without_replicas_go_to_every_selected_cluster() {
    story(&["m1", "m2"], 0, json!({})).with(|s| s.spec.replica_requirements = None).goes("m1=0 m2=0");
    assert_eq!(targets("m1=3")[0].replicas, 3);
}

#[test]
fn every_step_is_told_when_it_has_ended() {
    let steps = |clusters: &[&str]| {
        let story = story(clusters, 1, json!({}));
        let snapshot: Snapshot = story.clusters.iter().cloned().collect();
        let told = Mutex::new(Vec::new());
        schedule(&Input {
            spec: &story.spec,
            status: &story.status,
            snapshot: &snapshot,
            features: story.features,
            peers: None,
            estimate: None,
            after_step: Some(&|step| told.lock().unwrap().push(step.name())),
        });
        told.into_inner().unwrap()
    };
    assert_eq!(steps(&["m1"]), ["Filter", "Score", "Select", "AssignReplicas"]);
    assert_eq!(steps(&["m1 no-api"]), [] as [&str; 0]);
}

#[test]
fn a_better_informed_estimate_counts_when_it_is_smaller() {
    let dynamic = json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": { "dynamicWeight": "AvailableReplicas" } } });
    let story = story(&["m1 pods=10", "m2 pods=10", "m3 pods=10"], 5, dynamic);
    let snapshot: Snapshot = story.clusters.iter().cloned().collect();
    let estimate = |member: &Member| match member.name().as_ref() {
        "m1" => Some(2),
        "m2" => Some(-1),
        _ => Some(99),
    };
    let outcome = schedule(&Input {
        spec: &story.spec,
        status: &story.status,
        snapshot: &snapshot,
        features: story.features,
        peers: None,
        estimate: Some(&estimate),
        after_step: None,
    });
    let available: Vec<i64> = outcome.trace.attempts[0].candidates.iter().map(|c| c.available()).collect();
    assert_eq!(available, [10, 10, 2]);
}

#[test]
fn a_kind_must_be_listed_under_its_own_group_and_version() {
    let other_group = |s: &mut super::Story| s.spec.resource.api_version = "apps.example.com/v1".into();
    story(&["m1"], 1, json!({}))
        .with(other_group)
        .goes("0/1 clusters are available: 1 cluster(s) did not have the API resource.");
}

#[test]
fn long_lists_of_names_mean_what_short_ones_mean() {
    let names: Vec<String> = (0..200).map(|i| format!("c{i:03}")).collect();
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let (even, odd): (Vec<_>, Vec<_>) = (0..200).partition(|i| i % 2 == 0);
    let pick = |numbers: &[usize]| -> Vec<&String> { numbers.iter().map(|i| &names[*i]).collect() };
    let by = |affinity: serde_json::Value| story(&words, 1, json!({ "clusterAffinity": affinity })).answer();
    let expected: Vec<String> = even.iter().map(|i| format!("{}=1", names[*i])).collect();
    assert_eq!(by(json!({ "clusterNames": pick(&even) })), expected.join(" "));
    assert_eq!(by(json!({ "exclude": pick(&odd) })), expected.join(" "));
    assert_eq!(by(json!({ "clusterNames": names, "exclude": pick(&odd) })), expected.join(" "));
}

#[test]
fn the_overflow_of_a_term_lets_its_clusters_pass_for_workloads() {
    let terms = json!({ "clusterAffinities": [{ "affinityName": "own", "clusterNames": ["m1"],
        "overflowAffinities": [{ "affinityName": "more", "clusterNames": ["m2"] }] }],
        "replicaScheduling": {
            "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } });
    story(&["m1 pods=1", "m2 pods=9", "m3 pods=9"], 3, terms).goes("m1=1 m2=2");
}

#[test]
fn when_every_affinity_term_fails_the_first_failure_is_the_answer() {
    let terms = json!({ "clusterAffinities": [
        { "affinityName": "first", "clusterNames": ["m1"] },
        { "affinityName": "second", "clusterNames": ["m2"] },
    ], "replicaScheduling": { "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } });
    let outcome = story(&["m1 no-api", "m2 pods=1"], 3, terms.clone()).run();
    assert!(matches!(outcome.result, Err(Error::Fit { .. })), "{outcome:?}");
    assert_eq!(outcome.affinity, None);
    let outcome = story(&["m1 pods=1", "m2 no-api"], 3, terms).run();
    assert!(matches!(outcome.result, Err(Error::Unschedulable(_))), "{outcome:?}");
}

#[test]
fn unready_clusters_are_kept_out_by_their_taints_only() {
    story(&["m1", "m2 taint=cluster.karmada.io/not-ready:NoSchedule"], 1, json!({})).goes("m1=1");
    let placement = json!({ "clusterTolerations": [
        { "key": "cluster.karmada.io/not-ready", "operator": "Exists", "effect": "NoSchedule" }] });
    story(&["m1", "m2 taint=cluster.karmada.io/not-ready:NoSchedule"], 1, placement).goes("m1=1 m2=1");
}

#[test]
fn locality_is_the_only_score_and_can_be_switched_off() {
    let one =
        json!({ "spreadConstraints": [{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 }] });
    let clusters = ["m1 pods=5", "m2 pods=9"];
    story(&clusters, 1, one.clone()).had("m1=1").goes("m1=1");
    story(&clusters, 1, one)
        .had("m1=1")
        .with(|s| s.features.plugins = Plugins::parse(["*", "-ClusterLocality"]).unwrap())
        .goes("m2=1");
}
