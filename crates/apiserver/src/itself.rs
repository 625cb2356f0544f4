//! What the server tells about itself: the service `default/kubernetes` with its endpoints, and one
//! APIService per built-in group version.

use std::net::SocketAddr;

use machinery::Object;
use serde_json::json;
use store::Expect;

use crate::core::Core;
use crate::registry::{Group, Registry};
use crate::storage::{codec, key, prefix};

/// Rank of the built-in groups in discovery, as APIServices have it.
const RANKS: &[(&str, i64)] = &[
    ("", 18000),
    ("apps", 17800),
    ("events.k8s.io", 17750),
    ("authentication.k8s.io", 17700),
    ("authorization.k8s.io", 17600),
    ("autoscaling", 17500),
    ("batch", 17400),
    ("certificates.k8s.io", 17300),
    ("networking.k8s.io", 17200),
    ("policy", 17100),
    ("rbac.authorization.k8s.io", 17000),
    ("storage.k8s.io", 16800),
    ("admissionregistration.k8s.io", 16700),
    ("apiextensions.k8s.io", 16700),
    ("scheduling.k8s.io", 16600),
    ("coordination.k8s.io", 16500),
    ("node.k8s.io", 16300),
    ("discovery.k8s.io", 16200),
    ("resource.k8s.io", 16200),
    ("flowcontrol.apiserver.k8s.io", 16100),
];

/// The APIServices of the built-in group versions. The one of APIServices themselves has none.
pub(crate) fn api_services(registry: &Registry, now: &str) -> Vec<Object> {
    let ranked = |group: &Group| RANKS.iter().find(|(name, _)| *name == group.name).map(|(_, rank)| *rank);
    let groups = registry.groups.iter().filter_map(|group| Some((group, ranked(group)?)));
    groups
        .flat_map(|(group, rank)| group.versions.iter().map(move |version| (group, rank, &version.name)))
        .map(|(group, rank, version)| api_service(&group.name, version, rank, now))
        .collect()
}

fn api_service(group: &str, version: &str, rank: i64, now: &str) -> Object {
    let name = format!("{version}.{group}");
    let mut object = Object::new("apiregistration.k8s.io/v1", "APIService", "", &name);
    object.set_label("kube-aggregator.kubernetes.io/automanaged", "onstart");
    let order = match (group, version) {
        ("", _) => 1,
        ("flowcontrol.apiserver.k8s.io" | "resource.k8s.io", _) => 21,
        (_, "v2") => 30,
        _ => 15,
    };
    let mut spec = json!({"version": version, "groupPriorityMinimum": rank, "versionPriority": order});
    if !group.is_empty() {
        spec["group"] = group.into();
    }
    object.set("/spec", spec);
    let condition = json!({
        "type": "Available", "status": "True", "lastTransitionTime": now, "reason": "Local",
        "message": "Local APIServices are always available",
    });
    object.set("/status/conditions", json!([condition]));
    object
}

/// The service under which pods find the server. Its address is the first one of the service range.
pub(crate) fn service(address: &str, port: u16) -> Object {
    let mut object = Object::new("v1", "Service", "default", "kubernetes");
    object.set_label("component", "apiserver");
    object.set_label("provider", "kubernetes");
    object.set(
        "/spec",
        json!({
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
            "clusterIP": address, "clusterIPs": [address], "type": "ClusterIP", "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
        }),
    );
    object.set("/status/loadBalancer", json!({}));
    object
}

/// Writes down where the server listens: the service and its endpoints.
pub(crate) async fn publish(core: &Core, listening: SocketAddr) {
    let (ip, port) = (listening.ip().to_string(), listening.port());
    let mut endpoints = Object::new("v1", "Endpoints", "default", "kubernetes");
    endpoints.set_label("endpointslice.kubernetes.io/skip-mirror", "true");
    let subset = json!({
        "addresses": [{"ip": ip}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    });
    endpoints.set("/subsets", json!([subset]));
    let mut slice = Object::new("discovery.k8s.io/v1", "EndpointSlice", "default", "kubernetes");
    slice.set_label("kubernetes.io/service-name", "kubernetes");
    slice.metadata_mut().insert("generation".into(), 1.into());
    let family = if listening.is_ipv4() { "IPv4" } else { "IPv6" };
    slice.set("/addressType", family);
    slice.set("/endpoints", json!([{"addresses": [ip], "conditions": {"ready": true}}]));
    slice.set("/ports", json!([{"name": "https", "protocol": "TCP", "port": port}]));
    for (group, plural, object) in [
        ("", "services", service(&core.allocator.first_address(), port)),
        ("", "endpoints", endpoints),
        ("discovery.k8s.io", "endpointslices", slice),
    ] {
        if !core.serves(group, plural) {
            continue;
        }
        if let Err(error) = put(core, group, plural, object).await {
            tracing::warn!(%error, plural, "could not publish where the server listens");
        }
    }
}

/// Creates an object, or gives the stored one this content.
async fn put(core: &Core, group: &str, plural: &str, mut object: Object) -> Result<(), store::Error> {
    let key = key(&prefix(group, plural), object.namespace(), object.name());
    let stored = core.store.get(&key).await?;
    let (expected, old) = match &stored {
        Some(kv) => (Expect::Revision(kv.revision), codec::decode(&kv.value, kv.revision).ok()),
        None => (Expect::Absent, None),
    };
    match old {
        Some(old) => {
            let content = |o: &Object| {
                let mut fields = o.fields().clone();
                fields.remove("metadata");
                fields
            };
            if content(&old) == content(&object) {
                return Ok(());
            }
            let metadata = old.metadata().cloned().unwrap_or_default();
            object.fields_mut().insert("metadata".into(), metadata.into());
            object.metadata_mut().remove("resourceVersion");
        }
        None => {
            object.metadata_mut().insert("uid".into(), core.ids.uid().into());
            object.metadata_mut().insert("creationTimestamp".into(), core.now_text().into());
        }
    }
    core.store.put(&key, codec::encode(&object).into(), expected).await.map(|_| ())
}
