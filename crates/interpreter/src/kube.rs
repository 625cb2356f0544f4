//! The module `kube` that scripts require: what only the control plane knows how to compute.

use std::sync::LazyLock;

use lua::{Machine, Module, RuntimeError};
use machinery::quantity::Quantity;
use serde_json::Value;

use crate::{Gates, decode, native};

/// A native function's outcome.
type Outcome = Result<Vec<lua::Value>, RuntimeError>;

/// The module, under feature gates.
pub(crate) fn module(gates: Gates) -> Module {
    static PLAIN: LazyLock<Module> = LazyLock::new(|| build(Gates::default()));
    static GATED: LazyLock<Module> = LazyLock::new(|| build(Gates { resource_quota_estimate: true }));
    if gates.resource_quota_estimate { GATED.clone() } else { PLAIN.clone() }
}

fn build(gates: Gates) -> Module {
    Module::new()
        .function("resourceAdd", resource_add)
        .function("accuratePodRequirements", move |machine, arguments| {
            accurate_pod_requirements(machine, arguments, gates)
        })
        .function("getPodDependencies", get_pod_dependencies)
        .function("getResourceQuantity", get_resource_quantity)
}

fn type_error(position: usize, function: &str, expected: &str, found: &lua::Value) -> RuntimeError {
    let found = found.type_name();
    RuntimeError::new(format!("bad argument #{position} to {function} ({expected} expected, got {found})"))
}

/// A script's table as JSON, as a Go program would read it: nothing in it is empty.
fn table(function: &str, value: Option<&lua::Value>) -> Result<Value, RuntimeError> {
    let nil = lua::Value::Nil;
    let value = value.unwrap_or(&nil);
    if value.as_table().is_none() {
        return Err(type_error(1, function, "table", value));
    }
    let mut json = value.to_json().map_err(|why| RuntimeError::new(why.to_string()))?;
    decode::repair(&mut json, &[]);
    Ok(json)
}

/// The text of a quantity; none for nil, which counts as nothing.
fn quantity_text<'a>(
    position: usize,
    function: &str,
    value: &'a lua::Value,
) -> Result<Option<&'a str>, RuntimeError> {
    match value {
        lua::Value::Nil => Ok(None),
        lua::Value::String(_) => Ok(Some(value.as_str().unwrap_or_default())),
        other => Err(type_error(position, function, "string", other)),
    }
}

fn quantity(text: &str) -> Result<Quantity, RuntimeError> {
    Quantity::parse(text).map_err(|why| RuntimeError::new(format!("cannot parse {text:?}: {why}")))
}

/// `resourceAdd(q1, q2, …)`: the sum of quantities, as text.
fn resource_add(machine: &mut Machine<'_>, arguments: &[lua::Value]) -> Outcome {
    let mut sum = Quantity::ZERO;
    for (position, value) in arguments.iter().enumerate() {
        if let Some(text) = quantity_text(position + 1, "resourceAdd", value)? {
            sum += quantity(text)?;
        }
    }
    Ok(vec![machine.string(sum.to_string().as_bytes())?])
}

/// `accuratePodRequirements(podTemplate)`: what one pod of the template needs, nil when nothing.
fn accurate_pod_requirements(machine: &mut Machine<'_>, arguments: &[lua::Value], gates: Gates) -> Outcome {
    if arguments.len() != 1 {
        return Err(RuntimeError::new("accuratePodRequirements takes exactly one argument"));
    }
    let template = table("accuratePodRequirements", arguments.first())?;
    let needs = native::requirements(&template, gates).map_err(RuntimeError::new)?;
    match needs {
        Some(needs) => json(machine, serde_json::to_value(needs)),
        None => Ok(vec![lua::Value::Nil]),
    }
}

/// `getPodDependencies(podTemplate, namespace)`: what pods of the template need, nil when nothing. Without a
/// namespace they are looked for in `default`.
fn get_pod_dependencies(machine: &mut Machine<'_>, arguments: &[lua::Value]) -> Outcome {
    let [_, namespace] = arguments else {
        return Err(RuntimeError::new("getPodDependencies takes exactly two arguments"));
    };
    let template = table("getPodDependencies", arguments.first())?;
    let namespace = match namespace {
        lua::Value::Nil => "default".to_owned(),
        lua::Value::String(_) | lua::Value::Number(_) => namespace.to_string(),
        other => return Err(type_error(2, "getPodDependencies", "string", other)),
    };
    let references = native::pod_dependencies(&template, &namespace);
    if references.is_empty() {
        return Ok(vec![lua::Value::Nil]);
    }
    json(machine, serde_json::to_value(references))
}

fn json(machine: &mut Machine<'_>, value: serde_json::Result<Value>) -> Outcome {
    let value = value.map_err(|why| RuntimeError::new(why.to_string()))?;
    Ok(vec![machine.from_json(&value)?])
}

/// `getResourceQuantity(q)`: a quantity as a number.
fn get_resource_quantity(_machine: &mut Machine<'_>, arguments: &[lua::Value]) -> Outcome {
    let [value] = arguments else {
        return Err(RuntimeError::new("getResourceQuantity takes exactly one argument"));
    };
    let Some(text) = quantity_text(1, "getResourceQuantity", value)? else {
        return Ok(vec![lua::Value::Number(0.0)]);
    };
    let number = approximate(text, quantity(text)?);
    if number < 0.0 {
        return Err(RuntimeError::new(format!("the quantity {text:?} is negative")));
    }
    if number.is_infinite() {
        return Err(RuntimeError::new(format!("the quantity {text:?} is infinite")));
    }
    Ok(vec![lua::Value::Number(number)])
}

/// A quantity as a floating-point number. Decimal ones are their digits times a power of ten, which is what
/// Go programs compute: the last bit of the result shows in statuses.
fn approximate(text: &str, exact: Quantity) -> f64 {
    let suffixes = [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
        ("", 0),
    ];
    let Some((number, exponent)) = suffixes
        .iter()
        .find_map(|(suffix, exponent)| text.strip_suffix(suffix).map(|number| (number, *exponent)))
    else {
        return exact.to_f64();
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = exponent - i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let digits = format!("{whole}{fraction}");
    // Go keeps up to 18 digits as they are; longer texts and other forms are exact here.
    match digits.parse::<i64>() {
        Ok(digits_value) if digits.len() <= 18 && scale >= -9 => {
            #[expect(clippy::cast_precision_loss, reason = "an approximation is what is asked for")]
            let digits = digits_value as f64;
            if scale == 0 { digits } else { digits * power_of_ten(scale) }
        }
        _ => exact.to_f64(),
    }
}

/// The floating-point number nearest to a power of ten.
fn power_of_ten(exponent: i32) -> f64 {
    if exponent < 0 { 1.0 / 10_f64.powi(-exponent) } else { 10_f64.powi(exponent) }
}
