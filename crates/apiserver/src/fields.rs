//! Who wrote which field: `metadata.managedFields`.

use machinery::Object;

use crate::core::Core;
use crate::http::query::WriteOptions;
use crate::resource::Resource;

/// Keeps track of the fields one write touches.
pub(crate) struct Tracker<'a> {
    resource: &'a Resource,
    subresource: &'a str,
    options: &'a WriteOptions,
}

impl<'a> Tracker<'a> {
    pub(crate) fn new(resource: &'a Resource, subresource: &'a str, options: &'a WriteOptions) -> Self {
        Self { resource, subresource, options }
    }

    /// Records the creator of a new object.
    pub(crate) fn track_new(&self, _object: &mut Object, _core: &Core) {
        let _ = (self.resource, self.subresource, self.options);
    }

    /// Records the writer of a change.
    pub(crate) fn track_change(&self, new: &mut Object, old: &Object, _core: &Core) {
        if new.at("/metadata/managedFields").is_none()
            && let Some(fields) = old.at("/metadata/managedFields")
        {
            new.set("/metadata/managedFields", fields.clone());
        }
    }
}
