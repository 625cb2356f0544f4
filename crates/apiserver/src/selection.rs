//! Which objects of a resource a list or watch is about.

use machinery::Status;
use machinery::selector::{FieldSelector, LabelSelector};

use crate::core::Context;
use crate::resource::Resource;
use crate::storage::cache::Entry;

/// Namespace, labels and fields that objects are selected by.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Prefix of the keys.
    pub(crate) prefix: String,
    name: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// Reads the selectors of a request.
    pub(crate) fn of(cx: &Context) -> Result<Self, Status> {
        let labels = LabelSelector::parse(cx.query.text("labelSelector")).map_err(Status::bad_request)?;
        let fields = FieldSelector::parse(cx.query.text("fieldSelector")).map_err(Status::bad_request)?;
        for requirement in fields.requirements() {
            if let Some(status) = cx.resource.unknown_field(&requirement.path) {
                return Err(status);
            }
        }
        let name = Some(cx.target.name.clone()).filter(|n| !n.is_empty());
        Ok(Self { prefix: cx.resource.scope_prefix(cx.namespace()), name, labels, fields })
    }

    /// Whether every object of the scope is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.name.is_none() && self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, resource: &Resource, entry: &Entry) -> bool {
        if !entry.key.starts_with(&self.prefix) {
            return false;
        }
        let (namespace, name) = entry.names(resource.cache.prefix.len());
        if self.name.as_ref().is_some_and(|wanted| wanted != name) {
            return false;
        }
        if !self.labels.is_everything() {
            let labels = entry.labels();
            if !self.labels.matches(|key| labels.get(key).map(String::as_str)) {
                return false;
            }
        }
        self.fields.is_everything() || self.fields_match(resource, entry, namespace, name)
    }

    fn fields_match(&self, resource: &Resource, entry: &Entry, namespace: &str, name: &str) -> bool {
        let by_key = |path: &str| match path {
            "metadata.name" => Some(name),
            "metadata.namespace" => Some(namespace),
            _ => None,
        };
        // Most field selectors are about the name; only the others need the object.
        let (by_name, rest): (Vec<_>, Vec<_>) =
            self.fields.requirements().iter().partition(|r| by_key(&r.path).is_some());
        if by_name.iter().any(|r| (by_key(&r.path) == Some(r.value.as_str())) != r.equals) {
            return false;
        }
        if rest.is_empty() {
            return true;
        }
        let Ok(object) = resource.read_entry(entry) else { return false };
        rest.iter().all(|r| {
            let value = resource.field(&object, &r.path).unwrap_or_default();
            (value == r.value) == r.equals
        })
    }
}
