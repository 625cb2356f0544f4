//! Placement: which clusters, how many of them, how replicas are split.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{LabelSelector, Toleration, is_default};

/// Where templates go and how their replicas are split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Placement {
    /// Which clusters qualify. Absent = all clusters.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// Ordered list of named groups; the scheduler uses the first group that works. Mutually exclusive
    /// with clusterAffinity. Atomic fall-back order, not weight.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_affinities: Vec<ClusterAffinityTerm>,
    /// Tolerations for cluster taints (NoSchedule at scheduling; NoExecute for eviction). Operators
    /// Exists/Equal; Lt/Gt rejected.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_tolerations: Vec<Toleration>,
    /// Limits on how many clusters/regions/... must or may be used. Absent = no limit; when only other
    /// fields are given a cluster constraint is still required by the webhook.
    #[serde(skip_serializing_if = "is_default")]
    pub spread_constraints: Vec<SpreadConstraint>,
    /// How replicas are spread over selected clusters. Absent = Duplicated.
    #[serde(skip_serializing_if = "is_default")]
    pub replica_scheduling: Option<ReplicaSchedulingStrategy>,
    /// Inter-workload (anti-)affinity by label group (gate WorkloadAffinity).
    #[serde(skip_serializing_if = "is_default")]
    pub workload_affinity: Option<WorkloadAffinity>,
}

/// Which clusters qualify.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAffinity {
    /// Selects on cluster labels.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
    /// Selects on provider, region, zone of the cluster spec.
    #[serde(skip_serializing_if = "is_default")]
    pub field_selector: Option<FieldSelector>,
    /// Explicit allow-list. Empty = no restriction by name.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_names: Vec<String>,
    /// Names never allowed; wins over everything else.
    #[serde(skip_serializing_if = "is_default")]
    pub exclude: Vec<String>,
}

/// Selects clusters by provider, region and zone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSelector {
    /// All must hold.
    #[serde(skip_serializing_if = "is_default")]
    pub match_expressions: Vec<FieldSelectorRequirement>,
}

/// One condition on a field of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSelectorRequirement {
    /// provider, region or zone (checked by webhook).
    pub key: String,
    /// In or NotIn (checked by webhook).
    pub operator: String,
    /// Values. For key zone: In = at least one zone of the cluster is listed (no zones → no match);
    /// NotIn = none of its zones is listed (no zones → match).
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Vec<String>,
}

/// A named group of clusters; groups are tried in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAffinityTerm {
    /// Name of the group (valid label key); unique; reported in status.schedulerObservingAffinityName.
    #[schemars(extend("minLength" = 1, "maxLength" = 32))]
    pub affinity_name: String,
    /// Selects on cluster labels.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
    /// Selects on provider, region, zone of the cluster spec.
    #[serde(skip_serializing_if = "is_default")]
    pub field_selector: Option<FieldSelector>,
    /// Explicit allow-list. Empty = no restriction by name.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_names: Vec<String>,
    /// Names never allowed; wins over everything else.
    #[serde(skip_serializing_if = "is_default")]
    pub exclude: Vec<String>,
    /// Ordered extra groups that may take replicas the primary group cannot hold. Only with Divided +
    /// (Aggregated or dynamic weight).
    #[serde(skip_serializing_if = "is_default")]
    pub overflow_affinities: Vec<OverflowAffinityTerm>,
}

/// A group of clusters for replicas that the primary group cannot hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OverflowAffinityTerm {
    /// Name, unique within the term and different from the primary.
    #[schemars(extend("minLength" = 1, "maxLength" = 32))]
    pub affinity_name: String,
    /// Selects on cluster labels.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
    /// Selects on provider, region, zone of the cluster spec.
    #[serde(skip_serializing_if = "is_default")]
    pub field_selector: Option<FieldSelector>,
    /// Explicit allow-list. Empty = no restriction by name.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_names: Vec<String>,
    /// Names never allowed; wins over everything else.
    #[serde(skip_serializing_if = "is_default")]
    pub exclude: Vec<String>,
}

/// Bounds on how many clusters, regions, zones or providers are used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SpreadConstraint {
    /// Grouping by a cluster field.
    #[serde(skip_serializing_if = "is_default")]
    pub spread_by_field: Option<SpreadField>,
    /// Grouping by a cluster label key (accepted; not implemented by the scheduler).
    #[serde(skip_serializing_if = "is_default")]
    pub spread_by_label: String,
    /// Upper bound of groups; 0/absent = unlimited.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "isize")]
    pub max_groups: i64,
    /// Lower bound; webhook raises 0 to 1.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "isize")]
    pub min_groups: i64,
}

/// By what clusters are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SpreadField {
    /// One group per cluster.
    Cluster,
    /// One group per region.
    Region,
    /// One group per zone.
    Zone,
    /// One group per provider.
    Provider,
}

/// How replicas are given to the selected clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSchedulingStrategy {
    /// Duplicated = every cluster gets all replicas; Divided = replicas are split.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "Divided"))]
    pub replica_scheduling_type: Option<ReplicaSchedulingType>,
    /// Only for Divided. Aggregated = as few clusters as possible; Weighted = by weights. Empty is
    /// turned into Weighted by the webhook.
    #[serde(skip_serializing_if = "is_default")]
    pub replica_division_preference: Option<ReplicaDivisionPreference>,
    /// Weights for Weighted; absent = equal weights.
    #[serde(skip_serializing_if = "is_default")]
    pub weight_preference: Option<ClusterPreferences>,
}

/// Whether clusters share the replicas or get all of them each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReplicaSchedulingType {
    /// Every cluster gets all replicas.
    Duplicated,
    /// The replicas are split over the clusters.
    Divided,
}

/// How shared replicas are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReplicaDivisionPreference {
    /// As few clusters as can hold the replicas.
    Aggregated,
    /// In proportion to weights.
    Weighted,
}

/// Weights by which replicas are split.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterPreferences {
    /// Fixed weights; clusters not listed get 0 unless nothing matches at all (then equal 1).
    #[serde(skip_serializing_if = "is_default")]
    pub static_weight_list: Vec<StaticClusterWeight>,
    /// Compute weights at run time; AvailableReplicas = estimated free replicas. When set, static list
    /// is ignored.
    #[serde(skip_serializing_if = "is_default")]
    pub dynamic_weight: Option<DynamicWeightFactor>,
}

/// A weight for some clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StaticClusterWeight {
    /// Clusters the weight applies to (a cluster matching several entries takes the largest weight).
    pub target_cluster: ClusterAffinity,
    /// Weight.
    #[schemars(extend("minimum" = 1))]
    pub weight: i64,
}

/// What weights are computed from when scheduling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum DynamicWeightFactor {
    /// By the replicas each cluster still has room for.
    AvailableReplicas,
}

/// Places workloads near to or away from one another, by groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadAffinity {
    /// Place near other workloads of the same group.
    #[serde(skip_serializing_if = "is_default")]
    pub affinity: Option<WorkloadAffinityTerm>,
    /// Place away from other workloads of the same group.
    #[serde(skip_serializing_if = "is_default")]
    pub anti_affinity: Option<WorkloadAffinityTerm>,
}

/// How the group of a workload is found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadAffinityTerm {
    /// Template label whose value names the group; the template without the label does not participate.
    pub group_by_label_key: String,
}

impl ClusterAffinity {
    /// Whether there is no condition at all.
    pub fn is_empty(&self) -> bool {
        is_default(self)
    }
}

impl ClusterAffinityTerm {
    /// The clusters of the group, without its name and overflow groups.
    pub fn affinity(&self) -> ClusterAffinity {
        ClusterAffinity {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            cluster_names: self.cluster_names.clone(),
            exclude: self.exclude.clone(),
        }
    }
}

impl OverflowAffinityTerm {
    /// The clusters of the group, without its name.
    pub fn affinity(&self) -> ClusterAffinity {
        ClusterAffinity {
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            cluster_names: self.cluster_names.clone(),
            exclude: self.exclude.clone(),
        }
    }
}

impl Placement {
    /// How replicas are given out; absent means every cluster gets all.
    pub fn scheduling_type(&self) -> ReplicaSchedulingType {
        match &self.replica_scheduling {
            // The schema's default of a strategy that does not say.
            Some(strategy) => strategy.replica_scheduling_type.unwrap_or(ReplicaSchedulingType::Divided),
            None => ReplicaSchedulingType::Duplicated,
        }
    }
}
