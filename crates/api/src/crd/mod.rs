//! CustomResourceDefinitions, made from the types.
//!
//! The types say which fields there are, which are always written and what they mean; attributes beside the
//! fields add limits, defaults and list types; the table in this module adds versions and printer columns.
//! The result is the same on every call, down to the order of keys.

mod columns;
mod structural;

use machinery::Object;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::resource::{Kind, Resource, Scope};
use crate::{apps, autoscaling, cluster, config, multicluster, networking, policy, remedy, work};
use columns::Column;

/// A field of a kind's root, for its schema.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) required: bool,
    pub(crate) schema: Schema,
}

/// What the schema of a kind is made from.
pub(crate) struct Description {
    pub(crate) text: &'static str,
    pub(crate) fields: Vec<Field>,
}

/// A kind that can describe itself.
pub(crate) trait Described {
    fn describe(generator: &mut SchemaGenerator) -> Description;
}

/// One version of a kind in its CRD.
struct Version {
    kind: Kind,
    description: Description,
    columns: &'static [Column],
}

fn version<T: Resource + Described>(columns: &'static [Column]) -> Version {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .for_serialize()
        .into_generator();
    Version { kind: T::KIND, description: T::describe(&mut generator), columns }
}

/// Every CRD, in the order of [`crate::KINDS`]. Kinds of the aggregated search API are not among them.
///
/// Bindings are not converted between their versions; see [`crds_with_conversion`].
pub fn crds() -> Vec<Object> {
    all(&json!({ "strategy": "None" }))
}

/// Every CRD; bindings are converted by a webhook. `client_config` is the `clientConfig` of the CRD, with
/// `url` or `service`, and `caBundle`.
pub fn crds_with_conversion(client_config: &Value) -> Vec<Object> {
    all(&json!({
        "strategy": "Webhook",
        "webhook": { "clientConfig": client_config, "conversionReviewVersions": ["v1"] },
    }))
}

fn all(binding_conversion: &Value) -> Vec<Object> {
    let plain = json!({ "strategy": "None" });
    // The last version is the one that is stored.
    let one = |version| crd(vec![version], &plain);
    let binding = |old, new| crd(vec![old, new], binding_conversion);
    vec![
        one(version::<policy::PropagationPolicy>(columns::POLICY)),
        one(version::<policy::ClusterPropagationPolicy>(columns::POLICY)),
        one(version::<policy::OverridePolicy>(&[])),
        one(version::<policy::ClusterOverridePolicy>(&[])),
        one(version::<policy::ClusterTaintPolicy>(&[])),
        one(version::<policy::FederatedResourceQuota>(columns::QUOTA)),
        binding(
            version::<work::v1alpha1::ResourceBinding>(&[]),
            version::<work::ResourceBinding>(columns::BINDING),
        ),
        binding(
            version::<work::v1alpha1::ClusterResourceBinding>(&[]),
            version::<work::ClusterResourceBinding>(columns::BINDING),
        ),
        one(version::<work::Work>(columns::WORK)),
        one(version::<cluster::Cluster>(columns::CLUSTER)),
        one(version::<config::ResourceInterpreterCustomization>(columns::CUSTOMIZATION)),
        one(version::<config::ResourceInterpreterWebhookConfiguration>(&[])),
        one(version::<apps::WorkloadRebalancer>(&[])),
        one(version::<autoscaling::FederatedHpa>(columns::HPA)),
        one(version::<autoscaling::CronFederatedHpa>(columns::CRON_HPA)),
        one(version::<networking::MultiClusterService>(&[])),
        one(version::<networking::MultiClusterIngress>(&[])),
        one(version::<remedy::Remedy>(&[])),
        one(version::<multicluster::ServiceExport>(columns::SERVICE_EXPORT)),
        one(version::<multicluster::ServiceImport>(columns::SERVICE_IMPORT)),
    ]
}

fn crd(versions: Vec<Version>, conversion: &Value) -> Object {
    let kind = versions.last().expect("a CRD has a version").kind;
    let mut names = json!({
        "kind": kind.kind, "listKind": format!("{}List", kind.kind),
        "plural": kind.plural, "singular": kind.singular,
    });
    if !kind.short_names.is_empty() {
        names["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        names["categories"] = json!(kind.categories);
    }
    let last = versions.len() - 1;
    let versions: Vec<Value> = versions.into_iter().enumerate().map(|(i, v)| render(v, i == last)).collect();
    let scope = match kind.scope {
        Scope::Namespaced => "Namespaced",
        Scope::Cluster => "Cluster",
    };
    let mut crd = Object::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "",
        &format!("{}.{}", kind.plural, kind.group),
    );
    if kind.group.ends_with(".k8s.io") || kind.group.ends_with(".x-k8s.io") {
        // The API server serves CRDs in the groups of the Kubernetes project only with this annotation.
        crd.set_annotation(
            "api-approved.kubernetes.io",
            "https://github.com/kubernetes/enhancements/tree/master/keps/sig-multicluster/1645-multi-cluster-services-api",
        );
    }
    crd.set(
        "/spec",
        json!({
            "group": kind.group, "names": names, "scope": scope,
            "versions": versions, "conversion": conversion,
        }),
    );
    let sorted = structural::sorted(Value::from(crd));
    Object::from_value(sorted).expect("sorting keeps an object an object")
}

fn render(version: Version, storage: bool) -> Value {
    let Version { kind, description, columns } = version;
    let mut rendered = json!({
        "name": kind.version, "served": true, "storage": storage,
        "schema": { "openAPIV3Schema": root(description) },
    });
    if kind.status {
        rendered["subresources"] = json!({ "status": {} });
    }
    if !columns.is_empty() {
        rendered["additionalPrinterColumns"] = columns.iter().map(Column::to_json).collect();
    }
    rendered
}

/// The schema of a whole object.
fn root(description: Description) -> Value {
    let mut properties = Map::new();
    properties.insert(
        "apiVersion".into(),
        json!({ "type": "string", "description": "Version of the schema this object is written in." }),
    );
    properties.insert(
        "kind".into(),
        json!({ "type": "string", "description": "Kind of the object, in CamelCase." }),
    );
    properties.insert("metadata".into(), json!({ "type": "object" }));
    let mut required = Vec::new();
    for field in description.fields {
        let mut schema = structural::structural(field.schema.into());
        schema["description"] = structural::paragraph(field.text).into();
        properties.insert(field.name.into(), schema);
        if field.required {
            required.push(Value::from(field.name));
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": structural::paragraph(description.text),
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}
