//! The pipeline: filter, score, select, divide.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::policy::{
    ClusterPreferences, Placement, ReplicaDivisionPreference, ReplicaSchedulingType, SpreadField,
};
use api::work::{TargetCluster, TargetComponent};
use estimation::{Asked, Component, NO_LIMIT, Request};

use crate::affinity::{RankSet, Scope, static_weights};
use crate::divide::{self, Candidate, Job, Share, Strategy};
use crate::error::Error;
use crate::filter::{Cause, Plugin, Plugins, untolerated};
use crate::input::{Facts, Input, Member, ServedKind, Step};
use crate::select::{self, Limits, Spread, Wanted};
use crate::trace::{Attempt, Question, Refused, Trace};
use crate::webster::Ties;

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
    let room = match Room::of(input, placement) {
        Ok(room) => room,
        Err(error) => return Outcome { result: Err(error), affinity: None, trace: Trace::default() },
    };
    let mut attempts = Vec::with_capacity(1);
    let mut first_failure = None;
    let mut worked = None;
    for (term, scope) in scopes(input, placement) {
        let mut told = Attempt { term, ..Attempt::default() };
        let result = Run { input, placement, scope: &scope, room: &room, told: &mut told }.run();
        told.failure = result.as_ref().err().cloned();
        attempts.push(told);
        match result {
            Ok(clusters) => {
                worked = Some((clusters, term));
                break;
            }
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    let trace = Trace { question: Some(Arc::new(question(input, placement, room))), attempts };
    if let Some((clusters, term)) = worked {
        let affinity = term.map(|at| placement.cluster_affinities[at].affinity_name.clone());
        return Outcome { result: Ok(clusters), affinity, trace };
    }
    let error = first_failure.unwrap_or_else(|| Error::Other("no affinity term to try".to_owned()));
    Outcome { result: Err(error), affinity: None, trace }
}

fn question(input: &Input<'_>, placement: &Placement, room: Room) -> Question {
    let resource = &input.spec.resource;
    Question {
        snapshot: input.snapshot.clone(),
        placement: placement.clone(),
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
        replicas: i64::from(input.spec.replicas),
        strategy: strategy(placement),
        is_workload: input.spec.is_workload(),
        request: match room {
            Room::Replicas(request) => request,
            Room::Unasked | Room::Sets(_) => None,
        },
    }
}

/// The affinities to try, in order: the plain one, or the terms from the one in use on, by index.
pub(crate) fn scopes<'a>(
    input: &Input<'a>,
    placement: &'a Placement,
) -> impl Iterator<Item = (Option<usize>, Scope<'a>)> {
    let (snapshot, workload) = (input.snapshot, input.spec.is_workload());
    let terms = &placement.cluster_affinities;
    let plain = terms.is_empty().then(|| (None, Scope::plain(placement.cluster_affinity.as_ref(), snapshot)));
    let first = first_term(input, placement);
    let terms = terms.iter().enumerate().skip(first);
    plain.into_iter().chain(terms.map(move |(at, term)| (Some(at), Scope::term(term, workload, snapshot))))
}

/// Where to start among the affinity terms. A name that no term has any more means the beginning.
fn first_term(input: &Input<'_>, placement: &Placement) -> usize {
    if input.is_fresh() {
        return 0;
    }
    let observed = &input.status.scheduler_observing_affinity_name;
    placement.cluster_affinities.iter().position(|t| t.affinity_name == *observed).unwrap_or(0)
}

/// The clusters that pass the filters of one scope, by rank.
pub(crate) fn feasible(input: &Input<'_>, placement: &Placement, scope: &Scope<'_>) -> Vec<u32> {
    let (assigned, mut refused) = (assigned(input), Vec::new());
    Filters::new(input, placement, scope, &assigned).run(&mut refused)
}

/// Replicas of the previous result by rank, nothing for clusters that are no targets.
fn assigned(input: &Input<'_>) -> Vec<Option<i64>> {
    let mut assigned = vec![None; input.snapshot.members().len()];
    for target in &input.spec.clusters {
        if let Some(rank) = input.snapshot.rank(&target.name) {
            assigned[rank] = Some(i64::from(target.replicas));
        }
    }
    assigned
}

/// The filters, with everything looked up that is the same for all clusters.
struct Filters<'a> {
    input: &'a Input<'a>,
    placement: &'a Placement,
    scope: &'a Scope<'a>,
    assigned: &'a [Option<i64>],
    kind: ServedKind,
    /// Answers to whether the kind is served, by mark of the list of kinds.
    served: Vec<(u64, bool)>,
    evicting: Option<RankSet>,
    /// Clusters that all the others of the affinity group are in.
    together: Option<RankSet>,
    /// Clusters of the others of the anti-affinity group.
    apart: Option<RankSet>,
}

impl<'a> Filters<'a> {
    fn new(
        input: &'a Input<'a>,
        placement: &'a Placement,
        scope: &'a Scope<'a>,
        assigned: &'a [Option<i64>],
    ) -> Self {
        let snapshot = input.snapshot;
        let tasks = &input.spec.graceful_eviction_tasks;
        let evicting = tasks.iter().map(|task| &task.from_cluster);
        let mut together: Option<RankSet> = None;
        for clusters in input.peers.into_iter().flat_map(|peers| &peers.affinity) {
            let clusters = RankSet::of(snapshot, clusters);
            match &mut together {
                Some(together) => together.retain(&clusters),
                None => together = Some(clusters),
            }
        }
        let apart = input.peers.map(|peers| &peers.anti_affinity).filter(|names| !names.is_empty());
        Self {
            kind: ServedKind::new(&input.spec.resource.api_version, &input.spec.resource.kind),
            served: Vec::new(),
            evicting: (!tasks.is_empty()).then(|| RankSet::of(snapshot, evicting)),
            together,
            apart: apart.map(|names| RankSet::of(snapshot, names)),
            input,
            placement,
            scope,
            assigned,
        }
    }

    /// Splits the clusters into those that pass, by rank, and those that do not.
    fn run(mut self, refused: &mut Vec<Refused>) -> Vec<u32> {
        let mut feasible = Vec::with_capacity(self.assigned.len());
        let snapshot = self.input.snapshot;
        for ((rank, member), facts) in (0..).zip(snapshot.members()).zip(snapshot.facts()) {
            match self.refuse(rank, member, facts) {
                Some(refusal) => refused.push(refusal),
                None => feasible.push(rank),
            }
        }
        feasible
    }

    /// Runs every filter; the first refusal is the reason given.
    fn refuse(&mut self, rank: u32, member: &Member, facts: &Facts) -> Option<Refused> {
        if facts.is_deleting {
            return Some(Refused { rank, cause: Cause::Deleting, by: Plugins::NONE });
        }
        let plugins = self.input.features.plugins;
        let is_target = self.assigned[rank as usize].is_some();
        let mut refused: Option<Refused> = None;
        let mut note = |plugin, cause: Option<Cause>| {
            if let Some(cause) = cause {
                refused.get_or_insert(Refused { rank, cause, by: Plugins::NONE }).by.insert(plugin);
            }
        };
        if !is_target {
            if plugins.has(Plugin::ApiEnablement) && !self.serves(member, facts) {
                note(Plugin::ApiEnablement, Some(Cause::NoApi));
            }
            if facts.has_taints && plugins.has(Plugin::TaintToleration) {
                let taints = &member.cluster().spec.taints;
                let at = untolerated(taints, &self.placement.cluster_tolerations);
                note(Plugin::TaintToleration, at.map(|at| Cause::Taint(at as u32)));
            }
        }
        if plugins.has(Plugin::ClusterAffinity) && self.scope.tier(rank, member).is_none() {
            note(Plugin::ClusterAffinity, Some(Cause::Affinity));
        }
        if plugins.has(Plugin::SpreadConstraint) && !self.placement.spread_constraints.is_empty() {
            note(Plugin::SpreadConstraint, self.missing_property(member).map(Cause::NoProperty));
        }
        let in_set = |set: &Option<RankSet>| set.as_ref().is_some_and(|set| set.has(rank));
        if plugins.has(Plugin::ClusterEviction) && in_set(&self.evicting) {
            note(Plugin::ClusterEviction, Some(Cause::Evicting));
        }
        if !is_target {
            if plugins.has(Plugin::WorkloadAffinity) && self.together.is_some() && !in_set(&self.together) {
                note(Plugin::WorkloadAffinity, Some(Cause::ApartFromGroup));
            }
            if plugins.has(Plugin::WorkloadAntiAffinity) && in_set(&self.apart) {
                note(Plugin::WorkloadAntiAffinity, Some(Cause::TogetherWithGroup));
            }
        }
        refused
    }

    fn serves(&mut self, member: &Member, facts: &Facts) -> bool {
        let mark = facts.kinds_mark;
        if let Some((_, serves)) = self.served.iter().find(|(known, _)| *known == mark) {
            return *serves;
        }
        let serves = member.serves_kind(&self.kind);
        // A few lists cover nearly all clusters; a long memory would cost more than it saves.
        if self.served.len() < 16 {
            self.served.push((mark, serves));
        }
        serves
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
}

/// One run through the pipeline.
struct Run<'a> {
    input: &'a Input<'a>,
    placement: &'a Placement,
    scope: &'a Scope<'a>,
    room: &'a Room,
    told: &'a mut Attempt,
}

impl Run<'_> {
    fn run(mut self) -> Result<Vec<TargetCluster>, Error> {
        let assigned = assigned(self.input);
        let feasible = self.filter(&assigned)?;
        self.after(Step::Filter);
        let strategy = strategy(self.placement);
        let mut candidates = self.score(&feasible, &assigned);
        candidates.sort_unstable_by_key(Candidate::preference);
        self.told.candidates = candidates;
        self.after(Step::Score);
        let selected = self.select(strategy).map_err(|e| e.within("failed to select clusters"))?;
        self.told.selected = selected.iter().map(|c| c.rank).collect();
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

    fn filter(&mut self, assigned: &[Option<i64>]) -> Result<Vec<u32>, Error> {
        let filters = Filters::new(self.input, self.placement, self.scope, assigned);
        let feasible = filters.run(&mut self.told.refused);
        if !feasible.is_empty() {
            return Ok(feasible);
        }
        let mut reasons = BTreeMap::new();
        for refused in self.told.refused.iter().filter(|refused| refused.cause != Cause::Deleting) {
            let refusal = refused.cause.refusal(self.member(refused.rank).cluster());
            *reasons.entry(refusal.to_string()).or_insert(0) += 1;
        }
        Err(Error::Fit { clusters: assigned.len(), reasons })
    }

    fn score(&self, feasible: &[u32], assigned: &[Option<i64>]) -> Vec<Candidate> {
        let local = if self.input.features.plugins.has(Plugin::ClusterLocality) { 100 } else { 0 };
        let has_tiers = self.scope.has_tiers();
        let asked = match self.room {
            Room::Replicas(request) => Some(self.input.snapshot.capacities().ask(request.as_ref())),
            Room::Unasked | Room::Sets(_) => None,
        };
        let candidate = |&rank: &u32| {
            let assigned = assigned[rank as usize];
            Candidate {
                rank,
                score: if assigned.is_some() { local } else { 0 },
                tier: if has_tiers { self.scope.order(rank, self.member(rank)) } else { 0 },
                allocatable: self.room.in_member(self.input, asked.as_ref(), rank as usize),
                assigned,
            }
        };
        feasible.iter().map(candidate).collect()
    }

    fn select(&mut self, strategy: Option<Strategy>) -> Result<Vec<Candidate>, Error> {
        let spec = self.input.spec;
        let needed = if matches!(self.room, Room::Sets(_)) { 1 } else { i64::from(spec.replicas) };
        let strategy = strategy.unwrap_or(Strategy::DynamicWeight);
        let wanted = Wanted {
            spread: effective_spread(self.placement, strategy),
            strategy,
            replicas: i64::from(spec.replicas),
            room: (strategy != Strategy::Duplicated).then_some(needed),
        };
        let Attempt { candidates, selection, .. } = &mut *self.told;
        select::select(&wanted, candidates, self.input.snapshot.topology(), selection)
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
        let weights = if job.strategy == Strategy::StaticWeight {
            let scheduling = self.placement.replica_scheduling.as_ref();
            let preference = scheduling.and_then(|scheduling| scheduling.weight_preference.as_ref());
            preference.map(|p| static_weights(&p.static_weight_list, snapshot)).unwrap_or_default()
        } else {
            Vec::new()
        };
        let told = &mut self.told.divisions;
        if !self.scope.has_tiers() {
            divide::divide(job, selected, &previous, &weights, told)
        } else if job.strategy.is_dynamic() {
            divide::divide_in_tiers(job, selected, &previous, told)
        } else {
            Err(Error::Other(format!(
                "overflow affinities need replicas divided by available replicas, not {}",
                job.strategy.name()
            )))
        }
    }

    /// Clusters without replicas of their own: every selected one, with all components of a workload
    /// that is placed as a whole.
    fn whole(&mut self, selected: &[Candidate]) -> Vec<TargetCluster> {
        let components = &self.input.spec.components;
        let components: Vec<TargetComponent> = if components.len() > 1 && matches!(self.room, Room::Sets(_)) {
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
        self.told.placed.push((rank, replicas));
        TargetCluster {
            name: self.member(rank).name().to_string(),
            replicas: i32::try_from(replicas).unwrap_or(i32::MAX),
            ..TargetCluster::default()
        }
    }

    fn attach_empty(&mut self, selected: &[Candidate], result: &mut Vec<TargetCluster>) {
        let mut placed: Vec<u32> = self.told.placed.iter().map(|(rank, _)| *rank).collect();
        placed.sort_unstable();
        for candidate in selected {
            if placed.binary_search(&candidate.rank).is_err() {
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
            Some(SpreadField::Zone) => spread.zone = Some(limits),
            Some(SpreadField::Provider) => spread.provider = Some(limits),
            None => spread.label = true,
        }
    }
    spread
}

/// Whether the workload is placed as a whole set of components in exactly one cluster. Any constraint may say
/// so, also beside another on clusters.
fn places_sets(input: &Input<'_>, placement: &Placement) -> bool {
    let mut constraints = placement.spread_constraints.iter();
    let in_one_cluster = constraints.any(|constraint| {
        constraint.spread_by_field == Some(SpreadField::Cluster)
            && (constraint.min_groups, constraint.max_groups) == (1, 1)
    });
    input.features.components && !input.spec.components.is_empty() && in_one_cluster
}

/// What is asked of each member's capacity.
pub(crate) enum Room {
    /// Nothing: there are no replicas to place.
    Unasked,
    Replicas(Option<Request>),
    Sets(Vec<Component>),
}

impl Room {
    pub(crate) fn of(input: &Input<'_>, placement: &Placement) -> Result<Self, Error> {
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
    fn in_member(&self, input: &Input<'_>, asked: Option<&Asked<'_>>, rank: usize) -> i64 {
        let (snapshot, modeling) = (input.snapshot, input.features.modeling);
        let totals = asked.filter(|_| !snapshot.has_overlay(rank)).and_then(|asked| asked.max_replicas(rank));
        let general = match self {
            Self::Unasked => return NO_LIMIT,
            Self::Replicas(request) => {
                totals.unwrap_or_else(|| snapshot.capacity_of(rank).max_replicas(request.as_ref(), modeling))
            }
            Self::Sets(components) => snapshot.capacity_of(rank).max_sets(components, modeling),
        };
        let accurate = input.estimate.and_then(|estimate| estimate(&input.snapshot.members()[rank]));
        let smallest = general.min(accurate.filter(|n| *n >= 0).unwrap_or(NO_LIMIT));
        if smallest >= NO_LIMIT { i64::from(input.spec.replicas) } else { smallest }
    }
}

fn read(resource_request: &BTreeMap<String, api::Quantity>) -> Result<Request, Error> {
    Request::read(resource_request).map_err(|e| Error::Other(e.to_string()))
}
