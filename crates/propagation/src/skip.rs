//! What is never propagated: APIs and namespaces. Karmada's own always, others by flags.

use std::collections::{BTreeMap, BTreeSet};

use api::naming;
use machinery::{GroupVersionKind, Object};
use regex::Regex;

/// Groups that are never propagated: our own, and events.
const GROUPS: [&str; 9] = [
    "cluster.karmada.io",
    "policy.karmada.io",
    "work.karmada.io",
    "config.karmada.io",
    "networking.karmada.io",
    "autoscaling.karmada.io",
    "remedy.karmada.io",
    "apps.karmada.io",
    "events.k8s.io",
];

/// Namespaces that are skipped unless `--skipped-propagating-namespaces` says otherwise.
pub const NAMESPACES_DEFAULT: &str = "kube-.*";

/// APIs that are not propagated.
#[derive(Debug, Clone, Default)]
pub struct SkippedApis {
    groups: BTreeSet<String>,
    versions: BTreeSet<(String, String)>,
    kinds: BTreeMap<(String, String), BTreeSet<String>>,
    complaints: Vec<String>,
}

impl SkippedApis {
    /// Reads `--skipped-propagating-apis` on top of what is always skipped. A token that is none of
    /// `group`, `group/version`, `group/version/Kinds` and `v1/Kinds` is ignored; see
    /// [`SkippedApis::complaints`].
    pub fn new(tokens: &str) -> Self {
        let mut skipped = Self::default();
        skipped.groups.extend(GROUPS.map(ToOwned::to_owned));
        skipped.versions.insert(("coordination.k8s.io".into(), "v1".into()));
        skipped.add("v1/Event");
        for token in tokens.split(';').map(str::trim).filter(|token| !token.is_empty()) {
            skipped.add(token);
        }
        skipped
    }

    fn add(&mut self, token: &str) {
        let parts: Vec<&str> = token.split('/').collect();
        match parts.as_slice() {
            [group] => drop(self.groups.insert((*group).to_owned())),
            ["v1", kinds] => self.add_kinds("", "v1", kinds),
            [group, version] => drop(self.versions.insert(((*group).into(), (*version).into()))),
            [group, version, kinds] => self.add_kinds(group, version, kinds),
            _ => self.complaints.push(format!(
                "{token:?} is not an API; it is ignored in the list of APIs that are not propagated"
            )),
        }
    }

    fn add_kinds(&mut self, group: &str, version: &str, kinds: &str) {
        let all = self.kinds.entry((group.into(), version.into())).or_default();
        all.extend(kinds.split(',').map(|kind| kind.trim().to_owned()));
    }

    /// What could not be read.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Whether a kind is skipped.
    pub fn contains(&self, kind: &GroupVersionKind) -> bool {
        let version = (kind.group.clone(), kind.version.clone());
        self.groups.contains(&kind.group)
            || self.versions.contains(&version)
            || self.kinds.get(&version).is_some_and(|kinds| kinds.contains(&kind.kind))
    }
}

/// Namespaces that are not propagated, nor anything in them.
#[derive(Debug, Clone, Default)]
pub struct SkippedNamespaces {
    expressions: Vec<Regex>,
    complaints: Vec<String>,
}

impl SkippedNamespaces {
    /// Reads `--skipped-propagating-namespaces`; each expression must match a whole name. One that is no
    /// regular expression skips nothing; see [`SkippedNamespaces::complaints`].
    pub fn new<S: AsRef<str>>(expressions: &[S]) -> Self {
        let mut skipped = Self::default();
        for expression in expressions.iter().map(AsRef::as_ref) {
            match Regex::new(&format!("^(?:{expression})$")) {
                Ok(regex) => skipped.expressions.push(regex),
                Err(error) => skipped.complaints.push(format!(
                    "{expression:?} is not a regular expression, no namespace is skipped by it: {error}"
                )),
            }
        }
        skipped
    }

    /// What could not be read.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Whether a namespace is skipped; one that is Karmada's own always is.
    pub fn contains(&self, namespace: &str) -> bool {
        naming::is_reserved_namespace(namespace)
            || self.expressions.iter().any(|regex| regex.is_match(namespace))
    }

    /// Whether an object is skipped because of where it is.
    pub fn skips(&self, object: &Object) -> bool {
        !object.namespace().is_empty() && self.contains(object.namespace())
            || (object.kind() == "ConfigMap"
                && object.namespace() == "kube-system"
                && object.name() == "extension-apiserver-authentication")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_skipped_by_group_version_or_kind() {
        let skipped = SkippedApis::new("example.io; other.io/v1;third.io/v1/A,B;v1/ConfigMap;a/b/c/d");
        assert_eq!(skipped.complaints().len(), 1, "{:?}", skipped.complaints());
        for (api_version, kind, expected) in [
            ("work.karmada.io/v1alpha1", "Work", true),
            ("v1", "Event", true),
            ("events.k8s.io/v1", "Event", true),
            ("coordination.k8s.io/v1", "Lease", true),
            ("search.karmada.io/v1alpha1", "ResourceRegistry", false),
            ("multicluster.x-k8s.io/v1alpha1", "ServiceImport", false),
            ("example.io/v7", "X", true),
            ("other.io/v1", "X", true),
            ("other.io/v2", "X", false),
            ("third.io/v1", "B", true),
            ("third.io/v1", "C", false),
            ("v1", "ConfigMap", true),
            ("v1", "Secret", false),
        ] {
            let gvk = GroupVersionKind::from_api_version(api_version, kind);
            assert_eq!(skipped.contains(&gvk), expected, "{gvk}");
        }
    }

    #[test]
    fn namespaces_are_skipped_by_whole_name() {
        let skipped = SkippedNamespaces::new(&[NAMESPACES_DEFAULT, "("]);
        assert_eq!(skipped.complaints().len(), 1, "{:?}", skipped.complaints());
        for (namespace, expected) in [
            ("kube-system", true),
            ("my-kube-system", false),
            ("default", false),
            ("karmada-system", true),
            ("karmada-cluster", true),
            ("karmada-es-m1", true),
        ] {
            assert_eq!(skipped.contains(namespace), expected, "{namespace}");
        }
        assert!(!skipped.skips(&Object::new("v1", "Namespace", "", "kube-system")), "it has no namespace");
        let none = SkippedNamespaces::new::<&str>(&[]);
        let settings = |name: &str| Object::new("v1", "ConfigMap", "kube-system", name);
        assert!(none.skips(&settings("extension-apiserver-authentication")), "the API server's own");
        assert!(!none.skips(&settings("other")));
    }
}
