//! Group `autoscaling.karmada.io`: replicas over all clusters, by metrics or by the clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meta::{FreeObject, Time, is_default, nullable};
use crate::resource::resource;

/// What is scaled, in the namespace of the autoscaler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CrossVersionObjectReference {
    /// `apiVersion` of the target.
    #[serde(skip_serializing_if = "is_default")]
    pub api_version: String,
    /// Kind of the target.
    pub kind: String,
    /// Name of the target.
    pub name: String,
}

/// Between which bounds and by which metrics to scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FederatedHpaSpec {
    /// Template with a scale subresource in the control plane.
    pub scale_target_ref: CrossVersionObjectReference,
    /// Lower limit; default 1.
    #[serde(skip_serializing_if = "is_default")]
    pub min_replicas: Option<i32>,
    /// Upper limit (total over clusters).
    pub max_replicas: i32,
    /// Metric sources; default CPU 80 %.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Vec<FreeObject>")]
    pub metrics: Vec<Value>,
    /// Scaling policies; as HPA v2.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub behavior: Option<Value>,
}

/// What the autoscaler last saw and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HpaStatus {
    /// Generation handled.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_generation: Option<i64>,
    /// Last scaling.
    #[serde(skip_serializing_if = "is_default")]
    pub last_scale_time: Option<Time>,
    /// Template replicas.
    #[serde(skip_serializing_if = "is_default")]
    pub current_replicas: i32,
    /// Last computed.
    pub desired_replicas: i32,
    /// Latest readings.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Vec<FreeObject>", extend("x-kubernetes-list-type" = "atomic"))]
    pub current_metrics: Vec<Value>,
    /// AbleToScale, ScalingActive, ScalingLimited.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<HpaCondition>,
}

/// One aspect of an autoscaler's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HpaCondition {
    /// `AbleToScale`, `ScalingActive` or `ScalingLimited`.
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When the status last changed.
    #[serde(skip_serializing_if = "is_default")]
    pub last_transition_time: Option<Time>,
    /// One word for programs.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: String,
    /// Text for people.
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
}

/// What to scale at which times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CronFederatedHpaSpec {
    /// FederatedHPA or a scalable template.
    pub scale_target_ref: CrossVersionObjectReference,
    /// Schedules; unique names.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<CronRule>,
}

/// One schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CronRule {
    /// Rule name.
    #[schemars(extend("minLength" = 1, "maxLength" = 32))]
    pub name: String,
    /// Cron expression.
    pub schedule: String,
    /// New replica count of other targets.
    #[serde(skip_serializing_if = "is_default")]
    pub target_replicas: Option<i32>,
    /// New minReplicas of a FederatedHPA target.
    #[serde(skip_serializing_if = "is_default")]
    pub target_min_replicas: Option<i32>,
    /// New maxReplicas of a FederatedHPA target.
    #[serde(skip_serializing_if = "is_default")]
    pub target_max_replicas: Option<i32>,
    /// Pause the rule.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = false))]
    pub suspend: Option<bool>,
    /// IANA zone; absent = zone of the controller process.
    #[serde(skip_serializing_if = "is_default")]
    pub time_zone: Option<String>,
    /// Successful runs kept.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = 3, "minimum" = 1, "maximum" = 32))]
    pub successful_history_limit: Option<i32>,
    /// Failed runs kept.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = 3, "minimum" = 0, "maximum" = 32))]
    pub failed_history_limit: Option<i32>,
}

/// What each schedule did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CronFederatedHpaStatus {
    /// Per rule.
    #[serde(skip_serializing_if = "is_default")]
    pub execution_histories: Vec<ExecutionHistory>,
}

/// What one schedule did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutionHistory {
    /// Rule.
    pub rule_name: String,
    /// Next run; null when suspended.
    #[serde(skip_serializing_if = "is_default")]
    pub next_execution_time: Option<Time>,
    /// Newest first.
    #[serde(skip_serializing_if = "is_default")]
    pub successful_executions: Vec<SuccessfulExecution>,
    /// Newest first.
    #[serde(skip_serializing_if = "is_default")]
    pub failed_executions: Vec<FailedExecution>,
}

/// A run that worked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SuccessfulExecution {
    /// When it should have run.
    pub schedule_time: Time,
    /// When it ran.
    pub execution_time: Time,
    /// Value applied.
    #[serde(skip_serializing_if = "is_default")]
    pub applied_replicas: Option<i32>,
    /// Value applied.
    #[serde(skip_serializing_if = "is_default")]
    pub applied_max_replicas: Option<i32>,
    /// Value applied.
    #[serde(skip_serializing_if = "is_default")]
    pub applied_min_replicas: Option<i32>,
}

/// A run that did not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FailedExecution {
    /// When it should have run.
    pub schedule_time: Time,
    /// When it ran.
    pub execution_time: Time,
    /// Error.
    pub message: String,
}

resource! {
    /// Scales a template by metrics gathered from all its clusters.
    FederatedHpa {
        "autoscaling.karmada.io" / "v1alpha1" / "FederatedHPA",
        plural: "federatedhpas", singular: "federatedhpa", scope: Namespaced,
        short: ["fhpa"], categories: ["karmada-io"], status: true,
    }
    /// Desired behaviour.
    required spec: FederatedHpaSpec,
    /// Observed state.
    optional status: HpaStatus,
}

resource! {
    /// Scales a template, or the bounds of its autoscaler, at given times.
    CronFederatedHpa {
        "autoscaling.karmada.io" / "v1alpha1" / "CronFederatedHPA",
        plural: "cronfederatedhpas", singular: "cronfederatedhpa", scope: Namespaced,
        short: ["cronfhpa"], categories: ["karmada-io"], status: true,
    }
    /// Desired behaviour.
    required spec: CronFederatedHpaSpec,
    /// Observed state.
    optional status: CronFederatedHpaStatus,
}
