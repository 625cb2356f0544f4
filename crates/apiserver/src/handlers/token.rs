//! `serviceaccounts/token`: short-lived tokens for a service account.

use bytes::Bytes;
use http::StatusCode;
use jiff::SignedDuration;
use machinery::{Cause, Object, Status};
use serde_json::{Value, json};

use crate::auth::tokens::{Bound, Claims, Reference};
use crate::core::Context;
use crate::decode;
use crate::http::negotiate::content_type;
use crate::http::{Response, respond};

/// Lifetime when none is asked for, in seconds.
const DEFAULT_SECS: i64 = 3600;

/// Shortest lifetime given, in seconds.
const MIN_SECS: i64 = 600;

/// Longest lifetime given, in seconds: a year.
const MAX_SECS: i64 = 365 * 24 * 3600;

/// Carries out a TokenRequest.
pub(crate) async fn request(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let (account, _) = super::load(cx).await?;
    let parsed = decode::parse(content_type(&cx.headers), body, "TokenRequest")?;
    let mut review = Object::from_value(parsed.value).map_err(|e| Status::bad_request(e.to_string()))?;
    let refuse = |field: &str| {
        Status::bad_request(format!(
            "TokenRequest in version \"v1\" cannot be handled as a TokenRequest: json: cannot unmarshal value into Go \
             struct field TokenRequestSpec.spec.{field}"
        ))
    };
    let audiences: Vec<String> = match review.at("/spec/audiences") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => {
            serde_json::from_value(value.clone()).map_err(|_| refuse("audiences of type []string"))?
        }
    };
    let audiences =
        if audiences.is_empty() { vec![cx.core.authenticator.tokens.issuer().to_owned()] } else { audiences };
    let seconds = review.i64_at("/spec/expirationSeconds").unwrap_or(DEFAULT_SECS);
    if seconds < MIN_SECS {
        let problem = "may not specify a duration less than 10 minutes";
        let cause = Cause::invalid("spec.expirationSeconds", &seconds.into(), problem);
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", "", vec![cause]));
    }
    let seconds = seconds.min(MAX_SECS);
    let now = cx.core.clock.now();
    let mut kubernetes = Bound {
        namespace: account.namespace().to_owned(),
        serviceaccount: Reference { name: account.name().to_owned(), uid: account.uid().to_owned() },
        ..Bound::default()
    };
    bind(cx, &review, &mut kubernetes).await?;
    let claims = Claims {
        aud: audiences.clone(),
        exp: now.as_second() + seconds,
        iat: now.as_second(),
        iss: cx.core.authenticator.tokens.issuer().to_owned(),
        jti: cx.core.ids.uid(),
        nbf: now.as_second(),
        sub: format!("system:serviceaccount:{}:{}", account.namespace(), account.name()),
        kubernetes,
    };
    let token = cx.core.authenticator.tokens.sign(&claims)?;
    review.fields_mut().insert("kind".into(), "TokenRequest".into());
    review.fields_mut().insert("apiVersion".into(), "authentication.k8s.io/v1".into());
    let metadata = review.metadata_mut();
    metadata.insert("name".into(), account.name().into());
    metadata.insert("namespace".into(), account.namespace().into());
    metadata.insert("creationTimestamp".into(), machinery::time::rfc3339(now).into());
    review.set("/spec/audiences", audiences);
    review.set("/spec/expirationSeconds", seconds);
    if review.at("/spec/boundObjectRef").is_none() {
        review.set("/spec/boundObjectRef", Value::Null);
    }
    let expires = machinery::time::rfc3339(now + SignedDuration::from_secs(seconds));
    review.fields_mut().insert("status".into(), json!({"token": token, "expirationTimestamp": expires}));
    Ok(respond::json(StatusCode::CREATED, review.value()))
}

/// The object whose life the token shares.
async fn bind(cx: &Context, review: &Object, bound: &mut Bound) -> Result<(), Status> {
    let Some(reference) = review.at("/spec/boundObjectRef").filter(|r| !r.is_null()) else { return Ok(()) };
    let text = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    let (plural, namespace) = match text("kind") {
        "Pod" => ("pods", bound.namespace.as_str()),
        "Secret" => ("secrets", bound.namespace.as_str()),
        "Node" => ("nodes", ""),
        other => {
            return Err(Status::bad_request(format!(
                "cannot bind token for serviceaccount to object type {other}"
            )));
        }
    };
    let gvr = machinery::GroupVersionResource::new("", "v1", plural);
    let object =
        cx.core.stored("", plural, namespace, name).await?.ok_or_else(|| Status::not_found(&gvr, name))?;
    let wanted = text("uid");
    if !wanted.is_empty() && wanted != object.uid() {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have \
             been deleted and then recreated"
        );
        return Err(Status::conflict(&gvr, name, &why));
    }
    let reference = Some(Reference { name: name.to_owned(), uid: object.uid().to_owned() });
    match plural {
        "pods" => bound.pod = reference,
        "secrets" => bound.secret = reference,
        _ => bound.node = reference,
    }
    Ok(())
}
