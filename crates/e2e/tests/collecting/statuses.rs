//! Statuses of the copies become one status of the template.
//!
//! Local members run no Jobs, DaemonSets and the like: stories write what those controllers would.

use std::collections::BTreeSet;

use anyhow::ensure;
use e2e::stage::{DEPLOYMENTS, EVERYWHERE, SERVICES, Stage, deployment, has, on, policy, the_deployment};
use e2e::{SOON, together};
use serde_json::{Value, json};
use testkit::{Version, eventually};

/// Writes the status of the copies, by `write` from the member's place in order.
#[track_caller]
fn report(
    up: &e2e::Up,
    stage: &Stage,
    resource: &str,
    kind: &str,
    name: &str,
    write: impl Fn(usize) -> Value,
) {
    stage.is_on(resource, name, EVERYWHERE);
    for (place, member) in stage.members.iter().enumerate() {
        let kubectl = up.kubectl(Version::Current, member).in_namespace(&stage.namespace);
        let status = json!({ "status": write(place) });
        kubectl.ok(&format!("patch {kind} {name} --subresource=status --type=merge -p '{status}'"));
    }
}

/// Waits until fields of the template's status have these values.
#[track_caller]
fn collected(stage: &Stage, resource: &str, name: &str, expected: &Value) {
    stage.template(resource, name, &format!("its status has {expected}"), |template| {
        let status = template.at("/status").cloned().unwrap_or_default();
        for (field, value) in expected.as_object().into_iter().flatten() {
            ensure!(&status[field] == value, "it is {status}");
        }
        Ok(())
    });
}

fn selects(api_version: &str, kind: &str) -> String {
    format!("{{apiVersion: {api_version}, kind: {kind}, name: x}}")
}

#[test]
fn replicas_of_deployments_add_up_and_follow() {
    let up = together();
    let stage = Stage::set(&up, "sum-deployment");
    stage.apply(
        &(policy("p", &the_deployment("web"), &on("member1, member2, member3"), "") + &deployment("web", 3)),
    );
    stage.ready("web", 9);
    stage.user.ok("scale deployment web --replicas=2");
    stage.ready("web", 6);
}

#[test]
fn addresses_of_load_balancers_and_ingresses_are_listed_in_the_order_of_members() {
    let up = together();
    let stage = Stage::set(&up, "addresses");
    let selectors = [selects("v1", "Service"), selects("networking.k8s.io/v1", "Ingress")].join(", ");
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {type: LoadBalancer, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n";
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: x}\nspec: {rules: [{host: www.demo.com, http: {paths: [{path: /testpath, pathType: Prefix, backend: {service: {name: x, port: {number: 80}}}}]}}]}\n---\n";
    stage.apply(&(policy("p", &selectors, "{}", "") + service + ingress));
    let ingresses = "networking.k8s.io/v1/ingresses";
    for (resource, kind, subnet) in [(SERVICES, "service", 1), (ingresses, "ingress", 2)] {
        report(
            &up,
            &stage,
            resource,
            kind,
            "x",
            |place| json!({ "loadBalancer": { "ingress": [{ "ip": format!("172.19.{subnet}.{}", place + 6) }] } }),
        );
        stage.template(resource, "x", "it has three addresses", |template| {
            let found = template.at("/status/loadBalancer/ingress").and_then(Value::as_array).cloned();
            let found: Vec<String> = found
                .into_iter()
                .flatten()
                .map(|address| address["ip"].as_str().unwrap_or_default().to_owned())
                .collect();
            let expected: Vec<String> = (6..9).map(|n| format!("172.19.{subnet}.{n}")).collect();
            ensure!(found == expected, "{found:?}");
            Ok(())
        });
    }
}

#[test]
fn a_node_port_is_the_same_everywhere() {
    let up = together();
    let stage = Stage::set(&up, "node-port");
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {type: NodePort, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n";
    stage.apply(&(policy("p", &selects("v1", "Service"), "{}", "") + service));
    stage.is_on(SERVICES, "x", EVERYWHERE);
    let ports: BTreeSet<Option<i64>> = stage
        .members
        .iter()
        .map(|member| member.get(SERVICES, "node-port", "x").unwrap().i64_at("/spec/ports/0/nodePort"))
        .collect();
    assert!(ports.len() == 1 && !ports.contains(&None), "{ports:?}");
    stage.bound("x-service", "it is fully applied", |binding| has(binding, "FullyApplied", "True"));
    stage.json_patch("service/x", &json!([{ "op": "replace", "path": "/spec/ports/0/port", "value": 81 }]));
    stage.copies(SERVICES, "x", EVERYWHERE, "the port is changed", |copy| {
        ensure!(copy.i64_at("/spec/ports/0/port") == Some(81), "{:?}", copy.at("/spec/ports"));
        Ok(())
    });
}

#[test]
fn pods_of_jobs_daemon_sets_stateful_sets_and_budgets_add_up() {
    let up = together();
    let stage = Stage::set(&up, "sums");
    let selectors = [
        selects("batch/v1", "Job"),
        selects("apps/v1", "DaemonSet"),
        selects("apps/v1", "StatefulSet"),
        selects("policy/v1", "PodDisruptionBudget"),
    ]
    .join(", ");
    let template = "template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: nginx}]}}";
    let manifests = format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: x}}
spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: busybox}}]}}}}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: x}}
spec: {{selector: {{matchLabels: {{app: x}}}}, {template}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: x}}
spec: {{replicas: 3, serviceName: x, selector: {{matchLabels: {{app: x}}}}, {template}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: x}}
spec: {{maxUnavailable: 50%, selector: {{matchLabels: {{app: x}}}}}}
---
"
    );
    let place = |members: &str| policy("p", &selectors, &on(members), "");
    stage.apply(&(place("member1, member2, member3") + &manifests));
    let (jobs, daemons) = ("batch/v1/jobs", "apps/v1/daemonsets");
    let (sets, budgets) = ("apps/v1/statefulsets", "policy/v1/poddisruptionbudgets");
    report(&up, &stage, jobs, "job", "x", |_| {
        let done = |name: &str| json!({ "type": name, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        json!({
            "succeeded": 1, "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z",
            "conditions": [done("SuccessCriteriaMet"), done("Complete")],
        })
    });
    collected(&stage, jobs, "x", &json!({ "succeeded": 3 }));
    stage.template(jobs, "x", "it is complete", |job| has(job, "Complete", "True"));
    let daemon = |_| {
        json!({
            "observedGeneration": 1, "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberReady": 1,
            "numberAvailable": 1, "numberMisscheduled": 0, "updatedNumberScheduled": 1,
        })
    };
    let scheduled = |n: u32| json!({ "currentNumberScheduled": n, "desiredNumberScheduled": n, "updatedNumberScheduled": n });
    report(&up, &stage, daemons, "daemonset", "x", daemon);
    collected(&stage, daemons, "x", &scheduled(3));
    let set = |_| {
        json!({
            "observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3,
            "availableReplicas": 3, "currentRevision": "x-1", "updateRevision": "x-1", "collisionCount": 0,
        })
    };
    report(&up, &stage, sets, "statefulset", "x", set);
    collected(
        &stage,
        sets,
        "x",
        &json!({ "replicas": 9, "readyReplicas": 9, "currentReplicas": 9, "updatedReplicas": 9 }),
    );
    report(&up, &stage, budgets, "poddisruptionbudget", "x", |_| {
        json!({
            "observedGeneration": 1, "disruptionsAllowed": 2, "expectedPods": 3, "currentHealthy": 3, "desiredHealthy": 1,
        })
    });
    collected(&stage, budgets, "x", &json!({ "disruptionsAllowed": 6, "expectedPods": 9 }));
    // Where it is no longer counts no longer.
    stage.apply(&place("member1, member2"));
    stage.is_on(daemons, "x", &["member1", "member2"]);
    collected(&stage, daemons, "x", &scheduled(2));
    stage.user.ok(
        "patch job x --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/backoffLimit\",\"value\":3}]'",
    );
    stage.copies(jobs, "x", &["member1", "member2"], "its limit is changed", |copy| {
        ensure!(copy.i64_at("/spec/backoffLimit") == Some(3), "{:?}", copy.at("/spec"));
        Ok(())
    });
}

#[test]
fn what_is_scaled_by_hand_in_a_member_is_scaled_back() {
    let up = together();
    let stage = Stage::set(&up, "scaled-back");
    stage.apply(&(policy("p", &the_deployment("web"), "{}", "") + &deployment("web", 3)));
    stage.ready("web", 9);
    for member in [&stage.members[0], &stage.members[2]] {
        member.patch(DEPLOYMENTS, "scaled-back", "web", json!({ "spec": { "replicas": 1 } })).unwrap();
        eventually(SOON, "three replicas are wanted again", || {
            let copy = member.get(DEPLOYMENTS, "scaled-back", "web")?;
            ensure!(copy.i64_at("/spec/replicas") == Some(3), "{:?}", copy.at("/spec/replicas"));
            ensure!(copy.generation() > 2, "it was not changed yet");
            Ok(())
        });
    }
    stage.ready("web", 9);
}
