//! What a fresh server creates by itself.

use std::sync::Arc;

use futures::future::try_join_all;
use machinery::Object;
use serde_json::{Value, json};
use store::Expect;

use crate::core::Core;
use crate::storage::{codec, key, prefix};
use crate::{Authorization, Error, itself};

const NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Creates what is missing; what is there stays as it is.
pub(crate) async fn run(core: &Arc<Core>) -> Result<(), Error> {
    let mut objects: Vec<(&str, &str, Object)> = Vec::new();
    for name in NAMESPACES {
        objects.push(("", "namespaces", namespace(name)));
    }
    if core.serves("apiregistration.k8s.io", "apiservices") {
        let services = itself::api_services(&core.registry.load(), &core.now_text());
        objects
            .extend(services.into_iter().map(|service| ("apiregistration.k8s.io", "apiservices", service)));
    }
    if let Some(object) = authentication(core) {
        objects.push(("", "configmaps", object));
    }
    for (name, value, what) in [
        ("system-cluster-critical", 2_000_000_000, "must run in the cluster, but may move to another node"),
        ("system-node-critical", 2_000_001_000, "must not move from their node"),
    ] {
        objects.push(("scheduling.k8s.io", "priorityclasses", priority_class(name, value, what)));
    }
    if core.options.authorization == Authorization::Rbac {
        for role in authorization::bootstrap() {
            let plural = match role.kind() {
                "ClusterRole" => "clusterroles",
                "ClusterRoleBinding" => "clusterrolebindings",
                "Role" => "roles",
                _ => "rolebindings",
            };
            objects.push((authorization::GROUP, plural, role));
        }
    }
    try_join_all(objects.into_iter().map(|(group, plural, object)| create(core, group, plural, object)))
        .await?;
    Ok(())
}

/// Creates an object unless it exists.
pub(crate) async fn create(core: &Core, group: &str, plural: &str, mut object: Object) -> Result<(), Error> {
    let key = key(&prefix(group, plural), object.namespace(), object.name());
    let known = core.store.get(&key).await.map_err(|source| Error::Bootstrap { key: key.clone(), source })?;
    if known.is_some() {
        return Ok(());
    }
    let metadata = object.metadata_mut();
    metadata.insert("uid".into(), core.ids.uid().into());
    metadata.insert("creationTimestamp".into(), core.now_text().into());
    match core.store.put(&key, codec::encode(&object).into(), Expect::Absent).await {
        Ok(_) | Err(store::Error::Unexpected { .. }) => Ok(()),
        Err(source) => Err(Error::Bootstrap { key, source }),
    }
}

fn namespace(name: &str) -> Object {
    let mut object = Object::new("v1", "Namespace", "", name);
    object.set_label("kubernetes.io/metadata.name", name);
    object.set("/spec/finalizers", json!(["kubernetes"]));
    object.set("/status/phase", "Active");
    object
}

fn priority_class(name: &str, value: i64, what: &str) -> Object {
    let mut object = Object::new("scheduling.k8s.io/v1", "PriorityClass", "", name);
    object.fields_mut().insert("value".into(), value.into());
    object.fields_mut().insert("description".into(), format!("For system pods that {what}.").into());
    object.fields_mut().insert("preemptionPolicy".into(), "PreemptLowerPriority".into());
    object.metadata_mut().insert("generation".into(), 1.into());
    object
}

/// What servers that delegate authentication to this one need to know.
fn authentication(core: &Core) -> Option<Object> {
    let options = &core.options;
    if options.client_ca_pem.is_none() && options.front_proxy_ca_pem.is_none() {
        return None;
    }
    let mut object = Object::new("v1", "ConfigMap", "kube-system", "extension-apiserver-authentication");
    let mut data = serde_json::Map::new();
    if let Some(ca) = &options.client_ca_pem {
        data.insert("client-ca-file".into(), ca.as_str().into());
    }
    if let Some(ca) = &options.front_proxy_ca_pem {
        let list = |names: &[&str]| Value::from(json!(names).to_string());
        data.insert("requestheader-client-ca-file".into(), ca.as_str().into());
        data.insert("requestheader-allowed-names".into(), json!(options.front_proxies).to_string().into());
        data.insert("requestheader-username-headers".into(), list(&["X-Remote-User"]));
        data.insert("requestheader-group-headers".into(), list(&["X-Remote-Group"]));
        data.insert("requestheader-extra-headers-prefix".into(), list(&["X-Remote-Extra-"]));
        data.insert("requestheader-uid-headers".into(), list(&["X-Remote-Uid"]));
    }
    object.set("/data", data);
    Some(object)
}
