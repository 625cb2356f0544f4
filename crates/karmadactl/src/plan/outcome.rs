//! A plan as data: what `-o json` prints, and what the table and the diff are made of.
//!
//! Fields are added over time, and none is renamed or removed.

use matching::PolicyRef;
use serde::Serialize;
use serde_json::Value;

use crate::why::explanation::Reference;

/// What applying the files would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    /// The objects of the files.
    pub(crate) files: Vec<FileChange>,
    /// The templates to which something would happen.
    pub(crate) objects: Vec<Planned>,
    /// What is worth knowing about policies of the files that get less than they select.
    pub(crate) notes: Vec<String>,
    /// The plan in one sentence.
    pub(crate) summary: String,
}

/// What would become of an object of the files.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileChange {
    pub(crate) object: Reference,
    /// `created`, `changed`, `unchanged` or `deleted`.
    pub(crate) action: &'static str,
}

/// What would happen to one template.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Planned {
    pub(crate) object: Reference,
    pub(crate) policy: Transition<PolicyRef>,
    /// `claimed`, `reclaimed`, `preempted`, `released`, `kept` or `none`.
    pub(crate) claim: &'static str,
    pub(crate) clusters: Vec<PlannedCopy>,
    /// What else is worth knowing, and what cannot be known.
    pub(crate) notes: Vec<String>,
}

/// A value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transition<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<T>,
}

impl<T: PartialEq> Transition<T> {
    pub(crate) fn is_change(&self) -> bool {
        self.before != self.after
    }
}

/// What would happen to the copy in one cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlannedCopy {
    pub(crate) cluster: String,
    /// Replicas assigned to the cluster; absent where there is no copy.
    pub(crate) replicas: Transition<i32>,
    pub(crate) actions: Vec<Action>,
    /// Names of the override policies that change the copy.
    pub(crate) overrides: Transition<Vec<String>>,
    /// The manifest without what Karmada writes on it.
    pub(crate) manifest: Transition<Value>,
    /// What is worth knowing about this copy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// What happens to a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    /// The cluster gets the object.
    Create,
    /// The object goes from the cluster.
    Delete,
    /// The object stays in the cluster, and nobody looks after it any more.
    Abandon,
    /// More replicas.
    ScaleUp,
    /// Fewer replicas.
    ScaleDown,
    /// Something else in the manifest changes.
    Update,
    /// Dispatching stops.
    Suspend,
    /// Dispatching goes on.
    Resume,
    /// The copy cannot be made, and stays as it is.
    Fail,
}

impl Action {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Abandon => "abandon",
            Self::ScaleUp => "scale up",
            Self::ScaleDown => "scale down",
            Self::Update => "update",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Fail => "FAILS",
        }
    }
}
