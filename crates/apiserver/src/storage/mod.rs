//! How objects lie in the store, and the watch cache in front of it.

pub(crate) mod cache;
pub(crate) mod codec;
pub(crate) mod hub;

use machinery::{Reason, Status};

use crate::http::respond::plain_failure;

/// Largest object stored, in bytes.
pub(crate) const OBJECT_BYTES_MAX: usize = 1_572_864;

/// Every key of the server starts with this.
pub(crate) const ROOT: &str = "/registry/";

/// The prefix of all objects of one resource.
pub(crate) fn prefix(group: &str, plural: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    format!("{ROOT}{group}/{plural}/")
}

/// The key of one object.
pub(crate) fn key(prefix: &str, namespace: &str, name: &str) -> String {
    let mut key = String::with_capacity(prefix.len() + namespace.len() + name.len() + 1);
    key.push_str(prefix);
    if !namespace.is_empty() {
        key.push_str(namespace);
        key.push('/');
    }
    key.push_str(name);
    key
}

/// What clients are told about a failure of the store.
pub(crate) fn failure(error: store::Error) -> Status {
    match error {
        store::Error::TooLarge { .. } => plain_failure("etcdserver: request is too large"),
        store::Error::Closed => Status::new(Reason::ServiceUnavailable, "the server is shutting down"),
        store::Error::Compacted { asked, oldest } => {
            Status::expired(format!("too old resource version: {asked} ({oldest})"))
        }
        error @ (store::Error::Unexpected { .. } | store::Error::Future { .. } | store::Error::Engine(_)) => {
            Status::internal(error.to_string())
        }
    }
}
