//! Kinds as data: what a kind is called, where it is served, and how a struct of ours becomes an object.

use machinery::{GroupVersionKind, GroupVersionResource, Object};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::meta::ObjectMeta;

/// Whether objects of a kind live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// Once in the cluster.
    Cluster,
}

/// A kind as data; see [`KINDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural lower-case name in URLs.
    pub plural: &'static str,
    /// Singular lower-case name.
    pub singular: &'static str,
    /// Abbreviations for the command line.
    pub short_names: &'static [&'static str],
    /// Groups of kinds for the command line.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub scope: Scope,
    /// Whether status is written apart from the rest.
    pub status: bool,
}

impl Kind {
    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.group, self.version, self.kind)
    }

    /// Group, version and plural.
    pub fn gvr(&self) -> GroupVersionResource {
        GroupVersionResource::new(self.group, self.version, self.plural)
    }

    /// `group/version`.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }
}

/// A struct that is an object of a known kind.
pub trait Resource: Clone + Default + Serialize + DeserializeOwned {
    /// The kind.
    const KIND: Kind;

    /// The object's metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// The object's metadata, to change.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// Group, version and kind.
    fn gvk() -> GroupVersionKind {
        Self::KIND.gvk()
    }

    /// Group, version and plural.
    fn gvr() -> GroupVersionResource {
        Self::KIND.gvr()
    }

    /// An empty object; pass an empty namespace for cluster-scoped kinds.
    fn named(namespace: &str, name: &str) -> Self {
        let mut object = Self::default();
        *object.metadata_mut() = ObjectMeta::named(namespace, name);
        object
    }

    /// Reads an object. Its `kind` is not looked at: twins read one another.
    ///
    /// # Errors
    /// When a field does not fit.
    fn from_object(object: &Object) -> Result<Self, machinery::object::Error> {
        object.parse()
    }

    /// The object as JSON, with `apiVersion` and `kind`.
    fn to_object(&self) -> Object {
        Object::from_typed(self).expect("a kind serialises to a JSON object")
    }
}

/// Every Karmada kind that is stored, in the version it is stored in.
pub const KINDS: &[Kind] = &[
    crate::policy::PropagationPolicy::KIND,
    crate::policy::ClusterPropagationPolicy::KIND,
    crate::policy::OverridePolicy::KIND,
    crate::policy::ClusterOverridePolicy::KIND,
    crate::policy::ClusterTaintPolicy::KIND,
    crate::policy::FederatedResourceQuota::KIND,
    crate::work::ResourceBinding::KIND,
    crate::work::ClusterResourceBinding::KIND,
    crate::work::Work::KIND,
    crate::cluster::Cluster::KIND,
    crate::config::ResourceInterpreterCustomization::KIND,
    crate::config::ResourceInterpreterWebhookConfiguration::KIND,
    crate::apps::WorkloadRebalancer::KIND,
    crate::autoscaling::FederatedHpa::KIND,
    crate::autoscaling::CronFederatedHpa::KIND,
    crate::networking::MultiClusterService::KIND,
    crate::networking::MultiClusterIngress::KIND,
    crate::remedy::Remedy::KIND,
    crate::multicluster::ServiceExport::KIND,
    crate::multicluster::ServiceImport::KIND,
    crate::search::ResourceRegistry::KIND,
];

/// Defines a kind: a struct with metadata and the given fields, that writes `apiVersion` and `kind` itself.
///
/// A `required` field is always written and required by the CRD; an `optional` one is left out when it has
/// its zero value.
macro_rules! resource {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            $group:literal / $version:literal / $kind:literal,
            plural: $plural:literal, singular: $singular:literal, scope: $scope:ident,
            short: [$($short:literal),*], categories: [$($category:literal),*], status: $status:literal,
        }
        $( $(#[doc = $field_doc:literal])+ $need:ident $field:ident: $ty:ty, )*
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            /// Name, labels and the rest of what every object has.
            pub metadata: $crate::meta::ObjectMeta,
            $( $(#[doc = $field_doc])+ pub $field: $ty, )*
        }

        impl $crate::resource::Resource for $name {
            const KIND: $crate::resource::Kind = $crate::resource::Kind {
                group: $group,
                version: $version,
                kind: $kind,
                plural: $plural,
                singular: $singular,
                short_names: &[$($short),*],
                categories: &[$($category),*],
                scope: $crate::resource::Scope::$scope,
                status: $status,
            };

            fn metadata(&self) -> &$crate::meta::ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut $crate::meta::ObjectMeta {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("apiVersion", concat!($group, "/", $version))?;
                map.serialize_entry("kind", $kind)?;
                map.serialize_entry("metadata", &self.metadata)?;
                $( $crate::resource::resource!(@write $need map, self.$field, stringify!($field)); )*
                map.end()
            }
        }

        impl $crate::crd::Described for $name {
            fn describe(generator: &mut schemars::SchemaGenerator) -> $crate::crd::Description {
                $crate::crd::Description {
                    text: concat!($($doc, "\n"),+),
                    fields: vec![$( $crate::crd::Field {
                        name: stringify!($field),
                        text: concat!($($field_doc, "\n"),+),
                        required: $crate::resource::resource!(@required $need),
                        schema: generator.subschema_for::<$ty>(),
                    } ),*],
                }
            }
        }
    };
    (@write required $map:ident, $value:expr, $name:expr) => { $map.serialize_entry($name, &$value)? };
    (@write optional $map:ident, $value:expr, $name:expr) => {
        if !$crate::meta::is_default(&$value) {
            $map.serialize_entry($name, &$value)?;
        }
    };
    (@required required) => { true };
    (@required optional) => { false };
}
pub(crate) use resource;
