//! A served resource: one kind in one version, built in or from a CustomResourceDefinition.
//!
//! Handlers know only this type; what differs between kinds is data here or a function of [`Nature`].

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use kinds::{Generation, Kind};
use machinery::{Cause, GroupVersionKind, GroupVersionResource, Object, Status};
use schema::Schema;
use serde_json::Value;
use store::Revision;
use tokio_util::sync::CancellationToken;

use crate::crd::version::CustomVersion;
use crate::storage::cache::{Cache, Entry};
use crate::storage::codec;

/// Where the rules of a resource come from.
#[derive(Debug)]
pub(crate) enum Nature {
    /// The table of built-in kinds.
    Builtin(&'static Kind),
    /// A version of a CustomResourceDefinition.
    Custom(Arc<CustomVersion>),
}

/// A subresource as discovery shows it.
#[derive(Debug, Clone)]
pub(crate) struct Subresource {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) verbs: Vec<&'static str>,
}

/// One kind in one version, as served.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) gvr: GroupVersionResource,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether objects are kept; reviews are not.
    pub(crate) stored: bool,
    pub(crate) verbs: Vec<&'static str>,
    pub(crate) subresources: Vec<Subresource>,
    /// `apiVersion` of this version.
    pub(crate) api_version: String,
    /// How the stored form starts when it is this version's form.
    pub(crate) head: String,
    /// `apiVersion` objects are stored as.
    pub(crate) storage_api_version: String,
    /// Objects and recent changes, shared by all versions.
    pub(crate) cache: Arc<Cache>,
    /// Cancelled when the resource is served no more or differently: watches end.
    pub(crate) retired: CancellationToken,
    pub(crate) nature: Nature,
    /// A built-in kind's shape, looked up once.
    pub(crate) shape: OnceLock<Option<&'static Schema>>,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct TableColumn {
    pub(crate) name: Cow<'static, str>,
    pub(crate) ty: Cow<'static, str>,
    pub(crate) format: Cow<'static, str>,
    pub(crate) priority: i64,
    pub(crate) description: Cow<'static, str>,
}

impl Resource {
    /// A built-in kind. `api_version` and storage come from the table.
    pub(crate) fn builtin(kind: &'static Kind, cache: Arc<Cache>) -> Self {
        let gvr = kind.gvr();
        let api_version = gvr.api_version();
        let own = |s: &[&str]| s.iter().map(|s| (*s).to_owned()).collect();
        Self {
            kind: kind.kind.to_owned(),
            list_kind: format!("{}List", kind.kind),
            singular: kind.singular.to_owned(),
            short_names: own(kind.short_names),
            categories: own(kind.categories),
            namespaced: kind.namespaced,
            stored: kind.stored,
            verbs: kind.verbs.to_vec(),
            subresources: kind.subresources.iter().map(subresource).collect(),
            head: codec::head(&api_version, kind.kind),
            storage_api_version: kind.storage_gvk().api_version(),
            api_version,
            cache,
            retired: CancellationToken::new(),
            nature: Nature::Builtin(kind),
            shape: OnceLock::new(),
            gvr,
        }
    }

    /// Group, version and kind.
    pub(crate) fn gvr_kind(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }

    /// What clients of the resource are warned of.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        match &self.nature {
            Nature::Builtin(kind) => Some(kind.deprecation).filter(|text| !text.is_empty()),
            Nature::Custom(custom) => custom.deprecation.as_deref(),
        }
    }

    /// The CustomResourceDefinition's version, for custom resources.
    pub(crate) fn custom(&self) -> Option<&CustomVersion> {
        match &self.nature {
            Nature::Builtin(_) => None,
            Nature::Custom(custom) => Some(custom),
        }
    }

    /// The built-in kind.
    pub(crate) fn builtin_kind(&self) -> Option<&'static Kind> {
        match &self.nature {
            Nature::Builtin(kind) => Some(kind),
            Nature::Custom(_) => None,
        }
    }

    /// Whether this is the built-in resource of a name.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.gvr.resource == plural && self.gvr.group == group
    }

    pub(crate) fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|s| s.name == name)
    }

    /// Key of an object.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        crate::storage::key(&self.cache.prefix, if self.namespaced { namespace } else { "" }, name)
    }

    /// Prefix of the keys of a namespace, or of all objects.
    pub(crate) fn scope_prefix(&self, namespace: &str) -> String {
        if self.namespaced && !namespace.is_empty() {
            format!("{}{namespace}/", self.cache.prefix)
        } else {
            self.cache.prefix.clone()
        }
    }

    /// 422 for an object of this kind.
    pub(crate) fn invalid(&self, name: &str, causes: Vec<Cause>) -> Status {
        Status::invalid(&self.gvr.group, &self.kind, name, causes)
    }

    /// The typed shape, where known.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        match &self.nature {
            Nature::Builtin(kind) => *self.shape.get_or_init(|| schema::builtin::kind(&kind.gvk())),
            Nature::Custom(custom) => custom.schema(),
        }
    }

    /// Reads a stored object in this version's form, resource version included.
    pub(crate) fn read(&self, stored: &[u8], revision: Revision) -> Result<Object, Status> {
        let mut object = codec::decode(stored, revision)?;
        if !stored.starts_with(self.head.as_bytes()) {
            self.convert_stored(&mut object);
        }
        Ok(object)
    }

    fn convert_stored(&self, object: &mut Object) {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.from_storage)(object),
            Nature::Custom(custom) => custom.convert_stored(object),
        }
        object.fields_mut().insert("apiVersion".into(), self.api_version.as_str().into());
        object.fields_mut().insert("kind".into(), self.kind.as_str().into());
    }

    /// The stored form of an object of this version.
    pub(crate) fn encode(&self, object: &Object) -> Bytes {
        if self.storage_api_version == self.api_version {
            return codec::encode(object).into();
        }
        let mut object = object.clone();
        if let Nature::Builtin(kind) = &self.nature {
            (kind.rules.to_storage)(&mut object);
        }
        object.fields_mut().insert("apiVersion".into(), self.storage_api_version.as_str().into());
        codec::encode(&object).into()
    }

    /// Appends the sent form of a stored object in this version.
    pub(crate) fn send_into(&self, out: &mut Vec<u8>, stored: &[u8], revision: Revision) {
        if stored.starts_with(self.head.as_bytes()) {
            codec::send_into(out, stored, revision);
            return;
        }
        match self.read(stored, revision) {
            Ok(object) => codec::send_into(out, &codec::encode(&object), revision),
            Err(_) => codec::send_into(out, stored, revision),
        }
    }

    /// The sent form of a stored object in this version.
    pub(crate) fn send(&self, stored: &[u8], revision: Revision) -> Bytes {
        let mut out = Vec::new();
        self.send_into(&mut out, stored, revision);
        out.into()
    }

    /// Reads a cached object.
    pub(crate) fn read_entry(&self, entry: &Entry) -> Result<Object, Status> {
        self.read(&entry.bytes, entry.revision)
    }

    pub(crate) fn default(&self, object: &mut Object) {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.default)(object),
            Nature::Custom(custom) => custom.prune_and_default(object),
        }
    }

    /// What is wrong with a name.
    pub(crate) fn name_rule(&self) -> fn(&str) -> Vec<String> {
        match &self.nature {
            Nature::Builtin(kind) => kind.rules.name,
            Nature::Custom(_) => machinery::names::dns_subdomain,
        }
    }

    pub(crate) fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    pub(crate) fn prepare_create(&self, object: &mut Object) {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.prepare_create)(object),
            Nature::Custom(_) if self.has_status() => {
                object.fields_mut().remove("status");
            }
            Nature::Custom(_) => {}
        }
    }

    pub(crate) fn prepare_update(&self, new: &mut Object, old: &Object) {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.prepare_update)(new, old),
            Nature::Custom(_) if self.has_status() => keep(new, old, "status"),
            Nature::Custom(_) => {}
        }
    }

    pub(crate) fn prepare_status_update(&self, new: &mut Object, old: &Object) {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.prepare_status_update)(new, old),
            // The usual case, and comparing copies nothing: a Work carries whole manifests.
            Nature::Custom(_) if differs_in_status_only(new, old) => {}
            Nature::Custom(_) => {
                let status = new.fields_mut().remove("status");
                let sent_fields = new.metadata().and_then(|m| m.get("managedFields")).cloned();
                let sent_version = new.metadata().and_then(|m| m.get("resourceVersion")).cloned();
                let mut kept = old.clone();
                kept.fields_mut().remove("status");
                if let Some(status) = status {
                    kept.fields_mut().insert("status".into(), status);
                }
                for (name, value) in [("managedFields", sent_fields), ("resourceVersion", sent_version)] {
                    match value {
                        Some(value) => kept.metadata_mut().insert(name.into(), value),
                        None => kept.metadata_mut().remove(name),
                    };
                }
                *new = kept;
            }
        }
    }

    pub(crate) fn validate_create(&self, object: &Object) -> Vec<Cause> {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.validate_create)(object),
            Nature::Custom(custom) => custom.validate(object, None),
        }
    }

    pub(crate) fn validate_update(&self, new: &Object, old: &Object) -> Vec<Cause> {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.validate_update)(new, old),
            Nature::Custom(custom) => custom.validate(new, Some(old)),
        }
    }

    pub(crate) fn validate_status_update(&self, new: &Object, old: &Object) -> Vec<Cause> {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.validate_status_update)(new, old),
            Nature::Custom(custom) => custom.validate(new, Some(old)),
        }
    }

    fn generation_rule(&self) -> Generation {
        match &self.nature {
            Nature::Builtin(kind) => kind.generation,
            Nature::Custom(_) => Generation::Content,
        }
    }

    /// Sets the generation of a new object.
    pub(crate) fn first_generation(&self, object: &mut Object) {
        if self.generation_rule() == Generation::None {
            object.metadata_mut().remove("generation");
        } else {
            object.metadata_mut().insert("generation".into(), 1.into());
        }
    }

    /// Sets the generation of a changed object.
    pub(crate) fn next_generation(&self, new: &mut Object, old: &Object) {
        let same = |field: &str| new.fields().get(field) == old.fields().get(field);
        let same_meta = |field: &str| {
            new.metadata().and_then(|m| m.get(field)) == old.metadata().and_then(|m| m.get(field))
        };
        let keeps_status = self.has_status();
        let same_content = || {
            let counts = |name: &str| {
                !matches!(name, "metadata" | "apiVersion" | "kind") && (name != "status" || !keeps_status)
            };
            new.fields().keys().chain(old.fields().keys()).all(|name| !counts(name) || same(name))
        };
        let grown = match self.generation_rule() {
            Generation::None => false,
            Generation::Spec => !same("spec"),
            Generation::Content => !same_content(),
            Generation::SpecAndAnnotations => !same("spec") || !same_meta("annotations"),
            Generation::ContentAndLabels => !same_content() || !same_meta("labels"),
        };
        let generation = old.generation() + i64::from(grown);
        if generation > 0 {
            new.metadata_mut().insert("generation".into(), generation.into());
        } else {
            new.metadata_mut().remove("generation");
        }
    }

    pub(crate) fn create_on_update(&self) -> bool {
        self.builtin_kind().is_some_and(|k| k.create_on_update)
    }

    pub(crate) fn orphans_dependents(&self) -> bool {
        self.builtin_kind().is_some_and(|k| k.orphans_dependents)
    }

    pub(crate) fn returns_deleted(&self) -> bool {
        self.builtin_kind().is_some_and(|k| k.returns_deleted)
    }

    /// Value of a field selector's label.
    pub(crate) fn field(&self, object: &Object, label: &str) -> Option<String> {
        match &self.nature {
            Nature::Builtin(kind) => kind.field(object, label),
            Nature::Custom(custom) => custom.field(object, label),
        }
    }

    /// What is wrong with a field selector's label, if anything.
    pub(crate) fn unknown_field(&self, label: &str) -> Option<Status> {
        if label == "metadata.name" || (label == "metadata.namespace" && self.namespaced) {
            return None;
        }
        let (known, plain) = match &self.nature {
            Nature::Builtin(kind) => (kind.knows_field(label), kind.rules.field_labels.is_empty()),
            Nature::Custom(custom) => (custom.knows_field(label), false),
        };
        if known {
            return None;
        }
        Some(Status::bad_request(if plain {
            format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        } else {
            format!("field label not supported: {label}")
        }))
    }

    pub(crate) fn columns(&self) -> Vec<TableColumn> {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.columns)()
                .iter()
                .map(|c| TableColumn {
                    name: c.name.into(),
                    ty: c.ty.into(),
                    format: c.format.into(),
                    priority: c.priority.into(),
                    description: c.description.into(),
                })
                .collect(),
            Nature::Custom(custom) => custom.columns(),
        }
    }

    pub(crate) fn cells(&self, object: &Object, now: i64) -> Vec<Value> {
        match &self.nature {
            Nature::Builtin(kind) => (kind.rules.cells)(object, now),
            Nature::Custom(custom) => custom.cells(object, now),
        }
    }

    pub(crate) fn row_conditions(&self, object: &Object) -> Option<Value> {
        self.builtin_kind().and_then(|k| (k.rules.row_conditions)(object))
    }
}

fn subresource(s: &kinds::Subresource) -> Subresource {
    Subresource {
        name: s.name.to_owned(),
        group: s.group.to_owned(),
        version: s.version.to_owned(),
        kind: s.kind.to_owned(),
        verbs: s.verbs.to_vec(),
    }
}

/// Puts a stored top-level field in the place of the one sent.
pub(crate) fn keep(new: &mut Object, old: &Object, field: &str) {
    match old.fields().get(field) {
        Some(value) => new.fields_mut().insert(field.into(), value.clone()),
        None => new.fields_mut().remove(field),
    };
}

/// Whether everything but the status, and what the server itself keeps in the metadata, is the same.
fn differs_in_status_only(new: &Object, old: &Object) -> bool {
    let without =
        |map: &'static [&'static str]| move |(name, _): &(&String, &Value)| !map.contains(&name.as_str());
    let fields = without(&["status", "metadata"]);
    let metadata = without(&["managedFields", "resourceVersion"]);
    let (Some(new_metadata), Some(old_metadata)) = (new.metadata(), old.metadata()) else { return false };
    new.fields().iter().filter(&fields).eq(old.fields().iter().filter(&fields))
        && new_metadata.iter().filter(&metadata).eq(old_metadata.iter().filter(&metadata))
}
