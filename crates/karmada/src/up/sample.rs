//! `up --sample`: applies samples/nginx, watches it arrive, and shows where it went.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use client::{Client, WatchEvent, WatchOptions};
use clock::Clock;
use machinery::{GroupVersionResource, Object};
use serde_json::Value;

use super::progress::{Progress, seconds};

const DEPLOYMENT: &str = include_str!("../../../../samples/nginx/deployment.yaml");
const POLICY: &str = include_str!("../../../../samples/nginx/propagationpolicy.yaml");
const NAMESPACE: &str = "default";

/// How long the sample may take.
const WAIT: Duration = Duration::from_secs(60);

/// Applies the sample and waits until all of it is ready everywhere.
pub(crate) async fn run(client: &Client, members: &[String], progress: &mut Progress) -> Result<()> {
    let clock = Clock::system();
    let start = clock.elapsed();
    let since = || seconds(clock.elapsed().saturating_sub(start));
    let deployments = GroupVersionResource::new("apps", "v1", "deployments");
    let policies = GroupVersionResource::new("policy.karmada.io", "v1alpha1", "propagationpolicies");
    apply(client, &policies, POLICY).await?;
    let deployment = apply(client, &deployments, DEPLOYMENT).await?;
    progress.done("sample applied");
    if members.is_empty() {
        progress.say("There are no members to run it.");
        return Ok(());
    }
    let mut steps: Vec<(&str, String)> = Vec::new();
    let binding = api::naming::binding("Deployment", deployment.name());
    let bindings = GroupVersionResource::new("work.karmada.io", "v1alpha2", "resourcebindings");
    let watched = async {
        loop {
            let options =
                WatchOptions { fields: format!("metadata.name={binding}"), ..WatchOptions::default() };
            let changes = client.resource(&bindings).namespace(NAMESPACE).watch(&options).await;
            let mut changes = changes.map_err(|e| anyhow::anyhow!("{}", e.chain()))?;
            while let Some(Ok(change)) = changes.next().await {
                let (WatchEvent::Added(binding) | WatchEvent::Modified(binding)) = change else { continue };
                if note(&binding, &mut steps, &since) {
                    return Ok::<Object, anyhow::Error>(binding);
                }
            }
        }
    };
    let binding = match tokio::time::timeout(WAIT, watched).await {
        Ok(binding) => binding?,
        Err(_) => bail!(
            "the sample is not ready everywhere after {WAIT:?}; see `kubectl describe resourcebinding {binding}`"
        ),
    };
    let aggregated = wait_aggregated(client, &deployments, &deployment);
    tokio::time::timeout(WAIT, aggregated).await.context("the sample's status was not aggregated")??;
    steps.push(("status aggregated", since()));
    progress.done("sample ready on all members");
    progress.say(&table(&binding));
    for (step, time) in steps {
        progress.say(&format!("   {step:<20} {time}"));
    }
    Ok(())
}

async fn apply(client: &Client, gvr: &GroupVersionResource, manifest: &str) -> Result<Object> {
    let value: Value = serde_saphyr::from_str(manifest).context("the sample cannot be read")?;
    let mut object = Object::from_value(value)?;
    object.set("/metadata/namespace", NAMESPACE);
    let patch = client::Patch::Apply { config: &object, manager: "karmada-up", force: true };
    let applied = client.resource(gvr).namespace(NAMESPACE).patch(object.name(), &patch).await;
    applied.map_err(|e| anyhow::anyhow!("{}", e.chain()))
}

fn replicas(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// Notes the steps that a binding has reached, and says whether it has reached the last.
fn note(binding: &Object, steps: &mut Vec<(&'static str, String)>, since: &dyn Fn() -> String) -> bool {
    let targets = binding.at("/spec/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let items = binding.at("/status/aggregatedStatus").and_then(Value::as_array).cloned().unwrap_or_default();
    let item = |name: &Value| items.iter().find(|i| i["clusterName"] == *name);
    let all = |holds: &dyn Fn(&Value, &Value) -> bool| {
        !targets.is_empty() && targets.iter().all(|t| item(&t["name"]).is_some_and(|i| holds(t, i)))
    };
    let reached = [
        ("binding created", true),
        ("scheduled", !targets.is_empty()),
        ("applied", all(&|_, i| i["applied"] == true)),
        (
            "ready",
            all(&|t, i| {
                i["health"] == "Healthy"
                    && replicas(&i["status"]["readyReplicas"]) >= replicas(&t["replicas"])
            }),
        ),
    ];
    for (step, holds) in reached {
        if holds && !steps.iter().any(|(known, _)| *known == step) {
            steps.push((step, since()));
        }
    }
    reached.iter().all(|(_, holds)| *holds)
}

async fn wait_aggregated(client: &Client, gvr: &GroupVersionResource, deployment: &Object) -> Result<()> {
    let wanted = deployment.i64_at("/spec/replicas").unwrap_or(1);
    loop {
        let options = WatchOptions {
            fields: format!("metadata.name={}", deployment.name()),
            ..WatchOptions::default()
        };
        let changes = client.resource(gvr).namespace(NAMESPACE).watch(&options).await;
        let mut changes = changes.map_err(|e| anyhow::anyhow!("{}", e.chain()))?;
        while let Some(Ok(change)) = changes.next().await {
            let (WatchEvent::Added(deployment) | WatchEvent::Modified(deployment)) = change else { continue };
            if deployment.i64_at("/status/readyReplicas").unwrap_or(0) >= wanted {
                return Ok(());
            }
        }
    }
}

fn table(binding: &Object) -> String {
    let mut text =
        format!("\n   {:<12}{:<10}{:<8}{:<10}{}", "CLUSTER", "DESIRED", "READY", "APPLIED", "HEALTHY");
    let targets = binding.at("/spec/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in binding.at("/status/aggregatedStatus").and_then(Value::as_array).into_iter().flatten() {
        let name = item["clusterName"].as_str().unwrap_or_default();
        let desired = targets.iter().find(|t| t["name"] == name).map_or(0, |t| replicas(&t["replicas"]));
        let ready = replicas(&item["status"]["readyReplicas"]);
        let (applied, healthy) = (item["applied"] == true, item["health"] == "Healthy");
        text.push_str(&format!("\n   {name:<12}{desired:<10}{ready:<8}{applied:<10}{healthy}"));
    }
    text.push('\n');
    text
}
