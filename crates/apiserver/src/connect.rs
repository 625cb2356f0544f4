//! Subresources that others serve: the server authenticates and authorizes, they answer.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::auth::user::User;
use crate::http::{Body, Response};

/// A connection to an object.
#[derive(Debug)]
pub struct Connection {
    /// Who connects; already allowed to.
    pub user: Arc<User>,
    /// Namespace of the object, empty for cluster-scoped ones.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// What followed the subresource in the path, without a leading slash.
    pub path: String,
}

/// Answers connections to one subresource.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    /// Answers one request; its URI is the original one. Upgrades go through `hyper::upgrade::on`.
    async fn connect(&self, connection: Connection, request: http::Request<Body>) -> Response;
}

/// A subresource and who serves it.
#[derive(Clone)]
pub struct Connector {
    /// API group of the resource.
    pub group: String,
    /// Plural name of the resource.
    pub plural: String,
    /// The subresource, for example `proxy`.
    pub subresource: String,
    /// Who answers.
    pub handler: Arc<dyn Connect>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}/{}", self.plural, self.group, self.subresource)
    }
}
