//! Stories: a binding as it stands, and what is written.

use api::Quantity;
use api::cluster::{ApiEnablement, ApiResource, Cluster, ResourceSummary};
use api::meta::{Time, condition};
use api::names::{annotations, conditions};
use api::work::Binding;
use machinery::Object;
use scheduling::{Features, Reason, Snapshot};
use serde_json::{Value, json};

use super::{Decision, Settlement, World, decide, questions};
use crate::queue::Verdict;

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Time {
    NOW.parse().unwrap()
}

fn cluster(name: &str, pods: &str) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.metadata.name = name.into();
    cluster.status.api_enablements = vec![ApiEnablement {
        group_version: "apps/v1".into(),
        resources: vec![ApiResource { name: "deployments".into(), kind: "Deployment".into() }],
    }];
    cluster.status.resource_summary = Some(ResourceSummary {
        allocatable: [("pods".to_owned(), Quantity::from(pods))].into(),
        ..ResourceSummary::default()
    });
    cluster
}

fn divided() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" } })
}

/// A binding in a world, and what is done about it.
struct Story {
    clusters: Vec<Cluster>,
    object: Object,
}

fn story(placement: Value, replicas: i64) -> Story {
    let mut object = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "ns", "web-deployment");
    object.set("/metadata/generation", 4);
    object.set("/metadata/resourceVersion", "77");
    object.set("/spec/resource", json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }));
    object.set("/spec/placement", placement);
    object.set("/spec/replicas", replicas);
    Story { clusters: vec![cluster("m1", "10"), cluster("m2", "5")], object }
}

impl Story {
    fn set(mut self, pointer: &str, value: Value) -> Self {
        self.object.set(pointer, value);
        self
    }

    fn clusters(mut self, clusters: &[(&str, &str)]) -> Self {
        self.clusters = clusters.iter().map(|(name, pods)| cluster(name, pods)).collect();
        self
    }

    /// The result and the status of a success have been written.
    fn after(mut self) -> Self {
        let (decision, binding) = self.decide();
        if let Some(patch) = &decision.patch {
            merge(self.object.value_mut(), patch);
        }
        let binding = if decision.patch.is_some() { self.binding() } else { binding };
        if let Some(patch) = decision.status_patch(&binding, now()) {
            merge(self.object.value_mut(), &patch);
        }
        self
    }

    fn binding(&self) -> Binding {
        Binding::from_object(&self.object).unwrap()
    }

    fn decide(&self) -> (Decision, Binding) {
        let snapshot: Snapshot = self.clusters.iter().cloned().collect();
        let binding = self.binding();
        (decide(&binding, &World::of(&snapshot, Features::default())).unwrap(), binding)
    }

    /// What is written, as the fields of both patches.
    fn writes(&self) -> (Option<Value>, Option<Value>) {
        let (decision, binding) = self.decide();
        (decision.patch.clone(), decision.status_patch(&binding, now()))
    }

    fn clusters_written(&self) -> String {
        let clusters = self.object.at("/spec/clusters").cloned().unwrap_or(json!("none"));
        clusters.to_string()
    }

    fn message(&self) -> String {
        let binding = self.binding();
        condition(&binding.status.conditions, conditions::SCHEDULED).unwrap().message.clone()
    }

    fn scheduled(&self) -> (String, String) {
        let binding = self.binding();
        let condition = condition(&binding.status.conditions, conditions::SCHEDULED).unwrap();
        (condition.status.clone(), condition.reason.clone())
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(fields), Some(target)) = (patch, target.as_object_mut()) else { unreachable!() };
    for (key, value) in fields {
        match value {
            Value::Null => drop(target.remove(key)),
            Value::Object(_) => {
                let child = target.entry(key.clone()).or_insert_with(|| json!({}));
                merge(child, value);
            }
            _ => drop(target.insert(key.clone(), value.clone())),
        }
    }
}

#[test]
fn the_first_result_is_written_with_the_placement_it_came_from() {
    let (patch, status) = story(divided(), 3).writes();
    let patch = patch.unwrap();
    assert_eq!(patch["spec"], json!({ "clusters": [{ "name": "m1", "replicas": 3 }] }));
    assert_eq!(patch["metadata"]["resourceVersion"], "77");
    let applied = patch["metadata"]["annotations"][annotations::APPLIED_PLACEMENT].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(applied).unwrap(), divided());
    let mut status = status.unwrap()["status"].clone();
    let message = status["conditions"][0].as_object_mut().unwrap().remove("message").unwrap();
    assert!(message.as_str().unwrap().starts_with("Binding has been scheduled successfully."), "{message}");
    assert_eq!(
        status,
        json!({
            "conditions": [{
                "type": "Scheduled", "status": "True", "reason": "Success", "lastTransitionTime": NOW,
            }],
            "schedulerObservedGeneration": 4,
            "lastScheduledTime": NOW,
        })
    );
}

#[test]
fn the_condition_says_in_short_how_the_result_came_about() {
    let settled = story(json!({}), 3).after();
    let message = settled.message();
    let Some(short) = message.strip_prefix("Binding has been scheduled successfully. ") else {
        panic!("upstream's sentence comes first: {message}");
    };
    assert!(short.contains("m1") && short.contains("m2"), "{short}");
    let fuller =
        settled.clusters(&[("m1", "4"), ("m2", "9"), ("m9", "0")]).set("/metadata/generation", json!(5));
    let (decision, binding) = fuller.decide();
    if decision.patch.is_none() {
        let status = decision.status_patch(&binding, now()).unwrap();
        assert_eq!(status["status"], json!({ "schedulerObservedGeneration": 5 }), "told once");
    }
    assert!(fuller.after().message().starts_with("Binding has been scheduled successfully. "));
}

#[test]
fn a_failure_says_what_would_help_and_when_it_is_tried_again() {
    let message = |story: Story| story.after().message();
    let nowhere = message(story(json!({ "clusterAffinity": { "clusterNames": ["m9"] } }), 3));
    let upstream =
        "0/2 clusters are available: 2 cluster(s) did not match the placement cluster affinity constraint.";
    assert!(
        nowhere.starts_with(&format!("{upstream} Hint: only ClusterAffinity keeps out m1, m2: ")),
        "{nowhere}"
    );
    assert!(nowhere.ends_with(". It is tried again when a cluster comes or changes."), "{nowhere}");
    let full = message(story(divided(), 99));
    assert!(
        full.contains("Clusters available replicas 15 are not enough to schedule. Hint: 84 replicas short"),
        "{full}"
    );
    assert!(
        full.ends_with(". It is tried again when a cluster reports more room, or after 5 minutes."),
        "{full}"
    );
    let no_api = message(story(json!({}), 3).set("/spec/resource/kind", json!("StatefulSet")));
    assert!(
        no_api.contains("only APIEnablement keeps out m1, m2: the cluster must serve apps/v1 StatefulSet."),
        "{no_api}"
    );
    let bad =
        message(story(json!({ "spreadConstraints": [{ "spreadByField": "cluster", "minGroups": 9 }] }), 3));
    assert!(bad.contains(" Hint: 7 cluster groups short: minGroups is 9, there are 2."), "{bad}");
    assert!(bad.ends_with(" It is tried again within 10 seconds."), "{bad}");
}

#[test]
fn a_settled_world_needs_no_write() {
    for placement in [divided(), json!({}), json!({ "clusterAffinities": [{ "affinityName": "a" }] })] {
        for replicas in [0, 3] {
            let settled = story(placement.clone(), replicas).after();
            assert_eq!(settled.writes(), (None, None), "{placement} {replicas}");
        }
    }
}

#[test]
fn fuller_clusters_do_not_reorder_a_result() {
    let settled = story(json!({}), 3).after();
    assert_eq!(settled.clusters_written(), r#"[{"name":"m1","replicas":3},{"name":"m2","replicas":3}]"#);
    let moved = settled.clusters(&[("m1", "1"), ("m2", "50")]);
    assert_eq!(moved.writes(), (None, None));
}

#[test]
fn a_generation_that_changes_nothing_is_only_noted() {
    let settled = story(divided(), 3).after().set("/metadata/generation", json!(5));
    let (patch, status) = settled.writes();
    assert_eq!(patch, None);
    assert_eq!(status.unwrap()["status"], json!({ "schedulerObservedGeneration": 5 }));
}

#[test]
fn growing_writes_the_clusters_only() {
    let (patch, _) = story(divided(), 3).after().set("/spec/replicas", json!(4)).writes();
    let patch = patch.unwrap();
    assert_eq!(patch["spec"], json!({ "clusters": [{ "name": "m1", "replicas": 4 }] }));
    assert_eq!(patch["metadata"].get("annotations"), None);
}

#[test]
fn a_crash_between_the_two_writes_is_made_good() {
    let mut crashed = story(divided(), 3);
    let (decision, _) = crashed.decide();
    merge(crashed.object.value_mut(), &decision.patch.unwrap());
    let (decision, _) = crashed.decide();
    assert_eq!((decision.reason, &decision.patch), (None, &None));
    let healed = crashed.after();
    assert_eq!(healed.scheduled(), ("True".to_owned(), "Success".to_owned()));
    assert_eq!(healed.object.str_at("/status/lastScheduledTime"), Some(NOW));
    assert_eq!(healed.writes(), (None, None));
}

#[test]
fn when_nothing_fits_the_result_is_withdrawn_and_not_tried_again() {
    let settled = story(divided(), 3).after();
    let nowhere = settled.set("/spec/placement/clusterAffinity", json!({ "clusterNames": ["m9"] }));
    let (decision, _) = nowhere.decide();
    assert_eq!(decision.patch.as_ref().unwrap()["spec"], json!({ "clusters": null }));
    assert_eq!(decision.settlement.verdict(), Verdict::Unfit);
    let withdrawn = nowhere.after();
    assert_eq!(withdrawn.clusters_written(), r#""none""#);
    assert_eq!(withdrawn.scheduled(), ("False".to_owned(), "NoClusterFit".to_owned()));
    assert_eq!(withdrawn.writes(), (None, None));
}

#[test]
fn when_no_term_fits_it_is_tried_again() {
    let terms = json!({ "clusterAffinities": [{ "affinityName": "a", "clusterNames": ["m9"] }] });
    let (decision, _) = story(terms, 3).decide();
    assert!(matches!(decision.settlement, Settlement::NoClusterFit { try_again: true, .. }));
    assert_eq!(decision.settlement.verdict(), Verdict::Retry);
    assert_eq!(decision.affinity, None);
}

#[test]
fn when_no_term_fits_the_clusters_go_and_the_term_in_use_stays() {
    let terms = |names: [&str; 2]| json!([{ "affinityName": "a", "clusterNames": [names[0]] }, { "affinityName": "b", "clusterNames": [names[1]] }]);
    let settled = story(json!({ "clusterAffinities": terms(["m9", "m2"]) }), 3).after();
    assert_eq!(settled.object.str_at("/status/schedulerObservingAffinityName"), Some("b"));
    let nowhere = settled.set("/spec/placement/clusterAffinities", terms(["m8", "m9"])).after();
    assert_eq!(nowhere.clusters_written(), r#""none""#);
    assert_eq!(nowhere.object.str_at("/status/schedulerObservingAffinityName"), Some("b"));
    assert_eq!(nowhere.scheduled().1, "NoClusterFit");
}

#[test]
fn every_outcome_has_its_reason_and_its_place_in_the_queue() {
    let unfit = |try_again| Settlement::NoClusterFit { text: "no".to_owned(), try_again };
    let no = || "no".to_owned();
    for (settlement, words, verdict) in [
        (Settlement::Scheduled, ("True", "Success"), Verdict::Settled),
        (unfit(false), ("False", "NoClusterFit"), Verdict::Unfit),
        (unfit(true), ("False", "NoClusterFit"), Verdict::Retry),
        (Settlement::Unschedulable(no()), ("False", "Unschedulable"), Verdict::Unschedulable),
        (Settlement::QuotaExceeded(no()), ("False", "QuotaExceeded"), Verdict::Retry),
        (Settlement::Failed(no()), ("False", "SchedulerError"), Verdict::Retry),
    ] {
        assert_eq!((settlement.words(), settlement.verdict()), (words, verdict), "{settlement:?}");
    }
}

#[test]
fn spread_constraints_that_cannot_be_met_leave_what_is_there() {
    let settled = story(divided(), 3).after();
    let constraints = json!([{ "spreadByField": "cluster", "minGroups": 9, "maxGroups": 9 }]);
    let failed = settled.set("/spec/placement/spreadConstraints", constraints).after();
    assert_eq!(failed.clusters_written(), r#"[{"name":"m1","replicas":3}]"#);
    assert_eq!(failed.scheduled(), ("False".to_owned(), "SchedulerError".to_owned()));
    assert_eq!(failed.decide().0.settlement.verdict(), Verdict::Retry);
}

#[test]
fn the_smallest_of_both_estimates_counts_and_no_answer_is_no_opinion() {
    let told = story(divided(), 6);
    let snapshot: Snapshot = told.clusters.iter().cloned().collect();
    let binding = told.binding();
    let with = |m1: Option<i64>, m2: Option<i64>| {
        let estimate =
            move |member: &scheduling::Member| if member.name().as_ref() == "m1" { m1 } else { m2 };
        let world = World { estimate: Some(&estimate), ..World::of(&snapshot, Features::default()) };
        let decision = decide(&binding, &world).unwrap();
        let clusters = decision.clusters().unwrap_or_default().iter();
        clusters.map(|c| format!("{} {}", c.name, c.replicas)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(with(None, None), "m1 6");
    assert_eq!(with(Some(2), Some(99)), "m1 2, m2 4");
    assert_eq!(with(Some(2), None), "m1 2, m2 4");
    assert_eq!(with(Some(-1), None), "m1 6");
}

#[test]
fn estimators_are_asked_only_about_a_binding_that_is_to_be_placed() {
    let told = story(divided(), 6);
    let snapshot: Snapshot = told.clusters.iter().cloned().collect();
    let world = World::of(&snapshot, Features::default());
    let wanted = questions(&told.binding(), &world).unwrap();
    let names: Vec<&str> = wanted.clusters.iter().map(|member| member.name().as_ref()).collect();
    assert_eq!(names, ["m1", "m2"]);
    assert!(questions(&told.after().binding(), &world).is_none(), "its result stands");
}

#[test]
fn without_room_what_is_there_stays() {
    let settled = story(divided(), 3).after().set("/spec/replicas", json!(99));
    let (decision, _) = settled.decide();
    assert_eq!(decision.patch, None);
    assert_eq!(decision.settlement.verdict(), Verdict::Unschedulable);
    assert_eq!(decision.reason, Some(Reason::ReplicasChanged));
    let stuck = settled.after();
    assert_eq!(stuck.scheduled(), ("False".to_owned(), "Unschedulable".to_owned()));
    assert_eq!(stuck.object.i64_at("/status/schedulerObservedGeneration"), Some(4));
    assert_eq!(stuck.writes(), (None, None));
    let relieved = stuck.set("/spec/replicas", json!(3)).after();
    assert_eq!(relieved.scheduled(), ("True".to_owned(), "Success".to_owned()), "it stands again");
}

#[test]
fn the_term_that_worked_is_remembered() {
    let terms = json!({ "clusterAffinities": [
        { "affinityName": "a", "clusterNames": ["m9"] },
        { "affinityName": "b", "clusterNames": ["m2"] },
    ] });
    let settled = story(terms, 3).after();
    assert_eq!(settled.object.str_at("/status/schedulerObservingAffinityName"), Some("b"));
    assert_eq!(settled.clusters_written(), r#"[{"name":"m2","replicas":3}]"#);
}

#[test]
fn a_fresh_start_is_answered_once_even_when_the_clocks_differ() {
    let early = "2026-03-01T11:00:00Z";
    let late = "2026-03-01T12:00:07Z";
    for (asked, answered) in [(early, NOW), (late, late)] {
        let settled = story(divided(), 3)
            .after()
            .set("/status/lastScheduledTime", json!("2026-03-01T10:00:00Z"))
            .set("/spec/rescheduleTriggeredAt", json!(asked));
        assert_eq!(settled.decide().0.reason, Some(Reason::RescheduleTriggered));
        let (patch, status) = settled.writes();
        assert_eq!(patch, None, "the same clusters are the best");
        assert_eq!(status.unwrap()["status"], json!({ "lastScheduledTime": answered }));
        assert_eq!(settled.after().writes(), (None, None));
    }
}

#[test]
fn conditions_of_others_stay() {
    let other = json!({
        "type": "FullyApplied", "status": "True", "reason": "FullyAppliedSuccess", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let (_, status) = story(divided(), 3).set("/status/conditions", json!([other])).writes();
    let status = status.unwrap();
    assert_eq!(status["status"]["conditions"][0], other);
    assert_eq!(status["status"]["conditions"][1]["type"], "Scheduled");
    assert_eq!(status["metadata"]["resourceVersion"], "77");
}

#[test]
fn a_placement_annotation_that_cannot_be_read_is_replaced() {
    let broken = story(divided(), 3)
        .after()
        .set("/metadata/annotations", json!({ annotations::APPLIED_PLACEMENT: "{" }));
    let (patch, _) = broken.writes();
    let patch = patch.unwrap();
    assert_eq!(patch.get("spec"), None);
    assert_eq!(broken.after().writes(), (None, None));
    assert!(patch["metadata"]["annotations"][annotations::APPLIED_PLACEMENT].is_string());
}

#[test]
fn without_placement_nothing_is_decided() {
    let snapshot = Snapshot::default();
    let world = World::of(&snapshot, Features::default());
    let mut binding = story(divided(), 3).binding();
    binding.spec.placement = None;
    assert_eq!(decide(&binding, &world), None);
}

#[test]
fn a_refused_result_says_why() {
    let (decision, binding) = story(divided(), 3).decide();
    let refused = decision.refused(Settlement::QuotaExceeded("limit 2".to_owned()));
    assert_eq!(refused.settlement.verdict(), Verdict::Retry);
    let status = refused.status_patch(&binding, now()).unwrap();
    assert_eq!(status["status"]["conditions"][0]["reason"], "QuotaExceeded");
    assert_eq!(status["status"].get("lastScheduledTime"), None);
    assert_eq!(
        refused.message().as_deref(),
        Some("limit 2. It is tried again until the quota has room: raise it, or free some of it.")
    );
}

#[test]
fn the_message_names_the_clusters() {
    let (decision, _) = story(json!({}), 3).decide();
    let message = decision.message().unwrap();
    assert!(
        message.starts_with("Binding has been scheduled successfully. Result: {m1:3, m2:3}"),
        "{message}"
    );
    let settled = story(json!({}), 3).after();
    assert_eq!(settled.decide().0.message(), None, "nothing new, nothing to tell");
}

#[test]
fn whatever_was_decided_the_second_look_writes_nothing() {
    let divided_by = |preference: &str, weights: Value| {
        json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": preference,
            "weightPreference": weights })
    };
    let strategies = [
        Value::Null,
        json!({ "replicaSchedulingType": "Duplicated" }),
        json!({ "replicaSchedulingType": "Divided" }),
        divided_by("Aggregated", Value::Null),
        divided_by("Weighted", Value::Null),
        divided_by("Weighted", json!({ "dynamicWeight": "AvailableReplicas" })),
    ];
    let affinities = [
        json!({}),
        json!({ "clusterAffinity": { "clusterNames": ["m2"] } }),
        json!({ "clusterAffinity": { "clusterNames": ["m9"] } }),
        json!({ "clusterAffinities": [
            { "affinityName": "a", "clusterNames": ["m1"] }, { "affinityName": "b", "clusterNames": ["m2"] }] }),
        json!({ "spreadConstraints": [{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 1 }] }),
    ];
    for strategy in &strategies {
        for affinity in &affinities {
            for replicas in [0, 1, 4, 7, 99] {
                let mut placement = affinity.clone();
                placement["replicaScheduling"] = strategy.clone();
                let first = story(placement.clone(), replicas).clusters(&[("m1", "3"), ("m2", "5")]).after();
                assert_eq!(first.writes(), (None, None), "{replicas} {placement}");
                let grown = first.set("/spec/replicas", json!(replicas + 1)).after();
                assert_eq!(grown.writes(), (None, None), "{replicas} + 1 {placement}");
            }
        }
    }
}
