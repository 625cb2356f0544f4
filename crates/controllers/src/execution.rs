//! Execution: what a Work says is so in its member.
//!
//! ```text
//! watches  Work; our own objects in the member (through `members`)
//! reads    Cluster, the member's objects
//! writes   the member's objects; Work.status.conditions, with the first manifest statuses;
//!          the finalizer of Works that are being deleted
//! wakes    on every new generation or deletion of a Work, when an object differs from what was
//!          written, and on all Works of a cluster that becomes ready
//! ```
//!
//! The rules live in [`look`] and [`compare`]. A member's object is touched only when it is ours or the Work says to
//! take it over, and is deleted only for a Work that was seen being deleted.

mod removal;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::names::{annotations, conditions, events, labels, reasons};
use client::Patch;
use futures::future::BoxFuture;
use machinery::{Object, ObjectKey};
use runtime::events::Regarding;
use runtime::{Outcome, queue};
use serde_json::{Map, Value, json};

use crate::context::{Context, TemplateKey};
use crate::interpretation::LiveInterpreter;
use crate::members::{Connection, Member};
use crate::metrics::MemberWrite;
use crate::view::{self, NewCondition};
use crate::{metrics, work_status};

/// How long a member's informer may take to show everything once, before objects are read one by one.
const SYNC_WAIT: Duration = Duration::from_secs(10);

/// What was last written to the objects of one member. May be lost: then the comparison with the
/// member's objects decides alone.
#[derive(Default)]
pub(crate) struct Records {
    /// By the name of the Work, and then by object: a Work's records are forgotten together.
    written: Mutex<BTreeMap<String, BTreeMap<TemplateKey, Record>>>,
}

/// One object as it stood after our last write or look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    resource_version: String,
    /// Uid and generation of the Work that was applied.
    work: (String, i64),
    /// What [`view::pruned`] left of the object.
    content: u64,
}

fn content(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    view::pruned(object).value().hash(&mut hasher);
    hasher.finish()
}

impl Records {
    fn key(object: &Object) -> Option<(String, TemplateKey)> {
        Some((object.annotation(annotations::WORK_NAME)?.to_owned(), TemplateKey::of(object)))
    }

    fn with<T>(&self, object: &Object, f: impl FnOnce(&Record) -> T) -> Option<T> {
        let (work, key) = Self::key(object)?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).get(&work)?.get(&key).map(f)
    }

    /// Whether this state of an object is the one we wrote.
    pub(crate) fn is_own(&self, object: &Object) -> bool {
        self.with(object, |r| r.resource_version == object.resource_version()).unwrap_or(false)
    }

    /// Whether we wrote this object, but not this state of it.
    pub(crate) fn is_foreign(&self, object: &Object) -> bool {
        self.with(object, |r| r.resource_version != object.resource_version()).unwrap_or(false)
    }

    fn get(&self, object: &Object) -> Option<Record> {
        self.with(object, Clone::clone)
    }

    fn note(&self, work: &Object, object: &Object) {
        let Some((name, key)) = Self::key(object) else { return };
        let record = Record {
            resource_version: object.resource_version().into(),
            work: (work.uid().into(), work.generation()),
            content: content(object),
        };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.entry(name).or_default().insert(key, record);
    }

    /// Forgets the objects of a Work.
    pub(crate) fn forget(&self, work: &str) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).remove(work);
    }
}

/// What becomes of one object in the member.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// It is as it should be.
    Nothing,
    /// It does not exist.
    Create,
    /// It is ours and differs; this is how it should be.
    Update(Box<Object>),
    /// It exists and is not ours.
    Conflict,
}

/// What is known of an object beside its present state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known<'a> {
    /// Our last write, when this process made it.
    pub(crate) record: Option<&'a Record>,
    /// Uid and generation of the Work.
    pub(crate) work: (&'a str, i64),
    /// Whether the Work says that this generation has been applied.
    pub(crate) applied: bool,
}

impl Known<'_> {
    /// Our last write, when it was for this generation of the Work.
    fn same_work(&self) -> Option<&Record> {
        self.record.filter(|record| (record.work.0.as_str(), record.work.1) == self.work)
    }
}

/// Keys that a managed-labels or managed-annotations annotation lists.
fn listed<'a>(object: &'a Object, annotation: &str) -> Vec<&'a str> {
    object.annotation(annotation).map(|keys| keys.split(',').collect()).unwrap_or_default()
}

/// `desired` with what belongs to the member: its version, owners and finalizers, and labels and
/// annotations that we never wrote. Those that we wrote before and that are desired no more go.
fn with_members_part(desired: &Object, observed: &Object) -> Object {
    let mut merged = desired.clone();
    for field in ["resourceVersion", "generation", "finalizers", "ownerReferences"] {
        let kept = observed.metadata().and_then(|m| m.get(field)).cloned();
        match kept {
            Some(value) => drop(merged.metadata_mut().insert(field.into(), value)),
            None => drop(merged.metadata_mut().remove(field)),
        }
    }
    let ours = listed(observed, annotations::MANAGED_ANNOTATIONS);
    for (key, value) in observed.annotations() {
        if desired.annotation(key).is_none() && !ours.contains(&key) {
            merged.set_annotation(key, value);
        }
    }
    let ours = listed(observed, annotations::MANAGED_LABELS);
    for (key, value) in observed.labels() {
        if desired.label(key).is_none() && !ours.contains(&key) {
            merged.set_label(key, value);
        }
    }
    if merged.kind() == "ClusterRole" && merged.at("/aggregationRule").is_some_and(|rule| !rule.is_null()) {
        // The member unites the rules of the roles that it has; they are not the template's.
        match observed.at("/rules") {
            Some(rules) => merged.set("/rules", rules.clone()),
            None => drop(merged.remove("/rules")),
        }
    }
    merged
}

fn may_touch(desired: &Object, observed: &Object) -> bool {
    observed.label(labels::MANAGED) == Some("true")
        || desired.annotation(annotations::CONFLICT_RESOLUTION) == Some("overwrite")
}

/// What is left to do about one object: nothing more to ask, or the kind's retention first.
#[derive(Debug, PartialEq)]
pub(crate) enum Look {
    /// This.
    Decided(Action),
    /// The kind decides what of the observed object stays in this copy of the manifest; then [`compare`].
    Retain(Box<Object>),
}

/// Looks at one object. Pure: no network, no clock.
///
/// What our last write made is left alone, and what is not ours is not touched unless the Work says to take
/// it over.
pub(crate) fn look(desired: &Object, observed: Option<&Object>, known: &Known<'_>) -> Look {
    let Some(observed) = observed else { return Look::Decided(Action::Create) };
    if known.same_work().is_some_and(|r| r.resource_version == observed.resource_version()) {
        return Look::Decided(Action::Nothing);
    }
    if !may_touch(desired, observed) {
        return Look::Decided(Action::Conflict);
    }
    Look::Retain(Box::new(with_members_part(desired, observed)))
}

/// Decides whether an object is as it should be; `retained` is its manifest with everything that belongs to
/// the member. Pure.
///
/// An object equals its manifest when neither says more than the other. A member may also fill in
/// defaults that the manifest does not spell out. Then what was written last decides: an object that still
/// is what our last write made of it, or that covers a manifest which the Work says has been applied, is left
/// alone. Otherwise it is written once, and what comes back is remembered.
pub(crate) fn compare(retained: Object, observed: &Object, known: &Known<'_>) -> Action {
    let (wanted, found) = (view::pruned(&retained), view::pruned(observed));
    let differs = view::uncovered(found.value(), wanted.value());
    if differs.is_none() {
        let untouched = match (known.same_work(), known.record) {
            (Some(record), _) => record.content == content(observed),
            (None, None) => known.applied,
            (None, Some(_)) => false,
        };
        if untouched || view::covers(wanted.value(), found.value()) {
            return Action::Nothing;
        }
    }
    let at = differs.unwrap_or_else(|| "a field that is not in the manifest".into());
    tracing::debug!(kind = retained.kind(), object = %retained.key(), at, "differs from its manifest");
    Action::Update(Box::new(retained))
}

/// [`look`], the kind's retention, and [`compare`].
async fn decide(
    live: &LiveInterpreter,
    desired: &Object,
    observed: Option<&Object>,
    known: &Known<'_>,
) -> Result<Action, interpreter::Error> {
    match (look(desired, observed, known), observed) {
        (Look::Decided(action), _) => Ok(action),
        (Look::Retain(_), None) => Ok(Action::Create),
        (Look::Retain(merged), Some(observed)) => {
            let retained = live.answer(live.current().retain(&merged, observed)).await?;
            Ok(compare(retained, observed, known))
        }
    }
}

/// What goes wrong with one manifest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error(transparent)]
    Kind(#[from] crate::kinds::Error),
    #[error("could not keep what the member owns")]
    Retain(#[from] interpreter::Error),
    #[error(
        "{0} exists in the cluster and is not managed by Karmada; set the conflict resolution to Overwrite to take it over"
    )]
    Conflict(String),
    #[error("could not apply {object}")]
    Write { object: String, source: client::Error },
    #[error("could not read {object}")]
    Read { object: String, source: client::Error },
}

/// Why a Work could not be brought into its member.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cluster {0} does not exist")]
    NoCluster(String),
    #[error("cluster {cluster} cannot be reached: {reason}")]
    NotConnected { cluster: String, reason: String },
    #[error("could not apply {failed} of {total} manifests of work {work}: {first}")]
    Manifests { work: String, failed: usize, total: usize, first: String },
    #[error("could not remove {object} from the member")]
    Delete { object: String, source: Box<ManifestError> },
    #[error("could not write the status of work {work}")]
    Status { work: String, source: client::Error },
    #[error("could not release work {work}")]
    Release { work: String, source: client::Error },
}

/// Applies the Works of one member until it leaves.
pub(crate) fn per_member(context: Context, member: Arc<Member>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        for work in context.works().informer().list_in(&member.namespace) {
            member.execution.add_with_priority(work.name().to_owned(), queue::LOW_PRIORITY);
        }
        let (queue, shutdown) = (member.execution.clone(), member.shutdown.clone());
        let workers = context.options.work_workers;
        queue::run(&queue, workers, &shutdown, move |name: String| {
            let (context, member) = (context.clone(), Arc::clone(&member));
            async move { reconcile(&context, &member, &name).await }
        })
        .await;
    })
}

pub(crate) fn manifests(work: &Object) -> impl Iterator<Item = Object> {
    let manifests = work.at("/spec/workload/manifests").and_then(Value::as_array);
    manifests.into_iter().flatten().filter_map(|m| Object::from_value(m.clone()).ok())
}

async fn reconcile(context: &Context, member: &Arc<Member>, name: &str) -> Result<Outcome, Error> {
    let key = ObjectKey::new(&member.namespace, name);
    let Some(work) = context.works().latest(&key) else { return Ok(Outcome::Done) };
    let cluster = context.cluster(&member.name).ok_or_else(|| Error::NoCluster(member.name.clone()))?;
    if work.is_deleting() {
        return removal::remove(context, member, &cluster, &work).await;
    }
    let suspended = work.at("/spec/suspendDispatching").and_then(Value::as_bool) == Some(true);
    let dispatching = dispatching(suspended);
    if suspended {
        let now = context.now();
        if let Some(conditions) = view::with_condition(&work, &dispatching, &now) {
            if view::condition_status(&work, conditions::DISPATCHING) != Some(dispatching.status) {
                context.recorder.normal(&*work, events::WORK_DISPATCHING, dispatching.message.clone());
            }
            write_status(context, &work, json!({ "conditions": conditions })).await?;
        }
        return Ok(Outcome::Done);
    }
    if !view::is_ready(&cluster) {
        // All Works of the cluster are looked at when it becomes ready.
        return Ok(Outcome::Done);
    }
    let connection = member.connection().ok_or_else(|| Error::NotConnected {
        cluster: member.name.clone(),
        reason: member.failure().unwrap_or_default(),
    })?;
    let timer = metrics::start();
    let result = apply_all(context, member, &connection, &work).await;
    metrics::observe(&metrics::WORK_SYNC_SECONDS, timer, result.failures.is_empty());
    report(context, member, &work, &dispatching, result).await
}

fn dispatching(suspended: bool) -> NewCondition {
    let (status, reason, message) = if suspended {
        ("False", reasons::SUSPEND_DISPATCHING, "Work dispatching is in a suspended state.")
    } else {
        ("True", reasons::DISPATCHING, "Work is being dispatched to member clusters.")
    };
    NewCondition { kind: conditions::DISPATCHING, status, reason, message: message.into(), generation: None }
}

/// What came of a Work's manifests.
#[derive(Default)]
struct Applied {
    /// The member's objects as last seen or written, by ordinal.
    objects: Vec<Option<Arc<Object>>>,
    failures: Vec<String>,
    wrote: bool,
}

async fn apply_all(
    context: &Context,
    member: &Arc<Member>,
    connection: &Connection,
    work: &Object,
) -> Applied {
    let mut applied = Applied::default();
    for mut manifest in manifests(work) {
        mark(&mut manifest, work);
        match apply(context, member, connection, work, &manifest).await {
            Ok((object, wrote)) => {
                applied.objects.push(Some(object));
                applied.wrote |= wrote;
            }
            Err(error) => {
                applied.objects.push(None);
                applied.failures.push(queue::chain(&error));
            }
        }
    }
    applied
}

/// Marks a manifest as ours. Works made by Karmada's controllers carry the marks already; those made by
/// hand get them here, so that the object can be found and deleted again.
fn mark(manifest: &mut Object, work: &Object) {
    propagation::merge_metadata(
        manifest,
        [(labels::MANAGED, "true")],
        [(annotations::WORK_NAMESPACE, work.namespace()), (annotations::WORK_NAME, work.name())],
    );
}

/// The object in the member: from the informer when it is complete, else read.
async fn observed(
    member: &Arc<Member>,
    connection: &Connection,
    manifest: &Object,
) -> Result<(client::Resource, Option<Arc<Object>>), ManifestError> {
    let gvr = connection.kinds.gvr(&manifest.gvk()).await?;
    let resource = connection.client.resource(&gvr).namespace(manifest.namespace());
    let informer = member.informer(connection, &gvr);
    if !informer.is_synced() && informer.failure().is_none() {
        let _ = tokio::time::timeout(SYNC_WAIT, informer.wait_synced(&connection.shutdown)).await;
    }
    if informer.is_synced() {
        return Ok((resource, informer.get(&manifest.key())));
    }
    let object = TemplateKey::of(manifest).to_string();
    let live =
        resource.find(manifest.name()).await.map_err(|source| ManifestError::Read { object, source })?;
    Ok((resource, live.map(Arc::new)))
}

/// Brings one object into the member. Returns it, and whether it was written.
async fn apply(
    context: &Context,
    member: &Arc<Member>,
    connection: &Connection,
    work: &Object,
    manifest: &Object,
) -> Result<(Arc<Object>, bool), ManifestError> {
    let write = |source| ManifestError::Write { object: TemplateKey::of(manifest).to_string(), source };
    let (resource, mut observed) = observed(member, connection, manifest).await?;
    let record = member.records.get(manifest);
    // The second round works on the live object: the informer did not show what the write met.
    for is_live in [false, true] {
        let known = Known {
            record: record.as_ref(),
            work: (work.uid(), work.generation()),
            applied: is_applied_generation(work),
        };
        let action = decide(&context.interpreter, manifest, observed.as_deref(), &known).await?;
        let (write_kind, result) = match (action, observed.as_ref()) {
            (Action::Nothing, Some(object)) => {
                let is_noted =
                    known.same_work().is_some_and(|r| r.resource_version == object.resource_version());
                if !is_noted {
                    member.records.note(work, object);
                }
                return Ok((Arc::clone(object), false));
            }
            (Action::Conflict, _) => {
                return Err(ManifestError::Conflict(TemplateKey::of(manifest).to_string()));
            }
            (Action::Update(wanted), _) => (MemberWrite::Update, resource.update(&wanted).await),
            (Action::Create | Action::Nothing, _) => {
                let write = if record.is_some() { MemberWrite::Recreate } else { MemberWrite::Create };
                (write, resource.create(manifest).await)
            }
        };
        metrics::member_write(write_kind, &member.name, manifest, result.is_ok());
        match result {
            Ok(written) => {
                member.records.note(work, &written);
                return Ok((Arc::new(written), true));
            }
            Err(error) if !is_live && view::is_stale(&error) => {
                let object = TemplateKey::of(manifest).to_string();
                let read = |source| ManifestError::Read { object, source };
                observed = resource.find(manifest.name()).await.map_err(read)?.map(Arc::new);
            }
            Err(error) => return Err(write(error)),
        }
    }
    Err(ManifestError::Conflict(TemplateKey::of(manifest).to_string()))
}

/// Whether the Work's status says that its present generation has been applied.
fn is_applied_generation(work: &Object) -> bool {
    view::condition(work, conditions::APPLIED).is_some_and(|applied| {
        applied.get("status").and_then(Value::as_str) == Some("True")
            && applied.get("observedGeneration").and_then(Value::as_i64) == Some(work.generation())
    })
}

async fn report(
    context: &Context,
    member: &Member,
    work: &Object,
    dispatching: &NewCondition,
    applied: Applied,
) -> Result<Outcome, Error> {
    let total = applied.objects.len();
    let failed = applied.failures.len();
    let condition = if failed == 0 {
        NewCondition {
            kind: conditions::APPLIED,
            status: "True",
            reason: reasons::APPLIED_SUCCESSFUL,
            message: "Manifest has been successfully applied".into(),
            generation: Some(work.generation()),
        }
    } else {
        let texts = applied.failures.join(", ");
        NewCondition {
            kind: conditions::APPLIED,
            status: "False",
            reason: reasons::APPLIED_FAILED,
            message: format!("Failed to apply all manifests ({}/{total}): {texts}", total - failed),
            generation: None,
        }
    };
    let now = context.now();
    let mut status = Map::new();
    let mut all: Vec<Value> =
        work.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let flips = view::condition_status(work, conditions::DISPATCHING) != Some(dispatching.status);
    let mut changed = view::set_condition(&mut all, dispatching, &now);
    changed |= view::set_condition(&mut all, &condition, &now);
    if changed {
        status.insert("conditions".into(), all.into());
    }
    if failed == 0 && !view::is_applied(work) {
        // Saves the write that the status controller would make next. Only the first one: from then on the
        // status controller writes on its own, and what it has written must not be overwritten by what was
        // seen before.
        let objects: Vec<Option<Arc<Object>>> = newest(member, applied.objects).await;
        let decision = work_status::look(&context.interpreter, work, &objects).await;
        if let Some(statuses) = decision.statuses {
            status.insert("manifestStatuses".into(), statuses.into());
        }
        work_status::tell(context, work, decision.events);
    }
    if applied.wrote {
        record_events(context, work, &applied.failures);
    }
    if flips {
        context.recorder.normal(work, events::WORK_DISPATCHING, dispatching.message.clone());
    }
    if !status.is_empty() {
        write_status(context, work, status.into()).await?;
    }
    match applied.failures.into_iter().next() {
        None => Ok(Outcome::Done),
        Some(first) => {
            if changed {
                let message = condition.message;
                context.recorder.warning(work, events::SYNC_FAILED, message.clone());
                for template in manifests(work).filter_map(|manifest| template_of(&manifest)) {
                    context.recorder.warning(template, events::SYNC_FAILED, message.clone());
                }
            }
            Err(Error::Manifests { work: work.name().into(), failed, total, first })
        }
    }
}

/// The member may have moved on since an object was written: its informer knows.
async fn newest(member: &Member, objects: Vec<Option<Arc<Object>>>) -> Vec<Option<Arc<Object>>> {
    let Some(connection) = member.connection() else { return objects };
    let mut newest = Vec::with_capacity(objects.len());
    for object in objects {
        let Some(object) = object else {
            newest.push(None);
            continue;
        };
        let gvr = connection.kinds.gvr(&object.gvk()).await.ok();
        let cached = gvr.and_then(|gvr| connection.running(&gvr)?.get(&object.key()));
        let is_newer = cached
            .as_ref()
            .is_some_and(|c| crate::fresh::is_older(object.resource_version(), c.resource_version()));
        newest.push(if is_newer { cached } else { Some(object) });
    }
    newest
}

fn record_events(context: &Context, work: &Object, failures: &[String]) {
    if !failures.is_empty() {
        return;
    }
    let message = "Successfully applied the manifests to the cluster";
    context.recorder.normal(work, events::SYNC_SUCCEED, message);
    for manifest in manifests(work) {
        if let Some(template) = template_of(&manifest) {
            context.recorder.normal(template, events::SYNC_SUCCEED, message);
        }
    }
}

/// The template that a manifest was made from, for events.
fn template_of(manifest: &Object) -> Option<Regarding> {
    let uid = manifest.annotation(annotations::TEMPLATE_UID)?;
    Some(Regarding { uid: uid.into(), ..Regarding::from(manifest) })
}

pub(crate) async fn write_status(context: &Context, work: &Object, status: Value) -> Result<(), Error> {
    let patch = json!({ "status": status });
    let written = context
        .work_resource(work.namespace())
        .patch_status(work.name(), &Patch::Merge(&patch))
        .await
        .map_err(|source| Error::Status { work: work.name().into(), source })?;
    context.works().wrote(written);
    Ok(())
}

#[cfg(test)]
mod tests;
