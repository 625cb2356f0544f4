//! Deleting objects, and what goes with them.

use e2e::SOON;
use testkit::{Cluster, Kubectl, eventually};

use crate::{WEB, contains, told_by_both_kubectls};

told_by_both_kubectls!(ControlPlane:
    objects_are_deleted_by_name_file_label_and_all,
    what_does_not_exist_cannot_be_deleted,
    a_finalizer_holds_an_object_until_it_is_removed,
    an_orphaned_dependent_stays,
    a_foreground_deletion_waits_for_the_dependents,
    a_background_deletion_takes_the_dependents_along,
    a_namespace_takes_everything_in_it_along,
    a_pod_without_a_node_is_deleted_at_once,
);

fn objects_are_deleted_by_name_file_label_and_all(kubectl: &Kubectl, _: &Cluster) {
    for name in ["a", "b", "c", "d", "e"] {
        kubectl.ok(&format!("create configmap {name}"));
    }
    contains(&kubectl.ok("delete configmap a b"), "configmap \"b\" deleted");
    kubectl.ok("label configmap c colour=red");
    contains(&kubectl.ok("delete configmap -l colour=red"), "configmap \"c\" deleted");
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\n";
    contains(&kubectl.ok_with("delete -f -", file), "configmap \"d\" deleted");
    contains(&kubectl.ok("delete configmaps --all"), "configmap \"e\" deleted");
    let own = "get configmaps -o name --field-selector metadata.name!=kube-root-ca.crt";
    assert_eq!(kubectl.ok(own), "");
}

fn what_does_not_exist_cannot_be_deleted(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.run("delete configmap nope");
    assert_eq!(told.code, 1);
    assert_eq!(told.stderr, "Error from server (NotFound): configmaps \"nope\" not found\n");
    assert_eq!(kubectl.run("delete configmap nope --ignore-not-found").code, 0);
}

fn a_finalizer_holds_an_object_until_it_is_removed(kubectl: &Kubectl, _: &Cluster) {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/hold]}\n";
    kubectl.ok_with("create -f -", object);
    let mut waiting = kubectl.start("delete configmap held");
    eventually(SOON, "the deletion is under way", || {
        let since = kubectl.ok("get configmap held -o jsonpath={.metadata.deletionTimestamp}");
        anyhow::ensure!(!since.is_empty(), "it has no deletion timestamp");
        Ok(())
    });
    let told = kubectl.fails(r#"patch configmap held -p '{"metadata":{"finalizers":["example.com/more"]}}'"#);
    contains(&told, "no new finalizers can be added if the object is being deleted");
    kubectl.ok(r#"patch configmap held --type=merge -p '{"metadata":{"finalizers":null}}'"#);
    assert_eq!(waiting.ends(SOON), 0);
    contains(&waiting.printed(), "configmap \"held\" deleted");
    contains(&kubectl.fails("get configmap held"), "NotFound");
}

/// A ConfigMap and a second one that it owns.
fn owner_and_dependent(kubectl: &Kubectl) {
    kubectl.ok("create configmap owner");
    let uid = kubectl.ok("get configmap owner -o jsonpath={.metadata.uid}");
    let dependent = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: dependent\n  ownerReferences:\n  \
         - {{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}, blockOwnerDeletion: true}}\n"
    );
    kubectl.ok_with("create -f -", &dependent);
}

fn an_orphaned_dependent_stays(kubectl: &Kubectl, cluster: &Cluster) {
    owner_and_dependent(kubectl);
    kubectl.ok("delete configmap owner --cascade=orphan");
    let dependent = cluster.get("v1/configmaps", kubectl.namespace(), "dependent").unwrap();
    assert!(dependent.owner_references().is_empty(), "{dependent:?}");
}

fn a_foreground_deletion_waits_for_the_dependents(kubectl: &Kubectl, cluster: &Cluster) {
    owner_and_dependent(kubectl);
    kubectl.ok(r#"patch configmap dependent -p '{"metadata":{"finalizers":["example.com/hold"]}}'"#);
    let mut waiting = kubectl.start("delete configmap owner --cascade=foreground");
    eventually(SOON, "the dependent is being deleted", || {
        let dependent = cluster.get("v1/configmaps", kubectl.namespace(), "dependent")?;
        anyhow::ensure!(dependent.is_deleting(), "it is not");
        Ok(())
    });
    let owner = cluster.get("v1/configmaps", kubectl.namespace(), "owner").unwrap();
    assert!(owner.has_finalizer("foregroundDeletion"), "{owner:?}");
    kubectl.ok(r#"patch configmap dependent --type=merge -p '{"metadata":{"finalizers":null}}'"#);
    assert_eq!(waiting.ends(SOON), 0);
    cluster.check_gone("v1/configmaps", kubectl.namespace(), "dependent").unwrap();
    cluster.check_gone("v1/configmaps", kubectl.namespace(), "owner").unwrap();
}

fn a_background_deletion_takes_the_dependents_along(kubectl: &Kubectl, cluster: &Cluster) {
    owner_and_dependent(kubectl);
    kubectl.ok("delete configmap owner");
    eventually(SOON, "the dependent goes too", || {
        cluster.check_gone("v1/configmaps", kubectl.namespace(), "dependent")
    });
}

fn a_namespace_takes_everything_in_it_along(kubectl: &Kubectl, cluster: &Cluster) {
    let namespace = format!("{}-inner", kubectl.namespace());
    kubectl.ok(&format!("create namespace {namespace}"));
    let inside = kubectl.in_namespace(&namespace);
    inside.ok_with("create -f -", WEB);
    let held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/hold]}\n";
    inside.ok_with("create -f -", held);
    let mut waiting = kubectl.start(&format!("delete namespace {namespace}"));
    eventually(SOON, "the objects in it are being deleted", || {
        cluster.check_gone("apps/v1/deployments", &namespace, "web")?;
        let held = cluster.get("v1/configmaps", &namespace, "held")?;
        anyhow::ensure!(held.is_deleting(), "one is not");
        Ok(())
    });
    let told = inside.fails("create configmap late");
    contains(&told, "configmaps \"late\" is forbidden");
    contains(&told, "because it is being terminated");
    assert_eq!(inside.ok(&format!("get namespace {namespace} -o jsonpath={{.status.phase}}")), "Terminating");
    inside.ok(r#"patch configmap held --type=merge -p '{"metadata":{"finalizers":null}}'"#);
    assert_eq!(waiting.ends(SOON), 0);
    contains(&kubectl.fails(&format!("get namespace {namespace}")), "NotFound");
    contains(&kubectl.fails("delete namespace default"), "Error from server (Forbidden)");
}

fn a_pod_without_a_node_is_deleted_at_once(kubectl: &Kubectl, cluster: &Cluster) {
    kubectl.ok("run alone --image=nginx --restart=Never");
    kubectl.ok("delete pod alone");
    cluster.check_gone("v1/pods", kubectl.namespace(), "alone").unwrap();
}
