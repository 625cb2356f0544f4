//! Who wants to do what.

use std::collections::BTreeMap;
use std::sync::Arc;

use machinery::status::Details;
use machinery::{GroupVersionResource, Reason, Status};

use crate::SUPERUSERS;

/// Somebody who has proved who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Uid, where the login knows one.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// What else the login knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user of this name in these groups.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&g| g.into()).collect();
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// Whether the user may do everything.
    pub fn is_superuser(&self) -> bool {
        self.groups.iter().any(|group| group == SUPERUSERS)
    }
}

/// A request, as far as it matters for whether it is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: Arc<User>,
    /// What they want to do: `get`, `list`, `create`, …; for paths the HTTP method in lower case.
    pub verb: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Version of the group; rules do not look at it.
    pub version: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Name of the object; empty for collections and for objects not yet named.
    pub name: String,
    /// Namespace, empty for cluster-scoped resources and across all namespaces.
    pub namespace: String,
    /// Path, for requests that are not about a resource.
    pub path: String,
    /// Whether the request is about a resource, not about a path.
    pub resource_request: bool,
}

impl Attributes {
    /// A request for a resource; group and resource as in `deployments.apps`, the subresource after a
    /// slash as in `pods/log`.
    pub fn resource(user: &Arc<User>, verb: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        Self {
            user: user.clone(),
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            namespace: namespace.into(),
            resource_request: true,
            ..Self::default()
        }
    }

    /// A request for a path that is no resource.
    pub fn path(user: &Arc<User>, verb: &str, path: &str) -> Self {
        Self { user: user.clone(), verb: verb.into(), path: path.into(), ..Self::default() }
    }

    /// Resource and subresource as rules name them, for example `pods/log`.
    pub(crate) fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

/// The answer to a request that is not allowed; the decision's reason may be empty.
pub fn forbidden(asked: &Attributes, reason: &str) -> Status {
    let user = &asked.user.name;
    let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if !asked.resource_request {
        let message =
            format!("forbidden: User {user:?} cannot {} path {:?}{because}", asked.verb, asked.path);
        return Status {
            details: Some(Box::new(Details::default())),
            ..Status::new(Reason::Forbidden, message)
        };
    }
    let scope = if asked.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", asked.namespace)
    };
    let why = format!(
        "User {user:?} cannot {} resource {:?} in API group {:?} {scope}{because}",
        asked.verb,
        asked.full_resource(),
        asked.group
    );
    let gvr = GroupVersionResource {
        group: asked.group.clone(),
        version: asked.version.clone(),
        resource: asked.resource.clone(),
    };
    Status::forbidden(&gvr, &asked.name, &why)
}
