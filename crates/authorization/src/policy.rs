//! The roles and bindings of a cluster, arranged for quick answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use machinery::{Object, ObjectKey};
use serde_json::Value;

use crate::{Attributes, GROUP, Rule, User};

/// The answer to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What allows it; for a refusal, which roles are bound but missing, or nothing.
    pub reason: String,
}

/// The role a binding names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRef {
    /// A ClusterRole.
    ClusterRole(String),
    /// A Role in the binding's namespace.
    Role(String),
}

impl RoleRef {
    /// The `roleRef` of a binding, when it is well-formed.
    pub fn of(binding: &Object) -> Option<Self> {
        let name = binding.str_at("/roleRef/name")?.to_owned();
        match binding.str_at("/roleRef/kind")? {
            "ClusterRole" => Some(Self::ClusterRole(name)),
            "Role" => Some(Self::Role(name)),
            _ => None,
        }
    }

    /// Where the role is, seen from a namespace. A Role is nowhere outside of namespaces; without this, a
    /// cluster-wide binding to a Role would reach the ClusterRole of that name.
    fn key(&self, namespace: &str) -> Option<ObjectKey> {
        match self {
            Self::ClusterRole(name) => Some(ObjectKey::new("", name)),
            Self::Role(name) => (!namespace.is_empty()).then(|| ObjectKey::new(namespace, name)),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::ClusterRole(_) => "ClusterRole",
            Self::Role(_) => "Role",
        }
    }

    fn name(&self) -> &str {
        let (Self::ClusterRole(name) | Self::Role(name)) = self;
        name
    }
}

#[derive(Debug, Clone)]
struct Binding {
    role: RoleRef,
    subjects: Vec<Subject>,
}

#[derive(Debug, Clone)]
enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

impl Subject {
    fn read(value: &Value, binding_namespace: &str) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").to_owned();
        match text("kind") {
            "User" => Some(Self::User(name)),
            "Group" => Some(Self::Group(name)),
            "ServiceAccount" => {
                let namespace =
                    Some(text("namespace")).filter(|n| !n.is_empty()).unwrap_or(binding_namespace);
                (!namespace.is_empty()).then(|| Self::ServiceAccount { namespace: namespace.into(), name })
            }
            _ => None,
        }
    }

    fn is(&self, user: &User) -> bool {
        match self {
            Self::User(name) => *name == user.name,
            Self::Group(name) => user.groups.contains(name),
            Self::ServiceAccount { namespace, name } => service_account(namespace, name) == user.name,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name:?}"),
            Self::Group(name) => write!(f, "Group {name:?}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "ServiceAccount {:?}", format!("{name}/{namespace}"))
            }
        }
    }
}

/// The user name of a service account.
fn service_account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Names of bindings by their namespace, which is empty for ClusterRoleBindings.
type Bound = BTreeMap<String, BTreeSet<String>>;

/// The roles and bindings of a cluster. Kept up to date object by object.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Rules by role; ClusterRoles have no namespace.
    roles: BTreeMap<ObjectKey, Vec<Rule>>,
    bindings: BTreeMap<ObjectKey, Binding>,
    users: BTreeMap<String, Bound>,
    groups: BTreeMap<String, Bound>,
}

impl<'a> FromIterator<&'a Object> for Policy {
    fn from_iter<I: IntoIterator<Item = &'a Object>>(objects: I) -> Self {
        let mut policy = Self::default();
        for object in objects {
            policy.upsert(object);
        }
        policy
    }
}

impl Policy {
    /// Adds a role or binding, or replaces the one of the same kind, namespace and name. Objects of other
    /// kinds change nothing.
    pub fn upsert(&mut self, object: &Object) {
        let key = object.key();
        match (object.kind(), key.namespace.is_empty()) {
            ("Role", false) | ("ClusterRole", true) => {
                self.roles.insert(key, Rule::of(object));
            }
            ("RoleBinding", false) | ("ClusterRoleBinding", true) => self.bind(key, object),
            _ => {}
        }
    }

    /// Removes a role or binding; the namespace is empty for the cluster-wide kinds.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) {
        let key = ObjectKey::new(namespace, name);
        match (kind, namespace.is_empty()) {
            ("Role", false) | ("ClusterRole", true) => {
                self.roles.remove(&key);
            }
            ("RoleBinding", false) | ("ClusterRoleBinding", true) => self.unbind(&key),
            _ => {}
        }
    }

    /// The rules of a role as seen from a namespace; nothing when there is no such role.
    pub fn role(&self, role: &RoleRef, namespace: &str) -> Option<&[Rule]> {
        self.roles.get(&role.key(namespace)?).map(Vec::as_slice)
    }

    fn bind(&mut self, key: ObjectKey, object: &Object) {
        self.unbind(&key);
        let Some(role) = RoleRef::of(object) else { return };
        let subjects = object.at("/subjects").and_then(Value::as_array).into_iter().flatten();
        let subjects: Vec<Subject> =
            subjects.filter_map(|value| Subject::read(value, &key.namespace)).collect();
        for subject in &subjects {
            let bound = self.index(subject).entry(key.namespace.clone()).or_default();
            bound.insert(key.name.clone());
        }
        self.bindings.insert(key, Binding { role, subjects });
    }

    fn unbind(&mut self, key: &ObjectKey) {
        let Some(old) = self.bindings.remove(key) else { return };
        for subject in &old.subjects {
            let bound = self.index(subject);
            if let Some(names) = bound.get_mut(&key.namespace) {
                names.remove(&key.name);
                if names.is_empty() {
                    bound.remove(&key.namespace);
                }
            }
            if bound.is_empty() {
                self.forget(subject);
            }
        }
    }

    fn forget(&mut self, subject: &Subject) {
        match subject {
            Subject::User(name) => self.users.remove(name),
            Subject::Group(name) => self.groups.remove(name),
            Subject::ServiceAccount { namespace, name } => {
                self.users.remove(&service_account(namespace, name))
            }
        };
    }

    /// Where the bindings of a subject are listed.
    fn index(&mut self, subject: &Subject) -> &mut Bound {
        match subject {
            Subject::User(name) => self.users.entry(name.clone()),
            Subject::Group(name) => self.groups.entry(name.clone()),
            Subject::ServiceAccount { namespace, name } => self.users.entry(service_account(namespace, name)),
        }
        .or_default()
    }

    /// The bindings that concern a user in one namespace (or, with an empty one, cluster-wide).
    fn bound<'a>(
        &'a self,
        user: &'a User,
        namespace: &'a str,
    ) -> impl Iterator<Item = (ObjectKey, &'a Binding)> {
        let of_groups = user.groups.iter().filter_map(|group| self.groups.get(group));
        let everywhere = self.users.get(&user.name).into_iter().chain(of_groups);
        let names = everywhere.filter_map(move |bound| bound.get(namespace)).flatten();
        names.filter_map(move |name| {
            let key = ObjectKey::new(namespace, name);
            self.bindings.get(&key).map(|binding| (key, binding))
        })
    }

    /// The bindings that matter for a user in a namespace: the cluster-wide ones, then the namespace's.
    fn reaching<'a>(
        &'a self,
        user: &'a User,
        namespace: &'a str,
    ) -> impl Iterator<Item = (ObjectKey, &'a Binding)> {
        let local = (!namespace.is_empty()).then(|| self.bound(user, namespace));
        self.bound(user, "").chain(local.into_iter().flatten())
    }

    /// Whether the request is allowed, and by what.
    pub fn authorize(&self, asked: &Attributes) -> Decision {
        if asked.user.is_superuser() {
            return Decision { allowed: true, reason: String::new() };
        }
        let namespace = if asked.resource_request { asked.namespace.as_str() } else { "" };
        let mut missing = Vec::new();
        for (key, binding) in self.reaching(&asked.user, namespace) {
            match self.role(&binding.role, &key.namespace) {
                Some(rules) if rules.iter().any(|rule| rule.allows(asked)) => {
                    return Decision { allowed: true, reason: allowed_by(&key, binding, &asked.user) };
                }
                Some(_) => {}
                None => missing.push(&binding.role),
            }
        }
        Decision { allowed: false, reason: not_found(&missing) }
    }

    /// All rules that apply to a user in a namespace (or, with an empty one, cluster-wide).
    pub fn rules_for(&self, user: &User, namespace: &str) -> Vec<Rule> {
        // One binding may reach the user by name and through groups.
        let bindings: BTreeMap<ObjectKey, &Binding> = self.reaching(user, namespace).collect();
        let rules = |(key, binding): (&ObjectKey, &&Binding)| self.role(&binding.role, &key.namespace);
        bindings.iter().filter_map(rules).flatten().cloned().collect()
    }
}

fn allowed_by(key: &ObjectKey, binding: &Binding, user: &User) -> String {
    let (kind, name) = match key.namespace() {
        None => ("ClusterRoleBinding", key.name.clone()),
        Some(namespace) => ("RoleBinding", format!("{}/{namespace}", key.name)),
    };
    let role = &binding.role;
    let to = binding.subjects.iter().find(|subject| subject.is(user));
    let to = to.map(|subject| format!(" to {subject}")).unwrap_or_default();
    format!("RBAC: allowed by {kind} {name:?} of {} {:?}{to}", role.kind(), role.name())
}

fn not_found(roles: &[&RoleRef]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for role in roles {
        let text = format!("{}.{GROUP} {:?} not found", role.kind().to_lowercase(), role.name());
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
}
