//! Work: what is applied in one cluster.

use machinery::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ResourceHealth;
use crate::meta::{Condition, EmbeddedResource, FreeObject, is_default};

/// What to apply in the cluster whose execution namespace the Work lives in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkSpec {
    /// Payload.
    #[serde(skip_serializing_if = "is_default")]
    pub workload: WorkloadTemplate,
    /// Do not apply (status condition Dispatching=False).
    #[serde(skip_serializing_if = "is_default")]
    pub suspend_dispatching: Option<bool>,
    /// Deleting the Work keeps the member object.
    #[serde(skip_serializing_if = "is_default")]
    pub preserve_resources_on_deletion: Option<bool>,
}

/// The payload of a Work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadTemplate {
    /// Objects (controllers always write exactly one). Embedded resource, unknown fields kept.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Vec<EmbeddedResource>")]
    pub manifests: Vec<Object>,
}

/// What became of a Work in its cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkStatus {
    /// Applied, Dispatching (Progressing/Available/Degraded are declared but unused).
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: Vec<Condition>,
    /// Per manifest.
    #[serde(skip_serializing_if = "is_default")]
    pub manifest_statuses: Vec<ManifestStatus>,
}

/// The state of one manifest in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestStatus {
    /// Which manifest.
    pub identifier: ResourceIdentifier,
    /// Reflected status JSON.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub status: Option<Value>,
    /// Interpreted health.
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<ResourceHealth>,
}

/// Names one of the manifests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceIdentifier {
    /// Index in manifests.
    #[schemars(with = "isize")]
    pub ordinal: i64,
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural resource (in practice empty string).
    pub resource: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Name.
    pub name: String,
}
