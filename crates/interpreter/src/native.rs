//! The built-in kinds, one table: which hooks a kind has is read off its row.

mod aggregate;
mod dependencies;
mod health;
mod job;
mod load_balancer;
mod pod;
mod reflect;
mod replicas;
mod retain;

use api::config::DependentObjectReference;
use api::work::{AggregatedStatusItem, ReplicaRequirements};
use machinery::{GroupVersionKind, Object};
use serde_json::Value;

use crate::{Error, Layer, Operation, Result};

type Replicas = fn(&Object) -> Result<(i64, Option<ReplicaRequirements>)>;
type Revise = fn(&mut Object, i64);
type Retain = fn(&mut Object, &Object) -> Result<()>;
type Reflect = fn(&Object, &Value) -> Option<Value>;
type Aggregate = fn(&mut Object, &[AggregatedStatusItem]);
type Health = fn(&Object) -> bool;
type Dependencies = fn(&Object) -> Vec<DependentObjectReference>;

/// The hooks of one kind.
struct Hooks {
    api_version: &'static str,
    kind: &'static str,
    replicas: Option<Replicas>,
    revise: Option<Revise>,
    retain: Option<Retain>,
    reflect: Option<Reflect>,
    aggregate: Option<Aggregate>,
    health: Option<Health>,
    dependencies: Option<Dependencies>,
}

const fn hooks(api_version: &'static str, kind: &'static str) -> Hooks {
    Hooks {
        api_version,
        kind,
        replicas: None,
        revise: None,
        retain: None,
        reflect: None,
        aggregate: None,
        health: None,
        dependencies: None,
    }
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
        ..hooks("apps/v1", "Deployment")
    },
    Hooks {
        replicas: Some(replicas::of_spec),
        revise: Some(replicas::revise_spec),
        reflect: Some(reflect::replica_set),
        aggregate: Some(aggregate::replica_set),
        health: Some(health::replica_set),
        dependencies: Some(dependencies::of_template),
        ..hooks("apps/v1", "ReplicaSet")
    },
    Hooks {
        replicas: Some(replicas::of_spec),
        revise: Some(replicas::revise_spec),
        reflect: Some(reflect::stateful_set),
        aggregate: Some(aggregate::stateful_set),
        health: Some(health::deployment),
        dependencies: Some(dependencies::of_stateful_set),
        ..hooks("apps/v1", "StatefulSet")
    },
    Hooks {
        reflect: Some(reflect::daemon_set),
        aggregate: Some(aggregate::daemon_set),
        health: Some(health::daemon_set),
        dependencies: Some(dependencies::of_template),
        ..hooks("apps/v1", "DaemonSet")
    },
    Hooks {
        replicas: Some(replicas::of_job),
        revise: Some(replicas::revise_job),
        retain: Some(retain::job),
        reflect: Some(reflect::job),
        aggregate: Some(job::aggregate),
        dependencies: Some(dependencies::of_template),
        ..hooks("batch/v1", "Job")
    },
    Hooks {
        aggregate: Some(job::aggregate_cron_job),
        dependencies: Some(dependencies::of_cron_job),
        ..hooks("batch/v1", "CronJob")
    },
    Hooks {
        replicas: Some(replicas::of_pod),
        retain: Some(retain::pod),
        aggregate: Some(pod::aggregate),
        health: Some(health::pod),
        dependencies: Some(dependencies::of_pod),
        ..hooks("v1", "Pod")
    },
    Hooks {
        retain: Some(retain::service),
        reflect: Some(reflect::service),
        aggregate: Some(load_balancer::aggregate_service),
        health: Some(health::service),
        ..hooks("v1", "Service")
    },
    Hooks {
        reflect: Some(reflect::whole),
        aggregate: Some(load_balancer::aggregate_ingress),
        health: Some(health::load_balancer),
        dependencies: Some(dependencies::of_ingress),
        ..hooks("networking.k8s.io/v1", "Ingress")
    },
    Hooks { retain: Some(retain::service_account), ..hooks("v1", "ServiceAccount") },
    Hooks { retain: Some(retain::secret), ..hooks("v1", "Secret") },
    Hooks {
        retain: Some(retain::volume_claim),
        aggregate: Some(pod::aggregate_volume_claim),
        health: Some(health::volume_claim),
        ..hooks("v1", "PersistentVolumeClaim")
    },
    Hooks {
        retain: Some(retain::volume),
        aggregate: Some(pod::aggregate_volume),
        ..hooks("v1", "PersistentVolume")
    },
    Hooks {
        reflect: Some(reflect::disruption_budget),
        aggregate: Some(aggregate::disruption_budget),
        health: Some(health::disruption_budget),
        ..hooks("policy/v1", "PodDisruptionBudget")
    },
    Hooks {
        reflect: Some(reflect::autoscaler),
        aggregate: Some(aggregate::autoscaler),
        ..hooks("autoscaling/v2", "HorizontalPodAutoscaler")
    },
    Hooks {
        dependencies: Some(dependencies::of_service_import),
        ..hooks("multicluster.x-k8s.io/v1alpha1", "ServiceImport")
    },
];

fn find(api_version: &str, kind: &str) -> Option<&'static Hooks> {
    KINDS.iter().find(|hooks| hooks.kind == kind && hooks.api_version == api_version)
}

/// The last layer: what is known about the kinds every cluster has. It answers
/// [`Operation::InterpretStatus`] for every kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

impl Native {
    fn hooks(operation: Operation, object: &Object) -> Result<&'static Hooks> {
        find(object.api_version(), object.kind()).ok_or_else(|| Error::no_hook(operation, object))
    }
}

impl Layer for Native {
    fn has(&self, kind: &GroupVersionKind, operation: Operation) -> bool {
        if operation == Operation::InterpretStatus {
            return true;
        }
        let Some(hooks) = find(&kind.api_version(), &kind.kind) else { return false };
        match operation {
            Operation::InterpretReplica => hooks.replicas.is_some(),
            Operation::InterpretComponent => false,
            Operation::ReviseReplica => hooks.revise.is_some(),
            Operation::Retain => hooks.retain.is_some(),
            Operation::AggregateStatus => hooks.aggregate.is_some(),
            Operation::InterpretStatus => true,
            Operation::InterpretHealth => hooks.health.is_some(),
            Operation::InterpretDependency => hooks.dependencies.is_some(),
        }
    }

    fn replicas(&self, object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
        let operation = Operation::InterpretReplica;
        let hook = Self::hooks(operation, object)?.replicas;
        hook.ok_or_else(|| Error::no_hook(operation, object))?(object)
    }

    fn revise_replicas(&self, object: &mut Object, replicas: i64) -> Result<()> {
        let operation = Operation::ReviseReplica;
        let hook = Self::hooks(operation, object)?.revise;
        hook.ok_or_else(|| Error::no_hook(operation, object))?(object, replicas);
        Ok(())
    }

    fn retain(&self, desired: &mut Object, observed: &Object) -> Result<()> {
        let operation = Operation::Retain;
        let hook = Self::hooks(operation, desired)?.retain;
        hook.ok_or_else(|| Error::no_hook(operation, desired))?(desired, observed)
    }

    fn reflect_status(&self, object: &Object) -> Result<Option<Value>> {
        let Some(status) = object.at("/status") else { return Ok(None) };
        let hook = find(object.api_version(), object.kind()).and_then(|hooks| hooks.reflect);
        Ok(hook.unwrap_or(reflect::whole)(object, status))
    }

    fn aggregate_status(&self, template: &mut Object, items: &[AggregatedStatusItem]) -> Result<()> {
        let operation = Operation::AggregateStatus;
        let hook = Self::hooks(operation, template)?.aggregate;
        hook.ok_or_else(|| Error::no_hook(operation, template))?(template, items);
        Ok(())
    }

    fn health(&self, object: &Object) -> Result<bool> {
        let operation = Operation::InterpretHealth;
        let hook = Self::hooks(operation, object)?.health;
        Ok(hook.ok_or_else(|| Error::no_hook(operation, object))?(object))
    }

    fn dependencies(&self, object: &Object) -> Result<Vec<DependentObjectReference>> {
        let operation = Operation::InterpretDependency;
        let hook = Self::hooks(operation, object)?.dependencies;
        Ok(hook.ok_or_else(|| Error::no_hook(operation, object))?(object))
    }
}
