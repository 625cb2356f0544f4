//! Services across clusters, by the multi-cluster services standard: a Service that one member exports
//! resolves in another.
//!
//! ```text
//! source member     EndpointSlices of the Service
//!      export         one Work per slice, never dispatched          ─▶ Work in karmada-es-<source>
//!      endpoint_slice one slice per Work, for the derived Service   ─▶ imported-<source>-<slice>
//!      import         one Service per ServiceImport                 ─▶ derived-<name>
//! consumer member   both arrive as dependencies of the ServiceImport
//! ```

pub(crate) mod endpoint_slice;
pub(crate) mod export;
pub(crate) mod import;

use std::collections::BTreeSet;

use api::names::{labels, values};
use machinery::{GroupVersionResource, Object, ObjectKey};
use serde_json::Value;

/// The user of a reported slice that these controllers are, among others in the label that lists them.
const SERVICE_EXPORT: &str = "ServiceExport";

/// The index of reporting Works by their id.
const BY_WORK_ID: &str = "slice-work-id";

const MULTICLUSTER: &str = "multicluster.x-k8s.io/";

fn endpoint_slices() -> GroupVersionResource {
    GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices")
}

/// Who needs a reported slice: the names in the label, joined by dots.
fn users(work: &Object) -> BTreeSet<&str> {
    let listed = work.label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY).unwrap_or_default();
    listed.split('.').filter(|user| !user.is_empty()).collect()
}

fn joined(users: &BTreeSet<&str>) -> String {
    users.iter().copied().collect::<Vec<_>>().join(".")
}

/// The export that a Work reports a slice for, when it does.
fn reported_for(work: &Object) -> Option<ObjectKey> {
    let name = work.label(labels::ENDPOINT_SLICE_WORK_NAME).filter(|name| !name.is_empty())?;
    let namespace = work.label(labels::ENDPOINT_SLICE_WORK_NAMESPACE).unwrap_or_default();
    users(work).contains(SERVICE_EXPORT).then(|| ObjectKey::new(namespace, name))
}

/// The first object that a Work carries.
fn manifest(work: &Object) -> Option<&Value> {
    work.at("/spec/workload/manifests/0")
}

/// The ServiceExport that a Work carries, when it does.
fn exported_by(work: &Object) -> Option<ObjectKey> {
    let manifest = manifest(work)?;
    let is_export = manifest["kind"] == SERVICE_EXPORT
        && manifest["apiVersion"].as_str().is_some_and(|version| version.starts_with(MULTICLUSTER));
    let metadata = &manifest["metadata"];
    is_export.then(|| {
        ObjectKey::new(
            metadata["namespace"].as_str().unwrap_or_default(),
            metadata["name"].as_str().unwrap_or_default(),
        )
    })
}

/// Whether a slice is one that Karmada has brought: those are not reported back.
fn is_karmadas(slice: &Object) -> bool {
    let manager = slice.label(labels::ENDPOINT_SLICE_MANAGED_BY);
    [values::ENDPOINT_SLICE_CONTROLLER, values::ENDPOINT_SLICE_DISPATCH_CONTROLLER]
        .into_iter()
        .any(|karmada| manager == Some(karmada))
}

/// Name of the Service that a slice belongs to.
fn service_of(slice: &Object) -> Option<&str> {
    slice.label(labels::SERVICE_NAME).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn work() -> Object {
        Object::new("work.karmada.io/v1alpha1", "Work", "karmada-es-m1", "w")
    }

    #[test]
    fn a_work_with_a_service_export_says_which_service_is_exported() {
        let mut work = work();
        assert_eq!(exported_by(&work), None);
        let export = json!({ "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceExport",
            "metadata": { "namespace": "shop", "name": "web" } });
        work.set("/spec", json!({ "workload": { "manifests": [export] } }));
        assert_eq!(exported_by(&work), Some(ObjectKey::new("shop", "web")));
        let other = json!([{ "apiVersion": "example.org/v1", "kind": "ServiceExport" }]);
        work.set("/spec/workload/manifests", other);
        assert_eq!(exported_by(&work), None, "another kind of this name");
    }

    #[test]
    fn a_reported_slice_may_have_other_users() {
        let mut work = work();
        work.set_label(labels::ENDPOINT_SLICE_WORK_NAMESPACE, "shop");
        work.set_label(labels::ENDPOINT_SLICE_WORK_NAME, "web");
        assert_eq!(reported_for(&work), None);
        work.set_label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY, "MultiClusterService.ServiceExport");
        assert_eq!(reported_for(&work), Some(ObjectKey::new("shop", "web")));
        work.set_label(labels::ENDPOINT_SLICE_WORK_MANAGED_BY, "MultiClusterService");
        assert_eq!(reported_for(&work), None);
    }

    #[test]
    fn slices_that_karmada_has_brought_are_known() {
        let mut slice = Object::new("discovery.k8s.io/v1", "EndpointSlice", "shop", "web-x");
        assert!(!is_karmadas(&slice));
        slice.set_label(labels::ENDPOINT_SLICE_MANAGED_BY, "endpointslice-controller.k8s.io");
        assert!(!is_karmadas(&slice));
        for manager in ["endpointslice-controller.karmada.io", "endpointslice-dispatch-controller.karmada.io"]
        {
            slice.set_label(labels::ENDPOINT_SLICE_MANAGED_BY, manager);
            assert!(is_karmadas(&slice), "{manager}");
        }
    }
}
