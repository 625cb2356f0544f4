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
mod tree;
mod why;
mod yaml;

use api::cluster::Cluster;
use api::names;
use api::policy::{ClusterAffinity, LabelAnnotationOverrider, Override, OverriderOperator, Overriders};
use machinery::{Object, ObjectKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use image::Image;
pub use why::{Judgement, RuleJudgement, explain};

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
#[error("cannot apply {} of {kind} {policy}", field_of(*.rule, .list, *.item))]
pub struct Error {
    /// Kind of the policy.
    pub kind: &'static str,
    /// Namespace and name of the policy.
    pub policy: ObjectKey,
    /// Place of the rule in `spec.overrideRules`; absent for the older pair of fields.
    pub rule: Option<usize>,
    /// Which list of the rule, such as `imageOverrider`.
    pub list: &'static str,
    /// Place in that list.
    pub item: usize,
    /// What went wrong.
    pub source: Box<Problem>,
}

impl Error {
    /// The field of the policy that could not be applied.
    pub fn field(&self) -> String {
        field_of(self.rule, self.list, self.item)
    }
}

fn field_of(rule: Option<usize>, list: &str, item: usize) -> String {
    match rule {
        Some(rule) => format!("spec.overrideRules[{rule}].overriders.{list}[{item}]"),
        None => format!("spec.overriders.{list}[{item}]"),
    }
}

/// What goes wrong with one change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is nothing at the path, or the way there is blocked.
    #[error("there is no {wanted} at {path:?}: {reason}")]
    Missing {
        /// What should be there.
        wanted: &'static str,
        /// JSON pointer.
        path: String,
        /// Where the way ends.
        reason: String,
    },
    /// The image reference does not follow the grammar.
    #[error("{image:?} is not an image reference")]
    Image {
        /// The text.
        image: String,
    },
    /// A patch operation failed.
    #[error("the operation at {path:?} failed: {reason}")]
    Patch {
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
/// are changed by cluster policies only. Policies of the namespace see, and are selected by, the manifest as
/// the cluster policies leave it.
///
/// # Errors
/// The first change that cannot be made; the manifest is then unchanged.
pub fn apply<'a>(
    manifest: &mut Object,
    cluster: &Cluster,
    cluster_policies: impl IntoIterator<Item = &'a Override>,
    policies: impl IntoIterator<Item = &'a Override>,
) -> Result<Applied, Error> {
    let mut copy = Copy { original: manifest, changed: None };
    let mut applied = Applied { cluster: copy.apply(cluster, cluster_policies)?, namespaced: Vec::new() };
    if !copy.current().namespace().is_empty() {
        applied.namespaced = copy.apply(cluster, policies)?;
    }
    if let Some(changed) = copy.changed {
        *manifest = changed;
    }
    Ok(applied)
}

/// A manifest that is copied when the first change is made.
struct Copy<'a> {
    original: &'a Object,
    changed: Option<Object>,
}

impl Copy<'_> {
    fn current(&self) -> &Object {
        self.changed.as_ref().unwrap_or(self.original)
    }

    /// Makes the changes of all policies of one kind, and records them by the names of the policies.
    fn apply<'p>(
        &mut self,
        cluster: &Cluster,
        policies: impl IntoIterator<Item = &'p Override>,
    ) -> Result<Vec<AppliedOverride>, Error> {
        let mut applied = Vec::new();
        for policy in matching::selected_overrides(policies, self.current()) {
            for Rule { index, overriders, .. } in rules(policy).filter(|rule| rule.is_for(cluster)) {
                if *overriders != Overriders::default() {
                    let object = self.changed.get_or_insert_with(|| self.original.clone());
                    apply_overriders(object, overriders).map_err(|(list, item, source)| Error {
                        kind: policy.kind().kind,
                        policy: policy.metadata.key(),
                        rule: index,
                        list,
                        item,
                        source: Box::new(source),
                    })?;
                }
                applied.push(AppliedOverride {
                    policy_name: policy.metadata.name.clone(),
                    overriders: overriders.clone(),
                });
            }
        }
        applied.sort_by(|a, b| a.policy_name.cmp(&b.policy_name));
        Ok(applied)
    }
}

/// One rule of a policy.
struct Rule<'a> {
    /// Place in `spec.overrideRules`; absent for the older pair of fields.
    index: Option<usize>,
    target: Option<&'a ClusterAffinity>,
    overriders: &'a Overriders,
}

impl Rule<'_> {
    fn is_for(&self, cluster: &Cluster) -> bool {
        matching::targets_cluster(self.target, cluster)
    }
}

/// The rules of a policy in their order. A policy with rules has no use for the older pair of fields, which
/// without them is its one rule.
fn rules(policy: &Override) -> impl Iterator<Item = Rule<'_>> {
    let spec = &policy.spec;
    let rules = spec.override_rules.iter().enumerate().map(|(index, rule)| Rule {
        index: Some(index),
        target: rule.target_cluster.as_ref(),
        overriders: &rule.overriders,
    });
    let older = Rule { index: None, target: spec.target_cluster.as_ref(), overriders: &spec.overriders };
    rules.chain(spec.override_rules.is_empty().then_some(older))
}

type Failed = (&'static str, usize, Problem);

/// Makes all changes of one rule, in their fixed order.
fn apply_overriders(object: &mut Object, overriders: &Overriders) -> Result<(), Failed> {
    for (i, overrider) in overriders.image_overrider.iter().enumerate() {
        image::apply(object, overrider).map_err(|p| ("imageOverrider", i, p))?;
    }
    for (i, overrider) in overriders.command_overrider.iter().enumerate() {
        containers::edit_list(object, "command", overrider).map_err(|p| ("commandOverrider", i, p))?;
    }
    for (i, overrider) in overriders.args_overrider.iter().enumerate() {
        containers::edit_list(object, "args", overrider).map_err(|p| ("argsOverrider", i, p))?;
    }
    for overrider in &overriders.labels_overrider {
        edit_strings(object, "labels", overrider);
    }
    for overrider in &overriders.annotations_overrider {
        edit_strings(object, "annotations", overrider);
    }
    for (i, overrider) in overriders.field_overrider.iter().enumerate() {
        patch::edit_field(object, overrider).map_err(|p| ("fieldOverrider", i, p))?;
    }
    for (i, overrider) in overriders.plaintext.iter().enumerate() {
        patch::plaintext(object, overrider).map_err(|p| ("plaintext", i, p))?;
    }
    match overriders.plaintext.len() {
        changes @ 1.. if object.kind().is_empty() => Err(("plaintext", changes - 1, without_kind())),
        _ => Ok(()),
    }
}

/// Patches may pass through anything, and must leave something that has a kind.
fn without_kind() -> Problem {
    Problem::Patch { path: "/kind".to_owned(), reason: "it would leave an object without a kind".to_owned() }
}

/// Adds, replaces or removes labels or annotations. Adding overwrites; the other two act on keys that are
/// there. A map that loses its last key stays, empty.
fn edit_strings(object: &mut Object, map: &str, overrider: &LabelAnnotationOverrider) {
    if overrider.value.is_empty() {
        return;
    }
    let metadata = object.metadata_mut();
    if overrider.operator == OverriderOperator::Add && !metadata.get(map).is_some_and(Value::is_object) {
        metadata.insert(map.into(), Map::new().into());
    }
    let Some(strings) = metadata.get_mut(map).and_then(Value::as_object_mut) else { return };
    for (key, value) in &overrider.value {
        match overrider.operator {
            OverriderOperator::Add => drop(strings.insert(key.clone(), value.as_str().into())),
            OverriderOperator::Replace => {
                if let Some(old) = strings.get_mut(key) {
                    *old = value.as_str().into();
                }
            }
            OverriderOperator::Remove => drop(strings.remove(key)),
        }
    }
}

#[cfg(test)]
mod tests;
