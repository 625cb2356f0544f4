//! Group `networking.karmada.io`: services and ingresses over several clusters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::meta::{Condition, FreeObject, is_default, nullable};
use crate::resource::resource;

/// Who backs a Service and who uses it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MultiClusterServiceSpec {
    /// CrossCluster or LoadBalancer (at most one distinct; immutable).
    #[serde(deserialize_with = "nullable")]
    pub types: Vec<String>,
    /// Exposed ports; empty = all ports of the Service.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<ExposurePort>,
    /// Deprecated range for LoadBalancer exposure.
    #[serde(skip_serializing_if = "is_default")]
    pub range: Option<ExposureRange>,
    /// Deprecated predecessor of providerClusters.
    #[serde(skip_serializing_if = "is_default")]
    pub service_provision_clusters: Vec<String>,
    /// Deprecated predecessor of consumerClusters.
    #[serde(skip_serializing_if = "is_default")]
    pub service_consumption_clusters: Vec<String>,
    /// Clusters that back the service; empty = all.
    #[serde(skip_serializing_if = "is_default")]
    pub provider_clusters: Vec<ClusterSelector>,
    /// Clusters that use the service; empty = all.
    #[serde(skip_serializing_if = "is_default")]
    pub consumer_clusters: Vec<ClusterSelector>,
}

/// A port that is exposed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExposurePort {
    /// Port name, DNS label, unique.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Port number.
    pub port: i32,
}

/// Clusters in which a service is exposed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExposureRange {
    /// Cluster names.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_names: Vec<String>,
}

/// Names a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSelector {
    /// Cluster name.
    pub name: String,
}

/// How far a service is spread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MultiClusterServiceStatus {
    /// ServiceApplied, EndpointSliceDispatched.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Ingress points (k8s LoadBalancerStatus).
    #[serde(skip_serializing_if = "is_default")]
    pub load_balancer: Option<LoadBalancerStatus>,
}

/// Where a load balancer is reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerStatus {
    /// Its addresses.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// One address of a load balancer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerIngress {
    /// Host name.
    #[serde(skip_serializing_if = "is_default")]
    pub hostname: String,
    /// IP address.
    #[serde(skip_serializing_if = "is_default")]
    pub ip: String,
    /// How the address behaves: `VIP` or `Proxy`.
    #[serde(skip_serializing_if = "is_default")]
    pub ip_mode: Option<String>,
    /// Ports and their troubles.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub ports: Vec<PortStatus>,
}

/// One port of a load balancer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PortStatus {
    /// What is wrong with the port.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("maxLength" = 316, "pattern" = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"))]
    pub error: Option<String>,
    /// Port number.
    pub port: i32,
    /// TCP, UDP or SCTP.
    pub protocol: String,
}

/// Rules as in an Ingress of networking.k8s.io/v1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressSpec {
    /// Same meaning as networking.k8s.io/v1 Ingress.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(with = "FreeObject")]
    pub default_backend: Option<Value>,
    /// Same meaning as networking.k8s.io/v1 Ingress.
    #[serde(skip_serializing_if = "is_default")]
    pub ingress_class_name: Option<String>,
    /// Same meaning as networking.k8s.io/v1 Ingress.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<IngressRule>,
    /// Same meaning as networking.k8s.io/v1 Ingress.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub tls: Vec<IngressTls>,
}

/// Paths of one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// Host the rule is for; every host when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// Where the host's paths lead.
    #[serde(skip_serializing_if = "is_default")]
    pub http: Option<HttpIngressRule>,
}

/// Paths and their backends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpIngressRule {
    /// Paths, each with a backend.
    #[serde(deserialize_with = "nullable")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub paths: Vec<HttpIngressPath>,
}

/// One path and its backend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpIngressPath {
    /// Where requests go: a Service's port or another resource.
    #[schemars(with = "FreeObject")]
    pub backend: Value,
    /// The path.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Exact, Prefix or ImplementationSpecific.
    pub path_type: String,
}

/// A certificate and its hosts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressTls {
    /// Hosts the certificate is for.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub hosts: Vec<String>,
    /// Secret that holds it.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_name: String,
}

/// Where an ingress is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MultiClusterIngressStatus {
    /// IngressLoadBalancerStatus (inlined).
    #[serde(skip_serializing_if = "is_default")]
    pub load_balancer: LoadBalancerStatus,
    /// Clusters whose traffic is blocked by a remedy.
    #[serde(skip_serializing_if = "is_default")]
    pub traffic_block_clusters: Vec<String>,
    /// Where backends live.
    #[serde(skip_serializing_if = "is_default")]
    pub service_locations: Vec<ServiceLocation>,
}

/// Where the backends of a service are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceLocation {
    /// Service.
    pub name: String,
    /// Clusters.
    #[serde(skip_serializing_if = "is_default")]
    pub clusters: Vec<String>,
}

resource! {
    /// Makes a Service of some clusters usable in others.
    MultiClusterService {
        "networking.karmada.io" / "v1alpha1" / "MultiClusterService",
        plural: "multiclusterservices", singular: "multiclusterservice", scope: Namespaced,
        short: ["mcs"], categories: ["karmada-io"], status: true,
    }
    /// Definition.
    required spec: MultiClusterServiceSpec,
    /// Observed state.
    optional status: MultiClusterServiceStatus,
}

resource! {
    /// An ingress whose backends live in several clusters.
    MultiClusterIngress {
        "networking.karmada.io" / "v1alpha1" / "MultiClusterIngress",
        plural: "multiclusteringresses", singular: "multiclusteringress", scope: Namespaced,
        short: ["mci"], categories: ["karmada-io"], status: true,
    }
    /// Rules as in an Ingress.
    optional spec: IngressSpec,
    /// Observed state.
    optional status: MultiClusterIngressStatus,
}
