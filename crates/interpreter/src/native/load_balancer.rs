//! One list of addresses out of the members' load balancers.

use std::cmp::Ordering;

use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::{Map, Value};

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// By host name with the nameless last, then by address.
fn order(a: &Value, b: &Value) -> Ordering {
    let key = |entry: &Value| {
        let host = text(entry, "hostname").to_owned();
        (host.is_empty(), host, text(entry, "ip").to_owned(), text(entry, "ipMode").to_owned())
    };
    key(a).cmp(&key(b))
}

fn port_order(a: &Value, b: &Value) -> Ordering {
    let key = |port: &Value| {
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        (number, text(port, "protocol").to_owned(), text(port, "error").to_owned())
    };
    key(a).cmp(&key(b))
}

fn is_same(a: &Value, b: &Value) -> bool {
    ["hostname", "ip", "ipMode"].iter().all(|field| text(a, field) == text(b, field))
}

/// Adds the ports of one entry to those of another, each once.
fn merge_ports(into: &mut Value, from: &Value) {
    let Some(from) = from.get("ports").and_then(Value::as_array) else { return };
    let Some(into) = into.as_object_mut() else { return };
    let ports = into.entry("ports").or_insert_with(|| Value::Array(Vec::new()));
    let Some(ports) = ports.as_array_mut() else { return };
    for port in from {
        if !ports.contains(port) {
            ports.push(port.clone());
        }
    }
}

fn sort_ports(entry: &mut Value) {
    if let Some(ports) = entry.get_mut("ports").and_then(Value::as_array_mut) {
        ports.sort_by(port_order);
        ports.dedup();
    }
}

fn union(items: &[AggregatedStatusItem]) -> Vec<Value> {
    let mut entries: Vec<Value> = Vec::new();
    let reported = items
        .iter()
        .filter_map(|item| item.status.as_ref()?.pointer("/loadBalancer/ingress")?.as_array())
        .flatten()
        .filter(|entry| entry.is_object());
    for entry in reported {
        match entries.iter_mut().find(|known| is_same(known, entry)) {
            Some(known) => merge_ports(known, entry),
            None => entries.push(entry.clone()),
        }
    }
    entries.sort_by(order);
    entries.iter_mut().for_each(sort_ports);
    entries
}

fn set(template: &mut Object, items: &[AggregatedStatusItem]) {
    let entries = union(items);
    let mut balancer = Map::new();
    if !entries.is_empty() {
        balancer.insert("ingress".into(), entries.into());
    }
    template.set("/status/loadBalancer", balancer);
}

pub(super) fn aggregate_service(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    if template.str_at("/spec/type") == Some("LoadBalancer") {
        set(template, items);
    }
    Ok(())
}

pub(super) fn aggregate_ingress(template: &mut Object, items: &[AggregatedStatusItem]) -> Result<(), String> {
    set(template, items);
    Ok(())
}
