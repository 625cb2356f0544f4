//! What an object takes of its namespace's quotas, and whether a quota has that much left.
//!
//! Rules and texts: <https://kubernetes.io/docs/concepts/policy/resource-quotas/>.

use std::collections::BTreeMap;

use machinery::{Object, Quantity};
use serde_json::{Map, Value};

use crate::core::limits::pod_amounts;
use crate::fields::Read;
use crate::quantities;

/// Amounts by the name a quota has for them, for example `requests.cpu` or `count/secrets`.
pub type Usage = BTreeMap<String, Quantity>;

/// What an object of a resource takes.
pub fn of(group: &str, plural: &str, object: &Object) -> Usage {
    let mut usage = Usage::new();
    let one = Quantity::from_value(1);
    let counted = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    usage.insert(format!("count/{counted}"), one);
    if !group.is_empty() {
        return usage;
    }
    match plural {
        "configmaps" | "secrets" | "replicationcontrollers" | "resourcequotas" => {
            usage.insert(plural.into(), one);
        }
        "pods" if !is_finished(object) => {
            usage.insert("pods".into(), one);
            pod(object, &mut usage);
        }
        "services" => {
            usage.insert("services".into(), one);
            service(object, &mut usage);
        }
        "persistentvolumeclaims" => claim(object, &mut usage),
        _ => {}
    }
    usage
}

fn is_finished(pod: &Object) -> bool {
    matches!(pod.value().child(&["status"]).text("phase"), "Failed" | "Succeeded")
}

fn pod(pod: &Object, usage: &mut Usage) {
    let (requests, limits) = pod_amounts(pod.value().child(&["spec"]));
    for (name, amount) in requests {
        if !name.contains('/') {
            usage.insert(name.clone(), amount);
        }
        usage.insert(format!("requests.{name}"), amount);
    }
    for (name, amount) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            usage.insert(format!("limits.{name}"), amount);
        }
    }
}

fn service(service: &Object, usage: &mut Usage) {
    let spec = service.value().child(&["spec"]);
    let ports = spec.list("ports");
    let with_node_port = || ports.iter().filter(|p| p.int("nodePort").unwrap_or(0) != 0).count();
    let node_ports = match spec.text("type") {
        "NodePort" => ports.len(),
        "LoadBalancer" => {
            usage.insert("services.loadbalancers".into(), Quantity::from_value(1));
            let all = spec.get_or_null("allocateLoadBalancerNodePorts") != &Value::Bool(false);
            if all { ports.len() } else { with_node_port() }
        }
        _ => 0,
    };
    if node_ports > 0 {
        let count = i64::try_from(node_ports).unwrap_or(i64::MAX);
        usage.insert("services.nodeports".into(), Quantity::from_value(count));
    }
}

fn claim(claim: &Object, usage: &mut Usage) {
    let spec = claim.value().child(&["spec"]);
    let one = Quantity::from_value(1);
    let size = quantities::parse(spec.child(&["resources", "requests", "storage"]));
    let class = spec.text("storageClassName");
    let prefixes = [String::new(), format!("{class}.storageclass.storage.k8s.io/")];
    for prefix in prefixes.iter().take(if class.is_empty() { 1 } else { 2 }) {
        usage.insert(format!("{prefix}persistentvolumeclaims"), one);
        if let Some(size) = size {
            usage.insert(format!("{prefix}requests.storage"), size);
        }
    }
}

/// Whether a quota counts an object: scopes are about pods.
pub fn applies(quota: &Object, plural: &str, object: &Object) -> bool {
    let spec = quota.value().child(&["spec"]);
    let scopes = spec.list("scopes").iter().filter_map(Value::as_str).map(|scope| (scope, "Exists", &[][..]));
    let selected = spec.child(&["scopeSelector"]).list("matchExpressions").iter();
    let selected = selected.map(|e| (e.text("scopeName"), e.text("operator"), e.list("values")));
    let mut all = scopes.chain(selected);
    all.all(|(scope, operator, values)| plural == "pods" && in_scope(object, scope, operator, values))
}

fn in_scope(pod: &Object, scope: &str, operator: &str, values: &[Value]) -> bool {
    let spec = pod.value().child(&["spec"]);
    let is_best_effort = || crate::pod_spec::qos::class(spec) == "BestEffort";
    match scope {
        "Terminating" => spec.int("activeDeadlineSeconds").is_some_and(|n| n >= 0),
        "NotTerminating" => spec.int("activeDeadlineSeconds").is_none_or(|n| n < 0),
        "BestEffort" => is_best_effort(),
        "NotBestEffort" => !is_best_effort(),
        "PriorityClass" => {
            let class = spec.text("priorityClassName");
            let listed = values.iter().any(|value| value == class);
            match operator {
                "In" => listed,
                "NotIn" => !listed,
                "DoesNotExist" => class.is_empty(),
                _ => !class.is_empty(),
            }
        }
        "CrossNamespacePodAffinity" => false,
        _ => false,
    }
}

/// The `used` of a quota after a write, nothing when the write changes none of it. A quota whose status nobody has
/// calculated yet does not limit.
///
/// # Errors
/// The text of the refusal.
pub fn charge(quota: &Object, before: &Usage, after: &Usage) -> Result<Option<Map<String, Value>>, String> {
    let status = quota.value().child(&["status"]);
    let mut used = status.get_or_null("used").as_object().cloned().unwrap_or_default();
    let (mut requested, mut had, mut limited) = (Vec::new(), Vec::new(), Vec::new());
    let mut changed = false;
    for (name, amount) in after {
        let (Some(hard), Some(held)) = (
            quantities::parse(status.child(&["hard", name])),
            quantities::parse(status.child(&["used", name])),
        ) else {
            continue;
        };
        let more = *amount - before.get(name).copied().unwrap_or_default();
        if more.is_zero() {
            continue;
        }
        changed = true;
        used.insert(name.clone(), (held + more).to_string().into());
        if !more.is_negative() && held + more > hard {
            requested.push(format!("{name}={more}"));
            had.push(format!("{name}={held}"));
            limited.push(format!("{name}={hard}"));
        }
    }
    if requested.is_empty() {
        return Ok(changed.then_some(used));
    }
    let [requested, had, limited] = [requested, had, limited].map(|parts| parts.join(","));
    let name = quota.name();
    Err(format!("exceeded quota: {name}, requested: {requested}, used: {had}, limited: {limited}"))
}

/// Why a quota refuses a pod whatever its size: a limited resource that some container does not state.
pub fn unstated(quota: &Object, pod: &Object) -> Option<String> {
    let hard = quota.value().child(&["status", "hard"]);
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for list in ["containers", "initContainers"] {
        for container in pod.value().child(&["spec"]).list(list) {
            for (name, kind, resource) in STATED {
                if hard.has(name) && !container.child(&["resources", kind]).has(resource) {
                    missing.entry(name).or_default().push(container.text("name"));
                }
            }
        }
    }
    if missing.is_empty() {
        return None;
    }
    let told = missing.into_iter().map(|(name, containers)| format!("{name} for: {}", containers.join(",")));
    Some(format!("failed quota: {}: must specify {}", quota.name(), told.collect::<Vec<_>>().join("; ")))
}

/// Quota names that every container has to state, with where it does.
const STATED: &[(&str, &str, &str)] = &[
    ("cpu", "requests", "cpu"),
    ("memory", "requests", "memory"),
    ("requests.cpu", "requests", "cpu"),
    ("requests.memory", "requests", "memory"),
    ("limits.cpu", "limits", "cpu"),
    ("limits.memory", "limits", "memory"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        Object::from_value(value).unwrap()
    }

    #[track_caller]
    fn check(plural: &str, fields: Value, expected: &str) {
        let usage = of("", plural, &object(fields));
        let told: Vec<String> = usage.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
        assert_eq!(told.join(" "), expected);
    }

    #[test]
    fn each_kind_is_counted_and_measured_by_what_it_holds() {
        check("secrets", json!({}), "count/secrets=1 secrets=1");
        let container =
            json!({"resources": {"requests": {"cpu": "1", "x.y/z": "2"}, "limits": {"memory": "1Gi"}}});
        check(
            "pods",
            json!({"spec": {"containers": [container, container]}}),
            "count/pods=1 cpu=2 limits.memory=2Gi pods=1 requests.cpu=2 requests.x.y/z=4",
        );
        check("pods", json!({"status": {"phase": "Succeeded"}}), "count/pods=1");
        check(
            "services",
            json!({"spec": {"type": "LoadBalancer", "ports": [{}, {}]}}),
            "count/services=1 services=1 services.loadbalancers=1 services.nodeports=2",
        );
        check(
            "persistentvolumeclaims",
            json!({"spec": {"storageClassName": "g", "resources": {"requests": {"storage": "1Gi"}}}}),
            "count/persistentvolumeclaims=1 g.storageclass.storage.k8s.io/persistentvolumeclaims=1 \
             g.storageclass.storage.k8s.io/requests.storage=1Gi persistentvolumeclaims=1 requests.storage=1Gi",
        );
        assert_eq!(
            of("apps", "deployments", &object(json!({}))).into_keys().next().unwrap(),
            "count/deployments.apps"
        );
    }

    #[test]
    fn a_quota_is_charged_until_it_is_used_up() {
        let status = json!({"hard": {"secrets": "2"}, "used": {"secrets": "1", "pods": "1"}});
        let quota = |status: &Value| object(json!({"metadata": {"name": "q"}, "status": status}));
        let one = of("", "secrets", &object(json!({})));
        let used = charge(&quota(&status), &Usage::new(), &one).unwrap().unwrap();
        assert_eq!(Value::from(used.clone()), json!({"secrets": "2", "pods": "1"}));
        let full = json!({"hard": {"secrets": "2"}, "used": used});
        assert_eq!(
            charge(&quota(&full), &Usage::new(), &one).unwrap_err(),
            "exceeded quota: q, requested: secrets=1, used: secrets=2, limited: secrets=2"
        );
        assert_eq!(charge(&quota(&full), &one, &one), Ok(None), "an update that takes no more");
        assert_eq!(charge(&quota(&json!({})), &Usage::new(), &one), Ok(None), "nobody has calculated it yet");
    }

    #[test]
    fn scopes_and_statements_are_about_pods() {
        let quota =
            object(json!({"metadata": {"name": "q"}, "spec": {"scopes": ["NotTerminating", "BestEffort"]},
            "status": {"hard": {"limits.cpu": "1"}}}));
        let pod = |spec: Value| object(json!({"kind": "Pod", "spec": spec}));
        let plain = pod(json!({"containers": [{"name": "c"}]}));
        assert!(applies(&quota, "pods", &plain));
        assert!(!applies(&quota, "secrets", &plain));
        assert!(!applies(
            &quota,
            "pods",
            &pod(json!({"activeDeadlineSeconds": 5, "containers": [{"name": "c"}]}))
        ));
        assert_eq!(unstated(&quota, &plain).unwrap(), "failed quota: q: must specify limits.cpu for: c");
    }
}
