//! MultiClusterIngress: the rules of an Ingress of `networking.k8s.io/v1`.

use api::networking::{HttpIngressPath, MultiClusterIngress};
use machinery::{Cause, names};
use serde_json::{Value, json};

use crate::{Denial, Validation, World, fields, networking};

/// Refuses ingresses that lead nowhere.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let ingress: MultiClusterIngress = request.parse()?;
    let spec = &ingress.spec;
    let mut causes = Vec::new();
    if spec.rules.is_empty() && spec.default_backend.is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid("spec", &json!(spec), detail));
    }
    if let Some(backend) = &spec.default_backend {
        causes.extend(validate_backend(backend, "spec.defaultBackend"));
    }
    if let Some(class) = &spec.ingress_class_name {
        causes.extend(fields::invalid("spec.ingressClassName", class, names::dns_subdomain(class)));
    }
    for (i, tls) in spec.tls.iter().enumerate() {
        for (j, host) in tls.hosts.iter().enumerate() {
            causes.extend(validate_host(host, &format!("spec.tls[{i}].hosts[{j}]")));
        }
    }
    for (i, rule) in spec.rules.iter().enumerate() {
        let path = format!("spec.rules[{i}]");
        if !rule.host.is_empty() {
            causes.extend(validate_host(&rule.host, &format!("{path}.host")));
        }
        let Some(http) = &rule.http else { continue };
        if http.paths.is_empty() {
            causes.push(Cause::required(format!("{path}.http.paths"), ""));
        }
        for (j, http_path) in http.paths.iter().enumerate() {
            causes.extend(validate_path(http_path, &format!("{path}.http.paths[{j}]")));
        }
    }
    if request.old.is_some() {
        let addresses = &ingress.status.load_balancer.ingress;
        causes.extend(networking::load_balancer(addresses, "status.loadBalancer"));
    }
    Denial::unless_empty(causes)
}

fn validate_host(host: &str, path: &str) -> Vec<Cause> {
    if host.parse::<std::net::IpAddr>().is_ok() {
        return vec![Cause::invalid(path, &json!(host), "must be a DNS name, not an IP address")];
    }
    let problems =
        if host.contains('*') { names::wildcard_dns_subdomain(host) } else { names::dns_subdomain(host) };
    fields::invalid(path, host, problems)
}

/// Sequences that servers resolve, so that a path with them could lead around another rule.
const AMBIGUOUS: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];

fn validate_path(http: &HttpIngressPath, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let types = ["Exact", "ImplementationSpecific", "Prefix"];
    let path_field = format!("{path}.path");
    let absolute = http.path.starts_with('/');
    match http.path_type.as_str() {
        "Exact" | "Prefix" => {
            if !absolute {
                causes.push(Cause::invalid(path_field, &json!(http.path), "must be an absolute path"));
            } else if let Some(found) = AMBIGUOUS.iter().find(|s| http.path.contains(**s)) {
                let detail = format!("must not contain {found:?}");
                causes.push(Cause::invalid(path_field, &json!(http.path), &detail));
            } else if http.path.ends_with("/..") || http.path.ends_with("/.") {
                let detail = "must not end with a dot segment";
                causes.push(Cause::invalid(path_field, &json!(http.path), detail));
            }
        }
        "ImplementationSpecific" if !http.path.is_empty() && !absolute => {
            causes.push(Cause::invalid(path_field, &json!(http.path), "must be an absolute path"));
        }
        "ImplementationSpecific" => {}
        "" => causes.push(Cause::required(format!("{path}.pathType"), "pathType must be specified")),
        other => causes.push(Cause::not_supported(format!("{path}.pathType"), &json!(other), &types)),
    }
    causes.extend(validate_backend(&http.backend, &format!("{path}.backend")));
    causes
}

/// A Service with one of a port's name and number, or a resource.
fn validate_backend(backend: &Value, path: &str) -> Vec<Cause> {
    let service = backend.get("service").filter(|v| !v.is_null());
    let resource = backend.get("resource").filter(|v| !v.is_null());
    let service = match (service, resource) {
        (Some(service), None) => service,
        (None, Some(_)) => return Vec::new(),
        (Some(_), Some(_)) => {
            let detail = "cannot set both resource and service backends";
            return vec![Cause::invalid(path, backend, detail)];
        }
        (None, None) => return vec![Cause::required(path, "one of service and resource is needed")],
    };
    let mut causes = Vec::new();
    let name = service.get("name").and_then(Value::as_str).unwrap_or_default();
    let name_path = format!("{path}.service.name");
    if name.is_empty() {
        causes.push(Cause::required(name_path, ""));
    } else {
        causes.extend(fields::invalid(&name_path, name, names::dns1035_label(name)));
    }
    let port = format!("{path}.service.port");
    let port_name = service.pointer("/port/name").and_then(Value::as_str).filter(|n| !n.is_empty());
    let number = service.pointer("/port/number").and_then(Value::as_i64).filter(|n| *n != 0);
    match (port_name, number) {
        (Some(name), None) => {
            causes.extend(fields::invalid(&format!("{port}.name"), name, names::port_name(name)));
        }
        (None, Some(number)) => {
            causes.extend(fields::port(&format!("{port}.number"), i32::try_from(number).unwrap_or(0)));
        }
        (Some(_), Some(_)) => {
            causes.push(Cause::invalid(port, service, "cannot set both port name & port number"))
        }
        (None, None) => causes.push(Cause::required(port, "port name or number is required")),
    }
    causes
}
