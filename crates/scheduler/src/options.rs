//! What an operator can set, with upstream's defaults.

use std::time::Duration;

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
    /// Feature gates (`--feature-gates`, see [`Gates::parse`]).
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

/// Why an option cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no such plugin.
    #[error("{name:?} is not a plugin of the scheduler; known are {}", known_plugins())]
    UnknownPlugin {
        /// What stands there.
        name: String,
    },
    /// There is no such gate.
    #[error("{name:?} is not a feature gate; known are {}", known_gates())]
    UnknownGate {
        /// What stands there.
        name: String,
    },
    /// A gate without a value.
    #[error("feature gate {name} has no value, write {name}=true or {name}=false")]
    NoValue {
        /// The gate.
        name: String,
    },
    /// A gate with a value that is no truth value.
    #[error("feature gate {name} is true or false, not {value:?}")]
    NotBoolean {
        /// The gate.
        name: String,
        /// What stands there.
        value: String,
    },
}

fn known_plugins() -> String {
    scheduling::Plugin::ALL.map(scheduling::Plugin::name).join(", ")
}

/// Reads `--plugins`: names separated by commas; `*` stands for all, `-name` takes one out.
///
/// # Errors
/// [`OptionError::UnknownPlugin`] with the first name that is none.
pub fn parse_plugins(text: &str) -> Result<Plugins, OptionError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    Plugins::parse(entries).map_err(|name| OptionError::UnknownPlugin { name })
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

/// A gate of the project: its name, whether it is beta (otherwise alpha), its default, and where its value goes
/// when the scheduler looks at it.
struct Gate {
    name: &'static str,
    beta: bool,
    default: bool,
    field: Option<fn(&mut Gates) -> &mut bool>,
}

const fn gate(name: &'static str, beta: bool, default: bool) -> Gate {
    Gate { name, beta, default, field: None }
}

impl Gate {
    const fn at(self, field: fn(&mut Gates) -> &mut bool) -> Self {
        Self { field: Some(field), ..self }
    }
}

/// All gates, because every component takes the flags of the others, as upstream's do.
const GATES: &[Gate] = &[
    gate("ContextualLogging", true, true),
    gate("ControllerPriorityQueue", true, true),
    gate("CustomizedClusterResourceModeling", true, true).at(|g| &mut g.customized_cluster_resource_modeling),
    gate("Failover", true, false),
    gate("FederatedQuotaEnforcement", false, false),
    gate("GracefulEviction", true, true),
    gate("LoggingAlphaOptions", false, false),
    gate("LoggingBetaOptions", true, true),
    gate("MultiClusterService", false, false),
    gate("MultiplePodTemplatesScheduling", false, false).at(|g| &mut g.multiple_pod_templates_scheduling),
    gate("PriorityBasedScheduling", true, true).at(|g| &mut g.priority_based_scheduling),
    gate("PropagateDeps", true, true),
    gate("PropagationPolicyPreemption", false, false),
    gate("ResourceQuotaEstimate", false, false),
    gate("SchedulingOvercommitProtection", false, false).at(|g| &mut g.scheduling_overcommit_protection),
    gate("StatefulFailoverInjection", false, false),
    gate("WorkloadAffinity", false, false).at(|g| &mut g.workload_affinity),
];

const ALL_ALPHA: &str = "AllAlpha";
const ALL_BETA: &str = "AllBeta";

fn known_gates() -> String {
    let mut names: Vec<&str> = GATES.iter().map(|gate| gate.name).collect();
    names.extend([ALL_ALPHA, ALL_BETA]);
    names.join(", ")
}

impl Default for Gates {
    fn default() -> Self {
        let mut gates = Self {
            customized_cluster_resource_modeling: false,
            priority_based_scheduling: false,
            multiple_pod_templates_scheduling: false,
            workload_affinity: false,
            scheduling_overcommit_protection: false,
        };
        for gate in GATES {
            gates.set(gate, gate.default);
        }
        gates
    }
}

impl Gates {
    /// Reads `--feature-gates`: `Name=true,Other=false`. `AllAlpha` and `AllBeta` set every gate of that stage
    /// that is not named itself. Of a name that stands there twice the last value counts.
    ///
    /// # Errors
    /// When a gate is unknown, or its value is missing or no truth value.
    pub fn parse(text: &str) -> Result<Self, OptionError> {
        let (mut stages, mut named) = (Vec::new(), Vec::new());
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (name, value) = entry
                .split_once('=')
                .ok_or_else(|| OptionError::NoValue { name: entry.to_owned() })
                .map(|(name, value)| (name.trim(), value.trim()))?;
            let value = truth(value)
                .ok_or_else(|| OptionError::NotBoolean { name: name.to_owned(), value: value.to_owned() });
            if name == ALL_ALPHA || name == ALL_BETA {
                stages.push((name == ALL_BETA, value?));
                continue;
            }
            let gate = GATES.iter().find(|gate| gate.name == name);
            named.push((gate.ok_or_else(|| OptionError::UnknownGate { name: name.to_owned() })?, value?));
        }
        let mut gates = Self::default();
        for (beta, value) in stages {
            GATES.iter().filter(|gate| gate.beta == beta).for_each(|gate| gates.set(gate, value));
        }
        named.into_iter().for_each(|(gate, value)| gates.set(gate, value));
        Ok(gates)
    }

    fn set(&mut self, gate: &Gate, value: bool) {
        if let Some(field) = gate.field {
            *field(self) = value;
        }
    }
}

/// The spellings that Go takes for a truth value.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
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
    fn gates_are_set_by_name_and_by_stage() {
        let on = |text: &str| {
            let g = Gates::parse(text).unwrap();
            (g.priority_based_scheduling, g.workload_affinity, g.scheduling_overcommit_protection)
        };
        assert_eq!(on(""), (true, false, false));
        assert_eq!(on("WorkloadAffinity=true,PriorityBasedScheduling=F"), (false, true, false));
        assert_eq!(on("AllAlpha=true"), (true, true, true));
        assert_eq!(
            on("WorkloadAffinity=false, AllAlpha=1"),
            (true, false, true),
            "a name is stronger than a stage"
        );
        assert_eq!(on("AllBeta=false"), (false, false, false));
        assert_eq!(
            on("Failover=true,MultiClusterService=true"),
            (true, false, false),
            "others' gates are taken"
        );
        assert_eq!(on("WorkloadAffinity=true,WorkloadAffinity=false"), (true, false, false));
    }

    #[test]
    fn gates_that_cannot_be_read_are_named() {
        let error = |text: &str| Gates::parse(text).unwrap_err().to_string();
        assert!(
            error("Nope=true").starts_with("\"Nope\" is not a feature gate; known are ContextualLogging, ")
        );
        assert_eq!(
            error("WorkloadAffinity"),
            "feature gate WorkloadAffinity has no value, write WorkloadAffinity=true or WorkloadAffinity=false"
        );
        assert_eq!(error("Failover=yes"), "feature gate Failover is true or false, not \"yes\"");
    }
}
