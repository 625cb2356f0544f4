//! Feature gates.

use api::gates::{self, FeatureGates};

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
        Self::from(&FeatureGates::default())
    }
}

impl From<&FeatureGates> for Gates {
    fn from(open: &FeatureGates) -> Self {
        Self {
            propagate_deps: open.enabled(gates::PROPAGATE_DEPS),
            propagation_policy_preemption: open.enabled(gates::PROPAGATION_POLICY_PREEMPTION),
            priority_based_scheduling: open.enabled(gates::PRIORITY_BASED_SCHEDULING),
            multiple_pod_templates_scheduling: open.enabled(gates::MULTIPLE_POD_TEMPLATES_SCHEDULING),
            workload_affinity: open.enabled(gates::WORKLOAD_AFFINITY),
            stateful_failover_injection: open.enabled(gates::STATEFUL_FAILOVER_INJECTION),
            resource_quota_estimate: open.enabled(gates::RESOURCE_QUOTA_ESTIMATE),
            customized_cluster_resource_modeling: open.enabled(gates::CUSTOMIZED_CLUSTER_RESOURCE_MODELING),
        }
    }
}
