//! The identity behind a request.

pub use authorization::User;

/// The group whose members may do everything.
pub(crate) const MASTERS: &str = authorization::SUPERUSERS;
/// The group of everybody who proved an identity.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody else.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The name of everybody else.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// A user who proved an identity: in the groups given and in `system:authenticated`.
pub fn authenticated(name: &str, groups: &[&str]) -> User {
    let mut user = User::new(name, groups);
    user.groups.push(AUTHENTICATED.to_owned());
    user
}

/// A user who may do everything.
pub fn superuser(name: &str) -> User {
    authenticated(name, &[MASTERS])
}

/// Somebody who presented no credentials.
pub(crate) fn anonymous() -> User {
    User::new(ANONYMOUS, &[UNAUTHENTICATED])
}

/// A service account.
pub fn service_account(namespace: &str, name: &str, uid: &str) -> User {
    let mut user = authenticated(
        &format!("system:serviceaccount:{namespace}:{name}"),
        &["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}")],
    );
    user.uid = uid.to_owned();
    user
}

/// Whether a user is in a group.
pub(crate) fn is_in(user: &User, group: &str) -> bool {
    user.groups.iter().any(|g| g == group)
}
