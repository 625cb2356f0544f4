//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double from `first` up to `max`, spread by a fifth so that many waiters do not come
/// back in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
    random: clock::Random,
}

impl Backoff {
    /// A backoff that has not waited yet.
    pub fn new(first: Duration, max: Duration, random: clock::Random) -> Self {
        Self { first, max, next: first, random }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        let spread = u64::try_from(wait.as_micros() / 5).unwrap_or(u64::MAX);
        wait + Duration::from_micros(if spread == 0 { 0 } else { self.random.within(0..spread) })
    }

    /// Starts over: it worked.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}
