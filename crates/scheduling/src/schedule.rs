//! The pipeline: filter, score, select, divide.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::{
    ClusterPreferences, Placement, ReplicaDivisionPreference, ReplicaSchedulingType, SpreadField,
};
use api::work::{TargetCluster, TargetComponent};
use estimation::{Component, Request};
use matching::{Affinity, cluster_matches};

use crate::affinity::Scope;
use crate::divide::{self, Candidate, Job, Share, Strategy};
use crate::error::Error;
use crate::filter::{Plugin, Refusal, taint_text, untolerated};
use crate::input::{Input, Member, ServedKind, Step};
use crate::select::{self, Limits, Spread, Wanted};
use crate::trace::{self, Attempt, Considered, Division, Trace};
use crate::webster::{Party, Ties};

/// No limit, as upstream counts it.
const UNLIMITED: i64 = i32::MAX as i64;

/// What became of a binding, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The clusters, or why there are none.
    pub result: Result<Vec<TargetCluster>, Error>,
    /// The affinity term that led to the result, when the placement has several.
    pub affinity: Option<String>,
    /// How it came about.
    pub trace: Trace,
}

/// Decides where a binding goes. Pure: the same input gives the same outcome.
///
/// With several affinity terms they are tried in order, from the one in use (the first one on a fresh
/// start) to the last; the first that works wins. When none works, the first failure is the result.
pub fn schedule(input: &Input<'_>) -> Outcome {
    let none = Placement::default();
    let placement = input.spec.placement.as_ref().unwrap_or(&none);
    let terms = &placement.cluster_affinities;
    if terms.is_empty() {
        let (result, attempt) =
            attempt(input, placement, &Scope::plain(placement.cluster_affinity.as_ref()), None);
        return Outcome { result, affinity: None, trace: Trace { attempts: vec![attempt] } };
    }
    let mut attempts = Vec::new();
    let mut first_failure = None;
    for term in &terms[first_term(input, placement)..] {
        let scope = Scope::term(term, input.spec.is_workload());
        let (result, attempt) = attempt(input, placement, &scope, Some(&term.affinity_name));
        attempts.push(attempt);
        match result {
            Ok(clusters) => {
                let affinity = Some(term.affinity_name.clone());
                return Outcome { result: Ok(clusters), affinity, trace: Trace { attempts } };
            }
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    let error = first_failure.unwrap_or_else(|| Error::Other("no affinity term to try".to_owned()));
    Outcome { result: Err(error), affinity: None, trace: Trace { attempts } }
}

/// Where to start among the affinity terms. A name that no term has any more means the beginning.
fn first_term(input: &Input<'_>, placement: &Placement) -> usize {
    if input.is_fresh() {
        return 0;
    }
    let observed = &input.status.scheduler_observing_affinity_name;
    placement.cluster_affinities.iter().position(|t| t.affinity_name == *observed).unwrap_or(0)
}

fn attempt(
    input: &Input<'_>,
    placement: &Placement,
    scope: &Scope<'_>,
    affinity: Option<&str>,
) -> (Result<Vec<TargetCluster>, Error>, Attempt) {
    let mut told = Attempt { affinity: affinity.map(Into::into), ..Attempt::default() };
    let result = Run { input, placement, scope, told: &mut told }.run();
    told.failure = result.as_ref().err().cloned();
    (result, told)
}

/// One run through the pipeline.
struct Run<'a> {
    input: &'a Input<'a>,
    placement: &'a Placement,
    scope: &'a Scope<'a>,
    told: &'a mut Attempt,
}

impl Run<'_> {
    fn run(mut self) -> Result<Vec<TargetCluster>, Error> {
        let assigned = self.assigned();
        let feasible = self.filter(&assigned)?;
        self.after(Step::Filter);
        let strategy = strategy(self.placement);
        let mut candidates = self.score(&feasible, &assigned)?;
        candidates.sort_unstable_by_key(Candidate::preference);
        self.tell_candidates(&candidates);
        self.after(Step::Score);
        let selected =
            self.select(candidates, strategy).map_err(|e| e.within("failed to select clusters"))?;
        self.told.selected = selected.iter().map(|c| Arc::clone(self.member(c.rank).name())).collect();
        self.after(Step::Select);
        let mut result =
            self.assign(&selected, strategy).map_err(|e| e.within("failed to assign replicas"))?;
        self.after(Step::AssignReplicas);
        if self.input.features.empty_workload_propagation {
            self.attach_empty(&selected, &mut result);
        }
        Ok(result)
    }

    fn after(&self, step: Step) {
        if let Some(told) = self.input.after_step {
            told(step);
        }
    }

    fn member(&self, rank: u32) -> &Member {
        &self.input.snapshot.members()[rank as usize]
    }

    /// Replicas of the previous result by rank, nothing for clusters that are no targets.
    fn assigned(&self) -> Vec<Option<i64>> {
        let mut assigned = vec![None; self.input.snapshot.members().len()];
        for target in &self.input.spec.clusters {
            if let Some(rank) = self.input.snapshot.rank(&target.name) {
                assigned[rank] = Some(i64::from(target.replicas));
            }
        }
        assigned
    }

    fn filter(&mut self, assigned: &[Option<i64>]) -> Result<Vec<u32>, Error> {
        let resource = &self.input.spec.resource;
        let kind = ServedKind::new(&resource.api_version, &resource.kind);
        let mut feasible = Vec::with_capacity(assigned.len());
        for ((rank, member), assigned) in (0..).zip(self.input.snapshot.members()).zip(assigned) {
            match self.refuse(member, &kind, assigned.is_some()) {
                Some(refusal) => self.told.refused.push((Arc::clone(member.name()), refusal)),
                None => feasible.push(rank),
            }
        }
        if !feasible.is_empty() {
            return Ok(feasible);
        }
        let mut reasons = BTreeMap::new();
        for (_, refusal) in self.told.refused.iter().filter(|(_, r)| *r != Refusal::Deleting) {
            *reasons.entry(refusal.to_string()).or_insert(0) += 1;
        }
        Err(Error::Fit { clusters: assigned.len(), reasons })
    }

    fn refuse(&self, member: &Member, kind: &ServedKind, is_target: bool) -> Option<Refusal> {
        let (spec, cluster) = (self.input.spec, member.cluster());
        if cluster.metadata.is_deleting() {
            return Some(Refusal::Deleting);
        }
        let has = |plugin| self.input.features.plugins.has(plugin);
        if has(Plugin::ApiEnablement) && !is_target && !member.serves_kind(kind) {
            return Some(Refusal::NoApi);
        }
        if has(Plugin::TaintToleration)
            && !is_target
            && let Some(taint) = untolerated(&cluster.spec.taints, &self.placement.cluster_tolerations)
        {
            return Some(Refusal::Taint(taint_text(taint)));
        }
        if has(Plugin::ClusterAffinity) && self.scope.tier(cluster).is_none() {
            return Some(Refusal::Affinity);
        }
        if has(Plugin::SpreadConstraint)
            && let Some(property) = self.missing_property(member)
        {
            return Some(Refusal::NoProperty(property));
        }
        if has(Plugin::ClusterEviction) && spec.eviction_task(member.name()).is_some() {
            return Some(Refusal::Evicting);
        }
        let peers = self.input.peers?;
        let name: &str = member.name();
        if has(Plugin::WorkloadAffinity) && !is_target && !peers.affinity.iter().all(|c| c.contains(name)) {
            return Some(Refusal::ApartFromGroup);
        }
        (has(Plugin::WorkloadAntiAffinity) && peers.anti_affinity.contains(name))
            .then_some(Refusal::TogetherWithGroup)
    }

    /// The property that replicas are spread by and that the cluster lacks.
    fn missing_property(&self, member: &Member) -> Option<&'static str> {
        let cluster = member.cluster();
        self.placement.spread_constraints.iter().find_map(|constraint| match constraint.spread_by_field? {
            SpreadField::Provider if cluster.spec.provider.is_empty() => Some("provider"),
            SpreadField::Region if cluster.spec.region.is_empty() => Some("region"),
            SpreadField::Zone if cluster.zones().is_empty() => Some("zones"),
            SpreadField::Cluster | SpreadField::Provider | SpreadField::Region | SpreadField::Zone => None,
        })
    }

    fn score(&self, feasible: &[u32], assigned: &[Option<i64>]) -> Result<Vec<Candidate>, Error> {
        let room = Room::of(self.input, self.placement)?;
        let local = if self.input.features.plugins.has(Plugin::ClusterLocality) { 100 } else { 0 };
        let candidate = |&rank: &u32| {
            let member = self.member(rank);
            let assigned = assigned[rank as usize];
            Candidate {
                rank,
                score: if assigned.is_some() { local } else { 0 },
                tier: if self.scope.has_tiers() { self.scope.order(member.cluster()) } else { 0 },
                allocatable: room.in_member(self.input, member),
                assigned,
            }
        };
        Ok(feasible.iter().map(candidate).collect())
    }

    fn tell_candidates(&mut self, candidates: &[Candidate]) {
        self.told.candidates = candidates
            .iter()
            .map(|c| Considered {
                cluster: Arc::clone(self.member(c.rank).name()),
                score: c.score,
                tier: c.tier,
                available: c.available(),
                assigned: c.assigned,
            })
            .collect();
    }

    fn select(
        &mut self,
        candidates: Vec<Candidate>,
        strategy: Option<Strategy>,
    ) -> Result<Vec<Candidate>, Error> {
        let (spec, members) = (self.input.spec, self.input.snapshot.members());
        let needed = if places_sets(self.input, self.placement) { 1 } else { i64::from(spec.replicas) };
        let strategy = strategy.unwrap_or(Strategy::DynamicWeight);
        let wanted = Wanted {
            spread: effective_spread(self.placement, strategy),
            strategy,
            replicas: i64::from(spec.replicas),
            room: (strategy != Strategy::Duplicated).then_some(needed),
        };
        let region_of = |rank: u32| members[rank as usize].cluster().spec.region.as_str();
        select::select(&wanted, candidates, &region_of, &mut self.told.regions)
    }

    fn assign(
        &mut self,
        selected: &[Candidate],
        strategy: Option<Strategy>,
    ) -> Result<Vec<TargetCluster>, Error> {
        if selected.is_empty() {
            return Err(Error::Other("no clusters available to schedule".to_owned()));
        }
        let spec = self.input.spec;
        if spec.components.len() > 1 || (spec.replicas <= 0 && spec.replica_requirements.is_none()) {
            return Ok(self.whole(selected));
        }
        let strategy = strategy.ok_or_else(|| {
            Error::Other(
                "unsupported replica scheduling strategy: replicas are Divided without a preference"
                    .to_owned(),
            )
        })?;
        let job = Job {
            strategy,
            replicas: i64::from(spec.replicas),
            fresh: self.input.is_fresh(),
            ties: Ties::for_uid(&spec.resource.uid),
        };
        let shares = self.divide(job, selected)?;
        Ok(shares.into_iter().filter(|(_, replicas)| *replicas > 0).map(|share| self.target(share)).collect())
    }

    fn divide(&mut self, job: Job, selected: &[Candidate]) -> Result<Vec<Share>, Error> {
        let snapshot = self.input.snapshot;
        let previous: Vec<u32> = self
            .input
            .spec
            .clusters
            .iter()
            .filter_map(|target| u32::try_from(snapshot.rank(&target.name)?).ok())
            .collect();
        let weights = static_weights(self.placement);
        let weight = |rank: u32| {
            let cluster = snapshot.members()[rank as usize].cluster();
            weights
                .iter()
                .filter(|(affinity, _)| cluster_matches(*affinity, cluster))
                .map(|(_, weight)| *weight)
                .max()
                .unwrap_or(0)
        };
        let mut told = Vec::new();
        let shares = if !self.scope.has_tiers() {
            divide::divide(job, selected, &previous, &weight, &mut told)
        } else if job.strategy.is_dynamic() {
            divide::divide_in_tiers(job, selected, &previous, &mut told)
        } else {
            Err(Error::Other(format!(
                "overflow affinities need replicas divided by available replicas, not {}",
                job.strategy.name()
            )))
        };
        self.tell_divisions(job.strategy, told);
        shares
    }

    fn tell_divisions(&mut self, strategy: Strategy, told: Vec<divide::Told>) {
        let share = |p: &Party| trace::Share {
            cluster: Arc::clone(self.member(p.rank).name()),
            weight: p.votes,
            replicas: p.seats,
        };
        let division = |told: divide::Told| Division {
            strategy,
            mode: told.mode,
            replicas: told.replicas,
            shares: told.parties.iter().map(share).collect(),
        };
        self.told.divisions = told.into_iter().map(division).collect();
    }

    /// Clusters without replicas of their own: every selected one, with all components of a workload
    /// that is placed as a whole.
    fn whole(&mut self, selected: &[Candidate]) -> Vec<TargetCluster> {
        let components = &self.input.spec.components;
        let components: Vec<TargetComponent> =
            if components.len() > 1 && places_sets(self.input, self.placement) {
                components
                    .iter()
                    .map(|c| TargetComponent { name: c.name.clone(), replicas: c.replicas })
                    .collect()
            } else {
                Vec::new()
            };
        selected
            .iter()
            .map(|c| TargetCluster { components: components.clone(), ..self.target((c.rank, 0)) })
            .collect()
    }

    fn target(&mut self, (rank, replicas): Share) -> TargetCluster {
        self.told.placed.push((Arc::clone(self.member(rank).name()), replicas));
        TargetCluster {
            name: self.member(rank).name().to_string(),
            replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
            ..TargetCluster::default()
        }
    }

    fn attach_empty(&mut self, selected: &[Candidate], result: &mut Vec<TargetCluster>) {
        for candidate in selected {
            if !result.iter().any(|t| *t.name == **self.member(candidate.rank).name()) {
                result.push(self.target((candidate.rank, 0)));
            }
        }
    }
}

/// How the placement wants replicas assigned; nothing when it says to divide but not how.
pub(crate) fn strategy(placement: &Placement) -> Option<Strategy> {
    if placement.scheduling_type() == ReplicaSchedulingType::Duplicated {
        return Some(Strategy::Duplicated);
    }
    let scheduling = placement.replica_scheduling.as_ref()?;
    match (scheduling.replica_division_preference?, &scheduling.weight_preference) {
        (ReplicaDivisionPreference::Aggregated, _) => Some(Strategy::Aggregated),
        (ReplicaDivisionPreference::Weighted, Some(ClusterPreferences { dynamic_weight: Some(_), .. })) => {
            Some(Strategy::DynamicWeight)
        }
        (ReplicaDivisionPreference::Weighted, _) => Some(Strategy::StaticWeight),
    }
}

/// The static weights of the placement. Without any, all clusters weigh the same.
fn static_weights(placement: &Placement) -> Vec<(Affinity<'_>, i64)> {
    let preference = placement.replica_scheduling.as_ref().and_then(|s| s.weight_preference.as_ref());
    preference
        .into_iter()
        .flat_map(|p| &p.static_weight_list)
        .map(|rule| (Affinity::from(&rule.target_cluster), rule.weight))
        .collect()
}

/// The spread constraints that count. Dividing by static weights (or by none) uses every candidate.
fn effective_spread(placement: &Placement, strategy: Strategy) -> Spread {
    let preference = placement.replica_scheduling.as_ref().and_then(|s| s.weight_preference.as_ref());
    let weighs_all = preference.is_none_or(|p| !p.static_weight_list.is_empty());
    if strategy == Strategy::StaticWeight && weighs_all { Spread::default() } else { spread(placement) }
}

fn spread(placement: &Placement) -> Spread {
    let mut spread = Spread::default();
    for constraint in &placement.spread_constraints {
        let limits = Limits { min: constraint.min_groups, max: constraint.max_groups };
        match constraint.spread_by_field {
            Some(SpreadField::Cluster) => spread.cluster = Some(limits),
            Some(SpreadField::Region) => spread.region = Some(limits),
            Some(SpreadField::Zone | SpreadField::Provider) | None => spread.other = true,
        }
    }
    spread
}

/// Whether the workload is placed as a whole set of components in exactly one cluster.
fn places_sets(input: &Input<'_>, placement: &Placement) -> bool {
    let one = Some(Limits { min: 1, max: 1 });
    input.features.components && !input.spec.components.is_empty() && spread(placement).cluster == one
}

/// What is asked of each member's capacity.
enum Room {
    /// Nothing: there are no replicas to place.
    Unasked,
    Replicas(Option<Request>),
    Sets(Vec<Component>),
}

impl Room {
    fn of(input: &Input<'_>, placement: &Placement) -> Result<Self, Error> {
        let spec = input.spec;
        if places_sets(input, placement) {
            let component = |c| Component::read(c).map_err(|e| Error::Other(e.to_string()));
            return Ok(Self::Sets(spec.components.iter().map(component).collect::<Result<_, Error>>()?));
        }
        if spec.replicas == 0 && spec.components.is_empty() {
            return Ok(Self::Unasked);
        }
        let requirements = spec.replica_requirements.as_ref();
        Ok(Self::Replicas(requirements.map(|r| read(&r.resource_request)).transpose()?))
    }

    /// How many more replicas or sets fit a member: the smallest estimate there is.
    fn in_member(&self, input: &Input<'_>, member: &Member) -> i64 {
        let modeling = input.features.modeling;
        let general = match self {
            Self::Unasked => return UNLIMITED,
            Self::Replicas(request) => member.capacity().max_replicas(request.as_ref(), modeling),
            Self::Sets(components) => member.capacity().max_sets(components, modeling),
        };
        let accurate = input.estimate.and_then(|estimate| estimate(member)).filter(|n| *n >= 0);
        let smallest = general.min(accurate.unwrap_or(UNLIMITED));
        if smallest >= UNLIMITED { i64::from(input.spec.replicas) } else { smallest }
    }
}

fn read(resource_request: &BTreeMap<String, api::Quantity>) -> Result<Request, Error> {
    Request::read(resource_request).map_err(|e| Error::Other(e.to_string()))
}
