//! The answer of `karmadactl why` as data: what `-o json` prints, and what the text is made of.
//!
//! Fields are added over time, and none is renamed or removed.

use matching::{Judgement, PolicyRef};
use scheduling::Explanation as Steps;
use serde::Serialize;

/// Where an object is, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// What was asked about.
    pub(crate) object: Reference,
    /// The whole answer in one or two sentences.
    pub(crate) answer: String,
    /// Which policy governs it.
    pub(crate) policy: Governance,
    /// The binding as it is recorded; absent before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binding: Option<Recorded>,
    /// What the scheduler would decide now; absent for objects that are not scheduled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decision: Option<Decision>,
    /// What became of it in each cluster.
    pub(crate) clusters: Vec<Copy>,
    /// The bindings that need this object in their clusters.
    pub(crate) required_by: Vec<Dependent>,
}

/// Names an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) api_version: String,
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// How an object stands to the policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// A policy has claimed it.
    Claimed,
    /// A policy selects it and will claim it.
    Selected,
    /// The policy that claimed it is gone, going, or does not select it any more.
    Abandoned,
    /// No policy selects it.
    Unmatched,
    /// Something that is no policy has claimed it.
    ClaimedByOther,
    /// Objects like this are never propagated.
    Skipped,
    /// It is being deleted.
    Deleting,
    /// It does not exist any more.
    Gone,
}

/// Which policy governs an object, and what became of the others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Governance {
    pub(crate) state: State,
    /// The policy that has claimed the object or is about to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<PolicyRef>,
    /// Why this policy, or why none.
    pub(crate) reason: String,
    /// The policies that select objects of this kind, the best first.
    pub(crate) considered: Vec<Judgement>,
    /// How many more policies there are; they select other kinds.
    pub(crate) others: usize,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
}

/// A binding as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recorded {
    pub(crate) binding: Reference,
    /// Replicas of the template.
    pub(crate) replicas: i32,
    /// The recorded decision.
    pub(crate) clusters: Vec<Placed>,
    /// The affinity term in use, when the placement has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) affinity: Option<String>,
    pub(crate) scheduler: String,
    /// When the decision was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_scheduled_time: Option<String>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) notes: Vec<String>,
}

/// A cluster and its share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    pub(crate) cluster: String,
    pub(crate) replicas: i32,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) since: String,
}

/// What the scheduler would decide now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decision {
    /// Why the scheduler would decide again if it looked now; absent when the recorded decision stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<String>,
    /// From the binding as it is, with the recorded clusters as the starting point.
    #[serde(flatten)]
    pub(crate) now: Outcome,
    /// Without the recorded clusters; absent when nothing is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fresh: Option<Outcome>,
}

/// The outcome of a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    pub(crate) clusters: Vec<Placed>,
    /// Why there are no clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// Whether what the binding records stays although no clusters were found: only when none fits at all is it
    /// withdrawn.
    pub(crate) keeps_recorded: bool,
    /// Whether this is what the binding records.
    pub(crate) as_recorded: bool,
    /// What would lead to another outcome.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) remedies: Vec<String>,
    /// How it comes about: `attempts`, each with what was refused, considered, selected and divided.
    pub(crate) steps: Steps,
}

/// The copy in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Copy {
    pub(crate) cluster: String,
    /// Replicas assigned to the cluster.
    pub(crate) replicas: i32,
    /// Whether the object is meant to be in the cluster.
    pub(crate) wanted: bool,
    /// Why the cluster cannot be reached or trusted; absent when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_ready: Option<String>,
    /// The Work, as `namespace/name`; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) work: Option<String>,
    /// Whether the cluster has the object; absent while nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<String>,
    /// Why the Work is not applied.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    /// Override policies that changed the copy.
    pub(crate) overrides: Vec<String>,
    /// Whether dispatching to the cluster is suspended.
    pub(crate) suspended: bool,
    /// Whether the cluster keeps the object when the template goes.
    pub(crate) preserved: bool,
    /// The eviction in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) eviction: Option<Eviction>,
}

/// An eviction in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Eviction {
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    pub(crate) producer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
}

/// A binding that needs the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dependent {
    pub(crate) binding: Reference,
    /// The template of that binding, when it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) template: Option<Reference>,
    pub(crate) clusters: Vec<Placed>,
}
