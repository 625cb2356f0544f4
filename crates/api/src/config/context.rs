//! The review object interpreter webhooks are called with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meta::{Base64, FreeObject, LabelSelector, is_default};
use crate::work::{AggregatedStatusItem, Component, ReplicaRequirements};

/// A question to an interpreter webhook, and its answer in the same shape.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceInterpreterContext {
    /// Always `config.karmada.io/v1alpha1`.
    pub api_version: String,
    /// Always `ResourceInterpreterContext`.
    pub kind: String,
    /// The question.
    #[serde(skip_serializing_if = "is_default")]
    pub request: Option<InterpreterRequest>,
    /// The answer.
    #[serde(skip_serializing_if = "is_default")]
    pub response: Option<InterpreterResponse>,
}

/// What an interpreter webhook is asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InterpreterRequest {
    /// Correlates with response.
    pub uid: String,
    /// Kind of the object.
    pub kind: ObjectKind,
    /// Object name.
    pub name: String,
    /// Object namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// InterpretReplica, InterpretComponent, ReviseReplica, Retain, AggregateStatus, InterpretStatus,
    /// InterpretHealth, InterpretDependency.
    pub operation: String,
    /// The object; the desired one for Retain, ReviseReplica and AggregateStatus.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub object: Option<Value>,
    /// Member object (Retain only).
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub observed_object: Option<Value>,
    /// Target count (ReviseReplica only).
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i32>,
    /// AggregateStatus only.
    #[serde(skip_serializing_if = "is_default")]
    pub aggregated_status: Vec<AggregatedStatusItem>,
}

/// A kind in its group and version.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Version of the group.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// What an interpreter webhook answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InterpreterResponse {
    /// Must equal the request uid.
    pub uid: String,
    /// false → operation failed; message in status.
    pub successful: bool,
    /// Error detail.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<RequestStatus>,
    /// JSON patch in base64, for ReviseReplica, Retain and AggregateStatus.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Base64")]
    pub patch: Option<String>,
    /// `JSONPatch` only; required when patch is present.
    #[serde(skip_serializing_if = "is_default")]
    pub patch_type: Option<String>,
    /// Required for InterpretReplica.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i32>,
    /// InterpretReplica.
    #[serde(skip_serializing_if = "is_default")]
    pub replica_requirements: Option<ReplicaRequirements>,
    /// InterpretComponent.
    #[serde(skip_serializing_if = "is_default")]
    pub components: Vec<Component>,
    /// InterpretDependency.
    #[serde(skip_serializing_if = "is_default")]
    pub dependencies: Vec<DependentObjectReference>,
    /// Required for InterpretStatus.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub raw_status: Option<Value>,
    /// Required for InterpretHealth.
    #[serde(skip_serializing_if = "is_default")]
    pub healthy: Option<bool>,
}

/// Why an interpreter could not answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestStatus {
    /// Text for people.
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
    /// An HTTP code.
    #[serde(skip_serializing_if = "is_default")]
    pub code: i32,
}

/// An object that another one needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DependentObjectReference {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Name; absent when a label selector is given.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Selects the objects when there is no name.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: Option<LabelSelector>,
}
