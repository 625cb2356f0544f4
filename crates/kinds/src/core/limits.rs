//! What a LimitRange does to the pods and claims of its namespace: it fills in requests and limits that a
//! pod leaves open, and refuses what is outside its bounds.
//!
//! Rules and texts: <https://kubernetes.io/docs/concepts/policy/limit-range/>.

use std::collections::BTreeMap;

use machinery::{Object, Quantity};
use serde_json::Value;

use crate::fields::{Fill, Map, Read};
use crate::quantities;

/// Tells which values were filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

type Amounts = BTreeMap<String, Quantity>;

/// Fills absent requests and limits of a new pod's containers with the defaults of a LimitRange.
pub fn fill_defaults(pod: &mut Object, range: &Object) {
    let mut defaults = [("limits", Map::new()), ("requests", Map::new())];
    for limit in limits(range, "Container") {
        for ((_, into), from) in defaults.iter_mut().zip(["default", "defaultRequest"]) {
            into.extend(limit.entries(from).map(|(name, amount)| (name.clone(), amount.clone())));
        }
    }
    let mut filled = Vec::new();
    if let Some(spec) = pod.fields_mut().map_mut("spec") {
        for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
            for container in spec.maps_mut(list) {
                fill_container(container, &defaults, what, &mut filled);
            }
        }
    }
    if !filled.is_empty() {
        pod.set_annotation(ANNOTATION, &format!("LimitRanger plugin set: {}", filled.join("; ")));
    }
}

fn fill_container(container: &mut Map, defaults: &[(&str, Map); 2], what: &str, filled: &mut Vec<String>) {
    let name = container.text("name").to_owned();
    let mut told = Vec::new();
    for (list, amounts) in defaults {
        if amounts.is_empty() {
            continue;
        }
        let Some(own) = container.make("resources").and_then(|resources| resources.make(list)) else {
            continue;
        };
        let mut set = Vec::new();
        for (resource, amount) in amounts {
            if !own.has(resource) {
                own.insert(resource.clone(), amount.clone());
                set.push(resource.as_str());
            }
        }
        if !set.is_empty() {
            told.push(format!("{} {} for {what} {name}", set.join(", "), list.trim_end_matches('s')));
        }
    }
    // Requests are told first.
    filled.extend(told.into_iter().rev());
}

/// What a new pod, or a new or changed claim, has outside of the bounds of a LimitRange.
pub fn violations(object: &Object, range: &Object) -> Vec<String> {
    let mut found = Vec::new();
    let spec = object.value().child(&["spec"]);
    match object.kind() {
        "Pod" => {
            for limit in limits(range, "Container") {
                for list in ["containers", "initContainers"] {
                    for container in spec.list(list) {
                        let (requests, limits) = amounts(container);
                        check(limit, "Container", &requests, &limits, &mut found);
                    }
                }
            }
            for limit in limits(range, "Pod") {
                let (requests, limits) = pod_amounts(spec);
                check(limit, "Pod", &requests, &limits, &mut found);
            }
        }
        "PersistentVolumeClaim" => {
            for limit in limits(range, "PersistentVolumeClaim") {
                check_claim(limit, &amounts(spec).0, &mut found);
            }
        }
        _ => {}
    }
    found
}

fn limits<'a>(range: &'a Object, ty: &'static str) -> impl Iterator<Item = &'a Value> {
    range.value().child(&["spec"]).list("limits").iter().filter(move |limit| limit.text("type") == ty)
}

fn parsed<'a>(limit: &'a Value, list: &str) -> impl Iterator<Item = (&'a String, Quantity)> {
    limit.entries(list).filter_map(|(name, amount)| Some((name, quantities::parse(amount)?)))
}

/// Requests and limits of what has `resources`.
fn amounts(holder: &Value) -> (Amounts, Amounts) {
    let resources = holder.child(&["resources"]);
    let list = |name: &str| parsed(resources, name).map(|(name, amount)| (name.clone(), amount)).collect();
    (list("requests"), list("limits"))
}

/// Requests and limits of a pod: the sum of what runs together, or more if starting needs more.
pub(crate) fn pod_amounts(spec: &Value) -> (Amounts, Amounts) {
    let mut totals = (Amounts::new(), Amounts::new());
    let add = |total: &mut Amounts, own: Amounts| {
        own.into_iter().for_each(|(name, amount)| *total.entry(name).or_default() += amount);
    };
    let is_sidecar = |container: &&Value| container.text("restartPolicy") == "Always";
    let starting = spec.list("initContainers");
    for container in spec.list("containers").iter().chain(starting.iter().filter(is_sidecar)) {
        let own = amounts(container);
        add(&mut totals.0, own.0);
        add(&mut totals.1, own.1);
    }
    let raise = |total: &mut Amounts, own: Amounts| {
        for (name, amount) in own {
            let held = total.entry(name).or_insert(amount);
            *held = (*held).max(amount);
        }
    };
    for container in starting.iter().filter(|c| !is_sidecar(c)) {
        let own = amounts(container);
        raise(&mut totals.0, own.0);
        raise(&mut totals.1, own.1);
    }
    totals
}

fn check(limit: &Value, ty: &str, requests: &Amounts, limits: &Amounts, found: &mut Vec<String>) {
    // Of what is wrong with one resource the first is told.
    for (name, min) in parsed(limit, "min") {
        let rule = format!("minimum {name} usage per {ty} is {min}");
        match (requests.get(name), limits.get(name)) {
            (None, _) => found.push(format!("{rule}.  No request is specified")),
            (Some(own), _) if *own < min => found.push(format!("{rule}, but request is {own}")),
            (_, Some(own)) if *own < min => found.push(format!("{rule}, but limit is {own}")),
            _ => {}
        }
    }
    for (name, max) in parsed(limit, "max") {
        let rule = format!("maximum {name} usage per {ty} is {max}");
        match (limits.get(name), requests.get(name)) {
            (None, _) => found.push(format!("{rule}.  No limit is specified")),
            (Some(own), _) if *own > max => found.push(format!("{rule}, but limit is {own}")),
            (_, Some(own)) if *own > max => found.push(format!("{rule}, but request is {own}")),
            _ => {}
        }
    }
    for (name, max) in parsed(limit, "maxLimitRequestRatio") {
        let rule = format!("{name} max limit to request ratio per {ty} is {max}");
        let given = |list: &Amounts| list.get(name).copied().filter(|own| !own.is_zero());
        match (given(requests), given(limits)) {
            (None, _) => found.push(format!("{rule}, but no request is specified or request is 0")),
            (_, None) => found.push(format!("{rule}, but no limit is specified or limit is 0")),
            (Some(request), Some(own)) => {
                let ratio = own.to_f64() / request.to_f64();
                if ratio > max.to_f64() {
                    found.push(format!("{rule}, but provided ratio is {ratio:.6}"));
                }
            }
        }
    }
}

fn check_claim(limit: &Value, requests: &Amounts, found: &mut Vec<String>) {
    for (list, word, outside) in [
        ("min", "minimum", (|own, bound| own < bound) as fn(Quantity, Quantity) -> bool),
        ("max", "maximum", |own, bound| own > bound),
    ] {
        for (name, bound) in parsed(limit, list) {
            let rule = format!("{word} {name} usage per PersistentVolumeClaim is {bound}");
            match requests.get(name) {
                None => found.push(format!("{rule}.  No request is specified")),
                Some(own) if outside(*own, bound) => found.push(format!("{rule}, but request is {own}")),
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(limits: Value) -> Object {
        Object::from_value(json!({"kind": "LimitRange", "spec": {"limits": limits}})).unwrap()
    }

    fn pod(containers: Value) -> Object {
        Object::from_value(
            json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}}),
        )
        .unwrap()
    }

    #[test]
    fn what_a_container_leaves_open_is_filled_in_and_told() {
        let range = range(json!([{"type": "Container",
            "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "1"}}]));
        let mut pod = pod(json!([
            {"name": "a", "resources": {"limits": {"memory": "2Gi"}}},
            {"name": "b", "resources": {"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1"}}},
        ]));
        fill_defaults(&mut pod, &range);
        assert_eq!(
            pod.at("/spec/containers/0/resources").unwrap(),
            &json!({"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"cpu": "1"}})
        );
        assert_eq!(
            pod.annotation(ANNOTATION),
            Some("LimitRanger plugin set: cpu request for container a; cpu limit for container a")
        );
    }

    #[track_caller]
    fn check_pod(limit: Value, containers: Value, expected: &[&str]) {
        assert_eq!(violations(&pod(containers), &range(json!([limit]))), expected);
    }

    #[test]
    fn bounds_hold_for_each_container_and_for_pods_as_a_whole() {
        let one = |resources: Value| json!([{"name": "a", "resources": resources}]);
        let max = json!({"type": "Container", "max": {"cpu": "1"}});
        check_pod(max.clone(), one(json!({"limits": {"cpu": "1000m"}})), &[]);
        check_pod(
            max.clone(),
            one(json!({"limits": {"cpu": "2"}})),
            &["maximum cpu usage per Container is 1, but limit is 2"],
        );
        check_pod(max, one(json!({})), &["maximum cpu usage per Container is 1.  No limit is specified"]);
        check_pod(
            json!({"type": "Container", "min": {"memory": "1Gi"}}),
            one(json!({"requests": {"memory": "10Mi"}, "limits": {"memory": "100Mi"}})),
            &["minimum memory usage per Container is 1Gi, but request is 10Mi"],
        );
        check_pod(
            json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}),
            one(json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}})),
            &["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"],
        );
        let half = json!({"limits": {"cpu": "600m"}});
        check_pod(
            json!({"type": "Pod", "max": {"cpu": "1"}}),
            json!([{"name": "a", "resources": half}, {"name": "b", "resources": half}]),
            &["maximum cpu usage per Pod is 1, but limit is 1200m"],
        );
    }

    #[test]
    fn claims_are_bounded_by_their_size() {
        let range = range(json!([{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]));
        let claim = |size: &str| {
            let spec = json!({"resources": {"requests": {"storage": size}}});
            Object::from_value(json!({"kind": "PersistentVolumeClaim", "spec": spec})).unwrap()
        };
        assert!(violations(&claim("1Gi"), &range).is_empty());
        assert_eq!(
            violations(&claim("2Gi"), &range),
            ["maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"]
        );
    }
}
