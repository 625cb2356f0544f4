//! Horizontal pod autoscalers in both versions. They are stored in the second.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{at_least, required, required_name};
use crate::fields::{Fill, Map, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, NONE, age, number, or, text};
use crate::{Column, Rules};

pub(crate) static V2: Rules = Rules {
    default: |hpa| {
        let Some(spec) = hpa.fields_mut().map_mut("spec") else { return };
        spec.fill("minReplicas", 1);
        if spec.list("metrics").is_empty() {
            spec.insert("metrics".into(), json!([cpu_metric(80)]));
        }
        if let Some(behavior) = spec.map_mut("behavior") {
            default_behavior(behavior);
        }
    },
    prepare_create: |hpa| hpa.set("/status", json!({"desiredReplicas": 0, "currentMetrics": null})),
    prepare_update: keep_status,
    validate_create: validate_v2,
    validate_update: |new, _| validate_v2(new),
    columns: || COLUMNS,
    cells,
    ..Rules::PLAIN
};

pub(crate) static V1: Rules = Rules {
    default: |hpa| {
        let has_metrics = hpa.annotation(METRICS).is_some();
        let Some(spec) = hpa.fields_mut().map_mut("spec") else { return };
        spec.fill("minReplicas", 1);
        if !has_metrics {
            spec.fill("targetCPUUtilizationPercentage", 80);
        }
    },
    prepare_create: |hpa| hpa.set("/status", json!({"currentReplicas": 0, "desiredReplicas": 0})),
    prepare_update: keep_status,
    validate_create: |hpa| {
        let mut causes = validate_common(hpa);
        let target = hpa.value().child(&["spec"]).int("targetCPUUtilizationPercentage");
        at_least(&mut causes, "spec.targetCPUUtilizationPercentage", target, 1);
        causes
    },
    validate_update: |new, _| (V1.validate_create)(new),
    columns: || COLUMNS,
    cells: |hpa, now| {
        let mut stored = hpa.clone();
        to_v2(&mut stored);
        cells(&stored, now)
    },
    from_storage: to_v1,
    to_storage: to_v2,
    ..Rules::PLAIN
};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

fn cpu_metric(percent: i64) -> Value {
    json!({
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}},
    })
}

fn default_behavior(behavior: &mut Map) {
    if let Some(up) = behavior.map_mut("scaleUp") {
        up.fill("stabilizationWindowSeconds", 0);
        up.fill_text("selectPolicy", "Max");
        if up.list("policies").is_empty() {
            let policies = json!([
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ]);
            up.insert("policies".into(), policies);
        }
    }
    if let Some(down) = behavior.map_mut("scaleDown") {
        down.fill_text("selectPolicy", "Max");
        if down.list("policies").is_empty() {
            let policies = json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]);
            down.insert("policies".into(), policies);
        }
    }
}

fn validate_common(hpa: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = hpa.value().child(&["spec"]);
    let (min, max) = (spec.int("minReplicas"), spec.int("maxReplicas").unwrap_or(0));
    at_least(&mut causes, "spec.minReplicas", min, 1);
    at_least(&mut causes, "spec.maxReplicas", Some(max), 1);
    if min.is_some_and(|min| min >= 1 && max < min) {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &max.into(), detail));
    }
    let target = spec.child(&["scaleTargetRef"]);
    let segment = machinery::names::path_segment;
    required_name(&mut causes, "spec.scaleTargetRef.kind", target.text("kind"), segment);
    required_name(&mut causes, "spec.scaleTargetRef.name", target.text("name"), segment);
    causes
}

/// Metric sources and the name of the field that holds them.
const SOURCES: &[(&str, &str)] = &[
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn source_field(metric: &Value) -> Option<&'static str> {
    SOURCES.iter().find(|(ty, _)| *ty == metric.text("type")).map(|(_, field)| *field)
}

fn validate_v2(hpa: &Object) -> Vec<Cause> {
    let mut causes = validate_common(hpa);
    let spec = hpa.value().child(&["spec"]);
    for (i, metric) in spec.list("metrics").iter().enumerate() {
        let at = format!("spec.metrics[{i}]");
        let ty = metric.text("type");
        if ty.is_empty() {
            causes.push(Cause::required(format!("{at}.type"), "must specify a metric source type"));
            continue;
        }
        let Some(field) = source_field(metric) else {
            let types: Vec<&str> = SOURCES.iter().map(|(ty, _)| *ty).collect();
            causes.push(Cause::not_supported(format!("{at}.type"), &ty.into(), &types));
            continue;
        };
        let at = format!("{at}.{field}");
        let source = metric.child(&[field]);
        if source.is_null() {
            let detail = "must populate information for the given metric source";
            causes.push(Cause::required(at, detail));
            continue;
        }
        let named = matches!(field, "resource" | "containerResource");
        let (name_at, name) = if named {
            (format!("{at}.name"), source.text("name"))
        } else {
            (format!("{at}.metric.name"), source.child(&["metric"]).text("name"))
        };
        required(&mut causes, &name_at, name);
        target(&mut causes, &format!("{at}.target"), source.child(&["target"]));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let window = spec.child(&["behavior", direction]).int("stabilizationWindowSeconds");
        let at = format!("spec.behavior.{direction}.stabilizationWindowSeconds");
        crate::checks::non_negative(&mut causes, &at, window);
    }
    causes
}

fn target(causes: &mut Vec<Cause>, at: &str, target: &Value) {
    let ty = target.text("type");
    if ty.is_empty() {
        causes.push(Cause::required(format!("{at}.type"), "must specify a metric target type"));
    } else if !matches!(ty, "Utilization" | "Value" | "AverageValue") {
        let detail = "must be either Utilization, Value, or AverageValue";
        causes.push(Cause::invalid(format!("{at}.type"), &ty.into(), detail));
    }
    at_least(causes, &format!("{at}.averageUtilization"), target.int("averageUtilization"), 1);
}

const COLUMNS: &[Column] = &[
    NAME,
    text("Reference", "Kind and name of what is scaled."),
    text("Targets", "Current and wanted value of each metric."),
    text("MinPods", "Fewest pods."),
    text("MaxPods", "Most pods."),
    text("Replicas", "Pods there are."),
    AGE,
];

fn cells(hpa: &Object, now: i64) -> Vec<Value> {
    let spec = hpa.value().child(&["spec"]);
    let target = spec.child(&["scaleTargetRef"]);
    let min = spec.int("minReplicas").map_or_else(|| "<unset>".to_owned(), |n| n.to_string());
    vec![
        hpa.name().into(),
        format!("{}/{}", target.text("kind"), target.text("name")).into(),
        metrics_text(hpa.value()).into(),
        min.into(),
        number(hpa, &["spec", "maxReplicas"]),
        number(hpa, &["status", "currentReplicas"]),
        age(hpa, now),
    ]
}

/// At most two metrics, as `current/wanted`; the rest is counted.
fn metrics_text(hpa: &Value) -> String {
    let metrics = hpa.child(&["spec"]).list("metrics");
    let current = hpa.child(&["status"]).list("currentMetrics");
    let texts: Vec<String> = metrics
        .iter()
        .enumerate()
        .map(|(i, m)| metric_text(m, current.get(i).unwrap_or(&Value::Null)))
        .collect();
    let shown = texts.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(", ");
    if texts.len() > 2 {
        format!("{shown} + {} more...", texts.len() - 2)
    } else {
        or(&shown, NONE).to_owned()
    }
}

fn metric_text(metric: &Value, current: &Value) -> String {
    let Some(field) = source_field(metric) else { return "<unknown type>".into() };
    let target = metric.child(&[field, "target"]);
    let now = current.child(&[field, "current"]);
    let amount = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "<unknown>".to_owned(),
        other => other.to_string(),
    };
    let percent = |value: Option<i64>| value.map_or_else(|| "<unknown>".to_owned(), |n| format!("{n}%"));
    let (have, want, average) = if target.has("averageUtilization") {
        (percent(now.int("averageUtilization")), percent(target.int("averageUtilization")), false)
    } else if target.has("averageValue") {
        (amount(now.get_or_null("averageValue")), amount(target.get_or_null("averageValue")), true)
    } else {
        (amount(now.get_or_null("value")), amount(target.get_or_null("value")), false)
    };
    let marked = if average && matches!(field, "object" | "external") { " (avg)" } else { "" };
    let text = format!("{have}/{want}{marked}");
    match field {
        "resource" => format!("{}: {text}", metric.child(&[field]).text("name")),
        "containerResource" => {
            let source = metric.child(&[field]);
            format!("{}: {text}", source.text("name"))
        }
        _ => text,
    }
}

/// The first cpu utilisation metric; the first version has a field of its own for it.
fn is_cpu(metric: &Value) -> bool {
    metric.text("type") == "Resource" && metric.child(&["resource"]).text("name") == "cpu"
}

/// Second version to first. What the first has no field for travels in annotations.
fn to_v1(hpa: &mut Object) {
    hpa.set("/apiVersion", "autoscaling/v1");
    let spec = hpa.value().child(&["spec"]).clone();
    let status = hpa.value().child(&["status"]).clone();
    let mut rest = Vec::new();
    let mut cpu = None;
    for metric in spec.list("metrics") {
        let percent = metric.child(&["resource", "target", "averageUtilization"]).as_i64();
        if is_cpu(metric) && percent.is_some() && cpu.is_none() {
            cpu = percent;
        } else {
            rest.push(old_metric(metric));
        }
    }
    if let Some(spec) = hpa.fields_mut().map_mut("spec") {
        spec.remove("metrics");
        spec.remove("behavior");
        if let Some(cpu) = cpu {
            spec.insert("targetCPUUtilizationPercentage".into(), cpu.into());
        }
    }
    if let Some(status) = hpa.fields_mut().map_mut("status") {
        status.fill("currentReplicas", 0);
        status.remove("conditions");
        status.remove("currentMetrics");
    }
    let current: Vec<&Value> = status.list("currentMetrics").iter().collect();
    let cpu_now = current.iter().find(|m| is_cpu(m));
    if let Some(percent) =
        cpu_now.and_then(|m| m.child(&["resource", "current", "averageUtilization"]).as_i64())
    {
        hpa.set("/status/currentCPUUtilizationPercentage", percent);
    }
    let annotate = |hpa: &mut Object, key: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            hpa.set_annotation(key, &value.to_string());
        }
    };
    annotate(hpa, METRICS, rest.into());
    annotate(hpa, BEHAVIOR, spec.get_or_null("behavior").clone());
    annotate(hpa, CONDITIONS, status.get_or_null("conditions").clone());
    annotate(hpa, CURRENT_METRICS, status.get_or_null("currentMetrics").clone());
}

/// First version to second: the way back of [`to_v1`].
fn to_v2(hpa: &mut Object) {
    hpa.set("/apiVersion", "autoscaling/v2");
    let mut take = |key: &str| -> Value {
        let value = hpa.annotation(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        hpa.remove_annotation(key);
        value
    };
    let (metrics, behavior) = (take(METRICS), take(BEHAVIOR));
    let (conditions, current) = (take(CONDITIONS), take(CURRENT_METRICS));
    let mut all: Vec<Value> = metrics.as_array().into_iter().flatten().map(new_metric).collect();
    if let Some(spec) = hpa.fields_mut().map_mut("spec") {
        if let Some(percent) = spec.remove("targetCPUUtilizationPercentage").and_then(|p| p.as_i64()) {
            all.insert(0, cpu_metric(percent));
        }
        if !all.is_empty() {
            spec.insert("metrics".into(), all.into());
        }
        if behavior.is_object() {
            spec.insert("behavior".into(), behavior);
        }
    }
    let Some(status) = hpa.fields_mut().map_mut("status") else { return };
    let percent = status.remove("currentCPUUtilizationPercentage").and_then(|p| p.as_i64());
    if status.int("currentReplicas") == Some(0) {
        status.remove("currentReplicas");
    }
    if conditions.is_array() {
        status.insert("conditions".into(), conditions);
    }
    let current = match (current, percent) {
        (Value::Array(list), _) => list.into(),
        (_, Some(percent)) => json!([{
            "type": "Resource",
            "resource": {"name": "cpu", "current": {"averageUtilization": percent, "averageValue": "0"}},
        }]),
        _ => Value::Null,
    };
    status.insert("currentMetrics".into(), current);
}

/// Fields of one source: the annotation's name, and the path in the second version.
type OldFields = &'static [(&'static str, &'static [&'static str])];

/// Fields of a metric in the annotation, by source: where the annotation keeps what the second version
/// has at the path.
const OLD_FIELDS: &[(&str, OldFields)] = &[
    (
        "resource",
        &[
            ("name", &["name"]),
            ("targetAverageUtilization", &["target", "averageUtilization"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", &["name"]),
            ("container", &["container"]),
            ("targetAverageUtilization", &["target", "averageUtilization"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", &["metric", "name"]),
            ("selector", &["metric", "selector"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "object",
        &[
            ("target", &["describedObject"]),
            ("metricName", &["metric", "name"]),
            ("selector", &["metric", "selector"]),
            ("targetValue", &["target", "value"]),
            ("averageValue", &["target", "averageValue"]),
        ],
    ),
    (
        "external",
        &[
            ("metricName", &["metric", "name"]),
            ("metricSelector", &["metric", "selector"]),
            ("targetValue", &["target", "value"]),
            ("targetAverageValue", &["target", "averageValue"]),
        ],
    ),
];

fn old_fields(metric: &Value) -> Option<(&'static str, OldFields)> {
    let field = source_field(metric)?;
    OLD_FIELDS.iter().find(|(source, _)| *source == field).copied()
}

fn old_metric(metric: &Value) -> Value {
    let Some((source, fields)) = old_fields(metric) else { return metric.clone() };
    let mut old = Map::new();
    for (name, path) in fields {
        let value = metric.child(&[source]).child(path);
        if !value.is_null() {
            old.insert((*name).into(), value.clone());
        }
    }
    json!({"type": metric.text("type"), source: old})
}

fn new_metric(old: &Value) -> Value {
    let Some((source, fields)) = old_fields(old) else { return old.clone() };
    let mut metric = Map::new();
    let from = old.child(&[source]);
    for (name, path) in fields {
        let value = from.get_or_null(name);
        if !value.is_null() {
            let mut at = &mut metric;
            let (last, parents) = path.split_last().expect("the paths in the table are not empty");
            for key in parents {
                let Some(next) = at.make(key) else { return old.clone() };
                at = next;
            }
            at.insert((*last).into(), value.clone());
        }
    }
    if let Some(target) = metric.make("target") {
        let ty = if target.has("averageUtilization") {
            "Utilization"
        } else if target.has("averageValue") {
            "AverageValue"
        } else {
            "Value"
        };
        target.insert("type".into(), ty.into());
    }
    json!({"type": old.text("type"), source: metric})
}
