//! Works: how a manifest becomes one, for every controller that makes Works.

use std::collections::BTreeSet;

use api::Resource as _;
use api::names::{annotations, finalizers, labels};
use api::work::Work;
use machinery::{Object, OwnerReference};
use serde_json::{Value, json};

use crate::context::Context;
use crate::view;

/// A Work that should exist.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    /// Execution namespace.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    /// The object, as it should be in the member; pruned and marked by [`prepare`] already.
    pub(crate) manifest: Object,
    /// The object with which the Work goes.
    pub(crate) owner: Option<OwnerReference>,
    pub(crate) suspended: bool,
    pub(crate) preserve: bool,
}

/// What has to be done so that a Work is as wanted.
#[derive(Debug, PartialEq)]
pub(crate) enum Write {
    /// Nothing.
    None,
    /// It does not exist.
    Create(Box<Object>),
    /// It differs.
    Update(Box<Object>),
}

/// Makes a template's copy fit to travel: marks it as ours, says which Work it belongs to, and leaves behind
/// what only means something where it came from.
pub(crate) fn prepare(manifest: &mut Object, template_uid: &str, namespace: &str, name: &str) {
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

    /// Compares with the Work as it is. `new_id` is the id of a new one.
    pub(crate) fn compare(&self, existing: Option<&Object>, new_id: impl FnOnce() -> String) -> Write {
        let known_id = existing.and_then(|e| e.label(labels::WORK_ID)).filter(|id| !id.is_empty());
        let id = known_id.map_or_else(new_id, ToOwned::to_owned);
        let mut work = match existing {
            Some(existing) => existing.clone(),
            None => Object::new(&Work::KIND.api_version(), Work::KIND.kind, &self.namespace, &self.name),
        };
        let pair = |(key, value): &(String, String)| (key.clone(), value.clone());
        let all_labels: Vec<(String, String)> =
            self.labels.iter().map(pair).chain([(labels::WORK_ID.to_owned(), id.clone())]).collect();
        let mut changed = view::merge_metadata(
            &mut work,
            all_labels.iter().map(|(k, v)| (k.as_str(), v.as_str())),
            self.annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())),
        );
        changed |= work.add_finalizer(finalizers::EXECUTION);
        if let Some(owner) = &self.owner {
            let mut owners = work.owner_references();
            if !owners.contains(owner) {
                owners.retain(|known| known.controller != Some(true));
                owners.push(owner.clone());
                work.set_owner_references(&owners);
                changed = true;
            }
        }
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

    /// Writes the Work if it is not as wanted, and says whether it was written.
    ///
    /// A Work that is being deleted must go before its successor comes.
    pub(crate) async fn apply(&self, context: &Context) -> Result<bool, Error> {
        self.apply_without(context, &[]).await
    }

    /// [`Wanted::apply`], and takes annotations off that were on the Work.
    pub(crate) async fn apply_without(&self, context: &Context, stale: &[&str]) -> Result<bool, Error> {
        let key = machinery::ObjectKey::new(&self.namespace, &self.name);
        let existing = context.works().latest(&key);
        if existing.as_ref().is_some_and(|work| work.is_deleting()) {
            return Err(Error::Deleting { work: key });
        }
        let resource = context.work_resource(&self.namespace);
        let mut write = self.compare(existing.as_deref(), || context.ids.uid());
        if let (Write::None, Some(existing), false) = (&write, &existing, stale.is_empty()) {
            write = Write::Update(Box::new((**existing).clone()));
        }
        let result = match write {
            Write::None => return Ok(false),
            Write::Create(work) => resource.create(&work).await,
            Write::Update(mut work) => {
                for annotation in stale {
                    work.remove_annotation(annotation);
                }
                resource.update(&work).await
            }
        };
        match result {
            Ok(written) => {
                context.works().wrote(written);
                Ok(true)
            }
            Err(source) => {
                context.works().forget(&key);
                Err(Error::Write { work: key, source })
            }
        }
    }
}

/// Whether a stored spec says the same: `false` and absence are one.
fn is_same_spec(old: &Value, new: &Value) -> bool {
    let flag = |spec: &Value, field: &str| spec.get(field).and_then(Value::as_bool).unwrap_or(false);
    ["suspendDispatching", "preserveResourcesOnDeletion"].iter().all(|f| flag(old, f) == flag(new, f))
        && old.get("workload") == new.get("workload")
}

/// Why a Work could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("work {work} is being deleted")]
    Deleting { work: machinery::ObjectKey },
    #[error("could not write work {work}")]
    Write { work: machinery::ObjectKey, source: client::Error },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let mut manifest = Object::new("v1", "ConfigMap", "shop", "settings");
        manifest.set_label("app", "web");
        manifest.set("/data", json!({ "a": "1" }));
        prepare(&mut manifest, "template-uid", "karmada-es-m1", "settings-x");
        Wanted {
            namespace: "karmada-es-m1".into(),
            name: "settings-x".into(),
            labels: vec![(labels::RESOURCE_BINDING_ID.into(), "b".into())],
            annotations: vec![(annotations::CONFLICT_RESOLUTION.into(), "abort".into())],
            manifest,
            owner: None,
            suspended: false,
            preserve: false,
        }
    }

    fn created() -> Object {
        match wanted().compare(None, || "id".into()) {
            Write::Create(work) => *work,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_work_names_what_is_ours_in_its_manifest() {
        let work = created();
        assert!(work.has_finalizer(finalizers::EXECUTION));
        assert_eq!(work.label(labels::WORK_ID), Some("id"));
        let manifest = Object::from_value(work.at("/spec/workload/manifests/0").unwrap().clone()).unwrap();
        assert_eq!(
            manifest.annotation(annotations::MANAGED_LABELS),
            Some("app,karmada.io/managed,work.karmada.io/permanent-id")
        );
        assert_eq!(
            manifest.annotation(annotations::MANAGED_ANNOTATIONS),
            Some(
                "resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels,\
                 resourcetemplate.karmada.io/uid,work.karmada.io/conflict-resolution,work.karmada.io/name,\
                 work.karmada.io/namespace"
            ),
        );
        assert_eq!(manifest.label(labels::WORK_ID), Some("id"));
    }

    #[test]
    fn a_work_that_is_as_wanted_is_not_written() {
        let mut existing = created();
        existing.set("/spec/suspendDispatching", false);
        existing.set_label("somebody/else", "x");
        assert_eq!(wanted().compare(Some(&existing), || unreachable!("it has an id")), Write::None);
    }

    #[test]
    fn a_work_that_differs_keeps_its_id_and_what_others_added() {
        let mut existing = created();
        existing.set_label("somebody/else", "x");
        let Write::Update(updated) =
            Wanted { suspended: true, ..wanted() }.compare(Some(&existing), || unreachable!("it has an id"))
        else {
            panic!("it must be written");
        };
        assert_eq!(updated.label("somebody/else"), Some("x"));
        assert_eq!(updated.label(labels::WORK_ID), Some("id"));
        assert_eq!(updated.at("/spec/suspendDispatching"), Some(&json!(true)));
    }
}
