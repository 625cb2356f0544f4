//! An explanation as lines of text.

use std::fmt;

use super::hints::word;
use super::{Attempt, Considered, Division, Explanation, Group, Refused, Share, Spread};
use crate::divide::Mode;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attempts.iter().try_for_each(|attempt| attempt.fmt(f))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(affinity) = &self.affinity {
            writeln!(f, "affinity {affinity}")?;
        }
        self.refused.iter().try_for_each(|refused| writeln!(f, "{refused}"))?;
        self.candidates.iter().try_for_each(|candidate| writeln!(f, "{candidate}"))?;
        self.spreads.iter().try_for_each(|spread| spread.fmt(f))?;
        if self.selected.len() < self.candidates.len() && !self.selected.is_empty() {
            writeln!(f, "selected {}", self.selected.join(", "))?;
        }
        self.divisions.iter().try_for_each(|division| writeln!(f, "{division}"))?;
        match &self.failure {
            Some(failure) => writeln!(f, "=> {failure}")?,
            None if self.placed.is_empty() => writeln!(f, "=> no cluster")?,
            None => {
                let placed = self.placed.iter().map(|p| format!("{} {}", p.cluster, p.replicas));
                writeln!(f, "=> {}", placed.collect::<Vec<_>>().join(", "))?;
            }
        }
        self.hints.iter().try_for_each(|hint| writeln!(f, "hint: {hint}"))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, plugin, reason, also_refused_by, .. } = self;
        write!(f, "{cluster}: refused by {plugin}: {reason}")?;
        if !also_refused_by.is_empty() {
            write!(f, ", also by {}", also_refused_by.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: score {}, available {}", self.cluster, self.score, Room(self.available))?;
        if let Some(assigned) = self.assigned {
            write!(f, ", has {assigned}")?;
        }
        if self.tier > 0 {
            write!(f, ", tier {}", self.tier)?;
        }
        if let Some(lacks) = &self.lacks {
            write!(f, ", lacks {lacks}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}..{}:", word(self.field), self.min_groups, self.max_groups)?;
        self.groups.iter().try_for_each(|group| writeln!(f, "  {group}"))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} clusters, score {}", self.name, self.clusters, self.score)?;
        match &self.why_not {
            _ if self.chosen => f.write_str(", chosen"),
            Some(why) => write!(f, ", not chosen: {why}"),
            None => Ok(()),
        }
    }
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

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tier) = self.tier {
            write!(f, "tier {tier}: ")?;
        }
        write!(f, "{} {}", self.strategy.name(), self.mode.text())?;
        if self.mode != Mode::Unchanged {
            write!(f, " {}", self.replicas)?;
        }
        if let Some(room) = self.room.filter(|_| self.shares.iter().all(|share| share.weight.is_none())) {
            write!(f, " (room for {room})")?;
        }
        f.write_str(":")?;
        self.shares.iter().try_for_each(|share| write!(f, " {share}"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cluster, self.replicas)?;
        match (self.weight, self.previous) {
            (Some(weight), 0) => write!(f, " (weight {})", Room(super::limited(weight))),
            (Some(weight), previous) => {
                write!(f, " (had {previous}, weight {})", Room(super::limited(weight)))
            }
            (None, _) => f.write_str(" (kept)"),
        }
    }
}

/// A number of replicas where nothing means that there is no limit.
struct Room(Option<i64>);

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(replicas) => write!(f, "{replicas}"),
            None => f.write_str("any"),
        }
    }
}
