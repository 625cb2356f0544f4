//! The protocol between the scheduler and the accurate estimators: messages, client, server interface.
//!
//! ```text
//! control plane                                   host or member cluster
//! Estimators ── one connection per cluster ──▶ serve(listener, estimator)
//!     │           gRPC, TLS when configured          │
//!     └─ Option<i32> per cluster: no answer          └─ trait Estimator
//!        is no opinion
//! ```
//!
//! Service `github.com.karmada_io.karmada.pkg.estimator.service.Estimator`. Either side talks to upstream's
//! other side: the messages have upstream's field numbers, and quantities, node selectors and tolerations
//! travel as the Kubernetes protobuf encodings that upstream uses.
//!
//! Upstream: [`pkg/estimator`](https://github.com/karmada-io/karmada/tree/master/pkg/estimator).

pub mod pb;

mod address;
mod client;
mod connections;
mod convert;
mod error;
mod server;
mod tls;

pub use client::Answers;
pub use connections::{Estimators, Options};
pub use error::Error;
pub use server::{Estimator, serve};
pub use tls::{ClientTls, ServerTls};

/// Full name of the gRPC service.
pub const SERVICE: &str = "github.com.karmada_io.karmada.pkg.estimator.service.Estimator";

/// Name under which the scheduler tells an estimator, in the request's metadata, what it is asking for; its
/// value reads `kind=Deployment, name=default/web`.
pub const OBJECT_KEY: &str = "object";

/// The port that estimators serve on unless told otherwise.
pub const DEFAULT_PORT: u16 = 10352;

/// The methods of the service, as request paths.
mod paths {
    pub(crate) const MAX_AVAILABLE_REPLICAS: &str =
        "/github.com.karmada_io.karmada.pkg.estimator.service.Estimator/MaxAvailableReplicas";
    pub(crate) const MAX_AVAILABLE_COMPONENT_SETS: &str =
        "/github.com.karmada_io.karmada.pkg.estimator.service.Estimator/MaxAvailableComponentSets";
    pub(crate) const GET_UNSCHEDULABLE_REPLICAS: &str =
        "/github.com.karmada_io.karmada.pkg.estimator.service.Estimator/GetUnschedulableReplicas";
}

#[cfg(test)]
mod tests;
