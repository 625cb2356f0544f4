//! The scheduler's loop with the store's writes: `karmada scheduler` on an API server that holds many bindings
//! which nobody has placed yet.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use client::{Client, WatchEvent, WatchOptions};
use futures::StreamExt as _;
use machinery::{GroupVersionResource, Object};
use serde_json::json;
use testkit::{Folder, Program};

use crate::clusters::{Kind, Running};
use crate::report::{Budget, Report, Value};
use crate::scheduler;

/// Bindings that wait for the scheduler.
const BINDINGS: usize = 5_000;

/// Clusters that they are placed on.
const CLUSTERS: usize = 20;

/// Requests at the same time while the scene is set.
const CONCURRENCY: usize = 16;

/// Longest wait for all to be placed.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures from the first placed binding to the last.
pub(crate) async fn measure(program: &Path, report: &mut Report) -> Result<()> {
    let mut server = Running::start(program, Kind::ControlPlaneApi);
    server.ready().await?;
    let control = server.control().await?;
    server.joined(&control, &[]).await?;
    set_scene(&control).await?;
    let folder = Folder::new("scheduler");
    let bindings = GroupVersionResource::new("work.karmada.io", "v1alpha2", "resourcebindings");
    let mut changes = control.resource(&bindings).watch(&WatchOptions::default()).await?;
    let mut command = Command::new(program);
    command.args(["scheduler", "--leader-elect=false", "--health-probe-bind-address", "0"]);
    command.args(["--metrics-bind-address", "0"]).arg("--kubeconfig").arg(server.kubeconfig());
    let _scheduler = Program::start("scheduler", command, folder.path());
    let (mut first, mut placed) = (None, 0);
    let deadline = Instant::now() + LIMIT;
    while placed < BINDINGS {
        if Instant::now() > deadline {
            bail!("{placed} of {BINDINGS} bindings were placed within {} s", LIMIT.as_secs());
        }
        let Ok(Some(change)) = tokio::time::timeout(LIMIT, changes.next()).await else {
            bail!("the watch ended");
        };
        let WatchEvent::Modified(binding) = change? else { continue };
        // The status comes last: a binding is placed once it says so.
        if binding.at("/status/lastScheduledTime").is_some() {
            first = first.or_else(|| Some(Instant::now()));
            placed += 1;
        }
    }
    let took = first.map(|first| first.elapsed()).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a rate has three digits")]
    let rate = placed as f64 / took.as_secs_f64();
    let what = format!("scheduler on an API server, {CLUSTERS} clusters, both writes stored");
    report.value(&what, Budget::None, Value::Rate(rate));
    Ok(())
}

async fn set_scene(control: &Client) -> Result<()> {
    let clusters = control.resource(&GroupVersionResource::new("cluster.karmada.io", "v1alpha1", "clusters"));
    for i in 0..CLUSTERS {
        let object = scheduler::cluster_object(i)?;
        let created = clusters.create(&object).await?;
        let mut reported = created.clone();
        reported.set("/status", object.at("/status").cloned().unwrap_or_default());
        clusters.update_status(&reported).await?;
    }
    let bindings = GroupVersionResource::new("work.karmada.io", "v1alpha2", "resourcebindings");
    let bindings = &control.resource(&bindings).namespace("default");
    let spec = &scheduler::divided_by_room()?;
    let created: Vec<Result<Object, client::Error>> = futures::stream::iter(0..BINDINGS)
        .map(|i| async move {
            let name = format!("web-{i:05}-deployment");
            let mut object = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "default", &name);
            object.set_label("binding.karmada.io/managed-by", "bench");
            object.set("/spec", json!(spec));
            bindings.create(&object).await
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    for result in created {
        result?;
    }
    Ok(())
}
