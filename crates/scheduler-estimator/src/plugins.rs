//! One answer out of those of several plugins.
//!
//! Upstream: [`pkg/estimator/server/framework`](https://github.com/karmada-io/karmada/tree/master/pkg/estimator/server/framework).

use estimation::NO_LIMIT;

/// A plugin, under upstream's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// What is left of the nodes.
    NodeResource,
    /// What is left of the namespace's quotas.
    ResourceQuota,
}

impl Plugin {
    /// The name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NodeResource => "NodeResourceEstimator",
            Self::ResourceQuota => "ResourceQuotaEstimator",
        }
    }
}

/// What a plugin says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// So many fit.
    Fits(i64),
    /// The plugin is not in use, or the question is none of its business.
    NoOperation,
    /// Nothing fits.
    Unschedulable,
    /// The plugin cannot tell, and nobody else can then.
    Failed(String),
}

impl Opinion {
    /// A count as an opinion: none at all is told as such.
    pub(crate) fn of(count: i64) -> Self {
        if count <= 0 { Self::Unschedulable } else { Self::Fits(count) }
    }
}

/// The smallest count; 0 when some plugin says that nothing fits; no limit when nobody has an opinion.
///
/// # Errors
/// When a plugin failed, whatever the others say.
pub(crate) fn merge(opinions: impl IntoIterator<Item = Opinion>) -> Result<i64, String> {
    let mut smallest = NO_LIMIT;
    let mut failures = Vec::new();
    for opinion in opinions {
        match opinion {
            Opinion::Fits(count) => smallest = smallest.min(count),
            Opinion::NoOperation => {}
            Opinion::Unschedulable => smallest = 0,
            Opinion::Failed(reason) => failures.push(reason),
        }
    }
    if failures.is_empty() { Ok(smallest) } else { Err(failures.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::Opinion::{Failed, Fits, NoOperation, Unschedulable};
    use super::*;

    #[test]
    fn the_smallest_opinion_counts_and_a_failure_beats_all() {
        let failed = || Failed("broken".to_owned());
        for (opinions, expected) in [
            (vec![Fits(5), Fits(3)], Ok(3)),
            (vec![Fits(5), NoOperation], Ok(5)),
            (vec![NoOperation, NoOperation], Ok(NO_LIMIT)),
            (vec![], Ok(NO_LIMIT)),
            (vec![Fits(5), Unschedulable], Ok(0)),
            (vec![NoOperation, Unschedulable], Ok(0)),
            (vec![failed(), Unschedulable, Fits(1)], Err("broken".to_owned())),
        ] {
            assert_eq!(merge(opinions.clone()), expected, "{opinions:?}");
        }
    }

    #[test]
    fn nothing_is_told_as_unschedulable() {
        assert_eq!(
            [Opinion::of(2), Opinion::of(0), Opinion::of(-1)],
            [Fits(2), Unschedulable, Unschedulable]
        );
    }
}
