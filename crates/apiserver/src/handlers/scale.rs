//! The scale subresource: how many replicas a workload wants and has, whatever its kind.

use bytes::Bytes;
use http::StatusCode;
use machinery::{Cause, Object, Status};
use schema::decode::Parsed;
use serde_json::Value;

use super::patch;
use super::write::{Change, Write, Written};
use crate::core::Context;
use crate::http::Response;
use crate::http::negotiate::content_type;
use crate::http::query::WriteOptions;
use crate::http::respond;
use crate::{decode, render};

/// Where a kind keeps its replicas, as JSON pointers.
struct Paths {
    spec: String,
    status: String,
    selector: Option<String>,
    /// The path as the definition writes it.
    shown: String,
}

fn paths(cx: &Context) -> Paths {
    let pointer = |path: &str| path.replace('.', "/");
    match cx.resource.custom().and_then(|c| c.scale.as_ref()) {
        Some(scale) => Paths {
            spec: pointer(&scale.spec),
            status: pointer(&scale.status),
            selector: scale.selector.as_deref().map(pointer),
            shown: scale.spec.clone(),
        },
        None => Paths {
            spec: "/spec/replicas".into(),
            status: "/status/replicas".into(),
            selector: None,
            shown: ".spec.replicas".into(),
        },
    }
}

/// The `Scale` of an object.
fn scale_of(cx: &Context, object: &Object) -> Result<Object, Status> {
    let paths = paths(cx);
    let replicas = match object.i64_at(&paths.spec) {
        Some(replicas) => replicas,
        None if cx.resource.custom().is_some() => {
            return Err(Status::internal(format!(
                "the spec replicas field {:?} does not exist",
                paths.shown
            )));
        }
        None => 0,
    };
    if cx.resource.custom().is_none() {
        return Ok(kinds::scale::of_workload(object));
    }
    let selector = paths.selector.as_deref().and_then(|path| object.str_at(path)).unwrap_or_default();
    let current = object.i64_at(&paths.status).unwrap_or(0);
    Ok(kinds::scale::build(object, replicas, current, selector))
}

/// GET of a scale.
pub(crate) async fn get(cx: &Context) -> Result<Response, Status> {
    let (object, _) = super::load(cx).await?;
    Ok(render::value(cx, StatusCode::OK, &scale_of(cx, &object)?))
}

/// PUT of a scale.
pub(crate) async fn update(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let options = WriteOptions::parse(&cx.query, "UpdateOptions", cx.user_agent(), false)?;
    let sent = decode::parse(content_type(&cx.headers), body, "Scale")?;
    let sent = Object::from_value(sent.value).map_err(|e| Status::bad_request(e.to_string()))?;
    if !sent.name().is_empty() && sent.name() != cx.target.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            sent.name(),
            cx.target.name
        )));
    }
    let wanted = |_: &Object| Ok(sent.clone());
    run(cx, &options, &wanted).await
}

/// PATCH of a scale.
pub(crate) async fn patch(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let media_type = content_type(&cx.headers);
    let is_apply = media_type == "application/apply-patch+yaml";
    let options = WriteOptions::parse(&cx.query, "PatchOptions", cx.user_agent(), is_apply)?;
    let read = if is_apply {
        // A scale has one field to apply; merging it is the same.
        let Parsed { value, .. } = decode::parse("application/yaml", body, "Scale")?;
        patch::Patch::Merge(value)
    } else {
        let json_type = media_type.replace("strategic-merge", "merge");
        patch::read(cx, &json_type, body)?.0
    };
    let wanted = |scale: &Object| {
        let value = read.apply(cx, scale.value())?;
        let mut new = Object::from_value(value).map_err(|e| Status::bad_request(e.to_string()))?;
        if new.resource_version() == scale.resource_version() {
            new.metadata_mut().remove("resourceVersion");
        }
        Ok(new)
    };
    run(cx, &options, &wanted).await
}

struct ScaleChange<'a, F> {
    cx: &'a Context,
    wanted: F,
}

impl<F: Fn(&Object) -> Result<Object, Status> + Send + Sync> Change for ScaleChange<'_, F> {
    fn apply(&self, old: &Object) -> Result<Object, Status> {
        let scale = (self.wanted)(&scale_of(self.cx, old)?)?;
        let replicas = kinds::scale::replicas(&scale);
        let causes = kinds::scale::validate(&scale);
        let mut new = old.clone();
        new.set(&paths(self.cx).spec, replicas);
        if !causes.is_empty() {
            return Err(self.refusal(&new, replicas, causes));
        }
        match scale.resource_version() {
            "" => new.metadata_mut().remove("resourceVersion"),
            version => new.metadata_mut().insert("resourceVersion".into(), Value::from(version)),
        };
        Ok(new)
    }
}

impl<F> ScaleChange<'_, F> {
    /// Custom resources complain about the field that the replicas are kept in.
    fn refusal(&self, new: &Object, replicas: i64, causes: Vec<Cause>) -> Status {
        let name = &self.cx.target.name;
        let Some(custom) = self.cx.resource.custom() else {
            return Status::invalid("autoscaling", "Scale", name, causes);
        };
        let mut causes = custom.validate(new, None);
        let detail = "should be a non-negative integer";
        causes.push(Cause::invalid(paths(self.cx).shown, &replicas.into(), detail));
        self.cx.resource.invalid(name, causes)
    }
}

async fn run<F>(cx: &Context, options: &WriteOptions, wanted: F) -> Result<Response, Status>
where
    F: Fn(&Object) -> Result<Object, Status> + Send + Sync,
{
    let change = ScaleChange { cx, wanted };
    let Written { bytes, revision, .. } = Write::of(cx, options).update(&change).await?;
    let object = cx.resource.read(&bytes, revision.unwrap_or_default())?;
    let scale = scale_of(cx, &object)?;
    Ok(respond::json(StatusCode::OK, scale.value()))
}
