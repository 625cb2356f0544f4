//! Reviews: questions to the server that are answered and forgotten.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use machinery::{Cause, Object, Status};
use serde_json::{Value, json};

use crate::auth::authorize::Action;
use crate::auth::user::User;
use crate::core::Context;
use crate::http::Response;
use crate::http::query::FieldValidation;
use crate::{decode, render};

/// Carries out a POST of a kind that is not stored.
pub(crate) async fn handle(cx: &Context, body: &Bytes) -> Result<Response, Status> {
    let mut review = decode::body(cx, body, FieldValidation::Warn)?;
    match cx.resource.gvr.resource.as_str() {
        "subjectaccessreviews" => {
            let user = Arc::new(subject(&review));
            access(cx, &mut review, &user)?;
        }
        "localsubjectaccessreviews" => {
            check_namespace(cx, &review)?;
            let user = Arc::new(subject(&review));
            access(cx, &mut review, &user)?;
        }
        "selfsubjectaccessreviews" => access(cx, &mut review, &cx.user.clone())?,
        "selfsubjectrulesreviews" => rules(cx, &mut review)?,
        "selfsubjectreviews" => {
            let user = user_info(&cx.user);
            review.fields_mut().insert("status".into(), json!({"userInfo": user}));
            review.metadata_mut().insert("creationTimestamp".into(), cx.core.now_text().into());
        }
        "tokenreviews" => token(cx, &mut review).await?,
        _ => return Err(crate::http::respond::method_not_allowed()),
    }
    Ok(render::value(cx, StatusCode::CREATED, &review))
}

/// A user as reviews show it.
pub(crate) fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// The user a review is about.
fn subject(review: &Object) -> User {
    let text = |pointer: &str| review.str_at(pointer).unwrap_or_default().to_owned();
    let get = |pointer: &str| review.at(pointer).cloned().unwrap_or_default();
    User {
        name: text("/spec/user"),
        uid: text("/spec/uid"),
        groups: serde_json::from_value(get("/spec/groups")).unwrap_or_default(),
        extra: serde_json::from_value(get("/spec/extra")).unwrap_or_default(),
    }
}

fn check_namespace(cx: &Context, review: &Object) -> Result<(), Status> {
    let asked = review.str_at("/spec/resourceAttributes/namespace").unwrap_or_default();
    if asked == cx.target.namespace {
        return Ok(());
    }
    let problem = "must match metadata.namespace";
    let cause = Cause::invalid("spec.resourceAttributes.namespace", &asked.into(), problem);
    Err(cx.resource.invalid("", vec![cause]))
}

fn access(cx: &Context, review: &mut Object, user: &Arc<User>) -> Result<(), Status> {
    let resource = review.at("/spec/resourceAttributes").filter(|v| v.is_object()).cloned();
    let path = review.at("/spec/nonResourceAttributes").filter(|v| v.is_object()).cloned();
    let ((Some(attributes), None) | (None, Some(attributes))) = (&resource, &path) else {
        let problem = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let cause = Cause::invalid("spec.resourceAttributes", &Value::Null, problem);
        return Err(cx.resource.invalid("", vec![cause]));
    };
    if cx.resource.gvr.resource != "selfsubjectaccessreviews"
        && user.name.is_empty()
        && user.groups.is_empty()
    {
        let cause =
            Cause::invalid("spec.user", &"".into(), "at least one of user or group must be specified");
        return Err(cx.resource.invalid("", vec![cause]));
    }
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).unwrap_or_default();
    let action = Action {
        verb: text("verb"),
        group: text("group"),
        version: text("version"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
        path: path.is_some().then(|| text("path")),
    };
    let decision = cx.core.authorizer.decide(&cx.core, user, &action);
    let mut status = json!({"allowed": decision.allowed});
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.into();
    }
    review.fields_mut().insert("status".into(), status);
    Ok(())
}

fn rules(cx: &Context, review: &mut Object) -> Result<(), Status> {
    let namespace = review.str_at("/spec/namespace").unwrap_or_default().to_owned();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (resource_rules, path_rules) = cx.core.authorizer.rules(&cx.core, &cx.user, &namespace);
    review.fields_mut().insert(
        "status".into(),
        json!({"resourceRules": resource_rules, "nonResourceRules": path_rules, "incomplete": false}),
    );
    Ok(())
}

async fn token(cx: &Context, review: &mut Object) -> Result<(), Status> {
    let token = review.str_at("/spec/token").unwrap_or_default().to_owned();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences: Vec<String> =
        review.at("/spec/audiences").and_then(|a| serde_json::from_value(a.clone()).ok()).unwrap_or_default();
    let status = match cx.core.authenticator.tokens.user(&cx.core, &token, &audiences).await {
        Some((user, audiences)) => {
            json!({"authenticated": true, "user": user_info(&user), "audiences": audiences})
        }
        None => json!({"user": {}, "error": "invalid bearer token"}),
    };
    review.fields_mut().insert("status".into(), status);
    Ok(())
}
