//! Disruption budgets, and what an eviction does with them.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::checks::{label_selector, number_or_percent, one_of, selector_matches};
use crate::fields::Read;
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, age, condition, integer, number, text};
use crate::{Column, Rules};

pub(crate) static POD_DISRUPTION_BUDGET: Rules = Rules {
    prepare_create: |budget| {
        let zero =
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
        budget.set("/status", zero);
    },
    prepare_update: keep_status,
    validate_create: validate,
    validate_update: |new, _| validate(new),
    columns: || COLUMNS,
    cells: |budget, now| {
        let spec = budget.value().child(&["spec"]);
        let shown = |field: &str| match spec.get_or_null(field) {
            Value::Null => "N/A".to_owned(),
            Value::String(percent) => percent.clone(),
            number => number.to_string(),
        };
        vec![
            budget.name().into(),
            shown("minAvailable").into(),
            shown("maxUnavailable").into(),
            number(budget, &["status", "disruptionsAllowed"]),
            age(budget, now),
        ]
    },
    ..Rules::PLAIN
};

const COLUMNS: &[Column] = &[
    NAME,
    text("Min Available", "Pods that must stay available."),
    text("Max Unavailable", "Pods that may be unavailable."),
    integer("Allowed Disruptions", "Pods that may be evicted now."),
    AGE,
];

fn validate(budget: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = budget.value().child(&["spec"]);
    if spec.has("minAvailable") && spec.has("maxUnavailable") {
        // The value of the whole spec says little; the detail says what to do.
        let detail = "minAvailable and maxUnavailable cannot be both set";
        causes.push(Cause::invalid("spec", spec, detail));
    }
    number_or_percent(&mut causes, "spec.minAvailable", spec.get_or_null("minAvailable"), true);
    number_or_percent(&mut causes, "spec.maxUnavailable", spec.get_or_null("maxUnavailable"), true);
    label_selector(&mut causes, "spec.selector", spec.get_or_null("selector"));
    let policies = &["AlwaysAllow", "IfHealthyBudget"];
    one_of(&mut causes, "spec.unhealthyPodEvictionPolicy", spec.text("unhealthyPodEvictionPolicy"), policies);
    causes
}

/// What an eviction of a pod comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eviction {
    /// No budget speaks for the pod, or it does not count: delete it.
    Delete,
    /// The budget at this position allows it: take one disruption ([`take_disruption`]), write the budget's
    /// status, then delete the pod.
    Take(usize),
    /// The budget at this position does not allow it: 429, with the text of the cause.
    Refuse(usize, String),
    /// More than one budget covers the pod: 500.
    Ambiguous,
}

/// Decides about an eviction. `budgets` are those of the pod's namespace.
pub fn decide_eviction(pod: &Object, budgets: &[Object]) -> Eviction {
    if matches!(pod.value().child(&["status"]).text("phase"), "Succeeded" | "Failed" | "Pending")
        || pod.is_deleting()
    {
        return Eviction::Delete;
    }
    let labels = pod.value().child(&["metadata", "labels"]);
    let covers = |b: &Object| selector_matches(b.value().child(&["spec", "selector"]), labels);
    let mut covering = budgets.iter().enumerate().filter(|(_, b)| covers(b));
    let Some((index, budget)) = covering.next() else { return Eviction::Delete };
    if covering.next().is_some() {
        return Eviction::Ambiguous;
    }
    let (spec, status) = (budget.value().child(&["spec"]), budget.value().child(&["status"]));
    let allowed = status.int("disruptionsAllowed").unwrap_or(0);
    if !is_ready(pod) {
        let healthy = status.int("currentHealthy").unwrap_or(0);
        let enough = healthy >= status.int("desiredHealthy").unwrap_or(0) && healthy > 0;
        if spec.text("unhealthyPodEvictionPolicy") == "AlwaysAllow" || enough {
            return Eviction::Delete;
        }
    }
    if status.int("observedGeneration").unwrap_or(0) < budget.generation() {
        let why = format!("The disruption budget {} is still being processed by the server.", budget.name());
        return Eviction::Refuse(index, why);
    }
    if allowed <= 0 {
        let (needs, has) =
            (status.int("desiredHealthy").unwrap_or(0), status.int("currentHealthy").unwrap_or(0));
        let why = format!(
            "The disruption budget {} needs {needs} healthy pods and has {has} currently",
            budget.name()
        );
        return Eviction::Refuse(index, why);
    }
    Eviction::Take(index)
}

fn is_ready(pod: &Object) -> bool {
    condition(pod.value(), "Ready").is_some_and(|c| c.text("status") == "True")
}

/// Takes one disruption from a budget for a pod; `now` is RFC 3339.
pub fn take_disruption(budget: &mut Object, pod: &str, now: &str) {
    let left = budget.value().child(&["status"]).int("disruptionsAllowed").unwrap_or(0) - 1;
    budget.set("/status/disruptionsAllowed", left.max(0));
    budget.set(&format!("/status/disruptedPods/{}", pod.replace('~', "~0").replace('/', "~1")), now);
}
