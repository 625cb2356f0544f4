//! Service export: the endpoints of an exported Service are reported to the control plane.
//!
//! ```text
//! watches  Work (exports that have arrived, slices that are reported), EndpointSlices of the member
//! reads    nothing else
//! writes   Work: one per EndpointSlice of an exported Service, never dispatched
//! wakes    when an export's Work changes, on every change of a slice, and of what is reported
//! ```
//!
//! A slice is taken back when its export or the slice itself was seen to be gone; not while the member
//! cannot be asked. The rules live in [`decide`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use api::names::{finalizers, labels};
use api::naming;
use client::DeleteOptions;
use futures::future::BoxFuture;
use machinery::{Object, ObjectKey};
use propagation::{Wanted, prepare};
use runtime::informer::InformerOptions;
use runtime::{Change, Informer, Outcome, Queue, queue};

use super::{
    SERVICE_EXPORT, endpoint_slices, exported_by, is_karmadas, joined, reported_for, service_of, users,
};
use crate::context::Context;
use crate::members::{Connection, Member};
use crate::view;
use crate::work;

/// Exports looked at at the same time, per member.
const WORKERS: usize = 2;

/// How long to wait for a member that is not there.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long the list of the member's slices may take.
const SYNC_WAIT: Duration = Duration::from_secs(10);

/// The index of Works by the export they carry or report for.
const BY_EXPORT: &str = "service-export";

/// How far the export of a Service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It stands in the member.
    Exported,
    /// It is on its way to the member, or could not be brought up to date there.
    Coming,
    /// There is none, or it is being taken away.
    Gone,
}

/// How far an export is, from the Works that carry it. A Work that could not be applied this time takes
/// nothing back: only one that was seen to go does.
fn stage(export: &ObjectKey, works: &[Arc<Object>]) -> Stage {
    let carries = |work: &&Arc<Object>| !work.is_deleting() && exported_by(work).as_ref() == Some(export);
    let mut stage = Stage::Gone;
    for work in works.iter().filter(carries) {
        if view::is_applied(work) {
            return Stage::Exported;
        }
        stage = Stage::Coming;
    }
    stage
}

/// What to do about the slices of one Service.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// Works that must be as given.
    pub(super) report: Vec<Wanted>,
    /// Works that nobody needs any more.
    pub(super) delete: Vec<ObjectKey>,
    /// Works that somebody else still needs, without our mark.
    pub(super) release: Vec<Object>,
}

/// Decides what must be reported of a Service. `slices` are the member's, none if the Service is not
/// exported; `reported` are the Works there are.
pub(super) fn decide(
    namespace: &str,
    export: &ObjectKey,
    slices: &[Arc<Object>],
    reported: &[Arc<Object>],
) -> Decision {
    let mut decision = Decision::default();
    let mut kept = BTreeSet::new();
    for slice in slices.iter().filter(|slice| !is_karmadas(slice) && !slice.is_deleting()) {
        let name = naming::work("EndpointSlice", slice.namespace(), slice.name());
        let known = reported.iter().find(|work| work.name() == name);
        decision.report.push(wanted(namespace, export, &name, slice, known.map(Arc::as_ref)));
        kept.insert(name);
    }
    for work in reported.iter().filter(|work| !kept.contains(work.name()) && !work.is_deleting()) {
        let mut others = users(work);
        others.remove(SERVICE_EXPORT);
        if others.is_empty() {
            decision.delete.push(work.key());
        } else {
            let others = joined(&others);
            let mut released = (**work).clone();
            released.set_label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY, &others);
            decision.release.push(released);
        }
    }
    decision
}

fn wanted(namespace: &str, export: &ObjectKey, name: &str, slice: &Object, known: Option<&Object>) -> Wanted {
    let mut manifest = slice.clone();
    prepare(&mut manifest, slice.uid(), namespace, name);
    let mut users = known.map(users).unwrap_or_default();
    users.insert(SERVICE_EXPORT);
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Wanted {
        labels: vec![
            label(labels::ENDPOINT_SLICE_WORK_NAMESPACE, &export.namespace),
            label(labels::ENDPOINT_SLICE_WORK_NAME, &export.name),
            label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY, &joined(&users)),
        ],
        suspended: true,
        finalizer: finalizers::ENDPOINT_SLICE,
        ..Wanted::new(namespace.into(), name.into(), manifest)
    }
}

/// The exports that a Work is about: the one it carries, and the one it reports for.
pub(crate) fn concerned(work: &Object) -> impl Iterator<Item = ObjectKey> {
    exported_by(work).into_iter().chain(reported_for(work))
}

fn by_export(work: &Object) -> Vec<String> {
    let index = |export: ObjectKey| index_value(work.namespace(), &export);
    concerned(work).map(index).collect()
}

fn index_value(namespace: &str, export: &ObjectKey) -> String {
    format!("{namespace}/{export}")
}

/// The controller of one member.
struct Exports {
    context: Context,
    member: Arc<Member>,
    queue: Queue<ObjectKey>,
    /// The member's slices, by the connection they are read through. Watched once something is exported.
    slices: Mutex<Option<(Weak<Connection>, Informer)>>,
}

/// Reports the slices of one member's exported Services until it leaves.
pub(crate) fn per_member(context: Context, member: Arc<Member>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue = member.exports.clone();
        let works = context.works().informer();
        works.add_index(BY_EXPORT, by_export);
        let shutdown = member.shutdown.clone();
        if !works.wait_synced(&shutdown).await {
            return;
        }
        works
            .list_in(&member.namespace)
            .iter()
            .flat_map(|work| concerned(work))
            .for_each(|key| queue.add(key));
        let exports = Arc::new(Exports { context, member, queue: queue.clone(), slices: Mutex::default() });
        queue::run(&queue, WORKERS, &shutdown, move |export: ObjectKey| {
            let exports = Arc::clone(&exports);
            async move { exports.reconcile(&export).await }
        })
        .await;
    })
}

/// Why the slices of a Service are not reported.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not report the endpoints of {export}")]
    Report { export: ObjectKey, source: work::Error },
    #[error("could not take back what was reported of {export}")]
    TakeBack { export: ObjectKey, source: client::Error },
}

impl Exports {
    async fn reconcile(&self, export: &ObjectKey) -> Result<Outcome, Error> {
        let namespace = &self.member.namespace;
        let works = self.context.works().informer().by_index(BY_EXPORT, &index_value(namespace, export));
        let stage = stage(export, &works);
        if stage == Stage::Coming {
            // Its change comes back here; what was reported before stays until then.
            return Ok(Outcome::Done);
        }
        let reported: Vec<_> =
            works.into_iter().filter(|w| reported_for(w).as_ref() == Some(export)).collect();
        let mut slices = Vec::new();
        if stage == Stage::Exported {
            let Some(informer) = self.slices() else { return Ok(Outcome::After(RETRY_AFTER)) };
            let synced = informer.wait_synced(&self.member.shutdown);
            if !tokio::time::timeout(SYNC_WAIT, synced).await.unwrap_or(false) {
                return Ok(Outcome::After(RETRY_AFTER));
            }
            slices = informer.list_in(&export.namespace);
            slices.retain(|slice| service_of(slice) == Some(export.name.as_str()));
        }
        self.apply(export, decide(namespace, export, &slices, &reported)).await
    }

    async fn apply(&self, export: &ObjectKey, decision: Decision) -> Result<Outcome, Error> {
        for wanted in &decision.report {
            work::apply(wanted, &self.context)
                .await
                .map_err(|source| Error::Report { export: export.clone(), source })?;
        }
        let works = self.context.work_resource(&self.member.namespace);
        let failed = |source| Error::TakeBack { export: export.clone(), source };
        for work in &decision.delete {
            works.delete_if_present(&work.name, &DeleteOptions::default()).await.map_err(failed)?;
        }
        for work in &decision.release {
            works.update(work).await.map_err(failed)?;
        }
        Ok(Outcome::Done)
    }

    /// The member's slices, watched from the first call on.
    fn slices(&self) -> Option<Informer> {
        let connection = self.member.connection()?;
        let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((through, informer)) = slices.as_ref()
            && through.upgrade().is_some_and(|through| Arc::ptr_eq(&through, &connection))
        {
            return Some(informer.clone());
        }
        // Only slices of Services; and of them nothing that changes without a change of the endpoints.
        let options = InformerOptions { labels: labels::SERVICE_NAME.into(), ..InformerOptions::default() };
        let informer =
            Informer::start(connection.client.clone(), &endpoint_slices(), options, &connection.shutdown);
        let wakes = self.queue.clone();
        informer.on_change(move |change: &Change| {
            let now = change.object();
            for slice in change.old().into_iter().chain([now]) {
                let Some(service) = service_of(slice) else { continue };
                if !is_karmadas(slice) {
                    wakes.add(ObjectKey::new(slice.namespace(), service));
                }
            }
        });
        *slices = Some((Arc::downgrade(&connection), informer.clone()));
        Some(informer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SPACE: &str = "karmada-es-m1";

    fn export() -> ObjectKey {
        ObjectKey::new("shop", "web")
    }

    fn slice(name: &str) -> Object {
        let mut slice = Object::new("discovery.k8s.io/v1", "EndpointSlice", "shop", name);
        slice.set("/metadata/uid", format!("uid-{name}"));
        slice.set_label(labels::SERVICE_NAME, "web");
        slice.set_label(labels::ENDPOINT_SLICE_MANAGED_BY, "endpointslice-controller.k8s.io");
        slice.set("/addressType", "IPv4");
        slice.set("/endpoints", json!([{ "addresses": ["10.0.0.1"] }]));
        slice
    }

    fn report(slices: &[Object], reported: &[Object]) -> Decision {
        let arcs = |objects: &[Object]| objects.iter().cloned().map(Arc::new).collect::<Vec<_>>();
        decide(SPACE, &export(), &arcs(slices), &arcs(reported))
    }

    fn created(wanted: &Wanted) -> Object {
        match wanted.compare(None, || "id".into()) {
            propagation::Write::Create(work) => *work,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_slice_of_an_exported_service_is_reported_and_never_dispatched() {
        let decision = report(&[slice("web-a"), slice("web-b")], &[]);
        assert_eq!((decision.report.len(), decision.delete.len()), (2, 0));
        let work = created(&decision.report[0]);
        assert_eq!(work.namespace(), SPACE);
        assert_eq!(work.at("/spec/suspendDispatching"), Some(&json!(true)));
        assert_eq!(work.finalizers().collect::<Vec<_>>(), [finalizers::ENDPOINT_SLICE]);
        assert_eq!(reported_for(&work), Some(export()));
        assert_eq!(
            work.at("/spec/workload/manifests/0/endpoints"),
            Some(&json!([{ "addresses": ["10.0.0.1"] }])),
        );
    }

    #[test]
    fn an_export_that_could_not_be_applied_again_takes_nothing_back() {
        let work = |applied: Option<&str>, deleting: bool| {
            let mut work = Object::new("work.karmada.io/v1alpha1", "Work", SPACE, "web-x");
            let manifest = json!({
                "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceExport",
                "metadata": { "namespace": "shop", "name": "web" },
            });
            work.set("/spec", json!({ "workload": { "manifests": [manifest] } }));
            if let Some(status) = applied {
                work.set("/status", json!({ "conditions": [{ "type": "Applied", "status": status }] }));
            }
            if deleting {
                work.set("/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
            }
            Arc::new(work)
        };
        for (works, expected) in [
            (vec![], Stage::Gone),
            (vec![work(None, false)], Stage::Coming),
            (vec![work(Some("False"), false)], Stage::Coming),
            (vec![work(Some("True"), false)], Stage::Exported),
            (vec![work(Some("True"), true)], Stage::Gone),
            (vec![work(Some("True"), true), work(Some("False"), false)], Stage::Coming),
        ] {
            assert_eq!(stage(&export(), &works), expected, "{works:?}");
        }
        assert_eq!(stage(&ObjectKey::new("shop", "other"), &[work(Some("True"), false)]), Stage::Gone);
    }

    #[test]
    fn slices_that_karmada_brought_are_not_reported_back() {
        let mut imported = slice("imported-m2-web-a");
        imported.set_label(labels::ENDPOINT_SLICE_MANAGED_BY, "endpointslice-controller.karmada.io");
        assert_eq!(report(&[imported], &[]), Decision::default());
    }

    #[test]
    fn what_is_reported_goes_with_its_slice_or_its_export() {
        let both = report(&[slice("web-a"), slice("web-b")], &[]);
        let works: Vec<Object> = both.report.iter().map(created).collect();
        let decision = report(&[slice("web-b")], &works);
        assert_eq!(decision.delete, [works[0].key()]);
        let decision = report(&[], &works);
        assert_eq!(decision.delete, [works[0].key(), works[1].key()]);
    }

    #[test]
    fn what_somebody_else_needs_too_only_loses_our_mark() {
        let mut work = created(&report(&[slice("web-a")], &[]).report[0]);
        work.set_label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY, "MultiClusterService.ServiceExport");
        let decision = report(&[], std::slice::from_ref(&work));
        assert!(decision.delete.is_empty());
        let released = &decision.release[0];
        assert_eq!(released.label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY), Some("MultiClusterService"));
        // And a slice that is exported again keeps the other mark.
        let again = report(&[slice("web-a")], &[work]);
        let label = again.report[0].labels.iter().find(|(k, _)| k == labels::ENDPOINT_SLICE_WORK_MANAGED_BY);
        assert_eq!(label.map(|(_, v)| v.as_str()), Some("MultiClusterService.ServiceExport"));
    }

    #[test]
    fn a_report_that_is_up_to_date_is_not_written() {
        let wanted = report(&[slice("web-a")], &[]).report.remove(0);
        let work = created(&wanted);
        let again = report(&[slice("web-a")], std::slice::from_ref(&work)).report.remove(0);
        assert_eq!(again.compare(Some(&work), || unreachable!("it has an id")), propagation::Write::None);
    }
}
