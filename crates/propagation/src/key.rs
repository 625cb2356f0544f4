//! Which template and which binding is meant.

use std::fmt;

use api::Scope;
use api::names::{annotations, labels};
use machinery::{GroupVersionKind, Object, ObjectKey};

/// A template: kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateKey {
    /// Kind, with the version in which it is propagated.
    pub kind: GroupVersionKind,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl TemplateKey {
    /// The key of an object.
    pub fn of(object: &Object) -> Self {
        Self { kind: object.gvk(), key: object.key() }
    }

    /// The template a binding refers to.
    pub fn of_binding(binding: &Object) -> Self {
        let text = |field: &str| {
            binding.at("/spec/resource").and_then(|r| r.get(field)?.as_str()).unwrap_or_default()
        };
        Self {
            kind: GroupVersionKind::from_api_version(text("apiVersion"), text("kind")),
            key: ObjectKey::new(text("namespace"), text("name")),
        }
    }
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.kind, self.key)
    }
}

/// A ResourceBinding or ClusterResourceBinding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingKey {
    /// Which of the two kinds.
    pub scope: Scope,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl BindingKey {
    /// The key of a binding.
    pub fn of(scope: Scope, binding: &Object) -> Self {
        Self { scope, key: binding.key() }
    }

    /// The binding a Work was made for, when it was made for one.
    pub fn of_work(work: &Object) -> Option<Self> {
        if let Some(name) = work.annotation(annotations::RESOURCE_BINDING_NAME) {
            let namespace = work.annotation(annotations::RESOURCE_BINDING_NAMESPACE).unwrap_or_default();
            return Some(Self { scope: Scope::Namespaced, key: ObjectKey::new(namespace, name) });
        }
        let name = work.annotation(annotations::CLUSTER_RESOURCE_BINDING_NAME)?;
        Some(Self { scope: Scope::Cluster, key: ObjectKey::new("", name) })
    }
}

impl fmt::Display for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// The label by which a Work names its binding.
pub fn binding_id_label(scope: Scope) -> &'static str {
    match scope {
        Scope::Namespaced => labels::RESOURCE_BINDING_ID,
        Scope::Cluster => labels::CLUSTER_RESOURCE_BINDING_ID,
    }
}

/// The label by which a template or binding names its policy.
pub fn policy_id_label(scope: Scope) -> &'static str {
    match scope {
        Scope::Namespaced => labels::PROPAGATION_POLICY_ID,
        Scope::Cluster => labels::CLUSTER_PROPAGATION_POLICY_ID,
    }
}
