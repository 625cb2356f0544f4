//! Certificates and kubeconfigs of a control plane.
//!
//! An [`Authority`] is one CA in a directory; it issues certificates for servers and clients, renews
//! them when asked again late in their life, and signs requests. [`TokenKey`] signs service-account
//! tokens. [`kubeconfig`] writes how to reach a server as whom.
//!
//! Keys are ECDSA P-256. Files are readable by their owner only and replaced atomically.

mod authority;
mod der;
mod files;
pub mod kubeconfig;
mod read;
#[cfg(test)]
mod tests;
mod token_key;
mod usage;

use std::path::PathBuf;

pub use authority::{Authority, Issued, Profile};
pub use files::write_private;
pub use kubeconfig::Kubeconfig;
pub use read::{Certificate, Request, certificates, private_key};
pub use token_key::TokenKey;
pub use usage::Usage;

/// Why a certificate, key or kubeconfig could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file or text is not what it should be.
    #[error("{what}: {why}")]
    Malformed {
        /// What was read, for people.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A key could not be made or used.
    #[error("cannot sign: {0}")]
    Key(#[from] rcgen::Error),
}

impl Error {
    fn malformed(what: impl Into<String>, why: impl ToString) -> Self {
        Self::Malformed { what: what.into(), why: why.to_string() }
    }
}
