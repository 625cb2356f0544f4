//! NamespaceLifecycle: nothing is created in a namespace that is missing or going.

use std::sync::Arc;

use machinery::{Cause, GroupVersionResource, Status};

use super::{Attributes, Operation};
use crate::core::Core;

/// Refuses creates in missing (404) and terminating (403) namespaces.
pub(crate) async fn check(attributes: &Attributes, core: &Arc<Core>) -> Result<(), Status> {
    if attributes.operation != Operation::Create || !attributes.namespaced {
        return Ok(());
    }
    // Reviews about access are no content of the namespace.
    if attributes.resource.group == "authorization.k8s.io" {
        return Ok(());
    }
    let name = attributes.namespace.as_str();
    let missing = || Status::not_found(&GroupVersionResource::new("", "v1", "namespaces"), name);
    let namespace = match core.cached("", "namespaces", "", name) {
        Some(namespace) => namespace,
        // The cache may not have seen a namespace created a moment ago.
        None => core.stored("", "namespaces", "", name).await?.ok_or_else(missing)?,
    };
    if !namespace.is_deleting() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = Status::forbidden(&attributes.resource, &attributes.name, &why);
    status.details.get_or_insert_default().causes.push(Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {name} is being terminated"),
        field: "metadata.namespace".into(),
    });
    Err(status)
}
