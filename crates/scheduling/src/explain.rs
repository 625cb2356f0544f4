//! A decision in words: every cluster that was refused and by what, every candidate with its score and room,
//! the groups that were compared, how each replica was assigned, and what would change the answer.
//!
//! Field names are stable: the command line, the dashboard and scripts read them.

mod hints;
mod text;

use api::policy::SpreadField;
use serde::Serialize;

pub use hints::Hint;

use crate::divide::{self, Candidate, Mode, Share as Seats, Strategy};
use crate::select;
use crate::trace::{self, Question, Trace};

/// The whole way to a decision: one attempt per affinity term that was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// In the order they were tried; the last one decided.
    pub attempts: Vec<Attempt>,
}

/// One run through filter, score, select and divide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The affinity term that was tried, when the placement has several.
    pub affinity: Option<String>,
    /// Clusters that were refused, by name.
    pub refused: Vec<Refused>,
    /// Clusters that passed, in order of preference.
    pub candidates: Vec<Considered>,
    /// How groups were chosen, outermost level first; empty without a spread by topology.
    pub spreads: Vec<Spread>,
    /// Selected clusters, in the order they were selected.
    pub selected: Vec<String>,
    /// How replicas were divided; several with overflow affinities, none when every cluster gets all.
    pub divisions: Vec<Division>,
    /// What came out.
    pub placed: Vec<Placed>,
    /// Why nothing came out.
    pub failure: Option<String>,
    /// What would change the answer.
    pub hints: Vec<Hint>,
}

/// A cluster that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Name of the cluster.
    pub cluster: String,
    /// The first filter that refused it.
    pub plugin: String,
    /// Why, as counted in the `Scheduled` condition.
    pub reason: String,
    /// The other filters that refuse it too.
    pub also_refused_by: Vec<String>,
    /// What it would take to pass the first filter; nothing when nobody can do anything about it.
    pub needs: Option<String>,
}

/// A cluster that passed the filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// Name of the cluster.
    pub cluster: String,
    /// Sum of the score plugins.
    pub score: i64,
    /// 0 for the primary affinity, then overflow affinities in order.
    pub tier: u32,
    /// How many more replicas (or sets) it can take; nothing for no limit.
    pub allocatable: Option<i64>,
    /// Replicas it has; nothing when it is not a target yet.
    pub assigned: Option<i64>,
    /// How many replicas it can hold, those it has included; nothing for no limit.
    pub available: Option<i64>,
    /// Why it can take none: what one replica asks for and the cluster does not have.
    pub lacks: Option<String>,
}

/// One level of a spread by topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// By what clusters are grouped.
    pub field: SpreadField,
    /// Fewest groups.
    pub min_groups: i64,
    /// Most groups.
    pub max_groups: i64,
    /// Every group there is, by name.
    pub groups: Vec<Group>,
}

/// A group that was compared with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Name of the group, after those of the groups it lies in.
    pub name: String,
    /// How many candidates it has.
    pub clusters: i64,
    /// How good it is.
    pub score: i64,
    /// Whether it was chosen.
    pub chosen: bool,
    /// Why it was not.
    pub why_not: Option<String>,
}

/// One division of replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Division {
    /// How.
    pub strategy: Strategy,
    /// From what.
    pub mode: Mode,
    /// The tier of overflow affinities it was for.
    pub tier: Option<u32>,
    /// How many replicas were to be handed out.
    pub replicas: i64,
    /// How many the clusters can take; nothing when that does not matter or has no limit.
    pub room: Option<i64>,
    /// Who took part, by name.
    pub shares: Vec<Share>,
}

/// A cluster's part in a division.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Name of the cluster.
    pub cluster: String,
    /// What it weighed; nothing when it only keeps what it has.
    pub weight: Option<i64>,
    /// What it kept of the previous result.
    pub previous: i64,
    /// The seats it was given by Webster's method.
    pub seats: i64,
    /// Both together.
    pub replicas: i64,
}

/// A cluster of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Name of the cluster.
    pub cluster: String,
    /// Its replicas.
    pub replicas: i64,
}

/// A number of replicas; nothing when there is no limit.
fn limited(replicas: i64) -> Option<i64> {
    (replicas < estimation::NO_LIMIT).then_some(replicas)
}

impl Explanation {
    pub(crate) fn of(trace: &Trace) -> Self {
        let Some(question) = &trace.question else { return Self::default() };
        Self { attempts: trace.attempts.iter().map(|told| Teller { question, told }.attempt()).collect() }
    }
}

/// What an attempt is short of.
pub(crate) fn shortages(question: &Question, told: &trace::Attempt) -> Vec<Hint> {
    Teller { question, told }.shortages()
}

/// What would change the answer of an attempt.
pub(crate) fn hints(question: &Question, told: &trace::Attempt) -> Vec<Hint> {
    Teller { question, told }.hints()
}

/// Turns one attempt into words.
#[derive(Clone, Copy)]
struct Teller<'a> {
    question: &'a Question,
    told: &'a trace::Attempt,
}

impl Teller<'_> {
    fn attempt(self) -> Attempt {
        let terms = &self.question.placement.cluster_affinities;
        Attempt {
            affinity: self.told.term.and_then(|at| terms.get(at)).map(|term| term.affinity_name.clone()),
            refused: self.told.refused.iter().map(|refused| self.refused(refused)).collect(),
            candidates: self.told.candidates.iter().map(|c| self.considered(c)).collect(),
            spreads: self.told.selection.levels.iter().map(spread).collect(),
            selected: self.told.selected.iter().map(|rank| self.name(*rank)).collect(),
            divisions: self.told.divisions.iter().map(|division| self.division(division)).collect(),
            placed: self.told.placed.iter().map(|share| self.placed(share)).collect(),
            failure: self.told.failure.as_ref().map(ToString::to_string),
            hints: self.hints(),
        }
    }

    fn name(self, rank: u32) -> String {
        self.question.snapshot.members()[rank as usize].name().to_string()
    }

    fn refused(self, refused: &trace::Refused) -> Refused {
        let cluster = self.question.snapshot.members()[refused.rank as usize].cluster();
        let refusal = refused.cause.refusal(cluster);
        let others = refused.by.iter().map(|plugin| plugin.name()).filter(|name| *name != refusal.plugin());
        Refused {
            cluster: self.name(refused.rank),
            plugin: refusal.plugin().to_owned(),
            reason: refusal.to_string(),
            also_refused_by: others.map(ToOwned::to_owned).collect(),
            needs: self.needs(refused),
        }
    }

    fn considered(self, candidate: &Candidate) -> Considered {
        Considered {
            cluster: self.name(candidate.rank),
            score: candidate.score,
            tier: candidate.tier,
            allocatable: limited(candidate.allocatable),
            assigned: candidate.assigned,
            available: limited(candidate.available()),
            lacks: self.lacks(candidate),
        }
    }

    /// What keeps even one replica out of a cluster that has no room.
    fn lacks(self, candidate: &Candidate) -> Option<String> {
        if candidate.allocatable > 0 || !self.question.is_workload {
            return None;
        }
        let capacity = self.question.snapshot.capacity_of(candidate.rank as usize);
        let (resource, asked, left) = capacity.lacks(self.question.request.as_ref())?;
        let unit = if resource == "cpu" { "m" } else { "" };
        Some(format!("{resource}: one replica asks for {}{unit}, {}{unit} left", asked.0, left.0.max(0)))
    }

    fn division(self, told: &divide::Told) -> Division {
        let kept =
            |rank: u32| told.kept.iter().find(|(r, _)| *r == rank).map_or(0, |(_, replicas)| *replicas);
        let mut shares: Vec<(u32, Share)> = Vec::new();
        for party in &told.parties {
            let previous = kept(party.rank);
            shares.push((
                party.rank,
                Share {
                    cluster: self.name(party.rank),
                    weight: Some(party.votes),
                    previous,
                    seats: party.seats,
                    replicas: previous + party.seats,
                },
            ));
        }
        for &(rank, previous) in &told.kept {
            if !told.parties.iter().any(|party| party.rank == rank) {
                let cluster = self.name(rank);
                shares.push((rank, Share { cluster, weight: None, previous, seats: 0, replicas: previous }));
            }
        }
        shares.sort_by_key(|(rank, _)| *rank);
        Division {
            strategy: self.question.strategy.unwrap_or(Strategy::DynamicWeight),
            mode: told.mode,
            tier: told.tier,
            replicas: told.replicas,
            room: told.room.and_then(limited),
            shares: shares.into_iter().map(|(_, share)| share).collect(),
        }
    }

    fn placed(self, (rank, replicas): &Seats) -> Placed {
        Placed { cluster: self.name(*rank), replicas: *replicas }
    }
}

fn spread(level: &select::Level) -> Spread {
    let chosen = || level.groups.iter().filter(|group| group.chosen);
    let (least, most) = (chosen().map(|group| group.score).min(), chosen().count() as i64);
    let why_not = |group: &select::Compared| {
        let least = least.filter(|_| !group.chosen)?;
        Some(if group.score < least {
            "the chosen ones score higher".to_owned()
        } else if most >= level.limits.max {
            format!("{most} is the most allowed, and no choice with it is better")
        } else {
            "not needed".to_owned()
        })
    };
    let group = |group: &select::Compared| Group {
        name: group.name.clone(),
        clusters: group.clusters,
        score: group.score,
        chosen: group.chosen,
        why_not: why_not(group),
    };
    Spread {
        field: level.field,
        min_groups: level.limits.min,
        max_groups: level.limits.max,
        groups: level.groups.iter().map(group).collect(),
    }
}
