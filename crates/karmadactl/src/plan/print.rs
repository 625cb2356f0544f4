//! A plan as a table or as a diff.

use serde_json::Value;

use super::diff::unified;
use super::outcome::{Plan, Planned, PlannedCopy, Transition};
use crate::table::Table;

/// The table of what would happen, the notes, and the summary.
pub(crate) fn table(plan: &Plan) -> String {
    let mut text = String::new();
    if !plan.objects.is_empty() {
        let headings = ["OBJECT", "POLICY", "CLUSTER", "REPLICAS", "ACTION", "OVERRIDES"];
        let rows = plan.objects.iter().flat_map(rows).collect();
        let table = Table { headings: headings.map(str::to_owned).into(), rows };
        for line in table.render(true).lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    for object in &plan.objects {
        for note in &object.notes {
            text.push_str(&format!("{}: {note}\n", object.object));
        }
        for copy in &object.clusters {
            for note in &copy.notes {
                text.push_str(&format!("{} in {}: {note}\n", object.object, copy.cluster));
            }
        }
    }
    for note in plan.notes.iter().chain([&plan.summary]) {
        text.push_str(note);
        text.push('\n');
    }
    text
}

/// `before -> after`, or one of them where they are equal.
fn arrow(before: &str, after: &str) -> String {
    if before == after { after.to_owned() } else { format!("{before} -> {after}") }
}

fn rows(object: &Planned) -> Vec<Vec<String>> {
    let name = |policy: &Option<matching::PolicyRef>| policy.as_ref().map_or("-".to_owned(), short);
    let policy = arrow(&name(&object.policy.before), &name(&object.policy.after));
    let row = |first: bool, rest: [String; 4]| {
        let start =
            if first { [object.object.to_string(), policy.clone()] } else { [String::new(), String::new()] };
        start.into_iter().chain(rest).collect::<Vec<String>>()
    };
    if object.clusters.is_empty() {
        let claim = match object.claim {
            "none" | "kept" => "-",
            claim => claim,
        };
        return vec![row(true, ["-".into(), "-".into(), claim.into(), "-".into()])];
    }
    let of_copy = |(i, copy): (usize, &PlannedCopy)| {
        row(i == 0, [copy.cluster.clone(), replicas(&copy.replicas), actions(copy), overrides(copy)])
    };
    object.clusters.iter().enumerate().map(of_copy).collect()
}

/// A policy by its short kind: `pp/shop/web`, `cpp/web`.
fn short(policy: &matching::PolicyRef) -> String {
    if policy.namespace.is_empty() { format!("cpp/{}", policy.name) } else { format!("pp/{}", policy.name) }
}

fn replicas(replicas: &Transition<i32>) -> String {
    let text = |value: Option<i32>| value.map_or("-".to_owned(), |value| value.to_string());
    match (replicas.before, replicas.after) {
        (None | Some(0), None | Some(0)) => "-".into(),
        (before, after) => arrow(&text(before), &text(after)),
    }
}

fn actions(copy: &PlannedCopy) -> String {
    copy.actions.iter().map(|action| action.text()).collect::<Vec<_>>().join(", ")
}

fn overrides(copy: &PlannedCopy) -> String {
    let text = |names: &Option<Vec<String>>| match names.as_deref() {
        None | Some([]) => "-".to_owned(),
        Some(names) => names.iter().map(|name| short_override(name)).collect::<Vec<_>>().join(","),
    };
    if copy.overrides.after.is_none() {
        return "-".into();
    }
    match &copy.overrides.before {
        Some(_) => arrow(&text(&copy.overrides.before), &text(&copy.overrides.after)),
        None => text(&copy.overrides.after),
    }
}

fn short_override(name: &str) -> String {
    match name.split_once(' ') {
        Some(("ClusterOverridePolicy", name)) => format!("cop/{name}"),
        Some((_, name)) => format!("op/{name}"),
        None => name.to_owned(),
    }
}

/// The manifests of all copies that would change, before and after.
pub(crate) fn diff(plan: &Plan) -> String {
    let mut text = String::new();
    for object in &plan.objects {
        for copy in &object.clusters {
            let path = format!("{}/{}", copy.cluster, path(object));
            let side = |manifest: &Option<Value>, when: &str| match manifest {
                Some(_) => format!("{path} ({when})"),
                None => "/dev/null".to_owned(),
            };
            let yaml = |manifest: &Option<Value>| {
                manifest.as_ref().map_or(String::new(), |m| serde_saphyr::to_string(m).unwrap_or_default())
            };
            let (before, after) = (&copy.manifest.before, &copy.manifest.after);
            // A copy that cannot be made stays as it is.
            if after.is_none() && copy.actions == [super::outcome::Action::Fail] {
                continue;
            }
            text.push_str(&unified(
                &side(before, "now"),
                &yaml(before),
                &side(after, "planned"),
                &yaml(after),
            ));
        }
    }
    text
}

fn path(object: &Planned) -> String {
    let reference = &object.object;
    let parts = [&reference.api_version, &reference.kind, &reference.namespace, &reference.name];
    parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
}
