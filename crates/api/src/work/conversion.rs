//! Bindings between their versions.

use machinery::Object;

use super::{
    AggregatedStatusItem, ObjectReference, ReplicaRequirements, ResourceBindingSpec, ResourceBindingStatus,
    TargetCluster, v1alpha1,
};

impl From<v1alpha1::ResourceBindingSpec> for ResourceBindingSpec {
    fn from(old: v1alpha1::ResourceBindingSpec) -> Self {
        let v1alpha1::ObjectReference {
            api_version,
            kind,
            namespace,
            name,
            resource_version,
            resource_per_replicas,
            replicas,
        } = old.resource;
        Self {
            resource: ObjectReference {
                api_version,
                kind,
                namespace,
                name,
                resource_version,
                ..ObjectReference::default()
            },
            replica_requirements: (!resource_per_replicas.is_empty()).then(|| ReplicaRequirements {
                resource_request: resource_per_replicas,
                ..ReplicaRequirements::default()
            }),
            replicas,
            clusters: old
                .clusters
                .into_iter()
                .map(|c| TargetCluster { name: c.name, replicas: c.replicas, ..TargetCluster::default() })
                .collect(),
            ..Self::default()
        }
    }
}

impl From<ResourceBindingSpec> for v1alpha1::ResourceBindingSpec {
    /// Keeps what v1alpha1 knew; the rest is lost.
    fn from(new: ResourceBindingSpec) -> Self {
        let ObjectReference { api_version, kind, namespace, name, resource_version, .. } = new.resource;
        Self {
            resource: v1alpha1::ObjectReference {
                api_version,
                kind,
                namespace,
                name,
                resource_version,
                resource_per_replicas: new
                    .replica_requirements
                    .map(|r| r.resource_request)
                    .unwrap_or_default(),
                replicas: new.replicas,
            },
            clusters: new
                .clusters
                .into_iter()
                .map(|c| v1alpha1::TargetCluster { name: c.name, replicas: c.replicas })
                .collect(),
        }
    }
}

impl From<v1alpha1::ResourceBindingStatus> for ResourceBindingStatus {
    fn from(old: v1alpha1::ResourceBindingStatus) -> Self {
        let item = |item: v1alpha1::AggregatedStatusItem| AggregatedStatusItem {
            cluster_name: item.cluster_name,
            status: item.status,
            applied: item.applied,
            applied_message: item.applied_message,
            health: None,
        };
        Self {
            conditions: old.conditions,
            aggregated_status: old.aggregated_status.into_iter().map(item).collect(),
            ..Self::default()
        }
    }
}

impl From<ResourceBindingStatus> for v1alpha1::ResourceBindingStatus {
    /// Keeps what v1alpha1 knew; the rest is lost.
    fn from(new: ResourceBindingStatus) -> Self {
        let item = |item: AggregatedStatusItem| v1alpha1::AggregatedStatusItem {
            cluster_name: item.cluster_name,
            status: item.status,
            applied: item.applied,
            applied_message: item.applied_message,
        };
        Self {
            conditions: new.conditions,
            aggregated_status: new.aggregated_status.into_iter().map(item).collect(),
        }
    }
}

/// Why a binding cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// There is no such version of bindings.
    #[error("{0:?} is not a version of bindings")]
    UnknownVersion(String),
    /// The binding cannot be read.
    #[error("cannot read the binding")]
    Malformed(#[from] machinery::object::Error),
}

/// A ResourceBinding or ClusterResourceBinding in another version, `work.karmada.io/v1alpha1` or
/// `work.karmada.io/v1alpha2`. Metadata stays as it is, fields we do not know included.
///
/// # Errors
/// When the version is another one, or the binding cannot be read.
pub fn convert_binding(object: &Object, api_version: &str) -> Result<Object, ConversionError> {
    const OLD: &str = "work.karmada.io/v1alpha1";
    const NEW: &str = "work.karmada.io/v1alpha2";
    let known = |version: &str| version == OLD || version == NEW;
    for version in [object.api_version(), api_version] {
        if !known(version) {
            return Err(ConversionError::UnknownVersion(version.into()));
        }
    }
    if object.api_version() == api_version {
        return Ok(object.clone());
    }
    // The twins have the same fields, so one of them reads both.
    let converted = if api_version == NEW {
        let old: v1alpha1::ResourceBinding = object.parse()?;
        Object::from_typed(&super::ResourceBinding {
            spec: old.spec.into(),
            status: old.status.into(),
            ..super::ResourceBinding::default()
        })?
    } else {
        let new: super::ResourceBinding = object.parse()?;
        Object::from_typed(&v1alpha1::ResourceBinding {
            spec: new.spec.into(),
            status: new.status.into(),
            ..v1alpha1::ResourceBinding::default()
        })?
    };
    let mut result = converted;
    result.set("/kind", object.kind());
    if let Some(metadata) = object.at("/metadata") {
        result.set("/metadata", metadata.clone());
    }
    Ok(result)
}
