//! EndpointSlices and Endpoints: the addresses of a Service's Pods.
//!
//! ```text
//! watches  Service, Pod, EndpointSlice, Endpoints
//! writes   the EndpointSlices `<service>-<hash>` and the Endpoints object of every Service with a selector
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use client::DeleteOptions;
use machinery::selector::LabelSelector;
use machinery::{GroupVersionResource, Object, ObjectKey};
use runtime::{Change, Informer, Outcome, Queue, queue};
use serde_json::{Value, json};

use crate::{Context, core, owned};

/// Endpoints per slice; upstream's `--max-endpoints-per-slice`.
const SLICE_LEN_MAX: usize = 100;
/// Addresses in an Endpoints object; upstream truncates there too.
const ENDPOINTS_LEN_MAX: usize = 1000;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// What a Service should have.
#[derive(Debug, PartialEq)]
pub struct Wanted {
    /// Its EndpointSlices, by name.
    pub slices: Vec<Object>,
    /// Its Endpoints.
    pub endpoints: Object,
}

/// Computes the slices and endpoints of a Service from the Pods of its namespace. Nothing for a
/// Service without a selector: those are written by others.
pub fn decide(service: &Object, pods: &[Arc<Object>]) -> Option<Wanted> {
    let labels = service.at("/spec/selector")?.as_object().filter(|s| !s.is_empty())?;
    let selector = LabelSelector::from_object(&json!({ "matchLabels": labels })).ok()?;
    let tolerates_unready = service.at("/spec/publishNotReadyAddresses") == Some(&Value::Bool(true));
    let chosen = pods.iter().filter(|pod| {
        let ended = matches!(pod.str_at("/status/phase"), Some("Succeeded" | "Failed"));
        !ended && pod.str_at("/status/podIP").is_some_and(|ip| !ip.is_empty()) && selector.matches_object(pod)
    });
    // Pods with the same port numbers share slices: a named port may differ from Pod to Pod.
    let mut groups: BTreeMap<String, (Value, Vec<&Arc<Object>>)> = BTreeMap::new();
    for pod in chosen {
        let ports = ports_of(service, pod);
        groups.entry(ports.to_string()).or_insert_with(|| (ports, Vec::new())).1.push(pod);
    }
    if groups.is_empty() {
        groups.insert(String::new(), (Value::Null, Vec::new()));
    }
    let mut slices = Vec::new();
    let mut subsets = Vec::new();
    for (ports, pods) in groups.values() {
        for (i, chunk) in chunks(pods).into_iter().enumerate() {
            slices.push(slice(service, ports, chunk, i, tolerates_unready));
        }
        if !pods.is_empty() {
            subsets.push(subset(ports, pods, tolerates_unready));
        }
    }
    Some(Wanted { slices, endpoints: endpoints(service, subsets) })
}

fn chunks<'a, 'p>(pods: &'a [&'p Arc<Object>]) -> Vec<&'a [&'p Arc<Object>]> {
    if pods.is_empty() { vec![pods] } else { pods.chunks(SLICE_LEN_MAX).collect() }
}

fn ports_of(service: &Object, pod: &Object) -> Value {
    let ports = service.at("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    let resolved = ports.filter_map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let number = match &port["targetPort"] {
            Value::String(name) => named_port(pod, name, protocol)?,
            Value::Number(number) => number.as_i64()?,
            _ => port["port"].as_i64()?,
        };
        let mut resolved = json!({ "name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": protocol });
        if let Some(app) = port["appProtocol"].as_str() {
            resolved["appProtocol"] = app.into();
        }
        Some(resolved)
    });
    Value::Array(resolved.collect())
}

fn named_port(pod: &Object, name: &str, protocol: &str) -> Option<i64> {
    let containers = pod.at("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let mut ports = containers.filter_map(|c| c["ports"].as_array()).flatten();
    let port = ports.find(|p| p["name"] == name && p["protocol"].as_str().unwrap_or("TCP") == protocol)?;
    port["containerPort"].as_i64()
}

fn is_ready(pod: &Object, tolerates_unready: bool) -> bool {
    tolerates_unready || (owned::ready_since(pod).is_some() && !pod.is_deleting())
}

fn target(pod: &Object) -> Value {
    json!({ "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid() })
}

fn slice(
    service: &Object,
    ports: &Value,
    pods: &[&Arc<Object>],
    i: usize,
    tolerates_unready: bool,
) -> Object {
    let suffix = machinery::hash::name_hash(&format!("{}/{ports}/{i}", service.uid()));
    let name = format!("{}-{suffix}", service.name());
    let mut slice = Object::new("discovery.k8s.io/v1", "EndpointSlice", service.namespace(), &name);
    for (key, value) in service.labels() {
        slice.set_label(key, value);
    }
    slice.set_label(SERVICE_NAME, service.name());
    slice.set_label(MANAGED_BY, MANAGER);
    if service.str_at("/spec/clusterIP") == Some("None") {
        slice.set_label("service.kubernetes.io/headless", "");
    }
    let mut owner = service.controller_reference();
    owner.block_owner_deletion = Some(true);
    slice.set_owner_references(&[owner]);
    slice.set("/addressType", "IPv4");
    let list = pods.iter().map(|pod| {
        let serving = owned::ready_since(pod).is_some();
        let mut endpoint = json!({
            "addresses": [pod.str_at("/status/podIP").unwrap_or_default()],
            "conditions": { "ready": is_ready(pod, tolerates_unready), "serving": serving, "terminating": pod.is_deleting() },
            "targetRef": target(pod),
        });
        if let Some(node) = pod.str_at("/spec/nodeName") {
            endpoint["nodeName"] = node.into();
        }
        endpoint
    });
    slice.set("/endpoints", list.collect::<Vec<_>>());
    if ports.is_array() {
        slice.set("/ports", ports.clone());
    }
    slice
}

fn subset(ports: &Value, pods: &[&Arc<Object>], tolerates_unready: bool) -> Value {
    let address = |pod: &&&Arc<Object>| {
        let mut address =
            json!({ "ip": pod.str_at("/status/podIP").unwrap_or_default(), "targetRef": target(pod) });
        if let Some(node) = pod.str_at("/spec/nodeName") {
            address["nodeName"] = node.into();
        }
        address
    };
    let of = |ready: bool| -> Vec<Value> {
        let matching = pods.iter().filter(|p| is_ready(p, tolerates_unready) == ready);
        matching.take(ENDPOINTS_LEN_MAX).map(|p| address(&p)).collect()
    };
    let mut subset = json!({});
    for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
        let addresses = of(ready);
        if !addresses.is_empty() {
            subset[field] = addresses.into();
        }
    }
    let named = ports.as_array().into_iter().flatten().map(|port| {
        let mut port = port.clone();
        if port["name"] == ""
            && let Some(fields) = port.as_object_mut()
        {
            fields.remove("name");
        }
        port
    });
    subset["ports"] = named.collect();
    subset
}

fn endpoints(service: &Object, subsets: Vec<Value>) -> Object {
    let mut endpoints = Object::new("v1", "Endpoints", service.namespace(), service.name());
    for (key, value) in service.labels() {
        endpoints.set_label(key, value);
    }
    endpoints.set_label("endpoints.kubernetes.io/managed-by", "endpoint-controller");
    if !subsets.is_empty() {
        endpoints.set("/subsets", subsets);
    }
    endpoints
}

#[derive(Clone)]
struct Controller {
    context: Context,
    services: Informer,
    pods: Informer,
    slices: Informer,
    endpoints: Informer,
}

fn slices_gvr() -> GroupVersionResource {
    GroupVersionResource::new("discovery.k8s.io", "v1", "endpointslices")
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<ObjectKey> = Queue::new("endpointslice");
    let controller = Controller {
        services: context.informers.get(&core("services")),
        pods: context.informers.get(&core("pods")),
        slices: context.informers.get(&slices_gvr()),
        endpoints: context.informers.get(&core("endpoints")),
        context: context.clone(),
    };
    for informer in [&controller.services, &controller.pods, &controller.slices, &controller.endpoints] {
        if !informer.wait_synced(&context.shutdown).await {
            return;
        }
    }
    let wake = queue.clone();
    controller.services.on_change(move |change: &Change| wake.add(change.object().key()));
    let (wake, services) = (queue.clone(), controller.services.clone());
    controller.pods.on_change(move |change: &Change| {
        let pod = change.object();
        for service in services.list_in(pod.namespace()) {
            let Some(labels) =
                service.at("/spec/selector").and_then(Value::as_object).filter(|l| !l.is_empty())
            else {
                continue;
            };
            let matches = |pod: &Object| labels.iter().all(|(k, v)| pod.label(k) == v.as_str());
            if matches(pod) || change.old().is_some_and(|old| matches(old)) {
                wake.add(service.key());
            }
        }
    });
    let wake = queue.clone();
    controller.slices.on_change(move |change: &Change| {
        let slice = change.object();
        if let (Some(service), Some(MANAGER)) = (slice.label(SERVICE_NAME), slice.label(MANAGED_BY)) {
            wake.add(ObjectKey::new(slice.namespace(), service));
        }
    });
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 2, &shutdown, move |key| {
        let controller = controller.clone();
        async move { controller.look(&key).await }
    })
    .await;
}

impl Controller {
    async fn look(&self, key: &ObjectKey) -> Result<Outcome, client::Error> {
        let client = self.context.informers.client();
        let Some(service) = self.services.get(key).filter(|s| !s.is_deleting()) else {
            // The slices go with their owner; Endpoints have none and are named like the Service.
            if self
                .endpoints
                .get(key)
                .is_some_and(|e| e.label("endpoints.kubernetes.io/managed-by").is_some())
            {
                let endpoints = client.resource(&core("endpoints")).namespace(&key.namespace);
                endpoints.delete_if_present(&key.name, &DeleteOptions::default()).await?;
            }
            return Ok(Outcome::Done);
        };
        let Some(wanted) = decide(&service, &self.pods.list_in(&key.namespace)) else {
            return Ok(Outcome::Done);
        };
        let slices = client.resource(&slices_gvr()).namespace(&key.namespace);
        for slice in &wanted.slices {
            let fields = ["addressType", "endpoints", "ports"];
            put(&slices, self.slices.get(&slice.key()).as_deref(), slice, &fields).await?;
        }
        for known in self.slices.list_in(&key.namespace) {
            let ours =
                known.label(SERVICE_NAME) == Some(service.name()) && known.label(MANAGED_BY) == Some(MANAGER);
            if ours && !known.is_deleting() && wanted.slices.iter().all(|s| s.name() != known.name()) {
                slices.delete_if_present(known.name(), &DeleteOptions::default()).await?;
            }
        }
        let endpoints = client.resource(&core("endpoints")).namespace(&key.namespace);
        put(&endpoints, self.endpoints.get(key).as_deref(), &wanted.endpoints, &["subsets"]).await?;
        Ok(Outcome::Done)
    }
}

/// Creates an object, or brings the given fields and the labels of a known one up to date.
async fn put(
    resource: &client::Resource,
    known: Option<&Object>,
    wanted: &Object,
    fields: &[&str],
) -> Result<(), client::Error> {
    let result = match known {
        None => resource.create(wanted).await,
        Some(known) => {
            let mut changed = known.clone();
            for field in fields {
                match wanted.fields().get(*field) {
                    Some(value) => {
                        changed.fields_mut().insert((*field).to_owned(), value.clone());
                    }
                    None => {
                        changed.fields_mut().remove(*field);
                    }
                }
            }
            for (key, value) in wanted.labels() {
                changed.set_label(key, value);
            }
            if changed == *known {
                return Ok(());
            }
            resource.update(&changed).await
        }
    };
    match result {
        // Behind, or too late: the change that was missed brings us back.
        Err(error) if error.is_already_exists() || error.is_conflict() || error.is_not_found() => Ok(()),
        Err(error) if error.status().is_some_and(|s| s.code == 403) => Ok(()),
        result => result.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(ports: Value) -> Object {
        let mut service = Object::new("v1", "Service", "ns", "web");
        service.set("/metadata/uid", "s1");
        service.set("/spec", json!({ "selector": { "app": "web" }, "ports": ports }));
        service
    }

    fn pod(name: &str, ip: &str, ready: bool, port: i64) -> Arc<Object> {
        let mut pod = Object::new("v1", "Pod", "ns", name);
        pod.set_label("app", "web");
        pod.set("/spec", json!({ "nodeName": "n1", "containers": [{ "ports": [{ "name": "http", "containerPort": port }] }] }));
        let status = if ready { "True" } else { "False" };
        pod.set(
            "/status",
            json!({ "podIP": ip, "phase": "Running", "conditions": [{ "type": "Ready", "status": status }] }),
        );
        Arc::new(pod)
    }

    #[test]
    fn ready_and_unready_pods_are_told_apart() {
        let service = service(json!([{ "port": 80, "targetPort": 8080 }]));
        let wanted =
            decide(&service, &[pod("a", "10.0.0.1", true, 8080), pod("b", "10.0.0.2", false, 8080)]).unwrap();
        assert_eq!(wanted.slices.len(), 1);
        assert_eq!(wanted.slices[0].at("/endpoints/0/conditions/ready"), Some(&json!(true)));
        assert_eq!(wanted.slices[0].at("/endpoints/1/conditions/ready"), Some(&json!(false)));
        assert_eq!(wanted.endpoints.str_at("/subsets/0/addresses/0/ip"), Some("10.0.0.1"));
        assert_eq!(wanted.endpoints.str_at("/subsets/0/notReadyAddresses/0/ip"), Some("10.0.0.2"));
    }

    #[test]
    fn a_named_port_is_looked_up_in_each_pod() {
        let service = service(json!([{ "port": 80, "targetPort": "http" }]));
        let wanted =
            decide(&service, &[pod("a", "10.0.0.1", true, 8080), pod("b", "10.0.0.2", true, 9090)]).unwrap();
        let ports: Vec<_> = wanted.slices.iter().map(|s| s.i64_at("/ports/0/port").unwrap()).collect();
        assert_eq!(ports, [8080, 9090]);
    }

    #[test]
    fn a_service_without_pods_has_one_empty_slice_and_one_without_a_selector_none() {
        let wanted = decide(&service(json!([])), &[]).unwrap();
        assert_eq!(wanted.slices[0].at("/endpoints"), Some(&json!([])));
        assert_eq!(wanted.endpoints.at("/subsets"), None);
        let mut manual = service(json!([]));
        manual.remove("/spec/selector");
        assert_eq!(decide(&manual, &[]), None);
    }

    #[test]
    fn many_pods_are_spread_over_slices() {
        let pods: Vec<_> =
            (0..250).map(|i| pod(&format!("p{i}"), &format!("10.0.{}.{}", i / 250, i), true, 80)).collect();
        let wanted = decide(&service(json!([{ "port": 80 }])), &pods).unwrap();
        let sizes: Vec<_> =
            wanted.slices.iter().map(|s| s.at("/endpoints").unwrap().as_array().unwrap().len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }
}
