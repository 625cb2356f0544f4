//! What a pod asks of a node: resources, tolerations, node selection.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Object;
use crate::quantity::Quantity;

/// Amounts by resource name.
pub type Resources = BTreeMap<String, Quantity>;

/// Adds every amount of `more` to `total`.
pub fn add(total: &mut Resources, more: &Resources) {
    for (name, amount) in more {
        *total.entry(name.clone()).or_default() += *amount;
    }
}

/// Raises every amount of `total` to at least that of `other`.
fn raise(total: &mut Resources, other: &Resources) {
    for (name, amount) in other {
        let entry = total.entry(name.clone()).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}

/// Reads a map of quantities; malformed amounts are left out.
pub fn resources(map: Option<&Value>) -> Resources {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.clone(), Quantity::from_json(amount)?))).collect()
}

fn items<'a>(spec: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    spec.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// What one container requests; a resource with only a limit requests its limit.
pub fn container_requests(container: &Value) -> Resources {
    let mut requests = resources(container.pointer("/resources/limits"));
    requests.extend(resources(container.pointer("/resources/requests")));
    requests
}

fn container_limits(container: &Value) -> Resources {
    resources(container.pointer("/resources/limits"))
}

/// What the scheduler sets aside for a pod of this spec: the sum of its containers and sidecars, or the
/// largest need while init containers run, with overhead. Resources given for the whole pod come first.
///
/// <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>
pub fn requests(spec: &Value) -> Resources {
    effective(spec, container_requests, "/resources/requests")
}

/// The most a pod of this spec may use, counted like [`requests`]. Containers without a limit add nothing.
pub fn limits(spec: &Value) -> Resources {
    effective(spec, container_limits, "/resources/limits")
}

fn effective(spec: &Value, of: fn(&Value) -> Resources, pod_level: &str) -> Resources {
    let mut total = Resources::new();
    for container in items(spec, "containers") {
        add(&mut total, &of(container));
    }
    // Sidecars started so far, and the largest need of any moment of initialisation.
    let (mut sidecars, mut largest) = (Resources::new(), Resources::new());
    for container in items(spec, "initContainers") {
        let needs = of(container);
        if text(container, "restartPolicy") == "Always" {
            add(&mut total, &needs);
            add(&mut sidecars, &needs);
            raise(&mut largest, &sidecars);
        } else {
            let mut moment = sidecars.clone();
            add(&mut moment, &needs);
            raise(&mut largest, &moment);
        }
    }
    raise(&mut total, &largest);
    total.extend(resources(spec.pointer(pod_level)));
    add(&mut total, &resources(spec.get("overhead")));
    total
}

/// Whether one of the tolerations tolerates the taint.
pub fn tolerates(tolerations: &[Value], taint: &Value) -> bool {
    tolerations.iter().any(|toleration| {
        let fits =
            |field: &str| text(toleration, field).is_empty() || text(toleration, field) == text(taint, field);
        fits("effect")
            && fits("key")
            && match text(toleration, "operator") {
                "" | "Equal" => text(toleration, "value") == text(taint, "value"),
                "Exists" => true,
                _ => false,
            }
    })
}

/// The first of a node's `NoSchedule` and `NoExecute` taints that the pod does not tolerate.
pub fn untolerated_taint<'a>(pod_spec: &Value, node: &'a Object) -> Option<&'a Value> {
    let none = Vec::new();
    let tolerations = pod_spec.get("tolerations").and_then(Value::as_array).unwrap_or(&none);
    let taints = node.at("/spec/taints").and_then(Value::as_array)?;
    taints
        .iter()
        .filter(|taint| matches!(text(taint, "effect"), "NoSchedule" | "NoExecute"))
        .find(|taint| !tolerates(tolerations, taint))
}

/// Whether a node fulfils a pod's `nodeSelector` and required node affinity.
pub fn selects_node(pod_spec: &Value, node: &Object) -> bool {
    let selected = pod_spec
        .get("nodeSelector")
        .and_then(Value::as_object)
        .is_none_or(|selector| selector.iter().all(|(key, value)| node.label(key) == value.as_str()));
    let required = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    selected && pod_spec.pointer(required).is_none_or(|selector| node_selector_matches(selector, node))
}

/// Whether a node fulfils one of a node selector's terms. No terms: no node.
pub fn node_selector_matches(selector: &Value, node: &Object) -> bool {
    items(selector, "nodeSelectorTerms").any(|term| {
        node_selector_term_matches(
            term,
            |key| node.label(key),
            |field| match field {
                "metadata.name" => Some(node.name()),
                _ => None,
            },
        )
    })
}

/// Whether labels and fields fulfil a node selector term. An empty term is fulfilled by nothing.
pub fn node_selector_term_matches<'a>(
    term: &Value,
    label: impl Fn(&str) -> Option<&'a str>,
    field: impl Fn(&str) -> Option<&'a str>,
) -> bool {
    let empty =
        items(term, "matchExpressions").next().is_none() && items(term, "matchFields").next().is_none();
    !empty
        && items(term, "matchExpressions").all(|r| requirement_matches(r, label(text(r, "key"))))
        && items(term, "matchFields").all(|r| requirement_matches(r, field(text(r, "key"))))
}

/// Whether a label's or field's value fulfils a requirement (`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`).
pub fn requirement_matches(requirement: &Value, actual: Option<&str>) -> bool {
    let listed = || items(requirement, "values").any(|v| v.as_str() == actual);
    let numbers = || {
        let wanted = items(requirement, "values").next()?.as_str()?.parse::<i64>().ok()?;
        Some((actual?.parse::<i64>().ok()?, wanted))
    };
    match text(requirement, "operator") {
        "In" => actual.is_some() && listed(),
        "NotIn" => actual.is_none() || !listed(),
        "Exists" => actual.is_some(),
        "DoesNotExist" => actual.is_none(),
        "Gt" => numbers().is_some_and(|(actual, wanted)| actual > wanted),
        "Lt" => numbers().is_some_and(|(actual, wanted)| actual < wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cpu(spec: &Value) -> String {
        requests(spec).get("cpu").copied().unwrap_or_default().to_string()
    }

    fn container(cpu: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu}}})
    }

    fn sidecar(cpu: &str) -> Value {
        json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn containers_add_up_and_init_containers_count_at_their_largest() {
        assert_eq!(cpu(&json!({"containers": [container("1"), container("500m")]})), "1500m");
        assert_eq!(
            cpu(&json!({"containers": [container("1")], "initContainers": [container("3"), container("2")]})),
            "3"
        );
        assert_eq!(cpu(&json!({"containers": [container("1")], "overhead": {"cpu": "250m"}})), "1250m");
        assert_eq!(cpu(&json!({"containers": [{"resources": {"limits": {"cpu": "2"}}}]})), "2");
        assert_eq!(cpu(&json!({})), "0");
    }

    #[test]
    fn sidecars_count_with_the_containers_and_with_later_init_containers() {
        assert_eq!(cpu(&json!({"containers": [container("1")], "initContainers": [sidecar("1")]})), "2");
        let later = json!({"containers": [container("1")], "initContainers": [sidecar("1"), container("3")]});
        assert_eq!(cpu(&later), "4");
        let earlier =
            json!({"containers": [container("1")], "initContainers": [container("3"), sidecar("1")]});
        assert_eq!(cpu(&earlier), "3");
    }

    #[test]
    fn resources_of_the_whole_pod_come_first() {
        let spec = json!({"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}, "overhead": {"cpu": "1"}});
        assert_eq!(cpu(&spec), "6");
    }

    #[test]
    fn tolerations_fit_taints_by_key_value_and_effect() {
        let taint = json!({"key": "k", "value": "v", "effect": "NoSchedule"});
        for (toleration, tolerated) in [
            (json!({"key": "k", "value": "v", "effect": "NoSchedule"}), true),
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "operator": "Exists"}), true),
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "value": "w"}), false),
            (json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "q", "operator": "Exists"}), false),
            (json!({}), false),
        ] {
            assert_eq!(tolerates(std::slice::from_ref(&toleration), &taint), tolerated, "{toleration}");
        }
        let mut node = Object::new("v1", "Node", "", "n");
        node.set("/spec/taints", json!([{"key": "soft", "effect": "PreferNoSchedule"}, taint]));
        assert_eq!(untolerated_taint(&json!({}), &node).unwrap()["key"], "k");
        assert!(untolerated_taint(&json!({"tolerations": [{"operator": "Exists"}]}), &node).is_none());
    }

    #[test]
    fn a_node_is_selected_by_labels_and_by_any_affinity_term() {
        let mut node = Object::new("v1", "Node", "", "n1");
        node.set_label("zone", "a");
        node.set_label("size", "8");
        let required = |terms: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}});
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (spec, selected) in [
            (json!({}), true),
            (json!({"nodeSelector": {"zone": "a"}}), true),
            (json!({"nodeSelector": {"zone": "b"}}), false),
            (required(json!([])), false),
            (required(json!([{}])), false),
            (required(json!([expression("zone", "In", &["b"]), expression("size", "Gt", &["4"])])), true),
            (required(json!([expression("size", "Lt", &["8"])])), false),
            (required(json!([expression("none", "NotIn", &["x"])])), true),
            (required(json!([expression("zone", "DoesNotExist", &[])])), false),
            (
                required(
                    json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]),
                ),
                true,
            ),
        ] {
            assert_eq!(selects_node(&spec, &node), selected, "{spec}");
        }
    }
}
