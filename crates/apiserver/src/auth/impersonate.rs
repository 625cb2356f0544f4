//! Impersonation: acting as somebody else, when allowed to.

use std::sync::Arc;

use http::HeaderMap;
use machinery::Status;

use super::authorize::Action;
use super::user::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User, is_in};
use crate::core::Core;
use crate::http::query::decode;

/// The user to act as: the caller, or whom the `Impersonate-*` headers name.
pub(crate) fn impersonate(
    core: &Core,
    caller: Arc<User>,
    headers: &mut HeaderMap,
) -> Result<Arc<User>, Status> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let mut wanted = User { name: text("impersonate-user"), uid: text("impersonate-uid"), ..User::default() };
    wanted.groups = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .map(str::to_owned)
        .collect();
    for (header, value) in headers.iter() {
        if let (Some(key), Ok(value)) = (header.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            wanted.extra.entry(decode(key, false)).or_default().push(value.to_owned());
        }
    }
    let asks_more = !wanted.groups.is_empty() || !wanted.uid.is_empty() || !wanted.extra.is_empty();
    if wanted.name.is_empty() {
        return if asks_more {
            Err(Status::bad_request(format!(
                "groups {:?}, uid {:?} and extra fields are impersonated without impersonating a user name",
                wanted.groups, wanted.uid
            )))
        } else {
            Ok(caller)
        };
    }
    allowed(core, &caller, &wanted)?;
    complete(&mut wanted);
    let names: Vec<http::HeaderName> =
        headers.keys().filter(|h| h.as_str().starts_with("impersonate-")).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    Ok(Arc::new(wanted))
}

fn account(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("system:serviceaccount:")?.split_once(':')
}

fn allowed(core: &Core, caller: &Arc<User>, wanted: &User) -> Result<(), Status> {
    let ask = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
        let action = Action {
            verb: "impersonate",
            group,
            version: "v1",
            resource,
            subresource,
            namespace,
            name,
            path: None,
        };
        core.authorizer.require(core, caller, &action)
    };
    match account(&wanted.name) {
        Some((namespace, name)) => ask("", "serviceaccounts", "", namespace, name)?,
        None => ask("", "users", "", "", &wanted.name)?,
    }
    for group in &wanted.groups {
        ask("", "groups", "", "", group)?;
    }
    if !wanted.uid.is_empty() {
        ask("authentication.k8s.io", "uids", "", "", &wanted.uid)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            ask("authentication.k8s.io", "userextras", key, "", value)?;
        }
    }
    Ok(())
}

/// The groups everybody of that name has.
fn complete(user: &mut User) {
    if user.name == ANONYMOUS {
        if !is_in(user, UNAUTHENTICATED) {
            user.groups.push(UNAUTHENTICATED.to_owned());
        }
        return;
    }
    if user.groups.is_empty()
        && let Some((namespace, _)) = account(&user.name)
    {
        user.groups =
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    if !is_in(user, AUTHENTICATED) && !is_in(user, UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
}
