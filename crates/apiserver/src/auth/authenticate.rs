//! Who a request comes from: client certificates, tokens, a front proxy.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use machinery::{Reason, Status};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::tokens::Tokens;
use super::user::{self, AUTHENTICATED, User};
use crate::core::Core;

/// A client certificate that the TLS layer has verified, in DER.
#[derive(Debug, Clone)]
pub(crate) struct PeerCertificate(pub(crate) Arc<[u8]>);

/// Tells users from their credentials.
#[derive(Debug)]
pub(crate) struct Authenticator {
    pub(crate) tokens: Tokens,
    /// Common names whose certificates may speak for others by `X-Remote-*` headers.
    front_proxies: Vec<String>,
}

fn unauthorized() -> Status {
    Status::new(Reason::Unauthorized, "Unauthorized")
}

impl Authenticator {
    pub(crate) fn new(tokens: Tokens, front_proxies: Vec<String>) -> Self {
        Self { tokens, front_proxies }
    }

    /// The user behind a request.
    ///
    /// # Errors
    /// 401 when credentials were presented that are not valid.
    pub(crate) async fn authenticate(
        &self,
        core: &Core,
        headers: &mut HeaderMap,
        certificate: Option<&PeerCertificate>,
    ) -> Result<User, Status> {
        if let Some(certificate) = certificate {
            let user = of_certificate(&certificate.0).ok_or_else(unauthorized)?;
            if self.front_proxies.contains(&user.name)
                && let Some(remote) = of_front_proxy(headers)
            {
                return Ok(remote);
            }
            headers.remove(AUTHORIZATION);
            return Ok(user);
        }
        let bearer = headers.remove(AUTHORIZATION).and_then(|v| {
            v.to_str().ok().and_then(|v| v.strip_prefix("Bearer ").map(|t| t.trim().to_owned()))
        });
        match bearer {
            Some(token) => {
                self.tokens.user(core, &token, &[]).await.map(|(user, _)| user).ok_or_else(unauthorized)
            }
            None if core.options.anonymous => Ok(user::anonymous()),
            None => Err(unauthorized()),
        }
    }
}

/// Common name and organisations of a certificate's subject.
fn of_certificate(der: &[u8]) -> Option<User> {
    use std::fmt::Write as _;
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    groups.push(AUTHENTICATED.to_owned());
    let mut id = String::from("X509SHA256=");
    for byte in &Sha256::digest(der)[..] {
        write!(id, "{byte:02x}").expect("writing to memory does not fail");
    }
    let extra = [("authentication.kubernetes.io/credential-id".to_owned(), vec![id])].into();
    Some(User { name, uid: String::new(), groups, extra })
}

/// The user a front proxy speaks for.
fn of_front_proxy(headers: &mut HeaderMap) -> Option<User> {
    let name = headers.remove("x-remote-user")?.to_str().ok()?.to_owned();
    let mut user = User { name, ..User::default() };
    user.groups =
        headers.get_all("x-remote-group").iter().filter_map(|v| v.to_str().ok()).map(str::to_owned).collect();
    if let Some(uid) = headers.get("x-remote-uid").and_then(|v| v.to_str().ok()) {
        user.uid = uid.to_owned();
    }
    for (header, value) in headers.iter() {
        let Some(key) = header.as_str().strip_prefix("x-remote-extra-") else { continue };
        let Ok(value) = value.to_str() else { continue };
        let key = crate::http::query::decode(key, false);
        user.extra.entry(key).or_default().push(value.to_owned());
    }
    Some(user)
}
