//! Which nodes a pod may run on: node selector, required node affinity, taints.
//!
//! The rules are Kubernetes' own, see
//! [assigning pods to nodes](https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/) and
//! [taints and tolerations](https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/).

use std::collections::BTreeMap;

use api::meta::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Taint, Toleration};
use api::work::NodeClaim;

/// What a pod template demands of nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Claim {
    /// Labels the node must have.
    pub selector: BTreeMap<String, String>,
    /// Terms, one of which the node must fulfil; nothing for no condition.
    pub affinity: Option<NodeSelector>,
    /// Taints that do not matter.
    pub tolerations: Vec<Toleration>,
}

impl From<&NodeClaim> for Claim {
    fn from(claim: &NodeClaim) -> Self {
        Self {
            selector: claim.node_selector.clone(),
            affinity: claim.hard_node_affinity.clone(),
            tolerations: claim.tolerations.clone(),
        }
    }
}

/// What a pod template may demand of a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Traits {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) taints: Vec<Taint>,
    /// Cordoned: counts as a taint of its own.
    pub(crate) unschedulable: bool,
}

impl Claim {
    /// Whether pods may be put on the node.
    pub(crate) fn allows(&self, node: &Traits) -> bool {
        self.selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && self.affinity.as_ref().is_none_or(|s| s.node_selector_terms.iter().any(|t| fulfils(node, t)))
            && self.tolerates_all_of(node)
    }

    fn tolerates_all_of(&self, node: &Traits) -> bool {
        let cordon = Taint {
            key: "node.kubernetes.io/unschedulable".into(),
            effect: "NoSchedule".into(),
            ..Taint::default()
        };
        let tolerated = |taint: &Taint| self.tolerations.iter().any(|t| tolerates(t, taint));
        (!node.unschedulable || tolerated(&cordon))
            && node.taints.iter().filter(|taint| keeps_away(taint)).all(tolerated)
    }
}

/// Whether a taint keeps new pods (or workloads) away.
pub fn keeps_away(taint: &Taint) -> bool {
    matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
}

/// Whether a toleration covers a taint: an empty effect or key covers all, `Exists` covers any value,
/// `Equal` is the default.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let covers = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
    covers(&toleration.effect, &taint.effect)
        && covers(&toleration.key, &taint.key)
        && match toleration.operator.as_str() {
            "" | "Equal" => toleration.value == taint.value,
            "Exists" => true,
            _ => false,
        }
}

/// A term without conditions means no node, and so does one with a condition that cannot be read.
fn fulfils(node: &Traits, term: &NodeSelectorTerm) -> bool {
    let has_conditions = !term.match_expressions.is_empty() || !term.match_fields.is_empty();
    let field = |r: &NodeSelectorRequirement| {
        r.key == "metadata.name"
            && matches!(r.operator.as_str(), "In" | "NotIn")
            && r.values.len() == 1
            && holds(r, Some(&node.name))
    };
    has_conditions
        && term.match_expressions.iter().all(|r| holds(r, node.labels.get(&r.key).map(String::as_str)))
        && term.match_fields.iter().all(field)
}

fn holds(requirement: &NodeSelectorRequirement, actual: Option<&str>) -> bool {
    let values = requirement.values.as_slice();
    let listed = || actual.is_some_and(|actual| values.iter().any(|value| value == actual));
    let number = |text: &str| text.parse::<i64>().ok();
    let compare = |fits: fn(&i64, &i64) -> bool| {
        let [limit] = values else { return false };
        let (actual, limit) = (actual.and_then(number), number(limit));
        actual.zip(limit).is_some_and(|(actual, limit)| fits(&actual, &limit))
    };
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !values.is_empty() && !listed(),
        "Exists" => values.is_empty() && actual.is_some(),
        "DoesNotExist" => values.is_empty() && actual.is_none(),
        "Gt" => compare(i64::gt),
        "Lt" => compare(i64::lt),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Traits {
        let labels = [("disk", "ssd"), ("cores", "8")];
        Traits {
            name: "n1".into(),
            labels: labels.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            ..Traits::default()
        }
    }

    fn requirement(key: &str, operator: &str, values: &[&str]) -> NodeSelectorRequirement {
        NodeSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values: values.iter().map(|v| (*v).into()).collect(),
        }
    }

    fn wanting(terms: Vec<NodeSelectorTerm>) -> Claim {
        Claim { affinity: Some(NodeSelector { node_selector_terms: terms }), ..Claim::default() }
    }

    fn labels(requirements: Vec<NodeSelectorRequirement>) -> NodeSelectorTerm {
        NodeSelectorTerm { match_expressions: requirements, ..NodeSelectorTerm::default() }
    }

    #[test]
    fn a_node_must_have_the_labels_of_the_node_selector() {
        let selecting = |value: &str| Claim {
            selector: [("disk".to_owned(), value.to_owned())].into(),
            ..Claim::default()
        };
        assert!(Claim::default().allows(&node()));
        assert!(selecting("ssd").allows(&node()));
        assert!(!selecting("hdd").allows(&node()));
    }

    #[test]
    fn one_term_of_the_required_affinity_must_hold_with_all_its_conditions() {
        let ssd = || requirement("disk", "In", &["ssd", "nvme"]);
        let many_cores = || requirement("cores", "Gt", &["16"]);
        assert!(wanting(vec![labels(vec![ssd()])]).allows(&node()));
        assert!(!wanting(vec![labels(vec![ssd(), many_cores()])]).allows(&node()));
        assert!(wanting(vec![labels(vec![many_cores()]), labels(vec![ssd()])]).allows(&node()));
        assert!(!wanting(vec![]).allows(&node()), "no term, no node");
        assert!(!wanting(vec![NodeSelectorTerm::default()]).allows(&node()), "an empty term means no node");
    }

    #[test]
    fn conditions_compare_as_in_kubernetes() {
        let holds = |key: &str, operator: &str, values: &[&str]| {
            wanting(vec![labels(vec![requirement(key, operator, values)])]).allows(&node())
        };
        assert!(holds("disk", "NotIn", &["hdd"]));
        assert!(holds("absent", "NotIn", &["hdd"]), "what is not there is not in the list");
        assert!(!holds("disk", "NotIn", &["ssd"]));
        assert!(!holds("disk", "In", &[]));
        assert!(holds("disk", "Exists", &[]));
        assert!(!holds("disk", "Exists", &["ssd"]), "a condition with stray values cannot be read");
        assert!(holds("absent", "DoesNotExist", &[]));
        assert!(holds("cores", "Gt", &["7"]));
        assert!(!holds("cores", "Gt", &["8"]));
        assert!(holds("cores", "Lt", &["9"]));
        assert!(!holds("disk", "Lt", &["9"]), "not a number");
        assert!(!holds("disk", "Like", &["s"]));
    }

    #[test]
    fn a_field_condition_names_the_node() {
        let named = |key: &str, operator: &str, name: &str| {
            let term = NodeSelectorTerm {
                match_fields: vec![requirement(key, operator, &[name])],
                ..NodeSelectorTerm::default()
            };
            wanting(vec![term]).allows(&node())
        };
        assert!(named("metadata.name", "In", "n1"));
        assert!(!named("metadata.name", "In", "n2"));
        assert!(named("metadata.name", "NotIn", "n2"));
        assert!(!named("spec.x", "In", "n1"));
    }

    #[test]
    fn a_node_whose_taint_is_not_tolerated_is_left_out() {
        let tainted = |effect: &str| Traits {
            taints: vec![Taint { key: "k".into(), effect: effect.into(), ..Taint::default() }],
            ..node()
        };
        let tolerating = Claim {
            tolerations: vec![Toleration {
                key: "k".into(),
                operator: "Exists".into(),
                ..Toleration::default()
            }],
            ..Claim::default()
        };
        assert!(!Claim::default().allows(&tainted("NoSchedule")));
        assert!(!Claim::default().allows(&tainted("NoExecute")));
        assert!(Claim::default().allows(&tainted("PreferNoSchedule")), "a preference keeps nobody away");
        assert!(tolerating.allows(&tainted("NoSchedule")));
    }

    #[test]
    fn a_cordoned_node_counts_as_tainted() {
        let cordoned = Traits { unschedulable: true, ..node() };
        assert!(!Claim::default().allows(&cordoned));
        let anything = Toleration { operator: "Exists".into(), ..Toleration::default() };
        assert!(Claim { tolerations: vec![anything], ..Claim::default() }.allows(&cordoned));
    }
}
