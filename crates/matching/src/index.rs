//! Many policies, found by the objects they may claim.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::{Policy, ResourceSelector};
use api::{LabelSelector, Scope};
use machinery::{Object, ObjectKey};

use crate::policy::priority;
use crate::selector::{Precision, labels_match};

/// A policy as the index knows it: kind of policy, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claimant {
    /// Namespaced or cluster-scoped.
    pub scope: Scope,
    /// Namespace and name of the policy.
    pub key: ObjectKey,
}

impl Claimant {
    /// The policy's place in the index.
    pub fn of(policy: &Policy) -> Self {
        Self { scope: policy.scope, key: policy.metadata.key() }
    }
}

/// Policies by what their selectors ask for: kind, `apiVersion`, namespace, and then a name, a label, or
/// neither. Policies that cannot match an object are not looked at, and of those that can, each group is in
/// the order in which policies win, so that its first match ends the search in it.
///
/// What is left to look at for one object is the policies that share the one label by which they were filed
/// but differ in another condition, and those with only negative conditions on labels.
#[derive(Debug, Clone, Default)]
pub struct PolicyIndex {
    policies: BTreeMap<Claimant, Filed>,
    kinds: BTreeMap<String, BTreeMap<String, Reaches>>,
}

/// A policy and where its selectors stand, in their order.
#[derive(Debug, Clone)]
struct Filed {
    policy: Arc<Policy>,
    places: Vec<Place>,
}

/// The selectors for objects of one kind, by how far they reach.
#[derive(Debug, Clone, Default)]
struct Reaches {
    /// Of PropagationPolicies, by namespace.
    namespaced: BTreeMap<String, Group>,
    /// Of ClusterPropagationPolicies that name a namespace.
    cluster_in: BTreeMap<String, Group>,
    /// Of ClusterPropagationPolicies for every namespace and none.
    cluster: Group,
}

impl Reaches {
    fn is_empty(&self) -> bool {
        self.namespaced.is_empty() && self.cluster_in.is_empty() && self.cluster.is_empty()
    }
}

/// Selectors by what they say about one object among those of a kind and reach.
#[derive(Debug, Clone, Default)]
struct Group {
    by_name: BTreeMap<String, Ranked>,
    by_label: BTreeMap<String, Values>,
    /// Label selectors that no label leads to.
    by_absence: Ranked,
    all: Ranked,
}

/// Label selectors by the value they want under a key.
#[derive(Debug, Clone, Default)]
struct Values {
    one: BTreeMap<String, Ranked>,
    any: Ranked,
}

/// Selectors in the order in which their policies win: priority down, name up.
type Ranked = BTreeMap<Rank, Arc<Policy>>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: Reverse<i32>,
    name: String,
    /// Which selector of the policy.
    selector: usize,
}

/// Where in its [`Group`] a selector stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Nowhere: it can select nothing.
    Nowhere,
    /// Under the object's name.
    Name(String),
    /// Under one or more values of a label.
    Values(String, Vec<String>),
    /// Under a label with whatever value.
    Key(String),
    /// Among those by absent labels.
    Absence,
    /// Among those for all objects.
    All,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.by_name.is_empty()
            && self.by_label.is_empty()
            && self.by_absence.is_empty()
            && self.all.is_empty()
    }

    /// The least crowded place from which a selector is found by every object it selects.
    fn place(&self, selector: &ResourceSelector) -> Place {
        if !selector.name.is_empty() {
            return Place::Name(selector.name.clone());
        }
        let Some(labels) = &selector.label_selector else { return Place::All };
        let crowd = |(key, values): &(&String, &[String])| -> usize {
            let known = self.by_label.get(*key);
            let at = |value| known.and_then(|v| v.one.get(value)).map_or(0, BTreeMap::len);
            values.iter().map(at).max().unwrap_or(0)
        };
        if let Some((key, values)) = wanted_values(labels).min_by_key(crowd) {
            return Place::Values(key.clone(), values.to_vec());
        }
        let crowd = |key: &&String| self.by_label.get(*key).map_or(0, |v| v.any.len());
        let keys = labels.match_expressions.iter().filter(|r| r.operator == "Exists").map(|r| &r.key);
        keys.min_by_key(crowd).map_or(Place::Absence, |key| Place::Key(key.clone()))
    }

    fn add(&mut self, place: &Place, rank: Rank, policy: &Arc<Policy>) {
        let add = |ranked: &mut Ranked| drop(ranked.insert(rank.clone(), Arc::clone(policy)));
        match place {
            Place::Nowhere => {}
            Place::Name(name) => add(self.by_name.entry(name.clone()).or_default()),
            Place::Values(key, values) => {
                let known = self.by_label.entry(key.clone()).or_default();
                values.iter().for_each(|value| add(known.one.entry(value.clone()).or_default()));
            }
            Place::Key(key) => add(&mut self.by_label.entry(key.clone()).or_default().any),
            Place::Absence => add(&mut self.by_absence),
            Place::All => add(&mut self.all),
        }
    }

    /// Takes a selector out, and what is empty without it.
    fn take(&mut self, place: &Place, rank: &Rank) {
        match place {
            Place::Nowhere => {}
            Place::Name(name) => take(&mut self.by_name, name, rank),
            Place::Values(key, _) | Place::Key(key) => {
                let Some(known) = self.by_label.get_mut(key) else { return };
                match place {
                    Place::Values(_, values) => {
                        values.iter().for_each(|value| take(&mut known.one, value, rank))
                    }
                    _ => drop(known.any.remove(rank)),
                }
                if known.one.is_empty() && known.any.is_empty() {
                    self.by_label.remove(key);
                }
            }
            Place::Absence => drop(self.by_absence.remove(rank)),
            Place::All => drop(self.all.remove(rank)),
        }
    }

    /// The lists in which selectors of the object stand, with how closely they name it.
    fn lists<'g>(&'g self, object: &Object) -> impl Iterator<Item = (Precision, &'g Ranked)> {
        let named = self.by_name.get(object.name()).map(|ranked| (Precision::Name, ranked));
        // A selector by labels is rarer than a label, so objects' labels lead the way only if there are any.
        let labels = (!self.by_label.is_empty()).then(|| object.labels()).into_iter().flatten();
        let labelled = labels.filter_map(|(key, value)| Some((self.by_label.get(key)?, value)));
        let labelled = labelled.flat_map(|(values, value)| {
            values.one.get(value).into_iter().chain([&values.any]).map(|ranked| (Precision::Labels, ranked))
        });
        named
            .into_iter()
            .chain(labelled)
            .chain([(Precision::Labels, &self.by_absence), (Precision::Kind, &self.all)])
    }
}

/// Labels with the values one of which a selector wants.
fn wanted_values(labels: &LabelSelector) -> impl Iterator<Item = (&String, &[String])> {
    let equal = labels.match_labels.iter().map(|(key, value)| (key, std::slice::from_ref(value)));
    let listed = labels.match_expressions.iter().filter(|r| r.operator == "In");
    equal.chain(listed.map(|r| (&r.key, r.values.as_slice())))
}

/// Takes a selector out of the list under a key, and the list when it is empty then.
fn take(lists: &mut BTreeMap<String, Ranked>, key: &str, rank: &Rank) {
    let Some(ranked) = lists.get_mut(key) else { return };
    ranked.remove(rank);
    if ranked.is_empty() {
        lists.remove(key);
    }
}

/// A match on the way to the best one; ordered by who wins.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found<'a> {
    priority: i32,
    precision: Precision,
    name: Reverse<&'a str>,
}

impl PolicyIndex {
    /// An index without policies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a policy in, in the place of one of the same name.
    pub fn insert(&mut self, policy: Arc<Policy>) {
        let claimant = Claimant::of(&policy);
        self.remove(&claimant);
        let places =
            (0..policy.spec.resource_selectors.len()).map(|selector| self.file(&policy, selector)).collect();
        self.policies.insert(claimant, Filed { policy, places });
    }

    /// Files one selector of a policy and says where.
    fn file(&mut self, policy: &Arc<Policy>, index: usize) -> Place {
        let selector = &policy.spec.resource_selectors[index];
        let own = policy.metadata.namespace.as_str();
        let elsewhere = policy.scope == Scope::Namespaced
            && (own.is_empty() || (!selector.namespace.is_empty() && selector.namespace != own));
        if elsewhere || policy.metadata.is_deleting() {
            return Place::Nowhere;
        }
        let kinds = self.kinds.entry(selector.kind.clone()).or_default();
        let reaches = kinds.entry(selector.api_version.clone()).or_default();
        let group = match (policy.scope, selector.namespace.as_str()) {
            (Scope::Namespaced, _) => reaches.namespaced.entry(own.to_owned()).or_default(),
            (Scope::Cluster, "") => &mut reaches.cluster,
            (Scope::Cluster, namespace) => reaches.cluster_in.entry(namespace.to_owned()).or_default(),
        };
        let place = group.place(selector);
        group.add(&place, rank_of(policy, index), policy);
        place
    }

    /// Takes a policy out and returns it.
    pub fn remove(&mut self, claimant: &Claimant) -> Option<Arc<Policy>> {
        let Filed { policy, places } = self.policies.remove(claimant)?;
        for (index, place) in places.iter().enumerate().filter(|(_, place)| **place != Place::Nowhere) {
            self.unfile(&policy, index, place);
        }
        Some(policy)
    }

    fn unfile(&mut self, policy: &Policy, index: usize, place: &Place) {
        let selector = &policy.spec.resource_selectors[index];
        let Some(kinds) = self.kinds.get_mut(&selector.kind) else { return };
        let Some(reaches) = kinds.get_mut(&selector.api_version) else { return };
        let (groups, namespace) = match (policy.scope, selector.namespace.as_str()) {
            (Scope::Namespaced, _) => (Some(&mut reaches.namespaced), policy.metadata.namespace.as_str()),
            (Scope::Cluster, "") => (None, ""),
            (Scope::Cluster, namespace) => (Some(&mut reaches.cluster_in), namespace),
        };
        let rank = rank_of(policy, index);
        match groups {
            None => reaches.cluster.take(place, &rank),
            Some(groups) => {
                if let Some(group) = groups.get_mut(namespace) {
                    group.take(place, &rank);
                    if group.is_empty() {
                        groups.remove(namespace);
                    }
                }
            }
        }
        if reaches.is_empty() {
            kinds.remove(&selector.api_version);
            if kinds.is_empty() {
                self.kinds.remove(&selector.kind);
            }
        }
    }

    /// A policy by its name.
    pub fn get(&self, claimant: &Claimant) -> Option<&Arc<Policy>> {
        self.policies.get(claimant).map(|filed| &filed.policy)
    }

    /// All policies, in the order of their names, those of namespaces first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values().map(|filed| &filed.policy)
    }

    /// Number of policies.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there are no policies.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The policy that claims an unclaimed object; the same as [`crate::choose_policy`] over all policies.
    pub fn choose(&self, object: &Object) -> Option<&Arc<Policy>> {
        let reaches = self.kinds.get(object.kind())?.get(object.api_version())?;
        let namespace = object.namespace();
        let namespaced =
            if namespace.is_empty() { None } else { best_of(reaches.namespaced.get(namespace), object) };
        namespaced.or_else(|| {
            let named = if namespace.is_empty() { None } else { reaches.cluster_in.get(namespace) };
            best_of([&reaches.cluster].into_iter().chain(named), object)
        })
    }
}

fn rank_of(policy: &Policy, selector: usize) -> Rank {
    Rank { priority: Reverse(priority(policy)), name: policy.metadata.name.clone(), selector }
}

/// The policy that wins among those of some groups.
fn best_of<'g>(groups: impl IntoIterator<Item = &'g Group>, object: &Object) -> Option<&'g Arc<Policy>> {
    let mut best: Option<(Found<'g>, &'g Arc<Policy>)> = None;
    for (precision, ranked) in groups.into_iter().flat_map(|group| group.lists(object)) {
        for (rank, policy) in ranked {
            let found = Found { priority: rank.priority.0, precision, name: Reverse(&rank.name) };
            // What follows in this list can only be less.
            if best.as_ref().is_some_and(|(best, _)| *best >= found) {
                break;
            }
            let labels = match precision {
                Precision::Labels => policy.spec.resource_selectors[rank.selector].label_selector.as_ref(),
                Precision::Name | Precision::Kind => None,
            };
            if labels.is_none_or(|labels| labels_match(labels, |key| object.label(key))) {
                best = Some((found, policy));
                break;
            }
        }
    }
    best.map(|(_, policy)| policy)
}
