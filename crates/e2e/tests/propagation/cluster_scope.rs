//! Objects without a namespace, and the namespaces themselves.

use anyhow::ensure;
use e2e::{SOON, together};
use testkit::eventually;

use crate::{CLUSTER_BINDINGS, Stage, has, on};

#[test]
fn a_cluster_role_is_propagated_by_a_cluster_policy() {
    let up = together();
    let stage = Stage::set(&up, "cluster-role");
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: story-reader}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
";
    let policy = format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {{name: story-reader}}
spec:
  resourceSelectors: [{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, name: story-reader}}]
  placement: {}
",
        on("member1, member3")
    );
    stage.apply(role);
    stage.apply(&policy);
    let roles = "rbac.authorization.k8s.io/v1/clusterroles";
    for member in [&stage.members[0], &stage.members[2]] {
        eventually(SOON, "the role has arrived", || {
            let copy = member.get(roles, "", "story-reader")?;
            ensure!(copy.at("/rules/0/verbs") == Some(&serde_json::json!(["get"])), "{copy:?}");
            Ok(())
        });
    }
    stage.members[1].check_gone(roles, "", "story-reader").unwrap();
    eventually(SOON, "the binding is without a namespace", || {
        has(
            &stage.control_plane.get(CLUSTER_BINDINGS, "", "story-reader-clusterrole")?,
            "FullyApplied",
            "True",
        )
    });
    stage.apply(&role.replace("[get]", "[get, list]"));
    eventually(SOON, "the change has arrived", || {
        let copy = stage.members[2].get(roles, "", "story-reader")?;
        ensure!(copy.at("/rules/0/verbs") == Some(&serde_json::json!(["get", "list"])), "{copy:?}");
        Ok(())
    });
    stage.user.ok("delete clusterrole story-reader");
    for member in &stage.members {
        eventually(SOON, "the role is gone", || member.check_gone(roles, "", "story-reader"));
    }
    stage.user.ok("delete clusterpropagationpolicy story-reader");
}

#[test]
fn a_namespace_is_on_every_member_unless_it_says_otherwise() {
    let up = together();
    let stage = Stage::set(&up, "everywhere");
    for member in &stage.members {
        eventually(SOON, "the namespace has arrived", || member.get("v1/namespaces", "", "everywhere"));
    }
    stage.user.ok("label namespace everywhere colour=green");
    for member in &stage.members {
        eventually(SOON, "its label too", || {
            let copy = member.get("v1/namespaces", "", "everywhere")?;
            ensure!(copy.label("colour") == Some("green"), "{:?}", copy.label("colour"));
            Ok(())
        });
    }
    let private = "apiVersion: v1\nkind: Namespace\nmetadata: {name: here-only, labels: {namespace.karmada.io/skip-auto-propagation: 'true'}}\n";
    stage.apply(private);
    // One that comes later has arrived, so the first would have.
    stage.user.ok("create namespace everywhere-else");
    for member in &stage.members {
        eventually(SOON, "the later one has arrived", || member.get("v1/namespaces", "", "everywhere-else"));
        member.check_gone("v1/namespaces", "", "here-only").unwrap();
    }
    stage.user.ok("delete namespace everywhere-else here-only");
}
