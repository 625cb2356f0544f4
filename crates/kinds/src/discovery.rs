//! Endpoint slices: who is behind a service.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{immutable, one_of, port_number, problems, required_one_of};
use crate::fields::{Fill, Read};
use crate::tables::{AGE, NAME, UNSET, age, first_of, text};
use crate::{Column, Rules};

/// Most endpoints in one slice.
const ENDPOINTS_MAX: usize = 1000;
/// Most addresses of one endpoint.
const ADDRESSES_MAX: usize = 100;

pub(crate) static ENDPOINT_SLICE: Rules = Rules {
    default: |slice| {
        let fields = slice.fields_mut();
        for port in fields.maps_mut("ports") {
            port.fill("name", "");
            port.fill_text("protocol", "TCP");
        }
        for endpoint in fields.maps_mut("endpoints") {
            endpoint.fill("conditions", json!({}));
        }
        for list in ["endpoints", "ports"] {
            fields.entry(list).or_insert(Value::Null);
        }
    },
    validate_create: validate,
    validate_update: |new, old| {
        let mut causes = validate(new);
        let ty = |o: &Object| o.fields().get("addressType").cloned().unwrap_or_default();
        immutable(&mut causes, "addressType", &ty(new), &ty(old));
        causes
    },
    columns: || COLUMNS,
    cells: |slice, now| {
        vec![
            slice.name().into(),
            slice.value().text("addressType").into(),
            ports(slice).into(),
            addresses(slice).into(),
            age(slice, now),
        ]
    },
    ..Rules::PLAIN
};

fn validate(slice: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let ty = slice.value().text("addressType");
    required_one_of(&mut causes, "addressType", ty, &["FQDN", "IPv4", "IPv6"]);
    let endpoints = slice.value().list("endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        causes.push(Cause::too_many("endpoints", endpoints.len(), ENDPOINTS_MAX));
        return causes;
    }
    for (i, endpoint) in endpoints.iter().enumerate() {
        let at = format!("endpoints[{i}].addresses");
        let addresses = endpoint.list("addresses");
        if addresses.is_empty() {
            causes.push(Cause::required(&at, "must contain at least 1 address"));
        } else if addresses.len() > ADDRESSES_MAX {
            causes.push(Cause::too_many(&at, addresses.len(), ADDRESSES_MAX));
        }
        for (j, address) in addresses.iter().enumerate() {
            check_address(&mut causes, &format!("{at}[{j}]"), ty, address.as_str().unwrap_or_default());
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for (i, port) in slice.value().list("ports").iter().enumerate() {
        let at = format!("ports[{i}]");
        let name = port.text("name");
        if !name.is_empty() {
            problems(&mut causes, &format!("{at}.name"), name, machinery::names::dns_label(name));
        }
        if !seen.insert(name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
        }
        one_of(&mut causes, &format!("{at}.protocol"), port.text("protocol"), &["SCTP", "TCP", "UDP"]);
        if let Some(number) = port.int("port") {
            port_number(&mut causes, &format!("{at}.port"), number);
        }
    }
    causes
}

fn check_address(causes: &mut Vec<Cause>, at: &str, ty: &str, address: &str) {
    let good = match ty {
        "IPv4" => address.parse::<std::net::Ipv4Addr>().is_ok(),
        "IPv6" => address.parse::<std::net::Ipv6Addr>().is_ok(),
        _ => return,
    };
    if !good {
        let detail = format!("must be a valid {ty} address");
        causes.push(Cause::invalid(at, &address.into(), &detail));
    }
}

const COLUMNS: &[Column] = &[
    NAME,
    text("AddressType", "Kind of the addresses."),
    text("Ports", "Ports of the endpoints."),
    text("Endpoints", "Addresses of the endpoints."),
    AGE,
];

fn ports(slice: &Object) -> String {
    let ports = slice.value().list("ports");
    let shown: Vec<String> = ports
        .iter()
        .map(|p| p.int("port").map_or_else(|| p.text("name").to_owned(), |n| n.to_string()))
        .map(|text| if text.is_empty() { "*".to_owned() } else { text })
        .collect();
    if shown.is_empty() { UNSET.into() } else { first_of(&shown, 3) }
}

fn addresses(slice: &Object) -> String {
    let endpoints = slice.value().list("endpoints").iter();
    let shown: Vec<String> =
        endpoints.flat_map(|e| e.list("addresses")).filter_map(|a| a.as_str().map(str::to_owned)).collect();
    if shown.is_empty() { UNSET.into() } else { first_of(&shown, 3) }
}
