//! How many more replicas the ResourceQuotas of a namespace allow.
//!
//! Compute resources only: `cpu`, `memory` and extended resources, with or without `requests.` in front.
//! Limits, storage and object counts say nothing about replicas here. Of the scopes only `PriorityClass` can
//! be judged from a request; a quota with other scopes matches nothing. Upstream: [`resourcequota.go`].
//!
//! [`resourcequota.go`]: https://github.com/karmada-io/karmada/blob/master/pkg/estimator/server/framework/plugins/resourcequota/resourcequota.go

use std::collections::BTreeMap;

use machinery::Object;
use machinery::quantity::Quantity;
use serde_json::Value;

use crate::NO_LIMIT;
use crate::request::{Amount, Assumed, Component, Request};

/// A ResourceQuota, as far as it limits replicas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quota {
    namespace: String,
    /// One of them must match; without any the quota is for every pod.
    scopes: Vec<Scope>,
    /// What is left by resource, without `requests.`.
    free: BTreeMap<String, Amount>,
}

/// A condition on the pods a quota is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

impl Scope {
    fn matches(&self, priority_class: &str) -> bool {
        let listed = || !priority_class.is_empty() && self.values.iter().any(|v| v == priority_class);
        self.name == "PriorityClass"
            && match self.operator.as_str() {
                "Exists" => !priority_class.is_empty(),
                "DoesNotExist" => self.values.is_empty() && priority_class.is_empty(),
                "In" => listed(),
                "NotIn" => !self.values.is_empty() && !listed(),
                _ => false,
            }
    }
}

impl Quota {
    /// Reads a ResourceQuota. A resource counts when both `status.hard` and `status.used` name it.
    pub fn read(quota: &Object) -> Self {
        let texts = |value: Option<&Value>| -> Vec<String> {
            let list = value.and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|text| Some(text.as_str()?.to_owned())).collect()
        };
        let plain = texts(quota.at("/spec/scopes")).into_iter();
        let mut scopes: Vec<Scope> =
            plain.map(|name| Scope { name, operator: "Exists".into(), values: Vec::new() }).collect();
        let selectors = quota.at("/spec/scopeSelector/matchExpressions").and_then(Value::as_array);
        scopes.extend(selectors.into_iter().flatten().map(|selector| {
            let text =
                |field: &str| selector.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            Scope {
                name: text("scopeName"),
                operator: text("operator"),
                values: texts(selector.get("values")),
            }
        }));
        Self { namespace: quota.namespace().to_owned(), scopes, free: free(quota) }
    }

    fn is_for(&self, priority_class: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| scope.matches(priority_class))
    }

    /// How often the request fits what is left once the assumed workloads have arrived; nothing when the
    /// quota does not limit it.
    fn allows(&self, request: &Request, assumed: &[Assumed]) -> Option<i64> {
        let taken =
            Request::of_set(assumed.iter().filter(|w| w.namespace == self.namespace).flat_map(|w| {
                w.components.iter().filter(|component| self.is_for(&component.priority_class))
            }));
        let taken: BTreeMap<&str, Amount> = taken.iter().collect();
        let fits = |(name, asked): (&str, Amount)| {
            let free = self.free.get(name)?.minus(taken.get(name).copied().unwrap_or_default());
            free.fits(asked)
        };
        request.iter().filter_map(fits).min().filter(|fits| *fits <= NO_LIMIT)
    }
}

/// What is left of the resources that replicas are counted by. `requests.cpu` and `cpu` mean the same; when
/// both are there the longer name is the one that counts.
fn free(quota: &Object) -> BTreeMap<String, Amount> {
    let list = |field: &str| quota.at(&format!("/status/{field}")).and_then(Value::as_object);
    let (Some(hard), Some(used)) = (list("hard"), list("used")) else { return BTreeMap::new() };
    let left = |(key, hard): (&String, &Value)| {
        let name = key.strip_prefix("requests.").unwrap_or(key);
        let counts = matches!(name, "cpu" | "memory") || is_extended(name);
        let left = Quantity::from_json(hard)? - Quantity::from_json(used.get(key)?)?;
        counts.then(|| (name.to_owned(), Amount::of(name, left)))
    };
    let (short, long): (Vec<_>, Vec<_>) = hard.iter().partition(|(key, _)| !key.starts_with("requests."));
    short.into_iter().chain(long).filter_map(left).collect()
}

/// Whether a resource is an
/// [extended one](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources).
fn is_extended(name: &str) -> bool {
    let prefixed = ["requests.", "limits."].iter().any(|prefix| name.starts_with(prefix));
    name.contains('/') && !name.contains("kubernetes.io/") && !prefixed
}

/// How many more replicas the quotas of the namespace allow; nothing when none of them limits such replicas.
pub fn max_replicas<'a>(
    quotas: impl IntoIterator<Item = &'a Quota>,
    namespace: &str,
    replica: &Component,
    assumed: &[Assumed],
) -> Option<i64> {
    let quotas = quotas.into_iter().filter(|q| !namespace.is_empty() && q.namespace == namespace);
    let quotas = quotas.filter(|quota| quota.is_for(&replica.priority_class));
    quotas.filter_map(|quota| quota.allows(&replica.request, assumed)).min()
}

/// How many more complete sets the quotas of the namespace allow; nothing when none of them limits the
/// components. A quota counts only the components it is for.
pub fn max_sets<'a>(
    quotas: impl IntoIterator<Item = &'a Quota>,
    namespace: &str,
    components: &[Component],
    assumed: &[Assumed],
) -> Option<i64> {
    let quotas = quotas.into_iter().filter(|q| !namespace.is_empty() && q.namespace == namespace);
    let allows = |quota: &Quota| {
        let limited = components.iter().filter(|component| quota.is_for(&component.priority_class));
        quota.allows(&Request::of_set(limited), assumed)
    };
    quotas.filter_map(allows).min()
}

#[cfg(test)]
mod tests;
