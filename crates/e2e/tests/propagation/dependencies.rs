//! What a workload refers to follows it.

use anyhow::ensure;
use e2e::{SOON, together};
use machinery::Object;
use serde_json::Value;
use testkit::eventually;

use crate::{Stage, config_map, deployment, on, policy};

/// A Deployment that reads a ConfigMap, and a policy that takes along what it needs.
fn reader(name: &str, config: &str, clusters: &str, more: &str) -> String {
    let reading = deployment(name, 1).replace(
        "image: 'nginx:1.25'}",
        &format!("image: 'nginx:1.25', envFrom: [{{configMapRef: {{name: {config}}}}}]}}"),
    );
    assert!(reading.contains("configMapRef"), "{reading}");
    reading
        + &policy(
            name,
            &format!("{{apiVersion: apps/v1, kind: Deployment, name: {name}}}"),
            &on(clusters),
            &format!("  propagateDeps: true\n{more}"),
        )
}

fn required_by(binding: &Object) -> Vec<String> {
    let required = binding.at("/spec/requiredBy").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names: Vec<String> =
        required.iter().map(|r| r["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

#[track_caller]
fn is_required_by(stage: &Stage, binding: &str, expected: &[&str]) {
    eventually(SOON, &format!("{binding} is required by {expected:?}"), || {
        let found = required_by(&stage.binding(binding)?);
        ensure!(found == expected, "it is required by {found:?}");
        Ok(())
    });
}

#[test]
fn a_config_map_follows_the_deployments_that_read_it_and_goes_with_the_last_one() {
    let up = together();
    let stage = Stage::set(&up, "followers");
    stage.apply(&(config_map("settings", "1") + &reader("one", "settings", "member1", "")));
    stage.config_map_is_on("settings", &["member1"]);
    is_required_by(&stage, "settings-configmap", &["one-deployment"]);
    stage.apply(&reader("two", "settings", "member2, member3", ""));
    stage.config_map_is_on("settings", &["member1", "member2", "member3"]);
    is_required_by(&stage, "settings-configmap", &["one-deployment", "two-deployment"]);
    // It moves with those who need it, and changes of its own arrive everywhere.
    stage.apply(&(config_map("settings", "2") + &reader("two", "settings", "member2", "")));
    stage.config_map_is_on("settings", &["member1", "member2"]);
    for member in &stage.members[..2] {
        eventually(SOON, "the change has arrived", || {
            let copy = member.get("v1/configmaps", &stage.namespace, "settings")?;
            ensure!(copy.str_at("/data/value") == Some("2"));
            Ok(())
        });
    }
    stage.user.ok("delete deployment one");
    stage.config_map_is_on("settings", &["member2"]);
    stage.user.ok("delete deployment two");
    stage.config_map_is_on("settings", &[]);
    stage.user.ok("get configmap settings");
}

#[test]
fn a_dependency_that_comes_later_is_sent_when_it_comes() {
    let up = together();
    let stage = Stage::set(&up, "follows-later");
    stage.apply(&reader("web", "late", "member1", ""));
    stage.deployed("web", ["1", "-", "-"]);
    stage.apply(&config_map("late", "1"));
    stage.config_map_is_on("late", &["member1"]);
}

#[test]
fn a_template_that_no_longer_refers_to_it_lets_it_go() {
    let up = together();
    let stage = Stage::set(&up, "follows-no-more");
    stage.apply(&(config_map("old", "1") + &config_map("new", "1") + &reader("web", "old", "member1", "")));
    stage.config_map_is_on("old", &["member1"]);
    stage.apply(&reader("web", "new", "member1", ""));
    stage.config_map_is_on("new", &["member1"]);
    stage.config_map_is_on("old", &[]);
}

#[test]
fn the_one_who_insists_decides_about_conflicts_for_all() {
    let up = together();
    let stage = Stage::set(&up, "insists");
    stage.apply(&(config_map("shared", "1") + &reader("calm", "shared", "member1", "")));
    let resolution = |expected: &str| {
        eventually(SOON, &format!("conflicts end in {expected}"), || {
            let binding = stage.binding("shared-configmap")?;
            let found = binding.str_at("/spec/conflictResolution");
            ensure!(found == Some(expected), "{found:?}");
            Ok(())
        });
    };
    resolution("Abort");
    stage.apply(&reader("bold", "shared", "member1", "  conflictResolution: Overwrite"));
    resolution("Overwrite");
    stage.user.ok("delete deployment bold");
    resolution("Abort");
}
