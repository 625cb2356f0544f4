//! Server-side apply, by the rules of the `patch` crate.

use bytes::Bytes;
use machinery::{Object, Status};
use patch::Writer;
use patch::apply::OnConflict;

use crate::core::Context;
use crate::handlers::write::{Change, Write, Written};
use crate::http::query::{FieldValidation, WriteOptions};
use crate::{decode, fields, meta};

struct Apply<'a> {
    cx: &'a Context,
    config: Object,
    options: &'a WriteOptions,
}

impl Apply<'_> {
    fn merged(&self, live: Option<&Object>) -> Result<Object, Status> {
        let resource = &self.cx.resource;
        let writer = Writer {
            manager: &self.options.field_manager,
            subresource: &self.cx.target.subresource,
            api_version: &resource.api_version,
            now: self.cx.core.clock.now(),
        };
        let on_conflict = if self.options.force { OnConflict::TakeOver } else { OnConflict::Fail };
        let reset = fields::reset(resource, &self.cx.target.subresource);
        patch::apply::apply(live, &self.config, &writer, on_conflict, fields::schema_of(resource), &reset)
            .map_err(|error| error.status())
    }
}

impl Change for Apply<'_> {
    fn apply(&self, old: &Object) -> Result<Object, Status> {
        let mut new = self.merged(Some(old))?;
        if self.config.resource_version().is_empty() {
            new.metadata_mut().remove("resourceVersion");
        }
        Ok(new)
    }

    fn tracks_fields(&self) -> bool {
        true
    }
}

/// Carries out a server-side apply: merges into what is there, or creates.
pub(crate) async fn run(cx: &Context, body: &Bytes, options: &WriteOptions) -> Result<Written, Status> {
    let parsed = schema::decode::yaml(body)
        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
    complain_of_duplicates(cx, body, &parsed.duplicates, options)?;
    let mut config = Object::from_value(parsed.value)
        .map_err(|_| Status::bad_request("error decoding YAML: the body is not an object"))?;
    check(cx, &config)?;
    if cx.resource.custom().is_some() {
        let unknown = decode::admit(&cx.resource, &mut config)?;
        decode::complain(&cx.resource, &unknown, &[], options.field_validation, &cx.warnings)?;
    }
    // The namespace is only checked: what the configuration leaves out stays out of it.
    meta::settle_namespace(&cx.resource, cx.namespace(), &mut config.clone())?;
    meta::settle_name(&cx.target.name, &mut config)?;
    let apply = Apply { cx, config, options };
    let write = Write::of(cx, options);
    match write.update(&apply).await {
        Err(status) if status.is_not_found() && cx.target.subresource.is_empty() => {
            if !apply.config.uid().is_empty() {
                let cause = machinery::Cause::invalid(
                    "metadata.uid",
                    &apply.config.uid().into(),
                    "field is immutable",
                );
                return Err(cx.resource.invalid(&cx.target.name, vec![cause]));
            }
            write.create(apply.merged(None)?).await
        }
        result => result,
    }
}

/// Keys that a YAML body has twice, told the way Go's YAML parser does.
fn complain_of_duplicates(
    cx: &Context,
    body: &Bytes,
    duplicates: &[String],
    options: &WriteOptions,
) -> Result<(), Status> {
    if duplicates.is_empty() || options.field_validation == FieldValidation::Ignore {
        return Ok(());
    }
    let text = String::from_utf8_lossy(body);
    let told = duplicates.iter().map(|path| {
        let key = path.rsplit('.').next().unwrap_or(path);
        format!("\n  line {}: key {key:?} already set in map", second_line_of(&text, key))
    });
    let text = format!(
        "error converting YAML to JSON: yaml: unmarshal errors:{}",
        told.collect::<Vec<_>>().concat()
    );
    if options.field_validation == FieldValidation::Strict {
        return Err(Status::bad_request(format!("error strict decoding YAML: {text}")));
    }
    cx.warnings.add(text);
    Ok(())
}

/// The line on which a key is written for the second time, as far as a look at the text can tell.
fn second_line_of(text: &str, key: &str) -> usize {
    let is_key = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        let rest = line.strip_prefix(key).or_else(|| line.strip_prefix(&format!("{key:?}")));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| is_key(line));
    lines.nth(1).map_or(1, |(at, _)| at + 1)
}

fn check(cx: &Context, config: &Object) -> Result<(), Status> {
    if config.api_version().is_empty() || config.kind().is_empty() {
        let group = config.gvk();
        return Err(Status::bad_request(format!(
            "invalid object type: {}/{}, Kind={}",
            group.group, group.version, group.kind
        )));
    }
    if config.api_version() != cx.resource.api_version || config.kind() != cx.resource.kind {
        return Err(Status::bad_request(format!(
            "the object provided ({}, Kind={}) does not match the expected {}, Kind={}",
            config.api_version(),
            config.kind(),
            cx.resource.api_version,
            cx.resource.kind
        )));
    }
    Ok(())
}
