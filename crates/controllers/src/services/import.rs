//! Service import: the Service that stands for an imported one.
//!
//! ```text
//! watches  ServiceImport, Service
//! reads    nothing else
//! writes   Service derived-<name>, owned by the ServiceImport
//! wakes    on every change of an import, and when its Service is changed or deleted by others
//! ```
//!
//! The rules live in [`decide`].

use api::Resource as _;
use api::multicluster::{ServiceImport, ServiceImportType};
use api::names::events;
use api::naming;
use client::{DeleteOptions, Patch};
use futures::future::BoxFuture;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Change, Informer, Outcome, Queue, queue};
use serde_json::{Value, json};

use crate::context::Context;

/// Imports looked at at the same time.
const WORKERS: usize = 2;

fn services() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "services")
}

/// What has to be done so that a derived Service is as its import says.
#[derive(Debug, PartialEq)]
enum Decision {
    None,
    Create(Object),
    Update(Object),
    /// The import is gone or is not one that has a Service; the Service is its.
    Delete {
        uid: String,
    },
}

/// Whether a Service is the one of an import of this name.
fn is_derived(service: &Object, import: &str) -> bool {
    let owner = service.controller_owner();
    owner.is_some_and(|owner| owner.kind == ServiceImport::KIND.kind && owner.name == import)
}

/// Decides about the derived Service of an import.
fn decide(name: &str, import: Option<&Object>, service: Option<&Object>) -> Decision {
    let import = import.filter(|import| !import.is_deleting());
    let typed = import.and_then(|import| Some((import, import.parse::<ServiceImport>().ok()?)));
    let wanted = typed.filter(|(_, typed)| typed.spec.type_ == ServiceImportType::ClusterSetIP);
    let Some((import, typed)) = wanted else {
        return match service {
            Some(service) if is_derived(service, name) && !service.is_deleting() => {
                Decision::Delete { uid: service.uid().to_owned() }
            }
            _ => Decision::None,
        };
    };
    let ports: Vec<Value> = typed.spec.ports.iter().map(port).collect();
    let Some(service) = service else {
        let name = naming::derived_service(name);
        let mut service = Object::new("v1", "Service", import.namespace(), &name);
        service.set_owner_references(&[import.controller_reference()]);
        service.set("/spec", json!({ "type": "ClusterIP", "ports": ports }));
        return Decision::Create(service);
    };
    // Addresses that the Service has are its own.
    let mut updated = service.clone();
    if !is_derived(service, name) {
        updated.set_owner_references(&[import.controller_reference()]);
    }
    if service.str_at("/spec/type") != Some("ClusterIP") {
        updated.set("/spec/type", "ClusterIP");
    }
    if !has_ports(service, &ports) {
        updated.set("/spec/ports", Value::Array(ports));
    }
    if updated == *service { Decision::None } else { Decision::Update(updated) }
}

fn port(port: &api::multicluster::ServicePort) -> Value {
    let mut value = json!({ "protocol": if port.protocol.is_empty() { "TCP" } else { &port.protocol }, "port": port.port });
    if !port.name.is_empty() {
        value["name"] = port.name.as_str().into();
    }
    if let Some(protocol) = &port.app_protocol {
        value["appProtocol"] = protocol.as_str().into();
    }
    value
}

/// Whether a Service has just these ports; what the API server fills in does not count.
fn has_ports(service: &Object, wanted: &[Value]) -> bool {
    let found = service.at("/spec/ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let same = |found: &Value, wanted: &Value| {
        ["name", "protocol", "port", "appProtocol"].iter().all(|field| found.get(field) == wanted.get(field))
    };
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
}

/// The load balancer status of a derived Service: the addresses of its import. Nothing if it is so already.
fn load_balancer(import: &Object, service: &Object) -> Option<Value> {
    let ips = import.at("/spec/ips").and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted: Vec<Value> = ips.into_iter().map(|ip| json!({ "ip": ip })).collect();
    let found = service.at("/status/loadBalancer/ingress").and_then(Value::as_array);
    let found: Vec<Value> =
        found.into_iter().flatten().map(|ingress| json!({ "ip": ingress["ip"] })).collect();
    (found != wanted).then(|| {
        let ingress = if wanted.is_empty() { Value::Null } else { Value::Array(wanted) };
        json!({ "status": { "loadBalancer": { "ingress": ingress } } })
    })
}

/// Why a derived Service is not as it should be.
#[derive(Debug, thiserror::Error)]
#[error("could not write the derived service of {import}")]
struct Error {
    import: ObjectKey,
    source: client::Error,
}

#[derive(Clone)]
struct Controller {
    context: Context,
    imports: Informer,
    services: Informer,
}

/// Runs the controller until shutdown.
pub(crate) fn run(context: Context) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let queue: Queue<ObjectKey> = Queue::new("service-import-controller");
        let imports = context.informers.get(&ServiceImport::gvr());
        let wakes = queue.clone();
        imports.on_change(move |change: &Change| wakes.add(change.object().key()));
        let services = context.informers.get(&services());
        let wakes = queue.clone();
        services.on_change(move |change: &Change| {
            let owner = change.object().controller_owner();
            let import = owner.filter(|owner| owner.kind == ServiceImport::KIND.kind);
            if let Some(import) = import {
                wakes.add(ObjectKey::new(change.object().namespace(), &import.name));
            }
        });
        let shutdown = context.shutdown.clone();
        if !imports.wait_synced(&shutdown).await || !services.wait_synced(&shutdown).await {
            return;
        }
        let controller = Controller { context, imports, services };
        queue::run(&queue, WORKERS, &shutdown, move |import: ObjectKey| {
            let controller = controller.clone();
            async move { controller.reconcile(&import).await }
        })
        .await;
    })
}

impl Controller {
    async fn reconcile(&self, key: &ObjectKey) -> Result<Outcome, Error> {
        let import = self.imports.get(key);
        let name = naming::derived_service(&key.name);
        let service = self.services.get(&ObjectKey::new(&key.namespace, &name));
        let decision = decide(&key.name, import.as_deref(), service.as_deref());
        let has_service = !matches!(decision, Decision::Delete { .. });
        let is_news = decision != Decision::None;
        let result = self.apply(&key.namespace, &name, decision).await;
        let result = match (result, &import) {
            (Ok(written), Some(import)) if has_service => {
                let service = written.or_else(|| service.map(|service| (*service).clone()));
                self.write_status(import, service.as_ref()).await
            }
            (Ok(_), _) => Ok(()),
            (Err(error), _) => Err(error),
        };
        if let (Some(import), true) = (&import, is_news || result.is_err()) {
            let recorder = &self.context.recorder;
            match &result {
                Ok(()) if has_service => recorder.normal(
                    &**import,
                    events::SYNC_DERIVED_SERVICE_SUCCEED,
                    format!("Sync derived service for serviceImport({}) succeed.", key.name),
                ),
                Ok(()) => {}
                Err(error) => {
                    recorder.warning(&**import, events::SYNC_DERIVED_SERVICE_FAILED, error.chain());
                }
            }
        }
        result.map(|()| Outcome::Done).map_err(|source| Error { import: key.clone(), source })
    }

    async fn apply(
        &self,
        namespace: &str,
        name: &str,
        decision: Decision,
    ) -> Result<Option<Object>, client::Error> {
        let resource = self.context.client.resource(&services()).namespace(namespace);
        match decision {
            Decision::None => Ok(None),
            Decision::Create(service) => resource.create(&service).await.map(Some),
            Decision::Update(service) => resource.update(&service).await.map(Some),
            Decision::Delete { uid } => {
                let options = DeleteOptions { uid: Some(uid), ..DeleteOptions::default() };
                resource.delete_if_present(name, &options).await.map(|()| None)
            }
        }
    }

    async fn write_status(&self, import: &Object, service: Option<&Object>) -> Result<(), client::Error> {
        let Some((service, patch)) = service.and_then(|s| Some((s, load_balancer(import, s)?))) else {
            return Ok(());
        };
        let resource = self.context.client.resource(&services()).namespace(service.namespace());
        resource.patch_status(service.name(), &Patch::Merge(&patch)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(spec: Value) -> Object {
        let object = json!({
            "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceImport",
            "metadata": { "namespace": "shop", "name": "web", "uid": "import-uid" }, "spec": spec,
        });
        Object::from_value(object).unwrap()
    }

    fn plain() -> Object {
        import(json!({ "type": "ClusterSetIP", "ports": [{ "name": "http", "port": 80 }] }))
    }

    fn created(import: &Object) -> Object {
        match decide("web", Some(import), None) {
            Decision::Create(service) => service,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_import_has_a_service_with_its_ports() {
        let service = created(&plain());
        assert_eq!(service.key(), ObjectKey::new("shop", "derived-web"));
        let spec =
            json!({ "type": "ClusterIP", "ports": [{ "name": "http", "protocol": "TCP", "port": 80 }] });
        assert_eq!(service.at("/spec"), Some(&spec));
        assert_eq!(service.controller_owner().unwrap().uid, "import-uid");
    }

    #[test]
    fn a_headless_import_has_none() {
        let headless = import(json!({ "type": "Headless", "ports": [{ "port": 80 }] }));
        assert_eq!(decide("web", Some(&headless), None), Decision::None);
    }

    #[test]
    fn the_address_that_a_service_got_is_kept() {
        let mut service = created(&plain());
        service.set("/spec/clusterIP", "10.0.0.7");
        let filled_in = json!([{ "name": "http", "protocol": "TCP", "port": 80, "targetPort": 80 }]);
        service.set("/spec/ports", filled_in);
        assert_eq!(decide("web", Some(&plain()), Some(&service)), Decision::None);
        let other = import(json!({ "type": "ClusterSetIP", "ports": [{ "name": "http", "port": 8080 }] }));
        let Decision::Update(updated) = decide("web", Some(&other), Some(&service)) else {
            panic!("the port has changed");
        };
        assert_eq!(updated.str_at("/spec/clusterIP"), Some("10.0.0.7"));
        assert_eq!(updated.i64_at("/spec/ports/0/port"), Some(8080));
    }

    #[test]
    fn a_service_goes_with_its_import_and_another_ones_stays() {
        let mut service = created(&plain());
        service.set("/metadata/uid", "service-uid");
        let gone = Decision::Delete { uid: "service-uid".into() };
        assert_eq!(decide("web", None, Some(&service)), gone);
        let headless = import(json!({ "type": "Headless" }));
        assert_eq!(decide("web", Some(&headless), Some(&service)), gone);
        service.set_owner_references(&[]);
        assert_eq!(decide("web", None, Some(&service)), Decision::None, "somebody made it by hand");
    }

    #[test]
    fn the_imports_addresses_stand_in_the_services_status() {
        let import = import(json!({ "type": "ClusterSetIP", "ports": [], "ips": ["192.0.2.1"] }));
        let mut service = created(&import);
        let patch = load_balancer(&import, &service).unwrap();
        assert_eq!(patch, json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } }));
        service.set(
            "/status",
            json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1", "ipMode": "VIP" }] } }),
        );
        assert_eq!(load_balancer(&import, &service), None);
        assert_eq!(load_balancer(&plain(), &created(&plain())), None);
    }
}
