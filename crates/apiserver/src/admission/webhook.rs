//! Admission webhooks.

use std::sync::Arc;

use machinery::{Object, Status};

use super::Attributes;
use crate::core::{Core, Warnings};

/// The configured webhooks.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {}

impl Webhooks {
    /// Calls the mutating webhooks one after another; says whether one changed the object.
    pub(crate) async fn mutate(
        &self,
        _attributes: &Attributes,
        _object: &mut Object,
        _old: Option<&Object>,
        _warnings: &Warnings,
        _core: &Arc<Core>,
    ) -> Result<bool, Status> {
        Ok(false)
    }

    /// Calls the mutating webhooks that look at a delete.
    pub(crate) async fn mutate_delete(
        &self,
        _attributes: &Attributes,
        _old: &Object,
        _warnings: &Warnings,
        _core: &Arc<Core>,
    ) -> Result<(), Status> {
        Ok(())
    }

    /// Calls the validating webhooks.
    pub(crate) async fn validate(
        &self,
        _attributes: &Attributes,
        _object: Option<&Object>,
        _old: Option<&Object>,
        _warnings: &Warnings,
        _core: &Arc<Core>,
    ) -> Result<(), Status> {
        Ok(())
    }
}
