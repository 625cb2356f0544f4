use machinery::{Object, ObjectKey};
use serde_json::{Value, json};

use super::Nodes;
use crate::{Assumed, Component, NO_LIMIT, Request};

/// `cpu=2 memory=4Gi` as a resource list.
fn list(text: &str) -> Value {
    let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    Value::Object(pairs.map(|(name, amount)| (name.to_owned(), json!(amount))).collect())
}

fn node(name: &str, allocatable: &str) -> Object {
    let mut node = Object::new("v1", "Node", "", name);
    node.set("/status/allocatable", list(allocatable));
    node.set_label("zone", name);
    node
}

fn pod(name: &str, node: &str, requests: &str) -> Object {
    let mut pod = Object::new("v1", "Pod", "ns", name);
    pod.set("/spec/nodeName", node);
    pod.set("/spec/containers", json!([{ "resources": { "requests": list(requests) } }]));
    pod
}

fn cluster(nodes: &[(&str, &str)], pods: &[(&str, &str)]) -> Nodes {
    let mut cluster = Nodes::default();
    for (name, allocatable) in nodes {
        cluster.set_node(&node(name, allocatable));
    }
    for (at, (node, requests)) in pods.iter().enumerate() {
        cluster.set_pod(&pod(&format!("p{at}"), node, requests));
    }
    cluster
}

fn component(replicas: i64, request: &str) -> Component {
    let request = Request::read(&serde_json::from_value(list(request)).unwrap()).unwrap();
    Component { replicas, request, ..Component::default() }
}

fn fits(cluster: &Nodes, request: &str) -> i64 {
    cluster.max_replicas(&component(1, request), &[])
}

#[test]
fn a_cluster_without_nodes_takes_nothing() {
    assert!(Nodes::default().is_empty());
    assert_eq!(fits(&Nodes::default(), "cpu=1"), 0);
    assert_eq!(Nodes::default().max_sets(&[component(1, "cpu=1")], &[]), 0);
}

#[test]
fn each_node_counts_for_what_its_pods_leave_and_the_nodes_add_up() {
    let cluster = cluster(
        &[("n1", "cpu=4 memory=8Gi pods=10"), ("n2", "cpu=2 memory=8Gi pods=10")],
        &[("n1", "cpu=1500m memory=1Gi"), ("n2", "cpu=500m")],
    );
    assert_eq!(fits(&cluster, "cpu=1"), 2 + 1, "fractions of different nodes do not add up");
    assert_eq!(fits(&cluster, "cpu=1m memory=3Gi"), 2 + 2);
}

#[test]
fn free_pod_slots_bound_what_a_node_takes() {
    let cluster = cluster(&[("n1", "cpu=100 pods=3"), ("n2", "cpu=100 pods=1")], &[("n1", ""), ("n2", "")]);
    assert_eq!(fits(&cluster, "cpu=1m"), 2);
    assert_eq!(fits(&cluster, ""), 2);
}

#[test]
fn an_overfull_node_takes_nothing_from_the_others() {
    let cluster = cluster(&[("n1", "cpu=1 pods=1"), ("n2", "cpu=1 pods=9")], &[("n1", "cpu=9"), ("n1", "")]);
    assert_eq!(fits(&cluster, "cpu=1"), 1);
    assert_eq!(fits(&cluster, ""), 9);
}

#[test]
fn extended_resources_count_like_any_other() {
    let cluster = cluster(&[("n1", "cpu=8 nvidia.com/gpu=2 pods=9"), ("n2", "cpu=8 pods=9")], &[]);
    assert_eq!(fits(&cluster, "nvidia.com/gpu=1"), 2);
    assert_eq!(fits(&cluster, "example.com/fpga=1"), 0);
    assert_eq!(fits(&cluster, "cpu=1 pods=7"), 16, "slots are not asked for by name");
}

#[test]
fn only_nodes_that_suit_the_pods_count() {
    let mut cluster = cluster(&[("n1", "cpu=4 pods=9"), ("n2", "cpu=4 pods=9")], &[]);
    let mut tainted = node("n3", "cpu=4 pods=9");
    tainted.set("/spec/taints", json!([{ "key": "k", "effect": "NoSchedule" }]));
    cluster.set_node(&tainted);
    let mut cordoned = node("n4", "cpu=4 pods=9");
    cordoned.set("/spec/unschedulable", true);
    cluster.set_node(&cordoned);
    assert_eq!(cluster.len(), 4);
    assert_eq!(fits(&cluster, "cpu=1"), 8);
    let mut replica = component(1, "cpu=1");
    replica.claim.selector.insert("zone".into(), "n2".into());
    assert_eq!(cluster.max_replicas(&replica, &[]), 4);
    assert_eq!(cluster.max_sets(&[replica], &[]), 4);
}

#[test]
fn pods_that_have_finished_or_wait_for_a_node_hold_no_place() {
    let mut cluster = cluster(&[("n1", "cpu=4 pods=9")], &[("n1", "cpu=3"), ("", "cpu=3")]);
    assert_eq!(fits(&cluster, "cpu=1"), 1);
    let mut finished = pod("p0", "n1", "cpu=3");
    finished.set("/status/phase", "Succeeded");
    cluster.set_pod(&finished);
    assert_eq!(fits(&cluster, "cpu=1"), 4);
}

#[test]
fn the_snapshot_follows_changes_in_any_order() {
    let mut cluster = Nodes::default();
    cluster.set_pod(&pod("early", "n1", "cpu=1"));
    cluster.set_node(&node("n1", "cpu=4 pods=9"));
    assert_eq!(fits(&cluster, "cpu=1"), 3);
    cluster.set_pod(&pod("early", "n1", "cpu=2"));
    assert_eq!(fits(&cluster, "cpu=1"), 2);
    cluster.remove_node("n1");
    assert_eq!(fits(&cluster, "cpu=1"), 0);
    cluster.set_node(&node("n1", "cpu=5 pods=9"));
    assert_eq!(fits(&cluster, "cpu=1"), 3);
    cluster.remove_pod(&ObjectKey::new("ns", "early"));
    cluster.remove_pod(&ObjectKey::new("ns", "never-there"));
    assert_eq!(fits(&cluster, "cpu=1"), 5);
}

#[test]
fn a_pod_holds_the_most_it_needs_at_one_time() {
    let mut cluster = cluster(&[("n1", "cpu=10 pods=9")], &[]);
    let mut starting = pod("p", "n1", "cpu=1");
    starting.set(
        "/spec/initContainers",
        json!([
            { "restartPolicy": "Always", "resources": { "requests": { "cpu": "2" } } },
            { "resources": { "requests": { "cpu": "4" } } },
        ]),
    );
    starting.set("/spec/overhead", json!({ "cpu": "500m" }));
    cluster.set_pod(&starting);
    // Sidecar 2 + init 4 are more than sidecar 2 + container 1; overhead comes on top.
    assert_eq!(fits(&cluster, "cpu=500m"), 7);
    starting.set("/spec/resources", json!({ "requests": { "cpu": "8" } }));
    cluster.set_pod(&starting);
    assert_eq!(fits(&cluster, "cpu=500m"), 3);
}

#[test]
fn component_sets_are_packed_first_fit_and_only_complete_ones_count() {
    let two = cluster(&[("n1", "cpu=6 pods=9"), ("n2", "cpu=6 pods=9")], &[]);
    // Two of 3 fill n1, the 2 goes to n2 and leaves 4 there: not enough for two more of 3.
    assert_eq!(two.max_sets(&[component(2, "cpu=3"), component(1, "cpu=2")], &[]), 1);
    let one = cluster(&[("n1", "cpu=4 pods=10")], &[]);
    assert_eq!(one.max_sets(&[component(2, "cpu=1")], &[]), 2);
    assert_eq!(one.max_sets(&[component(1, "cpu=5")], &[]), 0);
    assert_eq!(one.max_sets(&[], &[]), NO_LIMIT, "no components, no opinion");
    assert_eq!(one.max_sets(&[component(0, "cpu=5")], &[]), NO_LIMIT, "no replicas, no need");
}

#[test]
fn assumed_workloads_are_placed_before_counting() {
    let cluster = cluster(&[("n1", "cpu=4 pods=9"), ("n2", "cpu=4 pods=9")], &[]);
    let assumed = [Assumed {
        namespace: "elsewhere".into(),
        components: vec![component(3, "cpu=1"), component(1, "cpu=2")],
    }];
    // Three go to n1, the 2 goes to n2.
    assert_eq!(cluster.max_replicas(&component(1, "cpu=2"), &assumed), 1);
    assert_eq!(cluster.max_sets(&[component(1, "cpu=1")], &assumed), 3);
    assert_eq!(fits(&cluster, "cpu=2"), 4, "and the snapshot is as it was");
}

#[test]
fn counting_replicas_and_packing_sets_of_one_replica_give_the_same() {
    let mut seed: u64 = 7;
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for round in 0..200 {
        let mut cluster = Nodes::default();
        for at in 0..1 + next(6) {
            let text = format!("cpu={} memory={} pods={}", next(9), next(9), next(5));
            cluster.set_node(&node(&format!("n{at}"), &text));
        }
        let request = format!("cpu={}m memory={}", 300 * (1 + next(5)), next(3));
        assert_eq!(
            fits(&cluster, &request),
            cluster.max_sets(&[component(1, &request)], &[]),
            "round {round}: {request} {cluster:?}"
        );
    }
}
