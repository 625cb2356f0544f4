//! The kinds of the group, and the views over namespaced and cluster-scoped twins.

use machinery::Object;

use super::{
    ClusterTaintPolicySpec, FederatedResourceQuotaSpec, FederatedResourceQuotaStatus, OverrideSpec,
    PropagationSpec,
};
use crate::meta::ObjectMeta;
use crate::resource::{Resource, Scope, resource};

resource! {
    /// Says where the templates of a namespace go.
    PropagationPolicy {
        "policy.karmada.io" / "v1alpha1" / "PropagationPolicy",
        plural: "propagationpolicies", singular: "propagationpolicy", scope: Namespaced,
        short: ["pp"], categories: ["karmada-io"], status: false,
    }
    /// Desired behaviour.
    required spec: PropagationSpec,
}

resource! {
    /// Says where templates go, cluster-scoped ones and those of any namespace.
    ClusterPropagationPolicy {
        "policy.karmada.io" / "v1alpha1" / "ClusterPropagationPolicy",
        plural: "clusterpropagationpolicies", singular: "clusterpropagationpolicy", scope: Cluster,
        short: ["cpp"], categories: ["karmada-io"], status: false,
    }
    /// Desired behaviour.
    required spec: PropagationSpec,
}

resource! {
    /// Changes the copies of a namespace's templates, cluster by cluster.
    OverridePolicy {
        "policy.karmada.io" / "v1alpha1" / "OverridePolicy",
        plural: "overridepolicies", singular: "overridepolicy", scope: Namespaced,
        short: ["op"], categories: ["karmada-io"], status: false,
    }
    /// Desired behaviour.
    required spec: OverrideSpec,
}

resource! {
    /// Changes the copies of templates, cluster by cluster, in every namespace and outside of them.
    ClusterOverridePolicy {
        "policy.karmada.io" / "v1alpha1" / "ClusterOverridePolicy",
        plural: "clusteroverridepolicies", singular: "clusteroverridepolicy", scope: Cluster,
        short: ["cop"], categories: ["karmada-io"], status: false,
    }
    /// Desired behaviour.
    required spec: OverrideSpec,
}

resource! {
    /// Gives clusters taints, and takes them away, by the clusters' conditions.
    ClusterTaintPolicy {
        "policy.karmada.io" / "v1alpha1" / "ClusterTaintPolicy",
        plural: "clustertaintpolicies", singular: "clustertaintpolicy", scope: Cluster,
        short: [], categories: [], status: false,
    }
    /// Desired behaviour.
    required spec: ClusterTaintPolicySpec,
}

resource! {
    /// Limits what a namespace may use over all clusters.
    FederatedResourceQuota {
        "policy.karmada.io" / "v1alpha1" / "FederatedResourceQuota",
        plural: "federatedresourcequotas", singular: "federatedresourcequota", scope: Namespaced,
        short: [], categories: ["karmada-io"], status: true,
    }
    /// Desired limits.
    required spec: FederatedResourceQuotaSpec,
    /// Observed state.
    optional status: FederatedResourceQuotaStatus,
}

/// Defines the one view over a namespaced kind and its cluster-scoped twin.
macro_rules! twins {
    ($(#[$doc:meta])+ $view:ident = $namespaced:ident | $cluster:ident { $($field:ident: $ty:ty),+ }) => {
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $view {
            /// Which of the twins this is.
            pub scope: Scope,
            /// Name, labels and the rest of what every object has.
            pub metadata: ObjectMeta,
            $(
                #[doc = concat!("`", stringify!($field), "` of either kind.")]
                pub $field: $ty,
            )+
        }

        impl $view {
            /// The kind of this object.
            pub fn kind(&self) -> crate::Kind {
                Self::kind_of(self.scope)
            }

            /// The kind of a scope.
            pub fn kind_of(scope: Scope) -> crate::Kind {
                match scope {
                    Scope::Namespaced => $namespaced::KIND,
                    Scope::Cluster => $cluster::KIND,
                }
            }

            /// Reads an object of either kind.
            ///
            /// # Errors
            /// When a field does not fit.
            pub fn from_object(object: &Object) -> Result<Self, machinery::object::Error> {
                if object.kind() == $cluster::KIND.kind {
                    $cluster::from_object(object).map(Self::from)
                } else {
                    $namespaced::from_object(object).map(Self::from)
                }
            }

            /// The object as JSON, with `apiVersion` and `kind`.
            pub fn to_object(&self) -> Object {
                let Self { metadata, $($field,)+ .. } = self.clone();
                match self.scope {
                    Scope::Namespaced => $namespaced { metadata, $($field),+ }.to_object(),
                    Scope::Cluster => $cluster { metadata, $($field),+ }.to_object(),
                }
            }
        }

        impl From<$namespaced> for $view {
            fn from(object: $namespaced) -> Self {
                let $namespaced { metadata, $($field),+ } = object;
                Self { scope: Scope::Namespaced, metadata, $($field),+ }
            }
        }

        impl From<$cluster> for $view {
            fn from(object: $cluster) -> Self {
                let $cluster { metadata, $($field),+ } = object;
                Self { scope: Scope::Cluster, metadata, $($field),+ }
            }
        }
    };
}
pub(crate) use twins;

twins! {
    /// A PropagationPolicy or ClusterPropagationPolicy.
    Policy = PropagationPolicy | ClusterPropagationPolicy { spec: PropagationSpec }
}

twins! {
    /// An OverridePolicy or ClusterOverridePolicy.
    Override = OverridePolicy | ClusterOverridePolicy { spec: OverrideSpec }
}

impl Policy {
    /// The label that holds the id by which templates and bindings name their policy.
    pub fn permanent_id_label(&self) -> &'static str {
        match self.scope {
            Scope::Namespaced => crate::names::labels::PROPAGATION_POLICY_ID,
            Scope::Cluster => crate::names::labels::CLUSTER_PROPAGATION_POLICY_ID,
        }
    }

    /// The policy's permanent id; empty before admission has given it one.
    pub fn permanent_id(&self) -> &str {
        self.metadata.label(self.permanent_id_label()).unwrap_or_default()
    }
}
