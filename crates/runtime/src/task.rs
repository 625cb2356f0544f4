//! Named tasks and how they are asked to end.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// A request to end, handed to everything that runs. Clones are the same request; a
/// [`Shutdown::child`] ends with its parent but can be ended alone.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A request nobody has made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that holds this to end.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether the request has been made.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the request.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// A request that follows this one and can also be made alone.
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Runs a future until it is done or the request is made.
    pub async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.requested() => None,
            done = future => Some(done),
        }
    }
}

/// Starts a task under a name that stands in its log lines.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "this is the function that the ban points to")]
    tokio::spawn(future.instrument(tracing::info_span!("task", name)))
}
