//! Who wrote which field: `metadata.managedFields`, by the rules of the `patch` crate.

use std::sync::LazyLock;

use machinery::Object;
use patch::{FieldSet, Writer, managed};
use schema::Schema;

use crate::core::Core;
use crate::http::query::WriteOptions;
use crate::resource::Resource;

/// The schema of a kind without one.
static UNTYPED: LazyLock<Schema> = LazyLock::new(Schema::default);

/// Keeps track of the fields one write touches.
pub(crate) struct Tracker<'a> {
    resource: &'a Resource,
    subresource: &'a str,
    options: &'a WriteOptions,
}

/// The shape by which a resource's fields are told apart.
pub(crate) fn schema_of(resource: &Resource) -> &Schema {
    resource.schema().unwrap_or(&UNTYPED)
}

/// Fields that a write through an endpoint cannot change.
pub(crate) fn reset(resource: &Resource, subresource: &str) -> FieldSet {
    match subresource {
        "" | "scale" if resource.has_status() => FieldSet::of_fields(&["status"]),
        "" | "scale" => FieldSet::EMPTY,
        _ if resource.custom().is_some() => FieldSet::of_fields(&["spec", "metadata"]),
        _ => FieldSet::of_fields(&["spec"]),
    }
}

impl<'a> Tracker<'a> {
    pub(crate) fn new(resource: &'a Resource, subresource: &'a str, options: &'a WriteOptions) -> Self {
        Self { resource, subresource, options }
    }

    /// Records the creator of a new object.
    pub(crate) fn track_new(&self, object: &mut Object, core: &Core) {
        self.track(None, object, core);
    }

    /// Records the writer of a change.
    pub(crate) fn track_change(&self, new: &mut Object, old: &Object, core: &Core) {
        self.track(Some(old), new, core);
    }

    fn track(&self, old: Option<&Object>, new: &mut Object, core: &Core) {
        let writer = Writer {
            manager: &self.options.field_manager,
            subresource: self.subresource,
            api_version: &self.resource.api_version,
            now: core.clock.now(),
        };
        let reset = reset(self.resource, self.subresource);
        managed::track_update(old, new, &writer, schema_of(self.resource), &reset);
    }
}
