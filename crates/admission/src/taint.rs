//! ClusterTaintPolicy.

use std::collections::BTreeSet;

use api::names::taints;
use api::policy::{ClusterTaintPolicy, TaintConditionMatch};
use machinery::{Cause, names};
use serde_json::json;

use crate::{Denial, Validation, World, fields, placement};

/// Refuses taints that would be there twice, and evicting ones unless they are allowed.
pub(crate) fn validate(request: &Validation<'_>, world: &World<'_>) -> Result<(), Denial> {
    let policy: ClusterTaintPolicy = request.parse()?;
    let spec = &policy.spec;
    let mut causes = placement::field_selector(
        spec.target_clusters.as_ref().and_then(|a| a.field_selector.as_ref()),
        "spec.targetClusters",
    );
    causes.extend(conditions(&spec.add_on_conditions, "spec.addOnConditions"));
    causes.extend(conditions(&spec.remove_on_conditions, "spec.removeOnConditions"));
    let mut seen = BTreeSet::new();
    for (i, taint) in spec.taints.iter().enumerate() {
        let path = format!("spec.taints[{i}]");
        causes.extend(fields::key(&format!("{path}.key"), &taint.key));
        causes.extend(fields::invalid(
            &format!("{path}.value"),
            &taint.value,
            names::label_value(&taint.value),
        ));
        causes.extend(placement::taint_effect(&format!("{path}.effect"), &taint.effect));
        if taint.effect == taints::NO_EXECUTE && !world.options.allow_no_execute_taint_policy {
            causes.push(Cause::forbidden(
                format!("{path}.effect"),
                "NoExecute evicts workloads and must be allowed with --allow-no-execute-taint-policy",
            ));
        }
        if !seen.insert((&taint.key, &taint.effect)) {
            causes.push(Cause::duplicate(path, &json!({ "key": taint.key, "effect": taint.effect })));
        }
    }
    Denial::unless_empty(causes)
}

fn conditions(matches: &[TaintConditionMatch], path: &str) -> Vec<Cause> {
    let operators = ["In", "NotIn"];
    let unknown = |(i, m): (usize, &TaintConditionMatch)| {
        let path = format!("{path}[{i}].operator");
        (!operators.contains(&m.operator.as_str()))
            .then(|| Cause::not_supported(path, &json!(m.operator), &operators))
    };
    matches.iter().enumerate().filter_map(unknown).collect()
}
