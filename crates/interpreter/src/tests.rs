use machinery::{GroupVersionKind, Object};
use serde_json::{Value, json};

use super::*;

fn object(api_version: &str, kind: &str, rest: Value) -> Object {
    let mut object = Object::new(api_version, kind, "shop", "cart");
    merge(object.value_mut(), rest);
    object
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn deployment(rest: Value) -> Object {
    object("apps/v1", "Deployment", rest)
}

/// One item per member, named m1, m2, …; null is a member that has not reported.
fn items(statuses: &[Value]) -> Vec<AggregatedStatusItem> {
    let item = |(i, status): (usize, &Value)| {
        let mut item = json!({ "clusterName": format!("m{}", i + 1), "applied": true });
        if !status.is_null() {
            item["status"] = status.clone();
        }
        serde_json::from_value(item).unwrap()
    };
    statuses.iter().enumerate().map(item).collect()
}

fn aggregated(template: &Object, statuses: &[Value]) -> Value {
    let result = Interpreter::native().aggregate_status(template, &items(statuses)).now().unwrap();
    result.at("/status").cloned().unwrap_or_default()
}

mod aggregation;
mod dependencies;
mod health;
mod pruning;
mod reflection;
mod replicas;
mod retention;

mod bundled;
mod layers;
mod properties;
mod scripts;
mod webhooks;
