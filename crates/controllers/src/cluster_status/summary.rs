//! Sums up a member's nodes and pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use machinery::Object;
use machinery::pod::{self, Resources};
use machinery::quantity::Quantity;
use serde_json::{Map, Value, json};

fn is_ready(node: &Object) -> bool {
    super::view::condition_status(node, "Ready") == Some("True")
}

/// `status.nodeSummary`.
pub(crate) fn node_summary(nodes: &[Arc<Object>]) -> Value {
    let mut summary = Map::new();
    for (field, count) in
        [("totalNum", nodes.len()), ("readyNum", nodes.iter().filter(|node| is_ready(node)).count())]
    {
        // The API leaves zeros out.
        if count > 0 {
            summary.insert(field.into(), count.into());
        }
    }
    summary.into()
}

/// What a pod sets aside: its requests, and its place.
fn needs(pod: &Object) -> Resources {
    let mut needs = pod.at("/spec").map(pod::requests).unwrap_or_default();
    pod::add(&mut needs, &Resources::from([("pods".to_owned(), Quantity::from_value(1))]));
    needs
}

fn is_finished(pod: &Object) -> bool {
    matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed"))
}

fn node_of(pod: &Object) -> Option<&str> {
    pod.str_at("/spec/nodeName").filter(|node| !node.is_empty())
}

fn allocatable(node: &Object) -> Resources {
    pod::resources(node.at("/status/allocatable"))
}

fn amounts(resources: Resources) -> Value {
    let amounts = resources.into_iter().filter(|(_, amount)| !amount.is_zero());
    amounts.map(|(name, amount)| (name, Value::from(amount.to_string()))).collect::<Map<_, _>>().into()
}

/// `status.resourceSummary`; with models, also how many nodes are of each grade.
pub(crate) fn resource_summary(nodes: &[Arc<Object>], pods: &[Arc<Object>], models: Option<&Value>) -> Value {
    let mut total = Resources::new();
    for node in nodes {
        pod::add(&mut total, &allocatable(node));
    }
    let (mut waiting, mut running) = (Resources::new(), Resources::new());
    let mut by_node: BTreeMap<&str, Resources> = BTreeMap::new();
    for pod in pods {
        match node_of(pod) {
            None => pod::add(&mut waiting, &needs(pod)),
            Some(node) if !is_finished(pod) => {
                let needs = needs(pod);
                pod::add(&mut running, &needs);
                pod::add(by_node.entry(node).or_default(), &needs);
            }
            Some(_) => {}
        }
    }
    let mut summary = Map::new();
    for (field, resources) in [("allocatable", total), ("allocating", waiting), ("allocated", running)] {
        let amounts = amounts(resources);
        if amounts.as_object().is_some_and(|amounts| !amounts.is_empty()) {
            summary.insert(field.into(), amounts);
        }
    }
    if let Some(modelings) = models.and_then(Value::as_array).filter(|m| !m.is_empty()) {
        let free = nodes.iter().map(|node| free(node, by_node.get(node.name())));
        summary.insert("allocatableModelings".into(), grades(modelings, free).into());
    }
    summary.into()
}

/// What is left of a node.
fn free(node: &Object, taken: Option<&Resources>) -> Resources {
    let mut free = allocatable(node);
    for (name, amount) in taken.into_iter().flatten() {
        if let Some(left) = free.get_mut(name) {
            *left -= *amount;
        }
    }
    free
}

/// Counts nodes per grade. A node is of the highest grade whose lower bounds it reaches in every resource; one
/// without a free place for a pod is of none.
fn grades(models: &[Value], nodes: impl Iterator<Item = Resources>) -> Vec<Value> {
    let bounds: Vec<Resources> = models
        .iter()
        .map(|model| {
            let ranges = model.get("ranges").and_then(Value::as_array).into_iter().flatten();
            ranges
                .filter_map(|r| {
                    Some((r.get("name")?.as_str()?.to_owned(), Quantity::from_json(r.get("min")?)?))
                })
                .collect()
        })
        .collect();
    let mut counts = vec![0_u64; models.len()];
    for node in nodes {
        if node.get("pods").is_none_or(|pods| *pods <= Quantity::default()) {
            continue;
        }
        let reaches = |bounds: &Resources| {
            bounds.iter().all(|(name, min)| node.get(name).copied().unwrap_or_default() >= *min)
        };
        if let Some(grade) = bounds.iter().rposition(reaches) {
            counts[grade] += 1;
        }
    }
    models
        .iter()
        .zip(counts)
        .map(|(model, count)| json!({ "grade": model.get("grade").cloned().unwrap_or(json!(0)), "count": count }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, ready: &str, cpu: &str, pods: i64) -> Arc<Object> {
        let mut node = Object::new("v1", "Node", "", name);
        node.set("/status/conditions", json!([{ "type": "Ready", "status": ready }]));
        node.set("/status/allocatable", json!({ "cpu": cpu, "pods": pods.to_string() }));
        Arc::new(node)
    }

    fn pod(node: &str, phase: &str, cpu: &str) -> Arc<Object> {
        let mut pod = Object::new("v1", "Pod", "shop", &format!("{node}-{phase}"));
        pod.set("/spec", json!({ "containers": [{ "resources": { "requests": { "cpu": cpu } } }] }));
        if !node.is_empty() {
            pod.set("/spec/nodeName", node);
        }
        pod.set("/status/phase", phase);
        Arc::new(pod)
    }

    #[test]
    fn nodes_are_counted() {
        let nodes = [node("a", "True", "4", 9), node("b", "Unknown", "4", 9)];
        assert_eq!(node_summary(&nodes), json!({ "totalNum": 2, "readyNum": 1 }));
        assert_eq!(node_summary(&[]), json!({}));
    }

    #[test]
    fn pods_count_where_they_are_and_not_when_they_are_done() {
        let nodes = [node("a", "True", "4", 9), node("b", "False", "2", 9)];
        let pods = [
            pod("", "Pending", "100m"),
            pod("a", "Running", "1"),
            pod("a", "Pending", "500m"),
            pod("b", "Succeeded", "1"),
        ];
        assert_eq!(
            resource_summary(&nodes, &pods, None),
            json!({
                "allocatable": { "cpu": "6", "pods": "18" },
                "allocating": { "cpu": "100m", "pods": "1" },
                "allocated": { "cpu": "1500m", "pods": "2" },
            }),
        );
    }

    #[test]
    fn a_node_is_of_the_highest_grade_it_reaches_in_everything() {
        let nodes = [
            node("a", "True", "4", 9),
            node("b", "True", "1500m", 9),
            node("full", "True", "64", 1),
            node("c", "True", "4", 9),
        ];
        let pods = [pod("a", "Running", "2500m"), pod("full", "Running", "1")];
        let models = json!([
            { "grade": 0, "ranges": [{ "name": "cpu", "min": "0", "max": "1" }] },
            { "grade": 1, "ranges": [{ "name": "cpu", "min": "1", "max": "2" }] },
            { "grade": 2, "ranges": [{ "name": "cpu", "min": "2", "max": "4" }] },
        ]);
        let summary = resource_summary(&nodes, &pods, Some(&models));
        assert_eq!(
            summary["allocatableModelings"],
            json!([{ "grade": 0, "count": 0 }, { "grade": 1, "count": 2 }, { "grade": 2, "count": 1 }]),
        );
    }
}
