//! Protection against deletion, for objects of any kind.

use api::names::{labels, values};

use crate::{Denial, Validation, World};

/// Refuses to delete what carries the label with the value `Always`.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    if request.object.label(labels::DELETION_PROTECTED) != Some(values::DELETION_PROTECTED_ALWAYS) {
        return Ok(());
    }
    Err(Denial::forbidden(format!(
        "This resource is protected, please make sure to remove the label: {}",
        labels::DELETION_PROTECTED,
    )))
}
