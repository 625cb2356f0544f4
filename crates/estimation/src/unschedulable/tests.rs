use jiff::{SignedDuration, Timestamp};
use machinery::Object;
use serde_json::json;

use super::unschedulable_replicas;

fn deployment(image: &str) -> Object {
    let mut deployment = Object::new("apps/v1", "Deployment", "ns", "web");
    deployment.set("/metadata/uid", "web-uid");
    deployment.set(
        "/spec/template",
        json!({
            "metadata": { "creationTimestamp": null, "labels": { "app": "web" } },
            "spec": { "containers": [{ "image": image, "resources": {} }] },
        }),
    );
    deployment
}

fn replica_set(name: &str, image: &str, created: &str) -> Object {
    let mut set = Object::new("apps/v1", "ReplicaSet", "ns", name);
    set.set("/metadata/uid", format!("{name}-uid"));
    set.set("/metadata/creationTimestamp", created);
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web-uid",
        "controller": true }]);
    set.set("/metadata/ownerReferences", owner);
    set.set(
        "/spec/template",
        json!({
            "metadata": { "labels": { "app": "web", "pod-template-hash": name } },
            "spec": { "containers": [{ "image": image }] },
        }),
    );
    set
}

/// A pod of a set that has been waiting since the given second, for the given reason.
fn pod(set: &str, reason: &str, since: i64) -> Object {
    let mut pod = Object::new("v1", "Pod", "ns", &format!("{set}-{reason}-{since}"));
    let owner = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": format!("{set}-uid"),
        "controller": true }]);
    pod.set("/metadata/ownerReferences", owner);
    let since = Timestamp::from_second(since).unwrap().to_string();
    pod.set(
        "/status/conditions",
        json!([
            { "type": "Ready", "status": "False" },
            { "type": "PodScheduled", "status": "False", "reason": reason, "lastTransitionTime": since },
        ]),
    );
    pod
}

fn count(sets: &[Object], pods: &[Object], threshold_secs: i64) -> i64 {
    let now = Timestamp::from_second(1_000).unwrap();
    let threshold = SignedDuration::from_secs(threshold_secs);
    unschedulable_replicas(&deployment("v2"), sets, pods, threshold, now).unwrap()
}

#[test]
fn pods_count_when_they_have_been_unschedulable_for_longer_than_the_threshold() {
    let sets = [replica_set("new", "v2", "2026-01-02T00:00:00Z")];
    let pods = [
        pod("new", "Unschedulable", 600),
        pod("new", "Unschedulable", 700),
        pod("new", "Unschedulable", 900),
        pod("new", "SchedulingGated", 100),
    ];
    assert_eq!(count(&sets, &pods, 300), 1, "exactly as old as the threshold is not older");
    assert_eq!(count(&sets, &pods, 0), 3);
    assert_eq!(count(&sets, &pods, -60), 3, "a negative threshold is none");
}

#[test]
fn only_pods_of_the_current_template_count() {
    let sets = [
        replica_set("old", "v1", "2026-01-01T00:00:00Z"),
        replica_set("new", "v2", "2026-01-02T00:00:00Z"),
        replica_set("twin", "v2", "2026-01-03T00:00:00Z"),
    ];
    let pods =
        [pod("old", "Unschedulable", 0), pod("new", "Unschedulable", 0), pod("twin", "Unschedulable", 0)];
    assert_eq!(count(&sets, &pods, 60), 1);
    assert_eq!(count(&sets[..1], &pods, 60), 0, "the current set is not there yet");
}

#[test]
fn sets_and_pods_of_others_are_not_counted() {
    let mut foreign = replica_set("foreign", "v2", "2026-01-01T00:00:00Z");
    foreign.remove("/metadata/ownerReferences");
    assert_eq!(count(&[foreign], &[pod("foreign", "Unschedulable", 0)], 60), 0);
    let mut orphan = pod("new", "Unschedulable", 0);
    orphan.remove("/metadata/ownerReferences");
    assert_eq!(count(&[replica_set("new", "v2", "2026-01-02T00:00:00Z")], &[orphan], 60), 0);
}

#[test]
fn a_kind_whose_pods_are_not_known_is_an_error() {
    let job = Object::new("batch/v1", "Job", "ns", "job");
    let none: [Object; 0] = [];
    let error = unschedulable_replicas(&job, &none, &none, SignedDuration::ZERO, Timestamp::UNIX_EPOCH);
    assert_eq!(error.unwrap_err().to_string(), "kind(Job) of workload(ns/job) is not supported");
}
