//! The roles and bindings every cluster starts with.

use machinery::Object;
use serde_json::{Value, json};

use crate::{GROUP, Rule, aggregated_rules};

const TABLE: &str = include_str!("bootstrap.txt");
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// The default ClusterRoles, Roles and their bindings, labelled and annotated as those the server keeps
/// up to date. Roles that are gathered from others have their rules filled in.
pub fn bootstrap() -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    let mut role: Option<Object> = None;
    let mut rules = Vec::new();
    for line in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            rules.push(rule(line));
        } else {
            objects.extend(finished(role.take(), &mut rules));
            let (next, binding) = header(line);
            role = Some(next);
            objects.extend(binding);
        }
    }
    objects.extend(finished(role, &mut rules));
    gather(&mut objects);
    objects
}

fn finished(role: Option<Object>, rules: &mut Vec<Rule>) -> Option<Object> {
    let mut role = role?;
    set_rules(&mut role, &std::mem::take(rules));
    Some(role)
}

fn set_rules(role: &mut Object, rules: &[Rule]) {
    role.set("/rules", serde_json::to_value(rules).expect("rules are lists of strings"));
}

/// Fills in the gathered roles. One may be gathered from another, so go on until nothing changes.
fn gather(objects: &mut [Object]) {
    loop {
        let cluster_roles: Vec<&Object> = objects.iter().filter(|o| o.kind() == "ClusterRole").collect();
        let gathered = |object: &Object| {
            aggregated_rules(object, cluster_roles.iter().copied()).filter(|rules| *rules != Rule::of(object))
        };
        let Some((index, rules)) =
            objects.iter().enumerate().find_map(|(index, object)| Some((index, gathered(object)?)))
        else {
            return;
        };
        set_rules(&mut objects[index], &rules);
    }
}

fn default_object(kind: &str, namespace: &str, name: &str) -> Object {
    let mut object = Object::new(&format!("{GROUP}/v1"), kind, namespace, name);
    object.set_label("kubernetes.io/bootstrapping", "rbac-defaults");
    object.set_annotation("rbac.authorization.kubernetes.io/autoupdate", "true");
    object
}

/// A role without its rules, and its binding when it has one.
fn header(line: &str) -> (Object, Option<Object>) {
    let mut words = line.split(' ');
    let place = words.next().unwrap_or_default();
    let name = words.next().unwrap_or_default();
    let (prefix, namespace) = if place == "cluster" { ("Cluster", "") } else { ("", place) };
    let kind = format!("{prefix}Role");
    let mut role = default_object(&kind, namespace, name);
    let mut binding_name = name;
    let mut subjects = None;
    for word in words {
        let (what, of) = word.split_once(':').unwrap_or((word, ""));
        match what {
            "to" => role.set_label(&format!("{AGGREGATE}{of}"), "true"),
            "from" => {
                let selector = json!({ "matchLabels": { format!("{AGGREGATE}{of}"): "true" } });
                role.set("/aggregationRule", json!({ "clusterRoleSelectors": [selector] }));
            }
            "as" => binding_name = of,
            _ => subjects.get_or_insert_with(Vec::new).extend(subject(what, of)),
        }
    }
    let binding = subjects.map(|subjects| {
        let mut binding = default_object(&format!("{kind}Binding"), namespace, binding_name);
        binding.set("/roleRef", json!({ "apiGroup": GROUP, "kind": kind, "name": name }));
        if !subjects.is_empty() {
            binding.set("/subjects", Value::Array(subjects));
        }
        binding
    });
    (role, binding)
}

fn subject(what: &str, name: &str) -> Option<Value> {
    match what {
        "user" => Some(json!({ "apiGroup": GROUP, "kind": "User", "name": name })),
        "group" => Some(json!({ "apiGroup": GROUP, "kind": "Group", "name": name })),
        "sa" => {
            let (namespace, name) = name.split_once('/').unwrap_or_default();
            Some(json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name }))
        }
        // "bound": a binding without subjects.
        _ => None,
    }
}

fn rule(line: &str) -> Rule {
    let mut words = line.split_whitespace();
    let mut list = || -> Vec<String> {
        let word = words.next().unwrap_or_default();
        word.split(',').filter(|item| !item.is_empty()).map(Into::into).collect()
    };
    let (verbs, groups, what, names) = (list(), list(), list(), list());
    let verbs = verbs.iter().flat_map(|verb| verbs_of(verb)).collect();
    if groups == ["url"] {
        return Rule { verbs, non_resource_urls: what, ..Rule::default() };
    }
    let api_groups = groups.into_iter().map(|g| if g == "core" { String::new() } else { g }).collect();
    Rule { verbs, api_groups, resources: what, resource_names: names, ..Rule::default() }
}

fn verbs_of(word: &str) -> Vec<String> {
    let verbs: &[&str] = match word {
        "read" => &["get", "list", "watch"],
        "write" => &["create", "delete", "deletecollection", "patch", "update"],
        "all" => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        other => &[other],
    };
    verbs.iter().map(|&verb| verb.into()).collect()
}
