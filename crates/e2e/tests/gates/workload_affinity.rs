//! Workloads that want each other's company, or do not.

use anyhow::ensure;
use e2e::stage::{DEPLOYMENTS, Stage, clusters, deployment, has, policy, the_deployment};

use crate::together;

const ONE: &str = "spreadConstraints: [{spreadByField: cluster, minGroups: 1, maxGroups: 1}]";

/// A Deployment with further labels, as YAML flow entries.
fn labelled(name: &str, labels: &str) -> String {
    let from = format!("labels: {{app: {name}}}}}\nspec");
    let labelled = deployment(name, 1).replace(&from, &format!("labels: {{app: {name}, {labels}}}}}\nspec"));
    assert!(labelled.contains(labels), "{labelled}");
    labelled
}

fn of_group(key: &str, group: &str) -> String {
    format!("{{apiVersion: apps/v1, kind: Deployment, labelSelector: {{matchLabels: {{{key}: {group}}}}}}}")
}

/// The one cluster that a Deployment is assigned to, once it is there.
#[track_caller]
fn place(stage: &Stage, name: &str) -> String {
    let cluster = stage.bound(&format!("{name}-deployment"), "it has one cluster", |binding| {
        let found = clusters(binding);
        ensure!(found.len() == 1, "{found:?}");
        Ok(found[0].clone())
    });
    stage.is_on(DEPLOYMENTS, name, &[&cluster]);
    cluster
}

#[test]
fn a_group_stays_together_or_apart() {
    let up = together();
    for (namespace, term, same) in [("company", "affinity", true), ("solitude", "antiAffinity", false)] {
        let stage = Stage::set(&up, namespace);
        let key = format!("example.com/{namespace}");
        let placement = format!("{{workloadAffinity: {{{term}: {{groupByLabelKey: {key}}}}}, {ONE}}}");
        stage.apply(&policy("p", &of_group(&key, "x"), &placement, ""));
        stage.apply(&labelled("one", &format!("{key}: x")));
        let first = place(&stage, "one");
        stage.apply(&labelled("two", &format!("{key}: x")));
        let second = place(&stage, "two");
        assert_eq!(first == second, same, "{first} and {second}");
    }
}

#[test]
fn groups_of_different_namespaces_are_different_groups() {
    let up = together();
    for namespace in ["solitude-here", "solitude-there"] {
        let stage = Stage::set(&up, namespace);
        let key = "example.com/solitude-both";
        let placement = format!(
            "{{workloadAffinity: {{antiAffinity: {{groupByLabelKey: {key}}}}}, clusterAffinity: {{clusterNames: [member1]}}}}"
        );
        stage.apply(
            &(policy("p", &of_group(key, "x"), &placement, "") + &labelled("web", &format!("{key}: x"))),
        );
        assert_eq!(place(&stage, "web"), "member1");
    }
}

#[test]
fn who_wants_company_where_another_must_be_avoided_has_no_place() {
    let up = together();
    let stage = Stage::set(&up, "no-place-left");
    let (near, far) = ("example.com/near", "example.com/far");
    let here = "clusterAffinity: {clusterNames: [member1]}";
    let near_term = format!("affinity: {{groupByLabelKey: {near}}}");
    let far_term = format!("antiAffinity: {{groupByLabelKey: {far}}}");
    for (name, labels, terms, rest) in [
        ("one", format!("{near}: x"), near_term.clone(), here),
        ("two", format!("{far}: x"), far_term.clone(), here),
    ] {
        let placement = format!("{{workloadAffinity: {{{terms}}}, {rest}}}");
        stage.apply(&(policy(name, &the_deployment(name), &placement, "") + &labelled(name, &labels)));
        assert_eq!(place(&stage, name), "member1");
    }
    let placement = format!("{{workloadAffinity: {{{near_term}, {far_term}}}, {ONE}}}");
    let three = labelled("three", &format!("{near}: x, {far}: x"));
    stage.apply(&(policy("three", &the_deployment("three"), &placement, "") + &three));
    stage.bound("three-deployment", "no cluster fits", |binding| {
        let told = has(binding, "Scheduled", "False")?;
        ensure!(told["reason"] == "NoClusterFit", "{told}");
        ensure!(clusters(binding).is_empty(), "{:?}", clusters(binding));
        Ok(())
    });
}
