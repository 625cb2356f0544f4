//! What would change the answer. Everything here is worked out from the decision at hand.

use std::collections::BTreeMap;

use api::LabelSelector;
use api::cluster::Cluster;
use api::policy::SpreadField;
use estimation::{keeps_away, tolerates};
use matching::{Affinity, cluster_matches};
use serde::Serialize;

use super::Teller;
use crate::error::Error;
use crate::filter::{Cause, taint_text};
use crate::select::Shortage;
use crate::trace;

/// One thing that would change the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Hint {
    /// A single filter keeps these clusters out.
    #[serde(rename_all = "camelCase")]
    OneFilterAway {
        /// The filter.
        plugin: String,
        /// What would let them pass.
        change: String,
        /// The clusters, by name.
        clusters: Vec<String>,
    },
    /// The clusters hold too few replicas.
    #[serde(rename_all = "camelCase")]
    ReplicasShort {
        /// How many were to be placed.
        needed: i64,
        /// How many fit.
        available: i64,
        /// How many are missing.
        short: i64,
    },
    /// `maxGroups` of clusters keeps out clusters that would have the room.
    #[serde(rename_all = "camelCase")]
    RaiseMaxClusters {
        /// The bound.
        max_groups: i64,
        /// How many of the roomiest clusters hold all replicas together.
        enough: i64,
    },
    /// There are fewer groups than `minGroups` asks for.
    #[serde(rename_all = "camelCase")]
    GroupsShort {
        /// By what clusters are grouped.
        field: SpreadField,
        /// `minGroups`.
        min_groups: i64,
        /// How many groups there are.
        found: i64,
        /// How many are missing.
        short: i64,
    },
    /// The largest groups that may be chosen have fewer clusters than the cluster constraint asks for.
    #[serde(rename_all = "camelCase")]
    ClustersShort {
        /// By what clusters are grouped.
        field: SpreadField,
        /// `minGroups` of the cluster constraint.
        min_clusters: i64,
        /// How many clusters the largest groups have.
        reachable: i64,
        /// How many of the groups hold enough clusters; nothing when not even all of them do.
        enough_groups: Option<i64>,
    },
    /// `maxGroups` of a level is below `minGroups` of the level around it, each group of which needs one.
    #[serde(rename_all = "camelCase")]
    LevelsConflict {
        /// The level around.
        outer: SpreadField,
        /// Its `minGroups`.
        min_groups: i64,
        /// The level inside.
        inner: SpreadField,
        /// Its `maxGroups`.
        max_groups: i64,
    },
    /// The groups of the level around that may be chosen have too few groups of the level inside.
    #[serde(rename_all = "camelCase")]
    GroupsOutOfReach {
        /// The level inside.
        inner: SpreadField,
        /// Its `minGroups`.
        min_groups: i64,
        /// The level around.
        outer: SpreadField,
        /// Its `maxGroups`.
        max_groups: i64,
        /// How many groups inside the largest of these have.
        reachable: i64,
    },
}

/// The names that fit a sentence.
const NAMES_MAX: usize = 5;

impl std::fmt::Display for Hint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OneFilterAway { plugin, change, clusters } => {
                let names = clusters.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
                let more = clusters.len().saturating_sub(NAMES_MAX);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                write!(f, "only {plugin} keeps out {names}{more}: {change}")
            }
            Self::ReplicasShort { needed, available, short } => {
                write!(f, "{short} replicas short: {needed} to place, room for {available}")
            }
            Self::RaiseMaxClusters { max_groups, enough } => {
                write!(f, "{enough} clusters would hold all replicas, but maxGroups is {max_groups}")
            }
            Self::GroupsShort { field, min_groups, found, short } => {
                let field = word(*field);
                write!(f, "{short} {field} groups short: minGroups is {min_groups}, there are {found}")
            }
            Self::ClustersShort { field, min_clusters, reachable, enough_groups } => {
                let field = word(*field);
                write!(f, "{min_clusters} clusters are asked for, the largest allowed {field} groups have ")?;
                match enough_groups {
                    Some(groups) => write!(f, "{reachable}; {groups} groups would have enough"),
                    None => write!(f, "{reachable}, and all groups together have too few"),
                }
            }
            Self::LevelsConflict { outer, min_groups, inner, max_groups } => {
                let (outer, inner) = (word(*outer), word(*inner));
                write!(
                    f,
                    "{min_groups} {outer} groups need as many {inner} groups, but their maxGroups is {max_groups}"
                )
            }
            Self::GroupsOutOfReach { inner, min_groups, outer, max_groups, reachable } => {
                let (outer, inner) = (word(*outer), word(*inner));
                write!(
                    f,
                    "{min_groups} {inner} groups are asked for, the best {max_groups} {outer} groups have {reachable}"
                )
            }
        }
    }
}

pub(super) fn word(field: SpreadField) -> &'static str {
    match field {
        SpreadField::Cluster => "cluster",
        SpreadField::Region => "region",
        SpreadField::Zone => "zone",
        SpreadField::Provider => "provider",
    }
}

impl Teller<'_> {
    pub(super) fn hints(self) -> Vec<Hint> {
        let mut hints = self.shortages();
        hints.extend(self.one_filter_away());
        hints
    }

    pub(super) fn shortages(self) -> Vec<Hint> {
        let mut hints = self.shortage();
        hints.extend(self.replicas_short());
        hints
    }

    fn one_filter_away(self) -> Vec<Hint> {
        let mut clusters_by_change: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        for refused in &self.told.refused {
            let mut by = refused.by.iter();
            if let (Some(plugin), None) = (by.next(), by.next())
                && let Some(change) = self.needs(refused)
            {
                clusters_by_change.entry((plugin.name(), change)).or_default().push(self.name(refused.rank));
            }
        }
        let hint = |((plugin, change), clusters): ((&str, String), Vec<String>)| Hint::OneFilterAway {
            plugin: plugin.to_owned(),
            change,
            clusters,
        };
        clusters_by_change.into_iter().map(hint).collect()
    }

    fn replicas_short(self) -> Option<Hint> {
        let last = self.told.divisions.last()?;
        if !matches!(self.told.failure, Some(Error::Unschedulable(_))) {
            return None;
        }
        let (needed, available) = if last.tier.is_some() {
            let room = self.told.candidates.iter().filter(|c| self.told.selected.contains(&c.rank));
            (self.question.replicas, room.map(|c| c.available()).fold(0, i64::saturating_add))
        } else {
            (last.replicas, last.room?)
        };
        Some(Hint::ReplicasShort { needed, available, short: needed.saturating_sub(available) })
            .filter(|_| available < needed)
    }

    fn shortage(self) -> Vec<Hint> {
        match self.told.selection.shortage {
            Some(Shortage::Groups { field, found, wanted }) => {
                vec![Hint::GroupsShort { field, min_groups: wanted, found, short: wanted - found }]
            }
            Some(Shortage::Room { clusters, found, wanted }) => {
                let short = Hint::ReplicasShort { needed: wanted, available: found, short: wanted - found };
                [Some(short), self.enough_clusters(clusters, wanted)].into_iter().flatten().collect()
            }
            Some(Shortage::Combination) => {
                let mut hints = self.levels_in_the_way();
                hints.extend(self.clusters_short());
                hints
            }
            None => Vec::new(),
        }
    }

    /// How many of the roomiest candidates hold so many replicas, if more than allowed are needed.
    fn enough_clusters(self, max_groups: i64, needed: i64) -> Option<Hint> {
        let mut room: Vec<i64> = self.told.candidates.iter().map(|c| c.available()).collect();
        room.sort_unstable_by(|a, b| b.cmp(a));
        let mut held: i64 = 0;
        let at = room.iter().position(|room| {
            held = held.saturating_add(*room);
            held >= needed
        })?;
        Some(Hint::RaiseMaxClusters { max_groups, enough: at as i64 + 1 })
    }

    /// What two levels ask of each other in vain.
    fn levels_in_the_way(self) -> Vec<Hint> {
        let bounds = |field: SpreadField| {
            let mut constraints = self.question.placement.spread_constraints.iter();
            constraints.rfind(|constraint| constraint.spread_by_field == Some(field))
        };
        let fields = [SpreadField::Provider, SpreadField::Region, SpreadField::Zone];
        let named: Vec<_> = fields.into_iter().filter_map(|field| Some((field, bounds(field)?))).collect();
        let mut hints = Vec::new();
        for pair in named.windows(2) {
            let [(outer, around), (inner, inside)] = pair else { continue };
            if inside.max_groups < around.min_groups {
                hints.push(Hint::LevelsConflict {
                    outer: *outer,
                    min_groups: around.min_groups,
                    inner: *inner,
                    max_groups: inside.max_groups,
                });
            }
            let levels = &self.told.selection.levels;
            let Some(level) = levels.iter().find(|level| level.field == *outer) else { continue };
            let mut counts: Vec<i64> = level.groups.iter().map(|group| group.below).collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let reachable: i64 = counts.iter().take(usize::try_from(around.max_groups).unwrap_or(0)).sum();
            if reachable < inside.min_groups {
                hints.push(Hint::GroupsOutOfReach {
                    inner: *inner,
                    min_groups: inside.min_groups,
                    outer: *outer,
                    max_groups: around.max_groups,
                    reachable,
                });
            }
        }
        hints
    }

    fn clusters_short(self) -> Option<Hint> {
        let constraints = &self.question.placement.spread_constraints;
        let cluster = constraints.iter().rfind(|c| c.spread_by_field == Some(SpreadField::Cluster))?;
        let level = self.told.selection.levels.last()?;
        let mut sizes: Vec<i64> = level.groups.iter().map(|group| group.clusters).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let most = usize::try_from(level.limits.max).unwrap_or(0);
        let reachable: i64 = sizes.iter().take(most).sum();
        if reachable >= cluster.min_groups {
            return None;
        }
        let mut held = 0;
        let enough = sizes.iter().position(|size| {
            held += size;
            held >= cluster.min_groups
        });
        Some(Hint::ClustersShort {
            field: level.field,
            min_clusters: cluster.min_groups,
            reachable,
            enough_groups: enough.map(|at| at as i64 + 1),
        })
    }

    /// What it would take for a cluster to pass the filter that refused it first.
    pub(super) fn needs(self, refused: &trace::Refused) -> Option<String> {
        let cluster = self.question.snapshot.members()[refused.rank as usize].cluster();
        match refused.cause {
            Cause::Deleting => None,
            Cause::NoApi => {
                Some(format!("the cluster must serve {} {}", self.question.api_version, self.question.kind))
            }
            Cause::Taint(_) => Some(self.tolerations(cluster)),
            Cause::Affinity => self.affinity_change(cluster),
            Cause::NoProperty(property) => Some(format!("the cluster must name its {property}")),
            Cause::Evicting => Some("its eviction must have ended".to_owned()),
            Cause::ApartFromGroup => {
                Some("all other workloads of the affinity group must be there".to_owned())
            }
            Cause::TogetherWithGroup => {
                Some("no other workload of the anti-affinity group may be there".to_owned())
            }
        }
    }

    fn tolerations(self, cluster: &Cluster) -> String {
        let tolerations = &self.question.placement.cluster_tolerations;
        let missing = cluster.spec.taints.iter().filter(|taint| {
            keeps_away(taint) && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
        });
        format!("tolerate {}", missing.map(taint_text).collect::<Vec<_>>().join(", "))
    }

    /// What keeps a cluster out of the affinity that was tried.
    fn affinity_change(self, cluster: &Cluster) -> Option<String> {
        let placement = &self.question.placement;
        let affinity: Affinity<'_> = match self.told.term.and_then(|at| placement.cluster_affinities.get(at))
        {
            Some(term) => term.into(),
            None => placement.cluster_affinity.as_ref()?.into(),
        };
        let name = &cluster.metadata.name;
        let mut changes = Vec::new();
        if affinity.exclude.contains(name) {
            changes.push("take it off exclude".to_owned());
        }
        if let Some(selector) = affinity.label_selector {
            changes.extend(label_changes(selector, cluster));
        }
        let fields = affinity.field_selector.map(|s| s.match_expressions.as_slice()).unwrap_or_default();
        for requirement in fields {
            let alone = api::policy::FieldSelector { match_expressions: vec![requirement.clone()] };
            let only = Affinity {
                label_selector: None,
                field_selector: Some(&alone),
                cluster_names: &[],
                exclude: &[],
            };
            if !cluster_matches(only, cluster) {
                let actual = match requirement.key.as_str() {
                    "zone" => cluster.zones().join(","),
                    "provider" => cluster.spec.provider.clone(),
                    "region" => cluster.spec.region.clone(),
                    _ => String::new(),
                };
                changes.push(condition(
                    &requirement.key,
                    &requirement.operator,
                    &requirement.values,
                    &actual,
                ));
            }
        }
        if !affinity.cluster_names.is_empty() && !affinity.cluster_names.contains(name) {
            changes.push("add it to clusterNames".to_owned());
        }
        (!changes.is_empty()).then(|| changes.join(" and "))
    }
}

/// The labels that do not fit.
fn label_changes(selector: &LabelSelector, cluster: &Cluster) -> Vec<String> {
    let label = |key: &str| cluster.metadata.label(key);
    let mut changes = Vec::new();
    for (key, value) in &selector.match_labels {
        if label(key) != Some(value) {
            let actual = label(key).unwrap_or_default();
            changes.push(format!("label {}", condition(key, "In", std::slice::from_ref(value), actual)));
        }
    }
    for requirement in &selector.match_expressions {
        let alone =
            LabelSelector { match_expressions: vec![requirement.clone()], ..LabelSelector::default() };
        if !matching::labels_match(&alone, label) {
            let actual = label(&requirement.key).unwrap_or_default();
            let change = condition(&requirement.key, &requirement.operator, &requirement.values, actual);
            changes.push(format!("label {change}"));
        }
    }
    changes
}

/// `env must be prod (is test)`.
fn condition(key: &str, operator: &str, values: &[String], actual: &str) -> String {
    let values = values.join(" or ");
    let wanted = match operator {
        "In" => format!("be {values}"),
        "NotIn" => format!("not be {values}"),
        "Exists" => "be there".to_owned(),
        "DoesNotExist" => "not be there".to_owned(),
        other => format!("fulfil the unknown operator {other}"),
    };
    let actual = if actual.is_empty() { "is not there".to_owned() } else { format!("is {actual}") };
    format!("{key} must {wanted} ({actual})")
}
