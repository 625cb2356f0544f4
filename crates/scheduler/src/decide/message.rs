//! What users read about a decision: upstream's sentence first, because tools look for it, then why, or what
//! would help.

use std::collections::BTreeMap;

use scheduling::{Error, Outcome};

use super::{Decision, Settlement};

/// Success, in words. Upstream's.
pub(super) const SUCCESS: &str = "Binding has been scheduled successfully.";

/// Refusals by the words in them, and what would help against them.
const REMEDIES: [(&str, &str); 7] = [
    ("did not have the API resource", "make a cluster serve the kind (install its CRD)"),
    ("untolerated taint", "tolerate or remove the taint"),
    ("cluster affinity constraint", "let the affinity match more clusters"),
    ("spread constraint", "give the clusters the property to spread by"),
    ("process of eviction", "wait for the eviction to end"),
    ("anti-affinity", "make room in a cluster without the group's other workloads"),
    ("affinity", "place the group's other workloads where this one may go"),
];

/// The message of the condition `Scheduled`.
pub(super) fn condition(decision: &Decision) -> String {
    match (&decision.settlement, &decision.outcome) {
        (Settlement::Scheduled, Some(outcome)) => sentences(SUCCESS, &short(outcome)),
        (Settlement::Scheduled, None) => SUCCESS.to_owned(),
        _ => failure(decision),
    }
}

/// The message of the event.
pub(super) fn event(decision: &Decision) -> String {
    let Settlement::Scheduled = decision.settlement else { return failure(decision) };
    let clusters = decision.clusters().unwrap_or_default();
    let clusters: Vec<String> = clusters.iter().map(|c| format!("{}:{}", c.name, c.replicas)).collect();
    let result = format!("{SUCCESS} Result: {{{}}}", clusters.join(", "));
    match &decision.outcome {
        Some(outcome) => sentences(&result, &short(outcome)),
        None => result,
    }
}

/// How a result came about, in one line.
fn short(outcome: &Outcome) -> String {
    outcome.trace.short(&outcome.result)
}

fn sentences(first: &str, second: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first} {second}") }
}

/// The error, and what would change it.
fn failure(decision: &Decision) -> String {
    let (text, remedy) = match &decision.settlement {
        Settlement::Scheduled => return SUCCESS.to_owned(),
        Settlement::NoClusterFit { text, .. } => (text, fit(decision.outcome.as_ref())),
        Settlement::Unschedulable(text) => {
            (text, "It is tried again when a cluster reports more room, or after 5 minutes.".to_owned())
        }
        Settlement::QuotaExceeded(text) => {
            (text, "It is tried again until the quota has room: raise it, or free some of it.".to_owned())
        }
        Settlement::Failed(text) => (text, "It is tried again within 10 seconds.".to_owned()),
    };
    if text.ends_with('.') { format!("{text} {remedy}") } else { format!("{text}. {remedy}") }
}

/// What would make a cluster fit, by what was in the way.
fn fit(outcome: Option<&Outcome>) -> String {
    let none = BTreeMap::new();
    let reasons = match outcome.map(|outcome| &outcome.result) {
        Some(Err(Error::Fit { reasons, .. })) => reasons,
        _ => &none,
    };
    let mut helps: Vec<&str> = reasons
        .keys()
        .filter_map(|reason| REMEDIES.iter().find(|(words, _)| reason.contains(words)).map(|(_, help)| *help))
        .collect();
    helps.dedup();
    if helps.is_empty() {
        return "It is tried again when a cluster comes or changes.".to_owned();
    }
    format!("What would help: {}.", helps.join("; "))
}
