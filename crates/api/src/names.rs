//! Every well-known name: labels, annotations, finalizers, taints, namespaces, condition types and reasons,
//! event reasons, component names. They are the interface to other programs; none may change.

/// Label keys.
pub mod labels {
    /// Id of the PropagationPolicy that claims a template; on the policy, templates and bindings.
    pub const PROPAGATION_POLICY_ID: &str = "propagationpolicy.karmada.io/permanent-id";
    /// Id of the ClusterPropagationPolicy that claims a template.
    pub const CLUSTER_PROPAGATION_POLICY_ID: &str = "clusterpropagationpolicy.karmada.io/permanent-id";
    /// Id of a ResourceBinding; on it and its Works.
    pub const RESOURCE_BINDING_ID: &str = "resourcebinding.karmada.io/permanent-id";
    /// Id of a ClusterResourceBinding; on it and its Works.
    pub const CLUSTER_RESOURCE_BINDING_ID: &str = "clusterresourcebinding.karmada.io/permanent-id";
    /// Id of a Work; on it and on its objects in the member.
    pub const WORK_ID: &str = "work.karmada.io/permanent-id";
    /// Id of a MultiClusterService; on it, its Service, binding and Works.
    pub const MULTI_CLUSTER_SERVICE_ID: &str = "multiclusterservice.karmada.io/permanent-id";
    /// Namespace of the MultiClusterService a Work belongs to.
    pub const MULTI_CLUSTER_SERVICE_NAMESPACE: &str = "multiclusterservice.karmada.io/namespace";
    /// Name of the MultiClusterService a Work belongs to.
    pub const MULTI_CLUSTER_SERVICE_NAME: &str = "multiclusterservice.karmada.io/name";
    /// Namespace of the exported service whose EndpointSlice a Work holds.
    pub const ENDPOINT_SLICE_WORK_NAMESPACE: &str = "endpointslice.karmada.io/namespace";
    /// Name of the exported service whose EndpointSlice a Work holds.
    pub const ENDPOINT_SLICE_WORK_NAME: &str = "endpointslice.karmada.io/name";
    /// Who needs an EndpointSlice Work: `ServiceExport`, `MultiClusterService`, joined by dots.
    pub const ENDPOINT_SLICE_WORK_MANAGED_BY: &str = "endpointslice.karmada.io/managed-by";
    /// Namespace of the quota a Work belongs to.
    pub const FEDERATED_RESOURCE_QUOTA_NAMESPACE: &str = "federatedresourcequota.karmada.io/namespace";
    /// Name of the quota a Work belongs to.
    pub const FEDERATED_RESOURCE_QUOTA_NAME: &str = "federatedresourcequota.karmada.io/name";
    /// Prefix of keys on bindings of dependencies; the value is the id of the binding that needs it.
    pub const DEPENDED_BY_PREFIX: &str = "resourcebinding.karmada.io/depended-by-";
    /// Who made a binding, when it was not a policy.
    pub const BINDING_MANAGED_BY: &str = "binding.karmada.io/managed-by";
    /// `true` on everything in a member that is ours.
    pub const MANAGED: &str = "karmada.io/managed";
    /// `true` on objects that joining and installing make.
    pub const SYSTEM: &str = "karmada.io/system";
    /// `true` on namespaces that are not to be created in members.
    pub const SKIP_AUTO_PROPAGATION: &str = "namespace.karmada.io/skip-auto-propagation";
    /// Kind that has claimed a template, when it is not a policy.
    pub const CLAIMED_BY: &str = "resourcetemplate.karmada.io/claimed-by";
    /// `true` on templates whose replicas members decide themselves.
    pub const RETAIN_REPLICAS: &str = "resourcetemplate.karmada.io/retain-replicas";
    /// With `Always`: the object cannot be deleted.
    pub const DELETION_PROTECTED: &str = "resourcetemplate.karmada.io/deletion-protected";
    /// `rbac-defaults` on RBAC objects made at installation.
    pub const BOOTSTRAPPING: &str = "karmada.io/bootstrapping";
    /// On host nodes that may run etcd.
    pub const ETCD: &str = "karmada.io/etcd";
    /// The tool that made an object.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// The controller that manages an EndpointSlice.
    pub const ENDPOINT_SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
    /// The Service that an EndpointSlice belongs to.
    pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
}

/// Annotation keys.
pub mod annotations {
    /// Namespace of the PropagationPolicy that claims a template.
    pub const PROPAGATION_POLICY_NAMESPACE: &str = "propagationpolicy.karmada.io/namespace";
    /// Name of the PropagationPolicy that claims a template.
    pub const PROPAGATION_POLICY_NAME: &str = "propagationpolicy.karmada.io/name";
    /// Name of the ClusterPropagationPolicy that claims a template.
    pub const CLUSTER_PROPAGATION_POLICY_NAME: &str = "clusterpropagationpolicy.karmada.io/name";
    /// Namespace of the ResourceBinding a Work or object comes from.
    pub const RESOURCE_BINDING_NAMESPACE: &str = "resourcebinding.karmada.io/namespace";
    /// Name of the ResourceBinding a Work or object comes from.
    pub const RESOURCE_BINDING_NAME: &str = "resourcebinding.karmada.io/name";
    /// Name of the ClusterResourceBinding a Work or object comes from.
    pub const CLUSTER_RESOURCE_BINDING_NAME: &str = "clusterresourcebinding.karmada.io/name";
    /// JSON list of what a binding's template needs.
    pub const DEPENDENCIES: &str = "resourcebinding.karmada.io/dependencies";
    /// Namespace of the Work a member's object comes from.
    pub const WORK_NAMESPACE: &str = "work.karmada.io/namespace";
    /// Name of the Work a member's object comes from.
    pub const WORK_NAME: &str = "work.karmada.io/name";
    /// `overwrite` or `abort`, when the member already has the object.
    pub const CONFLICT_RESOLUTION: &str = "work.karmada.io/conflict-resolution";
    /// Uid of the template a member's object was made from.
    pub const TEMPLATE_UID: &str = "resourcetemplate.karmada.io/uid";
    /// Generation of the template a member's object was made from.
    pub const TEMPLATE_GENERATION: &str = "resourcetemplate.karmada.io/generation";
    /// Sorted, comma-separated label keys that are ours in a member's object.
    pub const MANAGED_LABELS: &str = "resourcetemplate.karmada.io/managed-labels";
    /// Sorted, comma-separated annotation keys that are ours in a member's object.
    pub const MANAGED_ANNOTATIONS: &str = "resourcetemplate.karmada.io/managed-annotations";
    /// JSON of the placement a binding was last scheduled by.
    pub const APPLIED_PLACEMENT: &str = "policy.karmada.io/applied-placement";
    /// JSON list of the override policies applied to a Work.
    pub const APPLIED_OVERRIDES: &str = "policy.karmada.io/applied-overrides";
    /// JSON list of the cluster override policies applied to a Work.
    pub const APPLIED_CLUSTER_OVERRIDES: &str = "policy.karmada.io/applied-cluster-overrides";
    /// Namespace of the MultiClusterService a Service or binding belongs to.
    pub const MULTI_CLUSTER_SERVICE_NAMESPACE: &str = "multiclusterservice.karmada.io/namespace";
    /// Name of the MultiClusterService a Service or binding belongs to.
    pub const MULTI_CLUSTER_SERVICE_NAME: &str = "multiclusterservice.karmada.io/name";
    /// Cluster an EndpointSlice comes from.
    pub const PROVISION_CLUSTER: &str = "endpointslice.karmada.io/provision-cluster";
    /// Cluster a search result comes from.
    pub const CACHED_FROM_CLUSTER: &str = "resource.karmada.io/cached-from-cluster";
    /// Cluster a metric comes from.
    pub const QUERY_FROM_CLUSTER: &str = "resource.karmada.io/query-from-cluster";
}

/// Finalizers.
pub mod finalizers {
    /// On Clusters.
    pub const CLUSTER: &str = "karmada.io/cluster-controller";
    /// On Works.
    pub const EXECUTION: &str = "karmada.io/execution-controller";
    /// On ResourceBindings.
    pub const BINDING: &str = "karmada.io/binding-controller";
    /// On ClusterResourceBindings.
    pub const CLUSTER_RESOURCE_BINDING: &str = "karmada.io/cluster-resource-binding-controller";
    /// On PropagationPolicies.
    pub const PROPAGATION_POLICY: &str = "karmada.io/propagation-policy-controller";
    /// On ClusterPropagationPolicies.
    pub const CLUSTER_PROPAGATION_POLICY: &str = "karmada.io/cluster-propagation-policy-controller";
    /// On ResourceBindings whose dependencies are propagated.
    pub const DEPENDENCIES_DISTRIBUTOR: &str = "karmada.io/binding-dependencies-distributor";
    /// On Works that hold EndpointSlices.
    pub const ENDPOINT_SLICE: &str = "karmada.io/endpointslice-controller";
    /// On MultiClusterServices.
    pub const MULTI_CLUSTER_SERVICE: &str = "karmada.io/multiclusterservice-controller";
    /// On Works of collected EndpointSlices.
    pub const ENDPOINT_SLICE_COLLECT: &str = "karmada.io/mcs-endpointslice-collect-controller";
    /// On Works of dispatched EndpointSlices.
    pub const ENDPOINT_SLICE_DISPATCH: &str = "karmada.io/mcs-endpointslice-dispatch-controller";
    /// On the operator's Karmada objects.
    pub const OPERATOR: &str = "operator.karmada.io/finalizer";
}

/// Keys of cluster taints, and effects.
pub mod taints {
    /// The cluster says it is not ready.
    pub const NOT_READY: &str = "cluster.karmada.io/not-ready";
    /// Nothing is heard of the cluster.
    pub const UNREACHABLE: &str = "cluster.karmada.io/unreachable";
    /// A user has closed the cluster for new workloads.
    pub const UNSCHEDULABLE: &str = "cluster.karmada.io/unschedulable";
    /// Effect: no new workloads.
    pub const NO_SCHEDULE: &str = "NoSchedule";
    /// Effect: accepted, without consequence for clusters.
    pub const PREFER_NO_SCHEDULE: &str = "PreferNoSchedule";
    /// Effect: no workloads at all; those there are evicted.
    pub const NO_EXECUTE: &str = "NoExecute";
}

/// Namespaces.
pub mod namespaces {
    /// Where the control plane's own objects live.
    pub const SYSTEM: &str = "karmada-system";
    /// Where credentials and leases of members live; also the name of the namespace in members.
    pub const CLUSTER: &str = "karmada-cluster";
    /// Prefix of the namespaces that hold a cluster's Works.
    pub const EXECUTION_PREFIX: &str = "karmada-es-";
}

/// Types of conditions.
pub mod conditions {
    /// On bindings: clusters are chosen.
    pub const SCHEDULED: &str = "Scheduled";
    /// On bindings: every cluster has its copy.
    pub const FULLY_APPLIED: &str = "FullyApplied";
    /// On Works: the member has the manifests.
    pub const APPLIED: &str = "Applied";
    /// On Works: nothing holds them back.
    pub const DISPATCHING: &str = "Dispatching";
    /// On Clusters: healthy and open for workloads.
    pub const READY: &str = "Ready";
    /// On Clusters: the list of served kinds is complete.
    pub const COMPLETE_API_ENABLEMENTS: &str = "CompleteAPIEnablements";
    /// On MultiClusterServices: the Service is in its clusters.
    pub const SERVICE_APPLIED: &str = "ServiceApplied";
    /// On MultiClusterServices: consumers have the endpoints.
    pub const ENDPOINT_SLICE_DISPATCHED: &str = "EndpointSliceDispatched";
    /// On autoscalers: the target can be scaled.
    pub const ABLE_TO_SCALE: &str = "AbleToScale";
    /// On autoscalers: metrics are read.
    pub const SCALING_ACTIVE: &str = "ScalingActive";
    /// On autoscalers: a bound holds the wanted count back.
    pub const SCALING_LIMITED: &str = "ScalingLimited";
}

/// Reasons of conditions and refusals, and of evictions.
pub mod reasons {
    /// Scheduled: done.
    pub const SUCCESS: &str = "Success";
    /// Scheduled: something went wrong.
    pub const SCHEDULER_ERROR: &str = "SchedulerError";
    /// Scheduled: no cluster passes the filters.
    pub const NO_CLUSTER_FIT: &str = "NoClusterFit";
    /// Scheduled: the clusters have too little room.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// Scheduled, and refusals: a federated quota is used up.
    pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
    /// FullyApplied: done.
    pub const FULLY_APPLIED_SUCCESS: &str = "FullyAppliedSuccess";
    /// FullyApplied: not yet everywhere.
    pub const FULLY_APPLIED_FAILED: &str = "FullyAppliedFailed";
    /// Applied: done.
    pub const APPLIED_SUCCESSFUL: &str = "AppliedSuccessful";
    /// Applied: the member did not take a manifest.
    pub const APPLIED_FAILED: &str = "AppliedFailed";
    /// Dispatching: held back.
    pub const SUSPEND_DISPATCHING: &str = "SuspendDispatching";
    /// Dispatching: under way.
    pub const DISPATCHING: &str = "Dispatching";
    /// Ready: healthy.
    pub const CLUSTER_READY: &str = "ClusterReady";
    /// Ready: reachable, but its health check fails.
    pub const CLUSTER_NOT_READY: &str = "ClusterNotReady";
    /// Ready: does not answer.
    pub const CLUSTER_NOT_REACHABLE: &str = "ClusterNotReachable";
    /// Ready: nobody reports any more.
    pub const CLUSTER_STATUS_UNKNOWN: &str = "ClusterStatusUnknown";
    /// Ready: nobody ever reported.
    pub const CLUSTER_STATUS_NEVER_UPDATED: &str = "ClusterStatusNeverUpdated";
    /// Ready: the client for the member cannot be made.
    pub const STATUS_COLLECTION_FAILED: &str = "StatusCollectionFailed";
    /// CompleteAPIEnablements: all groups answered.
    pub const API_ENABLEMENTS_COMPLETE: &str = "Complete";
    /// CompleteAPIEnablements: some groups did not answer.
    pub const API_ENABLEMENTS_PARTIAL: &str = "Partial";
    /// CompleteAPIEnablements: nothing is known.
    pub const API_ENABLEMENTS_EMPTY: &str = "Empty";
    /// Eviction: a taint of the cluster is not tolerated.
    pub const TAINT_UNTOLERATED: &str = "TaintUntolerated";
    /// Eviction: the application is unhealthy.
    pub const APPLICATION_FAILURE: &str = "ApplicationFailure";
    /// Rebalancing: the workload has no binding.
    pub const REFERENCED_BINDING_NOT_FOUND: &str = "ReferencedBindingNotFound";
}

/// Reasons of events.
pub mod events {
    /// The execution namespace of a cluster: done.
    pub const CREATE_EXECUTION_SPACE_SUCCEED: &str = "CreateExecutionSpaceSucceed";
    /// The execution namespace of a cluster: failed.
    pub const CREATE_EXECUTION_SPACE_FAILED: &str = "CreateExecutionSpaceFailed";
    /// Removing the execution namespace of a cluster: done.
    pub const REMOVE_EXECUTION_SPACE_SUCCEED: &str = "RemoveExecutionSpaceSucceed";
    /// Removing the execution namespace of a cluster: failed.
    pub const REMOVE_EXECUTION_SPACE_FAILED: &str = "RemoveExecutionSpaceFailed";
    /// Writing a cluster's taints: done.
    pub const TAINT_CLUSTER_SUCCEED: &str = "TaintClusterSucceed";
    /// Writing a cluster's taints: failed.
    pub const TAINT_CLUSTER_FAILED: &str = "TaintClusterFailed";
    /// Writing a member's impersonation rules: done.
    pub const SYNC_IMPERSONATION_CONFIG_SUCCEED: &str = "SyncImpersonationConfigSucceed";
    /// Writing a member's impersonation rules: failed.
    pub const SYNC_IMPERSONATION_CONFIG_FAILED: &str = "SyncImpersonationConfigFailed";
    /// Reading an object's status: done.
    pub const REFLECT_STATUS_SUCCEED: &str = "ReflectStatusSucceed";
    /// Reading an object's status: failed.
    pub const REFLECT_STATUS_FAILED: &str = "ReflectStatusFailed";
    /// Judging an object's health: done.
    pub const INTERPRET_HEALTH_SUCCEED: &str = "InterpretHealthSucceed";
    /// Judging an object's health: failed.
    pub const INTERPRET_HEALTH_FAILED: &str = "InterpretHealthFailed";
    /// Applying a Work in its member: done.
    pub const SYNC_SUCCEED: &str = "SyncSucceed";
    /// Applying a Work in its member: failed.
    pub const SYNC_FAILED: &str = "SyncFailed";
    /// A Work is held back, or no longer.
    pub const WORK_DISPATCHING: &str = "WorkDispatching";
    /// Writing a Work: done.
    pub const SYNC_WORK_SUCCEED: &str = "SyncWorkSucceed";
    /// Writing a Work: failed.
    pub const SYNC_WORK_FAILED: &str = "SyncWorkFailed";
    /// Gathering the status of all copies: done.
    pub const AGGREGATE_STATUS_SUCCEED: &str = "AggregateStatusSucceed";
    /// Gathering the status of all copies: failed.
    pub const AGGREGATE_STATUS_FAILED: &str = "AggregateStatusFailed";
    /// Scheduling a binding: done.
    pub const SCHEDULE_BINDING_SUCCEED: &str = "ScheduleBindingSucceed";
    /// Scheduling a binding: failed.
    pub const SCHEDULE_BINDING_FAILED: &str = "ScheduleBindingFailed";
    /// Taking replicas back from a cluster: done.
    pub const DESCHEDULE_BINDING_SUCCEED: &str = "DescheduleBindingSucceed";
    /// Taking replicas back from a cluster: failed.
    pub const DESCHEDULE_BINDING_FAILED: &str = "DescheduleBindingFailed";
    /// Evicting a workload from a cluster: done.
    pub const EVICT_WORKLOAD_FROM_CLUSTER_SUCCEED: &str = "EvictWorkloadFromClusterSucceed";
    /// Evicting a workload from a cluster: failed.
    pub const EVICT_WORKLOAD_FROM_CLUSTER_FAILED: &str = "EvictWorkloadFromClusterFailed";
    /// Applying a policy to a template: done.
    pub const APPLY_POLICY_SUCCEED: &str = "ApplyPolicySucceed";
    /// Applying a policy to a template: failed.
    pub const APPLY_POLICY_FAILED: &str = "ApplyPolicyFailed";
    /// Taking a template over from another policy: done.
    pub const PREEMPT_POLICY_SUCCEED: &str = "PreemptPolicySucceed";
    /// Taking a template over from another policy: failed.
    pub const PREEMPT_POLICY_FAILED: &str = "PreemptPolicyFailed";
    /// Changing a copy by an override policy: done.
    pub const APPLY_OVERRIDE_POLICY_SUCCEED: &str = "ApplyOverridePolicySucceed";
    /// Changing a copy by an override policy: failed.
    pub const APPLY_OVERRIDE_POLICY_FAILED: &str = "ApplyOverridePolicyFailed";
    /// Finding what a template needs: done.
    pub const GET_DEPENDENCIES_SUCCEED: &str = "GetDependenciesSucceed";
    /// Finding what a template needs: failed.
    pub const GET_DEPENDENCIES_FAILED: &str = "GetDependenciesFailed";
    /// Sending dependencies where their owner goes: done.
    pub const SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_SUCCEED: &str = "SyncScheduleResultToDependenciesSucceed";
    /// Sending dependencies where their owner goes: failed.
    pub const SYNC_SCHEDULE_RESULT_TO_DEPENDENCIES_FAILED: &str = "SyncScheduleResultToDependenciesFailed";
    /// On a ServiceImport: its derived Service is as it should be.
    pub const SYNC_DERIVED_SERVICE_SUCCEED: &str = "SyncDerivedServiceSucceed";
    /// On a ServiceImport: its derived Service could not be written.
    pub const SYNC_DERIVED_SERVICE_FAILED: &str = "SyncDerivedServiceFailed";
    /// Owners of a dependency want different things.
    pub const DEPENDENCY_POLICY_CONFLICT: &str = "DependencyPolicyConflict";
    /// Counting a template's replicas: done.
    pub const GET_REPLICAS_SUCCEED: &str = "GetReplicasSucceed";
    /// Counting a template's replicas: failed.
    pub const GET_REPLICAS_FAILED: &str = "GetReplicasFailed";
    /// Counting a template's components: done.
    pub const GET_COMPONENTS_SUCCEED: &str = "GetComponentsSucceed";
    /// Counting a template's components: failed.
    pub const GET_COMPONENTS_FAILED: &str = "GetComponentsFailed";
    /// Summing up a federated quota: done.
    pub const COLLECT_OVERALL_STATUS_SUCCEED: &str = "CollectOverallStatusSucceed";
    /// Summing up a federated quota: failed.
    pub const COLLECT_OVERALL_STATUS_FAILED: &str = "CollectOverallStatusFailed";
    /// A named cluster does not exist.
    pub const CLUSTER_NOT_FOUND: &str = "ClusterNotFound";
    /// A cluster lacks an API that is needed.
    pub const API_INCOMPATIBLE: &str = "APIIncompatible";
    /// An autoscaler has changed the replicas.
    pub const SUCCESSFUL_RESCALE: &str = "SuccessfulRescale";
    /// An autoscaler could not change the replicas.
    pub const FAILED_RESCALE: &str = "FailedRescale";
}

/// Names of the components, as in upstream's deployments, user agents and field managers.
pub mod components {
    /// The API server.
    pub const APISERVER: &str = "karmada-apiserver";
    /// Clusters and their proxy.
    pub const AGGREGATED_APISERVER: &str = "karmada-aggregated-apiserver";
    /// Karmada's controllers.
    pub const CONTROLLER_MANAGER: &str = "karmada-controller-manager";
    /// The scheduler.
    pub const SCHEDULER: &str = "karmada-scheduler";
    /// Takes back replicas that find no node.
    pub const DESCHEDULER: &str = "karmada-descheduler";
    /// Counts what fits a member.
    pub const SCHEDULER_ESTIMATOR: &str = "karmada-scheduler-estimator";
    /// Caches over all clusters.
    pub const SEARCH: &str = "karmada-search";
    /// Metrics over all clusters.
    pub const METRICS_ADAPTER: &str = "karmada-metrics-adapter";
    /// Admission.
    pub const WEBHOOK: &str = "karmada-webhook";
    /// Works inside a pull cluster.
    pub const AGENT: &str = "karmada-agent";
    /// The store.
    pub const ETCD: &str = "karmada-etcd";
    /// The part of Kubernetes' controllers a control plane needs.
    pub const KUBE_CONTROLLER_MANAGER: &str = "kube-controller-manager";
}

/// Fixed values of labels and fields.
pub mod values {
    /// Value of the labels that only say yes.
    pub const TRUE: &str = "true";
    /// Value of the deletion protection label.
    pub const DELETION_PROTECTED_ALWAYS: &str = "Always";
    /// Value of the conflict resolution annotation: take over.
    pub const OVERWRITE: &str = "overwrite";
    /// Value of the conflict resolution annotation: leave alone.
    pub const ABORT: &str = "abort";
    /// Name of the scheduler when a policy names none.
    pub const DEFAULT_SCHEDULER: &str = "default-scheduler";
    /// Producer of evictions because of taints.
    pub const TAINT_MANAGER: &str = "TaintManager";
    /// Key of the token in a member's secrets.
    pub const SECRET_TOKEN_KEY: &str = "token";
    /// Key of the CA in a member's secrets.
    pub const SECRET_CA_KEY: &str = "caBundle";
    /// Group of every agent.
    pub const AGENT_GROUP: &str = "system:karmada:agents";
    /// Name of the impersonation account, role and binding in a member.
    pub const IMPERSONATOR: &str = "karmada-impersonator";
    /// Manager of EndpointSlices collected for ServiceExports.
    pub const ENDPOINT_SLICE_CONTROLLER: &str = "endpointslice-controller.karmada.io";
    /// Manager of EndpointSlices dispatched for MultiClusterServices.
    pub const ENDPOINT_SLICE_DISPATCH_CONTROLLER: &str = "endpointslice-dispatch-controller.karmada.io";
}
