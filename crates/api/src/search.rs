//! Group `search.karmada.io`: caches over all clusters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::LocalSecretReference;
use crate::meta::{Condition, is_default, nullable};
use crate::policy::ClusterAffinity;
use crate::resource::resource;

/// What to cache, from which clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRegistrySpec {
    /// Which clusters to cache.
    pub target_cluster: ClusterAffinity,
    /// What to cache.
    #[serde(deserialize_with = "nullable")]
    pub resource_selectors: Vec<CacheSelector>,
    /// Absent = memory.
    #[serde(skip_serializing_if = "is_default")]
    pub backend_store: Option<BackendStoreConfig>,
}

/// A kind to cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheSelector {
    /// Group/version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Empty = all namespaces (namespace is honoured by the proxy cache; the search cache watches all
    /// namespaces).
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
}

/// Where the cache lives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackendStoreConfig {
    /// OpenSearch target.
    #[serde(skip_serializing_if = "is_default")]
    pub open_search: Option<OpenSearchConfig>,
}

/// An OpenSearch service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenSearchConfig {
    /// Endpoints.
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<String>,
    /// Secret with `username`, `password`.
    pub secret_ref: LocalSecretReference,
}

/// What became of a registry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRegistryStatus {
    /// Not written by anyone yet.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
}

resource! {
    /// Says which kinds of which clusters are cached.
    ResourceRegistry {
        "search.karmada.io" / "v1alpha1" / "ResourceRegistry",
        plural: "resourceregistries", singular: "resourceregistry", scope: Cluster,
        short: [], categories: [], status: true,
    }
    /// What to cache.
    optional spec: ResourceRegistrySpec,
    /// Observed state.
    optional status: ResourceRegistryStatus,
}
