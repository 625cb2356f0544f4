//! Policies that take objects from other policies.

use anyhow::ensure;
use e2e::stage::{
    CONFIG_MAPS, DEPLOYMENTS, EVERYWHERE, Stage, cluster_policy, config_map, deployment, on, policy,
    the_config_map,
};
use serde_json::json;

use crate::together;

const WIDE: &str = "clusterpropagationpolicy";
const NARROW: &str = "propagationpolicy";

fn the_one(stage: &Stage) -> String {
    format!("{{apiVersion: apps/v1, kind: Deployment, namespace: {}, name: web}}", stage.namespace)
}

fn make(kind: &str, stage: &Stage, name: &str, cluster: &str, more: &str) -> String {
    let make = if kind == WIDE { cluster_policy } else { policy };
    make(name, &the_one(stage), &on(cluster), more)
}

#[test]
fn a_higher_priority_takes_the_object_and_gives_it_back_when_it_goes() {
    let up = together();
    for (namespace, kind) in [("preempted", NARROW), ("preempted-wide", WIDE)] {
        let stage = Stage::set(&up, namespace);
        let (low, high) = (format!("{namespace}-low"), format!("{namespace}-high"));
        stage.apply(&(deployment("web", 1) + &make(kind, &stage, &low, "member1", "  priority: 5")));
        stage.is_on(DEPLOYMENTS, "web", &["member1"]);
        stage.apply(&make(kind, &stage, &high, "member2", "  priority: 10\n  preemption: Always"));
        stage.is_on(DEPLOYMENTS, "web", &["member2"]);
        stage.told(namespace, "web", "PreemptPolicySucceed", &high);
        stage.user.ok(&format!("delete {kind} {high}"));
        stage.is_on(DEPLOYMENTS, "web", &["member1"]);
        stage.user.ok(&format!("delete {kind} {low}"));
    }
}

#[test]
fn a_policy_of_the_namespace_takes_the_object_from_one_of_the_cluster() {
    let up = together();
    let stage = Stage::set(&up, "preempting");
    stage.apply(&(deployment("web", 1) + &make(WIDE, &stage, "preempting", "member1", "")));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.apply(&make(NARROW, &stage, "narrow", "member2", "  preemption: Always"));
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    stage.user.ok("delete propagationpolicy narrow");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.user.ok("delete clusterpropagationpolicy preempting");
}

#[test]
fn a_policy_whose_priority_sinks_loses_the_object() {
    let up = together();
    for (namespace, kind) in [("sinking", NARROW), ("sinking-wide", WIDE)] {
        let stage = Stage::set(&up, namespace);
        let (low, high) = (format!("{namespace}-low"), format!("{namespace}-high"));
        stage.apply(
            &(deployment("web", 1)
                + &make(kind, &stage, &high, "member1", "  priority: 10\n  preemption: Always")),
        );
        stage.is_on(DEPLOYMENTS, "web", &["member1"]);
        stage.apply(&make(kind, &stage, &low, "member2", "  priority: 5\n  preemption: Always"));
        let sunk = json!([{ "op": "replace", "path": "/spec/priority", "value": 4 }]);
        stage.json_patch(&format!("{kind}/{high}"), &sunk);
        stage.is_on(DEPLOYMENTS, "web", &["member2"]);
        stage.user.ok(&format!("delete {kind} {low} {high}"));
    }
}

#[test]
fn one_that_is_not_lazy_acts_at_once_and_a_lazy_one_with_the_next_change() {
    let up = together();
    for (namespace, activation) in [("eager", ""), ("lazy", "\n  activationPreference: Lazy")] {
        let stage = Stage::set(&up, namespace);
        let first = make(NARROW, &stage, "first", "member1", "  activationPreference: Lazy");
        stage.apply(&(first + &deployment("web", 1)));
        stage.is_on(DEPLOYMENTS, "web", &["member1"]);
        let more = format!("  priority: 2\n  preemption: Always{activation}");
        stage.apply(&make(NARROW, &stage, "second", "member2", &more));
        stage.template(DEPLOYMENTS, "web", "it is the second one's", |template| {
            let name = template.annotation("propagationpolicy.karmada.io/name");
            ensure!(name == Some("second"), "{name:?}");
            Ok(())
        });
        if activation.is_empty() {
            stage.is_on(DEPLOYMENTS, "web", &["member2"]);
            continue;
        }
        // Something that came later has arrived.
        stage.apply(&(config_map("marker", "1") + &policy("marker", &the_config_map("marker"), "{}", "")));
        stage.is_on(CONFIG_MAPS, "marker", EVERYWHERE);
        stage.is_on(DEPLOYMENTS, "web", &["member1"]);
        stage.user.ok("annotate deployment web round=two");
        stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    }
}
