//! The scheduler without an API server: decisions as function calls, and its loop of queue and decisions.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::cluster::Cluster;
use api::work::{ResourceBindingSpec, ResourceBindingStatus};
use clock::Clock;
use machinery::{Object, ObjectKey};
use scheduler::{Engine, Options};
use scheduling::{Features, Input, Snapshot, schedule};
use serde_json::{Value as Json, json};

use crate::report::{Budget, Report, Value, percentile};

/// Decisions that a percentile is taken of.
const DECISIONS: usize = 5_000;

/// Kinds that a cluster serves; a plain Kubernetes cluster serves about as many.
const KINDS: usize = 70;

/// Measures decisions.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let clusters: Snapshot = (0..100).map(plain).collect::<Result<Vec<_>>>()?.into_iter().collect();
    let spec = divided_by_room()?;
    let mut times = decide(&clusters, &spec);
    report.row(
        "scheduling decision, 100 clusters, divided by room, p50",
        Budget::AtMost(Value::Time(Duration::from_micros(50))),
        percentile(&mut times, 50),
    );
    report.row(
        "scheduling decision, 100 clusters, divided by room, p99",
        Budget::None,
        percentile(&mut times, 99),
    );

    let clusters: Snapshot = (0..5_000).map(plain).collect::<Result<Vec<_>>>()?.into_iter().collect();
    let spread = binding(json!({
        "clusterAffinity": { "labelSelector": { "matchLabels": { "tier": "prod" } } },
        "spreadConstraints": [
            { "spreadByField": "region", "minGroups": 2, "maxGroups": 3 },
            { "spreadByField": "cluster", "minGroups": 2, "maxGroups": 20 },
        ],
        "replicaScheduling": {
            "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" },
        },
    }))?;
    for (what, spec) in [("divided by room", &spec), ("spread over regions", &spread)] {
        let mut times = decide(&clusters, spec);
        let what = format!("scheduling decision, 5,000 clusters, {what}, p50");
        let budget = Budget::AtMost(Value::Time(Duration::from_millis(2)));
        report.row(&what, budget, percentile(&mut times, 50));
    }
    for workers in [1, 2] {
        let rate = place(workers)?;
        let what =
            format!("scheduler's loop, {LOOP_CLUSTERS} clusters with models, {workers} thread(s), no writes");
        let budget = if workers == 2 { Budget::AtLeast(Value::Rate(10_000.0)) } else { Budget::None };
        report.value(&what, budget, Value::Rate(rate));
    }

    let clusters: Snapshot = (0..2).map(modelled).collect::<Result<Vec<_>>>()?.into_iter().collect();
    let start = Instant::now();
    let times = decide(&clusters, &spec);
    #[expect(clippy::cast_precision_loss, reason = "a rate has three digits")]
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    report.value(
        "scheduling decisions with resource models, 2 clusters of 40 nodes",
        Budget::AtLeast(Value::Rate(10_000.0)),
        Value::Rate(rate),
    );
    Ok(())
}

/// Bindings that go through the scheduler's loop.
const LOOP_BINDINGS: usize = 20_000;

/// Clusters that they are placed on.
const LOOP_CLUSTERS: usize = 20;

/// Bindings a second through queue and decision, patches included, without reading from or writing to an API
/// server.
fn place(workers: usize) -> Result<f64> {
    let engine = Engine::new(Options::default(), Clock::system());
    for i in 0..LOOP_CLUSTERS {
        engine.set_cluster(&Arc::new(cluster_object(i)?));
    }
    let spec = serde_json::to_value(divided_by_room()?)?;
    let bindings: BTreeMap<ObjectKey, Arc<Object>> = (0..LOOP_BINDINGS)
        .map(|i| {
            let name = format!("web-{i}-deployment");
            let mut object = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "default", &name);
            object.set("/metadata/uid", format!("uid-{i}"));
            object.set("/metadata/generation", 1);
            object.set_label("binding.karmada.io/managed-by", "bench");
            object.set("/spec", spec.clone());
            (object.key(), Arc::new(object))
        })
        .collect();
    let start = Instant::now();
    for binding in bindings.values() {
        engine.push(binding);
    }
    let placed: usize = std::thread::scope(|scope| {
        let work = || {
            let mut placed = 0;
            while let Some(done) = engine.place_next(|key| bindings.get(key).cloned()) {
                placed += usize::from(black_box(done).result_patch.is_some());
            }
            placed
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum()
    });
    anyhow::ensure!(placed == LOOP_BINDINGS, "{placed} of {LOOP_BINDINGS} bindings were placed");
    #[expect(clippy::cast_precision_loss, reason = "a rate has three digits")]
    Ok(placed as f64 / start.elapsed().as_secs_f64())
}

fn decide(snapshot: &Snapshot, spec: &ResourceBindingSpec) -> Vec<Duration> {
    let status = ResourceBindingStatus::default();
    let decision = || {
        let start = Instant::now();
        let outcome = schedule(&Input {
            spec,
            status: &status,
            snapshot,
            features: Features::default(),
            peers: None,
            estimate: None,
            after_step: None,
        });
        assert!(black_box(outcome).result.is_ok(), "there is room for the replicas");
        start.elapsed()
    };
    let decisions = if snapshot.members().len() > 1_000 { DECISIONS / 25 } else { DECISIONS };
    (0..decisions).map(|_| decision()).collect()
}

/// A binding whose replicas are divided by the room that clusters have.
pub(crate) fn divided_by_room() -> Result<ResourceBindingSpec> {
    binding(json!({
        "clusterAffinity": { "labelSelector": { "matchLabels": { "tier": "prod" } } },
        "replicaScheduling": {
            "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" },
        },
    }))
}

/// A cluster with resource models, as it stands in the API.
pub(crate) fn cluster_object(i: usize) -> Result<Object> {
    let mut cluster = serde_json::to_value(modelled(i)?)?;
    cluster["apiVersion"] = "cluster.karmada.io/v1alpha1".into();
    cluster["kind"] = "Cluster".into();
    Ok(Object::from_value(cluster)?)
}

fn binding(placement: Json) -> Result<ResourceBindingSpec> {
    Ok(serde_json::from_value(json!({
        "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web" },
        "replicas": 40,
        "replicaRequirements": { "resourceRequest": { "cpu": "500m", "memory": "1Gi" } },
        "placement": placement,
    }))?)
}

fn plain(i: usize) -> Result<Cluster> {
    let mut kinds: Vec<Json> =
        (0..KINDS - 1).map(|k| json!({ "name": format!("kind{k}s"), "kind": format!("Kind{k}") })).collect();
    kinds.push(json!({ "name": "deployments", "kind": "Deployment" }));
    Ok(serde_json::from_value(json!({
        "metadata": { "name": format!("cluster-{i:03}"), "labels": { "tier": "prod", "place": format!("p{}", i % 7) } },
        "spec": { "syncMode": "Push", "region": format!("r{}", i % 5), "provider": "example" },
        "status": {
            "apiEnablements": [{ "groupVersion": "apps/v1", "resources": kinds }],
            "resourceSummary": {
                "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "440" },
                "allocated": { "cpu": format!("{}", 10 + i % 40), "memory": "90Gi", "pods": "120" },
            },
        },
    }))?)
}

/// A cluster of 40 nodes in the grades that Karmada gives a cluster by default.
fn modelled(i: usize) -> Result<Cluster> {
    let mut cluster = serde_json::to_value(plain(i)?)?;
    let bounds: Vec<String> =
        (0..9).map(|g| if g == 0 { "0".into() } else { (1 << (g - 1)).to_string() }).collect();
    let models: Vec<Json> = (0..9)
        .map(|grade: usize| {
            let (min, max) = (&bounds[grade], bounds.get(grade + 1).map_or("9223372036854775807", |b| b));
            let memory = |text: &str| if text.len() > 9 { text.to_owned() } else { format!("{text}Gi") };
            json!({ "grade": grade, "ranges": [
                { "name": "cpu", "min": min, "max": max },
                { "name": "memory", "min": memory(min), "max": memory(max) },
            ] })
        })
        .collect();
    let nodes = [0, 2, 6, 10, 12, 6, 3, 1, 0];
    let modelings: Vec<Json> =
        nodes.iter().enumerate().map(|(grade, count)| json!({ "grade": grade, "count": count })).collect();
    cluster["spec"]["resourceModels"] = json!(models);
    cluster["status"]["resourceSummary"]["allocatableModelings"] = json!(modelings);
    Ok(serde_json::from_value(cluster)?)
}
