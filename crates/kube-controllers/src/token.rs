//! Service account token Secrets: a Secret of type `kubernetes.io/service-account-token` that names a
//! service account gets a token, the CA and its namespace, and goes away with the account.
//!
//! ```text
//! watches  Secret, ServiceAccount
//! reads    the service account's uid
//! writes   Secret data (token, ca.crt, namespace) and the uid annotation; deletes orphaned ones
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{DeleteOptions, Patch};
use machinery::{Object, ObjectKey};
use runtime::{Change, Outcome, Queue, queue};
use serde_json::json;

use crate::{Context, core};

const TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// Ten years: these tokens last until the Secret is deleted, and that is what they are bound to.
const VALID_SECS: i64 = 10 * 365 * 24 * 3600;

/// What a token Secret needs.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Keep,
    /// A token for this account.
    Fill {
        /// Name of the service account.
        account: String,
        /// Its uid.
        uid: String,
    },
    /// The account it was made for is gone.
    Delete,
}

/// Decides what a Secret needs, given the account it names (as far as it exists).
pub fn decide(secret: &Object, account: Option<&Object>) -> Decision {
    if secret.str_at("/type") != Some(TYPE) || secret.is_deleting() {
        return Decision::Keep;
    }
    let made_for = secret.annotation(ACCOUNT_UID);
    match account {
        Some(account) if made_for.is_some_and(|uid| uid != account.uid()) => Decision::Delete,
        Some(account) => {
            let complete = ["token", "ca.crt", "namespace"]
                .iter()
                .all(|k| secret.str_at(&format!("/data/{k}")).is_some());
            if made_for.is_some() && complete {
                Decision::Keep
            } else {
                Decision::Fill { account: account.name().into(), uid: account.uid().into() }
            }
        }
        None if made_for.is_some() => Decision::Delete,
        // Written before its account: the account's creation brings us back.
        None => Decision::Keep,
    }
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<ObjectKey> = Queue::new("serviceaccount-token");
    let secrets = context.informers.get(&core("secrets"));
    let accounts = context.informers.get(&core("serviceaccounts"));
    let wake = queue.clone();
    secrets.on_change(move |change: &Change| {
        if change.object().str_at("/type") == Some(TYPE) && !change.is_deleted() {
            wake.add(change.object().key());
        }
    });
    let (wake, of_namespace) = (queue.clone(), secrets.clone());
    accounts.on_change(move |change: &Change| {
        let account = change.object();
        for secret in of_namespace.list_in(account.namespace()) {
            if secret.annotation(ACCOUNT) == Some(account.name()) {
                wake.add(secret.key());
            }
        }
    });
    if !accounts.wait_synced(&context.shutdown).await {
        return;
    }
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 2, &shutdown, move |key: ObjectKey| {
        let (context, secrets, accounts) = (context.clone(), secrets.clone(), accounts.clone());
        async move {
            let Some(secret) = secrets.get(&key) else { return Ok(Outcome::Done) };
            let name = secret.annotation(ACCOUNT).unwrap_or_default();
            let account = accounts.get(&ObjectKey::new(&key.namespace, name));
            apply(&context, &secret, &decide(&secret, account.as_deref())).await.map(|()| Outcome::Done)
        }
    })
    .await;
}

async fn apply(context: &Context, secret: &Object, decision: &Decision) -> Result<(), client::Error> {
    let client = context.informers.client();
    let secrets = client.resource(&core("secrets")).namespace(secret.namespace());
    match decision {
        Decision::Keep => Ok(()),
        Decision::Delete => {
            let only = DeleteOptions { uid: Some(secret.uid().into()), ..DeleteOptions::default() };
            secrets.delete_if_present(secret.name(), &only).await
        }
        Decision::Fill { account, uid } => {
            let mut request =
                Object::new("authentication.k8s.io/v1", "TokenRequest", secret.namespace(), account);
            let bound =
                json!({ "apiVersion": "v1", "kind": "Secret", "name": secret.name(), "uid": secret.uid() });
            request.set("/spec", json!({ "expirationSeconds": VALID_SECS, "boundObjectRef": bound }));
            let accounts = client.resource(&core("serviceaccounts")).namespace(secret.namespace());
            let issued = accounts.create_subresource(account, "token", &request).await?;
            let token = issued.str_at("/status/token").unwrap_or_default();
            let patch = json!({
                "metadata": { "resourceVersion": secret.resource_version(), "annotations": { ACCOUNT_UID: uid } },
                "data": {
                    "token": STANDARD.encode(token),
                    "ca.crt": STANDARD.encode(&context.ca_pem),
                    "namespace": STANDARD.encode(secret.namespace()),
                },
            });
            match secrets.patch(secret.name(), &Patch::Merge(&patch)).await {
                Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
                result => result.map(|_| ()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(uid: Option<&str>, filled: bool) -> Object {
        let mut secret = Object::new("v1", "Secret", "ns", "s");
        secret.set("/type", TYPE);
        secret.set_annotation(ACCOUNT, "robot");
        if let Some(uid) = uid {
            secret.set_annotation(ACCOUNT_UID, uid);
        }
        if filled {
            secret.set("/data", json!({ "token": "dA==", "ca.crt": "Yw==", "namespace": "bnM=" }));
        }
        secret
    }

    fn account(uid: &str) -> Object {
        let mut account = Object::new("v1", "ServiceAccount", "ns", "robot");
        account.set("/metadata/uid", uid);
        account
    }

    #[test]
    fn an_empty_secret_is_filled_once_its_account_exists() {
        assert_eq!(decide(&secret(None, false), None), Decision::Keep);
        let fill = Decision::Fill { account: "robot".into(), uid: "u1".into() };
        assert_eq!(decide(&secret(None, false), Some(&account("u1"))), fill);
        assert_eq!(decide(&secret(Some("u1"), true), Some(&account("u1"))), Decision::Keep);
        assert_eq!(decide(&secret(Some("u1"), false), Some(&account("u1"))), fill);
    }

    #[test]
    fn a_secret_goes_with_the_account_it_was_made_for() {
        assert_eq!(decide(&secret(Some("u1"), true), None), Decision::Delete);
        assert_eq!(decide(&secret(Some("u1"), true), Some(&account("u2"))), Decision::Delete);
    }

    #[test]
    fn other_secrets_are_none_of_our_business() {
        let mut opaque = secret(Some("u1"), true);
        opaque.set("/type", "Opaque");
        assert_eq!(decide(&opaque, None), Decision::Keep);
    }
}
