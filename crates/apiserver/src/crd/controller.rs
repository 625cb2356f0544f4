//! Serves what the stored definitions say: accepts names, registers resources, cleans up after deletion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use machinery::{GroupVersionResource, Object};
use serde_json::{Value, json};
use store::Expect;
use tokio_util::sync::CancellationToken;

use super::object::{condition, storage_version};
use super::version::CustomVersion;
use crate::core::Core;
use crate::registry::Registry;
use crate::resource::{Nature, Resource, Subresource};
use crate::storage::cache::{Cache, Entry};
use crate::storage::codec;

/// Put on a definition when it is deleted, taken off when its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The definitions as they are served.
#[derive(Debug, Default)]
pub(crate) struct Served {
    // One task writes; the lock only makes it shareable.
    definitions: Mutex<BTreeMap<String, Definition>>,
}

#[derive(Debug)]
struct Definition {
    seen: store::Revision,
    /// What the resources were made of; when it stays the same they stay.
    made_of: Value,
    resources: Vec<Arc<Resource>>,
}

fn cache(core: &Core) -> Arc<Cache> {
    core.cache("apiextensions.k8s.io", "customresourcedefinitions")
}

/// Follows the definitions until shutdown.
pub(crate) async fn run(core: Arc<Core>, served: Arc<Served>) {
    let cache = cache(&core);
    let mut changed = cache.subscribe();
    loop {
        changed.borrow_and_update();
        sync(&core, &served).await;
        tokio::select! {
            () = core.shutdown.requested() => return,
            result = changed.changed() => if result.is_err() { return },
        }
    }
}

/// Brings the registry and the definitions' status in line with what is stored.
pub(crate) async fn sync(core: &Arc<Core>, served: &Served) {
    let cache = cache(core);
    let (entries, _) = cache.list(&cache.prefix, None);
    let mut work = Vec::new();
    let changed = {
        let mut definitions = served.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        refresh(core, &mut definitions, &entries, &mut work)
    };
    if changed {
        publish(core, served);
    }
    for definition in work {
        settle(core, definition).await;
    }
}

/// Takes in new and changed definitions; says whether what is served changes.
fn refresh(
    core: &Arc<Core>,
    definitions: &mut BTreeMap<String, Definition>,
    entries: &[Arc<Entry>],
    work: &mut Vec<Object>,
) -> bool {
    let mut changed = false;
    let prefix_len = cache(core).prefix.len();
    definitions.retain(|name, definition| {
        let kept = entries.iter().any(|e| e.names(prefix_len).1 == name);
        if !kept {
            retire(&definition.resources);
            changed = true;
        }
        kept
    });
    if changed {
        // Names became free: those that wanted them are looked at again.
        definitions.retain(|_, definition| !definition.resources.is_empty());
    }
    for entry in entries {
        let (_, name) = entry.names(prefix_len);
        if definitions.get(name).is_some_and(|d| d.seen == entry.revision) {
            continue;
        }
        let Ok(object) = codec::decode(&entry.bytes, entry.revision) else { continue };
        let made_of = json!([object.at("/spec"), object.is_deleting()]);
        let conflict = name_conflict(core, definitions, name, &object);
        match definitions.get_mut(name) {
            Some(known) if known.made_of == made_of => known.seen = entry.revision,
            known => {
                changed = true;
                if let Some(known) = known {
                    retire(&known.resources);
                }
                let resources = if conflict.is_some() { Vec::new() } else { resources(core, &object) };
                let definition = Definition { seen: entry.revision, made_of, resources };
                definitions.insert(name.to_owned(), definition);
            }
        }
        let mut object = object;
        if let Some(conflict) = conflict {
            object.set("/status/nameConflict", conflict);
        }
        work.push(object);
    }
    changed
}

fn retire(resources: &[Arc<Resource>]) {
    resources.iter().for_each(|r| r.retired.cancel());
}

/// Names of a definition that others of its group have already: the last conflict, and the names without any.
fn name_conflict(
    core: &Core,
    definitions: &BTreeMap<String, Definition>,
    name: &str,
    object: &Object,
) -> Option<Value> {
    let group = object.str_at("/spec/group").unwrap_or_default();
    let others = definitions.iter().filter(|(n, _)| *n != name).flat_map(|(_, d)| &d.resources);
    let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for other in others.chain(&core.builtin).filter(|r| r.gvr.group == group) {
        resources.extend([other.gvr.resource.as_str(), other.singular.as_str()]);
        resources.extend(other.short_names.iter().map(String::as_str));
        kinds.extend([other.kind.as_str(), other.list_kind.as_str()]);
    }
    let wanted = object.at("/spec/names")?.as_object()?;
    let mut free = json!({"plural": "", "kind": ""});
    let mut conflict = None;
    for (field, reason, taken) in [
        ("plural", "PluralConflict", &resources),
        ("singular", "SingularConflict", &resources),
        ("shortNames", "ShortNamesConflict", &resources),
        ("kind", "KindConflict", &kinds),
        ("listKind", "ListKindConflict", &kinds),
    ] {
        let Some(value) = wanted.get(field) else { continue };
        let texts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        match texts.iter().filter_map(Value::as_str).find(|text| taken.contains(text)) {
            Some(text) => {
                let message = format!("{text:?} is already in use");
                conflict = Some(json!({"reason": reason, "message": message}));
            }
            None => free[field] = value.clone(),
        }
    }
    conflict.map(|mut conflict| {
        conflict["names"] = free;
        conflict
    })
}

/// The served versions of a definition.
fn resources(core: &Arc<Core>, definition: &Object) -> Vec<Arc<Resource>> {
    let versions = definition.at("/spec/versions").and_then(Value::as_array);
    let storage = storage_version(definition).unwrap_or_default();
    let converts = definition.str_at("/spec/conversion/strategy") == Some("Webhook");
    let mut made = Vec::new();
    for version in versions.into_iter().flatten() {
        if version.get("served") != Some(&Value::Bool(true)) {
            continue;
        }
        if converts && version.get("name").and_then(Value::as_str) != Some(storage.as_str()) {
            // Serving it unconverted would hand out wrong objects.
            let version = version.get("name").and_then(Value::as_str);
            tracing::warn!(
                definition = definition.name(),
                version,
                "a version that needs a webhook to convert is not served"
            );
            continue;
        }
        match CustomVersion::read(definition, version) {
            Ok(custom) => made.push(Arc::new(resource(core, definition, version, &storage, custom))),
            Err(problem) => {
                tracing::warn!(definition = definition.name(), problem, "cannot serve a version");
            }
        }
    }
    made
}

fn resource(
    core: &Arc<Core>,
    definition: &Object,
    version: &Value,
    storage: &str,
    custom: CustomVersion,
) -> Resource {
    let text = |pointer: &str| definition.str_at(pointer).unwrap_or_default().to_owned();
    let list = |pointer: &str| {
        let values = definition.at(pointer).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let group = text("/spec/group");
    let name = version.get("name").and_then(Value::as_str).unwrap_or_default();
    let gvr = GroupVersionResource::new(&group, name, &text("/spec/names/plural"));
    let kind = text("/spec/names/kind");
    let api_version = gvr.api_version();
    let own = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.into(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        verbs: vec!["get", "patch", "update"],
    };
    let mut subresources = Vec::new();
    if version.pointer("/subresources/status").is_some() {
        subresources.push(own("status", &group, name, &kind));
    }
    if custom.scale.is_some() {
        subresources.push(own("scale", "autoscaling", "v1", "Scale"));
    }
    for connector in core.connectors.iter().filter(|c| c.group == group && c.plural == gvr.resource) {
        subresources.push(Subresource {
            verbs: vec!["create", "delete", "get", "patch", "update"],
            ..own(&connector.subresource, &group, name, &kind)
        });
    }
    Resource {
        list_kind: text("/spec/names/listKind"),
        singular: text("/spec/names/singular"),
        short_names: list("/spec/names/shortNames"),
        categories: list("/spec/names/categories"),
        namespaced: definition.str_at("/spec/scope") == Some("Namespaced"),
        stored: true,
        verbs: VERBS.to_vec(),
        subresources,
        head: codec::head(&api_version, &kind),
        storage_api_version: format!("{group}/{storage}"),
        api_version,
        cache: core.cache(&gvr.group, &gvr.resource),
        retired: CancellationToken::new(),
        nature: Nature::Custom(Arc::new(custom)),
        shape: OnceLock::new(),
        kind,
        gvr,
    }
}

/// Puts a new registry in place.
pub(crate) fn publish(core: &Arc<Core>, served: &Served) {
    let definitions = served.definitions.lock().unwrap_or_else(PoisonError::into_inner);
    let custom: Vec<Arc<Resource>> = definitions.values().flat_map(|d| d.resources.iter().cloned()).collect();
    let previous = core.registry.load();
    core.registry.store(Arc::new(Registry::new(&core.builtin, &custom, Some(&previous))));
}

/// Writes the conditions of a definition that is served by now, or goes on with its deletion.
async fn settle(core: &Arc<Core>, mut definition: Object) {
    if definition.is_deleting() {
        if definition.has_finalizer(FINALIZER) {
            let core = Arc::clone(core);
            runtime::spawn("definition-cleanup", async move { clean_up(&core, definition).await });
        }
        return;
    }
    let conflict = definition.remove("/status/nameConflict");
    let accepted = conflict.is_none();
    let wanted = if accepted { "True" } else { "False" };
    if condition(&definition, "NamesAccepted") == Some(wanted)
        && (!accepted || definition.at("/status/acceptedNames") == definition.at("/spec/names"))
        && (!accepted || condition(&definition, "Established") == Some("True"))
    {
        return;
    }
    let now = core.now_text();
    let names = match &conflict {
        None => ("NoConflicts".to_owned(), "no conflicts found".to_owned()),
        Some(c) => (
            c["reason"].as_str().unwrap_or_default().to_owned(),
            c["message"].as_str().unwrap_or_default().to_owned(),
        ),
    };
    set_condition(&mut definition, "NamesAccepted", wanted, &names.0, &names.1, &now);
    if accepted {
        let names = definition.at("/spec/names").cloned().unwrap_or_default();
        definition.set("/status/acceptedNames", names);
        let message = "the initial names have been accepted";
        set_condition(&mut definition, "Established", "True", "InitialNamesAccepted", message, &now);
    } else if condition(&definition, "Established").is_none() {
        let names = conflict.map(|mut c| c["names"].take()).unwrap_or_default();
        definition.set("/status/acceptedNames", names);
        let message = "not all names are accepted";
        set_condition(&mut definition, "Established", "False", "NotAccepted", message, &now);
    }
    store(core, &definition).await;
}

fn set_condition(object: &mut Object, ty: &str, status: &str, reason: &str, message: &str, now: &str) {
    let mut conditions =
        object.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let previous = conditions.iter().position(|c| c["type"] == ty);
    let since = previous
        .filter(|at| conditions[*at]["status"] == status)
        .and_then(|at| conditions[at]["lastTransitionTime"].as_str().map(str::to_owned))
        .unwrap_or_else(|| now.to_owned());
    let condition = json!({
        "type": ty, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
    });
    match previous {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
    object.set("/status/conditions", conditions);
}

/// Stores a definition at the version it was read; a conflict is left to the next round.
async fn store(core: &Core, definition: &Object) -> bool {
    let Ok(revision) = definition.resource_version().parse() else { return false };
    let key = crate::storage::key(&cache(core).prefix, "", definition.name());
    let bytes = codec::encode(definition).into();
    match core.store.put(&key, bytes, Expect::Revision(revision)).await {
        Ok(_) => true,
        Err(store::Error::Unexpected { .. }) => false,
        Err(error) => {
            tracing::warn!(definition = definition.name(), %error, "could not store the status");
            false
        }
    }
}

/// Deletes the objects of a definition, waits for them to be gone and lets the definition go.
async fn clean_up(core: &Arc<Core>, mut definition: Object) {
    if condition(&definition, "Terminating") != Some("True") {
        let now = core.now_text();
        let message = "CustomResource deletion is in progress";
        set_condition(&mut definition, "Terminating", "True", "InstanceDeletionInProgress", message, &now);
        // The stored change brings the definition back here.
        store(core, &definition).await;
        return;
    }
    let group = definition.str_at("/spec/group").unwrap_or_default();
    let plural = definition.str_at("/spec/names/plural").unwrap_or_default();
    let objects = core.cache(group, plural);
    let mut changed = objects.subscribe();
    loop {
        changed.borrow_and_update();
        if core.hub.consistent(&*core.store).await.is_err() {
            return;
        }
        let (entries, _) = objects.list(&objects.prefix, None);
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            delete_instance(core, &entry).await;
        }
        tokio::select! {
            () = core.shutdown.requested() => return,
            result = changed.changed() => if result.is_err() { return },
        }
    }
    release(core, &definition).await;
}

async fn delete_instance(core: &Core, entry: &Entry) {
    let Ok(mut object) = codec::decode(&entry.bytes, entry.revision) else { return };
    if object.finalizers().next().is_none() {
        // Somebody else may have been faster; the next round sees.
        let _ = core.store.delete(&entry.key, entry.revision).await;
    } else if !object.is_deleting() {
        object.metadata_mut().insert("deletionTimestamp".into(), core.now_text().into());
        object.metadata_mut().insert("deletionGracePeriodSeconds".into(), 0.into());
        let bytes = codec::encode(&object).into();
        let _ = core.store.put(&entry.key, bytes, Expect::Revision(entry.revision)).await;
    }
}

/// Takes the finalizer off and removes the definition unless others hold it.
async fn release(core: &Core, definition: &Object) {
    let key = crate::storage::key(&cache(core).prefix, "", definition.name());
    for _ in 0..8 {
        let Ok(Some(kv)) = core.store.get(&key).await else { return };
        let Ok(mut object) = codec::decode(&kv.value, kv.revision) else { return };
        if object.uid() != definition.uid() || !object.remove_finalizer(FINALIZER) {
            return;
        }
        let done = if object.finalizers().next().is_none() {
            core.store.delete(&key, kv.revision).await
        } else {
            core.store.put(&key, codec::encode(&object).into(), Expect::Revision(kv.revision)).await
        };
        if !matches!(done, Err(store::Error::Unexpected { .. })) {
            return;
        }
    }
}
