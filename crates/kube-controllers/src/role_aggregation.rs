//! Aggregated ClusterRoles: their rules are those of all ClusterRoles that their selectors match.
//!
//! ```text
//! watches  ClusterRole
//! writes   rules of ClusterRoles that have an aggregationRule
//! ```

use client::Patch;
use machinery::selector::LabelSelector;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Change, Outcome, Queue, queue};
use serde_json::{Value, json};

use crate::Context;

/// The rules an aggregated role should have, or nothing for a role that is not aggregated.
pub fn rules<'a>(role: &Object, all: impl Iterator<Item = &'a Object>) -> Option<Vec<Value>> {
    let selectors = role.at("/aggregationRule/clusterRoleSelectors")?.as_array()?;
    let selectors: Vec<LabelSelector> =
        selectors.iter().filter_map(|s| LabelSelector::from_object(s).ok()).collect();
    let mut rules: Vec<Value> = Vec::new();
    for source in all {
        if source.name() == role.name() || !selectors.iter().any(|s| s.matches_object(source)) {
            continue;
        }
        for rule in source.at("/rules").and_then(Value::as_array).into_iter().flatten() {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Some(rules)
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let gvr = GroupVersionResource::new("rbac.authorization.k8s.io", "v1", "clusterroles");
    let queue: Queue<ObjectKey> = Queue::new("clusterrole-aggregation");
    let roles = context.informers.get(&gvr);
    if !roles.wait_synced(&context.shutdown).await {
        return;
    }
    let (wake, all) = (queue.clone(), roles.clone());
    roles.on_change(move |change: &Change| {
        if change.old().is_some_and(|old| {
            old.at("/rules") == change.object().at("/rules") && old.labels().eq(change.object().labels())
        }) && change.object().at("/aggregationRule").is_none()
        {
            return;
        }
        for role in all.list() {
            if role.at("/aggregationRule").is_some() {
                wake.add(role.key());
            }
        }
    });
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 1, &shutdown, move |key: ObjectKey| {
        let (context, roles, gvr) = (context.clone(), roles.clone(), gvr.clone());
        async move {
            let Some(role) = roles.get(&key) else { return Ok(Outcome::Done) };
            let all = roles.list();
            let Some(wanted) = rules(&role, all.iter().map(AsRef::as_ref)) else { return Ok(Outcome::Done) };
            let current = role.at("/rules").and_then(Value::as_array);
            if current.is_some_and(|c| c.len() == wanted.len() && wanted.iter().all(|r| c.contains(r))) {
                return Ok(Outcome::Done);
            }
            let patch =
                json!({ "metadata": { "resourceVersion": role.resource_version() }, "rules": wanted });
            match context.informers.client().resource(&gvr).patch(role.name(), &Patch::Merge(&patch)).await {
                Err(error) if error.is_conflict() || error.is_not_found() => Ok(Outcome::Done),
                result => result.map(|_| Outcome::Done),
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_matching_roles_are_united_once_each() {
        let role = |name: &str, label: &str, rules: Value| {
            let mut role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", name);
            role.set_label("to-view", label);
            role.set("/rules", rules);
            role
        };
        let get_pods = json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] });
        let get_foos = json!({ "verbs": ["get"], "apiGroups": ["x"], "resources": ["foos"] });
        let mut view = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", "view");
        view.set(
            "/aggregationRule",
            json!({ "clusterRoleSelectors": [{ "matchLabels": { "to-view": "true" } }] }),
        );
        let all = [
            role("a", "true", json!([get_pods, get_foos])),
            role("b", "true", json!([get_pods])),
            role("c", "false", json!([{ "verbs": ["*"] }])),
            view.clone(),
        ];
        assert_eq!(rules(&view, all.iter()), Some(vec![get_pods, get_foos]));
        assert_eq!(rules(&all[0], all.iter()), None);
    }
}
