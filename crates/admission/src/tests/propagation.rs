//! PropagationPolicy and ClusterPropagationPolicy.

use machinery::Object;
use serde_json::{Value, json};

use super::{check, mutated, object, update_refusal};
use crate::Operation::{Create, Update};

fn deployments() -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }])
}

/// A policy as admission leaves it, with more fields in its spec.
fn policy(more: Value) -> Object {
    let mut policy = object(
        "policy.karmada.io/v1alpha1",
        "PropagationPolicy",
        json!({
            "metadata": { "labels": { "propagationpolicy.karmada.io/permanent-id": "id-1" } },
            "spec": { "resourceSelectors": deployments() },
        }),
    );
    for (key, value) in more.as_object().unwrap() {
        policy.set(&format!("/spec/{key}"), value.clone());
    }
    policy
}

fn placed(placement: Value) -> Object {
    policy(json!({ "placement": placement }))
}

#[test]
fn a_new_policy_gets_an_id_and_a_finalizer() {
    let new = mutated(Create, &policy(json!({})));
    assert_eq!(new.label("propagationpolicy.karmada.io/permanent-id"), Some("id-1"));
    assert!(new.has_finalizer("karmada.io/propagation-policy-controller"));
    let mut cluster = policy(json!({}));
    cluster.set("/kind", "ClusterPropagationPolicy");
    let new = mutated(Create, &cluster);
    assert_eq!(new.label("clusterpropagationpolicy.karmada.io/permanent-id"), Some("id-1"));
    assert!(new.has_finalizer("karmada.io/cluster-propagation-policy-controller"));
    let changed = mutated(Update, &cluster);
    assert_eq!(changed, cluster, "a stored policy keeps what it has");
}

#[test]
fn selectors_of_a_namespaced_policy_get_its_namespace() {
    let namespace = "/spec/resourceSelectors/0/namespace";
    assert_eq!(mutated(Update, &policy(json!({}))).str_at(namespace), Some("default"));
    let mut cluster = policy(json!({}));
    cluster.set("/kind", "ClusterPropagationPolicy");
    assert_eq!(mutated(Update, &cluster).str_at(namespace), None);
}

/// What stands at a place after an update of a policy with these fields.
fn filled(more: Value, pointer: &str) -> Value {
    mutated(Update, &policy(more)).at(pointer).cloned().unwrap_or_default()
}

#[test]
fn a_spread_constraint_without_field_or_label_is_by_cluster() {
    let by = |constraint: Value| {
        filled(
            json!({ "placement": { "spreadConstraints": [constraint] } }),
            "/spec/placement/spreadConstraints/0",
        )
    };
    assert_eq!(by(json!({ "minGroups": 2 })), json!({ "spreadByField": "cluster", "minGroups": 2 }));
    assert_eq!(
        by(json!({ "spreadByLabel": "a", "minGroups": 2 })),
        json!({ "spreadByLabel": "a", "minGroups": 2 })
    );
    assert_eq!(
        by(json!({ "spreadByField": "zone", "minGroups": 2 })),
        json!({ "spreadByField": "zone", "minGroups": 2 })
    );
}

#[test]
fn a_spread_over_no_group_is_over_one() {
    let min = |constraint: Value| {
        let pointer = "/spec/placement/spreadConstraints/0/minGroups";
        filled(json!({ "placement": { "spreadConstraints": [constraint] } }), pointer)
    };
    assert_eq!(min(json!({ "spreadByField": "cluster" })), 1);
    assert_eq!(min(json!({ "spreadByField": "cluster", "minGroups": 0 })), 1);
    assert_eq!(min(json!({ "spreadByField": "cluster", "minGroups": 3 })), 3);
}

#[test]
fn a_policy_that_selects_service_imports_propagates_dependencies() {
    let imports =
        |version: &str| json!({ "resourceSelectors": [{ "apiVersion": version, "kind": "ServiceImport" }] });
    assert_eq!(filled(imports("multicluster.x-k8s.io/v1alpha1"), "/spec/propagateDeps"), true);
    assert_eq!(filled(imports("v1"), "/spec/propagateDeps"), Value::Null);
    assert_eq!(filled(json!({}), "/spec/propagateDeps"), Value::Null);
}

#[test]
fn division_without_a_preference_is_weighted() {
    let preference = |strategy: Value| {
        let pointer = "/spec/placement/replicaScheduling/replicaDivisionPreference";
        filled(json!({ "placement": { "replicaScheduling": strategy } }), pointer)
    };
    assert_eq!(preference(json!({ "replicaSchedulingType": "Divided" })), "Weighted");
    assert_eq!(preference(json!({})), "Weighted", "the schema's default is Divided");
    assert_eq!(preference(json!({ "replicaSchedulingType": "Duplicated" })), Value::Null);
    let aggregated = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" });
    assert_eq!(preference(aggregated), "Aggregated");
}

#[test]
fn graceful_failover_without_a_grace_period_waits_600_seconds() {
    let grace = |failover: Value| {
        filled(
            json!({ "failover": { "application": failover } }),
            "/spec/failover/application/gracePeriodSeconds",
        )
    };
    assert_eq!(grace(json!({ "purgeMode": "Gracefully" })), 600);
    assert_eq!(grace(json!({})), 600, "the schema's default is Gracefully");
    assert_eq!(grace(json!({ "purgeMode": "Gracefully", "gracePeriodSeconds": 5 })), 5);
    assert_eq!(grace(json!({ "purgeMode": "Directly" })), Value::Null);
    assert_eq!(filled(json!({}), "/spec/failover"), Value::Null);
}

#[test]
fn filling_in_twice_changes_nothing_more() {
    let once = mutated(Update, &placed(json!({ "spreadConstraints": [{}], "replicaScheduling": {} })));
    assert_eq!(mutated(Update, &once), once);
}

#[test]
fn malformed_objects_are_refused_without_a_panic() {
    for spec in [json!(null), json!([]), json!("x"), json!({ "resourceSelectors": "x", "placement": 1 })] {
        let mut bad = policy(json!({}));
        bad.set("/spec", spec);
        let changed = mutated(Create, &bad);
        let _ = super::refusal(&changed);
    }
    check(
        &placed(json!({ "spreadConstraints": [{ "spreadByField": "planet" }] })),
        "does not have the expected shape",
    );
}

#[test]
fn a_plain_policy_is_taken() {
    check(&policy(json!({})), "");
}

#[test]
fn the_permanent_id_must_be_there_and_stay() {
    let mut without = policy(json!({}));
    without.remove("/metadata/labels");
    check(&without, "metadata.labels[propagationpolicy.karmada.io/permanent-id]: Required value");
    let mut other = policy(json!({}));
    other.set_label("propagationpolicy.karmada.io/permanent-id", "id-2");
    assert!(update_refusal(&other, &policy(json!({}))).contains("the id cannot be changed"));
    assert_eq!(update_refusal(&policy(json!({})), &policy(json!({}))), "");
}

#[test]
fn the_scheduler_stays() {
    let named = policy(json!({ "schedulerName": "mine" }));
    assert!(update_refusal(&named, &policy(json!({}))).contains("the schedulerName cannot be changed"));
    let default = policy(json!({ "schedulerName": "default-scheduler" }));
    assert_eq!(update_refusal(&default, &policy(json!({}))), "");
}

#[test]
fn one_affinity_or_several_named_ones() {
    check(&placed(json!({ "clusterAffinity": { "clusterNames": ["a"] } })), "");
    check(&placed(json!({ "clusterAffinities": [{ "affinityName": "a" }, { "affinityName": "b" }] })), "");
    check(
        &placed(json!({ "clusterAffinity": {}, "clusterAffinities": [{ "affinityName": "a" }] })),
        "cannot be used together",
    );
    check(
        &placed(json!({ "clusterAffinities": [{ "affinityName": "a" }, { "affinityName": "a" }] })),
        "spec.placement.clusterAffinities[1].affinityName: Duplicate value: \"a\"",
    );
    check(
        &placed(json!({ "clusterAffinities": [{ "affinityName": "no spaces" }] })),
        "clusterAffinities[0].affinityName",
    );
    check(
        &placed(json!({ "clusterAffinities": [{ "affinityName": "" }] })),
        "clusterAffinities[0].affinityName",
    );
}

#[test]
fn groups_overflow_only_where_replicas_are_divided_by_room() {
    let overflow = |scheduling: Value, term: Value| {
        let mut placement = json!({ "clusterAffinities": [term] });
        if !scheduling.is_null() {
            placement["replicaScheduling"] = scheduling;
        }
        placed(placement)
    };
    let term = |more: &str| json!({ "affinityName": "a", "clusterNames": ["m1"], "overflowAffinities": [{ "affinityName": more, "clusterNames": ["m2"] }] });
    let aggregated = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" });
    let dynamic = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": { "dynamicWeight": "AvailableReplicas" } });
    let fixed = json!({ "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted" });
    check(&overflow(aggregated.clone(), term("b")), "");
    check(&overflow(dynamic, term("b")), "");
    check(&overflow(fixed, term("b")), "needs replicaSchedulingType Divided");
    check(
        &overflow(json!({ "replicaSchedulingType": "Duplicated" }), term("b")),
        "needs replicaSchedulingType Divided",
    );
    check(&overflow(Value::Null, term("b")), "needs replicaSchedulingType Divided");
    check(&overflow(aggregated.clone(), term("a")), "overflowAffinities[0].affinityName: Duplicate value");
    check(&overflow(aggregated.clone(), term("-")), "overflowAffinities[0].affinityName");
    let mut primary = term("b");
    primary.as_object_mut().unwrap().remove("clusterNames");
    check(&overflow(aggregated, primary), "needs a primary group");
}

#[test]
fn cluster_fields_are_selected_by_known_keys_and_operators() {
    let field = |key: &str, operator: &str| json!({ "fieldSelector": { "matchExpressions": [{ "key": key, "operator": operator, "values": ["a"] }] } });
    let affinity = |key, operator| placed(json!({ "clusterAffinity": field(key, operator) }));
    for key in ["provider", "region", "zone"] {
        check(&affinity(key, "In"), "");
        check(&affinity(key, "NotIn"), "");
    }
    check(&affinity("planet", "In"), "matchExpressions[0].key: Unsupported value: \"planet\"");
    check(&affinity("zone", "Exists"), "matchExpressions[0].operator: Unsupported value: \"Exists\"");
    let mut term = field("planet", "In");
    term["affinityName"] = json!("a");
    check(&placed(json!({ "clusterAffinities": [term] })), "matchExpressions[0].key");
}

#[test]
fn spread_constraints_must_be_possible() {
    let spread = |constraints: Value| placed(json!({ "spreadConstraints": constraints }));
    check(&spread(json!([{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 2 }])), "");
    check(&spread(json!([{ "spreadByField": "cluster" }, { "spreadByField": "region" }])), "");
    check(&spread(json!([{ "spreadByField": "cluster", "minGroups": 3 }])), "");
    check(&spread(json!([{ "spreadByLabel": "rack" }])), "");
    check(
        &spread(json!([{ "spreadByField": "cluster", "spreadByLabel": "rack" }])),
        "cannot be used together",
    );
    check(&spread(json!([{ "spreadByField": "cluster", "minGroups": -1 }])), "minGroups: Invalid value: -1");
    check(&spread(json!([{ "spreadByField": "cluster", "maxGroups": -1 }])), "maxGroups: Invalid value: -1");
    check(
        &spread(json!([{ "spreadByField": "cluster", "minGroups": 3, "maxGroups": 2 }])),
        "must not be less than minGroups",
    );
    check(
        &spread(json!([{ "spreadByField": "cluster" }, { "spreadByField": "cluster" }])),
        "spreadConstraints[1].spreadByField: Duplicate value",
    );
    for field in ["region", "zone", "provider"] {
        check(&spread(json!([{ "spreadByField": field }])), "a constraint by cluster is needed");
        check(&spread(json!([{ "spreadByField": field }, { "spreadByField": "cluster" }])), "");
    }
}

#[test]
fn selectors_stay_in_the_namespace_of_the_policy() {
    let selector = |namespace: &str| {
        policy(json!({ "resourceSelectors": [
            { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace }
        ]}))
    };
    check(&selector("default"), "");
    check(&selector("other"), "must be the policy's own namespace");
    let mut cluster = selector("other");
    cluster.set("/kind", "ClusterPropagationPolicy");
    cluster.remove("/metadata/namespace");
    cluster.set_label("clusterpropagationpolicy.karmada.io/permanent-id", "id-1");
    check(&cluster, "");
}

#[test]
fn a_policy_that_preempts_names_its_templates() {
    check(&policy(json!({ "preemption": "Always" })), "");
    let kinds = json!([{ "apiVersion": "apps/v1", "kind": "Deployment" }]);
    check(
        &policy(json!({ "preemption": "Always", "resourceSelectors": kinds })),
        "resourceSelectors[0].name: Required value",
    );
    check(&policy(json!({ "preemption": "Never", "resourceSelectors": kinds })), "");
}

#[test]
fn suspension_is_for_all_clusters_or_for_some() {
    let suspended = |value: Value| policy(json!({ "suspension": value }));
    let some = json!({ "clusterNames": ["a"] });
    check(&suspended(json!({ "dispatching": true })), "");
    check(&suspended(json!({ "dispatchingOnClusters": some })), "");
    check(&suspended(json!({ "dispatching": false, "dispatchingOnClusters": some })), "");
    check(&suspended(json!({ "dispatching": true, "dispatchingOnClusters": { "clusterNames": [] } })), "");
    check(
        &suspended(json!({ "dispatching": true, "dispatchingOnClusters": some })),
        "cannot be used together",
    );
}

#[test]
fn failover_of_applications_needs_dependencies_and_sane_times() {
    let failover = |deps: bool, value: Value| {
        policy(json!({ "propagateDeps": deps, "failover": { "application": value } }))
    };
    let base = json!({ "decisionConditions": { "tolerationSeconds": 10 }, "purgeMode": "Gracefully", "gracePeriodSeconds": 5 });
    let with = |key: &str, value: Value| {
        let mut changed = base.clone();
        changed[key] = value;
        changed
    };
    check(&failover(true, base.clone()), "");
    check(&failover(false, base.clone()), "spec.propagateDeps: Invalid value: false");
    check(
        &failover(true, with("decisionConditions", json!({ "tolerationSeconds": -1 }))),
        "tolerationSeconds: Invalid value: -1",
    );
    check(&failover(true, with("decisionConditions", json!({ "tolerationSeconds": 0 }))), "");
    check(&failover(true, with("decisionConditions", json!({}))), "");
    check(&failover(true, with("gracePeriodSeconds", json!(0))), "must be greater than 0");
    check(&failover(true, with("gracePeriodSeconds", Value::Null)), "needed with purgeMode Gracefully");
    check(&failover(true, with("purgeMode", json!("Directly"))), "only with purgeMode Gracefully");
    check(&failover(true, json!({ "decisionConditions": {}, "purgeMode": "Never" })), "");
    let rule = |alias: &str| {
        with("statePreservation", json!({ "rules": [{ "aliasLabelName": alias, "jsonPath": "{.a}" }] }))
    };
    check(&failover(true, rule("failover.io/id")), "");
    check(&failover(true, rule("not a label")), "rules[0].aliasLabelName: Invalid value");
}

#[test]
fn state_preserved_on_failover_of_a_cluster_goes_into_possible_labels() {
    let rule = |alias: &str| {
        policy(json!({ "failover": { "cluster": { "purgeMode": "Directly", "statePreservation": { "rules": [
            { "aliasLabelName": alias, "jsonPath": "{.a}" }
        ] } } } }))
    };
    check(&rule("failover.io/id"), "");
    check(&rule("-id"), "spec.failover.cluster.statePreservation.rules[0].aliasLabelName: Invalid value");
}

#[test]
fn workload_groups_have_different_label_keys() {
    let affinity = |near: &str, far: &str| {
        placed(json!({ "workloadAffinity": {
            "affinity": { "groupByLabelKey": near }, "antiAffinity": { "groupByLabelKey": far }
        }}))
    };
    check(&affinity("a", "b"), "");
    check(&affinity("a", "a"), "must differ from the key of affinity");
    check(&affinity("a b", "b"), "workloadAffinity.affinity.groupByLabelKey");
    check(&affinity("a", ""), "workloadAffinity.antiAffinity.groupByLabelKey");
}

#[test]
fn tolerations_follow_kubernetes_without_comparing_sizes() {
    let tolerates = |value: Value| placed(json!({ "clusterTolerations": [value] }));
    check(&tolerates(json!({ "key": "a", "operator": "Exists" })), "");
    check(&tolerates(json!({ "operator": "Exists" })), "");
    check(&tolerates(json!({ "key": "a", "value": "b" })), "");
    check(
        &tolerates(
            json!({ "key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5 }),
        ),
        "",
    );
    check(&tolerates(json!({ "operator": "Equal" })), "must be Exists when `key` is empty");
    check(
        &tolerates(json!({ "key": "a", "operator": "Exists", "value": "b" })),
        "must be empty when `operator` is 'Exists'",
    );
    check(
        &tolerates(json!({ "key": "a", "operator": "Exists", "tolerationSeconds": 5 })),
        "must be 'NoExecute'",
    );
    check(
        &tolerates(json!({ "key": "a", "operator": "Exists", "effect": "Never" })),
        "effect: Unsupported value",
    );
    check(&tolerates(json!({ "key": "a b", "operator": "Exists" })), "clusterTolerations[0].key");
    check(&tolerates(json!({ "key": "a", "value": "b c" })), "clusterTolerations[0].value");
    for operator in ["Lt", "Gt", "In"] {
        check(
            &tolerates(json!({ "key": "a", "operator": operator, "value": "1" })),
            "operator: Unsupported value",
        );
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let refusal = super::refusal(&placed(
        json!({ "spreadConstraints": [{ "spreadByField": "region", "minGroups": -1 }] }),
    ));
    assert!(
        refusal.starts_with('[') && refusal.contains("minGroups") && refusal.contains("by cluster"),
        "{refusal}"
    );
}
