//! Ingresses, network policies, and the addresses of services.

use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::checks::{cidr, label_selector, one_of, port_number, problems, required, selector_text};
use crate::core::service::ingress_points;
use crate::fields::{Fill, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, NONE, age, or, text};
use crate::{Column, Rules};

pub(crate) static INGRESS: Rules = Rules {
    prepare_create: |ingress| ingress.set("/status", json!({"loadBalancer": {}})),
    prepare_update: keep_status,
    validate_create: validate_ingress,
    validate_update: |new, _| validate_ingress(new),
    columns: || INGRESS_COLUMNS,
    cells: |ingress, now| {
        let spec = ingress.value().child(&["spec"]);
        let class = match spec.text("ingressClassName") {
            "" => ingress.annotation("kubernetes.io/ingress.class").unwrap_or(NONE),
            class => class,
        };
        let address = ingress_points(ingress.value()).collect::<Vec<_>>().join(",");
        let ports = if spec.list("tls").is_empty() { "80" } else { "80, 443" };
        vec![
            ingress.name().into(),
            class.into(),
            hosts(spec).into(),
            address.into(),
            ports.into(),
            age(ingress, now),
        ]
    },
    ..Rules::PLAIN
};

const INGRESS_COLUMNS: &[Column] = &[
    NAME,
    text("Class", "Ingress class, which says who serves it."),
    text("Hosts", "Hosts of the rules."),
    text("Address", "Addresses of the load balancer."),
    text("Ports", "Ports of the load balancer."),
    AGE,
];

fn hosts(spec: &Value) -> String {
    let hosts: Vec<&str> =
        spec.list("rules").iter().map(|r| r.text("host")).filter(|h| !h.is_empty()).collect();
    match hosts.as_slice() {
        [] => "*".into(),
        hosts if hosts.len() > 3 => format!("{} + {} more...", hosts[..3].join(","), hosts.len() - 3),
        hosts => hosts.join(","),
    }
}

fn validate_ingress(ingress: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = ingress.value().child(&["spec"]);
    let default = spec.child(&["defaultBackend"]);
    if spec.list("rules").is_empty() && default.is_null() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid("spec", &json!([]), detail));
    }
    if !default.is_null() {
        backend(&mut causes, "spec.defaultBackend", default);
    }
    for (i, rule) in spec.list("rules").iter().enumerate() {
        let at = format!("spec.rules[{i}]");
        let host = rule.text("host");
        if host.parse::<std::net::IpAddr>().is_ok() {
            let detail = "must be a DNS name, not an IP address";
            causes.push(Cause::invalid(format!("{at}.host"), &host.into(), detail));
        } else if host.starts_with("*.") {
            problems(&mut causes, &format!("{at}.host"), host, names::wildcard_dns_subdomain(host));
        } else if !host.is_empty() {
            problems(&mut causes, &format!("{at}.host"), host, names::dns_subdomain(host));
        }
        let http = rule.child(&["http"]);
        if !http.is_null() && http.list("paths").is_empty() {
            causes.push(Cause::required(format!("{at}.http.paths"), ""));
        }
        for (j, path) in http.list("paths").iter().enumerate() {
            ingress_path(&mut causes, &format!("{at}.http.paths[{j}]"), path);
        }
    }
    for (i, tls) in spec.list("tls").iter().enumerate() {
        for (j, host) in tls.list("hosts").iter().enumerate() {
            let host = host.as_str().unwrap_or_default();
            let rule =
                if host.starts_with("*.") { names::wildcard_dns_subdomain } else { names::dns_subdomain };
            problems(&mut causes, &format!("spec.tls[{i}].hosts[{j}]"), host, rule(host));
        }
    }
    let class = spec.text("ingressClassName");
    if !class.is_empty() {
        problems(&mut causes, "spec.ingressClassName", class, names::dns_subdomain(class));
    }
    causes
}

fn ingress_path(causes: &mut Vec<Cause>, at: &str, path: &Value) {
    let (text, ty) = (path.text("path"), path.text("pathType"));
    if ty.is_empty() {
        causes.push(Cause::required(format!("{at}.pathType"), "pathType must be specified"));
    } else {
        one_of(causes, &format!("{at}.pathType"), ty, &["Exact", "ImplementationSpecific", "Prefix"]);
    }
    let absolute = text.starts_with('/');
    if (matches!(ty, "Exact" | "Prefix") || !text.is_empty()) && !absolute {
        causes.push(Cause::invalid(format!("{at}.path"), &text.into(), "must be an absolute path"));
    }
    if matches!(ty, "Exact" | "Prefix") && absolute {
        for part in ["//", "/./", "/../", "%2f", "%2F"] {
            if text.contains(part) {
                let detail = format!("must not contain '{part}'");
                causes.push(Cause::invalid(format!("{at}.path"), &text.into(), &detail));
            }
        }
    }
    backend(causes, &format!("{at}.backend"), path.child(&["backend"]));
}

fn backend(causes: &mut Vec<Cause>, at: &str, backend: &Value) {
    match (backend.has("service"), backend.has("resource")) {
        (true, true) => {
            causes.push(Cause::invalid(at, &"".into(), "cannot set both resource and service backends"))
        }
        (false, false) => causes.push(Cause::required(at, "resource or service backend is required")),
        (false, true) => {
            for field in ["kind", "name"] {
                required(causes, &format!("{at}.resource.{field}"), backend.child(&["resource"]).text(field));
            }
        }
        (true, false) => service_backend(causes, &format!("{at}.service"), backend.child(&["service"])),
    }
}

fn service_backend(causes: &mut Vec<Cause>, at: &str, service: &Value) {
    let name = service.text("name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    } else {
        problems(causes, &format!("{at}.name"), name, names::dns_label(name));
    }
    let port = service.child(&["port"]);
    match (port.text("name"), port.int("number").unwrap_or(0)) {
        ("", 0) => causes.push(Cause::required(at, "port name or number is required")),
        ("", number) => port_number(causes, &format!("{at}.port.number"), number),
        (name, 0) => problems(causes, &format!("{at}.port.name"), name, names::port_name(name)),
        _ => causes.push(Cause::invalid(at, &"".into(), "cannot set both port name & port number")),
    }
}

pub(crate) static INGRESS_CLASS: Rules = Rules {
    default: |class| {
        if let Some(parameters) = class.fields_mut().map_mut("spec").and_then(|s| s.map_mut("parameters")) {
            parameters.fill_text("scope", "Cluster");
        }
    },
    validate_create: |class| {
        let mut causes = Vec::new();
        required(&mut causes, "spec.controller", class.value().child(&["spec"]).text("controller"));
        causes
    },
    validate_update: |new, old| {
        let mut causes = Vec::new();
        let path = &["spec", "controller"];
        let (controller, before) = (new.value().child(path), old.value().child(path));
        crate::checks::immutable(&mut causes, "spec.controller", controller, before);
        causes
    },
    columns: || INGRESS_CLASS_COLUMNS,
    cells: |class, now| {
        let spec = class.value().child(&["spec"]);
        let parameters = spec.child(&["parameters"]);
        let shown = match (parameters.text("kind"), parameters.text("apiGroup"), parameters.text("name")) {
            ("", ..) => NONE.to_owned(),
            (kind, "", name) => format!("{kind}/{name}"),
            (kind, group, name) => format!("{kind}.{group}/{name}"),
        };
        vec![class.name().into(), spec.text("controller").into(), shown.into(), age(class, now)]
    },
    ..Rules::PLAIN
};

const INGRESS_CLASS_COLUMNS: &[Column] = &[
    NAME,
    text("Controller", "Who serves ingresses of the class."),
    text("Parameters", "Object with the controller's settings."),
    AGE,
];

pub(crate) static NETWORK_POLICY: Rules = Rules {
    default: |policy| {
        let Some(spec) = policy.fields_mut().map_mut("spec") else { return };
        for direction in ["ingress", "egress"] {
            for rule in spec.maps_mut(direction) {
                for port in rule.maps_mut("ports") {
                    port.fill_text("protocol", "TCP");
                }
            }
        }
        if spec.list("policyTypes").is_empty() {
            let types = if spec.list("egress").is_empty() {
                json!(["Ingress"])
            } else {
                json!(["Ingress", "Egress"])
            };
            spec.insert("policyTypes".into(), types);
        }
    },
    validate_create: validate_policy,
    validate_update: |new, _| validate_policy(new),
    columns: || POLICY_COLUMNS,
    cells: |policy, now| {
        let selector = selector_text(policy.value().child(&["spec", "podSelector"]));
        vec![policy.name().into(), or(&selector, NONE).into(), age(policy, now)]
    },
    ..Rules::PLAIN
};

const POLICY_COLUMNS: &[Column] =
    &[NAME, text("Pod-Selector", "Label selector of the pods the policy is for."), AGE];

fn validate_policy(policy: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = policy.value().child(&["spec"]);
    label_selector(&mut causes, "spec.podSelector", spec.child(&["podSelector"]));
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in spec.list(direction).iter().enumerate() {
            let at = format!("spec.{direction}[{i}]");
            for (j, port) in rule.list("ports").iter().enumerate() {
                policy_port(&mut causes, &format!("{at}.ports[{j}]"), port);
            }
            for (j, peer) in rule.list(peers).iter().enumerate() {
                policy_peer(&mut causes, &format!("{at}.{peers}[{j}]"), peer);
            }
        }
    }
    let types = spec.list("policyTypes");
    for (i, ty) in types.iter().enumerate() {
        let supported = &["Egress", "Ingress"];
        one_of(&mut causes, &format!("spec.policyTypes[{i}]"), ty.as_str().unwrap_or_default(), supported);
    }
    causes
}

fn policy_port(causes: &mut Vec<Cause>, at: &str, port: &Value) {
    one_of(causes, &format!("{at}.protocol"), port.text("protocol"), &["SCTP", "TCP", "UDP"]);
    if port.has("port") {
        crate::checks::port_or_name(causes, &format!("{at}.port"), port.get_or_null("port"));
    }
    if let (Some(end), Some(start)) = (port.int("endPort"), port.int("port"))
        && end < start
    {
        let detail = "must be greater than or equal to `port`";
        causes.push(Cause::invalid(format!("{at}.endPort"), &end.into(), detail));
    }
}

fn policy_peer(causes: &mut Vec<Cause>, at: &str, peer: &Value) {
    for selector in ["podSelector", "namespaceSelector"] {
        label_selector(causes, &format!("{at}.{selector}"), peer.child(&[selector]));
    }
    let block = peer.child(&["ipBlock"]);
    let given = ["podSelector", "namespaceSelector"].iter().filter(|s| peer.has(s)).count();
    if block.is_null() {
        if given == 0 {
            causes.push(Cause::required(at, "must specify a peer"));
        }
        return;
    }
    if given > 0 {
        causes.push(Cause::forbidden(at, "may not specify both ipBlock and another peer"));
    }
    cidr(causes, &format!("{at}.ipBlock.cidr"), block.text("cidr"));
    for (i, except) in block.list("except").iter().enumerate() {
        cidr(causes, &format!("{at}.ipBlock.except[{i}]"), except.as_str().unwrap_or_default());
    }
}

pub(crate) static SERVICE_CIDR: Rules = Rules {
    prepare_create: |range| range.set("/status", json!({})),
    prepare_update: keep_status,
    validate_create: |range| {
        let mut causes = Vec::new();
        let cidrs = range.value().child(&["spec"]).list("cidrs");
        if cidrs.is_empty() {
            causes.push(Cause::required("spec.cidrs", "at least one CIDR required"));
        }
        for (i, c) in cidrs.iter().enumerate() {
            cidr(&mut causes, &format!("spec.cidrs[{i}]"), c.as_str().unwrap_or_default());
        }
        causes
    },
    columns: || SERVICE_CIDR_COLUMNS,
    cells: |range, now| {
        let cidrs = range.value().child(&["spec"]).list("cidrs");
        let shown: Vec<&str> = cidrs.iter().filter_map(Value::as_str).collect();
        vec![range.name().into(), shown.join(",").into(), age(range, now)]
    },
    ..Rules::PLAIN
};

const SERVICE_CIDR_COLUMNS: &[Column] = &[NAME, text("CIDRs", "Networks services get addresses from."), AGE];

pub(crate) static IP_ADDRESS: Rules = Rules {
    name: |name| {
        if name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_string() == name) {
            Vec::new()
        } else {
            vec!["must be a valid IP address in canonical form".into()]
        }
    },
    validate_create: |address| {
        let mut causes = Vec::new();
        let parent = address.value().child(&["spec", "parentRef"]);
        if parent.is_null() {
            causes.push(Cause::required("spec.parentRef", ""));
        } else {
            required(&mut causes, "spec.parentRef.resource", parent.text("resource"));
            required(&mut causes, "spec.parentRef.name", parent.text("name"));
        }
        causes
    },
    columns: || IP_ADDRESS_COLUMNS,
    cells: |address, _| {
        let parent = address.value().child(&["spec", "parentRef"]);
        let parts = ["group", "resource", "namespace", "name"].map(|f| parent.text(f));
        let shown: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
        vec![address.name().into(), shown.join("/").into()]
    },
    ..Rules::PLAIN
};

const IP_ADDRESS_COLUMNS: &[Column] = &[NAME, text("ParentRef", "Object that has the address.")];
