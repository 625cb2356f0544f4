//! Why an override policy changes a manifest on its way to a cluster, or does not: for `karmadactl why`.

use std::fmt;

use api::cluster::Cluster;
use api::policy::Override;
use machinery::Object;
use matching::{ClusterMismatch, Failure, Mismatch, Precision, match_selectors, selector_failures};
use serde::{Deserialize, Serialize};

use crate::rules;

/// What one rule of a policy says about a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleJudgement {
    /// Place of the rule in `spec.overrideRules`; absent for the older pair of fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Why the cluster is not meant; absent when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<ClusterMismatch>,
}

/// What an override policy says about a manifest and a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// `OverridePolicy` or `ClusterOverridePolicy`.
    pub kind: String,
    /// Namespace of the policy; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// How closely it names the object; absent when it does not select it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// What does not fit, of the selector that comes closest; empty when the policy selects the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Its rules, when it selects the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleJudgement>,
}

impl Judgement {
    /// Whether the policy has a rule for the object in the cluster.
    pub fn applies(&self) -> bool {
        self.rules.iter().any(|rule| rule.mismatch.is_none())
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, precision, failures, rules } = self;
        let slash = if namespace.is_empty() { "" } else { "/" };
        write!(f, "{kind} {namespace}{slash}{name}: ")?;
        let Some(precision) = precision else {
            let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
            return write!(f, "does not match, {}", failures.join("; "));
        };
        write!(f, "matches by {precision}")?;
        for RuleJudgement { rule, mismatch } in rules {
            match rule {
                Some(rule) => write!(f, "; rule {rule} ")?,
                None => f.write_str("; its one rule ")?,
            }
            match mismatch {
                None => f.write_str("applies")?,
                Some(mismatch) => write!(f, "does not apply, {mismatch}")?,
            }
        }
        Ok(())
    }
}

/// Says of every policy whether it changes a manifest for a cluster: first those that select the manifest, in
/// the order in which [`crate::apply`] applies them, then the others by name.
///
/// The manifest is judged as it is; a ClusterOverridePolicy that changes labels may change what policies of
/// the namespace select.
pub fn explain<'a>(
    manifest: &Object,
    cluster: &Cluster,
    policies: impl IntoIterator<Item = &'a Override>,
) -> Vec<Judgement> {
    let mut judged: Vec<_> =
        policies.into_iter().map(|policy| (policy, judge(manifest, cluster, policy))).collect();
    judged.sort_by_key(|(policy, judgement)| {
        let scope = std::cmp::Reverse(policy.scope);
        let metadata = &policy.metadata;
        (
            judgement.precision.is_none(),
            scope,
            judgement.precision,
            metadata.name.clone(),
            metadata.namespace.clone(),
        )
    });
    judged.into_iter().map(|(_, judgement)| judgement).collect()
}

fn judge(manifest: &Object, cluster: &Cluster, policy: &Override) -> Judgement {
    let selectors = &policy.spec.resource_selectors;
    let own = &policy.metadata.namespace;
    let mut failures = Vec::new();
    if !own.is_empty() && own != manifest.namespace() {
        failures.push(Failure {
            part: Mismatch::PolicyNamespace,
            key: String::new(),
            wanted: own.clone(),
            actual: Some(manifest.namespace().to_owned()).filter(|n| !n.is_empty()),
        });
    }
    let selected =
        if selectors.is_empty() { Ok(Precision::Kind) } else { match_selectors(selectors, manifest) };
    if selected.is_err() {
        let all = selectors.iter().map(|selector| selector_failures(selector, manifest));
        failures.extend(all.min_by_key(Vec::len).unwrap_or_default());
    }
    let precision = selected.ok().filter(|_| failures.is_empty());
    let rule = |rule: crate::Rule<'_>| RuleJudgement {
        rule: rule.index,
        mismatch: rule.target.and_then(|target| matching::cluster_mismatch(target, cluster)),
    };
    Judgement {
        kind: policy.kind().kind.into(),
        namespace: own.clone(),
        name: policy.metadata.name.clone(),
        precision,
        failures,
        rules: if precision.is_some() { rules(policy).map(rule).collect() } else { Vec::new() },
    }
}
