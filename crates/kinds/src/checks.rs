//! Checks that many kinds share. Each adds what is wrong to a list of causes.

use machinery::selector::LabelSelector;
use machinery::{Cause, names};
use serde_json::{Value, json};

use crate::fields::{Map, Read};

/// What an unchangeable field answers.
pub(crate) const IMMUTABLE: &str = "field is immutable";

/// One cause per problem with a text.
pub(crate) fn problems(causes: &mut Vec<Cause>, field: &str, text: &str, problems: Vec<String>) {
    causes.extend(problems.iter().map(|p| Cause::invalid(field, &text.into(), p)));
}

/// A text that must be there.
pub(crate) fn required(causes: &mut Vec<Cause>, field: &str, text: &str) {
    if text.is_empty() {
        causes.push(Cause::required(field, ""));
    }
}

/// A text that must be there and satisfy a name rule.
pub(crate) fn required_name(causes: &mut Vec<Cause>, field: &str, text: &str, rule: fn(&str) -> Vec<String>) {
    if text.is_empty() {
        causes.push(Cause::required(field, ""));
    } else {
        problems(causes, field, text, rule(text));
    }
}

/// A text out of a few, or empty.
pub(crate) fn one_of(causes: &mut Vec<Cause>, field: &str, text: &str, supported: &[&str]) {
    if !text.is_empty() && !supported.contains(&text) {
        causes.push(Cause::not_supported(field, &text.into(), supported));
    }
}

/// A text out of a few that must be there.
pub(crate) fn required_one_of(causes: &mut Vec<Cause>, field: &str, text: &str, supported: &[&str]) {
    if text.is_empty() {
        causes.push(Cause::required(field, ""));
    } else {
        one_of(causes, field, text, supported);
    }
}

/// A whole number that is not below zero, or absent.
pub(crate) fn non_negative(causes: &mut Vec<Cause>, field: &str, number: Option<i64>) {
    at_least(causes, field, number, 0);
}

/// A whole number with a lower bound, or absent.
pub(crate) fn at_least(causes: &mut Vec<Cause>, field: &str, number: Option<i64>, min: i64) {
    if let Some(n) = number.filter(|n| *n < min) {
        let detail = if min == 0 {
            "must be greater than or equal to 0".to_owned()
        } else if min == 1 {
            "must be greater than 0".to_owned()
        } else {
            format!("must be greater than or equal to {min}")
        };
        causes.push(Cause::invalid(field, &n.into(), &detail));
    }
}

/// A whole number between two bounds.
pub(crate) fn between(causes: &mut Vec<Cause>, field: &str, number: i64, min: i64, max: i64) {
    if !(min..=max).contains(&number) {
        let detail = format!("must be between {min} and {max}, inclusive");
        causes.push(Cause::invalid(field, &number.into(), &detail));
    }
}

/// A port number.
pub(crate) fn port_number(causes: &mut Vec<Cause>, field: &str, number: i64) {
    between(causes, field, number, 1, 65535);
}

/// A port by number or name; absent is wrong.
pub(crate) fn port_or_name(causes: &mut Vec<Cause>, field: &str, port: &Value) {
    match port {
        Value::String(name) => problems(causes, field, name, names::port_name(name)),
        Value::Number(n) => port_number(causes, field, n.as_i64().unwrap_or(-1)),
        _ => port_number(causes, field, 0),
    }
}

/// A whole number that is not below zero, or a percentage; absent is fine. With `max_percent` the
/// percentage may not be above 100.
pub(crate) fn number_or_percent(causes: &mut Vec<Cause>, field: &str, value: &Value, max_percent: bool) {
    match value {
        Value::Number(n) => non_negative(causes, field, n.as_i64()),
        Value::String(text) => match percent(text) {
            None => causes.push(Cause::invalid(
                field,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                 '93%', regex used for validation is '[0-9]+%')",
            )),
            Some(n) if max_percent && n > 100 => {
                causes.push(Cause::invalid(field, value, "must not be greater than 100%"));
            }
            Some(_) => {}
        },
        _ => {}
    }
}

/// The number before the percent sign.
pub(crate) fn percent(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('%')?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Whether a number or percentage comes to nothing.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => percent(text) == Some(0),
        other => other.as_i64() == Some(0),
    }
}

/// A field that may not differ from the stored one.
pub(crate) fn immutable(causes: &mut Vec<Cause>, field: &str, new: &Value, old: &Value) {
    if new != old {
        causes.push(Cause::invalid(field, new, IMMUTABLE));
    }
}

/// Labels or the like: keys and values.
pub(crate) fn labels(causes: &mut Vec<Cause>, field: &str, labels: &Value) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        problems(causes, field, key, names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        problems(causes, field, value, names::label_value(value));
    }
}

/// Annotation keys.
pub(crate) fn annotations(causes: &mut Vec<Cause>, field: &str, annotations: &Value) {
    for (key, _) in annotations.as_object().into_iter().flatten() {
        problems(causes, field, key, names::qualified_name(&key.to_lowercase()));
    }
}

/// A label selector of `matchLabels` and `matchExpressions`; absent is fine.
pub(crate) fn label_selector(causes: &mut Vec<Cause>, field: &str, selector: &Value) {
    labels(causes, &format!("{field}.matchLabels"), selector.get_or_null("matchLabels"));
    for (i, e) in selector.list("matchExpressions").iter().enumerate() {
        let at = format!("{field}.matchExpressions[{i}]");
        let values = e.list("values");
        match e.text("operator") {
            "In" | "NotIn" if values.is_empty() => causes.push(Cause::required(
                format!("{at}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => causes.push(Cause::forbidden(
                format!("{at}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => causes.push(Cause::invalid(
                format!("{at}.operator"),
                &other.into(),
                "not a valid selector operator",
            )),
        }
        let key = e.text("key");
        problems(causes, &format!("{at}.key"), key, names::qualified_name(key));
        for (j, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            problems(causes, &format!("{at}.values[{j}]"), value, names::label_value(value));
        }
    }
}

/// Whether a label selector selects everything because it says nothing.
pub(crate) fn selector_is_empty(selector: &Value) -> bool {
    selector.entries("matchLabels").next().is_none() && selector.list("matchExpressions").is_empty()
}

/// Whether a label selector matches labels. A malformed selector matches nothing.
pub(crate) fn selector_matches(selector: &Value, labels: &Value) -> bool {
    LabelSelector::from_object(selector).is_ok_and(|s| s.matches_map(Some(labels)))
}

/// A label selector in the short form of command lines, empty when it says nothing or is malformed.
pub(crate) fn selector_text(selector: &Value) -> String {
    LabelSelector::from_object(selector).map(|s| s.to_string()).unwrap_or_default()
}

/// A map of labels in the short form, empty when there are none.
pub(crate) fn labels_text(labels: &Value) -> String {
    let terms: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    terms.join(",")
}

/// Fields of a spec that differ although only some may.
pub(crate) fn changed_outside(new: &Value, old: &Value, allowed: &[&str]) -> bool {
    let rest = |value: &Value| -> Map {
        value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(k, v)| !allowed.contains(&k.as_str()) && !v.is_null())
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    rest(new) != rest(old)
}

/// An IP address of either family.
pub(crate) fn ip(causes: &mut Vec<Cause>, field: &str, text: &str) {
    if text.parse::<std::net::IpAddr>().is_err() {
        causes.push(Cause::invalid(
            field,
            &text.into(),
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ));
    }
}

/// A network in CIDR notation.
pub(crate) fn cidr(causes: &mut Vec<Cause>, field: &str, text: &str) {
    let good = text.split_once('/').is_some_and(|(ip, len)| {
        let max = match ip.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => 32,
            Ok(std::net::IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        len.parse::<u8>().is_ok_and(|n| n <= max)
    });
    if !good {
        let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        causes.push(Cause::invalid(field, &json!(text), detail));
    }
}
