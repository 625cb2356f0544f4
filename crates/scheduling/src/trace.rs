//! What a scheduling decision was made of, for people: events, the command line, the dashboard.
//!
//! [`Trace`] prints as a few lines of text and serialises as JSON.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::divide::Strategy;
use crate::error::Error;
use crate::filter::Refusal;

/// The whole way to a decision: one attempt per affinity term that was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// In the order they were tried; the last one decided.
    pub attempts: Vec<Attempt>,
}

/// One run through filter, score, select and divide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The affinity term that was tried, when the placement has several.
    pub affinity: Option<String>,
    /// Clusters that were refused, and by what.
    pub refused: Vec<(Arc<str>, Refusal)>,
    /// Clusters that passed, in order of preference.
    pub candidates: Vec<Considered>,
    /// Regions that were compared, by name; empty unless a region constraint says so.
    pub regions: Vec<Region>,
    /// Selected clusters.
    pub selected: Vec<Arc<str>>,
    /// How replicas were divided; several with overflow affinities, none when copies were made.
    pub divisions: Vec<Division>,
    /// What came out: clusters and replicas.
    pub placed: Vec<(Arc<str>, i64)>,
    /// Why nothing came out.
    pub failure: Option<Error>,
}

/// A cluster that passed the filters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// Sum of the score plugins.
    pub score: i64,
    /// 0 for the primary affinity, then overflow affinities in order.
    pub tier: u32,
    /// How many replicas it can hold, those it has included.
    pub available: i64,
    /// Replicas it has; nothing when it is not a target yet.
    pub assigned: Option<i64>,
}

/// A region that was compared with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    /// Name of the region.
    pub name: String,
    /// How many candidates it has.
    pub clusters: i64,
    /// How good it is.
    pub score: i64,
    /// Whether it was chosen.
    pub chosen: bool,
}

/// One division of replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Division {
    /// How.
    pub strategy: Strategy,
    /// From what.
    pub mode: Mode,
    /// How many replicas were handed out.
    pub replicas: i64,
    /// Who took part.
    pub shares: Vec<Share>,
}

/// A cluster's part in a division.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// What it weighed.
    pub weight: i64,
    /// What it got.
    pub replicas: i64,
}

/// What a division started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Nothing: this strategy always divides everything.
    Anew,
    /// The previous result, to which replicas are added.
    Up,
    /// The previous result, which is shrunk in proportion.
    Down,
    /// The previous result, which is kept.
    Unchanged,
    /// Nothing, because a fresh start was asked for.
    Fresh,
}

impl Mode {
    fn text(self) -> &'static str {
        match self {
            Self::Anew => "anew",
            Self::Up => "added",
            Self::Down => "shrunk to",
            Self::Unchanged => "unchanged",
            Self::Fresh => "fresh",
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attempts.iter().try_for_each(|attempt| attempt.fmt(f))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(affinity) = &self.affinity {
            writeln!(f, "affinity {affinity}")?;
        }
        for (cluster, refusal) in &self.refused {
            writeln!(f, "{cluster}: refused by {}: {refusal}", refusal.plugin())?;
        }
        for c in &self.candidates {
            write!(f, "{}: score {}, available {}", c.cluster, c.score, Room(c.available))?;
            if let Some(assigned) = c.assigned {
                write!(f, ", has {assigned}")?;
            }
            if c.tier > 0 {
                write!(f, ", tier {}", c.tier)?;
            }
            writeln!(f)?;
        }
        for region in &self.regions {
            let chosen = if region.chosen { ", chosen" } else { "" };
            writeln!(
                f,
                "region {}: {} clusters, score {}{chosen}",
                region.name, region.clusters, region.score
            )?;
        }
        if self.selected.len() < self.candidates.len() && !self.selected.is_empty() {
            writeln!(f, "selected {}", self.selected.join(", "))?;
        }
        self.divisions.iter().try_for_each(|division| writeln!(f, "{division}"))?;
        if let Some(failure) = &self.failure {
            return writeln!(f, "=> {failure}");
        }
        let placed: Vec<String> =
            self.placed.iter().map(|(cluster, replicas)| format!("{cluster} {replicas}")).collect();
        writeln!(f, "=> {}", if placed.is_empty() { "no cluster".to_owned() } else { placed.join(", ") })
    }
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.strategy.name(), self.mode.text())?;
        if self.mode != Mode::Unchanged {
            write!(f, " {}:", self.replicas)?;
        }
        for Share { cluster, weight, replicas } in &self.shares {
            write!(f, " {cluster} {replicas} (weight {})", Room(*weight))?;
        }
        Ok(())
    }
}

/// A number of replicas where the largest 32-bit number means that there is no limit.
struct Room(i64);

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= i64::from(i32::MAX) { f.write_str("any") } else { write!(f, "{}", self.0) }
    }
}
