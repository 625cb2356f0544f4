//! Why a binding found no place.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// Why scheduling failed. The text of each is what users read in the `Scheduled` condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// No cluster passed the filters. Previously assigned clusters are withdrawn.
    Fit {
        /// How many clusters there are.
        clusters: usize,
        /// How many clusters were refused for each reason.
        reasons: BTreeMap<String, usize>,
    },
    /// The selected clusters have no room for the replicas. What is assigned stays.
    Unschedulable(String),
    /// Anything else, for example spread constraints that cannot be satisfied. What is assigned stays.
    Other(String),
}

impl Error {
    /// The clusters hold only so many replicas.
    pub(crate) fn not_enough(available: i64) -> Self {
        Self::Unschedulable(format!("Clusters available replicas {available} are not enough to schedule."))
    }

    /// The error with what was being done in front.
    pub(crate) fn within(self, doing: &str) -> Self {
        match self {
            Self::Fit { .. } => self,
            Self::Unschedulable(text) => Self::Unschedulable(format!("{doing}: {text}")),
            Self::Other(text) => Self::Other(format!("{doing}: {text}")),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fit { clusters, reasons } => {
                let mut reasons: Vec<String> =
                    reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
                reasons.sort_unstable();
                if reasons.is_empty() {
                    reasons.push("no cluster exists".to_owned());
                }
                write!(f, "0/{clusters} clusters are available: {}.", reasons.join(", "))
            }
            Self::Unschedulable(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
