//! Feature gates.

use thiserror::Error;

/// Why `--feature-gates` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GateError {
    /// An entry is not `Name=true` or `Name=false`.
    #[error("cannot read the feature gate {0:?}: it must be Name=true or Name=false")]
    Shape(String),
    /// There is no such gate.
    #[error("unknown feature gate {0:?}")]
    Unknown(String),
}

/// A gate of the project.
struct Gate {
    name: &'static str,
    stage: Stage,
    /// Where its value goes, when the controllers look at it.
    field: Option<fn(&mut Gates) -> &mut bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Alpha,
    Beta,
}

const fn gate(name: &'static str, stage: Stage, field: Option<fn(&mut Gates) -> &mut bool>) -> Gate {
    Gate { name, stage, field }
}

/// All gates: a component takes the flags of the others, as upstream's do.
const GATES: &[Gate] = &[
    gate("ContextualLogging", Stage::Beta, None),
    gate("ControllerPriorityQueue", Stage::Beta, None),
    gate(
        "CustomizedClusterResourceModeling",
        Stage::Beta,
        Some(|g| &mut g.customized_cluster_resource_modeling),
    ),
    gate("Failover", Stage::Beta, None),
    gate("FederatedQuotaEnforcement", Stage::Alpha, None),
    gate("GracefulEviction", Stage::Beta, None),
    gate("LoggingAlphaOptions", Stage::Alpha, None),
    gate("LoggingBetaOptions", Stage::Beta, None),
    gate("MultiClusterService", Stage::Alpha, None),
    gate("MultiplePodTemplatesScheduling", Stage::Alpha, Some(|g| &mut g.multiple_pod_templates_scheduling)),
    gate("PriorityBasedScheduling", Stage::Beta, Some(|g| &mut g.priority_based_scheduling)),
    gate("PropagateDeps", Stage::Beta, Some(|g| &mut g.propagate_deps)),
    gate("PropagationPolicyPreemption", Stage::Alpha, Some(|g| &mut g.propagation_policy_preemption)),
    gate("ResourceQuotaEstimate", Stage::Alpha, Some(|g| &mut g.resource_quota_estimate)),
    gate("SchedulingOvercommitProtection", Stage::Alpha, None),
    gate("StatefulFailoverInjection", Stage::Alpha, Some(|g| &mut g.stateful_failover_injection)),
    gate("WorkloadAffinity", Stage::Alpha, Some(|g| &mut g.workload_affinity)),
];

/// Feature gates that the controllers and the rules here look at, with upstream's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gates {
    /// `PropagateDeps`: what a template needs goes where the template goes.
    pub propagate_deps: bool,
    /// `PropagationPolicyPreemption`: policies may take over templates that other policies have claimed.
    pub propagation_policy_preemption: bool,
    /// `PriorityBasedScheduling`: templates' scheduling priority is resolved from priority classes.
    pub priority_based_scheduling: bool,
    /// `MultiplePodTemplatesScheduling`: workloads of several pod templates are scheduled by component.
    pub multiple_pod_templates_scheduling: bool,
    /// `WorkloadAffinity`: bindings name the affinity groups of their templates.
    pub workload_affinity: bool,
    /// `StatefulFailoverInjection`: new copies of evicted workloads carry labels with preserved state.
    pub stateful_failover_injection: bool,
    /// `ResourceQuotaEstimate`: replica requirements name the workload's namespace, so that quotas can be
    /// estimated.
    pub resource_quota_estimate: bool,
    /// `CustomizedClusterResourceModeling`: clusters report a histogram of their nodes.
    pub customized_cluster_resource_modeling: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            propagate_deps: true,
            propagation_policy_preemption: false,
            priority_based_scheduling: true,
            multiple_pod_templates_scheduling: false,
            workload_affinity: false,
            stateful_failover_injection: false,
            resource_quota_estimate: false,
            customized_cluster_resource_modeling: true,
        }
    }
}

impl Gates {
    /// Reads `--feature-gates`: `Name=true,Other=false`. `AllAlpha` and `AllBeta` set every gate of their stage
    /// that is not named itself; of a name that stands there twice the last value counts.
    ///
    /// # Errors
    /// When an entry has no truth value or no gate of the project has the name.
    pub fn parse(text: &str) -> Result<Self, GateError> {
        let (mut gates, mut named) = (Self::default(), Vec::new());
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let shape = || GateError::Shape(entry.to_owned());
            let (name, value) = entry.split_once('=').ok_or_else(shape)?;
            let (name, value) = (name.trim(), truth(value.trim()).ok_or_else(shape)?);
            match name {
                "AllAlpha" => gates.set_stage(Stage::Alpha, value),
                "AllBeta" => gates.set_stage(Stage::Beta, value),
                _ => {
                    let gate = GATES.iter().find(|gate| gate.name == name);
                    named.push((gate.ok_or_else(|| GateError::Unknown(name.to_owned()))?, value));
                }
            }
        }
        for (gate, value) in named {
            gates.set(gate, value);
        }
        Ok(gates)
    }

    fn set(&mut self, gate: &Gate, value: bool) {
        if let Some(field) = gate.field {
            *field(self) = value;
        }
    }

    fn set_stage(&mut self, stage: Stage, value: bool) {
        GATES.iter().filter(|gate| gate.stage == stage).for_each(|gate| self.set(gate, value));
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

    #[test]
    fn gates_are_set_by_name_and_by_stage_and_a_name_wins() {
        assert_eq!(Gates::parse(""), Ok(Gates::default()));
        let gates = Gates::parse("PropagateDeps=false, WorkloadAffinity=true,Failover=true").unwrap();
        assert_eq!(gates, Gates { propagate_deps: false, workload_affinity: true, ..Gates::default() });
        let gates = Gates::parse("WorkloadAffinity=false,AllAlpha=true,AllBeta=false").unwrap();
        assert!(gates.propagation_policy_preemption && !gates.workload_affinity && !gates.propagate_deps);
        assert_eq!(Gates::parse("PropagateDeps"), Err(GateError::Shape("PropagateDeps".into())));
        assert_eq!(Gates::parse("PropagateDeps=maybe"), Err(GateError::Shape("PropagateDeps=maybe".into())));
        assert_eq!(Gates::parse("Nonsense=true"), Err(GateError::Unknown("Nonsense".into())));
    }
}
