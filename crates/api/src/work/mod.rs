//! Group `work.karmada.io`: bindings between templates and clusters, and the Works they lead to.

mod conversion;
mod manifest;
mod object;
pub mod v1alpha1;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use conversion::{ConversionError, convert_binding};
pub use manifest::*;
pub use object::*;

use crate::meta::{Condition, FreeObject, NodeSelector, Quantity, Time, Toleration, is_default};
use crate::policy::{ConflictResolution, FailoverBehavior, Placement, PurgeMode, SuspendClusters};

/// A template, what its policy says about it, and the clusters it goes to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceBindingSpec {
    /// The template.
    pub resource: ObjectReference,
    /// Copied from the policy.
    #[serde(skip_serializing_if = "is_default")]
    pub propagate_deps: bool,
    /// Needs of one replica of the template (from interpreter).
    #[serde(skip_serializing_if = "is_default")]
    pub replica_requirements: Option<ReplicaRequirements>,
    /// Replica count of the template.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: i32,
    /// Component view of multi-template workloads (gate MultiplePodTemplatesScheduling).
    #[serde(skip_serializing_if = "is_default")]
    pub components: Vec<Component>,
    /// Schedule result.
    #[serde(skip_serializing_if = "is_default")]
    pub clusters: Vec<TargetCluster>,
    /// Evictions in progress.
    #[serde(skip_serializing_if = "is_default")]
    pub graceful_eviction_tasks: Vec<GracefulEvictionTask>,
    /// Bindings that depend on this object.
    #[serde(skip_serializing_if = "is_default")]
    pub required_by: Vec<BindingSnapshot>,
    /// Scheduler in charge.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduler_name: String,
    /// Copied from the policy.
    #[serde(skip_serializing_if = "is_default")]
    pub placement: Option<Placement>,
    /// Copied from the policy.
    #[serde(skip_serializing_if = "is_default")]
    pub failover: Option<FailoverBehavior>,
    /// Copied from the policy.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "Abort"))]
    pub conflict_resolution: Option<ConflictResolution>,
    /// Set to force a fresh schedule (newer than status.lastScheduledTime).
    #[serde(skip_serializing_if = "is_default")]
    pub reschedule_triggered_at: Option<Time>,
    /// Dispatching/scheduling suspension.
    #[serde(skip_serializing_if = "is_default")]
    pub suspension: Option<BindingSuspension>,
    /// Copied from the policy.
    #[serde(skip_serializing_if = "is_default")]
    pub preserve_resources_on_deletion: Option<bool>,
    /// Resolved priority.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule_priority: Option<SchedulePriority>,
    /// Resolved groups (gate WorkloadAffinity).
    #[serde(skip_serializing_if = "is_default")]
    pub workload_affinity_groups: Option<WorkloadAffinityGroups>,
}

/// Names the template of a binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// Of the template.
    pub api_version: String,
    /// Of the template.
    pub kind: String,
    /// Of the template; empty for cluster scoped.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Of the template.
    pub name: String,
    /// UID of the template.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: String,
    /// Template version this binding was built from.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_version: String,
}

/// The binding's place in the scheduler's queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SchedulePriority {
    /// Number used by the scheduling queue.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = 0))]
    pub priority: i32,
}

/// The groups the workload belongs to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadAffinityGroups {
    /// `key=value` style group identity for affinity.
    #[serde(skip_serializing_if = "is_default")]
    pub affinity_group: String,
    /// Group identity for anti-affinity.
    #[serde(skip_serializing_if = "is_default")]
    pub anti_affinity_group: String,
}

/// What is held back of a binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingSuspension {
    /// Stop dispatching to every cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub dispatching: Option<bool>,
    /// Stop dispatching to the named clusters only. Exclusive with dispatching=true.
    #[serde(skip_serializing_if = "is_default")]
    pub dispatching_on_clusters: Option<SuspendClusters>,
    /// Stop scheduling of this binding (set by users or external queue managers).
    #[serde(skip_serializing_if = "is_default")]
    pub scheduling: Option<bool>,
}

/// What one replica needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaRequirements {
    /// Node constraints of one replica.
    #[serde(skip_serializing_if = "is_default")]
    pub node_claim: Option<NodeClaim>,
    /// Resources one replica requests.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_request: BTreeMap<String, Quantity>,
    /// Namespace of the workload (for quota estimates).
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Pod priority class.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: String,
}

/// One of several pod templates of a workload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Component {
    /// Unique name of the component inside the workload.
    #[schemars(extend("maxLength" = 32))]
    pub name: String,
    /// Replica count of the component.
    pub replicas: i32,
    /// Needs of one replica of the component.
    #[serde(skip_serializing_if = "is_default")]
    pub replica_requirements: Option<ComponentReplicaRequirements>,
}

/// What one replica of a component needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentReplicaRequirements {
    /// Node constraints of one replica.
    #[serde(skip_serializing_if = "is_default")]
    pub node_claim: Option<NodeClaim>,
    /// Resources one replica requests.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_request: BTreeMap<String, Quantity>,
    /// Pod priority class.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: String,
}

/// Which nodes a replica may run on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeClaim {
    /// Required node affinity of the pod template.
    #[serde(skip_serializing_if = "is_default")]
    pub hard_node_affinity: Option<NodeSelector>,
    /// Node selector of the pod template.
    #[serde(skip_serializing_if = "is_default")]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations of the pod template.
    #[serde(skip_serializing_if = "is_default")]
    pub tolerations: Vec<Toleration>,
}

/// A cluster of the schedule result, and its share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetCluster {
    /// Cluster.
    pub name: String,
    /// Replicas assigned; absent/0 for non-workloads and duplicated zero.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: i32,
    /// Per-component assignment (gate MultiplePodTemplatesScheduling).
    #[serde(skip_serializing_if = "is_default")]
    pub components: Vec<TargetComponent>,
}

/// A cluster's share of one component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetComponent {
    /// Component name.
    pub name: String,
    /// Replicas of the component assigned to the cluster.
    pub replicas: i32,
}

/// A binding that needs this one, and where it was scheduled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BindingSnapshot {
    /// Namespace of the requiring binding.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Name of the requiring binding.
    pub name: String,
    /// Its schedule result at snapshot time.
    #[serde(skip_serializing_if = "is_default")]
    pub clusters: Vec<TargetCluster>,
}

/// An eviction in progress: the cluster keeps its copy until the task ends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GracefulEvictionTask {
    /// Cluster being evicted.
    pub from_cluster: String,
    /// Removal mode.
    #[serde(skip_serializing_if = "is_default")]
    pub purge_mode: Option<PurgeMode>,
    /// Replicas the cluster had.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i32>,
    /// Machine word: TaintUntolerated, ApplicationFailure or custom.
    #[schemars(extend("minLength" = 1, "maxLength" = 32, "pattern" = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Human text.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("maxLength" = 1024))]
    pub message: String,
    /// Component that asked for the eviction.
    pub producer: String,
    /// Overrides the global timeout.
    #[serde(skip_serializing_if = "is_default")]
    pub grace_period_seconds: Option<i32>,
    /// true = keep until changed to false (then removed at once).
    #[serde(skip_serializing_if = "is_default")]
    pub suppress_deletion: Option<bool>,
    /// Labels to inject into the new copy.
    #[serde(skip_serializing_if = "is_default")]
    pub preserved_label_state: BTreeMap<String, String>,
    /// Stamped by the graceful eviction controller, not by the producer.
    #[serde(skip_serializing_if = "is_default")]
    pub creation_timestamp: Option<Time>,
    /// Clusters before eviction (used to decide which copies are new for state injection).
    #[serde(skip_serializing_if = "is_default")]
    pub clusters_before_failover: Vec<String>,
}

/// What became of a binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceBindingStatus {
    /// metadata.generation the scheduler last handled.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduler_observed_generation: i64,
    /// Group of clusterAffinities in use.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduler_observing_affinity_name: String,
    /// Last time a schedule result was settled.
    #[serde(skip_serializing_if = "is_default")]
    pub last_scheduled_time: Option<Time>,
    /// Types Scheduled and FullyApplied.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// Per-cluster state, sorted by cluster name.
    #[serde(skip_serializing_if = "is_default")]
    pub aggregated_status: Vec<AggregatedStatusItem>,
}

/// The state of the copy in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregatedStatusItem {
    /// Cluster.
    pub cluster_name: String,
    /// Reflected status of the member object.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub status: Option<Value>,
    /// The Work is applied in the cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub applied: bool,
    /// Why not.
    #[serde(skip_serializing_if = "is_default")]
    pub applied_message: String,
    /// Interpreted health.
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<ResourceHealth>,
}

/// How a copy is doing, as the interpreter sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ResourceHealth {
    /// Works as it should.
    Healthy,
    /// Does not.
    Unhealthy,
    /// Nobody can tell, or nobody looked yet.
    Unknown,
}
