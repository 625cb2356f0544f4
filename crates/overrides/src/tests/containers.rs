//! §5.2 commandOverrider and argsOverrider.

use serde_json::{Value, json};

use super::{deployment, gives, run};

fn args(operator: &str, value: &[&str]) -> Value {
    json!({ "argsOverrider": [{ "containerName": "web", "operator": operator, "value": value }] })
}

fn command(name: &str, operator: &str) -> Value {
    json!({ "commandOverrider": [{ "containerName": name, "operator": operator, "value": ["run"] }] })
}

const ARGS: &str = "/spec/template/spec/containers/0/args";

#[test]
fn add_appends_to_the_strings_that_are_there() {
    gives(args("add", &["-y", "-v"]), ARGS, json!(["-v", "-x", "-v", "-y", "-v"]));
}

#[test]
fn remove_takes_away_all_equal_strings() {
    gives(args("remove", &["-v"]), ARGS, json!(["-x"]));
    gives(args("remove", &["-z"]), ARGS, json!(["-v", "-x", "-v"]));
}

#[test]
fn add_to_a_missing_list_makes_it() {
    gives(command("side", "add"), "/spec/template/spec/containers/1/command", json!(["run"]));
}

#[test]
fn remove_from_a_missing_list_leaves_an_empty_one() {
    gives(command("side", "remove"), "/spec/template/spec/containers/1/command", json!([]));
}

#[test]
fn only_containers_of_the_name_change() {
    assert_eq!(run(&deployment(), command("nobody", "add")).unwrap(), deployment());
    let changed = run(&deployment(), command("side", "add")).unwrap();
    assert_eq!(
        changed.at("/spec/template/spec/containers/0"),
        deployment().at("/spec/template/spec/containers/0")
    );
}

#[test]
fn commands_change_in_six_kinds_and_no_other() {
    for (kind, changes) in [
        ("ReplicaSet", true),
        ("Deployment", true),
        ("DaemonSet", true),
        ("Job", true),
        ("StatefulSet", true),
        ("CronJob", false),
        ("Rollout", false),
    ] {
        let mut object = deployment();
        object.set("/kind", kind);
        assert_eq!(run(&object, command("web", "add")).unwrap() != object, changes, "{kind}");
    }
}

#[test]
fn a_list_that_is_none_is_an_error() {
    let mut odd = deployment();
    odd.set("/spec/template/spec/containers", json!([7, { "name": "web", "args": "-v" }]));
    let error = run(&odd, args("add", &["-y"])).unwrap_err();
    assert!(
        error.ends_with(r#"no list at "/spec/template/spec/containers/1/args": what is there is no list"#),
        "{error}"
    );
}
