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

const FIELDS: [&str; 8] = [
    "retention",
    "replicaResource",
    "componentResource",
    "replicaRevision",
    "statusReflection",
    "statusAggregation",
    "healthInterpretation",
    "dependencyInterpretation",
];

#[test]
fn every_script_must_compile() {
    for field in FIELDS {
        let script = |text: &str| customization("x", "A", json!({ field: { "luaScript": text } }));
        check(&script("function GetReplicas(o)\n  return o.spec.replicas\nend"), "");
        let refusal = super::refusal(&script("function GetReplicas(o)\n  retrun o\nend"));
        assert!(
            refusal.contains(&format!("spec.customizations.{field}.luaScript: Invalid value")),
            "{refusal}"
        );
        assert!(
            refusal.contains(&format!("does not compile: {field} line:2")),
            "it names the line: {refusal}"
        );
    }
}

#[test]
fn a_script_of_any_length_and_depth_is_judged() {
    let n = 100_000;
    for (before, part, after) in [
        ("return ", "(", ""),
        ("return ", "{", ""),
        ("return ", "not ", "x"),
        ("return ", "- ", "x"),
        ("return 1", "+1", ""),
        ("return 1", "..1", ""),
        ("return 1", "^1", ""),
        ("return x", ".y", ""),
        ("return x", "()", ""),
        ("return x", "[x", ""),
        ("", "do ", ""),
        ("", "if x then ", ""),
        ("if x then ", "elseif x then ", "end"),
        ("", "function f() ", ""),
        ("return ", "function() return ", ""),
        ("x = 'a'", "; x = 'a'", ""),
        ("--[[", "[[", "]]"),
        ("local x", ", x", ""),
        ("x", ", x", " = 1"),
    ] {
        let script = format!("{before}{}{after}", part.repeat(n));
        // Taken or refused: either will do, as long as there is an answer, and one that can be read.
        let refusal =
            super::refusal(&customization("x", "A", json!({ "retention": { "luaScript": script } })));
        assert!(refusal.len() < 1000, "{refusal:.2000}");
    }
}

#[test]
fn every_script_that_does_not_compile_is_named() {
    let bad = json!({ "luaScript": "function" });
    let refusal =
        super::refusal(&customization("x", "A", json!({ "retention": bad, "statusReflection": bad })));
    assert!(refusal.contains("script for Retain does not"), "{refusal}");
    assert!(refusal.contains("script for InterpretStatus does not"), "{refusal}");
}

/// Refused beside a stored customization of these fields for kind `A`.
fn beside(stored: &[&str], new: &Object) -> String {
    let script = json!({ "luaScript": "x = 1" });
    let rules: serde_json::Map<String, Value> =
        stored.iter().map(|field| ((*field).to_owned(), script.clone())).collect();
    let stored = [customization("old", "A", rules.into()).parse().unwrap()];
    let options = Options::default();
    refusal_in(&World { customizations: &stored, ..World::empty(&options) }, new, None)
}

fn with_script(name: &str, kind: &str, field: &str, script: &str) -> Object {
    customization(name, kind, json!({ field: { "luaScript": script } }))
}

#[test]
fn a_kind_and_operation_is_customized_once() {
    for field in FIELDS.into_iter().filter(|field| *field != "dependencyInterpretation") {
        let refusal = beside(&FIELDS, &with_script("new", "A", field, "x = 1"));
        assert!(
            refusal
                .ends_with("of a/v1, Kind=A is customized by ResourceInterpreterCustomization old already"),
            "{field}: {refusal}"
        );
    }
    assert_eq!(beside(&["retention"], &with_script("new", "A", "statusReflection", "x = 1")), "");
    assert_eq!(beside(&["retention"], &with_script("new", "B", "retention", "x = 1")), "");
}

#[test]
fn several_customizations_may_speak_of_the_dependencies_of_a_kind() {
    assert_eq!(beside(&FIELDS, &with_script("new", "A", "dependencyInterpretation", "x = 1")), "");
}

#[test]
fn a_customization_does_not_stand_in_its_own_way() {
    assert_eq!(beside(&FIELDS, &with_script("old", "A", "retention", "x = 1")), "");
}

#[test]
fn an_empty_script_is_none() {
    assert_eq!(beside(&FIELDS, &with_script("new", "A", "retention", "")), "");
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
    let at = |path: &str| client(json!({ "service": { "namespace": "a", "name": "b", "path": path } }));
    for good in ["", "/", "/a", "/a/b.c/"] {
        check(&at(good), "");
    }
    for bad in ["p", "//", "/a//b", "/A"] {
        check(&at(bad), "service.path: Invalid value");
    }
}

#[test]
fn a_webhook_speaks_the_version_there_is() {
    let versions = |value: Value| webhook(json!({ "interpreterContextVersions": value }));
    check(&versions(json!(["v1beta1", "v1alpha1"])), "");
    check(&versions(json!([])), "must include v1alpha1");
    check(&versions(json!(["v1beta1"])), "must include v1alpha1");
    check(&versions(json!(["v1alpha1", "v1alpha1"])), "interpreterContextVersions[1]: Duplicate value");
}
