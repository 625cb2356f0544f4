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

mod layers {
    use super::*;

    struct Always(i64);

    impl Layer for Always {
        fn has(&self, kind: &GroupVersionKind, operation: Operation) -> bool {
            kind.kind == "Deployment" && operation == Operation::InterpretReplica
        }

        fn replicas(&self, _object: &Object) -> Result<(i64, Option<ReplicaRequirements>)> {
            Ok((self.0, None))
        }
    }

    #[test]
    fn the_first_with_a_hook_answers_alone() {
        let interpreter = Interpreter::new(vec![Box::new(Always(1)), Box::new(Always(2))]);
        let replicas = |object: &Object| interpreter.replicas(object).now().unwrap().map(|(n, _)| n);
        assert_eq!(replicas(&deployment(json!({ "spec": { "replicas": 9 } }))), Some(1));
        assert_eq!(replicas(&object("apps/v1", "ReplicaSet", json!({ "spec": { "replicas": 9 } }))), Some(9));
    }

    #[test]
    fn has_is_true_when_any_layer_knows() {
        let native = Interpreter::native();
        let kind = |api_version: &str, kind: &str| GroupVersionKind::from_api_version(api_version, kind);
        for (gvk, operation, expected) in [
            (kind("apps/v1", "Deployment"), Operation::ReviseReplica, true),
            (kind("apps/v1beta1", "Deployment"), Operation::ReviseReplica, false),
            (kind("v1", "Pod"), Operation::ReviseReplica, false),
            (kind("batch/v1", "Job"), Operation::InterpretHealth, false),
            (kind("example.io/v1", "X"), Operation::InterpretStatus, true),
            (kind("example.io/v1", "X"), Operation::AggregateStatus, false),
        ] {
            assert_eq!(native.has(&gvk, operation), expected, "{gvk} {operation}");
        }
    }
}
