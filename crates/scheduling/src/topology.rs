//! Where the clusters are: provider, region and zones as small numbers, so that grouping thousands of
//! clusters compares no texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::SpreadField;

use crate::input::Member;

/// The places of all members, by rank. Numbers follow the order of the names; 0 is no name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topology {
    providers: Names,
    regions: Names,
    zones: Names,
    places: Vec<Place>,
    /// Zones of all members, one after the other.
    zones_of: Vec<u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    provider: u32,
    region: u32,
    /// Where the zones stand in the list of all.
    zones: (u32, u32),
}

#[derive(Debug, Clone, Default)]
struct Names(Vec<String>);

impl Names {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> (Self, BTreeMap<&'a str, u32>) {
        let mut numbers: BTreeMap<&str, u32> =
            names.filter(|name| !name.is_empty()).map(|n| (n, 0)).collect();
        for (number, at) in (1..).zip(numbers.values_mut()) {
            *at = number;
        }
        (Self(numbers.keys().map(|name| (*name).to_owned()).collect()), numbers)
    }

    fn get(&self, number: u32) -> &str {
        (number as usize).checked_sub(1).and_then(|at| self.0.get(at)).map_or("", String::as_str)
    }
}

impl Topology {
    pub(crate) fn new(members: &[Arc<Member>]) -> Self {
        let all = || members.iter().map(|m| m.cluster());
        let (providers, provider) = Names::of(all().map(|c| c.spec.provider.as_str()));
        let (regions, region) = Names::of(all().map(|c| c.spec.region.as_str()));
        let (zones, zone) = Names::of(all().flat_map(|c| c.zones()).map(String::as_str));
        let number = |of: &BTreeMap<&str, u32>, name: &str| of.get(name).copied().unwrap_or(0);
        let mut zones_of: Vec<u32> = Vec::new();
        let mut places = Vec::with_capacity(members.len());
        for cluster in all() {
            let start = zones_of.len() as u32;
            let mut own: Vec<u32> = cluster.zones().iter().map(|name| number(&zone, name)).collect();
            own.retain(|zone| *zone != 0);
            own.sort_unstable();
            own.dedup();
            zones_of.extend(own);
            places.push(Place {
                provider: number(&provider, &cluster.spec.provider),
                region: number(&region, &cluster.spec.region),
                zones: (start, zones_of.len() as u32),
            });
        }
        Self { providers, regions, zones, places, zones_of }
    }

    /// The groups of a member, in name order; a member that has no such property is in none.
    pub(crate) fn groups(&self, field: SpreadField, rank: u32) -> &[u32] {
        let Some(place) = self.places.get(rank as usize) else { return &[] };
        match field {
            SpreadField::Provider => one(&place.provider),
            SpreadField::Region => one(&place.region),
            SpreadField::Zone => {
                let (start, end) = place.zones;
                self.zones_of.get(start as usize..end as usize).unwrap_or_default()
            }
            SpreadField::Cluster => &[],
        }
    }

    /// The name of a group.
    pub(crate) fn name(&self, field: SpreadField, number: u32) -> &str {
        match field {
            SpreadField::Provider => self.providers.get(number),
            SpreadField::Region => self.regions.get(number),
            SpreadField::Zone => self.zones.get(number),
            SpreadField::Cluster => "",
        }
    }

    /// How many different numbers a field has, none included.
    pub(crate) fn numbers(&self, field: SpreadField) -> usize {
        1 + match field {
            SpreadField::Provider => self.providers.0.len(),
            SpreadField::Region => self.regions.0.len(),
            SpreadField::Zone => self.zones.0.len(),
            SpreadField::Cluster => 0,
        }
    }
}

fn one(number: &u32) -> &[u32] {
    if *number == 0 { &[] } else { std::slice::from_ref(number) }
}
