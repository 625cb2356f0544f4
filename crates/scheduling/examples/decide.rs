//! Times one decision: affinity by label, a spread by region and cluster, replicas divided by what is free.
//!
//! ```text
//! cargo run --release -p scheduling --example decide -- [clusters] [rounds]
//! ```

use std::io::Write as _;
use std::time::Instant;

use api::cluster::{ApiEnablement, ApiResource, Cluster, ResourceSummary};
use api::work::{ObjectReference, ReplicaRequirements, ResourceBindingSpec, ResourceBindingStatus};
use scheduling::{Features, Input, Snapshot, schedule};
use serde_json::json;

fn cluster(index: usize) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.metadata.name = format!("member-{index:05}");
    cluster
        .metadata
        .labels
        .insert("env".into(), if index.is_multiple_of(10) { "test" } else { "prod" }.into());
    cluster.spec.region = format!("region-{}", index % 8);
    cluster.status.api_enablements = (0..60)
        .map(|group| ApiEnablement {
            group_version: if group == 0 { "apps/v1".into() } else { format!("g{group}.example.com/v1") },
            resources: ["Deployment", "StatefulSet", "DaemonSet", "Thing"]
                .map(|kind| ApiResource { name: kind.to_lowercase(), kind: kind.into() })
                .into(),
        })
        .collect();
    let amount = |name: &str, amount: String| (name.to_owned(), amount.into());
    cluster.status.resource_summary = Some(ResourceSummary {
        allocatable: [
            amount("cpu", format!("{}", 100 + index % 37)),
            amount("memory", format!("{}Gi", 200 + index % 91)),
            amount("pods", "1100".into()),
        ]
        .into(),
        allocated: [amount("cpu", "20".into()), amount("pods", format!("{}", index % 50))].into(),
        ..ResourceSummary::default()
    });
    cluster
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: usize| -> Result<usize, std::num::ParseIntError> {
        arguments.next().map_or(Ok(otherwise), |text| text.parse())
    };
    let (clusters, rounds) = (number(100)?, number(2_000)?);
    let snapshot: Snapshot = (0..clusters).map(cluster).collect();
    let mut spec = ResourceBindingSpec {
        resource: ObjectReference {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            uid: "0f3c1a9e-2d5b-4b0e-9d7c-7a55c0ffee00".into(),
            ..ObjectReference::default()
        },
        replicas: 300,
        replica_requirements: Some(ReplicaRequirements {
            resource_request: [("cpu".to_owned(), "500m".into()), ("memory".to_owned(), "1Gi".into())].into(),
            ..ReplicaRequirements::default()
        }),
        placement: Some(serde_json::from_value(json!({
            "clusterAffinity": { "labelSelector": { "matchLabels": { "env": "prod" } } },
            "clusterTolerations": [{ "key": "cluster.karmada.io/not-ready", "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": 300 }],
            "spreadConstraints": [
                { "spreadByField": "region", "minGroups": 2, "maxGroups": 4 },
                { "spreadByField": "cluster", "minGroups": 3, "maxGroups": 5_000 },
            ],
            "replicaScheduling": {
                "replicaSchedulingType": "Divided",
                "replicaDivisionPreference": "Weighted",
                "weightPreference": { "dynamicWeight": "AvailableReplicas" },
            },
        }))?),
        ..ResourceBindingSpec::default()
    };
    let status = ResourceBindingStatus::default();
    let mut out = std::io::stdout().lock();
    for (what, replicas) in [("first schedule", 300), ("scale up", 600)] {
        spec.replicas = replicas;
        let input = Input {
            spec: &spec,
            status: &status,
            snapshot: &snapshot,
            features: Features::default(),
            peers: None,
            estimate: None,
            after_step: None,
        };
        let outcome = schedule(&input);
        let mut times: Vec<_> = (0..rounds)
            .map(|_| {
                let started = Instant::now();
                std::hint::black_box(schedule(std::hint::black_box(&input)));
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        writeln!(
            out,
            "{what}, {clusters} clusters: p50 {:?}, p99 {:?}",
            times[rounds / 2],
            times[rounds * 99 / 100]
        )?;
        writeln!(out, "  {}", outcome.trace.short(&outcome.result))?;
        spec.clusters = outcome.result?;
    }
    Ok(())
}
