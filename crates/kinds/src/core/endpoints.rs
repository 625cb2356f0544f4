//! Endpoints, the old form of [`crate::discovery`]'s slices.

use machinery::{Cause, Object};

use crate::checks::{ip, port_number, problems, required_one_of};
use crate::fields::{Fill, Read};
use crate::tables::{AGE, NAME, NONE, age, first_of, text};
use crate::{Column, Rules};

pub(crate) static ENDPOINTS: Rules = Rules {
    default: |endpoints| {
        for subset in endpoints.fields_mut().maps_mut("subsets") {
            for port in subset.maps_mut("ports") {
                port.fill_text("protocol", "TCP");
            }
        }
    },
    validate_create: validate,
    validate_update: |new, _| validate(new),
    columns: || COLUMNS,
    cells: |endpoints, now| vec![endpoints.name().into(), addresses(endpoints).into(), age(endpoints, now)],
    ..Rules::PLAIN
};

const COLUMNS: &[Column] = &[NAME, text("Endpoints", "Addresses and ports that are ready."), AGE];

fn validate(endpoints: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, subset) in endpoints.value().list("subsets").iter().enumerate() {
        let at = format!("subsets[{i}]");
        if subset.list("addresses").is_empty() && subset.list("notReadyAddresses").is_empty() {
            causes.push(Cause::required(&at, "must specify `addresses` or `notReadyAddresses`"));
        }
        for list in ["addresses", "notReadyAddresses"] {
            for (j, address) in subset.list(list).iter().enumerate() {
                ip(&mut causes, &format!("{at}.{list}[{j}].ip"), address.text("ip"));
            }
        }
        let ports = subset.list("ports");
        for (j, port) in ports.iter().enumerate() {
            let at = format!("{at}.ports[{j}]");
            let name = port.text("name");
            if name.is_empty() && ports.len() > 1 {
                causes.push(Cause::required(format!("{at}.name"), ""));
            } else if !name.is_empty() {
                problems(&mut causes, &format!("{at}.name"), name, machinery::names::dns_label(name));
            }
            port_number(&mut causes, &format!("{at}.port"), port.int("port").unwrap_or(0));
            let protocols = &["SCTP", "TCP", "UDP"];
            required_one_of(&mut causes, &format!("{at}.protocol"), port.text("protocol"), protocols);
        }
    }
    causes
}

/// The first three `address:port`.
fn addresses(endpoints: &Object) -> String {
    let mut found = Vec::new();
    for subset in endpoints.value().list("subsets") {
        let ports = subset.list("ports");
        for address in subset.list("addresses") {
            let ip = address.text("ip");
            if ports.is_empty() {
                found.push(ip.to_owned());
            }
            for port in ports {
                let port = port.int("port").unwrap_or(0);
                found.push(if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") });
            }
        }
    }
    if found.is_empty() { NONE.into() } else { first_of(&found, 3) }
}
