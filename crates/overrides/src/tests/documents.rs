//! §5.4 fieldOverrider and §5.5 plaintext.

use machinery::Object;
use serde_json::{Value, json};

use super::{deployment, gives, run};

fn config(text: &str) -> Object {
    let mut object = Object::new("v1", "ConfigMap", "default", "c");
    object.set("/data", json!({ "doc": text }));
    object
}

/// The text after operations on the document in it.
fn edited(format: &str, text: &str, operations: Value) -> Result<String, String> {
    let overriders = json!({ "fieldOverrider": [{ "fieldPath": "/data/doc", format: operations }] });
    run(&config(text), overriders).map(|changed| changed.str_at("/data/doc").unwrap().to_owned())
}

#[test]
fn json_in_a_field_is_patched_by_each_operator() {
    let text = r#"{"a":0,"list":[1,2],"gone":null}"#;
    let one = |operation: Value| edited("json", text, json!([operation])).unwrap();
    assert_eq!(
        one(json!({ "subPath": "/b", "operator": "add", "value": { "c": 1 } })),
        r#"{"a":0,"list":[1,2],"gone":null,"b":{"c":1}}"#
    );
    assert_eq!(
        one(json!({ "subPath": "/a", "operator": "add", "value": 7 })),
        r#"{"a":7,"list":[1,2],"gone":null}"#,
        "adding what is there replaces it"
    );
    assert_eq!(
        one(json!({ "subPath": "/list/-", "operator": "add", "value": 3 })),
        r#"{"a":0,"list":[1,2,3],"gone":null}"#
    );
    assert_eq!(
        one(json!({ "subPath": "/list/0", "operator": "replace", "value": "x" })),
        r#"{"a":0,"list":["x",2],"gone":null}"#
    );
    assert_eq!(one(json!({ "subPath": "/gone", "operator": "remove" })), r#"{"a":0,"list":[1,2]}"#);
}

#[test]
fn json_in_a_field_keeps_its_order_and_the_spelling_of_what_is_not_changed() {
    let text = r#"{ "z": 1.50, "a": { "y": 1e3, "b": [ 12345678901234567890123, "a b\" : {" ] }, "x": 0 }"#;
    let changed = edited("json", text, json!([{ "subPath": "/a/new", "operator": "add", "value": [true] }]));
    assert_eq!(
        changed.unwrap(),
        r#"{"z":1.50,"a":{"y":1e3,"b":[12345678901234567890123,"a b\" : {"],"new":[true]},"x":0}"#
    );
}

#[test]
fn letters_of_html_in_json_are_escaped_as_go_escapes_them() {
    let changed = edited(
        "json",
        "{\"url\":\"http://m1/?a=1&b=<2>\",\"\\u003C\":\"\u{2028}\"}",
        json!([{ "subPath": "/new", "operator": "add", "value": "&\u{2029}/" }]),
    );
    assert_eq!(
        changed.unwrap(),
        r#"{"url":"http://m1/?a=1\u0026b=\u003c2\u003e","\u003c":"\u2028","new":"\u0026\u2029/"}"#
    );
}

#[test]
fn of_a_key_that_stands_in_a_field_twice_the_last_counts() {
    let changed =
        edited("json", r#"{"a":1,"b":2,"a":3}"#, json!([{ "subPath": "/b", "operator": "remove" }]));
    assert_eq!(changed.unwrap(), r#"{"a":3}"#);
    let changed = edited("yaml", "a: 1\nb: 2\na: 3\n", json!([{ "subPath": "/b", "operator": "remove" }]));
    assert_eq!(changed.unwrap(), "a: 3\n");
}

#[test]
fn the_whole_document_in_a_field_can_be_set_and_not_removed() {
    let set = json!([{ "subPath": "", "operator": "replace", "value": { "a": [] } }]);
    assert_eq!(edited("json", "[]", set.clone()).unwrap(), r#"{"a":[]}"#);
    assert_eq!(edited("yaml", "[]", set).unwrap(), "a: []\n");
    let remove = edited("json", "{}", json!([{ "subPath": "", "operator": "remove" }])).unwrap_err();
    assert!(remove.ends_with("the whole document cannot be removed"), "{remove}");
}

#[test]
fn yaml_in_a_field_is_patched_and_written_with_sorted_keys() {
    let text = "mode: 0644\nlist:\n  - a\n  - b: c\ndb:\n  port: 5432\n  host: a\nflag: \"yes\"\n";
    let changed =
        edited("yaml", text, json!([{ "subPath": "/db/host", "operator": "replace", "value": "m1.local" }]));
    assert_eq!(
        changed.unwrap(),
        "db:\n  host: m1.local\n  port: 5432\nflag: \"yes\"\nlist:\n- a\n- b: c\nmode: 420\n"
    );
}

#[test]
fn yaml_in_a_field_is_patched_by_each_operator() {
    let one = |operation: Value| edited("yaml", "a: 1\nlist: [x, z]\n", json!([operation])).unwrap();
    assert_eq!(
        one(json!({ "subPath": "/b", "operator": "add", "value": 2 })),
        "a: 1\nb: 2\nlist:\n- x\n- z\n"
    );
    assert_eq!(one(json!({ "subPath": "/a", "operator": "replace", "value": 2 })), "a: 2\nlist:\n- x\n- z\n");
    assert_eq!(one(json!({ "subPath": "/list/0", "operator": "remove" })), "a: 1\nlist:\n- z\n");
}

#[test]
fn yaml_is_spelt_as_go_spells_it() {
    let long = "word ".repeat(20);
    let folded = format!("'{}\n  {}'", "word ".repeat(16).trim_end(), "word ".repeat(4));
    let spelt = [
        (json!("plain:text, #1 it's"), "'plain:text, #1 it''s'"),
        (json!("http://m1.example/a,b"), "http://m1.example/a,b"),
        (json!("a: b"), "'a: b'"),
        (json!("trailing "), "'trailing '"),
        (json!("- item"), "'- item'"),
        (json!("yes"), "\"yes\""),
        (json!("0644"), "\"0644\""),
        (json!("1:30"), "\"1:30\""),
        (json!("2020-01-01"), "\"2020-01-01\""),
        (json!("nUll"), "nUll"),
        (json!("tab\there"), "\"tab\\there\""),
        (json!("two\nlines\n"), "|\n  two\n  lines"),
        (json!("two\nlines"), "|-\n  two\n  lines"),
        (json!("  two\nlines"), "|2-\n    two\n  lines"),
        (json!("line \nline"), "\"line \\nline\""),
        (json!("two\n\n"), "|+\n  two\n"),
        (json!(long), folded.as_str()),
        (json!(1.0), "1"),
        (json!(123_456_789.5), "1.234567895e+08"),
        (json!(0.000_012), "1.2e-05"),
        (json!(1.5), "1.5"),
        (json!(null), "null"),
        (json!({}), "{}"),
        (json!([]), "[]"),
        (json!({ "a:b": 1, "- k": 2, "b10": 3, "b9": 4 }), "\n  '- k': 2\n  a:b: 1\n  b9: 4\n  b10: 3"),
        (json!({ "two\nlines": [1] }), "\n  ? |-\n    two\n    lines\n  : - 1"),
        (json!([[1, [2]], { "k": ["v"], "l": { "m": 1 } }]), "\n- - 1\n  - - 2\n- k:\n  - v\n  l:\n    m: 1"),
    ];
    for (value, text) in spelt {
        let written =
            edited("yaml", "a: 1\n", json!([{ "subPath": "/b", "operator": "add", "value": value }]));
        let space = if text.starts_with('\n') { "" } else { " " };
        assert_eq!(written.unwrap(), format!("a: 1\nb:{space}{text}\n"), "{value}");
    }
}

#[test]
fn text_in_yaml_stays_text_for_every_reader() {
    // Words and numbers of YAML 1.1 and 1.2, and what would be taken for structure.
    let words = [
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "null",
        "~",
        "",
        " a",
        "a ",
        "#c",
        "a #c",
        "a: b",
        "a:",
        "- a",
        "-",
        "0644",
        "0o14",
        "0x1f",
        "1_000",
        "1:30",
        "190:20:30",
        "1.0",
        "1e3",
        "+1",
        ".5",
        ".inf",
        ".NaN",
        "2001-01-01",
        "=",
        "<<",
        "@a",
        "`a",
        "%a",
        "!a",
        "&a",
        "*a",
        "|",
        ">",
        "{a",
        "[a",
        "]",
        "'",
        "\"",
        "\\",
        "\t",
        "a\nb",
        "a\n\nb\n",
        "\n",
        "a\r\nb",
        "é",
        "?",
        "? a",
        "a, b",
        "---",
        "...",
    ];
    for word in words {
        let text = serde_json::to_string(&json!({ "a": word, "b": 0 })).unwrap();
        let changed =
            edited("yaml", &text, json!([{ "subPath": "/b", "operator": "replace", "value": 1 }])).unwrap();
        let line = changed.lines().next().unwrap();
        let again = edited("yaml", &changed, json!([{ "subPath": "/b", "operator": "replace", "value": 1 }]))
            .unwrap();
        assert_eq!(again, changed, "{word:?} reads as it was written");
        let back: Value = serde_saphyr::from_str(&changed).unwrap();
        assert_eq!(back, json!({ "a": word, "b": 1 }), "{line}");
    }
}

#[test]
fn yaml_comes_before_json_and_neither_empties_the_field() {
    let operation = |value: i64| json!([{ "subPath": "/a", "operator": "replace", "value": value }]);
    let both = json!({ "fieldOverrider": [{ "fieldPath": "/data/doc", "yaml": operation(1), "json": operation(2) }] });
    assert_eq!(run(&config("{a: 0}"), both).unwrap().str_at("/data/doc"), Some("a: 1\n"));
    let neither = json!({ "fieldOverrider": [{ "fieldPath": "/data/doc" }] });
    assert_eq!(run(&config("{a: 0}"), neither).unwrap().str_at("/data/doc"), Some(""));
}

#[test]
fn a_field_that_is_no_text_or_no_document_is_an_error() {
    let edit = |path: &str, format: &str| {
        let overriders = json!({ "fieldOverrider": [{ "fieldPath": path, format: [
            { "subPath": "/a", "operator": "add", "value": 1 },
        ]}]});
        run(&config("{ a: [ "), overriders).unwrap_err()
    };
    assert!(edit("/data/doc", "json").contains("the text at \"/data/doc\" is not JSON"));
    assert!(edit("/data/doc", "yaml").contains("the text at \"/data/doc\" is not YAML"));
    assert!(edit("/data/other", "json").ends_with(r#"no text at "/data/other": there is no "other""#));
    assert!(edit("/data", "json").ends_with("what is there is no text"));
    assert!(edit("", "json").ends_with("what is there is no text"));
}

#[test]
fn an_error_does_not_show_what_is_in_the_document() {
    for format in ["yaml", "json"] {
        let operation = json!([{ "subPath": "/a", "operator": "add", "value": 1 }]);
        let error = edited(format, "password: hunter2\nlist: [ hunter2", operation).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_document_made_to_exhaust_its_reader_is_an_error() {
    let operation = json!([{ "subPath": "/a", "operator": "add", "value": 1 }]);
    let mut bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        bomb += &format!("l{i}: &l{i} [{}]\n", vec![format!("*l{}", i - 1); 10].join(", "));
    }
    for (format, text) in [
        ("yaml", "[".repeat(100_000)),
        ("yaml", "{a: ".repeat(100_000)),
        ("yaml", "- ".repeat(100_000)),
        ("yaml", bomb),
        ("json", "[".repeat(100_000)),
        ("json", "{\"a\":".repeat(100_000)),
    ] {
        let error = edited(format, &text, operation.clone()).unwrap_err();
        assert!(error.contains("is not"), "{error:.200}");
    }
    let deep = format!("{{\"a\":0,\"b\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        edited("json", &deep, operation).unwrap().starts_with("{\"a\":1,"),
        "what is not changed is not read"
    );
}

#[test]
fn a_failed_operation_in_a_field_names_its_place() {
    let error = edited("json", "{}", json!([{ "subPath": "/a/b", "operator": "remove" }])).unwrap_err();
    assert_eq!(
        error,
        r#"cannot apply spec.overrideRules[0].overriders.fieldOverrider[0] of OverridePolicy default/p: the operation at "/a/b" failed: there is no "a""#
    );
}

fn plain(operations: Value) -> Value {
    json!({ "plaintext": operations })
}

#[test]
fn plaintext_adds_replaces_and_removes() {
    gives(
        plain(json!([{ "path": "/spec/paused", "operator": "add", "value": true }])),
        "/spec/paused",
        json!(true),
    );
    gives(
        plain(json!([{ "path": "/spec/replicas", "operator": "add", "value": 2 }])),
        "/spec/replicas",
        json!(2),
    );
    gives(
        plain(json!([{ "path": "/spec/replicas", "operator": "replace", "value": 5 }])),
        "/spec/replicas",
        json!(5),
    );
    let removed =
        run(&deployment(), plain(json!([{ "path": "/metadata/labels/app", "operator": "remove" }])));
    assert_eq!(removed.unwrap().label("app"), None);
}

#[test]
fn plaintext_reaches_into_lists_from_both_ends() {
    let containers = "/spec/template/spec/containers";
    let name = |i: usize| format!("{containers}/{i}/name");
    let add = |place: &str| {
        plain(
            json!([{ "path": format!("{containers}/{place}"), "operator": "add", "value": { "name": "new" } }]),
        )
    };
    gives(add("0"), &name(0), json!("new"));
    gives(add("2"), &name(2), json!("new"));
    gives(add("-"), &name(2), json!("new"));
    gives(add("-1"), &name(2), json!("new"));
    let last =
        plain(json!([{ "path": format!("{containers}/-1/name"), "operator": "replace", "value": "z" }]));
    gives(last, &name(1), json!("z"));
    let removed =
        run(&deployment(), plain(json!([{ "path": format!("{containers}/-2"), "operator": "remove" }])));
    assert_eq!(removed.unwrap().str_at(&name(0)), Some("side"));
}

#[test]
fn plaintext_reads_escaped_keys() {
    let add = plain(json!([
        { "path": "/metadata/annotations", "operator": "add", "value": {} },
        { "path": "/metadata/annotations/a.io~1b~0c", "operator": "add", "value": "1" },
    ]));
    assert_eq!(run(&deployment(), add).unwrap().annotation("a.io/b~c"), Some("1"));
}

#[test]
fn plaintext_without_a_value_writes_null() {
    gives(plain(json!([{ "path": "/spec/paused", "operator": "add" }])), "/spec/paused", Value::Null);
}

#[test]
fn the_operations_of_a_rule_fail_together() {
    for (bad, reason) in [
        (json!([{ "path": "/spec/nothing", "operator": "remove" }]), r#"there is no "nothing""#),
        (json!([{ "path": "/spec/nothing", "operator": "replace", "value": 1 }]), r#"there is no "nothing""#),
        (json!([{ "path": "/a/b/c", "operator": "add", "value": 1 }]), r#"there is no "a""#),
        (json!([{ "path": "/spec/replicas/c", "operator": "add", "value": 1 }]), "neither a map nor a list"),
        (
            json!([{ "path": "/spec/template/spec/containers/2", "operator": "remove" }]),
            "place 2 is not in the list",
        ),
        (
            json!([{ "path": "/spec/template/spec/containers/3", "operator": "add" }]),
            "place 3 is not in the list",
        ),
        (
            json!([{ "path": "/spec/template/spec/containers/-3", "operator": "remove" }]),
            "place -3 is not in",
        ),
        (
            json!([{ "path": "/spec/template/spec/containers/-", "operator": "remove" }]),
            "is not a place in a list",
        ),
        (json!([{ "path": "spec", "operator": "add", "value": 1 }]), "not a JSON pointer"),
        (
            json!([{ "path": "/spec/replicas", "operator": "replace", "value": 9 }, { "path": "/x", "operator": "remove" }]),
            r#"there is no "x""#,
        ),
        (json!([{ "path": "", "operator": "replace", "value": 1 }]), "it would leave no object"),
        (json!([{ "path": "", "operator": "remove" }]), "it would leave no object"),
    ] {
        let error = run(&deployment(), plain(bad)).unwrap_err();
        assert!(error.contains(reason), "{error:?} should say {reason:?}");
    }
}

#[test]
fn a_patch_leaves_an_object_with_a_kind() {
    let patched = |value: Value| {
        run(
            &config("x"),
            json!({ "plaintext": [{ "path": "/kind", "operator": "replace", "value": value }] }),
        )
    };
    assert_eq!(patched(json!("Secret")).unwrap().kind(), "Secret");
    for value in [json!(""), json!(null), json!(1.5)] {
        let error = patched(value).unwrap_err();
        assert!(error.ends_with("it would leave an object without a kind"), "{error}");
    }
    let through = json!({ "plaintext": [
        { "path": "/kind", "operator": "remove" },
        { "path": "/kind", "operator": "add", "value": "Secret" },
    ] });
    assert_eq!(run(&config("x"), through).unwrap().kind(), "Secret", "what counts is what is left");
}
