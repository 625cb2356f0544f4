//! Rules for fields that many kinds share.

use machinery::{Cause, names};
use serde_json::Value;

/// Causes for every problem a name check has found.
pub(crate) fn invalid(field: &str, value: &str, problems: Vec<String>) -> Vec<Cause> {
    problems.into_iter().map(|p| Cause::invalid(field, &Value::from(value), &p)).collect()
}

/// A label or annotation key.
pub(crate) fn key(field: &str, value: &str) -> Vec<Cause> {
    invalid(field, value, names::qualified_name(value))
}

/// Longest name of a cluster: its execution namespace, and names made from it, must still be names.
const CLUSTER_NAME_LEN_MAX: usize = 48;

/// The name of a cluster.
pub(crate) fn cluster_name(field: &str, value: &str) -> Vec<Cause> {
    let mut causes = invalid(field, value, names::dns_label(value));
    if value.len() > CLUSTER_NAME_LEN_MAX {
        let detail = format!("must be no more than {CLUSTER_NAME_LEN_MAX} characters");
        causes.push(Cause::invalid(field, &Value::from(value), &detail));
    }
    causes
}

/// A JSON pointer to a field; [`whole_or_pointer`] also takes the whole document.
pub(crate) fn pointer(field: &str, value: &str) -> Vec<Cause> {
    if value.starts_with('/') {
        Vec::new()
    } else {
        vec![Cause::invalid(field, &Value::from(value), "must be a JSON pointer, which starts with a slash")]
    }
}

/// A JSON pointer, empty for the whole document.
pub(crate) fn whole_or_pointer(field: &str, value: &str) -> Vec<Cause> {
    if value.is_empty() { Vec::new() } else { pointer(field, value) }
}

/// An address in its parts, as far as rules look at it.
pub(crate) struct Url<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) user: bool,
    pub(crate) host: &'a str,
    pub(crate) query: bool,
    pub(crate) fragment: bool,
}

/// Takes an address apart; nothing when it has no scheme.
pub(crate) fn url(text: &str) -> Option<Url<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let valid =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !valid || text.contains(char::is_whitespace) {
        return None;
    }
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, _)) => (rest, true),
        None => (rest, false),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, true),
        None => (rest, false),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((_, host)) => (true, host),
        None => (false, authority),
    };
    Some(Url { scheme, user, host, query, fragment })
}

/// The number of a port.
pub(crate) fn port(field: &str, port: i32) -> Option<Cause> {
    let valid = (1..=65_535).contains(&port);
    (!valid).then(|| Cause::invalid(field, &Value::from(port), "must be between 1 and 65535, inclusive"))
}
