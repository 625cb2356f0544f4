//! Services. Addresses and node ports are handed out by the server, which alone knows which are
//! taken; the functions here say what a service needs and put it in.

use std::collections::BTreeSet;

use machinery::{Cause, Object, names};
use serde_json::{Value, json};

use crate::checks::{between, labels, labels_text, port_number, port_or_name, problems, required_one_of};
use crate::fields::{Fill, Map, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, NONE, age, or, text, wide};
use crate::{Column, Rules};

pub(crate) static SERVICE: Rules = Rules {
    name: names::dns_label,
    default: |service| {
        if let Some(spec) = service.fields_mut().make("spec") {
            default_spec(spec);
        }
    },
    prepare_create: |service| {
        service.set("/status", json!({"loadBalancer": {}}));
        families(service);
    },
    prepare_update: |new, old| {
        keep_status(new, old);
        follow_cluster_ip(new, old);
        carry_over(new, old);
        families(new);
    },
    validate_create: validate,
    validate_update: |new, old| {
        let mut causes = Vec::new();
        address_stays(&mut causes, new, old);
        causes.extend(validate(new));
        causes
    },
    field: |service, label| {
        let spec = service.value().child(&["spec"]);
        match label {
            "spec.clusterIP" => Some(spec.text("clusterIP").into()),
            "spec.type" => Some(spec.text("type").into()),
            _ => None,
        }
    },
    field_labels: &["spec.clusterIP", "spec.type"],
    columns: || COLUMNS,
    cells,
    ..Rules::PLAIN
};

fn default_spec(spec: &mut Map) {
    spec.fill_text("sessionAffinity", "None");
    if spec.text("sessionAffinity") == "ClientIP" {
        if let Some(client) = spec.make("sessionAffinityConfig").and_then(|c| c.make("clientIP")) {
            client.fill("timeoutSeconds", 10800);
        }
    } else {
        spec.remove("sessionAffinityConfig");
    }
    spec.fill_text("type", "ClusterIP");
    for port in spec.maps_mut("ports") {
        port.fill_text("protocol", "TCP");
        let target = port.get_or_null("targetPort");
        if target.is_null() || target == 0 || target == "" {
            port.insert("targetPort".into(), port.get_or_null("port").clone());
        }
    }
    let ty = spec.text("type").to_owned();
    if matches!(ty.as_str(), "NodePort" | "LoadBalancer") {
        spec.fill_text("externalTrafficPolicy", "Cluster");
    }
    if ty != "ExternalName" {
        spec.fill("internalTrafficPolicy", "Cluster");
    }
    if ty == "LoadBalancer" {
        spec.fill("allocateLoadBalancerNodePorts", true);
    }
}

/// Whether the server must find an address for the service.
pub fn needs_cluster_ip(service: &Object) -> bool {
    has_cluster_ip_by_type(service) && spec(service).text("clusterIP").is_empty()
}

/// The address the service asks for or has; nothing for headless services and those without one.
pub fn cluster_ip(service: &Object) -> Option<&str> {
    let ip = spec(service).text("clusterIP");
    (has_cluster_ip_by_type(service) && !ip.is_empty() && ip != "None").then_some(ip)
}

/// Gives the service its address.
pub fn set_cluster_ip(service: &mut Object, ip: &str) {
    service.set("/spec/clusterIP", ip);
    service.set("/spec/clusterIPs", json!([ip]));
    families(service);
}

/// Whether each port of the service is to have a node port.
pub fn needs_node_ports(service: &Object) -> bool {
    let spec = spec(service);
    match spec.text("type") {
        "NodePort" => true,
        "LoadBalancer" => spec.get_or_null("allocateLoadBalancerNodePorts") != false,
        _ => false,
    }
}

/// Positions of the ports for which the server must find a node port, with their protocols.
pub fn ports_without_node_port(service: &Object) -> Vec<(usize, &str)> {
    if !needs_node_ports(service) {
        return Vec::new();
    }
    let ports = spec(service).list("ports").iter().enumerate();
    ports.filter(|(_, p)| p.int("nodePort").unwrap_or(0) == 0).map(|(i, p)| (i, p.text("protocol"))).collect()
}

/// Gives the port at a position its node port.
pub fn set_node_port(service: &mut Object, index: usize, node_port: u16) {
    let port = service.value_mut().pointer_mut(&format!("/spec/ports/{index}"));
    if let Some(port) = port.and_then(Value::as_object_mut) {
        port.insert("nodePort".into(), node_port.into());
    }
}

/// Node ports the service has or asks for, with their protocols. The health check's is for TCP.
pub fn node_ports(service: &Object) -> Vec<(i64, &str)> {
    let spec = spec(service);
    let mut taken: Vec<_> = spec
        .list("ports")
        .iter()
        .filter_map(|p| Some((p.int("nodePort").filter(|n| *n != 0)?, p.text("protocol"))))
        .collect();
    taken.extend(spec.int("healthCheckNodePort").filter(|n| *n != 0).map(|n| (n, "TCP")));
    taken
}

/// Whether the server must find a port for the load balancer's health check.
pub fn needs_health_check_node_port(service: &Object) -> bool {
    has_health_check(service) && spec(service).int("healthCheckNodePort").unwrap_or(0) == 0
}

/// Gives the service the port of its load balancer's health check.
pub fn set_health_check_node_port(service: &mut Object, node_port: u16) {
    service.set("/spec/healthCheckNodePort", node_port);
}

fn has_health_check(service: &Object) -> bool {
    let spec = spec(service);
    spec.text("type") == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local"
}

fn spec(service: &Object) -> &Value {
    service.value().child(&["spec"])
}

fn has_cluster_ip_by_type(service: &Object) -> bool {
    spec(service).text("type") != "ExternalName"
}

/// Both spellings of the address, and the IP families that go with it. We serve one family.
fn families(service: &mut Object) {
    if !has_cluster_ip_by_type(service) {
        return;
    }
    let ip = spec(service).text("clusterIP").to_owned();
    let first =
        spec(service).list("clusterIPs").first().and_then(Value::as_str).unwrap_or_default().to_owned();
    if ip.is_empty() && !first.is_empty() {
        service.set("/spec/clusterIP", first.as_str());
    } else if !ip.is_empty() && first.is_empty() {
        service.set("/spec/clusterIPs", json!([ip]));
    }
    let family = if ip.contains(':') { "IPv6" } else { "IPv4" };
    if let Some(spec) = service.fields_mut().make("spec") {
        spec.fill("ipFamilies", json!([family]));
        spec.fill_text("ipFamilyPolicy", "SingleStack");
    }
}

/// Clients of old change `clusterIP` alone: the list follows.
fn follow_cluster_ip(new: &mut Object, old: &Object) {
    let ip = spec(new).text("clusterIP").to_owned();
    let same_list = spec(new).get_or_null("clusterIPs") == spec(old).get_or_null("clusterIPs");
    if same_list && ip != spec(old).text("clusterIP") {
        if ip.is_empty() {
            new.remove("/spec/clusterIPs");
        } else {
            new.set("/spec/clusterIPs", json!([ip]));
        }
    }
}

/// What was handed out stays when an update does not mention it, and goes when the new type has no
/// use for it.
fn carry_over(new: &mut Object, old: &Object) {
    let (new_ip, old_ip) = (spec(new).text("clusterIP"), spec(old).text("clusterIP"));
    if !has_cluster_ip_by_type(new) {
        if new_ip == old_ip {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
            {
                new.remove(&format!("/spec/{field}"));
            }
        }
    } else if has_cluster_ip_by_type(old) && new_ip.is_empty() && !old_ip.is_empty() {
        new.set("/spec/clusterIP", old_ip);
        new.set("/spec/clusterIPs", spec(old).get_or_null("clusterIPs").clone());
    }
    if needs_node_ports(new) {
        keep_node_ports(new, old);
    } else if needs_node_ports(old) {
        drop_node_ports(new, old);
    }
    let port = spec(old).int("healthCheckNodePort");
    if has_health_check(new) {
        if needs_health_check_node_port(new)
            && let Some(port) = port
        {
            new.set("/spec/healthCheckNodePort", port);
        }
    } else if spec(new).int("healthCheckNodePort") == port {
        new.remove("/spec/healthCheckNodePort");
    }
    if !matches!(spec(new).text("type"), "NodePort" | "LoadBalancer")
        && spec(new).text("externalTrafficPolicy") == spec(old).text("externalTrafficPolicy")
    {
        new.remove("/spec/externalTrafficPolicy");
    }
    if spec(new).text("type") != "LoadBalancer" && spec(old).text("type") == "LoadBalancer" {
        new.remove("/spec/allocateLoadBalancerNodePorts");
    }
}

fn port_key(port: &impl Read) -> (i64, String) {
    (port.int("port").unwrap_or(0), port.text("protocol").to_owned())
}

fn keep_node_ports(new: &mut Object, old: &Object) {
    let wanted: BTreeSet<i64> =
        spec(new).list("ports").iter().filter_map(|p| p.int("nodePort")).filter(|n| *n != 0).collect();
    let Some(spec_map) = new.fields_mut().map_mut("spec") else { return };
    for port in spec_map.maps_mut("ports").filter(|p| p.int("nodePort").unwrap_or(0) == 0) {
        let before = spec(old).list("ports").iter().find(|p| port_key(*p) == port_key(port));
        if let Some(node_port) =
            before.and_then(|p| p.int("nodePort")).filter(|n| *n != 0 && !wanted.contains(n))
        {
            port.insert("nodePort".into(), node_port.into());
        }
    }
}

fn drop_node_ports(new: &mut Object, old: &Object) {
    let given: BTreeSet<i64> = spec(old).list("ports").iter().filter_map(|p| p.int("nodePort")).collect();
    let Some(spec_map) = new.fields_mut().map_mut("spec") else { return };
    for port in spec_map.maps_mut("ports") {
        if port.int("nodePort").is_some_and(|n| given.contains(&n)) {
            port.remove("nodePort");
        }
    }
}

fn address_stays(causes: &mut Vec<Cause>, new: &Object, old: &Object) {
    let (new_ip, old_ip) = (spec(new).text("clusterIP"), spec(old).text("clusterIP"));
    let both = has_cluster_ip_by_type(new) && has_cluster_ip_by_type(old);
    if both && !old_ip.is_empty() && new_ip != old_ip {
        let ips = spec(new).get_or_null("clusterIPs");
        causes.push(Cause::invalid("spec.clusterIPs[0]", ips, "may not change once set"));
    }
}

fn validate(service: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = spec(service);
    let ty = spec.text("type");
    let headless = spec.text("clusterIP") == "None";
    if spec.list("ports").is_empty() && !headless && ty != "ExternalName" {
        causes.push(Cause::required("spec.ports", ""));
    }
    if ty == "LoadBalancer" && headless {
        let detail = "may not be set to 'None' for LoadBalancer services";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &"None".into(), detail));
    }
    if ty == "NodePort" && headless {
        let detail = "may not be set to 'None' for NodePort services";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &"None".into(), detail));
    }
    if ty == "ExternalName" {
        external_name(&mut causes, spec);
    }
    ports(&mut causes, spec);
    labels(&mut causes, "spec.selector", spec.get_or_null("selector"));
    let affinities = &["ClientIP", "None"];
    required_one_of(&mut causes, "spec.sessionAffinity", spec.text("sessionAffinity"), affinities);
    if let Some(seconds) = spec.child(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).as_i64() {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        between(&mut causes, field, seconds, 1, 86400);
    }
    let types = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    required_one_of(&mut causes, "spec.type", ty, types);
    for (i, ip) in spec.list("externalIPs").iter().enumerate() {
        crate::checks::ip(&mut causes, &format!("spec.externalIPs[{i}]"), ip.as_str().unwrap_or_default());
    }
    let ip = spec.text("clusterIP");
    if !ip.is_empty() && !headless {
        crate::checks::ip(&mut causes, "spec.clusterIPs[0]", ip);
    }
    for field in ["externalTrafficPolicy", "internalTrafficPolicy"] {
        crate::checks::one_of(&mut causes, &format!("spec.{field}"), spec.text(field), &["Cluster", "Local"]);
    }
    causes
}

fn external_name(causes: &mut Vec<Cause>, spec: &Value) {
    if !spec.text("clusterIP").is_empty() {
        causes.push(Cause::forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'"));
    }
    let name = spec.text("externalName").trim_end_matches('.');
    if name.is_empty() {
        causes.push(Cause::required("spec.externalName", ""));
    } else {
        problems(causes, "spec.externalName", name, names::dns_subdomain(name));
    }
}

fn ports(causes: &mut Vec<Cause>, spec: &Value) {
    let ports = spec.list("ports");
    let (mut seen_names, mut seen_ports) = (BTreeSet::new(), BTreeSet::new());
    for (i, p) in ports.iter().enumerate() {
        let at = format!("spec.ports[{i}]");
        let name = p.text("name");
        if name.is_empty() {
            if ports.len() > 1 {
                causes.push(Cause::required(format!("{at}.name"), ""));
            }
        } else {
            problems(causes, &format!("{at}.name"), name, names::dns_label(name));
            if !seen_names.insert(name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
            }
        }
        port_number(causes, &format!("{at}.port"), p.int("port").unwrap_or(0));
        required_one_of(causes, &format!("{at}.protocol"), p.text("protocol"), &["SCTP", "TCP", "UDP"]);
        port_or_name(causes, &format!("{at}.targetPort"), p.get_or_null("targetPort"));
        if spec.text("type") == "ClusterIP" && p.int("nodePort").unwrap_or(0) != 0 {
            let detail = "may not be used when `type` is 'ClusterIP'";
            causes.push(Cause::forbidden(format!("{at}.nodePort"), detail));
        }
        if !seen_ports.insert(port_key(p)) {
            let (port, protocol) = port_key(p);
            let shown = json!({
                "Name": "", "Protocol": protocol, "AppProtocol": null, "Port": port, "TargetPort": 0, "NodePort": 0
            });
            causes.push(Cause::duplicate(at, &shown));
        }
    }
}

const COLUMNS: &[Column] = &[
    NAME,
    text("Type", "How the service is exposed."),
    text("Cluster-IP", "Address inside the cluster."),
    text("External-IP", "Addresses outside the cluster."),
    text("Port(s)", "Ports, with their node ports."),
    AGE,
    wide("Selector", "Label selector of the pods behind the service."),
];

fn cells(service: &Object, now: i64) -> Vec<Value> {
    let spec = spec(service);
    vec![
        service.name().into(),
        spec.text("type").into(),
        or(spec.text("clusterIP"), NONE).into(),
        external_ips(service).into(),
        ports_text(spec).into(),
        age(service, now),
        or(&labels_text(spec.get_or_null("selector")), NONE).into(),
    ]
}

fn external_ips(service: &Object) -> String {
    let spec = spec(service);
    let own: Vec<&str> = spec.list("externalIPs").iter().filter_map(Value::as_str).collect();
    match spec.text("type") {
        "ExternalName" => spec.text("externalName").into(),
        "LoadBalancer" => {
            let points: BTreeSet<&str> = ingress_points(service.value()).collect();
            let shown: Vec<&str> = points.into_iter().chain(own).collect();
            or(&shown.join(","), "<pending>").into()
        }
        _ => or(&own.join(","), NONE).into(),
    }
}

/// Addresses or host names in `status.loadBalancer.ingress`, which services and ingresses share.
pub(crate) fn ingress_points(value: &Value) -> impl Iterator<Item = &str> {
    value.child(&["status", "loadBalancer"]).list("ingress").iter().filter_map(|point| {
        match (point.text("ip"), point.text("hostname")) {
            ("", "") => None,
            ("", host) => Some(host),
            (ip, _) => Some(ip),
        }
    })
}

fn ports_text(spec: &Value) -> String {
    let ports: Vec<String> = spec
        .list("ports")
        .iter()
        .map(|p| {
            let (port, protocol) = (p.int("port").unwrap_or(0), p.text("protocol"));
            match p.int("nodePort").unwrap_or(0) {
                0 => format!("{port}/{protocol}"),
                node_port => format!("{port}:{node_port}/{protocol}"),
            }
        })
        .collect();
    or(&ports.join(","), NONE).into()
}
