//! What is deleted goes everywhere, and nothing else does.

use anyhow::{Result, ensure};
use e2e::{SOON, together};
use testkit::eventually;

use crate::{
    BINDINGS, CONFIG_MAPS, DEPLOYMENTS, DUPLICATED, Stage, WORKS, config_map, deployment, for_config_map,
    for_deployment, policy,
};

/// Says unless nothing on the control plane is left over for the stage's namespace.
fn check_no_works(stage: &Stage) -> Result<()> {
    let works = stage.control_plane.list(WORKS, "", "")?;
    for work in works {
        let namespace = work.str_at("/spec/workload/manifests/0/metadata/namespace");
        ensure!(namespace != Some(&stage.namespace), "{}/{} is left", work.namespace(), work.name());
    }
    let bindings = stage.control_plane.list(BINDINGS, &stage.namespace, "")?;
    ensure!(bindings.is_empty(), "{} bindings are left", bindings.len());
    Ok(())
}

#[test]
fn a_deleted_deployment_is_deleted_everywhere_and_leaves_nothing() {
    let up = together();
    let stage = Stage::set(&up, "deleted");
    stage.apply(&(deployment("web", 2) + &for_deployment("web", DUPLICATED)));
    stage.ready_and_observed("web", 6);
    stage.user.ok("delete deployment web");
    eventually(SOON, "nothing of it is left", || {
        check_no_works(&stage)?;
        for member in &stage.members {
            for resource in [DEPLOYMENTS, "apps/v1/replicasets", "v1/pods"] {
                let left = member.list(resource, &stage.namespace, "")?;
                ensure!(left.is_empty(), "{} {resource} are left in {}", left.len(), member.context());
            }
        }
        Ok(())
    });
    // The policy waits for the next one.
    stage.apply(&deployment("web", 1));
    stage.ready_and_observed("web", 3);
}

#[test]
fn preserved_objects_stay_on_the_members_and_are_nobodys() {
    let up = together();
    let stage = Stage::set(&up, "preserved");
    let object = "{apiVersion: v1, kind: ConfigMap, name: c}";
    let preserving = policy("c", object, DUPLICATED, "  preserveResourcesOnDeletion: true");
    stage.apply(&(config_map("c", "1") + &preserving));
    stage.config_map_is_on("c", &["member1", "member2", "member3"]);
    stage.user.ok("delete configmap c");
    eventually(SOON, "the control plane has let go", || check_no_works(&stage));
    for member in &stage.members {
        let copy = member.get(CONFIG_MAPS, &stage.namespace, "c").unwrap();
        assert_eq!(copy.str_at("/data/value"), Some("1"));
        let marks = copy.labels().chain(copy.annotations()).filter(|(key, _)| key.contains("karmada.io"));
        assert_eq!(marks.collect::<Vec<_>>(), []);
    }
}

#[test]
fn a_deleted_namespace_is_deleted_everywhere() {
    let up = together();
    let stage = Stage::set(&up, "whole-namespace");
    stage.apply(&(config_map("c", "1") + &for_config_map("c", DUPLICATED)));
    stage.config_map_is_on("c", &["member1", "member2", "member3"]);
    stage.user.ok("delete namespace whole-namespace");
    eventually(SOON, "no member has it", || {
        for member in &stage.members {
            member.check_gone("v1/namespaces", "", &stage.namespace)?;
        }
        check_no_works(&stage)
    });
}
