//! Group `multicluster.x-k8s.io`: services exported and imported, by the multi-cluster services standard.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Condition, is_default, nullable};
use crate::resource::resource;

/// What became of an export.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceExportStatus {
    /// Valid / Conflict by the MCS standard (not written by Karmada).
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How a service of other clusters appears here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceImportSpec {
    /// Ports.
    #[serde(deserialize_with = "nullable")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub ports: Vec<ServicePort>,
    /// ClusterSet IPs.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("maxItems" = 1))]
    pub ips: Vec<String>,
    /// Only ClusterSetIP is handled.
    pub type_: ServiceImportType,
    /// None or ClientIP.
    #[serde(skip_serializing_if = "is_default")]
    pub session_affinity: String,
    /// Affinity options.
    #[serde(skip_serializing_if = "is_default")]
    pub session_affinity_config: Option<SessionAffinityConfig>,
}

/// How an imported service is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ServiceImportType {
    /// One virtual address in all clusters.
    #[default]
    ClusterSetIP,
    /// No address of its own.
    Headless,
}

/// A port of an imported service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Port name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// TCP/UDP/SCTP; default TCP.
    #[serde(skip_serializing_if = "is_default")]
    pub protocol: String,
    /// Application protocol.
    #[serde(skip_serializing_if = "is_default")]
    pub app_protocol: Option<String>,
    /// Port.
    pub port: i32,
}

/// How long clients stay with a backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionAffinityConfig {
    /// ClientIP options.
    #[serde(rename = "clientIP", skip_serializing_if = "is_default")]
    pub client_ip: Option<ClientIpConfig>,
}

/// Affinity by client address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientIpConfig {
    /// Timeout.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout_seconds: Option<i32>,
}

/// Who exports the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceImportStatus {
    /// Exporting clusters.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster"]))]
    pub clusters: Vec<ExportingCluster>,
}

/// A cluster that exports the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExportingCluster {
    /// Cluster.
    pub cluster: String,
}

resource! {
    /// Offers the Service of the same name to other clusters.
    ServiceExport {
        "multicluster.x-k8s.io" / "v1alpha1" / "ServiceExport",
        plural: "serviceexports", singular: "serviceexport", scope: Namespaced,
        short: ["svcex"], categories: [], status: true,
    }
    /// Observed state.
    optional status: ServiceExportStatus,
}

resource! {
    /// A service offered by other clusters.
    ServiceImport {
        "multicluster.x-k8s.io" / "v1alpha1" / "ServiceImport",
        plural: "serviceimports", singular: "serviceimport", scope: Namespaced,
        short: ["svcim"], categories: [], status: true,
    }
    /// Definition.
    optional spec: ServiceImportSpec,
    /// Observed state.
    optional status: ServiceImportStatus,
}
