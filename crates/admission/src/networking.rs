//! MultiClusterService.

use std::collections::BTreeSet;

use api::names::labels;
use api::networking::{ClusterSelector, LoadBalancerIngress, MultiClusterService};
use machinery::{Cause, Object, names};
use serde_json::json;

use crate::{Denial, Mutation, Operation, Source, Validation, World, fields};

/// Gives a new service its permanent id.
pub(crate) fn mutate(
    request: &Mutation<'_>,
    object: &mut Object,
    source: &mut Source<'_>,
) -> Result<(), Denial> {
    if request.operation == Operation::Create {
        object.set_label(labels::MULTI_CLUSTER_SERVICE_ID, &(source.ids)());
    }
    Ok(())
}

/// Refuses services that could not be exposed.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let service: MultiClusterService = request.parse()?;
    let spec = &service.spec;
    let name = &service.metadata.name;
    let mut causes = fields::invalid("metadata.name", name, names::dns1035_label(name));
    let kinds = ["CrossCluster", "LoadBalancer"];
    for (i, kind) in spec.types.iter().enumerate() {
        if !kinds.contains(&kind.as_str()) {
            causes.push(Cause::not_supported(format!("spec.types[{i}]"), &json!(kind), &kinds));
        }
    }
    if spec.types.iter().collect::<BTreeSet<_>>().len() > 1 {
        causes.push(Cause::invalid("spec.types", &json!(spec.types), "must name only one type"));
    }
    let mut seen = BTreeSet::new();
    for (i, port) in spec.ports.iter().enumerate() {
        let path = format!("spec.ports[{i}]");
        causes.extend(fields::port(&format!("{path}.port"), port.port));
        if !port.name.is_empty() {
            causes.extend(fields::invalid(&format!("{path}.name"), &port.name, names::dns_label(&port.name)));
        }
        if !port.name.is_empty() && !seen.insert(&port.name) {
            causes.push(Cause::duplicate(format!("{path}.name"), &json!(port.name)));
        }
    }
    causes.extend(clusters(&spec.provider_clusters, "spec.providerClusters"));
    causes.extend(clusters(&spec.consumer_clusters, "spec.consumerClusters"));
    if let Some(old) = request.old {
        let old =
            <MultiClusterService as api::Resource>::from_object(old).map_err(|e| Denial::malformed(&e))?;
        if old.spec.types != spec.types {
            causes.push(Cause::invalid("spec.types", &json!(spec.types), "the types cannot be changed"));
        }
        let addresses = service.status.load_balancer.iter().flat_map(|status| &status.ingress);
        causes.extend(load_balancer(addresses, "status.loadBalancer"));
    }
    Denial::unless_empty(causes)
}

fn clusters(selectors: &[ClusterSelector], path: &str) -> Vec<Cause> {
    selectors
        .iter()
        .enumerate()
        .flat_map(|(i, selector)| fields::cluster_name(&format!("{path}[{i}].name"), &selector.name))
        .collect()
}

/// The addresses of a load balancer, as in the status of a Service.
pub(crate) fn load_balancer<'a>(
    addresses: impl IntoIterator<Item = &'a LoadBalancerIngress>,
    path: &str,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, address) in addresses.into_iter().enumerate() {
        let path = format!("{path}.ingress[{i}]");
        let LoadBalancerIngress { hostname, ip, ip_mode, .. } = address;
        let is_ip = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
        if !ip.is_empty() && !is_ip(ip) {
            causes.push(Cause::invalid(format!("{path}.ip"), &json!(ip), "must be a valid IP address"));
        }
        match ip_mode.as_deref() {
            Some(_) if ip.is_empty() => {
                let detail = "may not be specified when `ip` is not set";
                causes.push(Cause::forbidden(format!("{path}.ipMode"), detail));
            }
            None | Some("VIP" | "Proxy") => {}
            Some(other) => {
                causes.push(Cause::not_supported(format!("{path}.ipMode"), &json!(other), &["Proxy", "VIP"]));
            }
        }
        if !hostname.is_empty() {
            let path = format!("{path}.hostname");
            causes.extend(fields::invalid(&path, hostname, names::dns_subdomain(hostname)));
            if is_ip(hostname) {
                let detail = "must be a DNS name, not an IP address";
                causes.push(Cause::invalid(path, &json!(hostname), detail));
            }
        }
    }
    causes
}
