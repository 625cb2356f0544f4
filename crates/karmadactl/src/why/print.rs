//! The answer as text: one sentence, then short sections.

use matching::{Judgement, Verdict};
use scheduling::explain::{Attempt, Considered, Refused, Share, Spread};

use super::explain::places;
use super::explanation::{Copy, Decision, Explanation, Governance, Outcome, Placed, Recorded};
use crate::table::Table;

/// How many policies that do not match are shown; the data has them all.
const MISMATCHES_MAX: usize = 5;

/// The whole text.
pub(crate) fn text(explanation: &Explanation) -> String {
    let mut text = format!("{}\n", explanation.answer);
    policy(&explanation.policy, &mut text);
    if let Some(binding) = &explanation.binding {
        recorded(binding, &mut text);
    }
    if let Some(decision) = &explanation.decision {
        decided(decision, &mut text);
    }
    clusters(&explanation.clusters, &mut text);
    required(explanation, &mut text);
    text
}

fn section(title: &str, text: &mut String) {
    text.push_str(&format!("\n{title}\n"));
}

fn line(line: &str, text: &mut String) {
    text.push_str(&format!("  {line}\n"));
}

fn table(headings: &[&str], rows: Vec<Vec<String>>, text: &mut String) {
    let table = Table { headings: headings.iter().map(|h| (*h).to_owned()).collect(), rows };
    for row in table.render(true).lines() {
        line(row.trim_end(), text);
    }
}

fn policy(governance: &Governance, text: &mut String) {
    section("POLICY", text);
    match &governance.policy {
        Some(policy) => line(&format!("{policy}: {}", governance.reason), text),
        None => line(&governance.reason, text),
    }
    for note in &governance.notes {
        line(&format!("note: {note}"), text);
    }
    if governance.considered.is_empty() {
        return;
    }
    let (far, near): (Vec<&Judgement>, Vec<&Judgement>) =
        governance.considered.iter().partition(|j| matches!(j.verdict, Verdict::Mismatch { .. }));
    let shown = near.into_iter().chain(far.iter().copied().take(MISMATCHES_MAX));
    table(&["POLICY", "PRIORITY", "SELECTS BY", "VERDICT"], shown.map(judged).collect(), text);
    if far.len() > MISMATCHES_MAX {
        line(&format!("{} more do not match", far.len() - MISMATCHES_MAX), text);
    }
    if governance.others > 0 {
        line(&format!("{} more select other kinds", governance.others), text);
    }
}

fn judged(judgement: &Judgement) -> Vec<String> {
    let precision = judgement.precision.map_or("-".to_owned(), |precision| precision.to_string());
    let verdict = match &judgement.verdict {
        Verdict::Claims => "has claimed it".to_owned(),
        Verdict::Chosen => "will claim it".to_owned(),
        Verdict::Preempts => "will take it over".to_owned(),
        Verdict::Outranked { loss } => format!("stands back: {loss}"),
        Verdict::Mismatch { failures, .. } => {
            let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
            format!("no match: {}", failures.join("; "))
        }
        Verdict::Deleting => "is being deleted".to_owned(),
    };
    vec![judgement.policy.to_string(), judgement.priority.to_string(), precision, verdict]
}

fn recorded(binding: &Recorded, text: &mut String) {
    section(&format!("BINDING   {}", binding.binding), text);
    let place = if binding.clusters.is_empty() { "no cluster".to_owned() } else { places(&binding.clusters) };
    let when = binding.last_scheduled_time.as_ref().map_or(String::new(), |time| format!(", decided {time}"));
    let term = binding.affinity.as_ref().map_or(String::new(), |term| format!(", affinity term {term}"));
    line(&format!("recorded: {place}{term}{when}"), text);
    for note in &binding.notes {
        line(&format!("note: {note}"), text);
    }
    if !binding.conditions.is_empty() {
        let rows = binding.conditions.iter().map(|c| {
            vec![c.kind.clone(), c.status.clone(), c.reason.clone(), c.since.clone(), c.message.clone()]
        });
        table(&["CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"], rows.collect(), text);
    }
}

fn decided(decision: &Decision, text: &mut String) {
    let verdict = if decision.now.as_recorded { "as recorded" } else { "NOT as recorded" };
    section(&format!("DECISION NOW   {verdict}"), text);
    match &decision.due {
        Some(due) => line(&format!("the scheduler would decide again: {due}"), text),
        None => line("the recorded decision stands: nothing that counts has changed", text),
    }
    outcome(&decision.now, text);
    let Some(fresh) = &decision.fresh else { return };
    if fresh.steps == decision.now.steps {
        return;
    }
    let verdict = if fresh.as_recorded { "as recorded" } else { "NOT as recorded" };
    section(&format!("FRESH DECISION, WITHOUT THE RECORDED CLUSTERS   {verdict}"), text);
    // What leads to the same answer was told above; `-o json` has both.
    if !(fresh.as_recorded && decision.now.as_recorded) {
        outcome(fresh, text);
    }
}

fn outcome(outcome: &Outcome, text: &mut String) {
    for attempt in &outcome.steps.attempts {
        steps(attempt, text);
    }
    if let Some(failure) = &outcome.failure {
        line(&format!("result: {failure}"), text);
    } else {
        line(&format!("result: {}", places(&outcome.clusters)), text);
    }
    for remedy in &outcome.remedies {
        line(&format!("to change that: {remedy}"), text);
    }
}

/// One attempt as a table of clusters, in the order of preference, the refused ones last.
fn steps(attempt: &Attempt, text: &mut String) {
    if let Some(term) = &attempt.affinity {
        line(&format!("affinity term {term}"), text);
    }
    let mut rows: Vec<Vec<String>> = attempt.candidates.iter().map(|c| candidate(attempt, c)).collect();
    rows.extend(attempt.refused.iter().map(refused));
    if !rows.is_empty() {
        table(&["CLUSTER", "VERDICT", "REPLICAS", "ROOM", "SCORE", "WHY"], rows, text);
    }
    attempt.spreads.iter().for_each(|level| spread(level, text));
}

fn refused(refused: &Refused) -> Vec<String> {
    let why = refused.reason.strip_prefix("cluster(s) ").unwrap_or(&refused.reason);
    let also = match refused.also_refused_by.as_slice() {
        [] => String::new(),
        others => format!(", also {}", others.join(", ")),
    };
    let why = format!("{why} ({}{also})", refused.plugin);
    vec![refused.cluster.clone(), "refused".into(), String::new(), String::new(), String::new(), why]
}

fn spread(level: &Spread, text: &mut String) {
    let field = format!("{:?}", level.field).to_lowercase();
    line(&format!("spread by {field}, {} to {} groups:", level.min_groups, level.max_groups), text);
    let rows = level.groups.iter().map(|group| {
        let verdict = if group.chosen { "chosen" } else { "not chosen" };
        let why = group.why_not.clone().unwrap_or_default();
        vec![group.name.clone(), verdict.into(), group.clusters.to_string(), group.score.to_string(), why]
    });
    table(&["GROUP", "VERDICT", "CLUSTERS", "SCORE", "WHY"], rows.collect(), text);
}

fn candidate(attempt: &Attempt, considered: &Considered) -> Vec<String> {
    let cluster = &considered.cluster;
    let share = attempt.placed.iter().find(|placed| placed.cluster == *cluster).map(|placed| placed.replicas);
    let is_selected = attempt.selected.contains(cluster);
    let verdict = match (share, is_selected) {
        (Some(_), _) => "chosen",
        (None, true) => "no replicas",
        (None, false) => "not selected",
    };
    let mut why = Vec::new();
    if let Some(assigned) = considered.assigned.filter(|assigned| *assigned > 0) {
        why.push(format!("has {assigned}"));
    }
    if considered.tier > 0 {
        why.push(format!("overflow {}", considered.tier));
    }
    for division in &attempt.divisions {
        if let Some(share) = division.shares.iter().find(|s| s.cluster == *cluster) {
            why.push(format!("{} {}", division.strategy.name(), weighed(share)));
        }
    }
    if let Some(lacks) = considered.lacks.as_ref().filter(|_| share.is_none()) {
        why.push(format!("lacks {lacks}"));
    }
    if verdict == "not selected" && !attempt.selected.is_empty() {
        why.push("the spread constraints leave it out".into());
    }
    vec![
        cluster.to_string(),
        verdict.into(),
        share.filter(|share| *share > 0).map_or_else(|| "-".to_owned(), |share| share.to_string()),
        room(considered.available),
        considered.score.to_string(),
        why.join(", "),
    ]
}

/// What a cluster kept and what it was given for its weight.
fn weighed(share: &Share) -> String {
    match (share.weight, share.previous) {
        (Some(weight), 0) => format!("weight {}", room(Some(weight))),
        (Some(weight), previous) => {
            format!("keeps {previous} and gets {} for weight {}", share.seats, room(Some(weight)))
        }
        (None, previous) => format!("keeps {previous}"),
    }
}

/// A number of replicas; nothing, or the largest 32-bit number, when there is no limit.
fn room(replicas: Option<i64>) -> String {
    match replicas {
        Some(replicas) if replicas < i64::from(i32::MAX) => replicas.to_string(),
        _ => "any".into(),
    }
}

fn clusters(copies: &[Copy], text: &mut String) {
    if copies.is_empty() {
        return;
    }
    section("CLUSTERS", text);
    let rows = copies.iter().map(|copy| {
        vec![
            copy.cluster.clone(),
            if copy.wanted && copy.replicas > 0 { copy.replicas.to_string() } else { "-".into() },
            applied(copy).into(),
            copy.health.clone().unwrap_or_default(),
            if copy.overrides.is_empty() { "-".into() } else { copy.overrides.join(", ") },
            remarks(copy),
        ]
    });
    table(&["CLUSTER", "REPLICAS", "APPLIED", "HEALTH", "OVERRIDES", "REMARKS"], rows.collect(), text);
}

fn applied(copy: &Copy) -> &'static str {
    match copy.applied {
        _ if copy.work.is_none() => "no Work",
        Some(true) => "yes",
        Some(false) => "no",
        None => "pending",
    }
}

fn remarks(copy: &Copy) -> String {
    let mut remarks: Vec<String> = copy.not_ready.iter().cloned().collect();
    if !copy.wanted && copy.eviction.is_none() {
        remarks.push("not wanted any more".to_owned());
    }
    if let Some(eviction) = &copy.eviction {
        let since = eviction.since.as_ref().map_or(String::new(), |since| format!(" since {since}"));
        remarks.push(format!("being evicted by {}{since}: {}", eviction.producer, eviction.reason));
    }
    if copy.suspended {
        remarks.push("dispatching suspended".into());
    }
    if copy.preserved {
        remarks.push("kept on deletion".into());
    }
    if !copy.message.is_empty() && copy.work.is_some() {
        remarks.push(copy.message.clone());
    }
    remarks.join("; ")
}

fn required(explanation: &Explanation, text: &mut String) {
    if explanation.required_by.is_empty() {
        return;
    }
    section("REQUIRED BY", text);
    let rows = explanation.required_by.iter().map(|d| {
        let who = d.template.as_ref().unwrap_or(&d.binding).to_string();
        let clusters: &[Placed] = &d.clusters;
        vec![who, d.binding.to_string(), places(clusters)]
    });
    table(&["OBJECT", "BINDING", "CLUSTERS"], rows.collect(), text);
}
