//! Scripts of other projects' kinds: that they are there, and what they answer.

use std::path::PathBuf;

use clock::Clock;

use super::*;
use crate::bundled;

/// Where the recorded answers say `<now>`.
const NOW: &str = "2030-01-01T00:00:00Z";

/// The kinds and their hooks: replicas, components, revision, retention, aggregation, reflection, health,
/// dependencies.
const HOOKS: [(&str, &str, &str); 27] = [
    ("apps.kruise.io/v1alpha1", "AdvancedCronJob", "AD"),
    ("apps.kruise.io/v1alpha1", "BroadcastJob", "RVKASHD"),
    ("apps.kruise.io/v1alpha1", "CloneSet", "RVASHD"),
    ("apps.kruise.io/v1alpha1", "DaemonSet", "ASHD"),
    ("apps.kruise.io/v1alpha1", "SidecarSet", "RKASHD"),
    ("apps.kruise.io/v1alpha1", "UnitedDeployment", "RVASHD"),
    ("apps.kruise.io/v1beta1", "StatefulSet", "RVASHD"),
    ("argoproj.io/v1alpha1", "Workflow", "RVKHD"),
    ("batch.volcano.sh/v1alpha1", "Job", "CASH"),
    ("flink.apache.org/v1beta1", "FlinkDeployment", "RCASH"),
    ("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease", "KASHD"),
    ("kubeflow.org/v1", "Notebook", "RASH"),
    ("kubeflow.org/v1", "PyTorchJob", "CAHD"),
    ("kubeflow.org/v1", "TFJob", "CAHD"),
    ("kubeflow.org/v2beta1", "MPIJob", "CASH"),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "KASHD"),
    ("kyverno.io/v1", "ClusterPolicy", "ASH"),
    ("kyverno.io/v1", "Policy", "ASH"),
    ("ray.io/v1", "RayCluster", "CAH"),
    ("ray.io/v1", "RayJob", "CAHD"),
    ("ray.io/v1", "RayService", "RVAHD"),
    ("source.toolkit.fluxcd.io/v1", "GitRepository", "KASHD"),
    ("source.toolkit.fluxcd.io/v1beta2", "Bucket", "KASHD"),
    ("source.toolkit.fluxcd.io/v1beta2", "HelmChart", "KASHD"),
    ("source.toolkit.fluxcd.io/v1beta2", "HelmRepository", "KASHD"),
    ("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", "KASHD"),
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication", "CASH"),
];

fn letter(operation: Operation) -> char {
    match operation {
        Operation::InterpretReplica => 'R',
        Operation::InterpretComponent => 'C',
        Operation::ReviseReplica => 'V',
        Operation::Retain => 'K',
        Operation::AggregateStatus => 'A',
        Operation::InterpretStatus => 'S',
        Operation::InterpretHealth => 'H',
        Operation::InterpretDependency => 'D',
    }
}

#[test]
fn bundled_kinds_have_these_hooks_and_no_others() {
    for (kind, hooks, _) in bundled::kinds() {
        let row =
            HOOKS.iter().find(|(api_version, name, _)| crate::kind::Kind::new(api_version, name) == kind);
        let row = row.unwrap_or_else(|| panic!("{kind:?} is not in the table"));
        let found: String =
            Operation::ALL.into_iter().filter(|operation| hooks.contains(operation)).map(letter).collect();
        assert_eq!(found, row.2, "{kind:?}");
    }
    assert_eq!(bundled::kinds().count(), HOOKS.len(), "every kind has a script");
}

#[test]
fn bundled_scripts_can_be_compiled() {
    for (kind, _, script) in bundled::kinds() {
        script.chunk().unwrap_or_else(|why| panic!("{kind:?}: {why}"));
    }
    for (name, source) in bundled::modules() {
        lua::Chunk::compile(name, source).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn bundled_kinds_are_known_by_group_version_and_kind() {
    let native = Interpreter::native();
    let has = |group: &str, version: &str, kind: &str| {
        native.has(&GroupVersionKind::new(group, version, kind), Operation::InterpretHealth)
    };
    assert!(has("apps.kruise.io", "v1alpha1", "CloneSet"));
    assert!(!has("apps.kruise.io", "v1beta1", "CloneSet"));
    assert!(!has("kruise.io", "v1alpha1", "CloneSet"));
}

/// The stories of one kind: `bundled/cases/<script>.json`.
fn stories(folder: &PathBuf) -> Vec<(String, Vec<Value>)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let cases = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
            (file.file_stem().unwrap().to_string_lossy().into_owned(), cases)
        })
        .collect()
}

fn answer(interpreter: &Interpreter, op: &str, input: &Value) -> Result<Value, String> {
    let object = |field: &str| Object::from_value(input[field].clone()).map_err(|error| error.to_string());
    let answer = match op {
        "GetReplicas" => interpreter.replicas(&object("object")?).now().map(|found| {
            let (replicas, requirements) = found.unwrap();
            json!({ "replicas": replicas, "requirements": requirements })
        }),
        "GetComponents" => interpreter.components(&object("object")?).now().map(|found| json!(found)),
        "ReviseReplica" => {
            let replicas = input["replica"].as_i64().unwrap();
            interpreter.revise_replicas(&object("object")?, replicas).now().map(|found| json!(found))
        }
        "Retain" => {
            interpreter.retain(&object("desired")?, &object("observed")?).now().map(|found| json!(found))
        }
        "AggregateStatus" => {
            let items: Option<Vec<AggregatedStatusItem>> =
                serde_json::from_value(input["items"].clone()).unwrap();
            interpreter
                .aggregate_reports(&object("object")?, items.as_deref())
                .now()
                .map(|found| json!(found))
        }
        "ReflectStatus" => interpreter.reflect_status(&object("object")?).now().map(|found| json!(found)),
        "InterpretHealth" => interpreter.health(&object("object")?).now().map(|found| json!(found)),
        "GetDependencies" => interpreter.dependencies(&object("object")?).now().map(|found| json!(found)),
        other => panic!("unknown function {other}"),
    };
    answer.map_err(|error| error.reason)
}

/// Numbers as floating point and `<now>` as the time of the test's clock, so that equal answers are equal.
fn normalized(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::String(text) if text == "<now>" => NOW.into(),
        Value::Array(list) => list.iter().map(normalized).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), normalized(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Components are told by name: not every kind keeps them in a list.
fn by_name(mut value: Value, op: &str) -> Value {
    if let (Some(list), "GetComponents") = (value.as_array_mut(), op) {
        list.sort_by_key(|component| component["name"].to_string());
    }
    value
}

#[test]
fn bundled_scripts_answer_as_their_stories_tell() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("bundled/cases");
    let interpreter = Interpreter::native().with_clock(Clock::fixed(NOW.parse().unwrap()));
    let mut told = 0;
    let mut wrong = Vec::new();
    for (kind, cases) in stories(&folder) {
        for case in cases {
            told += 1;
            let op = case["op"].as_str().unwrap();
            let found = answer(&interpreter, op, &case["input"]);
            let is_right = match (&found, case.get("error")) {
                (Err(_), Some(_)) => true,
                (Ok(found), None) => {
                    by_name(normalized(found), op) == by_name(normalized(&case["output"]), op)
                }
                _ => false,
            };
            if !is_right {
                let says = case["says"].as_str().unwrap_or_default();
                let output = case.get("error").unwrap_or(&case["output"]);
                wrong.push(format!("{kind} {op}: {says}\n  expected {output}\n  found    {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {told} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(told >= HOOKS.len(), "every kind has a story");
}
