//! Explanations in sentences.

use std::fmt;

use super::{Explanation, Judgement, Loss, Nearest, PolicyRef, Standing, Subject, Verdict};
use crate::selector::Failure;

/// How many policies that do not select the object are listed; the data has them all.
const MISMATCHES_MAX: usize = 5;

fn key(f: &mut fmt::Formatter<'_>, kind: &str, namespace: &str, name: &str) -> fmt::Result {
    if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        key(f, &self.kind, &self.namespace, &self.name)
    }
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        key(f, &self.kind, &self.namespace, &self.name)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "its claim prevails over every other policy",
            Self::Gone => "the policy does not exist any more; the claim will be taken off",
            Self::Deleting => "the policy is being deleted and takes the claim off",
            Self::NoLongerSelects => "the policy does not select it any more; the claim will be taken off",
        })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClaimedByOther => f.write_str("no policy governs this object"),
            Self::Claim { refusal } => write!(f, "the claim prevails: {refusal}"),
            Self::Scope => f.write_str("any PropagationPolicy of the namespace comes first"),
            Self::Priority { own, winner } => write!(f, "priority {own} is lower than {winner}"),
            Self::Precision { own, winner } => write!(f, "selects by {own}, the other by {winner}"),
            Self::Name => f.write_str("all else is equal and the other's name comes first"),
        }
    }
}

/// Failures in one line.
struct Failures<'a>(&'a [Failure]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("it has no selector");
        }
        for (i, failure) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the nearest one is {}, which fails on: {}", self.policy, Failures(&self.failures))
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.policy)?;
        match &self.verdict {
            Verdict::Claims => f.write_str("has claimed it")?,
            Verdict::Chosen => f.write_str("chosen")?,
            Verdict::Preempts => f.write_str("will take it over")?,
            Verdict::Outranked { loss } => write!(f, "outranked, {loss}")?,
            Verdict::Mismatch { failures, .. } => write!(f, "does not match, {}", Failures(failures))?,
            Verdict::Deleting => f.write_str("is being deleted")?,
        }
        if let Some(precision) = self.precision {
            write!(f, " (priority {}, by {precision})", self.priority)?;
        }
        if !self.missing_overrides.is_empty() {
            write!(f, "; waits for override policies {}", self.missing_overrides.join(", "))?;
        }
        Ok(())
    }
}

impl Explanation {
    /// The answer in one line, without the single policies.
    pub fn summary(&self) -> String {
        let object = &self.object;
        if let Some(other) = &self.claimed_by_other {
            return format!("{object} is governed by {other}; policies leave it alone");
        }
        let claim = self.claim.as_ref().map(|claim| (&claim.policy, &claim.standing));
        let lost = match claim {
            Some((policy, Standing::Holds)) => {
                return format!("{object} is claimed by {policy}: {}", Standing::Holds);
            }
            Some((policy, standing)) => format!("{object} is claimed by {policy}: {standing}; then "),
            None => format!("{object}: "),
        };
        match (&self.governed_by, &self.nearest) {
            (Some(policy), _) => format!("{lost}{policy} governs it{}", self.because()),
            (None, Some(nearest)) => format!("{lost}no policy matches; {nearest}"),
            (None, None) => format!("{lost}there is no policy"),
        }
    }

    /// Why the policy that governs comes before the next one.
    fn because(&self) -> String {
        let next = self.policies.iter().find_map(|judgement| match &judgement.verdict {
            Verdict::Outranked { loss } => Some((&judgement.policy, loss)),
            _ => None,
        });
        match next {
            None => ", the only one that matches".into(),
            Some((policy, Loss::Scope)) => {
                format!(", before {policy}: a PropagationPolicy comes before every ClusterPropagationPolicy")
            }
            Some((policy, Loss::Priority { own, winner })) => {
                format!(", before {policy}: its priority is {winner}, not {own}")
            }
            Some((policy, Loss::Precision { own, winner })) => {
                format!(", before {policy}: it selects by {winner}, not by {own}")
            }
            Some((policy, Loss::Name)) => format!(", before {policy}: its name comes first"),
            Some((_, Loss::Claim { .. } | Loss::ClaimedByOther)) => String::new(),
        }
    }
}

impl fmt::Display for Explanation {
    /// The summary, then a line per policy; of those that do not match, the nearest five.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        let is_far =
            |judgement: &Judgement| matches!(judgement.verdict, Verdict::Mismatch { .. } | Verdict::Deleting);
        let (far, near): (Vec<&Judgement>, Vec<&Judgement>) = self.policies.iter().partition(|j| is_far(j));
        for judgement in near.iter().chain(far.iter().take(MISMATCHES_MAX)) {
            write!(f, "\n  {judgement}")?;
        }
        if far.len() > MISMATCHES_MAX {
            write!(f, "\n  and {} more that do not match", far.len() - MISMATCHES_MAX)?;
        }
        Ok(())
    }
}
