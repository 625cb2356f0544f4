use std::fmt::Write as _;

use serde_json::json;

use super::rollout::HASH;
use super::*;

/// A Deployment `web` of some size with template `v` (a number) and rolling bounds.
fn deployment(replicas: i64, v: i64, surge: &str, unavailable: &str) -> Object {
    let [surge, unavailable] =
        [surge, unavailable].map(|bound| bound.parse::<i64>().map_or(json!(bound), |n| json!(n)));
    let mut deployment = Object::new("apps/v1", "Deployment", "ns", "web");
    deployment.set("/metadata/uid", "d1");
    deployment.set(
        "/spec",
        json!({
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable } },
            "template": template(v),
        }),
    );
    deployment
}

fn template(v: i64) -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": format!("web:{v}") }] } })
}

/// A ReplicaSet of template `v` with a size, so many Pods of which so many are available.
fn set(deployment: &Object, v: i64, size: i64, available: i64) -> Arc<Object> {
    let mut of = deployment.clone();
    of.set("/spec/template", template(v));
    of.remove("/spec/paused");
    let mut set = rollout::decide(&of, &[]).create.expect("there is none yet").object;
    set.set("/metadata/creationTimestamp", format!("2026-01-01T00:00:0{v}Z"));
    set.set("/spec/replicas", size);
    set.set_annotation(REVISION, &v.to_string());
    set.set(
        "/status",
        json!({ "replicas": size, "availableReplicas": available, "readyReplicas": available }),
    );
    Arc::new(set)
}

fn version(set: &Object) -> String {
    set.str_at("/spec/template/spec/containers/0/image").unwrap_or_default().replace("web:", "v")
}

fn tell(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        if let Some(replicas) = change.replicas {
            let from = change.set.i64_at("/spec/replicas").unwrap();
            writeln!(text, "{}: {from} -> {replicas}", version(&change.set)).unwrap();
        }
    }
    for set in &plan.delete {
        writeln!(text, "{}: deleted", version(set)).unwrap();
    }
    if let Some(new) = &plan.create {
        writeln!(text, "{}: created with {}", version(&new.object), new.replicas).unwrap();
    }
    text.trim_end().to_owned()
}

#[test]
fn a_new_deployment_gets_a_full_replica_set() {
    let plan = rollout::decide(&deployment(3, 1, "25%", "25%"), &[]);
    assert_eq!(tell(&plan), "v1: created with 3");
    let set = &plan.create.unwrap().object;
    let hash = set.label(HASH).unwrap();
    assert_eq!(set.name(), format!("web-{hash}"));
    assert_eq!(set.str_at("/spec/selector/matchLabels/pod-template-hash"), Some(hash));
    assert_eq!(set.str_at("/spec/template/metadata/labels/pod-template-hash"), Some(hash));
    assert_eq!(set.annotation(REVISION), Some("1"));
}

#[test]
fn a_new_template_starts_within_the_surge() {
    let d = deployment(4, 2, "25%", "25%");
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 4, 4)])), "v2: created with 1");
}

#[test]
fn old_replicas_go_as_new_ones_become_available() {
    let d = deployment(4, 2, "25%", "25%");
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 4, 4), set(&d, 2, 1, 0)])), "v1: 4 -> 3");
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 3, 3), set(&d, 2, 1, 0)])), "v2: 1 -> 2");
    assert_eq!(
        tell(&rollout::decide(&d, &[set(&d, 1, 3, 3), set(&d, 2, 2, 0)])),
        "",
        "as few as may be are serving"
    );
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 3, 3), set(&d, 2, 2, 2)])), "v1: 3 -> 1");
}

#[test]
fn replicas_that_serve_nobody_go_first() {
    let d = deployment(3, 3, "1", "0");
    let sets = [set(&d, 1, 1, 0), set(&d, 2, 3, 3), set(&d, 3, 1, 1)];
    assert_eq!(tell(&rollout::decide(&d, &sets)), "v1: 1 -> 0\nv2: 3 -> 2");
}

#[test]
fn recreate_waits_until_the_old_pods_are_gone() {
    let mut d = deployment(2, 2, "0", "0");
    d.set("/spec/strategy", json!({ "type": "Recreate" }));
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 2, 2)])), "v1: 2 -> 0");
    let mut ending = (*set(&d, 1, 0, 0)).clone();
    ending.set("/status/replicas", 1);
    assert_eq!(tell(&rollout::decide(&d, &[Arc::new(ending)])), "");
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 0, 0)])), "v2: created with 2");
}

#[test]
fn a_change_of_size_in_the_middle_of_a_rollout_is_shared_in_proportion() {
    let before = deployment(10, 2, "3", "2");
    let (old, new) = (set(&before, 1, 8, 8), set(&before, 2, 5, 3));
    let after = deployment(15, 2, "3", "2");
    let plan = rollout::decide(&after, &[old, new]);
    let total: i64 = plan.changes.iter().filter_map(|c| c.replicas).sum();
    assert_eq!(total, 18, "{}", tell(&plan));
    assert_eq!(tell(&plan), "v2: 5 -> 7\nv1: 8 -> 11");
}

#[test]
fn a_paused_deployment_is_scaled_but_not_rolled_out() {
    let mut d = deployment(5, 2, "25%", "25%");
    d.set("/spec/paused", true);
    assert_eq!(tell(&rollout::decide(&d, &[set(&d, 1, 3, 3)])), "v1: 3 -> 5");
}

#[test]
fn a_rollback_reuses_the_old_replica_set_under_a_new_revision() {
    let d = deployment(2, 1, "25%", "25%");
    let plan = rollout::decide(&d, &[set(&d, 1, 0, 0), set(&d, 2, 2, 2)]);
    assert_eq!(plan.revision, Some(3));
    let back = plan.changes.iter().find(|c| version(&c.set) == "v1").unwrap();
    assert_eq!(back.annotations[REVISION], "3");
    assert_eq!(back.annotations["deployment.kubernetes.io/revision-history"], "1");
}

#[test]
fn replica_sets_past_the_history_limit_are_deleted_oldest_first() {
    let mut d = deployment(1, 4, "25%", "25%");
    d.set("/spec/revisionHistoryLimit", 1);
    let sets = [set(&d, 1, 0, 0), set(&d, 2, 0, 0), set(&d, 3, 0, 0), set(&d, 4, 1, 1)];
    assert_eq!(tell(&rollout::decide(&d, &sets)), "v1: deleted\nv2: deleted");
}

/// Plays rollouts of random sizes and bounds with Pods that become available at random: sizes never
/// leave the bounds, and the rollout always ends with all replicas new.
#[test]
fn every_rollout_stays_within_bounds_and_ends() {
    for seed in 0..200u64 {
        let random = |n: u64, salt: u64| {
            (seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(salt * 1_442_695_040_888_963_407)
                >> 33)
                % n
        };
        let replicas = i64::try_from(random(9, 1)).unwrap();
        let (surge, unavailable) = (random(4, 2).to_string(), random(3, 3).to_string());
        let mut d = deployment(replicas, 2, "0", "0");
        d.set("/spec/strategy/rollingUpdate", json!({ "maxSurge": surge.parse::<i64>().unwrap(), "maxUnavailable": unavailable.parse::<i64>().unwrap() }));
        let bounds = rollout::Bounds::of(&d);
        let mut sets = vec![set(&d, 1, replicas, replicas)];
        let mut steps = 0;
        loop {
            let plan = rollout::decide(&d, &sets);
            if plan.create.is_none() && plan.changes.iter().all(|c| c.replicas.is_none()) {
                let done = sets.len() == 2
                    && sets.iter().all(|s| {
                        let size = s.i64_at("/spec/replicas").unwrap();
                        size == if version(s) == "v2" { replicas } else { 0 }
                    });
                if done {
                    break;
                }
                // Nothing to do until a new Pod becomes available.
                let new =
                    sets.iter_mut().find(|s| version(s) == "v2").expect("a rollout waits for its new Pods");
                let size = new.i64_at("/spec/replicas").unwrap();
                let available = (new.i64_at("/status/availableReplicas").unwrap() + 1).min(size);
                *new = set(&d, 2, size, available);
            }
            if let Some(new) = plan.create {
                sets.push(set(&d, 2, new.replicas, 0));
            }
            for change in plan.changes {
                let Some(to) = change.replicas else { continue };
                let s = sets.iter_mut().find(|s| s.name() == change.set.name()).unwrap();
                let available = s.i64_at("/status/availableReplicas").unwrap().min(to);
                let v = if version(s) == "v1" { 1 } else { 2 };
                *s = set(&d, v, to, available);
            }
            let total: i64 = sets.iter().map(|s| s.i64_at("/spec/replicas").unwrap()).sum();
            let serving: i64 = sets.iter().map(|s| s.i64_at("/status/availableReplicas").unwrap()).sum();
            assert!(total <= replicas + bounds.surge, "seed {seed}: {total} Pods");
            assert!(serving >= replicas - bounds.unavailable, "seed {seed}: only {serving} serve");
            steps += 1;
            assert!(steps < 200, "seed {seed}: the rollout does not end");
        }
    }
}

#[test]
fn the_status_tells_progress_completion_and_lateness() {
    let now = |text: &str| text.parse().unwrap();
    let mut d = deployment(1, 1, "25%", "25%");
    let plan = rollout::decide(&d, &[]);
    let first = status::decide(&d, &[], &plan, now("2026-01-01T00:00:00Z"));
    assert_eq!(first.status["conditions"][1]["reason"], "NewReplicaSetCreated");
    assert_eq!(first.status["conditions"][0]["status"], "False");

    d.set("/status", first.status);
    let sets = [set(&d, 1, 1, 0)];
    let started = status::decide(&d, &sets, &rollout::decide(&d, &sets), now("2026-01-01T00:00:01Z"));
    assert_eq!(started.status["conditions"][1]["reason"], "ReplicaSetUpdated");
    assert_eq!(started.wake_at, Some(now("2026-01-01T00:10:01Z")));
    d.set("/status", started.status);
    let late = status::decide(&d, &sets, &rollout::decide(&d, &sets), now("2026-01-01T00:10:01Z"));
    assert_eq!(late.status["conditions"][1]["reason"], "ProgressDeadlineExceeded");
    assert_eq!(late.status["unavailableReplicas"], 1);

    let sets = [set(&d, 1, 1, 1)];
    let done = status::decide(&d, &sets, &rollout::decide(&d, &sets), now("2026-01-01T00:00:05Z"));
    assert_eq!(done.status["conditions"][1]["reason"], "NewReplicaSetAvailable");
    assert_eq!(done.status["conditions"][0]["reason"], "MinimumReplicasAvailable");

    d.set("/status", done.status.clone());
    let quiet = status::decide(&d, &sets, &rollout::decide(&d, &sets), now("2026-01-01T09:00:00Z"));
    assert_eq!(quiet.status, done.status, "a settled Deployment's status does not change with time");
}
