//! Objects of every common kind arrive, change and go.

use anyhow::{Context as _, ensure};
use e2e::{SOON, together};
use serde_json::Value;
use testkit::{Version, eventually};

use crate::{Stage, has};

/// A kind: resource, apiVersion, kind, the rest of a manifest, and a part of a copy that must be as here.
struct Example {
    resource: &'static str,
    api_version: &'static str,
    kind: &'static str,
    rest: &'static str,
    /// JSON pointer and value.
    expected: (&'static str, &'static str),
}

const fn example(
    resource: &'static str,
    api_version: &'static str,
    kind: &'static str,
    rest: &'static str,
    expected: (&'static str, &'static str),
) -> Example {
    Example { resource, api_version, kind, rest, expected }
}

const TEMPLATE: &str =
    "template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: nginx}]}}";

const EXAMPLES: &[Example] = &[
    example("configmaps", "v1", "ConfigMap", "data: {a: '1'}", ("/data/a", "\"1\"")),
    example("secrets", "v1", "Secret", "stringData: {a: b}", ("/data/a", "\"Yg==\"")),
    example(
        "serviceaccounts",
        "v1",
        "ServiceAccount",
        "automountServiceAccountToken: false",
        ("/automountServiceAccountToken", "false"),
    ),
    example(
        "services",
        "v1",
        "Service",
        "spec: {selector: {app: x}, ports: [{port: 80}]}",
        ("/spec/ports/0/port", "80"),
    ),
    example(
        "persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
        ("/spec/resources/requests/storage", "\"1Gi\""),
    ),
    example(
        "resourcequotas",
        "v1",
        "ResourceQuota",
        "spec: {hard: {secrets: '100'}}",
        ("/spec/hard/secrets", "\"100\""),
    ),
    example(
        "limitranges",
        "v1",
        "LimitRange",
        "spec: {limits: [{type: PersistentVolumeClaim, max: {storage: 1Ti}}]}",
        ("/spec/limits/0/type", "\"PersistentVolumeClaim\""),
    ),
    example(
        "pods",
        "v1",
        "Pod",
        "spec: {containers: [{name: c, image: nginx}]}",
        ("/spec/containers/0/image", "\"nginx\""),
    ),
    example(
        "deployments",
        "apps/v1",
        "Deployment",
        "spec: {replicas: 1, selector: {matchLabels: {app: x}}, TEMPLATE}",
        ("/spec/replicas", "1"),
    ),
    example(
        "statefulsets",
        "apps/v1",
        "StatefulSet",
        "spec: {serviceName: x, replicas: 1, selector: {matchLabels: {app: x}}, TEMPLATE}",
        ("/spec/replicas", "1"),
    ),
    example(
        "daemonsets",
        "apps/v1",
        "DaemonSet",
        "spec: {selector: {matchLabels: {app: x}}, TEMPLATE}",
        ("/spec/template/spec/containers/0/image", "\"nginx\""),
    ),
    example(
        "jobs",
        "batch/v1",
        "Job",
        "spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}",
        ("/spec/backoffLimit", "6"),
    ),
    example(
        "cronjobs",
        "batch/v1",
        "CronJob",
        "spec: {schedule: '0 0 * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}}}",
        ("/spec/schedule", "\"0 0 * * *\""),
    ),
    example(
        "ingresses",
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {rules: [{host: example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: x, port: {number: 80}}}}]}}]}",
        ("/spec/rules/0/host", "\"example.com\""),
    ),
    example(
        "networkpolicies",
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "spec: {podSelector: {}}",
        ("/spec/policyTypes/0", "\"Ingress\""),
    ),
    example(
        "poddisruptionbudgets",
        "policy/v1",
        "PodDisruptionBudget",
        "spec: {minAvailable: 1, selector: {matchLabels: {app: x}}}",
        ("/spec/minAvailable", "1"),
    ),
    example(
        "horizontalpodautoscalers",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: x}, maxReplicas: 3}",
        ("/spec/maxReplicas", "3"),
    ),
    example(
        "roles",
        "rbac.authorization.k8s.io/v1",
        "Role",
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]",
        ("/rules/0/verbs/0", "\"get\""),
    ),
    example(
        "rolebindings",
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: x}\nsubjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: jane}]",
        ("/subjects/0/name", "\"jane\""),
    ),
    example(
        "leases",
        "coordination.k8s.io/v1",
        "Lease",
        "spec: {holderIdentity: x, leaseDurationSeconds: 10}",
        ("", ""),
    ),
];

impl Example {
    fn manifest(&self, mark: &str) -> String {
        let rest = self.rest.replace("TEMPLATE", TEMPLATE);
        let Self { api_version, kind, .. } = self;
        format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x, labels: {{mark: {mark}}}}}\n{rest}\n---\n"
        )
    }

    fn path(&self) -> String {
        format!("{}/{}", self.api_version, self.resource)
    }

    fn is_propagated(&self) -> bool {
        self.kind != "Lease"
    }
}

#[test]
fn every_common_kind_arrives_changes_and_goes() {
    let up = together();
    let stage = Stage::set(&up, "kinds");
    let selectors: Vec<String> = EXAMPLES
        .iter()
        .map(|e| format!("{{apiVersion: {}, kind: {}, name: x}}", e.api_version, e.kind))
        .collect();
    stage.apply(&crate::policy("kinds", &selectors.join(", "), &crate::on("member1, member3"), ""));
    let all = |mark: &str| EXAMPLES.iter().map(|e| e.manifest(mark)).collect::<String>();
    let members = [&stage.members[0], &stage.members[2]];
    for mark in ["first", "second"] {
        stage.apply(&all(mark));
        for (example, member) in EXAMPLES.iter().flat_map(|e| members.map(|m| (e, m))) {
            if !example.is_propagated() {
                continue;
            }
            let what = format!("{} {mark} is on {}", example.kind, member.context());
            eventually(SOON, &what, || {
                let copy = member.get(&example.path(), &stage.namespace, "x").with_context(|| {
                    let binding = stage.binding(&format!("x-{}", example.kind.to_lowercase()));
                    binding.map_or_else(|e| e.to_string(), |b| format!("{:?}", b.at("/status")))
                })?;
                ensure!(copy.label("mark") == Some(mark), "it is marked {:?}", copy.label("mark"));
                let (pointer, expected) = example.expected;
                let expected: Value = serde_json::from_str(expected)?;
                ensure!(copy.at(pointer) == Some(&expected), "{pointer} is {:?}", copy.at(pointer));
                Ok(())
            });
        }
    }
    for example in EXAMPLES.iter().filter(|e| e.is_propagated()) {
        let name = format!("x-{}", example.kind.to_lowercase());
        eventually(SOON, &format!("{name} is fully applied"), || {
            has(&stage.binding(&name)?, "FullyApplied", "True")
        });
    }
    // Leases are never propagated: a copy would fight with its member over who holds it.
    for member in members {
        member.check_gone("coordination.k8s.io/v1/leases", &stage.namespace, "x").unwrap();
    }
    assert!(stage.binding("x-lease").is_err());
    stage.user.ok_with("delete --wait=false -f -", &all("second"));
    for (example, member) in EXAMPLES.iter().flat_map(|e| members.map(|m| (e, m))) {
        eventually(SOON, &format!("{} is gone", example.kind), || {
            member.check_gone(&example.path(), &stage.namespace, "x")
        });
    }
}

#[test]
fn both_kubectls_propagate_alike() {
    let up = together();
    let stage = Stage::set(&up, "alike");
    let old = up.kubectl(Version::Old, &stage.control_plane).in_namespace(&stage.namespace);
    let manifest = crate::deployment("web", 2) + &crate::for_deployment("web", crate::DIVIDED);
    old.ok_with("apply -f -", &manifest);
    old.ok("rollout status deployment/web --timeout=60s");
    stage.ready_and_observed("web", 2);
    old.ok("scale deployment web --replicas=3");
    stage.ready_and_observed("web", 3);
    let applied = stage.user.ok_with("apply -f -", &manifest);
    assert!(applied.contains("deployment.apps/web configured"), "{applied}");
    stage.ready_and_observed("web", 2);
    old.ok("delete deployment web");
    stage.deployed("web", ["-", "-", "-"]);
}
