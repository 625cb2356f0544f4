//! The messages, in proto package `github.com.karmada_io.karmada.pkg.estimator.pb`.
//!
//! Written out instead of generated, so that building needs no protobuf compiler. A field that stands for its
//! zero value may be sent or left out, the meaning is the same: one side of upstream's releases does the one,
//! the other side the other.
//!
//! Upstream: [`pkg/estimator/pb`](https://github.com/karmada-io/karmada/tree/master/pkg/estimator/pb).

use std::collections::BTreeMap;

/// How many more replicas fit the cluster?
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MaxAvailableReplicasRequest {
    /// The cluster that is asked about. An estimator of another cluster answers with an error.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// What one replica needs. Always sent: a server may take its presence for granted.
    #[prost(message, optional, tag = "2")]
    pub replica_requirements: Option<ReplicaRequirements>,
    /// Workloads that were given to the cluster and that it does not show yet.
    #[prost(message, repeated, tag = "3")]
    pub assumed_workloads: Vec<AssumedWorkload>,
}

/// So many.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MaxAvailableReplicasResponse {
    /// Replicas that fit.
    #[prost(int32, tag = "1")]
    pub max_replicas: i32,
}

/// How many more complete sets of components fit the cluster?
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MaxAvailableComponentSetsRequest {
    /// The cluster that is asked about.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// What one set is made of.
    #[prost(message, repeated, tag = "2")]
    pub components: Vec<Component>,
    /// Namespace of the workload, whose quotas count.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// Workloads that were given to the cluster and that it does not show yet.
    #[prost(message, repeated, tag = "4")]
    pub assumed_workloads: Vec<AssumedWorkload>,
}

/// So many.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MaxAvailableComponentSetsResponse {
    /// Complete sets that fit.
    #[prost(int32, tag = "1")]
    pub max_sets: i32,
}

/// How many replicas of a workload find no node?
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct UnschedulableReplicasRequest {
    /// The cluster that is asked about.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// The workload.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<ObjectReference>,
    /// Nanoseconds that a pod must have been without a node to count.
    #[prost(int64, tag = "3")]
    pub unschedulable_threshold: i64,
}

/// So many.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct UnschedulableReplicasResponse {
    /// Replicas without a node.
    #[prost(int32, tag = "1")]
    pub unschedulable_replicas: i32,
}

/// One of several pod templates of a workload.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Component {
    /// Its name inside the workload.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What one replica of it needs. Always sent: a server may take its presence for granted.
    #[prost(message, optional, tag = "2")]
    pub replica_requirements: Option<ComponentReplicaRequirements>,
    /// How many replicas of it one set has.
    #[prost(int32, tag = "3")]
    pub replicas: i32,
}

/// What one replica of a component needs. Field 2 is reserved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ComponentReplicaRequirements {
    /// Which nodes it may run on.
    #[prost(message, optional, tag = "1")]
    pub node_claim: Option<NodeClaim>,
    /// Its priority class, which quotas may ask for.
    #[prost(string, tag = "3")]
    pub priority_class_name: String,
    /// Its resources: encoded [`Quantity`] by name.
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub resource_request_bytes: BTreeMap<String, Vec<u8>>,
}

/// What one replica needs. Field 2 is reserved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReplicaRequirements {
    /// Which nodes it may run on.
    #[prost(message, optional, tag = "1")]
    pub node_claim: Option<NodeClaim>,
    /// Namespace of the workload, whose quotas count.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// Its priority class, which quotas may ask for.
    #[prost(string, tag = "4")]
    pub priority_class_name: String,
    /// Its resources: encoded [`Quantity`] by name.
    #[prost(btree_map = "string, bytes", tag = "5")]
    pub resource_request_bytes: BTreeMap<String, Vec<u8>>,
}

/// Which nodes a replica may run on. Fields 1 and 3 are reserved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NodeClaim {
    /// Labels the node must have.
    #[prost(btree_map = "string, string", tag = "2")]
    pub node_selector: BTreeMap<String, String>,
    /// Required node affinity: an encoded [`NodeSelector`]; empty for none.
    #[prost(bytes = "vec", tag = "4")]
    pub node_affinity_bytes: Vec<u8>,
    /// Tolerations: each an encoded [`Toleration`].
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub tolerations_bytes: Vec<Vec<u8>>,
}

/// A workload that was given to the cluster and that the cluster does not show yet.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AssumedWorkload {
    /// Its namespace.
    #[prost(string, tag = "1")]
    pub namespace: String,
    /// Its pod templates with their replicas.
    #[prost(message, repeated, tag = "2")]
    pub components: Vec<Component>,
}

/// Names an object of the member cluster.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ObjectReference {
    /// Group and version.
    #[prost(string, tag = "1")]
    pub api_version: String,
    /// Kind.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// Namespace; empty for none.
    #[prost(string, tag = "3")]
    pub namespace: String,
    /// Name.
    #[prost(string, tag = "4")]
    pub name: String,
}

/// `k8s.io.apimachinery.pkg.api.resource.Quantity`: an amount as text.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Quantity {
    /// The amount, for example `500m`.
    #[prost(string, tag = "1")]
    pub string: String,
}

/// `k8s.io.api.core.v1.NodeSelector`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NodeSelector {
    /// Terms, one of which must hold.
    #[prost(message, repeated, tag = "1")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// `k8s.io.api.core.v1.NodeSelectorTerm`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NodeSelectorTerm {
    /// Conditions on labels.
    #[prost(message, repeated, tag = "1")]
    pub match_expressions: Vec<NodeSelectorRequirement>,
    /// Conditions on fields.
    #[prost(message, repeated, tag = "2")]
    pub match_fields: Vec<NodeSelectorRequirement>,
}

/// `k8s.io.api.core.v1.NodeSelectorRequirement`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NodeSelectorRequirement {
    /// The label or field.
    #[prost(string, tag = "1")]
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    #[prost(string, tag = "2")]
    pub operator: String,
    /// Values to compare with.
    #[prost(string, repeated, tag = "3")]
    pub values: Vec<String>,
}

/// `k8s.io.api.core.v1.Toleration`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Toleration {
    /// Key; empty for every key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// `Exists` or `Equal`.
    #[prost(string, tag = "2")]
    pub operator: String,
    /// Value.
    #[prost(string, tag = "3")]
    pub value: String,
    /// Effect; empty for every effect.
    #[prost(string, tag = "4")]
    pub effect: String,
    /// For `NoExecute`: how long; absent for ever.
    #[prost(int64, optional, tag = "5")]
    pub toleration_seconds: Option<i64>,
}
