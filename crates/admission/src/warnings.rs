//! What is taken although it will hardly do what its writer wants: said as a warning, which kubectl prints.

use api::cluster::Cluster;
use api::config::ResourceInterpreterCustomization;
use api::names::values;
use api::networking::MultiClusterService;
use api::policy::{
    ClusterAffinity, Override, Overriders, Placement, Policy, Preemption, ReplicaDivisionPreference,
    ReplicaSchedulingType, ResourceSelector, SpreadField,
};
use api::{LabelSelector, Resource, gates};
use machinery::{GroupVersionKind, Object};
use serde_json::json;

use crate::config;

/// Whether [`warnings`] may have something to say about a kind: cheap, for every write.
pub fn may_warn(gvk: &GroupVersionKind) -> bool {
    RULES.iter().any(|(group, kinds, _)| *group == gvk.group && kinds.contains(&gvk.kind.as_str()))
}

/// What the writer of an object should know although it is accepted.
pub fn warnings(gvk: &GroupVersionKind, object: &Object) -> Vec<String> {
    let rule =
        RULES.iter().find(|(group, kinds, _)| *group == gvk.group && kinds.contains(&gvk.kind.as_str()));
    rule.and_then(|(_, _, warn)| warn(object)).unwrap_or_default()
}

type Rule = (&'static str, &'static [&'static str], fn(&Object) -> Option<Vec<String>>);

/// The rules by group and kinds; an object that cannot be read is refused elsewhere.
const RULES: &[Rule] = &[
    ("policy.karmada.io", &["PropagationPolicy", "ClusterPropagationPolicy"], propagation),
    ("policy.karmada.io", &["OverridePolicy", "ClusterOverridePolicy"], overriding),
    ("config.karmada.io", &["ResourceInterpreterCustomization"], customization),
    ("networking.karmada.io", &["MultiClusterService"], service),
    ("cluster.karmada.io", &["Cluster"], cluster),
];

fn propagation(object: &Object) -> Option<Vec<String>> {
    let policy = Policy::from_object(object).ok()?;
    let spec = &policy.spec;
    let mut warnings = selectors(&spec.resource_selectors);
    if spec.association {
        warnings.push("spec.association is deprecated and does nothing; use spec.propagateDeps".into());
    }
    let gated = [
        (
            "spec.preemption Always",
            gates::PROPAGATION_POLICY_PREEMPTION,
            spec.preemption == Some(Preemption::Always),
        ),
        (
            "spec.placement.workloadAffinity",
            gates::WORKLOAD_AFFINITY,
            spec.placement.workload_affinity.is_some(),
        ),
    ];
    for (field, gate, _) in gated.into_iter().filter(|(_, _, is_set)| *is_set) {
        warnings.push(format!(
            "{field} acts only where the feature gate {gate} is on, which it is not by default"
        ));
    }
    let scheduler = spec.scheduler_name.as_str();
    if !scheduler.is_empty() && scheduler != values::DEFAULT_SCHEDULER {
        warnings.push(format!(
            "spec.schedulerName: only a scheduler that runs as {scheduler:?} will schedule what this policy selects"
        ));
    }
    warnings.extend(placement(&spec.placement));
    Some(warnings)
}

fn selectors(selectors: &[ResourceSelector]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (i, selector) in selectors.iter().enumerate() {
        let path = format!("spec.resourceSelectors[{i}]");
        let Some(labels) = &selector.label_selector else { continue };
        if !selector.name.is_empty() {
            warnings.push(format!("{path}.labelSelector has no effect, because the selector has a name"));
        } else {
            warnings.extend(impossible_labels(labels, &path));
        }
    }
    warnings
}

/// A label selector Kubernetes would not take selects nothing.
fn impossible_labels(labels: &LabelSelector, path: &str) -> Option<String> {
    let problem = machinery::LabelSelector::from_object(&json!(labels)).err()?;
    Some(format!("{path}.labelSelector selects nothing: {problem}"))
}

fn affinity(affinity: &ClusterAffinity, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(affinity.label_selector.as_ref().and_then(|labels| impossible_labels(labels, path)));
    for name in affinity.cluster_names.iter().filter(|name| affinity.exclude.contains(name)) {
        warnings.push(format!("{path} names cluster {name} and excludes it; excluding wins"));
    }
    let expressions = affinity.field_selector.iter().flat_map(|selector| &selector.match_expressions);
    for (i, _) in expressions.enumerate().filter(|(_, expression)| expression.values.is_empty()) {
        warnings.push(format!("{path}.fieldSelector.matchExpressions[{i}] has no values"));
    }
    warnings
}

fn placement(placement: &Placement) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(one) = &placement.cluster_affinity {
        warnings.extend(affinity(one, "spec.placement.clusterAffinity"));
    }
    for (i, term) in placement.cluster_affinities.iter().enumerate() {
        warnings.extend(affinity(&term.affinity(), &format!("spec.placement.clusterAffinities[{i}]")));
    }
    let by = |field| placement.spread_constraints.iter().position(|c| c.spread_by_field == Some(field));
    if let Some(i) = by(SpreadField::Cluster)
        && by(SpreadField::Region).is_none()
        && placement.spread_constraints[i].max_groups == 0
        && !ignores_spreading(placement)
    {
        warnings.push(format!(
            "spec.placement.spreadConstraints[{i}] lets no cluster be chosen: maxGroups is 0, and has no default"
        ));
    }
    warnings.extend(division(placement));
    warnings
}

/// Fixed weights say for themselves which clusters there are.
fn ignores_spreading(placement: &Placement) -> bool {
    placement.scheduling_type() == ReplicaSchedulingType::Divided
        && placement.replica_scheduling.as_ref().is_some_and(|strategy| {
            strategy.replica_division_preference != Some(ReplicaDivisionPreference::Aggregated)
                && strategy.weight_preference.as_ref().is_none_or(|weights| weights.dynamic_weight.is_none())
        })
}

fn division(placement: &Placement) -> Vec<String> {
    let Some(strategy) = &placement.replica_scheduling else { return Vec::new() };
    let path = "spec.placement.replicaScheduling";
    let mut warnings = Vec::new();
    let weighted = strategy.replica_division_preference != Some(ReplicaDivisionPreference::Aggregated);
    let divided = placement.scheduling_type() == ReplicaSchedulingType::Divided;
    if !divided && strategy.replica_division_preference.is_some() {
        warnings.push(format!("{path}.replicaDivisionPreference has no effect without Divided"));
    }
    if let Some(weights) = &strategy.weight_preference {
        if !divided || !weighted {
            warnings.push(format!("{path}.weightPreference has no effect without Divided and Weighted"));
        } else if weights.dynamic_weight.is_some() && !weights.static_weight_list.is_empty() {
            warnings
                .push(format!("{path}.weightPreference.staticWeightList has no effect beside dynamicWeight"));
        }
    }
    warnings
}

fn overriding(object: &Object) -> Option<Vec<String>> {
    let policy = Override::from_object(object).ok()?;
    let spec = &policy.spec;
    let mut warnings = selectors(&spec.resource_selectors);
    if spec.target_cluster.is_some() || spec.overriders != Overriders::default() {
        warnings.push("spec.targetCluster and spec.overriders are deprecated; use spec.overrideRules".into());
    }
    if let Some(target) = &spec.target_cluster {
        warnings.extend(affinity(target, "spec.targetCluster"));
    }
    for (i, rule) in spec.override_rules.iter().enumerate() {
        if let Some(target) = &rule.target_cluster {
            warnings.extend(affinity(target, &format!("spec.overrideRules[{i}].targetCluster")));
        }
        if rule.overriders == Overriders::default() {
            warnings.push(format!("spec.overrideRules[{i}].overriders changes nothing"));
        }
    }
    Some(warnings)
}

fn customization(object: &Object) -> Option<Vec<String>> {
    let customization = ResourceInterpreterCustomization::from_object(object).ok()?;
    let rules = &customization.spec.customizations;
    let unnamed = config::scripts(rules).filter(|script| !script.source.contains(script.function));
    let mut warnings: Vec<String> = unnamed
        .map(|script| {
            let config::CustomScript { field, function, .. } = script;
            format!("spec.customizations.{field} does not name the function {function}, which is the one that is called")
        })
        .collect();
    if config::scripts(rules).next().is_none() {
        warnings.push("spec.customizations has no script, so nothing is customized".into());
    }
    Some(warnings)
}

fn service(object: &Object) -> Option<Vec<String>> {
    let service = MultiClusterService::from_object(object).ok()?;
    let spec = &service.spec;
    let deprecated = [
        ("range", "providerClusters", spec.range.is_some()),
        ("serviceProvisionClusters", "providerClusters", !spec.service_provision_clusters.is_empty()),
        ("serviceConsumptionClusters", "consumerClusters", !spec.service_consumption_clusters.is_empty()),
    ];
    let set = deprecated.into_iter().filter(|(_, _, is_set)| *is_set);
    Some(set.map(|(old, new, _)| format!("spec.{old} is deprecated; use spec.{new}")).collect())
}

fn cluster(object: &Object) -> Option<Vec<String>> {
    let cluster = Cluster::from_object(object).ok()?;
    let mut warnings = Vec::new();
    if cluster.spec.insecure_skip_tls_verification {
        warnings.push("spec.insecureSkipTLSVerification: the cluster's certificate is not checked".into());
    }
    if !cluster.spec.zone.is_empty() {
        warnings.push("spec.zone is deprecated; use spec.zones".into());
    }
    Some(warnings)
}
