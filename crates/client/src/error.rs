//! Why a request came to nothing.

use std::time::Duration;

use machinery::Status;

/// A failed request. Every variant says what was being done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with a failure.
    #[error("could not {what}")]
    Api {
        /// What was being done.
        what: String,
        /// The server's answer.
        source: Box<Status>,
    },
    /// The server did not answer.
    #[error("could not {what}: the API server cannot be reached")]
    Unreachable {
        /// What was being done.
        what: String,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer did not come in time.
    #[error("could not {what}: no answer within {after:?}")]
    TimedOut {
        /// What was being done.
        what: String,
        /// How long the request was given.
        after: Duration,
    },
    /// The server has not answered lately; it was not asked again.
    #[error("could not {what}: the API server has not been answering, next try in {retry_in:?}")]
    Suspended {
        /// What was being done.
        what: String,
        /// When requests are let through again.
        retry_in: Duration,
    },
    /// The answer is not what it should be.
    #[error("could not {what}: the answer cannot be read")]
    Decode {
        /// What was being done.
        what: String,
        /// What did not fit.
        source: serde_json::Error,
    },
    /// The request cannot be expressed, for example because a name is not valid in a URL.
    #[error("cannot make a request for {path:?}")]
    Request {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: http::Error,
    },
    /// A kubeconfig or credentials cannot be used.
    #[error("cannot {what}")]
    Configuration {
        /// What was being done.
        what: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn configuration(
        what: String,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Configuration { what, source: Box::new(source) }
    }

    /// The server's answer, when it gave one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Api { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the object (or the resource) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// Whether the object changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// Whether the name is taken.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// Whether a resource version is older than the server's history.
    pub fn is_expired(&self) -> bool {
        self.status().is_some_and(|s| s.code == 410)
    }

    /// Whether the server was not reached (as opposed to having refused).
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Suspended { .. })
    }

    /// The whole chain of causes in one line, for conditions, events and the command line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let cause = error.to_string();
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            source = error.source();
        }
        text
    }
}
