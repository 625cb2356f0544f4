//! Fields of a member's copy that belong to the member.

use api::names::labels::RETAIN_REPLICAS;
use machinery::Object;
use serde_json::Value;

use crate::{Error, Operation, Result};

/// Copies one field; a field the member does not have stays as desired.
fn copy(desired: &mut Object, observed: &Object, pointer: &str) {
    if let Some(value) = observed.at(pointer) {
        desired.set(pointer, value.clone());
    }
}

/// Makes one field as the member has it, absent included.
fn take(desired: &mut Object, observed: &Object, pointer: &str) {
    match observed.at(pointer).filter(|value| !value.is_null()) {
        Some(value) => desired.set(pointer, value.clone()),
        None => drop(desired.remove(pointer)),
    }
}

/// A labelled template leaves the number of replicas to the member, where an autoscaler sets it.
pub(super) fn deployment(desired: &mut Object, observed: &Object) -> Result<()> {
    if desired.label(RETAIN_REPLICAS) != Some("true") {
        return Ok(());
    }
    let Some(replicas) = observed.i64_at("/spec/replicas") else {
        return Err(Error::new(
            Operation::Retain,
            desired,
            "the member's copy has no spec.replicas to retain",
        ));
    };
    desired.set("/spec/replicas", replicas);
    Ok(())
}

pub(super) fn pod(desired: &mut Object, observed: &Object) -> Result<()> {
    for field in ["/spec/nodeName", "/spec/serviceAccountName", "/spec/volumes"] {
        take(desired, observed, field);
    }
    for containers in ["/spec/containers", "/spec/initContainers"] {
        let Some(observed) = observed.at(containers).and_then(Value::as_array) else { continue };
        let desired = desired.value_mut().pointer_mut(containers).and_then(Value::as_array_mut);
        for container in desired.into_iter().flatten().filter_map(Value::as_object_mut) {
            let namesake = observed.iter().find(|o| o.get("name") == container.get("name"));
            match namesake.map(|o| o.get("volumeMounts")) {
                Some(Some(mounts)) => drop(container.insert("volumeMounts".into(), mounts.clone())),
                Some(None) => drop(container.remove("volumeMounts")),
                None => {}
            }
        }
    }
    Ok(())
}

pub(super) fn service(desired: &mut Object, observed: &Object) -> Result<()> {
    if observed.i64_at("/spec/healthCheckNodePort").is_some_and(|port| port > 0) {
        copy(desired, observed, "/spec/healthCheckNodePort");
    }
    if observed.str_at("/spec/clusterIP").is_some_and(|ip| !ip.is_empty()) {
        copy(desired, observed, "/spec/clusterIP");
    }
    Ok(())
}

/// Token and pull secrets a member's controllers added stay; the template's come first.
pub(super) fn service_account(desired: &mut Object, observed: &Object) -> Result<()> {
    for field in ["secrets", "imagePullSecrets"] {
        let Some(observed) = observed.value().get(field).and_then(Value::as_array) else { continue };
        let mut merged = desired.value().get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        for entry in observed {
            if !merged.iter().any(|known| known.get("name") == entry.get("name")) {
                merged.push(entry.clone());
            }
        }
        if !merged.is_empty() {
            desired.fields_mut().insert(field.into(), merged.into());
        }
    }
    Ok(())
}

pub(super) fn secret(desired: &mut Object, observed: &Object) -> Result<()> {
    if desired.str_at("/type") == Some("kubernetes.io/service-account-token") {
        copy(desired, observed, "/data");
    }
    Ok(())
}

pub(super) fn volume_claim(desired: &mut Object, observed: &Object) -> Result<()> {
    if observed.str_at("/spec/volumeName").is_some_and(|name| !name.is_empty()) {
        copy(desired, observed, "/spec/volumeName");
    }
    Ok(())
}

pub(super) fn volume(desired: &mut Object, observed: &Object) -> Result<()> {
    copy(desired, observed, "/spec/claimRef");
    Ok(())
}

/// The uid labels the member's Job controller generated; pruning took the template's away.
pub(super) fn job(desired: &mut Object, observed: &Object) -> Result<()> {
    copy(desired, observed, "/spec/selector/matchLabels");
    copy(desired, observed, "/spec/template/metadata/labels");
    Ok(())
}
