//! Rules for where things go: affinities, spread constraints, tolerations.

use std::collections::BTreeSet;

use api::Toleration;
use api::policy::{
    ClusterAffinityTerm, DynamicWeightFactor, FieldSelector, Placement, ReplicaDivisionPreference,
    ReplicaSchedulingType, SpreadConstraint, SpreadField,
};
use machinery::{Cause, names};
use serde_json::{Value, json};

use crate::fields;

/// Everything that is wrong with a placement.
pub(crate) fn validate(placement: &Placement, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if placement.cluster_affinity.is_some() && !placement.cluster_affinities.is_empty() {
        causes.push(Cause::forbidden(
            format!("{path}.clusterAffinities"),
            "clusterAffinity and clusterAffinities cannot be used together",
        ));
    }
    if let Some(affinity) = &placement.cluster_affinity {
        causes.extend(field_selector(affinity.field_selector.as_ref(), &format!("{path}.clusterAffinity")));
    }
    causes.extend(affinities(placement, &format!("{path}.clusterAffinities")));
    causes.extend(spread(&placement.spread_constraints, &format!("{path}.spreadConstraints")));
    causes.extend(tolerations(&placement.cluster_tolerations, &format!("{path}.clusterTolerations")));
    causes.extend(workload_affinity(placement, &format!("{path}.workloadAffinity")));
    causes
}

/// A selector on the fields of clusters. `path` is that of the affinity around it.
pub(crate) fn field_selector(selector: Option<&FieldSelector>, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, requirement) in selector.into_iter().flat_map(|s| &s.match_expressions).enumerate() {
        let path = format!("{path}.fieldSelector.matchExpressions[{i}]");
        let keys = ["provider", "region", "zone"];
        if !keys.contains(&requirement.key.as_str()) {
            causes.push(Cause::not_supported(format!("{path}.key"), &json!(requirement.key), &keys));
        }
        let operators = ["In", "NotIn"];
        if !operators.contains(&requirement.operator.as_str()) {
            causes.push(Cause::not_supported(
                format!("{path}.operator"),
                &json!(requirement.operator),
                &operators,
            ));
        }
    }
    causes
}

fn affinities(placement: &Placement, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, term) in placement.cluster_affinities.iter().enumerate() {
        let path = format!("{path}[{i}]");
        causes.extend(affinity_name(&term.affinity_name, &mut seen, &path));
        causes.extend(field_selector(term.field_selector.as_ref(), &path));
        causes.extend(overflow(placement, term, &path));
    }
    causes
}

fn affinity_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>, path: &str) -> Vec<Cause> {
    let path = format!("{path}.affinityName");
    let mut causes = fields::key(&path, name);
    if !seen.insert(name) {
        causes.push(Cause::duplicate(path, &json!(name)));
    }
    causes
}

fn overflow(placement: &Placement, term: &ClusterAffinityTerm, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if term.overflow_affinities.is_empty() {
        return causes;
    }
    let path = format!("{path}.overflowAffinities");
    if !divides_by_room(placement) {
        causes.push(Cause::forbidden(
            path.clone(),
            "needs replicaSchedulingType Divided with replicaDivisionPreference Aggregated or a dynamic weight",
        ));
    }
    if term.affinity().is_empty() {
        causes.push(Cause::forbidden(path.clone(), "needs a primary group that selects clusters"));
    }
    let mut seen = BTreeSet::from([term.affinity_name.as_str()]);
    for (i, extra) in term.overflow_affinities.iter().enumerate() {
        let path = format!("{path}[{i}]");
        causes.extend(affinity_name(&extra.affinity_name, &mut seen, &path));
        causes.extend(field_selector(extra.field_selector.as_ref(), &path));
    }
    causes
}

/// Whether replicas are divided by what clusters have room for, so that a group can overflow.
fn divides_by_room(placement: &Placement) -> bool {
    let Some(strategy) = &placement.replica_scheduling else { return false };
    if placement.scheduling_type() != ReplicaSchedulingType::Divided {
        return false;
    }
    let dynamic = strategy
        .weight_preference
        .as_ref()
        .is_some_and(|w| w.dynamic_weight == Some(DynamicWeightFactor::AvailableReplicas));
    match strategy.replica_division_preference {
        Some(ReplicaDivisionPreference::Aggregated) => true,
        Some(ReplicaDivisionPreference::Weighted) | None => dynamic,
    }
}

fn spread(constraints: &[SpreadConstraint], path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, constraint) in constraints.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let SpreadConstraint { spread_by_field, spread_by_label, max_groups, min_groups } = constraint;
        if spread_by_field.is_some() && !spread_by_label.is_empty() {
            causes.push(Cause::forbidden(
                format!("{path}.spreadByLabel"),
                "spreadByField and spreadByLabel cannot be used together",
            ));
        }
        for (name, value) in [("minGroups", min_groups), ("maxGroups", max_groups)] {
            if *value < 0 {
                let path = format!("{path}.{name}");
                causes.push(Cause::invalid(path, &json!(value), "must be greater than or equal to 0"));
            }
        }
        if *max_groups > 0 && max_groups < min_groups {
            let path = format!("{path}.maxGroups");
            causes.push(Cause::invalid(path, &json!(max_groups), "must not be less than minGroups"));
        }
        if let Some(field) = spread_by_field
            && !seen.insert(*field)
        {
            causes.push(Cause::duplicate(format!("{path}.spreadByField"), &json!(field)));
        }
    }
    if !seen.is_empty() && !seen.contains(&SpreadField::Cluster) {
        causes.push(Cause::required(path, "a constraint by cluster is needed beside those by other fields"));
    }
    causes
}

/// Tolerations as for pods, without the numeric operators: taints of clusters are not compared by size.
fn tolerations(tolerations: &[Toleration], path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, toleration) in tolerations.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Toleration { key, operator, value, effect, toleration_seconds } = toleration;
        if !key.is_empty() {
            causes.extend(fields::key(&format!("{path}.key"), key));
        } else if operator != "Exists" {
            let detail = "must be Exists when `key` is empty, which means all keys and all values";
            causes.push(Cause::invalid(format!("{path}.operator"), &json!(operator), detail));
        }
        if toleration_seconds.is_some() && effect != "NoExecute" {
            let detail = "must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(Cause::invalid(format!("{path}.effect"), &json!(effect), detail));
        }
        match operator.as_str() {
            "" | "Equal" => {
                causes.extend(fields::invalid(&format!("{path}.value"), value, names::label_value(value)));
            }
            "Exists" if !value.is_empty() => {
                let detail = "must be empty when `operator` is 'Exists'";
                causes.push(Cause::invalid(format!("{path}.value"), &json!(value), detail));
            }
            "Exists" => {}
            _ => {
                let path = format!("{path}.operator");
                causes.push(Cause::not_supported(path, &json!(operator), &["Equal", "Exists"]));
            }
        }
        if !effect.is_empty() {
            causes.extend(taint_effect(&format!("{path}.effect"), effect));
        }
    }
    causes
}

/// The effect of a taint or toleration.
pub(crate) fn taint_effect(path: &str, effect: &str) -> Option<Cause> {
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    (!effects.contains(&effect)).then(|| Cause::not_supported(path, &Value::from(effect), &effects))
}

fn workload_affinity(placement: &Placement, path: &str) -> Vec<Cause> {
    let Some(workload) = &placement.workload_affinity else { return Vec::new() };
    let mut causes = Vec::new();
    for (name, term) in [("affinity", &workload.affinity), ("antiAffinity", &workload.anti_affinity)] {
        if let Some(term) = term {
            causes.extend(fields::key(&format!("{path}.{name}.groupByLabelKey"), &term.group_by_label_key));
        }
    }
    if let (Some(affinity), Some(anti)) = (&workload.affinity, &workload.anti_affinity)
        && affinity.group_by_label_key == anti.group_by_label_key
    {
        causes.push(Cause::invalid(
            format!("{path}.antiAffinity.groupByLabelKey"),
            &json!(anti.group_by_label_key),
            "must differ from the key of affinity",
        ));
    }
    causes
}
