//! The built-in kinds, one table: which hooks a kind has is read off its row.

mod aggregate;
mod dependencies;
mod health;
mod job;
mod load_balancer;
mod pod;
mod reflect;
mod replicas;
mod requirements;
mod retain;

use api::config::DependentObjectReference;
use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::Value;

pub(crate) use dependencies::of_pod_template as pod_dependencies;
pub use requirements::Gates;
pub(crate) use requirements::requirements;

use crate::kind::Kind;
use crate::{Operation, Replicas, Result};

type GetReplicas = fn(&Object, Gates) -> Result<Replicas>;
type Revise = fn(&mut Object, i64);
type Retain = fn(&mut Object, &Object) -> Result<()>;
type Reflect = fn(&Object, &Value) -> Option<Value>;
type Aggregate = fn(&mut Object, &[AggregatedStatusItem]) -> Result<(), String>;
type Health = fn(&Object) -> bool;
type Dependencies = fn(&Object) -> Vec<DependentObjectReference>;

/// The hooks of one kind.
#[derive(Clone, Copy)]
pub(crate) struct Hooks {
    kind: Kind<'static>,
    pub(crate) replicas: Option<GetReplicas>,
    pub(crate) revise: Option<Revise>,
    pub(crate) retain: Option<Retain>,
    pub(crate) reflect: Option<Reflect>,
    pub(crate) aggregate: Option<Aggregate>,
    pub(crate) health: Option<Health>,
    pub(crate) dependencies: Option<Dependencies>,
}

const fn hooks(group: &'static str, version: &'static str, kind: &'static str) -> Hooks {
    Hooks {
        kind: Kind { kind, group, version },
        replicas: None,
        revise: None,
        retain: None,
        reflect: None,
        aggregate: None,
        health: None,
        dependencies: None,
    }
}

impl Hooks {
    /// Whether there is a hook for an operation.
    pub(crate) fn has(&self, operation: Operation) -> bool {
        match operation {
            Operation::InterpretReplica => self.replicas.is_some(),
            Operation::InterpretComponent => false,
            Operation::ReviseReplica => self.revise.is_some(),
            Operation::Retain => self.retain.is_some(),
            Operation::AggregateStatus => self.aggregate.is_some(),
            Operation::InterpretStatus => true,
            Operation::InterpretHealth => self.health.is_some(),
            Operation::InterpretDependency => self.dependencies.is_some(),
        }
    }
}

/// The hooks of a built-in kind.
pub(crate) fn find(kind: Kind<'_>) -> Option<&'static Hooks> {
    KINDS.iter().find(|hooks| hooks.kind == kind)
}

/// The part of the status that is reported. Of a kind that is not built in it is all of it.
pub(crate) fn reflect_status(object: &Object) -> Option<Value> {
    let status = object.at("/status").filter(|status| !status.is_null())?;
    let hook = find(Kind::of(object)).and_then(|hooks| hooks.reflect);
    hook.unwrap_or(reflect::whole)(object, status)
}

static KINDS: [Hooks; 16] = [
    Hooks {
        replicas: Some(replicas::of_spec),
        revise: Some(replicas::revise_spec),
        retain: Some(retain::deployment),
        reflect: Some(reflect::deployment),
        aggregate: Some(aggregate::deployment),
        health: Some(health::deployment),
        dependencies: Some(dependencies::of_template),
        ..hooks("apps", "v1", "Deployment")
    },
    Hooks {
        replicas: Some(replicas::of_spec),
        revise: Some(replicas::revise_spec),
        reflect: Some(reflect::replica_set),
        aggregate: Some(aggregate::replica_set),
        health: Some(health::replica_set),
        dependencies: Some(dependencies::of_template),
        ..hooks("apps", "v1", "ReplicaSet")
    },
    Hooks {
        replicas: Some(replicas::of_spec),
        revise: Some(replicas::revise_spec),
        reflect: Some(reflect::stateful_set),
        aggregate: Some(aggregate::stateful_set),
        health: Some(health::deployment),
        dependencies: Some(dependencies::of_stateful_set),
        ..hooks("apps", "v1", "StatefulSet")
    },
    Hooks {
        reflect: Some(reflect::daemon_set),
        aggregate: Some(aggregate::daemon_set),
        health: Some(health::daemon_set),
        dependencies: Some(dependencies::of_template),
        ..hooks("apps", "v1", "DaemonSet")
    },
    Hooks {
        replicas: Some(replicas::of_job),
        revise: Some(replicas::revise_job),
        retain: Some(retain::job),
        reflect: Some(reflect::job),
        aggregate: Some(job::aggregate),
        dependencies: Some(dependencies::of_template),
        ..hooks("batch", "v1", "Job")
    },
    Hooks {
        aggregate: Some(job::aggregate_cron_job),
        dependencies: Some(dependencies::of_cron_job),
        ..hooks("batch", "v1", "CronJob")
    },
    Hooks {
        replicas: Some(replicas::of_pod),
        retain: Some(retain::pod),
        aggregate: Some(pod::aggregate),
        health: Some(health::pod),
        dependencies: Some(dependencies::of_pod),
        ..hooks("", "v1", "Pod")
    },
    Hooks {
        retain: Some(retain::service),
        reflect: Some(reflect::service),
        aggregate: Some(load_balancer::aggregate_service),
        health: Some(health::service),
        ..hooks("", "v1", "Service")
    },
    Hooks {
        reflect: Some(reflect::whole),
        aggregate: Some(load_balancer::aggregate_ingress),
        health: Some(health::load_balancer),
        dependencies: Some(dependencies::of_ingress),
        ..hooks("networking.k8s.io", "v1", "Ingress")
    },
    Hooks { retain: Some(retain::service_account), ..hooks("", "v1", "ServiceAccount") },
    Hooks { retain: Some(retain::secret), ..hooks("", "v1", "Secret") },
    Hooks {
        retain: Some(retain::volume_claim),
        aggregate: Some(pod::aggregate_volume_claim),
        health: Some(health::volume_claim),
        ..hooks("", "v1", "PersistentVolumeClaim")
    },
    Hooks {
        retain: Some(retain::volume),
        aggregate: Some(pod::aggregate_volume),
        ..hooks("", "v1", "PersistentVolume")
    },
    Hooks {
        reflect: Some(reflect::disruption_budget),
        aggregate: Some(aggregate::disruption_budget),
        health: Some(health::disruption_budget),
        ..hooks("policy", "v1", "PodDisruptionBudget")
    },
    Hooks {
        reflect: Some(reflect::autoscaler),
        aggregate: Some(aggregate::autoscaler),
        ..hooks("autoscaling", "v2", "HorizontalPodAutoscaler")
    },
    Hooks {
        dependencies: Some(dependencies::of_service_import),
        ..hooks("multicluster.x-k8s.io", "v1alpha1", "ServiceImport")
    },
];
