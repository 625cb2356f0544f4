//! FederatedResourceQuota: the quota itself, and bindings held against it.

use std::collections::BTreeMap;

use api::names::reasons;
use api::policy::FederatedResourceQuota;
use api::work::{Binding, ResourceBindingSpec};
use machinery::{Cause, Quantity, names};
use serde_json::json;

use crate::{Denial, Validation, World, fields};

/// Longest name: it is a label value on Works.
const NAME_LEN_MAX: usize = 63;

/// Resources a quota may limit besides those with a domain in their name:
/// <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.
const COUNTED: &[&str] = &[
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const MEASURED: &[&str] = &[
    "cpu",
    "memory",
    "storage",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

/// Refuses quotas whose parts do not fit into the whole.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let quota: FederatedResourceQuota = request.parse()?;
    let mut causes = Vec::new();
    if quota.metadata.name.len() > NAME_LEN_MAX {
        let detail = format!("must be no more than {NAME_LEN_MAX} characters");
        causes.push(Cause::invalid("metadata.name", &json!(quota.metadata.name), &detail));
    }
    causes.extend(limits(&quota.spec.overall, "spec.overall"));
    let mut assigned: BTreeMap<&str, Quantity> = BTreeMap::new();
    for (i, assignment) in quota.spec.static_assignments.iter().enumerate() {
        let path = format!("spec.staticAssignments[{i}]");
        causes.extend(fields::cluster_name(&format!("{path}.clusterName"), &assignment.cluster_name));
        let path = format!("{path}.hard");
        causes.extend(limits(&assignment.hard, &path));
        for (resource, amount) in &assignment.hard {
            if !quota.spec.overall.contains_key(resource) {
                let detail = "must be a resource of spec.overall";
                causes.push(Cause::invalid(format!("{path}[{resource}]"), &json!(resource), detail));
            }
            if let Ok(amount) = Quantity::parse(amount.as_str()) {
                *assigned.entry(resource).or_insert(Quantity::from_value(0)) += amount;
            }
        }
    }
    for (resource, sum) in assigned {
        let overall = quota.spec.overall.get(resource).and_then(|q| Quantity::parse(q.as_str()).ok());
        if let Some(overall) = overall
            && overall < sum
        {
            let detail = format!("must not be less than the sum of the static assignments, {sum}");
            let path = format!("spec.overall[{resource}]");
            causes.push(Cause::invalid(path, &json!(overall.to_string()), &detail));
        }
    }
    Denial::unless_empty(causes)
}

fn limits(limits: &BTreeMap<String, api::Quantity>, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (resource, amount) in limits {
        let path = format!("{path}[{resource}]");
        causes.extend(resource_name(resource, &path));
        match Quantity::parse(amount.as_str()) {
            Err(error) => causes.push(Cause::invalid(path, &json!(amount), &error.to_string())),
            Ok(quantity) if quantity.is_negative() => {
                causes.push(Cause::invalid(path, &json!(amount), "must be greater than or equal to 0"));
            }
            Ok(quantity)
                if COUNTED.contains(&resource.as_str())
                    && Quantity::from_value(quantity.value()) != quantity =>
            {
                causes.push(Cause::invalid(path, &json!(amount), "must be an integer"));
            }
            Ok(_) => {}
        }
    }
    causes
}

fn resource_name(resource: &str, path: &str) -> Vec<Cause> {
    let causes = fields::invalid(path, resource, names::qualified_name(resource));
    let known = resource.contains('/')
        || COUNTED.contains(&resource)
        || MEASURED.contains(&resource)
        || resource.starts_with("hugepages-")
        || resource.starts_with("requests.hugepages-");
    if causes.is_empty() && !known {
        let detail = "must be a standard resource of quotas, or have a domain in front";
        return vec![Cause::invalid(path, &json!(resource), detail)];
    }
    causes
}

/// What a quota's `status.overallUsed` becomes when a binding is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Namespace of the quota.
    pub namespace: String,
    /// Name of the quota.
    pub name: String,
    /// The new `status.overallUsed`.
    pub overall_used: BTreeMap<String, api::Quantity>,
}

type Usage = BTreeMap<String, Quantity>;

/// Holds a binding against the quotas of its namespace: what each of them would be charged. Changes that
/// use nothing more or less charge nothing.
///
/// # Errors
/// The quota that does not have enough left, with reason `QuotaExceeded`.
pub fn charges(
    binding: &Binding,
    old: Option<&Binding>,
    quotas: &[FederatedResourceQuota],
) -> Result<Vec<Charge>, Denial> {
    let mut delta = usage(&binding.spec);
    for (resource, amount) in old.map(|old| usage(&old.spec)).unwrap_or_default() {
        *delta.entry(resource).or_insert(Quantity::from_value(0)) -= amount;
    }
    delta.retain(|_, amount| !amount.is_zero());
    let mut charges = Vec::new();
    for quota in quotas.iter().filter(|q| q.metadata.namespace == binding.metadata.namespace) {
        if let Some(overall_used) = charge(quota, &delta)? {
            let metadata = &quota.metadata;
            charges.push(Charge {
                namespace: metadata.namespace.clone(),
                name: metadata.name.clone(),
                overall_used,
            });
        }
    }
    Ok(charges)
}

fn charge(
    quota: &FederatedResourceQuota,
    delta: &Usage,
) -> Result<Option<BTreeMap<String, api::Quantity>>, Denial> {
    let mut used = quota.status.overall_used.clone();
    let mut charged = false;
    for (resource, limit) in &quota.spec.overall {
        let Some(delta) = delta.get(resource) else { continue };
        let (Ok(limit), Ok(before)) = (
            Quantity::parse(limit.as_str()),
            used.get(resource).map_or(Ok(Quantity::from_value(0)), |q| Quantity::parse(q.as_str())),
        ) else {
            continue;
        };
        let after = before + *delta;
        if after > limit && !delta.is_negative() {
            let key = quota.metadata.key();
            return Err(Denial {
                reason: reasons::QUOTA_EXCEEDED.into(),
                ..Denial::forbidden(format!(
                    "FederatedResourceQuota({key}) exceeded for resource {resource}: requested sum {after}, limit {limit}."
                ))
            });
        }
        let after = if after.is_negative() { Quantity::from_value(0) } else { after };
        used.insert(resource.clone(), after.to_string().into());
        charged = true;
    }
    Ok(charged.then_some(used))
}

/// What a binding uses over all its clusters: of components, every cluster has a whole set.
fn usage(spec: &ResourceBindingSpec) -> Usage {
    let mut usage = Usage::new();
    let mut add = |request: &BTreeMap<String, api::Quantity>, times: i64| {
        for (resource, amount) in request {
            if let Ok(amount) = Quantity::parse(amount.as_str()) {
                *usage.entry(resource.clone()).or_insert(Quantity::from_value(0)) += amount * times;
            }
        }
    };
    let clusters = i64::try_from(spec.clusters.len()).unwrap_or(i64::MAX);
    if let (Some(requirements), true) = (&spec.replica_requirements, spec.components.is_empty()) {
        add(&requirements.resource_request, spec.assigned_replicas());
    }
    for component in &spec.components {
        if let Some(requirements) = &component.replica_requirements {
            add(&requirements.resource_request, i64::from(component.replicas).saturating_mul(clusters));
        }
    }
    usage
}
