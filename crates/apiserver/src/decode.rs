//! From a request body to an object of the resource: JSON or YAML, unknown fields by `fieldValidation`.

use bytes::Bytes;
use machinery::{Cause, Object, Reason, Status};
use schema::decode::{self, Parsed};
use serde_json::Value;

use crate::core::{Context, Warnings};
use crate::http::negotiate::content_type;
use crate::http::query::FieldValidation;
use crate::protobuf;
use crate::resource::Resource;

/// Reads the body of a create or update as an object of the context's resource.
pub(crate) fn body(cx: &Context, body: &Bytes, validation: FieldValidation) -> Result<Object, Status> {
    let parsed = parse(content_type(&cx.headers), body, &cx.resource.kind)?;
    object(&cx.resource, parsed, validation, &cx.warnings)
}

/// Parses a body by its content type. `kind` is for the error message.
pub(crate) fn parse(content_type: &str, body: &Bytes, kind: &str) -> Result<Parsed, Status> {
    let unrecognized = |problem: String| {
        let shown = match body.len() {
            0 => "<empty>".to_owned(),
            _ => String::from_utf8_lossy(&body[..body.len().min(256)]).into_owned(),
        };
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; \
             json parse error: {problem} ({shown})"
        ))
    };
    match content_type {
        "" | "application/json" | "*/*" => {
            if body.is_empty() {
                return Err(unrecognized("unexpected end of JSON input".into()));
            }
            decode::json(body).map_err(unrecognized)
        }
        "application/yaml" => decode::yaml(body).map_err(unrecognized),
        "application/vnd.kubernetes.protobuf" => {
            let value = protobuf::decode(body)
                .map_err(|error| Status::bad_request(format!("the protobuf body cannot be read: {error}")))?;
            Ok(Parsed { value, ..Parsed::default() })
        }
        _ => Err(unsupported_media_type(
            "application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// 415 with the media types that would do.
pub(crate) fn unsupported_media_type(accepted: &str) -> Status {
    Status::new(
        Reason::UnsupportedMediaType,
        format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        ),
    )
}

/// 400 for a body that is no object of the kind.
pub(crate) fn cannot_be_handled(resource: &Resource, kind: &str, version: &str, why: &str) -> Status {
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {}: {why}",
        resource.kind
    ))
}

/// Makes a parsed body an object of the resource: right kind and version, known fields only.
pub(crate) fn object(
    resource: &Resource,
    parsed: Parsed,
    validation: FieldValidation,
    warnings: &Warnings,
) -> Result<Object, Status> {
    let Parsed { value, duplicates } = parsed;
    let (object, unknown) = admitted(resource, value)?;
    complain(resource, &unknown, &duplicates, validation, warnings)?;
    Ok(object)
}

/// Makes a value an object of the resource. The paths of fields it does not know are given back.
pub(crate) fn admitted(resource: &Resource, value: Value) -> Result<(Object, Vec<String>), Status> {
    let mut object = Object::from_value(value).map_err(|_| {
        Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; \
             json parse error: the body is not an object",
            resource.kind
        ))
    })?;
    if resource.custom().is_some()
        && !object.api_version().is_empty()
        && object.api_version() != resource.api_version
    {
        return Err(Status::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({})",
            object.api_version(),
            resource.api_version
        )));
    }
    if (!object.api_version().is_empty() && object.api_version() != resource.api_version)
        || (!object.kind().is_empty() && object.kind() != resource.kind)
    {
        let version = object.gvk().version;
        let why = format!("no kind {:?} is registered for version {:?}", object.kind(), object.api_version());
        return Err(cannot_be_handled(resource, object.kind(), &version, &why));
    }
    object.fields_mut().insert("apiVersion".into(), resource.api_version.as_str().into());
    object.fields_mut().insert("kind".into(), resource.kind.as_str().into());
    object.metadata_mut();
    let unknown = admit(resource, &mut object)?;
    drop_nulls(object.metadata_mut());
    Ok((object, unknown))
}

/// Reports unknown and duplicate fields of a patch. `patched` is shown in the refusal.
pub(crate) fn complain_of_patch(
    unknown: &[String],
    duplicates: &[String],
    validation: FieldValidation,
    patched: impl FnOnce() -> String,
    warnings: &Warnings,
) -> Result<(), Status> {
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            decode::warnings(unknown, duplicates).into_iter().for_each(|text| warnings.add(text));
        }
        FieldValidation::Strict => {
            if let Some(text) = decode::strict_error(unknown, duplicates) {
                let cause = Cause::invalid("patch", &patched().into(), &text);
                return Err(Status::invalid("", "", "", vec![cause]));
            }
        }
    }
    Ok(())
}

/// Reports unknown and duplicate fields the way the client asked for.
pub(crate) fn complain(
    resource: &Resource,
    unknown: &[String],
    duplicates: &[String],
    validation: FieldValidation,
    warnings: &Warnings,
) -> Result<(), Status> {
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for text in decode::warnings(unknown, duplicates) {
                warnings.add(text);
            }
        }
        FieldValidation::Strict => {
            if let Some(text) = decode::strict_error(unknown, duplicates) {
                return Err(cannot_be_handled(resource, &resource.kind, &resource.gvr.version, &text));
            }
        }
    }
    Ok(())
}

/// Drops fields the kind does not know and gives their paths.
pub(crate) fn admit(resource: &Resource, object: &mut Object) -> Result<Vec<String>, Status> {
    if let Some(custom) = resource.custom() {
        return custom.admit(resource, object);
    }
    let Some(schema) = resource.schema() else { return Ok(Vec::new()) };
    decode::admit(object.value_mut(), schema, &resource.kind).map_err(|refusal| {
        cannot_be_handled(resource, &resource.kind, &resource.gvr.version, &refusal.to_string())
    })
}

/// `null` in metadata means absent.
pub(crate) fn drop_nulls(metadata: &mut serde_json::Map<String, Value>) {
    metadata.retain(|_, value| !value.is_null());
}
