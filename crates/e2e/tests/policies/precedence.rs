//! Of several policies that match, one governs; when it goes, the next best does.

use anyhow::ensure;
use e2e::stage::{DEPLOYMENTS, EVERYWHERE, Stage, cluster_policy, deployment, policy};
use e2e::together;

/// Waits until the copies everywhere name a policy.
#[track_caller]
fn governed_by(stage: &Stage, name: &str, key: &str, policy: &str) {
    stage.copies(DEPLOYMENTS, name, EVERYWHERE, &format!("it is governed by {policy}"), |copy| {
        ensure!(copy.annotation(key) == Some(policy), "it is by {:?}", copy.annotation(key));
        Ok(())
    });
}

fn labelled(name: &str) -> String {
    deployment(name, 1).replace(
        &format!("metadata: {{name: {name}, labels: {{app: {name}}}}}"),
        &format!("metadata: {{name: {name}, labels: {{app: {name}, tier: {name}}}}}"),
    )
}

/// Selectors by name, by label and by kind alone.
fn selectors(stage: &Stage, name: &str) -> [String; 3] {
    let kind = format!("apiVersion: apps/v1, kind: Deployment, namespace: {}", stage.namespace);
    [
        format!("{{{kind}, name: {name}}}"),
        format!("{{{kind}, labelSelector: {{matchLabels: {{tier: {name}}}}}}}"),
        format!("{{{kind}}}"),
    ]
}

#[test]
fn when_the_best_policy_goes_the_next_best_governs() {
    let up = together();
    for (namespace, kind, key, make) in [
        (
            "next-best",
            "propagationpolicy",
            super::claims::NAME,
            policy as fn(&str, &str, &str, &str) -> String,
        ),
        (
            "next-best-wide",
            "clusterpropagationpolicy",
            "clusterpropagationpolicy.karmada.io/name",
            cluster_policy,
        ),
    ] {
        let stage = Stage::set(&up, namespace);
        let [by_name, by_label, by_kind] = selectors(&stage, "web");
        let names = ["by-name", "by-label", "by-kind"].map(|name| format!("{namespace}-{name}"));
        for (name, selector) in names.iter().zip([by_name, by_label, by_kind]) {
            stage.apply(&make(name, &selector, "{}", ""));
        }
        stage.apply(&labelled("web"));
        for name in &names {
            governed_by(&stage, "web", key, name);
            stage.user.ok(&format!("delete {kind} {name}"));
        }
        stage.user.ok("delete deployment web");
        stage.is_on(DEPLOYMENTS, "web", &[]);
    }
}

#[test]
fn explicit_priority_goes_before_how_closely_a_policy_matches() {
    let up = together();
    for (namespace, kind, key, make) in [
        (
            "explicit",
            "propagationpolicy",
            super::claims::NAME,
            policy as fn(&str, &str, &str, &str) -> String,
        ),
        (
            "explicit-wide",
            "clusterpropagationpolicy",
            "clusterpropagationpolicy.karmada.io/name",
            cluster_policy,
        ),
    ] {
        let stage = Stage::set(&up, namespace);
        let [by_name, by_label, _] = selectors(&stage, "first");
        stage.apply(&make(&format!("{namespace}-high"), &by_label, "{}", "  priority: 2"));
        stage.apply(&make(&format!("{namespace}-low"), &by_name, "{}", "  priority: 1"));
        stage.apply(&make(&format!("{namespace}-none"), &by_name, "{}", ""));
        stage.apply(&labelled("first"));
        governed_by(&stage, "first", key, &format!("{namespace}-high"));
        // Of equals, the one that names the object.
        let [by_name, by_label, _] = selectors(&stage, "second");
        stage.apply(&make(&format!("{namespace}-a-label"), &by_label, "{}", "  priority: 1"));
        stage.apply(&make(&format!("{namespace}-b-name"), &by_name, "{}", "  priority: 1"));
        stage.apply(&labelled("second"));
        governed_by(&stage, "second", key, &format!("{namespace}-b-name"));
        let all = ["high", "low", "none", "a-label", "b-name"].map(|name| format!("{namespace}-{name}"));
        stage.user.ok(&format!("delete {kind} {}", all.join(" ")));
    }
}
