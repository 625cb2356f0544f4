//! Policies for the whole cluster: over objects of any namespace, and of none.

use anyhow::{Context as _, ensure};
use e2e::stage::{
    BINDINGS, CLUSTER_BINDINGS, CLUSTER_ROLES, DEPLOYMENTS, EVERYWHERE, Stage, WORKS, cluster_policy,
    cluster_role, definition, deployment, has, on, policy, the_cluster_role, the_definition, the_deployment,
};
use e2e::{LATE, SOON, together};
use machinery::Object;
use serde_json::{Value, json};
use testkit::eventually;

const NAME: &str = "clusterpropagationpolicy.karmada.io/name";
const ID: &str = "clusterpropagationpolicy.karmada.io/permanent-id";
const POLICIES: &str = "policy.karmada.io/v1alpha1/clusterpropagationpolicies";
const DEFINITIONS: &str = "apiextensions.k8s.io/v1/customresourcedefinitions";

fn is_nobodys(object: &Object) -> anyhow::Result<()> {
    ensure!(object.label(ID).is_none(), "it has the id {:?}", object.label(ID));
    ensure!(object.annotation(NAME).is_none(), "it is {:?}'s", object.annotation(NAME));
    Ok(())
}

fn is_governed_by(policy: &str) -> impl Fn(&Object) -> anyhow::Result<()> {
    move |object| {
        ensure!(object.annotation(NAME) == Some(policy), "it is {:?}'s", object.annotation(NAME));
        Ok(())
    }
}

#[test]
fn selectors_can_be_added_to_a_cluster_wide_policy_and_taken_away() {
    let up = together();
    let stage = Stage::set(&up, "wide-selectors");
    let (one, two) = (the_deployment("wide-one"), the_deployment("wide-two"));
    let wide = |selectors: &str| cluster_policy("wide-selectors", selectors, &on("member1"), "");
    stage.apply(&(wide(&one) + &deployment("wide-one", 1) + &deployment("wide-two", 1)));
    stage.is_on(DEPLOYMENTS, "wide-one", &["member1"]);
    stage.apply(&wide(&format!("{one}, {two}")));
    stage.is_on(DEPLOYMENTS, "wide-two", &["member1"]);
    stage.apply(&wide(&two));
    stage.template(DEPLOYMENTS, "wide-one", "it is let go", is_nobodys);

    let (one, two) = ("system:story-wide-one", "system:story-wide-two");
    let wide = |selectors: &str| cluster_policy("wide-roles", selectors, &on("member1"), "");
    stage.apply(&(wide(&the_cluster_role(one)) + &cluster_role(one) + &cluster_role(two)));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, one, &["member1"]);
    stage.apply(&wide(&format!("{}, {}", the_cluster_role(one), the_cluster_role(two))));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, two, &["member1"]);
    stage.apply(&wide(&the_cluster_role(two)));
    eventually(SOON, "the first role is let go", || {
        is_nobodys(&stage.control_plane.get(CLUSTER_ROLES, "", one)?)
    });
    // The name of the binding has no colons.
    stage.control_plane.get(CLUSTER_BINDINGS, "", "system.story-wide-two-clusterrole").unwrap();
    stage.user.ok("delete clusterpropagationpolicy wide-selectors wide-roles");
    stage.user.ok(&format!("delete clusterrole {one} {two}"));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, two, &[]);
}

#[test]
fn bindings_follow_the_changes_of_a_cluster_wide_policy() {
    let up = together();
    let stage = Stage::set(&up, "wide-changes");
    let role = "system:story-wide-moves";
    let selectors = format!("{}, {}", the_deployment("wide-moves"), the_cluster_role(role));
    stage.apply(
        &(cluster_policy("wide-changes", &selectors, &on("member1"), "")
            + &deployment("wide-moves", 1)
            + &cluster_role(role)),
    );
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &["member1"]);
    let replace = |path: &str, value: Value| {
        let patch = json!([{ "op": "replace", "path": path, "value": value }]);
        stage.json_patch("clusterpropagationpolicy/wide-changes", &patch);
    };
    replace("/spec/propagateDeps", json!(true));
    eventually(SOON, "dependencies are wanted", || {
        let policy = stage.control_plane.get(POLICIES, "", "wide-changes")?;
        let id = policy.label(ID).context("the policy has no id")?;
        let found = stage.control_plane.list(BINDINGS, "wide-changes", &format!("{ID}={id}"))?;
        ensure!(found.len() == 1 && found[0].at("/spec/propagateDeps") == Some(&json!(true)), "{found:?}");
        Ok(())
    });
    replace("/spec/placement", json!({ "clusterAffinity": { "clusterNames": ["member2"] } }));
    stage.is_on(DEPLOYMENTS, "wide-moves", &["member2"]);
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &["member2"]);
    stage.user.ok("delete clusterpropagationpolicy wide-changes");
    stage.user.ok(&format!("delete clusterrole {role}"));
}

#[test]
fn a_deleted_cluster_wide_policy_leaves_no_mark_and_another_takes_over() {
    let up = together();
    let stage = Stage::set(&up, "wide-deleted");
    let crd = "things.wide-deleted.example.com";
    let selectors = format!("{}, {}", the_deployment("wide-deleted"), the_definition(crd));
    stage.apply(
        &(cluster_policy("wide-deleted", &selectors, &on("member1"), "")
            + &deployment("wide-deleted", 1)
            + &definition("wide-deleted.example.com", "Cluster")),
    );
    stage.is_on(DEPLOYMENTS, "wide-deleted", &["member1"]);
    stage.cluster_scoped_is_on(DEFINITIONS, crd, &["member1"]);
    stage.user.ok("delete clusterpropagationpolicy wide-deleted");
    let crd_binding = format!("{crd}-customresourcedefinition");
    stage.template(DEPLOYMENTS, "wide-deleted", "it has no marks", is_nobodys);
    stage.bound("wide-deleted-deployment", "it has no marks", is_nobodys);
    for (resource, name) in [(DEFINITIONS, crd), (CLUSTER_BINDINGS, &crd_binding)] {
        eventually(SOON, &format!("{name} has no marks"), || {
            is_nobodys(&stage.control_plane.get(resource, "", name)?)
        });
    }
    stage.apply(&cluster_policy("wide-heir", &selectors, &on("member2"), ""));
    let heirs = is_governed_by("wide-heir");
    stage.template(DEPLOYMENTS, "wide-deleted", "it is the heir's", &heirs);
    stage.bound("wide-deleted-deployment", "it is the heir's", &heirs);
    for (resource, name) in [(DEFINITIONS, crd), (CLUSTER_BINDINGS, &crd_binding)] {
        eventually(SOON, &format!("{name} is the heir's"), || {
            heirs(&stage.control_plane.get(resource, "", name)?)
        });
    }
    stage.is_on(DEPLOYMENTS, "wide-deleted", &["member2"]);
    stage.user.ok(&format!("delete crd {crd}"));
    stage.cluster_scoped_is_on(DEFINITIONS, crd, &[]);
    stage.user.ok("delete clusterpropagationpolicy wide-heir");
}

#[test]
fn cluster_roles_and_their_bindings_arrive_with_the_id_of_their_binding() {
    let up = together();
    let stage = Stage::set(&up, "wide-roles-id");
    let (role, bound) = ("system:story-id", "system:story.id:bound");
    let role_binding = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: '{bound}'}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: '{role}'}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: jane}}]
---
"
    );
    let selectors = format!(
        "{}, {{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, name: '{bound}'}}",
        the_cluster_role(role)
    );
    stage.apply(&(cluster_policy("wide-id", &selectors, "{}", "") + &cluster_role(role) + &role_binding));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, EVERYWHERE);
    let bindings = "rbac.authorization.k8s.io/v1/clusterrolebindings";
    stage.cluster_scoped_is_on(bindings, bound, EVERYWHERE);
    let key = "clusterresourcebinding.karmada.io/permanent-id";
    let id = eventually(SOON, "the binding is applied", || {
        let binding = stage.control_plane.get(CLUSTER_BINDINGS, "", "system.story-id-clusterrole")?;
        has(&binding, "FullyApplied", "True")?;
        Ok(binding.label(key).context("it has no id")?.to_owned())
    });
    let works = stage.control_plane.list(WORKS, "", &format!("{key}={id}")).unwrap();
    assert_eq!(works.len(), 3);
    for member in &stage.members {
        let copy = member.get(CLUSTER_ROLES, "", role).unwrap();
        assert_eq!(copy.label(key), Some(id.as_str()));
        assert_eq!(copy.annotation(NAME), Some("wide-id"));
    }
    stage.user.ok(&format!("delete clusterrole {role}"));
    stage.user.ok(&format!("delete clusterrolebinding {bound}"));
    stage.cluster_scoped_is_on(CLUSTER_ROLES, role, &[]);
    stage.cluster_scoped_is_on(bindings, bound, &[]);
    stage.user.ok("delete clusterpropagationpolicy wide-id");
}

#[test]
fn objects_of_a_propagated_definition_arrive_change_and_go() {
    let up = together();
    let stage = Stage::set(&up, "wide-things");
    let group = "wide-things.example.com";
    let crd = format!("things.{group}");
    stage.apply(
        &(cluster_policy("wide-things", &the_definition(&crd), "{}", "") + &definition(group, "Namespaced")),
    );
    for name in EVERYWHERE {
        eventually(LATE, &format!("{name} is known to serve things"), || {
            let cluster = stage.control_plane.get(e2e::stage::CLUSTERS, "", name)?;
            let served = cluster.at("/status/apiEnablements").and_then(Value::as_array);
            let own = served.into_iter().flatten().find(|e| e["groupVersion"] == format!("{group}/v1"));
            let own = own.context("not yet")?;
            ensure!(own["resources"][0]["kind"] == "Thing", "{own}");
            Ok(())
        });
    }
    stage.user.ok(&format!("wait --for=condition=established crd/{crd} --timeout=30s"));
    let things = format!("{group}/v1/things");
    stage.apply(&policy("things", &format!("{{apiVersion: {group}/v1, kind: Thing, name: x}}"), "{}", ""));
    stage.apply(&format!(
        "apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: x}}\nspec: {{resource: {{namespace: here}}}}\n"
    ));
    stage.is_on(&things, "x", EVERYWHERE);
    let there = json!([{ "op": "replace", "path": "/spec/resource/namespace", "value": "there" }]);
    stage.json_patch(&format!("things.{group}/x"), &there);
    stage.copies(&things, "x", EVERYWHERE, "the change has arrived", |copy| {
        ensure!(copy.str_at("/spec/resource/namespace") == Some("there"), "{:?}", copy.at("/spec"));
        Ok(())
    });
    stage.user.ok(&format!("delete things.{group} x"));
    stage.is_on(&things, "x", &[]);
    stage.user.ok(&format!("delete crd {crd}"));
    stage.user.ok("delete clusterpropagationpolicy wide-things");
}
