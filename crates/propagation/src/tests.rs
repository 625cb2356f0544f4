//! Stories, by section of what they show.

mod bindings;
mod claims;
mod manifests;
mod placements;

use api::policy::Policy;
use machinery::Object;
use serde_json::{Value, json};

use crate::{Gates, Interpretation, Interpreted, Write, binding};

fn policy(spec: Value) -> Policy {
    let object = json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
        "metadata": {
            "name": "p", "namespace": "shop", "labels": { "propagationpolicy.karmada.io/permanent-id": "pid" },
        },
        "spec": spec,
    });
    Policy::from_object(&Object::from_value(object).unwrap()).unwrap()
}

fn cluster_policy(spec: Value) -> Policy {
    let object = json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "ClusterPropagationPolicy",
        "metadata": { "name": "cp", "labels": { "clusterpropagationpolicy.karmada.io/permanent-id": "cid" } },
        "spec": spec,
    });
    Policy::from_object(&Object::from_value(object).unwrap()).unwrap()
}

fn template() -> Object {
    let mut template = Object::new("apps/v1", "Deployment", "shop", "web");
    template.set("/metadata/uid", "u");
    template.set("/metadata/resourceVersion", "5");
    template.set_label("group", "g");
    template
}

fn replicas(n: i64) -> Interpreted {
    Interpreted { workload: Interpretation::Replicas(n, None), ..Interpreted::default() }
}

/// What becomes of a template's binding under a PropagationPolicy of this specification.
fn build(existing: Option<&Object>, spec: Value) -> Write {
    let gates = Gates::default();
    binding::decide(existing, &policy(spec), &template(), &replicas(3), &gates, || "bid".into()).unwrap()
}

fn created(write: Write) -> Object {
    match write {
        Write::Create(binding) => *binding,
        other => panic!("it must be created: {other:?}"),
    }
}

fn updated(write: Write) -> Object {
    match write {
        Write::Update(binding) => *binding,
        other => panic!("it must be updated: {other:?}"),
    }
}
