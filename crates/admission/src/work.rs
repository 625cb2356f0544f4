//! Work: what goes to a member is stripped of what only meant something here, and marked as ours.

use api::names::{annotations, labels};
use machinery::Object;
use serde_json::Value;

use crate::{Denial, Mutation, Operation, Source};

/// Gives a new Work its permanent id; prunes and marks its manifests.
pub(crate) fn mutate(
    request: &Mutation<'_>,
    object: &mut Object,
    source: &mut Source<'_>,
) -> Result<(), Denial> {
    if request.operation == Operation::Create {
        let id = (source.ids)();
        object.set_label(labels::WORK_ID, &id);
    }
    let id = object
        .label(labels::WORK_ID)
        .or_else(|| request.old.and_then(|old| old.label(labels::WORK_ID)))
        .map(ToOwned::to_owned);
    let manifests = object.value_mut().pointer_mut("/spec/workload/manifests").and_then(Value::as_array_mut);
    for (i, manifest) in manifests.into_iter().flatten().enumerate() {
        let prepared = Object::from_value(manifest.take())
            .map_err(|e| Denial::forbidden(format!("spec.workload.manifests[{i}]: {e}")))?;
        *manifest = prepare(prepared, id.as_deref()).into();
    }
    Ok(())
}

/// A manifest as it goes to the member.
fn prepare(mut manifest: Object, id: Option<&str>) -> Object {
    interpreter::prune_for_work(&mut manifest);
    if let Some(id) = id {
        manifest.set_label(labels::WORK_ID, id);
    }
    let keys: Vec<&str> = manifest.labels().map(|(key, _)| key).collect();
    let managed_labels = joined(keys);
    let mut keys: Vec<&str> = manifest.annotations().map(|(key, _)| key).collect();
    // The two lists are annotations of ours themselves.
    keys.extend([annotations::MANAGED_ANNOTATIONS, annotations::MANAGED_LABELS]);
    let managed_annotations = joined(keys);
    manifest.set_annotation(annotations::MANAGED_ANNOTATIONS, &managed_annotations);
    manifest.set_annotation(annotations::MANAGED_LABELS, &managed_labels);
    manifest
}

fn joined(mut keys: Vec<&str>) -> String {
    keys.sort_unstable();
    keys.dedup();
    keys.join(",")
}
