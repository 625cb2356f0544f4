//! Bytes as they travel, written out by hand from the field numbers, against the messages.

use api::work::{Component, ReplicaRequirements};
use prost::Message as _;
use serde_json::{Value, json};

use crate::pb;

/// A field with a length: tag, length, content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
    bytes.extend(content);
    bytes
}

/// A number field.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn text(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

fn quantity(amount: &str) -> Vec<u8> {
    text(1, amount)
}

/// An entry of a map.
fn entry(number: u8, key: &str, value: &[u8]) -> Vec<u8> {
    field(number, &[text(1, key), field(2, value)].concat())
}

fn requirements(value: Value) -> ReplicaRequirements {
    serde_json::from_value(value).unwrap()
}

fn full() -> ReplicaRequirements {
    requirements(json!({
        "namespace": "shop", "priorityClassName": "high",
        "resourceRequest": { "cpu": "500m", "memory": "1Gi" },
        "nodeClaim": {
            "nodeSelector": { "disk": "ssd" },
            "hardNodeAffinity": { "nodeSelectorTerms": [{
                "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a", "b"] }],
                "matchFields": [{ "key": "metadata.name", "operator": "NotIn", "values": ["n1"] }],
            }] },
            "tolerations": [
                { "key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60 },
                { "operator": "Exists" },
            ],
        },
    }))
}

/// `full`, encoded by hand.
fn full_bytes() -> Vec<u8> {
    let affinity = field(
        1,
        &[
            field(1, &[text(1, "zone"), text(2, "In"), text(3, "a"), text(3, "b")].concat()),
            field(2, &[text(1, "metadata.name"), text(2, "NotIn"), text(3, "n1")].concat()),
        ]
        .concat(),
    );
    let first =
        [text(1, "gpu"), text(2, "Equal"), text(3, "yes"), text(4, "NoExecute"), number(5, 60)].concat();
    let claim = [
        field(2, &[text(1, "disk"), text(2, "ssd")].concat()),
        field(4, &affinity),
        field(5, &first),
        field(5, &text(2, "Exists")),
    ]
    .concat();
    [
        // Longer than 127 bytes: the length takes two bytes.
        [vec![1 << 3 | 2], varint(claim.len()), claim].concat(),
        text(3, "shop"),
        text(4, "high"),
        entry(5, "cpu", &quantity("500m")),
        entry(5, "memory", &quantity("1Gi")),
    ]
    .concat()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

#[test]
fn replica_requirements_have_upstream_s_field_numbers() {
    let message = pb::ReplicaRequirements::from(&full());
    assert_eq!(message.encode_to_vec(), full_bytes());
    let back = pb::ReplicaRequirements::decode(full_bytes().as_slice()).unwrap();
    assert_eq!(ReplicaRequirements::try_from(&back).unwrap(), full());
}

#[test]
fn requests_and_answers_have_upstream_s_field_numbers() {
    let needs = requirements(json!({ "resourceRequest": { "cpu": "1" } }));
    let encoded = entry(5, "cpu", &quantity("1"));
    let component = Component { name: "jm".into(), replicas: 2, replica_requirements: None };
    let component_bytes = [text(1, "jm"), field(2, &[]), number(3, 2)].concat();
    let assumed =
        pb::AssumedWorkload { namespace: "ns".into(), components: vec![pb::Component::from(&component)] };
    let assumed_bytes = [text(1, "ns"), field(2, &component_bytes)].concat();

    let replicas = pb::MaxAvailableReplicasRequest {
        cluster: "m1".into(),
        replica_requirements: Some((&needs).into()),
        assumed_workloads: vec![assumed.clone()],
    };
    let expected = [text(1, "m1"), field(2, &encoded), field(3, &assumed_bytes)].concat();
    assert_eq!(replicas.encode_to_vec(), expected);

    let sets = pb::MaxAvailableComponentSetsRequest {
        cluster: "m1".into(),
        components: vec![pb::Component::from(&component)],
        namespace: "ns".into(),
        assumed_workloads: vec![assumed],
    };
    let expected =
        [text(1, "m1"), field(2, &component_bytes), text(3, "ns"), field(4, &assumed_bytes)].concat();
    assert_eq!(sets.encode_to_vec(), expected);

    let unschedulable = pb::UnschedulableReplicasRequest {
        cluster: "m1".into(),
        resource: Some(pb::ObjectReference {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "ns".into(),
            name: "web".into(),
        }),
        unschedulable_threshold: 100,
    };
    let object = [text(1, "apps/v1"), text(2, "Deployment"), text(3, "ns"), text(4, "web")].concat();
    assert_eq!(unschedulable.encode_to_vec(), [text(1, "m1"), field(2, &object), number(3, 100)].concat());

    let answer = number(1, 7);
    assert_eq!(pb::MaxAvailableReplicasResponse { max_replicas: 7 }.encode_to_vec(), answer);
    assert_eq!(pb::MaxAvailableComponentSetsResponse { max_sets: 7 }.encode_to_vec(), answer);
    assert_eq!(pb::UnschedulableReplicasResponse { unschedulable_replicas: 7 }.encode_to_vec(), answer);
}

#[test]
fn a_component_s_requirements_have_numbers_of_their_own() {
    let component: Component = serde_json::from_value(json!({
        "name": "tm", "replicas": 3,
        "replicaRequirements": { "priorityClassName": "high", "resourceRequest": { "cpu": "1" },
            "nodeClaim": { "nodeSelector": { "a": "b" } } },
    }))
    .unwrap();
    let claim = field(2, &[text(1, "a"), text(2, "b")].concat());
    let needs = [field(1, &claim), text(3, "high"), entry(4, "cpu", &quantity("1"))].concat();
    let expected = [text(1, "tm"), field(2, &needs), number(3, 3)].concat();
    let message = pb::Component::from(&component);
    assert_eq!(message.encode_to_vec(), expected);
    assert_eq!(Component::try_from(&message).unwrap(), component);
}

#[test]
fn zero_values_that_are_spelled_out_and_unknown_fields_change_nothing() {
    // A sender of the older schema writes every scalar, and messages under numbers that are reserved now.
    let spelled_out = [
        field(2, &[text(1, "x"), field(2, &quantity("1"))].concat()),
        text(3, ""),
        text(4, ""),
        entry(5, "cpu", &quantity("2")),
    ]
    .concat();
    let needs = pb::ReplicaRequirements::decode(spelled_out.as_slice()).unwrap();
    let expected = requirements(json!({ "resourceRequest": { "cpu": "2" } }));
    assert_eq!(ReplicaRequirements::try_from(&needs).unwrap(), expected);
    let zero = pb::MaxAvailableReplicasResponse::decode([8, 0].as_slice()).unwrap();
    assert_eq!(zero, pb::MaxAvailableReplicasResponse::decode([].as_slice()).unwrap());
}

#[test]
fn a_negative_number_travels_as_upstream_writes_it() {
    let minus_one = [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    assert_eq!(pb::MaxAvailableReplicasResponse { max_replicas: -1 }.encode_to_vec(), minus_one);
}

#[test]
fn a_quantity_without_text_is_nothing() {
    let bytes = entry(5, "cpu", &[]);
    let needs = pb::ReplicaRequirements::decode(bytes.as_slice()).unwrap();
    let needs = ReplicaRequirements::try_from(&needs).unwrap();
    assert_eq!(needs.resource_request["cpu"].as_str(), "0");
}

#[test]
fn damaged_inner_bytes_are_an_error() {
    let mut needs = pb::ReplicaRequirements::from(&full());
    needs.resource_request_bytes.insert("cpu".into(), vec![10, 200]);
    assert!(ReplicaRequirements::try_from(&needs).is_err());
    let mut needs = pb::ReplicaRequirements::from(&full());
    needs.node_claim.as_mut().unwrap().node_affinity_bytes = vec![255];
    assert!(ReplicaRequirements::try_from(&needs).is_err());
}
