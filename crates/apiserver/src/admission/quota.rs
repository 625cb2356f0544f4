//! ResourceQuota: a write that takes more than a namespace's quotas have left is refused; what is taken is
//! written down at once, so that two writers cannot take the same rest.

use std::sync::Arc;

use kinds::usage::{self, Usage};
use machinery::{Object, Status};
use store::Expect;

use super::{Attributes, Operation};
use crate::core::Core;
use crate::storage::{self, codec};

/// How often a quota that somebody else writes at the same time is read again.
const ATTEMPTS_MAX: usize = 8;

/// Kinds whose updates can take more.
const MEASURED: &[&str] = &["services", "persistentvolumeclaims"];

/// Charges the quotas of the namespace for a write, or refuses it.
pub(crate) async fn charge(
    attributes: &Attributes,
    object: &Object,
    old: Option<&Object>,
    core: &Arc<Core>,
) -> Result<(), Status> {
    let plural = attributes.resource.resource.as_str();
    let counted = match attributes.operation {
        Operation::Create => true,
        Operation::Update => attributes.resource.group.is_empty() && MEASURED.contains(&plural),
        Operation::Delete | Operation::Connect => false,
    };
    if !counted || !attributes.namespaced || !attributes.subresource.is_empty() {
        return Ok(());
    }
    let quotas = core.cached_in("", "resourcequotas", &attributes.namespace);
    if quotas.is_empty() {
        return Ok(());
    }
    let of = |object: &Object| usage::of(&attributes.resource.group, plural, object);
    let (before, after) = (old.map(of).unwrap_or_default(), of(object));
    for quota in quotas.iter().filter(|quota| usage::applies(quota, plural, object)) {
        if plural == "pods"
            && attributes.resource.group.is_empty()
            && let Some(why) = usage::unstated(quota, object)
        {
            return Err(Status::forbidden(&attributes.resource, object.name(), &why));
        }
        take(attributes, object, quota.name(), &before, &after, core).await?;
    }
    Ok(())
}

async fn take(
    attributes: &Attributes,
    object: &Object,
    quota: &str,
    before: &Usage,
    after: &Usage,
    core: &Arc<Core>,
) -> Result<(), Status> {
    let key = storage::key(&storage::prefix("", "resourcequotas"), &attributes.namespace, quota);
    for _ in 0..ATTEMPTS_MAX {
        let Some(kv) = core.store.get(&key).await.map_err(storage::failure)? else {
            return Ok(());
        };
        let mut current = codec::decode(&kv.value, kv.revision)?;
        let used = usage::charge(&current, before, after)
            .map_err(|why| Status::forbidden(&attributes.resource, object.name(), &why))?;
        let Some(used) = used.filter(|_| !attributes.dry_run) else {
            return Ok(());
        };
        current.set("/status/used", used);
        let put = core.store.put(&key, codec::encode(&current).into(), Expect::Revision(kv.revision)).await;
        match put {
            Ok(_) => return Ok(()),
            Err(store::Error::Unexpected { .. }) => {}
            Err(error) => return Err(storage::failure(error)),
        }
    }
    Err(Status::conflict(
        &attributes.resource,
        object.name(),
        "the namespace's quota is being written by many",
    ))
}
