//! Resource quantities inside objects: the canonical form and comparisons.

use machinery::Cause;
use machinery::quantity::Quantity;
use serde_json::Value;

use crate::fields::{Fill, Map};

/// Rewrites every amount of a resource list in canonical form (`1000m` is `1`). What is no quantity is
/// left for validation to complain about.
pub(crate) fn canonicalise(parent: &mut Map, key: &str) {
    let Some(list) = parent.map_mut(key) else { return };
    for amount in list.values_mut() {
        canonicalise_one(amount);
    }
}

/// Rewrites one amount in canonical form.
pub(crate) fn canonicalise_one(amount: &mut Value) {
    if let Some(quantity) = parse(amount) {
        *amount = quantity.to_string().into();
    }
}

/// Canonical requests and limits under `key`.
pub(crate) fn canonicalise_resources(parent: &mut Map, key: &str) {
    if let Some(resources) = parent.map_mut(key) {
        canonicalise(resources, "requests");
        canonicalise(resources, "limits");
    }
}

/// A quantity from JSON text or number.
pub(crate) fn parse(amount: &Value) -> Option<Quantity> {
    Quantity::from_json(amount)
}

/// A quantity that is one and is not below zero.
pub(crate) fn non_negative(causes: &mut Vec<Cause>, field: &str, amount: &Value) {
    match parse(amount) {
        None => causes.push(Cause::invalid(field, amount, "must be a quantity")),
        Some(q) if q.is_negative() => {
            causes.push(Cause::invalid(field, amount, "must be greater than or equal to 0"));
        }
        Some(_) => {}
    }
}

/// Whether one amount is above another. Malformed amounts compare as equal.
pub(crate) fn exceeds(amount: &Value, limit: &Value) -> bool {
    matches!((parse(amount), parse(limit)), (Some(a), Some(l)) if a > l)
}

/// Whether an amount is zero or no quantity.
pub(crate) fn is_zero(amount: &Value) -> bool {
    parse(amount).is_none_or(Quantity::is_zero)
}
