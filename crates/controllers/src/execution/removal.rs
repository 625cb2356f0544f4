//! What becomes of a member's objects when their Work goes: they go too, or are set free.

use std::sync::Arc;

use api::names::{annotations, finalizers, labels};
use client::{DeleteOptions, Propagation};
use machinery::Object;
use runtime::Outcome;
use serde_json::Value;

use super::{Error, ManifestError, manifests, observed};
use crate::context::{Context, TemplateKey};
use crate::members::{Connection, Member};
use crate::metrics::{self, MemberWrite};
use crate::view;

/// What must happen in the member before a Work may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// Its objects go, or are set free.
    Objects,
    /// A cluster that leaves takes its objects with it; nobody may be there to ask.
    Nothing,
    /// The cluster has to come back first.
    Wait,
}

pub(super) fn removal(cluster: &Object, connected: bool) -> Removal {
    match (view::is_ready(cluster) && connected, cluster.is_deleting()) {
        (true, _) => Removal::Objects,
        (false, true) => Removal::Nothing,
        (false, false) => Removal::Wait,
    }
}

/// Ends a Work: its objects go, or are set free, and then the finalizer.
pub(super) async fn remove(
    context: &Context,
    member: &Arc<Member>,
    cluster: &Object,
    work: &Object,
) -> Result<Outcome, Error> {
    if !work.has_finalizer(finalizers::EXECUTION) {
        return Ok(Outcome::Done);
    }
    let connection = member.connection();
    match (removal(cluster, connection.is_some()), connection) {
        (Removal::Objects, Some(connection)) => remove_objects(member, &connection, work).await?,
        (Removal::Nothing, _) => {}
        (Removal::Wait | Removal::Objects, _) => {
            let reason = member.failure().unwrap_or_else(|| "it is not ready".into());
            return Err(Error::NotConnected { cluster: member.name.clone(), reason });
        }
    }
    let mut released = work.clone();
    released.remove_finalizer(finalizers::EXECUTION);
    let result = context.work_resource(work.namespace()).update(&released).await;
    context.works().forget(&work.key());
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(error) if error.is_not_found() => Ok(Outcome::Done),
        Err(source) => Err(Error::Release { work: work.name().into(), source }),
    }
}

async fn remove_objects(member: &Arc<Member>, connection: &Connection, work: &Object) -> Result<(), Error> {
    let preserve = work.at("/spec/preserveResourcesOnDeletion").and_then(Value::as_bool) == Some(true);
    for manifest in manifests(work) {
        let result = if preserve {
            set_free(member, connection, &manifest).await
        } else {
            delete(member, connection, &manifest).await
        };
        result
            .map_err(Box::new)
            .map_err(|source| Error::Delete { object: TemplateKey::of(&manifest).to_string(), source })?;
    }
    member.records.forget(work.name());
    Ok(())
}

/// The object in the member, if it is there and ours.
async fn ours(
    member: &Arc<Member>,
    connection: &Connection,
    manifest: &Object,
) -> Result<Option<(client::Resource, Arc<Object>)>, ManifestError> {
    match observed(member, connection, manifest).await {
        Ok((resource, Some(object))) if object.label(labels::MANAGED) == Some("true") => {
            Ok(Some((resource, object)))
        }
        Ok((resource, None)) => {
            // The informer may not show yet what was created a moment ago.
            let object = TemplateKey::of(manifest).to_string();
            let read = |source| ManifestError::Read { object, source };
            let live = resource.find(manifest.name()).await.map_err(read)?;
            Ok(live.filter(|o| o.label(labels::MANAGED) == Some("true")).map(|o| (resource, Arc::new(o))))
        }
        Ok(_) | Err(ManifestError::Kind(crate::kinds::Error::NotServed(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn delete(
    member: &Arc<Member>,
    connection: &Connection,
    manifest: &Object,
) -> Result<(), ManifestError> {
    let Some((resource, object)) = ours(member, connection, manifest).await? else { return Ok(()) };
    if object.is_deleting() {
        return Ok(());
    }
    let options = DeleteOptions {
        propagation: Some(Propagation::Background),
        // A namesake that somebody else made meanwhile is not ours to delete.
        uid: Some(object.uid().to_owned()).filter(|uid| !uid.is_empty()),
        ..DeleteOptions::default()
    };
    let result = resource.delete_if_present(manifest.name(), &options).await;
    metrics::member_write(MemberWrite::Delete, &member.name, manifest, result.is_ok());
    result.map_err(|source| ManifestError::Write { object: TemplateKey::of(manifest).to_string(), source })
}

/// Labels that only mean something to us.
pub(super) const OUR_LABELS: [&str; 6] = [
    labels::PROPAGATION_POLICY_ID,
    labels::CLUSTER_PROPAGATION_POLICY_ID,
    labels::RESOURCE_BINDING_ID,
    labels::CLUSTER_RESOURCE_BINDING_ID,
    labels::WORK_ID,
    labels::MANAGED,
];

/// Annotations that only mean something to us.
pub(super) const OUR_ANNOTATIONS: [&str; 13] = [
    annotations::PROPAGATION_POLICY_NAMESPACE,
    annotations::PROPAGATION_POLICY_NAME,
    annotations::CLUSTER_PROPAGATION_POLICY_NAME,
    annotations::MANAGED_ANNOTATIONS,
    annotations::MANAGED_LABELS,
    annotations::RESOURCE_BINDING_NAMESPACE,
    annotations::RESOURCE_BINDING_NAME,
    annotations::CLUSTER_RESOURCE_BINDING_NAME,
    annotations::TEMPLATE_UID,
    annotations::TEMPLATE_GENERATION,
    annotations::WORK_NAMESPACE,
    annotations::WORK_NAME,
    annotations::CONFLICT_RESOLUTION,
];

/// An object without our marks.
pub(super) fn freed(object: &Object) -> Object {
    let mut freed = object.clone();
    for label in OUR_LABELS {
        freed.remove_label(label);
    }
    for annotation in OUR_ANNOTATIONS {
        freed.remove_annotation(annotation);
    }
    freed
}

/// Takes our marks off an object and leaves it to the member.
async fn set_free(
    member: &Arc<Member>,
    connection: &Connection,
    manifest: &Object,
) -> Result<(), ManifestError> {
    let Some((resource, object)) = ours(member, connection, manifest).await? else { return Ok(()) };
    let result = resource.update(&freed(&object)).await;
    metrics::member_write(MemberWrite::Update, &member.name, manifest, result.is_ok());
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        result => result
            .map(drop)
            .map_err(|source| ManifestError::Write { object: TemplateKey::of(manifest).to_string(), source }),
    }
}
