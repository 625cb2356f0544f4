//! Objects that must not be deleted by mistake.

use anyhow::ensure;
use e2e::stage::{CLUSTERS, DEPLOYMENTS, Stage, deployment};
use e2e::{SOON, together};
use serde_json::json;
use testkit::eventually;

const LABEL: &str = "resourcetemplate.karmada.io/deletion-protected";

#[test]
fn protected_deployments_and_namespaces_cannot_be_deleted() {
    let up = together();
    let stage = Stage::set(&up, "protected");
    stage.apply(&deployment("web", 1));
    stage.user.ok(&format!("label deployment web {LABEL}=Always"));
    let refused = stage.user.fails("delete deployment web");
    assert!(refused.contains("resourcedeletionprotection.karmada.io"), "{refused}");
    assert!(refused.contains(LABEL), "{refused}");
    stage.user.ok(&format!("label deployment web --overwrite {LABEL}="));
    stage.user.ok(&format!("label namespace protected {LABEL}=Always"));
    let refused = stage.user.fails("delete namespace protected");
    assert!(refused.contains(LABEL), "{refused}");
    stage.user.ok("label namespace protected resourcetemplate.karmada.io/deletion-protected=  --overwrite");
    stage.user.ok("delete deployment web");
    stage.user.ok("delete namespace protected");
}

#[test]
fn a_namespace_waits_for_the_protected_objects_in_it() {
    let up = together();
    let stage = Stage::set(&up, "waits");
    stage.apply(&deployment("web", 1));
    stage.apply(&deployment("free", 1));
    stage.user.ok(&format!("label deployment web {LABEL}=Always"));
    stage.user.ok("delete namespace waits --wait=false");
    eventually(SOON, "what is not protected is deleted", || {
        stage.control_plane.check_gone(DEPLOYMENTS, "waits", "free")
    });
    stage.control_plane.get("v1/namespaces", "", "waits").unwrap();
    stage.control_plane.get(DEPLOYMENTS, "waits", "web").unwrap();
    stage.user.ok(&format!("label deployment web {LABEL}-"));
    eventually(e2e::LATE, "now it goes", || stage.control_plane.check_gone("v1/namespaces", "", "waits"));
}

#[test]
fn a_protected_cluster_cannot_be_deleted_until_the_label_is_gone() {
    let up = together();
    let control_plane = up.control_plane();
    let name = "story-protected";
    let cluster = json!({
        "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
        "metadata": { "name": name }, "spec": { "syncMode": "Push" },
    });
    control_plane.create(CLUSTERS, cluster).unwrap();
    control_plane
        .patch(CLUSTERS, "", name, json!({ "metadata": { "labels": { LABEL: "Always" } } }))
        .unwrap();
    let refused = control_plane.delete(CLUSTERS, "", name).unwrap_err();
    let refused = format!("{refused:#}");
    assert!(refused.contains(LABEL), "{refused}");
    control_plane.patch(CLUSTERS, "", name, json!({ "metadata": { "labels": { LABEL: null } } })).unwrap();
    control_plane.delete(CLUSTERS, "", name).unwrap();
    eventually(SOON, "it is gone", || {
        let found = control_plane.find(CLUSTERS, "", name)?;
        ensure!(found.is_none(), "{found:?}");
        Ok(())
    });
}
