//! Server-side apply, by the rules of the `patch` crate.

use bytes::Bytes;
use machinery::{Object, Status};
use patch::Writer;
use patch::apply::OnConflict;

use crate::core::Context;
use crate::handlers::write::{Change, Write, Written};
use crate::http::query::WriteOptions;
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
    let mut config = Object::from_value(parsed.value)
        .map_err(|_| Status::bad_request("error decoding YAML: the body is not an object"))?;
    check(cx, &config)?;
    if cx.resource.custom().is_some() {
        let unknown = decode::admit(&cx.resource, &mut config)?;
        decode::complain(&cx.resource, &unknown, &parsed.duplicates, options.field_validation, &cx.warnings)?;
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
