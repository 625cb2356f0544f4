//! A Service that one member exports resolves in another.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use e2e::{LATE, Up, alone};
use serde_json::Value;
use testkit::{Cluster, eventually};

use crate::{Stage, deployment, on, policy};

const SLICES: &str = "discovery.k8s.io/v1/endpointslices";
const SERVICES: &str = "v1/services";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
";

const EXPORT: &str = "
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {name: web}
---
";

const IMPORT: &str = "
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {name: web}
spec: {type: ClusterSetIP, ports: [{name: http, port: 80, protocol: TCP}]}
---
";

const DEFINITIONS: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {name: multicluster-services}
spec:
  resourceSelectors:
  - {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, name: serviceexports.multicluster.x-k8s.io}
  - {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, name: serviceimports.multicluster.x-k8s.io}
  placement: {}
";

fn selector(api_version: &str, kind: &str) -> String {
    format!("{{apiVersion: {api_version}, kind: {kind}, name: web}}")
}

/// Brings the multi-cluster services API to the members, and waits until they are known to serve it.
#[track_caller]
fn members_know_the_api(up: &Up) {
    let control_plane = up.control_plane();
    up.kubectl(testkit::Version::Current, &control_plane).ok_with("apply -f -", DEFINITIONS);
    for name in ["member1", "member2", "member3"] {
        eventually(LATE, &format!("{name} is known to serve the API"), || {
            let cluster = control_plane.get(crate::CLUSTERS, "", name)?;
            let enablements = cluster.at("/status/apiEnablements").and_then(Value::as_array);
            let mut groups = enablements.into_iter().flatten().map(|e| &e["groupVersion"]);
            ensure!(groups.any(|g| g == "multicluster.x-k8s.io/v1alpha1"), "not yet");
            Ok(())
        });
    }
}

/// Addresses behind a Service in a cluster.
fn addresses(cluster: &Cluster, namespace: &str, service: &str) -> Result<BTreeSet<String>> {
    let slices = cluster.list(SLICES, namespace, &format!("kubernetes.io/service-name={service}"))?;
    let endpoints = slices.iter().filter_map(|slice| slice.at("/endpoints")?.as_array()).flatten();
    Ok(endpoints
        .filter_map(|endpoint| endpoint["addresses"].as_array())
        .flatten()
        .filter_map(|address| Some(address.as_str()?.to_owned()))
        .collect())
}

/// Waits until the consumer has the addresses that the source has, and returns how many.
#[track_caller]
fn resolves(source: &Cluster, consumer: &Cluster, namespace: &str, count: usize) {
    eventually(LATE, &format!("{count} endpoints are known in {}", consumer.context()), || {
        consumer.get(SERVICES, namespace, "derived-web").context("the derived service")?;
        let there = addresses(source, namespace, "web")?;
        let here = addresses(consumer, namespace, "derived-web")?;
        ensure!(there.len() == count && here == there, "there {there:?}, here {here:?}");
        Ok(())
    });
}

#[test]
fn an_exported_service_resolves_elsewhere_and_follows_its_endpoints() {
    let up = alone();
    members_know_the_api(&up);
    // One source in Push mode, one whose agent reports; the third one consumes.
    for (namespace, source, consumer) in [("export-push", 0, 1), ("export-pull", 2, 1)] {
        let stage = Stage::set(&up, namespace);
        let (source, consumer) = (&stage.members[source], &stage.members[consumer]);
        let workload = [selector("apps/v1", "Deployment"), selector("v1", "Service")].join(", ");
        stage.apply(&(deployment("web", 2) + SERVICE + &policy("web", &workload, &on(source.context()), "")));
        let multicluster = "multicluster.x-k8s.io/v1alpha1";
        stage.apply(
            &(EXPORT.to_owned()
                + &policy("export", &selector(multicluster, "ServiceExport"), &on(source.context()), "")),
        );
        stage.apply(
            &(IMPORT.to_owned()
                + &policy("import", &selector(multicluster, "ServiceImport"), &on(consumer.context()), "")),
        );
        resolves(source, consumer, namespace, 2);
        stage.user.ok("scale deployment web --replicas=4");
        resolves(source, consumer, namespace, 4);
        // What is imported is not reported back as an export of the consumer.
        let works = stage.control_plane.list(crate::WORKS, &format!("karmada-es-{}", consumer.context()), "");
        let back = works
            .expect("works can be listed")
            .into_iter()
            .filter(|work| work.label("endpointslice.karmada.io/namespace") == Some(namespace));
        assert_eq!(back.count(), 0);
        stage.user.ok_with("delete -f -", EXPORT);
        eventually(LATE, "nothing is offered any more", || {
            let here = addresses(consumer, namespace, "derived-web")?;
            ensure!(here.is_empty(), "{here:?}");
            let imported = addresses(&stage.control_plane, namespace, "derived-web")?;
            ensure!(imported.is_empty(), "in the control plane: {imported:?}");
            Ok(())
        });
        stage.user.ok_with("delete -f -", IMPORT);
        eventually(LATE, "the derived service is gone", || {
            stage.control_plane.check_gone(SERVICES, namespace, "derived-web")?;
            consumer.check_gone(SERVICES, namespace, "derived-web")
        });
    }
}
