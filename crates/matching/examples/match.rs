//! How long it takes to find the policy for one Deployment among ten thousand.
//!
//! ```text
//! CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo run -p matching --example match
//! ```

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use api::Resource;
use api::policy::{ClusterPropagationPolicy, Policy, PropagationPolicy};
use machinery::Object;
use matching::PolicyIndex;
use serde_json::{Value, json};

const POLICIES: usize = 10_000;

/// What the selectors of the policies say, and whether the policies are cluster-scoped.
type Story = (&'static str, bool, fn(usize) -> Value);

const STORIES: &[Story] = &[
    ("by name, all in one namespace", false, |i| json!({ "name": format!("app-{i}") })),
    (
        "by one label, cluster-scoped",
        true,
        |i| json!({ "labelSelector": { "matchLabels": { "app": format!("app-{i}") } } }),
    ),
    (
        "by two labels, one shared by all",
        true,
        |i| json!({ "labelSelector": { "matchLabels": { "team": "web", "app": format!("app-{i}") } } }),
    ),
    ("by a list of values, all under one key", true, |i| {
        json!({ "labelSelector": { "matchExpressions": [
            { "key": "app", "operator": "In", "values": [format!("app-{i}"), format!("db-{i}")] }
        ] } })
    }),
    ("every object of the kind, cluster-scoped", true, |_| json!({})),
    ("a mixture", true, |i| match i % 4 {
        0 => json!({ "name": format!("app-{i}") }),
        1 => json!({ "labelSelector": { "matchLabels": { "app": format!("app-{i}") } } }),
        2 => json!({ "namespace": format!("ns-{i}") }),
        _ => json!({ "labelSelector": { "matchExpressions": [
            { "key": "tier", "operator": "NotIn", "values": ["gold"] },
            { "key": "app", "operator": "Exists" },
        ] } }),
    }),
];

fn policy(cluster: bool, index: usize, mut selector: Value) -> Policy {
    selector["apiVersion"] = "apps/v1".into();
    selector["kind"] = "Deployment".into();
    let selectors = serde_json::from_value(json!([selector])).expect("the selector is well-formed");
    let name = format!("policy-{index}");
    let mut policy = if cluster {
        Policy::from(ClusterPropagationPolicy::named("", &name))
    } else {
        Policy::from(PropagationPolicy::named("default", &name))
    };
    policy.spec.resource_selectors = selectors;
    policy
}

fn main() {
    for (story, cluster, selector) in STORIES {
        let mut index = PolicyIndex::new();
        let policies: Vec<Arc<Policy>> =
            (0..POLICIES).map(|i| policy(*cluster, i, selector(i)).into()).collect();
        let start = Instant::now();
        for policy in &policies {
            index.insert(Arc::clone(policy));
        }
        let filing = start.elapsed() / u32::try_from(POLICIES).unwrap_or(1);
        let objects: Vec<Object> = (0..100)
            .map(|i| {
                let mut object = Object::new("apps/v1", "Deployment", "default", &format!("app-{}", i * 97));
                object.set_label("app", &format!("app-{}", i * 97));
                object.set_label("team", "web");
                object.set_label("tier", "silver");
                object
            })
            .collect();
        let (rounds, start) = (200, Instant::now());
        let mut found = 0;
        for _ in 0..rounds {
            for object in &objects {
                found += usize::from(black_box(index.choose(object)).is_some());
            }
        }
        let each = start.elapsed() / (rounds * 100);
        println!("{story}: {each:?} for a Deployment, {filing:?} to file a policy ({found} found)");
    }
}
