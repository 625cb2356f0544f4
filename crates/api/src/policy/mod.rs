//! Group `policy.karmada.io`: where templates go, and what is changed in their copies.

mod object;
mod overriding;
mod placement;
mod quota;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use object::*;
pub use overriding::*;
pub use placement::*;
pub use quota::*;

use crate::meta::{LabelSelector, is_default, nullable};

/// What to do when a member cluster already has the object and it is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConflictResolution {
    /// Report an error and leave the member's object alone.
    Abort,
    /// Take the member's object over.
    Overwrite,
}

/// When a change of the policy reaches the templates it governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ActivationPreference {
    /// Changes of the policy wait for the next change of the template.
    Lazy,
}

/// Whether a policy may take over templates that another policy has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Preemption {
    /// Takes over templates of policies with lower priority.
    Always,
    /// Leaves other policies' templates alone.
    Never,
}

/// What a propagation policy governs, and where its templates go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PropagationSpec {
    /// Templates this policy governs; at least one; OR-ed.
    #[serde(deserialize_with = "nullable")]
    #[schemars(extend("minItems" = 1))]
    pub resource_selectors: Vec<ResourceSelector>,
    /// Deprecated and unused; kept for compatibility (dependency propagation is propagateDeps).
    #[serde(skip_serializing_if = "is_default")]
    pub association: bool,
    /// Also propagate what the workload references (ConfigMaps, Secrets...).
    #[serde(skip_serializing_if = "is_default")]
    pub propagate_deps: bool,
    /// Where to place. Absent = all clusters, duplicated.
    #[serde(skip_serializing_if = "is_default")]
    pub placement: Placement,
    /// Explicit priority; higher first; applies before implicit (selector precision) priority.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = 0))]
    pub priority: Option<i32>,
    /// Whether this policy may take over templates already claimed by a lower-priority policy (gate
    /// PropagationPolicyPreemption).
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "Never"))]
    pub preemption: Option<Preemption>,
    /// Names of override policies that must exist before the resource is propagated.
    #[serde(skip_serializing_if = "is_default")]
    pub dependent_overrides: Vec<String>,
    /// Scheduler that handles the bindings; immutable.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "default-scheduler"))]
    pub scheduler_name: String,
    /// Failover behaviour; absent = none.
    #[serde(skip_serializing_if = "is_default")]
    pub failover: Option<FailoverBehavior>,
    /// When the member cluster already has the object unmanaged by Karmada: Abort = stop with error;
    /// Overwrite = take over.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "Abort"))]
    pub conflict_resolution: Option<ConflictResolution>,
    /// Lazy = policy changes reach a resource only when the resource itself changes. Absent = at once.
    #[serde(skip_serializing_if = "is_default")]
    pub activation_preference: Option<ActivationPreference>,
    /// Suspend dispatching.
    #[serde(skip_serializing_if = "is_default")]
    pub suspension: Option<Suspension>,
    /// Keep member resources when the template is deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub preserve_resources_on_deletion: Option<bool>,
    /// Scheduling queue priority (gate PriorityBasedScheduling).
    #[serde(skip_serializing_if = "is_default")]
    pub schedule_priority: Option<PolicySchedulePriority>,
}

/// Names templates by kind and, more or less closely, by name or labels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceSelector {
    /// Of the resource template.
    pub api_version: String,
    /// Of the resource template.
    pub kind: String,
    /// Defaults to the policy namespace for namespaced policies; empty in cluster policies = all
    /// namespaces.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Exact name; empty = by label selector, or all.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Used only when name is empty.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
}

/// What a policy keeps from being sent to members.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Suspension {
    /// Stop dispatching to every cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub dispatching: Option<bool>,
    /// Stop dispatching to the named clusters only. Exclusive with dispatching=true.
    #[serde(skip_serializing_if = "is_default")]
    pub dispatching_on_clusters: Option<SuspendClusters>,
}

/// Clusters to which nothing is sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SuspendClusters {
    /// Cluster names.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_names: Vec<String>,
}

/// Where the priority in the scheduler's queue comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicySchedulePriority {
    /// Where the class comes from; only KubePriorityClass (scheduling.k8s.io PriorityClass in the
    /// Karmada control plane) is implemented in the enum.
    pub priority_class_source: PriorityClassSource,
    /// Name of the class.
    pub priority_class_name: String,
}

/// Which kind of object names a scheduling priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum PriorityClassSource {
    /// A `PriorityClass` of `scheduling.k8s.io` in the control plane.
    #[default]
    KubePriorityClass,
}

/// What to do when an application or its cluster fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FailoverBehavior {
    /// React to unhealthy applications (needs gate Failover; needs health interpretation).
    #[serde(skip_serializing_if = "is_default")]
    pub application: Option<ApplicationFailoverBehavior>,
    /// How to behave when the whole cluster fails (purge mode for taint evictions).
    #[serde(skip_serializing_if = "is_default")]
    pub cluster: Option<ClusterFailoverBehavior>,
}

/// When and how an unhealthy application moves to another cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationFailoverBehavior {
    /// When to start failover.
    pub decision_conditions: DecisionConditions,
    /// How the failed copy is removed: Directly = before rescheduling; Gracefully = after the new copy
    /// is healthy or the grace period ends; Never = leave it for the user.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "Gracefully"))]
    pub purge_mode: Option<PurgeMode>,
    /// With Gracefully: longest wait for the replacement to become healthy before the old copy is
    /// removed. Webhook fills 600 if absent; only legal with Gracefully.
    #[serde(skip_serializing_if = "is_default")]
    pub grace_period_seconds: Option<i32>,
    /// Values to carry from the old copy status to the new copy (gate StatefulFailoverInjection).
    #[serde(skip_serializing_if = "is_default")]
    pub state_preservation: Option<StatePreservation>,
}

/// When an application counts as failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionConditions {
    /// Seconds an application may stay unhealthy before eviction.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = 300))]
    pub toleration_seconds: Option<i32>,
}

/// How applications leave a failed cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterFailoverBehavior {
    /// Removal mode for evictions caused by NoExecute taints; overrides the controller flag.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "Gracefully"))]
    pub purge_mode: Option<ClusterPurgeMode>,
    /// As for application failover (accepted; used when evicting because of cluster failure).
    #[serde(skip_serializing_if = "is_default")]
    pub state_preservation: Option<StatePreservation>,
}

/// How the copy in a failed cluster is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum PurgeMode {
    /// The old copy goes before a new one comes.
    Directly,
    /// The old copy stays until the new one is healthy, or its grace period ends.
    Gracefully,
    /// The old copy is left to the user.
    Never,
}

/// How copies leave a failed cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ClusterPurgeMode {
    /// The old copy goes before a new one comes.
    Directly,
    /// The old copy stays until the new one is healthy, or its grace period ends.
    Gracefully,
}

impl From<ClusterPurgeMode> for PurgeMode {
    fn from(mode: ClusterPurgeMode) -> Self {
        match mode {
            ClusterPurgeMode::Directly => Self::Directly,
            ClusterPurgeMode::Gracefully => Self::Gracefully,
        }
    }
}

/// What to carry from the old copy to the new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StatePreservation {
    /// Rules applied one by one.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<StatePreservationRule>,
}

/// One value to carry over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StatePreservationRule {
    /// Label key under which the extracted value is put on the new copy.
    pub alias_label_name: String,
    /// JSONPath (kubectl style, relative to the reflected status object) that selects the value.
    pub json_path: String,
}
