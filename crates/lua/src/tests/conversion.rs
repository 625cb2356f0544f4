//! JSON in and out, and the interface for the host.

use serde_json::{Value as Json, json};

use crate::{Chunk, Error, Limits, Machine, Module, Value};

/// What a script's first result is as JSON, or the error.
fn encoded(source: &str) -> String {
    let chunk = Chunk::compile("test", source).expect("the script is Lua");
    let mut machine = Machine::new(Limits::default());
    let results = machine.run(&chunk).expect("the script runs");
    match results.first().unwrap_or(&Value::Nil).to_json() {
        Ok(json) => json.to_string(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn tables_become_arrays_or_objects() {
    for (source, answer) in [
        ("return {}", "[]"),
        ("return {a = {}}", r#"{"a":[]}"#),
        ("return {1, 2.5, 'x', true, {}}", r#"[1,2.5,"x",true,[]]"#),
        ("return {b = 1, a = {c = 'd'}}", r#"{"a":{"c":"d"},"b":1}"#),
        ("local t = {a = 1} t.a = nil return t", "[]"),
        ("return {1, nil}", "[1]"),
        ("return nil", "null"),
        ("return 3", "3"),
        ("return 'ä\\255\\254'", "\"ä\u{FFFD}\u{FFFD}\""),
        ("return 2^53, 1", "9007199254740992"),
        ("return 1e20", "1e+20"),
        ("return -0", "0"),
        ("return 0.1 + 0.2", "0.30000000000000004"),
    ] {
        assert_eq!(encoded(source), answer, "of {source}");
    }
}

#[test]
fn tables_that_are_no_json_are_errors() {
    let nested = "error: cannot encode recursively nested tables to JSON";
    let mixed = "error: cannot encode mixed or invalid key types";
    for (source, answer) in [
        ("return {1, 2, a = 3}", mixed),
        ("local t = {a = 1} t[-1] = 2 return t", mixed),
        ("return {[true] = 1}", mixed),
        ("return {[{}] = 1}", mixed),
        ("return {[2] = 1}", "error: cannot encode sparse array"),
        ("return {1, nil, 3}", "error: cannot encode sparse array"),
        ("return {[0] = 1}", "error: cannot encode sparse array"),
        ("return {[1.5] = 1}", "error: cannot encode sparse array"),
        ("local t = {} t.t = t return t", nested),
        // The same table twice is refused too, as by upstream's encoder.
        ("local t = {1} return {t, t}", nested),
        ("return {print}", "error: cannot encode function to JSON"),
        ("return {1 / 0}", "error: json: unsupported value: +Inf"),
        ("return {0 / 0}", "error: json: unsupported value: NaN"),
        (
            "local t = {} for i = 1, 500 do t = {t} end return t",
            "error: cannot encode tables nested too deeply to JSON",
        ),
    ] {
        assert_eq!(encoded(source), answer, "of {source}");
    }
}

#[test]
fn a_table_can_be_converted_again() {
    let chunk = Chunk::compile("test", "t = {a = {1}} return t").expect("Lua");
    let mut machine = Machine::new(Limits::default());
    let results = machine.run(&chunk).expect("runs");
    assert_eq!(results[0].to_json().ok(), Some(json!({"a": [1]})));
    assert_eq!(results[0].to_json().ok(), Some(json!({"a": [1]})));
}

#[test]
fn json_keeps_its_shape_on_the_way_through() {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "nginx", "labels": {"app": "nginx", "zone/x": "ä"}, "generation": 12},
        "spec": {"replicas": 3, "paused": false, "template": {"spec": {"containers": [
            {"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b", "resources": {"requests": {"cpu": "100m"}}},
        ]}}},
        "status": {"ratio": 0.25, "big": 9007199254740991i64, "negative": -5},
    });
    let mut machine = Machine::new(Limits::default());
    let value = machine.from_json(&object).expect("fits");
    assert_eq!(value.to_json().ok(), Some(object));
}

#[test]
fn nulls_and_empty_objects_lose_their_form() {
    let mut machine = Machine::new(Limits::default());
    for (before, after) in [
        (json!({"a": null, "b": 1}), json!({"b": 1})),
        (json!({"a": {}, "b": []}), json!({"a": [], "b": []})),
        (json!([1, null, 2]), json!([1, 2])),
        (json!(null), json!(null)),
        (json!({"a": 1.0}), json!({"a": 1})),
    ] {
        let value = machine.from_json(&before).expect("fits");
        assert_eq!(value.to_json().ok(), Some(after), "of {before}");
    }
}

#[test]
fn json_nested_without_end_is_refused() {
    let mut object = json!(1);
    for _ in 0..300 {
        object = Json::Array(vec![object]);
    }
    let mut machine = Machine::new(Limits::default());
    assert!(machine.from_json(&object).is_err());
}

#[test]
fn json_larger_than_the_memory_limit_is_refused() {
    let object = json!({"a": "x".repeat(5000)});
    let mut machine = Machine::new(Limits { memory: 1000, ..Limits::default() });
    assert!(machine.from_json(&object).is_err_and(|error| error.as_limit().is_some()));
}

#[test]
fn objects_are_walked_in_the_order_of_their_json() {
    let chunk =
        Chunk::compile("test", "function f(t) local s = '' for k in pairs(t) do s = s .. k end return s end")
            .expect("Lua");
    let mut machine = Machine::new(Limits::default());
    machine.run(&chunk).expect("runs");
    let object = machine.from_json(&json!({"c": 1, "a": 2, "b": 3})).expect("fits");
    assert_eq!(machine.call("f", &[object]).expect("answers")[0].as_str(), Some("abc"));
}

#[test]
fn global_functions_are_called_by_name() {
    let chunk =
        Chunk::compile("replicas", "function GetReplicas(obj) return obj.spec.replicas, nil end limit = 5")
            .expect("Lua");
    let mut machine = Machine::new(Limits::default());
    machine.run(&chunk).expect("runs");
    assert!(machine.has_function("GetReplicas"));
    assert!(!machine.has_function("limit"));
    let object = machine.from_json(&json!({"spec": {"replicas": 3}})).expect("fits");
    let results = machine.call("GetReplicas", &[object]).expect("answers");
    assert_eq!(results[0].as_number(), Some(3.0));
    assert!(results[1].is_nil());
    let missing = machine.call("Retain", &[]).expect_err("there is none");
    assert_eq!(missing.to_string(), "not found function Retain");
    let other = machine.call("limit", &[]).expect_err("a number cannot be called");
    assert_eq!(other, Error::NotAFunction { name: "limit".into(), kind: "number" });
    let raised = machine.call("GetReplicas", &[]).expect_err("nil has no spec");
    assert_eq!(raised.to_string(), "replicas:1: attempt to index a non-table object(nil) with key 'spec'");
}

#[test]
fn chunks_and_modules_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let chunk = Chunk::compile("test", "n = (n or 0) + 1 return n").expect("Lua");
    shared(&chunk);
    shared(&Module::from(chunk.clone()));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let chunk = chunk.clone();
            std::thread::spawn(move || {
                let results = Machine::new(Limits::default()).run(&chunk).expect("runs");
                results[0].as_number()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), Some(1.0));
    }
}

#[test]
fn native_functions_convert_and_call_back() {
    let module = Module::new()
        .function("double", |machine, arguments| {
            let mut json = arguments[0].to_json()?;
            json["n"] = json!(json["n"].as_i64().unwrap_or(0) * 2);
            Ok(vec![machine.from_json(&json)?])
        })
        .function("apply", |machine, arguments| match &arguments[0] {
            Value::Function(function) => machine.call_function(function, &arguments[1..]),
            _ => Ok(vec![]),
        });
    let chunk = Chunk::compile(
        "test",
        "local m = require('m') return m.double({n = 4}).n, m.apply(function(x) return x + 1 end, 1)",
    )
    .expect("Lua");
    let mut machine = Machine::new(Limits::default());
    machine.preload("m", module);
    let answer: Vec<_> = machine.run(&chunk).expect("runs").iter().map(ToString::to_string).collect();
    assert_eq!(answer, ["8", "2"]);
}

#[test]
fn tables_are_freed_with_their_machine() {
    let chunk = Chunk::compile("test", "t = {} t.t = t t.f = function() return t end return t").expect("Lua");
    let mut machine = Machine::new(Limits::default());
    let results = machine.run(&chunk).expect("runs");
    let table = results[0].as_table().expect("a table").clone();
    assert!(!table.is_empty());
    drop(machine);
    assert!(table.is_empty());
}
