//! Bindings as version v1alpha1 knew them; served, converted from and to v1alpha2, never stored.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meta::{Condition, FreeObject, Quantity, is_default};
use crate::resource::resource;

/// A template and the clusters it goes to, as v1alpha1 knew it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceBindingSpec {
    /// The template.
    pub resource: ObjectReference,
    /// Schedule result.
    #[serde(skip_serializing_if = "is_default")]
    pub clusters: Vec<TargetCluster>,
}

/// Names the template of a binding, with what it needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// Template.
    pub api_version: String,
    /// Template.
    pub kind: String,
    /// Template.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Template.
    pub name: String,
    /// Template version.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_version: String,
    /// Request of one replica.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_per_replicas: BTreeMap<String, Quantity>,
    /// Template replica count.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: i32,
}

/// A cluster of the schedule result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetCluster {
    /// Cluster.
    pub name: String,
    /// Replicas assigned.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: i32,
}

/// What became of a binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceBindingStatus {
    /// Conditions.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// Per-cluster state.
    #[serde(skip_serializing_if = "is_default")]
    pub aggregated_status: Vec<AggregatedStatusItem>,
}

/// The state of the copy in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregatedStatusItem {
    /// Cluster.
    pub cluster_name: String,
    /// Reflected status.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub status: Option<Value>,
    /// Applied.
    #[serde(skip_serializing_if = "is_default")]
    pub applied: bool,
    /// Why not.
    #[serde(skip_serializing_if = "is_default")]
    pub applied_message: String,
}

resource! {
    /// Binds a template of a namespace to clusters, as v1alpha1 knew it.
    ResourceBinding {
        "work.karmada.io" / "v1alpha1" / "ResourceBinding",
        plural: "resourcebindings", singular: "resourcebinding", scope: Namespaced,
        short: ["rb"], categories: ["karmada-io"], status: true,
    }
    /// The template and the clusters.
    required spec: ResourceBindingSpec,
    /// Observed state.
    optional status: ResourceBindingStatus,
}

resource! {
    /// Binds a cluster-scoped template to clusters, as v1alpha1 knew it.
    ClusterResourceBinding {
        "work.karmada.io" / "v1alpha1" / "ClusterResourceBinding",
        plural: "clusterresourcebindings", singular: "clusterresourcebinding", scope: Cluster,
        short: ["crb"], categories: ["karmada-io"], status: true,
    }
    /// The template and the clusters.
    required spec: ResourceBindingSpec,
    /// Observed state.
    optional status: ResourceBindingStatus,
}
