//! `kill -9` of a control plane with many workloads, and what happens until it is at rest again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use client::{Client, ListOptions};
use machinery::GroupVersionResource;

use crate::bare;
use crate::clusters::names;
use crate::deployments::{self, Seen, all_reach};
use crate::figures::{self, at_rest};
use crate::report::{Budget, Report, Value};

/// Members.
const MEMBERS: u16 = 2;

/// Longest wait for rest after the start.
const LIMIT: Duration = Duration::from_secs(120);

/// Resource versions by namespace and name.
type Versions = BTreeMap<String, String>;

/// Measures a restart.
pub(crate) async fn measure(program: &Path, workloads: usize, report: &mut Report) -> Result<()> {
    let names = names(MEMBERS);
    let mut world = bare::start(program, &names).await?;
    deployments::prepare(&world.control, &names).await?;
    deployments::warm(&world.control).await;
    report.note(&format!("`up --members 0` and two bare API servers, {workloads} Deployments:"));
    let limit = LIMIT + Duration::from_millis(20) * u32::try_from(workloads).unwrap_or(u32::MAX);
    let mut seen = Vec::new();
    for (_, member) in &world.members {
        seen.push(Seen::begin(member, "load", workloads, 1).await?);
    }
    let start = Instant::now();
    deployments::create_all(&world.control, "load", workloads).await?;
    let present = all_reach(&seen, |s| s.present, limit).await;
    let what = format!("restart: {workloads} × {MEMBERS} present");
    report.row(&what, Budget::None, present.map(|at| Value::Time(at.saturating_duration_since(start))));
    at_rest(&world.control, Instant::now(), limit).await.map_err(anyhow::Error::msg)?;
    let memory = figures::resident(world.control_plane.pid());
    report.row("restart: resident memory before", Budget::None, memory);
    let before = versions(&world).await?;

    world.control_plane.kill();
    world.control_plane.start_again();
    let started = world.control_plane.started();
    let ready = world.control_plane.ready().await?;
    let what = "restart: start → /readyz";
    report.value(what, Budget::None, Value::Time(ready.duration_since(started)));
    world.control = world.control_plane.control().await?;
    let probe = probe(&world, report).await?;
    let rest = at_rest(&world.control, started, LIMIT).await;
    let what = format!("restart: start → settled, {workloads} workloads");
    report.row(&what, Budget::millis(2_000), rest);
    let memory = figures::resident(world.control_plane.pid());
    report.row("restart: resident memory after", Budget::None, memory);

    let after = versions(&world).await?;
    for ((what, before), (_, after)) in before.iter().zip(&after) {
        let written = before.iter().filter(|(name, version)| after.get(*name) != Some(*version)).count();
        let appeared = after.keys().filter(|n| !before.contains_key(*n) && !n.contains(&probe)).count();
        let budget = if what.starts_with("member") { Budget::AtMost(Value::Count(0)) } else { Budget::None };
        let changed = Value::Count((written + appeared) as u64);
        report.value(&format!("restart: {what} written"), budget, changed);
    }
    Ok(())
}

/// Creates one more Deployment at once and waits until it has arrived. Returns its name.
async fn probe(world: &bare::World, report: &mut Report) -> Result<String> {
    let mut seen = Vec::new();
    for (_, member) in &world.members {
        seen.push(Seen::begin(member, "probe", 1, 1).await?);
    }
    deployments::create_all(&world.control, "probe", 1).await?;
    let present = all_reach(&seen, |s| s.present, LIMIT).await;
    let started = world.control_plane.started();
    let took = present.map(|at| Value::Time(at.duration_since(started)));
    report.row("restart: start → a new Deployment present in both members", Budget::None, took);
    Ok("probe-00000".into())
}

/// The versions of everything that a restart might write.
async fn versions(world: &bare::World) -> Result<Vec<(String, Versions)>> {
    let bindings = GroupVersionResource::new("work.karmada.io", "v1alpha2", "resourcebindings");
    let works = GroupVersionResource::new("work.karmada.io", "v1alpha1", "works");
    let mut all = vec![
        ("templates".to_owned(), listed(&world.control, &deployments::deployments()).await?),
        ("bindings".to_owned(), listed(&world.control, &bindings).await?),
        ("Works".to_owned(), listed(&world.control, &works).await?),
    ];
    for (i, (_, member)) in world.members.iter().enumerate() {
        let listed = listed(member, &deployments::deployments()).await?;
        all.push((format!("member{} Deployments", i + 1), listed));
    }
    Ok(all)
}

async fn listed(client: &Client, gvr: &GroupVersionResource) -> Result<Versions> {
    let options = ListOptions { limit: 500, ..ListOptions::default() };
    match client.resource(gvr).list_all(&options).await {
        Ok(list) => Ok(list
            .items
            .iter()
            .map(|o| (format!("{}/{}", o.namespace(), o.name()), o.resource_version().to_owned()))
            .collect()),
        Err(error) => bail!("{}", error.chain()),
    }
}
