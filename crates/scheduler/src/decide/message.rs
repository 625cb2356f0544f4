//! What users read about a decision: upstream's sentence first, because tools look for it, then how it came
//! about, or what would help.

use scheduling::Outcome;

use super::{Decision, Settlement};

/// Success, in words. Upstream's.
pub(super) const SUCCESS: &str = "Binding has been scheduled successfully.";

/// Hints that a message has room for; all of them stand in the explanation of the decision.
const HINTS_MAX: usize = 2;

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

/// The error, what would change it, and when it is looked at again.
fn failure(decision: &Decision) -> String {
    let (text, again) = match &decision.settlement {
        Settlement::Scheduled => return SUCCESS.to_owned(),
        Settlement::NoClusterFit { text, .. } => (text, "It is tried again when a cluster comes or changes."),
        Settlement::Unschedulable(text) => {
            (text, "It is tried again when a cluster reports more room, or after 5 minutes.")
        }
        Settlement::QuotaExceeded(text) => {
            (text, "It is tried again until the quota has room: raise it, or free some of it.")
        }
        Settlement::Failed(text) => (text, "It is tried again within 10 seconds."),
    };
    let text = if text.ends_with('.') { text.clone() } else { format!("{text}.") };
    sentences(&sentences(&text, &hints(decision.outcome.as_ref())), again)
}

fn hints(outcome: Option<&Outcome>) -> String {
    let hints = outcome.map(|outcome| outcome.trace.hints()).unwrap_or_default();
    let hints: Vec<String> = hints.iter().take(HINTS_MAX).map(ToString::to_string).collect();
    if hints.is_empty() { String::new() } else { format!("Hint: {}.", hints.join("; ")) }
}
