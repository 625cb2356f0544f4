//! Defaults of a pod spec, the same in a pod and in every template of one.

use serde_json::{Value, json};

use crate::fields::{Fill, Map, Read};
use crate::quantities::{canonicalise, canonicalise_one, canonicalise_resources};

/// Defaults of the template under `key` of a workload's spec.
pub(crate) fn template(spec: &mut Map, key: &str) {
    if let Some(template) = spec.map_mut(key)
        && let Some(pod) = template.map_mut("spec")
    {
        pod_spec(pod);
    }
}

/// Defaults of a pod spec.
pub(crate) fn pod_spec(spec: &mut Map) {
    spec.fill_text("dnsPolicy", "ClusterFirst");
    spec.fill_text("restartPolicy", "Always");
    spec.fill_text("schedulerName", "default-scheduler");
    spec.fill("terminationGracePeriodSeconds", 30);
    spec.fill("securityContext", json!({}));
    service_account(spec);
    canonicalise(spec, "overhead");
    canonicalise_resources(spec, "resources");
    let host_network = spec.flag("hostNetwork");
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for c in spec.maps_mut(list) {
            container(c);
            if host_network {
                host_ports(c);
            }
        }
    }
    for v in spec.maps_mut("volumes") {
        volume(v);
    }
}

/// Both spellings of the service account say the same.
fn service_account(spec: &mut Map) {
    let name = match spec.text("serviceAccountName") {
        "" => spec.text("serviceAccount"),
        name => name,
    };
    if !name.is_empty() {
        let name: Value = name.into();
        spec.insert("serviceAccount".into(), name.clone());
        spec.insert("serviceAccountName".into(), name);
    }
}

fn host_ports(container: &mut Map) {
    for port in container.maps_mut("ports") {
        if port.int("hostPort").unwrap_or(0) == 0
            && let Some(n) = port.int("containerPort")
        {
            port.insert("hostPort".into(), n.into());
        }
    }
}

fn container(c: &mut Map) {
    let pull = pull_policy(c.text("image"));
    c.fill_text("imagePullPolicy", pull);
    c.fill_text("terminationMessagePath", "/dev/termination-log");
    c.fill_text("terminationMessagePolicy", "File");
    c.fill("resources", json!({}));
    canonicalise_resources(c, "resources");
    for port in c.maps_mut("ports") {
        port.fill_text("protocol", "TCP");
    }
    for env in c.maps_mut("env") {
        if let Some(from) = env.map_mut("valueFrom") {
            field_ref(from);
            if let Some(file) = from.map_mut("fileKeyRef") {
                file.fill("optional", false);
            }
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(p) = c.map_mut(name) {
            probe(p);
        }
    }
    if let Some(lifecycle) = c.map_mut("lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.map_mut(name) {
                http_get(hook);
            }
        }
    }
}

/// Images that can change under their name are pulled each time: tag `latest`, or no tag and no digest.
/// <https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting>
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if !digest => "Always",
        _ => "IfNotPresent",
    }
}

fn field_ref(parent: &mut Map) {
    if let Some(field) = parent.map_mut("fieldRef") {
        field.fill_text("apiVersion", "v1");
    }
    if let Some(field) = parent.map_mut("resourceFieldRef") {
        field.fill("divisor", "0");
        field.get_mut("divisor").into_iter().for_each(canonicalise_one);
    }
}

fn probe(p: &mut Map) {
    for (key, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if p.int(key).unwrap_or(0) == 0 {
            p.insert(key.into(), value.into());
        }
    }
    http_get(p);
    if let Some(grpc) = p.map_mut("grpc") {
        grpc.fill("service", "");
    }
}

fn http_get(handler: &mut Map) {
    if let Some(get) = handler.map_mut("httpGet") {
        get.fill_text("path", "/");
        get.fill_text("scheme", "HTTP");
    }
}

fn volume(v: &mut Map) {
    if v.iter().all(|(key, value)| key == "name" || value.is_null()) {
        v.insert("emptyDir".into(), json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(s) = v.map_mut(source) {
            s.fill("defaultMode", 0o644);
        }
    }
    if let Some(size) = v.map_mut("emptyDir").and_then(|e| e.get_mut("sizeLimit")) {
        canonicalise_one(size);
    }
    if let Some(d) = v.map_mut("downwardAPI") {
        d.maps_mut("items").for_each(field_ref);
    }
    if let Some(p) = v.map_mut("projected") {
        for source in p.maps_mut("sources") {
            if let Some(token) = source.map_mut("serviceAccountToken") {
                token.fill("expirationSeconds", 3600);
            }
            if let Some(d) = source.map_mut("downwardAPI") {
                d.maps_mut("items").for_each(field_ref);
            }
        }
    }
    if let Some(ephemeral) = v.map_mut("ephemeral")
        && let Some(template) = ephemeral.map_mut("volumeClaimTemplate")
    {
        template.fill("metadata", json!({}));
        if let Some(spec) = template.map_mut("spec") {
            crate::core::volume::default_claim_spec(spec);
        }
    }
    if let Some(image) = v.map_mut("image") {
        let pull = pull_policy(image.text("reference"));
        image.fill_text("pullPolicy", pull);
    }
    volume_source(v);
}

/// Defaults of the volume sources that pods and persistent volumes share.
pub(crate) fn volume_source(v: &mut Map) {
    const TEXTS: &[(&str, &[(&str, &str)])] = &[
        ("hostPath", &[("type", "")]),
        ("iscsi", &[("iscsiInterface", "default")]),
        ("rbd", &[("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")]),
        ("azureDisk", &[("cachingMode", "ReadWrite"), ("fsType", "ext4"), ("kind", "Shared")]),
        ("scaleIO", &[("storageMode", "ThinProvisioned"), ("fsType", "xfs")]),
    ];
    for (source, defaults) in TEXTS {
        if let Some(s) = v.map_mut(source) {
            for (key, value) in *defaults {
                s.fill_text(key, value);
            }
        }
    }
    if let Some(disk) = v.map_mut("azureDisk") {
        disk.fill("readOnly", false);
    }
}

/// What a pod alone gets: missing resource requests are its limits, and service links are on.
pub(crate) fn pod_only(spec: &mut Map) {
    spec.fill("enableServiceLinks", true);
    for list in ["initContainers", "containers"] {
        for c in spec.maps_mut(list) {
            let Some(resources) = c.map_mut("resources") else { continue };
            let Some(limits) = resources.map_mut("limits").filter(|l| !l.is_empty()).map(|l| l.clone())
            else {
                continue;
            };
            if let Some(requests) = resources.make("requests") {
                for (name, quantity) in limits {
                    requests.entry(name).or_insert(quantity);
                }
            }
        }
    }
}
