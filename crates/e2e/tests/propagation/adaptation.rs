//! Each cluster gets its own version: override policies.

use anyhow::ensure;
use e2e::{SOON, together};
use testkit::eventually;

use crate::{
    CONFIG_MAPS, DEPLOYMENTS, DUPLICATED, Stage, config_map, deployment, for_config_map, for_deployment,
};

/// Waits until the images on the members are these.
#[track_caller]
fn images(stage: &Stage, expected: [&str; 3]) {
    for (member, expected) in stage.members.iter().zip(expected) {
        eventually(SOON, &format!("the image on {} is {expected}", member.context()), || {
            let copy = member.get(DEPLOYMENTS, &stage.namespace, "web")?;
            let image = copy.str_at("/spec/template/spec/containers/0/image").unwrap_or_default().to_owned();
            ensure!(image == expected, "it is {image}");
            Ok(())
        });
    }
}

#[test]
fn images_labels_and_arguments_differ_per_cluster() {
    let up = together();
    let stage = Stage::set(&up, "overrides");
    let overrides = "
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: web}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  overrideRules:
  - targetCluster: {clusterNames: [member1]}
    overriders:
      imageOverrider: [{component: Registry, operator: add, value: registry.example.com}]
  - targetCluster: {clusterNames: [member2]}
    overriders:
      imageOverrider: [{component: Tag, operator: replace, value: '1.26'}]
      labelsOverrider: [{operator: add, value: {tier: second}}]
      argsOverrider: [{containerName: nginx, operator: add, value: [--quiet]}]
";
    stage.apply(overrides);
    stage.apply(&(deployment("web", 1) + &for_deployment("web", DUPLICATED)));
    images(&stage, ["registry.example.com/nginx:1.25", "nginx:1.26", "nginx:1.25"]);
    let second = stage.members[1].get(DEPLOYMENTS, &stage.namespace, "web").unwrap();
    assert_eq!(second.label("tier"), Some("second"));
    assert_eq!(second.at("/spec/template/spec/containers/0/args"), Some(&serde_json::json!(["--quiet"])));
    stage.ready_and_observed("web", 3);
    stage.apply(&overrides.replace("registry.example.com", "mirror.example.com"));
    images(&stage, ["mirror.example.com/nginx:1.25", "nginx:1.26", "nginx:1.25"]);
    stage.user.ok("delete overridepolicy web");
    images(&stage, ["nginx:1.25", "nginx:1.25", "nginx:1.25"]);
    eventually(SOON, "the label is gone", || {
        let second = stage.members[1].get(DEPLOYMENTS, &stage.namespace, "web")?;
        ensure!(second.label("tier").is_none(), "it is still there");
        Ok(())
    });
}

#[test]
fn the_namespace_has_the_last_word_over_the_cluster() {
    let up = together();
    let stage = Stage::set(&up, "last-word");
    let rule = |kind: &str, value: &str| {
        format!(
            "
apiVersion: policy.karmada.io/v1alpha1
kind: {kind}
metadata: {{name: last-word}}
spec:
  resourceSelectors: [{{apiVersion: v1, kind: ConfigMap, namespace: {}}}]
  overrideRules:
  - overriders: {{plaintext: [{{path: /data/value, operator: replace, value: {value}}}]}}
---
",
            stage.namespace
        )
    };
    stage.apply(&rule("ClusterOverridePolicy", "cluster"));
    stage.apply(&(config_map("c", "template") + &for_config_map("c", DUPLICATED)));
    let value = |expected: &str| {
        for member in &stage.members {
            eventually(SOON, &format!("the value is {expected}"), || {
                let copy = member.get(CONFIG_MAPS, &stage.namespace, "c")?;
                ensure!(copy.str_at("/data/value") == Some(expected), "{:?}", copy.at("/data"));
                Ok(())
            });
        }
    };
    value("cluster");
    stage.apply(&rule("OverridePolicy", "namespace"));
    value("namespace");
    stage.user.ok("delete overridepolicy last-word");
    value("cluster");
    stage.user.ok("delete clusteroverridepolicy last-word");
    value("template");
}
