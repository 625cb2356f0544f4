//! The scheduler's decisions alone: no API server, no queue, one thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use api::cluster::Cluster;
use api::work::{ResourceBindingSpec, ResourceBindingStatus};
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
    let spec = binding(json!({
        "clusterAffinity": { "labelSelector": { "matchLabels": { "tier": "prod" } } },
        "replicaScheduling": {
            "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "dynamicWeight": "AvailableReplicas" },
        },
    }))?;
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
    (0..DECISIONS).map(|_| decision()).collect()
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
