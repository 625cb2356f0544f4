//! FederatedHPA.

use machinery::Object;
use serde_json::{Value, json};

use super::{check, mutated, object};
use crate::Operation::{Create, Update};

fn hpa(more: Value) -> Object {
    let mut hpa = object(
        "autoscaling.karmada.io/v1alpha1",
        "FederatedHPA",
        json!({ "spec": { "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 5 } }),
    );
    for (key, value) in more.as_object().unwrap() {
        hpa.set(&format!("/spec/{key}"), value.clone());
    }
    hpa
}

#[test]
fn kubernetes_defaults_are_filled_in() {
    let new = mutated(Create, &hpa(json!({})));
    assert_eq!(new.i64_at("/spec/minReplicas"), Some(1));
    assert_eq!(new.i64_at("/spec/metrics/0/resource/target/averageUtilization"), Some(80));
    assert_eq!(new.at("/spec/behavior"), None);
    check(&new, "");
    let given = json!({ "type": "Pods", "pods": { "metric": { "name": "m" }, "target": { "type": "AverageValue", "averageValue": "1" } } });
    let new = mutated(
        Create,
        &hpa(
            json!({ "minReplicas": 2, "metrics": [given], "behavior": { "scaleDown": { "stabilizationWindowSeconds": 5 } } }),
        ),
    );
    assert_eq!(new.i64_at("/spec/minReplicas"), Some(2));
    assert_eq!(new.at("/spec/metrics"), Some(&json!([given])));
    assert_eq!(new.i64_at("/spec/behavior/scaleDown/stabilizationWindowSeconds"), Some(5));
    assert_eq!(new.str_at("/spec/behavior/scaleDown/selectPolicy"), Some("Max"));
    assert_eq!(new.i64_at("/spec/behavior/scaleUp/policies/0/value"), Some(4));
    check(&new, "");
    assert_eq!(mutated(Update, &new), new);
}

#[test]
fn there_is_room_to_scale_in() {
    check(&hpa(json!({ "minReplicas": 5 })), "");
    check(&hpa(json!({ "minReplicas": 0 })), "spec.minReplicas: Invalid value: 0");
    check(&hpa(json!({ "maxReplicas": 0 })), "spec.maxReplicas: Invalid value: 0");
    check(&hpa(json!({ "minReplicas": 6 })), "must be greater than or equal to `minReplicas`");
    check(
        &hpa(json!({ "scaleTargetRef": { "kind": "", "name": "" } })),
        "spec.scaleTargetRef.name: Required value",
    );
}

#[test]
fn metrics_are_of_a_type_and_have_a_target() {
    let metric = |value: Value| hpa(json!({ "metrics": [value] }));
    let resource = |target: Value| {
        metric(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }))
    };
    check(&resource(json!({ "type": "Utilization", "averageUtilization": 50 })), "");
    check(&resource(json!({ "type": "AverageValue", "averageValue": "500m" })), "");
    check(
        &resource(json!({ "type": "Utilization", "averageUtilization": 0 })),
        "target.averageUtilization: Invalid value: 0",
    );
    check(&resource(json!({ "type": "Utilization" })), "target.averageUtilization: Required value");
    check(&resource(json!({ "type": "Guess" })), "target.type: Unsupported value");
    check(&metric(json!({ "type": "Mood" })), "spec.metrics[0].type: Unsupported value");
    check(&metric(json!({ "type": "Pods" })), "spec.metrics[0].pods: Required value");
    check(
        &metric(
            json!({ "type": "ContainerResource", "containerResource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 5 } } }),
        ),
        "must name a container",
    );
    check(
        &metric(
            json!({ "type": "Pods", "pods": { "target": { "type": "AverageValue", "averageValue": 1 } } }),
        ),
        "must name a metric",
    );
}

#[test]
fn scaling_rules_apply_at_some_time() {
    let rules = |more: Value| {
        let mut rules = json!({ "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 60 }] });
        rules.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hpa(json!({ "behavior": { "scaleUp": rules } }))
    };
    let policy = |value: Value| rules(json!({ "policies": [value] }));
    check(&rules(json!({ "selectPolicy": "Disabled", "stabilizationWindowSeconds": 3600 })), "");
    check(&rules(json!({ "selectPolicy": "Sometimes" })), "scaleUp.selectPolicy: Unsupported value");
    check(&rules(json!({ "stabilizationWindowSeconds": 3601 })), "stabilizationWindowSeconds: Invalid value");
    check(&rules(json!({ "policies": [] })), "must specify at least one Policy");
    check(
        &policy(json!({ "type": "Pods", "value": 0, "periodSeconds": 60 })),
        "policies[0].value: Invalid value: 0",
    );
    check(
        &policy(json!({ "type": "Pods", "value": 1, "periodSeconds": 1801 })),
        "policies[0].periodSeconds: Invalid value",
    );
    check(
        &policy(json!({ "type": "Nodes", "value": 1, "periodSeconds": 60 })),
        "policies[0].type: Unsupported value",
    );
}
