//! What one replica needs: the resources its pod requests, and the nodes it may run on.
//!
//! Karmada counts in whole units (thousandths for CPU), rounded up, and knows neither sidecars nor
//! resources of the pod as a whole. The scheduler's estimates are made of these numbers, so the same ones
//! are found here.

use std::collections::BTreeMap;

use api::work::{NodeClaim, ReplicaRequirements};
use machinery::quantity::Quantity;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Feature gates that change what is interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gates {
    /// `ResourceQuotaEstimate`: requirements also name the priority class and the namespace of the pod
    /// template, by which quotas are found.
    pub resource_quota_estimate: bool,
}

/// What one pod of a template needs, or nothing when it makes no demands.
///
/// # Errors
/// A sentence about the part of the template that is malformed.
pub(crate) fn requirements(template: &Value, gates: Gates) -> Result<Option<ReplicaRequirements>, String> {
    let Some(spec) = template.get("spec") else { return Ok(None) };
    let namespace = template.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    of_spec(spec, namespace, gates)
}

/// The same of a pod's specification.
pub(crate) fn of_spec(
    spec: &Value,
    namespace: &str,
    gates: Gates,
) -> Result<Option<ReplicaRequirements>, String> {
    let mut amounts = Amounts::new();
    for container in list(spec, "containers") {
        requests(container, |resource, amount| amounts.add(resource, amount))?;
    }
    for container in list(spec, "initContainers") {
        requests(container, |resource, amount| amounts.raise(resource, amount))?;
    }
    for (resource, amount) in map(spec.get("overhead")) {
        amounts.add(resource, quantity(resource, amount)?);
    }
    let node_claim = node_claim(spec)?;
    let resource_request = amounts.written();
    if node_claim.is_none() && resource_request.is_empty() {
        return Ok(None);
    }
    let mut found = ReplicaRequirements { node_claim, resource_request, ..Default::default() };
    if gates.resource_quota_estimate {
        let class = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default();
        found.priority_class_name = class.into();
        found.namespace = namespace.into();
    }
    Ok(Some(found))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn map(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn quantity(resource: &str, amount: &Value) -> Result<Quantity, String> {
    Quantity::from_json(amount).ok_or_else(|| format!("the amount {amount} of {resource} is malformed"))
}

/// Visits what a container requests; where it has only a limit, that is what it requests.
fn requests(container: &Value, mut visit: impl FnMut(&str, Quantity)) -> Result<(), String> {
    let Some(resources) = container.get("resources") else { return Ok(()) };
    let requested = resources.get("requests");
    for (resource, amount) in map(requested) {
        visit(resource, quantity(resource, amount)?);
    }
    for (resource, amount) in map(resources.get("limits")) {
        if requested.and_then(|requested| requested.get(resource)).is_none() {
            visit(resource, quantity(resource, amount)?);
        }
    }
    Ok(())
}

/// Whole amounts by resource, in the unit the resource is counted in.
struct Amounts(BTreeMap<String, i64>);

impl Amounts {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The entry of a resource that takes part in scheduling.
    fn entry(&mut self, resource: &str) -> Option<&mut i64> {
        if !counts(resource) {
            return None;
        }
        if !self.0.contains_key(resource) {
            self.0.insert(resource.to_owned(), 0);
        }
        self.0.get_mut(resource)
    }

    fn add(&mut self, resource: &str, amount: Quantity) {
        if let Some(entry) = self.entry(resource) {
            *entry = entry.saturating_add(units(resource, amount));
        }
    }

    fn raise(&mut self, resource: &str, amount: Quantity) {
        if let Some(entry) = self.entry(resource) {
            *entry = units(resource, amount).max(*entry);
        }
    }

    fn written(self) -> BTreeMap<String, api::Quantity> {
        let amounts = self.0.into_iter().filter(|(_, units)| *units != 0);
        amounts
            .map(|(resource, units)| {
                let text = written(&resource, units);
                (resource, text)
            })
            .collect()
    }
}

fn units(resource: &str, amount: Quantity) -> i64 {
    if resource == "cpu" { amount.milli_value() } else { amount.value() }
}

fn written(resource: &str, units: i64) -> api::Quantity {
    let is_bytes = matches!(resource, "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    let quantity = match resource {
        "cpu" => Quantity::from_milli(units),
        // A number of bytes that is no multiple of 1024 has no binary suffix and may have a decimal one.
        _ if is_bytes && units % 1_024 == 0 => Quantity::from_bytes(units),
        _ => Quantity::from_value(units),
    };
    quantity.to_string().into()
}

/// Whether a resource takes part in scheduling: the common ones, huge pages, attachable volumes, extended
/// resources and those of Kubernetes' own prefix.
fn counts(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "ephemeral-storage" | "pods")
        || resource.starts_with("hugepages-")
        || resource.starts_with("attachable-volumes-")
        || resource.contains("kubernetes.io/")
        || (resource.contains('/') && !resource.starts_with("requests."))
}

fn non_empty(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
    })
}

/// What binds a replica to certain nodes.
fn node_claim(spec: &Value) -> Result<Option<NodeClaim>, String> {
    let affinity = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let parts = [
        ("nodeSelector", spec.get("nodeSelector")),
        ("tolerations", spec.get("tolerations")),
        ("hardNodeAffinity", spec.pointer(affinity)),
    ];
    let mut claim = Map::new();
    for (name, value) in parts {
        if let Some(value) = non_empty(value) {
            claim.insert(name.into(), value.clone());
        }
    }
    if claim.is_empty() {
        return Ok(None);
    }
    let claim = NodeClaim::deserialize(Value::Object(claim));
    claim.map(Some).map_err(|why| format!("the nodes it may run on are malformed: {why}"))
}
