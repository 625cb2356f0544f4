//! Stories: some clusters, a placement as a user writes it, and what comes of it.

mod assign;
mod assumptions;
mod estimates;
mod explain;
mod filters;
mod oracle;
mod properties;
mod random;
mod spread;
mod topology;
mod triggers;

use api::Quantity;
use api::cluster::{ApiEnablement, ApiResource, Cluster, ResourceSummary};
use api::meta::{Taint, Time};
use api::policy::Placement;
use api::work::{
    GracefulEvictionTask, ObjectReference, ReplicaRequirements, ResourceBindingSpec, ResourceBindingStatus,
    TargetCluster,
};
use serde_json::Value;

use crate::{Features, Input, Outcome, Peers, Snapshot, schedule};

/// A cluster from words: `m1 region=eu provider=p zone=a,b label:env=prod taint=k=v:NoSchedule pods=10
/// cpu=4 deleting no-api`. Without `pods` it has room for a hundred.
pub(crate) fn cluster(words: &str) -> Cluster {
    let mut words = words.split_whitespace();
    let mut cluster = Cluster::default();
    cluster.metadata.name = words.next().unwrap().into();
    let mut allocatable = vec![("pods".to_owned(), Quantity::from("100"))];
    cluster.status.api_enablements = vec![ApiEnablement {
        group_version: "apps/v1".into(),
        resources: vec![ApiResource { name: "deployments".into(), kind: "Deployment".into() }],
    }];
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("region", value) => cluster.spec.region = value.into(),
            ("provider", value) => cluster.spec.provider = value.into(),
            ("zone", value) => cluster.spec.zones = value.split(',').map(Into::into).collect(),
            ("taint", value) => cluster.spec.taints.push(taint(value)),
            ("deleting", _) => cluster.metadata.deletion_timestamp = Some(Time::default()),
            ("no-api", _) => cluster.status.api_enablements.clear(),
            (label, value) if label.starts_with("label:") => {
                cluster.metadata.labels.insert(label[6..].into(), value.into());
            }
            (resource, value) => allocatable.push((resource.into(), value.into())),
        }
    }
    cluster.status.resource_summary = Some(ResourceSummary {
        allocatable: allocatable.into_iter().collect(),
        ..ResourceSummary::default()
    });
    cluster
}

fn taint(text: &str) -> Taint {
    let (pair, effect) = text.rsplit_once(':').unwrap();
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Taint { key: key.into(), value: value.into(), effect: effect.into(), ..Taint::default() }
}

/// `m1=3 m2` as clusters with replicas.
pub(crate) fn targets(text: &str) -> Vec<TargetCluster> {
    text.split_whitespace()
        .map(|word| {
            let (name, replicas) = word.split_once('=').unwrap_or((word, "0"));
            TargetCluster {
                name: name.into(),
                replicas: replicas.parse().unwrap(),
                ..TargetCluster::default()
            }
        })
        .collect()
}

/// A Deployment to schedule.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) spec: ResourceBindingSpec,
    pub(crate) status: ResourceBindingStatus,
    pub(crate) features: Features,
    pub(crate) peers: Option<Peers>,
}

pub(crate) fn story(clusters: &[&str], replicas: i32, placement: Value) -> Story {
    let placement: Placement = serde_json::from_value(placement).unwrap();
    Story {
        clusters: clusters.iter().map(|words| cluster(words)).collect(),
        spec: ResourceBindingSpec {
            resource: ObjectReference {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                ..ObjectReference::default()
            },
            replicas,
            replica_requirements: Some(ReplicaRequirements::default()),
            placement: Some(placement),
            ..ResourceBindingSpec::default()
        },
        status: ResourceBindingStatus::default(),
        features: Features::default(),
        peers: None,
    }
}

impl Story {
    /// Each replica asks for so many cpus.
    pub(crate) fn cpu(mut self, cpu: &str) -> Self {
        let requirements = self.spec.replica_requirements.get_or_insert_default();
        requirements.resource_request.insert("cpu".into(), cpu.into());
        self
    }

    /// What was assigned before.
    pub(crate) fn had(mut self, text: &str) -> Self {
        self.spec.clusters = targets(text);
        self
    }

    pub(crate) fn observing(mut self, affinity: &str) -> Self {
        self.status.scheduler_observing_affinity_name = affinity.into();
        self
    }

    /// A fresh start was asked for after the last result.
    pub(crate) fn rescheduled(mut self) -> Self {
        self.status.last_scheduled_time = Some("2026-01-01T00:00:00Z".parse().unwrap());
        self.spec.reschedule_triggered_at = Some("2026-01-01T00:00:01Z".parse().unwrap());
        self
    }

    pub(crate) fn evicting(mut self, cluster: &str) -> Self {
        let task = GracefulEvictionTask { from_cluster: cluster.into(), ..GracefulEvictionTask::default() };
        self.spec.graceful_eviction_tasks.push(task);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn run(&self) -> Outcome {
        let snapshot: Snapshot = self.clusters.iter().cloned().collect();
        let input = Input {
            spec: &self.spec,
            status: &self.status,
            snapshot: &snapshot,
            features: self.features,
            peers: self.peers.as_ref(),
            estimate: None,
            after_step: None,
        };
        schedule(&input)
    }

    /// The clusters with their replicas, or the error, as a line.
    pub(crate) fn answer(&self) -> String {
        match self.run().result {
            Ok(clusters) => {
                let clusters: Vec<String> =
                    clusters.iter().map(|c| format!("{}={}", c.name, c.replicas)).collect();
                clusters.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    /// Checks where the replicas go.
    pub(crate) fn goes(self, expected: &str) -> Self {
        assert_eq!(self.answer(), expected, "\n{}", self.run().trace);
        self
    }
}
