//! Resource selectors against objects.

use std::fmt;

use api::LabelSelector;
use api::meta::LabelSelectorRequirement;
use api::policy::ResourceSelector;
use machinery::{Object, names};
use serde::{Deserialize, Serialize};

/// How closely a selector names an object; the closer one wins between policies of the same priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precision {
    /// Every object of the kind.
    Kind = 1,
    /// Objects with certain labels.
    Labels = 2,
    /// The object by its name.
    Name = 3,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kind",
            Self::Labels => "labels",
            Self::Name => "name",
        })
    }
}

/// The part of a selector that does not fit an object. Ordered by how far the comparison got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mismatch {
    /// The policy is one of another namespace, whatever its selectors say.
    PolicyNamespace,
    /// `apiVersion` differs.
    ApiVersion,
    /// The kind differs.
    Kind,
    /// The namespace differs.
    Namespace,
    /// The name differs.
    Name,
    /// The labels are not the wanted ones.
    Labels,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PolicyNamespace => "policy is of another namespace",
            Self::ApiVersion => "apiVersion differs",
            Self::Kind => "kind differs",
            Self::Namespace => "namespace differs",
            Self::Name => "name differs",
            Self::Labels => "labels differ",
        })
    }
}

/// One part of a selector that does not fit an object: what it wants and what the object has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Which part.
    pub part: Mismatch,
    /// Key of the label, for [`Mismatch::Labels`]; empty for the other parts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// What the selector wants; for a label the condition in its text form, such as `app in (a,b)`.
    pub wanted: String,
    /// What the object has; absent for a label that is not there, or no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
}

impl Failure {
    pub(crate) fn new(part: Mismatch, wanted: &str, actual: &str) -> Self {
        let actual = (!actual.is_empty()).then(|| actual.to_owned());
        Self { part, key: String::new(), wanted: wanted.to_owned(), actual }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, key, wanted, actual } = self;
        let subject = match part {
            Mismatch::PolicyNamespace => {
                return match actual {
                    Some(actual) => write!(f, "policy is of namespace {wanted}, the object of {actual}"),
                    None => write!(f, "policy is of namespace {wanted}, the object of none"),
                };
            }
            Mismatch::Labels => {
                return match actual {
                    Some(actual) => write!(f, "label {key} is {actual:?}, wanted is {wanted}"),
                    None => write!(f, "label {key} is missing, wanted is {wanted}"),
                };
            }
            Mismatch::ApiVersion => "apiVersion",
            Mismatch::Kind => "kind",
            Mismatch::Namespace => "namespace",
            Mismatch::Name => "name",
        };
        match actual {
            Some(actual) => write!(f, "{subject} is {actual}, not {wanted}"),
            None => write!(f, "{subject} is empty, not {wanted}"),
        }
    }
}

/// Compares one selector with an object. A name makes the label selector irrelevant.
///
/// The rule is upstream's implicit priority:
/// <https://github.com/karmada-io/karmada/blob/master/pkg/util/selector.go>.
///
/// # Errors
/// The first difference.
pub fn match_selector(selector: &ResourceSelector, object: &Object) -> Result<Precision, Mismatch> {
    if selector.kind != object.kind() {
        return Err(Mismatch::Kind);
    }
    if selector.api_version != object.api_version() {
        return Err(Mismatch::ApiVersion);
    }
    if !selector.namespace.is_empty() && selector.namespace != object.namespace() {
        return Err(Mismatch::Namespace);
    }
    if !selector.name.is_empty() {
        return if selector.name == object.name() { Ok(Precision::Name) } else { Err(Mismatch::Name) };
    }
    match &selector.label_selector {
        None => Ok(Precision::Kind),
        Some(labels) if labels_match(labels, |key| object.label(key)) => Ok(Precision::Labels),
        Some(_) => Err(Mismatch::Labels),
    }
}

/// Every part of a selector that does not fit an object, in the order in which they are compared; none when it
/// selects the object. Each condition on a label counts for itself.
pub fn selector_failures(selector: &ResourceSelector, object: &Object) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut compare = |part, wanted: &str, actual: &str| {
        if wanted != actual {
            failures.push(Failure::new(part, wanted, actual));
        }
    };
    compare(Mismatch::ApiVersion, &selector.api_version, object.api_version());
    compare(Mismatch::Kind, &selector.kind, object.kind());
    if !selector.namespace.is_empty() {
        compare(Mismatch::Namespace, &selector.namespace, object.namespace());
    }
    if !selector.name.is_empty() {
        compare(Mismatch::Name, &selector.name, object.name());
    } else if let Some(labels) = &selector.label_selector {
        failures.extend(label_failures(labels, |key| object.label(key)));
    }
    failures
}

/// Compares all selectors of a policy with an object: the closest match counts.
///
/// # Errors
/// The difference of the selector that came closest; [`Mismatch::Kind`] when there are no selectors.
pub fn match_selectors(selectors: &[ResourceSelector], object: &Object) -> Result<Precision, Mismatch> {
    let mut best: Option<Precision> = None;
    let mut closest = Mismatch::Kind;
    for selector in selectors {
        match match_selector(selector, object) {
            Ok(precision) => best = best.max(Some(precision)),
            Err(mismatch) => closest = closest.max(mismatch),
        }
    }
    best.ok_or(closest)
}

/// Whether one of the selectors selects the object.
pub fn matches_any(selectors: &[ResourceSelector], object: &Object) -> bool {
    selectors.iter().any(|selector| match_selector(selector, object).is_ok())
}

/// Whether labels, read through `get`, fulfil a selector.
///
/// One that Kubernetes would not take selects nothing: an unknown operator, `In` or `NotIn` without values,
/// `Exists` or `DoesNotExist` with values, a key or value that no label can have.
pub fn labels_match<'a>(selector: &LabelSelector, get: impl Fn(&str) -> Option<&'a str>) -> bool {
    selector.match_labels.iter().all(|(key, value)| get(key) == Some(value))
        && selector.match_expressions.iter().all(|r| holds(r, get(&r.key)))
}

/// Whether one condition holds for the value of its label.
fn holds(requirement: &LabelSelectorRequirement, actual: Option<&str>) -> bool {
    let LabelSelectorRequirement { key, operator, values } = requirement;
    let listed = || actual.is_some_and(|v| values.iter().any(|w| w == v));
    let possible_values = || values.iter().all(|v| names::label_value(v).is_empty());
    // A label that is there has a possible key; one that is not could be impossible.
    let possible_key = || actual.is_some() || names::qualified_name(key).is_empty();
    match operator.as_str() {
        "In" => listed() && possible_values(),
        "NotIn" => !values.is_empty() && !listed() && possible_key() && possible_values(),
        "Exists" => actual.is_some() && values.is_empty(),
        "DoesNotExist" => actual.is_none() && values.is_empty() && possible_key(),
        _ => false,
    }
}

/// Every condition of a label selector that does not hold, with the label as it is.
pub(crate) fn label_failures<'a>(
    selector: &LabelSelector,
    get: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Failure> {
    let failure = |key: &str, wanted: String| Failure {
        part: Mismatch::Labels,
        key: key.to_owned(),
        wanted,
        actual: get(key).map(ToOwned::to_owned),
    };
    let labels = selector
        .match_labels
        .iter()
        .filter(|(key, value)| get(key) != Some(value))
        .map(|(key, value)| failure(key, format!("{key}={value}")));
    let expressions = selector
        .match_expressions
        .iter()
        .filter(|r| !holds(r, get(&r.key)))
        .map(|r| failure(&r.key, requirement_text(r)));
    labels.chain(expressions).collect()
}

/// A condition as kubectl writes it: `app in (a,b)`.
fn requirement_text(requirement: &LabelSelectorRequirement) -> String {
    let LabelSelectorRequirement { key, operator, values } = requirement;
    let list = values.join(",");
    match operator.as_str() {
        "In" => format!("{key} in ({list})"),
        "NotIn" => format!("{key} notin ({list})"),
        "Exists" if values.is_empty() => key.clone(),
        "DoesNotExist" if values.is_empty() => format!("!{key}"),
        other => format!("{key} {other} ({list})"),
    }
}

/// A selector in one line: `apps/v1 Deployment default/web`, `v1 Service default/* app=web`.
pub fn describe_selector(selector: &ResourceSelector) -> String {
    let mut text = format!("{} {} ", selector.api_version, selector.kind);
    if !selector.namespace.is_empty() {
        text += &format!("{}/", selector.namespace);
    }
    text += if selector.name.is_empty() { "*" } else { &selector.name };
    if let Some(labels) = selector.label_selector.as_ref().filter(|_| selector.name.is_empty()) {
        let conditions: Vec<String> = (labels.match_labels.iter().map(|(k, v)| format!("{k}={v}")))
            .chain(labels.match_expressions.iter().map(requirement_text))
            .collect();
        text +=
            &format!(" {}", if conditions.is_empty() { "any labels".into() } else { conditions.join(",") });
    }
    text
}
