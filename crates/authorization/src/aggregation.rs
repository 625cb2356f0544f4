//! ClusterRoles whose rules are gathered from others.

use machinery::{LabelSelector, Object};
use serde_json::Value;

use crate::Rule;

/// The rules a ClusterRole with an `aggregationRule` should have: those of all ClusterRoles that one of
/// its selectors matches, by name, each rule once. Nothing for other roles, whose rules are their own.
/// A selector that cannot be read matches nothing.
pub fn aggregated_rules<'a>(
    role: &Object,
    cluster_roles: impl IntoIterator<Item = &'a Object>,
) -> Option<Vec<Rule>> {
    let selectors = role.at("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
    role.at("/aggregationRule").filter(|rule| rule.is_object())?;
    let selectors: Vec<LabelSelector> =
        selectors.into_iter().flatten().filter_map(|s| LabelSelector::from_object(s).ok()).collect();
    let mut sources: Vec<&Object> = cluster_roles
        .into_iter()
        .filter(|other| other.name() != role.name())
        .filter(|other| selectors.iter().any(|selector| selector.matches_object(other)))
        .collect();
    sources.sort_unstable_by_key(|source| source.name());
    let mut rules = Vec::new();
    for rule in sources.into_iter().flat_map(Rule::of) {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Some(rules)
}
