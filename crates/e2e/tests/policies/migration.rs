//! What a member runs already comes under Karmada without being restarted, and can leave again.

use anyhow::ensure;
use e2e::stage::{
    CLUSTER_BINDINGS, CLUSTER_ROLES, DEPLOYMENTS, SERVICES, Stage, aggregated, cluster_policy, cluster_role,
    deployment, on, policy, the_cluster_role, the_deployment,
};
use e2e::{SOON, together};
use machinery::Object;
use testkit::{Version, eventually};

const TAKING_OVER: &str = "  conflictResolution: Overwrite\n  preserveResourcesOnDeletion: true";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
";

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {user: jane}
---
";

/// Says unless an object has no mark of Karmada.
fn is_unmanaged(object: &Object) -> anyhow::Result<()> {
    let mut marks = object.labels().chain(object.annotations()).filter(|(key, _)| key.contains("karmada.io"));
    let mark = marks.next();
    ensure!(mark.is_none(), "it has {mark:?}");
    Ok(())
}

fn is_applied(binding: &Object) -> anyhow::Result<()> {
    let items = aggregated(binding);
    ensure!(items.get("member1").is_some_and(|item| item["applied"] == true), "{items:?}");
    Ok(())
}

/// Applies manifests to the first member, where the story's namespace is.
#[track_caller]
fn legacy(up: &e2e::Up, stage: &Stage, manifests: &str) {
    stage.members_have_the_namespace();
    let member = up.kubectl(Version::Current, &stage.members[0]).in_namespace(&stage.namespace);
    member.ok_with("apply -f -", manifests);
}

#[test]
fn a_deployment_is_taken_over_without_a_restart_and_given_back() {
    let up = together();
    let stage = Stage::set(&up, "taken-over");
    legacy(&up, &stage, &deployment("web", 2));
    let before = stage.members[0].get(DEPLOYMENTS, "taken-over", "web").unwrap();
    let mine = |more: &str| policy("p", &the_deployment("web"), &on("member1"), more);
    stage.apply(&(deployment("web", 2) + &mine("")));
    stage.bound("web-deployment", "the conflict is told", |binding| {
        let items = aggregated(binding);
        let item = items.get("member1").cloned().unwrap_or_default();
        ensure!(!item.is_null() && item["applied"] != true && item["health"] != "Healthy", "{item}");
        Ok(())
    });
    stage.apply(&mine(TAKING_OVER));
    stage.ready("web", 2);
    stage.bound("web-deployment", "it is healthy", |binding| {
        let items = aggregated(binding);
        let item = items.get("member1").cloned().unwrap_or_default();
        ensure!(item["applied"] == true && item["health"] == "Healthy", "{item}");
        Ok(())
    });
    stage.user.ok("delete deployment web");
    eventually(SOON, "its Work is gone", || {
        ensure!(stage.work("member1", "Deployment", "web").is_err(), "it is still there");
        Ok(())
    });
    let after = stage.members[0].get(DEPLOYMENTS, "taken-over", "web").unwrap();
    assert_eq!(after.uid(), before.uid());
    is_unmanaged(&after).unwrap();
}

#[test]
fn roles_services_and_dependencies_are_taken_over_and_given_back() {
    let up = together();
    let stage = Stage::set(&up, "more-taken-over");
    let role = "story-taken-over";
    let reading = deployment("web", 1).replace(
        "      containers:",
        "      volumes: [{name: v, secret: {secretName: web}}]\n      containers:",
    );
    assert!(reading.contains("volumes"), "{reading}");
    let all = reading + SERVICE + SECRET + &cluster_role(role);
    legacy(&up, &stage, &all);
    let secrets = "v1/secrets";
    let before = stage.members[0].get(secrets, &stage.namespace, "web").unwrap();
    let selectors = format!("{}, {{apiVersion: v1, kind: Service, name: web}}", the_deployment("web"));
    let following = format!("{TAKING_OVER}\n  propagateDeps: true");
    stage.apply(
        &(all.clone()
            + &policy("p", &selectors, &on("member1"), &following)
            + &cluster_policy("taken-over", &the_cluster_role(role), &on("member1"), TAKING_OVER)),
    );
    for binding in ["web-deployment", "web-service", "web-secret"] {
        stage.bound(binding, "it is applied", is_applied);
    }
    eventually(SOON, "the role is applied", || {
        is_applied(&stage.control_plane.get(CLUSTER_BINDINGS, "", "story-taken-over-clusterrole")?)
    });
    stage.user.ok_with("delete -f -", &all);
    for (kind, namespace, name) in [
        ("Deployment", stage.namespace.as_str(), "web"),
        ("Service", stage.namespace.as_str(), "web"),
        ("Secret", stage.namespace.as_str(), "web"),
        ("ClusterRole", "", role),
    ] {
        eventually(SOON, &format!("the Work of the {kind} is gone"), || {
            let found = stage.work_of("member1", kind, namespace, name);
            ensure!(found.is_err(), "it is still there");
            Ok(())
        });
    }
    for resource in [DEPLOYMENTS, SERVICES, secrets] {
        is_unmanaged(&stage.members[0].get(resource, &stage.namespace, "web").unwrap()).unwrap();
    }
    is_unmanaged(&stage.members[0].get(CLUSTER_ROLES, "", role).unwrap()).unwrap();
    let after = stage.members[0].get(secrets, &stage.namespace, "web").unwrap();
    assert_eq!(after.uid(), before.uid());
    stage.user.ok("delete clusterpropagationpolicy taken-over");
    let member = up.kubectl(Version::Current, &stage.members[0]);
    member.ok(&format!("delete clusterrole {role}"));
}

#[test]
fn an_annotation_of_the_template_lets_karmada_take_over() {
    let up = together();
    let stage = Stage::set(&up, "annotated");
    legacy(&up, &stage, &deployment("web", 1));
    stage.apply(&(policy("p", &the_deployment("web"), "{}", "") + &deployment("web", 1)));
    // The others run meanwhile.
    stage.ready("web", 2);
    stage.user.ok("annotate deployment web work.karmada.io/conflict-resolution=overwrite");
    stage.ready("web", 3);
}
