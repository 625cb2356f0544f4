//! The kinds of the group, and the one view over both kinds of bindings.

use machinery::Object;

use super::{ResourceBindingSpec, ResourceBindingStatus, WorkSpec, WorkStatus};
use crate::meta::ObjectMeta;
use crate::policy::twins;
use crate::resource::{Resource, Scope, resource};

resource! {
    /// Binds a template of a namespace to clusters.
    ResourceBinding {
        "work.karmada.io" / "v1alpha2" / "ResourceBinding",
        plural: "resourcebindings", singular: "resourcebinding", scope: Namespaced,
        short: ["rb"], categories: ["karmada-io"], status: true,
    }
    /// The template, its policy's wishes, and the clusters.
    required spec: ResourceBindingSpec,
    /// Observed state.
    optional status: ResourceBindingStatus,
}

resource! {
    /// Binds a cluster-scoped template to clusters.
    ClusterResourceBinding {
        "work.karmada.io" / "v1alpha2" / "ClusterResourceBinding",
        plural: "clusterresourcebindings", singular: "clusterresourcebinding", scope: Cluster,
        short: ["crb"], categories: ["karmada-io"], status: true,
    }
    /// The template, its policy's wishes, and the clusters.
    required spec: ResourceBindingSpec,
    /// Observed state.
    optional status: ResourceBindingStatus,
}

resource! {
    /// Holds manifests for one cluster.
    Work {
        "work.karmada.io" / "v1alpha1" / "Work",
        plural: "works", singular: "work", scope: Namespaced,
        short: ["wk"], categories: ["karmada-io"], status: true,
    }
    /// What to apply.
    required spec: WorkSpec,
    /// Observed state.
    optional status: WorkStatus,
}

twins! {
    /// A ResourceBinding or ClusterResourceBinding.
    Binding = ResourceBinding | ClusterResourceBinding { spec: ResourceBindingSpec, status: ResourceBindingStatus }
}

impl Binding {
    /// The label that holds the id by which Works name their binding.
    pub fn permanent_id_label(&self) -> &'static str {
        match self.scope {
            Scope::Namespaced => crate::names::labels::RESOURCE_BINDING_ID,
            Scope::Cluster => crate::names::labels::CLUSTER_RESOURCE_BINDING_ID,
        }
    }

    /// The binding's permanent id; empty before admission has given it one.
    pub fn permanent_id(&self) -> &str {
        self.metadata.label(self.permanent_id_label()).unwrap_or_default()
    }
}

impl ResourceBindingSpec {
    /// Whether the template has replicas to divide, or states what its replicas need.
    pub fn is_workload(&self) -> bool {
        self.replicas > 0 || self.replica_requirements.is_some() || !self.components.is_empty()
    }

    /// Whether the template is scheduled to a cluster.
    pub fn targets(&self, cluster: &str) -> bool {
        self.clusters.iter().any(|c| c.name == cluster)
    }

    /// Replicas assigned over all clusters.
    pub fn assigned_replicas(&self) -> i64 {
        self.clusters.iter().map(|c| i64::from(c.replicas)).sum()
    }

    /// The eviction in progress in a cluster.
    pub fn eviction_task(&self, cluster: &str) -> Option<&super::GracefulEvictionTask> {
        self.graceful_eviction_tasks.iter().find(|t| t.from_cluster == cluster)
    }
}
