//! Compares the bundled scripts with recorded answers.
//!
//! ```text
//! recorded FILE [--kind TEXT] [--op NAME] [--show N] [--summary]
//! ```
//!
//! FILE has one JSON object per line: `{gvk, op, input, output | error, enabled}`. `--kind` keeps the lines
//! whose `group/version/Kind` contains the text, `--op` those of one function, `--show` prints that many
//! mismatches per kind and function (3), `--summary` prints none. Exits with 1 when something differs.

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use api::work::AggregatedStatusItem;
use interpreter::{Interpreter, Operation};
use machinery::{GroupVersionKind, Object};
use serde_json::{Value, json};

struct Options {
    file: String,
    kind: String,
    op: String,
    show: usize,
}

fn options() -> Result<Options, String> {
    let mut options = Options { file: String::new(), kind: String::new(), op: String::new(), show: 3 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--kind" => options.kind = value()?,
            "--op" => options.op = value()?,
            "--show" => options.show = value()?.parse().map_err(|_| "--show needs a number")?,
            "--summary" => options.show = 0,
            _ if options.file.is_empty() => options.file = argument,
            _ => return Err(format!("unexpected argument {argument}")),
        }
    }
    if options.file.is_empty() {
        return Err("usage: recorded FILE [--kind TEXT] [--op NAME] [--show N] [--summary]".into());
    }
    Ok(options)
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let options = options()?;
    let interpreter = Interpreter::native();
    let mut tallies: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for (number, line) in BufReader::new(std::fs::File::open(&options.file)?).lines().enumerate() {
        let case: Value = serde_json::from_str(&line?)?;
        let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
        let (kind, op) = (text("gvk"), text("op"));
        if !kind.contains(&options.kind) || !(options.op.is_empty() || op == options.op) {
            continue;
        }
        let (good, bad) = tallies.entry((kind.clone(), op.clone())).or_default();
        match check(&interpreter, &kind, &op, &case) {
            Ok(()) => *good += 1,
            Err(difference) => {
                *bad += 1;
                if *bad <= options.show {
                    println!("line {}: {kind} {op}\n{difference}\n  input {}\n", number + 1, case["input"]);
                }
            }
        }
    }
    let mut differing = 0;
    for ((kind, op), (good, bad)) in &tallies {
        differing += bad;
        let verdict = if *bad == 0 { "ok" } else { "DIFFERS" };
        println!("{verdict:8} {kind:55} {op:16} {good:5} same {bad:5} different");
    }
    let same: usize = tallies.values().map(|(good, _)| good).sum();
    println!("{same} same, {differing} different");
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn operation(op: &str) -> Option<Operation> {
    Some(match op {
        "GetReplicas" => Operation::InterpretReplica,
        "GetComponents" => Operation::InterpretComponent,
        "ReviseReplica" => Operation::ReviseReplica,
        "Retain" => Operation::Retain,
        "AggregateStatus" => Operation::AggregateStatus,
        "ReflectStatus" => Operation::InterpretStatus,
        "InterpretHealth" => Operation::InterpretHealth,
        "GetDependencies" => Operation::InterpretDependency,
        _ => return None,
    })
}

fn check(interpreter: &Interpreter, kind: &str, op: &str, case: &Value) -> Result<(), String> {
    let operation = operation(op).ok_or("  unknown function")?;
    let parts: Vec<&str> = kind.split('/').collect();
    let [group, version, kind] = parts[..] else { return Err("  the kind is not group/version/Kind".into()) };
    let enabled = interpreter.has(&GroupVersionKind::new(group, version, kind), operation);
    if case["enabled"] == false {
        // A status is always reflected, by the built-in layer if by no other.
        let fine = operation == Operation::InterpretStatus || !enabled;
        return if fine { Ok(()) } else { Err("  there is a hook, but there should be none".into()) };
    }
    if !enabled {
        return Err("  there is no hook".into());
    }
    match (answer(interpreter, operation, &case["input"]), case.get("error")) {
        (Err(_), Some(_)) => Ok(()),
        (Err(found), None) => Err(format!("  expected {}\n  failed   {found}", case["output"])),
        (Ok(found), Some(error)) => Err(format!("  expected the error {error}\n  found    {found}")),
        (Ok(found), None) => {
            let (mut expected, mut found) = (case["output"].clone(), found);
            if operation == Operation::InterpretComponent {
                // Recorded by name.
                sort_by_name(&mut expected);
                sort_by_name(&mut found);
            }
            let mut differences = Vec::new();
            let input = case["input"].to_string();
            compare("", &expected, &found, &input, &mut differences);
            if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
        }
    }
}

fn answer(interpreter: &Interpreter, operation: Operation, input: &Value) -> Result<Value, String> {
    let object = |field: &str| Object::from_value(input[field].clone()).map_err(|error| error.to_string());
    let template = object(if operation == Operation::Retain { "desired" } else { "object" })?;
    let answer = match operation {
        Operation::InterpretReplica => interpreter.replicas(&template).now().map(|found| {
            let (replicas, requirements) = found.unwrap_or_default();
            json!({ "replicas": replicas, "requirements": requirements })
        }),
        Operation::InterpretComponent => interpreter.components(&template).now().map(|found| json!(found)),
        Operation::ReviseReplica => {
            let replicas = input["replica"].as_i64().unwrap_or(0);
            interpreter.revise_replicas(&template, replicas).now().map(|found| json!(found))
        }
        Operation::Retain => {
            interpreter.retain(&template, &object("observed")?).now().map(|found| json!(found))
        }
        Operation::AggregateStatus => {
            let items: Option<Vec<AggregatedStatusItem>> =
                serde_json::from_value(input["items"].clone()).map_err(|error| error.to_string())?;
            interpreter.aggregate_reports(&template, items.as_deref()).now().map(|found| json!(found))
        }
        Operation::InterpretStatus => interpreter.reflect_status(&template).now().map(|found| json!(found)),
        Operation::InterpretHealth => interpreter.health(&template).now().map(|found| json!(found)),
        Operation::InterpretDependency => interpreter.dependencies(&template).now().map(|found| json!(found)),
    };
    answer.map_err(|error| error.to_string())
}

fn sort_by_name(components: &mut Value) {
    if let Some(components) = components.as_array_mut() {
        components.sort_by_key(|component| component["name"].to_string());
    }
}

/// Notes where two answers differ. Numbers are equal by value; a time that is not in the input was the
/// time of the recording, and any time will do.
fn compare(path: &str, expected: &Value, found: &Value, input: &str, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = format!("{path}/{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => compare(&path, a, b, input, differences),
                    (Some(a), None) => differences.push(format!("  {path}: expected {a}, found nothing")),
                    (None, b) => {
                        differences
                            .push(format!("  {path}: expected nothing, found {}", b.unwrap_or(&Value::Null)));
                    }
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (position, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}/{position}"), a, b, input, differences);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (Value::String(a), Value::String(b))
            if is_time(b) && (a == "<now>" || is_time(a) && !input.contains(a.as_str())) => {}
        (a, b) if a == b => {}
        (a, b) => differences.push(format!("  {path}: expected {a}, found {b}")),
    }
}

fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:ddZ";
    text.len() == pattern.len()
        && text.chars().zip(pattern.chars()).all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
}
