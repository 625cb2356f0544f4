//! What the table says, spot by spot, and that it is whole.

use super::*;
use crate::SchemaRef;

fn gvk(text: &str) -> GroupVersionKind {
    let (api_version, kind) = text.rsplit_once('/').expect("the fixture lists kinds with their version");
    GroupVersionKind::from_api_version(api_version, kind)
}

fn field(definition_name: &str, path: &str) -> Schema {
    let mut schema = definition(definition_name).expect("the definition exists");
    for part in path.split('.') {
        schema = match part {
            "[]" => schema.items.as_deref(),
            name => schema.field(name),
        }
        .unwrap_or_else(|| panic!("{definition_name} has no {path}"));
    }
    schema.clone()
}

#[test]
fn every_line_is_read_and_refers_only_to_lines() {
    for entry in &TABLE.entries {
        let node = line::read(entry.body).unwrap_or_else(|| panic!("{} cannot be read", entry.name));
        check_references(&node, entry.name);
    }
    assert!(TABLE.entries.len() > 500);
}

fn check_references(node: &Node<'_>, place: &str) {
    match &node.shape {
        Shape::Ref(name) => assert!(definition(name).is_some(), "{place} refers to {name}"),
        Shape::List(inner) | Shape::Map(inner) => check_references(inner, place),
        Shape::Struct(fields) => fields.iter().for_each(|field| check_references(&field.node, place)),
        Shape::Word(word) => {
            let known = [
                "string",
                "byte",
                "date-time",
                "quantity",
                "int-or-string",
                "boolean",
                "integer",
                "int32",
                "int64",
                "number",
                "double",
                "object",
                "any",
            ];
            assert!(known.contains(word), "{place} has a {word}");
        }
    }
}

#[test]
fn every_discoverable_kind_has_a_shape_with_its_metadata() {
    for line in include_str!("../../data/kinds.txt").lines() {
        let schema = kind(&gvk(line)).unwrap_or_else(|| panic!("{line} is missing"));
        assert!(schema.properties.contains_key("kind"), "{line} has no kind");
        assert!(schema.properties.contains_key("metadata"), "{line} has no metadata");
        let name = definition_name(&gvk(line)).expect("just found");
        assert!(kinds(name).contains(&gvk(line)), "{name} does not know that it is {line}");
    }
}

#[test]
fn containers_are_found_by_name_and_their_ports_by_number_and_protocol() {
    let containers = field("io.k8s.api.core.v1.PodSpec", "containers");
    assert_eq!(containers.list_type, ListType::Map);
    assert_eq!(containers.list_map_keys, ["name"]);
    assert_eq!(containers.patch_merge_key.as_deref(), Some("name"));
    assert!(containers.patch_strategy.merge);

    let ports = field("io.k8s.api.core.v1.PodSpec", "containers.[].ports");
    assert_eq!(ports.list_map_keys, ["containerPort", "protocol"]);
    assert_eq!(ports.patch_merge_key.as_deref(), Some("containerPort"));
    let protocol = field("io.k8s.api.core.v1.PodSpec", "containers.[].ports.[].protocol");
    assert_eq!(protocol.default, Some("TCP".into()));
}

#[test]
fn a_strategy_beside_a_reference_is_kept() {
    let strategy = field("io.k8s.api.apps.v1.DeploymentSpec", "strategy");
    assert!(strategy.patch_strategy.retain_keys);
    assert!(strategy.properties.contains_key("rollingUpdate"));
    let volumes = field("io.k8s.api.core.v1.PodSpec", "volumes");
    assert!(volumes.patch_strategy.merge && volumes.patch_strategy.retain_keys);
    assert!(field("io.k8s.api.policy.v1.PodDisruptionBudgetSpec", "selector").patch_strategy.replace);
}

#[test]
fn scalars_have_the_types_of_their_go_fields() {
    for (definition, path, ty, format) in [
        ("io.k8s.api.apps.v1.DeploymentSpec", "replicas", Type::Integer, Some("int32")),
        ("io.k8s.api.core.v1.Secret", "data.x", Type::String, Some("byte")),
        ("io.k8s.api.core.v1.Container", "resources.limits.cpu", Type::String, Some("quantity")),
        (
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            "creationTimestamp",
            Type::String,
            Some("date-time"),
        ),
        ("io.k8s.api.core.v1.ConfigMap", "data.x", Type::String, None),
    ] {
        let schema = field(definition, path);
        assert_eq!((schema.ty, schema.format.as_deref()), (ty, format), "{definition} {path}");
    }
    assert!(field("io.k8s.api.core.v1.ServicePort", "targetPort").int_or_string);
}

#[test]
fn selectors_are_replaced_as_a_whole() {
    assert!(field("io.k8s.api.apps.v1.DeploymentSpec", "selector").atomic);
    assert!(definition("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector").expect("known").atomic);
}

#[test]
fn definitions_may_refer_to_themselves() {
    let name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
    let schema = definition(name).expect("known");
    assert!(matches!(schema.properties["not"], SchemaRef::Builtin(inner) if inner == name));
}

#[test]
fn a_definition_is_published_as_it_was_recorded() {
    let published = open_api("io.k8s.api.apps.v1.DeploymentSpec").expect("known");
    let wanted = serde_json::json!({
        "allOf": [{ "$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy" }],
        "default": {}, "x-kubernetes-patch-strategy": "retainKeys",
    });
    assert_eq!(published["properties"]["strategy"], wanted);
    assert_eq!(published["required"], serde_json::json!(["selector", "template"]));
    let port = open_api("io.k8s.api.core.v1.ContainerPort").expect("known");
    let wanted = serde_json::json!({ "type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"] });
    assert_eq!(port["properties"]["protocol"], wanted);
}
