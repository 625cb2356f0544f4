//! Stories of overriding: a manifest, the overriders of a rule, and what the cluster gets.

use api::Resource;
use api::policy::{ImageComponent, Override, OverridePolicy, OverriderOperator};
use serde_json::{Value, json};

use crate::*;

fn deployment() -> Object {
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

fn cluster(name: &str) -> Cluster {
    let mut cluster = Cluster::named("", name);
    cluster.metadata.labels.insert("region".into(), format!("{name}-region"));
    cluster
}

fn policy(name: &str, spec: Value) -> Override {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut policy = Override::from(OverridePolicy::named(namespace, name));
    policy.scope = if namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
    policy.spec = serde_json::from_value(spec).unwrap();
    policy
}

/// One namespaced policy with these overriders for every cluster.
fn run(object: &Object, overriders: Value) -> Result<Object, String> {
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
fn gives(overriders: Value, path: &str, expected: Value) {
    let changed = run(&deployment(), overriders).unwrap();
    assert_eq!(changed.at(path), Some(&expected), "at {path}");
}

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn references_are_taken_apart() {
    let parts = |text: &str| {
        Image::parse(text)
            .map(|i| [i.registry, i.repository, i.tag, i.digest].join("|"))
            .map_err(|e| e.to_string())
    };
    let ok = |text: &str| parts(text).unwrap();
    assert_eq!(ok("nginx"), "|nginx||");
    assert_eq!(ok("library/nginx:1"), "|library/nginx|1|");
    assert_eq!(ok("docker.io/library/nginx:1"), "docker.io|library/nginx|1|");
    assert_eq!(ok("localhost/nginx"), "localhost|nginx||");
    assert_eq!(ok("host:5000/a/b"), "host:5000|a/b||");
    assert_eq!(ok("[::1]:5000/a"), "[::1]:5000|a||");
    assert_eq!(ok(&format!("a@{DIGEST}")), format!("|a||{DIGEST}"));
    assert_eq!(ok(&format!("gcr.io/a:v1@{DIGEST}")), format!("gcr.io|a|v1|{DIGEST}"));
    for bad in [
        "",
        "NGINX",
        "a:",
        "a:b:c",
        "/a",
        "a//b",
        "a b",
        "a@sha256:12",
        &format!("a:{}", "x".repeat(129)),
        &"a".repeat(256),
    ] {
        assert!(parts(bad).is_err(), "{bad:?} is not a reference");
    }
}

#[test]
fn parts_of_references_are_changed() {
    use ImageComponent::{Registry, Repository, Tag};
    use OverriderOperator::{Add, Remove, Replace};
    let edit = |text: &str, component, operator, value: &str| {
        let mut image = Image::parse(text).unwrap();
        image.edit(component, operator, value);
        image.to_string()
    };
    let both = format!("gcr.io/a:v1@{DIGEST}");
    for (text, component, operator, value, expected) in [
        ("gcr.io/a:1", Registry, Replace, "my.io", "my.io/a:1"),
        ("gcr.io/a:1", Registry, Add, ".cn", "gcr.io.cn/a:1"),
        ("gcr.io/a:1", Registry, Remove, "", "a:1"),
        ("a:1", Registry, Add, "my.io", "my.io/a:1"),
        ("a:1", Registry, Remove, "", "a:1"),
        ("gcr.io/a:1", Repository, Replace, "b/c", "gcr.io/b/c:1"),
        ("gcr.io/a:1", Repository, Add, "-debug", "gcr.io/a-debug:1"),
        ("gcr.io/a:1", Repository, Remove, "", "gcr.io/:1"),
        ("a:1", Tag, Replace, "2", "a:2"),
        ("a:1", Tag, Add, "-alpine", "a:1-alpine"),
        ("a:1", Tag, Remove, "", "a"),
        ("a", Tag, Add, "2", "a:2"),
        ("a", Tag, Replace, "2", "a:2"),
        ("a:1", Tag, Replace, "not a tag", "a:1"),
        ("a:1", Tag, Replace, DIGEST, &format!("a@{DIGEST}")),
        (&format!("a@{DIGEST}"), Tag, Replace, "2", "a:2"),
        (&format!("a@{DIGEST}"), Tag, Add, "00", &format!("a@{DIGEST}00")),
        (&format!("a@{DIGEST}"), Tag, Remove, "", "a"),
        (&both, Registry, Replace, "my.io", &both.replace("gcr.io", "my.io")),
        (&both, Repository, Add, "b", &both.replace("/a", "/ab")),
        (&both, Tag, Replace, "v2", "gcr.io/a:v2"),
        (&both, Tag, Add, "b", "gcr.io/a:v1b"),
        (&both, Tag, Remove, "", "gcr.io/a"),
    ] {
        assert_eq!(
            edit(text, component, operator, value),
            expected,
            "{text} {component:?} {operator:?} {value}"
        );
    }
}

#[test]
fn every_container_gets_the_new_image_and_init_containers_keep_theirs() {
    let overriders =
        json!({ "imageOverrider": [{ "component": "Registry", "operator": "replace", "value": "my.io" }] });
    let changed = run(&deployment(), overriders.clone()).unwrap();
    assert_eq!(changed.str_at("/spec/template/spec/containers/0/image"), Some("my.io/library/nginx:1.25"));
    assert_eq!(changed.str_at("/spec/template/spec/containers/1/image"), Some("my.io/envoy"));
    assert_eq!(changed.str_at("/spec/template/spec/initContainers/0/image"), Some("busybox:1"));
    for kind in ["CronJob", "ConfigMap", "Rollout"] {
        let mut other = deployment();
        other.set("/kind", kind);
        assert_eq!(run(&other, overriders.clone()).unwrap(), other, "{kind} is left alone");
    }
    for kind in ["ReplicaSet", "DaemonSet", "StatefulSet", "Job"] {
        let mut other = deployment();
        other.set("/kind", kind);
        assert_ne!(run(&other, overriders.clone()).unwrap(), other, "{kind} is changed");
    }
    let pod = Object::from_value(json!({ "kind": "Pod", "apiVersion": "v1",
        "metadata": { "name": "p", "namespace": "default" }, "spec": { "containers": [{ "image": "a" }] } }))
    .unwrap();
    assert_eq!(run(&pod, overriders).unwrap().str_at("/spec/containers/0/image"), Some("my.io/a"));
}

#[test]
fn a_predicate_names_the_one_image_to_change() {
    let image = |path: &str| {
        json!({ "imageOverrider": [
            { "predicate": { "path": path }, "component": "Tag", "operator": "replace", "value": "2" }
        ]})
    };
    gives(
        image("/spec/template/spec/initContainers/0/image"),
        "/spec/template/spec/initContainers/0/image",
        json!("busybox:2"),
    );
    gives(
        image("/spec/template/spec/initContainers/0/image"),
        "/spec/template/spec/containers/1/image",
        json!("envoy"),
    );
    for bad in [
        "/spec/template/spec/initContainers/9/image",
        "/spec/nothing",
        "/spec/replicas",
        "/spec/template/spec/containers/x/image",
    ] {
        let error = run(&deployment(), image(bad)).unwrap_err();
        assert_eq!(
            error,
            format!("cannot apply imageOverrider of OverridePolicy p: there is no image at {bad:?}")
        );
    }
}

#[test]
fn commands_and_arguments_are_lengthened_and_shortened() {
    let args = |operator: &str, value: &[&str]| {
        json!({ "argsOverrider": [
            { "containerName": "web", "operator": operator, "value": value }
        ]})
    };
    let path = "/spec/template/spec/containers/0/args";
    gives(args("add", &["-y"]), path, json!(["-v", "-x", "-v", "-y"]));
    gives(args("remove", &["-v"]), path, json!(["-x"]));
    gives(args("remove", &["-z"]), path, json!(["-v", "-x", "-v"]));
    let command = |name: &str, operator: &str| {
        json!({ "commandOverrider": [
            { "containerName": name, "operator": operator, "value": ["run"] }
        ]})
    };
    gives(command("side", "add"), "/spec/template/spec/containers/1/command", json!(["run"]));
    gives(command("side", "remove"), "/spec/template/spec/containers/1/command", json!([]));
    assert_eq!(run(&deployment(), command("nobody", "add")).unwrap(), deployment());
}

#[test]
fn labels_and_annotations_are_added_replaced_and_removed() {
    let labels = |operator: &str, value: Value| json!({ "labelsOverrider": [{ "operator": operator, "value": value }] });
    gives(labels("add", json!({ "a": "1" })), "/metadata/labels", json!({ "app": "web", "a": "1" }));
    gives(labels("add", json!({ "app": "db" })), "/metadata/labels", json!({ "app": "db" }));
    gives(labels("replace", json!({ "app": "db", "b": "2" })), "/metadata/labels", json!({ "app": "db" }));
    gives(labels("remove", json!({ "b": "" })), "/metadata/labels", json!({ "app": "web" }));
    gives(labels("add", json!({ "a/b": "1" })), "/metadata/labels/a~1b", json!("1"));
    let changed = run(&deployment(), labels("remove", json!({ "app": "whatever" }))).unwrap();
    assert_eq!(changed.label("app"), None);
    let annotations = json!({ "annotationsOverrider": [
        { "operator": "add", "value": { "a": "1", "b": "1" } },
        { "operator": "replace", "value": { "a": "2", "c": "2" } },
        { "operator": "remove", "value": { "b": "" } },
    ]});
    gives(annotations, "/metadata/annotations", json!({ "a": "2" }));
}

fn config(text: &str) -> Object {
    let mut object = Object::new("v1", "ConfigMap", "default", "c");
    object.set("/data", json!({ "doc": text }));
    object
}

#[test]
fn json_inside_a_field_is_patched() {
    let overriders = json!({ "fieldOverrider": [{ "fieldPath": "/data/doc", "json": [
        { "subPath": "/a", "operator": "replace", "value": { "b": 1 } },
        { "subPath": "/list/-", "operator": "add", "value": 3 },
        { "subPath": "/gone", "operator": "remove" },
    ]}]});
    let changed = run(&config(r#"{ "a": 0, "list": [1, 2] , "gone": null}"#), overriders).unwrap();
    let text = changed.str_at("/data/doc").unwrap();
    assert!(!text.contains(' '), "one line: {text}");
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({ "a": { "b": 1 }, "list": [1, 2, 3] }));
}

#[test]
fn yaml_inside_a_field_is_patched() {
    let overriders = json!({ "fieldOverrider": [{ "fieldPath": "/data/doc", "yaml": [
        { "subPath": "/db/host", "operator": "replace", "value": "m1.local" },
    ]}]});
    let changed = run(
        &config("mode: 0644\nlist:\n  - a\n  - b: c\ndb:\n  port: 5432\n  host: a\nflag: \"yes\"\n"),
        overriders,
    )
    .unwrap();
    assert_eq!(
        changed.str_at("/data/doc").unwrap(),
        "db:\n  host: m1.local\n  port: 5432\nflag: \"yes\"\nlist:\n- a\n- b: c\nmode: 420\n"
    );
}

#[test]
fn a_field_that_is_no_document_is_an_error() {
    let edit = |path: &str, format: &str| {
        let overriders = json!({ "fieldOverrider": [{ "fieldPath": path, format: [
            { "subPath": "/a", "operator": "add", "value": 1 },
        ]}]});
        run(&config("{ a: [ "), overriders).unwrap_err()
    };
    assert!(edit("/data/doc", "json").contains("the text at \"/data/doc\" is not JSON"));
    assert!(edit("/data/doc", "yaml").contains("the text at \"/data/doc\" is not YAML"));
    assert!(edit("/data/other", "json").contains("there is no text at \"/data/other\""));
    assert!(edit("/data", "json").contains("there is no text at \"/data\""));
}

#[test]
fn plaintext_is_a_json_patch() {
    let plain = |operations: Value| json!({ "plaintext": operations });
    gives(
        plain(json!([{ "path": "/spec/replicas", "operator": "replace", "value": 5 }])),
        "/spec/replicas",
        json!(5),
    );
    gives(
        plain(json!([{ "path": "/spec/paused", "operator": "add", "value": true }])),
        "/spec/paused",
        json!(true),
    );
    let changed =
        run(&deployment(), plain(json!([{ "path": "/metadata/labels/app", "operator": "remove" }]))).unwrap();
    assert_eq!(changed.label("app"), None);
    for bad in [
        json!([{ "path": "/spec/nothing", "operator": "remove" }]),
        json!([{ "path": "/spec/nothing", "operator": "replace", "value": 1 }]),
        json!([{ "path": "/a/b/c", "operator": "add", "value": 1 }]),
        json!([{ "path": "spec", "operator": "add", "value": 1 }]),
        json!([{ "path": "/spec/replicas", "operator": "replace", "value": 9 }, { "path": "/x", "operator": "remove" }]),
        json!([{ "path": "", "operator": "replace", "value": 1 }]),
        json!([{ "path": "", "operator": "remove" }]),
    ] {
        assert!(run(&deployment(), plain(bad.clone())).is_err(), "{bad}");
    }
}

#[test]
fn the_kinds_of_changes_have_a_fixed_order() {
    // Plaintext has the last word over the image, whatever the order in the policy.
    let overriders = json!({
        "plaintext": [{ "path": "/spec/template/spec/containers/0/image", "operator": "replace", "value": "last" }],
        "imageOverrider": [{ "component": "Tag", "operator": "replace", "value": "first" }],
    });
    gives(overriders, "/spec/template/spec/containers/0/image", json!("last"));
}

fn set_replicas(n: i64) -> Value {
    json!({ "plaintext": [{ "path": "/spec/replicas", "operator": "replace", "value": n }] })
}

#[test]
fn namespaced_policies_have_the_last_word_and_close_ones_before_loose_ones() {
    let deployments = |name: &str| json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "name": name }]);
    let rule = |n| json!([{ "overriders": set_replicas(n) }]);
    let cluster_named =
        policy("a", json!({ "resourceSelectors": deployments("web"), "overrideRules": rule(2) }));
    let cluster_all = policy("b", json!({ "overrideRules": rule(3) }));
    let mut object = deployment();
    let applied = apply(&mut object, &cluster("m1"), [&cluster_named, &cluster_all], []).unwrap();
    assert_eq!(object.i64_at("/spec/replicas"), Some(2));
    assert_eq!(applied.cluster.iter().map(|a| a.policy_name.as_str()).collect::<Vec<_>>(), ["a", "b"]);

    let namespaced = policy("default/z", json!({ "overrideRules": rule(4) }));
    let other = policy("other/z", json!({ "overrideRules": rule(5) }));
    let applied = apply(&mut object, &cluster("m1"), [&cluster_named], [&namespaced, &other]).unwrap();
    assert_eq!(object.i64_at("/spec/replicas"), Some(4));
    assert_eq!(applied.namespaced.len(), 1);
}

#[test]
fn rules_are_for_the_clusters_they_name() {
    let policy = policy(
        "default/p",
        json!({ "overrideRules": [
            { "targetCluster": { "clusterNames": ["m1"] }, "overriders": set_replicas(2) },
            { "targetCluster": { "clusterNames": ["m2"] }, "overriders": set_replicas(3) },
            { "targetCluster": { "labelSelector": { "matchLabels": { "region": "m3-region" } } }, "overriders": set_replicas(4) },
        ]}),
    );
    for (name, replicas) in [("m1", 2), ("m2", 3), ("m3", 4), ("m4", 1)] {
        let mut object = deployment();
        let applied = apply(&mut object, &cluster(name), [], [&policy]).unwrap();
        assert_eq!(object.i64_at("/spec/replicas"), Some(replicas), "{name}");
        assert_eq!(applied.is_empty(), name == "m4");
    }
}

#[test]
fn the_older_pair_of_fields_is_one_rule_and_gives_way_to_rules() {
    let older = json!({ "targetCluster": { "clusterNames": ["m1"] }, "overriders": set_replicas(2) });
    let mut object = deployment();
    apply(&mut object, &cluster("m1"), [], [&policy("default/p", older.clone())]).unwrap();
    assert_eq!(object.i64_at("/spec/replicas"), Some(2));
    let mut object = deployment();
    apply(&mut object, &cluster("m2"), [], [&policy("default/p", older.clone())]).unwrap();
    assert_eq!(object.i64_at("/spec/replicas"), Some(1));
    let mut both = older;
    both["overrideRules"] = json!([{ "overriders": set_replicas(7) }]);
    let mut object = deployment();
    apply(&mut object, &cluster("m1"), [], [&policy("default/p", both)]).unwrap();
    assert_eq!(object.i64_at("/spec/replicas"), Some(7));
}

#[test]
fn cluster_scoped_objects_are_changed_by_cluster_policies_only() {
    let mut role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", "r");
    let rule = json!({ "overrideRules": [{ "overriders": { "labelsOverrider": [{ "operator": "add", "value": { "a": "b" } }] } }] });
    let applied =
        apply(&mut role, &cluster("m1"), [&policy("c", rule.clone())], [&policy("default/p", rule)]).unwrap();
    assert_eq!((applied.cluster.len(), applied.namespaced.len()), (1, 0));
}

#[test]
fn what_was_applied_is_recorded_by_policy_name() {
    let mut object = deployment();
    let one = policy("default/b", json!({ "overrideRules": [{ "overriders": set_replicas(2) }] }));
    let two = policy(
        "default/a",
        json!({ "resourceSelectors": [{ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }],
        "overrideRules": [{ "overriders": set_replicas(3) }] }),
    );
    let applied = apply(&mut object, &cluster("m1"), [], [&one, &two]).unwrap();
    let annotations = applied.annotations();
    assert_eq!(annotations.len(), 1);
    assert_eq!(annotations[0].0, "policy.karmada.io/applied-overrides");
    assert_eq!(
        serde_json::from_str::<Value>(&annotations[0].1).unwrap(),
        json!([
            { "policyName": "a", "overriders": set_replicas(3) },
            { "policyName": "b", "overriders": set_replicas(2) },
        ])
    );
}

#[test]
fn without_a_matching_rule_nothing_changes() {
    let elsewhere = policy(
        "default/p",
        json!({
            "resourceSelectors": [{ "apiVersion": "v1", "kind": "Service" }],
            "overrideRules": [{ "overriders": set_replicas(2) }],
        }),
    );
    let mut object = deployment();
    assert!(apply(&mut object, &cluster("m1"), [&elsewhere], [&elsewhere]).unwrap().is_empty());
    assert_eq!(object, deployment());
}

#[test]
fn removing_undoes_adding() {
    // Whatever key and strings are added, removing the same ones gives the object back, as long as they
    // were not there before.
    for (i, key) in ["a", "a/b", "x.io/a~b", "ü", ""].iter().enumerate() {
        let value = json!({ *key: format!("v{i}") });
        let strings = json!([format!("--only-{i}"), format!("--two-{i}")]);
        let both = |operator: &str| {
            json!({
                "labelsOverrider": [{ "operator": operator, "value": value }],
                "annotationsOverrider": [{ "operator": operator, "value": value }],
                "argsOverrider": [{ "containerName": "web", "operator": operator, "value": strings }],
            })
        };
        let added = run(&deployment(), both("add")).unwrap();
        assert_ne!(added, deployment());
        assert_eq!(run(&added, both("remove")).unwrap(), deployment(), "{key}");
    }
}
