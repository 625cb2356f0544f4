//! What `kubectl get` shows.

use serde_json::{Value, json};

use super::{kind, object};

/// Shows an object that is 90 seconds old, without its wide columns.
#[track_caller]
fn check(name: &str, fields: Value, expected: &str) {
    let mut object = object(name, fields);
    object.metadata_mut().insert("creationTimestamp".into(), "2026-01-01T00:00:00Z".into());
    let now = machinery::time::parse_rfc3339("2026-01-01T00:01:30Z").unwrap().as_second();
    let rules = kind(name).rules;
    let shown: Vec<String> = (rules.columns)()
        .iter()
        .zip((rules.cells)(&object, now))
        .filter(|(column, _)| column.priority == 0)
        .map(|(_, cell)| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
        .collect();
    assert_eq!(shown.join(" | "), expected);
}

fn pod(status: Value) -> Value {
    json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}, "status": status})
}

fn running(name: &str) -> Value {
    json!({"name": name, "ready": true, "restartCount": 0, "state": {"running": {}}})
}

#[test]
fn pods_say_what_holds_them_up() {
    check("Pod", pod(json!({"phase": "Pending"})), "x | 0/2 | Pending | 0 | 90s");
    let waiting =
        json!([{"name": "i", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    check(
        "Pod",
        pod(json!({"phase": "Pending", "initContainerStatuses": waiting})),
        "x | 0/2 | Init:CrashLoopBackOff | 2 | 90s",
    );
    let init = json!([{"name": "i", "restartCount": 0, "state": {"running": {}}}]);
    check(
        "Pod",
        pod(json!({"phase": "Pending", "initContainerStatuses": init})),
        "x | 0/2 | Init:0/1 | 0 | 90s",
    );
    let done = json!([{"name": "i", "restartCount": 1, "state": {"terminated": {"exitCode": 0}}}]);
    check(
        "Pod",
        pod(
            json!({"phase": "Running", "initContainerStatuses": done, "containerStatuses": [running("a"), running("b")]}),
        ),
        "x | 2/2 | Running | 0 | 90s",
    );
    let crashed = json!({"name": "b", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:01:00Z"}}});
    check(
        "Pod",
        pod(json!({"phase": "Running", "containerStatuses": [running("a"), crashed]})),
        "x | 1/2 | CrashLoopBackOff | 3 (30s ago) | 90s",
    );
    let exited = json!([{"name": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 3}}}]);
    check(
        "Pod",
        pod(json!({"phase": "Failed", "containerStatuses": exited})),
        "x | 0/2 | ExitCode:3 | 0 | 90s",
    );
}

#[test]
fn deleted_pods_terminate_and_finished_ones_are_marked() {
    let mut deleted = pod(json!({"phase": "Running", "containerStatuses": [running("a")]}));
    deleted["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:01:00Z"});
    check("Pod", deleted, "x | 1/2 | Terminating | 0 | 90s");
    let finished = object("Pod", pod(json!({"phase": "Succeeded"})));
    let conditions = (kind("Pod").rules.row_conditions)(&finished).unwrap();
    assert_eq!(conditions[0]["type"], "Completed");
    assert_eq!((kind("Pod").rules.row_conditions)(&object("Pod", pod(json!({"phase": "Running"})))), None);
}

#[test]
fn sidecars_count_as_containers() {
    let fields = json!({
        "spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]},
        "status": {"phase": "Running", "containerStatuses": [running("a")],
            "initContainerStatuses": [{"name": "s", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}}]},
    });
    check("Pod", fields, "x | 2/2 | Running | 1 | 90s");
}

#[test]
fn workloads_show_how_far_they_are() {
    let status = json!({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1});
    check("Deployment", json!({"spec": {"replicas": 3}, "status": status}), "x | 2/3 | 3 | 1 | 90s");
    check("ReplicaSet", json!({"spec": {"replicas": 3}, "status": status}), "x | 3 | 3 | 2 | 90s");
    let job = json!({"spec": {"completions": 1}, "status": {"succeeded": 1, "startTime": "2026-01-01T00:00:10Z",
        "completionTime": "2026-01-01T00:00:30Z", "conditions": [{"type": "Complete", "status": "True"}]}});
    check("Job", job, "x | Complete | 1/1 | 20s | 90s");
    check(
        "CronJob",
        json!({"spec": {"schedule": "@daily"}}),
        "x | @daily | <none> | False | 0 | <none> | 90s",
    );
}

#[test]
fn nodes_show_their_roles_and_readiness() {
    let node = json!({
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.0"}},
    });
    check("Node", node, "x | Ready,SchedulingDisabled | control-plane,worker | 90s | v1.36.0");
    check("Node", json!({}), "x | Unknown | <none> | 90s | ");
}

#[test]
fn services_show_where_they_are() {
    let service = json!({
        "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "lb.example"}]}},
    });
    check("Service", service, "x | LoadBalancer | 10.0.0.1 | 1.2.3.4,lb.example | 80:30080/TCP | 90s");
    let pending = json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}});
    check("Service", pending, "x | LoadBalancer | 10.0.0.1 | <pending> | <none> | 90s");
}

#[test]
fn events_show_what_they_are_about() {
    let event = json!({"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "R", "type": "Normal", "message": "m",
        "lastTimestamp": "2026-01-01T00:01:00Z"});
    check("v1/Event", event, "30s | Normal | R | pod/p | m");
    let new = json!({"regarding": {"kind": "Pod", "name": "p"}, "reason": "R", "type": "Normal", "note": "m",
        "eventTime": "2026-01-01T00:01:00.000000Z"});
    check("events.k8s.io/v1/Event", new, "30s | Normal | R | pod/p | m");
}

#[test]
fn autoscalers_show_their_targets() {
    let metric = |name: &str| json!({"type": "Resource", "resource": {"name": name, "target": {"averageUtilization": 80}}});
    let hpa = json!({
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 1, "maxReplicas": 3,
            "metrics": [metric("cpu"), metric("memory"), metric("disk")]},
        "status": {"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 12}}}]},
    });
    check(
        "autoscaling/v2/HorizontalPodAutoscaler",
        hpa,
        "x | Deployment/d | cpu: 12%/80%, memory: <unknown>/80% + 1 more... | 1 | 3 | 2 | 90s",
    );
}

#[test]
fn the_rest_shows_what_matters() {
    check("Secret", json!({"type": "Opaque", "data": {"a": "", "b": ""}}), "x | Opaque | 2 | 90s");
    check("Lease", json!({"spec": {"holderIdentity": "h"}}), "x | h | 90s");
    let ingress = json!({"spec": {"rules": [{"host": "a.b"}], "tls": [{}]}});
    check("Ingress", ingress, "x | <none> | a.b |  | 80, 443 | 90s");
    check("CustomResourceDefinition", json!({}), "x | 2026-01-01T00:00:00Z");
    let service =
        json!({"status": {"conditions": [{"type": "Available", "status": "False", "reason": "R"}]}});
    check("APIService", service, "x | Local | False (R) | 90s");
    let quota = json!({"status": {"hard": {"pods": "4", "limits.cpu": "2"}, "used": {"pods": "1"}}});
    check("ResourceQuota", quota, "x | pods: 1/4 | limits.cpu: 0/2 | 90s");
}
