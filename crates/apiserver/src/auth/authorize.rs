//! Whether a user may do something: by the stored roles and bindings.

use std::sync::{Arc, PoisonError, RwLock};

use authorization::{Attributes, GROUP, Policy, RoleRef, Rule, compact, uncovered};
use machinery::{Object, Status};
use serde_json::{Value, json};
use store::Revision;

use crate::auth::user::User;
use crate::core::Core;
use crate::resource::Resource;
use crate::storage::codec;

/// How requests are authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorization {
    /// By roles and bindings.
    #[default]
    Rbac,
    /// Everybody may do everything.
    AlwaysAllow,
}

pub(crate) use authorization::Decision;

/// What somebody wants to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Action<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// The path of a request that is about no resource.
    pub(crate) path: Option<&'a str>,
}

/// The kinds that rights are made of.
const PLURALS: [&str; 4] = ["clusterroles", "clusterrolebindings", "roles", "rolebindings"];

/// Decides by the mode and the stored roles.
#[derive(Debug)]
pub(crate) struct Authorizer {
    mode: Authorization,
    // Read for every request of a user that is no superuser; written when roles or bindings changed.
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Newest change taken in, per kind of [`PLURALS`].
    seen: [Option<Revision>; 4],
    policy: Arc<Policy>,
}

fn attributes(user: &Arc<User>, action: &Action<'_>) -> Attributes {
    match action.path {
        Some(path) => Attributes::path(user, action.verb, path),
        None => Attributes {
            user: Arc::clone(user),
            verb: action.verb.into(),
            group: action.group.into(),
            version: action.version.into(),
            resource: action.resource.into(),
            subresource: action.subresource.into(),
            name: action.name.into(),
            namespace: action.namespace.into(),
            path: String::new(),
            resource_request: true,
        },
    }
}

impl Authorizer {
    pub(crate) fn new(mode: Authorization) -> Self {
        Self { mode, known: RwLock::default() }
    }

    /// The roles and bindings as the cache has them.
    fn policy(&self, core: &Core) -> Arc<Policy> {
        let caches = PLURALS.map(|plural| core.cache(GROUP, plural));
        let newest = [0, 1, 2, 3].map(|i: usize| Some(caches[i].last()));
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.seen == newest {
                return Arc::clone(&known.policy);
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut policy = (*known.policy).clone();
        for (at, cache) in caches.iter().enumerate() {
            let Some(changes) = known.seen[at].and_then(|seen| cache.changes(seen, usize::MAX).ok()) else {
                // The first look, or too many changes since: take everything.
                policy = whole(&caches);
                break;
            };
            for change in changes {
                match (change.current, change.previous) {
                    (Some(entry), _) => {
                        if let Ok(object) = codec::decode(&entry.bytes, entry.revision) {
                            policy.upsert(&object);
                        }
                    }
                    (None, Some(entry)) => {
                        if let Ok(object) = codec::decode(&entry.bytes, entry.revision) {
                            policy.remove(object.kind(), object.namespace(), object.name());
                        }
                    }
                    (None, None) => {}
                }
            }
        }
        known.seen = newest;
        known.policy = Arc::new(policy);
        Arc::clone(&known.policy)
    }

    /// Whether the user may.
    pub(crate) fn decide(&self, core: &Core, user: &Arc<User>, action: &Action<'_>) -> Decision {
        if self.mode == Authorization::AlwaysAllow || user.is_superuser() {
            return Decision { allowed: true, reason: String::new() };
        }
        self.policy(core).authorize(&attributes(user, action))
    }

    /// Nothing when the user may, the 403 otherwise.
    pub(crate) fn require(&self, core: &Core, user: &Arc<User>, action: &Action<'_>) -> Result<(), Status> {
        let decision = self.decide(core, user, action);
        if decision.allowed {
            return Ok(());
        }
        Err(authorization::forbidden(&attributes(user, action), &decision.reason))
    }

    /// What the user may do in a namespace: rules about resources and rules about paths.
    pub(crate) fn rules(&self, core: &Core, user: &User, namespace: &str) -> (Vec<Value>, Vec<Value>) {
        if self.mode == Authorization::AlwaysAllow || user.is_superuser() {
            return (
                vec![json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})],
                vec![json!({"verbs": ["*"], "nonResourceURLs": ["*"]})],
            );
        }
        let (paths, resources): (Vec<Rule>, Vec<Rule>) = self
            .policy(core)
            .rules_for(user, namespace)
            .into_iter()
            .partition(|rule| !rule.non_resource_urls.is_empty());
        let as_json = |rules: Vec<Rule>| rules.into_iter().map(|rule| json!(rule)).collect();
        (as_json(resources), as_json(paths))
    }

    /// Refuses roles and bindings that would give away more than their writer has.
    pub(crate) fn check_escalation(
        &self,
        core: &Arc<Core>,
        user: &Arc<User>,
        resource: &Resource,
        new: &Object,
        old: Option<&Object>,
    ) -> Result<(), Status> {
        if self.mode == Authorization::AlwaysAllow || user.is_superuser() {
            return Ok(());
        }
        let same = |field: &str| old.is_some_and(|old| old.fields().get(field) == new.fields().get(field));
        let policy = self.policy(core);
        let (verb, role, name, wanted) = if resource.gvr.resource.ends_with("bindings") {
            if same("roleRef") && same("subjects") {
                return Ok(());
            }
            let Some(role) = RoleRef::of(new) else { return Ok(()) };
            let wanted = policy.role(&role, new.namespace()).map(<[Rule]>::to_vec).unwrap_or_default();
            match role {
                RoleRef::ClusterRole(name) => ("bind", "clusterroles", name, wanted),
                RoleRef::Role(name) => ("bind", "roles", name, wanted),
            }
        } else {
            if same("rules") && same("aggregationRule") {
                return Ok(());
            }
            ("escalate", resource.gvr.resource.as_str(), new.name().to_owned(), Rule::of(new))
        };
        let action = Action {
            verb,
            group: GROUP,
            version: "v1",
            resource: role,
            subresource: "",
            namespace: new.namespace(),
            name: &name,
            path: None,
        };
        if self.decide(core, user, &action).allowed {
            return Ok(());
        }
        let missing = uncovered(&policy.rules_for(user, new.namespace()), &wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<String> = compact(&missing).iter().map(ToString::to_string).collect();
        let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
        let why = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            groups.join(" "),
            missing.join("\n")
        );
        Err(Status::forbidden(&resource.gvr, new.name(), &why))
    }
}

fn whole(caches: &[Arc<crate::storage::cache::Cache>]) -> Policy {
    let mut policy = Policy::default();
    for cache in caches {
        for entry in cache.list(&cache.prefix, None).0 {
            if let Ok(object) = codec::decode(&entry.bytes, entry.revision) {
                policy.upsert(&object);
            }
        }
    }
    policy
}
