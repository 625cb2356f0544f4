//! LimitRanger: what the LimitRanges of a namespace fill into its pods, and what they refuse.

use std::sync::Arc;

use kinds::limits;
use machinery::{Object, Status};

use super::{Attributes, Operation};
use crate::core::Core;

/// Whether LimitRanges are about such writes: new pods, and claims that are new or change their size.
fn is_limited(attributes: &Attributes) -> bool {
    let resource = attributes.resource.resource.as_str();
    attributes.resource.group.is_empty()
        && attributes.subresource.is_empty()
        && match attributes.operation {
            Operation::Create => matches!(resource, "pods" | "persistentvolumeclaims"),
            Operation::Update => resource == "persistentvolumeclaims",
            Operation::Delete | Operation::Connect => false,
        }
}

/// Fills requests and limits into a new pod.
pub(crate) fn fill(attributes: &Attributes, object: &mut Object, core: &Arc<Core>) {
    if !is_limited(attributes) || attributes.resource.resource != "pods" {
        return;
    }
    for range in core.cached_in("", "limitranges", &attributes.namespace) {
        limits::fill_defaults(object, &range);
    }
}

/// Refuses what is outside of the bounds.
pub(crate) fn check(attributes: &Attributes, object: &Object, core: &Arc<Core>) -> Result<(), Status> {
    if !is_limited(attributes) {
        return Ok(());
    }
    let ranges = core.cached_in("", "limitranges", &attributes.namespace);
    let found: Vec<String> = ranges.iter().flat_map(|range| limits::violations(object, range)).collect();
    let why = match found.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    Err(Status::forbidden(&attributes.resource, object.name(), &why))
}
