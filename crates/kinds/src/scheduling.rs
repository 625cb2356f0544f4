//! Priority classes.

use machinery::{Cause, Object};
use serde_json::Value;

use crate::checks::{immutable, one_of};
use crate::fields::{Fill, Read};
use crate::tables::{AGE, NAME, age, column, integer, text};
use crate::{Column, Rules};

/// Highest priority a user may give; above are the system's own.
const USER_PRIORITY_MAX: i64 = 1_000_000_000;
/// The system's own classes.
const SYSTEM: &[(&str, i64)] =
    &[("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

pub(crate) static PRIORITY_CLASS: Rules = Rules {
    default: |class| {
        let fields = class.fields_mut();
        fields.fill("value", 0);
        fields.fill_text("preemptionPolicy", "PreemptLowerPriority");
    },
    validate_create: validate,
    validate_update: |new, old| {
        let mut causes = Vec::new();
        if value(new) != value(old) {
            causes.push(Cause::forbidden("value", "may not be changed in an update."));
        }
        let policy = |o: &Object| -> Value { o.value().get_or_null("preemptionPolicy").clone() };
        immutable(&mut causes, "preemptionPolicy", &policy(new), &policy(old));
        causes
    },
    columns: || COLUMNS,
    cells: |class, now| {
        vec![
            class.name().into(),
            value(class).into(),
            class.value().flag("globalDefault").into(),
            age(class, now),
            class.value().text("preemptionPolicy").into(),
        ]
    },
    ..Rules::PLAIN
};

fn value(class: &Object) -> i64 {
    class.value().int("value").unwrap_or(0)
}

fn validate(class: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    if class.name().starts_with("system-") {
        if !SYSTEM.contains(&(class.name(), value(class))) {
            let detail = "priority class names with 'system-' prefix are reserved for system use only";
            causes.push(Cause::forbidden("metadata.name", detail));
        }
    } else if value(class) > USER_PRIORITY_MAX {
        let detail = format!("maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}");
        causes.push(Cause::forbidden("value", &detail));
    }
    let policies = &["Never", "PreemptLowerPriority"];
    one_of(&mut causes, "preemptionPolicy", class.value().text("preemptionPolicy"), policies);
    causes
}

const COLUMNS: &[Column] = &[
    NAME,
    integer("Value", "Priority of pods of the class."),
    column("Global-Default", "boolean", "Whether pods without a class get this one."),
    AGE,
    text("PreemptionPolicy", "Whether pods of the class may displace others."),
];
