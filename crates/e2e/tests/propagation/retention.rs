//! What a member decides about its copy stays as the member has decided.

use anyhow::ensure;
use e2e::{SOON, together};
use serde_json::{Value, json};
use testkit::eventually;

use crate::{DEPLOYMENTS, Stage, deployment, on, policy};

/// A field that the member owns: the kind's resource, manifest, what the member writes, and where it is read.
struct Owned {
    resource: &'static str,
    api_version: &'static str,
    kind: &'static str,
    rest: &'static str,
    written: fn() -> Value,
    pointer: &'static str,
}

const OWNED: &[Owned] = &[
    Owned {
        resource: "persistentvolumeclaims",
        api_version: "v1",
        kind: "PersistentVolumeClaim",
        rest: "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
        written: || json!({ "spec": { "volumeName": "pv-of-the-member" } }),
        pointer: "/spec/volumeName",
    },
    Owned {
        resource: "serviceaccounts",
        api_version: "v1",
        kind: "ServiceAccount",
        rest: "imagePullSecrets: [{name: ours}]",
        written: || json!({ "imagePullSecrets": [{ "name": "ours" }, { "name": "the-members" }] }),
        pointer: "/imagePullSecrets/1/name",
    },
    Owned {
        resource: "configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        rest: "data: {a: '1'}",
        written: || json!({ "metadata": { "annotations": { "example.org/seen": "by-the-member" } } }),
        pointer: "/metadata/annotations/example.org~1seen",
    },
    Owned {
        resource: "ingresses",
        api_version: "networking.k8s.io/v1",
        kind: "Ingress",
        rest: "spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}",
        written: || json!({ "metadata": { "finalizers": ["example.org/load-balancer"] } }),
        pointer: "/metadata/finalizers/0",
    },
    Owned {
        resource: "horizontalpodautoscalers",
        api_version: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        rest: "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}, maxReplicas: 3}",
        written: || json!({ "metadata": { "labels": { "example.org/class": "the-members" } } }),
        pointer: "/metadata/labels/example.org~1class",
    },
];

impl Owned {
    fn manifest(&self, mark: &str) -> String {
        let Self { api_version, kind, rest, .. } = self;
        format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x, labels: {{mark: {mark}}}}}\n{rest}\n---\n"
        )
    }

    fn path(&self) -> String {
        format!("{}/{}", self.api_version, self.resource)
    }
}

#[test]
fn what_the_member_owns_survives_every_change_of_the_template() {
    let up = together();
    let stage = Stage::set(&up, "retained");
    let selectors: Vec<String> = OWNED
        .iter()
        .map(|o| format!("{{apiVersion: {}, kind: {}, name: x}}", o.api_version, o.kind))
        .collect();
    stage.apply(&policy("retained", &selectors.join(", "), &on("member1"), ""));
    let all = |mark: &str| OWNED.iter().map(|o| o.manifest(mark)).collect::<String>();
    stage.apply(&all("first"));
    let member = &stage.members[0];
    for owned in OWNED {
        eventually(SOON, &format!("{} is in the member", owned.kind), || {
            member.get(&owned.path(), &stage.namespace, "x").map(|_| ())
        });
        member.patch(&owned.path(), &stage.namespace, "x", (owned.written)()).expect("members accept it");
    }
    stage.apply(&all("second"));
    for owned in OWNED {
        eventually(SOON, &format!("{} has changed and kept {}", owned.kind, owned.pointer), || {
            let copy = member.get(&owned.path(), &stage.namespace, "x")?;
            ensure!(copy.label("mark") == Some("second"), "it is not changed yet");
            let written = (owned.written)();
            let found = copy.at(owned.pointer);
            ensure!(
                found.is_some() && found == written.pointer(owned.pointer),
                "{} is {found:?}",
                owned.pointer
            );
            Ok(())
        });
    }
    // The finalizer is the member's, and so is taking it off.
    stage.user.ok_with("delete --wait=false -f -", &all("second"));
    let unfinished = json!({ "metadata": { "finalizers": null } });
    member.patch("networking.k8s.io/v1/ingresses", &stage.namespace, "x", unfinished).expect("it is there");
}

#[test]
fn replicas_that_the_member_scales_are_kept_when_the_template_says_so() {
    let up = together();
    let stage = Stage::set(&up, "scaled-there");
    stage.apply(&(deployment("web", 1) + &crate::for_deployment("web", &on("member1"))));
    stage.user.ok("label deployment web resourcetemplate.karmada.io/retain-replicas=true");
    stage.deployed("web", ["1", "-", "-"]);
    let member = &stage.members[0];
    eventually(SOON, "the label has arrived", || {
        let copy = member.get(DEPLOYMENTS, &stage.namespace, "web")?;
        ensure!(copy.label("resourcetemplate.karmada.io/retain-replicas") == Some("true"));
        Ok(())
    });
    // As a HorizontalPodAutoscaler in the member does.
    member
        .patch(DEPLOYMENTS, &stage.namespace, "web", json!({ "spec": { "replicas": 4 } }))
        .expect("members accept it");
    stage.user.ok("label deployment web round=two");
    eventually(SOON, "the next change has arrived and the replicas stay", || {
        let copy = member.get(DEPLOYMENTS, &stage.namespace, "web")?;
        ensure!(copy.label("round") == Some("two"), "it is not changed yet");
        ensure!(copy.i64_at("/spec/replicas") == Some(4), "{:?}", copy.at("/spec/replicas"));
        Ok(())
    });
}
