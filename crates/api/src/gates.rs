//! Feature gates: their names, stages and defaults, and how `--feature-gates` sets them.
//!
//! Every component takes all of them, whichever it looks at itself, so that one value serves a whole
//! installation. Names and defaults are
//! [upstream's](https://github.com/karmada-io/karmada/blob/master/pkg/features/features.go).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How far a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// May change or go; off unless asked for.
    Alpha,
    /// Stays.
    Beta,
}

/// A gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Name, as in `--feature-gates`.
    pub name: &'static str,
    /// How far the feature is.
    pub stage: Stage,
    /// Whether it is open by default.
    pub default: bool,
}

macro_rules! gates {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $stage:ident, $default:literal;)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*

        /// All gates, by name.
        pub const GATES: &[Gate] = &[$(Gate { name: $name, stage: Stage::$stage, default: $default }),*];
    };
}

gates! {
    /// Log lines carry what they are about. Accepted, without effect: they always do.
    CONTEXTUAL_LOGGING = "ContextualLogging", Beta, true;
    /// What was there at the start waits behind what changes. Accepted, without effect: it always does.
    CONTROLLER_PRIORITY_QUEUE = "ControllerPriorityQueue", Beta, true;
    /// Clusters report a histogram of their nodes, which estimates use.
    CUSTOMIZED_CLUSTER_RESOURCE_MODELING = "CustomizedClusterResourceModeling", Beta, true;
    /// Workloads leave clusters and applications that fail.
    FAILOVER = "Failover", Beta, false;
    /// Bindings are held against federated quotas.
    FEDERATED_QUOTA_ENFORCEMENT = "FederatedQuotaEnforcement", Alpha, false;
    /// Evicted workloads stay until their replacement is healthy.
    GRACEFUL_EVICTION = "GracefulEviction", Beta, true;
    /// Of the logging library; accepted, without effect.
    LOGGING_ALPHA_OPTIONS = "LoggingAlphaOptions", Alpha, false;
    /// Of the logging library; accepted, without effect.
    LOGGING_BETA_OPTIONS = "LoggingBetaOptions", Beta, true;
    /// MultiClusterServices are acted upon.
    MULTI_CLUSTER_SERVICE = "MultiClusterService", Alpha, false;
    /// Workloads of several pod templates are scheduled by component.
    MULTIPLE_POD_TEMPLATES_SCHEDULING = "MultiplePodTemplatesScheduling", Alpha, false;
    /// Bindings with a higher priority are scheduled first.
    PRIORITY_BASED_SCHEDULING = "PriorityBasedScheduling", Beta, true;
    /// What a template needs goes where the template goes.
    PROPAGATE_DEPS = "PropagateDeps", Beta, true;
    /// Policies may take over templates that other policies have claimed.
    PROPAGATION_POLICY_PREEMPTION = "PropagationPolicyPreemption", Alpha, false;
    /// Quotas of members limit estimates.
    RESOURCE_QUOTA_ESTIMATE = "ResourceQuotaEstimate", Alpha, false;
    /// What was placed a moment ago counts before its clusters show it.
    SCHEDULING_OVERCOMMIT_PROTECTION = "SchedulingOvercommitProtection", Alpha, false;
    /// New copies of evicted workloads carry preserved state.
    STATEFUL_FAILOVER_INJECTION = "StatefulFailoverInjection", Alpha, false;
    /// Workloads of a group go together or stay apart.
    WORKLOAD_AFFINITY = "WorkloadAffinity", Alpha, false;
}

/// Names that set all gates of a stage.
const STAGES: &[(&str, Stage)] = &[("AllAlpha", Stage::Alpha), ("AllBeta", Stage::Beta)];

/// Which gates are open.
///
/// ```
/// use api::gates::{self, FeatureGates};
///
/// let open: FeatureGates = "Failover=true,PropagateDeps=false".parse()?;
/// assert!(open.enabled(gates::FAILOVER) && !open.enabled(gates::PROPAGATE_DEPS));
/// # Ok::<(), gates::GateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureGates(BTreeMap<&'static str, bool>);

/// What is wrong with a `--feature-gates`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// No such gate.
    #[error("there is no feature gate {name:?}; there are {}", known())]
    Unknown {
        /// The name.
        name: String,
    },
    /// A name alone.
    #[error("feature gate {name:?} needs a value: {name}=true or {name}=false")]
    NoValue {
        /// The name.
        name: String,
    },
    /// A value that is neither true nor false.
    #[error("the value of feature gate {name} is {value:?}, not true or false")]
    NotBoolean {
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
}

fn known() -> String {
    let stages = STAGES.iter().map(|(name, _)| *name);
    GATES.iter().map(|gate| gate.name).chain(stages).collect::<Vec<_>>().join(", ")
}

impl Default for FeatureGates {
    fn default() -> Self {
        Self(GATES.iter().map(|gate| (gate.name, gate.default)).collect())
    }
}

impl FeatureGates {
    /// Whether a gate is open; one that does not exist is not.
    pub fn enabled(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(false)
    }
}

impl FromStr for FeatureGates {
    type Err = GateError;

    /// Reads `Name=true,Other=false`. `AllAlpha` and `AllBeta` set every gate of that stage that is not named
    /// itself; of a name that stands there twice the last value counts.
    fn from_str(text: &str) -> Result<Self, GateError> {
        let mut gates = Self::default();
        let mut named = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (name, value) =
                entry.split_once('=').ok_or_else(|| GateError::NoValue { name: entry.into() })?;
            let (name, value) = (name.trim(), value.trim());
            let open = truth(value)
                .ok_or_else(|| GateError::NotBoolean { name: name.into(), value: value.into() })?;
            if let Some((_, stage)) = STAGES.iter().find(|(all, _)| *all == name) {
                let of_stage = GATES.iter().filter(|gate| gate.stage == *stage);
                gates.0.extend(of_stage.map(|gate| (gate.name, open)));
                continue;
            }
            let gate = GATES.iter().find(|gate| gate.name == name);
            named.push((gate.ok_or_else(|| GateError::Unknown { name: name.into() })?.name, open));
        }
        gates.0.extend(named);
        Ok(gates)
    }
}

impl fmt::Display for FeatureGates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, open)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={open}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
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

    fn parse(text: &str) -> Result<FeatureGates, GateError> {
        text.parse()
    }

    #[test]
    fn gates_are_named_once_and_in_order() {
        assert!(GATES.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn a_stage_sets_what_is_not_named_itself() {
        let gates = parse("WorkloadAffinity=false,AllAlpha=true, Failover=1").unwrap();
        assert!(gates.enabled(MULTI_CLUSTER_SERVICE) && gates.enabled(FAILOVER));
        assert!(!gates.enabled(WORKLOAD_AFFINITY));
        assert!(!parse("AllBeta=false").unwrap().enabled(PROPAGATE_DEPS));
        assert_eq!(parse("").unwrap(), FeatureGates::default());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_can() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        assert!(told("Nonsense=true").contains("PropagateDeps"));
        assert_eq!(
            told("Failover"),
            "feature gate \"Failover\" needs a value: Failover=true or Failover=false"
        );
        assert_eq!(
            told("Failover=maybe"),
            "the value of feature gate Failover is \"maybe\", not true or false"
        );
    }

    #[test]
    fn what_is_shown_can_be_read() {
        let gates = parse("Failover=true").unwrap();
        assert_eq!(parse(&gates.to_string()), Ok(gates));
    }
}
