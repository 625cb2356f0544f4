//! Endpoint slices: what a member reported of an exported Service stands in the control plane, as the
//! endpoints of the derived Service.
//!
//! ```text
//! watches  Work (slices that are reported), EndpointSlice
//! reads    nothing else
//! writes   EndpointSlice imported-<cluster>-<slice>; the finalizer of Works that are being deleted
//! wakes    on every change of a reporting Work, and when an imported slice is changed or deleted by others
//! ```

use std::sync::Arc;

use api::names::{finalizers, labels, values};
use api::naming;
use client::{Client, DeleteOptions};
use futures::future::BoxFuture;
use machinery::{Object, ObjectKey};
use runtime::{Change, Informer, Outcome, Queue, queue};
use serde_json::Value;

use super::{endpoint_slices, manifest, reported_for, service_of};
use crate::context::Context;

/// Works looked at at the same time.
const WORKERS: usize = 4;

/// The index of imported slices by the id of their Work.
const BY_WORK: &str = "work";

/// A Work, and the id by which its slices are found when it is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    work: ObjectKey,
    id: String,
}

impl Key {
    fn of(work: &Object) -> Option<Self> {
        // A Work that lost its mark is of interest too: its slices must go.
        work.label(labels::ENDPOINT_SLICE_WORK_NAME)?;
        let id = work.label(labels::WORK_ID).filter(|id| !id.is_empty())?;
        Some(Self { work: work.key(), id: id.to_owned() })
    }
}

/// Why an imported slice is not as it should be.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not write the endpoint slice {slice}")]
    Write { slice: ObjectKey, source: client::Error },
    #[error("could not take the finalizer off work {work}")]
    Release { work: ObjectKey, source: client::Error },
}

/// The slice that a Work asks for; nothing when it asks for none.
fn wanted(work: &Object) -> Option<Object> {
    if work.is_deleting() {
        return None;
    }
    reported_for(work)?;
    let reported = Object::from_value(manifest(work)?.clone()).ok()?;
    let cluster = naming::cluster_of_execution_namespace(work.namespace())?;
    let name = naming::imported_endpoint_slice(cluster, reported.name());
    let mut slice = Object::new(reported.api_version(), "EndpointSlice", reported.namespace(), &name);
    slice.set_label(labels::WORK_ID, work.label(labels::WORK_ID)?);
    slice.set_label(labels::SERVICE_NAME, &naming::derived_service(service_of(&reported)?));
    slice.set_label(labels::ENDPOINT_SLICE_MANAGED_BY, values::ENDPOINT_SLICE_CONTROLLER);
    for field in ["addressType", "endpoints", "ports"] {
        let value = reported.fields().get(field).filter(|value| !value.is_null());
        if let Some(value) = value {
            slice.fields_mut().insert(field.to_owned(), value.clone());
        }
    }
    Some(slice)
}

/// What has to be done so that a slice is as wanted.
#[derive(Debug, PartialEq)]
enum Write {
    None,
    Create(Object),
    Update(Object),
}

fn compare(existing: Option<&Object>, wanted: &Object) -> Write {
    let Some(existing) = existing else { return Write::Create(wanted.clone()) };
    let mut updated = existing.clone();
    for (key, value) in wanted.labels() {
        updated.set_label(key, value);
    }
    for field in ["addressType", "endpoints", "ports"] {
        let old = updated.fields().get(field).filter(|value| !is_empty(value));
        let new = wanted.fields().get(field).filter(|value| !is_empty(value));
        if old == new {
            continue;
        }
        match new.cloned() {
            Some(new) => drop(updated.fields_mut().insert(field.to_owned(), new)),
            None => drop(updated.fields_mut().remove(field)),
        }
    }
    if updated == *existing { Write::None } else { Write::Update(updated) }
}

/// Absent, null and empty are one.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

#[derive(Clone)]
struct Controller {
    context: Context,
    client: Client,
    slices: Informer,
}

/// Runs the controller until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue: Queue<Key> = Queue::new("endpoint-slice-controller");
        let works = context.works().informer();
        let wakes = queue.clone();
        works.on_change(move |change: &Change| {
            Key::of(change.object()).into_iter().for_each(|key| wakes.add(key));
        });
        let slices = context.informers.get(&endpoint_slices());
        slices.add_index(BY_WORK, |slice| {
            slice.label(labels::WORK_ID).map(str::to_owned).into_iter().collect()
        });
        let (wakes, all) = (queue.clone(), works.clone());
        slices.on_change(move |change: &Change| {
            // Somebody else's hand: the Work says how it should be.
            let Some(id) = change.object().label(labels::WORK_ID) else { return };
            let of_id = all.by_index(super::BY_WORK_ID, id);
            of_id.iter().filter_map(|work| Key::of(work)).for_each(|key| wakes.add(key));
        });
        works.add_index(super::BY_WORK_ID, |work| {
            let is_ours = work.label(labels::ENDPOINT_SLICE_WORK_NAME).is_some();
            work.label(labels::WORK_ID).filter(|_| is_ours).map(str::to_owned).into_iter().collect()
        });
        let shutdown = context.shutdown.clone();
        if !works.wait_synced(&shutdown).await || !slices.wait_synced(&shutdown).await {
            return;
        }
        let client = context.client.clone();
        let controller = Controller { context, client, slices };
        queue::run(&queue, WORKERS, &shutdown, move |key: Key| {
            let controller = controller.clone();
            async move { controller.reconcile(&key).await }
        })
        .await;
    })
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        let work = self.context.works().latest(&key.work);
        let wanted = work.as_deref().and_then(wanted);
        for slice in self.slices.by_index(BY_WORK, &key.id) {
            if wanted.as_ref().is_none_or(|wanted| wanted.key() != slice.key()) {
                self.delete(&slice).await?;
            }
        }
        if let Some(wanted) = wanted {
            self.write(&wanted).await?;
        }
        match work {
            Some(work) if work.is_deleting() => self.release(&work).await,
            _ => Ok(Outcome::Done),
        }
    }

    async fn write(&self, wanted: &Object) -> Result<(), Error> {
        let resource = self.client.resource(&endpoint_slices()).namespace(wanted.namespace());
        let result = match compare(self.slices.get(&wanted.key()).as_deref(), wanted) {
            Write::None => return Ok(()),
            Write::Create(slice) => resource.create(&slice).await,
            Write::Update(slice) => resource.update(&slice).await,
        };
        result.map(drop).map_err(|source| Error::Write { slice: wanted.key(), source })
    }

    async fn delete(&self, slice: &Arc<Object>) -> Result<(), Error> {
        let resource = self.client.resource(&endpoint_slices()).namespace(slice.namespace());
        let options = DeleteOptions { uid: Some(slice.uid().to_owned()), ..DeleteOptions::default() };
        let result = resource.delete_if_present(slice.name(), &options).await;
        result.map_err(|source| Error::Write { slice: slice.key(), source })
    }

    /// Lets a Work go whose slices are gone.
    async fn release(&self, work: &Object) -> Result<Outcome, Error> {
        let mut released = work.clone();
        if !released.remove_finalizer(finalizers::ENDPOINT_SLICE) {
            return Ok(Outcome::Done);
        }
        let result = self.context.work_resource(work.namespace()).update(&released).await;
        self.context.works().forget(&work.key());
        match result {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.is_not_found() => Ok(Outcome::Done),
            Err(source) => Err(Error::Release { work: work.key(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn work() -> Object {
        let mut work = Object::new("work.karmada.io/v1alpha1", "Work", "karmada-es-m1", "web-x");
        for (key, value) in [
            (labels::ENDPOINT_SLICE_WORK_NAMESPACE, "shop"),
            (labels::ENDPOINT_SLICE_WORK_NAME, "web"),
            (labels::ENDPOINT_SLICE_WORK_MANAGED_BY, "ServiceExport"),
            (labels::WORK_ID, "work-id"),
        ] {
            work.set_label(key, value);
        }
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "namespace": "shop", "name": "web-abc", "labels": {
                "kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            } },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.1"], "nodeName": "n1" }],
            "ports": [{ "name": "http", "port": 8080 }],
        });
        work.set("/spec", json!({ "suspendDispatching": true, "workload": { "manifests": [slice] } }));
        work
    }

    #[test]
    fn a_reported_slice_stands_for_the_derived_service() {
        let slice = wanted(&work()).unwrap();
        assert_eq!(slice.key(), ObjectKey::new("shop", "imported-m1-web-abc"));
        let labels: Vec<(&str, &str)> = slice.labels().collect();
        assert_eq!(
            labels,
            [
                ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.karmada.io"),
                ("kubernetes.io/service-name", "derived-web"),
                ("work.karmada.io/permanent-id", "work-id"),
            ]
        );
        assert_eq!(slice.str_at("/endpoints/0/addresses/0"), Some("10.0.0.1"));
        assert_eq!(slice.i64_at("/ports/0/port"), Some(8080));
    }

    #[test]
    fn a_work_that_goes_or_lost_its_mark_asks_for_no_slice() {
        let mut going = work();
        going.set("/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
        assert_eq!(wanted(&going), None);
        let mut other = work();
        other.set_label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY, "MultiClusterService");
        assert_eq!(wanted(&other), None);
        assert!(Key::of(&other).is_some(), "its slices must be looked for and deleted");
    }

    #[test]
    fn an_imported_slice_is_written_when_it_differs_and_only_then() {
        let wanted = wanted(&work()).unwrap();
        assert_eq!(compare(None, &wanted), Write::Create(wanted.clone()));
        let mut existing = wanted.clone();
        existing.set_label("somebody/else", "x");
        existing.set("/metadata/resourceVersion", "7");
        assert_eq!(compare(Some(&existing), &wanted), Write::None);
        existing.set("/endpoints", json!([]));
        let Write::Update(updated) = compare(Some(&existing), &wanted) else { panic!("it differs") };
        assert_eq!(updated.at("/endpoints"), wanted.at("/endpoints"));
        assert_eq!((updated.label("somebody/else"), updated.resource_version()), (Some("x"), "7"));
        let mut without_ports = wanted.clone();
        without_ports.remove("/ports");
        let Write::Update(updated) = compare(Some(&existing), &without_ports) else { panic!("it differs") };
        assert_eq!(updated.at("/ports"), None);
    }
}
