//! Roles and their bindings.

use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::checks::required;
use crate::fields::{Fill, Read};
use crate::tables::{AGE, NAME, age, text, wide};
use crate::{Column, Rules};

/// The API group of roles, users and groups.
const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) static ROLE: Rules = Rules {
    name: names::path_segment,
    validate_create: |role| rules(role, true),
    validate_update: |new, _| rules(new, true),
    ..Rules::PLAIN
};

pub(crate) static CLUSTER_ROLE: Rules = Rules {
    name: names::path_segment,
    validate_create: validate_cluster_role,
    validate_update: |new, _| validate_cluster_role(new),
    ..Rules::PLAIN
};

fn validate_cluster_role(role: &Object) -> Vec<Cause> {
    let mut causes = rules(role, false);
    let aggregation = role.value().child(&["aggregationRule"]);
    let selectors = aggregation.list("clusterRoleSelectors");
    if !aggregation.is_null() && selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        causes.push(Cause::required("aggregationRule.clusterRoleSelectors", detail));
    }
    for (i, selector) in selectors.iter().enumerate() {
        let at = format!("aggregationRule.clusterRoleSelectors[{i}]");
        crate::checks::label_selector(&mut causes, &at, selector);
    }
    causes
}

fn rules(role: &Object, namespaced: bool) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, rule) in role.value().list("rules").iter().enumerate() {
        let at = format!("rules[{i}]");
        if rule.list("verbs").is_empty() {
            causes.push(Cause::required(format!("{at}.verbs"), "verbs must contain at least one value"));
        }
        let urls = rule.get_or_null("nonResourceURLs");
        if !rule.list("nonResourceURLs").is_empty() {
            let mut wrong =
                |detail| causes.push(Cause::invalid(format!("{at}.nonResourceURLs"), urls, detail));
            if namespaced {
                wrong("namespaced rules cannot apply to non-resource URLs");
            }
            if ["apiGroups", "resources", "resourceNames"].iter().any(|k| !rule.list(k).is_empty()) {
                wrong("rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
            if rule.list(field).is_empty() {
                let detail = format!("resource rules must supply at least one {what}");
                causes.push(Cause::required(format!("{at}.{field}"), &detail));
            }
        }
    }
    causes
}

pub(crate) static ROLE_BINDING: Rules = Rules {
    name: names::path_segment,
    default: default_binding,
    validate_create: |binding| validate_binding(binding, &["ClusterRole", "Role"]),
    validate_update: |new, old| validate_binding_update(new, old, &["ClusterRole", "Role"]),
    columns: || BINDING_COLUMNS,
    cells: binding_cells,
    ..Rules::PLAIN
};

pub(crate) static CLUSTER_ROLE_BINDING: Rules = Rules {
    name: names::path_segment,
    default: default_binding,
    validate_create: |binding| validate_binding(binding, &["ClusterRole"]),
    validate_update: |new, old| validate_binding_update(new, old, &["ClusterRole"]),
    columns: || BINDING_COLUMNS,
    cells: binding_cells,
    ..Rules::PLAIN
};

fn default_binding(binding: &mut Object) {
    let fields = binding.fields_mut();
    if let Some(role) = fields.map_mut("roleRef") {
        role.fill_text("apiGroup", GROUP);
    }
    for subject in fields.maps_mut("subjects") {
        if matches!(subject.text("kind"), "User" | "Group") {
            subject.fill_text("apiGroup", GROUP);
        }
    }
}

fn validate_binding(binding: &Object, kinds: &[&str]) -> Vec<Cause> {
    let mut causes = Vec::new();
    let role = binding.value().child(&["roleRef"]);
    let group = role.text("apiGroup");
    if group != GROUP {
        causes.push(Cause::not_supported("roleRef.apiGroup", &group.into(), &[GROUP]));
    }
    let kind = role.text("kind");
    if !kinds.contains(&kind) {
        causes.push(Cause::not_supported("roleRef.kind", &kind.into(), kinds));
    }
    let name = role.text("name");
    required(&mut causes, "roleRef.name", name);
    crate::checks::problems(&mut causes, "roleRef.name", name, names::path_segment(name));
    for (i, subject) in binding.value().list("subjects").iter().enumerate() {
        validate_subject(&mut causes, &format!("subjects[{i}]"), subject);
    }
    causes
}

fn validate_subject(causes: &mut Vec<Cause>, at: &str, subject: &Value) {
    let (kind, name, group) = (subject.text("kind"), subject.text("name"), subject.text("apiGroup"));
    required(causes, &format!("{at}.name"), name);
    let expected = match kind {
        "ServiceAccount" => "",
        "User" | "Group" => GROUP,
        other => {
            let kinds = &["Group", "ServiceAccount", "User"];
            causes.push(Cause::not_supported(format!("{at}.kind"), &other.into(), kinds));
            return;
        }
    };
    if kind == "ServiceAccount" {
        if !name.is_empty() {
            crate::checks::problems(causes, &format!("{at}.name"), name, names::dns_subdomain(name));
        }
        required(causes, &format!("{at}.namespace"), subject.text("namespace"));
    }
    if group != expected {
        causes.push(Cause::not_supported(format!("{at}.apiGroup"), &group.into(), &[expected]));
    }
}

fn validate_binding_update(new: &Object, old: &Object, kinds: &[&str]) -> Vec<Cause> {
    let mut causes = validate_binding(new, kinds);
    let (role, before) = (new.value().child(&["roleRef"]), old.value().child(&["roleRef"]));
    if role != before {
        // The field's name and case are those of the server's own type, which clients have seen for years.
        let shown = json!({
            "APIGroup": role.text("apiGroup"), "Kind": role.text("kind"), "Name": role.text("name"),
        });
        causes.push(Cause::invalid("roleRef", &shown, "cannot change roleRef"));
    }
    causes
}

const BINDING_COLUMNS: &[Column] = &[
    NAME,
    text("Role", "Kind and name of the role."),
    AGE,
    wide("Users", "Users among the subjects."),
    wide("Groups", "Groups among the subjects."),
    wide("ServiceAccounts", "Service accounts among the subjects."),
];

fn binding_cells(binding: &Object, now: i64) -> Vec<Value> {
    let role = binding.value().child(&["roleRef"]);
    let subjects = |kind: &str, show: fn(&Value) -> String| -> Value {
        let of_kind = binding.value().list("subjects").iter().filter(|s| s.text("kind") == kind);
        of_kind.map(show).collect::<Vec<_>>().join(", ").into()
    };
    vec![
        binding.name().into(),
        format!("{}/{}", role.text("kind"), role.text("name")).into(),
        age(binding, now),
        subjects("User", |s| s.text("name").into()),
        subjects("Group", |s| s.text("name").into()),
        subjects("ServiceAccount", |s| format!("{}/{}", s.text("namespace"), s.text("name"))),
    ]
}
