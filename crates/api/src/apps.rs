//! Group `apps.karmada.io`: rebalancing on request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Time, is_default, nullable};
use crate::resource::resource;

/// Which workloads to schedule afresh.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadRebalancerSpec {
    /// Workloads to reschedule afresh.
    #[serde(deserialize_with = "nullable")]
    #[schemars(extend("minItems" = 1))]
    pub workloads: Vec<ObjectReference>,
    /// Delete this object that many seconds after all workloads finished; 0 = at once; absent = keep.
    #[serde(skip_serializing_if = "is_default")]
    pub ttl_seconds_after_finished: Option<i32>,
}

/// Names a workload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// Target.
    pub api_version: String,
    /// Target.
    pub kind: String,
    /// Target.
    pub name: String,
    /// Target; empty for cluster scoped.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
}

/// How far the rebalancing has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadRebalancerStatus {
    /// Result per workload, sorted by the text "apiVersion kind namespace name".
    #[serde(skip_serializing_if = "is_default")]
    pub observed_workloads: Vec<ObservedWorkload>,
    /// Generation handled.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_generation: i64,
    /// When all workloads were handled.
    #[serde(skip_serializing_if = "is_default")]
    pub finish_time: Option<Time>,
}

/// What became of one workload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObservedWorkload {
    /// Which workload.
    pub workload: ObjectReference,
    /// Successful or Failed (absent while retrying).
    #[serde(skip_serializing_if = "is_default")]
    pub result: String,
    /// Failure reason: ReferencedBindingNotFound.
    #[serde(skip_serializing_if = "is_default")]
    pub reason: String,
}

resource! {
    /// Asks for workloads to be scheduled afresh.
    WorkloadRebalancer {
        "apps.karmada.io" / "v1alpha1" / "WorkloadRebalancer",
        plural: "workloadrebalancers", singular: "workloadrebalancer", scope: Cluster,
        short: [], categories: [], status: true,
    }
    /// Which workloads.
    required spec: WorkloadRebalancerSpec,
    /// How far the rebalancing has come.
    optional status: WorkloadRebalancerStatus,
}
