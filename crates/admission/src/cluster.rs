//! Cluster.

use std::collections::BTreeSet;

use api::Time;
use api::cluster::{Cluster, LocalSecretReference, ResourceModel, ResourceModelRange};
use api::names::taints;
use jiff::Timestamp;
use machinery::{Cause, Object, Quantity, names};
use serde_json::{Value, json};

use crate::placement::taint_effect;
use crate::propagation::items;
use crate::{Denial, Mutation, Operation, Source, Validation, World, fields};

/// The upper end of the last grade: as good as no bound.
const UNBOUNDED: &str = "9223372036854775807";

/// Lower bounds of CPU and memory of the grades clusters have when nobody says otherwise.
const GRADES: [(&str, &str); 9] = [
    ("0", "0"),
    ("1", "4Gi"),
    ("2", "16Gi"),
    ("4", "32Gi"),
    ("8", "64Gi"),
    ("16", "128Gi"),
    ("32", "256Gi"),
    ("64", "512Gi"),
    ("128", "1Ti"),
];

/// The resource models of a cluster whose owner gives none: nine grades by CPU and memory.
pub fn default_resource_models() -> Vec<ResourceModel> {
    let range = |name: &str, min: &str, max: &str| ResourceModelRange {
        name: name.into(),
        min: min.into(),
        max: max.into(),
    };
    GRADES
        .iter()
        .enumerate()
        .map(|(grade, (cpu, memory))| {
            let (cpu_max, memory_max) = GRADES.get(grade + 1).copied().unwrap_or((UNBOUNDED, UNBOUNDED));
            ResourceModel {
                grade: grade as u64,
                ranges: vec![range("cpu", cpu, cpu_max), range("memory", memory, memory_max)],
            }
        })
        .collect()
}

/// Brings a cluster into its canonical form: zones as a list, evicting taints with their time, resource
/// models in order and open at both ends. A new cluster starts without status.
pub(crate) fn mutate(
    request: &Mutation<'_>,
    object: &mut Object,
    source: &mut Source<'_>,
) -> Result<(), Denial> {
    stamp_taints(object, source.now);
    let zone = object.str_at("/spec/zone").filter(|z| !z.is_empty()).map(ToOwned::to_owned);
    let without_zones = object.at("/spec/zones").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if let Some(zone) = zone
        && without_zones
    {
        object.set("/spec/zones", json!([zone]));
    }
    if request.operation == Operation::Create {
        object.remove("/status");
    }
    if !source.options.customized_cluster_resource_modeling {
        return Ok(());
    }
    let modelled = object.at("/spec/resourceModels").and_then(Value::as_array).is_some_and(|m| !m.is_empty());
    if modelled {
        standardize_models(object);
    } else if request.operation == Operation::Create {
        object.set("/spec/resourceModels", json!(default_resource_models()));
    }
    Ok(())
}

fn stamp_taints(object: &mut Object, now: Timestamp) {
    for taint in items(object, "/spec/taints").filter_map(Value::as_object_mut) {
        let evicts = taint.get("effect").and_then(Value::as_str) == Some(taints::NO_EXECUTE);
        if evicts && taint.get("timeAdded").is_none_or(Value::is_null) {
            taint.insert("timeAdded".into(), Time::new(now).to_string().into());
        }
    }
}

/// Sorts the grades; the first one starts at 0 and the last has no upper bound.
fn standardize_models(object: &mut Object) {
    let Some(models) = object.value_mut().pointer_mut("/spec/resourceModels").and_then(Value::as_array_mut)
    else {
        return;
    };
    models.sort_by_key(|m| m.get("grade").and_then(Value::as_u64));
    let bound = |model: Option<&mut Value>, key: &str, value: &str| {
        let ranges = model.and_then(|m| m.get_mut("ranges")).and_then(Value::as_array_mut);
        for range in ranges.into_iter().flatten().filter_map(Value::as_object_mut) {
            range.insert(key.into(), value.into());
        }
    };
    bound(models.first_mut(), "min", "0");
    bound(models.last_mut(), "max", UNBOUNDED);
}

/// Longest id.
const ID_LEN_MAX: usize = 128_000;

/// Refuses clusters that cannot be reached as described, or whose models leave gaps.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let sync_mode = request.object.at("/spec/syncMode").cloned().unwrap_or_default();
    if sync_mode != "Push" && sync_mode != "Pull" {
        let cause = if sync_mode.is_null() || sync_mode == "" {
            Cause::required("spec.syncMode", "")
        } else {
            Cause::not_supported("spec.syncMode", &sync_mode, &["Pull", "Push"])
        };
        return Denial::unless_empty(vec![cause]);
    }
    let cluster: Cluster = request.parse()?;
    let spec = &cluster.spec;
    let mut causes = fields::cluster_name("metadata.name", &cluster.metadata.name);
    if spec.id.len() > ID_LEN_MAX {
        causes.push(Cause::too_long("spec.id", ID_LEN_MAX));
    }
    causes.extend(endpoint(&spec.api_endpoint));
    for (name, secret) in
        [("secretRef", &spec.secret_ref), ("impersonatorSecretRef", &spec.impersonator_secret_ref)]
    {
        causes.extend(secret.iter().flat_map(|s| secret_ref(s, &format!("spec.{name}"))));
    }
    causes.extend(proxy(&spec.proxy_url));
    for (name, value) in [("provider", &spec.provider), ("region", &spec.region), ("zone", &spec.zone)] {
        causes.extend(fields::invalid(&format!("spec.{name}"), value, names::label_value(value)));
    }
    for (i, zone) in spec.zones.iter().enumerate() {
        causes.extend(fields::invalid(&format!("spec.zones[{i}]"), zone, names::label_value(zone)));
    }
    // The canonical form of a cluster with one zone has it in both fields.
    if !spec.zone.is_empty() && !spec.zones.is_empty() && spec.zones != [spec.zone.as_str()] {
        let detail = "zone and zones cannot be used together";
        causes.push(Cause::invalid("spec.zone", &json!(spec.zone), detail));
    }
    causes.extend(cluster_taints(&cluster));
    causes.extend(models(&spec.resource_models));
    Denial::unless_empty(causes)
}

fn endpoint(text: &str) -> Option<Cause> {
    if text.is_empty() {
        return None;
    }
    let detail = match fields::url(text) {
        Some(url) if url.host.is_empty() => "must have a host",
        Some(url) if url.user => "must not have a user",
        Some(url) if url.query || url.fragment => "must not have a query or fragment",
        Some(_) => return None,
        None => "must be a URL",
    };
    Some(Cause::invalid("spec.apiEndpoint", &json!(text), detail))
}

fn proxy(text: &str) -> Option<Cause> {
    if text.is_empty() {
        return None;
    }
    let detail = match fields::url(text) {
        Some(url) if !["http", "https", "socks5"].contains(&url.scheme) => {
            "must have the scheme http, https or socks5"
        }
        Some(url) if url.host.is_empty() => "must have a host",
        Some(_) => return None,
        None => "must be a URL",
    };
    Some(Cause::invalid("spec.proxyURL", &json!(text), detail))
}

fn secret_ref(secret: &LocalSecretReference, path: &str) -> Vec<Cause> {
    [("namespace", &secret.namespace), ("name", &secret.name)]
        .into_iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(name, _)| Cause::required(format!("{path}.{name}"), ""))
        .collect()
}

fn cluster_taints(cluster: &Cluster) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, taint) in cluster.spec.taints.iter().enumerate() {
        let path = format!("spec.taints[{i}]");
        causes.extend(fields::key(&format!("{path}.key"), &taint.key));
        causes.extend(fields::invalid(
            &format!("{path}.value"),
            &taint.value,
            names::label_value(&taint.value),
        ));
        causes.extend(taint_effect(&format!("{path}.effect"), &taint.effect));
        if !seen.insert((&taint.key, &taint.effect)) {
            causes.push(Cause::duplicate(path, &json!({ "key": taint.key, "effect": taint.effect })));
        }
    }
    causes
}

/// Grades must be distinct, speak of the same resources, and leave no gap from 0 upwards. Bounds are
/// compared as amounts: `4Gi` and `4096Mi` are the same.
fn models(models: &[ResourceModel]) -> Vec<Cause> {
    let path = "spec.resourceModels";
    let mut causes = Vec::new();
    let mut grades = BTreeSet::new();
    for (i, model) in models.iter().enumerate() {
        if !grades.insert(model.grade) {
            causes.push(Cause::duplicate(format!("{path}[{i}].grade"), &json!(model.grade)));
        }
    }
    let mut previous: Option<&ResourceModel> = None;
    for (i, model) in models.iter().enumerate() {
        let path = format!("{path}[{i}].ranges");
        let mut resources = BTreeSet::new();
        for (j, range) in model.ranges.iter().enumerate() {
            let path = format!("{path}[{j}]");
            if !resources.insert(&range.name) {
                causes.push(Cause::duplicate(format!("{path}.name"), &json!(range.name)));
            }
            causes.extend(range_bounds(range, previous, &path));
        }
        let others: BTreeSet<&String> =
            previous.into_iter().flat_map(|p| &p.ranges).map(|r| &r.name).collect();
        if previous.is_some() && others != resources {
            let detail = "every grade must have a range of every resource";
            causes.push(Cause::invalid(path, &json!(resources), detail));
        }
        previous = Some(model);
    }
    let last = models.len().saturating_sub(1);
    for (j, range) in models.last().into_iter().flat_map(|m| &m.ranges).enumerate() {
        if Quantity::parse(range.max.as_str()).ok() != Quantity::parse(UNBOUNDED).ok() {
            let detail = format!("must be {UNBOUNDED}: the last grade has no upper bound");
            causes.push(Cause::invalid(
                format!("{path}[{last}].ranges[{j}].max"),
                &json!(range.max),
                &detail,
            ));
        }
    }
    causes
}

fn range_bounds(range: &ResourceModelRange, previous: Option<&ResourceModel>, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut bound = |name: &str, quantity: &api::Quantity| match Quantity::parse(quantity.as_str()) {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            causes.push(Cause::invalid(format!("{path}.{name}"), &json!(quantity), &error.to_string()));
            None
        }
    };
    let (Some(min), Some(max)) = (bound("min", &range.min), bound("max", &range.max)) else { return causes };
    if max <= min {
        causes.push(Cause::invalid(format!("{path}.max"), &json!(range.max), "must be greater than min"));
    }
    let lower = match previous {
        None => Some(Quantity::from_value(0)),
        Some(model) => model
            .ranges
            .iter()
            .find(|r| r.name == range.name)
            .and_then(|r| Quantity::parse(r.max.as_str()).ok()),
    };
    if let Some(lower) = lower
        && lower != min
    {
        let detail = match previous {
            None => "must be 0 in the first grade",
            Some(_) => "must be the max of the grade before",
        };
        causes.push(Cause::invalid(format!("{path}.min"), &json!(range.min), detail));
    }
    causes
}
