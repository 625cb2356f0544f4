//! §1.5: the binding that a policy makes of a template.

use api::names::finalizers;
use interpreter::Interpreter;
use serde_json::{Value, json};

use super::*;

const PLAIN: &str = "default-scheduler";

fn plain() -> Value {
    json!({ "schedulerName": PLAIN })
}

#[test]
fn a_new_binding_says_what_where_and_whose() {
    let binding = created(build(None, plain()));
    assert_eq!(binding.key().to_string(), "shop/web-deployment");
    assert_eq!(binding.label("propagationpolicy.karmada.io/permanent-id"), Some("pid"));
    assert_eq!(binding.annotation("propagationpolicy.karmada.io/name"), Some("p"));
    assert_eq!(binding.label("resourcebinding.karmada.io/permanent-id"), Some("bid"));
    assert_eq!(binding.controller_owner().unwrap().uid, "u");
    assert!(binding.has_finalizer(finalizers::BINDING));
    assert_eq!(
        binding.at("/spec").unwrap(),
        &json!({
            "resource": {
                "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web",
                "uid": "u", "resourceVersion": "5",
            },
            "replicas": 3, "schedulerName": "default-scheduler", "placement": {}, "conflictResolution": "Abort",
        }),
    );
}

#[test]
fn everything_that_a_policy_says_of_its_templates_is_on_the_binding_of_either_kind() {
    let spec = json!({
        "schedulerName": "mine", "propagateDeps": true, "conflictResolution": "Overwrite",
        "preserveResourcesOnDeletion": true, "placement": { "clusterAffinity": { "clusterNames": ["m1"] } },
        "failover": { "application": { "decisionConditions": { "tolerationSeconds": 30 } } },
        "suspension": { "dispatchingOnClusters": { "clusterNames": ["m2"] } },
    });
    let interpreted = Interpreted { priority: Some(7), ..replicas(1) };
    let mut role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:reader");
    role.set("/metadata/uid", "r");
    for (template, policy) in [(template(), policy(spec.clone())), (role, cluster_policy(spec.clone()))] {
        let write = binding::decide(None, &policy, &template, &interpreted, &Gates::default(), String::new);
        let binding = created(write.unwrap());
        for (pointer, expected) in [
            ("schedulerName", json!("mine")),
            ("propagateDeps", json!(true)),
            ("conflictResolution", json!("Overwrite")),
            ("preserveResourcesOnDeletion", json!(true)),
            ("placement", json!({ "clusterAffinity": { "clusterNames": ["m1"] } })),
            ("suspension", json!({ "dispatchingOnClusters": { "clusterNames": ["m2"] } })),
            ("schedulePriority", json!({ "priority": 7 })),
        ] {
            assert_eq!(binding.at(&format!("/spec/{pointer}")), Some(&expected), "{pointer}");
        }
        let seconds = "/spec/failover/application/decisionConditions/tolerationSeconds";
        assert_eq!(binding.i64_at(seconds), Some(30));
    }
}

#[test]
fn a_cluster_scoped_templates_binding_is_cluster_scoped_and_has_no_colon_in_its_name() {
    let role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:reader");
    let policy = cluster_policy(json!({}));
    let write =
        binding::decide(None, &policy, &role, &Interpreted::default(), &Gates::default(), || "i".into());
    let binding = created(write.unwrap());
    assert_eq!((binding.kind(), binding.name()), ("ClusterResourceBinding", "system.reader-clusterrole"));
    assert!(binding.has_finalizer(finalizers::CLUSTER_RESOURCE_BINDING));
    assert_eq!(binding.label("clusterresourcebinding.karmada.io/permanent-id"), Some("i"));
    assert_eq!(binding.label("clusterpropagationpolicy.karmada.io/permanent-id"), Some("cid"));
}

#[test]
fn an_update_never_touches_what_scheduler_evictions_and_requirers_wrote() {
    let mut existing = created(build(None, plain()));
    for (pointer, value) in [
        ("/spec/clusters", json!([{ "name": "m1", "replicas": 3 }])),
        ("/spec/requiredBy", json!([{ "namespace": "shop", "name": "x" }])),
        ("/spec/gracefulEvictionTasks", json!([{ "fromCluster": "m2" }])),
        ("/spec/rescheduleTriggeredAt", json!("2030-01-01T00:00:00Z")),
        ("/spec/fieldOfTheFuture", json!(1)),
    ] {
        existing.set(pointer, value);
    }
    existing.set_label("somebody/else", "x");
    existing.add_finalizer("somebody/else");
    assert_eq!(build(Some(&existing), plain()), Write::None, "it is as wanted");
    let after = updated(build(Some(&existing), json!({ "schedulerName": "other" })));
    for field in
        ["clusters", "requiredBy", "gracefulEvictionTasks", "rescheduleTriggeredAt", "fieldOfTheFuture"]
    {
        let pointer = format!("/spec/{field}");
        assert_eq!(after.at(&pointer), existing.at(&pointer), "{field}");
    }
    assert_eq!(after.str_at("/spec/schedulerName"), Some("other"));
    assert_eq!(after.label("somebody/else"), Some("x"));
    assert!(after.has_finalizer("somebody/else") && after.has_finalizer(finalizers::BINDING));
}

#[test]
fn the_policys_part_of_a_suspension_is_replaced_and_the_schedulings_stays() {
    let mut existing = created(build(None, plain()));
    existing.set("/spec/suspension", json!({ "scheduling": true }));
    assert_eq!(build(Some(&existing), plain()), Write::None);
    let spec = json!({ "schedulerName": PLAIN, "suspension": { "dispatching": true } });
    let both = updated(build(Some(&existing), spec));
    assert_eq!(both.at("/spec/suspension").unwrap(), &json!({ "dispatching": true, "scheduling": true }));
    let back = updated(build(Some(&both), plain()));
    assert_eq!(back.at("/spec/suspension").unwrap(), &json!({ "scheduling": true }));
    let mut own = back.clone();
    own.remove("/spec/suspension/scheduling");
    own.set("/spec/suspension/dispatching", true);
    assert_eq!(updated(build(Some(&own), plain())).at("/spec/suspension"), None, "nothing remains");
}

#[test]
fn a_new_version_counts_only_when_the_specification_changed() {
    let existing = created(build(None, plain()));
    let mut newer = template();
    newer.set("/metadata/resourceVersion", "6");
    let write = |template_changed: bool| {
        let interpreted = Interpreted { template_changed, ..replicas(3) };
        let gates = Gates::default();
        binding::decide(Some(&existing), &policy(plain()), &newer, &interpreted, &gates, String::new).unwrap()
    };
    assert_eq!(write(false), Write::None, "somebody wrote its status");
    assert_eq!(updated(write(true)).str_at("/spec/resource/resourceVersion"), Some("6"));
}

#[test]
fn a_namesakes_binding_is_an_error_until_it_is_collected() {
    let mut existing = created(build(None, plain()));
    let mut other = template();
    other.set("/metadata/uid", "another");
    existing.set_owner_references(&[other.controller_reference()]);
    let result = binding::decide(
        Some(&existing),
        &policy(plain()),
        &template(),
        &replicas(3),
        &Gates::default(),
        String::new,
    );
    assert!(result.unwrap_err().to_string().contains("shop/web-deployment"));
}

#[test]
fn affinity_groups_come_from_the_templates_labels_when_the_gate_is_open() {
    let spec = json!({ "placement": { "workloadAffinity": {
        "affinity": { "groupByLabelKey": "group" }, "antiAffinity": { "groupByLabelKey": "absent" },
    } } });
    let gates = Gates { workload_affinity: true, ..Gates::default() };
    let open = binding::decide(None, &policy(spec.clone()), &template(), &replicas(3), &gates, String::new);
    let groups = json!({ "affinityGroup": "group=g" });
    assert_eq!(created(open.unwrap()).at("/spec/workloadAffinityGroups"), Some(&groups));
    assert_eq!(created(build(None, spec)).at("/spec/workloadAffinityGroups"), None, "the gate is off");
    let neither =
        json!({ "placement": { "workloadAffinity": { "affinity": { "groupByLabelKey": "absent" } } } });
    let write = binding::decide(None, &policy(neither), &template(), &replicas(3), &gates, String::new);
    assert_eq!(created(write.unwrap()).at("/spec/workloadAffinityGroups"), None, "both are empty");
}

#[test]
fn requirements_name_the_workloads_namespace_when_quotas_are_estimated() {
    let requirements = |namespace: &str| {
        let known = api::work::ReplicaRequirements { namespace: namespace.into(), ..Default::default() };
        let workload = Interpretation::Replicas(1, Some(known));
        Interpreted { workload, ..Interpreted::default() }
    };
    let namespace = |open: bool, known: &str| {
        let gates = Gates { resource_quota_estimate: open, ..Gates::default() };
        let write =
            binding::decide(None, &policy(plain()), &template(), &requirements(known), &gates, String::new);
        let binding = created(write.unwrap());
        binding.str_at("/spec/replicaRequirements/namespace").map(ToOwned::to_owned)
    };
    assert_eq!(namespace(true, "").as_deref(), Some("shop"));
    assert_eq!(namespace(true, "own").as_deref(), Some("own"));
    assert_eq!(namespace(false, ""), None);
}

#[test]
fn amounts_are_written_as_go_programs_write_them() {
    let amounts = json!({ "cpu": "0.05", "memory": "1.5Gi", "example.org/odd": "much" });
    let written = json!({ "cpu": "50m", "memory": "1536Mi", "example.org/odd": "much" });
    let requirements = serde_json::from_value(json!({ "resourceRequest": amounts })).unwrap();
    let Interpretation::Replicas(_, Some(requirements)) =
        Interpretation::of_replicas(Some((1, Some(requirements))))
    else {
        panic!("there are requirements");
    };
    assert_eq!(serde_json::to_value(&requirements.resource_request).unwrap(), written);
    let component =
        json!({ "name": "c", "replicas": 1, "replicaRequirements": { "resourceRequest": amounts } });
    let Interpretation::Components(components) =
        Interpretation::of_components(Some(vec![serde_json::from_value(component).unwrap()]))
    else {
        panic!("there is a component");
    };
    let found = serde_json::to_value(&components[0]).unwrap();
    assert_eq!(found["replicaRequirements"]["resourceRequest"], written);
}

#[test]
fn components_stand_in_the_place_of_replicas() {
    let components = vec![api::work::Component { name: "driver".into(), replicas: 1, ..Default::default() }];
    let interpreted =
        Interpreted { workload: Interpretation::Components(components), ..Interpreted::default() };
    let existing = created(build(None, plain()));
    let gates = Gates::default();
    let write =
        binding::decide(Some(&existing), &policy(plain()), &template(), &interpreted, &gates, String::new);
    let binding = updated(write.unwrap());
    assert_eq!(binding.at("/spec/components"), Some(&json!([{ "name": "driver", "replicas": 1 }])));
    assert_eq!(binding.at("/spec/replicas"), None);
    let back = updated(build(Some(&binding), plain()));
    assert_eq!((back.at("/spec/components"), back.i64_at("/spec/replicas")), (None, Some(3)));
}

#[test]
fn components_are_asked_for_only_behind_the_gate_and_replicas_only_of_kinds_that_have_them() {
    let customization = json!({
        "apiVersion": "config.karmada.io/v1alpha1", "kind": "ResourceInterpreterCustomization",
        "metadata": { "name": "c" },
        "spec": {
            "target": { "apiVersion": "apps/v1", "kind": "Deployment" },
            "customizations": { "componentResource": { "luaScript": "function GetComponents(o) return {{name='main', replicas=2}} end" } },
        },
    });
    let interpreter = Interpreter::with(&[Object::from_value(customization).unwrap()], &[]);
    let open = Gates { multiple_pod_templates_scheduling: true, ..Gates::default() };
    let question = |gates: &Gates| Interpretation::question(&interpreter, &template(), gates);
    assert_eq!(question(&Gates::default()), Some(interpreter::Operation::InterpretReplica));
    assert_eq!(question(&open), Some(interpreter::Operation::InterpretComponent));
    let asked = Interpretation::now(&interpreter, &template(), &open).unwrap();
    assert!(matches!(asked, Interpretation::Components(components) if components[0].name == "main"));
    let settings = Object::new("v1", "ConfigMap", "shop", "settings");
    let native = Interpreter::native();
    assert_eq!(Interpretation::now(&native, &settings, &open), Ok(Interpretation::NoWorkload));
    let mut deployment = template();
    deployment.set("/spec/replicas", 4);
    let answer = Interpretation::now(&native, &deployment, &open).unwrap();
    assert!(matches!(answer, Interpretation::Replicas(4, _)));
}

#[test]
fn a_propagation_policy_takes_the_cluster_policys_claim_off_the_binding() {
    let gates = Gates::default();
    let write =
        binding::decide(None, &cluster_policy(plain()), &template(), &replicas(3), &gates, || "b".into());
    let existing = created(write.unwrap());
    assert_eq!(existing.label("clusterpropagationpolicy.karmada.io/permanent-id"), Some("cid"));
    let after = updated(build(Some(&existing), plain()));
    assert_eq!(after.label("clusterpropagationpolicy.karmada.io/permanent-id"), None);
    assert_eq!(after.label("propagationpolicy.karmada.io/permanent-id"), Some("pid"));
    assert_eq!(after.label("resourcebinding.karmada.io/permanent-id"), Some("b"), "the id stays");
}
