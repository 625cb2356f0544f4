use std::collections::BTreeMap;

use api::Quantity;
use api::cluster::{AllocatableModeling, Cluster, ResourceModel, ResourceModelRange, ResourceSummary};

use crate::{Amount, Assumed, Capacity, Component, Modeling, Request, Totals};

/// `cpu=2 memory=4Gi` as a resource list.
fn list(text: &str) -> BTreeMap<String, Quantity> {
    text.split_whitespace()
        .map(|pair| {
            let (name, quantity) = pair.split_once('=').unwrap();
            (name.to_owned(), Quantity::from(quantity))
        })
        .collect()
}

fn cluster(allocatable: &str, allocated: &str, allocating: &str) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.status.resource_summary = Some(ResourceSummary {
        allocatable: list(allocatable),
        allocated: list(allocated),
        allocating: list(allocating),
        ..ResourceSummary::default()
    });
    cluster
}

fn totals(allocatable: &str, allocated: &str, allocating: &str) -> Capacity {
    Capacity::of(&cluster(allocatable, allocated, allocating))
}

/// A cluster with nodes by grade: lower bounds and how many nodes there are.
fn with_models(mut cluster: Cluster, grades: &[(&str, i64)]) -> Cluster {
    let range = |(name, min)| ResourceModelRange { name, min, ..ResourceModelRange::default() };
    cluster.spec.resource_models = (0..)
        .zip(grades)
        .map(|(grade, (bounds, _))| ResourceModel {
            grade,
            ranges: list(bounds).into_iter().map(range).collect(),
        })
        .collect();
    cluster.status.resource_summary.as_mut().unwrap().allocatable_modelings =
        (0..).zip(grades).map(|(grade, (_, count))| AllocatableModeling { grade, count: *count }).collect();
    cluster
}

/// Plenty of everything in total, and nodes by grade.
fn modelled(grades: &[(&str, i64)]) -> Capacity {
    let plenty = cluster("pods=100000 cpu=100000 memory=1000Ti nvidia.com/gpu=1000", "", "");
    Capacity::of(&with_models(plenty, grades))
}

fn asks(text: &str) -> Request {
    Request::read(&list(text)).unwrap()
}

fn fits(capacity: &Capacity, request: &str) -> i64 {
    capacity.max_replicas(Some(&asks(request)), Modeling::Used)
}

#[test]
fn a_cluster_that_reports_nothing_takes_nothing() {
    assert_eq!(fits(&Capacity::of(&Cluster::default()), "cpu=1"), 0);
    assert_eq!(Capacity::of(&Cluster::default()).max_replicas(None, Modeling::Used), 0);
}

#[test]
fn without_a_request_only_pod_slots_count() {
    let cluster = totals("pods=110 cpu=1", "pods=10", "pods=5");
    assert_eq!(cluster.max_replicas(None, Modeling::Used), 95);
    assert_eq!(fits(&cluster, ""), 95);
    assert_eq!(totals("pods=10", "pods=12", "").max_replicas(None, Modeling::Used), 0);
}

#[test]
fn the_scarcest_resource_decides() {
    let cluster = totals("pods=110 cpu=8 memory=16Gi", "cpu=2 memory=4Gi", "cpu=500m");
    assert_eq!(fits(&cluster, "cpu=1"), 5);
    assert_eq!(fits(&cluster, "cpu=250m memory=2Gi"), 6);
    assert_eq!(fits(&cluster, "cpu=1m"), 95 + 15);
    assert_eq!(fits(&cluster, "cpu=0 memory=0"), 110);
}

#[test]
fn a_resource_the_cluster_lacks_or_has_used_up_fits_nothing() {
    let cluster = totals("pods=110 cpu=8 memory=1Gi", "memory=1Gi", "");
    assert_eq!(fits(&cluster, "nvidia.com/gpu=1"), 0);
    assert_eq!(fits(&cluster, "memory=1"), 0);
    assert_eq!(fits(&totals("pods=10 cpu=1", "cpu=3", ""), "cpu=1"), 0);
}

#[test]
fn fractions_of_whole_units_count_up() {
    let cluster = totals("pods=110 memory=3", "", "");
    assert_eq!(fits(&cluster, "memory=1500m"), 1);
}

#[test]
fn enormous_numbers_saturate() {
    let cluster = totals("pods=9223372036854775807 cpu=9223372036854775807", "", "");
    assert_eq!(fits(&cluster, "cpu=1m"), i64::MAX);
}

#[test]
fn large_replicas_do_not_fit_many_small_nodes() {
    let cluster = modelled(&[("cpu=0 memory=0", 5), ("cpu=1 memory=4Gi", 10), ("cpu=4 memory=16Gi", 2)]);
    assert_eq!(fits(&cluster, "cpu=2"), 4);
    assert_eq!(fits(&cluster, "cpu=1 memory=1Gi"), 10 + 8);
    assert_eq!(cluster.max_replicas(Some(&asks("cpu=2")), Modeling::Ignored), 50_000);
}

#[test]
fn decimal_and_binary_spellings_of_memory_compare_by_value() {
    let cluster = modelled(&[("memory=1Gi", 1)]);
    assert_eq!(fits(&cluster, "memory=500M"), 2);
    assert_eq!(fits(&cluster, "memory=512Mi"), 2);
}

#[test]
fn a_model_that_does_not_mention_a_resource_has_none_of_it() {
    let cluster = modelled(&[("cpu=4", 3)]);
    assert_eq!(fits(&cluster, "nvidia.com/gpu=1"), 0);
}

#[test]
fn a_modelled_node_has_so_many_pod_slots() {
    assert_eq!(fits(&modelled(&[("cpu=1000", 2)]), "cpu=1m"), 220);
}

#[test]
fn unusable_models_leave_the_totals_in_charge() {
    let small = || cluster("pods=10 cpu=4", "", "");
    let broken = with_models(small(), &[("cpu=1", 1), ("cpu=2", -1)]);
    assert_eq!(fits(&Capacity::of(&broken), "cpu=1"), 4);
    let mut uncounted = with_models(small(), &[("cpu=1", 1)]);
    uncounted.status.resource_summary.as_mut().unwrap().allocatable_modelings.clear();
    assert_eq!(fits(&Capacity::of(&uncounted), "cpu=1"), 4);
    let mut unknown = with_models(small(), &[("cpu=1", 1)]);
    unknown.spec.resource_models.clear();
    assert_eq!(fits(&Capacity::of(&unknown), "cpu=1"), 4);
}

#[test]
fn a_request_that_is_no_quantity_is_refused_by_name() {
    let error = Request::read(&list("memory=lots")).unwrap_err();
    assert_eq!(error.to_string(), "the request for memory is not a quantity: \"lots\"");
}

fn set(components: &[(i64, &str)]) -> Vec<Component> {
    components
        .iter()
        .map(|(replicas, request)| Component {
            replicas: *replicas,
            request: asks(request),
            ..Component::default()
        })
        .collect()
}

#[test]
fn sets_count_only_when_complete() {
    let cluster = totals("pods=10 cpu=10 memory=8Gi", "", "");
    let driver_and_workers = set(&[(1, "cpu=1 memory=1Gi"), (2, "cpu=1")]);
    assert_eq!(cluster.max_sets(&driver_and_workers, Modeling::Used), 3);
    assert_eq!(cluster.max_sets(&set(&[(4, "")]), Modeling::Used), 2);
    assert_eq!(cluster.max_sets(&set(&[(0, "cpu=1")]), Modeling::Used), 10);
    assert_eq!(cluster.max_sets(&set(&[(1, "nvidia.com/gpu=1")]), Modeling::Used), 0);
}

#[test]
fn sets_are_packed_on_nodes_first_fit() {
    let cluster = modelled(&[("cpu=2", 1), ("cpu=4", 2)]);
    // Ten cpus on three nodes: 3+1 leaves the 2-cpu node with one place, never for a second 3.
    let sets = set(&[(1, "cpu=3"), (1, "cpu=1")]);
    assert_eq!(cluster.max_sets(&sets, Modeling::Used), 2);
    assert_eq!(cluster.max_sets(&sets, Modeling::Ignored), 25_000);
}

#[test]
fn packing_runs_of_equal_nodes_gives_what_packing_single_nodes_gives() {
    let mut seed: u64 = 0x0dd_ba11;
    let mut next = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    for round in 0..300 {
        let grades: Vec<(String, i64)> =
            (0..1 + next(3)).map(|g| (format!("cpu={}", 1 + 3 * g + next(3)), 1 + next(4) as i64)).collect();
        let components: Vec<(i64, u64)> =
            (0..1 + next(3)).map(|_| (1 + next(4) as i64, 1 + next(4))).collect();
        let runs: Vec<(&str, i64)> = grades.iter().map(|(g, n)| (g.as_str(), *n)).collect();
        let texts: Vec<(i64, String)> =
            components.iter().map(|(n, cpu)| (*n, format!("cpu={cpu}"))).collect();
        let sets = set(&texts.iter().map(|(n, t)| (*n, t.as_str())).collect::<Vec<_>>());
        let mut nodes: Vec<u64> = grades
            .iter()
            .flat_map(|(g, n)| vec![g[4..].parse::<u64>().unwrap(); usize::try_from(*n).unwrap()])
            .collect();
        let expected = one_node_at_a_time(&mut nodes, &components);
        assert_eq!(
            modelled(&runs).max_sets(&sets, Modeling::Used),
            expected,
            "round {round}: {grades:?} {components:?}"
        );
    }
}

/// Sets that fit nodes of `cpu` each, the slow and obvious way.
fn one_node_at_a_time(nodes: &mut [u64], components: &[(i64, u64)]) -> i64 {
    for sets in 0.. {
        for &(replicas, cpu) in components {
            for _ in 0..replicas {
                let Some(node) = nodes.iter_mut().find(|free| **free >= cpu) else { return sets };
                *node -= cpu;
            }
        }
    }
    unreachable!("nodes are finite")
}

#[test]
fn promised_replicas_are_no_longer_available() {
    let assumed = [on_its_way(&[(3, "cpu=1")])];
    let cluster = totals("pods=10 cpu=8", "", "").after(&assumed);
    assert_eq!(fits(&cluster, "cpu=1"), 5);
    assert_eq!(cluster.max_replicas(None, Modeling::Used), 7);
    let cluster = modelled(&[("cpu=4", 1)]).after(&assumed);
    assert_eq!(fits(&cluster, "cpu=1"), 1);
}

fn on_its_way(components: &[(i64, &str)]) -> Assumed {
    Assumed { namespace: "ns".into(), components: set(components) }
}

#[test]
fn an_assumed_workload_takes_from_the_totals_even_what_no_node_has() {
    let cluster = totals("pods=10 cpu=2", "", "").after(&[on_its_way(&[(3, "cpu=1")])]);
    assert_eq!(fits(&cluster, "cpu=1"), 0);
    assert_eq!(cluster.max_replicas(None, Modeling::Used), 7);
    let full = totals("pods=2 cpu=9", "", "").after(&[on_its_way(&[(3, "")])]);
    assert_eq!(full.max_replicas(None, Modeling::Used), 0);
}

#[test]
fn assumed_workloads_are_placed_on_modelled_nodes_in_order_and_each_up_to_where_it_no_longer_fits() {
    let assumed = [on_its_way(&[(2, "cpu=3"), (1, "cpu=1")]), on_its_way(&[(1, "cpu=1")])];
    // One 3 fits, the second does not: the 1 behind it is not tried, but the next workload is.
    assert_eq!(fits(&modelled(&[("cpu=5", 1)]).after(&assumed), "cpu=1"), 1);
    assert_eq!(modelled(&[("cpu=5", 1)]).after(&assumed).max_sets(&set(&[(1, "cpu=1")]), Modeling::Used), 1);
}

#[test]
fn what_is_left_is_exact_until_it_is_counted() {
    // 3 - 1.5 is 1.5, which counts up to 2; each part counted up on its own would leave 1.
    assert_eq!(fits(&totals("pods=110 memory=3", "memory=1500m", ""), "memory=1"), 2);
}

#[test]
fn grades_count_only_where_the_spec_and_the_status_both_have_them() {
    let mut cluster = with_models(cluster("pods=100 cpu=100", "", ""), &[("cpu=1", 1), ("cpu=2", 1)]);
    let counted = &mut cluster.status.resource_summary.as_mut().unwrap().allocatable_modelings;
    counted.push(AllocatableModeling { grade: 7, count: 50 });
    counted.push(AllocatableModeling { grade: 1, count: 2 });
    assert_eq!(fits(&Capacity::of(&cluster), "cpu=1"), 1 + 3 * 2, "counts of one grade add up");
}

#[test]
fn a_modelled_node_without_room_leaves_the_others_in_play() {
    assert_eq!(fits(&modelled(&[("cpu=0", 3), ("cpu=4", 1), ("cpu=0", 2), ("cpu=2", 1)]), "cpu=2"), 3);
}

#[test]
fn modelled_nodes_match_every_node_selector() {
    let mut picky = set(&[(1, "cpu=1")]);
    picky[0].claim.selector.insert("disk".into(), "ssd".into());
    assert_eq!(modelled(&[("cpu=2", 2)]).max_sets(&picky, Modeling::Used), 4);
}

#[test]
fn what_a_cluster_lacks_for_one_replica_is_named() {
    let cluster = totals("pods=10 cpu=2 memory=1Gi", "", "");
    assert_eq!(cluster.lacks(Some(&asks("cpu=3"))), Some(("cpu", Amount(3000), Amount(2000))));
    assert_eq!(
        cluster.lacks(Some(&asks("nvidia.com/gpu=1"))),
        Some(("nvidia.com/gpu", Amount(1), Amount(0)))
    );
    assert_eq!(cluster.lacks(Some(&asks("cpu=2"))), None);
    assert_eq!(totals("pods=1", "pods=1", "").lacks(None), Some(("pods", Amount(1), Amount(0))));
}

#[test]
fn growth_is_more_of_anything() {
    let before = totals("pods=10 cpu=4", "cpu=1", "");
    assert!(!before.has_grown_since(&before));
    assert!(!totals("pods=9 cpu=4", "cpu=2", "").has_grown_since(&before));
    assert!(totals("pods=9 cpu=4", "", "").has_grown_since(&before));
    assert!(totals("pods=10 cpu=3 memory=1", "", "").has_grown_since(&before));
    assert!(totals("pods=11 cpu=3", "", "").has_grown_since(&before));
}

#[test]
fn a_sum_of_assumed_workloads_says_what_the_workloads_say_and_can_be_taken_back() {
    let workloads = [
        on_its_way(&[(3, "cpu=1 memory=1Gi"), (0, "cpu=9")]),
        on_its_way(&[(2, "")]),
        on_its_way(&[(1, "nvidia.com/gpu=1 cpu=250m")]),
    ];
    let cluster = totals("pods=10 cpu=4 memory=2Gi", "cpu=500m", "");
    let mut sum = Totals::default();
    for workload in &workloads {
        sum.add(workload);
    }
    assert_eq!(cluster.after_totals(&sum), cluster.after(&workloads));
    sum.remove(&workloads[0]);
    assert_eq!(cluster.after_totals(&sum), cluster.after(&workloads[1..]));
    for workload in &workloads[1..] {
        sum.remove(workload);
    }
    assert_eq!(cluster.after_totals(&sum), cluster);
}
