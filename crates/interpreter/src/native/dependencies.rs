//! What an object needs beside it: the ConfigMaps, Secrets, service account and volume claims its pods
//! name, TLS secrets, the derived Service of an import.

use std::collections::BTreeSet;

use api::config::DependentObjectReference;
use machinery::Object;
use serde_json::{Value, json};

/// Names found on a walk through a pod's specification.
#[derive(Default)]
struct Names<'a> {
    config_maps: BTreeSet<&'a str>,
    secrets: BTreeSet<&'a str>,
    volume_claims: BTreeSet<&'a str>,
}

/// Where a volume keeps the name of a secret.
const VOLUME_SECRETS: [&str; 10] = [
    "/secret/secretName",
    "/azureFile/secretName",
    "/cephfs/secretRef/name",
    "/cinder/secretRef/name",
    "/flexVolume/secretRef/name",
    "/rbd/secretRef/name",
    "/scaleIO/secretRef/name",
    "/iscsi/secretRef/name",
    "/storageos/secretRef/name",
    "/csi/nodePublishSecretRef/name",
];

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

impl<'a> Names<'a> {
    fn of_pod(spec: &'a Value) -> Self {
        let mut names = Self::default();
        names.secrets.extend(list(spec, "imagePullSecrets").filter_map(|s| text(s, "/name")));
        for containers in ["initContainers", "containers", "ephemeralContainers"] {
            for container in list(spec, containers) {
                names.visit_container(container);
            }
        }
        for volume in list(spec, "volumes") {
            names.visit_volume(volume);
        }
        names
    }

    fn visit_container(&mut self, container: &'a Value) {
        for source in list(container, "envFrom") {
            self.config_maps.extend(text(source, "/configMapRef/name"));
            self.secrets.extend(text(source, "/secretRef/name"));
        }
        for variable in list(container, "env") {
            self.config_maps.extend(text(variable, "/valueFrom/configMapKeyRef/name"));
            self.secrets.extend(text(variable, "/valueFrom/secretKeyRef/name"));
        }
    }

    fn visit_volume(&mut self, volume: &'a Value) {
        self.config_maps.extend(text(volume, "/configMap/name"));
        self.secrets.extend(VOLUME_SECRETS.iter().filter_map(|pointer| text(volume, pointer)));
        self.volume_claims.extend(text(volume, "/persistentVolumeClaim/claimName"));
        for source in volume.get("projected").into_iter().flat_map(|p| list(p, "sources")) {
            self.config_maps.extend(text(source, "/configMap/name"));
            self.secrets.extend(text(source, "/secret/name"));
        }
    }
}

fn reference(kind: &str, namespace: &str, name: &str) -> DependentObjectReference {
    DependentObjectReference {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
        label_selector: None,
    }
}

fn of_pod_spec(spec: Option<&Value>, namespace: &str) -> Vec<DependentObjectReference> {
    let Some(spec) = spec else { return Vec::new() };
    let names = Names::of_pod(spec);
    let account = text(spec, "/serviceAccountName").filter(|name| *name != "default");
    let groups: [(&str, Vec<&str>); 4] = [
        ("ConfigMap", names.config_maps.into_iter().collect()),
        ("Secret", names.secrets.into_iter().collect()),
        ("ServiceAccount", account.into_iter().collect()),
        ("PersistentVolumeClaim", names.volume_claims.into_iter().collect()),
    ];
    let references = groups.into_iter().flat_map(|(kind, names)| {
        names.into_iter().map(move |name| reference(kind, namespace, name)).collect::<Vec<_>>()
    });
    references.collect()
}

/// What the pods of a template need.
pub(crate) fn of_pod_template(template: &Value, namespace: &str) -> Vec<DependentObjectReference> {
    of_pod_spec(template.get("spec"), namespace)
}

pub(super) fn of_template(object: &Object) -> Vec<DependentObjectReference> {
    of_pod_spec(object.at("/spec/template/spec"), object.namespace())
}

pub(super) fn of_cron_job(object: &Object) -> Vec<DependentObjectReference> {
    of_pod_spec(object.at("/spec/jobTemplate/spec/template/spec"), object.namespace())
}

pub(super) fn of_pod(object: &Object) -> Vec<DependentObjectReference> {
    of_pod_spec(object.at("/spec"), object.namespace())
}

/// Claims made from the set's own templates are created in the member and are not dependencies.
pub(super) fn of_stateful_set(object: &Object) -> Vec<DependentObjectReference> {
    let templates = object.at("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let own: BTreeSet<&str> =
        templates.into_iter().flatten().filter_map(|t| text(t, "/metadata/name")).collect();
    let mut references = of_template(object);
    references.retain(|r| r.kind != "PersistentVolumeClaim" || !own.contains(r.name.as_str()));
    references
}

/// An entry without a secret name has no dependency, and spoils none of the others.
pub(super) fn of_ingress(object: &Object) -> Vec<DependentObjectReference> {
    let entries = object.at("/spec/tls").and_then(Value::as_array);
    let secrets: BTreeSet<&str> =
        entries.into_iter().flatten().filter_map(|entry| text(entry, "/secretName")).collect();
    secrets.into_iter().map(|name| reference("Secret", object.namespace(), name)).collect()
}

pub(super) fn of_service_import(object: &Object) -> Vec<DependentObjectReference> {
    let derived = api::naming::derived_service(object.name());
    let selector = json!({ "matchLabels": { "kubernetes.io/service-name": derived } });
    let slices = DependentObjectReference {
        api_version: "discovery.k8s.io/v1".into(),
        kind: "EndpointSlice".into(),
        namespace: object.namespace().into(),
        name: String::new(),
        label_selector: serde_json::from_value(selector).ok(),
    };
    vec![reference("Service", object.namespace(), &derived), slices]
}
