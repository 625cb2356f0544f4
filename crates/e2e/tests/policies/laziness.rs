//! Lazy policies act only when their objects change.

use e2e::stage::{
    CONFIG_MAPS, DEPLOYMENTS, Stage, config_map, deployment, on, policy, the_config_map, the_deployment,
};
use e2e::together;

const LAZY: &str = "  activationPreference: Lazy";

/// Waits until something that was applied later has arrived, so that what came before would have.
#[track_caller]
fn a_while_later(stage: &Stage, name: &str) {
    stage.apply(&(config_map(name, "1") + &policy(name, &the_config_map(name), "{}", "")));
    stage.is_on(CONFIG_MAPS, name, e2e::stage::EVERYWHERE);
}

#[track_caller]
fn touch(stage: &Stage, round: &str) {
    stage.user.ok(&format!("annotate deployment web --overwrite round={round}"));
}

#[test]
fn an_object_stays_when_its_lazy_policy_is_deleted() {
    let up = together();
    let stage = Stage::set(&up, "lazy-deleted");
    stage.apply(&(policy("lazy", &the_deployment("web"), &on("member1"), LAZY) + &deployment("web", 1)));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.user.ok("delete propagationpolicy lazy");
    a_while_later(&stage, "marker");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
}

#[test]
fn a_lazy_policy_that_comes_later_waits_for_a_change_of_the_object() {
    let up = together();
    let stage = Stage::set(&up, "lazy-later");
    stage.apply(&deployment("web", 1));
    a_while_later(&stage, "first-marker");
    stage.apply(&policy("lazy", &the_deployment("web"), &on("member1"), LAZY));
    a_while_later(&stage, "second-marker");
    stage.is_on(DEPLOYMENTS, "web", &[]);
    touch(&stage, "two");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
}

#[test]
fn a_policy_that_is_no_longer_lazy_acts_at_once_and_one_that_becomes_lazy_waits() {
    let up = together();
    let stage = Stage::set(&up, "lazy-changes");
    let lazy = |clusters: &str, more: &str| policy("p", &the_deployment("web"), &on(clusters), more);
    stage.apply(&(lazy("member1", LAZY) + &deployment("web", 1)));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.apply(&lazy("member2", ""));
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    stage.apply(&lazy("member1", LAZY));
    a_while_later(&stage, "marker");
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    touch(&stage, "two");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
}

/// A Deployment that mounts a ConfigMap.
fn reading(config: &str) -> String {
    let reading = deployment("web", 1).replace(
        "      containers:",
        &format!("      volumes: [{{name: v, configMap: {{name: {config}}}}}]\n      containers:"),
    );
    assert!(reading.contains("volumes"), "{reading}");
    reading
}

#[test]
fn what_an_object_needs_follows_it_when_the_lazy_policy_acts() {
    let up = together();
    let stage = Stage::set(&up, "lazy-needs");
    let lazy = |clusters: &str| {
        policy("p", &the_deployment("web"), &on(clusters), &format!("{LAZY}\n  propagateDeps: true"))
    };
    stage.apply(&(lazy("member1") + &config_map("settings", "1") + &reading("settings")));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.is_on(CONFIG_MAPS, "settings", &["member1"]);
    stage.apply(&lazy("member2"));
    a_while_later(&stage, "marker");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.is_on(CONFIG_MAPS, "settings", &["member1"]);
    touch(&stage, "two");
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    stage.is_on(CONFIG_MAPS, "settings", &["member2"]);
}

#[test]
fn a_lazy_policy_starts_to_take_along_what_is_needed_when_the_object_changes() {
    let up = together();
    let stage = Stage::set(&up, "lazy-deps");
    stage.apply(&(config_map("settings", "1") + &reading("settings")));
    a_while_later(&stage, "first-marker");
    stage.apply(&policy("p", &the_deployment("web"), &on("member1"), LAZY));
    a_while_later(&stage, "second-marker");
    stage.is_on(DEPLOYMENTS, "web", &[]);
    touch(&stage, "two");
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.is_on(CONFIG_MAPS, "settings", &[]);
    let taking_along = format!("{LAZY}\n  propagateDeps: true");
    stage.apply(&policy("p", &the_deployment("web"), &on("member1"), &taking_along));
    a_while_later(&stage, "third-marker");
    stage.is_on(CONFIG_MAPS, "settings", &[]);
    touch(&stage, "three");
    stage.is_on(CONFIG_MAPS, "settings", &["member1"]);
}
