use machinery::{GroupVersionKind, Object};
use serde_json::{Value, json};

use super::*;

fn object(api_version: &str, kind: &str, rest: Value) -> Object {
    let mut object = Object::new(api_version, kind, "shop", "cart");
    merge(object.value_mut(), rest);
    object
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn deployment(rest: Value) -> Object {
    object("apps/v1", "Deployment", rest)
}

/// One item per member, named m1, m2, …; null is a member that has not reported.
fn items(statuses: &[Value]) -> Vec<AggregatedStatusItem> {
    let item = |(i, status): (usize, &Value)| {
        let mut item = json!({ "clusterName": format!("m{}", i + 1), "applied": true });
        if !status.is_null() {
            item["status"] = status.clone();
        }
        serde_json::from_value(item).unwrap()
    };
    statuses.iter().enumerate().map(item).collect()
}

fn aggregated(template: &Object, statuses: &[Value]) -> Value {
    let result = Interpreter::native().aggregate_status(template, &items(statuses)).unwrap();
    result.at("/status").cloned().unwrap_or_default()
}

mod replicas {
    use super::*;

    fn check(object: &Object, replicas: i64, requirements: Value) {
        let (found, needs) = Interpreter::native().replicas(object).unwrap().unwrap();
        assert_eq!(found, replicas, "replicas of {object:?}");
        assert_eq!(needs.map_or(Value::Null, |n| serde_json::to_value(n).unwrap()), requirements);
    }

    fn container(requests: Value) -> Value {
        json!({ "name": "c", "resources": { "requests": requests } })
    }

    #[test]
    fn come_from_the_specification() {
        for kind in ["Deployment", "ReplicaSet", "StatefulSet"] {
            check(&object("apps/v1", kind, json!({ "spec": { "replicas": 3 } })), 3, Value::Null);
            check(&object("apps/v1", kind, json!({ "spec": {} })), 0, Value::Null);
        }
        check(&object("v1", "Pod", json!({ "spec": {} })), 1, Value::Null);
    }

    #[test]
    fn of_a_job_are_bounded_by_its_completions() {
        for (spec, replicas) in [
            (json!({ "parallelism": 5 }), 5),
            (json!({ "parallelism": 5, "completions": 2 }), 2),
            (json!({ "parallelism": 1, "completions": 2 }), 1),
            (json!({ "completions": 2 }), 0),
        ] {
            check(&object("batch/v1", "Job", json!({ "spec": spec })), replicas, Value::Null);
        }
    }

    #[test]
    fn need_the_larger_of_init_and_main_containers_plus_overhead() {
        let spec = json!({ "replicas": 1, "template": { "spec": {
            "containers": [
                container(json!({ "cpu": "100m", "memory": "1Gi" })),
                { "name": "d", "resources": { "limits": { "cpu": "200m" } } },
            ],
            "initContainers": [container(json!({ "cpu": "1", "nvidia.com/gpu": "0" }))],
            "overhead": { "memory": "1Mi" },
        } } });
        check(
            &deployment(json!({ "spec": spec })),
            1,
            json!({ "resourceRequest": { "cpu": "1", "memory": "1025Mi" } }),
        );
    }

    #[test]
    fn need_certain_nodes() {
        let required = json!({ "nodeSelectorTerms": [{ "matchExpressions": [
            { "key": "gpu", "operator": "Exists" },
        ] }] });
        let spec = json!({
            "nodeSelector": { "disk": "ssd" },
            "tolerations": [],
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": required } },
        });
        check(
            &deployment(json!({ "spec": { "replicas": 2, "template": { "spec": spec } } })),
            2,
            json!({ "nodeClaim": { "nodeSelector": { "disk": "ssd" }, "hardNodeAffinity": required } }),
        );
    }

    #[test]
    fn that_ask_for_no_known_amount_need_nothing() {
        let spec = json!({ "template": { "spec": { "containers": [container(json!({ "cpu": "many" }))] } } });
        check(&deployment(json!({ "spec": spec })), 0, Value::Null);
        let affinity = json!({ "template": { "spec": {
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": 1 } } },
        } } });
        let error = Interpreter::native().replicas(&deployment(json!({ "spec": affinity }))).unwrap_err();
        assert_eq!(error.operation, Operation::InterpretReplica);
        assert_eq!(error.key.to_string(), "shop/cart");
    }

    #[test]
    fn are_revised_only_where_they_are_given() {
        let native = Interpreter::native();
        for (kind, field) in [
            ("apps/v1 Deployment", "replicas"),
            ("apps/v1 ReplicaSet", "replicas"),
            ("apps/v1 StatefulSet", "replicas"),
            ("batch/v1 Job", "parallelism"),
        ] {
            let (api_version, kind) = kind.split_once(' ').unwrap();
            let given = object(api_version, kind, json!({ "spec": { field: 1 } }));
            let revised = native.revise_replicas(&given, 7).unwrap();
            assert_eq!(revised.at("/spec").unwrap(), &json!({ field: 7 }), "{kind}");
            let absent = object(api_version, kind, json!({ "spec": {} }));
            assert_eq!(native.revise_replicas(&absent, 7).unwrap(), absent, "{kind}");
        }
        let map = object("v1", "ConfigMap", json!({}));
        assert_eq!(native.revise_replicas(&map, 7).unwrap(), map);
        assert_eq!(native.replicas(&map).unwrap(), None);
    }
}

mod retention {
    use super::*;

    fn check(api_version: &str, kind: &str, desired: Value, observed: Value, expected: Value) {
        let desired = object(api_version, kind, desired);
        let observed = object(api_version, kind, observed);
        let retained = Interpreter::native().retain(&desired, &observed).unwrap();
        assert_eq!(retained, object(api_version, kind, expected));
    }

    #[test]
    fn keeps_replicas_only_when_asked_to() {
        let label = json!({ "labels": { "resourcetemplate.karmada.io/retain-replicas": "true" } });
        check(
            "apps/v1",
            "Deployment",
            json!({ "metadata": label, "spec": { "replicas": 1 } }),
            json!({ "spec": { "replicas": 5 } }),
            json!({ "metadata": label, "spec": { "replicas": 5 } }),
        );
        let plain = json!({ "spec": { "replicas": 1 } });
        check("apps/v1", "Deployment", plain.clone(), json!({ "spec": { "replicas": 5 } }), plain);
        let desired = deployment(json!({ "metadata": label }));
        let error = Interpreter::native().retain(&desired, &deployment(json!({}))).unwrap_err();
        assert_eq!(error.operation, Operation::Retain);
    }

    #[test]
    fn keeps_what_the_member_put_into_a_pod() {
        check(
            "v1",
            "Pod",
            json!({ "spec": { "containers": [{ "name": "a" }, { "name": "b", "volumeMounts": [1] }] } }),
            json!({ "spec": {
                "nodeName": "n1", "serviceAccountName": "default", "volumes": ["token"],
                "containers": [{ "name": "b" }, { "name": "a", "volumeMounts": ["token"] }],
            } }),
            json!({ "spec": {
                "nodeName": "n1", "serviceAccountName": "default", "volumes": ["token"],
                "containers": [{ "name": "a", "volumeMounts": ["token"] }, { "name": "b" }],
            } }),
        );
    }

    #[test]
    fn keeps_addresses_but_not_node_ports_of_a_service() {
        check(
            "v1",
            "Service",
            json!({ "spec": { "ports": [{ "port": 80 }] } }),
            json!({ "spec": {
                "clusterIP": "10.0.0.1", "healthCheckNodePort": 30000,
                "ports": [{ "port": 80, "nodePort": 31000 }],
            } }),
            json!({ "spec": {
                "clusterIP": "10.0.0.1", "healthCheckNodePort": 30000, "ports": [{ "port": 80 }],
            } }),
        );
        let desired = json!({ "spec": { "ports": [] } });
        let empty = json!({ "spec": { "clusterIP": "", "healthCheckNodePort": 0 } });
        check("v1", "Service", desired.clone(), empty, desired);
    }

    #[test]
    fn unites_the_secrets_of_a_service_account() {
        check(
            "v1",
            "ServiceAccount",
            json!({ "secrets": [{ "name": "own" }] }),
            json!({ "secrets": [{ "name": "cart-token-1" }, { "name": "own", "namespace": "x" }],
                    "imagePullSecrets": [{ "name": "pull" }] }),
            json!({ "secrets": [{ "name": "own" }, { "name": "cart-token-1" }],
                    "imagePullSecrets": [{ "name": "pull" }] }),
        );
        // Nothing on either side writes nothing.
        check("v1", "ServiceAccount", json!({}), json!({ "secrets": [] }), json!({}));
    }

    #[test]
    fn keeps_a_service_account_token_and_no_other_secret() {
        let token = "kubernetes.io/service-account-token";
        check(
            "v1",
            "Secret",
            json!({ "type": token }),
            json!({ "type": token, "data": { "token": "eA==" } }),
            json!({ "type": token, "data": { "token": "eA==" } }),
        );
        let opaque = json!({ "type": "Opaque", "data": { "k": "bmV3" } });
        check("v1", "Secret", opaque.clone(), json!({ "data": { "k": "b2xk" } }), opaque);
    }

    #[test]
    fn keeps_bindings_of_volumes_and_labels_of_jobs() {
        check(
            "v1",
            "PersistentVolumeClaim",
            json!({ "spec": {} }),
            json!({ "spec": { "volumeName": "pv-1" } }),
            json!({ "spec": { "volumeName": "pv-1" } }),
        );
        check(
            "v1",
            "PersistentVolume",
            json!({ "spec": {} }),
            json!({ "spec": { "claimRef": { "name": "c" } } }),
            json!({ "spec": { "claimRef": { "name": "c" } } }),
        );
        let generated = json!({
            "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": "u" } },
            "template": { "metadata": { "labels": { "job-name": "cart" } } },
        });
        check(
            "batch/v1",
            "Job",
            json!({ "spec": {} }),
            json!({ "spec": generated }),
            json!({ "spec": generated }),
        );
    }
}

mod reflection {
    use super::*;

    fn check(object: &Object, expected: Value) {
        let status = Interpreter::native().reflect_status(object).unwrap();
        assert_eq!(status.unwrap_or_default(), expected, "{}", object.kind());
    }

    fn copy(api_version: &str, kind: &str, status: Value) -> Object {
        let metadata = json!({
            "generation": 2, "annotations": { "resourcetemplate.karmada.io/generation": "7" },
        });
        object(api_version, kind, json!({ "metadata": metadata, "status": status }))
    }

    #[test]
    fn carries_counters_and_generations_of_workloads() {
        check(
            &copy(
                "apps/v1",
                "Deployment",
                json!({
                    "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 0,
                    "unavailableReplicas": 1, "observedGeneration": 2, "conditions": [{ "type": "Available" }],
                }),
            ),
            json!({
                "replicas": 2, "updatedReplicas": 2, "readyReplicas": 1, "unavailableReplicas": 1,
                "observedGeneration": 2, "generation": 2, "resourceTemplateGeneration": 7,
            }),
        );
        check(
            &copy("apps/v1", "ReplicaSet", json!({ "fullyLabeledReplicas": 1 })),
            json!({ "replicas": 0, "generation": 2, "resourceTemplateGeneration": 7 }),
        );
        check(
            &copy(
                "apps/v1",
                "StatefulSet",
                json!({ "replicas": 1, "observedGeneration": 2, "currentRevision": "r" }),
            ),
            json!({ "replicas": 1, "availableReplicas": 0, "generation": 2, "resourceTemplateGeneration": 7 }),
        );
        check(
            &copy("apps/v1", "DaemonSet", json!({ "desiredNumberScheduled": 3, "numberAvailable": 2 })),
            json!({
                "currentNumberScheduled": 0, "desiredNumberScheduled": 3, "numberMisscheduled": 0,
                "numberReady": 0, "numberAvailable": 2, "generation": 2, "resourceTemplateGeneration": 7,
            }),
        );
    }

    #[test]
    fn of_an_object_without_status_is_nothing() {
        for (api_version, kind) in [("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "ConfigMap")] {
            check(&object(api_version, kind, json!({})), Value::Null);
        }
        check(&deployment(json!({ "status": {} })), Value::Null);
    }

    #[test]
    fn goes_on_without_a_numeric_template_generation() {
        let mut copy = copy("apps/v1", "Deployment", json!({ "replicas": 1 }));
        copy.set_annotation("resourcetemplate.karmada.io/generation", "seven");
        check(&copy, json!({ "replicas": 1, "generation": 2 }));
    }

    #[test]
    fn of_other_kinds_takes_what_matters() {
        let balancer = json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] }, "conditions": [] });
        check(
            &object("v1", "Service", json!({ "spec": { "type": "LoadBalancer" }, "status": balancer })),
            json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } }),
        );
        check(
            &object("v1", "Service", json!({ "spec": { "type": "ClusterIP" }, "status": balancer })),
            Value::Null,
        );
        check(&object("networking.k8s.io/v1", "Ingress", json!({ "status": balancer })), balancer);
        check(
            &object("batch/v1", "Job", json!({ "status": { "active": 1, "failed": 0, "ready": 1 } })),
            json!({ "active": 1 }),
        );
        check(
            &object(
                "policy/v1",
                "PodDisruptionBudget",
                json!({ "status": { "expectedPods": 2, "observedGeneration": 1 } }),
            ),
            json!({ "disruptionsAllowed": 0, "expectedPods": 2, "desiredHealthy": 0, "currentHealthy": 0 }),
        );
        check(
            &object(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                json!({ "status": { "currentReplicas": 2, "conditions": [] } }),
            ),
            json!({ "currentReplicas": 2, "desiredReplicas": 0 }),
        );
        check(&object("example.io/v1", "Anything", json!({ "status": { "x": [1] } })), json!({ "x": [1] }));
    }
}

mod aggregation {
    use super::*;

    fn member(replicas: i64, template_generation: i64, observed: i64) -> Value {
        json!({
            "replicas": replicas, "readyReplicas": replicas, "generation": 4, "observedGeneration": observed,
            "resourceTemplateGeneration": template_generation,
        })
    }

    fn template(status: Value) -> Object {
        deployment(json!({ "metadata": { "generation": 3 }, "status": status }))
    }

    #[test]
    fn adds_up_counters_and_keeps_what_it_does_not_know() {
        let old = json!({ "replicas": 9, "updatedReplicas": 1, "collisionCount": 2 });
        assert_eq!(
            aggregated(&template(old), &[member(2, 3, 4), member(1, 3, 4)]),
            json!({ "replicas": 3, "readyReplicas": 3, "observedGeneration": 3, "collisionCount": 2 }),
        );
    }

    #[test]
    fn counts_as_observed_only_when_every_member_is_current() {
        let current = member(1, 3, 4);
        for (name, items, observed) in [
            ("all current", vec![current.clone(), current.clone()], 3),
            ("one copy is older than the template", vec![current.clone(), member(1, 2, 4)], 1),
            ("one member has not looked yet", vec![current.clone(), member(1, 3, 3)], 1),
            ("one member has not reported", vec![current, Value::Null], 1),
        ] {
            let status = aggregated(&template(json!({ "observedGeneration": 1 })), &items);
            assert_eq!(status["observedGeneration"], observed, "{name}");
        }
    }

    #[test]
    fn compares_a_stateful_sets_copies_with_the_template() {
        let set = object("apps/v1", "StatefulSet", json!({ "metadata": { "generation": 3 } }));
        let member = |from: i64| json!({ "replicas": 1, "availableReplicas": 1, "generation": 9, "resourceTemplateGeneration": from });
        assert_eq!(
            aggregated(&set, &[member(3), member(3)]),
            json!({ "replicas": 2, "availableReplicas": 2, "observedGeneration": 3 }),
        );
        assert_eq!(aggregated(&set, &[member(2)]), json!({ "replicas": 1, "availableReplicas": 1 }));
    }

    #[test]
    fn of_a_settled_workload_changes_nothing() {
        let items = items(&[member(2, 3, 4)]);
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("apps/v1", "ReplicaSet"),
            ("apps/v1", "StatefulSet"),
            ("apps/v1", "DaemonSet"),
        ] {
            let native = Interpreter::native();
            let template = object(api_version, kind, json!({ "metadata": { "generation": 3 } }));
            let once = native.aggregate_status(&template, &items).unwrap();
            assert_ne!(once, template, "{kind}");
            assert_eq!(native.aggregate_status(&once, &items).unwrap(), once, "{kind}");
        }
    }

    #[test]
    fn unites_addresses_named_first() {
        let service = object("v1", "Service", json!({ "spec": { "type": "LoadBalancer" } }));
        let member = |ingress: Value| json!({ "loadBalancer": { "ingress": ingress } });
        assert_eq!(
            aggregated(
                &service,
                &[
                    member(json!([{ "ip": "2.2.2.2" }, { "ip": "1.1.1.1", "ports": [{ "port": 80 }] }])),
                    Value::Null,
                    member(
                        json!([{ "hostname": "b" }, { "ip": "1.1.1.1", "ports": [{ "port": 8 }, { "port": 80 }] }])
                    ),
                ]
            ),
            json!({ "loadBalancer": { "ingress": [
                { "hostname": "b" },
                { "ip": "1.1.1.1", "ports": [{ "port": 8 }, { "port": 80 }] },
                { "ip": "2.2.2.2" },
            ] } }),
        );
        let plain = object("v1", "Service", json!({ "spec": { "type": "ClusterIP" } }));
        assert_eq!(aggregated(&plain, &[member(json!([{ "ip": "1.1.1.1" }]))]), Value::Null);
        let ingress = object("networking.k8s.io/v1", "Ingress", json!({}));
        assert_eq!(aggregated(&ingress, &[Value::Null]), json!({ "loadBalancer": {} }));
    }

    fn finished(kind: &str, at: &str) -> Value {
        json!({
            "succeeded": 1, "startTime": "2030-01-01T00:00:00Z", "completionTime": at,
            "conditions": [{ "type": kind, "status": "True", "lastTransitionTime": at }],
        })
    }

    #[test]
    fn completes_a_job_when_it_is_complete_everywhere() {
        let job = object("batch/v1", "Job", json!({}));
        let one = finished("Complete", "2030-01-01T01:00:00Z");
        let two = finished("Complete", "2030-01-01T02:00:00Z");
        let status = aggregated(&job, &[one.clone(), two]);
        assert_eq!(
            status,
            json!({
                "succeeded": 2,
                "startTime": "2030-01-01T00:00:00Z",
                "completionTime": "2030-01-01T02:00:00Z",
                "conditions": [{
                    "type": "Complete", "status": "True", "reason": "Completed", "message": "Job completed",
                    "lastTransitionTime": "2030-01-01T02:00:00Z",
                }],
            })
        );
        let unfinished = aggregated(&job, &[one.clone(), json!({ "active": 1 })]);
        assert_eq!(unfinished, json!({ "succeeded": 1, "active": 1 }));
        assert_eq!(aggregated(&job, &[one, Value::Null])["conditions"], Value::Null);
        assert_eq!(aggregated(&job, &[]), json!({}));
    }

    #[test]
    fn fails_a_job_when_it_failed_anywhere_and_never_takes_that_back() {
        let job = object("batch/v1", "Job", json!({}));
        let failed = finished("Failed", "2030-01-01T01:00:00Z");
        let status = aggregated(&job, &[json!({ "active": 1 }), failed]);
        assert_eq!(status["conditions"][0]["reason"], "JobFailed");
        assert!(status["conditions"][0]["message"].as_str().unwrap().ends_with("m2"));
        let job = object("batch/v1", "Job", json!({ "status": status.clone() }));
        assert_eq!(aggregated(&job, &[json!({ "active": 1 })]), status);
    }

    #[test]
    fn takes_the_latest_times_of_cron_jobs() {
        let cron = object("batch/v1", "CronJob", json!({ "status": { "active": [{ "name": "old" }] } }));
        assert_eq!(
            aggregated(
                &cron,
                &[
                    json!({ "active": [{ "name": "a" }], "lastScheduleTime": "2030-01-01T00:00:00Z" }),
                    json!({ "lastScheduleTime": "2031-01-01T00:00:00Z" }),
                ]
            ),
            json!({ "active": [{ "name": "a" }], "lastScheduleTime": "2031-01-01T00:00:00Z" }),
        );
    }

    #[test]
    fn shows_the_worst_phase() {
        let phases = |kind: &str, phases: &[&str]| {
            let statuses: Vec<Value> = phases
                .iter()
                .map(|p| if p.is_empty() { Value::Null } else { json!({ "phase": p }) })
                .collect();
            aggregated(&object("v1", kind, json!({})), &statuses)["phase"].as_str().unwrap_or("-").to_owned()
        };
        for (kind, members, expected) in [
            ("Pod", vec!["Running", "Failed", "Pending"], "Failed"),
            ("Pod", vec!["Running", ""], "Pending"),
            ("Pod", vec!["Running", "Succeeded"], "Running"),
            ("Pod", vec!["Succeeded"], "Succeeded"),
            ("PersistentVolume", vec!["Bound", "Available"], "Available"),
            ("PersistentVolume", vec!["Released", "Bound"], "Bound"),
            ("PersistentVolume", vec![""], "-"),
            ("PersistentVolumeClaim", vec!["Bound", ""], "Bound"),
            ("PersistentVolumeClaim", vec!["Bound", "Pending"], "Pending"),
            ("PersistentVolumeClaim", vec!["Lost", "Pending"], "Lost"),
        ] {
            assert_eq!(phases(kind, &members), expected, "{kind} {members:?}");
        }
    }

    #[test]
    fn lists_the_containers_of_all_members() {
        let state = json!({ "running": {} });
        let member = json!({ "phase": "Running", "containerStatuses": [
            { "name": "c", "ready": true, "restartCount": 3, "state": state },
        ] });
        let status = aggregated(&object("v1", "Pod", json!({})), &[member.clone(), member]);
        let containers = status["containerStatuses"].as_array().unwrap();
        assert_eq!(containers.len(), 2);
        assert_eq!((&containers[0]["ready"], &containers[0]["state"]), (&json!(true), &state));
        assert_eq!(containers[0]["restartCount"], 0);
    }

    #[test]
    fn sums_budgets_and_autoscalers() {
        let budget = object("policy/v1", "PodDisruptionBudget", json!({}));
        assert_eq!(
            aggregated(
                &budget,
                &[
                    json!({ "currentHealthy": 1, "disruptedPods": { "p": "2030-01-01T00:00:00Z" } }),
                    json!({ "currentHealthy": 2, "desiredHealthy": 1, "disruptionsAllowed": 1, "expectedPods": 2 }),
                ]
            ),
            json!({
                "currentHealthy": 3, "desiredHealthy": 1, "disruptionsAllowed": 1, "expectedPods": 2,
                "disruptedPods": { "m1/p": "2030-01-01T00:00:00Z" },
            }),
        );
        let scaler = object("autoscaling/v2", "HorizontalPodAutoscaler", json!({}));
        assert_eq!(
            aggregated(
                &scaler,
                &[json!({ "currentReplicas": 1, "desiredReplicas": 2 }), json!({ "desiredReplicas": 2 })]
            ),
            json!({ "currentReplicas": 1, "desiredReplicas": 4 }),
        );
    }
}

mod health {
    use super::*;

    fn check(api_version: &str, kind: &str, rest: Value, healthy: bool) {
        let object = object(api_version, kind, rest);
        assert_eq!(Interpreter::native().health(&object).unwrap(), healthy, "{object:?}");
    }

    #[test]
    fn of_workloads_needs_observed_updated_and_available_replicas() {
        let with = |spec: Value, status: Value| json!({ "metadata": { "generation": 2 }, "spec": spec, "status": status });
        let two = json!({ "replicas": 2 });
        for kind in ["Deployment", "StatefulSet"] {
            for (status, healthy) in [
                (json!({ "observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2 }), true),
                (json!({ "observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2 }), false),
                (json!({ "observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2 }), false),
                (json!({ "observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1 }), false),
                (json!({}), false),
            ] {
                check("apps/v1", kind, with(two.clone(), status), healthy);
            }
        }
        check(
            "apps/v1",
            "ReplicaSet",
            with(two.clone(), json!({ "observedGeneration": 2, "availableReplicas": 2 })),
            true,
        );
        check(
            "apps/v1",
            "ReplicaSet",
            with(two, json!({ "observedGeneration": 2, "availableReplicas": 1 })),
            false,
        );
        let daemon = |updated: i64, available: i64| {
            let status = json!({
                "observedGeneration": 2, "desiredNumberScheduled": 2,
                "updatedNumberScheduled": updated, "numberAvailable": available,
            });
            with(json!({}), status)
        };
        check("apps/v1", "DaemonSet", daemon(2, 2), true);
        check("apps/v1", "DaemonSet", daemon(1, 2), false);
        check("apps/v1", "DaemonSet", daemon(2, 1), false);
    }

    #[test]
    fn of_other_kinds_reads_their_status() {
        let addressed = json!({ "loadBalancer": { "ingress": [{ "hostname": "h" }] } });
        check("v1", "Service", json!({ "spec": { "type": "ClusterIP" } }), true);
        check("v1", "Service", json!({ "spec": { "type": "LoadBalancer" } }), false);
        check("v1", "Service", json!({ "spec": { "type": "LoadBalancer" }, "status": addressed }), true);
        check("networking.k8s.io/v1", "Ingress", json!({ "status": addressed }), true);
        check(
            "networking.k8s.io/v1",
            "Ingress",
            json!({ "status": { "loadBalancer": { "ingress": [{}] } } }),
            false,
        );
        check("v1", "PersistentVolumeClaim", json!({ "status": { "phase": "Bound" } }), true);
        check("v1", "PersistentVolumeClaim", json!({ "status": { "phase": "Pending" } }), false);
        let running = |ready: &str| {
            json!({ "status": { "phase": "Running", "conditions": [
            { "type": "PodScheduled", "status": "True" }, { "type": "Ready", "status": ready },
        ] } })
        };
        check("v1", "Pod", running("True"), true);
        check("v1", "Pod", running("False"), false);
        check("v1", "Pod", json!({ "status": { "phase": "Succeeded" } }), true);
        check("v1", "Pod", json!({ "status": { "phase": "Pending" } }), false);
        check(
            "policy/v1",
            "PodDisruptionBudget",
            json!({ "status": { "currentHealthy": 1, "desiredHealthy": 2 } }),
            false,
        );
        check(
            "policy/v1",
            "PodDisruptionBudget",
            json!({ "status": { "currentHealthy": 2, "desiredHealthy": 2 } }),
            true,
        );
        check("batch/v1", "Job", json!({}), true);
        check("v1", "ConfigMap", json!({}), true);
    }
}

mod dependencies {
    use super::*;

    fn check(object: &Object, expected: &[&str]) {
        let found = Interpreter::native().dependencies(object).unwrap();
        let found: Vec<String> = found
            .iter()
            .map(|d| format!("{} {} {}/{}", d.api_version, d.kind, d.namespace, d.name))
            .collect();
        assert_eq!(found, expected);
    }

    fn pod_spec() -> Value {
        json!({
            "serviceAccountName": "robot",
            "imagePullSecrets": [{ "name": "pull" }, {}],
            "initContainers": [{ "envFrom": [{ "configMapRef": { "name": "init" } }, { "secretRef": { "name": "s1" } }] }],
            "containers": [{ "env": [
                { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "env" } } },
                { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s2" } } },
                { "name": "C", "value": "plain" },
            ] }],
            "volumes": [
                { "configMap": { "name": "env" } },
                { "secret": { "secretName": "s3" } },
                { "csi": { "nodePublishSecretRef": { "name": "s4" } } },
                { "persistentVolumeClaim": { "claimName": "data" } },
                { "projected": { "sources": [{ "secret": { "name": "s5" } }, { "configMap": { "name": "projected" } }] } },
                { "emptyDir": {} },
            ],
        })
    }

    const ALL: [&str; 11] = [
        "v1 ConfigMap shop/env",
        "v1 ConfigMap shop/init",
        "v1 ConfigMap shop/projected",
        "v1 Secret shop/pull",
        "v1 Secret shop/s1",
        "v1 Secret shop/s2",
        "v1 Secret shop/s3",
        "v1 Secret shop/s4",
        "v1 Secret shop/s5",
        "v1 ServiceAccount shop/robot",
        "v1 PersistentVolumeClaim shop/data",
    ];

    #[test]
    fn of_pods_are_what_their_specification_names() {
        let templated = json!({ "spec": { "template": { "spec": pod_spec() } } });
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("apps/v1", "ReplicaSet"),
            ("apps/v1", "DaemonSet"),
            ("apps/v1", "StatefulSet"),
            ("batch/v1", "Job"),
        ] {
            check(&object(api_version, kind, templated.clone()), &ALL);
        }
        check(&object("batch/v1", "CronJob", json!({ "spec": { "jobTemplate": templated } })), &ALL);
        check(&object("v1", "Pod", json!({ "spec": pod_spec() })), &ALL);
        check(&object("v1", "Pod", json!({ "spec": { "serviceAccountName": "default" } })), &[]);
    }

    #[test]
    fn of_a_stateful_set_leave_out_its_own_claims() {
        let spec = json!({
            "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
            "template": { "spec": pod_spec() },
        });
        check(&object("apps/v1", "StatefulSet", json!({ "spec": spec })), &ALL[..10]);
    }

    #[test]
    fn of_an_ingress_are_its_secrets_even_when_one_entry_has_none() {
        let tls =
            json!([{ "hosts": ["a"] }, { "secretName": "b" }, { "secretName": "a" }, { "secretName": "b" }]);
        check(
            &object("networking.k8s.io/v1", "Ingress", json!({ "spec": { "tls": tls } })),
            &["v1 Secret shop/a", "v1 Secret shop/b"],
        );
    }

    #[test]
    fn of_a_service_import_are_the_derived_service_and_its_slices() {
        let import = object("multicluster.x-k8s.io/v1alpha1", "ServiceImport", json!({}));
        check(&import, &["v1 Service shop/derived-cart", "discovery.k8s.io/v1 EndpointSlice shop/"]);
        let slices = Interpreter::native().dependencies(&import).unwrap().remove(1);
        assert_eq!(
            serde_json::to_value(slices.label_selector).unwrap(),
            json!({ "matchLabels": { "kubernetes.io/service-name": "derived-cart" } }),
        );
    }
}

mod pruning {
    use super::*;

    fn check(api_version: &str, kind: &str, given: Value, expected: Value) {
        let mut pruned = object(api_version, kind, given);
        prune(&mut pruned);
        assert_eq!(pruned, object(api_version, kind, expected.clone()));
        prune(&mut pruned);
        assert_eq!(pruned, object(api_version, kind, expected), "pruning twice is pruning once");
    }

    #[test]
    fn removes_what_the_server_wrote() {
        check(
            "example.io/v1",
            "Anything",
            json!({
                "metadata": {
                    "uid": "u", "resourceVersion": "1", "generation": 2, "creationTimestamp": "t",
                    "deletionTimestamp": "t", "deletionGracePeriodSeconds": 1, "managedFields": [],
                    "selfLink": "/", "ownerReferences": [], "finalizers": ["f"],
                    "labels": { "a": "b" }, "annotations": { "deployment.kubernetes.io/revision": "1" },
                },
                "spec": { "x": 1 }, "status": { "y": 2 },
            }),
            json!({
                "metadata": { "labels": { "a": "b" }, "annotations": { "deployment.kubernetes.io/revision": "1" } },
                "spec": { "x": 1 },
            }),
        );
    }

    #[test]
    fn removes_what_the_kinds_controllers_wrote() {
        check(
            "apps/v1",
            "Deployment",
            json!({ "metadata": { "annotations": { "deployment.kubernetes.io/revision": "1" } } }),
            json!({}),
        );
        let job = json!({
            "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": "u" } },
            "template": { "metadata": { "labels": {
                "controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "job-name": "cart",
                "batch.kubernetes.io/job-name": "cart", "app": "x",
            } } },
            "ttlSecondsAfterFinished": 5,
        });
        check(
            "batch/v1",
            "Job",
            json!({ "spec": job }),
            json!({ "spec": {
                "template": { "metadata": { "labels": { "app": "x" } } }, "ttlSecondsAfterFinished": 5,
            } }),
        );
        let mut manual = job;
        manual["manualSelector"] = true.into();
        check("batch/v1", "Job", json!({ "spec": manual }), json!({ "spec": manual }));
        let token = "kubernetes.io/service-account-token";
        check(
            "v1",
            "Secret",
            json!({
                "metadata": { "annotations": { "kubernetes.io/service-account.uid": "u", "kubernetes.io/service-account.name": "n" } },
                "type": token, "data": { "token": "eA==" },
            }),
            json!({ "metadata": { "annotations": { "kubernetes.io/service-account.name": "n" } }, "type": token }),
        );
        check(
            "v1",
            "ServiceAccount",
            json!({ "secrets": [{ "name": "cart-token-abc" }, { "name": "own" }] }),
            json!({ "secrets": [{ "name": "own" }] }),
        );
        check("v1", "ServiceAccount", json!({ "secrets": [{ "name": "cart-token-abc" }] }), json!({}));
        check(
            "v1",
            "Service",
            json!({ "spec": { "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [] } }),
            json!({ "spec": { "ports": [] } }),
        );
        let headless = json!({ "spec": { "clusterIP": "None", "clusterIPs": ["None"] } });
        check("v1", "Service", headless.clone(), headless);
        check(
            "v1",
            "PersistentVolumeClaim",
            json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": "n" } } }),
            json!({}),
        );
    }

    #[test]
    fn for_a_work_also_removes_a_jobs_time_to_live() {
        let mut job = object("batch/v1", "Job", json!({ "spec": { "ttlSecondsAfterFinished": 5 } }));
        prune_for_work(&mut job);
        assert_eq!(job, object("batch/v1", "Job", json!({ "spec": {} })));
    }
}

mod layers {
    use super::*;

    struct Always(i64);

    impl Layer for Always {
        fn has(&self, kind: &GroupVersionKind, operation: Operation) -> bool {
            kind.kind == "Deployment" && operation == Operation::InterpretReplica
        }

        fn replicas(&self, _object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
            Ok((self.0, None))
        }
    }

    #[test]
    fn the_first_with_a_hook_answers_alone() {
        let interpreter = Interpreter::new(vec![Box::new(Always(1)), Box::new(Always(2))]);
        let replicas = |object: &Object| interpreter.replicas(object).unwrap().map(|(n, _)| n);
        assert_eq!(replicas(&deployment(json!({ "spec": { "replicas": 9 } }))), Some(1));
        assert_eq!(replicas(&object("apps/v1", "ReplicaSet", json!({ "spec": { "replicas": 9 } }))), Some(9));
    }

    #[test]
    fn has_is_true_when_any_layer_knows() {
        let native = Interpreter::native();
        let kind = |api_version: &str, kind: &str| GroupVersionKind::from_api_version(api_version, kind);
        for (gvk, operation, expected) in [
            (kind("apps/v1", "Deployment"), Operation::ReviseReplica, true),
            (kind("apps/v1beta1", "Deployment"), Operation::ReviseReplica, false),
            (kind("v1", "Pod"), Operation::ReviseReplica, false),
            (kind("batch/v1", "Job"), Operation::InterpretHealth, false),
            (kind("example.io/v1", "X"), Operation::InterpretStatus, true),
            (kind("example.io/v1", "X"), Operation::AggregateStatus, false),
        ] {
            assert_eq!(native.has(&gvk, operation), expected, "{gvk} {operation}");
        }
    }
}
