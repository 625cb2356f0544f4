//! One rule of a role: what it allows, and whether some rules allow all that others do.

use std::collections::BTreeMap;
use std::fmt;

use machinery::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Attributes;

const ALL: &str = "*";

/// A rule of a role (`rules[]`). It is about resources or about paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// What may be done; `*` is everything.
    pub verbs: Vec<String>,
    /// API groups; `*` is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Resources: `pods`, `pods/log`, `*/scale`, or `*` for all with all subresources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names of objects; none is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths; one that ends with `*` covers all that begin with the rest.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

impl Rule {
    /// The rules of a Role or ClusterRole; malformed ones allow nothing and are left out.
    pub fn of(role: &Object) -> Vec<Self> {
        let rules = role.at("/rules").and_then(Value::as_array).into_iter().flatten();
        rules.filter_map(Self::read).collect()
    }

    fn read(value: &Value) -> Option<Self> {
        // A list that is null is the same as one that is absent.
        let list = |field: &str| match value.get(field) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(list) => Vec::deserialize(list).ok(),
        };
        Some(Self {
            verbs: list("verbs")?,
            api_groups: list("apiGroups")?,
            resources: list("resources")?,
            resource_names: list("resourceNames")?,
            non_resource_urls: list("nonResourceURLs")?,
        })
    }

    /// Whether the rule allows the request. Where the role is bound is not looked at.
    pub fn allows(&self, asked: &Attributes) -> bool {
        if !holds(&self.verbs, &asked.verb) {
            return false;
        }
        if asked.resource_request {
            holds(&self.api_groups, &asked.group)
                && self.allows_resource(&asked.resource, &asked.subresource)
                && self.allows_name(&asked.name)
        } else {
            self.non_resource_urls.iter().any(|url| path_matches(url, &asked.path))
        }
    }

    fn allows_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|allowed| {
            let (wanted, sub) = allowed.split_once('/').unwrap_or((allowed, ""));
            allowed == ALL || sub == subresource && (wanted == resource || wanted == ALL && !sub.is_empty())
        })
    }

    fn allows_name(&self, name: &str) -> bool {
        self.resource_names.is_empty() || self.resource_names.iter().any(|allowed| allowed == name)
    }

    /// The smallest rules that together allow the same.
    fn atoms(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let mut atoms = Vec::new();
        for verb in &self.verbs {
            for url in &self.non_resource_urls {
                atoms.push(Self { verbs: one(verb), non_resource_urls: one(url), ..Self::default() });
            }
            for group in &self.api_groups {
                for resource in &self.resources {
                    let atom = Self {
                        verbs: one(verb),
                        api_groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    if self.resource_names.is_empty() {
                        atoms.push(atom);
                    } else {
                        let named = |name| Self { resource_names: one(name), ..atom.clone() };
                        atoms.extend(self.resource_names.iter().map(named));
                    }
                }
            }
        }
        atoms
    }

    /// Whether this rule alone allows all that an atom does.
    fn covers_atom(&self, atom: &Self) -> bool {
        let first = |list: &[String]| list.first().cloned().unwrap_or_default();
        if !holds(&self.verbs, &first(&atom.verbs)) {
            return false;
        }
        if let Some(url) = atom.non_resource_urls.first() {
            return self.non_resource_urls.iter().any(|own| path_matches(own, url));
        }
        let resource = first(&atom.resources);
        let (_, sub) = resource.split_once('/').unwrap_or((&resource, ""));
        holds(&self.api_groups, &first(&atom.api_groups))
            && self.resources.iter().any(|own| {
                own == ALL || *own == resource || !sub.is_empty() && own.strip_prefix("*/") == Some(sub)
            })
            && (self.resource_names.is_empty()
                || atom.resource_names.iter().any(|name| self.resource_names.contains(name)))
    }
}

/// As a refusal shows it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let shown = |(name, list): (&str, &Vec<String>)| {
            let texts: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
            (!list.is_empty()).then(|| format!("{name}:[{}]", texts.join(" ")))
        };
        let parts: Vec<String> = lists.into_iter().filter_map(shown).collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// The same permissions in fewer rules: those that differ in their verbs only become one. Sorted by their text.
pub fn compact(rules: &[Rule]) -> Vec<Rule> {
    let mut merged: BTreeMap<String, Rule> = BTreeMap::new();
    for rule in rules {
        let what = Rule { verbs: Vec::new(), ..rule.clone() };
        let held = merged.entry(what.to_string()).or_insert(what);
        let new: Vec<String> = rule.verbs.iter().filter(|verb| !held.verbs.contains(verb)).cloned().collect();
        held.verbs.extend(new);
    }
    merged.into_values().collect()
}

fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == ALL || item == wanted)
}

fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.strip_suffix('*').is_some_and(|start| path.starts_with(start))
}

/// What of the wanted rules the owned ones do not allow, as the smallest rules that say it.
pub fn uncovered(owned: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let atoms = wanted.iter().flat_map(Rule::atoms);
    atoms.filter(|atom| !owned.iter().any(|rule| rule.covers_atom(atom))).collect()
}

/// Whether somebody with the owned rules may give the wanted ones to others.
pub fn covers(owned: &[Rule], wanted: &[Rule]) -> bool {
    uncovered(owned, wanted).is_empty()
}
