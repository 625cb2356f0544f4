//! Resource selectors against objects.

use std::fmt;

use api::LabelSelector;
use api::policy::ResourceSelector;
use machinery::Object;

/// How closely a selector names an object; the closer one wins between policies of the same priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// Every object of the kind.
    Kind = 1,
    /// Objects with certain labels.
    Labels = 2,
    /// The object by its name.
    Name = 3,
}

/// Why a selector does not select an object. Ordered by how far the comparison got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mismatch {
    /// `apiVersion` or kind differ.
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
            Self::Kind => "kind differs",
            Self::Namespace => "namespace differs",
            Self::Name => "name differs",
            Self::Labels => "labels differ",
        })
    }
}

/// Compares one selector with an object. A name makes the label selector irrelevant.
///
/// # Errors
/// The first difference.
pub fn match_selector(selector: &ResourceSelector, object: &Object) -> Result<Precision, Mismatch> {
    if selector.kind != object.kind() || selector.api_version != object.api_version() {
        return Err(Mismatch::Kind);
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

/// Whether labels, read through `get`, fulfil a selector. One with an unknown operator selects nothing, as
/// does `In` or `NotIn` without values.
pub fn labels_match<'a>(selector: &LabelSelector, get: impl Fn(&str) -> Option<&'a str>) -> bool {
    selector.match_labels.iter().all(|(key, value)| get(key) == Some(value))
        && selector.match_expressions.iter().all(|requirement| {
            let actual = get(&requirement.key);
            let listed = || actual.is_some_and(|v| requirement.values.iter().any(|w| w == v));
            match requirement.operator.as_str() {
                "In" => listed(),
                "NotIn" => !requirement.values.is_empty() && !listed(),
                "Exists" => actual.is_some(),
                "DoesNotExist" => actual.is_none(),
                _ => false,
            }
        })
}
