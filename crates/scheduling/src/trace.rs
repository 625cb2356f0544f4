//! What a scheduling decision was made of.
//!
//! A [`Trace`] is written down while deciding, in numbers only, so that it costs next to nothing; it becomes
//! words when somebody reads it: [`Trace::short`] in one line for the `Scheduled` condition and the event,
//! [`Trace::explain`] in full for the command line, the dashboard and the log.

use std::fmt;
use std::sync::Arc;

use api::policy::Placement;
use api::work::TargetCluster;
use estimation::Request;
use serde::{Serialize, Serializer};

use crate::divide::{self, Candidate, Share, Strategy};
use crate::error::Error;
use crate::explain::{self, Explanation, Hint};
use crate::filter::{Cause, Plugins};
use crate::input::Snapshot;
use crate::select;

/// How a decision came about: one attempt per affinity term that was tried. It prints as lines of text
/// and serialises as JSON, both by way of its [`Explanation`].
#[derive(Clone, Default)]
pub struct Trace {
    pub(crate) question: Option<Arc<Question>>,
    pub(crate) attempts: Vec<Attempt>,
}

/// What was asked, kept so that the answer can be explained later.
pub(crate) struct Question {
    pub(crate) snapshot: Snapshot,
    pub(crate) placement: Placement,
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) replicas: i64,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) is_workload: bool,
    /// What one replica asks for, when replicas were counted.
    pub(crate) request: Option<Request>,
}

/// One run through filter, score, select and divide; clusters by rank.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Attempt {
    /// Index of the affinity term, when the placement has several.
    pub(crate) term: Option<usize>,
    pub(crate) refused: Vec<Refused>,
    /// In order of preference.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) selection: select::Told,
    pub(crate) selected: Vec<u32>,
    pub(crate) divisions: Vec<divide::Told>,
    pub(crate) placed: Vec<Share>,
    pub(crate) failure: Option<Error>,
}

/// A cluster that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) rank: u32,
    /// The first refusal.
    pub(crate) cause: Cause,
    /// Every filter that refuses it.
    pub(crate) by: Plugins,
}

/// How many characters [`Trace::short`] uses at most.
const SHORT_MAX: usize = 200;

impl Trace {
    /// Everything in words, with what would change the answer.
    pub fn explain(&self) -> Explanation {
        Explanation::of(self)
    }

    /// What would change the answer of the last attempt, what is short first. Cheaper than [`Trace::explain`].
    pub fn hints(&self) -> Vec<Hint> {
        let (Some(question), Some(attempt)) = (&self.question, self.attempts.last()) else {
            return Vec::new();
        };
        explain::hints(question, attempt)
    }

    /// The decision in one line of at most 200 characters: how many clusters of how many, which ones, and
    /// what was refused for which reasons, or what is short. `result` is the outcome the trace belongs to. Empty when nothing
    /// was decided.
    ///
    /// ```text
    /// 2 of 5 clusters: member1 (2), member2 (1); 3 refused: 2 untolerated taint, 1 affinity
    /// ```
    pub fn short(&self, result: &Result<Vec<TargetCluster>, Error>) -> String {
        let (Some(question), Some(attempt)) = (&self.question, self.attempts.last()) else {
            return String::new();
        };
        let clusters = question.snapshot.members().len();
        let refused = refusals(attempt);
        let mut line = match result {
            Ok(targets) => format!("{} of {clusters} clusters", targets.len()),
            Err(_) => format!("0 of {clusters} clusters"),
        };
        let spare = SHORT_MAX.saturating_sub(refused.chars().count());
        match result {
            Ok(targets) => push_targets(&mut line, targets, spare),
            Err(Error::Fit { .. }) => {}
            Err(error) => {
                let shortage = explain::shortages(question, attempt).into_iter().next();
                line.push_str(": ");
                line.push_str(&shortage.map_or_else(|| error.to_string(), |hint| hint.to_string()));
                cut(&mut line, spare);
            }
        }
        line.push_str(&refused);
        cut(&mut line, SHORT_MAX);
        line
    }
}

/// `: member1 (2), member2 (1) and 3 more`, as many as there is space for.
fn push_targets(line: &mut String, targets: &[TargetCluster], spare: usize) {
    const MORE: usize = " and 1000000 more".len();
    for (at, target) in targets.iter().enumerate() {
        let before = if at == 0 { ": " } else { ", " };
        let entry = if target.replicas > 0 {
            format!("{before}{} ({})", target.name, target.replicas)
        } else {
            format!("{before}{}", target.name)
        };
        let is_last = at + 1 == targets.len();
        let needed = line.chars().count() + entry.chars().count() + if is_last { 0 } else { MORE };
        if needed > spare {
            let more = format!(" and {} more", targets.len() - at);
            line.push_str(if at == 0 { "" } else { &more });
            return;
        }
        line.push_str(&entry);
    }
}

/// `; 3 refused: 2 untolerated taint, 1 affinity`, most frequent reason first.
fn refusals(attempt: &Attempt) -> String {
    if attempt.refused.is_empty() {
        return String::new();
    }
    let mut counts: Vec<(usize, &'static str)> = Vec::new();
    for refused in &attempt.refused {
        let word = refused.cause.word();
        match counts.iter_mut().find(|(_, known)| *known == word) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, word)),
        }
    }
    counts.sort_by_key(|(count, word)| (std::cmp::Reverse(*count), *word));
    let reasons: Vec<String> = counts.iter().map(|(count, word)| format!("{count} {word}")).collect();
    format!("; {} refused: {}", attempt.refused.len(), reasons.join(", "))
}

/// Cuts a text to so many characters, with a sign that there was more.
fn cut(text: &mut String, most: usize) {
    if text.chars().count() > most {
        let kept: String = text.chars().take(most.saturating_sub(1)).collect();
        *text = kept + "…";
    }
}

impl PartialEq for Trace {
    /// Traces are equal when they tell the same of clusters of the same names.
    fn eq(&self, other: &Self) -> bool {
        let names = |trace: &Self| -> Vec<Arc<str>> {
            let members = trace.question.as_ref().map(|q| q.snapshot.members()).unwrap_or_default();
            members.iter().map(|member| Arc::clone(member.name())).collect()
        };
        self.attempts == other.attempts && names(self) == names(other)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.explain().fmt(f)
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.explain().serialize(serializer)
    }
}
