//! Works: how a manifest becomes one, for every controller that makes Works.

use std::collections::BTreeSet;

use api::Resource as _;
use api::names::{annotations, finalizers, labels};
use api::work::Work;
use machinery::{Object, ObjectKey, OwnerReference};
use serde_json::{Value, json};

use crate::{Write, merge_metadata};

/// The annotations by which a Work records what overrides changed: one that applies no more must not stay.
const RECORDS: [&str; 2] = [annotations::APPLIED_CLUSTER_OVERRIDES, annotations::APPLIED_OVERRIDES];

/// A Work that should exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Execution namespace of the cluster.
    pub namespace: String,
    /// Name, see [`api::naming::work`].
    pub name: String,
    /// Labels it must carry; others stay.
    pub labels: Vec<(String, String)>,
    /// Annotations it must carry; others stay.
    pub annotations: Vec<(String, String)>,
    /// The finalizer that guards it.
    pub finalizer: &'static str,
    /// The object, as it should be in the member; pruned and marked by [`prepare`] already.
    pub manifest: Object,
    /// The object with which the Work goes.
    pub owner: Option<OwnerReference>,
    /// Whether it is not brought into the member for now.
    pub suspended: bool,
    /// Whether the member keeps its object when the Work goes.
    pub preserve: bool,
}

/// Makes a template's copy fit to travel: marks it as ours, says which Work it belongs to, and leaves behind
/// what only means something where it came from.
pub fn prepare(manifest: &mut Object, template_uid: &str, namespace: &str, name: &str) {
    interpreter::prune_for_work(manifest);
    manifest.set_label(labels::MANAGED, "true");
    manifest.set_annotation(annotations::TEMPLATE_UID, template_uid);
    manifest.set_annotation(annotations::WORK_NAME, name);
    manifest.set_annotation(annotations::WORK_NAMESPACE, namespace);
}

/// Lists the labels and annotations that are ours, so that one taken off the template later can be told
/// from one that the member has added.
fn record_managed(manifest: &mut Object) {
    // Both lists name themselves, whether or not they were there before.
    manifest.set_annotation(annotations::MANAGED_ANNOTATIONS, "");
    manifest.set_annotation(annotations::MANAGED_LABELS, "");
    let list = |keys: BTreeSet<&str>| keys.into_iter().collect::<Vec<_>>().join(",");
    let managed_annotations = list(manifest.annotations().map(|(key, _)| key).collect());
    let managed_labels = list(manifest.labels().map(|(key, _)| key).collect());
    manifest.set_annotation(annotations::MANAGED_ANNOTATIONS, &managed_annotations);
    manifest.set_annotation(annotations::MANAGED_LABELS, &managed_labels);
}

impl Wanted {
    /// A Work that goes to the member at once, and takes its object along when it goes.
    pub fn new(namespace: String, name: String, manifest: Object) -> Self {
        Self {
            namespace,
            name,
            labels: Vec::new(),
            annotations: Vec::new(),
            finalizer: finalizers::EXECUTION,
            manifest,
            owner: None,
            suspended: false,
            preserve: false,
        }
    }

    /// Namespace and name.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    fn spec(&self, work_id: &str) -> Value {
        let mut manifest = self.manifest.clone();
        if let Some((_, resolution)) =
            self.annotations.iter().find(|(k, _)| k == annotations::CONFLICT_RESOLUTION)
        {
            manifest.set_annotation(annotations::CONFLICT_RESOLUTION, resolution);
        }
        manifest.set_label(labels::WORK_ID, work_id);
        record_managed(&mut manifest);
        let mut spec = json!({ "workload": { "manifests": [] } });
        spec["workload"]["manifests"] = Value::Array(vec![manifest.into()]);
        if self.suspended {
            spec["suspendDispatching"] = true.into();
        }
        if self.preserve {
            spec["preserveResourcesOnDeletion"] = true.into();
        }
        spec
    }

    /// Compares with the Work as it is; `new_id` is the id of a new one.
    pub fn compare(&self, existing: Option<&Object>, new_id: impl FnOnce() -> String) -> Write {
        let known_id = existing.and_then(|e| e.label(labels::WORK_ID)).filter(|id| !id.is_empty());
        let id = known_id.map_or_else(new_id, ToOwned::to_owned);
        let mut work = match existing {
            Some(existing) => existing.clone(),
            None => Object::new(&Work::KIND.api_version(), Work::KIND.kind, &self.namespace, &self.name),
        };
        let mut changed = self.set_metadata(&mut work, &id);
        let spec = self.spec(&id);
        if !existing.is_some_and(|e| e.at("/spec").is_some_and(|old| is_same_spec(old, &spec))) {
            work.set("/spec", spec);
            changed = true;
        }
        match (existing, changed) {
            (None, _) => Write::Create(Box::new(work)),
            (Some(_), true) => Write::Update(Box::new(work)),
            (Some(_), false) => Write::None,
        }
    }

    fn set_metadata(&self, work: &mut Object, id: &str) -> bool {
        fn pair((key, value): &(String, String)) -> (&str, &str) {
            (key, value)
        }
        let all_labels = self.labels.iter().map(pair).chain([(labels::WORK_ID, id)]);
        let mut changed = merge_metadata(work, all_labels, self.annotations.iter().map(pair));
        for record in RECORDS {
            if !self.annotations.iter().any(|(key, _)| key == record) {
                changed |= work.remove_annotation(record);
            }
        }
        changed |= work.add_finalizer(self.finalizer);
        if let Some(owner) = &self.owner {
            let mut owners = work.owner_references();
            if !owners.contains(owner) {
                owners.retain(|known| known.controller != Some(true));
                owners.push(owner.clone());
                work.set_owner_references(&owners);
                changed = true;
            }
        }
        changed
    }
}

/// Whether a stored spec says the same: `false` and absence are one.
fn is_same_spec(old: &Value, new: &Value) -> bool {
    let flag = |spec: &Value, field: &str| spec.get(field).and_then(Value::as_bool).unwrap_or(false);
    ["suspendDispatching", "preserveResourcesOnDeletion"].iter().all(|f| flag(old, f) == flag(new, f))
        && old.get("workload") == new.get("workload")
}
