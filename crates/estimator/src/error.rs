//! What can go wrong on the way to an estimator.

use std::path::PathBuf;

/// Why a connection could not be made or a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key file cannot be read.
    #[error("could not read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the machine said.
        source: std::io::Error,
    },
    /// A certificate or key file holds something else.
    #[error("cannot use {}", path.display())]
    Material {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pki::Error,
    },
    /// A certificate file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not fit together, or the authority's certificate is not one.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The authority that clients are checked against cannot be used.
    #[error("cannot check client certificates against {}", path.display())]
    ClientAuthority {
        /// The file with its certificate.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::server::VerifierBuilderError,
    },
    /// The control plane did not say where the estimator is.
    #[error("could not look up the service {service} of the estimator")]
    Lookup {
        /// Namespace and name.
        service: String,
        /// What the API server said.
        source: client::Error,
    },
    /// The service in the control plane does not lead to an estimator.
    #[error("the service {service} of the estimator cannot be used: {reason}")]
    Service {
        /// Namespace and name.
        service: String,
        /// Why not.
        reason: String,
    },
    /// The address is none.
    #[error("cannot call an estimator at {address}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// Nobody answered there.
    #[error("could not connect to the estimator at {address}")]
    Connect {
        /// The address that was tried last.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
    /// Nobody answered there in time.
    #[error("the estimator at {address} did not answer within {secs} s")]
    Silent {
        /// The address that was tried last.
        address: String,
        /// How long it was waited for.
        secs: u64,
    },
    /// The server ended early.
    #[error("could not serve estimates")]
    Serve(#[source] tonic::transport::Error),
}
