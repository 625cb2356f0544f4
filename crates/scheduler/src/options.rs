//! What an operator can set, with upstream's defaults.

use std::time::Duration;

use api::gates::{self, FeatureGates};
use api::names::values;
use estimation::Modeling;
use scheduling::{Features, Plugins};

/// How the scheduler runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bindings of this scheduler name are scheduled (`--scheduler-name`).
    pub scheduler_name: String,
    /// Plugins in use (`--plugins`, see [`parse_plugins`]). Those behind a gate that is off are out of use.
    pub plugins: Plugins,
    /// Feature gates (`--feature-gates`).
    pub gates: Gates,
    /// Whether selected clusters without replicas get the workload too (`--enable-empty-workload-propagation`).
    pub empty_workload_propagation: bool,
    /// Where accurate estimators are (`--scheduler-estimator-…`); nothing when they are not asked
    /// (`--enable-scheduler-estimator` is false).
    pub estimators: Option<estimator::Options>,
    /// Pace of retries while priorities are off; with priorities the pace is fixed, as upstream's is.
    pub rate_limits: RateLimits,
    /// How many bindings are scheduled at the same time. A decision takes microseconds; what takes time is
    /// waiting for the writes, and writes that wait together share a sync of the disk.
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scheduler_name: values::DEFAULT_SCHEDULER.to_owned(),
            plugins: all_plugins(),
            gates: Gates::default(),
            empty_workload_propagation: false,
            estimators: None,
            rate_limits: RateLimits::default(),
            workers: 16,
        }
    }
}

fn all_plugins() -> Plugins {
    Plugins::parse(["*"]).expect("the star stands for every plugin")
}

impl Options {
    /// The switches that the rules know.
    pub fn features(&self) -> Features {
        let Gates { workload_affinity, customized_cluster_resource_modeling: modeling, .. } = self.gates;
        Features {
            plugins: if workload_affinity { self.plugins } else { self.plugins.without_workload_affinity() },
            modeling: if modeling { Modeling::Used } else { Modeling::Ignored },
            components: self.gates.multiple_pod_templates_scheduling,
            empty_workload_propagation: self.empty_workload_propagation,
        }
    }
}

/// How failed bindings are put back while priorities are off (`--rate-limiter-…`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimits {
    /// `--rate-limiter-base-delay`: first wait, doubled by every failure in a row.
    pub base_delay: Duration,
    /// `--rate-limiter-max-delay`.
    pub max_delay: Duration,
    /// `--rate-limiter-qps`: retries per second over all bindings, once the bucket is empty. No limit when 0.
    pub qps: u32,
    /// `--rate-limiter-bucket-size`: retries that may come at once.
    pub bucket_size: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            base_delay: Duration::from_millis(5),
            max_delay: Duration::from_secs(1000),
            qps: 10,
            bucket_size: 100,
        }
    }
}

/// `--plugins` names something that is no plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a plugin of the scheduler; known are {}", known_plugins())]
pub struct UnknownPlugin {
    /// What stands there.
    pub name: String,
}

fn known_plugins() -> String {
    scheduling::Plugin::ALL.map(scheduling::Plugin::name).join(", ")
}

/// Reads `--plugins`: names separated by commas; `*` stands for all, `-name` takes one out.
///
/// # Errors
/// With the first name that is none.
pub fn parse_plugins(text: &str) -> Result<Plugins, UnknownPlugin> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    Plugins::parse(entries).map_err(|name| UnknownPlugin { name })
}

/// Feature gates that the scheduler looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gates {
    /// Resource models take part in estimates.
    pub customized_cluster_resource_modeling: bool,
    /// Bindings with a higher priority go first.
    pub priority_based_scheduling: bool,
    /// Workloads with several components are placed as whole sets.
    pub multiple_pod_templates_scheduling: bool,
    /// Workloads of a group go together or stay apart.
    pub workload_affinity: bool,
    /// What was placed a moment ago counts before its clusters show it.
    pub scheduling_overcommit_protection: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self::from(&FeatureGates::default())
    }
}

impl From<&FeatureGates> for Gates {
    fn from(open: &FeatureGates) -> Self {
        Self {
            customized_cluster_resource_modeling: open.enabled(gates::CUSTOMIZED_CLUSTER_RESOURCE_MODELING),
            priority_based_scheduling: open.enabled(gates::PRIORITY_BASED_SCHEDULING),
            multiple_pod_templates_scheduling: open.enabled(gates::MULTIPLE_POD_TEMPLATES_SCHEDULING),
            workload_affinity: open.enabled(gates::WORKLOAD_AFFINITY),
            scheduling_overcommit_protection: open.enabled(gates::SCHEDULING_OVERCOMMIT_PROTECTION),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduling::Plugin;

    #[test]
    fn the_defaults_are_upstream_s() {
        let options = Options::default();
        assert_eq!(options.scheduler_name, "default-scheduler");
        assert!(options.estimators.is_none() && !options.empty_workload_propagation);
        assert_eq!(
            options.gates,
            Gates {
                customized_cluster_resource_modeling: true,
                priority_based_scheduling: true,
                multiple_pod_templates_scheduling: false,
                workload_affinity: false,
                scheduling_overcommit_protection: false,
            }
        );
        let RateLimits { base_delay, max_delay, qps, bucket_size } = options.rate_limits;
        assert_eq!((base_delay.as_millis(), max_delay.as_secs(), qps, bucket_size), (5, 1000, 10, 100));
    }

    #[test]
    fn plugins_are_named_starred_and_taken_out() {
        let has = |text: &str| -> Vec<&str> {
            let plugins = parse_plugins(text).unwrap();
            Plugin::ALL.into_iter().filter(|p| plugins.has(*p)).map(Plugin::name).collect()
        };
        assert_eq!(has("*").len(), Plugin::ALL.len());
        assert_eq!(has("TaintToleration, APIEnablement"), ["APIEnablement", "TaintToleration"]);
        assert!(!has("*,-ClusterLocality").contains(&"ClusterLocality"));
        assert!(has("").is_empty());
        let error = parse_plugins("*,-Nonsense").unwrap_err().to_string();
        assert!(
            error.starts_with("\"Nonsense\" is not a plugin of the scheduler; known are APIEnablement, "),
            "{error}"
        );
    }

    #[test]
    fn plugins_behind_a_gate_need_the_gate() {
        let mut options = Options::default();
        assert!(!options.features().plugins.has(Plugin::WorkloadAffinity));
        options.gates.workload_affinity = true;
        assert!(options.features().plugins.has(Plugin::WorkloadAffinity));
        options.gates.customized_cluster_resource_modeling = false;
        options.gates.multiple_pod_templates_scheduling = true;
        assert_eq!(options.features().modeling, Modeling::Ignored);
        assert!(options.features().components);
    }

    #[test]
    fn gates_come_from_the_flag_that_all_components_share() {
        let gates = |text: &str| Gates::from(&text.parse::<FeatureGates>().unwrap());
        let none = Gates {
            customized_cluster_resource_modeling: false,
            priority_based_scheduling: false,
            multiple_pod_templates_scheduling: false,
            workload_affinity: false,
            scheduling_overcommit_protection: false,
        };
        assert_eq!(gates(""), Gates::default());
        assert_eq!(gates("AllBeta=false"), none);
        let all = Gates {
            customized_cluster_resource_modeling: true,
            priority_based_scheduling: true,
            multiple_pod_templates_scheduling: true,
            workload_affinity: true,
            scheduling_overcommit_protection: true,
        };
        assert_eq!(gates("AllAlpha=true"), all);
        assert_eq!(gates("AllBeta=false,WorkloadAffinity=true"), Gates { workload_affinity: true, ..none });
        let modeling = Gates { customized_cluster_resource_modeling: true, ..none };
        assert_eq!(gates("AllBeta=false,CustomizedClusterResourceModeling=true"), modeling);
    }
}
