//! What one replica, or one replica of each component, asks for.

use std::collections::BTreeMap;

use machinery::quantity::Quantity;

use crate::claim::Claim;

/// An amount of a resource in the unit it is counted in: thousandths for `cpu`, whole units for
/// everything else. Fractions count up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(pub i64);

impl Amount {
    /// The amount of a resource a quantity stands for.
    pub fn of(resource: &str, quantity: Quantity) -> Self {
        Self(if resource == "cpu" { quantity.milli_value() } else { quantity.value() })
    }

    /// How often `request` fits; nothing when it asks for nothing.
    pub(crate) fn fits(self, request: Self) -> Option<i64> {
        (request.0 > 0).then(|| (self.0 / request.0).max(0))
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

/// The resources one replica asks for. Resources asked for with 0 are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    resources: Vec<(String, Amount)>,
}

/// Why a request cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request for {resource} is not a quantity: {text:?}")]
pub struct Error {
    /// Name of the resource.
    pub resource: String,
    /// What stands there.
    pub text: String,
    /// What is wrong with it.
    pub source: machinery::quantity::Error,
}

impl Request {
    /// Reads `resourceRequest`.
    ///
    /// # Errors
    /// When an amount is not a quantity.
    pub fn read(resource_request: &BTreeMap<String, api::Quantity>) -> Result<Self, Error> {
        let read = |(name, text): (&String, &api::Quantity)| match Quantity::parse(text.as_str()) {
            Ok(quantity) => Ok((name.clone(), Amount::of(name, quantity))),
            Err(source) => Err(Error { resource: name.clone(), text: text.as_str().to_owned(), source }),
        };
        let mut resources = resource_request.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        resources.retain(|(_, amount)| amount.0 > 0);
        Ok(Self { resources })
    }

    /// Resource names and amounts, in name order; every amount is above 0.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Amount)> {
        self.resources.iter().map(|(name, amount)| (name.as_str(), *amount))
    }

    /// The sum over the components of one set.
    pub(crate) fn of_set<'a>(components: impl IntoIterator<Item = &'a Component>) -> Self {
        let mut sums: BTreeMap<&str, Amount> = BTreeMap::new();
        for component in components {
            for (name, amount) in component.request.iter() {
                let sum = sums.entry(name).or_default();
                *sum = sum.plus(amount.times(component.replicas.max(0)));
            }
        }
        let resources = sums.into_iter().filter(|(_, amount)| amount.0 > 0);
        Self { resources: resources.map(|(name, amount)| (name.to_owned(), amount)).collect() }
    }
}

/// One component of a workload with several pod templates; a workload with one pod template is a single
/// component.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Component {
    /// How many replicas of it one set has.
    pub replicas: i64,
    /// What one of them asks for.
    pub request: Request,
    /// Which nodes they may run on. Only real nodes are compared with it.
    pub claim: Claim,
    /// Their pod priority class; empty for none. Only quotas look at it.
    pub priority_class: String,
}

impl Component {
    /// Reads one of a binding's components.
    ///
    /// # Errors
    /// When an amount is not a quantity.
    pub fn read(component: &api::work::Component) -> Result<Self, Error> {
        let replicas = i64::from(component.replicas);
        let Some(needs) = &component.replica_requirements else {
            return Ok(Self { replicas, ..Self::default() });
        };
        Ok(Self {
            replicas,
            request: Request::read(&needs.resource_request)?,
            claim: needs.node_claim.as_ref().map(Claim::from).unwrap_or_default(),
            priority_class: needs.priority_class_name.clone(),
        })
    }

    /// One replica with a binding's requirements.
    ///
    /// # Errors
    /// When an amount is not a quantity.
    pub fn replica(needs: &api::work::ReplicaRequirements) -> Result<Self, Error> {
        Ok(Self {
            replicas: 1,
            request: Request::read(&needs.resource_request)?,
            claim: needs.node_claim.as_ref().map(Claim::from).unwrap_or_default(),
            priority_class: needs.priority_class_name.clone(),
        })
    }
}

/// A workload that is on its way to a cluster: decided, but not among what the cluster reports yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assumed {
    /// Namespace of the workload.
    pub namespace: String,
    /// Everything of it that goes to the cluster.
    pub components: Vec<Component>,
}

/// The sum of workloads that are on their way, which can be added to and taken from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    pods: i64,
    resources: BTreeMap<String, i64>,
}

impl Totals {
    /// Adds a workload.
    pub fn add(&mut self, workload: &Assumed) {
        self.count(workload, 1);
    }

    /// Takes away a workload that was added before.
    pub fn remove(&mut self, workload: &Assumed) {
        self.count(workload, -1);
    }

    fn count(&mut self, workload: &Assumed, sign: i64) {
        for component in workload.components.iter().filter(|component| component.replicas > 0) {
            self.pods = self.pods.saturating_add(component.replicas.saturating_mul(sign));
            for (name, amount) in component.request.iter() {
                let more = amount.times(component.replicas).0.saturating_mul(sign);
                match self.resources.get_mut(name) {
                    Some(sum) => *sum = sum.saturating_add(more),
                    None => {
                        self.resources.insert(name.to_owned(), more);
                    }
                }
            }
        }
    }

    pub(crate) fn pods(&self) -> i64 {
        self.pods
    }

    pub(crate) fn of(&self, name: &str) -> Amount {
        Amount(self.resources.get(name).copied().unwrap_or(0))
    }
}
