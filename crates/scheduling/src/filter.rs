//! Which clusters may be used at all, and how welcome they are.
//!
//! Each filter is one rule under its plugin name; they run in the order below and the first refusal
//! stands. Upstream: [`pkg/scheduler/framework/plugins`].
//!
//! [`pkg/scheduler/framework/plugins`]: https://github.com/karmada-io/karmada/tree/master/pkg/scheduler/framework/plugins

use std::fmt;

use api::cluster::Cluster;
use api::meta::{Taint, Toleration};
use estimation::{keeps_away, tolerates};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// A plugin of the scheduler, under the name that `--plugins` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    /// The cluster serves the kind.
    ApiEnablement,
    /// The placement tolerates the cluster's taints.
    TaintToleration,
    /// The placement's affinity matches the cluster.
    ClusterAffinity,
    /// The cluster has the properties that replicas are spread by.
    SpreadConstraint,
    /// Clusters that hold the workload already are preferred.
    ClusterLocality,
    /// The workload is not being evicted from the cluster.
    ClusterEviction,
    /// Workloads of the same affinity group are in the cluster.
    WorkloadAffinity,
    /// No workload of the same anti-affinity group is in the cluster.
    WorkloadAntiAffinity,
}

impl Plugin {
    /// Every plugin, in the order the filters run.
    pub const ALL: [Self; 8] = [
        Self::ApiEnablement,
        Self::TaintToleration,
        Self::ClusterAffinity,
        Self::SpreadConstraint,
        Self::ClusterLocality,
        Self::ClusterEviction,
        Self::WorkloadAffinity,
        Self::WorkloadAntiAffinity,
    ];

    /// The name in flags, metrics and traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiEnablement => "APIEnablement",
            Self::TaintToleration => "TaintToleration",
            Self::ClusterAffinity => "ClusterAffinity",
            Self::SpreadConstraint => "SpreadConstraint",
            Self::ClusterLocality => "ClusterLocality",
            Self::ClusterEviction => "ClusterEviction",
            Self::WorkloadAffinity => "WorkloadAffinity",
            Self::WorkloadAntiAffinity => "WorkloadAntiAffinity",
        }
    }
}

/// The plugins in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugins(u8);

impl Plugins {
    /// No plugin at all.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn insert(&mut self, plugin: Plugin) {
        self.0 |= bit(plugin);
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Plugin> {
        Plugin::ALL.into_iter().filter(move |plugin| self.has(*plugin))
    }
}

impl Default for Plugins {
    /// All but those behind a feature gate.
    fn default() -> Self {
        let gated = [Plugin::WorkloadAffinity, Plugin::WorkloadAntiAffinity];
        Self(Plugin::ALL.into_iter().filter(|p| !gated.contains(p)).fold(0, |set, p| set | bit(p)))
    }
}

fn bit(plugin: Plugin) -> u8 {
    1 << plugin as u8
}

impl Plugins {
    /// Reads the list of `--plugins`: `*` anywhere for every plugin, then from left to right a name to add
    /// one, `-name` to take one out. A name to take out while there is nothing to take it from does nothing.
    ///
    /// # Errors
    /// The first name that is not a plugin's.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let list: Vec<&str> = list.into_iter().map(str::trim).filter(|entry| !entry.is_empty()).collect();
        let mut plugins = if list.contains(&"*") { u8::MAX } else { 0 };
        for entry in list.into_iter().filter(|entry| *entry != "*") {
            let name = entry.trim_start_matches('-');
            let plugin = Plugin::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| name.to_owned())?;
            if name.len() == entry.len() {
                plugins |= bit(plugin);
            } else {
                plugins &= !bit(plugin);
            }
        }
        Ok(Self(plugins))
    }

    /// These plugins without those behind the gate `WorkloadAffinity`.
    #[must_use]
    pub fn without_workload_affinity(self) -> Self {
        Self(self.0 & !bit(Plugin::WorkloadAffinity) & !bit(Plugin::WorkloadAntiAffinity))
    }

    /// Whether a plugin is in use.
    pub fn has(self, plugin: Plugin) -> bool {
        self.0 & bit(plugin) != 0
    }
}

/// Why a cluster was refused, in a form that costs nothing to note down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Deleting,
    NoApi,
    /// Index of the first taint that is not tolerated.
    Taint(u32),
    Affinity,
    NoProperty(&'static str),
    Evicting,
    ApartFromGroup,
    TogetherWithGroup,
}

impl Cause {
    /// The cause in full.
    pub(crate) fn refusal(self, cluster: &Cluster) -> Refusal {
        match self {
            Self::Deleting => Refusal::Deleting,
            Self::NoApi => Refusal::NoApi,
            Self::Taint(at) => {
                Refusal::Taint(cluster.spec.taints.get(at as usize).map(taint_text).unwrap_or_default())
            }
            Self::Affinity => Refusal::Affinity,
            Self::NoProperty(property) => Refusal::NoProperty(property),
            Self::Evicting => Refusal::Evicting,
            Self::ApartFromGroup => Refusal::ApartFromGroup,
            Self::TogetherWithGroup => Refusal::TogetherWithGroup,
        }
    }

    /// The cause in a word or two.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deleting => "being deleted",
            Self::NoApi => "missing API",
            Self::Taint(_) => "untolerated taint",
            Self::Affinity => "affinity",
            Self::NoProperty(_) => "missing property",
            Self::Evicting => "eviction",
            Self::ApartFromGroup => "workload affinity",
            Self::TogetherWithGroup => "workload anti-affinity",
        }
    }
}

/// Why a cluster was refused. The text is what users read, counted, in the `Scheduled` condition, and it
/// is upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The cluster is being removed. Not counted: it is as good as gone.
    Deleting,
    /// The cluster does not serve the kind, or has not said so.
    NoApi,
    /// The cluster has a taint that is not tolerated.
    Taint(String),
    /// The affinity does not match.
    Affinity,
    /// The cluster lacks the property that replicas are spread by.
    NoProperty(&'static str),
    /// The workload is being evicted from it.
    Evicting,
    /// Another workload of the affinity group is not there.
    ApartFromGroup,
    /// Another workload of the anti-affinity group is there.
    TogetherWithGroup,
}

impl Refusal {
    /// Who refused.
    pub fn plugin(&self) -> &'static str {
        match self {
            Self::Deleting => "the cluster itself",
            Self::NoApi => Plugin::ApiEnablement.name(),
            Self::Taint(_) => Plugin::TaintToleration.name(),
            Self::Affinity => Plugin::ClusterAffinity.name(),
            Self::NoProperty(_) => Plugin::SpreadConstraint.name(),
            Self::Evicting => Plugin::ClusterEviction.name(),
            Self::ApartFromGroup => Plugin::WorkloadAffinity.name(),
            Self::TogetherWithGroup => Plugin::WorkloadAntiAffinity.name(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleting => f.write_str("cluster(s) is being deleted"),
            Self::NoApi => f.write_str("cluster(s) did not have the API resource"),
            Self::Taint(taint) => write!(f, "cluster(s) had untolerated taint {{{taint}}}"),
            Self::Affinity => {
                f.write_str("cluster(s) did not match the placement cluster affinity constraint")
            }
            Self::NoProperty(property) => write!(f, "cluster(s) did not have {property} property"),
            Self::Evicting => f.write_str("cluster(s) is in the process of eviction"),
            Self::ApartFromGroup => {
                f.write_str("ResourceBinding with the same affinity group does not target this cluster")
            }
            Self::TogetherWithGroup => {
                f.write_str("cluster already has workload with the same anti-affinity group")
            }
        }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut refusal = serializer.serialize_struct("Refusal", 2)?;
        refusal.serialize_field("plugin", self.plugin())?;
        refusal.serialize_field("reason", &self.to_string())?;
        refusal.end()
    }
}

/// Place of the first taint that keeps new workloads away and is not tolerated.
pub(crate) fn untolerated(taints: &[Taint], tolerations: &[Toleration]) -> Option<usize> {
    taints.iter().position(|taint| {
        keeps_away(taint) && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
    })
}

/// A taint as Kubernetes writes it: `key=value:effect`.
pub(crate) fn taint_text(taint: &Taint) -> String {
    let Taint { key, value, effect, .. } = taint;
    if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_list_takes_stars_names_and_exceptions() {
        let all = Plugins::parse(["*"]).unwrap();
        assert!(Plugin::ALL.into_iter().all(|p| all.has(p)));
        let some = Plugins::parse(["*", "-ClusterLocality"]).unwrap();
        assert!(some.has(Plugin::ApiEnablement) && !some.has(Plugin::ClusterLocality));
        let one = Plugins::parse(["TaintToleration"]).unwrap();
        assert!(one.has(Plugin::TaintToleration) && !one.has(Plugin::ClusterAffinity));
        assert_eq!(Plugins::parse(["*", "-Nonsense"]), Err("Nonsense".to_owned()));
        assert_eq!(Plugins::parse(["-ClusterLocality", "*"]), Ok(some), "a star counts wherever it stands");
        let again = Plugins::parse(["*", "-ClusterLocality", "ClusterLocality"]);
        assert_eq!(again, Ok(all), "then names count from left to right");
        assert_eq!(Plugins::parse(["TaintToleration", "-TaintToleration"]), Ok(Plugins::NONE));
        assert_eq!(Plugins::parse([]), Ok(Plugins::NONE));
        assert_eq!(all.without_workload_affinity(), Plugins::default());
    }

    #[test]
    fn tolerations_cover_taints_as_in_kubernetes() {
        let taint = |value: &str, effect: &str| Taint {
            key: "k".into(),
            value: value.into(),
            effect: effect.into(),
            ..Taint::default()
        };
        let tolerates = |key: &str, operator: &str, value: &str, effect: &str, taint: Taint| {
            let toleration = Toleration {
                key: key.into(),
                operator: operator.into(),
                value: value.into(),
                effect: effect.into(),
                ..Toleration::default()
            };
            untolerated(&[taint], &[toleration]).is_none()
        };
        assert!(tolerates("k", "", "v", "", taint("v", "NoSchedule")));
        assert!(tolerates("k", "Equal", "v", "NoSchedule", taint("v", "NoSchedule")));
        assert!(tolerates("k", "Exists", "", "", taint("v", "NoExecute")));
        assert!(tolerates("", "Exists", "", "", taint("v", "NoExecute")));
        assert!(!tolerates("k", "Equal", "w", "", taint("v", "NoSchedule")));
        assert!(!tolerates("k", "Exists", "", "NoExecute", taint("v", "NoSchedule")));
        assert!(!tolerates("other", "Exists", "", "", taint("v", "NoSchedule")));
        assert!(!tolerates("k", "Gt", "v", "", taint("v", "NoSchedule")));
        assert!(
            tolerates("other", "", "", "", taint("v", "PreferNoSchedule")),
            "a preference refuses nobody"
        );
        assert_eq!(taint_text(&taint("", "NoSchedule")), "k:NoSchedule");
        assert_eq!(taint_text(&taint("v", "NoExecute")), "k=v:NoExecute");
    }
}
