//! FederatedHPA: defaults and limits of the HorizontalPodAutoscaler of `autoscaling/v2`, whose fields it has.

use api::autoscaling::FederatedHpa;
use machinery::{Cause, Object, Quantity};
use serde_json::{Value, json};

use crate::{Denial, Mutation, Source, Validation, World};

/// Fills in what Kubernetes fills in: one replica at least, 80 % of the requested CPU, and scaling rules
/// where only some of them are given.
pub(crate) fn mutate(_: &Mutation<'_>, object: &mut Object, _: &mut Source<'_>) -> Result<(), Denial> {
    let Some(spec) = object.value_mut().get_mut("spec").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    if spec.get("minReplicas").is_none_or(Value::is_null) {
        spec.insert("minReplicas".into(), 1.into());
    }
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let cpu = json!([{
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } },
        }]);
        spec.insert("metrics".into(), cpu);
    }
    if let Some(behavior) = spec.get_mut("behavior").and_then(Value::as_object_mut) {
        // As since Kubernetes 1.18: up at once by 4 pods or to twice as many, whichever is more; down by any.
        let up = json!({
            "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
            "policies": [
                { "type": "Pods", "value": 4, "periodSeconds": 15 },
                { "type": "Percent", "value": 100, "periodSeconds": 15 },
            ],
        });
        let down = json!({
            "selectPolicy": "Max",
            "policies": [{ "type": "Percent", "value": 100, "periodSeconds": 15 }],
        });
        for (name, defaults) in [("scaleUp", up), ("scaleDown", down)] {
            let rules = behavior.entry(name).or_insert_with(|| json!({}));
            fill_in(rules, defaults);
        }
    }
    Ok(())
}

fn fill_in(rules: &mut Value, defaults: Value) {
    if rules.is_null() {
        *rules = json!({});
    }
    let (Some(rules), Value::Object(defaults)) = (rules.as_object_mut(), defaults) else { return };
    for (key, value) in defaults {
        if rules.get(&key).is_none_or(Value::is_null) {
            rules.insert(key, value);
        }
    }
}

/// Refuses autoscalers without room to scale in, and rules that never or always apply.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let hpa: FederatedHpa = request.parse()?;
    let spec = &hpa.spec;
    let mut causes = Vec::new();
    if let Some(min) = spec.min_replicas
        && min < 1
    {
        let detail = "must be greater than or equal to 1";
        causes.push(Cause::invalid("spec.minReplicas", &json!(min), detail));
    }
    if spec.max_replicas < 1 {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(spec.max_replicas), "must be greater than 0"));
    } else if spec.min_replicas.is_some_and(|min| spec.max_replicas < min) {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &json!(spec.max_replicas), detail));
    }
    for (name, value) in [("kind", &spec.scale_target_ref.kind), ("name", &spec.scale_target_ref.name)] {
        if value.is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{name}"), ""));
        }
    }
    for (i, metric) in spec.metrics.iter().enumerate() {
        causes.extend(validate_metric(metric, &format!("spec.metrics[{i}]")));
    }
    for name in ["scaleUp", "scaleDown"] {
        if let Some(rules) = spec.behavior.as_ref().and_then(|b| b.get(name)) {
            causes.extend(validate_rules(rules, &format!("spec.behavior.{name}")));
        }
    }
    Denial::unless_empty(causes)
}

/// Types of metrics with the field of each.
const METRICS: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn validate_metric(metric: &Value, path: &str) -> Vec<Cause> {
    let ty = metric.get("type").cloned().unwrap_or_default();
    let Some((_, field)) = METRICS.iter().find(|(name, _)| ty == *name) else {
        let supported = METRICS.map(|(name, _)| name);
        return vec![Cause::not_supported(format!("{path}.type"), &ty, &supported)];
    };
    let path = format!("{path}.{field}");
    let Some(source) = metric.get(field).filter(|s| s.is_object()) else {
        return vec![Cause::required(path, "must hold the metric of the given type")];
    };
    let named = if field.ends_with("esource") { source.get("name") } else { source.pointer("/metric/name") };
    let mut causes = Vec::new();
    if named.and_then(Value::as_str).unwrap_or_default().is_empty() {
        causes.push(Cause::required(format!("{path}.name"), "must name a metric"));
    }
    if *field == "containerResource"
        && source.get("container").and_then(Value::as_str).unwrap_or_default().is_empty()
    {
        causes.push(Cause::required(format!("{path}.container"), "must name a container"));
    }
    causes.extend(validate_target(source.get("target").unwrap_or(&Value::Null), &format!("{path}.target")));
    causes
}

/// A target gives one number above zero, of the kind its type says.
fn validate_target(target: &Value, path: &str) -> Vec<Cause> {
    let field = match target.get("type").and_then(Value::as_str) {
        Some("Utilization") => "averageUtilization",
        Some("Value") => "value",
        Some("AverageValue") => "averageValue",
        _ => {
            let supported = ["Utilization", "Value", "AverageValue"];
            let ty = target.get("type").cloned().unwrap_or_default();
            return vec![Cause::not_supported(format!("{path}.type"), &ty, &supported)];
        }
    };
    let path = format!("{path}.{field}");
    match target.get(field).filter(|v| !v.is_null()) {
        None => vec![Cause::required(path, "must hold the value of the given type")],
        Some(value) => match Quantity::from_json(value) {
            Some(amount) if amount > Quantity::from_value(0) => Vec::new(),
            _ => vec![Cause::invalid(path, value, "must be greater than 0")],
        },
    }
}

/// Longest time a rule looks back, in seconds.
const WINDOW_SECONDS_MAX: i64 = 3600;

/// Longest time a policy counts over, in seconds.
const PERIOD_SECONDS_MAX: i64 = 1800;

fn validate_rules(rules: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let number = |value: Option<&Value>| value.and_then(Value::as_i64);
    if let Some(window) = number(rules.get("stabilizationWindowSeconds"))
        && !(0..=WINDOW_SECONDS_MAX).contains(&window)
    {
        let detail = format!("must be between 0 and {WINDOW_SECONDS_MAX}");
        causes.push(Cause::invalid(format!("{path}.stabilizationWindowSeconds"), &json!(window), &detail));
    }
    if let Some(select) = rules.get("selectPolicy").filter(|v| !v.is_null()) {
        let supported = ["Disabled", "Max", "Min"];
        if !supported.iter().any(|s| select == s) {
            causes.push(Cause::not_supported(format!("{path}.selectPolicy"), select, &supported));
        }
    }
    let policies = rules.get("policies").and_then(Value::as_array);
    if policies.is_none_or(Vec::is_empty) {
        causes.push(Cause::required(format!("{path}.policies"), "must specify at least one Policy"));
    }
    for (i, policy) in policies.into_iter().flatten().enumerate() {
        let path = format!("{path}.policies[{i}]");
        let ty = policy.get("type").cloned().unwrap_or_default();
        if ty != "Pods" && ty != "Percent" {
            causes.push(Cause::not_supported(format!("{path}.type"), &ty, &["Percent", "Pods"]));
        }
        let value = number(policy.get("value")).unwrap_or(0);
        if value <= 0 {
            causes.push(Cause::invalid(format!("{path}.value"), &json!(value), "must be greater than zero"));
        }
        let period = number(policy.get("periodSeconds")).unwrap_or(0);
        if !(1..=PERIOD_SECONDS_MAX).contains(&period) {
            let detail = format!("must be between 1 and {PERIOD_SECONDS_MAX}");
            causes.push(Cause::invalid(format!("{path}.periodSeconds"), &json!(period), &detail));
        }
    }
    causes
}
