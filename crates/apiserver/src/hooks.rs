//! What single kinds do beyond their rules because it needs the rest of the server: addresses of
//! services, rights of role writers, names of requesters, the namespaces that stay.

use std::sync::Arc;

use machinery::{Cause, Object, Status};
use serde_json::{Value, json};

use crate::allocate::Held;
use crate::auth::user::User;
use crate::core::Core;
use crate::crd;
use crate::resource::Resource;

/// Namespaces nobody may delete.
const KEPT_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public"];

/// Before defaults and admission of a create.
pub(crate) fn before_admission(resource: &Resource, user: &User, object: &mut Object) {
    if resource.is("", "namespaces") {
        let name = object.name().to_owned();
        if !name.is_empty() {
            object.set_label("kubernetes.io/metadata.name", &name);
        }
    } else if resource.is("certificates.k8s.io", "certificatesigningrequests") {
        object.set("/spec/username", user.name.as_str());
        object.set("/spec/groups", user.groups.clone());
        if !user.uid.is_empty() {
            object.set("/spec/uid", user.uid.as_str());
        }
        if !user.extra.is_empty() {
            object.set("/spec/extra", json!(user.extra));
        }
    }
}

/// Before a create is validated. What is held (addresses) is given back unless the write succeeds.
pub(crate) async fn before_create(
    core: &Arc<Core>,
    resource: &Resource,
    user: &Arc<User>,
    object: &mut Object,
    dry_run: bool,
    causes: &mut Vec<Cause>,
) -> Result<Held, Status> {
    if resource.is("", "namespaces") {
        prepare_namespace(object);
    } else if resource.is("", "services") {
        return Ok(core.allocator.take(core, object, None, dry_run, causes));
    } else if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::object::prepare_create(object);
        causes.extend(crd::object::problems(object, None));
    } else if resource.gvr.group == "rbac.authorization.k8s.io" {
        core.authorizer.check_escalation(core, user, resource, object, None)?;
    }
    if let Some(custom) = resource.custom() {
        custom.check_not_terminating(core, resource, object.name())?;
    }
    Ok(Held::nothing())
}

fn prepare_namespace(object: &mut Object) {
    let name = object.name().to_owned();
    object.set_label("kubernetes.io/metadata.name", &name);
    let finalizers = object.at("/spec/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    if !finalizers.iter().any(|f| f == "kubernetes") {
        let mut finalizers = finalizers;
        finalizers.push("kubernetes".into());
        object.set("/spec/finalizers", finalizers);
    }
    object.fields_mut().insert("status".into(), json!({"phase": "Active"}));
}

/// Before an update is validated.
#[expect(clippy::too_many_arguments, reason = "one call site; each is a different thing")]
pub(crate) async fn before_update(
    core: &Arc<Core>,
    resource: &Resource,
    user: &Arc<User>,
    subresource: &str,
    new: &mut Object,
    old: &Object,
    dry_run: bool,
    causes: &mut Vec<Cause>,
) -> Result<Held, Status> {
    if !subresource.is_empty() {
        return Ok(Held::nothing());
    }
    if resource.is("", "namespaces") {
        let name = new.name().to_owned();
        new.set_label("kubernetes.io/metadata.name", &name);
        if let Some(finalizers) = old.at("/spec/finalizers") {
            new.set("/spec/finalizers", finalizers.clone());
        }
        match old.fields().get("status") {
            Some(status) => new.fields_mut().insert("status".into(), status.clone()),
            None => new.fields_mut().remove("status"),
        };
    } else if resource.is("", "services") {
        return Ok(core.allocator.take(core, new, Some(old), dry_run, causes));
    } else if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        crd::object::prepare_update(new, old);
        causes.extend(crd::object::problems(new, Some(old)));
    } else if resource.gvr.group == "rbac.authorization.k8s.io" {
        core.authorizer.check_escalation(core, user, resource, new, Some(old))?;
    }
    Ok(Held::nothing())
}

/// After an update was stored.
pub(crate) fn after_update(core: &Arc<Core>, resource: &Resource, new: &Object, old: &Object) {
    if resource.is("", "services") {
        core.allocator.settle(new, old);
    }
}

/// Before a delete.
pub(crate) fn before_delete(resource: &Resource, name: &str) -> Result<(), Status> {
    if resource.is("", "namespaces") && KEPT_NAMESPACES.contains(&name) {
        return Err(Status::forbidden(&resource.gvr, name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// After an object is gone.
pub(crate) fn after_delete(core: &Arc<Core>, resource: &Resource, object: &Object) {
    if resource.is("", "services") {
        core.allocator.release(object);
    }
}

/// `namespaces/finalize` changes nothing but `spec.finalizers`.
pub(crate) fn keep_all_but_finalizers(new: &mut Object, old: &Object) {
    let finalizers = new.at("/spec/finalizers").cloned();
    let managed = new.at("/metadata/managedFields").cloned();
    let version = new.resource_version().to_owned();
    *new = old.clone();
    match finalizers {
        Some(finalizers) => new.set("/spec/finalizers", finalizers),
        None => {
            new.remove("/spec/finalizers");
        }
    }
    if let Some(managed) = managed {
        new.set("/metadata/managedFields", managed);
    }
    new.metadata_mut().insert("resourceVersion".into(), version.into());
}

/// `certificatesigningrequests/approval` changes only the conditions of the status.
pub(crate) fn keep_all_but_approval(new: &mut Object, old: &Object) {
    let conditions = new.at("/status/conditions").cloned();
    let managed = new.at("/metadata/managedFields").cloned();
    let version = new.resource_version().to_owned();
    *new = old.clone();
    if let Some(conditions) = conditions {
        new.set("/status/conditions", conditions);
    }
    if let Some(managed) = managed {
        new.set("/metadata/managedFields", managed);
    }
    new.metadata_mut().insert("resourceVersion".into(), version.into());
}
