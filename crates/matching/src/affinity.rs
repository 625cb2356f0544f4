//! Cluster affinities against clusters.

use std::cmp::Ordering;
use std::fmt;

use api::LabelSelector;
use api::cluster::Cluster;
use api::policy::{
    ClusterAffinity, ClusterAffinityTerm, FieldSelector, FieldSelectorRequirement, OverflowAffinityTerm,
};
use serde::{Deserialize, Serialize};

use crate::selector::labels_match;

/// The conditions any form of affinity puts on a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Affinity<'a> {
    /// Conditions on labels.
    pub label_selector: Option<&'a LabelSelector>,
    /// Conditions on provider, region and zones.
    pub field_selector: Option<&'a FieldSelector>,
    /// Names, one of which the cluster must have; empty for any.
    pub cluster_names: &'a [String],
    /// Names the cluster must not have.
    pub exclude: &'a [String],
}

macro_rules! affinity_of {
    ($($ty:ty),+) => {$(
        impl<'a> From<&'a $ty> for Affinity<'a> {
            fn from(affinity: &'a $ty) -> Self {
                Self {
                    label_selector: affinity.label_selector.as_ref(),
                    field_selector: affinity.field_selector.as_ref(),
                    cluster_names: &affinity.cluster_names,
                    exclude: &affinity.exclude,
                }
            }
        }
    )+};
}
affinity_of!(ClusterAffinity, ClusterAffinityTerm, OverflowAffinityTerm);

/// Why a cluster is not meant by an affinity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "part", content = "field")]
pub enum ClusterMismatch {
    /// It is on the exclude list.
    Excluded,
    /// Its labels are not the wanted ones.
    Labels,
    /// A field is not the wanted one.
    Field(String),
    /// It is not on the list of names.
    NotListed,
}

impl fmt::Display for ClusterMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excluded => f.write_str("cluster is excluded"),
            Self::Labels => f.write_str("cluster labels differ"),
            Self::Field(key) => write!(f, "cluster {key} differs"),
            Self::NotListed => f.write_str("cluster is not listed"),
        }
    }
}

/// Whether an affinity means a cluster.
///
/// The exclude list wins over everything; then labels, fields and names must all fit. An affinity without
/// conditions means every cluster.
pub fn cluster_matches<'a>(affinity: impl Into<Affinity<'a>>, cluster: &Cluster) -> bool {
    cluster_mismatch(affinity, cluster).is_none()
}

/// [`cluster_matches`] for an affinity that may be absent, which means every cluster.
pub fn targets_cluster(affinity: Option<&ClusterAffinity>, cluster: &Cluster) -> bool {
    affinity.is_none_or(|affinity| cluster_matches(affinity, cluster))
}

/// Why an affinity does not mean a cluster; nothing when it does.
pub fn cluster_mismatch<'a>(affinity: impl Into<Affinity<'a>>, cluster: &Cluster) -> Option<ClusterMismatch> {
    let affinity = affinity.into();
    let name = &cluster.metadata.name;
    if affinity.exclude.contains(name) {
        return Some(ClusterMismatch::Excluded);
    }
    if let Some(selector) = affinity.label_selector
        && !labels_match(selector, |key| cluster.metadata.label(key))
    {
        return Some(ClusterMismatch::Labels);
    }
    let requirements = affinity.field_selector.map(|s| s.match_expressions.as_slice()).unwrap_or_default();
    if let Some(requirement) = requirements.iter().find(|r| !field_matches(r, cluster)) {
        return Some(ClusterMismatch::Field(requirement.key.clone()));
    }
    if !affinity.cluster_names.is_empty() && !affinity.cluster_names.contains(name) {
        return Some(ClusterMismatch::NotListed);
    }
    None
}

/// Whether a field of the cluster fulfils a condition. A cluster has any number of zones, and one provider
/// and region or none; a field of another name is never there.
///
/// Provider and region are compared as labels are, so that a condition Kubernetes would not take selects
/// nothing; zones are compared as lists. Upstream:
/// <https://github.com/karmada-io/karmada/blob/master/pkg/util/selector.go>.
fn field_matches(requirement: &FieldSelectorRequirement, cluster: &Cluster) -> bool {
    let FieldSelectorRequirement { key, operator, values: wanted } = requirement;
    let value = match key.as_str() {
        "zone" => return zones_match(operator, wanted, cluster.zones()),
        "provider" => cluster.spec.provider.as_str(),
        "region" => cluster.spec.region.as_str(),
        _ => "",
    };
    let listed = || !value.is_empty() && wanted.iter().any(|w| w == value);
    match operator.as_str() {
        "In" => listed(),
        "NotIn" => !wanted.is_empty() && !listed(),
        "Exists" => wanted.is_empty() && !value.is_empty(),
        "DoesNotExist" => wanted.is_empty() && value.is_empty(),
        "Gt" => compare(value, wanted) == Some(Ordering::Greater),
        "Lt" => compare(value, wanted) == Some(Ordering::Less),
        _ => false,
    }
}

fn zones_match(operator: &str, wanted: &[String], zones: &[String]) -> bool {
    let listed = || zones.iter().any(|zone| wanted.contains(zone));
    match operator {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => !zones.is_empty(),
        "DoesNotExist" => zones.is_empty(),
        _ => false,
    }
}

/// Compares a field with the one wanted value, both as whole numbers.
fn compare(value: &str, wanted: &[String]) -> Option<Ordering> {
    let [wanted] = wanted else { return None };
    Some(value.parse::<i64>().ok()?.cmp(&wanted.parse::<i64>().ok()?))
}
