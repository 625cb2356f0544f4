//! Taint policies and federated quotas.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClusterAffinity;
use crate::meta::{Quantity, is_default, nullable};

/// Which taints clusters get and lose, on which conditions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterTaintPolicySpec {
    /// Which clusters; absent = all.
    #[serde(skip_serializing_if = "is_default")]
    pub target_clusters: Option<ClusterAffinity>,
    /// All must match for the taints to be added. Empty = taints are never added automatically.
    #[serde(skip_serializing_if = "is_default")]
    pub add_on_conditions: Vec<TaintConditionMatch>,
    /// All must match for the taints to be removed. Empty = never removed automatically.
    #[serde(skip_serializing_if = "is_default")]
    pub remove_on_conditions: Vec<TaintConditionMatch>,
    /// Taints to manage; unique key+effect.
    #[serde(deserialize_with = "nullable")]
    #[schemars(extend("minItems" = 1))]
    pub taints: Vec<PolicyTaint>,
}

/// A test of one condition of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaintConditionMatch {
    /// Condition type in cluster status.
    pub condition_type: String,
    /// In or NotIn.
    pub operator: String,
    /// Condition status values (True, False, Unknown) to compare with; a missing condition does not
    /// match.
    #[serde(deserialize_with = "nullable")]
    pub status_values: Vec<String>,
}

/// A taint to add or remove.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyTaint {
    /// Taint key.
    pub key: String,
    /// NoSchedule, NoExecute or PreferNoSchedule (NoExecute only with webhook flag).
    pub effect: String,
    /// Taint value.
    #[serde(skip_serializing_if = "is_default")]
    pub value: String,
}

/// Limits over all clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FederatedResourceQuotaSpec {
    /// Total limit over all clusters.
    #[serde(deserialize_with = "nullable")]
    pub overall: BTreeMap<String, Quantity>,
    /// Fixed per-cluster limits, pushed as ResourceQuota of the same name.
    #[serde(skip_serializing_if = "is_default")]
    pub static_assignments: Vec<StaticClusterAssignment>,
}

/// A fixed limit for one cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticClusterAssignment {
    /// Cluster.
    pub cluster_name: String,
    /// Limits for the cluster.
    #[serde(deserialize_with = "nullable")]
    pub hard: BTreeMap<String, Quantity>,
}

/// What is used of the limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FederatedResourceQuotaStatus {
    /// Echo of spec.overall.
    #[serde(skip_serializing_if = "is_default")]
    pub overall: BTreeMap<String, Quantity>,
    /// Total usage (from bindings with enforcement gate, else from clusters).
    #[serde(skip_serializing_if = "is_default")]
    pub overall_used: BTreeMap<String, Quantity>,
    /// Per cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub aggregated_status: Vec<ClusterQuotaStatus>,
}

/// Limit and use in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterQuotaStatus {
    /// Cluster.
    pub cluster_name: String,
    /// Limit in the cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub hard: BTreeMap<String, Quantity>,
    /// Usage in the cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub used: BTreeMap<String, Quantity>,
}
