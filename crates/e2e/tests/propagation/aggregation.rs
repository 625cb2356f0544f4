//! Many copies, one status.

use anyhow::ensure;
use e2e::{SOON, together};
use testkit::{eventually, tools};

use crate::{
    CONFIG_MAPS, DEPLOYMENTS, DIVIDED, DUPLICATED, Stage, aggregated, assignment, config_map, deployment,
    for_config_map, for_deployment, has,
};

#[test]
fn the_nginx_sample_runs_on_all_members_and_has_one_status() {
    let up = together();
    let stage = Stage::set(&up, "nginx-sample");
    let samples = tools::workspace().join("samples/nginx");
    stage.user.ok(&format!("apply -f {}", samples.display()));
    stage.deployed("nginx", ["1", "1", "1"]);
    stage.ready_and_observed("nginx", 3);
    let template = stage.control_plane.get(DEPLOYMENTS, &stage.namespace, "nginx").unwrap();
    for field in ["replicas", "updatedReplicas", "availableReplicas"] {
        assert_eq!(template.i64_at(&format!("/status/{field}")), Some(3), "{field}");
    }
    eventually(SOON, "the binding knows of three healthy copies", || {
        let binding = stage.binding("nginx-deployment")?;
        has(&binding, "Scheduled", "True")?;
        has(&binding, "FullyApplied", "True")?;
        let items = aggregated(&binding);
        ensure!(items.keys().eq(["member1", "member2", "member3"]), "{items:?}");
        for item in items.values() {
            ensure!(item["applied"] == true && item["health"] == "Healthy", "{item}");
            ensure!(item["status"]["readyReplicas"] == 1, "{item}");
        }
        Ok(())
    });
    for member in &stage.members {
        let copy = member.get(DEPLOYMENTS, &stage.namespace, "nginx").unwrap();
        assert_eq!(copy.label("karmada.io/managed"), Some("true"));
        assert_eq!(copy.annotation("resourcebinding.karmada.io/name"), Some("nginx-deployment"));
    }
}

#[test]
fn scaling_on_the_control_plane_scales_the_members() {
    let up = together();
    let stage = Stage::set(&up, "scaling");
    stage.apply(&(deployment("web", 3) + &for_deployment("web", DIVIDED)));
    stage.ready_and_observed("web", 3);
    stage.user.ok("scale deployment web --replicas=7");
    eventually(SOON, "the replicas are divided as evenly as they can be", || {
        // Which member has one more depends on the Deployment's uid.
        let found = assignment(&stage.binding("web-deployment")?);
        let mut replicas: Vec<&str> = found.split(' ').filter_map(|part| part.split('=').nth(1)).collect();
        replicas.sort_unstable();
        ensure!(replicas == ["2", "2", "3"], "{found}");
        Ok(())
    });
    stage.ready_and_observed("web", 7);
    stage.user.ok("scale deployment web --replicas=0");
    stage.ready_and_observed("web", 0);
}

#[test]
fn a_new_image_rolls_out_everywhere() {
    let up = together();
    let stage = Stage::set(&up, "new-image");
    stage.apply(&(deployment("web", 2) + &for_deployment("web", DUPLICATED)));
    stage.ready_and_observed("web", 6);
    stage.user.ok("set image deployment/web nginx=nginx:1.27");
    stage.user.ok("rollout status deployment/web --timeout=60s");
    stage.ready_and_observed("web", 6);
    let generation = stage.user.ok("get deployment web -o jsonpath={.metadata.generation}");
    for member in &stage.members {
        let copy = member.get(DEPLOYMENTS, &stage.namespace, "web").unwrap();
        assert_eq!(copy.str_at("/spec/template/spec/containers/0/image"), Some("nginx:1.27"));
        assert_eq!(copy.i64_at("/status/updatedReplicas"), Some(2));
        let observed = copy.annotation("resourcetemplate.karmada.io/generation");
        assert_eq!(observed, Some(generation.as_str()), "it carries the template's generation");
    }
}

#[test]
fn pods_that_are_not_ready_show_in_the_aggregated_status() {
    let up = together();
    let stage = Stage::set(&up, "unready");
    let unready = deployment("web", 1).replace(
        "    metadata: {labels: {app: web}}",
        "    metadata: {labels: {app: web}, annotations: {simulator.karmada.io/behaviour: unready}}",
    );
    stage.apply(&(unready + &for_deployment("web", DUPLICATED)));
    eventually(SOON, "three replicas exist and none is ready", || {
        let template = stage.control_plane.get(DEPLOYMENTS, &stage.namespace, "web")?;
        let status = template.at("/status").cloned().unwrap_or_default();
        ensure!(status["replicas"] == 3 && status["unavailableReplicas"] == 3, "{status}");
        ensure!(status["readyReplicas"].as_i64().unwrap_or(0) == 0, "{status}");
        let items = aggregated(&stage.binding("web-deployment")?);
        ensure!(items.len() == 3 && items.values().all(|item| item["health"] == "Unhealthy"), "{items:?}");
        Ok(())
    });
    stage.apply(&deployment("web", 1));
    stage.ready_and_observed("web", 3);
    eventually(SOON, "they are healthy again", || {
        let items = aggregated(&stage.binding("web-deployment")?);
        ensure!(items.values().all(|item| item["health"] == "Healthy"), "{items:?}");
        Ok(())
    });
}

#[test]
fn what_is_changed_by_hand_in_a_member_is_put_right() {
    let up = together();
    let stage = Stage::set(&up, "by-hand");
    stage.apply(&(config_map("settings", "right") + &for_config_map("settings", DUPLICATED)));
    stage.config_map_is_on("settings", &["member1", "member2", "member3"]);
    for member in [&stage.members[0], &stage.members[2]] {
        let change = serde_json::json!({
            "data": { "value": "wrong", "more": "too much" }, "metadata": { "annotations": { "own": "kept" } },
        });
        member.patch(CONFIG_MAPS, &stage.namespace, "settings", change).unwrap();
        eventually(SOON, "the data is as on the control plane", || {
            let copy = member.get(CONFIG_MAPS, &stage.namespace, "settings")?;
            ensure!(
                copy.at("/data") == Some(&serde_json::json!({ "value": "right" })),
                "{:?}",
                copy.at("/data")
            );
            ensure!(copy.annotation("own") == Some("kept"), "a member's own annotations are its own");
            Ok(())
        });
        let before = member.get(CONFIG_MAPS, &stage.namespace, "settings").unwrap();
        member.delete(CONFIG_MAPS, &stage.namespace, "settings").unwrap();
        eventually(SOON, "what was deleted is back", || {
            let copy = member.get(CONFIG_MAPS, &stage.namespace, "settings")?;
            ensure!(copy.uid() != before.uid(), "it is still the old one");
            Ok(())
        });
    }
}

#[test]
fn a_change_of_the_template_reaches_every_member_and_removed_labels_go() {
    let up = together();
    let stage = Stage::set(&up, "change");
    stage.apply(&(config_map("settings", "1") + &for_config_map("settings", DUPLICATED)));
    stage.user.ok("label configmap settings tier=front");
    let label = |expected: Option<&str>| {
        for member in &stage.members {
            eventually(SOON, &format!("the label is {expected:?}"), || {
                let copy = member.get(CONFIG_MAPS, &stage.namespace, "settings")?;
                ensure!(copy.label("tier") == expected, "{:?}", copy.label("tier"));
                Ok(())
            });
        }
    };
    label(Some("front"));
    stage.user.ok("label configmap settings tier-");
    label(None);
    stage.apply(&config_map("settings", "2"));
    for member in &stage.members {
        eventually(SOON, "the new value has arrived", || {
            let copy = member.get(CONFIG_MAPS, &stage.namespace, "settings")?;
            ensure!(copy.str_at("/data/value") == Some("2"), "{:?}", copy.at("/data"));
            Ok(())
        });
    }
}

#[test]
fn a_service_keeps_the_address_each_member_gave_it() {
    let up = together();
    let stage = Stage::set(&up, "service");
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n---\n";
    let policy = crate::policy("web", "{apiVersion: v1, kind: Service, name: web}", DUPLICATED, "");
    stage.apply(&(service.to_owned() + &policy));
    let address = |member: &testkit::Cluster| {
        eventually(SOON, "the service has an address", || {
            let copy = member.get("v1/services", &stage.namespace, "web")?;
            let address = copy.str_at("/spec/clusterIP").unwrap_or_default().to_owned();
            ensure!(!address.is_empty(), "it has none");
            Ok(address)
        })
    };
    let before: Vec<String> = stage.members.iter().map(address).collect();
    stage.apply(&service.replace("port: 80", "port: 8080"));
    for (member, before) in stage.members.iter().zip(before) {
        eventually(SOON, "the port was changed and the address was not", || {
            let copy = member.get("v1/services", &stage.namespace, "web")?;
            ensure!(copy.i64_at("/spec/ports/0/port") == Some(8080), "{:?}", copy.at("/spec"));
            ensure!(copy.str_at("/spec/clusterIP") == Some(&before), "{:?}", copy.at("/spec"));
            Ok(())
        });
    }
}
