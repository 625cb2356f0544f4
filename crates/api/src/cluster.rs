//! Group `cluster.karmada.io`: the members.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Condition, Quantity, Taint, is_default, nullable};
use crate::resource::resource;

/// How a member is reached and what is known of its place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpec {
    /// UID of the member's kube-system namespace (or agent supplied); identifies the cluster.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("maxLength" = 128000))]
    pub id: String,
    /// Who applies: control plane or agent.
    pub sync_mode: SyncMode,
    /// API address (`scheme://host:port`, host may be IP or name).
    #[serde(skip_serializing_if = "is_default")]
    pub api_endpoint: String,
    /// Secret with `token` and `caBundle` (base64 data); Push access credentials.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_ref: Option<LocalSecretReference>,
    /// Secret with `token` of the impersonation identity (proxy, unified auth).
    #[serde(skip_serializing_if = "is_default")]
    pub impersonator_secret_ref: Option<LocalSecretReference>,
    /// Skip the check of the server's certificate.
    #[serde(rename = "insecureSkipTLSVerification", skip_serializing_if = "is_default")]
    pub insecure_skip_tls_verification: bool,
    /// Proxy in front of the cluster.
    #[serde(rename = "proxyURL", skip_serializing_if = "is_default")]
    pub proxy_url: String,
    /// Headers sent to the proxy on CONNECT. Value may hold several comma-separated values.
    #[serde(skip_serializing_if = "is_default")]
    pub proxy_header: BTreeMap<String, String>,
    /// Cloud provider.
    #[serde(skip_serializing_if = "is_default")]
    pub provider: String,
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// Old single zone; migrated into zones.
    #[serde(skip_serializing_if = "is_default")]
    pub zone: String,
    /// Failure zones.
    #[serde(skip_serializing_if = "is_default")]
    pub zones: Vec<String>,
    /// key, value, effect (NoSchedule, PreferNoSchedule*, NoExecute), timeAdded. *PreferNoSchedule is
    /// accepted but has no effect in scheduling.
    #[serde(skip_serializing_if = "is_default")]
    pub taints: Vec<Taint>,
    /// Resource grades (gate CustomizedClusterResourceModeling).
    #[serde(skip_serializing_if = "is_default")]
    pub resource_models: Vec<ResourceModel>,
}

/// Who applies Works in the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum SyncMode {
    /// The control plane applies.
    #[default]
    Push,
    /// An agent in the cluster applies.
    Pull,
}

/// A secret in the control plane.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalSecretReference {
    /// Namespace of the secret.
    pub namespace: String,
    /// Name of the secret.
    pub name: String,
}

/// A grade of nodes by what they have free.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceModel {
    /// Grade number.
    pub grade: u64,
    /// One range per resource.
    #[serde(deserialize_with = "nullable")]
    pub ranges: Vec<ResourceModelRange>,
}

/// The bounds of one resource in a grade.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceModelRange {
    /// Resource name.
    pub name: String,
    /// Inclusive lower bound.
    pub min: Quantity,
    /// Exclusive upper bound.
    pub max: Quantity,
}

/// What was last seen of a member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// Git version of the member.
    #[serde(skip_serializing_if = "is_default")]
    pub kubernetes_version: String,
    /// Sorted by groupVersion.
    #[serde(skip_serializing_if = "is_default")]
    pub api_enablements: Vec<ApiEnablement>,
    /// `Ready`, `CompleteAPIEnablements`, plus external ones (e.g. ServiceDomainNameResolutionReady).
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// How many nodes there are.
    #[serde(skip_serializing_if = "is_default")]
    pub node_summary: Option<NodeSummary>,
    /// Needs `--enable-cluster-resource-modeling`.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_summary: Option<ResourceSummary>,
    /// Actions requested by matching Remedies.
    #[serde(skip_serializing_if = "is_default")]
    pub remedy_actions: Vec<String>,
}

/// The kinds a member serves in one group and version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiEnablement {
    /// e.g. apps/v1.
    pub group_version: String,
    /// Sorted by name; subresources left out.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Vec<ApiResource>,
}

/// One kind a member serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiResource {
    /// Plural.
    pub name: String,
    /// Kind.
    pub kind: String,
}

/// Counts of nodes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSummary {
    /// All nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub total_num: i32,
    /// Nodes that are ready.
    #[serde(skip_serializing_if = "is_default")]
    pub ready_num: i32,
}

/// What a member has, and what of it is taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceSummary {
    /// Sum over nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub allocatable: BTreeMap<String, Quantity>,
    /// Requests of pods not yet bound to a node.
    #[serde(skip_serializing_if = "is_default")]
    pub allocating: BTreeMap<String, Quantity>,
    /// Requests of bound, unfinished pods.
    #[serde(skip_serializing_if = "is_default")]
    pub allocated: BTreeMap<String, Quantity>,
    /// Nodes per grade.
    #[serde(skip_serializing_if = "is_default")]
    pub allocatable_modelings: Vec<AllocatableModeling>,
}

/// How many nodes are of a grade.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AllocatableModeling {
    /// The grade.
    pub grade: u64,
    /// Nodes of the grade.
    #[schemars(with = "isize")]
    pub count: i64,
}

resource! {
    /// A member: a cluster that Karmada places workloads in.
    Cluster {
        "cluster.karmada.io" / "v1alpha1" / "Cluster",
        plural: "clusters", singular: "cluster", scope: Cluster,
        short: [], categories: [], status: true,
    }
    /// How the member is reached and what is known of its place.
    required spec: ClusterSpec,
    /// What was last seen of the member.
    optional status: ClusterStatus,
}

impl Cluster {
    /// Whether the member is ready.
    pub fn is_ready(&self) -> bool {
        crate::meta::condition_is_true(&self.status.conditions, crate::names::conditions::READY)
    }

    /// Zones of the cluster; falls back to the deprecated single zone.
    pub fn zones(&self) -> &[String] {
        if self.spec.zones.is_empty() && !self.spec.zone.is_empty() {
            std::slice::from_ref(&self.spec.zone)
        } else {
            &self.spec.zones
        }
    }

    /// Whether the member is known to serve a kind.
    pub fn serves(&self, api_version: &str, kind: &str) -> bool {
        self.status
            .api_enablements
            .iter()
            .any(|e| e.group_version == api_version && e.resources.iter().any(|r| r.kind == kind))
    }
}
