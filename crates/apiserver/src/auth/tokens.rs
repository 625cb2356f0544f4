//! Bearer tokens: of service accounts, bootstrap tokens, and a fixed list.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use machinery::{Object, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::user::{self, User};
use crate::core::Core;

/// The keys tokens are signed and checked with.
pub(crate) struct Tokens {
    issuer: String,
    key_id: Option<String>,
    encoding: Option<EncodingKey>,
    decoding: Option<DecodingKey>,
    fixed: BTreeMap<String, User>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Tokens and keys stay out of logs.
        f.debug_struct("Tokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a service account's token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: Vec<String>,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) iss: String,
    pub(crate) jti: String,
    pub(crate) nbf: i64,
    pub(crate) sub: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Bound,
}

/// Whom a token belongs to and what it lives with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) namespace: String,
    pub(crate) serviceaccount: Reference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Reference>,
}

/// Name and uid of an object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) uid: String,
}

#[derive(Debug, Deserialize)]
struct LegacyClaims {
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    namespace: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.name")]
    name: String,
    #[serde(rename = "kubernetes.io/serviceaccount/service-account.uid")]
    uid: String,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    secret: String,
}

/// How long after the deletion of its account a token still counts, in seconds.
const DELETED_GRACE_SECS: i64 = 60;

impl Tokens {
    /// Keys from PEM: a private EC (P-256) key to sign with (and its id) and its public key to check with.
    ///
    /// # Errors
    /// A sentence when a key cannot be read.
    pub(crate) fn new(
        issuer: &str,
        private: Option<(&str, &str)>,
        public_pem: Option<&str>,
        fixed: BTreeMap<String, User>,
    ) -> Result<Self, String> {
        let key_id = private.map(|(_, id)| id.to_owned());
        let encoding = private
            .map(|(pem, _)| EncodingKey::from_ec_pem(pem.as_bytes()))
            .transpose()
            .map_err(|e| format!("the service account key cannot be read: {e}"))?;
        let decoding = public_pem
            .map(|pem| DecodingKey::from_ec_pem(pem.as_bytes()))
            .transpose()
            .map_err(|e| format!("the service account public key cannot be read: {e}"))?;
        Ok(Self { issuer: issuer.to_owned(), key_id, encoding, decoding, fixed })
    }

    /// Issuer and default audience.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs a service account's token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Status> {
        let Some(key) = &self.encoding else {
            return Err(Status::internal("no service account signing key is configured"));
        };
        let header = Header { kid: self.key_id.clone(), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, key)
            .map_err(|error| Status::internal(format!("could not sign the token: {error}")))
    }

    /// The user of a token and the audiences it is for; nothing when it is not valid. Without
    /// audiences the server's own is required.
    pub(crate) async fn user(
        &self,
        core: &Core,
        token: &str,
        audiences: &[String],
    ) -> Option<(User, Vec<String>)> {
        let own = vec![self.issuer.clone()];
        if let Some(user) = self.fixed.get(token) {
            return Some((user.clone(), own));
        }
        if let Some((id, secret)) = bootstrap_parts(token) {
            return bootstrap(core, id, secret).await.map(|user| (user, own));
        }
        let key = self.decoding.as_ref()?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_aud = false;
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Value>(token, key, &validation).ok()?.claims;
        if claims.get("iss")?.as_str()? == "kubernetes/serviceaccount" {
            let claims = serde_json::from_value(claims).ok()?;
            return legacy(core, &claims, token).await.map(|user| (user, own));
        }
        let claims: Claims = serde_json::from_value(claims).ok()?;
        let now = core.clock.now().as_second();
        if claims.iss != self.issuer || now >= claims.exp || now < claims.nbf {
            return None;
        }
        let wanted = if audiences.is_empty() { &own } else { audiences };
        let common: Vec<String> = wanted.iter().filter(|a| claims.aud.contains(a)).cloned().collect();
        if common.is_empty() {
            return None;
        }
        bound(core, &claims).await.map(|user| (user, common))
    }
}

async fn living(core: &Core, plural: &str, namespace: &str, wanted: &Reference) -> Option<Object> {
    let object = match core.cached("", plural, namespace, &wanted.name) {
        Some(object) => object,
        None => core.stored("", plural, namespace, &wanted.name).await.ok()??,
    };
    let gone = object
        .deletion_timestamp()
        .and_then(machinery::time::parse_rfc3339)
        .is_some_and(|at| at.as_second() + DELETED_GRACE_SECS < core.clock.now().as_second());
    (object.uid() == wanted.uid && !gone).then_some(object)
}

async fn bound(core: &Core, claims: &Claims) -> Option<User> {
    let Bound { namespace, serviceaccount, pod, secret, node } = &claims.kubernetes;
    living(core, "serviceaccounts", namespace, serviceaccount).await?;
    let mut user = user::service_account(namespace, &serviceaccount.name, &serviceaccount.uid);
    let mut extra = |key: &str, value: String| {
        user.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
    };
    extra("credential-id", format!("JTI={}", claims.jti));
    if let Some(secret) = secret {
        living(core, "secrets", namespace, secret).await?;
    }
    if let Some(pod) = pod {
        living(core, "pods", namespace, pod).await?;
        extra("pod-name", pod.name.clone());
        extra("pod-uid", pod.uid.clone());
    }
    if let Some(node) = node {
        extra("node-name", node.name.clone());
        extra("node-uid", node.uid.clone());
    }
    Some(user)
}

/// A token out of a Secret is good as long as the Secret has it.
async fn legacy(core: &Core, claims: &LegacyClaims, token: &str) -> Option<User> {
    let account = Reference { name: claims.name.clone(), uid: claims.uid.clone() };
    living(core, "serviceaccounts", &claims.namespace, &account).await?;
    let secret = match core.cached("", "secrets", &claims.namespace, &claims.secret) {
        Some(secret) => secret,
        None => core.stored("", "secrets", &claims.namespace, &claims.secret).await.ok()??,
    };
    let stored = data(&secret, "token")?;
    (stored == token && !secret.is_deleting())
        .then(|| user::service_account(&claims.namespace, &claims.name, &claims.uid))
}

fn data(secret: &Object, key: &str) -> Option<String> {
    let encoded = secret.at("/data")?.get(key)?.as_str()?;
    String::from_utf8(BASE64.decode(encoded).ok()?).ok()
}

/// Takes `abcdef.0123456789abcdef` apart.
fn bootstrap_parts(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let fits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    (id.len() == 6 && secret.len() == 16 && fits(id) && fits(secret)).then_some((id, secret))
}

async fn bootstrap(core: &Core, id: &str, given: &str) -> Option<User> {
    let secret = core.stored("", "secrets", "kube-system", &format!("bootstrap-token-{id}")).await.ok()??;
    let text = |key: &str| data(&secret, key).unwrap_or_default();
    let expires = text("expiration");
    let expired = machinery::time::parse_rfc3339(&expires).is_some_and(|at| at < core.clock.now());
    let valid = secret.str_at("/type") == Some("bootstrap.kubernetes.io/token")
        && text("token-id") == id
        && text("token-secret") == given
        && text("usage-bootstrap-authentication") == "true"
        && !secret.is_deleting()
        && (expires.is_empty() || machinery::time::parse_rfc3339(&expires).is_some())
        && !expired;
    if !valid {
        return None;
    }
    let mut user = user::authenticated(&format!("system:bootstrap:{id}"), &["system:bootstrappers"]);
    let more = text("auth-extra-groups");
    user.groups.extend(
        more.split(',').map(str::trim).filter(|g| g.starts_with("system:bootstrappers:")).map(str::to_owned),
    );
    Some(user)
}
