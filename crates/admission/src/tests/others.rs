//! Taint policies, quotas, bindings, Works, services, schedules, protection.

use api::work::Binding;
use machinery::Object;
use serde_json::{Value, json};

use super::{check, mutated, object, quota, refusal_with, update_refusal};
use crate::Operation::{Create, Delete, Update};
use crate::{Options, World, quota as quotas, validate};

const POLICY: &str = "policy.karmada.io/v1alpha1";
const WORK: &str = "work.karmada.io/v1alpha1";
const BINDING: &str = "work.karmada.io/v1alpha2";

#[test]
fn taint_policies_evict_only_when_allowed_and_name_each_taint_once() {
    let policy =
        |taints: Value| object(POLICY, "ClusterTaintPolicy", json!({ "spec": { "taints": taints } }));
    check(&policy(json!([{ "key": "a", "effect": "NoSchedule" }])), "");
    check(
        &policy(json!([{ "key": "a", "effect": "NoSchedule" }, { "key": "b", "effect": "NoSchedule" }])),
        "",
    );
    check(
        &policy(json!([{ "key": "a", "effect": "NoSchedule" }, { "key": "a", "effect": "NoSchedule" }])),
        "spec.taints[1]: Duplicate value",
    );
    check(
        &policy(json!([{ "key": "a", "effect": "Sometimes" }])),
        "spec.taints[0].effect: Unsupported value",
    );
    let evicting = policy(json!([{ "key": "a", "effect": "NoExecute" }]));
    check(&evicting, "--allow-no-execute-taint-policy");
    let options = Options { allow_no_execute_taint_policy: true, ..Options::default() };
    assert_eq!(refusal_with(&options, &evicting, None), "");
    let mut conditional = policy(json!([{ "key": "a", "effect": "NoSchedule" }]));
    let condition = |operator: &str| json!([{ "conditionType": "Ready", "operator": operator, "statusValues": ["False"] }]);
    conditional.set("/spec/addOnConditions", condition("NotIn"));
    check(&conditional, "");
    conditional.set("/spec/addOnConditions", condition("Near"));
    check(&conditional, "spec.addOnConditions[0].operator: Unsupported value");
}

#[test]
fn quotas_limit_real_resources_by_real_amounts() {
    let overall =
        |value: Value| object(POLICY, "FederatedResourceQuota", json!({ "spec": { "overall": value } }));
    check(
        &overall(
            json!({ "cpu": "1500m", "requests.memory": "4Gi", "pods": 10, "nvidia.com/gpu": "2", "hugepages-2Mi": "1Gi" }),
        ),
        "",
    );
    check(&overall(json!({ "cpu": "-1" })), "spec.overall[cpu]: Invalid value: \"-1\"");
    check(&overall(json!({ "cpu": "much" })), "spec.overall[cpu]: Invalid value: \"much\"");
    check(&overall(json!({ "pods": "500m" })), "must be an integer");
    check(&overall(json!({ "c p u": "1" })), "spec.overall[c p u]");
    check(&overall(json!({ "happiness": "1" })), "must be a standard resource");
    let mut long = overall(json!({ "cpu": "1" }));
    long.set("/metadata/name", "a".repeat(63));
    check(&long, "");
    long.set("/metadata/name", "a".repeat(64));
    check(&long, "must be no more than 63 characters");
}

#[test]
fn static_assignments_fit_into_the_whole() {
    let assigned = |assignments: Value| {
        object(
            POLICY,
            "FederatedResourceQuota",
            json!({ "spec": {
        "overall": { "cpu": "10", "memory": "10Gi" }, "staticAssignments": assignments } }),
        )
    };
    let one = |cluster: &str, hard: Value| json!({ "clusterName": cluster, "hard": hard });
    check(
        &assigned(json!([one("a", json!({ "cpu": "4" })), one("b", json!({ "cpu": "6", "memory": "1Gi" }))])),
        "",
    );
    check(
        &assigned(json!([one("a", json!({ "cpu": "4" })), one("b", json!({ "cpu": "6100m" }))])),
        "must not be less than the sum of the static assignments",
    );
    check(&assigned(json!([one("a", json!({ "pods": "4" }))])), "must be a resource of spec.overall");
    check(&assigned(json!([one("A", json!({ "cpu": "4" }))])), "spec.staticAssignments[0].clusterName");
    check(&assigned(json!([one("a", json!({ "cpu": "-4" }))])), "spec.staticAssignments[0].hard[cpu]");
}

fn binding(spec: Value) -> Object {
    let mut binding = object(
        BINDING,
        "ResourceBinding",
        json!({ "spec": {
        "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web" } } }),
    );
    for (key, value) in spec.as_object().unwrap() {
        binding.set(&format!("/spec/{key}"), value.clone());
    }
    binding
}

#[test]
fn new_bindings_get_an_id() {
    assert_eq!(
        mutated(Create, &binding(json!({}))).label("resourcebinding.karmada.io/permanent-id"),
        Some("id-1")
    );
    assert_eq!(mutated(Update, &binding(json!({}))), binding(json!({})));
    let cluster = object(BINDING, "ClusterResourceBinding", json!({ "spec": {} }));
    assert_eq!(
        mutated(Create, &cluster).label("clusterresourcebinding.karmada.io/permanent-id"),
        Some("id-1")
    );
}

#[test]
fn the_dependencies_of_a_binding_can_be_read() {
    let annotated = |text: &str| {
        let mut binding = binding(json!({}));
        binding.set_annotation("resourcebinding.karmada.io/dependencies", text);
        binding
    };
    check(&binding(json!({})), "");
    check(&annotated("[]"), "");
    check(&annotated(r#"[{"apiVersion":"v1","kind":"Secret","namespace":"a","name":"b"}]"#), "");
    check(&annotated("nothing"), "must be a JSON list of dependencies");
    check(&annotated("{}"), "must be a JSON list of dependencies");
}

#[test]
fn components_have_names_of_their_own() {
    let options = Options { multiple_pod_templates_scheduling: true, ..Options::default() };
    let components = |names: &[&str]| {
        let components: Vec<Value> = names.iter().map(|n| json!({ "name": n, "replicas": 1 })).collect();
        binding(json!({ "components": components }))
    };
    assert_eq!(refusal_with(&options, &components(&["a", "b"]), None), "");
    assert!(
        refusal_with(&options, &components(&["a", "a"]), None)
            .contains("spec.components[1].name: Duplicate value")
    );
    assert!(
        refusal_with(&options, &components(&["a", ""]), None)
            .contains("spec.components[1].name: Required value")
    );
    check(&components(&["a", "a"]), "");
}

/// A binding of replicas of one cpu each: `a=2,b=1`.
fn scheduled(clusters: &str) -> Object {
    let clusters: Vec<Value> = clusters
        .split(',')
        .filter_map(|c| c.split_once('='))
        .map(|(name, replicas)| json!({ "name": name, "replicas": replicas.parse::<i32>().unwrap() }))
        .collect();
    binding(
        json!({ "clusters": clusters, "replicaRequirements": { "resourceRequest": { "cpu": "1", "memory": "1Gi" } } }),
    )
}

#[test]
fn a_quota_is_charged_what_a_binding_uses_more() {
    let charge = |new: &str, old: Option<&str>, limit: &str, used: &str| {
        let new = Binding::from_object(&scheduled(new)).unwrap();
        let old = old.map(|old| Binding::from_object(&scheduled(old)).unwrap());
        let quota = quota(json!({ "cpu": limit, "pods": "1" }), json!({ "cpu": used }));
        match quotas::charges(&new, old.as_ref(), &[quota]) {
            Ok(charges) => charges.first().map_or("nothing".into(), |c| c.overall_used["cpu"].to_string()),
            Err(denial) => {
                assert_eq!((denial.code, denial.reason.as_str()), (403, "QuotaExceeded"));
                denial.message
            }
        }
    };
    assert_eq!(charge("", None, "10", "4"), "nothing");
    assert_eq!(charge("a=2,b=1", None, "10", "4"), "7");
    assert_eq!(charge("a=2,b=4", None, "10", "4"), "10");
    assert_eq!(
        charge("a=7", None, "10", "4"),
        "FederatedResourceQuota(default/x) exceeded for resource cpu: requested sum 11, limit 10."
    );
    assert_eq!(charge("a=3", Some("a=2"), "10", "4"), "5");
    assert_eq!(charge("a=1,b=1", Some("a=2"), "10", "4"), "nothing");
    assert_eq!(charge("a=1", Some("a=3"), "10", "4"), "2");
    assert_eq!(charge("", Some("a=3"), "10", "2"), "0", "nothing is used less than not at all");
    assert_eq!(charge("a=1", Some("a=3"), "10", "20"), "18", "giving back is always allowed");
}

#[test]
fn quotas_hold_bindings_back_only_behind_their_gate() {
    let options = Options { federated_quota_enforcement: true, ..Options::default() };
    let quotas = [quota(json!({ "cpu": "1" }), json!({}))];
    let new = scheduled("a=2");
    let refused = |options: &Options| {
        let world = World { quotas: &quotas, ..World::empty(options) };
        validate(&new.gvk(), Create, &new, None, &world).is_err()
    };
    assert!(refused(&options));
    assert!(!refused(&Options::default()));
}

#[test]
fn a_set_of_components_is_used_in_every_cluster() {
    let set = json!([
        { "name": "a", "replicas": 2, "replicaRequirements": { "resourceRequest": { "cpu": "500m" } } },
        { "name": "b", "replicas": 1, "replicaRequirements": { "resourceRequest": { "cpu": "2" } } },
    ]);
    let binding = Binding::from_object(&binding(
        json!({ "components": set, "clusters": [{ "name": "a" }, { "name": "b" }] }),
    ))
    .unwrap();
    let charges = quotas::charges(&binding, None, &[quota(json!({ "cpu": "100" }), json!({}))]).unwrap();
    assert_eq!(charges[0].overall_used["cpu"].as_str(), "6");
}

#[test]
fn works_are_pruned_and_marked() {
    let work = object(
        WORK,
        "Work",
        json!({ "spec": { "workload": { "manifests": [{
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": "c", "namespace": "default", "uid": "u", "resourceVersion": "7", "managedFields": [],
                "labels": { "app": "web" }, "annotations": { "note": "n" },
            },
            "status": {}, "data": { "a": "b" },
        }]}}}),
    );
    let new = mutated(Create, &work);
    assert_eq!(new.label("work.karmada.io/permanent-id"), Some("id-1"));
    let expected = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "c", "namespace": "default",
            "labels": { "app": "web", "work.karmada.io/permanent-id": "id-1" },
            "annotations": {
                "note": "n",
                "resourcetemplate.karmada.io/managed-annotations":
                    "note,resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels",
                "resourcetemplate.karmada.io/managed-labels": "app,work.karmada.io/permanent-id",
            },
        },
        "data": { "a": "b" },
    });
    assert_eq!(new.at("/spec/workload/manifests/0"), Some(&expected));
    assert_eq!(mutated(Update, &new), new, "marking twice changes nothing more");
}

#[test]
fn a_work_without_manifests_is_taken_and_a_manifest_that_is_none_is_not() {
    assert!(
        mutated(Create, &object(WORK, "Work", json!({ "spec": {} })))
            .label("work.karmada.io/permanent-id")
            .is_some()
    );
    let options = Options::default();
    let mut bad = object(WORK, "Work", json!({ "spec": { "workload": { "manifests": ["x"] } } }));
    let mut source =
        crate::Source { options: &options, now: jiff::Timestamp::UNIX_EPOCH, ids: &mut || "id".into() };
    let gvk = bad.gvk();
    let (name, denial) = crate::mutate(&gvk, Create, "default", &mut bad, None, &mut source).unwrap_err();
    assert_eq!(name, "work.karmada.io");
    assert!(denial.message.starts_with("spec.workload.manifests[0]"), "{}", denial.message);
}

#[test]
fn protected_objects_are_not_deleted() {
    let options = Options::default();
    let delete = |value: Option<&str>| {
        let mut object = Object::new("v1", "Secret", "default", "s");
        if let Some(value) = value {
            object.set_label("resourcetemplate.karmada.io/deletion-protected", value);
        }
        validate(&object.gvk(), Delete, &object, None, &World::empty(&options)).is_ok()
    };
    assert!(delete(None));
    assert!(delete(Some("always")));
    assert!(!delete(Some("Always")));
}

#[test]
fn multi_cluster_services_are_possible_and_keep_their_type() {
    let service = |spec: Value| {
        let mut fields = json!({ "types": ["CrossCluster"] });
        fields.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        object("networking.karmada.io/v1alpha1", "MultiClusterService", json!({ "spec": fields }))
    };
    check(
        &service(
            json!({ "ports": [{ "name": "a", "port": 80 }, { "name": "b", "port": 81 }], "providerClusters": [{ "name": "m1" }] }),
        ),
        "",
    );
    check(&service(json!({ "types": ["CrossCluster", "LoadBalancer"] })), "must name only one type");
    check(&service(json!({ "types": ["Magic"] })), "spec.types[0]: Unsupported value");
    check(&service(json!({ "ports": [{ "port": 0 }] })), "spec.ports[0].port: Invalid value: 0");
    check(&service(json!({ "ports": [{ "name": "A b", "port": 1 }] })), "spec.ports[0].name");
    check(
        &service(json!({ "ports": [{ "name": "a", "port": 1 }, { "name": "a", "port": 2 }] })),
        "spec.ports[1].name: Duplicate value",
    );
    check(&service(json!({ "ports": [{ "port": 1 }, { "port": 2 }] })), "");
    check(&service(json!({ "consumerClusters": [{ "name": "M1" }] })), "spec.consumerClusters[0].name");
    let mut numbered = service(json!({}));
    numbered.set("/metadata/name", "1a");
    check(&numbered, "metadata.name: Invalid value");
    assert!(
        update_refusal(&service(json!({ "types": ["LoadBalancer"] })), &service(json!({})))
            .contains("cannot be changed")
    );
    assert_eq!(
        mutated(Create, &service(json!({}))).label("multiclusterservice.karmada.io/permanent-id"),
        Some("id-1")
    );
}

#[test]
fn the_addresses_of_a_multi_cluster_service_are_checked_when_its_status_is_written() {
    let at = |address: Value| {
        object(
            "networking.karmada.io/v1alpha1",
            "MultiClusterService",
            json!({ "spec": { "types": ["LoadBalancer"] }, "status": { "loadBalancer": { "ingress": [address] } } }),
        )
    };
    let refused = |address: Value| update_refusal(&at(address.clone()), &at(address));
    assert_eq!(refused(json!({ "ip": "10.0.0.1", "ipMode": "VIP" })), "");
    assert_eq!(refused(json!({ "hostname": "a.b", "ip": "::1" })), "");
    assert!(refused(json!({ "ip": "10.0.0" })).contains("status.loadBalancer.ingress[0].ip: Invalid value"));
    assert!(refused(json!({ "ip": "10.0.0.1", "ipMode": "X" })).contains("ipMode: Unsupported value"));
    assert!(refused(json!({ "ipMode": "VIP" })).contains("ipMode: Forbidden"));
    assert!(refused(json!({ "hostname": "A b" })).contains("hostname: Invalid value"));
    assert!(refused(json!({ "hostname": "10.0.0.1" })).contains("not an IP address"));
    check(&at(json!({ "ip": "10.0.0" })), "");
}

#[test]
fn schedules_come_and_scale_to_something() {
    let hpa = |api_version: &str, kind: &str, rule: Value| {
        let mut full = json!({ "name": "r", "schedule": "*/5 8-18 * * mon-fri" });
        full.as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        object(
            "autoscaling.karmada.io/v1alpha1",
            "CronFederatedHPA",
            json!({ "spec": {
            "scaleTargetRef": { "apiVersion": api_version, "kind": kind, "name": "web" }, "rules": [full] } }),
        )
    };
    let plain = |rule: Value| hpa("apps/v1", "Deployment", rule);
    let ours = |rule: Value| hpa("autoscaling.karmada.io/v1alpha1", "FederatedHPA", rule);
    check(&plain(json!({ "targetReplicas": 0 })), "");
    check(&plain(json!({})), "targetReplicas: Required value");
    check(&plain(json!({ "targetReplicas": -1 })), "targetReplicas: Invalid value: -1");
    check(&ours(json!({ "targetMinReplicas": 1, "targetMaxReplicas": 2 })), "");
    check(&ours(json!({})), "one of targetMinReplicas and targetMaxReplicas is needed");
    check(&ours(json!({ "targetMinReplicas": 0 })), "must be greater than 0");
    check(
        &ours(json!({ "targetMinReplicas": 3, "targetMaxReplicas": 2 })),
        "must not be greater than targetMaxReplicas",
    );
    check(
        &hpa("autoscaling.karmada.io/v1alpha1", "Deployment", json!({ "targetMinReplicas": 1 })),
        "spec.scaleTargetRef.kind",
    );
    for good in [
        "0 0 1 jan ?",
        "@daily",
        "@every 5m",
        "1,2,3-5/2 * * * *",
        "0 12 * * 0",
        "TZ=Europe/Berlin 0 6 * * *",
        "CRON_TZ=UTC @daily",
        "5/10 * * * *",
    ] {
        check(&plain(json!({ "targetReplicas": 1, "schedule": good })), "");
    }
    for bad in [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "@often",
        "* * * 13 *",
        "* * * * 7",
        "TZ=Mars/Olympus 0 6 * * *",
        "TZ=UTC",
    ] {
        check(&plain(json!({ "targetReplicas": 1, "schedule": bad })), "spec.rules[0].schedule");
    }
    check(&plain(json!({ "targetReplicas": 1, "timeZone": "Mars/Olympus" })), "spec.rules[0].timeZone");
    let mut twice = plain(json!({ "targetReplicas": 1 }));
    let rule = twice.at("/spec/rules/0").unwrap().clone();
    twice.set("/spec/rules", json!([rule, rule]));
    check(&twice, "spec.rules[1].name: Duplicate value");
}
