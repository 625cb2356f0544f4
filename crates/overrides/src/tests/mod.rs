//! Stories of overriding: a manifest, the overriders of a rule, and what the cluster gets.

mod containers;
mod documents;
mod fuzz;
mod image;
mod metadata;
mod policies;
mod why;

use api::policy::{Override, OverridePolicy};
use api::{Resource as _, Scope};
use serde_json::{Value, json};

use crate::*;

/// The Deployment `default/web` with an init container and two containers.
pub(crate) fn deployment() -> Object {
    Object::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "default", "labels": { "app": "web" } },
        "spec": { "replicas": 1, "template": { "spec": {
            "initContainers": [{ "name": "init", "image": "busybox:1" }],
            "containers": [
                { "name": "web", "image": "docker.io/library/nginx:1.25", "args": ["-v", "-x", "-v"] },
                { "name": "side", "image": "envoy" },
            ],
        }}},
    }))
    .unwrap()
}

/// A cluster with a label `region`.
pub(crate) fn cluster(name: &str) -> Cluster {
    let mut cluster = Cluster::named("", name);
    cluster.metadata.labels.insert("region".into(), format!("{name}-region"));
    cluster
}

/// `namespace/name` or, cluster-scoped, `name`.
pub(crate) fn policy(name: &str, spec: Value) -> Override {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut policy = Override::from(OverridePolicy::named(namespace, name));
    policy.scope = if namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
    policy.spec = serde_json::from_value(spec).unwrap();
    policy
}

/// One namespaced policy with these overriders for every cluster.
pub(crate) fn run(object: &Object, overriders: Value) -> Result<Object, String> {
    let policy = policy("default/p", json!({ "overrideRules": [{ "overriders": overriders }] }));
    let mut changed = object.clone();
    match apply(&mut changed, &cluster("m1"), [], [&policy]) {
        Ok(_) => Ok(changed),
        Err(error) => {
            assert_eq!(&changed, object, "a failure leaves the manifest as it was");
            Err(format!("{error}: {}", error.source))
        }
    }
}

/// What stands at a path afterwards.
#[track_caller]
pub(crate) fn gives(overriders: Value, path: &str, expected: Value) {
    let changed = run(&deployment(), overriders).unwrap();
    assert_eq!(changed.at(path), Some(&expected), "at {path}");
}

/// A rule's overriders that set the number of replicas.
pub(crate) fn set_replicas(n: i64) -> Value {
    json!({ "plaintext": [{ "path": "/spec/replicas", "operator": "replace", "value": n }] })
}
