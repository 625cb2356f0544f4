//! Override policies applied to a manifest on its way to a cluster.
//!
//! Cluster-scoped policies come first, then those of the object's namespace; within each, see
//! [`matching::selected_overrides`]. Every rule of a policy whose target clusters include the cluster is
//! applied in the order listed, and inside a rule: images, commands, arguments, labels, annotations, fields
//! with documents in them, and last the plain patch. Each change sees the result of the one before.
//!
//! A failure leaves the manifest as it was.

mod containers;
mod image;
mod patch;

use api::cluster::Cluster;
use api::policy::{LabelAnnotationOverrider, Override, OverriderOperator, Overriders, RuleWithCluster};
use api::{Scope, names};
use machinery::Object;
use serde::{Deserialize, Serialize};

pub use image::Image;

/// One rule that was applied, as the annotations on a Work record it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedOverride {
    /// Name of the policy.
    pub policy_name: String,
    /// What it changed.
    pub overriders: Overriders,
}

/// What was applied to a manifest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Applied {
    /// Rules of ClusterOverridePolicies, by policy name.
    pub cluster: Vec<AppliedOverride>,
    /// Rules of OverridePolicies, by policy name.
    pub namespaced: Vec<AppliedOverride>,
}

impl Applied {
    /// Whether nothing was applied.
    pub fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.namespaced.is_empty()
    }

    /// The annotations that record this on a Work: key and JSON list. Nothing applied, no annotation.
    pub fn annotations(&self) -> Vec<(&'static str, String)> {
        [
            (names::annotations::APPLIED_CLUSTER_OVERRIDES, &self.cluster),
            (names::annotations::APPLIED_OVERRIDES, &self.namespaced),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(key, list)| (key, serde_json::to_string(list).expect("overriders are plain data")))
        .collect()
    }
}

/// Why a manifest could not be changed as a policy asks.
#[derive(Debug, thiserror::Error)]
#[error("cannot apply {what} of {kind} {policy}")]
pub struct Error {
    /// Kind of the policy.
    pub kind: &'static str,
    /// Name of the policy.
    pub policy: String,
    /// Which list of the rule.
    pub what: &'static str,
    /// What went wrong.
    pub source: Problem,
}

/// What goes wrong with one change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is nothing at the path, or the way there is blocked.
    #[error("there is no {wanted} at {path:?}")]
    Missing {
        /// What should be there.
        wanted: &'static str,
        /// JSON pointer.
        path: String,
    },
    /// The image reference does not follow the grammar.
    #[error("{image:?} is not an image reference")]
    Image {
        /// The text.
        image: String,
    },
    /// A patch operation failed.
    #[error("operation {index} at {path:?} failed: {reason}")]
    Patch {
        /// Which operation of the list, from 0.
        index: usize,
        /// JSON pointer.
        path: String,
        /// Why.
        reason: String,
    },
    /// The text of a field is not the document it should be.
    #[error("the text at {path:?} is not {format}: {reason}")]
    Document {
        /// JSON pointer.
        path: String,
        /// JSON or YAML.
        format: &'static str,
        /// Why.
        reason: String,
    },
}

/// Changes a manifest for a cluster by every policy that selects it, and says what was applied.
///
/// The policies may be all there are; selecting and ordering them happens here. Objects without a namespace
/// are changed by cluster policies only.
///
/// # Errors
/// The first change that cannot be made; the manifest is then unchanged.
pub fn apply<'a>(
    manifest: &mut Object,
    cluster: &Cluster,
    cluster_policies: impl IntoIterator<Item = &'a Override>,
    policies: impl IntoIterator<Item = &'a Override>,
) -> Result<Applied, Error> {
    let mut selected = matching::selected_overrides(cluster_policies, manifest);
    if !manifest.namespace().is_empty() {
        selected.extend(matching::selected_overrides(policies, manifest));
    }
    let rules: Vec<(&Override, &Overriders)> = selected
        .into_iter()
        .flat_map(|policy| rules_for(policy, cluster).map(move |overriders| (policy, overriders)))
        .collect();
    if rules.is_empty() {
        return Ok(Applied::default());
    }
    let mut changed = manifest.clone();
    let mut applied = Applied::default();
    for (policy, overriders) in rules {
        apply_overriders(&mut changed, overriders).map_err(|(what, source)| Error {
            kind: policy.kind().kind,
            policy: policy.metadata.name.clone(),
            what,
            source,
        })?;
        let list = match policy.scope {
            Scope::Cluster => &mut applied.cluster,
            Scope::Namespaced => &mut applied.namespaced,
        };
        list.push(AppliedOverride {
            policy_name: policy.metadata.name.clone(),
            overriders: overriders.clone(),
        });
    }
    applied.cluster.sort_by(|a, b| a.policy_name.cmp(&b.policy_name));
    applied.namespaced.sort_by(|a, b| a.policy_name.cmp(&b.policy_name));
    *manifest = changed;
    Ok(applied)
}

/// The changes a policy makes for a cluster. A policy with rules has no use for the older pair of fields.
pub fn rules_for<'a>(policy: &'a Override, cluster: &Cluster) -> impl Iterator<Item = &'a Overriders> {
    let spec = &policy.spec;
    let rules = spec
        .override_rules
        .iter()
        .filter(|RuleWithCluster { target_cluster, .. }| {
            matching::targets_cluster(target_cluster.as_ref(), cluster)
        })
        .map(|rule| &rule.overriders);
    let older = (spec.override_rules.is_empty()
        && spec.overriders != Overriders::default()
        && matching::targets_cluster(spec.target_cluster.as_ref(), cluster))
    .then_some(&spec.overriders);
    rules.collect::<Vec<_>>().into_iter().chain(older)
}

type Failed = (&'static str, Problem);

/// Makes all changes of one rule, in their fixed order.
fn apply_overriders(object: &mut Object, overriders: &Overriders) -> Result<(), Failed> {
    for overrider in &overriders.image_overrider {
        image::apply(object, overrider).map_err(|p| ("imageOverrider", p))?;
    }
    for overrider in &overriders.command_overrider {
        containers::edit_list(object, "command", overrider).map_err(|p| ("commandOverrider", p))?;
    }
    for overrider in &overriders.args_overrider {
        containers::edit_list(object, "args", overrider).map_err(|p| ("argsOverrider", p))?;
    }
    for overrider in &overriders.labels_overrider {
        edit_labels(object, overrider);
    }
    for overrider in &overriders.annotations_overrider {
        edit_annotations(object, overrider);
    }
    for overrider in &overriders.field_overrider {
        patch::edit_field(object, overrider).map_err(|p| ("fieldOverrider", p))?;
    }
    patch::plaintext(object, &overriders.plaintext).map_err(|p| ("plaintext", p))
}

/// Adds, replaces or removes labels. Adding overwrites; the other two act on labels that are there.
fn edit_labels(object: &mut Object, overrider: &LabelAnnotationOverrider) {
    for (key, value) in &overrider.value {
        match overrider.operator {
            OverriderOperator::Add => object.set_label(key, value),
            OverriderOperator::Replace if object.label(key).is_some() => object.set_label(key, value),
            OverriderOperator::Replace => {}
            OverriderOperator::Remove => {
                object.remove_label(key);
            }
        }
    }
}

/// [`edit_labels`] for annotations.
fn edit_annotations(object: &mut Object, overrider: &LabelAnnotationOverrider) {
    for (key, value) in &overrider.value {
        match overrider.operator {
            OverriderOperator::Add => object.set_annotation(key, value),
            OverriderOperator::Replace if object.annotation(key).is_some() => {
                object.set_annotation(key, value)
            }
            OverriderOperator::Replace => {}
            OverriderOperator::Remove => {
                object.remove_annotation(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
