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
        let once = native.aggregate_status(&template, &items).now().unwrap();
        assert_ne!(once, template, "{kind}");
        assert_eq!(native.aggregate_status(&once, &items).now().unwrap(), once, "{kind}");
    }
}

#[test]
fn leaves_a_template_whose_numbers_are_right_as_it_is() {
    for (kind, status) in [
        ("ReplicaSet", json!({})),
        ("DaemonSet", json!({ "numberReady": 1, "conditions": [] })),
        ("StatefulSet", json!({ "replicas": 0, "currentRevision": "r" })),
    ] {
        let ready = status["numberReady"].clone();
        let template = object("apps/v1", kind, json!({ "status": status }));
        assert_eq!(aggregated(&template, &[json!({ "numberReady": ready })]), status, "{kind}");
    }
}

#[test]
fn of_a_status_that_does_not_fit_is_an_error_that_names_the_cluster() {
    let items = items(&[json!({ "replicas": 1 }), json!({ "replicas": "one" })]);
    let error = Interpreter::native().aggregate_status(&template(json!({})), &items).now().unwrap_err();
    assert_eq!(error.reason, "the status of cluster m2 has no whole number in replicas");
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
    assert_eq!(status["conditions"][0]["message"], "Job executed failed in member clusters m2");
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
        let statuses: Vec<Value> =
            phases.iter().map(|p| if p.is_empty() { Value::Null } else { json!({ "phase": p }) }).collect();
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
        ("PersistentVolumeClaim", vec!["Pending", "Lost"], "Lost"),
    ] {
        assert_eq!(phases(kind, &members), expected, "{kind} {members:?}");
    }
}

#[test]
fn of_a_claim_without_a_phase_is_not_bound() {
    let claim = object("v1", "PersistentVolumeClaim", json!({}));
    assert_eq!(aggregated(&claim, &[json!({})]), json!({}));
    assert_eq!(aggregated(&claim, &[]), json!({ "phase": "Bound" }));
}

#[test]
fn marks_a_jobs_criteria_met_when_all_members_do() {
    let job = object("batch/v1", "Job", json!({}));
    let member = |criteria: bool| {
        let mut status = finished("Complete", "2030-01-01T01:00:00Z");
        if criteria {
            let met = json!({ "type": "SuccessCriteriaMet", "status": "True" });
            status["conditions"].as_array_mut().unwrap().insert(0, met);
        }
        status
    };
    let kinds = |status: Value| -> Vec<String> {
        let conditions = status["conditions"].as_array().unwrap();
        conditions
            .iter()
            .map(|c| format!("{} {}", c["type"].as_str().unwrap(), c["reason"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(
        kinds(aggregated(&job, &[member(true), member(true)])),
        ["SuccessCriteriaMet CompletionsReached", "Complete Completed"]
    );
    assert_eq!(kinds(aggregated(&job, &[member(true), member(false)])), ["Complete Completed"]);
}

#[test]
fn starts_a_job_when_all_members_have_and_keeps_that_time() {
    let start = |text: &str| json!({ "startTime": text });
    let job = object("batch/v1", "Job", json!({}));
    let (early, late) = (start("2030-01-01T00:00:00Z"), start("2030-01-02T00:00:00Z"));
    assert_eq!(aggregated(&job, &[late.clone(), early.clone()]), early);
    assert_eq!(aggregated(&job, &[late.clone(), json!({})]), json!({}));
    let started = object("batch/v1", "Job", json!({ "status": late }));
    assert_eq!(aggregated(&started, &[early, json!({})]), late);
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
fn of_a_pod_that_is_nowhere_changes_nothing() {
    let status = json!({ "phase": "Running" });
    assert_eq!(aggregated(&object("v1", "Pod", json!({ "status": status })), &[]), status);
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
