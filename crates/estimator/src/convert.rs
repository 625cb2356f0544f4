//! Between the fields of a binding and the messages.

use std::collections::BTreeMap;

use api::meta::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Quantity, Toleration};
use api::work::{Component, ComponentReplicaRequirements, NodeClaim, ReplicaRequirements};
use prost::{DecodeError, Message};

use crate::pb;

fn encode_request(request: &BTreeMap<String, Quantity>) -> BTreeMap<String, Vec<u8>> {
    let encode = |text: &Quantity| pb::Quantity { string: text.as_str().to_owned() }.encode_to_vec();
    request.iter().map(|(name, text)| (name.clone(), encode(text))).collect()
}

/// A quantity that was never set has no text; it means nothing of the resource.
fn decode_request(request: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Quantity>, DecodeError> {
    let decode = |(name, bytes): (&String, &Vec<u8>)| {
        let text = pb::Quantity::decode(bytes.as_slice())?.string;
        Ok((name.clone(), Quantity::from(if text.is_empty() { "0".to_owned() } else { text })))
    };
    request.iter().map(decode).collect()
}

impl From<&ReplicaRequirements> for pb::ReplicaRequirements {
    fn from(needs: &ReplicaRequirements) -> Self {
        Self {
            node_claim: needs.node_claim.as_ref().map(Into::into),
            namespace: needs.namespace.clone(),
            priority_class_name: needs.priority_class_name.clone(),
            resource_request_bytes: encode_request(&needs.resource_request),
        }
    }
}

impl TryFrom<&pb::ReplicaRequirements> for ReplicaRequirements {
    type Error = DecodeError;

    fn try_from(needs: &pb::ReplicaRequirements) -> Result<Self, DecodeError> {
        Ok(Self {
            node_claim: needs.node_claim.as_ref().map(TryInto::try_into).transpose()?,
            resource_request: decode_request(&needs.resource_request_bytes)?,
            namespace: needs.namespace.clone(),
            priority_class_name: needs.priority_class_name.clone(),
        })
    }
}

impl From<&Component> for pb::Component {
    /// The requirements are always there, if only to say nothing.
    fn from(component: &Component) -> Self {
        let needs = component.replica_requirements.as_ref().map(|needs| pb::ComponentReplicaRequirements {
            node_claim: needs.node_claim.as_ref().map(Into::into),
            priority_class_name: needs.priority_class_name.clone(),
            resource_request_bytes: encode_request(&needs.resource_request),
        });
        Self {
            name: component.name.clone(),
            replica_requirements: Some(needs.unwrap_or_default()),
            replicas: component.replicas,
        }
    }
}

impl TryFrom<&pb::Component> for Component {
    type Error = DecodeError;

    fn try_from(component: &pb::Component) -> Result<Self, DecodeError> {
        let needs = |needs: &pb::ComponentReplicaRequirements| {
            Ok::<_, DecodeError>(ComponentReplicaRequirements {
                node_claim: needs.node_claim.as_ref().map(TryInto::try_into).transpose()?,
                resource_request: decode_request(&needs.resource_request_bytes)?,
                priority_class_name: needs.priority_class_name.clone(),
            })
        };
        Ok(Self {
            name: component.name.clone(),
            replicas: component.replicas,
            replica_requirements: component.replica_requirements.as_ref().map(needs).transpose()?,
        })
    }
}

impl From<&NodeClaim> for pb::NodeClaim {
    fn from(claim: &NodeClaim) -> Self {
        let affinity = claim.hard_node_affinity.as_ref().map(|a| pb::NodeSelector::from(a).encode_to_vec());
        Self {
            node_selector: claim.node_selector.clone(),
            node_affinity_bytes: affinity.unwrap_or_default(),
            tolerations_bytes: claim
                .tolerations
                .iter()
                .map(|toleration| pb::Toleration::from(toleration).encode_to_vec())
                .collect(),
        }
    }
}

impl TryFrom<&pb::NodeClaim> for NodeClaim {
    type Error = DecodeError;

    fn try_from(claim: &pb::NodeClaim) -> Result<Self, DecodeError> {
        let affinity = claim.node_affinity_bytes.as_slice();
        let affinity = (!affinity.is_empty()).then(|| pb::NodeSelector::decode(affinity)).transpose()?;
        let tolerations = claim.tolerations_bytes.iter();
        Ok(Self {
            hard_node_affinity: affinity.map(Into::into),
            node_selector: claim.node_selector.clone(),
            tolerations: tolerations
                .map(|bytes| pb::Toleration::decode(bytes.as_slice()).map(Into::into))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&NodeSelector> for pb::NodeSelector {
    fn from(selector: &NodeSelector) -> Self {
        let requirements = |list: &[NodeSelectorRequirement]| {
            let requirement = |r: &NodeSelectorRequirement| pb::NodeSelectorRequirement {
                key: r.key.clone(),
                operator: r.operator.clone(),
                values: r.values.clone(),
            };
            list.iter().map(requirement).collect()
        };
        let term = |term: &NodeSelectorTerm| pb::NodeSelectorTerm {
            match_expressions: requirements(&term.match_expressions),
            match_fields: requirements(&term.match_fields),
        };
        Self { node_selector_terms: selector.node_selector_terms.iter().map(term).collect() }
    }
}

impl From<pb::NodeSelector> for NodeSelector {
    fn from(selector: pb::NodeSelector) -> Self {
        let requirements = |list: Vec<pb::NodeSelectorRequirement>| {
            let requirement = |r: pb::NodeSelectorRequirement| NodeSelectorRequirement {
                key: r.key,
                operator: r.operator,
                values: r.values,
            };
            list.into_iter().map(requirement).collect()
        };
        let term = |term: pb::NodeSelectorTerm| NodeSelectorTerm {
            match_expressions: requirements(term.match_expressions),
            match_fields: requirements(term.match_fields),
        };
        Self { node_selector_terms: selector.node_selector_terms.into_iter().map(term).collect() }
    }
}

impl From<&Toleration> for pb::Toleration {
    fn from(toleration: &Toleration) -> Self {
        Self {
            key: toleration.key.clone(),
            operator: toleration.operator.clone(),
            value: toleration.value.clone(),
            effect: toleration.effect.clone(),
            toleration_seconds: toleration.toleration_seconds,
        }
    }
}

impl From<pb::Toleration> for Toleration {
    fn from(toleration: pb::Toleration) -> Self {
        let pb::Toleration { key, operator, value, effect, toleration_seconds } = toleration;
        Self { key, operator, value, effect, toleration_seconds }
    }
}
