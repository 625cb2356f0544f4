//! Overrides: what is changed in the copy for a cluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ClusterAffinity, ResourceSelector};
use crate::meta::{AnyJson, is_default, nullable};

/// Which objects an override policy changes, and how, per cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OverrideSpec {
    /// Objects to override; absent = every object (in the namespace for OverridePolicy).
    #[serde(skip_serializing_if = "is_default")]
    pub resource_selectors: Vec<ResourceSelector>,
    /// Ordered rules; all that match a cluster are applied in order.
    #[serde(skip_serializing_if = "is_default")]
    pub override_rules: Vec<RuleWithCluster>,
    /// Deprecated, goes with spec.overriders.
    #[serde(skip_serializing_if = "is_default")]
    pub target_cluster: Option<ClusterAffinity>,
    /// Deprecated single-rule form; exclusive with overrideRules.
    #[serde(skip_serializing_if = "is_default")]
    pub overriders: Overriders,
}

/// Changes for some clusters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RuleWithCluster {
    /// For which clusters; absent = all.
    #[serde(skip_serializing_if = "is_default")]
    pub target_cluster: Option<ClusterAffinity>,
    /// What to change.
    pub overriders: Overriders,
}

/// Changes to an object, in the order in which they are listed, but for `plaintext`, which comes
/// last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Overriders {
    /// Generic JSON-patch like operations.
    #[serde(skip_serializing_if = "is_default")]
    pub plaintext: Vec<PlaintextOverrider>,
    /// Change image parts.
    #[serde(skip_serializing_if = "is_default")]
    pub image_overrider: Vec<ImageOverrider>,
    /// Change container command.
    #[serde(skip_serializing_if = "is_default")]
    pub command_overrider: Vec<CommandArgsOverrider>,
    /// Change container args.
    #[serde(skip_serializing_if = "is_default")]
    pub args_overrider: Vec<CommandArgsOverrider>,
    /// Change labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels_overrider: Vec<LabelAnnotationOverrider>,
    /// Change annotations.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations_overrider: Vec<LabelAnnotationOverrider>,
    /// Patch inside a string field that itself holds JSON or YAML.
    #[serde(skip_serializing_if = "is_default")]
    pub field_overrider: Vec<FieldOverrider>,
}

/// What an overrider does to the value it finds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OverriderOperator {
    /// Add to what is there.
    #[default]
    Add,
    /// Take away.
    Remove,
    /// Set what exists.
    Replace,
}

/// A JSON patch operation on the object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlaintextOverrider {
    /// JSON pointer.
    pub path: String,
    /// JSON patch op.
    pub operator: OverriderOperator,
    /// Value; must be empty for remove.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "AnyJson")]
    pub value: Option<Value>,
}

/// A change to a part of container images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageOverrider {
    /// Which field holds the image; absent = all containers and initContainers of known pod-bearing
    /// kinds.
    #[serde(skip_serializing_if = "is_default")]
    pub predicate: Option<ImagePredicate>,
    /// Part of the image reference.
    pub component: ImageComponent,
    /// add = append to the part; replace = set; remove = drop.
    pub operator: OverriderOperator,
    /// Text; empty for remove.
    #[serde(skip_serializing_if = "is_default")]
    pub value: String,
}

/// Where in the object the image stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImagePredicate {
    /// JSON pointer to the string field that holds the image.
    pub path: String,
}

/// A part of an image reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ImageComponent {
    /// Host and port in front of the repository.
    #[default]
    Registry,
    /// The path of the image in its registry.
    Repository,
    /// The tag, or the digest.
    Tag,
}

/// A change to a container's command or arguments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CommandArgsOverrider {
    /// Container to change (in Pod, ReplicaSet, Deployment, DaemonSet, StatefulSet, Job, CronJob
    /// templates).
    pub container_name: String,
    /// add appends, remove deletes equal strings.
    pub operator: AddOrRemove,
    /// Strings.
    #[serde(skip_serializing_if = "is_default")]
    pub value: Vec<String>,
}

/// What to do to a list of strings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AddOrRemove {
    /// Add to what is there.
    #[default]
    Add,
    /// Take away.
    Remove,
}

/// A change to labels or annotations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelAnnotationOverrider {
    /// add = only missing keys; replace = only existing keys; remove = delete keys.
    pub operator: OverriderOperator,
    /// Key/value pairs (values ignored for remove).
    #[serde(deserialize_with = "nullable")]
    pub value: BTreeMap<String, String>,
}

/// A change inside a string field that itself holds JSON or YAML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldOverrider {
    /// JSON pointer to a string field.
    pub field_path: String,
    /// Operations when the text is JSON.
    #[serde(skip_serializing_if = "is_default")]
    pub json: Vec<PatchOperation>,
    /// Operations when the text is YAML. Exactly one of json/yaml.
    #[serde(skip_serializing_if = "is_default")]
    pub yaml: Vec<PatchOperation>,
}

/// A JSON patch operation on a document inside a string field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PatchOperation {
    /// JSON pointer inside the embedded document.
    pub sub_path: String,
    /// Operation.
    pub operator: OverriderOperator,
    /// New value; forbidden for remove, required otherwise.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "AnyJson")]
    pub value: Option<Value>,
}
