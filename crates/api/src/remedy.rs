//! Group `remedy.karmada.io`: what to do about clusters in a given condition.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::is_default;
use crate::resource::resource;

/// What to do for clusters in a given condition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RemedySpec {
    /// Clusters in scope; absent = all.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_affinity: Option<RemedyClusters>,
    /// OR-ed; empty = always act.
    #[serde(skip_serializing_if = "is_default")]
    pub decision_matches: Vec<DecisionMatch>,
    /// Actions to take; TrafficControl is the built-in one, other words are passed through.
    #[serde(skip_serializing_if = "is_default")]
    pub actions: Vec<String>,
}

/// Clusters a remedy is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RemedyClusters {
    /// Cluster names.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_names: Vec<String>,
}

/// One reason to act.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DecisionMatch {
    /// Compare one cluster condition.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_condition_match: Option<ClusterConditionRequirement>,
}

/// A test of one condition of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterConditionRequirement {
    /// Condition type, e.g. ServiceDomainNameResolutionReady.
    pub condition_type: String,
    /// Comparison.
    pub operator: ConditionOperator,
    /// Expected status.
    pub condition_status: String,
}

/// How a condition's status is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionOperator {
    /// The status is the expected one.
    #[default]
    Equal,
    /// The status is another one.
    NotEqual,
}

resource! {
    /// Says what to do about clusters in a given condition.
    Remedy {
        "remedy.karmada.io" / "v1alpha1" / "Remedy",
        plural: "remedies", singular: "remedy", scope: Cluster,
        short: [], categories: [], status: false,
    }
    /// Definition.
    required spec: RemedySpec,
}
