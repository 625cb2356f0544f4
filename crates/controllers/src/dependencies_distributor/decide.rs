//! What an independent binding means for the bindings of what its template needs. Pure.

use std::collections::BTreeMap;

use api::config::DependentObjectReference;
use api::names::{annotations, labels};
use api::policy::ConflictResolution;
use api::work::{BindingSnapshot, ResourceBindingSpec, TargetCluster};
use api::{Scope, naming};
use machinery::{Object, ObjectKey};
use propagation::binding::{self, ForeignOwner};
use propagation::{BindingKey, Write};
use serde_json::Value;

/// A binding whose template needs other objects beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Independent<'a> {
    pub(super) key: &'a ObjectKey,
    /// Its permanent id.
    pub(super) id: &'a str,
    /// Where it is scheduled.
    pub(super) clusters: &'a [TargetCluster],
}

impl Independent<'_> {
    /// The label by which attached bindings name this one.
    pub(super) fn label(&self) -> String {
        naming::depended_by_label(&self.key.namespace, &self.key.name)
    }

    fn snapshot(&self) -> BindingSnapshot {
        BindingSnapshot {
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            clusters: self.clusters.to_vec(),
        }
    }

    fn is(&self, snapshot: &BindingSnapshot) -> bool {
        snapshot.namespace == self.key.namespace && snapshot.name == self.key.name
    }
}

/// What a binding wants of the objects its template needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    overwrites: bool,
    preserves: bool,
}

impl Wish {
    /// The wish of a binding as it is stored.
    pub(super) fn of(binding: &Object) -> Self {
        let preserves = binding.at("/spec/preserveResourcesOnDeletion").and_then(Value::as_bool);
        Self {
            overwrites: binding.str_at("/spec/conflictResolution") == Some("Overwrite"),
            preserves: preserves == Some(true),
        }
    }
}

/// The wishes of several bindings in one; what is not the default wins. With what they disagree about.
fn resolve(wishes: &[Wish]) -> (Wish, Vec<&'static str>) {
    let some = |of: fn(&Wish) -> bool| wishes.iter().any(of);
    let all = |of: fn(&Wish) -> bool| wishes.iter().all(of);
    let resolved = Wish { overwrites: some(|w| w.overwrites), preserves: some(|w| w.preserves) };
    let mut conflicts = Vec::new();
    if resolved.overwrites && !all(|w| w.overwrites) {
        conflicts.push("ConflictResolution conflicted (Overwrite vs Abort)");
    }
    if resolved.preserves && !all(|w| w.preserves) {
        conflicts.push("PreserveResourcesOnDeletion conflicted (true vs false)");
    }
    (resolved, conflicts)
}

/// What becomes of an attached binding.
#[derive(Debug, PartialEq)]
pub(super) struct Attachment {
    pub(super) write: Write,
    /// What those that need the object disagree about.
    pub(super) conflicts: Vec<&'static str>,
}

/// The binding of an object that independent bindings of a namespace need.
pub(super) fn key(namespace: &str, kind: &str, name: &str) -> BindingKey {
    BindingKey { scope: Scope::Namespaced, key: ObjectKey::new(namespace, &naming::binding(kind, name)) }
}

/// Decides how the binding of something needed has to change. `wish` finds the wish of a binding that needs it;
/// `new_id` is the id of a new binding.
///
/// # Errors
/// When the binding there is belongs to an earlier object of the same name.
pub(super) fn attach(
    existing: Option<&Object>,
    dependency: &Object,
    independent: &Independent<'_>,
    wish: impl Fn(&ObjectKey) -> Option<Wish>,
    new_id: impl FnOnce() -> String,
) -> Result<Attachment, ForeignOwner> {
    let key = key(&independent.key.namespace, dependency.kind(), dependency.name());
    let (mut attached, mut changed) = binding::own(existing, dependency, &key, new_id)?;
    let label = independent.label();
    if attached.label(&label) != Some(independent.id) {
        attached.set_label(&label, independent.id);
        changed = true;
    }
    let old = existing.and_then(|existing| binding::specification_of(existing).ok());
    let mut spec = old.clone().unwrap_or_default();
    spec.resource = binding::reference(dependency);
    match spec.required_by.iter_mut().find(|snapshot| independent.is(snapshot)) {
        Some(snapshot) => snapshot.clusters = independent.clusters.to_vec(),
        None => spec.required_by.push(independent.snapshot()),
    }
    let conflicts = govern(&mut spec, wish);
    if old.as_ref() != Some(&spec) {
        binding::set_specification(&mut attached, &spec, old.as_ref());
        changed = true;
    }
    let write = match (existing, changed) {
        (None, _) => Write::Create(Box::new(attached)),
        (Some(_), true) => Write::Update(Box::new(attached)),
        (Some(_), false) => Write::None,
    };
    Ok(Attachment { write, conflicts })
}

/// Decides how a binding changes that an independent one does not need any more.
pub(super) fn detach(
    attached: &Object,
    independent: &Independent<'_>,
    wish: impl Fn(&ObjectKey) -> Option<Wish>,
) -> Attachment {
    let mut detached = attached.clone();
    let mut changed = detached.remove_label(&independent.label());
    let Ok(old) = binding::specification_of(attached) else {
        // It cannot be read, and so nothing reads it.
        return Attachment { write: Write::None, conflicts: Vec::new() };
    };
    let mut spec = old.clone();
    spec.required_by.retain(|snapshot| !independent.is(snapshot));
    let conflicts = govern(&mut spec, wish);
    if old != spec {
        binding::set_specification(&mut detached, &spec, Some(&old));
        changed = true;
    }
    let write = if changed { Write::Update(Box::new(detached)) } else { Write::None };
    Attachment { write, conflicts }
}

/// Sets what the bindings that need this one decide together, unless a policy of its own does.
fn govern(spec: &mut ResourceBindingSpec, wish: impl Fn(&ObjectKey) -> Option<Wish>) -> Vec<&'static str> {
    if spec.placement.is_some() {
        return Vec::new();
    }
    if spec.required_by.is_empty() {
        spec.conflict_resolution = None;
        spec.preserve_resources_on_deletion = None;
        return Vec::new();
    }
    let key = |snapshot: &BindingSnapshot| ObjectKey::new(&snapshot.namespace, &snapshot.name);
    let wishes: Vec<Wish> = spec.required_by.iter().filter_map(|snapshot| wish(&key(snapshot))).collect();
    let (resolved, conflicts) = resolve(&wishes);
    let resolution =
        if resolved.overwrites { ConflictResolution::Overwrite } else { ConflictResolution::Abort };
    spec.conflict_resolution = Some(resolution);
    spec.preserve_resources_on_deletion = Some(resolved.preserves);
    conflicts
}

/// Dependencies in the order in which they are recorded, each once.
pub(super) fn sorted(mut dependencies: Vec<DependentObjectReference>) -> Vec<DependentObjectReference> {
    fn key(d: &DependentObjectReference) -> (&str, &str, &str, &str) {
        (&d.api_version, &d.kind, &d.namespace, &d.name)
    }
    dependencies.sort_by(|a, b| key(a).cmp(&key(b)));
    dependencies.dedup();
    dependencies
}

/// The dependencies that a binding has on record.
pub(super) fn recorded(binding: &Object) -> Vec<DependentObjectReference> {
    let text = binding.annotation(annotations::DEPENDENCIES);
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Whether dependencies name or select an object.
pub(super) fn selects(
    dependencies: &[DependentObjectReference],
    reference: (&str, &str, &str, &str),
    object_labels: Option<&BTreeMap<String, String>>,
) -> bool {
    let (api_version, kind, namespace, name) = reference;
    dependencies.iter().any(|dependency| {
        let is_kind = dependency.api_version == api_version
            && dependency.kind == kind
            && dependency.namespace == namespace;
        is_kind
            && match &dependency.label_selector {
                _ if !dependency.name.is_empty() => dependency.name == name,
                Some(selector) => object_labels.is_some_and(|labels| {
                    matching::labels_match(selector, |key| labels.get(key).map(String::as_str))
                }),
                None => false,
            }
    })
}

/// Whether dependencies name or select an object as it is.
pub(super) fn selects_object(dependencies: &[DependentObjectReference], object: &Object) -> bool {
    let labels = object.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let reference = (object.api_version(), object.kind(), object.namespace(), object.name());
    selects(dependencies, reference, Some(&labels))
}

/// Under what an index finds the bindings that may need an object of a kind and namespace: by its name, or by
/// a selector, for which the name is empty.
pub(super) fn index_value(api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
    format!("{api_version} {kind} {namespace}/{name}")
}

/// The values under which an index finds a binding by what it needs.
pub(super) fn needs(binding: &Object) -> Vec<String> {
    recorded(binding).iter().map(|d| index_value(&d.api_version, &d.kind, &d.namespace, &d.name)).collect()
}

/// The values under which an index finds an attached binding by what needs it.
pub(super) fn needed_by(binding: &Object) -> Vec<String> {
    let marks = binding.labels().filter(|(key, _)| key.starts_with(labels::DEPENDED_BY_PREFIX));
    marks.map(|(key, id)| format!("{key}={id}")).collect()
}
