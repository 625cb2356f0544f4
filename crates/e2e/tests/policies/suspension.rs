//! Policies that hold things back for a while.

use anyhow::ensure;
use e2e::stage::{
    CLUSTER_BINDINGS, CLUSTER_ROLES, DEPLOYMENTS, EVERYWHERE, Stage, cluster_policy, cluster_role,
    deployment, has, on, policy, the_cluster_role, the_deployment,
};
use e2e::{SOON, together};
use machinery::Object;
use serde_json::json;
use testkit::eventually;

const HELD: &str = "  suspension: {dispatching: true}";

fn is_held(binding: &Object) -> anyhow::Result<()> {
    let suspension = binding.at("/spec/suspension");
    ensure!(binding.at("/spec/suspension/dispatching") == Some(&json!(true)), "{suspension:?}");
    Ok(())
}

fn work_is_held(work: &Object) -> anyhow::Result<()> {
    ensure!(work.at("/spec/suspendDispatching") == Some(&json!(true)), "{:?}", work.at("/spec"));
    let told = has(work, "Dispatching", "False")?;
    ensure!(told["reason"] == "SuspendDispatching", "{told}");
    ensure!(told["message"] == "Work dispatching is in a suspended state.", "{told}");
    Ok(())
}

#[test]
fn a_change_waits_while_dispatching_is_suspended_and_arrives_afterwards() {
    let up = together();
    let stage = Stage::set(&up, "held");
    let held = |more: &str| policy("p", &the_deployment("web"), &on("member1"), more);
    stage.apply(&(held("") + &deployment("web", 1)));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    // Either way to resume: an empty structure, or none.
    for (replicas, resumed) in [("2", "  suspension: {}"), ("3", "")] {
        stage.apply(&held(HELD));
        stage.bound("web-deployment", "it is held back", is_held);
        eventually(SOON, "the Work is held back", || {
            work_is_held(&stage.work("member1", "Deployment", "web")?)
        });
        let work = stage.work("member1", "Deployment", "web").unwrap();
        let told = "Work dispatching is in a suspended state.";
        stage.told(work.namespace(), work.name(), "WorkDispatching", told);
        let before = stage.members[0].get(DEPLOYMENTS, "held", "web").unwrap();
        stage.user.ok(&format!("scale deployment web --replicas={replicas}"));
        eventually(SOON, "the Work has the change", || {
            let work = stage.work("member1", "Deployment", "web")?;
            let found = work.i64_at("/spec/workload/manifests/0/spec/replicas");
            ensure!(found == replicas.parse().ok(), "{found:?}");
            Ok(())
        });
        let now = stage.members[0].get(DEPLOYMENTS, "held", "web").unwrap();
        assert_eq!(now.generation(), before.generation());
        stage.apply(&held(resumed));
        stage.deployed("web", [replicas, "-", "-"]);
        eventually(SOON, "the Work says so", || {
            has(&stage.work("member1", "Deployment", "web")?, "Dispatching", "True")
        });
    }
}

#[test]
fn what_is_suspended_from_the_start_arrives_once_it_is_resumed() {
    let up = together();
    let stage = Stage::set(&up, "held-first");
    let wide =
        format!("{{apiVersion: apps/v1, kind: Deployment, name: wide, namespace: {}}}", stage.namespace);
    stage.apply(
        &(policy("p", &the_deployment("web"), "{}", HELD)
            + &cluster_policy("held-first", &wide, "{}", HELD)
            + &deployment("web", 1)
            + &deployment("wide", 1)),
    );
    for (kind, policy, name) in
        [("propagationpolicy", "p", "web"), ("clusterpropagationpolicy", "held-first", "wide")]
    {
        let binding = format!("{name}-deployment");
        stage.bound(&binding, "it is held back", is_held);
        stage.is_on(DEPLOYMENTS, name, &[]);
        let patch = r#"{"spec":{"suspension":{"dispatching":false}}}"#;
        stage.user.ok(&format!("patch {kind} {policy} --type=merge -p {patch}"));
        stage.user.ok(&format!("annotate deployment {name} example.com/submitted=true"));
        stage.bound(&binding, "it says that it is not", |binding| {
            ensure!(binding.at("/spec/suspension/dispatching") == Some(&json!(false)));
            Ok(())
        });
        stage.is_on(DEPLOYMENTS, name, EVERYWHERE);
        for member in &stage.members {
            eventually(SOON, "its Pods are there", || {
                let pods = member.list("v1/pods", &stage.namespace, &format!("app={name}"))?;
                ensure!(!pods.is_empty(), "there are none");
                Ok(())
            });
        }
    }
    stage.user.ok("delete clusterpropagationpolicy held-first");
}

#[test]
fn objects_without_a_namespace_are_held_back_alike() {
    let up = together();
    let stage = Stage::set(&up, "held-role");
    let role = "system:story-held";
    let wide = |more: &str| cluster_policy("held-role", &the_cluster_role(role), &on("member1"), more);
    stage.apply(&(wide("") + &cluster_role(role)));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &["member1"]);
    stage.apply(&wide(HELD));
    eventually(SOON, "the binding is held back", || {
        is_held(&stage.control_plane.get(CLUSTER_BINDINGS, "", "system.story-held-clusterrole")?)
    });
    eventually(SOON, "the Work is held back", || {
        work_is_held(&stage.work_of("member1", "ClusterRole", "", role)?)
    });
    stage.apply(&wide(""));
    stage.user.ok(&format!("delete clusterrole {role}"));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &[]);
    stage.user.ok("delete clusterpropagationpolicy held-role");
}
