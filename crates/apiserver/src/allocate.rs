//! Addresses and ports of services: who has which, across the whole server.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinds::service;
use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::core::Core;

/// The addresses and node ports in use.
#[derive(Debug)]
pub(crate) struct Allocator {
    first: u32,
    last: u32,
    ports: RangeInclusive<u16>,
    // Held for an insertion or removal, never across an await.
    used: Arc<Mutex<Used>>,
}

#[derive(Debug, Default)]
struct Used {
    addresses: BTreeSet<u32>,
    ports: BTreeSet<u16>,
}

/// What a write took; given back when dropped without [`Held::keep`].
#[derive(Debug)]
pub(crate) struct Held {
    used: Option<Arc<Mutex<Used>>>,
    addresses: Vec<u32>,
    ports: Vec<u16>,
}

impl Held {
    /// A write that took nothing.
    pub(crate) fn nothing() -> Self {
        Self { used: None, addresses: Vec::new(), ports: Vec::new() }
    }

    /// The write succeeded.
    pub(crate) fn keep(&mut self) {
        self.used = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(used) = &self.used else { return };
        let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
        self.addresses.iter().for_each(|a| {
            used.addresses.remove(a);
        });
        self.ports.iter().for_each(|p| {
            used.ports.remove(p);
        });
    }
}

fn address(text: &str) -> Option<u32> {
    text.parse::<Ipv4Addr>().ok().map(u32::from)
}

fn strings(object: &Object, pointer: &str) -> Vec<String> {
    object
        .at(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn node_ports(object: &Object) -> Vec<u16> {
    let ports = object.at("/spec/ports").and_then(Value::as_array);
    let mut found: Vec<u16> = ports
        .into_iter()
        .flatten()
        .filter_map(|p| p.get("nodePort")?.as_u64())
        .chain(object.at("/spec/healthCheckNodePort").and_then(Value::as_u64))
        .filter_map(|p| u16::try_from(p).ok())
        .filter(|p| *p > 0)
        .collect();
    found.dedup();
    found
}

fn kind_of(object: &Object) -> &str {
    object.str_at("/spec/type").unwrap_or("ClusterIP")
}

impl Allocator {
    /// An allocator for a service range like `10.96.0.0/12`. A range that cannot be read is that one.
    pub(crate) fn new(cidr: &str, ports: RangeInclusive<u16>) -> Self {
        let (base, bits) = cidr
            .split_once('/')
            .and_then(|(base, bits)| Some((address(base)?, bits.parse::<u32>().ok().filter(|b| *b <= 30)?)))
            .unwrap_or((u32::from(Ipv4Addr::new(10, 96, 0, 0)), 12));
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let (first, last) = ((base & mask) + 1, (base | !mask) - 1);
        // The first address is the API's own.
        let used = Used { addresses: BTreeSet::from([first]), ..Used::default() };
        Self { first, last, ports, used: Arc::new(Mutex::new(used)) }
    }

    /// The first address of the range: the one of the server itself.
    pub(crate) fn first_address(&self) -> String {
        Ipv4Addr::from(self.first).to_string()
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks what a stored service has.
    pub(crate) fn load(&self, service: &Object) {
        let mut used = self.used();
        used.addresses.extend(strings(service, "/spec/clusterIPs").iter().filter_map(|a| address(a)));
        used.ports.extend(node_ports(service));
    }

    /// Gives back what a deleted service had.
    pub(crate) fn release(&self, service: &Object) {
        let mut used = self.used();
        for found in strings(service, "/spec/clusterIPs").iter().filter_map(|a| address(a)) {
            used.addresses.remove(&found);
        }
        for port in node_ports(service) {
            used.ports.remove(&port);
        }
    }

    /// Gives back what an update left behind.
    pub(crate) fn settle(&self, new: &Object, old: &Object) {
        let mut used = self.used();
        let kept = strings(new, "/spec/clusterIPs");
        for found in strings(old, "/spec/clusterIPs").iter().filter(|a| !kept.contains(a)) {
            if let Some(found) = address(found) {
                used.addresses.remove(&found);
            }
        }
        let kept = node_ports(new);
        for port in node_ports(old).into_iter().filter(|p| !kept.contains(p)) {
            used.ports.remove(&port);
        }
    }

    /// Gives a service the addresses and ports it needs and does not have.
    pub(crate) fn take(
        &self,
        core: &Core,
        service: &mut Object,
        old: Option<&Object>,
        causes: &mut Vec<Cause>,
    ) -> Held {
        let mut held = Held { used: Some(Arc::clone(&self.used)), addresses: Vec::new(), ports: Vec::new() };
        self.take_address(core, service, old, causes, &mut held);
        self.take_ports(core, service, old, causes, &mut held);
        self.take_health_check_port(core, service, &mut held);
        held
    }

    fn take_address(
        &self,
        core: &Core,
        object: &mut Object,
        old: Option<&Object>,
        causes: &mut Vec<Cause>,
        held: &mut Held,
    ) {
        if kind_of(object) == "ExternalName" {
            object.remove("/spec/clusterIP");
            object.remove("/spec/clusterIPs");
            return;
        }
        let had = old.map(|o| strings(o, "/spec/clusterIPs")).unwrap_or_default();
        let mut wanted = object.str_at("/spec/clusterIP").unwrap_or_default().to_owned();
        if wanted.is_empty() {
            wanted = strings(object, "/spec/clusterIPs").into_iter().next().unwrap_or_default();
        }
        if wanted.is_empty() {
            wanted = had.first().cloned().unwrap_or_default();
        }
        if wanted == "None" || (!wanted.is_empty() && had.contains(&wanted)) {
            service::set_cluster_ip(object, &wanted);
            return;
        }
        let mut used = self.used();
        let refuse = |why: &str| {
            Cause::invalid(
                "spec.clusterIPs",
                &json!([wanted]),
                &format!("failed to allocate IP {wanted}: {why}"),
            )
        };
        let chosen = if wanted.is_empty() {
            self.free_address(core, &used.addresses)
        } else {
            match address(&wanted) {
                Some(a) if !(self.first..=self.last).contains(&a) => {
                    causes.push(refuse("the provided network does not match the current range"));
                    return;
                }
                Some(a) if used.addresses.contains(&a) => {
                    causes.push(refuse("provided IP is already allocated"));
                    return;
                }
                // Another family, or no address: the kind's rules complain.
                found => found,
            }
        };
        let Some(chosen) = chosen else { return };
        used.addresses.insert(chosen);
        held.addresses.push(chosen);
        service::set_cluster_ip(object, &Ipv4Addr::from(chosen).to_string());
    }

    fn free_address(&self, core: &Core, used: &BTreeSet<u32>) -> Option<u32> {
        let span = u64::from(self.last - self.first) + 1;
        let start = u32::try_from(core.random.within(0..span)).unwrap_or(0);
        (0..=self.last - self.first)
            .map(|i| self.first + u32::try_from((u64::from(start) + u64::from(i)) % span).unwrap_or(0))
            .find(|a| *a != self.first && !used.contains(a))
    }

    fn take_ports(
        &self,
        core: &Core,
        service: &mut Object,
        old: Option<&Object>,
        causes: &mut Vec<Cause>,
        held: &mut Held,
    ) {
        let kind = kind_of(service).to_owned();
        let wants = kind == "NodePort"
            || (kind == "LoadBalancer"
                && service.at("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)));
        let had = old.map(node_ports).unwrap_or_default();
        let previous: Vec<Value> =
            old.and_then(|o| o.at("/spec/ports")?.as_array().cloned()).unwrap_or_default();
        let Some(ports) = service.value_mut().pointer_mut("/spec/ports").and_then(Value::as_array_mut) else {
            return;
        };
        let mut used = self.used();
        for (at, port) in ports.iter_mut().enumerate() {
            let asked =
                port.get("nodePort").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
            if asked > 0 {
                if had.contains(&asked) || held.ports.contains(&asked) {
                    continue;
                }
                let field = format!("spec.ports[{at}].nodePort");
                if !self.ports.contains(&asked) {
                    let why = format!(
                        "provided port is not in the valid range. The range of valid ports is {}-{}",
                        self.ports.start(),
                        self.ports.end()
                    );
                    causes.push(Cause::invalid(field, &asked.into(), &why));
                } else if used.ports.insert(asked) {
                    held.ports.push(asked);
                } else {
                    causes.push(Cause::invalid(field, &asked.into(), "provided port is already allocated"));
                }
                continue;
            }
            if !wants {
                continue;
            }
            let same =
                |p: &&Value| p.get("port") == port.get("port") && p.get("protocol") == port.get("protocol");
            let kept =
                previous.iter().find(same).and_then(|p| p.get("nodePort")?.as_u64()).filter(|p| *p > 0);
            if let Some(kept) = kept {
                port["nodePort"] = kept.into();
            } else if let Some(free) = self.free_port(core, &used.ports) {
                used.ports.insert(free);
                held.ports.push(free);
                port["nodePort"] = free.into();
            }
        }
    }

    fn take_health_check_port(&self, core: &Core, service: &mut Object, held: &mut Held) {
        if !service::needs_health_check_node_port(service) {
            return;
        }
        let mut used = self.used();
        if let Some(free) = self.free_port(core, &used.ports) {
            used.ports.insert(free);
            held.ports.push(free);
            service::set_health_check_node_port(service, free);
        }
    }

    fn free_port(&self, core: &Core, used: &BTreeSet<u16>) -> Option<u16> {
        let (first, last) = (*self.ports.start(), *self.ports.end());
        let span = usize::from(last - first) + 1;
        let start = core.random.below(span);
        (0..span)
            .filter_map(|i| u16::try_from((start + i) % span).ok())
            .map(|i| first + i)
            .find(|p| !used.contains(p))
    }
}
