//! The load: Deployments in the control plane, and when they were seen where.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use client::{Client, DeleteOptions, Resource, WatchEvent, WatchOptions};
use futures::StreamExt as _;
use machinery::{GroupVersionResource, Object};
use serde_json::{Value, json};

use crate::clusters::LOOK;

/// Namespace of everything that is created here.
pub(crate) const NAMESPACE: &str = "bench";

/// Requests under way at the same time. Enough to keep a control plane busy, few enough that this
/// program's connections cost little.
const CONCURRENCY: usize = 16;

/// `apps/v1` Deployments.
pub(crate) fn deployments() -> GroupVersionResource {
    GroupVersionResource::new("apps", "v1", "deployments")
}

/// The Deployments of a client's server.
pub(crate) fn resource(client: &Client) -> Resource {
    client.resource(&deployments()).namespace(NAMESPACE)
}

/// A name and the place that it has among its siblings.
fn name(prefix: &str, i: usize) -> String {
    format!("{prefix}-{i:05}")
}

/// A Deployment as people write them.
pub(crate) fn deployment(name: &str) -> Object {
    let mut object = Object::new("apps/v1", "Deployment", NAMESPACE, name);
    object.set("/metadata/labels", json!({ "app": name, "load": "bench" }));
    object.set(
        "/spec",
        json!({
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name, "load": "bench" } },
                "spec": { "containers": [{
                    "name": "web",
                    "image": "registry.example/web:1.27",
                    "ports": [{ "containerPort": 8080 }],
                    "env": [{ "name": "LEVEL", "value": "info" }, { "name": "REGION", "value": "eu" }],
                    "resources": {
                        "requests": { "cpu": "10m", "memory": "16Mi" },
                        "limits": { "cpu": "100m", "memory": "64Mi" },
                    },
                    "readinessProbe": { "httpGet": { "path": "/healthz", "port": 8080 } },
                }] },
            },
        }),
    );
    object
}

/// Creates the namespace and the policy that sends every Deployment in it to these members, whole.
pub(crate) async fn prepare(control: &Client, members: &[String]) -> Result<()> {
    let namespaces = control.resource(&GroupVersionResource::new("", "v1", "namespaces"));
    namespaces.create(&Object::new("v1", "Namespace", "", NAMESPACE)).await?;
    let mut policy = Object::new("policy.karmada.io/v1alpha1", "PropagationPolicy", NAMESPACE, "bench");
    policy.set(
        "/spec",
        json!({
            "resourceSelectors": [{ "apiVersion": "apps/v1", "kind": "Deployment" }],
            "placement": {
                "clusterAffinity": { "clusterNames": members },
                "replicaScheduling": { "replicaSchedulingType": "Duplicated" },
            },
        }),
    );
    let policies = GroupVersionResource::new("policy.karmada.io", "v1alpha1", "propagationpolicies");
    control.resource(&policies).namespace(NAMESPACE).create(&policy).await?;
    Ok(())
}

/// When something was first seen of one Deployment in one cluster.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sighting {
    /// It is there.
    pub(crate) present: Option<Instant>,
    /// Its status says that all replicas are ready.
    pub(crate) ready: Option<Instant>,
    /// It is gone again.
    pub(crate) gone: Option<Instant>,
}

/// A moment in a Deployment's life in one cluster.
pub(crate) type Moment = fn(&Sighting) -> Option<Instant>;

/// What is seen of the Deployments `prefix-00000` onwards in one cluster.
#[derive(Clone)]
pub(crate) struct Seen {
    prefix: Arc<str>,
    sightings: Arc<Mutex<Vec<Sighting>>>,
}

impl Seen {
    /// Begins to watch a cluster for `count` Deployments; the template counts as ready when it has
    /// `replicas` of them.
    pub(crate) async fn begin(client: &Client, prefix: &str, count: usize, replicas: i64) -> Result<Self> {
        let seen =
            Self { prefix: prefix.into(), sightings: Arc::new(Mutex::new(vec![Sighting::default(); count])) };
        let resource = resource(client);
        let mut events = resource.watch(&WatchOptions::default()).await?;
        let told = seen.clone();
        runtime::spawn("watching", async move {
            loop {
                while let Some(Ok(event)) = events.next().await {
                    told.note(&event, replicas);
                }
                // The server has ended the watch, or has been killed on purpose.
                let mut tries = tokio::time::interval(Duration::from_millis(100));
                events = loop {
                    tries.tick().await;
                    if let Ok(again) = resource.watch(&WatchOptions::default()).await {
                        break again;
                    }
                };
            }
        });
        Ok(seen)
    }

    fn sightings(&self) -> MutexGuard<'_, Vec<Sighting>> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &WatchEvent, replicas: i64) {
        let now = Instant::now();
        let (object, gone) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            _ => return,
        };
        let number =
            object.name().strip_prefix(&*self.prefix).and_then(|n| n.strip_prefix('-')?.parse().ok());
        let mut sightings = self.sightings();
        let Some(sighting) = number.and_then(|n: usize| sightings.get_mut(n)) else { return };
        if gone {
            sighting.gone.get_or_insert(now);
            return;
        }
        sighting.present.get_or_insert(now);
        if object.i64_at("/status/readyReplicas").unwrap_or(0) >= replicas {
            sighting.ready.get_or_insert(now);
        }
    }

    /// What was seen of all Deployments.
    pub(crate) fn all(&self) -> Vec<Sighting> {
        self.sightings().clone()
    }

    fn count(&self, moment: Moment) -> usize {
        self.sightings().iter().filter(|s| moment(s).is_some()).count()
    }
}

/// Waits until all clusters have seen a moment of all their Deployments; says when the last one was.
pub(crate) async fn all_reach(seen: &[Seen], moment: Moment, limit: Duration) -> Result<Instant, String> {
    let deadline = Instant::now() + limit;
    loop {
        let counts: Vec<(usize, usize)> =
            seen.iter().map(|s| (s.count(moment), s.sightings().len())).collect();
        if counts.iter().all(|(reached, all)| reached == all) {
            let last = seen.iter().flat_map(Seen::all).filter_map(|s| moment(&s)).max();
            return last.ok_or_else(|| "nothing to wait for".into());
        }
        if Instant::now() > deadline {
            let (reached, all) = counts.iter().fold((0, 0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
            return Err(format!("not reached within {} s ({reached} of {all})", limit.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Opens as many connections as will be used, so that handshakes are not measured.
pub(crate) async fn warm(client: &Client) {
    futures::stream::iter(0..CONCURRENCY)
        .for_each_concurrent(CONCURRENCY, |_| async move {
            let _ = client.get_text("/version").await;
        })
        .await;
}

async fn each<F, Fut>(count: usize, work: F) -> Result<Vec<Instant>>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<(), client::Error>>,
{
    let starts: Vec<Result<(usize, Instant), client::Error>> = futures::stream::iter(0..count)
        .map(|i| {
            let start = Instant::now();
            let done = work(i);
            async move { done.await.map(|()| (i, start)) }
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let mut times = vec![Instant::now(); count];
    for result in starts {
        match result {
            Ok((i, start)) => times[i] = start,
            Err(error) => bail!("{}", error.chain()),
        }
    }
    Ok(times)
}

/// Creates Deployments as fast as the server answers; when each request was begun.
pub(crate) async fn create_all(control: &Client, prefix: &str, count: usize) -> Result<Vec<Instant>> {
    let resource = &resource(control);
    each(count, |i| {
        let object = deployment(&name(prefix, i));
        async move { resource.create(&object).await.map(drop) }
    })
    .await
}

/// Creates Deployments at a pace; when each request was begun.
pub(crate) async fn create_paced(
    control: &Client,
    prefix: &str,
    count: usize,
    every: Duration,
) -> Result<Vec<Instant>> {
    let resource = resource(control);
    let mut pace = tokio::time::interval(every);
    let mut starts = Vec::new();
    for i in 0..count {
        pace.tick().await;
        starts.push(Instant::now());
        resource.create(&deployment(&name(prefix, i))).await?;
    }
    Ok(starts)
}

/// Deletes Deployments as fast as the server answers.
pub(crate) async fn delete_all(control: &Client, prefix: &str, count: usize) -> Result<()> {
    let resource = &resource(control);
    let options = &DeleteOptions::default();
    each(count, |i| async move { resource.delete_if_present(&name(prefix, i), options).await }).await?;
    Ok(())
}

/// Writes into a bare member's Deployments what its controllers would say; when each was written.
pub(crate) async fn write_statuses(member: &Client, prefix: &str, count: usize) -> Result<Vec<Instant>> {
    let resource = &resource(member);
    each(count, |i| {
        let patch: Value = json!({ "status": {
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{ "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable" }],
        } });
        async move { resource.patch_status(&name(prefix, i), &client::Patch::Merge(&patch)).await.map(drop) }
    })
    .await
}
