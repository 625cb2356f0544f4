//! Names of derived objects: how a binding, a Work or an execution namespace is called.
//!
//! Other programs find these objects by name, so every rule here is part of the interface.

use crate::names;

/// 32-bit FNV-1a of the bytes, in decimal, each digit then replaced by a character that cannot form words.
///
/// ```
/// assert_eq!(api::naming::hash("default-nginx-deployment"), "687f7fb96f");
/// ```
pub fn hash(text: &str) -> String {
    machinery::hash::name_hash(text)
}

/// Name of the binding of a template: `<name>-<kind>` in lower case. Colons, which RBAC names may have,
/// become dots.
///
/// ```
/// assert_eq!(api::naming::binding("Deployment", "nginx"), "nginx-deployment");
/// assert_eq!(api::naming::binding("ClusterRole", "system:foo"), "system.foo-clusterrole");
/// ```
pub fn binding(kind: &str, name: &str) -> String {
    format!("{}-{kind}", name.replace(':', ".")).to_lowercase()
}

/// Name of the Work that holds an object; pass an empty namespace for cluster-scoped objects.
///
/// ```
/// assert_eq!(api::naming::work("Deployment", "default", "nginx"), "nginx-687f7fb96f");
/// ```
pub fn work(kind: &str, namespace: &str, name: &str) -> String {
    let name = name.replace(':', ".").to_lowercase();
    let kind = kind.to_lowercase();
    let full = if namespace.is_empty() {
        format!("{name}-{kind}")
    } else {
        format!("{}-{name}-{kind}", namespace.to_lowercase())
    };
    format!("{name}-{}", hash(&full))
}

/// Namespace of a cluster's Works.
pub fn execution_namespace(cluster: &str) -> String {
    format!("{}{cluster}", names::namespaces::EXECUTION_PREFIX)
}

/// The cluster whose Works a namespace holds, when it is an execution namespace.
pub fn cluster_of_execution_namespace(namespace: &str) -> Option<&str> {
    namespace.strip_prefix(names::namespaces::EXECUTION_PREFIX).filter(|c| !c.is_empty())
}

/// Whether a namespace is Karmada's own, so that nothing in it is propagated.
pub fn is_reserved_namespace(namespace: &str) -> bool {
    namespace == names::namespaces::SYSTEM
        || namespace == names::namespaces::CLUSTER
        || namespace.starts_with(names::namespaces::EXECUTION_PREFIX)
}

/// Label key by which a binding names one it is a dependency of.
///
/// ```
/// assert!(api::naming::depended_by_label("default", "web-deployment")
///     .starts_with("resourcebinding.karmada.io/depended-by-"));
/// ```
pub fn depended_by_label(namespace: &str, name: &str) -> String {
    let key = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    format!("{}{}", names::labels::DEPENDED_BY_PREFIX, hash(&key))
}

/// Name of an EndpointSlice imported from a cluster.
pub fn imported_endpoint_slice(cluster: &str, slice: &str) -> String {
    format!("imported-{cluster}-{slice}")
}

/// Name of an EndpointSlice dispatched to a consumer of a MultiClusterService.
pub fn dispatched_endpoint_slice(source_cluster: &str, slice: &str) -> String {
    format!("{source_cluster}-{slice}")
}

/// Name of the Service derived from a ServiceImport.
pub fn derived_service(service_import: &str) -> String {
    format!("derived-{service_import}")
}

/// Name of a cluster's estimator Service.
pub fn estimator_service(prefix: &str, cluster: &str) -> String {
    format!("{prefix}-{cluster}")
}

/// Name of a cluster's estimator Deployment.
pub fn estimator_deployment(cluster: &str) -> String {
    format!("{}-{cluster}", names::components::SCHEDULER_ESTIMATOR)
}

/// Name of the ServiceAccount the control plane uses in a member.
pub fn member_service_account(cluster: &str) -> String {
    format!("karmada-{cluster}")
}

/// Name of the ClusterRole, and of its binding, of [`member_service_account`].
pub fn member_cluster_role(cluster: &str) -> String {
    format!("karmada-controller-manager:karmada-{cluster}")
}

/// Name of the secret with a member's token and CA, in the namespace of member credentials.
pub fn cluster_secret(cluster: &str) -> String {
    cluster.to_owned()
}

/// Name of the secret with a member's impersonation token, in the namespace of member credentials.
pub fn impersonator_secret(cluster: &str) -> String {
    format!("{cluster}-impersonator")
}

/// User name of a pull cluster's agent.
pub fn agent_user(cluster: &str) -> String {
    format!("system:karmada:agent:{cluster}")
}

/// Name of an agent's ClusterRole, and of its binding, in the control plane.
pub fn agent_cluster_role(cluster: &str) -> String {
    format!("system:karmada:{cluster}:agent")
}

/// Name of an agent's Role, and of its binding, in the namespace of member credentials.
pub fn agent_secret_role(cluster: &str) -> String {
    format!("system:karmada:{cluster}:agent-secret")
}

/// Name of an agent's Role, and of its binding, in its execution namespace.
pub fn agent_work_role(cluster: &str) -> String {
    format!("system:karmada:{cluster}:agent-work")
}

/// Name of the policy that `karmadactl promote` makes for an object. `gvk` is its text, as
/// [`machinery::GroupVersionKind`] prints it.
pub fn promoted_policy(namespace: &str, gvk: &str, name: &str) -> String {
    format!("{name}-{}", hash(&format!("{namespace}{gvk}"))).to_lowercase()
}
