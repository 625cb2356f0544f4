//! How long three override policies take for one Deployment.
//!
//! ```text
//! CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo run -p overrides --example apply
//! ```

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::hint::black_box;
use std::time::Instant;

use api::cluster::Cluster;
use api::policy::{ClusterOverridePolicy, Override, OverridePolicy};
use api::{Resource, Scope};
use machinery::Object;
use serde_json::{Value, json};

fn policy(scope: Scope, name: &str, spec: Value) -> Override {
    let mut policy = match scope {
        Scope::Namespaced => Override::from(OverridePolicy::named("default", name)),
        Scope::Cluster => Override::from(ClusterOverridePolicy::named("", name)),
    };
    policy.spec = serde_json::from_value(spec).expect("the spec is well-formed");
    policy
}

fn main() {
    let mut deployment = Object::new("apps/v1", "Deployment", "default", "web");
    deployment.set_label("app", "web");
    deployment.set(
        "/spec",
        json!({ "replicas": 3, "template": { "spec": { "containers": [
            { "name": "web", "image": "docker.io/library/nginx:1.25", "args": ["-v"] },
            { "name": "side", "image": "envoyproxy/envoy:v1.30" },
        ] } } }),
    );
    let selectors = json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }]);
    let cluster_policies = [policy(
        Scope::Cluster,
        "mirror",
        json!({ "overrideRules": [{ "overriders": { "imageOverrider": [
            { "component": "Registry", "operator": "replace", "value": "mirror.example.io" },
        ] } }] }),
    )];
    let policies = [
        policy(
            Scope::Namespaced,
            "labels",
            json!({ "resourceSelectors": selectors, "overrideRules": [{
                "targetCluster": { "clusterNames": ["member1"] },
                "overriders": { "labelsOverrider": [{ "operator": "add", "value": { "site": "one" } }] },
            }] }),
        ),
        policy(
            Scope::Namespaced,
            "plain",
            json!({ "resourceSelectors": selectors, "overrideRules": [{ "overriders": { "plaintext": [
                { "path": "/spec/replicas", "operator": "replace", "value": 5 },
            ] } }] }),
        ),
    ];
    let cluster = Cluster::named("", "member1");
    let rounds = 20_000;
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(deployment.clone());
    }
    let copying = start.elapsed() / rounds;
    let start = Instant::now();
    for _ in 0..rounds {
        let mut copy = deployment.clone();
        black_box(overrides::apply(&mut copy, &cluster, &cluster_policies, &policies)).expect("they apply");
    }
    let all = start.elapsed() / rounds;
    println!("copying {copying:?}; copying twice, applying and recording three policies {all:?}");
}
