//! What single kinds do beyond their rules because it needs the rest of the server: addresses of
//! services, rights of role writers, names of requesters, the namespaces that stay.

use std::sync::Arc;

use kinds::{certificates, namespace, pod};
use machinery::{Cause, Object, Status};
use serde_json::Value;

use crate::allocate::Held;
use crate::auth::user::User;
use crate::core::Core;
use crate::crd;
use crate::resource::Resource;

/// Namespaces nobody may delete.
const KEPT_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public"];

/// Before defaults of a create: what the server knows better than the client.
pub(crate) fn stamp(resource: &Resource, user: &User, object: &mut Object) {
    if resource.is("certificates.k8s.io", "certificatesigningrequests") {
        let extra = user.extra.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect();
        certificates::stamp_requester(object, &user.name, &user.uid, &user.groups, &extra);
    }
}

/// Before admission of a create: what built-in plugins fill in, which nobody owns.
pub(crate) fn before_admission(resource: &Resource, object: &mut Object) {
    if resource.is("", "pods") {
        pod::admission_defaults(object);
    }
}

/// Before admission of an update of the main resource: as [`before_admission`].
pub(crate) fn before_update_admission(resource: &Resource, new: &mut Object, old: &Object) {
    if resource.is("", "pods") {
        pod::admission_defaults_of_change(new, old);
    }
}

/// Before a create is validated. What is held (addresses) is given back unless the write succeeds.
pub(crate) fn before_create(
    core: &Arc<Core>,
    resource: &Resource,
    user: &Arc<User>,
    object: &mut Object,
    causes: &mut Vec<Cause>,
) -> Result<Held, Status> {
    if resource.is("", "services") {
        return Ok(core.allocator.take(core, object, None, causes));
    } else if resource.is("", "pods") {
        prioritize(core, resource, object)?;
    } else if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        causes.extend(crd::object::schema_problems(object));
    } else if resource.gvr.group == authorization::GROUP {
        core.authorizer.check_escalation(core, user, resource, object, None)?;
    }
    if let Some(custom) = resource.custom() {
        custom.check_not_terminating(resource, object.name())?;
    }
    Ok(Held::nothing())
}

/// Gives a pod the priority of its class.
fn prioritize(core: &Arc<Core>, resource: &Resource, pod: &mut Object) -> Result<(), Status> {
    let class = pod.str_at("/spec/priorityClassName").unwrap_or_default().to_owned();
    if class.is_empty() {
        return Ok(());
    }
    let Some(found) = core.cached("scheduling.k8s.io", "priorityclasses", "", &class) else {
        let why = format!("no PriorityClass with name {class} was found");
        return Err(Status::forbidden(&resource.gvr, pod.name(), &why));
    };
    pod.set("/spec/priority", found.i64_at("/value").unwrap_or(0));
    let preemption = found.str_at("/preemptionPolicy").unwrap_or("PreemptLowerPriority");
    pod.set("/spec/preemptionPolicy", preemption);
    Ok(())
}

/// Before an update of the main resource is validated.
pub(crate) fn before_update(
    core: &Arc<Core>,
    resource: &Resource,
    user: &Arc<User>,
    new: &mut Object,
    old: &Object,
    causes: &mut Vec<Cause>,
) -> Result<Held, Status> {
    if resource.is("", "services") {
        return Ok(core.allocator.take(core, new, Some(old), causes));
    } else if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        if new.at("/spec/versions") != old.at("/spec/versions") {
            causes.extend(crd::object::schema_problems(new));
        }
    } else if resource.gvr.group == authorization::GROUP {
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

/// What a write through a subresource leaves as stored; false for one without rules of its own.
pub(crate) fn prepare_subresource(
    subresource: &str,
    new: &mut Object,
    old: &Object,
    causes: &mut Vec<Cause>,
) -> bool {
    match subresource {
        "finalize" => {
            let sent = std::mem::take(new);
            *new = namespace::finalize(old, &sent);
            keep_sent(new, &sent);
        }
        "approval" => {
            let sent = new.clone();
            certificates::prepare_approval(new, old);
            keep_sent(new, &sent);
        }
        "resize" => pod::prepare_resize(new, old),
        "ephemeralcontainers" => {
            if let Err(found) = pod::update_ephemeral_containers(new, old) {
                causes.extend(found);
            }
        }
        _ => return false,
    }
    true
}

/// The field owners and the version are those of the request.
fn keep_sent(new: &mut Object, sent: &Object) {
    for field in ["managedFields", "resourceVersion"] {
        match sent.metadata().and_then(|m| m.get(field)) {
            Some(value) => new.metadata_mut().insert(field.into(), value.clone()),
            None => new.metadata_mut().remove(field),
        };
    }
}
