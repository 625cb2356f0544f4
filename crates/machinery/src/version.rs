//! Which of a group's versions comes first.

use std::cmp::Ordering;

/// Maturity of a version, most mature last so that the derived order is by priority.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Alpha,
    Beta,
    Stable,
}

/// `v2beta1` as stage, major and minor; nothing for a version of another form.
fn parse(version: &str) -> Option<(Stage, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let number = |digits: &str| {
        let plain =
            !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(end);
    let major = number(major)?;
    if rest.is_empty() {
        return Some((Stage::Stable, major, 0));
    }
    let (stage, minor) = match (rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
        (Some(minor), _) => (Stage::Beta, minor),
        (_, Some(minor)) => (Stage::Alpha, minor),
        _ => return None,
    };
    Some((stage, major, number(minor)?))
}

/// Orders versions of one group, the preferred one first: stable before beta before alpha, higher
/// numbers first, names of another form last in alphabetical order.
///
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority>
pub fn by_priority(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_before_betas_and_higher_numbers_first() {
        let mut versions = vec![
            "v1alpha2",
            "foo10",
            "v1",
            "v11alpha2",
            "v12alpha1",
            "v3beta1",
            "v10beta3",
            "v10",
            "v11beta2",
            "v2",
            "foo1",
            "v01",
        ];
        versions.sort_by(|a, b| by_priority(a, b));
        assert_eq!(
            versions,
            [
                "v10",
                "v2",
                "v1",
                "v11beta2",
                "v10beta3",
                "v3beta1",
                "v12alpha1",
                "v11alpha2",
                "v1alpha2",
                "foo1",
                "foo10",
                "v01"
            ]
        );
    }
}
