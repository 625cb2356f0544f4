//! What an update may change, and what it takes over.

use machinery::Object;
use serde_json::{Value, json};

use super::{complaint, create, kind, object, update};
use crate::{policy, scale};

/// Changes one place of a stored object and reads the complaint.
#[track_caller]
fn check(name: &str, old: &Object, pointer: &str, value: Value, expected: &str) {
    let new = update(name, old, |o| o.set(pointer, value.clone()));
    let causes = (kind(name).rules.validate_update)(&new, old);
    let said = complaint(name, &new, causes);
    assert!(if expected.is_empty() { said.is_empty() } else { said.starts_with(expected) }, "{said}");
}

fn workload(name: &str) -> Object {
    create(
        name,
        json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
    )
}

#[test]
fn the_selector_of_a_workload_stays() {
    for name in ["Deployment", "ReplicaSet", "DaemonSet"] {
        let old = workload(name);
        let new = update(name, &old, |o| {
            o.set("/spec/selector/matchLabels/a", "z");
            o.set("/spec/template/metadata/labels/a", "z");
        });
        let causes = (kind(name).rules.validate_update)(&new, &old);
        let expected = "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"z\"}}: field is immutable";
        assert_eq!(complaint(name, &new, causes), expected);
    }
    let set = workload("StatefulSet");
    check("StatefulSet", &set, "/spec/replicas", json!(5), "");
    check(
        "StatefulSet",
        &set,
        "/spec/serviceName",
        json!("s"),
        "spec: Forbidden: updates to statefulset spec",
    );
}

#[test]
fn running_pods_change_little() {
    let pod = create("Pod", json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}));
    let image = json!([{"name": "c", "image": "j:1", "imagePullPolicy": "Always"}]);
    check("Pod", &pod, "/spec/containers", image, "");
    check("Pod", &pod, "/spec/activeDeadlineSeconds", json!(5), "");
    check("Pod", &pod, "/spec/tolerations", json!([{"operator": "Exists"}]), "");
    let said = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`";
    check("Pod", &pod, "/spec/hostNetwork", json!(true), said);
    check("Pod", &pod, "/spec/nodeName", json!("n"), said);
}

#[test]
fn locked_config_stays_locked() {
    let locked = "data: Forbidden: field is immutable when `immutable` is set";
    let map = create("ConfigMap", json!({"data": {"a": "b"}, "immutable": true}));
    check("ConfigMap", &map, "/data/a", json!("c"), locked);
    check("ConfigMap", &map, "/metadata/labels", json!({"a": "b"}), "");
    let unlocking = "immutable: Forbidden: field is immutable when `immutable` is set";
    check("ConfigMap", &map, "/immutable", json!(false), unlocking);
    let secret = create("Secret", json!({"data": {"a": "YQ=="}, "immutable": true}));
    check("Secret", &secret, "/stringData", json!({"a": "b"}), locked);
    check("Secret", &secret, "/type", json!("a/b"), "type: Invalid value: \"a/b\": field is immutable");
}

#[test]
fn a_binding_keeps_its_role() {
    let binding = create("RoleBinding", json!({"roleRef": {"kind": "Role", "name": "r"}}));
    let expected = "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\
                    \"Name\":\"q\"}: cannot change roleRef";
    check("RoleBinding", &binding, "/roleRef/name", json!("q"), expected);
}

#[test]
fn status_goes_through_its_own_door() {
    let old = workload("Deployment");
    let through_main = update("Deployment", &old, |o| o.set("/status/replicas", 9));
    assert_eq!(through_main.at("/status"), Some(&json!({})));
    let mut through_status = old.clone();
    through_status.set("/status/replicas", 9);
    through_status.set("/spec/replicas", 9);
    through_status.set_label("l", "v");
    through_status.set_annotation("a", "v");
    (kind("Deployment").rules.prepare_status_update)(&mut through_status, &old);
    assert_eq!(through_status.i64_at("/status/replicas"), Some(9));
    assert_eq!(through_status.i64_at("/spec/replicas"), Some(1));
    assert_eq!((through_status.label("l"), through_status.annotation("a")), (None, Some("v")));
    let mut without = old.clone();
    without.remove("/status");
    (kind("Deployment").rules.prepare_status_update)(&mut without, &old);
    assert_eq!(without.at("/status"), Some(&json!({})));
}

#[test]
fn services_keep_what_they_were_given() {
    let mut old = create("Service", json!({"spec": {"type": "NodePort", "ports": [{"port": 80}]}}));
    crate::service::set_cluster_ip(&mut old, "10.0.0.7");
    crate::service::set_node_port(&mut old, 0, 30001);
    let applied = update("Service", &old, |o| {
        o.set("/spec", json!({"type": "NodePort", "ports": [{"port": 80}, {"name": "b", "port": 81}]}));
    });
    assert_eq!(crate::service::cluster_ip(&applied), Some("10.0.0.7"));
    assert_eq!(crate::service::node_ports(&applied), [(30001, "TCP")]);
    assert_eq!(crate::service::ports_without_node_port(&applied), [(1, "TCP")]);
    let inside = update("Service", &old, |o| o.set("/spec/type", "ClusterIP"));
    assert_eq!(crate::service::node_ports(&inside), []);
    assert_eq!(inside.at("/spec/externalTrafficPolicy"), None);
    let outside = update("Service", &old, |o| {
        o.set("/spec/type", "ExternalName");
        o.set("/spec/externalName", "a.b");
    });
    assert_eq!(outside.at("/spec/clusterIP"), None);
    let said = "spec.clusterIPs[0]: Invalid value: [\"10.0.0.8\"]: may not change once set";
    check("Service", &old, "/spec/clusterIP", json!("10.0.0.8"), said);
}

#[test]
fn a_job_keeps_its_template_once_started() {
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let mut job = create("Job", json!({"spec": {"suspend": true, "template": template}}));
    let place = "/spec/template/spec/nodeSelector";
    check("Job", &job, place, json!({"a": "b"}), "");
    check("Job", &job, "/spec/parallelism", json!(4), "");
    check(
        "Job",
        &job,
        "/spec/completions",
        json!(4),
        "spec.completions: Invalid value: 4: field is immutable",
    );
    job.set("/status/startTime", "2026-01-01T00:00:00Z");
    check("Job", &job, place, json!({"a": "b"}), "spec.template: Invalid value");
}

#[test]
fn a_daemon_set_counts_its_templates() {
    let old = workload("DaemonSet");
    let count = "deprecated.daemonset.template.generation";
    assert_eq!(old.annotation(count), Some("1"));
    let same = update("DaemonSet", &old, |o| o.set("/spec/minReadySeconds", 3));
    assert_eq!(same.annotation(count), Some("1"));
    let next = update("DaemonSet", &old, |o| o.set("/spec/template/metadata/labels/c", "d"));
    assert_eq!(next.annotation(count), Some("2"));
}

#[test]
fn autoscalers_survive_the_other_version() {
    let name = "autoscaling/v2/HorizontalPodAutoscaler";
    let memory = json!({"type": "Resource", "resource": {
        "name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
    let external = json!({"type": "External", "external": {
        "metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "Value", "value": "3"}}});
    let cpu = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
    let stored = create(
        name,
        json!({"spec": {"maxReplicas": 3, "metrics": [cpu, memory, external], "behavior": {"scaleDown": {}}}}),
    );
    let old = kind("autoscaling/v1/HorizontalPodAutoscaler").rules;
    let mut seen = stored.clone();
    (old.from_storage)(&mut seen);
    assert_eq!(seen.i64_at("/spec/targetCPUUtilizationPercentage"), Some(60));
    assert_eq!(seen.at("/spec/metrics"), None);
    (old.to_storage)(&mut seen);
    (kind(name).rules.default)(&mut seen);
    assert_eq!(seen, stored);
}

#[test]
fn events_have_two_sets_of_names() {
    let new = kind("events.k8s.io/v1/Event").rules;
    let mut event = create(
        "events.k8s.io/v1/Event",
        json!({"note": "n", "regarding": {"kind": "Pod"}, "reportingController": "c", "reportingInstance": "i"}),
    );
    let sent = event.clone();
    (new.to_storage)(&mut event);
    assert_eq!((event.api_version(), event.str_at("/message")), ("v1", Some("n")));
    assert_eq!(event.str_at("/involvedObject/kind"), Some("Pod"));
    (new.from_storage)(&mut event);
    assert_eq!(event, sent);
}

#[test]
fn a_scale_is_a_view_of_its_workload() {
    let mut deployment = workload("Deployment");
    deployment.set("/status/replicas", 2);
    let scale = scale::of_workload(&deployment);
    assert_eq!(scale.at("/spec"), Some(&json!({"replicas": 1})));
    assert_eq!(scale.at("/status"), Some(&json!({"replicas": 2, "selector": "a=b"})));
    let mut wanted = scale;
    wanted.set("/spec/replicas", 0);
    scale::apply_to_workload(&mut deployment, &wanted);
    assert_eq!(scale::of_workload(&deployment).at("/spec"), Some(&json!({})));
    wanted.set("/spec/replicas", -1);
    assert_eq!(scale::validate(&wanted)[0].message, "Invalid value: -1: must be greater than or equal to 0");
}

#[test]
fn evictions_respect_the_budget() {
    let pod = object(
        "Pod",
        json!({"metadata": {"labels": {"a": "b"}}, "status": {
        "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
    );
    let budget = |allowed: i64, observed: i64| {
        object(
            "PodDisruptionBudget",
            json!({"metadata": {"generation": 2},
            "spec": {"selector": {"matchLabels": {"a": "b"}}},
            "status": {"disruptionsAllowed": allowed, "observedGeneration": observed}}),
        )
    };
    assert_eq!(policy::decide_eviction(&pod, &[]), policy::Eviction::Delete);
    assert_eq!(policy::decide_eviction(&pod, &[budget(1, 2)]), policy::Eviction::Take(0));
    assert!(matches!(policy::decide_eviction(&pod, &[budget(0, 2)]), policy::Eviction::Refuse(0, _)));
    assert!(matches!(policy::decide_eviction(&pod, &[budget(1, 1)]), policy::Eviction::Refuse(0, _)));
    assert_eq!(policy::decide_eviction(&pod, &[budget(1, 2), budget(1, 2)]), policy::Eviction::Ambiguous);
    let mut pending = pod;
    pending.set("/status/phase", "Pending");
    assert_eq!(policy::decide_eviction(&pending, &[budget(0, 2)]), policy::Eviction::Delete);
    let mut taken = budget(1, 2);
    policy::take_disruption(&mut taken, "x", "2026-01-01T00:00:00Z");
    assert_eq!(taken.i64_at("/status/disruptionsAllowed"), Some(0));
    assert!(taken.at("/status/disruptedPods/x").is_some());
}

#[test]
fn a_pod_is_bound_once() {
    let mut pod = create("Pod", json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}));
    let binding =
        object("Binding", json!({"target": {"name": "n1"}, "metadata": {"annotations": {"a": "b"}}}));
    crate::pod::bind(&mut pod, &binding, "2026-01-01T00:00:00Z").unwrap();
    assert_eq!((pod.str_at("/spec/nodeName"), pod.annotation("a")), (Some("n1"), Some("b")));
    assert_eq!(pod.str_at("/status/conditions/0/status"), Some("True"));
    let again = crate::pod::bind(&mut pod, &binding, "2026-01-01T00:00:00Z");
    assert_eq!(again, Err("pod x is already assigned to node \"n1\"".into()));
}

#[test]
fn namespaces_go_when_nobody_holds_them() {
    let mut namespace =
        create("Namespace", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    assert!(!crate::namespace::is_finalized(&namespace));
    let request = object("Namespace", json!({"spec": {}}));
    namespace = crate::namespace::finalize(&namespace, &request);
    assert!(crate::namespace::is_finalized(&namespace));
}

#[test]
fn the_grace_of_a_pod_depends_on_whether_it_runs() {
    let pod = |spec: Value, phase: &str| object("Pod", json!({"spec": spec, "status": {"phase": phase}}));
    let grace = crate::pod::deletion_grace_secs;
    let spec = json!({"nodeName": "n", "terminationGracePeriodSeconds": 7});
    assert_eq!(grace(&pod(spec.clone(), "Running"), None), 7);
    assert_eq!(grace(&pod(spec.clone(), "Running"), Some(2)), 2);
    assert_eq!(grace(&pod(spec, "Succeeded"), Some(2)), 0);
    assert_eq!(grace(&pod(json!({}), "Pending"), None), 0);
}

#[test]
fn a_settled_object_needs_no_write() {
    let ports = json!([{"port": 80, "targetPort": "http"}]);
    let container =
        json!({"name": "c", "image": "i", "resources": {"limits": {"cpu": "0.1", "memory": "1000Mi"}}});
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}});
    let objects = [
        create("Pod", json!({"spec": {"containers": [container], "volumes": [{"name": "v"}]}})),
        create("Service", json!({"spec": {"type": "NodePort", "ports": ports}})),
        create("Job", json!({"spec": {"template": template}})),
        create(
            "CronJob",
            json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}}),
        ),
        create("PersistentVolumeClaim", json!({"spec": claim})),
        create("Namespace", json!({})),
        create("Node", json!({"status": {"capacity": {"cpu": "4000m"}}})),
        create("ConfigMap", json!({"data": {"a": "b"}, "immutable": true})),
        create("Secret", json!({"stringData": {"a": "b"}, "immutable": true})),
        create("EndpointSlice", json!({"addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"]}]})),
        create("RoleBinding", json!({"roleRef": {"kind": "Role", "name": "r"}})),
        create("NetworkPolicy", json!({"spec": {"podSelector": {}, "ingress": [{}]}})),
        create("PodDisruptionBudget", json!({"spec": {"minAvailable": "50%"}})),
        workload("Deployment"),
        workload("ReplicaSet"),
        workload("StatefulSet"),
        workload("DaemonSet"),
    ];
    for old in objects {
        let name = format!("{}/{}", old.api_version(), old.kind());
        let new = update(&name, &old, |_| {});
        assert_eq!(new, old, "{name}");
        assert_eq!(complaint(&name, &new, (kind(&name).rules.validate_update)(&new, &old)), "", "{name}");
        assert_eq!(complaint(&name, &new, (kind(&name).rules.validate_create)(&new)), "", "{name}");
    }
}

#[test]
fn claims_grow_but_do_not_move() {
    let claim = create(
        "PersistentVolumeClaim",
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}),
    );
    let name = "PersistentVolumeClaim";
    check(name, &claim, "/spec/volumeName", json!("v"), "");
    check(name, &claim, "/spec/resources/requests/storage", json!("3Gi"), "");
    let shrunk = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity";
    check(name, &claim, "/spec/resources/requests/storage", json!("1Gi"), shrunk);
    let fixed = "spec: Forbidden: spec is immutable after creation";
    check(name, &claim, "/spec/accessModes", json!(["ReadOnlyMany"]), fixed);
    let bound = update(name, &claim, |o| o.set("/spec/volumeName", "v"));
    check(name, &bound, "/spec/volumeName", json!("w"), fixed);
    let volume = create(
        "PersistentVolume",
        json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}}),
    );
    check("PersistentVolume", &volume, "/spec/claimRef", json!({"name": "c"}), "");
    check(
        "PersistentVolume",
        &volume,
        "/spec/hostPath/path",
        json!("/y"),
        "spec.persistentvolumesource: Forbidden",
    );
}

#[test]
fn signing_requests_are_decided_through_their_own_door() {
    let name = "CertificateSigningRequest";
    let mut request =
        create(name, json!({"spec": {"request": "x", "usages": ["client auth"], "username": "liar"}}));
    crate::certificates::stamp_requester(&mut request, "alice", "", &["g".into()], &serde_json::Map::new());
    assert_eq!(request.str_at("/spec/username"), Some("alice"));
    let approved = json!([{"type": "Approved", "status": "True"}]);
    let mut by_status = request.clone();
    by_status.set("/status", json!({"certificate": "c", "conditions": approved}));
    (kind(name).rules.prepare_status_update)(&mut by_status, &request);
    assert_eq!(by_status.at("/status/certificate"), Some(&json!("c")));
    assert!(by_status.at("/status/conditions/0").is_none_or(|c| c["type"] != "Approved"));
    let mut by_approval = request.clone();
    by_approval.set("/status", json!({"certificate": "c", "conditions": approved}));
    crate::certificates::prepare_approval(&mut by_approval, &request);
    assert_eq!(by_approval.at("/status"), Some(&json!({"conditions": approved})));
    let changed = update(name, &by_approval, |o| o.set("/spec/signerName", "z"));
    assert_eq!(changed, by_approval);
}

#[test]
fn ephemeral_containers_only_grow_in_number() {
    let old = create("Pod", json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}));
    let mut debugged = old.clone();
    debugged.set("/spec/ephemeralContainers", json!([{"name": "d", "image": "busybox"}]));
    debugged.set("/spec/nodeName", "elsewhere");
    crate::pod::update_ephemeral_containers(&mut debugged, &old).unwrap();
    assert_eq!(debugged.str_at("/spec/ephemeralContainers/0/imagePullPolicy"), Some("Always"));
    assert_eq!(debugged.at("/spec/nodeName"), None);
    let mut cleaned = debugged.clone();
    cleaned.remove("/spec/ephemeralContainers");
    let refused = crate::pod::update_ephemeral_containers(&mut cleaned, &debugged).unwrap_err();
    assert_eq!(refused[0].field, "spec.ephemeralContainers");
    let mut resized = old.clone();
    resized.set(
        "/spec/containers",
        json!([{"name": "c", "image": "other", "resources": {"requests": {"cpu": "1000m"}}}]),
    );
    crate::pod::prepare_resize(&mut resized, &old);
    assert_eq!(resized.str_at("/spec/containers/0/resources/requests/cpu"), Some("1"));
    assert_eq!(resized.str_at("/spec/containers/0/image"), Some("i"));
}

#[test]
fn admission_adds_patience_once() {
    let mut pod = create("Pod", json!({"spec": {"containers": []}}));
    crate::pod::admission_defaults(&mut pod);
    let once = pod.clone();
    crate::pod::admission_defaults(&mut pod);
    assert_eq!(pod, once);
    assert_eq!(pod.at("/spec/tolerations").and_then(Value::as_array).map(Vec::len), Some(2));
    let mut node = create("Node", json!({}));
    crate::node::taint_not_ready(&mut node);
    crate::node::taint_not_ready(&mut node);
    assert_eq!(node.at("/spec/taints").and_then(Value::as_array).map(Vec::len), Some(1));
}

#[test]
fn conditions_of_signing_requests_are_dated() {
    let condition = |status: &str| json!({"type": "Approved", "status": status});
    let of = |condition: Value| {
        object("CertificateSigningRequest", json!({"status": {"conditions": [condition]}}))
    };
    let mut first = of(condition("True"));
    crate::certificates::date_conditions(&mut first, &of(json!({})), "T1");
    assert_eq!(
        first.at("/status/conditions/0").unwrap(),
        &json!({"type": "Approved", "status": "True", "lastUpdateTime": "T1", "lastTransitionTime": "T1"})
    );
    let mut again = of(condition("True"));
    crate::certificates::date_conditions(&mut again, &first, "T2");
    assert_eq!(again.str_at("/status/conditions/0/lastTransitionTime"), Some("T1"), "nothing changed");
    assert_eq!(again.str_at("/status/conditions/0/lastUpdateTime"), Some("T2"));
    let mut failed = of(condition("False"));
    crate::certificates::date_conditions(&mut failed, &first, "T3");
    assert_eq!(failed.str_at("/status/conditions/0/lastTransitionTime"), Some("T3"));
}
