//! Group `config.karmada.io`: how kinds are interpreted.

mod context;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use context::*;

use crate::meta::{Base64, is_default, nullable};
use crate::resource::resource;

/// How one kind is interpreted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceInterpreterCustomizationSpec {
    /// Exactly one GVK.
    pub target: CustomizationTarget,
    /// Scripts by operation; each optional.
    pub customizations: CustomizationRules,
}

/// The kind that is interpreted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomizationTarget {
    /// API version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
}

/// Scripts by operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomizationRules {
    /// Retain(desiredObj, observedObj) → object.
    #[serde(skip_serializing_if = "is_default")]
    pub retention: Option<LuaScript>,
    /// GetReplicas(desiredObj) → count, requirement.
    #[serde(skip_serializing_if = "is_default")]
    pub replica_resource: Option<LuaScript>,
    /// GetComponents(desiredObj) → component list.
    #[serde(skip_serializing_if = "is_default")]
    pub component_resource: Option<LuaScript>,
    /// ReviseReplica(desiredObj, desiredReplica) → object.
    #[serde(skip_serializing_if = "is_default")]
    pub replica_revision: Option<LuaScript>,
    /// ReflectStatus(observedObj) → status.
    #[serde(skip_serializing_if = "is_default")]
    pub status_reflection: Option<LuaScript>,
    /// AggregateStatus(desiredObj, statusItems) → object.
    #[serde(skip_serializing_if = "is_default")]
    pub status_aggregation: Option<LuaScript>,
    /// InterpretHealth(observedObj) → bool.
    #[serde(skip_serializing_if = "is_default")]
    pub health_interpretation: Option<LuaScript>,
    /// GetDependencies(desiredObj) → references.
    #[serde(skip_serializing_if = "is_default")]
    pub dependency_interpretation: Option<LuaScript>,
}

/// A script for one operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LuaScript {
    /// Source of the script, in Lua; the operation fixes the name and arguments of the function it
    /// defines.
    pub lua_script: String,
}

/// An interpreter reached over HTTPS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceInterpreterWebhook {
    /// Fully qualified unique name (three or more segments).
    pub name: String,
    /// How to call; exactly one of url and service.
    pub client_config: WebhookClientConfig,
    /// What the webhook handles.
    #[serde(skip_serializing_if = "is_default")]
    pub rules: Vec<RuleWithOperations>,
    /// 1-30 (checked by webhook). Documented default 10 s, but nothing fills it in: absent = no
    /// per-call deadline.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout_seconds: Option<i32>,
    /// Accepted context versions in preference order; must include v1alpha1.
    #[serde(deserialize_with = "nullable")]
    pub interpreter_context_versions: Vec<String>,
}

/// How an interpreter is called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookClientConfig {
    /// https URL without user/query/fragment.
    #[serde(skip_serializing_if = "is_default")]
    pub url: Option<String>,
    /// Service in the control plane.
    #[serde(skip_serializing_if = "is_default")]
    pub service: Option<ServiceReference>,
    /// CA for TLS; absent = system roots.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "Base64")]
    pub ca_bundle: Option<String>,
}

/// The Service in front of an interpreter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceReference {
    /// Namespace.
    pub namespace: String,
    /// Service.
    pub name: String,
    /// URL path.
    #[serde(skip_serializing_if = "is_default")]
    pub path: Option<String>,
    /// Port 1-65535; default 443.
    #[serde(skip_serializing_if = "is_default")]
    pub port: Option<i32>,
}

/// Which kinds and operations an interpreter handles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RuleWithOperations {
    /// InterpretReplica, InterpretComponent, ReviseReplica, Retain, AggregateStatus, InterpretStatus,
    /// InterpretHealth, InterpretDependency or `*`.
    #[serde(deserialize_with = "nullable")]
    pub operations: Vec<String>,
    /// Groups, `*` allowed alone.
    #[serde(deserialize_with = "nullable")]
    pub api_groups: Vec<String>,
    /// Versions, `*` allowed alone.
    #[serde(deserialize_with = "nullable")]
    pub api_versions: Vec<String>,
    /// Kinds, `*` allowed alone.
    #[serde(deserialize_with = "nullable")]
    pub kinds: Vec<String>,
}

resource! {
    /// Interprets one kind by scripts.
    ResourceInterpreterCustomization {
        "config.karmada.io" / "v1alpha1" / "ResourceInterpreterCustomization",
        plural: "resourceinterpretercustomizations", singular: "resourceinterpretercustomization", scope: Cluster,
        short: ["ric"], categories: ["karmada-io"], status: false,
    }
    /// The kind and the scripts.
    required spec: ResourceInterpreterCustomizationSpec,
}

resource! {
    /// Interprets kinds by asking webhooks.
    ResourceInterpreterWebhookConfiguration {
        "config.karmada.io" / "v1alpha1" / "ResourceInterpreterWebhookConfiguration",
        plural: "resourceinterpreterwebhookconfigurations", singular: "resourceinterpreterwebhookconfiguration", scope: Cluster,
        short: [], categories: [], status: false,
    }
    /// The webhooks.
    required webhooks: Vec<ResourceInterpreterWebhook>,
}
