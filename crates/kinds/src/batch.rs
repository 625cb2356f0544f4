//! Jobs and cron jobs.

use machinery::{Cause, Object};
use serde_json::{Value, json};

use crate::apps::{selector_cell, template_cells};
use crate::checks::{changed_outside, immutable, label_selector, non_negative, one_of, required};
use crate::fields::{Fill, Map, Read};
use crate::pod_spec::{container_images, container_names, default, validate};
use crate::rules::keep_status;
use crate::tables::{
    AGE, CONTAINERS, IMAGES, NAME, NONE, SELECTOR, age, column, condition, or, seconds, since, text,
};
use crate::{Column, Rules};

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Longest name of a cron job: its jobs get eleven more characters.
const CRON_JOB_NAME_LEN_MAX: usize = 52;

pub(crate) static JOB: Rules = Rules {
    default: |job| {
        if let Some(spec) = job.fields_mut().map_mut("spec") {
            default_job_spec(spec);
        }
        labels_from_template(job);
    },
    prepare_create: |job| {
        job.set("/status", json!({}));
        if !job.value().child(&["spec"]).flag("manualSelector") {
            generate_selector(job);
        }
        labels_from_template(job);
    },
    prepare_update: keep_status,
    validate_create: |job| {
        let mut causes = Vec::new();
        let spec = job.value().child(&["spec"]);
        validate_selector(&mut causes, job, spec);
        validate_job_spec(&mut causes, "spec", spec);
        causes
    },
    validate_update: validate_job_update,
    field: |job, label| {
        (label == "status.successful")
            .then(|| job.value().child(&["status"]).int("succeeded").unwrap_or(0).to_string())
    },
    field_labels: &["status.successful"],
    columns: || JOB_COLUMNS,
    cells: job_cells,
    ..Rules::PLAIN
};

fn default_job_spec(spec: &mut Map) {
    if !spec.has("completions") && !spec.has("parallelism") {
        spec.insert("completions".into(), 1.into());
    }
    spec.fill("parallelism", 1);
    spec.fill("backoffLimit", backoff_limit(spec));
    spec.fill_text("completionMode", "NonIndexed");
    spec.fill("suspend", false);
    spec.fill("manualSelector", false);
    let replacement = if spec.has("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    spec.fill("podReplacementPolicy", replacement);
    if let Some(policy) = spec.map_mut("podFailurePolicy") {
        for rule in policy.maps_mut("rules") {
            for pattern in rule.maps_mut("onPodConditions") {
                pattern.fill_text("status", "True");
            }
        }
    }
    default::template(spec, "template");
}

/// With a limit per index there is none for the whole job.
fn backoff_limit(spec: &Map) -> i64 {
    if spec.has("backoffLimitPerIndex") { i64::from(i32::MAX) } else { 6 }
}

fn labels_from_template(job: &mut Object) {
    let labels = job.value().child(&["spec", "template", "metadata", "labels"]).clone();
    if labels.as_object().is_some_and(|l| !l.is_empty()) && job.labels().next().is_none() {
        job.set("/metadata/labels", labels);
    }
}

/// Makes the selector of the uid, so that no two jobs share pods.
fn generate_selector(job: &mut Object) {
    let (uid, name) = (job.uid().to_owned(), job.name().to_owned());
    for (key, value) in
        [("controller-uid", &uid), ("job-name", &name), (CONTROLLER_UID, &uid), (JOB_NAME, &name)]
    {
        let key = key.replace('/', "~1");
        job.set(&format!("/spec/template/metadata/labels/{key}"), value.as_str());
    }
    let key = CONTROLLER_UID.replace('/', "~1");
    job.set(&format!("/spec/selector/matchLabels/{key}"), uid);
}

fn validate_selector(causes: &mut Vec<Cause>, job: &Object, spec: &Value) {
    let selector = spec.child(&["selector"]);
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
        return;
    }
    label_selector(causes, "spec.selector", selector);
    crate::apps::check_template_labels(causes, spec, selector);
    let own = selector.child(&["matchLabels", CONTROLLER_UID]);
    if !spec.flag("manualSelector") && own != job.uid() {
        let detail = "`selector` not auto-generated";
        causes.push(Cause::invalid("spec.selector", selector, detail));
    }
}

fn validate_job_spec(causes: &mut Vec<Cause>, at: &str, spec: &Value) {
    for field in
        ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"]
    {
        non_negative(causes, &format!("{at}.{field}"), spec.int(field));
    }
    let mode = spec.text("completionMode");
    one_of(causes, &format!("{at}.completionMode"), mode, &["NonIndexed", "Indexed"]);
    if mode == "Indexed" && !spec.has("completions") {
        let detail = "when completion mode is Indexed";
        causes.push(Cause::required(format!("{at}.completions"), detail));
    }
    validate::pod_template(causes, &format!("{at}.template"), spec.child(&["template"]));
    let field = format!("{at}.template.spec.restartPolicy");
    let policy = spec.child(&["template", "spec", "restartPolicy"]).as_str().unwrap_or_default();
    match policy {
        "OnFailure" | "Never" => {}
        "Always" => causes.push(Cause::required(field, "valid values: \"OnFailure\", \"Never\"")),
        other => causes.push(Cause::not_supported(field, &other.into(), &["OnFailure", "Never"])),
    }
}

fn validate_job_update(new: &Object, old: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (spec, before) = (new.value().child(&["spec"]), old.value().child(&["spec"]));
    validate_job_spec(&mut causes, "spec", spec);
    let elastic = spec.text("completionMode") == "Indexed"
        && spec.get_or_null("completions") == spec.get_or_null("parallelism");
    let mut fixed =
        vec!["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"];
    if !elastic {
        fixed.insert(0, "completions");
    }
    for field in fixed {
        let at = format!("spec.{field}");
        immutable(&mut causes, &at, spec.get_or_null(field), before.get_or_null(field));
    }
    template_stays(&mut causes, new, old);
    causes
}

/// The template is fixed; until a suspended job has first run, where its pods go may change.
fn template_stays(causes: &mut Vec<Cause>, new: &Object, old: &Object) {
    let (template, before) =
        (new.value().child(&["spec", "template"]), old.value().child(&["spec", "template"]));
    let not_started =
        old.value().child(&["spec"]).flag("suspend") && old.value().child(&["status", "startTime"]).is_null();
    let same = if not_started {
        let free = ["nodeSelector", "affinity", "tolerations", "schedulingGates"];
        !changed_outside(template.child(&["spec"]), before.child(&["spec"]), &free)
    } else {
        template == before
    };
    if !same {
        causes.push(Cause::invalid("spec.template", template, crate::checks::IMMUTABLE));
    }
}

const JOB_COLUMNS: &[Column] = &[
    NAME,
    text("Status", "How far the job is."),
    text("Completions", "Successful pods of the pods wanted."),
    text("Duration", "How long the job has run, or ran."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn job_cells(job: &Object, now: i64) -> Vec<Value> {
    let (spec, status) = (job.value().child(&["spec"]), job.value().child(&["status"]));
    let succeeded = status.int("succeeded").unwrap_or(0);
    let completions = match (spec.int("completions"), spec.int("parallelism").unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    };
    let duration = match (seconds(status.text("startTime")), seconds(status.text("completionTime"))) {
        (None, _) => String::new(),
        (Some(start), end) => machinery::time::human_duration(end.unwrap_or(now) - start),
    };
    let mut cells =
        vec![job.name().into(), job_status(job).into(), completions.into(), duration.into(), age(job, now)];
    cells.extend(template_cells(job));
    cells.push(selector_cell(job));
    cells
}

fn job_status(job: &Object) -> &'static str {
    let holds = |ty| condition(job.value(), ty).is_some_and(|c| c.text("status") == "True");
    for (ty, shown) in [("Complete", "Complete"), ("Failed", "Failed")] {
        if holds(ty) {
            return shown;
        }
    }
    if job.is_deleting() {
        return "Terminating";
    }
    for ty in ["Suspended", "FailureTarget", "SuccessCriteriaMet"] {
        if holds(ty) {
            return ty;
        }
    }
    // Before any controller has looked, the spec tells.
    if job.value().child(&["spec"]).flag("suspend") { "Suspended" } else { "Running" }
}

pub(crate) static CRON_JOB: Rules = Rules {
    name: |name| {
        let mut wrong = machinery::names::dns_subdomain(name);
        if name.len() > CRON_JOB_NAME_LEN_MAX {
            wrong.push(format!("must be no more than {CRON_JOB_NAME_LEN_MAX} characters"));
        }
        wrong
    },
    default: |cron| {
        let Some(spec) = cron.fields_mut().map_mut("spec") else { return };
        spec.fill_text("concurrencyPolicy", "Allow");
        spec.fill("suspend", false);
        spec.fill("successfulJobsHistoryLimit", 3);
        spec.fill("failedJobsHistoryLimit", 1);
        if let Some(template) = spec.map_mut("jobTemplate") {
            template.fill("metadata", json!({}));
            if let Some(job) = template.map_mut("spec") {
                default::template(job, "template");
                if let Some(pods) = job.map_mut("template") {
                    pods.fill("metadata", json!({}));
                }
            }
        }
    },
    prepare_create: |cron| cron.set("/status", json!({})),
    prepare_update: keep_status,
    validate_create: validate_cron_job,
    validate_update: |new, _| validate_cron_job(new),
    columns: || CRON_JOB_COLUMNS,
    cells: cron_job_cells,
    ..Rules::PLAIN
};

fn validate_cron_job(cron: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = cron.value().child(&["spec"]);
    let schedule = spec.text("schedule");
    required(&mut causes, "spec.schedule", schedule);
    if !schedule.is_empty()
        && let Err(wrong) = check_schedule(schedule)
    {
        causes.push(Cause::invalid("spec.schedule", &schedule.into(), &wrong));
    }
    if spec.has("timeZone") && spec.text("timeZone").is_empty() {
        let detail = "timeZone must be nil or non-empty string";
        causes.push(Cause::invalid("spec.timeZone", &"".into(), detail));
    }
    non_negative(&mut causes, "spec.startingDeadlineSeconds", spec.int("startingDeadlineSeconds"));
    let policies = &["Allow", "Forbid", "Replace"];
    one_of(&mut causes, "spec.concurrencyPolicy", spec.text("concurrencyPolicy"), policies);
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        non_negative(&mut causes, &format!("spec.{field}"), spec.int(field));
    }
    let job = spec.child(&["jobTemplate", "spec"]);
    if job.flag("manualSelector") {
        let supported = &["nil", "false"];
        causes.push(Cause::not_supported("spec.jobTemplate.spec.manualSelector", &true.into(), supported));
    }
    validate_job_spec(&mut causes, "spec.jobTemplate.spec", job);
    causes
}

/// The five fields of a schedule, or one of the named ones. Values are checked for their range only.
fn check_schedule(schedule: &str) -> Result<(), String> {
    const NAMED: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    if NAMED.contains(&schedule) || schedule.starts_with("@every ") {
        return Ok(());
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!("expected exactly 5 fields, found {}: {fields:?}", fields.len()));
    }
    for (field, (min, max)) in fields.iter().zip([(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]) {
        for part in field.split(',') {
            check_part(part, min, max)?;
        }
    }
    Ok(())
}

fn check_part(part: &str, min: u32, max: u32) -> Result<(), String> {
    let (range, step) = part.split_once('/').unwrap_or((part, "1"));
    if step.parse::<u32>().map_or(true, |n| n == 0) {
        return Err(format!("failed to parse int from {step}"));
    }
    if matches!(range, "*" | "?") {
        return Ok(());
    }
    for text in range.split('-') {
        match text.parse::<u32>() {
            Ok(n) if (min..=max).contains(&n) => {}
            Ok(n) if n < min => {
                return Err(format!("beginning of range ({n}) below minimum ({min}): {part}"));
            }
            Ok(n) => return Err(format!("end of range ({n}) above maximum ({max}): {part}")),
            // Months and days may go by name.
            Err(_) if max <= 12 && text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic()) => {}
            Err(_) => return Err(format!("failed to parse int from {text}")),
        }
    }
    Ok(())
}

const CRON_JOB_COLUMNS: &[Column] = &[
    NAME,
    text("Schedule", "When jobs start, in cron's notation."),
    text("Timezone", "Time zone of the schedule."),
    column("Suspend", "boolean", "Whether no jobs are started."),
    column("Active", "integer", "Jobs that run now."),
    text("Last Schedule", "Time since a job was started last."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn cron_job_cells(cron: &Object, now: i64) -> Vec<Value> {
    let (spec, status) = (cron.value().child(&["spec"]), cron.value().child(&["status"]));
    let last = match status.text("lastScheduleTime") {
        "" => NONE.to_owned(),
        time => since(time, now),
    };
    let suspended = if spec.flag("suspend") { "True" } else { "False" };
    let job = spec.child(&["jobTemplate", "spec"]);
    let pods = job.child(&["template", "spec"]);
    let selector = crate::checks::selector_text(job.child(&["selector"]));
    vec![
        cron.name().into(),
        spec.text("schedule").into(),
        or(spec.text("timeZone"), NONE).into(),
        suspended.into(),
        status.list("active").len().into(),
        last.into(),
        age(cron, now),
        container_names(pods).into(),
        container_images(pods).into(),
        or(&selector, NONE).into(),
    ]
}
