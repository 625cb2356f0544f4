//! What users read about a decision: upstream's sentence first, because tools look for it, then why, or what
//! would help.

use std::collections::BTreeMap;

use api::names::taints;
use scheduling::{Error, Outcome};

use super::{Decision, Settlement};

/// Success, in words. Upstream's.
pub(super) const SUCCESS: &str = "Binding has been scheduled successfully.";

/// Refusals by the words in them, which are upstream's, and what would help against them.
const REMEDIES: [(&str, &str); 6] = [
    ("did not have the API resource", "make a cluster serve the kind (install its CRD)"),
    ("cluster affinity constraint", "let the affinity match more clusters"),
    ("process of eviction", "wait until the eviction ends"),
    ("is being deleted", "join another cluster"),
    ("anti-affinity group", "join a cluster without the group's other workloads"),
    ("affinity group", "place the group's other workloads where this one may go"),
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
        Some(outcome) => sentences(&format!("{result}."), &short(outcome)),
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
    let mut helps: Vec<String> = reasons.keys().filter_map(|reason| remedy(reason)).collect();
    helps.dedup();
    if helps.is_empty() {
        return "It is tried again when a cluster comes or changes.".to_owned();
    }
    format!("What would help: {}.", helps.join("; "))
}

fn remedy(reason: &str) -> Option<String> {
    if let Some((_, taint)) = reason.split_once("untolerated taint ") {
        let taint = taint.trim_matches(['{', '}']);
        let unready = [taints::NOT_READY, taints::UNREACHABLE].iter().any(|key| taint.starts_with(key));
        return Some(match unready {
            true => "bring the clusters that are not ready back".to_owned(),
            false => format!("tolerate or remove taint {taint}"),
        });
    }
    if let Some((_, property)) = reason.split_once("did not have ").filter(|(_, p)| p.ends_with("property")) {
        return Some(format!("give the clusters a {}", property.trim_end_matches(" property")));
    }
    REMEDIES.iter().find(|(words, _)| reason.contains(words)).map(|(_, help)| (*help).to_owned())
}

#[cfg(test)]
mod tests {
    use super::remedy;

    #[test]
    fn every_refusal_has_a_remedy() {
        let of = |reason: &str| remedy(reason).unwrap_or_else(|| panic!("{reason}"));
        for (reason, expected) in [
            (
                "cluster(s) had untolerated taint {gpu=yes:NoSchedule}",
                "tolerate or remove taint gpu=yes:NoSchedule",
            ),
            (
                "cluster(s) had untolerated taint {cluster.karmada.io/not-ready:NoSchedule}",
                "bring the clusters that are not ready back",
            ),
            ("cluster(s) did not have the API resource", "make a cluster serve the kind (install its CRD)"),
            (
                "cluster(s) did not match the placement cluster affinity constraint",
                "let the affinity match more clusters",
            ),
            ("cluster(s) did not have region property", "give the clusters a region"),
            ("cluster(s) is in the process of eviction", "wait until the eviction ends"),
            ("cluster(s) is being deleted", "join another cluster"),
            (
                "ResourceBinding with the same affinity group does not target this cluster",
                "place the group's other workloads where this one may go",
            ),
            (
                "cluster already has workload with the same anti-affinity group",
                "join a cluster without the group's other workloads",
            ),
        ] {
            assert_eq!(of(reason), expected);
        }
        assert_eq!(remedy("something else"), None);
    }
}
