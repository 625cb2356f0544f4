//! No input makes a rule panic: random JSON in the place of whole objects and of parts of sensible ones.

use machinery::Object;
use serde_json::{Map, Value, json};

use super::quota;
use crate::*;

/// Random choices that follow from a seed.
struct Random(u64);

/// Keys that rules look for.
const KEYS: &[&str] = &[
    "spec",
    "metadata",
    "status",
    "labels",
    "annotations",
    "finalizers",
    "name",
    "namespace",
    "kind",
    "apiVersion",
    "resourceSelectors",
    "labelSelector",
    "matchLabels",
    "matchExpressions",
    "operator",
    "values",
    "key",
    "placement",
    "clusterAffinity",
    "clusterAffinities",
    "affinityName",
    "overflowAffinities",
    "clusterNames",
    "exclude",
    "fieldSelector",
    "spreadConstraints",
    "spreadByField",
    "spreadByLabel",
    "minGroups",
    "maxGroups",
    "replicaScheduling",
    "replicaSchedulingType",
    "replicaDivisionPreference",
    "weightPreference",
    "dynamicWeight",
    "clusterTolerations",
    "tolerationSeconds",
    "effect",
    "failover",
    "application",
    "cluster",
    "statePreservation",
    "rules",
    "aliasLabelName",
    "decisionConditions",
    "gracePeriodSeconds",
    "purgeMode",
    "suspension",
    "dispatching",
    "dispatchingOnClusters",
    "workloadAffinity",
    "affinity",
    "antiAffinity",
    "groupByLabelKey",
    "overrideRules",
    "overriders",
    "targetCluster",
    "imageOverrider",
    "predicate",
    "path",
    "plaintext",
    "fieldOverrider",
    "fieldPath",
    "json",
    "yaml",
    "subPath",
    "value",
    "taints",
    "addOnConditions",
    "overall",
    "staticAssignments",
    "hard",
    "clusterName",
    "components",
    "replicas",
    "replicaRequirements",
    "resourceRequest",
    "clusters",
    "workload",
    "manifests",
    "customizations",
    "retention",
    "luaScript",
    "target",
    "webhooks",
    "clientConfig",
    "url",
    "service",
    "port",
    "operations",
    "apiGroups",
    "apiVersions",
    "kinds",
    "interpreterContextVersions",
    "timeoutSeconds",
    "scaleTargetRef",
    "schedule",
    "timeZone",
    "targetReplicas",
    "metrics",
    "behavior",
    "scaleUp",
    "policies",
    "type",
    "types",
    "ports",
    "tls",
    "hosts",
    "http",
    "paths",
    "backend",
    "loadBalancer",
    "ingress",
    "ip",
    "syncMode",
    "apiEndpoint",
    "zone",
    "zones",
    "resourceModels",
    "ranges",
    "min",
    "max",
    "grade",
    "priority",
    "preemption",
    "propagateDeps",
    "schedulerName",
    "dependentOverrides",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "cluster",
    "region",
    "Divided",
    "Aggregated",
    "Weighted",
    "AvailableReplicas",
    "In",
    "NotIn",
    "Exists",
    "Gt",
    "add",
    "remove",
    "replace",
    "NoExecute",
    "Always",
    "Gracefully",
    "Never",
    "Push",
    "Pull",
    "/",
    "/a/0/-1",
    "~",
    "é x/~2",
    "https://a/b",
    "https://",
    "://",
    "socks5://u@[::1",
    "* * * * *",
    "@every 1h",
    "TZ= *",
    "1Gi",
    "-1",
    "1e309",
    "9e99999",
    "function f( return end",
    "function Retain(d) return d end",
    "((((((((",
    "v1alpha1",
    "Resource",
    "\u{0}",
    "\u{10ffff}",
    "2024-05-06T07:08:09Z",
    "CrossCluster",
    "10.0.0.1",
];

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 12 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!([0, 1, -1, i64::MAX, i64::MIN, 65_536][self.below(6)]),
            3 => json!(1e300),
            4 | 5 => json!(TEXTS[self.below(TEXTS.len())]),
            6 | 7 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let count = self.below(5);
                let members =
                    (0..count).map(|_| (KEYS[self.below(KEYS.len())].to_owned(), self.value(depth - 1)));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// Puts random values into random places.
    fn spoil(&mut self, value: &mut Value, depth: usize) {
        if depth == 0 || self.below(6) == 0 {
            *value = self.value(3);
            return;
        }
        match value {
            Value::Object(map) if !map.is_empty() => {
                let at = self.below(map.len());
                if let Some(child) = map.values_mut().nth(at) {
                    self.spoil(child, depth - 1);
                }
                if self.below(3) == 0 {
                    map.insert(KEYS[self.below(KEYS.len())].into(), self.value(3));
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let at = self.below(items.len());
                self.spoil(&mut items[at], depth - 1);
            }
            other => *other = self.value(3),
        }
    }
}

/// Every rule of every kind on an object: taken or refused, either will do.
fn try_all(object: &Object, old: &Object) {
    let options = Options {
        allow_no_execute_taint_policy: false,
        customized_cluster_resource_modeling: true,
        multiple_pod_templates_scheduling: true,
        federated_quota_enforcement: true,
    };
    let quotas = [quota(json!({ "cpu": "1", "memory": "x" }), json!({ "cpu": "?" }))];
    let world = World { quotas: &quotas, ..World::empty(&options) };
    for webhook in WEBHOOKS {
        for operation in [Operation::Create, Operation::Update, Operation::Delete] {
            let old = (operation == Operation::Update).then_some(old);
            match webhook.handler {
                Handler::Mutate(mutate) => {
                    let mut source = Source {
                        options: &options,
                        now: jiff::Timestamp::UNIX_EPOCH,
                        ids: &mut || "id".into(),
                    };
                    let request = Mutation { operation, namespace: "default", old };
                    let _ = mutate(&request, &mut object.clone(), &mut source);
                }
                Handler::Validate(validate) => {
                    let _ = validate(&Validation { operation, object, old }, &world);
                }
            }
        }
        if let Some(kind) = webhook.kind {
            let _ = warnings(&kind.gvk(), object);
        }
    }
}

#[test]
fn no_object_at_all_makes_a_rule_panic() {
    for seed in 0..600 {
        let mut random = Random(seed);
        let mut value = random.value(7);
        if !value.is_object() {
            value = json!({ "spec": value, "metadata": random.value(3), "webhooks": random.value(5) });
        }
        let object = Object::from_value(value).unwrap();
        try_all(&object, &object);
    }
}

/// An object of each kind that its rules take.
pub(crate) fn sensible() -> Vec<Object> {
    let id = |label: &str| json!({ "name": "x", "namespace": "default", "labels": { label: "id" } });
    let selectors =
        json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web" }]);
    let placement = json!({
        "clusterAffinities": [{ "affinityName": "a", "clusterNames": ["m1"],
            "fieldSelector": { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["z"] }] },
            "overflowAffinities": [{ "affinityName": "b", "clusterNames": ["m2"] }] }],
        "spreadConstraints": [{ "spreadByField": "cluster", "minGroups": 1, "maxGroups": 2 }],
        "replicaScheduling": { "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated" },
        "clusterTolerations": [{ "key": "a", "operator": "Exists" }],
        "workloadAffinity": { "affinity": { "groupByLabelKey": "g" }, "antiAffinity": { "groupByLabelKey": "h" } },
    });
    let failover = json!({ "application": { "decisionConditions": { "tolerationSeconds": 1 }, "purgeMode": "Gracefully",
        "gracePeriodSeconds": 5, "statePreservation": { "rules": [{ "aliasLabelName": "l", "jsonPath": "{.a}" }] } } });
    let policy = json!({ "resourceSelectors": selectors, "placement": placement, "propagateDeps": true, "failover": failover });
    let overriders = json!({
        "imageOverrider": [{ "predicate": { "path": "/a" }, "component": "Tag", "operator": "replace", "value": "v" }],
        "labelsOverrider": [{ "operator": "add", "value": { "a": "b" } }],
        "fieldOverrider": [{ "fieldPath": "/a", "json": [{ "subPath": "/b", "operator": "add", "value": 1 }] }],
    });
    let overriding =
        json!({ "resourceSelectors": selectors, "overrideRules": [{ "overriders": overriders }] });
    let policies = "policy.karmada.io/v1alpha1";
    let template =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "default", "name": "web" });
    let models =
        json!([{ "grade": 0, "ranges": [{ "name": "cpu", "min": "0", "max": "9223372036854775807" }] }]);
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    [
        (policies, "PropagationPolicy", json!({ "metadata": id("propagationpolicy.karmada.io/permanent-id"), "spec": policy })),
        (policies, "ClusterPropagationPolicy", json!({
            "metadata": { "name": "x", "labels": { "clusterpropagationpolicy.karmada.io/permanent-id": "id" } }, "spec": policy,
        })),
        (policies, "OverridePolicy", json!({ "metadata": id("a"), "spec": overriding })),
        (policies, "ClusterOverridePolicy", json!({ "metadata": { "name": "x" }, "spec": overriding })),
        (policies, "ClusterTaintPolicy", json!({ "metadata": { "name": "x" }, "spec": {
            "taints": [{ "key": "a", "effect": "NoSchedule" }],
            "addOnConditions": [{ "conditionType": "Ready", "operator": "NotIn", "statusValues": ["True"] }],
        } })),
        (policies, "FederatedResourceQuota", json!({ "metadata": id("a"), "spec": {
            "overall": { "cpu": "10" }, "staticAssignments": [{ "clusterName": "m1", "hard": { "cpu": "1" } }],
        } })),
        ("work.karmada.io/v1alpha2", "ResourceBinding", json!({ "metadata": id("a"), "spec": {
            "resource": template, "clusters": [{ "name": "m1", "replicas": 1 }], "replicas": 1,
            "components": [{ "name": "a", "replicas": 1, "replicaRequirements": { "resourceRequest": { "memory": "1" } } }],
        } })),
        ("work.karmada.io/v1alpha2", "ClusterResourceBinding", json!({ "metadata": { "name": "x" }, "spec": { "resource": template } })),
        ("work.karmada.io/v1alpha1", "Work", json!({ "metadata": id("a"), "spec": { "workload": { "manifests": [
            { "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "j", "uid": "u" }, "spec": { "template": {} } },
        ] } } })),
        ("config.karmada.io/v1alpha1", "ResourceInterpreterCustomization", json!({ "metadata": { "name": "x" }, "spec": {
            "target": { "apiVersion": "a/v1", "kind": "A" },
            "customizations": { "retention": { "luaScript": "function Retain(d, o) return d end" } },
        } })),
        ("config.karmada.io/v1alpha1", "ResourceInterpreterWebhookConfiguration", json!({ "metadata": { "name": "x" }, "webhooks": [{
            "name": "a.b.c", "clientConfig": { "service": { "namespace": "a", "name": "b", "path": "/p" } },
            "rules": [{ "operations": ["*"], "apiGroups": ["a"], "apiVersions": ["v1"], "kinds": ["A"] }],
            "interpreterContextVersions": ["v1alpha1"], "timeoutSeconds": 3,
        }] })),
        ("autoscaling.karmada.io/v1alpha1", "FederatedHPA", json!({ "metadata": id("a"), "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "minReplicas": 1, "maxReplicas": 2,
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 1 } } }],
            "behavior": { "scaleUp": { "policies": [{ "type": "Pods", "value": 1, "periodSeconds": 1 }] } },
        } })),
        ("autoscaling.karmada.io/v1alpha1", "CronFederatedHPA", json!({ "metadata": id("a"), "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "rules": [{ "name": "r", "schedule": "0 1 * * mon", "targetReplicas": 1, "timeZone": "UTC" }],
        } })),
        ("networking.karmada.io/v1alpha1", "MultiClusterService", json!({ "metadata": id("a"), "spec": {
            "types": ["CrossCluster"], "ports": [{ "name": "a", "port": 80 }], "providerClusters": [{ "name": "m1" }],
        }, "status": { "loadBalancer": { "ingress": [{ "ip": "10.0.0.1" }] } } })),
        ("networking.karmada.io/v1alpha1", "MultiClusterIngress", json!({ "metadata": id("a"), "spec": {
            "rules": [{ "host": "a.b", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }],
            "tls": [{ "hosts": ["a.b"] }],
        } })),
        ("cluster.karmada.io/v1alpha1", "Cluster", json!({ "metadata": { "name": "x" }, "spec": {
            "syncMode": "Push", "apiEndpoint": "https://a:6443", "taints": [{ "key": "a", "effect": "NoSchedule" }],
            "resourceModels": models, "zones": ["z"],
        } })),
    ]
    .into_iter()
    .map(|(api_version, kind, mut value)| {
        value["apiVersion"] = api_version.into();
        value["kind"] = kind.into();
        Object::from_value(value).unwrap()
    })
    .collect()
}

#[test]
fn there_is_an_object_of_every_kind_that_its_rules_take() {
    let sensible = sensible();
    for kind in WEBHOOKS.iter().filter_map(|webhook| webhook.kind) {
        assert!(sensible.iter().any(|o| o.kind() == kind.kind), "no {}", kind.kind);
    }
    for object in &sensible {
        assert_eq!(super::refusal(object), "", "{}", object.kind());
        assert_eq!(super::update_refusal(object, object), "", "{}", object.kind());
    }
}

#[test]
fn no_spoiled_object_makes_a_rule_panic() {
    for (i, base) in sensible().iter().enumerate() {
        for seed in 0..120 {
            let mut random = Random(seed * 1000 + i as u64);
            let mut value = base.value().clone();
            for _ in 0..=random.below(3) {
                let depth = 2 + random.below(8);
                random.spoil(&mut value, depth);
            }
            let Ok(object) = Object::from_value(value) else { continue };
            try_all(&object, base);
        }
    }
}
