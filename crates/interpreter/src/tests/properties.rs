//! What holds for every input, tried with many.

use super::*;

/// A sequence of numbers that is the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.next() % bound).unwrap()
    }
}

#[test]
fn revised_replicas_are_the_replicas_found() {
    let native = Interpreter::native();
    let mut numbers = Numbers(1);
    for _ in 0..200 {
        let (before, after) = (numbers.below(50), numbers.below(50));
        for (api_version, kind, field) in [
            ("apps/v1", "Deployment", "replicas"),
            ("apps/v1", "ReplicaSet", "replicas"),
            ("apps/v1", "StatefulSet", "replicas"),
            ("batch/v1", "Job", "parallelism"),
        ] {
            let given = object(api_version, kind, json!({ "spec": { field: before } }));
            let revised = native.revise_replicas(&given, after).now().unwrap();
            assert_eq!(native.replicas(&revised).now().unwrap(), Some((after, None)), "{kind}");
        }
    }
}

#[test]
fn one_members_reflection_is_its_own_aggregate() {
    let native = Interpreter::native();
    let mut numbers = Numbers(2);
    let kinds: [(&str, &str, &[&str]); 6] = [
        (
            "apps/v1",
            "Deployment",
            &["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"],
        ),
        ("apps/v1", "ReplicaSet", &["replicas", "readyReplicas", "availableReplicas"]),
        (
            "apps/v1",
            "StatefulSet",
            &["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        ),
        (
            "apps/v1",
            "DaemonSet",
            &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
            ],
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            &["disruptionsAllowed", "expectedPods", "desiredHealthy", "currentHealthy"],
        ),
        ("autoscaling/v2", "HorizontalPodAutoscaler", &["currentReplicas", "desiredReplicas"]),
    ];
    for _ in 0..100 {
        for (api_version, kind, fields) in kinds {
            let status: Value =
                fields.iter().map(|field| ((*field).to_owned(), Value::from(numbers.below(4)))).collect();
            let member = object(api_version, kind, json!({ "status": status }));
            let reflected = native.reflect_status(&member).now().unwrap().unwrap_or_default();
            let template = object(api_version, kind, json!({}));
            let sums = aggregated(&template, std::slice::from_ref(&reflected));
            for field in fields {
                let number = |of: &Value| of.get(field).and_then(Value::as_i64).unwrap_or(0);
                assert_eq!(number(&sums), number(&status), "{kind} {field} of {reflected}");
            }
        }
    }
}

/// A tree of maps, lists and texts from words that mean something to some kind.
fn tree(numbers: &mut Numbers, depth: u64) -> Value {
    const WORDS: [&str; 16] = [
        "metadata",
        "spec",
        "status",
        "labels",
        "annotations",
        "selector",
        "matchLabels",
        "template",
        "controller-uid",
        "secrets",
        "name",
        "data",
        "clusterIP",
        "clusterIPs",
        "job-name",
        "deployment.kubernetes.io/revision",
    ];
    let word = |numbers: &mut Numbers| WORDS[usize::try_from(numbers.next()).unwrap() % WORDS.len()];
    match if depth == 0 { 2 } else { numbers.next() % 4 } {
        0 | 3 => {
            (0..numbers.next() % 5).map(|_| (word(numbers).to_owned(), tree(numbers, depth - 1))).collect()
        }
        1 => (0..numbers.next() % 4).map(|_| tree(numbers, depth - 1)).collect(),
        _ => word(numbers).into(),
    }
}

#[test]
fn pruning_twice_is_pruning_once() {
    let mut numbers = Numbers(3);
    for _ in 0..2_000 {
        for kind in ["Deployment", "Job", "Secret", "ServiceAccount", "Service", "PersistentVolumeClaim", "X"]
        {
            let mut pruned = object("v1", kind, json!({ "type": "kubernetes.io/service-account-token" }));
            for (key, value) in tree(&mut numbers, 5).as_object().into_iter().flatten() {
                if key != "metadata" || value.is_object() {
                    merge(
                        pruned.value_mut(),
                        Value::Object([(key.clone(), value.clone())].into_iter().collect()),
                    );
                }
            }
            prune(&mut pruned);
            let once = pruned.clone();
            prune(&mut pruned);
            assert_eq!(pruned, once);
        }
    }
}

/// A tree in which every map and list has a path of its own.
fn distinct(numbers: &mut Numbers, depth: u64, named: &mut u64) -> Value {
    match if depth == 0 { 4 } else { numbers.next() % 5 } {
        0 | 1 => {
            let children = numbers.next() % 4;
            let mut child = || {
                *named += 1;
                (format!("k.{named}/x"), distinct(numbers, depth - 1, named))
            };
            (0..children).map(|_| child()).collect()
        }
        2 => (0..numbers.next() % 2).map(|_| distinct(numbers, depth - 1, named)).collect(),
        3 => (0..numbers.next() % 4).map(|_| Value::from(numbers.below(9))).collect(),
        _ => [json!(1.5), json!(true), json!("text"), json!("")]
            [usize::try_from(numbers.next() % 4).unwrap()]
        .clone(),
    }
}

#[test]
fn what_a_script_hands_back_untouched_is_untouched() {
    let mut customization =
        Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterCustomization", "", "c");
    let scripts = json!({
        "replicaRevision": { "luaScript": "function ReviseReplica(obj, n) return obj end" },
        "retention": { "luaScript": "function Retain(desired, observed) return desired end" },
    });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment" });
    customization.set("/spec", json!({ "target": target, "customizations": scripts }));
    let interpreter = Interpreter::with(&[customization], &[]);
    let mut numbers = Numbers(4);
    for _ in 0..300 {
        let given = deployment(json!({ "spec": distinct(&mut numbers, 6, &mut 0) }));
        assert_eq!(interpreter.revise_replicas(&given, 1).now().unwrap(), given);
        assert_eq!(interpreter.retain(&given, &deployment(json!({}))).now().unwrap(), given);
    }
}

#[test]
fn bundled_kinds_find_the_replicas_they_were_revised_to() {
    let native = Interpreter::native();
    let mut numbers = Numbers(5);
    let pod = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c" }] } });
    for (api_version, kind, spec) in [
        ("apps.kruise.io/v1alpha1", "CloneSet", json!({ "replicas": 1, "template": pod })),
        ("apps.kruise.io/v1beta1", "StatefulSet", json!({ "replicas": 1, "template": pod })),
        (
            "apps.kruise.io/v1alpha1",
            "UnitedDeployment",
            json!({ "replicas": 1, "template": { "statefulSetTemplate": { "spec": { "template": pod } } } }),
        ),
        ("apps.kruise.io/v1alpha1", "BroadcastJob", json!({ "parallelism": 1, "template": pod })),
        ("argoproj.io/v1alpha1", "Workflow", json!({ "parallelism": 1 })),
        (
            "ray.io/v1",
            "RayService",
            json!({ "rayClusterConfig": {
                "headGroupSpec": { "template": pod },
                "workerGroupSpecs": [{ "replicas": 2, "template": pod }, { "replicas": 5, "template": pod }],
            } }),
        ),
    ] {
        let given = object(api_version, kind, json!({ "spec": spec }));
        for _ in 0..20 {
            let wanted = numbers.below(30) + 1;
            let revised = native.revise_replicas(&given, wanted).now().unwrap();
            let (found, _) = native.replicas(&revised).now().unwrap().unwrap();
            assert_eq!(found, wanted, "{kind}");
        }
    }
}
