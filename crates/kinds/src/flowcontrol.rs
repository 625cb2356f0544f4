//! Flow schemas and priority levels.

use serde_json::{Value, json};

use crate::fields::{Fill, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, NONE, age, condition, number, or, text};
use crate::{Column, Rules};

pub(crate) static FLOW_SCHEMA: Rules = Rules {
    default: |schema| {
        if let Some(spec) = schema.fields_mut().map_mut("spec")
            && spec.int("matchingPrecedence").unwrap_or(0) == 0
        {
            spec.insert("matchingPrecedence".into(), 1000.into());
        }
    },
    prepare_create: |schema| schema.set("/status", json!({})),
    prepare_update: keep_status,
    columns: || SCHEMA_COLUMNS,
    cells: |schema, now| {
        let spec = schema.value().child(&["spec"]);
        let dangling = condition(schema.value(), "Dangling").map_or("?", |c| c.text("status"));
        vec![
            schema.name().into(),
            or(spec.child(&["priorityLevelConfiguration"]).text("name"), NONE).into(),
            number(schema, &["spec", "matchingPrecedence"]),
            or(spec.child(&["distinguisherMethod"]).text("type"), NONE).into(),
            age(schema, now),
            dangling.into(),
        ]
    },
    ..Rules::PLAIN
};

const SCHEMA_COLUMNS: &[Column] = &[
    NAME,
    text("PriorityLevel", "Priority level of matching requests."),
    text("MatchingPrecedence", "Schemas with lower numbers are tried first."),
    text("DistinguisherMethod", "How flows are told apart."),
    AGE,
    text("MissingPL", "Whether the priority level does not exist."),
];

pub(crate) static PRIORITY_LEVEL: Rules = Rules {
    default: |level| {
        let Some(spec) = level.fields_mut().map_mut("spec") else { return };
        if let Some(exempt) = spec.map_mut("exempt") {
            exempt.fill("nominalConcurrencyShares", 0);
            exempt.fill("lendablePercent", 0);
        }
        let Some(limited) = spec.map_mut("limited") else { return };
        limited.fill("nominalConcurrencyShares", 30);
        limited.fill("lendablePercent", 0);
        if let Some(queuing) = limited.map_mut("limitResponse").and_then(|r| r.map_mut("queuing")) {
            for (field, value) in [("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)] {
                if queuing.int(field).unwrap_or(0) == 0 {
                    queuing.insert(field.into(), value.into());
                }
            }
        }
    },
    prepare_create: |level| level.set("/status", json!({})),
    prepare_update: keep_status,
    columns: || LEVEL_COLUMNS,
    cells: |level, now| {
        let spec = level.value().child(&["spec"]);
        let queuing = spec.child(&["limited", "limitResponse", "queuing"]);
        let shares = match spec.text("type") {
            "Exempt" => spec.child(&["exempt", "nominalConcurrencyShares"]),
            _ => spec.child(&["limited", "nominalConcurrencyShares"]),
        };
        let shown = |value: &Value| -> Value { if value.is_null() { NONE.into() } else { value.clone() } };
        vec![
            level.name().into(),
            spec.text("type").into(),
            shown(shares),
            shown(queuing.get_or_null("queues")),
            shown(queuing.get_or_null("handSize")),
            shown(queuing.get_or_null("queueLengthLimit")),
            age(level, now),
        ]
    },
    ..Rules::PLAIN
};

const LEVEL_COLUMNS: &[Column] = &[
    NAME,
    text("Type", "Exempt or Limited."),
    text("NominalConcurrencyShares", "Share of the server's concurrency."),
    text("Queues", "Number of queues."),
    text("HandSize", "Queues a flow is dealt."),
    text("QueueLengthLimit", "Requests that may wait in a queue."),
    AGE,
];
