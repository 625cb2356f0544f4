//! CronFederatedHPA.

use std::collections::BTreeSet;

use api::autoscaling::{CronFederatedHpa, CronRule};
use machinery::{Cause, GroupVersion};
use serde_json::json;

use crate::{Denial, Validation, World};

/// Refuses schedules that never come, or that would scale to what makes no sense.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let hpa: CronFederatedHpa = request.parse()?;
    let target = &hpa.spec.scale_target_ref;
    let ours = GroupVersion::parse(&target.api_version).group == "autoscaling.karmada.io";
    let mut causes = Vec::new();
    if ours && target.kind != "FederatedHPA" {
        let path = "spec.scaleTargetRef.kind";
        causes.push(Cause::not_supported(path, &json!(target.kind), &["FederatedHPA"]));
    }
    let mut seen = BTreeSet::new();
    for (i, rule) in hpa.spec.rules.iter().enumerate() {
        let path = format!("spec.rules[{i}]");
        if !seen.insert(&rule.name) {
            causes.push(Cause::duplicate(format!("{path}.name"), &json!(rule.name)));
        }
        if let Err(problem) = check_cron(&rule.schedule) {
            causes.push(Cause::invalid(format!("{path}.schedule"), &json!(rule.schedule), &problem));
        }
        if let Some(zone) = &rule.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            causes.push(Cause::invalid(format!("{path}.timeZone"), &json!(zone), "is not a known time zone"));
        }
        causes.extend(if ours { bounds(rule, &path) } else { replicas(rule, &path) });
    }
    Denial::unless_empty(causes)
}

fn replicas(rule: &CronRule, path: &str) -> Option<Cause> {
    let path = format!("{path}.targetReplicas");
    match rule.target_replicas {
        None => Some(Cause::required(path, "needed unless the target is a FederatedHPA")),
        Some(n) if n < 0 => Some(Cause::invalid(path, &json!(n), "must be greater than or equal to 0")),
        Some(_) => None,
    }
}

fn bounds(rule: &CronRule, path: &str) -> Option<Cause> {
    let positive = |name: &str, n: Option<i32>| {
        n.filter(|n| *n <= 0)
            .map(|n| Cause::invalid(format!("{path}.{name}"), &json!(n), "must be greater than 0"))
    };
    match (rule.target_min_replicas, rule.target_max_replicas) {
        (None, None) => {
            Some(Cause::required(path, "one of targetMinReplicas and targetMaxReplicas is needed"))
        }
        (min, max) => {
            positive("targetMinReplicas", min).or(positive("targetMaxReplicas", max)).or_else(|| {
                let crossed = min.zip(max).is_some_and(|(min, max)| min > max);
                let detail = "must not be greater than targetMaxReplicas";
                crossed.then(|| Cause::invalid(format!("{path}.targetMinReplicas"), &json!(min), detail))
            })
        }
    }
}

/// Ranges of the five fields of a cron expression, with the names a value may have.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of week", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// Checks a cron expression of five fields, or a descriptor such as `@hourly` or `@every 5m`, as
/// <https://pkg.go.dev/github.com/robfig/cron/v3> reads them.
fn check_cron(text: &str) -> Result<(), String> {
    let zoned = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ="));
    let text = match zoned {
        None => text,
        Some(rest) => {
            let (zone, rest) = rest.split_once(' ').ok_or("nothing follows the time zone")?;
            jiff::tz::TimeZone::get(zone).map_err(|_| format!("{zone:?} is not a known time zone"))?;
            rest.trim_start()
        }
    };
    if let Some(descriptor) = text.strip_prefix('@') {
        return match descriptor.strip_prefix("every ") {
            Some(interval) => machinery::time::parse_duration(interval).map(|_| ()),
            None if ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"]
                .contains(&descriptor) =>
            {
                Ok(())
            }
            None => Err(format!("there is no descriptor @{descriptor}")),
        };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("a cron expression has 5 fields, this one {}", fields.len()));
    }
    for (field, (name, min, max, words)) in fields.into_iter().zip(FIELDS) {
        for part in field.split(',') {
            check_part(part, min, max, words).map_err(|problem| format!("{name}: {problem}"))?;
        }
    }
    Ok(())
}

/// `*`, `?`, `a` or `a-b`, each with an optional `/step`.
fn check_part(part: &str, min: u32, max: u32, words: &[&str]) -> Result<(), String> {
    let value = |text: &str| -> Result<u32, String> {
        let word = words.iter().position(|w| w.eq_ignore_ascii_case(text));
        let number = match word {
            Some(i) => u32::try_from(i).unwrap_or(u32::MAX).saturating_add(min),
            None => text.parse().map_err(|_| format!("{text:?} is not a value"))?,
        };
        if (min..=max).contains(&number) {
            Ok(number)
        } else {
            Err(format!("{number} is not between {min} and {max}"))
        }
    };
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    if let Some(step) = step {
        let step: u32 = step.parse().map_err(|_| format!("{step:?} is not a step"))?;
        if step == 0 {
            return Err("a step must be positive".into());
        }
    }
    match range {
        "*" | "?" => Ok(()),
        _ => match range.split_once('-') {
            Some((from, to)) if value(from)? > value(to)? => Err(format!("{range} ends before it begins")),
            Some(_) => Ok(()),
            None => value(range).map(|_| ()),
        },
    }
}
