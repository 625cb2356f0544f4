//! Stories of matching. A selector is written `name`, `*`, `app=web`, or `ns/name`; all select Deployments
//! unless a kind stands in front: `Service:name`.

mod affinity;
mod index;
mod selecting;
mod why;

use api::policy::{Policy, PropagationPolicy, ResourceSelector};
use api::{Resource as _, Scope};
use machinery::Object;

pub(crate) fn selector(text: &str) -> ResourceSelector {
    let (kind, rest) = text.split_once(':').unwrap_or(("Deployment", text));
    let (namespace, rest) = rest.split_once('/').unwrap_or(("", rest));
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut selector = ResourceSelector {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: namespace.into(),
        ..Default::default()
    };
    match rest.split_once('=') {
        Some((key, value)) => {
            let mut labels = api::LabelSelector::default();
            labels.match_labels.insert(key.into(), value.into());
            selector.label_selector = Some(labels);
        }
        None if rest == "*" => {}
        None => selector.name = rest.into(),
    }
    selector
}

/// `[ns/]name[@priority]: selector, selector`
pub(crate) fn policy(text: &str) -> Policy {
    let (head, selectors) = text.split_once(": ").unwrap();
    let (key, priority) = head.split_once('@').map_or((head, None), |(k, p)| (k, Some(p.parse().unwrap())));
    let (namespace, name) = key.split_once('/').unwrap_or(("", key));
    let mut policy = Policy::from(PropagationPolicy::named(namespace, name));
    policy.scope = if namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
    policy.spec.priority = priority;
    policy.spec.resource_selectors = selectors.split(", ").map(selector).collect();
    policy
}

pub(crate) fn policies(text: &str) -> Vec<Policy> {
    text.split(" | ").map(policy).collect()
}

/// The Deployment `default/web` with label `app=web`.
pub(crate) fn web() -> Object {
    let mut object = Object::new("apps/v1", "Deployment", "default", "web");
    object.set_label("app", "web");
    object
}
