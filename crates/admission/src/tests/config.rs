//! ResourceInterpreterCustomization and ResourceInterpreterWebhookConfiguration.

use machinery::Object;
use serde_json::{Value, json};

use super::{check, object, refusal_in};
use crate::{Options, World};

fn customization(name: &str, kind: &str, rules: Value) -> Object {
    let mut object = object(
        "config.karmada.io/v1alpha1",
        "ResourceInterpreterCustomization",
        json!({ "spec": { "target": { "apiVersion": "a/v1", "kind": kind }, "customizations": rules } }),
    );
    object.set("/metadata/name", name);
    object
}

#[test]
fn every_script_must_compile() {
    let options = Options::default();
    let check_script = |script: &str| if script.contains("bad") { Err("line 1: bad".into()) } else { Ok(()) };
    let world = World { check_script: &check_script, ..World::empty(&options) };
    for field in [
        "retention",
        "replicaResource",
        "componentResource",
        "replicaRevision",
        "statusReflection",
        "statusAggregation",
        "healthInterpretation",
        "dependencyInterpretation",
    ] {
        let script = |text: &str| customization("x", "A", json!({ field: { "luaScript": text } }));
        assert_eq!(refusal_in(&world, &script("good"), None), "");
        let refusal = refusal_in(&world, &script("bad"), None);
        assert!(refusal.contains(&format!("spec.customizations.{field}.luaScript")), "{refusal}");
        assert!(refusal.contains("line 1: bad"), "{refusal}");
    }
}

#[test]
fn a_kind_and_operation_is_customized_once() {
    let options = Options::default();
    let script = |field: &str| json!({ field: { "luaScript": "x" } });
    let stored = [customization(
        "old",
        "A",
        json!({ "retention": { "luaScript": "x" }, "dependencyInterpretation": { "luaScript": "x" } }),
    )
    .parse()
    .unwrap()];
    let world = World { customizations: &stored, ..World::empty(&options) };
    let new = |name, kind, field| refusal_in(&world, &customization(name, kind, script(field)), None);
    assert_eq!(new("new", "A", "retention"), "retention of a/v1, Kind=A is customized by old already");
    assert_eq!(new("new", "A", "statusReflection"), "");
    assert_eq!(new("new", "B", "retention"), "");
    assert_eq!(new("old", "A", "retention"), "", "it does not stand in its own way");
    assert_eq!(new("new", "A", "dependencyInterpretation"), "", "several may speak of dependencies");
}

/// A webhook with some fields replaced; `null` removes.
fn webhook(more: Value) -> Object {
    let mut webhook = json!({
        "name": "a.b.c", "clientConfig": { "url": "https://host/path" },
        "rules": [{ "operations": ["Retain"], "apiGroups": [""], "apiVersions": ["v1"], "kinds": ["A"] }],
        "interpreterContextVersions": ["v1alpha1"],
    });
    webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object(
        "config.karmada.io/v1alpha1",
        "ResourceInterpreterWebhookConfiguration",
        json!({ "webhooks": [webhook] }),
    )
}

#[test]
fn webhooks_have_full_and_unique_names() {
    check(&webhook(json!({})), "");
    check(&webhook(json!({ "name": "a.b" })), "at least three segments");
    check(&webhook(json!({ "name": "A.b.c" })), "webhooks[0].name: Invalid value");
    let mut twice = webhook(json!({}));
    let one = twice.at("/webhooks/0").unwrap().clone();
    twice.set("/webhooks", json!([one, one]));
    check(&twice, "webhooks[1].name: Duplicate value");
}

#[test]
fn operations_are_known_and_the_star_stands_alone() {
    let rule = |field: &str, value: Value| {
        let mut rule =
            json!({ "operations": ["Retain"], "apiGroups": ["a"], "apiVersions": ["v1"], "kinds": ["A"] });
        rule[field] = value;
        webhook(json!({ "rules": [rule] }))
    };
    for operation in [
        "InterpretReplica",
        "InterpretComponent",
        "ReviseReplica",
        "Retain",
        "AggregateStatus",
        "InterpretStatus",
        "InterpretHealth",
        "InterpretDependency",
        "*",
    ] {
        check(&rule("operations", json!([operation])), "");
    }
    check(&rule("operations", json!(["Prune"])), "rules[0].operations[0]: Unsupported value: \"Prune\"");
    for field in ["operations", "apiGroups", "apiVersions", "kinds"] {
        check(&rule(field, json!(["*"])), "");
        check(&rule(field, json!(["*", "Retain"])), "'*' must stand alone");
        check(&rule(field, json!([])), &format!("rules[0].{field}: Required value"));
    }
}

#[test]
fn calls_take_between_1_and_30_seconds() {
    for (seconds, expected) in [(1, ""), (30, ""), (0, "timeoutSeconds"), (31, "timeoutSeconds")] {
        check(&webhook(json!({ "timeoutSeconds": seconds })), expected);
    }
}

#[test]
fn a_webhook_is_a_url_or_a_service() {
    let client = |value: Value| webhook(json!({ "clientConfig": value }));
    check(&client(json!({ "service": { "namespace": "a", "name": "b", "path": "/p", "port": 443 } })), "");
    check(&client(json!({ "service": { "namespace": "a", "name": "b" } })), "");
    check(&client(json!({})), "exactly one of url and service");
    check(
        &client(json!({ "url": "https://a", "service": { "namespace": "a", "name": "b" } })),
        "exactly one of url and service",
    );
    for bad in ["http://a", "https://", "https://u@a", "https://a?b", "https://a#b", "a"] {
        check(&client(json!({ "url": bad })), "clientConfig.url: Invalid value");
    }
    check(&client(json!({ "service": { "namespace": "a", "name": "" } })), "service.name: Required value");
    check(
        &client(json!({ "service": { "namespace": "", "name": "b" } })),
        "service.namespace: Required value",
    );
    check(
        &client(json!({ "service": { "namespace": "a", "name": "b", "port": 0 } })),
        "service.port: Invalid value",
    );
    check(
        &client(json!({ "service": { "namespace": "a", "name": "b", "path": "p" } })),
        "service.path: Invalid value",
    );
}

#[test]
fn a_webhook_speaks_the_version_there_is() {
    let versions = |value: Value| webhook(json!({ "interpreterContextVersions": value }));
    check(&versions(json!(["v1beta1", "v1alpha1"])), "");
    check(&versions(json!([])), "must include v1alpha1");
    check(&versions(json!(["v1beta1"])), "must include v1alpha1");
    check(&versions(json!(["v1alpha1", "v1alpha1"])), "interpreterContextVersions[1]: Duplicate value");
}
